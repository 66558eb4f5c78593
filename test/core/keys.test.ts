import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { Point } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Bytes, concat, fromHex, hex, utf8 } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import {
  type Ed25519,
  ed25519Signer,
  isAcceptableKey,
  isName,
  keyId,
  nodeNameOf,
  portableEd25519,
  useEd25519,
  verifyEd25519
} from '../../src/core/keys.ts'
import { exampleIn } from '../helpers/example.ts'

const SPKI = fromHex('302a300506032b6570032100')
const PKCS8 = fromHex('302e020100300506032b657004220420')

const nodeVerify = (publicKey: Bytes, message: Bytes, signature: Bytes) =>
  verify(null, message, createPublicKey({ key: Buffer.from(concat(SPKI, publicKey)), format: 'der', type: 'spki' }), signature)

const nodeEd25519: Ed25519 = {
  verify: nodeVerify,
  sign: (seed, message) =>
    new Uint8Array(sign(null, message, createPrivateKey({ key: Buffer.from(concat(PKCS8, seed)), format: 'der', type: 'pkcs8' })))
}

/** RFC 8032 §7.1: seed, public key, message, signature. */
const RFC8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'
  ],
  [
    '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    hex(sha512(utf8('abc'))),
    'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704'
  ]
] as const

/** The encodings of the points of order 1, 2, 4 and 8; behind each the spellings of it that RFC 8032 §5.1.3 refuses. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85'
]
const NOT_CANONICAL = [
  '0100000000000000000000000000000000000000000000000000000000000080',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
]

const L = Point.CURVE().n
const numberOf = (bytes: Bytes) => BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`)
const scalarBytes = (value: bigint) => fromHex(value.toString(16).padStart(64, '0')).reverse()
const challenge = (R: Bytes, A: Bytes, message: Bytes) => numberOf(sha512(concat(R, A, message))) % L

/** A signature by the secret scalar `a` under the spelling `A` with the nonce scalar `r` under the spelling `R`: S = r + k·a. */
const forge = (a: bigint, A: Bytes, r: bigint, R: Bytes, message: Bytes) =>
  concat(R, scalarBytes((r + challenge(R, A, message) * a) % L))

/** Whether [S]B = R + [k]A, for points that may be spelt in any way. */
const equationHolds = (A: Bytes, signature: Bytes, k: bigint) =>
  Point.fromBytes(signature.subarray(0, 32), true)
    .add(Point.fromBytes(A, true).multiply(k, false))
    .equals(Point.BASE.multiply(numberOf(signature.subarray(32)), false))

test('the example in the opening comment', () => {
  const [publicKey, kid] = exampleIn('src/core/keys.ts').trim().split('\n')
  expect(hex(keyId(fromHex(publicKey!)))).toBe(kid)
  expect(kid).toBe('866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743')
})

