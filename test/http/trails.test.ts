import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromBase64url } from '../../src/core/bytes.ts'
import { leafHash } from '../../src/core/hash.ts'
import { checkConsistency, checkInclusion } from '../../src/core/merkle.ts'
import { decodeBundle } from '../../src/core/tile.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { naiveRoot } from '../helpers/naive-tree.ts'
import { type Filed, type Name, TestNetwork } from '../helpers/network.ts'

const POWER = 'power:粤01-R0001'
const MEMBERS = 20
const CONTENT = 'a contract'
const SHA256 = createHash('sha256').update(CONTENT).digest('hex')

let network: TestNetwork
let opinions: Filed[]
let fixed: Filed

beforeAll(async () => {
  network = await TestNetwork.open()
  opinions = []
  // In several batches, with another trail's records in between.
  for (let i = 0; i < MEMBERS; i++) {
    opinions.push(await network.put(opinion({ case: `（2020）粤01民初${100 + i}号` }), 'president'))
    if (i % 7 === 0)
      await network.put(
        { ...opinion(), type: 'staff.post', staff: '粤01-R0005', posts: ['庭长'], from: '2020-08-26', ...NO_OPINION },
        'personnel'
      )
  }
  fixed = await network.put(fix(CONTENT), 'clerk')
})
afterAll(() => network.close())

const NO_OPINION = {
  case: undefined,
  judge: undefined,
  measure: undefined,
  basis: undefined,
  node: undefined,
  channel: undefined,
  sealed: undefined
}

interface Part {
  count: number
  from?: number
  entries: { index: number; disclosures: string[] }[]
}
const trail = (name: string, as?: Name, query = '') => network.ask(`/api/v1/trails/${encodeURIComponent(name)}${query}`, { as })
const partsOf = (text: string) => (JSON.parse(text) as { parts: Part[] }).parts
const certificate = (name: string, parts: unknown[]) => JSON.stringify({ format: 'lianzheng-trail/v1', trail: name, parts })
const check = (text: string) => verifyCertificate(text, network.policy, { now: Date.now() / 1000 })

describe('a trail', () => {
  it('comes whole, in log order, with its disclosures, and verifies', async () => {
    const answer = await trail(POWER, 'inspector')
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
    const report = check(answer.text)
    expect(report).toMatchObject({ overall: 'verified', trail: POWER, missing: [], disclosed: MEMBERS, withheld: 0 })
    expect(report.logs[0]!.entries.map(({ index }) => index)).toEqual(opinions.map(({ index }) => index))
  })

  it.each([1, 3, 7, 16, 17, 19, 20, 21, 1_000_000])('comes in parts of %i that together verify', async (limit) => {
    const parts: Part[] = []
    for (let from = 0; from < MEMBERS; from += limit)
      parts.push(...partsOf((await trail(POWER, 'inspector', `?from=${from}&limit=${limit}`)).text))
    expect(parts).toHaveLength(Math.ceil(MEMBERS / limit))
    const report = check(certificate(POWER, parts))
    expect([report.overall, report.logs[0]!.shown, report.logs[0]!.count]).toEqual(['verified', MEMBERS, MEMBERS])
    if (parts.length < 2) return
    for (const missing of [0, parts.length - 1, Math.floor(parts.length / 2)])
      expect(check(certificate(POWER, parts.toSpliced(missing, 1))).overall).not.toBe('verified')
  })

  it('gives its end from anywhere, and at its very end nothing', async () => {
    for (const from of [0, 1, 15, 16, 19, 20]) {
      const [part] = partsOf((await trail(POWER, 'inspector', `?from=${from}`)).text)
      expect(part).toMatchObject({ count: MEMBERS, ...(from === 0 ? {} : { from }) })
      expect(part!.entries.map(({ index }) => index)).toEqual(opinions.slice(from).map(({ index }) => index))
    }
  })

  it.each(['?from=21', '?from=-1', '?from=x', '?limit=1.5', '?limit=0', '?from=00', '?page=1', '?from=1&from=2', '?limit='])(
    'is refused with %s',
    async (query) => {
      const answer = await trail(POWER, 'inspector', query)
      expect([query, answer.status, answer.json().code]).toEqual([query, 400, 'QUERY_INVALID'])
      expect(answer.json().field).toBeTruthy()
    }
  )

  it('in which nothing was filed is proven absent', async () => {
    const answer = await trail('power:粤01-R0999', 'inspector')
    expect(answer.status).toBe(200)
    expect(partsOf(answer.text)).toMatchObject([{ count: 0, entries: [] }])
    expect(check(answer.text)).toMatchObject({ overall: 'verified', logs: [{ count: 0 }] })
  })

  it('of a key has a part for each log, and that of a log only its own', async () => {
    const { kid } = network.user('clerk').key
    const report = check((await trail(`key:${kid}`, 'admin-court')).text)
    expect([report.overall, report.logs.map(({ count }) => count)]).toEqual(['verified', [1, 1, 1, 1]])
    const own = check((await trail('ledger:court.example/public', 'admin-court')).text)
    expect([own.overall, own.logs.map(({ origin }) => origin)]).toEqual(['verified', ['court.example/public']])
  })

  it('must have a name, of a kind that this node holds', async () => {
    for (const name of [
      'power',
      'power:',
      'power:x',
      'nothing:1',
      'case:(2020)粤01民初1号',
      'ledger:court.example/evidence/',
      '__proto__:x'
    ])
      expect((await trail(name, 'inspector')).json()).toMatchObject({ code: 'TRAIL_NAME_INVALID', status: 400 })
    for (const name of ['commutation:（2020）粤01刑更1号', 'lead:~AAAAAAAAAAAAAAAAAAAAAA', 'ledger:other.example/evidence'])
      expect((await trail(name, 'inspector')).json()).toMatchObject({ code: 'CLASS_NOT_HELD', status: 400 })
    // Percent-encoding that is no UTF-8, and what cannot be parsed as a path at all.
    for (const path of ['/api/v1/trails/%E7', '//%@a#', '//d%%@`#/api/v1/trails/x'])
      expect((await network.askRaw(path)).json()).toMatchObject({ code: 'NOT_FOUND', status: 404 })
  })
})

