/** SCRAPI as a stranger's client sees it: read with cborg, checked with node:crypto. */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { decode as decodeWithCborg, encode as encodeWithCborg, Tagged } from 'cborg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bytes, base64url, fromBase64url } from '../../src/core/bytes.ts'
import { leafHash } from '../../src/core/hash.ts'
import { keyId } from '../../src/core/keys.ts'
import { decodeHandout } from '../../src/core/promise.ts'
import { verifyStatement } from '../../src/core/statement.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type Answer, type LogName, type Signed, TestNetwork } from '../helpers/network.ts'

let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(() => network.close())

const COSE = 'application/cose'
const PROBLEM = 'application/concise-problem-details+cbor'

function read(bytes: Bytes): unknown {
  return decodeWithCborg(bytes, { useMaps: true, tags: Object.assign([], { 18: Tagged.decoder(18) }) })
}
const register = (body: Bytes, log: LogName = 'evidence', type = COSE) =>
  network.ask(`/logs/${log}/entries`, { body, headers: { 'content-type': type } })

function hash(...parts: Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

/** RFC 9162 §2.1.3.2, written again from the text. */
function rootOf(leaf: Buffer, index: number, size: number, path: Uint8Array[]): Buffer {
  let [fn, sn, r] = [BigInt(index), BigInt(size) - 1n, leaf]
  for (const p of path) {
    expect(sn).not.toBe(0n)
    if (fn % 2n === 1n || fn === sn) {
      r = hash(Buffer.from([1]), p, r)
      while (fn % 2n === 0n && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n]
    } else r = hash(Buffer.from([1]), r, p)
    ;[fn, sn] = [fn >> 1n, sn >> 1n]
  }
  expect(sn).toBe(0n)
  return r
}

/** The receipt in an answer, verified under the keys the log publishes. */
async function proven(answer: Answer, statement: Bytes, log: LogName): Promise<{ size: number; index: number; sub: string }> {
  expect(answer.headers.get('content-type')).toBe(COSE)
  const tagged = read(answer.bytes) as { tag: number; value: [Bytes, Map<number, Map<number, Bytes[]>>, null, Bytes] }
  const [protectedBytes, unprotected, payload, signature] = tagged.value
  const header = read(protectedBytes) as Map<number, unknown>
  expect([tagged.tag, payload, [...header.keys()], header.get(1), header.get(395)]).toEqual([18, null, [1, 4, 15, 395], -8, 1])
  const claims = header.get(15) as Map<number, string>
  expect(claims.get(1)).toBe('gz-court')

  const [proof, ...more] = unprotected.get(396)!.get(-1)!
  expect(more).toEqual([])
  const [size, index, path] = read(proof!) as [number, number, Uint8Array[]]
  const root = rootOf(hash(Buffer.from([0]), statement), index, size, path)

  const keys = read((await network.ask(`/logs/${log}/.well-known/scitt-keys`)).bytes) as Map<number, unknown>[]
  const key = keys.find((one) => Buffer.from(one.get(2) as Bytes).equals(header.get(4) as Bytes))!
  expect([key.get(1), key.get(3), key.get(-1)]).toEqual([1, -8, 6])
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: base64url(key.get(-2) as Bytes) }, format: 'jwk' })
  const message = encodeWithCborg(['Signature1', protectedBytes, new Uint8Array(0), new Uint8Array(root)])
  expect(verify(null, message, publicKey, signature)).toBe(true)
  return { size, index, sub: claims.get(2)! }
}

interface Told {
  title: string
  detail: string
  code: string
  refusal: Bytes | undefined
}
function problem(answer: Answer): Told {
  expect(answer.headers.get('content-type')).toBe(PROBLEM)
  const map = read(answer.bytes) as Map<number | string, unknown>
  const own = map.get('urn:lianzheng:problem') as Map<string, unknown>
  expect(own.get('zh')).toMatch(/[\u4e00-\u9fff]/)
  return {
    title: map.get(-1) as string,
    detail: map.get(-2) as string,
    code: own.get('code') as string,
    refusal: own.get('refusal') as Bytes | undefined
  }
}

