import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LianzhengError } from '../../src/core/errors.ts'
import { type JsonValue, Literal, parseStrictJson } from '../../src/core/json.ts'

/** `CODE@offset` of the refusal. */
function refusal(text: string): string {
  try {
    parseStrictJson(text)
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code}@${error.detail.offset}`
    throw error
  }
  return 'accepted'
}

/** What JSON.parse would give: objects with a prototype, literals as numbers. */
function plain(value: JsonValue): unknown {
  if (value instanceof Literal) return Number(value.text)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
}

describe('accepted', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['true', true],
    ['false', false],
    ['0', 0],
    ['9007199254740991', 2 ** 53 - 1],
    ['""', ''],
    ['"链证"', '链证'],
    ['"\\u94fe\\u8bc1"', '链证'],
    ['"\\ud83d\\ude00"', '😀'],
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'],
    ['"\u007f\u2028\u2029"', '\u007f\u2028\u2029'],
    ['[]', []],
    ['[1,[2,[3]]]', [1, [2, [3]]]],
    ['{}', {}],
    ['{"":0,"a":{"a":1}}', { '': 0, a: { a: 1 } }],
    [' \t\r\n{ \t\r\n"a" \t\r\n: \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n} \t\r\n', { a: [1, 2] }]
  ])('%j', (text, value) => {
    expect(plain(parseStrictJson(text))).toEqual(value)
  })

  test('members of every name are members like any other, and objects have no prototype', () => {
    const text = '{"__proto__":{"polluted":1},"constructor":2,"toString":3,"hasOwnProperty":4}'
    const value = parseStrictJson(text) as Record<string, JsonValue>
    expect(Object.getPrototypeOf(value)).toBe(null)
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
    expect(({} as { polluted?: number }).polluted).toBe(undefined)
  })

  test('numbers that are no plain integer in [0, 2^53) are kept as literals, which no schema takes for numbers', () => {
    for (const text of [
      '-1',
      '-0',
      '0.0',
      '1.0',
      '1e0',
      '1E+2',
      '0.5',
      '9007199254740992',
      '1e400',
      `1${'0'.repeat(400)}`,
      '-9007199254740991'
    ]) {
      const value = parseStrictJson(text)
      expect(value).toBeInstanceOf(Literal)
      expect((value as Literal).text).toBe(text)
    }
  })

  test('strings and space of millions of characters', () => {
    const size = 12_000_000
    expect((parseStrictJson(`"${'a'.repeat(size)}"`) as string).length).toBe(size)
    expect((parseStrictJson(`"${'\\n'.repeat(size / 4)}"`) as string).length).toBe(size / 4)
    expect(parseStrictJson(`${' '.repeat(size)}1`)).toBe(1)
    expect(refusal(`"${'a'.repeat(size)}`)).toBe('JSON_INVALID@0')
  })
})

describe('refused, with the offset', () => {
  test.each([
    ['', 0],
    [' ', 1],
    ['\ufeff1', 0],
    ['\u00a01', 0],
    ['nul', 0],
    ['True', 0],
    ['undefined', 0],
    ['NaN', 0],
    ['Infinity', 0],
    ['01', 1],
    ['00', 1],
    ['-', 0],
    ['+1', 0],
    ['.5', 0],
    ['1.', 1],
    ['1e', 1],
    ['0x10', 1],
    ['1_000', 1],
    ['1 2', 2],
    ['null null', 5],
    ['nullx', 4],
    ["'a'", 0],
    ['"a', 0],
    ['"a\nb"', 0],
    ['"a\tb"', 0],
    ['"a\u0000b"', 0],
    ['"\\x41"', 0],
    ['"\\u12"', 0],
    ['"\\u12G4"', 0],
    ['"\\\n"', 0],
    ['"\\ud800"', 0],
    ['"\\ude00\\ud83d"', 0],
    ['"\ud800"', 0],
    ['["\\udfff"]', 1],
    ['{"\\ud800":1}', 1],
    ['[', 1],
    ['[1', 2],
    ['[1,', 3],
    ['[1,]', 3],
    ['[,1]', 1],
    ['[1 2]', 3],
    ['[1;2]', 2],
    ['[1]]', 3],
    ['{', 1],
    ['{"a"', 4],
    ['{"a":', 5],
    ['{"a":1', 6],
    ['{"a":1,', 7],
    ['{"a":1,}', 7],
    ['{,}', 1],
    ['{a:1}', 1],
    ["{'a':1}", 1],
    ['{1:1}', 1],
    ['{"a" 1}', 5],
    ['{"a"=1}', 4],
    ['{"a":1 "b":2}', 7],
    ['{"a":1}}', 7],
    ['{"a":1,"a":1}', 10],
    ['{"a":1,"\\u0061":2}', 15],
    ['{"__proto__":1,"__proto__":2}', 26],
    ['{"b":{"a":1,"a":2}}', 15],
    ['// comment\n1', 0],
    ['1 // comment', 2],
    ['/* comment */ 1', 0]
  ])('%j', (text, offset) => {
    expect(refusal(text)).toBe(`JSON_INVALID@${offset}`)
  })

  test('names that differ are not duplicates, in the same object or in another', () => {
    expect(refusal('{"a":{"a":1},"A":2,"á":3,"a\u0301":4}')).toBe('accepted')
  })

  test('nested too deep', () => {
    const nested = (open: string, close: string, depth: number) => `${open.repeat(depth)}1${close.repeat(depth)}`
    expect(refusal(nested('[', ']', 64))).toBe('accepted')
    expect(refusal(nested('[', ']', 65))).toBe('JSON_INVALID@65')
    expect(refusal(nested('{"a":', '}', 64))).toBe('accepted')
    expect(refusal(nested('{"a":', '}', 65))).toBe(`JSON_INVALID@${65 * 5}`)
    expect(refusal('['.repeat(1_000_000))).toBe('JSON_INVALID@65')
  })
})

describe('held against JSON.parse', () => {
  /** RFC 8259 text that JSON.parse accepts and I-JSON does not. */
  const looser = (text: string): boolean => /\\ud[89ab]|\\ud[c-f]/i.test(text) || !text.isWellFormed()

  test('what JSON.stringify writes is read as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space)
        fc.pre(!looser(text))
        expect(plain(parseStrictJson(text))).toEqual(JSON.parse(text))
      }),
      { seed: 8259, numRuns: 500 }
    )
  })

  test('what JSON.parse refuses is refused, and what differs is a duplicate or a lone surrogate', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '0',
      '-',
      '.5',
      'e1',
      'true',
      'null',
      ' ',
      '\n',
      '"',
      '\\',
      'u0041',
      '\t'
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
        const text = parts.join('')
        let expected: unknown
        try {
          expected = JSON.parse(text)
        } catch {
          expect(refusal(text)).toMatch(/^JSON_INVALID@\d+$/)
          return
        }
        if (refusal(text) === 'accepted') expect(plain(parseStrictJson(text))).toEqual(expected)
        else expect(text).toMatch(/"a".*"a"|"b".*"b"/s)
      }),
      { seed: 7493, numRuns: 4000 }
    )
  })
})
