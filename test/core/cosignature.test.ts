import { describe, expect, test } from 'vitest'
import { type Bytes, base64, concat, fromHex, hex, u64, utf8 } from '../../src/core/bytes.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/core/checkpoint.ts'
import {
  mlDsaKeyPair,
  mlDsaMessage,
  signCosignature,
  signMlDsaCosignature,
  verifyCosignature
} from '../../src/core/cosignature.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { sha256 } from '../../src/core/hash.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import {
  formatNote,
  formatSignatureLine,
  formatVkey,
  makeVkey,
  noteKeyId,
  parseNote,
  parseSignatureLine,
  parseVkey,
  signNote,
  TYPE_COSIGNATURE,
  TYPE_ED25519,
  TYPE_MLDSA44,
  verifyNoteSignature
} from '../../src/core/note.ts'
import { exampleIn } from '../helpers/example.ts'

/** A log of three entries and a witness; signed by Node's OpenSSL and checked with Go. */
const LOG_SEED = fromHex('021574fcdbabb273964463a7c9355cbeeb41d70e91329816c3a53e9163921348')
const WITNESS_SEED = fromHex('1a9df60e8ab4844da942907019531af084418d7ae28b56395ad43967cee74fbf')
const LOG_VKEY = 'ledger.example/court-1+1c9aa382+AT2tUC63lDNK3oJ0/LkIe49+o9846y5ZwCBzqrm4CGK2'
const WITNESS_VKEY = 'witness.example/w1+0deeb34d+BDGbKZlUosXKJcVvH6KLSq8tN66r4O54CYJZbVLbW96J'
const ORIGIN = 'ledger.example/court-1'
const WITNESS = 'witness.example/w1'
const TIME = 1700000000
const NOTE = `ledger.example/court-1
3
OF2jDzkXKCyJOd/4UZV+UZqxhGsTUaFMCts7EWMnQqo=

— ledger.example/court-1 HJqjgmXwSeL28Lf6Sbgy3fqkIa2K++VDg4xAqtvkxWirBIOVKkqoReRaShDQ+j/O5w7X3O2DbbPloVFdN3cOOQ2dGgM=
— witness.example/w1 De6zTQAAAABlU/EAHj72MvOZgMM+bkNcTr8P56LUr9269xtwgOoe4gh2CJAroa85WUMELPjEqZOOPfmlTSZlF2QWPy8YdkGYG6/nAw==
`
const { text } = parseNote(NOTE)
const checkpoint = parseCheckpoint(text)
const signer = ed25519Signer(WITNESS_SEED)
const witness = parseVkey(WITNESS_VKEY)

function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof LianzhengError) return error.code
    throw error
  }
  return 'accepted'
}

test('the example in the opening comment', () => {
  const line = parseSignatureLine(exampleIn('src/core/cosignature.ts'))
  expect(verifyCosignature(text, checkpoint, line, witness)).toEqual({ timestamp: TIME })
})

describe('worked example: log and witness', () => {
  test('verifies', () => {
    const [log, cosignature] = parseNote(NOTE).signatures
    expect(verifyNoteSignature(text, log!, parseVkey(LOG_VKEY))).toBe(true)
    expect(verifyCosignature(text, checkpoint, cosignature!, witness)).toEqual({ timestamp: TIME })
  })

  test('is made again byte for byte', () => {
    const log = ed25519Signer(LOG_SEED)
    expect(formatVkey(makeVkey(ORIGIN, TYPE_ED25519, log.publicKey))).toBe(LOG_VKEY)
    expect(formatVkey(makeVkey(WITNESS, TYPE_COSIGNATURE, signer.publicKey))).toBe(WITNESS_VKEY)
    const signatures = [signNote(text, ORIGIN, log), signCosignature(text, WITNESS, signer, TIME)]
    expect(formatNote({ text, signatures })).toBe(NOTE)
  })

  test('message of ML-DSA-44', () => {
    expect(hex(mlDsaMessage(checkpoint, WITNESS, TIME)!)).toBe(
      '737562747265652f76310a00' +
        '127769746e6573732e6578616d706c652f7731' +
        '000000006553f100' +
        '166c65646765722e6578616d706c652f636f7572742d31' +
        '00000000000000000000000000000003' +
        '385da30f3917282c8939dff851957e519ab1846b1351a14c0adb3b11632742aa'
    )
  })
})

