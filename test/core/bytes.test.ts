import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Bytes,
  base64,
  base64url,
  compareBytes,
  compareText,
  concat,
  equalBytes,
  fromBase64,
  fromBase64url,
  fromHex,
  fromU64,
  fromUtf8,
  hex,
  u64,
  utf8,
  uvarint
} from '../../src/core/bytes.ts'

const MAX = Number.MAX_SAFE_INTEGER
const bytes = fc.uint8Array({ maxLength: 70 })

/** A matcher for the code of a refusal; every decoder here has one. */
function refusedAs(code: string): unknown {
  return expect.objectContaining({ name: 'LianzhengError', code })
}

/** Every byte string of at most two bytes. */
function* short(): Generator<Bytes> {
  yield new Uint8Array(0)
  for (let a = 0; a < 256; a++) yield Uint8Array.of(a)
  for (let n = 0; n < 65_536; n++) yield Uint8Array.of(n >> 8, n & 255)
}

describe('hex', () => {
  test('is that of Buffer', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(hex(value)).toBe(Buffer.from(value).toString('hex'))
        expect(fromHex(hex(value))).toEqual(value)
        expect(fromHex(hex(value), value.length)).toEqual(value)
      })
    )
  })

  test.each(['0', '0g', 'AB', 'aB', ' 00', '00 ', '00\n', '0x00', '000', '٠٠'])('%j is refused', (text) => {
    expect(() => fromHex(text)).toThrow(refusedAs('HEX_INVALID') as Error)
  })

  test('another length is refused', () => {
    for (const length of [0, 1, 3]) expect(() => fromHex('0011', length)).toThrow(refusedAs('HEX_INVALID') as Error)
  })

  test('a text of a million digits is read', () => {
    expect(fromHex('ab'.repeat(500_000)).length).toBe(500_000)
  })
})

describe('base64 and base64url', () => {
  const rfc4648: [text: string, encoded: string][] = [
    ['', ''],
    ['f', 'Zg=='],
    ['fo', 'Zm8='],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg=='],
    ['fooba', 'Zm9vYmE='],
    ['foobar', 'Zm9vYmFy']
  ]
  test.each(rfc4648)('RFC 4648 §10: %j', (text, encoded) => {
    expect(base64(utf8(text))).toBe(encoded)
    expect(fromBase64(encoded)).toEqual(utf8(text))
    expect(base64url(utf8(text))).toBe(encoded.replaceAll('=', ''))
    expect(fromBase64url(encoded.replaceAll('=', ''))).toEqual(utf8(text))
  })

  test('the last two digits of the alphabets', () => {
    expect(base64(fromHex('fbefbeffffff'))).toBe('++++////')
    expect(base64url(fromHex('fbefbeffffff'))).toBe('----____')
  })

  test('are those of Buffer', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(base64(value)).toBe(Buffer.from(value).toString('base64'))
        expect(base64url(value)).toBe(Buffer.from(value).toString('base64url'))
        expect(fromBase64(base64(value), value.length)).toEqual(value)
        expect(fromBase64url(base64url(value), value.length)).toEqual(value)
      })
    )
  })

  const badBase64 = ['Zg', 'Zg=', 'Zg===', 'Zm8', 'Zm8==', 'Zm9v=', 'Zm9v==', 'Zm9v====', '=', '==', '====', 'Z===', 'Z', 'Zm9vY']
  const badDigits = [
    'Zg==Zg==',
    'Z=g=',
    'Zh==',
    'Zm9=',
    '--__',
    'Zm 9',
    'Zm9v\n',
    '\nZm9',
    ' Zm9',
    'Zm9\u0000',
    'Zm9é',
    'Zm9案',
    'Zm9Ā'
  ]
  test.each([...badBase64, ...badDigits])('base64 %j is refused', (text) => {
    expect(() => fromBase64(text)).toThrow(refusedAs('BASE64_INVALID') as Error)
  })

  const badUrl = ['Zg==', 'Zg=', 'Zm8=', 'Z', 'Zm9vY', 'Zh', 'Zm9', '++//', 'Zm 9', 'Zm9v\n', '=', 'Zm9é', 'Zm9案', 'Zm9Ā']
  test.each(badUrl)('base64url %j is refused', (text) => {
    expect(() => fromBase64url(text)).toThrow(refusedAs('BASE64URL_INVALID') as Error)
  })

  test('another length is refused', () => {
    for (const length of [0, 2, 4]) {
      expect(() => fromBase64('Zm9v', length)).toThrow(refusedAs('BASE64_INVALID') as Error)
      expect(() => fromBase64url('Zm9v', length)).toThrow(refusedAs('BASE64URL_INVALID') as Error)
    }
  })

  test('of all texts of two and three digits exactly one stands for each byte string of one and two bytes', () => {
    const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
    const spare = (text: string): number => alphabet.indexOf(text.at(-1)!) & (text.length === 2 ? 15 : 3)
    const read = new Set<string>()
    let refused = 0
    const texts = alphabet.flatMap((a) => alphabet.flatMap((b) => [a + b, ...(a < 'D' ? alphabet.map((c) => a + b + c) : [])]))
    for (const text of texts) {
      if (spare(text) === 0) read.add(hex(fromBase64url(text)))
      else {
        refused++
        expect(() => fromBase64url(text)).toThrow(refusedAs('BASE64URL_INVALID') as Error)
      }
    }
    expect([read.size, refused]).toEqual([256 + texts.filter((text) => text.length === 3).length / 4, texts.length - read.size])
  })

  test('any text that is read is the one its bytes give', () => {
    const digit = fc.constantFrom(...'AQgw048+/-_=\n')
    let read = 0
    fc.assert(
      fc.property(fc.string({ unit: digit, maxLength: 8 }), (text) => {
        const pairs = [
          [fromBase64, base64],
          [fromBase64url, base64url]
        ] as const
        for (const [decode, encode] of pairs) {
          let value: Bytes
          try {
            value = decode(text)
          } catch {
            continue
          }
          read++
          expect(encode(value)).toBe(text)
        }
      }),
      { numRuns: 5000 }
    )
    expect(read).toBeGreaterThan(200)
  })
})