describe.each([
  ['portable', portableEd25519],
  ['native', nodeEd25519]
])('Ed25519, %s', (_, implementation) => {
  beforeEach(() => useEd25519(implementation))
  afterEach(() => useEd25519(portableEd25519))

  test.each(RFC8032)('RFC 8032 §7.1: %s', (seed, publicKey, message, signature) => {
    const signer = ed25519Signer(fromHex(seed))
    expect(hex(signer.publicKey)).toBe(publicKey)
    expect(hex(signer.sign(fromHex(message)))).toBe(signature)
    expect(verifyEd25519(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(true)
    expect(isAcceptableKey(fromHex(publicKey))).toBe(true)
  })

  // The conditions of the twelve vectors of "Taming the many EdDSAs" (2020, table 5) are those of the next three tests.
  test('A and R of small order, mixed order and order L: 0 to 5', () => {
    const a = 0x1234567890abcdefn
    const r = 0xfedcba0987654321n
    let good = 0
    let bad = 0
    for (const torsionOfA of SMALL_ORDER)
      for (const torsionOfR of SMALL_ORDER)
        for (const [scalarA, scalarR] of [
          [a, r],
          [0n, r],
          [a, 0n]
        ] as const) {
          const A = Point.BASE.multiply(scalarA, false).add(Point.fromHex(torsionOfA)).toBytes()
          const R = Point.BASE.multiply(scalarR, false).add(Point.fromHex(torsionOfR)).toBytes()
          const message = utf8(`${torsionOfA}${torsionOfR}`)
          const signature = forge(scalarA, A, scalarR, R, message)
          const expected = nodeVerify(A, message, signature)
          if (expected) good++
          else bad++
          expect(verifyEd25519(A, message, signature)).toBe(expected)
        }
    expect(good).toBeGreaterThan(20)
    expect(bad).toBeGreaterThan(20)
  })

  // The hash may be taken over the spelling in the signature or over the canonical one: neither is accepted.
  test.each(NOT_CANONICAL)('non-canonical %s is neither A nor R: 8 to 11', (spelling) => {
    const point = fromHex(spelling)
    const canonical = Point.fromBytes(point, true).toBytes()
    const a = 1234567n
    const A = Point.BASE.multiply(a, false).add(Point.fromHex(SMALL_ORDER[4]!)).toBytes()
    const R = Point.BASE.multiply(7n, false).toBytes()
    for (const hashed of [point, canonical]) {
      let good = 0
      for (let i = 0; i < 64 && good !== 3; i++) {
        const message = utf8(`message ${i}`)
        const asA = forge(0n, hashed, 7n, R, message)
        if (equationHolds(point, asA, challenge(R, hashed, message))) good |= 1
        expect(verifyEd25519(point, message, asA)).toBe(false)
        const asR = concat(point, forge(a, A, 0n, hashed, message).subarray(32))
        if (equationHolds(A, asR, challenge(hashed, A, message))) good |= 2
        expect(verifyEd25519(A, message, asR)).toBe(false)
      }
      // Some of these signatures are wrong in their spelling alone.
      expect(good).toBe(3)
    }
  })

  test('OpenSSL accepts a non-canonical A; we do not', () => {
    const [A] = NOT_CANONICAL.map((spelling) => fromHex(spelling)) as [Bytes]
    const R = Point.BASE.multiply(7n, false).toBytes()
    const signature = forge(0n, A, 7n, R, utf8('message'))
    expect(nodeVerify(A, utf8('message'), signature)).toBe(true)
    expect(verifyEd25519(A, utf8('message'), signature)).toBe(false)
  })

  test('S is below L: 6 and 7', () => {
    const signer = ed25519Signer(fromHex(RFC8032[1][0]))
    const message = utf8('S')
    const signature = signer.sign(message)
    const S = numberOf(signature.subarray(32))
    expect(verifyEd25519(signer.publicKey, message, signature)).toBe(true)
    for (let i = 1n; S + i * L < 1n << 256n; i++) {
      const malleated = concat(signature.subarray(0, 32), scalarBytes(S + i * L))
      expect(verifyEd25519(signer.publicKey, message, malleated)).toBe(false)
    }
    const R = Point.BASE.multiply(1n, false).toBytes()
    expect(verifyEd25519(signer.publicKey, message, concat(R, scalarBytes(L)))).toBe(false)
  })

  test('no point with this y: false, not an error', () => {
    const off = concat(Uint8Array.of(2), new Uint8Array(31))
    expect(() => Point.fromBytes(off)).toThrow()
    expect(verifyEd25519(off, utf8('m'), new Uint8Array(64))).toBe(false)
  })

  test('wrong lengths: false', () => {
    const [seed, , message] = RFC8032[1]
    const signer = ed25519Signer(fromHex(seed))
    const signature = signer.sign(fromHex(message))
    for (const length of [0, 1, 31, 33, 64])
      expect(verifyEd25519(concat(signer.publicKey, signer.publicKey).subarray(0, length), fromHex(message), signature)).toBe(
        false
      )
    for (const length of [0, 32, 63, 65, 128])
      expect(verifyEd25519(signer.publicKey, fromHex(message), concat(signature, signature).subarray(0, length))).toBe(false)
  })

  test('random keys, messages and damages: the answer of OpenSSL', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 80 }),
        fc.nat({ max: 767 }),
        (seed, message, bit) => {
          const signer = ed25519Signer(seed)
          const signature = signer.sign(message)
          expect(hex(signature)).toBe(hex(nodeEd25519.sign!(seed, message)))
          expect(verifyEd25519(signer.publicKey, message, signature)).toBe(true)
          const damaged = concat(signer.publicKey, signature)
          damaged[bit >> 3]! ^= 1 << (bit & 7)
          const A = damaged.subarray(0, 32)
          const answer = verifyEd25519(A, message, damaged.subarray(32))
          expect(answer).toBe(nodeVerify(A, message, damaged.subarray(32)))
          expect(answer).toBe(false)
        }
      ),
      { numRuns: 30 }
    )
  })
})

