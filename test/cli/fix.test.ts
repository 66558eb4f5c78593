import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseReceipt } from '../../src/verify/files.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { type Name, TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(async () => {
  expect(leaked(network.secrets)).toEqual([])
  await network.close()
})

const MATERIAL = ['--set', 'material=electronic-data']
const by = (name: Name = 'clerk', out = 'out') => [
  '--key',
  network.keyFile(name),
  '--url',
  network.url,
  '--policy',
  network.policyFile,
  '-o',
  desk.path(out)
]
const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
const write = (name: string, content: string | Buffer) => {
  writeFileSync(desk.path(name), content)
  return desk.path(name)
}
interface Done {
  file: string
  receipt: string
  evidence: string
  log: string
  index: number
  overall: string
}
const shown = (receipt: string) => verifyReceipt(readFileSync(receipt, 'utf8'), network.policy).record!
const sizes = async () => (await network.ask('/api/v1/logs')).json<{ size: number }[]>().map(({ size }) => size)

describe('fix', () => {
  it('several files: a record and a receipt each, which verify with their file alone', async () => {
    const files = ['合同.pdf', '照片 1.jpg', '录音.mp3'].map((name, i) => write(name, `content ${i}`))
    const done = await desk.json<Done[]>(['fix', ...files, ...MATERIAL, ...by()])
    expect(done.map(({ receipt }) => basename(receipt))).toEqual([
      '合同.pdf.receipt.json',
      '照片 1.jpg.receipt.json',
      '录音.mp3.receipt.json'
    ])
    expect(new Set(done.map(({ evidence }) => evidence)).size).toBe(3)
    for (const [i, { receipt, evidence, log, overall }] of done.entries()) {
      expect([log, overall]).toEqual(['evidence', 'verified'])
      expect(evidence).toMatch(/^粤01-\d{8}-[a-z2-7]{12}$/)
      const { body, disclosed } = shown(receipt)
      const sm3 = createHash('sm3').update(`content ${i}`).digest('hex')
      expect(body).toMatchObject({
        evidence,
        court: '粤01',
        material: 'electronic-data',
        actor: '粤01-R0101',
        files: [{ sha256: sha256(`content ${i}`), sm3, size: 9 }]
      })
      expect(disclosed).toEqual({ name: basename(files[i]!) })
      for (const [j, file] of files.entries())
        expect((await desk.run(['verify', receipt, file, '--policy', network.policyFile])).status).toBe(i === j ? 0 : 1)
    }
  })

  it('sends digests and never the file, nor its name in the open', async () => {
    const file = write('very-secret-name.txt', 'very secret content')
    const [done] = await desk.json<Done[]>(['fix', file, ...MATERIAL, ...by()])
    const { statement } = parseReceipt(readFileSync(done!.receipt, 'utf8'))
    for (const word of ['very-secret-name', 'very secret content']) expect(Buffer.from(statement).includes(word)).toBe(false)
  })

  it('takes case, list and fields, and puts each where the catalogue has it', async () => {
    const file = write('fields.txt', 'x')
    const list = '粤01-20200826-listaaaaaaaa'
    const settings = ['kind=E4', 'source=原告提交=当庭', 'captureMethod=upload', 'material=digitised-copy'].flatMap((setting) => [
      '--set',
      setting
    ])
    const [done] = await desk.json<Done[]>(['fix', file, '--case', '(2020) 粤01民初123号', '--list', list, ...settings, ...by()])
    expect(shown(done!.receipt)).toMatchObject({
      body: { case: '（2020）粤01民初123号', list, kind: 'E4', captureMethod: 'upload', material: 'digitised-copy' },
      disclosed: { name: 'fields.txt', source: '原告提交=当庭' }
    })
  })

  it('takes the number of the evidence too, where somebody has given it one', async () => {
    const evidence = '粤01-20200826-aaaaaaaaaaaa'
    const [done] = await desk.json<Done[]>([
      'fix',
      write('numbered.txt', 'x'),
      ...MATERIAL,
      '--set',
      `evidence=${evidence}`,
      ...by()
    ])
    expect([done!.evidence, shown(done!.receipt).body.evidence]).toEqual([evidence, evidence])
  })

  it('an empty file', async () => {
    const file = write('empty', '')
    const [done] = await desk.json<Done[]>(['fix', file, ...MATERIAL, ...by()])
    expect(shown(done!.receipt).body.files).toMatchObject([{ sha256: sha256(''), size: 0 }])
    expect((await desk.run(['verify', done!.receipt, file, '--policy', network.policyFile])).status).toBe(0)
  })

  it('a file of many megabytes, with progress for whoever watches', async () => {
    const content = Buffer.alloc(5 << 20, 'flat memory ')
    const file = write('large.bin', content)
    const { status, out, err } = await desk.run(['fix', file, ...MATERIAL, ...by()], { watched: true })
    expect([status, out.includes(sha256(content))]).toEqual([0, true])
    expect(err).toMatch(/\rdigesting large\.bin .* 100%/)
    expect((await desk.run(['fix', file, ...MATERIAL, ...by()])).err).toBe('')
  })

  it('says what it did in the language of the user', async () => {
    const file = write('words.txt', 'x')
    const zh = await desk.run(['fix', file, ...MATERIAL, ...by(), '--lang', 'zh'])
    expect(zh.out).toMatch(
      /^已固定 .*words\.txt\n {2}存证编号 粤01-.*\n {2}SHA-256 {2}[0-9a-f]{64}\n {2}账本 {5}evidence 第 \d+ 条\n/
    )
    const en = await desk.run(['fix', file, ...MATERIAL, ...by()])
    expect(en.out).toMatch(/^fixed .*words\.txt\n {2}number {3}粤01-/)
  })

  it('by a lawyer, who says which court', async () => {
    const file = write('by lawyer.txt', 'x')
    expect(await desk.json(['fix', file, ...MATERIAL, ...by('lawyer')], 1)).toMatchObject({
      error: { code: 'FIELD_MISSING', field: 'court' }
    })
    const [named] = await desk.json<Done[]>(['fix', file, ...MATERIAL, '--set', 'court=粤0106', ...by('lawyer')])
    expect(shown(named!.receipt).body.court).toBe('粤0106')
    const [ofCase] = await desk.json<Done[]>(['fix', file, ...MATERIAL, '--case', '（2020）粤03民初1号', ...by('lawyer')])
    expect(shown(ofCase!.receipt).body).toMatchObject({ court: '粤03' })
    expect(shown(ofCase!.receipt).body).not.toHaveProperty('actor')
  })

  it('the same name twice: two receipts', async () => {
    mkdirSync(desk.path('other'))
    const files = [write('same.txt', '1'), write(join('other', 'same.txt'), '2')]
    const done = await desk.json<Done[]>(['fix', ...files, ...MATERIAL, ...by('clerk', 'same')])
    expect(done.map(({ receipt }) => basename(receipt))).toEqual(['same.txt.receipt.json', 'same.txt-2.receipt.json'])
  })
})

