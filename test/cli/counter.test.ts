/** The clerk's counter: forty exhibits, one list, one 收据, interrupted wherever it can be. */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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

const write = (name: string, content: string | Uint8Array) => {
  writeFileSync(desk.path(name), content)
  return desk.path(name)
}
const sha256 = (content: string) => createHash('sha256').update(content).digest('hex')
const by = (out: string, name: Name = 'clerk', url = network.url) => [
  ...['--key', network.keyFile(name), '--url', url, '--policy', network.policyFile],
  ...['-o', desk.path(out)]
]
const sizeOf = async () =>
  (await network.ask('/api/v1/logs')).json<{ name: string; size: number }[]>().find(({ name }) => name === 'evidence')!.size
const shown = (receipt: string) => verifyReceipt(readFileSync(receipt, 'utf8'), network.policy).record!

interface Done {
  file: string
  receipt: string
  evidence: string
  index: number
  overall: string
  sha256: string
  alike?: string[]
  since?: string
  records?: string[]
  skipped?: true
}
interface ListDone {
  list: string
  case?: string
  fixed: Done[]
  listRecord: { receipt: string; index: number; overall: string }
  courtReceipt: { receipt: string; index: number; overall: string }
  summary: string
}

/** Files and the sheet that says what they are. */
function exhibits(folder: string, count: number): { files: string[]; sheet: string } {
  mkdirSync(desk.path(folder))
  const names = Array.from({ length: count }, (_, i) => `证据${String(i + 1).padStart(2, '0')}.pdf`)
  const files = names.map((name) => write(join(folder, name), `${folder} ${name}`))
  const lines = names.map((name, i) => `${name},${i % 2 === 0 ? '原件' : '复印件'},${(i % 3) + 1},${i}`)
  return { files, sheet: write(join(folder, '清单.csv'), `\ufeff文件,形式,份数,页数\r\n${lines.join('\r\n')}\r\n`) }
}
const SAID = [
  'material=digitised-copy',
  'receivedAt=2026-01-05 09:30',
  'party=原告 李某某',
  'title=原告证据清单',
  'source=原告提交'
]
const settings = (said: readonly string[]) => said.flatMap((one) => ['--set', one])
const fixList = ({ files, sheet }: { files: string[]; sheet: string }) => [
  ...['fix', ...files, '--list', 'new', '--sheet', sheet, '--case', '(2026)粤01民初 12 号'],
  ...settings(SAID)
]