describe('registration', () => {
  it('is answered with 201, where the entry is, and a receipt that others verify', async () => {
    const { statement } = network.sign(fix('registered'), 'clerk')
    const answer = await register(statement)
    expect(answer.status).toBe(201)
    const leaf = base64url(leafHash(statement))
    expect(answer.headers.get('location')).toBe(`${network.node.context.publicUrl}/logs/evidence/entries/${leaf}`)
    const { size, index, sub } = await proven(answer, statement, 'evidence')
    expect(sub).toMatch(/^evidence:/)
    const record = (await network.ask(`/api/v1/logs/evidence/records/${leaf}`, { as: 'clerk' })).json()
    expect(record.index).toBe(index)
    expect(size).toBeGreaterThan(index)
  })

  it('of the same statement again is answered with 200 and the same entry, under a newer head', async () => {
    const { statement } = network.sign(fix('again'), 'clerk')
    const first = await proven(await register(statement), statement, 'evidence')
    await network.put(fix('between'), 'clerk')
    const answer = await register(statement, 'evidence', 'application/scitt-statement+cose')
    const second = await proven(answer, statement, 'evidence')
    expect([answer.status, second.index]).toEqual([200, first.index])
    expect(second.size).toBeGreaterThan(first.size)
  })

  it('goes through the same door as every other record', async () => {
    const { statement } = network.sign(opinion(), 'clerk')
    const answer = await register(statement, 'supervision')
    const { title, code, refusal } = problem(answer)
    expect([answer.status, title, code]).toEqual([403, 'Rejected', 'ROLE_NOT_PERMITTED'])
    const handout = decodeHandout(refusal!)
    expect(handout).toMatchObject({ kind: 'refusal', refusal: { code, digest: new Uint8Array(hash(statement)) } })
    expect(verifyStatement(handout, network.node.context.logs.get('supervision')!.keys.promise.publicKey)).toBe(true)
  })

  it.each<[string, () => Promise<Answer>, number, string, string]>([
    [
      'a statement for another log',
      () => register(network.sign(fix('wrong'), 'clerk').statement, 'public'),
      400,
      'Rejected',
      'WRONG_LOG'
    ],
    ['no COSE', () => register(Uint8Array.of(1, 2, 3)), 400, 'Malformed request', 'STATEMENT_FORM'],
    ['nothing', () => register(new Uint8Array(0)), 400, 'Malformed request', 'STATEMENT_FORM'],
    [
      'JSON',
      () => register(new Uint8Array(2).fill(0x7b), 'evidence', 'application/json'),
      400,
      'Malformed request',
      'BODY_INVALID'
    ],
    ['too much', () => register(new Uint8Array(65_536)), 413, 'Malformed request', 'BODY_TOO_LARGE'],
    ['an algorithm we have not', () => register(withHeader(1, -7)), 400, 'Bad Signature Algorithm', 'ALGORITHM_UNSUPPORTED'],
    ['a detached payload', () => register(detached()), 400, 'Payload Missing', 'STATEMENT_FORM']
  ])('refuses %s', async (_name, send, status, title, code) => {
    const answer = await send()
    expect([answer.status, problem(answer)]).toMatchObject([status, { title, code }])
  })

  it('what cannot be decoded is refused by the log it was sent to, under the digest of the body', async () => {
    const body = Uint8Array.of(0xd2, 0x84, 0x40)
    expect(decodeHandout(problem(await register(body)).refusal!)).toMatchObject({
      aud: 'court.example/evidence',
      refusal: { digest: new Uint8Array(hash(body)) }
    })
  })
})

it('what is durable and under no published head yet: 303, then 302 to whoever may know, then the receipt', async () => {
  const log = network.node.context.logs.get('public')!
  const { published } = log.sequencer
  const wait = log.finality.wait
  const record = {
    type: 'recusal.disclosed',
    at: '2020-08-26T09:00:00+08:00',
    court: '粤01',
    entry: 'pending',
    status: 'related'
  }
  const { statement } = network.sign(record, 'personnel')
  Object.defineProperty(log.sequencer, 'published', { configurable: true, value: published })
  log.finality.wait = async () => false
  const answer = await register(statement, 'public')
  const place = answer.headers.get('location')!
  const path = new URL(place).pathname
  const running = await network.ask(path)
  Reflect.deleteProperty(log.sequencer, 'published')
  log.finality.wait = wait
  expect([answer.status, answer.bytes.length, answer.headers.get('retry-after')]).toEqual([303, 0, '5'])
  expect([running.status, running.headers.get('location'), running.headers.get('retry-after')]).toEqual([302, place, '5'])
  await proven(await network.ask(path), statement, 'public')
})

