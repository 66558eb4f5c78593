import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, concat, fromHex, hex, utf8 } from '../../src/core/bytes.ts'
import { decodeCbor, type Encodable, encodeCbor } from '../../src/core/cbor.ts'
import { encodeSign1, type Sign1Parts, toBeSigned } from '../../src/core/cose.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { leafHash, sha256 } from '../../src/core/hash.ts'
import { ed25519Signer, keyId } from '../../src/core/keys.ts'
import {
  decodeStatement,
  isTrailForm,
  MAX_STATEMENT,
  RECORD_CONTENT,
  SEAL_CONTENT,
  signedBytes,
  signStatement,
  verifyStatement
} from '../../src/core/statement.ts'

const signer = ed25519Signer(sha256(utf8('statement test')))
const KID = keyId(signer.publicKey)
const CTI = new Uint8Array(16).fill(3)
const ORIGIN = 'court.example/evidence'
const CASE = 'case:（2020）粤01民初123号'
const BODY = { type: 'any.type', v: 1 }

type Header = Map<number | string, Encodable>

const claims = (): Header =>
  new Map<number | string, Encodable>([
    [1, 'gz-court'],
    [2, CASE],
    [3, ORIGIN],
    [6, 1_598_400_000],
    [7, CTI]
  ])
const header = (): Header =>
  new Map<number | string, Encodable>([
    [1, -8],
    [3, RECORD_CONTENT],
    [4, KID],
    [15, claims()],
    ['trails', [CASE]]
  ])
const sealHeader = (): Header => {
  const out = header().set(3, SEAL_CONTENT)
  out.delete('trails')
  return out
}

/** A statement with parts of the caller's choice, signed as it stands. */
function build(protectedMap: Encodable | Bytes, payload: Encodable | Bytes = BODY, parts: Partial<Sign1Parts> = {}): Bytes {
  const protectedBytes = protectedMap instanceof Uint8Array ? protectedMap : encodeCbor(protectedMap)
  const payloadBytes = payload instanceof Uint8Array ? payload : encodeCbor(payload)
  const signature = signer.sign(toBeSigned(protectedBytes, payloadBytes))
  return encodeSign1({ protectedBytes, payload: payloadBytes, signature, ...parts })
}

function refusal(bytes: Bytes): string {
  try {
    decodeStatement(bytes)
  } catch (error) {
    if (error instanceof LianzhengError)
      return [error.code, error.detail.field ?? error.detail.offset].filter((part) => part !== undefined).join(' ')
    throw error
  }
  return 'accepted'
}

const without = (label: number | string, from: Header = header()): Header => {
  from.delete(label)
  return from
}
const withClaim = (label: number | string, value: Encodable): Header => header().set(15, claims().set(label, value))

describe('read and written', () => {
  test('a record', () => {
    const bytes = build(header())
    const statement = decodeStatement(bytes)
    expect(statement).toMatchObject({
      kind: 'record',
      iss: 'gz-court',
      sub: CASE,
      aud: ORIGIN,
      iat: 1_598_400_000,
      cti: CTI,
      kid: KID,
      trails: [CASE]
    })
    expect(statement.bytes).toBe(bytes)
    expect(Object.fromEntries(statement.body)).toEqual(BODY)
    expect(hex(statement.leaf)).toBe(hex(leafHash(bytes)))
    expect(statement.payload).toEqual(encodeCbor(BODY))
    expect(statement.protectedBytes).toEqual(encodeCbor(header()))
    expect(verifyStatement(statement, signer.publicKey)).toBe(true)
  })

  test('a seal has no trails', () => {
    const statement = decodeStatement(build(sealHeader()))
    expect([statement.kind, statement.trails]).toEqual(['seal', []])
  })

  test('alg -19 is accepted on input, -8 is what is written', () => {
    expect(refusal(build(header().set(1, -19)))).toBe('accepted')
    const written = signStatement(
      {
        contentType: RECORD_CONTENT,
        iss: 'gz-court',
        sub: CASE,
        aud: ORIGIN,
        iat: 1_598_400_000,
        cti: CTI,
        trails: [CASE],
        body: BODY
      },
      signer
    )
    expect(hex(written)).toBe(hex(build(header())))
  })

  test('every entry of the vectors is read, and its leaf is that of its bytes', () => {
    const file = readFileSync(new URL('../vectors/ledger/entries.json', import.meta.url), 'utf8')
    const kinds = (JSON.parse(file) as { entries: string[] }).entries.map((entry) => {
      const bytes = fromHex(entry)
      const statement = decodeStatement(bytes)
      const { kid, iss, sub, aud, iat, cti, trails } = statement
      const map: Header = new Map<number | string, Encodable>([
        [1, -8],
        [3, statement.kind === 'seal' ? SEAL_CONTENT : RECORD_CONTENT],
        [4, kid],
        [
          15,
          new Map<number | string, Encodable>([
            [1, iss],
            [2, sub],
            [3, aud],
            [6, iat],
            [7, cti]
          ])
        ]
      ])
      if (statement.kind === 'record') map.set('trails', trails)
      expect(
        hex(encodeSign1({ protectedBytes: encodeCbor(map), payload: encodeCbor(statement.body), signature: statement.signature }))
      ).toBe(entry)
      expect(hex(statement.leaf)).toBe(hex(sha256(concat(Uint8Array.of(0), bytes))))
      return statement.kind
    })
    expect(kinds.map((kind) => kind[0]).join('')).toBe('rrrsrrrrs')
  })

  test('what is signed is the Sig_structure of RFC 9052 §4.4', () => {
    const statement = decodeStatement(build(header()))
    expect(decodeCbor(signedBytes(statement))).toEqual([
      'Signature1',
      statement.protectedBytes,
      new Uint8Array(0),
      statement.payload
    ])
  })
})

