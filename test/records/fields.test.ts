/** The vocabulary of record schemas: the grammar of times and dates (formats.md §4), every kind of field, and where an error is said to be. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LianzhengError } from '../../src/core/errors.ts'
import {
  boolean,
  byteString,
  bytes32,
  caseNumber,
  check,
  code,
  courtCode,
  date,
  document,
  evidenceId,
  type Field,
  fileDigest,
  integer,
  isTime,
  type Json,
  list,
  listId,
  mediaType,
  object,
  oneOf,
  opaqueEntry,
  optional,
  organisation,
  origin,
  required,
  staffCode,
  text,
  time,
  trailName
} from '../../src/records/fields.ts'

function accepts(field: Field, value: unknown): boolean {
  return field.schema.safeParse(value).success
}

/** The code and the path that a value is refused with. */
function refusal(run: () => unknown): { code: string; field: string | undefined } {
  try {
    run()
  } catch (error) {
    if (error instanceof LianzhengError) return { code: error.code, field: error.detail.field }
    throw error
  }
  throw new Error('was accepted')
}

describe('time: YYYY-MM-DDTHH:MM:SS[.d{1,3}]±HH:MM, a real date, no Z, seconds ≤ 59', () => {
  test.each([
    '2020-08-26T09:00:00+08:00',
    '2020-08-26T09:00:00.1+08:00',
    '2020-08-26T09:00:00.12+08:00',
    '2020-08-26T09:00:00.123+08:00',
    '2020-08-26T00:00:00+00:00',
    '2020-08-26T23:59:59-11:30',
    '2020-12-31T23:59:59+08:00',
    '2020-02-29T09:00:00+08:00',
    '2000-02-29T09:00:00+08:00',
    '2400-02-29T09:00:00+08:00'
  ])('%s', (value) => {
    expect(isTime(value)).toBe(true)
    expect(accepts(time, value)).toBe(true)
  })

  test.each([
    '',
    '2020-08-26',
    '2020-08-26T09:00:00',
    '2020-08-26T09:00:00Z',
    '2020-08-26T09:00:00z',
    '2020-08-26t09:00:00+08:00',
    '2020-08-26 09:00:00+08:00',
    '2020-08-26T09:00+08:00',
    '2020-08-26T09:00:60+08:00',
    '2016-12-31T23:59:60+00:00',
    '2020-08-26T09:60:00+08:00',
    '2020-08-26T24:00:00+08:00',
    '2020-08-26T09:00:00.+08:00',
    '2020-08-26T09:00:00.1234+08:00',
    '2020-08-26T09:00:00,123+08:00',
    '2020-08-26T09:00:00+0800',
    '2020-08-26T09:00:00+08',
    '2020-08-26T09:00:00+24:00',
    '2020-08-26T09:00:00+08:60',
    '2020-08-26T09:00:00−08:00',
    '2020-08-26T09:00:00 08:00',
    '2020-8-26T09:00:00+08:00',
    '20200826T090000+0800',
    '+2020-08-26T09:00:00+08:00',
    '12020-08-26T09:00:00+08:00',
    ' 2020-08-26T09:00:00+08:00',
    '2020-08-26T09:00:00+08:00\n',
    '２０２０-08-26T09:00:00+08:00',
    '2020-00-26T09:00:00+08:00',
    '2020-13-26T09:00:00+08:00',
    '2020-08-00T09:00:00+08:00',
    '2020-08-32T09:00:00+08:00',
    '2020-04-31T09:00:00+08:00',
    '2019-02-29T09:00:00+08:00',
    '2020-02-30T09:00:00+08:00',
    '1900-02-29T09:00:00+08:00',
    '2100-02-29T09:00:00+08:00'
  ])('not %j', (value) => {
    expect(isTime(value)).toBe(false)
    expect(accepts(time, value)).toBe(false)
  })

  test.each([undefined, null, 0, 1_598_400_000, new Date(0), ['2020-08-26T09:00:00+08:00'], {}])(
    'not %j, which is no text',
    (value) => {
      expect(accepts(time, value)).toBe(false)
      expect(accepts(date, value)).toBe(false)
    }
  )
})

test('a date is real exactly when the calendar of the platform has it', () => {
  const two = (n: number) => String(n).padStart(2, '0')
  const day = fc.record({
    y: fc.integer({ min: 0, max: 9999 }),
    m: fc.integer({ min: 0, max: 14 }),
    d: fc.integer({ min: 0, max: 33 })
  })
  fc.assert(
    fc.property(day, ({ y, m, d }) => {
      const platform = new Date(0)
      platform.setUTCFullYear(y, m - 1, d)
      const real = platform.getUTCFullYear() === y && platform.getUTCMonth() === m - 1 && platform.getUTCDate() === d
      const written = `${String(y).padStart(4, '0')}-${two(m)}-${two(d)}`
      expect(accepts(date, written)).toBe(real)
      expect(isTime(`${written}T09:00:00+08:00`)).toBe(real)
    }),
    { numRuns: 2_000 }
  )
})

