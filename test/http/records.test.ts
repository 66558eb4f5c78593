import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { base64url, equalBytes, fromBase64url } from '../../src/core/bytes.ts'
import { encodeDisclosure } from '../../src/core/disclosure.ts'
import { leafHash } from '../../src/core/hash.ts'
import { decodeStatement } from '../../src/core/statement.ts'
import { parseReceipt } from '../../src/verify/files.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type Filed, type Place, type Signed, submission, TestNetwork } from '../helpers/network.ts'

let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(() => network.close())

const verdict = (receipt: string) => verifyReceipt(receipt, network.policy, { now: Date.now() / 1000 }).overall
const receiptOf = (answer: { text: string }) => JSON.stringify((JSON.parse(answer.text) as { receipt: unknown }).receipt)
const text = (name: string, value: string) => encodeDisclosure(new Uint8Array(16), name, value).bytes

describe('one record', () => {
  it('is answered with 201, its place and a receipt that verifies', async () => {
    const signed = network.sign(fix('one'), 'clerk')
    const answer = await network.post(signed)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const place = answer.json<Place>()
    expect(place).toMatchObject({ status: 201, log: 'evidence', leaf: base64url(leafHash(signed.statement)) })
    expect(verdict(receiptOf(answer))).toBe('verified')
    const receipt = parseReceipt(receiptOf(answer))
    expect(receipt.index).toBe(place.index)
    expect(equalBytes(receipt.statement, signed.statement)).toBe(true)
    expect(receipt.disclosures.map(base64url).sort()).toEqual(signed.disclosures.map(base64url).sort())
  })

  it('gets its index alone where that is asked for', async () => {
    const answer = await network.post(network.sign(fix('index'), 'clerk'), '?reply=index&wait=durable')
    expect(Object.keys(answer.json())).toEqual(['status', 'log', 'index', 'leaf'])
  })

  it.each(['', '?wait=quorum', '?wait=durable', '?reply=receipt', '?wait=durable&reply=receipt'])(
    'has a receipt with %s',
    async (query) => {
      const answer = await network.post(network.sign(fix(query), 'clerk'), query)
      expect([answer.status, verdict(receiptOf(answer))]).toEqual([201, 'verified'])
    }
  )

  it('sent again is answered with 200 and the same index, under the newest head', async () => {
    const signed = network.sign(fix('again'), 'clerk')
    const first = (await network.post(signed)).json<Place & { receipt: { checkpoint: string } }>()
    await network.put(fix('between'), 'clerk')
    const answer = await network.post(signed)
    const second = answer.json<Place & { receipt: { checkpoint: string } }>()
    expect(answer.status).toBe(200)
    expect(second).toMatchObject({ status: 200, index: first.index, leaf: first.leaf })
    expect(Number(second.receipt.checkpoint.split('\n')[1])).toBeGreaterThan(Number(first.receipt.checkpoint.split('\n')[1]))
    expect(verdict(receiptOf(answer))).toBe('verified')
  })

  it('sent twice at once gets one place', async () => {
    const signed = network.sign(fix('twice at once'), 'clerk')
    const answers = await Promise.all(Array.from({ length: 8 }, () => network.post(signed, '?reply=index')))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 201])
    expect(new Set(answers.map((answer) => answer.json<Place>().index)).size).toBe(1)
  })

  it('goes to the log that its audience names, from any sender and without a token', async () => {
    const answer = await network.post(network.sign(opinion(), 'president'))
    expect(answer.json()).toMatchObject({ log: 'supervision' })
  })

  it.each(['?wait=never', '?reply=all', '?reply=index&reply=receipt', '?again=1'])('is refused with %s', async (query) => {
    const answer = await network.post(network.sign(fix('query'), 'clerk'), query)
    expect(answer.status).toBe(400)
    expect(answer.json()).toMatchObject({ code: 'QUERY_INVALID', field: query.slice(1).split('=')[0] })
  })
})

