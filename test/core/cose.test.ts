import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, base64url, concat, fromHex, hex, utf8 } from '../../src/core/bytes.ts'
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from '../../src/core/cbor.ts'
import { decodeSign1, encodeSign1, toBeSigned } from '../../src/core/cose.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { leafHash, nodeHash, sha256 } from '../../src/core/hash.ts'

/** `CODE@offset` and, where one is named, the field; anything that is not a refusal fails the test. */
function refusal(bytes: Bytes): string {
  try {
    decodeSign1(bytes)
  } catch (error) {
    if (!(error instanceof LianzhengError)) throw error
    const { offset, field } = error.detail
    return [offset === undefined ? error.code : `${error.code}@${offset}`, field].filter(Boolean).join(' ')
  }
  return 'accepted'
}

interface VectorKey {
  kty: 'OKP' | 'EC'
  crv: string
  x?: string
  y?: string
  x_hex?: string
  d_hex?: string
}

interface Vector {
  title: string
  fail?: boolean
  input: { sign0: { key: VectorKey; external?: string } }
  intermediates: { ToBeSign_hex: string }
  output: { cbor: string }
}

function publicKey({ kty, crv, x, y, x_hex }: VectorKey): KeyObject {
  const jwk = { kty, crv, x: x ?? base64url(fromHex(x_hex!)), ...(y === undefined ? {} : { y }) }
  return createPublicKey({ key: jwk, format: 'jwk' })
}

