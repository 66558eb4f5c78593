import { createPublicKey, verify } from 'node:crypto'
import { decode as decodeWithCborg, Tagged } from 'cborg'
import { describe, expect, test } from 'vitest'
import { type Bytes, base64url, hex } from '../../src/core/bytes.ts'
import { type Encodable, encodeCbor } from '../../src/core/cbor.ts'
import { decodeSign1 } from '../../src/core/cose.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { ed25519Signer, keyId } from '../../src/core/keys.ts'
import { decodeHandout, PROMISE_CONTENT, REFUSAL_CONTENT, signPromise, signRefusal } from '../../src/core/promise.ts'
import { signStatement, verifyStatement } from '../../src/core/statement.ts'

const signer = ed25519Signer(new Uint8Array(32).fill(1))
const ORIGIN = 'court.example/evidence'
const by = { origin: ORIGIN, operator: 'gz-court', signer, cti: new Uint8Array(16).fill(2) }
const leaf = new Uint8Array(32).fill(3)
const promise = { leaf, time: 1_598_403_600_123, by: 1_598_404_200_123 }
const refused = { digest: new Uint8Array(32).fill(4), code: 'SIGNATURE_INVALID', time: 1_598_403_600_123, catalogue: 1 }

/** As another CBOR reader has it. */
function foreign(bytes: Bytes): unknown {
  return decodeWithCborg(bytes, { useMaps: true, tags: Object.assign([], { 18: Tagged.decoder(18) }) })
}

function refusal(bytes: Bytes): string {
  try {
    decodeHandout(bytes)
    return 'accepted'
  } catch (error) {
    if (!(error instanceof LianzhengError)) throw error
    return `${error.code} ${error.detail.field}`
  }
}

describe('what is written', () => {
  test.each([
    ['promise', signPromise(promise, by), PROMISE_CONTENT, promise],
    ['refusal', signRefusal(refused, by), REFUSAL_CONTENT, refused]
  ] as const)('%s: read back, and read by others', (kind, bytes, content, body) => {
    const handout = decodeHandout(bytes)
    expect(handout).toMatchObject({
      kind,
      iss: 'gz-court',
      sub: `ledger:${ORIGIN}`,
      aud: ORIGIN,
      iat: 1_598_403_600,
      [kind]: body
    })
    expect(verifyStatement(handout, signer.publicKey)).toBe(true)
    expect(verifyStatement(handout, ed25519Signer(new Uint8Array(32).fill(9)).publicKey)).toBe(false)

    const [protectedBytes, unprotected, payload, signature] = (
      foreign(bytes) as { value: [Bytes, Map<number, unknown>, Bytes, Bytes] }
    ).value
    expect(unprotected.size).toBe(0)
    expect(foreign(protectedBytes)).toEqual(
      new Map<number, unknown>([
        [1, -8],
        [3, content],
        [4, keyId(signer.publicKey)],
        [
          15,
          new Map<number, unknown>([
            [1, 'gz-court'],
            [2, `ledger:${ORIGIN}`],
            [3, ORIGIN],
            [6, 1_598_403_600],
            [7, by.cti]
          ])
        ]
      ])
    )
    expect(Object.fromEntries(foreign(payload) as Map<string, unknown>)).toEqual(body)
    // RFC 9052 §4.4, put together by hand: array(4), "Signature1", two byte strings shorter than 64 KiB, no external data.
    const string = (bytes: Bytes) =>
      Buffer.concat([
        Buffer.from(
          bytes.length < 24
            ? [0x40 + bytes.length]
            : bytes.length < 256
              ? [0x58, bytes.length]
              : [0x59, bytes.length >> 8, bytes.length & 255]
        ),
        bytes
      ])
    const message = Buffer.concat([
      Buffer.from('846a5369676e617475726531', 'hex'),
      string(protectedBytes),
      Buffer.from([0x40]),
      string(payload)
    ])
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: base64url(signer.publicKey) }, format: 'jwk' })
    expect(verify(null, message, key, signature)).toBe(true)
  })
})

describe('what is refused', () => {
  const made = (body: Encodable, more: { content?: string; sub?: string; iat?: number } = {}): string =>
    refusal(
      signStatement(
        {
          iss: 'gz-court',
          sub: more.sub ?? `ledger:${ORIGIN}`,
          aud: ORIGIN,
          iat: more.iat ?? 1_598_403_600,
          cti: by.cti,
          contentType: more.content ?? PROMISE_CONTENT,
          body
        },
        signer
      )
    )
  const { leaf: _, ...noLeaf } = promise

  test.each<[string, string, string]>([
    ['honest', made(promise), 'accepted'],
    ['honest refusal', made(refused, { content: REFUSAL_CONTENT }), 'accepted'],
    ['a code of a later version', made({ ...refused, code: 'SOMETHING_NEW_2' }, { content: REFUSAL_CONTENT }), 'accepted'],
    ['a record', made(promise, { content: 'application/vnd.lianzheng.record+cbor' }), 'STATEMENT_HEADER 3'],
    ['a seal', made(promise, { content: 'application/vnd.lianzheng.seal+cbor' }), 'STATEMENT_HEADER 3'],
    ['a refusal that is called a promise', made(refused), 'PROMISE_INVALID payload'],
    ['a promise that is called a refusal', made(promise, { content: REFUSAL_CONTENT }), 'PROMISE_INVALID payload'],
    ['no leaf', made(noLeaf), 'PROMISE_INVALID payload'],
    ['one member more', made({ ...promise, more: 1 }), 'PROMISE_INVALID payload'],
    ['a leaf of 31 bytes', made({ ...promise, leaf: leaf.subarray(1) }), 'PROMISE_INVALID leaf'],
    ['a leaf as text', made({ ...promise, leaf: hex(leaf) }), 'PROMISE_INVALID leaf'],
    ['a time before 1970', made({ ...promise, time: -1 }), 'PROMISE_INVALID time'],
    ['a promise of the past', made({ ...promise, by: promise.time - 1 }), 'PROMISE_INVALID by'],
    ['another second', made(promise, { iat: 1_598_403_601 }), 'PROMISE_INVALID iat'],
    ['another log in sub', made(promise, { sub: 'ledger:court.example/public' }), 'PROMISE_INVALID sub'],
    ['a code of controls', made({ ...refused, code: 'A\n' }, { content: REFUSAL_CONTENT }), 'PROMISE_INVALID code'],
    ['no catalogue version', made({ ...refused, catalogue: -1 }, { content: REFUSAL_CONTENT }), 'PROMISE_INVALID catalogue'],
    [
      'a digest of 33 bytes',
      made({ ...refused, digest: new Uint8Array(33) }, { content: REFUSAL_CONTENT }),
      'PROMISE_INVALID digest'
    ]
  ])('%s', (_name, seen, expected) => {
    expect(seen).toBe(expected)
  })

  test('anything in the unprotected map, and every flipped bit of what is signed', () => {
    const bytes = signPromise(promise, by)
    const { protectedBytes, payload, signature } = decodeSign1(bytes)
    const envelope = encodeCbor([protectedBytes, new Map([[4, leaf]]), payload, signature])
    expect(refusal(Uint8Array.of(0xd2, ...envelope))).toBe('STATEMENT_FORM unprotected')
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const changed = Uint8Array.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      let holds = false
      try {
        holds = verifyStatement(decodeHandout(changed), signer.publicKey)
      } catch (error) {
        expect(error).toBeInstanceOf(LianzhengError)
      }
      expect(holds, `bit ${bit}`).toBe(false)
    }
  })
})
