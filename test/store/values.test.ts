import { expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../src/store/values.ts'

test('a value is read as it was written', () => {
  for (const value of [{ name: 'case:x', count: 3, root: new Uint8Array(32) }, [], [Uint8Array.of(1)], undefined, 2 ** 53 - 1])
    expect(decodeValue(encodeValue(value), 'm head')).toEqual(value)
})

test.each([
  ['nothing', []],
  ['a string cut off', [0x62, 0x61]],
  ['a longer head than it needs', [0x18, 0x01]],
  ['bytes after it', [0x01, 0x01]],
  ['tags nested deeper than anyone follows', Array(5_000).fill(0xd2).concat(0x01)],
  ['arrays nested deeper than anyone follows', Array(5_000).fill(0x81).concat(0x01)]
])('damage is named: %s', (_, bytes) => {
  expect(() => decodeValue(Uint8Array.from(bytes), 'm head')).toThrow(
    expect.objectContaining({ code: 'STORE_CORRUPT', detail: expect.objectContaining({ field: 'm head' }) })
  )
})