describe('look-up of a file by its digest', () => {
  const look = (digest: string, as?: Name) => network.ask(`/api/v1/evidence/${digest}`, { as })

  it('says to everyone whether it is fixed, and since when', async () => {
    const answer = await look(SHA256)
    expect(Object.keys(answer.json())).toEqual(['digest', 'fixed', 'since'])
    expect(answer.json()).toMatchObject({ digest: SHA256, fixed: true })
    expect(Math.abs(Date.parse(String(answer.json().since)) - Date.now())).toBeLessThan(60_000)
    expect((await look('00'.repeat(32))).json()).toEqual({ digest: '00'.repeat(32), fixed: false })
  })

  it('finds the receipts for those with rights, and for them alone', async () => {
    const { records } = (await look(SHA256, 'clerk')).json<{ records: { receipt: string }[] }>()
    expect(records).toEqual([
      { log: 'evidence', index: fixed.index, receipt: `/api/v1/logs/evidence/records/${fixed.index}/receipt` }
    ])
    expect((await network.ask(records[0]!.receipt, { as: 'clerk' })).status).toBe(200)
    for (const name of ['prosecutor', 'personnel', 'lawyer'] as const)
      expect(Object.keys((await look(SHA256, name)).json())).not.toContain('records')
  })

  it('knows SM3 as well, and every fix of the same bytes', async () => {
    const sm3 = 'ab'.repeat(32)
    const files = [{ sha256: 'cd'.repeat(32), sm3, size: 1 }]
    const first = await network.put(fix('', { files }), 'clerk')
    const second = await network.put(fix('', { files }), 'clerk')
    const { since, records } = (await look(sm3, 'judge')).json<{ since: string; records: { index: number }[] }>()
    expect(records.map(({ index }) => index)).toEqual([first.index, second.index])
    expect((await look('cd'.repeat(32))).json()).toMatchObject({ fixed: true, since })
  })

  it.each(['', 'AB'.repeat(32), 'ab'.repeat(31), 'ab'.repeat(33), 'zz'.repeat(32), '..%2f'])(
    'refuses the digest "%s"',
    async (digest) => {
      const answer = await look(digest)
      expect(answer.json().code).toBe(digest === '' ? 'NOT_FOUND' : 'HEX_INVALID')
    }
  )
})