describe('UTF-8', () => {
  test('round trip of every kind of character', () => {
    for (const text of ['', 'a', 'ü', '案', '（2020）粤01刑初123号', '𐅑', '\ufeffa', '\uffff', '\0'])
      expect(fromUtf8(utf8(text))).toBe(text)
  })

  test('every string of at most two bytes is read as Buffer reads it, or refused where it is not UTF-8', () => {
    let refused = 0
    for (const value of short()) {
      const text = Buffer.from(value).toString('utf8')
      const valid = Buffer.from(text, 'utf8').equals(value)
      if (valid) {
        if (fromUtf8(value) !== text) expect.fail(hex(value))
        continue
      }
      refused++
      let code: unknown
      try {
        fromUtf8(value)
      } catch (error) {
        code = (error as { code: unknown }).code
      }
      if (code !== 'TEXT_NOT_UTF8') expect.fail(`${hex(value)}: ${code}`)
    }
    // valid: 128 of one byte; 128² ASCII pairs and 30 · 64 two-byte characters (U+0080–U+07FF)
    expect(refused).toBe(256 - 128 + 65_536 - 128 ** 2 - 30 * 64)
  })

  test.each(['eda080', 'edbfbf', 'c0af', 'e080af', 'f08080af', 'f4908080', 'f8888080', 'efbb', 'e6a1', 'f09f98'])(
    '%s is refused',
    (encoded) => {
      expect(() => fromUtf8(fromHex(encoded))).toThrow(refusedAs('TEXT_NOT_UTF8') as Error)
    }
  )
})

describe('order', () => {
  test('compareBytes is that of Buffer', () => {
    const few = fc.uint8Array({ maxLength: 3, max: 2 })
    fc.assert(
      fc.property(few, few, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
      }),
      { numRuns: 1000 }
    )
  })

  test('compareBytes: unsigned, and the shorter of two first where it is a beginning', () => {
    expect(compareBytes(Uint8Array.of(0x80), Uint8Array.of(0x7f))).toBeGreaterThan(0)
    expect(compareBytes(new Uint8Array(0), Uint8Array.of(0))).toBeLessThan(0)
    expect(compareBytes(Uint8Array.of(1, 0), Uint8Array.of(1))).toBeGreaterThan(0)
    expect(compareBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(0)
  })

  test('compareText follows UTF-8, not UTF-16', () => {
    const texts = ['', 'a', 'aa', 'b', '\u00e9', '\u4e00', '\uff5e', '\uffff', '\u{10000}', '\u{10ffff}']
    expect(texts.toReversed().toSorted(compareText)).toEqual(texts)
    expect(texts.toSorted()).not.toEqual(texts)
    expect(compareText('案', '案')).toBe(0)
  })
})

describe('concat', () => {
  test('joins, and copies', () => {
    const part = Uint8Array.of(1, 2)
    const joined = concat(part, new Uint8Array(0), Uint8Array.of(3))
    part[0] = 9
    expect(joined).toEqual(Uint8Array.of(1, 2, 3))
    expect(concat()).toEqual(new Uint8Array(0))
  })
})

const sizes = [0, 1, 127, 128, 255, 256, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 48, MAX - 1, MAX]
const size = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(...sizes))

describe('u64', () => {
  test('is big-endian, as BigInt writes it, and read again at any place', () => {
    fc.assert(
      fc.property(size, fc.nat(9), (value, at) => {
        const expected = Buffer.alloc(8)
        expected.writeBigUInt64BE(BigInt(value))
        expect(hex(u64(value))).toBe(expected.toString('hex'))
        expect(fromU64(concat(new Uint8Array(at).fill(0xff), u64(value)), at)).toBe(value)
        expect(fromU64(concat(Uint8Array.of(0xff), u64(value)).subarray(1))).toBe(value)
      })
    )
  })

  test.each(['0020000000000000', '0020000000000001', '8000000000000000', 'ffffffffffffffff'])('%s is beyond 2^53', (encoded) => {
    expect(fromU64(fromHex(encoded))).toBe(undefined)
  })

  test('2^53 − 1 is the largest', () => {
    expect(fromU64(fromHex('001fffffffffffff'))).toBe(MAX)
  })
})

describe('uvarint', () => {
  const known: [value: number, encoded: string][] = [
    [0, '00'],
    [1, '01'],
    [32, '20'],
    [127, '7f'],
    [128, '8001'],
    [255, 'ff01'],
    [300, 'ac02'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2 ** 32, '8080808010'],
    [MAX, 'ffffffffffffff0f']
  ]
  test.each(known)('%i → %s', (value, encoded) => {
    expect(hex(uvarint(value))).toBe(encoded)
  })

  test('sums to its value, seven bits a byte, and does not end in a zero byte', () => {
    fc.assert(
      fc.property(size, (value) => {
        const encoded = uvarint(value)
        const sum = encoded.reduce((total, octet, i) => total + (BigInt(octet & 127) << BigInt(7 * i)), 0n)
        expect(sum).toBe(BigInt(value))
        expect([...encoded].map((octet) => octet >= 128)).toEqual([...encoded].map((_, i) => i < encoded.length - 1))
        expect(encoded.length === 1 || encoded.at(-1) !== 0).toBe(true)
      })
    )
  })
})
