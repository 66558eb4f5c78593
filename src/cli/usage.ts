/** What commander says by itself, in Chinese: headings of help, and what is wrong with a command line. */
import type { Command } from 'commander'
import type { Io } from './io.ts'

const TITLES: Readonly<Record<string, string>> = {
  'Usage:': '用法：',
  'Arguments:': '参数：',
  'Options:': '选项：',
  'Global Options:': '全局选项：',
  'Commands:': '命令：'
}

const WRONG: readonly [RegExp, string][] = [
  [/^error: unknown command '(.*)'/, "错误：没有命令 '$1'"],
  [/^error: unknown option '(.*)'/, "错误：没有选项 '$1'"],
  [/^error: missing required argument '(.*)'/, "错误：缺少参数 '$1'"],
  [/^error: required option '(.*)' not specified/, "错误：缺少选项 '$1'"],
  [/^error: option '(.*)' argument missing/, "错误：选项 '$1' 缺少取值"],
  [
    /^error: option '(.*)' argument '(.*)' is invalid\. Allowed choices are (.*)\./,
    "错误：选项 '$1' 的取值 '$2' 不正确，可用的是 $3"
  ],
  [/^error: option '(.*)' cannot be used with option '(.*)'/, "错误：选项 '$1' 不能与 '$2' 同用"],
  [
    /^error: too many arguments(?: for '(.*)')?\. Expected (\d+) arguments? but got (\d+)\./,
    '错误：参数过多，应为 $2 个，给出 $3 个'
  ],
  [/\(Did you mean one of (.*)\?\)/, '（是否指其中之一：$1？）'],
  [/\(Did you mean (.*)\?\)/, '（是否指 $1？）']
]

/** Before the commands are added: they take it over. */
export function speakChinese(program: Command, io: Io): void {
  if (io.lang !== 'zh') return
  program
    .helpOption('-h, --help', '显示用法')
    .helpCommand('help [command]', '显示某个命令的用法')
    .configureOutput({ outputError: (text, write) => write(WRONG.reduce((said, [shape, zh]) => said.replace(shape, zh), text)) })
    .configureHelp({
      styleTitle: (title) => TITLES[title] ?? title,
      styleOptionDescription: (text) =>
        text.replace('(choices: ', '（可选：').replace('(default: ', '（缺省：').replace(/\)$/, '）')
    })
}
