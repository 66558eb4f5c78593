import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { Decoder as CborX } from 'cbor-x'
import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, concat, equalBytes, fromHex, hex, utf8 } from '../../src/core/bytes.ts'
import { type CborMap, type CborValue, decodeCbor, type Encodable, encodeCbor, plainObject } from '../../src/core/cbor.ts'
import { CODES, LianzhengError } from '../../src/core/errors.ts'

const MAX = Number.MAX_SAFE_INTEGER

/** [hex (spaces ignored), value], both ways. */
type Row = readonly [encoded: string, value: CborValue]

const bytesOf = (text: string): Bytes => fromHex(text.replaceAll(' ', ''))

/** `CODE@offset` of the refusal; anything that is not a refusal fails the test. */
function refusal(bytes: Bytes, start = 0): string {
  try {
    decodeCbor(bytes, start)
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code}@${error.detail.offset}`
    throw error
  }
  return 'accepted'
}

function accepts(bytes: Bytes): boolean {
  return refusal(bytes) === 'accepted'
}

/** Is this within formats.md §1? For values that cborg read, whose rules are wider. */
function supported(value: unknown, level = 1): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (typeof value === 'string' || typeof value === 'boolean' || value === null || value instanceof Uint8Array) return true
  if (level > 16) return false
  if (Array.isArray(value)) return value.every((item) => supported(item, level + 1))
  if (!(value instanceof Map)) return false
  return [...value].every(([key, item]) => (typeof key === 'string' || Number.isSafeInteger(key)) && supported(item, level + 1))
}

/**
 * The same question put to cborg: read leniently, then see whether its deterministic encoder gives the same bytes. undefined where
 * it cannot tell, because it drops a byte-order mark at the beginning of a text.
 */
function cborgAccepts(bytes: Bytes): boolean | undefined {
  if (hex(bytes).includes('efbbbf')) return undefined
  try {
    const value = cborgDecode(bytes, { useMaps: true })
    return supported(value) && equalBytes(cborgEncode(value, rfc8949EncodeOptions), bytes)
  } catch {
    return false
  }
}

// `int64AsNumber` is missing from the typings of cbor-x.
const cborX = new CborX({ mapsAsObjects: false, useRecords: false, int64AsNumber: true } as ConstructorParameters<
  typeof CborX
>[0])

const edges = [23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, MAX - 1, MAX]
const integer = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.maxSafeInteger(),
  fc.constantFrom(...edges, ...edges.map((n) => -n), ...edges.slice(0, -1).map((n) => -1 - n))
)
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 30 }),
  fc.constantFrom(
    'type',
    'v',
    '案号',
    '（2020）粤01刑初123号',
    '__proto__',
    'constructor',
    '\u{feff}',
    '\u{ffff}',
    '\u{10000}',
    'z'.repeat(300)
  )
)
const { value: anyValue } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    integer,
    text,
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.array(fc.tuple(fc.oneof(integer, text), tie('value')), { maxLength: 6 }).map((members): CborMap => new Map(members))
  )
}))

describe('the example in the file head', () => {
  const source = readFileSync(new URL('../../src/core/cbor.ts', import.meta.url), 'utf8')
  const example = /^ \* Example,.*\n \*\n \* {3}([0-9a-f]+)$/m.exec(source)?.[1]
  const value = new Map<number | string, CborValue>([
    [1, -500],
    [258, Uint8Array.of(0x00, 0xff)],
    [-1, '链证'],
    ['a', [true, null]]
  ])

  test('decodes and encodes', () => {
    expect(decodeCbor(fromHex(example!))).toEqual(value)
    expect(hex(encodeCbor(value))).toBe(example)
  })
})

describe('RFC 8949 appendix A', () => {
  const upTo25 = Array.from({ length: 25 }, (_, i) => i + 1)
  const rows: Row[] = [
    ['00', 0],
    ['01', 1],
    ['0a', 10],
    ['17', 23],
    ['1818', 24],
    ['1819', 25],
    ['1864', 100],
    ['1903e8', 1000],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['20', -1],
    ['29', -10],
    ['3863', -100],
    ['3903e7', -1000],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['40', new Uint8Array(0)],
    ['4401020304', Uint8Array.of(1, 2, 3, 4)],
    ['60', ''],
    ['6161', 'a'],
    ['6449455446', 'IETF'],
    ['62225c', '"\\'],
    ['62c3bc', '\u00fc'],
    ['63e6b0b4', '\u6c34'],
    ['64f0908591', '\ud800\udd51'],
    ['80', []],
    ['83010203', [1, 2, 3]],
    ['8301820203820405', [1, [2, 3], [4, 5]]],
    ['98190102030405060708090a0b0c0d0e0f101112131415161718181819', upTo25],
    ['a0', new Map()],
    [
      'a201020304',
      new Map([
        [1, 2],
        [3, 4]
      ])
    ],
    [
      'a26161016162820203',
      new Map<string, CborValue>([
        ['a', 1],
        ['b', [2, 3]]
      ])
    ],
    ['826161a161626163', ['a', new Map([['b', 'c']])]],
    ['a56161614161626142616361436164614461656145', new Map([...'abcde'].map((key) => [key, key.toUpperCase()]))]
  ]
  test.each(rows)('%s', (encoded, value) => {
    expect(decodeCbor(fromHex(encoded))).toStrictEqual(value)
    expect(hex(encodeCbor(value))).toBe(encoded)
  })

  const refused: [encoded: string, code: string][] = [
    ['1bffffffffffffffff', 'CBOR_INTEGER_RANGE'],
    ['3bffffffffffffffff', 'CBOR_INTEGER_RANGE'],
    ['c249010000000000000000', 'CBOR_UNSUPPORTED'],
    ['c349010000000000000000', 'CBOR_UNSUPPORTED'],
    ...['f90000', 'f98000', 'f93c00', 'fb3ff199999999999a', 'f93e00', 'f97bff', 'fa47c35000', 'fb7e37e43c8800759c'].map(
      unsupported
    ),
    ...['f90001', 'f90400', 'f9c400', 'fbc010666666666666', 'f97c00', 'f97e00', 'f9fc00', 'fa7f800000', 'fb7ff8000000000000'].map(
      unsupported
    ),
    ...['f7', 'f0', 'f8ff', 'c11a514b67b0', 'c1fb41d452d9ec200000', 'd74401020304', 'd818456449455446'].map(unsupported),
    ['c074323031332d30332d32315432303a30343a30305a', 'CBOR_UNSUPPORTED'],
    ['d82076687474703a2f2f7777772e6578616d706c652e636f6d', 'CBOR_UNSUPPORTED'],
    ...['5f42010243030405ff', '7f657374726561646d696e67ff', '9fff', '9f018202039f0405ffff', 'bf61610161629f0203ffff'].map(
      indefinite
    ),
    ['83018202039f0405ff', 'CBOR_INDEFINITE_LENGTH'],
    ['bf6346756ef563416d7421ff', 'CBOR_INDEFINITE_LENGTH']
  ]
  function unsupported(encoded: string): [string, string] {
    return [encoded, 'CBOR_UNSUPPORTED']
  }
  function indefinite(encoded: string): [string, string] {
    return [encoded, 'CBOR_INDEFINITE_LENGTH']
  }
  test.each(refused)('%s is refused', (encoded, code) => {
    expect(refusal(fromHex(encoded))).toMatch(new RegExp(`^${code}@`))
  })
})

describe('refusals', () => {
  const rows: [encoded: string, code: string, offset: number][] = [
    // nothing, a head cut off, a length or count that cannot be there
    ['', 'CBOR_TRUNCATED', 0],
    ['18', 'CBOR_TRUNCATED', 0],
    ['19 01', 'CBOR_TRUNCATED', 0],
    ['1a 010000', 'CBOR_TRUNCATED', 0],
    ['1b 00000001000000', 'CBOR_TRUNCATED', 0],
    ['38', 'CBOR_TRUNCATED', 0],
    ['58', 'CBOR_TRUNCATED', 0],
    ['41', 'CBOR_TRUNCATED', 0],
    ['43 0102', 'CBOR_TRUNCATED', 0],
    ['61', 'CBOR_TRUNCATED', 0],
    ['81', 'CBOR_TRUNCATED', 0],
    ['82 01', 'CBOR_TRUNCATED', 0],
    ['82 81 00', 'CBOR_TRUNCATED', 3],
    ['82 00 41', 'CBOR_TRUNCATED', 2],
    ['a1', 'CBOR_TRUNCATED', 0],
    ['a1 01', 'CBOR_TRUNCATED', 0],
    ['a2 01 02 03', 'CBOR_TRUNCATED', 0],
    ['a2 01 81 01 02', 'CBOR_TRUNCATED', 5],
    ['a2 01 82 01 02', 'CBOR_TRUNCATED', 5],
    ['a1 62 61', 'CBOR_TRUNCATED', 1],
    ['5a ffffffff', 'CBOR_TRUNCATED', 0],
    ['7b 7fffffffffffffff 61', 'CBOR_TRUNCATED', 0],
    ['9a ffffffff', 'CBOR_TRUNCATED', 0],
    ['9b ffffffffffffffff', 'CBOR_TRUNCATED', 0],
    ['bb 8000000000000000 00 00', 'CBOR_TRUNCATED', 0],
    ['81 9b 0020000000000000', 'CBOR_TRUNCATED', 1],
    // bytes left over
    ['00 00', 'CBOR_TRAILING_BYTES', 1],
    ['81 00 00', 'CBOR_TRAILING_BYTES', 2],
    ['60 ff', 'CBOR_TRAILING_BYTES', 1],
    ['f6 f6', 'CBOR_TRAILING_BYTES', 1],
    // each head size, each major type, as item and as key
    ['18 00', 'CBOR_NOT_SHORTEST', 0],
    ['18 17', 'CBOR_NOT_SHORTEST', 0],
    ['19 0000', 'CBOR_NOT_SHORTEST', 0],
    ['19 00ff', 'CBOR_NOT_SHORTEST', 0],
    ['1a 0000ffff', 'CBOR_NOT_SHORTEST', 0],
    ['1b 0000000000000000', 'CBOR_NOT_SHORTEST', 0],
    ['1b 00000000ffffffff', 'CBOR_NOT_SHORTEST', 0],
    ['38 17', 'CBOR_NOT_SHORTEST', 0],
    ['3b 00000000ffffffff', 'CBOR_NOT_SHORTEST', 0],
    ['58 00', 'CBOR_NOT_SHORTEST', 0],
    ['59 0001 00', 'CBOR_NOT_SHORTEST', 0],
    ['78 01 61', 'CBOR_NOT_SHORTEST', 0],
    ['98 00', 'CBOR_NOT_SHORTEST', 0],
    ['b8 00', 'CBOR_NOT_SHORTEST', 0],
    ['82 00 18 01', 'CBOR_NOT_SHORTEST', 2],
    ['a1 18 01 00', 'CBOR_NOT_SHORTEST', 1],
    ['a1 78 01 61 00', 'CBOR_NOT_SHORTEST', 1],
    // indefinite lengths, and the break that would end them
    ['5f 41 00 ff', 'CBOR_INDEFINITE_LENGTH', 0],
    ['7f ff', 'CBOR_INDEFINITE_LENGTH', 0],
    ['9f ff', 'CBOR_INDEFINITE_LENGTH', 0],
    ['bf ff', 'CBOR_INDEFINITE_LENGTH', 0],
    ['ff', 'CBOR_INDEFINITE_LENGTH', 0],
    ['82 00 ff', 'CBOR_INDEFINITE_LENGTH', 2],
    ['a1 7f ff 00', 'CBOR_INDEFINITE_LENGTH', 1],
    // undefined, floats, simple values, tags, reserved heads
    ['f7', 'CBOR_UNSUPPORTED', 0],
    ['f9 0000', 'CBOR_UNSUPPORTED', 0],
    ['fa 00000000', 'CBOR_UNSUPPORTED', 0],
    ['fb 0000000000000000', 'CBOR_UNSUPPORTED', 0],
    ['e0', 'CBOR_UNSUPPORTED', 0],
    ['f3', 'CBOR_UNSUPPORTED', 0],
    ['f8 14', 'CBOR_UNSUPPORTED', 0],
    ['f8 ff', 'CBOR_UNSUPPORTED', 0],
    ['fc', 'CBOR_UNSUPPORTED', 0],
    ['fe', 'CBOR_UNSUPPORTED', 0],
    ['c1 00', 'CBOR_UNSUPPORTED', 0],
    ['d2 80', 'CBOR_UNSUPPORTED', 0],
    ['d9 d9f7 00', 'CBOR_UNSUPPORTED', 0],
    ['df', 'CBOR_UNSUPPORTED', 0],
    ['1c', 'CBOR_UNSUPPORTED', 0],
    ['1f', 'CBOR_UNSUPPORTED', 0],
    ['3f', 'CBOR_UNSUPPORTED', 0],
    ['5c', 'CBOR_UNSUPPORTED', 0],
    ['7d', 'CBOR_UNSUPPORTED', 0],
    ['9e', 'CBOR_UNSUPPORTED', 0],
    ['bc', 'CBOR_UNSUPPORTED', 0],
    ['a1 00 f7', 'CBOR_UNSUPPORTED', 2],
    // first integers beyond ±(2^53−1), and the largest heads
    ['1b 0020000000000000', 'CBOR_INTEGER_RANGE', 0],
    ['1b 0020000000000001', 'CBOR_INTEGER_RANGE', 0],
    ['1b ffffffffffffffff', 'CBOR_INTEGER_RANGE', 0],
    ['3b 001fffffffffffff', 'CBOR_INTEGER_RANGE', 0],
    ['3b 0020000000000000', 'CBOR_INTEGER_RANGE', 0],
    ['3b ffffffffffffffff', 'CBOR_INTEGER_RANGE', 0],
    ['a1 1b 0020000000000000 00', 'CBOR_INTEGER_RANGE', 1],
    // keys: bytes, array, map, tag, simple, float
    ['a1 40 00', 'CBOR_KEY_TYPE', 1],
    ['a1 80 00', 'CBOR_KEY_TYPE', 1],
    ['a1 a0 00', 'CBOR_KEY_TYPE', 1],
    ['a1 c0 00 00', 'CBOR_KEY_TYPE', 1],
    ['a1 f6 00', 'CBOR_KEY_TYPE', 1],
    ['a1 f93c00 00', 'CBOR_KEY_TYPE', 1],
    ['a2 01 00 f5 00', 'CBOR_KEY_TYPE', 3],
    // order: bytewise, not length first (RFC 7049); a repeated key that is not next to its twin is out of order
    ['a2 02 00 01 00', 'CBOR_KEY_ORDER', 3],
    ['a2 20 00 190102 00', 'CBOR_KEY_ORDER', 3],
    ['a2 6161 00 20 00', 'CBOR_KEY_ORDER', 4],
    ['a2 6162 00 6161 00', 'CBOR_KEY_ORDER', 4],
    ['a2 626161 00 6162 00', 'CBOR_KEY_ORDER', 5],
    ['a3 01 00 02 00 01 00', 'CBOR_KEY_ORDER', 5],
    ['81 a2 6161 a0 60 00', 'CBOR_KEY_ORDER', 5],
    ['a2 01 00 01 00', 'CBOR_DUPLICATE_KEY', 3],
    ['a2 6161 00 6161 00', 'CBOR_DUPLICATE_KEY', 4],
    ['a2 60 80 60 00', 'CBOR_DUPLICATE_KEY', 3],
    ['a2 190102 00 190102 00', 'CBOR_DUPLICATE_KEY', 5],
    // UTF-8: stray and missing continuation, overlong, surrogate, beyond U+10FFFF
    ['61 ff', 'CBOR_TEXT_NOT_UTF8', 0],
    ['61 80', 'CBOR_TEXT_NOT_UTF8', 0],
    ['62 e282', 'CBOR_TEXT_NOT_UTF8', 0],
    ['62 c080', 'CBOR_TEXT_NOT_UTF8', 0],
    ['62 c328', 'CBOR_TEXT_NOT_UTF8', 0],
    ['63 eda080', 'CBOR_TEXT_NOT_UTF8', 0],
    ['66 eda080edb080', 'CBOR_TEXT_NOT_UTF8', 0],
    ['64 f4908080', 'CBOR_TEXT_NOT_UTF8', 0],
    ['82 00 63 6161ff', 'CBOR_TEXT_NOT_UTF8', 2],
    ['a1 61ff 00', 'CBOR_TEXT_NOT_UTF8', 1],
    // level 17, as array and as map, before its length is looked at
    [`${'81'.repeat(16)} 80`, 'CBOR_DEPTH', 16],
    [`${'81'.repeat(16)} a0`, 'CBOR_DEPTH', 16],
    [`${'81'.repeat(16)} 9bffffffffffffffff`, 'CBOR_DEPTH', 16],
    [`${'a100'.repeat(16)} 80`, 'CBOR_DEPTH', 32],
    [`82 00 ${'81'.repeat(15)} 80`, 'CBOR_DEPTH', 17]
  ]
  test.each(rows)('%s → %s at %i', (encoded, code, offset) => {
    expect(refusal(bytesOf(encoded))).toBe(`${code}@${offset}`)
  })

  test('the table reaches every CBOR code', () => {
    const codes = Object.keys(CODES).filter((code) => code.startsWith('CBOR_'))
    expect(new Set(rows.map(([, code]) => code))).toEqual(new Set(codes))
  })

  test.each(rows)('%s after a prefix: offset from the beginning of the bytes', (encoded, code, offset) => {
    expect(refusal(concat(Uint8Array.of(0x81, 0xff, 0x00), bytesOf(encoded)), 3)).toBe(`${code}@${offset + 3}`)
  })

  test('16 levels are read', () => {
    expect(accepts(bytesOf(`${'81'.repeat(15)} 80`))).toBe(true)
    expect(accepts(bytesOf(`${'a100'.repeat(15)} a0`))).toBe(true)
    expect(accepts(bytesOf(`${'81'.repeat(16)} 00`))).toBe(true)
  })

  test('the largest integers are read', () => {
    expect(decodeCbor(bytesOf('1b 001fffffffffffff'))).toBe(MAX)
    expect(decodeCbor(bytesOf('3b 001ffffffffffffe'))).toBe(-MAX)
  })

  test('every proper beginning of a valid encoding is truncated', () => {
    const whole = encodeCbor({ list: [1, -1000, '案', Uint8Array.of(1, 2, 3)], deep: { a: { b: null } } })
    for (let length = 0; length < whole.length; length++) expect(refusal(whole.subarray(0, length))).toMatch(/^CBOR_TRUNCATED@/)
    expect(accepts(whole)).toBe(true)
  })
})

describe('input made to exhaust the reader is refused at once', () => {
  function quickly<T>(run: () => T): T {
    const start = performance.now()
    const result = run()
    expect(performance.now() - start).toBeLessThan(500)
    return result
  }

  test('100,000 nested arrays and maps', () => {
    expect(quickly(() => refusal(new Uint8Array(100_000).fill(0x81)))).toBe('CBOR_DEPTH@16')
    expect(quickly(() => refusal(fromHex('a100'.repeat(50_000))))).toBe('CBOR_DEPTH@32')
  })

  test('297 bytes of shared references (tags 28 and 29) that stand for 2^46 values', () => {
    const references = Array.from({ length: 45 }, (_, i) => `d81d${hex(encodeCbor(45 - i))}`)
    const bomb = fromHex(`${'d81c82'.repeat(46)}0000${references.join('')}`)
    expect(bomb.length).toBe(297)
    expect(quickly(() => refusal(bomb))).toBe('CBOR_UNSUPPORTED@0')
  })

  test('counts of 2^32−1 in each of 16 levels', () => {
    expect(quickly(() => refusal(fromHex('9affffffff'.repeat(16))))).toBe('CBOR_TRUNCATED@0')
  })

  test('arrays that each claim all that is left', () => {
    const bytes = new Uint8Array(65_535).fill(0x80)
    for (let level = 0; level < 15; level++) bytes.set([0x99, (65_532 - 3 * level) >> 8, (65_532 - 3 * level) & 255], 3 * level)
    expect(quickly(() => refusal(bytes))).toBe('CBOR_TRUNCATED@65535')
  })

  test('a full-size map in the wrong order, and in the right one', () => {
    const members = Array.from({ length: 15_000 }, (_, i) => [i + 256, 0] as const)
    const sorted = quickly(() => encodeCbor(new Map(members.toReversed())))
    expect(equalBytes(sorted, encodeCbor(new Map(members)))).toBe(true)
    expect(quickly(() => (decodeCbor(sorted) as CborMap).size)).toBe(15_000)
  })
})

describe('what the decoder returns', () => {
  test('byte strings are views of the input', () => {
    const input = fromHex('ffff83014203044105')
    const [, view] = decodeCbor(input, 2) as [number, Bytes, Bytes]
    expect([view.buffer, view.byteOffset - input.byteOffset, view.length]).toEqual([input.buffer, 5, 2])
  })

  test('maps keep the order of their encodings, and 1 is not "1"', () => {
    const map = decodeCbor(fromHex('a401001901020020006131f6')) as CborMap
    expect([...map]).toEqual([
      [1, 0],
      [258, 0],
      [-1, 0],
      ['1', null]
    ])
  })

  test('a byte-order mark is a character', () => {
    expect(decodeCbor(fromHex('63efbbbf'))).toBe('\ufeff')
  })
})

describe('encoder', () => {
  test.each([23, 24, 255, 256, 65_535, 65_536])('lengths and counts around %i agree with cborg', (length) => {
    const text = 'ab'.repeat(length).slice(0, length)
    const values = [
      length,
      -1 - length,
      text,
      `${text.slice(0, length - 3)}案`,
      new Uint8Array(length).fill(7),
      new Array<number>(length).fill(1),
      new Map(Array.from({ length }, (_, i) => [length - i, 0])),
      { [text]: 1, b: 2 }
    ]
    for (const value of values) expect(equalBytes(encodeCbor(value), cborgEncode(value, rfc8949EncodeOptions))).toBe(true)
  })

  test('every character below U+20000 is written in UTF-8 and read back', () => {
    for (let point = 0; point < 0x20000; point++) {
      if (point >= 0xd800 && point <= 0xdfff) continue
      const character = String.fromCodePoint(point)
      const bytes = encodeCbor(character)
      const expected = Buffer.from(character)
      if (bytes[0] !== 0x60 + expected.length || !expected.equals(bytes.subarray(1)))
        expect.fail(`U+${point.toString(16)}: ${hex(bytes)}`)
      if (decodeCbor(bytes) !== character) expect.fail(`U+${point.toString(16)} not read back`)
    }
  })

  test('1 < 258 < -1 < "a", whatever order they come in', () => {
    const keys = [1, 258, -1, 'a']
    const orders = keys.flatMap((_, i) => [
      keys.slice(i).concat(keys.slice(0, i)),
      keys.slice(i).concat(keys.slice(0, i)).toReversed()
    ])
    for (const order of orders) expect(hex(encodeCbor(new Map(order.map((key) => [key, 0]))))).toBe('a40100190102002000616100')
  })

  test('−0 is 0, as value and as key', () => {
    expect(hex(encodeCbor(-0))).toBe('00')
    expect(hex(encodeCbor(new Map([[-0, -0]])))).toBe('a10000')
  })

  test('plain objects are text-keyed maps; undefined members are absent', () => {
    expect(hex(encodeCbor({ b: 1, a: undefined, 1: 2 }))).toBe('a2613102616201')
    expect(hex(encodeCbor({ a: undefined }))).toBe('a0')
    expect(hex(encodeCbor(JSON.parse('{"__proto__": 1}')))).toBe('a1695f5f70726f746f5f5f01')
    expect(hex(encodeCbor(Object.assign(Object.create(null), { a: 1 })))).toBe('a1616101')
  })

  test('encodings do not share memory', () => {
    const first = encodeCbor([1, 2])
    const second = encodeCbor([3, 4])
    expect([hex(first), hex(second)]).toEqual(['820102', '820304'])
    expect(first.buffer).not.toBe(second.buffer)
  })

  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  const nested = (levels: number): Encodable => (levels === 0 ? 0 : [nested(levels - 1)])
  const refused: [what: string, value: unknown][] = [
    ['a float', 1.5],
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['2^53', 2 ** 53],
    ['−2^53', -(2 ** 53)],
    ['a bigint', 1n],
    ['undefined', undefined],
    ['undefined in an array', [undefined]],
    ['a hole in an array', new Array(1)],
    ['undefined in a Map', new Map([['a', undefined]])],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00案'],
    ['a lone surrogate in a key', { '\ud800': 1 }],
    ['a float as key', new Map([[0.5, 1]])],
    ['a boolean as key', new Map([[true, 1]])],
    ['bytes as key', new Map([[new Uint8Array(1), 1]])],
    ['a date', new Date(0)],
    ['a set', new Set()],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['16-bit integers', new Uint16Array(1)],
    ['a boxed number', Object(1)],
    ['an instance of a class', new (class Point {})()],
    ['17 arrays', nested(17)],
    ['17 maps', new Map([[0, new Map([[0, nested(15)]])]])],
    ['a cycle', cyclic]
  ]
  test.each(refused)('%s is a TypeError', (_, value) => {
    expect(() => encodeCbor(value as Encodable)).toThrow(TypeError)
  })

  test('16 levels are written', () => {
    expect(hex(encodeCbor(nested(16)))).toBe(`${'81'.repeat(16)}00`)
  })
})

describe('against other implementations', () => {
  test('every string of at most two bytes is accepted exactly where cborg would write it', () => {
    let accepted = 0
    for (const length of [0, 1, 2]) {
      for (let n = 0; n < 256 ** length; n++) {
        const bytes = length === 1 ? Uint8Array.of(n) : length === 2 ? Uint8Array.of(n >> 8, n & 255) : new Uint8Array(0)
        const ours = accepts(bytes)
        if (ours !== cborgAccepts(bytes)) expect.fail(`${hex(bytes)}: ours ${ours}`)
        if (ours) accepted++
      }
    }
    // 24 + 24 small integers, empty bytes, text, array and map, false, true, null; then 18xx 38xx 41xx 61xx 81xx
    const one = 24 + 24 + 4 + 3
    expect(accepted).toBe(one + 232 + 232 + 256 + 128 + one)
  })

  test('encodings equal those of cborg, and cbor-x reads from them what was written', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeCbor(value)
        expect(hex(bytes)).toBe(hex(cborgEncode(value, rfc8949EncodeOptions)))
        expect(isDeepStrictEqual(cborX.decode(bytes), value)).toBe(true)
      }),
      { numRuns: 3000 }
    )
  })

  test('decoding is the inverse of encoding, from any start', () => {
    fc.assert(
      fc.property(anyValue, fc.uint8Array({ maxLength: 5 }), (value, prefix) => {
        expect(isDeepStrictEqual(decodeCbor(concat(prefix, encodeCbor(value)), prefix.length), value)).toBe(true)
      }),
      { numRuns: 3000 }
    )
  })

  function sameJudgement(bytes: Bytes): boolean {
    const ours = accepts(bytes)
    if (ours !== (cborgAccepts(bytes) ?? ours)) expect.fail(`${hex(bytes)}: ours ${refusal(bytes)}`)
    if (ours) expect(hex(encodeCbor(decodeCbor(bytes)))).toBe(hex(bytes))
    return ours
  }

  test('random bytes: what is accepted encodes to itself, and cborg agrees on what that is', () => {
    let accepted = 0
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
        if (sameJudgement(bytes)) accepted++
      }),
      { numRuns: 20_000 }
    )
    expect(accepted).toBeGreaterThan(200)
  })

  test('mutated encodings: the same', () => {
    const mutation = fc.record({ kind: fc.constantFrom('set', 'flip', 'insert', 'remove'), at: fc.nat(), octet: fc.nat(255) })
    let accepted = 0
    let refused = 0
    fc.assert(
      fc.property(anyValue, fc.array(mutation, { minLength: 1, maxLength: 2 }), (value, mutations) => {
        const octets = [...encodeCbor(value)]
        for (const { kind, at, octet } of mutations) {
          const i = at % Math.max(1, octets.length)
          if (kind === 'set') octets[i] = octet
          else if (kind === 'flip') octets[i] = (octets[i] ?? 0) ^ (1 << (octet & 7))
          else octets.splice(i, kind === 'remove' ? 1 : 0, ...(kind === 'remove' ? [] : [octet]))
        }
        if (sameJudgement(Uint8Array.from(octets))) accepted++
        else refused++
      }),
      { numRuns: 20_000 }
    )
    expect(accepted).toBeGreaterThan(1000)
    expect(refused).toBeGreaterThan(1000)
  })

  test('no two encodings of one map: members in any order but one are refused', () => {
    const member = fc.tuple(fc.oneof(integer, text), fc.integer({ min: 0, max: 9 }))
    const members = fc.uniqueArray(member, { selector: ([key]) => key, minLength: 2, maxLength: 5 })
    fc.assert(
      fc.property(members, (list) => {
        const written = list.map(([key, value]) => concat(encodeCbor(key), encodeCbor(value)))
        const bytes = concat(Uint8Array.of(0xa0 + list.length), ...written)
        expect(accepts(bytes)).toBe(hex(bytes) === hex(encodeCbor(new Map(list))))
        if (!accepts(bytes)) expect(refusal(bytes)).toMatch(/^CBOR_KEY_ORDER@/)
      }),
      { numRuns: 2000 }
    )
  })
})

describe('a ledger written by a second implementation', () => {
  const { entries } = JSON.parse(readFileSync(new URL('../vectors/ledger/entries.json', import.meta.url), 'utf8')) as {
    entries: string[]
  }

  test('every envelope, protected header and payload encodes to itself', () => {
    expect(entries.length).toBe(9)
    for (const entry of entries) {
      const envelope = decodeCbor(fromHex(entry), 1) as [Bytes, CborMap, Bytes, Bytes]
      expect(`d2${hex(encodeCbor(envelope))}`).toBe(entry)
      for (const part of [envelope[0], envelope[2]]) expect(hex(encodeCbor(decodeCbor(part)))).toBe(hex(part))
      expect(hex(encodeCbor(plainObject(decodeCbor(envelope[2]) as CborMap)))).toBe(hex(envelope[2]))
    }
  })
})

describe('plainObject', () => {
  test('text-keyed maps at every level become objects without a prototype', () => {
    const bytes = utf8('x')
    const object = plainObject(
      new Map<string, CborValue>([
        ['__proto__', 1],
        ['list', [new Map([['constructor', null]]), [bytes]]],
        ['inner', new Map()]
      ])
    )
    expect(Object.getPrototypeOf(object)).toBe(null)
    expect(Object.keys(object)).toEqual(['__proto__', 'list', 'inner'])
    expect(Object.getPrototypeOf(object.inner)).toBe(null)
    const [first, second] = object.list as [Record<string, unknown>, unknown[]]
    expect(Object.getPrototypeOf(first)).toBe(null)
    expect(Object.entries(first)).toEqual([['constructor', null]])
    expect(second[0]).toBe(bytes)
    expect({}.constructor).toBe(Object)
  })

  const refused: [what: string, map: CborMap][] = [
    ['at the top', new Map([[1, 'a']])],
    ['in a map', new Map([['a', new Map([[-1, 'a']])]])],
    ['in an array', new Map([['a', [[new Map([[0, 'a']])]]]])]
  ]
  test.each(refused)('an integer key %s is refused', (_, map) => {
    expect(() => plainObject(map)).toThrow(expect.objectContaining({ code: 'RECORD_FORM' }))
  })

  test('encodes to the same bytes as the map', () => {
    const dictionary = fc.dictionary(
      fc.string(),
      fc.oneof(fc.integer(), fc.string(), fc.array(fc.dictionary(fc.string(), fc.nat())))
    )
    fc.assert(
      fc.property(dictionary, (record) => {
        const bytes = encodeCbor(record)
        expect(hex(encodeCbor(plainObject(decodeCbor(bytes) as CborMap)))).toBe(hex(bytes))
      })
    )
  })
})