describe('the signature', () => {
  const statement = decodeStatement(build(header()))
  const other = ed25519Signer(sha256(utf8('another')))

  test('holds under the key named and no other', () => {
    expect(verifyStatement(statement, signer.publicKey)).toBe(true)
    expect(verifyStatement(statement, other.publicKey)).toBe(false)
    const misnamed = decodeStatement(build(header().set(4, keyId(other.publicKey))))
    expect(verifyStatement(misnamed, signer.publicKey)).toBe(false)
    expect(verifyStatement(misnamed, other.publicKey)).toBe(false)
  })

  test('any bit of the statement that still reads breaks it', () => {
    let read = 0
    for (let bit = 0; bit < 8 * statement.bytes.length; bit++) {
      const changed = statement.bytes.with(bit >> 3, statement.bytes[bit >> 3]! ^ (1 << (bit & 7)))
      if (refusal(changed) !== 'accepted') continue
      read++
      expect(verifyStatement(decodeStatement(changed), signer.publicKey)).toBe(false)
    }
    expect(read).toBeGreaterThan(512)
  })
})

describe('refused: the envelope', () => {
  const good = build(header())
  test.each<[string, () => Bytes, string]>([
    ['nothing', () => new Uint8Array(0), 'STATEMENT_FORM 0'],
    ['untagged', () => good.subarray(1), 'STATEMENT_FORM 0'],
    ['tag 17', () => good.with(0, 0xd1), 'STATEMENT_FORM 0'],
    ['tag 18 in a longer form', () => concat(Uint8Array.of(0xd8, 18), good.subarray(1)), 'STATEMENT_FORM 0'],
    ['tagged twice', () => concat(Uint8Array.of(0xd2), good), 'CBOR_UNSUPPORTED 1'],
    [
      'three parts',
      () => concat(Uint8Array.of(0xd2), encodeCbor([encodeCbor(header()), new Map(), encodeCbor(BODY)])),
      'STATEMENT_FORM 1'
    ],
    ['a byte more', () => concat(good, Uint8Array.of(0)), `CBOR_TRAILING_BYTES ${good.length}`],
    ['cut short', () => good.subarray(0, -1), `CBOR_TRUNCATED ${good.length - 66}`],
    ['unprotected header', () => build(header(), BODY, { unprotected: new Map([[4, KID]]) }), 'STATEMENT_FORM unprotected'],
    ['detached payload', () => build(header(), BODY, { payload: null }), 'STATEMENT_FORM payload'],
    ['signature of 63 bytes', () => build(header(), BODY, { signature: new Uint8Array(63) }), 'STATEMENT_FORM signature'],
    ['signature of 65 bytes', () => build(header(), BODY, { signature: new Uint8Array(65) }), 'STATEMENT_FORM signature'],
    ['no signature', () => build(header(), BODY, { signature: new Uint8Array(0) }), 'STATEMENT_FORM signature'],
    ['signature of zeros is a matter of verifying', () => build(header(), BODY, { signature: new Uint8Array(64) }), 'accepted'],
    [
      'protected header as a map',
      () => concat(Uint8Array.of(0xd2), encodeCbor([header(), new Map(), encodeCbor(BODY), new Uint8Array(64)])),
      'STATEMENT_FORM protected'
    ],
    ['protected header empty', () => build(new Uint8Array(0)), 'STATEMENT_HEADER 3'],
    ['protected header of an array', () => build([1]), 'STATEMENT_FORM protected'],
    [
      'bytes after the protected map',
      () => build(concat(encodeCbor(header()), Uint8Array.of(0))),
      `CBOR_TRAILING_BYTES ${4 + encodeCbor(header()).length}`
    ],
    ['payload of a number', () => build(header(), 5), 'RECORD_FORM payload'],
    ['payload of an array', () => build(header(), []), 'RECORD_FORM payload'],
    [
      'payload with a number for a key',
      () => build(header(), new Map<number | string, Encodable>([[1, 'x']])),
      'RECORD_FORM payload'
    ],
    ['payload empty', () => build(header(), new Uint8Array(0)), `CBOR_TRUNCATED ${good.length - 66 - encodeCbor(BODY).length}`]
  ])('%s', (_name, make, expected) => {
    expect(refusal(make())).toBe(expected)
  })

  test('offsets in the payload count from the start of the statement', () => {
    const start = good.length - 66 - encodeCbor(BODY).length
    const wrong: [string, string][] = [
      ['a16176f90000', 'CBOR_UNSUPPORTED 3'],
      ['a2617601617601', 'CBOR_DUPLICATE_KEY 4'],
      ['a2626262016161' + '01', 'CBOR_KEY_ORDER 5'],
      ['a161761817', 'CBOR_NOT_SHORTEST 3'],
      ['a161761b0020000000000000', 'CBOR_INTEGER_RANGE 3'],
      ['a1617661ff', 'CBOR_TEXT_NOT_UTF8 3'],
      ['bf617601ff', 'CBOR_INDEFINITE_LENGTH 0'],
      ['a140' + '01', 'CBOR_KEY_TYPE 1'],
      ['a16176d20a', 'CBOR_UNSUPPORTED 3'],
      ['a1617601' + '00', 'CBOR_TRAILING_BYTES 4'],
      [`a16176${'81'.repeat(16)}00`, 'CBOR_DEPTH 18']
    ]
    for (const [payload, expected] of wrong) {
      const bytes = fromHex(payload)
      // The head of the payload's byte string takes one byte below 24 bytes, two from there on.
      const at = start - (encodeCbor(BODY).length >= 24 ? 1 : 0) + (bytes.length >= 24 ? 1 : 0)
      const [code, offset] = expected.split(' ')
      expect([payload, refusal(build(header(), bytes))]).toEqual([payload, `${code} ${at + Number(offset)}`])
    }
  })

  test('sixteen levels in each of the parts, seventeen in none', () => {
    const nested = (levels: number): Encodable => (levels === 0 ? 0 : [nested(levels - 1)])
    expect(refusal(build(header(), { v: nested(15) }))).toBe('accepted')
    expect(refusal(build(header(), fromHex(`a16176${'81'.repeat(16)}00`)))).toMatch(/^CBOR_DEPTH/)
    expect(refusal(build(fromHex(`a101${'81'.repeat(15)}00`)))).toBe('STATEMENT_HEADER 3')
    expect(refusal(build(fromHex(`a101${'81'.repeat(16)}00`)))).toMatch(/^CBOR_DEPTH/)
  })

  test('65,535 bytes and no more', () => {
    const ofSize = (size: number): Bytes => {
      const { length } = build(header(), { type: 'x', v: 1, text: 'x'.repeat(60_000) })
      return build(header(), { type: 'x', v: 1, text: 'x'.repeat(60_000 + size - length) })
    }
    expect(ofSize(MAX_STATEMENT).length).toBe(65_535)
    expect(refusal(ofSize(MAX_STATEMENT))).toBe('accepted')
    expect(refusal(ofSize(MAX_STATEMENT + 1))).toBe('STATEMENT_TOO_LARGE')
    expect(refusal(new Uint8Array(MAX_STATEMENT + 1))).toBe('STATEMENT_TOO_LARGE')
  })
})