/** Stands between the command and the node; `cut` says what happens to the n-th request that brings records. */
async function relay(cut: (n: number) => 'before' | 'after' | undefined, look: () => void = () => {}) {
  let posts = 0
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const isPost = request.method === 'POST'
    const fate = isPost ? cut(posts++) : undefined
    if (isPost) look()
    if (fate === 'before') {
      request.socket.destroy()
      return
    }
    const { authorization } = request.headers
    const answer = await network.ask(request.url!, {
      ...(authorization === undefined ? {} : { authorization }),
      ...(isPost ? { body: Buffer.concat(chunks).toString() } : {})
    })
    if (fate === 'after') request.socket.destroy()
    else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(Buffer.from(answer.bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posts: () => posts,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

describe('forty exhibits', () => {
  it('one list, one 收据, three requests; every receipt verifies; a table to read', async () => {
    const forty = exhibits('forty', 40)
    const before = await sizeOf()
    const { url, posts, close } = await relay(() => undefined)
    const done = await desk.json<ListDone>([...fixList(forty), ...by('forty out', 'clerk', url)])
    close()
    expect(posts()).toBe(3)
    expect(done.fixed.map(({ file }) => file)).toEqual(forty.files)
    expect(done.case).toBe('（2026）粤01民初12号')
    expect([...done.fixed, done.listRecord, done.courtReceipt].every(({ overall }) => overall === 'verified')).toBe(true)
    const indexes = [...done.fixed.map(({ index }) => index), done.listRecord.index, done.courtReceipt.index]
    expect(Math.max(...indexes.slice(0, 40))).toBeLessThan(done.listRecord.index)
    expect(done.listRecord.index).toBeLessThan(done.courtReceipt.index)
    expect(new Set(indexes).size).toBe(42)
    // Each stage is one batch, and each batch has one seal.
    expect((await sizeOf()) - before).toBe(42 + 3)

    const ids = done.fixed.map(({ evidence }) => evidence)
    const digests = forty.files.map((file) => sha256(readFileSync(file, 'utf8')))
    expect(shown(done.listRecord.receipt)).toMatchObject({
      type: 'evidence.list',
      body: {
        list: done.list,
        case: '（2026）粤01民初12号',
        count: 40,
        items: ids.map((evidence, i) => ({ evidence, sha256: digests[i] }))
      },
      disclosed: { title: '原告证据清单', party: '原告 李某某' }
    })
    const receipt = shown(done.courtReceipt.receipt)
    expect(receipt).toMatchObject({ type: 'evidence.receipt', disclosed: { party: '原告 李某某' } })
    expect(receipt.body.receivedAt).toBe('2026-01-05T09:30:00+08:00')
    expect((receipt.body.items as object[]).slice(0, 2)).toEqual([
      { evidence: ids[0], form: 'original', copies: 1, pages: 0 },
      { evidence: ids[1], form: 'copy', copies: 2, pages: 1 }
    ])
    expect(receipt.disclosed.names).toEqual(forty.files.map((file) => basename(file)))
    for (const [i, { receipt: one }] of done.fixed.entries())
      expect(shown(one)).toMatchObject({ body: { evidence: ids[i], list: done.list, material: 'digitised-copy' } })

    const summary = readFileSync(done.summary, 'utf8')
    expect(summary).toContain(
      `| 40 | 证据40.pdf | copy | 1 | 39 | ${digests[39]!.slice(0, 16)} | ${done.fixed[39]!.index} | verified |`
    )
    expect(readdirSync(desk.path('forty out')).sort()).toEqual(
      [
        ...done.fixed.map(({ receipt: one }) => basename(one)),
        'court-receipt.receipt.json',
        'list.md',
        'list.receipt.json'
      ].sort()
    )
    // The list's own receipt stands for all forty files at once.
    const whole = ['verify', done.listRecord.receipt, ...forty.files, '--policy', network.policyFile]
    expect((await desk.run(whole)).status).toBe(0)
  })

  it('on the terminal: what is what, in zh and en', async () => {
    const few = exhibits('few', 2)
    const zh = await desk.run([...fixList(few), ...by('few out'), '--lang', 'zh'])
    expect([zh.status, zh.err]).toEqual([0, ''])
    expect(zh.out).toMatch(/^案号 （2026）粤01民初12号\n {2}1 {2}[0-9a-f]{16} +\d+ {2}核验一致 {2}证据01\.pdf\n/)
    expect(zh.out).toMatch(/清单 粤01-\d{8}-[a-z2-7]{12}：2 件\n/)
    const en = await desk.run([...fixList(few), ...by('few out 2')])
    expect(en.out).toMatch(/list 粤01-.*: 2 pieces\n[\s\S]*at a glance/)
    // The second time the bytes are known, and are fixed again all the same.
    expect(en.out).toMatch(/证据01\.pdf: the same content was fixed before: the node says since .*, record evidence \d+/)
  })
})

describe('cut short anywhere and run again: nothing is fixed twice', () => {
  const places = [0, 1, 2].flatMap((stage) => [['before', stage] as const, ['after', stage] as const])
  it.each(places)('%s request %i has reached the node', async (when, stage) => {
    const name = `cut ${when} ${stage}`
    const three = exhibits(name, 3)
    const before = await sizeOf()
    const { url, close } = await relay((n) => (n === stage ? when : undefined))
    const cut = await desk.run([...fixList(three), ...by(`${name} out`, 'clerk', url)])
    close()
    expect([cut.status, /UNREACHABLE/.test(cut.err), /the same command again goes on from there/.test(cut.err)]).toEqual([
      3,
      true,
      true
    ])
    const again = await desk.run([...fixList(three), ...by(`${name} out`)])
    expect([again.status, again.err]).toEqual([0, 'going on with the run that was cut short\n'])
    const out = readdirSync(desk.path(`${name} out`))
    expect(out.filter((file) => file.endsWith('.receipt.json'))).toHaveLength(5)
    expect(out).not.toContain('unfinished.json')
    const records = [0, 1, 2].map((i) =>
      parseReceipt(readFileSync(desk.path(`${name} out`, `证据0${i + 1}.pdf.receipt.json`), 'utf8'))
    )
    expect(records.map(({ index }) => index).every((index) => index >= before)).toBe(true)
    for (const file of three.files) {
      const { records: found } = (
        await network.ask(`/api/v1/evidence/${sha256(readFileSync(file, 'utf8'))}`, { as: 'clerk' })
      ).json<{
        records: object[]
      }>()
      expect(found).toHaveLength(1)
    }
    expect((await sizeOf()) - before).toBe(5 + 3)
  })

  it('power gone at any moment: what lies on the disk then is gone on with', async () => {
    const three = exhibits('power', 3)
    const out = desk.path('power out')
    const moments: string[] = []
    const keep = () => {
      const copy = desk.path(`moment ${moments.length}`)
      cpSync(out, copy, { recursive: true })
      moments.push(copy)
    }
    const { url, close } = await relay(() => undefined, keep)
    const first = await desk.json<ListDone>([...fixList(three), ...by('power out', 'clerk', url)])
    close()
    const after = await sizeOf()
    // After the last answer: the journal is there, and each number of receipts that a crash may leave.
    for (const missing of [['court-receipt'], ['court-receipt', 'list', '证据03.pdf'], []]) {
      cpSync(out, desk.path(`moment ${moments.length}`), { recursive: true })
      const copy = desk.path(`moment ${moments.length}`)
      cpSync(join(moments[0]!, 'unfinished.json'), join(copy, 'unfinished.json'))
      for (const name of missing) unlinkSync(join(copy, `${name}.receipt.json`))
      moments.push(copy)
    }
    for (const moment of moments) {
      rmSync(out, { recursive: true })
      cpSync(moment, out, { recursive: true })
      const again = await desk.json<ListDone>([...fixList(three), ...by('power out')])
      expect({ ...again, fixed: again.fixed.map(({ index }) => index) }).toEqual({
        ...first,
        fixed: first.fixed.map(({ index }) => index)
      })
      expect(existsSync(join(out, 'unfinished.json'))).toBe(false)
    }
    expect([moments.length, await sizeOf()]).toEqual([6, after])
  })

  it('another command does not go on with it, and says so; a finished one is no hindrance', async () => {
    const three = exhibits('other', 3)
    const { url, close } = await relay((n) => (n === 1 ? 'before' : undefined))
    await desk.json([...fixList(three), ...by('other out', 'clerk', url)], 3)
    close()
    const size = await sizeOf()
    writeFileSync(three.files[0]!, 'changed meanwhile')
    expect(await desk.json([...fixList(three), ...by('other out')], 2)).toMatchObject({
      error: { code: 'RUN_UNFINISHED' }
    })
    expect(await sizeOf()).toBe(size)
    writeFileSync(three.files[0]!, 'other 证据01.pdf')
    await desk.json([...fixList(three), ...by('other out')])
    writeFileSync(three.files[0]!, 'changed meanwhile')
    await desk.json([...fixList(three), ...by('other out')])
    expect(readdirSync(desk.path('other out'))).toContain('list-2.receipt.json')
  })

  it('refused whole, nothing of it is left to go on with', async () => {
    const file = write('refused.txt', 'refused')
    const line = ['fix', file, ...settings(['material=object']), ...by('refused out', 'prosecutor')]
    expect(await desk.json(line, 1)).toMatchObject({ error: { code: 'ROLE_NOT_PERMITTED' } })
    expect(existsSync(desk.path('refused out', 'unfinished.json'))).toBe(false)
  })

  it('somebody else’s file where a receipt belongs is not overwritten', async () => {
    const three = exhibits('taken', 3)
    const { url, close } = await relay((n) => (n === 0 ? 'before' : undefined))
    await desk.json([...fixList(three), ...by('taken out', 'clerk', url)], 3)
    close()
    const [other] = readdirSync(desk.path('few out')).filter((name) => name.startsWith('证据01'))
    cpSync(desk.path('few out', other!), desk.path('taken out', '证据01.pdf.receipt.json'))
    expect(await desk.json([...fixList(three), ...by('taken out')], 2)).toMatchObject({ error: { code: 'FILE_EXISTS' } })
  })
})

describe('the same bytes', () => {
  const fix = (files: string[], more: string[], out: string, name: Name = 'clerk') => [
    ...['fix', ...files, ...settings(['material=object', ...(name === 'lawyer' ? ['court=粤01'] : [])])],
    ...[...more, ...by(out, name)]
  ]

  it('twice in one command are fixed once, and that is said', async () => {
    const files = [write('one.txt', 'same'), write('two.txt', 'same'), write('three.txt', 'other')]
    const done = await desk.json<Done[]>(fix(files, [], 'twice'))
    expect(done.map(({ file, alike }) => [basename(file), alike?.map((path) => basename(path))])).toEqual([
      ['one.txt', ['two.txt']],
      ['three.txt', undefined]
    ])
    const { out } = await desk.run(fix(files, [], 'twice again'))
    expect(out).toMatch(/two\.txt has the same content as .*one\.txt, which is fixed once/)
  })

  it('said to be different things are refused', async () => {
    const [a, b] = [write('a.txt', 'alike'), write('b.txt', 'alike')]
    const sheet = write('alike.csv', 'file,form,copies,pages\na.txt,original,1,1\nb.txt,copy,1,1\n')
    const line = [
      'fix',
      a,
      b,
      '--list',
      'new',
      '--sheet',
      sheet,
      ...settings(['material=object', 'receivedAt=now']),
      ...by('alike')
    ]
    expect(await desk.json(line, 1)).toMatchObject({ error: { code: 'FIELD_INVALID', at: b } })
  })

  it('fixed before: since when and where, still fixed; left out if asked', async () => {
    const file = write('known.txt', 'known before')
    const [first] = await desk.json<Done[]>(fix([file], [], 'known'))
    expect(first).not.toHaveProperty('since')
    const [second] = await desk.json<Done[]>(fix([file], [], 'known'))
    expect(second).toMatchObject({
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      records: expect.arrayContaining([`evidence ${first!.index}`])
    })
    expect(second!.evidence).not.toBe(first!.evidence)
    const size = await sizeOf()
    const fresh = write('fresh.txt', 'never before')
    const [third, skipped] = await desk.json<Done[]>(fix([file, fresh], ['--skip-known'], 'known'))
    expect([basename(third!.file), skipped]).toMatchObject(['fresh.txt', { file, skipped: true, since: second!.since }])
    expect((await sizeOf()) - size).toBe(2)
    const { out, status } = await desk.run(fix([file, fresh], ['--skip-known', '--lang', 'zh'], 'known'))
    expect([status, out]).toEqual([
      0,
      expect.stringMatching(/未再固定 .*known\.txt：同样的内容此前已固定过：节点称自 .*记录 evidence \d+/)
    ])
  })

  it('to a lawyer, who may not know where: since when alone', async () => {
    const file = write('lawyer.txt', 'known before')
    const [done] = await desk.json<Done[]>(fix([file], [], 'lawyer', 'lawyer'))
    expect(done).toMatchObject({ since: expect.any(String), records: [] })
  })
})

describe('what the clerk has to say is not filled in', () => {
  const sheet = (text: string) => write('said.csv', text)
  const line = (text: string | undefined, said: string[], out = 'said') => {
    mkdirSync(desk.path('said'), { recursive: true })
    const files = ['x.txt', 'y.txt'].map((name) => write(join('said', name), name))
    return [
      'fix',
      ...files,
      '--list',
      'new',
      ...(text === undefined ? [] : ['--sheet', sheet(text)]),
      ...settings(said),
      ...by(`${out} out`)
    ]
  }
  const ALL = ['material=object', 'receivedAt=now', 'form=copy', 'copies=1', 'pages=2']

  it.each(['material', 'receivedAt', 'form', 'copies', 'pages'])('%s', async (field) => {
    const before = await sizeOf()
    const said = ALL.filter((one) => !one.startsWith(field))
    expect(await desk.json(line(undefined, said), 1)).toMatchObject({ error: { code: 'FIELD_MISSING', field } })
    expect(await sizeOf()).toBe(before)
    expect(existsSync(desk.path('said out'))).toBe(false)
  })

  it('for all files at once, or for each in the sheet, which comes first', async () => {
    const done = await desk.json<ListDone>(line('file,name,pages\n"said/y.txt","第二份, 照片",7\nsaid/x.txt,,\n', ALL))
    expect(done.fixed.map(({ file }) => basename(file))).toEqual(['y.txt', 'x.txt'])
    const { body, disclosed } = shown(done.courtReceipt.receipt)
    expect((body.items as { pages: number }[]).map(({ pages }) => pages)).toEqual([7, 2])
    expect(disclosed.names).toEqual(['第二份, 照片', 'x.txt'])
    expect(shown(done.fixed[0]!.receipt).disclosed.name).toBe('第二份, 照片')
  })

  const sheets: [string, string, object][] = [
    ['no file', 'file,form\n', { code: 'SHEET_INVALID', at: 2 }],
    ['nothing', '', { code: 'SHEET_INVALID', at: 1 }],
    ['an unknown column', 'file,colour\nx.txt,red\n', { code: 'SHEET_INVALID', at: 1 }],
    ['a column of the whole list', 'file,party\nx.txt,a\n', { code: 'SHEET_INVALID', at: 1 }],
    ['a column twice', 'file,form,形式\nx.txt,a,b\n', { code: 'SHEET_INVALID', at: 1 }],
    ['a line too short', 'file,form\nx.txt\ny.txt,copy\n', { code: 'SHEET_INVALID', at: 2 }],
    ['a quote without its pair', 'file,form\n"x.txt,copy\ny.txt,copy\n', { code: 'SHEET_INVALID', at: 2 }],
    ['a file that was not given', 'file\nz.txt\n', { code: 'SHEET_INVALID', field: 'z.txt' }],
    ['a file twice', 'file\nx.txt\nx.txt\n', { code: 'SHEET_INVALID', field: 'x.txt' }],
    ['not every file', 'file\nx.txt\n', { code: 'SHEET_INVALID' }],
    ['pages that are no number', 'file,pages\nx.txt,1\ny.txt,some\n', { code: 'FIELD_INVALID', field: 'items[1].pages' }],
    ['a form that is none', 'file,form\nx.txt,original\ny.txt,photo\n', { code: 'FIELD_INVALID', field: 'items[1].form' }]
  ]
  it.each(sheets)('a sheet with %s', async (_, text, error) => {
    const before = await sizeOf()
    const { status, out } = await desk.run([...line(text, ALL), '--json'])
    expect([status === 0, JSON.parse(out)]).toMatchObject([false, { error }])
    expect(await sizeOf()).toBe(before)
  })

  it('a receipt time that is none, a sheet without a list, --skip-known with one', async () => {
    expect(await desk.json(line(undefined, [...ALL, 'receivedAt=yesterday']), 1)).toMatchObject({
      error: { code: 'FIELD_INVALID', field: 'receivedAt' }
    })
    const file = write('z.txt', 'z')
    for (const more of [
      ['--sheet', sheet('file\nz.txt\n')],
      ['--list', 'new', '--skip-known']
    ])
      expect(await desk.json(['fix', file, ...more, ...settings(ALL), ...by('z')], 2)).toMatchObject({ error: { code: 'USAGE' } })
    const inside = ['fix', desk.path('said'), ...settings(['material=object']), ...by(join('said', 'receipts'))]
    expect(await desk.json(inside, 2)).toMatchObject({ error: { code: 'USAGE', field: '-o' } })
  })

  it('by a lawyer, who writes no lists', async () => {
    const file = write('list by lawyer.txt', 'x')
    const line = ['fix', file, '--list', 'new', ...settings([...ALL, 'court=粤01']), ...by('lawyers', 'lawyer')]
    const before = await sizeOf()
    expect(await desk.json(line, 1)).toMatchObject({ error: { code: 'ROLE_NOT_PERMITTED' } })
    expect(await sizeOf()).toBe(before)
  })
})

describe('after the list', () => {
  it('a case number comes later; the party confirms; run again, nothing is done twice', async () => {
    const two = exhibits('later', 2)
    const line = ['fix', ...two.files, '--list', 'new', '--sheet', two.sheet, ...settings(SAID), ...by('later out')]
    const { list, listRecord, fixed } = await desk.json<ListDone & { listRecord: { leaf: string } }>(line)
    expect(shown(listRecord.receipt).body).not.toHaveProperty('case')
    const attach = ['attach', list, '--case', '(2026) 粤01民初12号', ...by('later out')]
    const attached = await desk.json<{ case: string; receipt: string; index: number }>(attach)
    expect(shown(attached.receipt).body).toMatchObject({
      case: '（2026）粤01民初12号',
      list,
      refs: [{ rel: 'attaches', leaf: listRecord.leaf }]
    })
    const size = await sizeOf()
    expect(await desk.json(attach)).toMatchObject({ already: attached.index })
    expect(await sizeOf()).toBe(size)
    const piece = await desk.json(['attach', fixed[0]!.evidence, '--case', '(2026)粤01民初12号', ...by('later out')])
    expect(piece).toMatchObject({ evidence: fixed[0]!.evidence })

    const scan = write('签名页.pdf', 'signed')
    const said = ['--method', 'paper', '--proof', scan, '--party', '原告 李某某']
    const confirmed = await desk.json<{ receipt: string }>(['confirm', list, ...said, ...by('later out')])
    expect(shown(confirmed.receipt)).toMatchObject({
      body: { list, method: 'paper', proof: { sha256: sha256('signed') }, refs: [{ rel: 'confirms', leaf: listRecord.leaf }] },
      disclosed: { party: '原告 李某某' }
    })
    expect((await desk.run(['verify', confirmed.receipt, scan, '--policy', network.policyFile])).status).toBe(0)
    const zh = await desk.run(['confirm', list, '--method', 'screen', ...by('later out'), '--lang', 'zh'])
    expect([zh.status, zh.out]).toEqual([0, expect.stringMatching(/2 件）已由当事人确认：.*未附证明文件/)])
    expect(await desk.json(['confirm', fixed[0]!.evidence, '--method', 'screen', ...by('x')], 2)).toMatchObject({
      error: { code: 'ENTRY_UNKNOWN' }
    })
  })

  it('what is nowhere, and what is no number or no case number', async () => {
    const attach = (id: string, of = '(2026)粤01民初12号') => ['attach', id, '--case', of, ...by('nowhere')]
    expect(await desk.json(attach('粤01-20200826-aaaaaaaaaaaa'), 2)).toMatchObject({ error: { code: 'ENTRY_UNKNOWN' } })
    expect(await desk.json(attach('list'), 2)).toMatchObject({ error: { code: 'USAGE' } })
    expect(await desk.json(attach('list', '12'), 1)).toMatchObject({ error: { code: 'FIELD_INVALID', field: 'case' } })
  })
})