describe('fix refuses', () => {
  const refused: [string, string[], string, number][] = [
    ['a missing file', ['missing'], 'FILE_UNREADABLE', 2],
    ['a missing file among others, before anything is sent', ['there', 'missing'], 'FILE_UNREADABLE', 2],
    ['a field nobody knows', ['there', '--set', 'colour=red'], 'FIELD_UNKNOWN', 1],
    ['a setting without a value', ['there', '--set', 'kind'], 'USAGE', 2],
    ['a value the field has not', ['there', '--set', 'kind=E9'], 'FIELD_INVALID', 1],
    ['a case number that is none', ['there', '--case', '123'], 'FIELD_INVALID', 1],
    ['a list id that is none', ['there', '--list', 'list'], 'FIELD_INVALID', 1],
    ['what only the tool may set', ['there', '--set', 'files=x'], 'FIELD_UNKNOWN', 1],
    ['sealed fields all at once', ['there', '--set', 'sealed=x'], 'FIELD_UNKNOWN', 1]
  ]
  it.each(refused)('%s', async (_, args, code, status) => {
    write('there', 'x')
    const before = await sizes()
    const files = args.map((word) => (['there', 'missing'].includes(word) ? desk.path(word) : word))
    expect(await desk.json(['fix', ...files, ...MATERIAL, ...by()], status)).toMatchObject({ error: { code } })
    expect(await sizes()).toEqual(before)
  })

  it('to say what the material is, in law: that is never filled in', async () => {
    const { error } = await desk.json<{ error: object }>(['fix', write('there', 'x'), ...by()], 1)
    expect(error).toMatchObject({ code: 'FIELD_MISSING', field: 'material' })
  })

  it('a judge, who may not fix evidence', async () => {
    expect(await desk.json(['fix', write('there', 'x'), ...MATERIAL, ...by('judge')], 1)).toMatchObject({
      error: { code: 'ROLE_NOT_PERMITTED' }
    })
  })
})

