/**
 * The worked receipt is of a statement by RFC 8032 test key 1 in a tree of two, signed by test key 2: its bytes were accepted by `scitt-cose`
 * (Apache-2.0), an implementation of RFC 9942 and 9943 that is not ours.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, fromHex, hex, utf8 } from '../../src/core/bytes.ts'
import { decodeCbor, type Encodable, encodeCbor } from '../../src/core/cbor.ts'
import { decodeSign1, encodeSign1, toBeSigned } from '../../src/core/cose.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { leafHash, nodeHash } from '../../src/core/hash.ts'
import { ed25519Signer, keyId } from '../../src/core/keys.ts'
import { proveInclusion, rootOfLeaves } from '../../src/core/merkle.ts'
import { coseKey, decodeScittReceipt, signScittReceipt, transparentStatement, verifyScittReceipt } from '../../src/core/scitt.ts'

const SECRET = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'
const log = ed25519Signer(fromHex(SECRET))
const STATEMENT = fromHex(
  'd284585ba50127045820866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743' +
    '0fa2016d636f7572742e6578616d706c65026b636173652d312f65762d311901022f1901036f' +
    '6170706c69636174696f6e2f706466a05820fa2a461574746aa17fa105c405ea3891910a105666258903' +
    '387e99d880b55841584094ded7f14c97c95d64e822d251db6fa5fd57d23a2ae9cfde21fcdedfd09f8554' +
    'e00d48d6c77e32019788bb64f043e0667f58ed534fd99b476156cf3d64fddc0a'
)
const RECEIPT =
  'd2845849a401270458205c840f7a40230170abdee5151a594efdf270f7a89825f5c310badf6b589c5c59' +
  '0fa2016e6c65646765722e6578616d706c65026b636173652d312f65762d3119018b01' +
  'a119018ca12081582683020081582020127871bb98506fcb2eb26ab0f726a97fd0407c0314098a4418e31f40ab74a6' +
  'f65840f92b1368991f644275bce3ec1a7e3cb078c8c141ad1fc0c45ebe0e363bb75cf9' +
  '38d7cd7a991be03c4245c32c70097b07b88854f179422f2a10b243a812950e0c'
const other = leafHash(utf8('other'))
const claims = { iss: 'ledger.example', sub: 'case-1/ev-1' }
const place = { size: 2, index: 0, path: [other] }

function refusal(bytes: Bytes): string {
  try {
    decodeScittReceipt(bytes)
    return 'accepted'
  } catch (error) {
    if (!(error instanceof LianzhengError)) throw error
    return `${error.code} ${error.detail.field}`
  }
}

describe('the worked receipt', () => {
  test('is what we write', () => {
    expect(hex(signScittReceipt(claims, place, nodeHash(leafHash(STATEMENT), other), log))).toBe(RECEIPT)
  })
  test('is what we read', () => {
    const receipt = decodeScittReceipt(fromHex(RECEIPT))
    expect(receipt).toMatchObject({ ...claims, ...place, kid: keyId(log.publicKey) })
    expect(verifyScittReceipt(receipt, STATEMENT, log.publicKey)).toBe(true)
  })
  test('proves nothing else: another statement, key, index, size or path', () => {
    const receipt = decodeScittReceipt(fromHex(RECEIPT))
    const lies = [
      verifyScittReceipt(receipt, utf8('other'), log.publicKey),
      verifyScittReceipt(receipt, STATEMENT, ed25519Signer(new Uint8Array(32)).publicKey),
      ...[
        { index: 1 },
        { index: 2 },
        { size: 3 },
        { size: 1 },
        { path: [] },
        { path: [other, other] },
        { path: [other.subarray(1)] }
      ].map((lie) => verifyScittReceipt({ ...receipt, ...lie }, STATEMENT, log.publicKey))
    ]
    expect(lies).toEqual(lies.map(() => false))
  })
  test('no flipped bit of it proves the statement', () => {
    const bytes = fromHex(RECEIPT)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Uint8Array.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      let holds = false
      try {
        holds = verifyScittReceipt(decodeScittReceipt(changed), STATEMENT, log.publicKey)
      } catch (error) {
        expect(error).toBeInstanceOf(LianzhengError)
      }
      expect(holds, `bit ${bit}`).toBe(false)
    }
  })
})

test('every place of small trees is proven and read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), (size, seed) => {
      const index = seed % size
      const entries = Array.from({ length: size }, (_, i) => utf8(`entry ${i}`))
      const leaves = entries.map(leafHash)
      const path = proveInclusion(index, size, (nodes) =>
        nodes.map(({ level, index: at }) => rootOfLeaves(leaves.slice(at * 2 ** level, (at + 1) * 2 ** level)))
      )
      const receipt = decodeScittReceipt(signScittReceipt(claims, { size, index, path }, rootOfLeaves(leaves), log))
      expect(receipt).toMatchObject({ size, index, path })
      expect(entries.map((entry) => verifyScittReceipt(receipt, entry, log.publicKey))).toEqual(
        entries.map((_, i) => i === index)
      )
    }),
    { numRuns: 60 }
  )
})

describe('what is no receipt of ours', () => {
  const root = nodeHash(leafHash(STATEMENT), other)
  const header = () =>
    new Map<number, Encodable>([
      [1, -8],
      [4, keyId(log.publicKey)],
      [
        15,
        new Map([
          [1, 'ledger.example'],
          [2, 'x']
        ])
      ],
      [395, 1]
    ])
  const proof = encodeCbor([2, 0, [other]])
  const made = (
    map: Map<number, Encodable>,
    {
      proofs = [proof] as Encodable,
      payload = null,
      more = [] as [number, Encodable][]
    }: { proofs?: Encodable; payload?: Bytes | null; more?: [number, Encodable][] } = {}
  ): string => {
    const protectedBytes = encodeCbor(map)
    const unprotected = decodeCbor(encodeCbor(new Map<number, Encodable>([[396, new Map([[-1, proofs]])], ...more]))) as Map<
      number,
      never
    >
    return refusal(encodeSign1({ protectedBytes, unprotected, payload, signature: log.sign(toBeSigned(protectedBytes, root)) }))
  }
  const without = (label: number) => {
    const map = header()
    map.delete(label)
    return map
  }
  test.each<[string, string, string]>([
    ['as it should be', made(header()), 'accepted'],
    ['alg -19, which other tools refuse', made(header().set(1, -19)), 'ALGORITHM_UNSUPPORTED 1'],
    ['another tree', made(header().set(395, 2)), 'SCITT_INVALID 395'],
    ['no tree', made(without(395)), 'SCITT_INVALID 395'],
    ['no kid', made(without(4)), 'SCITT_INVALID protected'],
    ['no claims', made(without(15)), 'SCITT_INVALID protected'],
    ['a label more', made(header().set(2, [395])), 'SCITT_INVALID protected'],
    ['a short kid', made(header().set(4, new Uint8Array(4))), 'SCITT_INVALID 4'],
    ['claims as a list', made(header().set(15, [])), 'SCITT_INVALID 15'],
    ['an attached root', made(header(), { payload: root }), 'SCITT_INVALID payload'],
    ['two proofs', made(header(), { proofs: [proof, proof] }), 'SCITT_INVALID 396'],
    ['no proof', made(header(), { proofs: [] }), 'SCITT_INVALID 396'],
    ['a proof that is no byte string', made(header(), { proofs: [[2, 0, [other]]] }), 'SCITT_INVALID proof'],
    ['a flat proof', made(header(), { proofs: [encodeCbor([2, 0, other])] }), 'SCITT_INVALID proof'],
    ['an empty path', made(header(), { proofs: [encodeCbor([1, 0, []])] }), 'SCITT_INVALID proof'],
    ['an unprotected label more', made(header(), { more: [[4, other]] }), 'SCITT_INVALID unprotected']
  ])('%s', (_name, seen, expected) => {
    expect(seen).toBe(expected)
  })
})

test('a transparent statement is the statement with the receipt in label 394', () => {
  const bytes = transparentStatement(STATEMENT, fromHex(RECEIPT))
  const { unprotected, ...rest } = decodeSign1(bytes)
  expect(unprotected).toEqual(new Map([[394, [fromHex(RECEIPT)]]]))
  expect(encodeSign1({ ...rest })).toEqual(STATEMENT)
})

test('the key as COSE has it (RFC 9052 §7, RFC 8037)', () => {
  expect(hex(encodeCbor(coseKey(log.publicKey)))).toBe(
    'a50101025820' +
      '5c840f7a40230170abdee5151a594efdf270f7a89825f5c310badf6b589c5c59' +
      '0327200621582' +
      '03d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
  )
})
