import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, concat, fromHex, hex, utf8 } from '../../src/core/bytes.ts'
import type { Encodable } from '../../src/core/cbor.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { leafHash, sha256 } from '../../src/core/hash.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { decodeSeal, nextSeal, type Seal, signSeal } from '../../src/core/seal.ts'
import {
  type Claims,
  decodeStatement,
  RECORD_CONTENT,
  SEAL_CONTENT,
  signStatement,
  verifyStatement
} from '../../src/core/statement.ts'

const ORIGIN = 'court.example/evidence'
const signer = ed25519Signer(sha256(utf8('seal test')))
const PREV = sha256(utf8('the seal before'))
const MAP = sha256(utf8('a map'))
const ZEROS = new Uint8Array(32)
const TIME = 1_598_400_061_999

/** A seal with claims and members of the caller's choice; `undefined` leaves a member out. */
function build(
  members: Record<string, Encodable | undefined> = {},
  claims: Partial<Claims & { contentType: string }> = {}
): Bytes {
  const body = { type: 'ledger.seal', v: 1, height: 1, size: 8, prev: PREV, time: TIME, trails: 9, map: MAP, ...members }
  const { contentType = SEAL_CONTENT, ...said } = claims
  const prev = body.prev instanceof Uint8Array ? body.prev : PREV
  return signStatement(
    {
      contentType,
      iss: 'gz-court',
      sub: `ledger:${ORIGIN}`,
      aud: ORIGIN,
      iat: Math.max(0, Math.floor(Number(body.time) / 1000)) || 0,
      cti: concat(prev, ZEROS).subarray(0, 16),
      ...(contentType === RECORD_CONTENT ? { trails: [`ledger:${ORIGIN}`] } : {}),
      ...said,
      body
    },
    signer
  )
}

