import { webcrypto } from 'node:crypto'
import { Decoder } from 'cbor-x'
import { describe, expect, test } from 'vitest'
import { type Bytes, u64, utf8 } from '../../src/core/bytes.ts'
import { disclosureCipher, isPlain, openDisclosures } from '../../src/store/disclosures.ts'
import { encodeValue } from '../../src/store/values.ts'

const KEY = new Uint8Array(32).fill(7)
const cipher = disclosureCipher(KEY)
const some = [utf8('a disclosure'), utf8('another')]
const code = (read: () => unknown): string | undefined => {
  try {
    read()
    return undefined
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('a sealed value opens, to the same bytes, and shows nothing of them', () => {
  for (const list of [some, [], [new Uint8Array(0)], [new Uint8Array(20_000).fill(1)]]) {
    const value = cipher.seal(5, list)
    expect(cipher.open(5, value)).toEqual(list)
    expect(openDisclosures(5, value, cipher)).toEqual(list)
    for (const one of list) if (one.length > 4) expect(Buffer.from(value).includes(Buffer.from(one.subarray(0, 12)))).toBe(false)
  }
})

test('no two values have a salt or a ciphertext in common', () => {
  const values = Array.from({ length: 500 }, () => Buffer.from(cipher.seal(5, some)))
  expect(new Set(values.map((value) => value.subarray(1, 33).toString('hex'))).size).toBe(500)
  expect(new Set(values.map((value) => value.subarray(33).toString('hex'))).size).toBe(500)
})

test('another implementation opens it, by what the head of the file says', async () => {
  const value = cipher.seal(77, some)
  const hmac = await webcrypto.subtle.importKey('raw', KEY, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const raw = await webcrypto.subtle.sign('HMAC', hmac, value.subarray(1, 33))
  const key = await webcrypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt'])
  const how = { name: 'AES-GCM', iv: new Uint8Array(12), additionalData: u64(77), tagLength: 128 }
  const plain = new Uint8Array(await webcrypto.subtle.decrypt(how, key, value.subarray(33)))
  expect(new Decoder().decode(plain).map((one: Bytes) => Uint8Array.from(one))).toEqual(some)
})

describe('STORE_CORRUPT', () => {
  const value = cipher.seal(5, some)
  test('any bit flipped, anything cut off or added', () => {
    for (let at = 0; at < value.length; at++)
      expect([at, code(() => cipher.open(5, value.with(at, value[at]! ^ (1 << (at % 8)))))]).toEqual([at, 'STORE_CORRUPT'])
    for (const cut of [value.subarray(0, -1), value.subarray(0, 48), new Uint8Array(0), Uint8Array.from([...value, 0])])
      expect(code(() => cipher.open(5, cut))).toBe('STORE_CORRUPT')
  })
  test('at another index, or under another key', () => {
    expect(code(() => cipher.open(6, value))).toBe('STORE_CORRUPT')
    expect(code(() => disclosureCipher(KEY.with(0, 8)).open(5, value))).toBe('STORE_CORRUPT')
  })
})

test('what version 1 wrote in the clear is read without a cipher; what is sealed is not', () => {
  const many = Array.from({ length: 64 }, (_, i) => Uint8Array.of(i))
  for (const list of [some, many, []]) {
    expect(isPlain(encodeValue(list))).toBe(true)
    expect(openDisclosures(5, encodeValue(list), undefined)).toEqual(list)
  }
  const sealed = cipher.seal(5, some)
  expect(isPlain(sealed)).toBe(false)
  expect(code(() => openDisclosures(5, sealed, undefined))).toBe('STORE_FOREIGN')
})