function verifies(key: KeyObject, message: Bytes, signature: Bytes): boolean {
  if (key.asymmetricKeyType !== 'ec') return verify(null, message, key, signature)
  return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

/** `verified`, `signature` where it decodes and the signature does not hold, or the refusal. */
function outcome({ input, output }: Vector): string {
  const bytes = fromHex(output.cbor.toLowerCase())
  const refused = refusal(bytes)
  if (refused !== 'accepted') return refused
  const { protectedBytes, payload, signature } = decodeSign1(bytes)
  const message = toBeSigned(protectedBytes, payload!, fromHex(input.sign0.external ?? ''))
  return verifies(publicKey(input.sign0.key), message, signature) ? 'verified' : 'signature'
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/cose-sign1.json', import.meta.url), 'utf8')) as Record<string, Vector>

describe('cose-wg/Examples', () => {
  // All of them are deterministic CBOR. The one pass case refused has no tag, which RFC 9942 and 9943 require.
  const expected: Record<string, string> = {
    'eddsa-examples/eddsa-sig-01.json': 'verified',
    'eddsa-examples/eddsa-sig-02.json': 'verified',
    'sign1-tests/sign-fail-01.json': 'STATEMENT_FORM@0',
    'sign1-tests/sign-fail-02.json': 'signature',
    'sign1-tests/sign-fail-03.json': 'signature',
    'sign1-tests/sign-fail-04.json': 'signature',
    'sign1-tests/sign-fail-06.json': 'signature',
    'sign1-tests/sign-fail-07.json': 'signature',
    'sign1-tests/sign-pass-01.json': 'verified',
    'sign1-tests/sign-pass-02.json': 'verified',
    'sign1-tests/sign-pass-03.json': 'STATEMENT_FORM@0'
  }

  test('each case ends as expected', () => {
    const outcomes = Object.fromEntries(Object.entries(vectors).map(([name, vector]) => [name, outcome(vector)]))
    expect(outcomes).toEqual(expected)
  })

  const passing = Object.entries(vectors).filter(([, vector]) => vector.fail !== true)
  test.each(passing)('%s: bytes to be signed, and the inverse', (_, { input, intermediates, output }) => {
    const tagged = output.cbor.toLowerCase().replace(/^84/, 'd284')
    const parts = decodeSign1(fromHex(tagged))
    const message = toBeSigned(parts.protectedBytes, parts.payload!, fromHex(input.sign0.external ?? ''))
    expect(hex(message)).toBe(intermediates.ToBeSign_hex.toLowerCase())
    expect(hex(encodeSign1(parts))).toBe(tagged)
  })

  test('sign-pass-03 verifies once it is tagged', () => {
    const vector = vectors['sign1-tests/sign-pass-03.json']!
    expect(outcome({ ...vector, output: { cbor: `D2${vector.output.cbor}` } })).toBe('verified')
  })

  test('sign-pass-01: protected a0 is the empty map, is kept as received and signed as empty bytes', () => {
    const parts = decodeSign1(fromHex(vectors['sign1-tests/sign-pass-01.json']!.output.cbor.toLowerCase()))
    expect(parts.protectedHeader).toEqual(new Map())
    expect(hex(parts.protectedBytes)).toBe('a0')
    expect(hex(toBeSigned(fromHex('a0'), utf8('x')))).toBe(hex(toBeSigned(new Uint8Array(0), utf8('x'))))
  })
})

describe('the example in the file head', () => {
  const source = readFileSync(new URL('../../src/core/cose.ts', import.meta.url), 'utf8')
  const example = /^ \* Example,.*\n \*\n((?: \* {3}[0-9a-f]+\n)+)/m.exec(source)?.[1]?.replaceAll(/[^0-9a-f]/g, '')

  test('is eddsa-sig-01 and decodes to what it says', () => {
    expect(example).toBe(vectors['eddsa-examples/eddsa-sig-01.json']!.output.cbor.toLowerCase())
    const parts = decodeSign1(fromHex(example!))
    expect(parts.protectedHeader).toEqual(
      new Map([
        [1, -8],
        [3, 0]
      ])
    )
    expect(parts.unprotected).toEqual(new Map([[4, utf8('11')]]))
    expect(parts.payload).toEqual(utf8('This is the content.'))
    expect(parts.signature.length).toBe(64)
  })
})

function ed25519(secret: string, x: string): { privateKey: KeyObject; publicKey: KeyObject } {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(fromHex(x)), d: base64url(fromHex(secret)) }
  return {
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
    publicKey: createPublicKey({ key: { kty: jwk.kty, crv: jwk.crv, x: jwk.x }, format: 'jwk' })
  }
}

/** A hash-envelope statement and its COSE receipt, made with the keys of RFC 8032 §7.1 and accepted by the independent verifier scitt-cose. */
describe('known answer: statement and receipt', () => {
  const issuer = ed25519(
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
  )
  const ledger = ed25519(
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
  )
  const statement =
    'd284585ba50127045820866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743' +
    '0fa2016d636f7572742e6578616d706c65026b636173652d312f65762d311901022f1901036f' +
    '6170706c69636174696f6e2f706466a05820fa2a461574746aa17fa105c405ea3891910a105666258903' +
    '387e99d880b55841584094ded7f14c97c95d64e822d251db6fa5fd57d23a2ae9cfde21fcdedfd09f8554' +
    'e00d48d6c77e32019788bb64f043e0667f58ed534fd99b476156cf3d64fddc0a'
  const receipt =
    'd2845849a401270458205c840f7a40230170abdee5151a594efdf270f7a89825f5c310badf6b589c5c59' +
    '0fa2016e6c65646765722e6578616d706c65026b636173652d312f65762d3119018b01' +
    'a119018ca12081582683020081582020127871bb98506fcb2eb26ab0f726a97fd0407c0314098a4418e31f40ab74a6' +
    'f65840f92b1368991f644275bce3ec1a7e3cb078c8c141ad1fc0c45ebe0e363bb75cf9' +
    '38d7cd7a991be03c4245c32c70097b07b88854f179422f2a10b243a812950e0c'

  test('the statement is made again, byte for byte', () => {
    const protectedBytes = encodeCbor(
      new Map<number, CborValue>([
        [259, 'application/pdf'],
        [258, -16],
        [
          15,
          new Map([
            [1, 'court.example'],
            [2, 'case-1/ev-1']
          ])
        ],
        [4, fromHex('866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743')],
        [1, -8]
      ])
    )
    const payload = sha256(utf8('evidence file bytes'))
    const signature = Uint8Array.from(sign(null, toBeSigned(protectedBytes, payload), issuer.privateKey))
    expect(hex(encodeSign1({ protectedBytes, payload, signature }))).toBe(statement)
  })

  test('statement hash and leaf hash', () => {
    expect(hex(sha256(fromHex(statement)))).toBe('c79a6c49e3fe10c8570c934b7ab3e7fc71ce2db4991dc2094c9db50fe153b3e5')
    expect(hex(leafHash(fromHex(statement)))).toBe('e8363c49925923f16adfc14f87e16250861dd948e33c41bc84cbad98212b156b')
  })

  test('the receipt has a detached payload and is signed over the root its proof leads to', () => {
    const parts = decodeSign1(fromHex(receipt))
    expect(parts.payload).toBe(null)
    const [proof] = (parts.unprotected.get(396) as CborMap).get(-1) as Bytes[]
    const [size, index, path] = decodeCbor(proof!) as [number, number, Bytes[]]
    expect([size, index, path.length]).toEqual([2, 0, 1])
    const root = nodeHash(leafHash(fromHex(statement)), path[0]!)
    expect(hex(root)).toBe('ab4d71cf4286262a0a6ad95a666f3bca25d2ca02d70cbd9f0e4307bed414ac71')
    expect(verifies(ledger.publicKey, toBeSigned(parts.protectedBytes, root), parts.signature)).toBe(true)
    expect(verifies(issuer.publicKey, toBeSigned(parts.protectedBytes, root), parts.signature)).toBe(false)
    expect(hex(encodeSign1(parts))).toBe(receipt)
  })
})

describe('a ledger written by a second implementation', () => {
  const { entries } = JSON.parse(readFileSync(new URL('../vectors/ledger/entries.json', import.meta.url), 'utf8')) as {
    entries: string[]
  }

  test('every entry decodes and encodes to itself', () => {
    expect(entries.length).toBe(9)
    for (const entry of entries) {
      const parts = decodeSign1(fromHex(entry))
      expect(parts.protectedHeader.get(1)).toBe(-8)
      expect(parts.unprotected.size).toBe(0)
      expect(hex(encodeSign1(parts))).toBe(entry)
    }
  })
})

describe('refusals', () => {
  const depth = (levels: number): string => `${'a100'.repeat(levels - 1)}a0`
  const header = (content: string): string => `${hex(encodeCbor(fromHex(content)))}`
  const rows: [encoded: string, refusal: string][] = [
    ['', 'STATEMENT_FORM@0'],
    ['84 40 a0 40 40', 'STATEMENT_FORM@0'],
    ['d1 84 40 a0 40 40', 'STATEMENT_FORM@0'],
    ['d812 84 40 a0 40 40', 'STATEMENT_FORM@0'],
    ['d9d9f7 d2 84 40 a0 40 40', 'STATEMENT_FORM@0'],
    ['d2 d2 84 40 a0 40 40', 'CBOR_UNSUPPORTED@1'],
    ['d2', 'CBOR_TRUNCATED@1'],
    ['d2 00', 'STATEMENT_FORM@1'],
    ['d2 a2 00 40 01 40', 'STATEMENT_FORM@1'],
    ['d2 83 40 a0 40', 'STATEMENT_FORM@1'],
    ['d2 85 40 a0 40 40 40', 'STATEMENT_FORM@1'],
    ['d2 9804 40 a0 40 40', 'CBOR_NOT_SHORTEST@1'],
    ['d2 9f 40 a0 40 40 ff', 'CBOR_INDEFINITE_LENGTH@1'],
    ['d2 84 40 a0 40', 'CBOR_TRUNCATED@1'],
    ['d2 84 40 a0 40 41', 'CBOR_TRUNCATED@5'],
    ['d2 84 40 a0 40 40 00', 'CBOR_TRAILING_BYTES@6'],
    // members of the wrong type
    ['d2 84 a0 a0 40 40', 'STATEMENT_FORM@2 protected'],
    ['d2 84 f6 a0 40 40', 'STATEMENT_FORM@2 protected'],
    ['d2 84 60 a0 40 40', 'STATEMENT_FORM@2 protected'],
    ['d2 84 40 40 40 40', 'STATEMENT_FORM unprotected'],
    ['d2 84 40 80 40 40', 'STATEMENT_FORM unprotected'],
    ['d2 84 40 f6 40 40', 'STATEMENT_FORM unprotected'],
    ['d2 84 40 a0 60 40', 'STATEMENT_FORM payload'],
    ['d2 84 40 a0 f5 40', 'STATEMENT_FORM payload'],
    ['d2 84 40 a0 80 40', 'STATEMENT_FORM payload'],
    ['d2 84 40 a0 40 f6', 'STATEMENT_FORM signature'],
    ['d2 84 40 a0 40 60', 'STATEMENT_FORM signature'],
    // inside the protected header, which ends where its byte string ends
    ['d2 84 41 00 a0 40 40', 'STATEMENT_FORM@3 protected'],
    ['d2 84 41 80 a0 40 40', 'STATEMENT_FORM@3 protected'],
    ['d2 84 41 40 a0 40 40', 'STATEMENT_FORM@3 protected'],
    ['d2 84 41 a1 a0 40 40', 'CBOR_TRUNCATED@3'],
    ['d2 84 43 a1 01 41 a0 40 40', 'CBOR_TRUNCATED@5'],
    ['d2 84 42 a0 00 a0 40 40', 'CBOR_TRAILING_BYTES@4'],
    ['d2 84 41 d2 a0 40 40', 'CBOR_UNSUPPORTED@3'],
    ['d2 84 45 a2 04 00 01 27 a0 40 40', 'CBOR_KEY_ORDER@6'],
    ['d2 84 45 a2 01 27 01 27 a0 40 40', 'CBOR_DUPLICATE_KEY@6'],
    [`d2 84 581a a1 01 5818 ${'00'.repeat(22)} a0 40 40`, 'CBOR_TRUNCATED@6'],
    // in the unprotected header
    ['d2 84 40 a2 04 00 01 27 40 40', 'CBOR_KEY_ORDER@6'],
    // levels: the envelope counts from 1, the protected map from 1 again
    [`d2 84 ${header(depth(17))} a0 40 40`, 'CBOR_DEPTH@36'],
    [`d2 84 40 ${depth(16)} 40 40`, 'CBOR_DEPTH@33']
  ]
  test.each(rows)('%s → %s', (encoded, expected) => {
    expect(refusal(fromHex(encoded.replaceAll(' ', '')))).toBe(expected)
  })

  test.each(rows.filter(([encoded]) => encoded !== ''))('%s as a view of a larger buffer: the same', (encoded, expected) => {
    const bytes = fromHex(encoded.replaceAll(' ', ''))
    const buffer = concat(new Uint8Array(7).fill(0xd2), bytes, new Uint8Array(7))
    expect(refusal(buffer.subarray(7, 7 + bytes.length))).toBe(expected)
  })

  test('what is just within the limits is read', () => {
    for (const encoded of ['d2 84 40 a0 40 40', 'd2 84 41 a0 a0 f6 40', `d2 84 ${header(depth(16))} ${depth(15)} 40 40`])
      expect(refusal(fromHex(encoded.replaceAll(' ', '')))).toBe('accepted')
  })
})

describe('pairs', () => {
  const header = fc
    .dictionary(fc.string({ maxLength: 8 }), fc.integer(), { maxKeys: 4 })
    .map((object) => new Map(Object.entries(object)))
  const bytes = fc.uint8Array({ maxLength: 300 })
  const parts = fc.record({
    protectedBytes: fc.oneof(fc.constant(new Uint8Array(0)), header.map(encodeCbor)),
    unprotected: header as fc.Arbitrary<CborMap>,
    payload: fc.option(bytes),
    signature: bytes
  })

  test('decodeSign1 is the inverse of encodeSign1', () => {
    fc.assert(
      fc.property(parts, (written) => {
        const { protectedHeader, ...read } = decodeSign1(encodeSign1(written))
        expect(read).toEqual(written)
        expect(protectedHeader).toEqual(written.protectedBytes.length === 0 ? new Map() : decodeCbor(written.protectedBytes))
      })
    )
  })

  test('whatever decodes, after a change or without, encodes to the same bytes', () => {
    let accepted = 0
    fc.assert(
      fc.property(parts, fc.nat(), fc.nat(255), (written, at, octet) => {
        const changed = encodeSign1(written)
        changed[at % changed.length] = octet
        if (refusal(changed) !== 'accepted') return
        accepted++
        expect(hex(encodeSign1(decodeSign1(changed)))).toBe(hex(changed))
      }),
      { numRuns: 2000 }
    )
    expect(accepted).toBeGreaterThan(200)
  })

  test('the Sig_structure is the array of RFC 9052 §4.4', () => {
    fc.assert(
      fc.property(parts, bytes, (written, aad) => {
        const { protectedBytes } = written
        const signed = hex(protectedBytes) === 'a0' ? new Uint8Array(0) : protectedBytes
        const payload = written.payload ?? new Uint8Array(0)
        expect(decodeCbor(toBeSigned(protectedBytes, payload, aad))).toEqual(['Signature1', signed, aad, payload])
        expect(hex(toBeSigned(protectedBytes, payload))).toBe(hex(toBeSigned(protectedBytes, payload, new Uint8Array(0))))
      })
    )
  })
})
