import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { base64url } from '../../src/core/bytes.ts'
import { decodeStatement } from '../../src/core/statement.ts'
import { CATALOGUE, recordType } from '../../src/records/catalogue.ts'
import { exampleRecord } from '../../src/records/define.ts'
import { TABLES } from '../../src/records/tables/index.ts'
import { parseReceipt } from '../../src/verify/files.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type Name, PEOPLE, TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(async () => {
  expect(leaked(network.secrets)).toEqual([])
  await network.close()
})

const by = (name: Name) => [
  '--key',
  network.keyFile(name),
  '--url',
  network.url,
  '--policy',
  network.policyFile,
  '-o',
  desk.path('out')
]
const write = (name: string, value: unknown) => {
  const file = desk.path(`${name}.json`)
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  return file
}
interface Done {
  type: string
  log: string
  index: number
  leaf: string
  receipt: string
  overall: string
}

/** What the registry itself refuses, example or not: these speak of changes that are not there, or of the log's beginning. */
const STATEFUL = [
  'ledger.genesis',
  'registry.revoke',
  'registry.approve',
  'registry.key',
  'registry.member',
  'registry.node',
  'registry.catalogue'
]
/** Anybody may verify; two stand for all. */
const FEW: Partial<Record<string, readonly Name[]>> = {
  'evidence.verify': ['clerk', 'inspector'],
  'record.corrected': ['clerk', 'lawyer']
}
const PAIRS = CATALOGUE.filter(({ type }) => !STATEFUL.includes(type)).flatMap(({ type, writers, operatorOnly }) =>
  (Object.keys(PEOPLE) as Name[])
    .filter(
      (name) => FEW[type]?.includes(name) ?? PEOPLE[name].roles.some((role) => (writers as readonly string[]).includes(role))
    )
    .filter((name) => !(operatorOnly || type === 'body.erased') || PEOPLE[name].org === 'gz-court')
    .map((name) => [type, name] as const)
)

/** What an example cannot know: who signs it, and the record it speaks of. */
async function completed(record: { [name: string]: unknown }, type: string, name: Name): Promise<{ [name: string]: unknown }> {
  const { staff } = PEOPLE[name] as { staff?: string }
  if (type === 'recusal.declared' || type === 'recusal.applied') return { ...record, staff }
  if (type === 'conflict.check' && name === 'system') return { ...record, onBehalfOf: '粤01-R0101' }
  if (type !== 'body.erased' && type !== 'record.corrected') return record
  const { statement, leaf } = await network.put(fix('spoken of', { sealed: { name: '合同.pdf' } }), 'clerk')
  const { trails } = decodeStatement(statement)
  const [ref] = record.refs as object[]
  return { ...record, ...(type === 'body.erased' ? { fields: ['name'] } : {}), refs: [{ ...ref, leaf }], of: [...trails] }
}

describe('the example of a type', () => {
  it.each(PAIRS)('%s is taken from %s', async (type, name) => {
    const { out } = await desk.run(['types', type, '--example'])
    const record: { sealed?: object } = await completed(JSON.parse(out) as { [name: string]: unknown }, type, name)
    const [done] = await desk.json<Done[]>(['submit', write(`${type}-${name}`, record), ...by(name)])
    expect(done).toMatchObject({ type, overall: 'verified', receipt: desk.path('out', `${type}-${name}.receipt.json`) })
    const receipt = parseReceipt(readFileSync(done!.receipt, 'utf8'))
    expect(receipt.index).toBe(done!.index)
    expect(receipt.disclosures).toHaveLength(Object.keys(record.sealed ?? {}).length)
  })

  it('there is somebody for every family', () => {
    expect(new Set(PAIRS.map(([type]) => type.split('.')[0]))).toEqual(new Set(CATALOGUE.map(({ type }) => type.split('.')[0])))
  })
})