describe('ML-DSA-44, as Go makes it', () => {
  // SHA-256 of the vkey and of the line that filippo.io/mldsa signs deterministically from a seed of equal bytes; both lines in
  // one note were opened by github.com/transparency-dev/formats. The first is the log's own: key name = origin, timestamp 0.
  test.each([
    [
      1,
      ORIGIN,
      0,
      'acf2378d090f79ce5810874dc8c4b1545739769282bde03237073a99062dc6e8',
      '3b10d20b486e694db03b867e8c7b1d510311923a6c38249e46c417513a12cbc2'
    ],
    [
      2,
      WITNESS,
      TIME,
      'b7baaa025a9863a47c607ad7307760800d91ad63ebe35f6a62b60290165b5180',
      '8715741e953f7cd161617ccd3063ac8cffc2fe73e8e010ce7797aeacc15d4231'
    ]
  ])('seed %i, %s', (seedByte, name, time, vkeyHash, lineHash) => {
    const { publicKey, secretKey } = mlDsaKeyPair(new Uint8Array(32).fill(seedByte))
    const vkey = makeVkey(name, TYPE_MLDSA44, publicKey)
    const line = signMlDsaCosignature(checkpoint, name, { publicKey, secretKey }, time)
    expect(hex(sha256(utf8(formatVkey(vkey))))).toBe(vkeyHash)
    expect(hex(sha256(utf8(formatSignatureLine(line))))).toBe(lineHash)
    expect(verifyCosignature(text, checkpoint, line, vkey)).toEqual({ timestamp: time })
  })

  test('with randomness: another signature, as good', () => {
    const { publicKey, secretKey } = mlDsaKeyPair(new Uint8Array(32).fill(2))
    const vkey = makeVkey(WITNESS, TYPE_MLDSA44, publicKey)
    const line = signMlDsaCosignature(checkpoint, WITNESS, { publicKey, secretKey }, TIME, new Uint8Array(32).fill(3))
    expect(hex(line.signature)).not.toBe(hex(signMlDsaCosignature(checkpoint, WITNESS, { publicKey, secretKey }, TIME).signature))
    expect(verifyCosignature(text, checkpoint, line, vkey)).toEqual({ timestamp: TIME })
  })
})