describe('a folder', () => {
  /** formats.md §13, computed again from its words. */
  function manifest(files: Record<string, string>): string {
    const lines = Object.keys(files)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map((path) => `${sha256(files[path]!)} ${Buffer.byteLength(files[path]!)} ${path}\n`)
    return `lianzheng-manifest/v1\n${lines.join('')}`
  }
  function folder(name: string, files: Record<string, string>): string {
    mkdirSync(desk.path(name))
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(desk.path(name), path, '..'), { recursive: true })
      writeFileSync(join(desk.path(name), path), content)
    }
    return desk.path(name)
  }

  it('is fixed through its manifest, which is kept beside the receipt', async () => {
    const files = {
      'b.txt': '2',
      'a/z.txt': '3',
      'a.txt': '1',
      'a/证据/一.pdf': '4',
      '.hidden': '5',
      'A.txt': '',
      '𠮷.txt': '6',
      '\uffee.txt': '7',
      'with space.txt': '8'
    }
    const place = folder('卷宗', files)
    const [done] = await desk.json<Done[]>(['fix', place, ...MATERIAL, ...by('clerk', 'folder')])
    const expected = manifest(files)
    expect(done!.file).toBe(desk.path('folder', '卷宗.manifest'))
    expect(readFileSync(done!.file, 'utf8')).toBe(expected)
    const { body, disclosed } = shown(done!.receipt)
    expect(body.files).toMatchObject([
      { sha256: sha256(expected), size: Buffer.byteLength(expected), mime: 'application/vnd.lianzheng.manifest' }
    ])
    expect(disclosed.name).toBe('卷宗')
    expect((await desk.run(['verify', done!.receipt, done!.file, '--policy', network.policyFile])).status).toBe(0)
    expect(basename(done!.receipt)).toBe('卷宗.receipt.json')
  })

  it('that is empty has a manifest of one line; one named by dots has its name', async () => {
    const place = folder('empty folder', {})
    const [done] = await desk.json<Done[]>([
      'fix',
      `${place}/sub/..`.replace('/sub/..', '/.'),
      ...MATERIAL,
      ...by('clerk', 'dots')
    ])
    expect(basename(done!.file)).toBe('empty folder.manifest')
    expect(readFileSync(done!.file, 'utf8')).toBe('lianzheng-manifest/v1\n')
  })

  it('that has changed is not fixed over its old manifest', async () => {
    const place = folder('changing', { a: '1' })
    await desk.json(['fix', place, ...MATERIAL, ...by('clerk', 'changing out')])
    await desk.json(['fix', place, ...MATERIAL, ...by('clerk', 'changing out')])
    writeFileSync(join(place, 'a'), '2')
    expect(await desk.json(['fix', place, ...MATERIAL, ...by('clerk', 'changing out')], 2)).toMatchObject({
      error: { code: 'FILE_EXISTS' }
    })
    expect(readdirSync(desk.path('changing out')).sort()).toEqual([
      'changing-2.receipt.json',
      'changing.manifest',
      'changing.receipt.json'
    ])
  })

  it('with what cannot stand in a manifest is refused, and the thing named', async () => {
    const withLink = folder('link', { a: '1' })
    symlinkSync('a', join(withLink, 'b'))
    const withNewline = folder('newline', { 'a\nb': '1' })
    const decomposed = folder('decomposed', { 'e\u0301': '1' })
    const notUtf8 = folder('not utf8', {})
    writeFileSync(Buffer.concat([Buffer.from(`${notUtf8}/`), Buffer.of(0xff)]), '1')
    for (const [place, name] of [
      [withLink, 'b'],
      [withNewline, 'a\nb'],
      [decomposed, 'e\u0301'],
      [notUtf8, '\ufffd']
    ] as const)
      expect(await desk.json(['fix', place, ...MATERIAL, ...by('clerk', 'refused')], 2)).toMatchObject({
        error: { code: 'FILE_UNREADABLE', at: join(place, name) }
      })
  })
})