describe('submit', () => {
  it('takes several files, and arrays of records, a receipt each', async () => {
    const files = [write('one', opinion()), write('many', [opinion(), opinion(), opinion()])]
    const done = await desk.json<Done[]>(['submit', ...files, ...by('president')])
    expect(done.map(({ receipt }) => receipt)).toEqual(
      ['one', 'many-1', 'many-2', 'many-3'].map((name) => desk.path('out', `${name}.receipt.json`))
    )
    expect(new Set(done.map(({ index }) => index)).size).toBe(4)
    for (const { receipt } of done) expect((await desk.run(['verify', receipt, '--policy', network.policyFile])).status).toBe(0)
  })

  it('a record that every log takes goes where it is told, or where what it speaks of is', async () => {
    const statement = write('platform', exampleRecord(recordType('platform.statement')))
    const [told] = await desk.json<Done[]>(['submit', statement, '--log', 'public', ...by('admin-court')])
    expect(told!.log).toBe('public')
    const entry = { type: 'recusal.disclosed', at: opinion().at, court: '粤01', entry: 'e', status: 'related' }
    const { leaf } = await network.put(entry, 'personnel')
    const refs = [{ rel: 'corrects', log: 'court.example/public', leaf }]
    const correction = { type: 'record.corrected', at: opinion().at, refs, of: ['disclosure:粤01'] }
    const [found] = await desk.json<Done[]>(['submit', write('correction', correction), ...by('personnel')])
    expect(found!.log).toBe('public')
    const wrong = ['submit', statement, '--log', 'none', ...by('admin-court')]
    expect(await desk.json(wrong, 1)).toMatchObject({ error: { code: 'CLASS_NOT_HELD' } })
  })

  it('the example code tables are published as they are printed', async () => {
    const tables = write('tables', (await desk.run(['types', '--tables'])).out)
    const done = await desk.json<Done[]>(['submit', tables, '--log', 'supervision', ...by('admin-court')])
    expect(done).toHaveLength(TABLES.length)
    expect(done.every(({ log, overall }) => log === 'supervision' && overall === 'verified')).toBe(true)
    expect((await desk.run(['types', 'supervision.opinion'])).out).toMatch(/ measure .*example codes: M01 /)
  })

  it('a law firm acknowledges a notice', async () => {
    const { kid } = await desk.json<{ kid: string }>(['key', 'new', '--out', desk.path('firm.key.json')])
    const admin = ['--key', network.keyFile('admin-court'), '--url', network.url, '--policy', network.policyFile]
    await desk.json(['registry', 'add', desk.path('firm.key.json'), '--org', 'gz-court', '--role', 'firm', ...admin])
    const file = write('received', exampleRecord(recordType('notice.received')))
    const args = ['--key', desk.path('firm.key.json'), '--url', network.url, '--policy', network.policyFile]
    const [done] = await desk.json<Done[]>(['submit', file, ...args, '-o', desk.path('out')])
    expect(done).toMatchObject({ log: 'personnel', overall: 'verified' })
    expect(parseReceipt(readFileSync(done!.receipt, 'utf8')).keyTrails.map((trail) => base64url(trail.kid))).toContain(kid)
  })

  it('writes no receipt over another', async () => {
    const file = write('same name', opinion())
    const receipts = [
      await desk.json<Done[]>(['submit', file, ...by('president')]),
      await desk.json<Done[]>(['submit', file, ...by('president')])
    ]
    expect(receipts.map(([done]) => done!.receipt)).toEqual([
      desk.path('out', 'same name.receipt.json'),
      desk.path('out', 'same name-2.receipt.json')
    ])
  })

  it('says what it did, in the language of the user', async () => {
    const zh = await desk.run(['submit', write('zh', opinion()), ...by('president')], { lang: 'zh' })
    expect(zh.out).toMatch(/^已提交 supervision\.opinion（监督意见）：账本 supervision 第 \d+ 条\n/)
    expect(zh.out).toMatch(/核验一致；自 .* 存入以来未被改动/)
    const en = await desk.run(['submit', write('en', opinion()), ...by('president')])
    expect(en.out).toMatch(/^submitted supervision\.opinion \(supervision opinion\): log supervision, index \d+\n/)
    expect(en.out).toMatch(/verified; unchanged since its deposit at .*only the operator vouches/)
  })

  it('signs nothing that is not valid: nothing is sent, and no receipt written', async () => {
    const size = async () => (await network.ask('/api/v1/logs')).json<{ size: number }[]>().map((log) => log.size)
    const before = await size()
    const refused: [unknown, Name, string, string?][] = [
      ['{"type":', 'president', 'JSON_INVALID'],
      ['7', 'president', 'JSON_INVALID'],
      [[[]], 'president', 'JSON_INVALID'],
      [{}, 'president', 'FIELD_MISSING', 'type'],
      [{ ...opinion(), type: 'supervision.view' }, 'president', 'TYPE_UNKNOWN'],
      [{ ...opinion(), v: 2 }, 'president', 'TYPE_VERSION_UNKNOWN'],
      [{ ...opinion(), judge: undefined }, 'president', 'FIELD_MISSING', 'judge'],
      [{ ...opinion(), judges: 1 }, 'president', 'FIELD_UNKNOWN', 'judges'],
      [{ ...opinion(), case: '(2020)粤01民初1号' }, 'president', 'FIELD_INVALID', 'case'],
      [{ ...opinion(), at: '2020-02-30T00:00:00+08:00' }, 'president', 'FIELD_INVALID', 'at'],
      [{ ...opinion(), sealed: {} }, 'president', 'FIELD_MISSING'],
      [{ ...opinion(), sealed: { text: 'x' } }, 'president', 'FIELD_UNKNOWN', 'sealed.text'],
      [{ ...opinion(), sealed: { content: 7 } }, 'president', 'FIELD_INVALID', 'sealed.content'],
      [{ ...opinion(), actor: '粤01-R0002' }, 'president', 'ACTOR_MISMATCH', 'actor'],
      [{ ...opinion(), onBehalfOf: '粤01-R0002' }, 'president', 'FIELD_INVALID', 'onBehalfOf'],
      [opinion(), 'judge', 'ROLE_NOT_PERMITTED'],
      [{ ...opinion(), secrecy: '秘密' }, 'president', 'CLASSIFIED_NOT_ACCEPTED', 'secrecy']
    ]
    for (const [record, name, code, field] of refused) {
      const { error } = await desk.json<{ error: { code: string; field?: string } }>(
        ['submit', write('refused', record), ...by(name)],
        1
      )
      expect([code, error.code]).toEqual([code, error.code === code ? code : `not ${error.code}`])
      if (field !== undefined) expect([code, error.field]).toEqual([code, field])
    }
    expect(await size()).toEqual(before)
    expect(() => readFileSync(desk.path('out', 'refused.receipt.json'))).toThrow()
  })

  it('reads all files before it sends the first', async () => {
    const before = (await network.ask('/api/v1/status')).text
    const { error } = await desk.json<{ error: { code: string } }>(
      ['submit', write('good', opinion()), desk.path('not there.json'), ...by('president')],
      2
    )
    expect(error.code).toBe('FILE_UNREADABLE')
    expect((await network.ask('/api/v1/status')).json().logs).toEqual((JSON.parse(before) as { logs: unknown }).logs)
  })

  it('cannot sign for a key that is not registered', async () => {
    await desk.json(['key', 'new', '--out', desk.path('stranger.key.json')])
    const args = [
      'submit',
      write('stranger', opinion()),
      '--key',
      desk.path('stranger.key.json'),
      '--url',
      network.url,
      '-o',
      desk.path('out')
    ]
    expect(await desk.json(args, 2)).toMatchObject({ error: { code: 'AUTH_INVALID', field: 'kid' } })
  })

  it('needs a place for receipts that is one', async () => {
    const file = write('a file', 'x')
    const args = ['submit', write('x', opinion()), '--key', network.keyFile('president'), '--url', network.url, '-o', file]
    expect(await desk.json(args, 2)).toMatchObject({ error: { code: 'FILE_UNREADABLE', at: file } })
  })
})