function parts(): [Bytes, Map<never, never>, Bytes | null, Bytes] {
  return (read(network.sign(fix('parts'), 'clerk').statement) as { value: [Bytes, Map<never, never>, Bytes, Bytes] }).value
}
function envelope(value: [Bytes, Map<never, never>, Bytes | null, Bytes]): Bytes {
  return Uint8Array.of(0xd2, ...encodeWithCborg(value))
}
function detached(): Bytes {
  const [header, unprotected, , signature] = parts()
  return envelope([header, unprotected, null, signature])
}
function withHeader(label: number, value: unknown): Bytes {
  const [header, unprotected, payload, signature] = parts()
  const map = (read(header) as Map<unknown, unknown>).set(label, value)
  return envelope([encodeWithCborg(map), unprotected, payload, signature])
}

describe('an entry', () => {
  let signed: Signed
  let leaf: string
  beforeAll(async () => {
    signed = network.sign(opinion(), 'president')
    leaf = base64url(leafHash(signed.statement))
    await register(signed.statement, 'supervision')
  })

  it('is given to whoever may read the record, fresh each time', async () => {
    const answer = await network.ask(`/logs/supervision/entries/${leaf}`, { as: 'inspector' })
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(answer.headers.get('location')).toMatch(new RegExp(`/logs/supervision/entries/${leaf}$`))
    await proven(answer, signed.statement, 'supervision')
  })

  it('is not given to others, nor whether it is there', async () => {
    const absent = base64url(new Uint8Array(32))
    for (const id of [leaf, absent]) {
      const anonymous = await network.ask(`/logs/supervision/entries/${id}`)
      expect([anonymous.status, problem(anonymous).code]).toEqual([401, 'AUTH_REQUIRED'])
      const lawyer = await network.ask(`/logs/supervision/entries/${id}`, { as: 'lawyer' })
      expect([lawyer.status, problem(lawyer).code]).toEqual([403, 'ACCESS_DENIED'])
    }
  })

  it('that is not there, and what is no locator', async () => {
    const missing = await network.ask(`/logs/public/entries/${base64url(new Uint8Array(32))}`)
    expect([missing.status, problem(missing)]).toMatchObject([404, { title: 'Not Found', code: 'ENTRY_UNKNOWN' }])
    const wrong = await network.ask('/logs/public/entries/not-a-hash')
    expect([wrong.status, problem(wrong)]).toMatchObject([400, { title: 'Invalid locator' }])
  })

  it('that is a seal has a receipt too', async () => {
    const { size } = (await network.ask('/api/v1/logs'))
      .json<{ size: number; name: string }[]>()
      .find(({ name }) => name === 'public')!
    const seal = (await network.ask(`/api/v1/logs/public/records/${size - 1}`)).json<{ leaf: string; statement: string }>()
    const answer = await network.ask(`/logs/public/entries/${seal.leaf}`)
    expect((await proven(answer, fromBase64url(seal.statement), 'public')).sub).toBe('ledger:court.example/public')
  })
})

describe('keys', () => {
  it('one by its id, which is its thumbprint; others not', async () => {
    const { publicKey } = network.node.context.logs.get('evidence')!.keys.receipt
    const answer = await network.ask(`/logs/evidence/.well-known/scitt-keys/${base64url(keyId(publicKey))}`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/cbor'])
    expect((read(answer.bytes) as Map<number, Bytes>).get(-2)).toEqual(publicKey)
    const other = await network.ask('/logs/evidence/.well-known/scitt-keys/none')
    expect([other.status, problem(other).title]).toEqual([404, 'No such key'])
  })

  it('are the receipt key of that log alone', async () => {
    const keys = read((await network.ask('/logs/public/.well-known/scitt-keys')).bytes) as Map<number, Bytes>[]
    expect(keys.map((key) => key.get(-2))).toEqual([network.node.context.logs.get('public')!.keys.receipt.publicKey])
  })
})

it('whoever signed what is under no published head yet is told to wait; to all others it is not for them to know', async () => {
  const log = network.node.context.logs.get('supervision')!
  const { published } = log.sequencer
  const wait = log.finality.wait
  const { statement } = network.sign(opinion(), 'president')
  Object.defineProperty(log.sequencer, 'published', { configurable: true, value: published })
  log.finality.wait = async () => false
  await register(statement, 'supervision')
  const path = `/api/v1/logs/supervision/records/${base64url(leafHash(statement))}/receipt`
  const own = await network.ask(path, { as: 'president' })
  const others = [await network.ask(path, { as: 'judge' }), await network.ask(path)]
  Reflect.deleteProperty(log.sequencer, 'published')
  log.finality.wait = wait
  expect([own.status, own.json<{ code: string }>().code]).toEqual([404, 'ENTRY_UNKNOWN'])
  expect(others.map(({ status }) => status)).toEqual([403, 401])
  expect((await network.ask(path, { as: 'president' })).status).toBe(200)
})
