import { describe, expect, it } from 'vitest'
import { CATALOGUE } from '../../src/records/catalogue.ts'
import { Desk } from '../helpers/cli.ts'

const COMMANDS: [string, { args: RegExp; zh: string; en: string }][] = [
  ['network init', { args: /--nodes[\s\S]*--port/, zh: '生成密钥', en: 'make keys' }],
  ['serve', { args: /--config/, zh: '运行节点', en: 'run a node' }],
  ['key new', { args: /--out[\s\S]*--passphrase/, zh: '生成密钥', en: 'make a key' }],
  ['key show', { args: /<file>/, zh: '显示公钥', en: 'show public key' }],
  [
    'registry add',
    { args: /<keyfile>[\s\S]*--key[\s\S]*--org[\s\S]*--staff[\s\S]*--role[\s\S]*--holder/, zh: '登记密钥', en: 'register a key' }
  ],
  ['registry revoke', { args: /<kid>[\s\S]*--reason/, zh: '吊销密钥', en: 'revoke a key' }],
  ['registry approve', { args: /<leaf>[\s\S]*--kid/, zh: '同意待定的变更', en: 'approve a pending change' }],
  ['registry list', { args: /--key[\s\S]*--log/, zh: '待同意的变更', en: 'await agreement' }],
  ['registry catalogue', { args: /--key[\s\S]*--log/, zh: '最新目录', en: 'newest catalogue' }],
  ['registry node', { args: /--key[\s\S]*--only/, zh: '下一代', en: 'next generation' }],
  ['registry policy', { args: /<file>[\s\S]*--key/, zh: '新的策略', en: 'new policy' }],
  ['registry member add', { args: /<name>[\s\S]*--org[\s\S]*--role[\s\S]*--vkey/, zh: '增加成员', en: 'add a member' }],
  ['registry member remove', { args: /<name>[\s\S]*--key/, zh: '移除成员', en: 'remove a member' }],
  ['types', { args: /\[type\][\s\S]*--example/, zh: '记录类型', en: 'record types' }],
  [
    'fix',
    {
      args: /<file\.\.\.>[\s\S]*--case[\s\S]*--list[\s\S]*--set[\s\S]*--key[\s\S]*--url[\s\S]*-o, --out/,
      zh: '固定证据',
      en: 'fix evidence'
    }
  ],
  ['attach', { args: /<id>[\s\S]*--case[\s\S]*--key[\s\S]*-o, --out/, zh: '归入案件', en: 'to a case' }],
  ['confirm', { args: /<id>[\s\S]*--method[\s\S]*--proof[\s\S]*--party/, zh: '当事人确认', en: 'confirms a list' }],
  ['submit', { args: /<record\.\.\.>[\s\S]*--key[\s\S]*--url[\s\S]*-o, --out/, zh: '提交任何类型', en: 'submit records' }],
  ['verify', { args: /<file> \[evidence\.\.\.\][\s\S]*--policy/, zh: '离线核验', en: 'offline' }],
  [
    'compare',
    { args: /<a> <b>[\s\S]*--policy[\s\S]*--url[\s\S]*--statement[\s\S]*-o, --out/, zh: '同一历史', en: 'one history' }
  ],
  ['trail', { args: /<name>[\s\S]*--url[\s\S]*--policy[\s\S]*--key[\s\S]*-o, --out/, zh: '完整的轨迹', en: 'whole trail' }],
  ['audit', { args: /--url[\s\S]*--data[\s\S]*--work[\s\S]*--policy/, zh: '重读并重算', en: 're-read and re-verify' }],
  ['export', { args: /<file>[\s\S]*--format[\s\S]*-o, --out/, zh: '其他格式', en: 'another format' }]
]

const desk = new Desk()