describe('plain proofs', () => {
  const proofs = '/api/v1/logs/supervision/proofs'
  const hashes = (value: unknown) => (value as string[]).map((hash) => fromBase64url(hash, 32))
  let leaves: Uint8Array[]
  let size: number
  beforeAll(async () => {
    const sizeNow = async () => (await network.ask('/api/v1/logs')).json<{ size: number }[]>()[1]!.size
    const before = await sizeNow()
    const bundle = await network.ask(`/logs/supervision/tile/entries/000.p/${before}`, { as: 'inspector' })
    // That read is on record itself.
    size = await sizeNow()
    expect(size).toBeGreaterThan(before)
    const { bytes } = await network.ask(`/logs/supervision/tile/0/000.p/${size}`)
    leaves = Array.from({ length: size }, (_, i) => bytes.slice(32 * i, 32 * i + 32))
    expect(decodeBundle(bundle.bytes, before).map(leafHash)).toEqual(leaves.slice(0, before))
  })

  it('of inclusion, for the published size and every one that holds the leaf', async () => {
    const { index, leaf } = opinions[3]!
    for (let at = index + 1; at <= size; at++) {
      const { root, proof, ...rest } = (await network.ask(`${proofs}/inclusion?leaf=${leaf}&size=${at}`)).json()
      expect(rest).toEqual({ index, size: at })
      expect(fromBase64url(root as string)).toEqual(naiveRoot(leaves.slice(0, at)))
      expect(checkInclusion(index, at, fromBase64url(leaf), hashes(proof), fromBase64url(root as string))).toBe(true)
    }
    expect((await network.ask(`${proofs}/inclusion?leaf=${leaf}`)).json()).toMatchObject({ index, size })
  })

  it('of consistency between any two sizes', async () => {
    for (const [from, to] of [
      [1, size],
      [7, 8],
      [8, 8],
      [5, 31],
      [size - 1, size],
      [size, size]
    ] as const) {
      const { proof, ...rest } = (await network.ask(`${proofs}/consistency?from=${from}&to=${to}`)).json()
      expect(rest).toEqual({ from, to })
      const [rootFrom, rootTo] = [from, to].map((at) => naiveRoot(leaves.slice(0, at))) as [Uint8Array, Uint8Array]
      expect(checkConsistency(from, to, rootFrom, rootTo, hashes(proof))).toBe(true)
    }
  })

  it('are refused for sizes that are none, or not published', async () => {
    const { leaf, index } = opinions[3]!
    const refused: [string, string, string?][] = [
      [`inclusion?leaf=${leaf}&size=${size + 1}`, 'QUERY_INVALID', 'size'],
      [`inclusion?leaf=${leaf}&size=${index}`, 'QUERY_INVALID'],
      [`inclusion?leaf=${leaf}&size=0`, 'QUERY_INVALID'],
      [`inclusion?leaf=${leaf}&size=x`, 'QUERY_INVALID', 'size'],
      ['inclusion', 'QUERY_INVALID', 'leaf'],
      ['inclusion?leaf=x', 'BASE64URL_INVALID'],
      [`inclusion?leaf=${'A'.repeat(43)}`, 'ENTRY_UNKNOWN'],
      [`consistency?from=0&to=${size + 1}`, 'QUERY_INVALID', 'to'],
      ['consistency?from=9&to=8', 'QUERY_INVALID'],
      ['consistency?from=0&to=8', 'QUERY_INVALID', 'from'],
      ['consistency?from=1', 'QUERY_INVALID', 'to'],
      ['consistency?from=1&to=2&more=3', 'QUERY_INVALID', 'more']
    ]
    for (const [query, code, field] of refused) {
      const { code: found, field: named } = (await network.ask(`${proofs}/${query}`)).json()
      expect([query, found, field === undefined ? undefined : named]).toEqual([query, code, field])
    }
  })
})

describe('POST /api/v1/verify', () => {
  const verify = (body: unknown) => network.ask('/api/v1/verify', { body: JSON.stringify(body) })
  const receipt = async () =>
    JSON.parse((await network.ask(`/api/v1/logs/evidence/records/${fixed.index}/receipt`, { as: 'clerk' })).text) as object

  it('gives the report of the offline verifier', async () => {
    const good = await verify({ receipt: await receipt(), files: [{ name: 'contract', sha256: SHA256 }] })
    expect(good.json()).toMatchObject({ kind: 'receipt', overall: 'verified', files: [{ matches: true }] })
    const other = await verify({
      receipt: await receipt(),
      files: [{ name: 'other', sha256: '00'.repeat(32), sm3: '11'.repeat(32) }]
    })
    expect(other.json()).toMatchObject({ overall: 'broken', files: [{ matches: false }] })
    const { text } = await trail(POWER, 'inspector')
    expect((await verify({ certificate: JSON.parse(text) })).json()).toMatchObject({ kind: 'trail', overall: 'verified' })
  })

  it('under the policy of the asker, or of the node', async () => {
    const policy = 'quorum none\n'
    expect((await verify({ receipt: await receipt(), policy })).json()).toMatchObject({ overall: 'could-not-check' })
    expect((await verify({ receipt: await receipt(), policy: network.policyText })).json()).toMatchObject({ overall: 'verified' })
    expect((await verify({ receipt: await receipt(), policy: 'quorum nobody\n' })).json()).toMatchObject({
      code: 'POLICY_INVALID',
      at: 1
    })
  })

  it('refuses what is neither, both, or not well-formed', async () => {
    const one = await receipt()
    for (const body of [
      {},
      [],
      'text',
      { receipt: one, certificate: one },
      { receipt: one, more: 1 },
      { receipt: one, files: [{}] }
    ])
      expect((await verify(body)).json()).toMatchObject({ code: 'BODY_INVALID' })
    expect((await verify({ receipt: { ...one, index: -1 } })).json()).toMatchObject({ code: 'RECEIPT_INVALID', field: 'index' })
    expect((await verify({ certificate: one })).json()).toMatchObject({ code: 'CERTIFICATE_INVALID' })
    expect((await verify({ receipt: one, files: [{ name: '', sha256: 'x' }] })).json()).toMatchObject({ code: 'HEX_INVALID' })
  })
})