describe('refused: the protected header', () => {
  test.each<[string, Header, string]>([
    ['no alg', without(1), 'STATEMENT_HEADER protected'],
    ['no content type', without(3), 'STATEMENT_HEADER 3'],
    ['no kid', without(4), 'STATEMENT_HEADER protected'],
    ['no claims', without(15), 'STATEMENT_HEADER protected'],
    ['no trails', without('trails'), 'STATEMENT_HEADER protected'],
    ['one label more', header().set(2, []), 'STATEMENT_HEADER protected'],
    ['one text label more', header().set('more', 1), 'STATEMENT_HEADER protected'],
    ['another label in place of the kid', without(4).set(5, KID), 'STATEMENT_HEADER protected'],
    ['trails in a seal', sealHeader().set('trails', [CASE]), 'STATEMENT_HEADER protected'],
    ['ES256', header().set(1, -7), 'ALGORITHM_UNSUPPORTED 1'],
    ['alg as text', header().set(1, 'EdDSA'), 'ALGORITHM_UNSUPPORTED 1'],
    ['Ed448', header().set(1, -53), 'ALGORITHM_UNSUPPORTED 1'],
    ['no algorithm at all', header().set(1, null), 'ALGORITHM_UNSUPPORTED 1'],
    ['content type of something else', header().set(3, 'application/json'), 'STATEMENT_HEADER 3'],
    ['content type with a parameter', header().set(3, `${RECORD_CONTENT};v=1`), 'STATEMENT_HEADER 3'],
    ['content type in capitals', header().set(3, RECORD_CONTENT.toUpperCase()), 'STATEMENT_HEADER 3'],
    ['content type as a CoAP number', header().set(3, 60), 'STATEMENT_HEADER 3'],
    ['content type of a promise', header().set(3, 'application/vnd.lianzheng.promise+cbor'), 'STATEMENT_HEADER 3'],
    ['kid of 31 bytes', header().set(4, KID.subarray(1)), 'STATEMENT_HEADER 4'],
    ['kid of 33 bytes', header().set(4, concat(KID, Uint8Array.of(0))), 'STATEMENT_HEADER 4'],
    ['kid as text', header().set(4, hex(KID)), 'STATEMENT_HEADER 4'],
    ['claims as an array', header().set(15, []), 'STATEMENT_CLAIMS 15'],
    ['claims empty', header().set(15, new Map()), 'STATEMENT_CLAIMS 15'],
    ['no iss', header().set(15, without(1, claims())), 'STATEMENT_CLAIMS 15'],
    ['no sub', header().set(15, without(2, claims())), 'STATEMENT_CLAIMS 15'],
    ['no aud', header().set(15, without(3, claims())), 'STATEMENT_CLAIMS 15'],
    ['no iat', header().set(15, without(6, claims())), 'STATEMENT_CLAIMS 15'],
    ['no cti', header().set(15, without(7, claims())), 'STATEMENT_CLAIMS 15'],
    ['exp', withClaim(4, 1_700_000_000), 'STATEMENT_CLAIMS 15'],
    ['a text claim', withClaim('x', 1), 'STATEMENT_CLAIMS 15'],
    ['iss of one character', withClaim(1, 'g'), 'STATEMENT_CLAIMS iss'],
    ['iss of two', withClaim(1, 'gz'), 'accepted'],
    ['iss of 64', withClaim(1, 'g'.repeat(64)), 'accepted'],
    ['iss of 65', withClaim(1, 'g'.repeat(65)), 'STATEMENT_CLAIMS iss'],
    ['iss in capitals', withClaim(1, 'GZ-court'), 'STATEMENT_CLAIMS iss'],
    ['iss with a newline', withClaim(1, 'gz-court\n'), 'STATEMENT_CLAIMS iss'],
    ['iss of a number', withClaim(1, 5), 'STATEMENT_CLAIMS iss'],
    ['sub that is no trail name', withClaim(2, 'case'), 'STATEMENT_CLAIMS sub'],
    ['sub of bytes', withClaim(2, utf8(CASE)), 'STATEMENT_CLAIMS sub'],
    ['sub that is none of the trails', withClaim(2, 'case:（2020）粤01民初124号'), 'STATEMENT_TRAILS trails'],
    ['aud in capitals', withClaim(3, 'Court.example/evidence'), 'STATEMENT_CLAIMS aud'],
    ['aud with an empty part', withClaim(3, 'court.example//evidence'), 'STATEMENT_CLAIMS aud'],
    ['aud of 200 bytes', withClaim(3, 'a'.repeat(200)), 'accepted'],
    ['aud of 201 bytes', withClaim(3, 'a'.repeat(201)), 'STATEMENT_CLAIMS aud'],
    ['aud of two audiences', withClaim(3, [ORIGIN]), 'STATEMENT_CLAIMS aud'],
    ['iat below 0', withClaim(6, -1), 'STATEMENT_CLAIMS iat'],
    ['iat of 0', withClaim(6, 0), 'accepted'],
    ['iat at the end', withClaim(6, Number.MAX_SAFE_INTEGER), 'accepted'],
    ['iat as text', withClaim(6, '1598400000'), 'STATEMENT_CLAIMS iat'],
    ['cti of 15 bytes', withClaim(7, CTI.subarray(1)), 'STATEMENT_CLAIMS cti'],
    ['cti of 17 bytes', withClaim(7, concat(CTI, Uint8Array.of(0))), 'STATEMENT_CLAIMS cti'],
    ['cti as text', withClaim(7, '0123456789abcdef'), 'STATEMENT_CLAIMS cti']
  ])('%s', (_name, map, expected) => {
    expect(refusal(build(map))).toBe(expected)
  })
})