describe('--help', () => {
  it.each(COMMANDS)('%s: its options, in both languages, and status 0', async (command, { args, zh, en }) => {
    for (const [lang, words] of [
      ['zh', zh],
      ['en', en]
    ] as const) {
      const given = await desk.run([...command.split(' '), '--help', '--lang', lang], { lang: lang === 'zh' ? 'en' : 'zh' })
      expect([given.status, given.err]).toEqual([0, ''])
      expect(given.out).toContain(words)
      expect(given.out).toMatch(args)
      expect(given.out).toMatch(/--json[\s\S]*--lang/)
      const locale = await desk.run([...command.split(' '), '--help'], { lang })
      expect(locale.out).toBe(given.out)
    }
  })

  it('of the whole lists every command, and so does none at all', async () => {
    const { out, status } = await desk.run(['--help'])
    expect(status).toBe(0)
    for (const [command] of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${command.split(' ')[0]}\\b`, 'm'))
    expect((await desk.run(['--help', '--lang=zh'])).out).toContain('多机构共同维护')
    expect((await desk.run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('bad usage ends with status 2 and says what is wrong', () => {
  const wrong: [string, RegExp][] = [
    ['nothing', /unknown command/],
    ['verify', /missing required argument|required option/],
    ['verify x', /required option.*--policy/],
    ['serve', /--config/],
    ['fix x', /--key|--url|--out/],
    ['submit x --key k --url u', /--out/],
    ['key new', /--out/],
    ['registry add x --org o', /--key|--url|--role/],
    ['export x --format pdf -o y', /tlog-proof/],
    ['types x y', /too many arguments/],
    ['verify x --policy p --nothing', /unknown option/],
    ['types --lang fr', /zh, en/],
    ['key', /new/],
    ['', /fix/]
  ]
  it.each(wrong)('%s', async (line, words) => {
    const { status, out, err } = await desk.run(line.split(' ').filter((word) => word !== ''))
    expect([status, out]).toEqual([2, ''])
    expect(err).toMatch(words)
  })
})

describe('in Chinese', () => {
  it('help has no English headings', async () => {
    for (const [command] of [...COMMANDS, ['key'], ['registry'], ['']] as [string][]) {
      const { out } = await desk.run([...command.split(' ').filter((word) => word !== ''), '--help', '--lang', 'zh'])
      expect(out).toMatch(/^用法： lianzheng/)
      expect(out).not.toMatch(/Usage|Options:|Commands:|Arguments:|display|choices|default/)
    }
  })
  it.each([
    ['nothing', '错误：没有命令'],
    ['key show', '错误：缺少参数'],
    ['verify x', '错误：缺少选项'],
    ['verify x --policy', '缺少取值'],
    ['types x y', '错误：参数过多，应为 1 个，给出 2 个'],
    ['verify x --policy p --nothing', '错误：没有选项'],
    ['types --lang fr', '可用的是 zh, en'],
    ['typse', '是否指 types？']
  ])('%s: what is wrong is said', async (line, words) => {
    const { status, out, err } = await desk.run(line.split(' '), { lang: 'zh' })
    expect([status, out]).toEqual([2, ''])
    expect(err).toContain(words)
    expect(err).not.toMatch(/error:|Did you mean/)
  })
})

describe('the language', () => {
  it('of refusals is the one asked for', async () => {
    const zh = await desk.run(['key', 'show', '/nowhere', '--lang', 'zh'])
    const en = await desk.run(['key', 'show', '/nowhere', '--lang', 'en'], { lang: 'zh' })
    expect(zh.err).toBe('错误 FILE_UNREADABLE: 文件读不了（/nowhere）\n  → 请检查路径与权限\n')
    expect(en.err).toBe('error FILE_UNREADABLE: file cannot be read (/nowhere)\n  → Check the path and the permissions\n')
    expect([zh.status, en.status]).toEqual([2, 2])
  })

  it('is no matter to machines: both stand in the answer', async () => {
    const { error } = await desk.json<{ error: object }>(['key', 'show', '/nowhere'], 2)
    expect(error).toEqual({
      code: 'FILE_UNREADABLE',
      zh: '文件读不了（/nowhere）。请检查路径与权限',
      en: 'file cannot be read (/nowhere). Check the path and the permissions',
      at: '/nowhere'
    })
  })
})

describe('types', () => {
  it('lists the catalogue', async () => {
    const { out } = await desk.run(['types'])
    expect(out.trimEnd().split('\n')).toHaveLength(CATALOGUE.length)
    for (const { type, en } of CATALOGUE) expect(out).toMatch(new RegExp(`^${type.replace('.', '\\.')} +${en}$`, 'm'))
    expect((await desk.run(['types', '--lang', 'zh'])).out).toContain('证据固定')
    expect((await desk.json<unknown[]>(['types'])).map((entry) => (entry as { type: string }).type)).toEqual(
      CATALOGUE.map(({ type }) => type)
    )
  })

  it.each(CATALOGUE.map(({ type }) => type))('%s: writers, trails, fields', async (type) => {
    const entry = CATALOGUE.find((one) => one.type === type)!
    for (const lang of ['zh', 'en'] as const) {
      const { out, status } = await desk.run(['types', type, '--lang', lang])
      expect(status).toBe(0)
      expect(out).toContain(`${type} v1  ${entry[lang]}`)
      expect(out).toContain(entry.writers.join(', '))
      for (const name of [...Object.keys(entry.members), ...Object.keys(entry.sealed)]) expect(out).toContain(name)
    }
    expect(await desk.json(['types', type])).toMatchObject({ type, writers: entry.writers, class: entry.class })
  })

  it('refuses what it does not know', async () => {
    const { status, err } = await desk.run(['types', 'nothing.such'])
    expect([status, err.split(':')[0]]).toEqual([1, 'error TYPE_UNKNOWN'])
  })
})