describe('a statement sent again', () => {
  let signed: Signed
  beforeEach(async () => {
    signed = network.sign(fix(`secret ${Math.random()}`), 'clerk')
    await network.post(signed)
  })

  it('shows the disclosures that came with it and no others', async () => {
    const { statement, disclosures } = signed
    expect(disclosures).toHaveLength(2)
    for (const given of [[], disclosures.slice(0, 1), disclosures.slice(1), disclosures]) {
      const answer = await network.post({ statement, disclosures: given })
      expect(answer.status).toBe(200)
      expect(parseReceipt(receiptOf(answer)).disclosures.map(base64url).sort()).toEqual(given.map(base64url).sort())
    }
  })

  it('shows them in arrays no more than alone', async () => {
    const answer = await network.postAll([signed.statement], '?reply=receipt')
    const [found] = answer.json<{ receipt: { disclosures: string[] } }[]>()
    expect(found!.receipt.disclosures).toEqual([])
    for (const given of signed.disclosures) expect(answer.text).not.toContain(base64url(given))
  })

  it('with a disclosure that is not its own is refused', async () => {
    const answer = await network.post({ statement: signed.statement, disclosures: [text('name', '合同.pdf')] })
    expect([answer.status, answer.json().code]).toEqual([400, 'DISCLOSURE_UNMATCHED'])
  })
})

describe('arrays', () => {
  it('get an answer for each record, in order; a bad one refuses itself alone', async () => {
    const records = Array.from({ length: 20 }, (_, i) => network.sign(fix(`array ${i} ${Math.random()}`), 'clerk'))
    const bad = records[7]!
    bad.statement = bad.statement.with(bad.statement.length - 1, bad.statement.at(-1)! ^ 1)
    const answer = await network.postAll(records)
    expect(answer.status).toBe(200)
    const results = answer.json<(Place & { code?: string })[]>()
    expect(results).toHaveLength(20)
    expect(results[7]).toMatchObject({ code: 'SIGNATURE_INVALID', status: 400, type: 'urn:lianzheng:error:SIGNATURE_INVALID' })
    for (const [i, result] of results.entries())
      if (i !== 7)
        expect(result).toMatchObject({ status: 201, log: 'evidence', leaf: base64url(leafHash(records[i]!.statement)) })
    expect(new Set(results.map(({ index }) => index)).size).toBe(20)
  })

  it('refuse what is no record in its own place', async () => {
    const good = submission(network.sign(fix('good'), 'clerk'))
    const body = JSON.stringify([good, null, 'text', {}, { statement: 1 }, { ...good, more: 1 }, { statement: '=' }, good, []])
    const answer = await network.ask('/api/v1/records', { body })
    const codes = answer.json<{ code?: string; status: number }[]>().map(({ code, status }) => code ?? status)
    const body400 = 'BODY_INVALID'
    expect(codes).toEqual([201, body400, body400, body400, body400, body400, 'BASE64URL_INVALID', 200, body400])
  })

  it('may hold records of several logs, and have receipts where that is asked for', async () => {
    const answer = await network.postAll(
      [network.sign(fix('a'), 'clerk'), network.sign(opinion(), 'president')],
      '?reply=receipt'
    )
    const results = answer.json<(Place & { receipt: unknown })[]>()
    expect(results.map(({ log }) => log)).toEqual(['evidence', 'supervision'])
    for (const { receipt } of results) expect(verdict(JSON.stringify(receipt))).toBe('verified')
  })

  it('hold 1 to 1,000 records', async () => {
    const records = Array.from({ length: 1_000 }, (_, i) => network.sign(fix(`many ${i}`), 'clerk'))
    records[500] = { ...records[500]!, statement: records[500]!.statement.subarray(1) }
    const results = (await network.postAll(records)).json<(Place & { code?: string })[]>()
    expect(results.filter(({ status }) => status === 201)).toHaveLength(999)
    expect(results[500]).toMatchObject({ code: 'STATEMENT_FORM', offset: 0 })
    const places = new Set(results.filter(({ status }) => status === 201).map(({ index }) => index))
    expect(places.size).toBe(999)
    for (const wrong of [[], [...records, records[0]!]]) {
      const answer = await network.postAll(wrong)
      expect([answer.status, answer.json().code, answer.json().expected]).toEqual([400, 'BODY_INVALID', '1 to 1000 records'])
    }
  })
})

