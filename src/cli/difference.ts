/**
 * A file that does not have the digests of its record: what can be found out about it, what usually causes such a thing, and that the ledger is
 * another matter. What is a fact has been computed; what is not is called usual, never said of this file.
 */
import { readFileSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { fromUtf8, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Json } from '../records/fields.ts'
import type { ReceiptReport } from '../verify/receipt.ts'
import { type Verdict, type Words, worse } from '../verify/verdict.ts'
import { digestBytes, digestPrefix, type FileDigests } from './digest.ts'
import { type Io, progress, words } from './io.ts'
import { compareManifests, type FolderDifference, type ManifestLine, parseManifest } from './manifest.ts'

export interface Given extends FileDigests {
  name: string
  path: string
  /** Of a folder. */
  lines?: ManifestLine[]
}

export interface Difference {
  file: string
  size: number
  /** Sizes of the files the record names, where it says them. */
  recordedSizes: number[]
  facts: Words[]
  usual: Words[]
  folder?: FolderDifference
}

interface Named {
  sha256?: string
  sm3?: string
  size?: number
}

/** Files larger than this are not tried with other line endings. */
const MAX_REWRITTEN = 16 << 20

/** One for each given file that matches nothing in the record. `receipt` is the receipt's own path: a manifest is often kept beside it. */
export async function explain(report: ReceiptReport, given: readonly Given[], receipt: string, io: Io): Promise<Difference[]> {
  const named = namedFiles(report.record?.body ?? {})
  const differences: Difference[] = []
  for (const [i, file] of given.entries())
    if (report.files[i]?.matches === false) differences.push(await explainOne(file, named, given, receipt, io))
  return differences
}

async function explainOne(
  file: Given,
  named: readonly Named[],
  given: readonly Given[],
  receipt: string,
  io: Io
): Promise<Difference> {
  const recordedSizes = [...new Set(named.flatMap(({ size }) => (size === undefined ? [] : [size])))]
  const others = given.filter((other) => other !== file && named.some((one) => isSame(other, one))).map(({ name }) => name)
  const facts: Words[] = []
  const usual: Words[] = []
  const difference = { file: file.name, size: file.size, recordedSizes, facts, usual }
  if (others.length > 0)
    facts.push({
      zh: `另给的 ${others.join('、')} 与记录相符`,
      en: `${others.join(', ')}, given beside it, has the digests of the record`
    })
  if (file.lines !== undefined) {
    const was = manifestOf(named, given, receipt)
    if (was === undefined)
      facts.push({
        zh: '没有找到固定时的清单（.manifest）：把它一并给出，即可列出哪些文件不同',
        en: 'the manifest that was fixed was not found: give it too, and the files that differ are listed'
      })
    return was === undefined ? difference : { ...difference, folder: compareManifests(was, file.lines) }
  }
  if (recordedSizes.length === 1) facts.push(sizeFact(file.size, recordedSizes[0]!))
  const rewritten = await rewriting(file, named, io)
  if (rewritten !== undefined) facts.push(rewritten)
  else usual.push(...usualCauses(file.size, recordedSizes))
  return difference
}

function sizeFact(size: number, recorded: number): Words {
  if (size === recorded)
    return { zh: `大小与存入时相同（${size} 字节），内容不同`, en: `same size as deposited (${size} bytes), other content` }
  const by = Math.abs(size - recorded)
  return size < recorded
    ? {
        zh: `比存入时少 ${by} 字节（存入 ${recorded}，现为 ${size}）`,
        en: `${by} bytes fewer than deposited (${recorded}, now ${size})`
      }
    : {
        zh: `比存入时多 ${by} 字节（存入 ${recorded}，现为 ${size}）`,
        en: `${by} bytes more than deposited (${recorded}, now ${size})`
      }
}

/** The change that turns the file given into the one deposited, where it is one of a few that can be undone and compared. */
async function rewriting(file: Given, named: readonly Named[], io: Io): Promise<Words | undefined> {
  for (const one of named) {
    if (one.size === undefined || one.size === 0 || one.size >= file.size) continue
    const beginning = await digestPrefix(file.path, one.size, (done) =>
      progress(io, `比对 ${file.name} 的开头`, `comparing the beginning of ${file.name}`, done, one.size!)
    )
    if (isSame(beginning, one))
      return {
        zh: `前 ${one.size} 字节与存入的文件完全相同，其后多出 ${file.size - one.size} 字节：原内容仍在，后面被追加了内容`,
        en: `its first ${one.size} bytes are the file deposited, ${file.size - one.size} bytes follow: something was appended`
      }
  }
  if (file.size > MAX_REWRITTEN || file.size === 0) return undefined
  const text = readFileSync(file.path, 'latin1')
  const lf = text.replaceAll('\r\n', '\n')
  const candidates: [string, Words][] = []
  for (const [before, changes] of [
    [lf, { zh: '换行符被从 LF 转换为 CRLF', en: 'its line endings were converted from LF to CRLF' }],
    [lf.replaceAll('\n', '\r\n'), { zh: '换行符被从 CRLF 转换为 LF', en: 'its line endings were converted from CRLF to LF' }]
  ] as const)
    candidates.push([before, changes])
  for (const [before, changes] of [[text, undefined], ...candidates] as const) {
    if (before.startsWith(BOM)) candidates.push([before.slice(BOM.length), also(changes, ADDED_BOM)])
    else candidates.push([BOM + before, also(changes, LOST_BOM)])
  }
  for (const [before, changes] of candidates)
    if (named.some(({ size }) => size === undefined || size === before.length)) {
      const digests = digestBytes(Buffer.from(before, 'latin1'))
      if (named.some((one) => isSame(digests, one)))
        return { zh: `文字内容相同：只是${changes.zh}`, en: `the same text: only ${changes.en}` }
    }
  return undefined
}

/** UTF-8's byte order mark, byte by byte. */
const BOM = '\u00ef\u00bb\u00bf'
const ADDED_BOM: Words = { zh: '开头被加上了 BOM 标记', en: 'a byte order mark was put in front' }
const LOST_BOM: Words = { zh: '开头的 BOM 标记被去掉了', en: 'the byte order mark in front was taken away' }

function also(first: Words | undefined, second: Words): Words {
  return first === undefined ? second : { zh: `${first.zh}，${second.zh}`, en: `${first.en} and ${second.en}` }
}

/** What such differences usually come from; the size says which to think of first. */
function usualCauses(size: number, recorded: readonly number[]): Words[] {
  const wrong = { zh: '给出的是另一个文件，或同一文件的另一个版本', en: 'another file was given, or another version of it' }
  if (size === 0)
    return [{ zh: '下载或复制没有完成，文件是空的', en: 'a download or copy that did not finish: the file is empty' }]
  if (recorded.includes(size))
    return [
      {
        zh: '查看或管理软件改写了文件内的属性（作者、打开时间等）',
        en: 'a viewer changed properties inside the file (author, time opened)'
      },
      { zh: '传输或存储介质出错', en: 'damage in transfer or on the medium' },
      wrong
    ]
  const fewer = recorded.length === 1 && size < recorded[0]!
  return [
    ...(fewer
      ? [
          { zh: '下载或复制中断，文件不完整', en: 'a download or copy that was cut short' },
          { zh: '聊天软件或邮件传送时压缩了图片、视频', en: 'a messenger or mail program compressed a picture or video' }
        ]
      : []),
    { zh: '用办公软件或阅读器打开后另存', en: 'saved again by an office program or viewer' },
    ...(fewer ? [] : [{ zh: '添加了批注、签名、水印', en: 'annotations, signatures or watermarks were added' }]),
    wrong
  ]
}

/** The manifest that the record names: among the files given, or beside the receipt. */
function manifestOf(named: readonly Named[], given: readonly Given[], receipt: string): ManifestLine[] | undefined {
  const beside = join(dirname(receipt), basename(receipt).replace(/(?:-\d+)?\.(?:receipt|unverified)\.json$/, '.manifest'))
  const places = [...given.filter(({ path }) => extname(path) === '.manifest').map(({ path }) => path), beside]
  for (const place of places) {
    try {
      const bytes = new Uint8Array(readFileSync(place))
      if (named.some((one) => isSame(digestBytes(bytes), one))) return parseManifest(fromUtf8(bytes))
    } catch (error) {
      // Not there, or not text: then it is not the one looked for.
      if (!(error instanceof LianzhengError) && (error as NodeJS.ErrnoException).code === undefined) throw error
    }
  }
  return undefined
}

function isSame({ sha256, sm3 }: FileDigests, named: Named): boolean {
  const pairs = [
    [named.sha256, hex(sha256)],
    [named.sm3, sm3 === undefined ? undefined : hex(sm3)]
  ].filter(([a, b]) => a !== undefined && b !== undefined)
  return pairs.length > 0 && pairs.every(([a, b]) => a === b)
}

/** Every place of a shown record that names a file by digest. */
function namedFiles(value: Json): Named[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap(namedFiles)
  const { sha256, sm3, size } = value as Named
  const inner = Object.values(value).flatMap(namedFiles)
  if (typeof sha256 !== 'string' && typeof sm3 !== 'string') return inner
  return [
    {
      ...(typeof sha256 === 'string' ? { sha256 } : {}),
      ...(typeof sm3 === 'string' ? { sm3 } : {}),
      ...(typeof size === 'number' ? { size } : {})
    },
    ...inner
  ]
}

/** Which of the two differs, in one sentence: undefined where neither does. */
export function whichDiffers(report: ReceiptReport): Words | undefined {
  const rest = report.steps.filter(({ step }) => step !== 'files')
  const ledger = rest.reduce<Verdict>((worst, { verdict }) => worse(worst, verdict), 'not-applicable')
  const files = report.steps.find(({ step }) => step === 'files')!.verdict
  if (files === 'broken')
    return ledger === 'verified'
      ? {
          zh: '不同的是文件，不是账本：账本一侧各步核验一致。',
          en: 'The file differs, not the ledger: all steps on the side of the ledger are verified.'
        }
      : ledger === 'broken'
        ? {
            zh: '文件不同；账本一侧也不一致（见标 ✗ 的步骤）。',
            en: 'The file differs, and the side of the ledger is broken too (see the steps marked ✗).'
          }
        : {
            zh: '文件不同；账本一侧有步骤无法核验（见标 ? 的步骤）。',
            en: 'The file differs; on the side of the ledger something could not be checked (see the steps marked ?).'
          }
  if (ledger !== 'broken') return undefined
  return files === 'verified'
    ? {
        zh: '文件与记录所载摘要相符；不一致的是账本一侧或回执文件本身（见标 ✗ 的步骤）。',
        en: 'The file has the digests of the record; what is broken is the ledger or the receipt file itself (see the steps marked ✗).'
      }
    : {
        zh: '不一致的是账本一侧或回执文件本身（见标 ✗ 的步骤）。',
        en: 'What is broken is the ledger or the receipt file itself (see the steps marked ✗).'
      }
}

/** How many paths of a kind are listed; `--json` lists all. */
const LISTED = 20

export function printDifferences(differences: readonly Difference[], io: Io): void {
  const line = (zh: string, en: string) => io.out(`  ${words(io, zh, en)}\n`)
  for (const { file, facts, usual, folder } of differences) {
    io.out(`\n${words(io, `文件 ${file}：`, `file ${file}:`)}\n`)
    for (const { zh, en } of facts) line(zh, en)
    if (folder !== undefined) {
      const list = (zh: string, en: string, entries: readonly string[]) => {
        if (entries.length === 0) return
        line(`${zh}（${entries.length}）：`, `${en} (${entries.length}):`)
        for (const entry of entries.slice(0, LISTED)) io.out(`    ${entry}\n`)
        if (entries.length > LISTED) io.out(`    … ${words(io, '用 --json 查看全部', 'all of them with --json')}\n`)
      }
      list(
        '内容不同',
        'changed',
        folder.changed.map(({ path, was, is }) => `${path}  ${was} → ${is} ${words(io, '字节', 'bytes')}`)
      )
      list('缺少', 'missing', folder.missing)
      list('多出', 'extra', folder.extra)
      list(
        '改名（内容相同）',
        'renamed (same content)',
        folder.renamed.map(({ from, to }) => `${from} → ${to}`)
      )
    }
    if (usual.length > 0) {
      line(
        '这种情况通常是因为（程序不能断定是哪一个）：',
        'such a difference usually comes from (which one, a program cannot tell):'
      )
      for (const { zh, en } of usual) io.out(`    · ${words(io, zh, en)}\n`)
      line(
        '请用固定时的那个文件核验，不要用打开后另存的副本。',
        'Verify with the file as it was fixed, not with a copy saved again.'
      )
    }
  }
}