function refusal(bytes: Bytes): string {
  try {
    decodeSeal(decodeStatement(bytes))
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code} ${error.detail.field}`
    throw error
  }
  return 'accepted'
}

describe('the seals of the vectors', () => {
  const file = readFileSync(new URL('../vectors/ledger/entries.json', import.meta.url), 'utf8')
  const entries = (JSON.parse(file) as { entries: string[] }).entries.map((entry) => fromHex(entry))

  test('say what formats.md §6 asks of them', () => {
    const [first, second] = [3, 8].map((index) => decodeSeal(decodeStatement(entries[index]!))) as [Seal, Seal]
    expect([first.height, first.size, first.time, first.trails, hex(first.prev)]).toEqual([
      0,
      3,
      1_598_400_061_000,
      3,
      hex(ZEROS)
    ])
    expect([second.height, second.size, second.time, second.trails]).toEqual([1, 8, 1_598_407_400_000, 9])
    expect(hex(second.prev)).toBe(hex(leafHash(entries[3]!)))
    for (const index of [3, 8]) {
      const { kind, iss, sub, aud, iat, cti } = decodeStatement(entries[index]!)
      const seal = decodeSeal(decodeStatement(entries[index]!))
      expect([kind, iss, sub, aud]).toEqual(['seal', 'gz-zhongyuan', `ledger:${ORIGIN}`, ORIGIN])
      expect(iat).toBe(seal.time / 1000)
      expect(hex(cti)).toBe(hex(seal.prev.subarray(0, 16)))
    }
  })

  test('a record is no seal', () => {
    for (const index of [0, 1, 2, 4, 5, 6, 7]) expect(refusal(entries[index]!)).toBe('STATEMENT_FORM seal.contentType')
  })
})

test('what is signed is read as it was, and the builder of this file makes the same bytes', () => {
  const seal: Seal = { height: 1, size: 8, prev: PREV, time: TIME, trails: 9, map: MAP }
  const bytes = signSeal(seal, ORIGIN, 'gz-court', signer)
  const statement = decodeStatement(bytes)
  expect(decodeSeal(statement)).toEqual(seal)
  expect(verifyStatement(statement, signer.publicKey)).toBe(true)
  expect(statement.iat).toBe(1_598_400_061) // rounded down
  expect(hex(build())).toBe(hex(bytes))
})

test('signing and reading are inverses', () => {
  const size = fc.maxSafeNat()
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(size, size, size, size, bytes, bytes, (height, index, time, trails, prev, map) => {
      const first = prev.every((byte) => byte === 0)
      const seal = { height: first ? 0 : Math.max(1, height), size: index, prev, time, trails, map }
      expect(decodeSeal(decodeStatement(signSeal(seal, ORIGIN, 'gz-court', signer)))).toEqual(seal)
    }),
    { seed: 6, numRuns: 50 }
  )
})

describe('refused', () => {
  test.each<[string, Parameters<typeof build>, string]>([
    ['nothing', [], 'accepted'],
    ['a record', [{}, { contentType: RECORD_CONTENT }], 'STATEMENT_FORM seal.contentType'],
    ['another type', [{ type: 'ledger.genesis' }], 'STATEMENT_FORM seal.type'],
    ['type of a number', [{ type: 1 }], 'STATEMENT_FORM seal.type'],
    ['version 2', [{ v: 2 }], 'STATEMENT_FORM seal.type'],
    ['version as text', [{ v: '1' }], 'STATEMENT_FORM seal.type'],
    ...['type', 'v', 'height', 'size', 'prev', 'time', 'trails', 'map'].map(
      (name): [string, Parameters<typeof build>, string] => [`no ${name}`, [{ [name]: undefined }], 'STATEMENT_FORM seal.payload']
    ),
    ['a member more', [{ more: 1 }], 'STATEMENT_FORM seal.payload'],
    ['a member more in place of another', [{ map: undefined, more: MAP }], 'STATEMENT_FORM seal.payload'],
    ...['height', 'size', 'time', 'trails'].flatMap((name): [string, Parameters<typeof build>, string][] => [
      [`${name} below 0`, [{ [name]: -1 }], `STATEMENT_FORM seal.${name}`],
      [`${name} as text`, [{ [name]: '1' }], `STATEMENT_FORM seal.${name}`],
      [`${name} of null`, [{ [name]: null }], `STATEMENT_FORM seal.${name}`]
    ]),
    ...['prev', 'map'].flatMap((name): [string, Parameters<typeof build>, string][] => [
      [`${name} of 31 bytes`, [{ [name]: PREV.subarray(1) }], `STATEMENT_FORM seal.${name}`],
      [`${name} of 33 bytes`, [{ [name]: concat(PREV, Uint8Array.of(0)) }], `STATEMENT_FORM seal.${name}`],
      [`${name} as text`, [{ [name]: hex(PREV) }], `STATEMENT_FORM seal.${name}`]
    ]),
    ['height 0 with a seal before', [{ height: 0 }], 'STATEMENT_FORM seal.prev'],
    ['height 1 with none before', [{ prev: ZEROS }], 'STATEMENT_FORM seal.prev'],
    ['height 0 with none before', [{ height: 0, prev: ZEROS }], 'accepted'],
    ['no trails yet', [{ trails: 0 }], 'accepted'],
    ['map of zeros', [{ map: ZEROS }], 'accepted'],
    ['sub of another log', [{}, { sub: 'ledger:court.example/other' }], 'STATEMENT_FORM seal.sub'],
    ['sub of another kind', [{}, { sub: 'case:（2020）粤01民初123号' }], 'STATEMENT_FORM seal.sub'],
    ['aud of another log', [{}, { aud: 'court.example/other' }], 'STATEMENT_FORM seal.sub'],
    ['iat a second later', [{}, { iat: 1_598_400_062 }], 'STATEMENT_FORM seal.iat'],
    ['iat a second earlier', [{}, { iat: 1_598_400_060 }], 'STATEMENT_FORM seal.iat'],
    ['cti of zeros', [{}, { cti: new Uint8Array(16) }], 'STATEMENT_FORM seal.cti'],
    ['cti of the last half', [{}, { cti: PREV.subarray(16) }], 'STATEMENT_FORM seal.cti']
  ])('%s', (_name, [members, claims], expected) => {
    expect(refusal(build(members, claims))).toBe(expected)
  })
})

describe('the next seal', () => {
  test('the first has height 0, zeros and the time now', () => {
    expect(nextSeal(undefined, 3, TIME, 3, MAP)).toEqual({ height: 0, size: 3, prev: ZEROS, time: TIME, trails: 3, map: MAP })
  })

  test('each later one is one higher, names the one before, and is at least a millisecond later', () => {
    const before = { leaf: PREV, height: 6, time: TIME }
    for (const [now, time] of [
      [TIME + 500, TIME + 500],
      [TIME + 1, TIME + 1],
      [TIME, TIME + 1],
      [TIME - 500, TIME + 1]
    ] as const)
      expect(nextSeal(before, 20, now, 9, MAP)).toEqual({ height: 7, size: 20, prev: PREV, time, trails: 9, map: MAP })
  })
})