describe('reading back', () => {
  let filed: Filed
  let sealed: Filed
  beforeAll(async () => {
    filed = await network.put(fix('read me', { case: '（2020）粤01民初7号' }), 'clerk')
    sealed = await network.put(opinion(), 'president')
  })
  const path = (filed: Filed, by: 'index' | 'leaf', more = '') => `/api/v1/logs/${filed.log}/records/${filed[by]}${more}`

  it('a record, by its index and by its leaf hash', async () => {
    const byIndex = await network.ask(path(filed, 'index'), { as: 'clerk' })
    const byLeaf = await network.ask(path(filed, 'leaf'), { as: 'clerk' })
    expect(byIndex.status).toBe(200)
    expect(byLeaf.text).toBe(byIndex.text)
    const record = byIndex.json<{ statement: string; enteredAt: number }>()
    expect(record).toMatchObject({
      log: 'evidence',
      index: filed.index,
      leaf: filed.leaf,
      type: 'evidence.fix',
      zh: '证据固定',
      iss: 'gz-court',
      body: { court: '粤01', actor: '粤01-R0101', case: '（2020）粤01民初7号' },
      disclosed: { name: '合同.pdf', source: '原告提交' },
      withheld: []
    })
    expect(equalBytes(fromBase64url(record.statement), filed.statement)).toBe(true)
    expect(Math.abs(record.enteredAt - Date.now())).toBeLessThan(60_000)
  })

  it('its receipt, which verifies and holds the disclosures', async () => {
    for (const by of ['index', 'leaf'] as const) {
      const answer = await network.ask(path(filed, by, '/receipt'), { as: 'clerk' })
      expect(verdict(answer.text)).toBe('verified')
      expect(parseReceipt(answer.text).disclosures.map(base64url).sort()).toEqual(filed.disclosures.map(base64url).sort())
    }
  })

  it('a record of another log, in its own log only', async () => {
    expect((await network.ask(path(sealed, 'leaf'), { as: 'inspector' })).json()).toMatchObject({
      disclosed: { content: '请提交类案检索报告。' }
    })
    const answer = await network.ask(`/api/v1/logs/evidence/records/${sealed.leaf}`, { as: 'inspector' })
    expect([answer.status, answer.json().code]).toEqual([404, 'ENTRY_UNKNOWN'])
  })

  it('a seal, which has no receipt', async () => {
    const { index } = await network.put(fix('sealed'), 'clerk')
    const seal = await network.ask(`/api/v1/logs/evidence/records/${index + 1}`, { as: 'clerk' })
    expect(seal.json()).toMatchObject({ index: index + 1, seal: true })
    expect(decodeStatement(fromBase64url(seal.json<{ statement: string }>().statement)).kind).toBe('seal')
    const receipt = await network.ask(`/api/v1/logs/evidence/records/${index + 1}/receipt`, { as: 'clerk' })
    expect([receipt.status, receipt.json().code]).toEqual([404, 'ENTRY_UNKNOWN'])
  })

  it('nothing beyond the published head, and nothing by a malformed name', async () => {
    for (const id of ['999999', '9007199254740991', '9999999999999999'])
      expect((await network.ask(`/api/v1/logs/evidence/records/${id}`, { as: 'clerk' })).json()).toMatchObject({
        code: 'ENTRY_UNKNOWN'
      })
    for (const id of ['-1', '01', '1e3', 'x', `${filed.leaf}A`, filed.leaf.slice(1), '99999999999999999'])
      expect((await network.ask(`/api/v1/logs/evidence/records/${id}`, { as: 'clerk' })).json()).toMatchObject({
        code: 'BASE64URL_INVALID'
      })
    expect((await network.ask('/api/v1/logs/none/records/0', { as: 'clerk' })).json()).toMatchObject({
      code: 'LOG_UNKNOWN',
      expected: 'evidence | supervision | personnel | public'
    })
  })
})