describe('implementations', () => {
  afterEach(() => useEd25519(portableEd25519))

  test('what is put in place is asked, and an error in it is a no', () => {
    const [seed, publicKey, message, signature] = RFC8032[0].map((part) => fromHex(part)) as [Bytes, Bytes, Bytes, Bytes]
    useEd25519({ verify: () => false })
    expect(verifyEd25519(publicKey, message, signature)).toBe(false)
    expect(hex(ed25519Signer(seed).sign(message))).toBe(RFC8032[0][3])
    useEd25519({
      verify: () => {
        throw new Error('no')
      }
    })
    expect(verifyEd25519(publicKey, message, signature)).toBe(false)
    useEd25519({ verify: () => true })
    expect(verifyEd25519(publicKey, message, new Uint8Array(64))).toBe(true)
    expect(verifyEd25519(fromHex(NOT_CANONICAL[0]!), message, new Uint8Array(64))).toBe(false)
  })

  test('a signer keeps its own copy of the secret; a seed has 32 bytes', () => {
    const seed = fromHex(RFC8032[0][0])
    const signer = ed25519Signer(seed)
    seed.fill(0)
    expect(hex(signer.sign(new Uint8Array()))).toBe(RFC8032[0][3])
    for (const length of [0, 31, 33, 64]) expect(codeOf(() => ed25519Signer(new Uint8Array(length)))).toBe('KEY_INVALID')
  })
})

describe('admission of keys', () => {
  test.each([...SMALL_ORDER, ...NOT_CANONICAL])('small order, however spelt: %s', (point) => {
    expect(isAcceptableKey(fromHex(point))).toBe(false)
  })

  test('a torsion component', () => {
    const key = Point.BASE.multiply(42n, false)
    expect(isAcceptableKey(key.toBytes())).toBe(true)
    for (const torsion of SMALL_ORDER.slice(1)) expect(isAcceptableKey(key.add(Point.fromHex(torsion)).toBytes())).toBe(false)
  })

  test('not a point, wrong length', () => {
    const bytes = Point.BASE.toBytes()
    expect(isAcceptableKey(bytes)).toBe(true)
    expect(isAcceptableKey(bytes.subarray(0, 31))).toBe(false)
    expect(isAcceptableKey(concat(bytes, Uint8Array.of(0)))).toBe(false)
    expect(isAcceptableKey(concat(Uint8Array.of(2), new Uint8Array(31)))).toBe(false)
    expect(isAcceptableKey(new Uint8Array(32).fill(0xff))).toBe(false)
  })

  test('exactly the encodings that noble decodes strictly are canonical, around p and around x = 0', () => {
    const edges = [0n, 1n, 2n, 3n].flatMap((d) => [d, (1n << 255n) - 19n - d, (1n << 255n) - 19n + d, (1n << 255n) - 1n - d])
    for (const y of edges)
      for (const signBit of [0, 0x80]) {
        const bytes = scalarBytes(y % (1n << 255n))
        bytes[31]! |= signBit
        let decodes = true
        try {
          Point.fromBytes(bytes)
        } catch {
          decodes = false
        }
        useEd25519({ verify: () => true })
        const passedOn = verifyEd25519(bytes, new Uint8Array(), new Uint8Array(64))
        useEd25519(portableEd25519)
        if (decodes) expect(passedOn).toBe(true)
        // What the guard lets through and noble does not is an encoding of no point at all, not a second spelling of one.
        else if (passedOn) expect(() => Point.fromBytes(bytes, true)).toThrow()
      }
  })
})

test('key id wants 32 bytes', () => {
  for (const length of [0, 31, 33]) expect(codeOf(() => keyId(new Uint8Array(length)))).toBe('KEY_INVALID')
})

describe('names', () => {
  test.each([
    ['court.example', true],
    ['court.example/evidence', true],
    ['a', true],
    ['-', true],
    ['a/b/c_d.e-f/0', true],
    ['a'.repeat(200), true],
    ['a'.repeat(201), false],
    ['', false],
    ['/', false],
    ['a/', false],
    ['/a', false],
    ['a//b', false],
    ['a_b', false],
    ['A', false],
    ['a b', false],
    ['a\n', false],
    ['a/b\n', false],
    ['a+b', false],
    ['https://a', false],
    ['链证.example', false]
  ])('%j: %s', (text, expected) => {
    expect(isName(text)).toBe(expected)
  })

  test('node of an origin', () => {
    expect(nodeNameOf('court.example/evidence')).toBe('court.example')
    expect(nodeNameOf('court.example/branch/evidence')).toBe('court.example/branch')
    expect(nodeNameOf('court.example')).toBe('court.example')
  })
})

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof LianzhengError) return error.code
    throw error
  }
  return 'accepted'
}