describe('a cosignature does not verify', () => {
  const { publicKey, secretKey } = mlDsaKeyPair(new Uint8Array(32).fill(2))
  const kinds = [
    ['Ed25519', witness, signCosignature(text, WITNESS, signer, TIME)],
    [
      'ML-DSA-44',
      makeVkey(WITNESS, TYPE_MLDSA44, publicKey),
      signMlDsaCosignature(checkpoint, WITNESS, { publicKey, secretKey }, TIME)
    ]
  ] as const

  test.each(kinds)('%s: when anything differs', (_, vkey, line) => {
    const changed = (signature: Bytes) => verifyCosignature(text, checkpoint, { ...line, signature }, vkey)
    const flipped = (bit: number) => {
      const bytes = Uint8Array.from(line.signature)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      return bytes
    }
    expect(changed(line.signature)).toEqual({ timestamp: TIME })
    for (const bit of [0, 63, 64, 200, 8 * line.signature.length - 1]) expect(changed(flipped(bit))).toBeUndefined()
    for (const signature of [
      new Uint8Array(),
      line.signature.subarray(0, 7),
      line.signature.subarray(1),
      line.signature.subarray(0, -1),
      concat(line.signature, Uint8Array.of(0))
    ])
      expect(changed(signature)).toBeUndefined()

    for (const other of [
      { ...checkpoint, size: 4 },
      { ...checkpoint, origin: 'ledger.example/court-2' },
      { ...checkpoint, root: Uint8Array.from(checkpoint.root).fill(0, 0, 1) }
    ])
      expect(verifyCosignature(formatCheckpoint(other), other, line, vkey)).toBeUndefined()

    expect(verifyCosignature(text, checkpoint, { ...line, name: 'w2' }, vkey)).toBeUndefined()
    expect(verifyCosignature(text, checkpoint, { ...line, keyId: line.keyId + 1 }, vkey)).toBeUndefined()
  })

  test('a name in the ML-DSA message: another cosigner cannot take the line over', () => {
    const [, , line] = kinds[1]
    const other = makeVkey('witness.example/w2', TYPE_MLDSA44, publicKey)
    expect(verifyCosignature(text, checkpoint, { ...line, name: other.name, keyId: other.id }, other)).toBeUndefined()
  })

  test('a note signature (01) is no cosignature, and a cosignature no note signature', () => {
    const log = makeVkey(WITNESS, TYPE_ED25519, signer.publicKey)
    const plain = signNote(text, WITNESS, signer)
    expect(verifyCosignature(text, checkpoint, plain, log)).toBeUndefined()
    expect(verifyCosignature(text, checkpoint, { ...plain, keyId: witness.id }, witness)).toBeUndefined()
    const stamped = { ...plain, keyId: log.id, signature: concat(u64(TIME), plain.signature) }
    expect(verifyCosignature(text, checkpoint, stamped, log)).toBeUndefined()
    expect(verifyNoteSignature(text, { ...kinds[0][2], keyId: log.id }, log)).toBe(false)
  })

  test('a timestamp of 2^53 or more, even well signed', () => {
    const stamped = (timestamp: bigint) => {
      const time = fromHex(timestamp.toString(16).padStart(16, '0'))
      const signature = concat(time, signer.sign(utf8(`cosignature/v1\ntime ${timestamp}\n${text}`)))
      return verifyCosignature(text, checkpoint, { name: WITNESS, keyId: witness.id, signature }, witness)
    }
    expect(stamped(2n ** 53n - 1n)).toEqual({ timestamp: 2 ** 53 - 1 })
    expect(stamped(0n)).toEqual({ timestamp: 0 })
    expect(stamped(2n ** 53n)).toBeUndefined()
    expect(stamped(2n ** 63n)).toBeUndefined()
    expect(stamped(2n ** 64n - 1n)).toBeUndefined()
  })

  test('an ML-DSA name of more than 255 bytes has no message', () => {
    const long = `${'链'.repeat(85)}a`
    expect(mlDsaMessage(checkpoint, '链'.repeat(85), 0)).toBeDefined()
    expect(mlDsaMessage(checkpoint, long, 0)).toBeUndefined()
    expect(mlDsaMessage(checkpoint, '', 0)).toBeUndefined()
    const vkey = { name: long, id: noteKeyId(long, TYPE_MLDSA44, publicKey), type: TYPE_MLDSA44, key: publicKey }
    const line = { name: long, keyId: vkey.id, signature: new Uint8Array(8 + 2420) }
    expect(verifyCosignature(text, checkpoint, line, vkey)).toBeUndefined()
    expect(refusal(() => signMlDsaCosignature(checkpoint, long, { publicKey, secretKey }, 0))).toBe('NAME_INVALID')
  })
})

describe('what is not signed', () => {
  const pair = mlDsaKeyPair(new Uint8Array(32))

  test('text that is no checkpoint of the accepted form', () => {
    for (const other of ['', 'text\n', `${text}extension\n`, text.slice(0, -1)])
      expect(refusal(() => signCosignature(other, WITNESS, signer, TIME))).toBe('CHECKPOINT_INVALID')
    expect(refusal(() => signMlDsaCosignature({ ...checkpoint, origin: 'A' }, WITNESS, pair, TIME))).toBe('CHECKPOINT_INVALID')
  })

  test.each([-1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])('the time %d', (time) => {
    expect(refusal(() => signCosignature(text, WITNESS, signer, time))).toBe('CHECKPOINT_INVALID')
    expect(refusal(() => signMlDsaCosignature(checkpoint, WITNESS, pair, time))).toBe('CHECKPOINT_INVALID')
  })

  test('seeds have 32 bytes', () => {
    for (const length of [0, 31, 33]) expect(refusal(() => mlDsaKeyPair(new Uint8Array(length)))).toBe('KEY_INVALID')
  })
})

test('key ids are those of the type', () => {
  expect(base64(witness.key)).toBe(base64(signer.publicKey))
  expect(signCosignature(text, WITNESS, signer, TIME).keyId).toBe(witness.id)
})