test('every year has its last of February', () => {
  for (let year = 1900; year <= 2500; year++) {
    const leap = new Date(Date.UTC(year, 1, 29)).getUTCMonth() === 1
    expect(accepts(date, `${year}-02-29`), String(year)).toBe(leap)
    expect(accepts(date, `${year}-02-28`)).toBe(true)
    expect(accepts(date, `${year}-02-30`)).toBe(false)
  }
})

test.each(['2020-8-26', '20200826', '2020/08/26', '2020-08-26T00:00:00+08:00', ' 2020-08-26', '2020-08-26\n', '20-08-26', ''])(
  '%j is no date',
  (value) => {
    expect(accepts(date, value)).toBe(false)
  }
)

// Field, what fits, what does not. Whatever is no text, integer and so on is tried on every field of every type in `draft.test.ts`.
const digest = new Uint8Array(32).fill(7)
const FIELDS: [string, Field, unknown[], unknown[]][] = [
  [
    'text(5)',
    text(5, 'a'),
    ['a', '一二三四五', 'a\nb', 'a\tb', ' ', '\u0080', '\u200b'],
    ['', '一二三四五六', 'a\rb', 'a\0b', '\x1b[m', '\x7f', '\x0b', '\x0c', 1, null, ['a']]
  ],
  [
    'code',
    code('M05'),
    ['M05', '一审', 'a', 'a-b.c_d', '民一庭', 'x'.repeat(40), '四类1.2'],
    ['', '-a', '.a', '_a', 'a b', 'x'.repeat(41), 'é', 'a/b', 'a:b', 'a\n', 'Ａ', 5]
  ],
  ['oneOf', oneOf('a', 'b'), ['a', 'b'], ['c', '', 'A', 'a ', 0, null, ['a']]],
  ['integer', integer(1, 500, 1), [1, 250, 500], [0, 501, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', 1n, null, true]],
  ['boolean', boolean, [true, false], [0, 1, 'true', null, '']],
  ['file digest', fileDigest, [digest], [digest.slice(1), new Uint8Array(33), new Uint8Array(0), [...digest], 'aa', null]],
  ['bytes32', bytes32, [digest, new Uint8Array(32)], [digest.slice(1), new Uint8Array(33), new Uint16Array(32), 'aa', null]],
  ['byteString(4)', byteString(4), [new Uint8Array(1), new Uint8Array(4)], [new Uint8Array(0), new Uint8Array(5), 'AA', null]],
  ['case number', caseNumber, ['（2020）粤01民初123号'], ['(2020)粤01民初123号', '', 1]],
  ['court code', courtCode, ['粤01', '最高法'], ['粤1', '']],
  ['staff code', staffCode, ['粤01-R0101'], ['粤01-0101', '']],
  ['evidence id', evidenceId, ['粤01-20200826-abcdefghijkl'], ['粤01-20200826-abc', '']],
  ['list id', listId, ['粤01-20200826-listaaaaaaaa'], ['粤01-20200826-list', '']],
  ['organisation', organisation, ['gz-court', 'ab'], ['a', 'GZ', '广州', 'a'.repeat(65)]],
  [
    'media type',
    mediaType,
    ['application/pdf', 'application/vnd.lianzheng.manifest', 'image/svg+xml'],
    ['pdf', 'application/', '/pdf', 'Application/PDF', 'text/plain; charset=utf-8', 'a/b/c', '']
  ],
  ['entry id', opaqueEntry, ['entry-0001', '~AAAA', 'x'.repeat(64)], ['', 'x'.repeat(65), '王某某', 'a b', 'a.b']],
  ['trail name', trailName, ['power:粤01-R0001', 'ledger:a/b'], ['power:', 'power', 'nothing:粤01', 'toString:a', '']],
  ['origin', origin, ['court.example/evidence', 'x'.repeat(200)], ['x'.repeat(201), 'Court.example', 'a//b', '']],
  ['document', document, ['quorum none\n', 'a\r\nb', 'x'.repeat(20_000)], ['', 'x'.repeat(20_001), 1]],
  [
    'list 1..3',
    list(oneOf('a', 'b'), 1, 3),
    [['a'], ['a', 'b', 'a']],
    [[], ['a', 'a', 'a', 'a'], ['c'], [null], 'a', { 0: 'a' }]
  ],
  [
    'object of nothing',
    object({ a: optional(boolean) }),
    [{ a: true }],
    [{}, new Uint8Array(0), new Uint8Array(1), [], null, '', 0]
  ],
  [
    'object',
    object({ a: required(boolean), b: optional(boolean) }),
    [{ a: true }, { a: true, b: false }],
    [{}, { b: true }, { a: true, c: true }, { a: true, b: null }, { a: null }, [true], 'a', null, new Uint8Array(0)]
  ]
]

describe.each(FIELDS)('%s', (_, field, fits, refused) => {
  test('takes what fits and refuses the rest', () => {
    for (const value of fits) expect(accepts(field, value), String(value)).toBe(true)
    for (const value of [...refused, undefined]) expect(accepts(field, value), JSON.stringify(String(value))).toBe(false)
  })
  test('goes to JSON and back', () => {
    for (const value of fits) {
      const json = field.toJson(value)
      expect(field.fromJson(JSON.parse(JSON.stringify(json)))).toEqual(value)
    }
  })
  test('has an example that it takes, and a form that JSON holds', () => {
    expect(accepts(field, field.fromJson(field.example))).toBe(true)
    expect(field.toJson(field.fromJson(field.example))).toEqual(field.example)
    expect(JSON.parse(JSON.stringify(field.form))).toEqual(field.form)
  })
})

describe('bytes in JSON (formats.md, head: digests of files in hex, all other bytes in base64url)', () => {
  const zeros = new Uint8Array(32)
  test('the two text forms', () => {
    expect(fileDigest.toJson(zeros)).toBe('0'.repeat(64))
    expect(bytes32.toJson(zeros)).toBe('A'.repeat(43))
    expect(byteString(8).toJson(new Uint8Array([255, 254]))).toBe('__4')
  })
  test.each<[string, Field, Json]>([
    ['hex in upper case', fileDigest, 'A'.repeat(64)],
    ['hex too short', fileDigest, '0'.repeat(62)],
    ['hex too long', fileDigest, '0'.repeat(66)],
    ['base64url where hex belongs', fileDigest, 'A'.repeat(43)],
    ['a number', fileDigest, 0],
    ['null', bytes32, null],
    ['an array of octets', bytes32, Array.from(zeros)],
    ['hex where base64url belongs', bytes32, '0'.repeat(64)],
    ['padding', bytes32, `${'A'.repeat(43)}=`],
    ['spare bits that are not zero', bytes32, `${'A'.repeat(42)}B`],
    ['base64', byteString(8), '//4'],
    ['not text', byteString(8), 1]
  ])('%s is refused', (_, field, json) => {
    const whole = object({ field: required(list(field, 0, 9)) })
    expect(refusal(() => whole.fromJson({ field: [json] }))).toEqual({ code: 'FIELD_INVALID', field: 'field[0]' })
  })
})

describe('where an error is', () => {
  const inner = object({ name: required(text(9, 'a')), size: optional(integer(0, 9, 1)) })
  const whole = object({ id: required(code('a')), files: required(list(inner, 1, 3)), more: optional(inner) })
  const good = { id: 'a', files: [{ name: 'x', size: 1 }] }

  test('nowhere', () => {
    expect(() => check(whole.schema, good)).not.toThrow()
  })
  test.each<[string, unknown, string, string]>([
    ['a member missing', { files: good.files }, 'FIELD_MISSING', 'id'],
    ['one missing in a list', { ...good, files: [{ name: 'x' }, { size: 1 }] }, 'FIELD_MISSING', 'files[1].name'],
    ['one missing in an object', { ...good, more: {} }, 'FIELD_MISSING', 'more.name'],
    ['an unknown one', { ...good, other: 1 }, 'FIELD_UNKNOWN', 'other'],
    ['an unknown one in a list', { ...good, files: [{ name: 'x', other: 1 }] }, 'FIELD_UNKNOWN', 'files[0].other'],
    ['an unknown one in an object', { ...good, more: { name: 'x', other: 1 } }, 'FIELD_UNKNOWN', 'more.other'],
    ['one of the wrong kind', { ...good, id: 1 }, 'FIELD_INVALID', 'id'],
    ['null', { ...good, id: null }, 'FIELD_INVALID', 'id'],
    ['null where absent would do', { ...good, more: null }, 'FIELD_INVALID', 'more'],
    ['one out of range in a list', { ...good, files: [{ name: 'x', size: 10 }] }, 'FIELD_INVALID', 'files[0].size'],
    ['a list too short', { ...good, files: [] }, 'FIELD_INVALID', 'files'],
    ['a list too long', { ...good, files: [1, 2, 3, 4].map(() => ({ name: 'x' })) }, 'FIELD_INVALID', 'files'],
    ['no list', { ...good, files: { 0: { name: 'x' } } }, 'FIELD_INVALID', 'files'],
    ['no object', [], 'FIELD_INVALID', '']
  ])('%s', (_, value, code, field) => {
    expect(refusal(() => check(whole.schema, value))).toEqual({ code, field })
  })
  test('with the place of the whole in front', () => {
    expect(refusal(() => check(text(3, 'a').schema, 'abcd', 'sealed.content'))).toEqual({
      code: 'FIELD_INVALID',
      field: 'sealed.content'
    })
  })
  test('names of the prototype are names like any other', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const typed = JSON.parse(`{"id": "a", "files": [{"name": "x", "${name}": {"size": 5}}]}`) as unknown
      expect(refusal(() => check(whole.schema, whole.fromJson(typed)))).toEqual({
        code: 'FIELD_UNKNOWN',
        field: `files[0].${name}`
      })
    }
    // What stands in a prototype is no member.
    const lent = JSON.parse('{"files": [{"name": "x"}], "__proto__": {"id": "a"}}') as unknown
    expect(refusal(() => check(whole.schema, whole.fromJson(lent))).code).toMatch(/^FIELD_(MISSING|UNKNOWN)$/)
  })
})
