import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Bytes, concat, fromHex, hex } from '../../src/core/bytes.ts'
import { type Encodable, encodeCbor } from '../../src/core/cbor.ts'
import { decodeDisclosure, encodeDisclosure, MAX_DISCLOSURE, SALT_SIZE } from '../../src/core/disclosure.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { sha256 } from '../../src/core/hash.ts'
import { decodeStatement } from '../../src/core/statement.ts'
import { parseReceipt } from '../../src/verify/files.ts'

const SALT = new Uint8Array(SALT_SIZE).fill(0x11)

function refusal(bytes: Bytes): string {
  try {
    decodeDisclosure(bytes)
  } catch (error) {
    if (error instanceof LianzhengError)
      return [error.code, error.detail.field, error.detail.offset].filter((part) => part !== undefined).join(' ')
    throw error
  }
  return 'accepted'
}

test('the disclosure of the vectors has the digest that its record seals', () => {
  const text = readFileSync(new URL('../vectors/ledger/evidence.receipt.json', import.meta.url), 'utf8')
  const { statement, disclosures } = parseReceipt(text)
  expect(hex(disclosures[0]!)).toBe('83501385d55798270a77ee494f7736838a1a646e616d656ae59088e5908c2e706466')
  const { name, value, digest } = decodeDisclosure(disclosures[0]!)
  expect([name, value]).toEqual(['name', '合同.pdf'])
  const sealed = decodeStatement(statement).body.get('sealed') as Map<string, Bytes>
  expect(hex(digest)).toBe(hex(sealed.get('name')!))
})

test('encode and decode are inverses, and the digest is of the bytes', () => {
  const value = fc.oneof(
    fc.string(),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 })
  )
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.string({ unit: 'grapheme' }),
      value,
      (salt, name, content) => {
        const made = encodeDisclosure(salt, name, content)
        const read = decodeDisclosure(made.bytes)
        expect(read).toEqual(made)
        expect([read.name, read.value]).toEqual([name, content])
        expect(hex(read.digest)).toBe(hex(sha256(made.bytes)))
        expect(hex(made.bytes.subarray(0, 2))).toBe('8350')
        expect(made.bytes.subarray(2, 18)).toEqual(salt)
      }
    ),
    { seed: 4, numRuns: 200 }
  )
})

test.each<[string, Encodable | Bytes, string]>([
  ['no array', new Map([['name', 'x']]), 'DISCLOSURE_INVALID'],
  ['two parts', [SALT, 'name'], 'DISCLOSURE_INVALID'],
  ['four parts', [SALT, 'name', 'x', 'y'], 'DISCLOSURE_INVALID'],
  ['no parts', [], 'DISCLOSURE_INVALID'],
  ['salt of 15 bytes', [SALT.subarray(1), 'name', 'x'], 'DISCLOSURE_INVALID salt'],
  ['salt of 17 bytes', [concat(SALT, Uint8Array.of(0)), 'name', 'x'], 'DISCLOSURE_INVALID salt'],
  ['salt of text', ['0123456789abcdef', 'name', 'x'], 'DISCLOSURE_INVALID salt'],
  ['no salt', [null, 'name', 'x'], 'DISCLOSURE_INVALID salt'],
  ['name of bytes', [SALT, SALT, 'x'], 'DISCLOSURE_INVALID name'],
  ['name of a number', [SALT, 1, 'x'], 'DISCLOSURE_INVALID name'],
  ['no value', [SALT, 'name', null], 'DISCLOSURE_INVALID value'],
  ['false is a value', [SALT, 'name', false], 'accepted'],
  ['an empty name is for the schema', [SALT, '', 0], 'accepted']
])('%s', (_name, parts, expected) => {
  expect(refusal(encodeCbor(parts))).toBe(expected)
})

test.each([
  ['nothing at all', '', 'CBOR_TRUNCATED 0'],
  ['cut short', '8350', 'CBOR_TRUNCATED 0'],
  ['cut short in the salt', '83501111', 'CBOR_TRUNCATED 1'],
  ['trailing bytes', '8350111111111111111111111111111111116161617800', 'CBOR_TRAILING_BYTES 22'],
  ['an array of no fixed length', '9f501111111111111111111111111111111161616178ff', 'CBOR_INDEFINITE_LENGTH 0'],
  ['a length not in its shortest form', '8358101111111111111111111111111111111161616178', 'CBOR_NOT_SHORTEST 1'],
  ['a float', '8350111111111111111111111111111111116161f90000', 'CBOR_UNSUPPORTED 20'],
  ['a tag', '8350111111111111111111111111111111116161c000', 'CBOR_UNSUPPORTED 20'],
  ['text that is not UTF-8', '835011111111111111111111111111111111616161ff', 'CBOR_TEXT_NOT_UTF8 20']
])('%s', (_name, encoded, expected) => {
  expect(refusal(fromHex(encoded))).toBe(expected)
})

test('the largest', () => {
  const ofSize = (size: number): Bytes => {
    const { length } = encodeCbor([SALT, 'content', 'x'.repeat(60_000)])
    return encodeCbor([SALT, 'content', 'x'.repeat(60_000 + size - length)])
  }
  expect(ofSize(MAX_DISCLOSURE).length).toBe(65_535)
  expect(refusal(ofSize(MAX_DISCLOSURE))).toBe('accepted')
  expect(refusal(ofSize(MAX_DISCLOSURE + 1))).toBe('DISCLOSURE_INVALID')
})

test('every change of a bit gives another digest or none at all', () => {
  const { bytes, digest } = encodeDisclosure(SALT, 'name', '合同.pdf')
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)))
    if (refusal(changed) === 'accepted') expect(hex(decodeDisclosure(changed).digest)).not.toBe(hex(digest))
  }
})