describe('refused: trails', () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `list:${String(i).padStart(3, '0')}`)
  const trails = (list: Encodable, sub = 'list:000'): Header => withClaim(2, sub).set('trails', list)

  test.each<[string, Encodable, string]>([
    ['one', names(1), 'accepted'],
    ['64', names(64), 'accepted'],
    ['65', names(65), 'STATEMENT_TRAILS trails'],
    ['none', [], 'STATEMENT_TRAILS trails'],
    ['a text', 'list:000', 'STATEMENT_TRAILS trails'],
    ['a number among them', ['list:000', 1], 'TRAIL_NAME_INVALID trails[1]'],
    ['out of order', ['list:001', 'list:000'], 'STATEMENT_TRAILS trails[1]'],
    ['one twice', ['list:000', 'list:000'], 'STATEMENT_TRAILS trails[1]'],
    ['without the sub', ['list:001'], 'STATEMENT_TRAILS trails'],
    ['no trail name', ['list:000', 'x'], 'TRAIL_NAME_INVALID trails[1]'],
    ['in bytewise order of UTF-8', ['case:~a', 'case:一', 'case:（a', 'list:000'], 'accepted'],
    ['shorter first', ['list:000', 'list:0000'], 'accepted'],
    ['longer first', ['list:0000', 'list:000'], 'STATEMENT_TRAILS trails[1]']
  ])('%s', (_name, list, expected) => {
    expect(refusal(build(trails(list)))).toBe(expected)
  })

  test.each([
    ['a:b', true],
    ['case:（2020）粤01民初123号', true],
    ['case-internal:（2020）粤01民初123号', true],
    [`${'a'.repeat(24)}:x`, true],
    [`${'a'.repeat(25)}:x`, false],
    ['-a:x', false],
    ['A:x', false],
    ['a1:x', false],
    ['案:x', false],
    [':x', false],
    ['a:', false],
    ['a', false],
    ['', false],
    [`a:${'x'.repeat(200)}`, true],
    [`a:${'x'.repeat(201)}`, false],
    [`a:${'案'.repeat(66)}`, true],
    [`a:${'案'.repeat(67)}`, false],
    ['a:b:c', false],
    ['a:b c', false],
    ['a:b\n', false],
    ['a:b\u0000', false],
    ['a:AZaz09-_./~', true],
    ['a:b+c', false],
    ['a:(2020)', false],
    ['a:１', false],
    ['a:\u4dff', false],
    ['a:\u4e00', true],
    ['a:\u9fff', true],
    ['a:\ua000', false],
    ['a:\uf9db', false],
    ['a:\u{20000}', false],
    ['a:é', false],
    ['a:e\u0301', false]
  ])('%j is a name: %s', (name, good) => {
    expect(isTrailForm(name)).toBe(good)
    const expected = good ? 'accepted' : 'STATEMENT_CLAIMS sub'
    if (name.isWellFormed()) expect(refusal(build(trails([name], name)))).toBe(expected)
  })
})

test('hostile bytes are refused with a code, never with another exception', () => {
  const good = build(header())
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(3),
      (edits, cut) => {
        const bytes = Uint8Array.from(good)
        for (const [at, value] of edits) bytes[at] = value
        expect(refusal(cut === 0 ? bytes.subarray(0, edits[0]![0]) : bytes)).toMatch(/^(?:accepted|[A-Z_0-9]+(?: .+)?)$/)
      }
    ),
    { seed: 9052, numRuns: 3000 }
  )
})
