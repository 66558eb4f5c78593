/** Ids and trail kinds against records.md ("One trail, one audience", "Ids"), domain.md §6.1 and the general form of formats.md §3. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isTrailForm } from '../../src/core/statement.ts'
import {
  CASE_NUMBER,
  CLASSES,
  COURT_CODE,
  EVIDENCE_ID,
  holdsTrail,
  idOf,
  isTrailName,
  kindOf,
  NAME,
  normaliseCaseNumber,
  OPAQUE_ID,
  ORGANISATION,
  SOURCE_ID,
  STAFF_CODE,
  TRAIL_KINDS
} from '../../src/records/ids.ts'

// domain.md §6.1, word for word.
const CASES = [
  '（2020）粤01民初123号',
  '（2020）粤0192民初33590号',
  '（2019）粤0192民初38420号',
  '（2016）粤0391民初1987号',
  '（2018）浙0192民初81号',
  '（2021）苏03行终63号',
  '（2018）湘0724行审5号',
  '（2021）粤0111民初30063号',
  '（2024）沪0114执2986号',
  '（2021）粤01刑更456号',
  '（2020）最高法知民终1号',
  '（2023）兵0103民初7号',
  // A high court has no digits; the largest number has nine; before 2016 every form of the alphabet goes.
  '（2020）粤民终1号',
  '（2020）粤01民初999999999号',
  '（2012）曲中法执字第66号',
  '（2015）穗中法民一终字第1-2号',
  `（2012）${'法'.repeat(33)}号`
]
const NOT_CASES = [
  '(20)粤01民初1号',
  '（2020）粤1民初1号',
  '（2020）粤01民初0号',
  '（2020）粤01民初123',
  '（2020）粤010民初1号',
  // 之N is a document number.
  '（2022）沪0115民初13290号之一',
  '(2020)粤01民初123号',
  '（2020)粤01民初123号',
  '（2020）粤01 民初123号',
  ' （2020）粤01民初123号',
  '（2020）粤01民初123号 ',
  '（2020）粤01民初123号\n',
  '（2020）粤01民初０１号',
  '（２０２０）粤01民初1号',
  '（2020）粤01民初012号',
  '（2020）粤01民初1000000000号',
  '（2020）粤01民事诉讼1号',
  '（2020）粤011号',
  '（2020）京都01民初1号',
  '（2020）最高民终1号',
  '（2020）粤01C初1号',
  '（2020）民初1号',
  '（20）粤01民初1号',
  '（20200）粤01民初1号',
  '（2016）曲中法执字第66号',
  '（0999）曲中法执字第66号',
  `（2012）${'法'.repeat(34)}号`,
  '（2012）号',
  '（2012）曲中法执字第66',
  '（2012）曲中法 执字第66号',
  '（2012）曲:中法执字第66号',
  ''
]

const COURTS = ['最高法', '粤', '粤01', '粤0192', '兵0103', '军', '内01']
const NOT_COURTS = ['', '最高', '粤1', '粤010', '粤01922', '粵01', '中01', '01', '粤０１', '粤01 ', 'gd01', '粤01\n', '粤粤']

const PEOPLE = ['粤01-R0101', '粤01-R10001', '粤0192-R123456', '粤-R0001', '最高法-R0001']
const NOT_PEOPLE = ['粤01-R001', '粤01-R1234567', '粤01-r0101', '粤01R0101', '粤01-0101', 'R0101', '粤1-R0101', '粤01-R0１01', '']

const PIECES = ['粤01-20200826-abcdefghijkl', '最高法-20201231-234567234567', '粤0192-20200229-zzzzzzzzzzzz']
const NOT_PIECES = [
  '粤01-20200826-abcdefghijk',
  '粤01-20200826-abcdefghijklm',
  '粤01-20200826-abcdefghijk1',
  '粤01-20200826-abcdefghijk8',
  '粤01-20200826-ABCDEFGHIJKL',
  '粤01-20201326-abcdefghijkl',
  '粤01-20200800-abcdefghijkl',
  '粤01-20200832-abcdefghijkl',
  '粤01-2020826-abcdefghijkl',
  '20200826-abcdefghijkl',
  '粤1-20200826-abcdefghijkl'
]

// 22 characters of base64url of 16 bytes: the last one has four spare bits, which are zero.
const OPAQUE = ['~AAAAAAAAAAAAAAAAAAAAAA', '~abcdefghijklmnopqrst-Q', '~0123456789_-ABCDEFGHIg', '~zzzzzzzzzzzzzzzzzzzzzw']
const NOT_OPAQUE = [
  'AAAAAAAAAAAAAAAAAAAAAA',
  '~AAAAAAAAAAAAAAAAAAAAA',
  '~AAAAAAAAAAAAAAAAAAAAAAA',
  '~AAAAAAAAAAAAAAAAAAAAAB',
  '~AAAAAAAAAAAAAAAAAAAAA=',
  '~AAAAAAAAAAAAAAAAAAAA+A'
]

const SLUGS = ['gz-court', 'ab', '0-9', 'a'.repeat(64)]
const NOT_SLUGS = ['a', 'a'.repeat(65), 'Gz-court', 'gz_court', 'gz.court', 'gz court', '广州']

const DOCUMENTS = [...CASES, '（2020）粤01民初123号-1', '（2020）粤01民初123号-999', '（2012）曲中法执字第66号-01']
const NOT_DOCUMENTS = [
  '（2020）粤01民初123号-',
  '（2020）粤01民初123号-1000',
  '（2020）粤01民初123号-一',
  '（2020）粤01民初123号1',
  '（2020）粤01民初123号之一',
  '（2020）粤01民初-1'
]

interface Row {
  kind: string
  /** Classes of the logs that hold the kind, as in records.md. */
  classes: string[] | 'any'
  valid: string[]
  invalid: string[]
  reserved?: true
}

const HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const KINDS: Row[] = [
  { kind: 'evidence', classes: ['party'], valid: PIECES, invalid: NOT_PIECES },
  {
    kind: 'file',
    classes: ['party'],
    valid: [`sha256-${HASH}`, `sm3-${HASH}`],
    invalid: [HASH, `sha256-${HASH.toUpperCase()}`, `sha256-${HASH.slice(1)}`, `sha256-${HASH}0`, `sha512-${HASH}`, `sm3${HASH}`]
  },
  { kind: 'list', classes: ['party'], valid: PIECES, invalid: NOT_PIECES },
  { kind: 'case', classes: ['party'], valid: CASES, invalid: NOT_CASES },
  { kind: 'case-internal', classes: ['internal'], valid: CASES, invalid: NOT_CASES },
  { kind: 'power', classes: ['internal'], valid: PEOPLE, invalid: NOT_PEOPLE },
  { kind: 'duty', classes: ['internal'], valid: PEOPLE, invalid: NOT_PEOPLE },
  { kind: 'hr', classes: ['personnel'], valid: PEOPLE, invalid: NOT_PEOPLE },
  {
    kind: 'firm',
    classes: ['personnel'],
    valid: [...OPAQUE, '31440000MD0000000X', '14401201910123456'],
    invalid: [...NOT_OPAQUE.filter((id) => id.startsWith('~')), '1234567', 'A'.repeat(21), '某律师事务所', '31440000md0000000x']
  },
  { kind: 'disclosure', classes: ['public'], valid: COURTS, invalid: NOT_COURTS },
  { kind: 'judgment', classes: ['party'], valid: DOCUMENTS, invalid: NOT_DOCUMENTS, reserved: true },
  { kind: 'publication', classes: ['public'], valid: DOCUMENTS, invalid: NOT_DOCUMENTS, reserved: true },
  { kind: 'court', classes: ['public'], valid: COURTS, invalid: NOT_COURTS },
  { kind: 'commutation', classes: ['commutation'], valid: CASES, invalid: NOT_CASES, reserved: true },
  { kind: 'lead', classes: ['lead'], valid: OPAQUE, invalid: [...NOT_OPAQUE, '粤01-R0101'], reserved: true },
  { kind: 'inspect', classes: ['lead'], valid: SLUGS, invalid: NOT_SLUGS, reserved: true },
  { kind: 'source', classes: ['internal'], valid: SLUGS, invalid: NOT_SLUGS },
  { kind: 'reader', classes: ['internal', 'lead'], valid: PEOPLE, invalid: NOT_PEOPLE },
  {
    kind: 'key',
    classes: 'any',
    // RFC 9679 thumbprint of the public key of RFC 8032 test 1 (formats.md §2).
    valid: ['hm7vvWcYyIRs193-Q_x0qx2qxFOP-FFOouwtQQpBV0M', 'A'.repeat(43)],
    // The two spare bits of the last character are zero.
    invalid: ['A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}B`, `${'A'.repeat(42)}=`, `${'A'.repeat(41)}+A`, HASH]
  },
  {
    kind: 'ledger',
    classes: 'any',
    valid: ['court.example/evidence', 'a', 'a/b/c_d.e-f', 'x'.repeat(200)],
    invalid: ['', '/a', 'a/', 'a//b', 'A', 'a_b', 'a b', '法院', 'x'.repeat(201), `${'x'.repeat(100)}/${'y'.repeat(100)}`]
  }
]

test('the table names every kind there is, and no other', () => {
  expect(KINDS.map(({ kind }) => kind)).toEqual(Object.keys(TRAIL_KINDS))
})

describe.each(KINDS)('$kind', ({ kind, classes, valid, invalid, reserved }) => {
  test.each(valid)('%j is an id', (id) => {
    expect(isTrailName(`${kind}:${id}`)).toBe(true)
    expect(isTrailForm(`${kind}:${id}`)).toBe(true)
    expect([kindOf(`${kind}:${id}`), idOf(`${kind}:${id}`)]).toEqual([kind, id])
  })
  test.each(invalid)('%j is none', (id) => {
    expect(isTrailName(`${kind}:${id}`)).toBe(false)
  })
  test('has its classes, and is reserved or not', () => {
    expect(TRAIL_KINDS[kind]!.classes).toEqual(classes)
    expect(TRAIL_KINDS[kind]!.reserved).toBe(reserved)
    expect(TRAIL_KINDS[kind]!.zh).toMatch(/[\u4e00-\u9fff]/)
    expect(TRAIL_KINDS[kind]!.en).toMatch(/^[\x20-\x7e]+$/)
  })
  test('is held by the logs of its classes and by no other', () => {
    const name = `${kind}:${valid[0]}`
    for (const held of CLASSES) {
      const own = kind === 'ledger' ? idOf(name) : 'court.example/x'
      expect(holdsTrail(name, own, [held])).toBe(classes === 'any' || classes.includes(held))
    }
    expect(holdsTrail(name, 'court.example/x', [])).toBe(kind === 'key')
  })
})

test('ledger trails belong to their own origin only', () => {
  expect(holdsTrail('ledger:court.example/evidence', 'court.example/evidence', [])).toBe(true)
  expect(holdsTrail('ledger:court.example/evidence', 'court.example/supervision', CLASSES)).toBe(false)
})

test.each([
  '',
  ':',
  'power',
  'power:',
  ':粤01-R0001',
  'Power:粤01-R0001',
  'power :粤01-R0001',
  'power：粤01-R0001',
  'secret:粤01'
])('%j is no trail name', (name) => {
  expect(isTrailName(name)).toBe(false)
})

test.each(['toString:x', '__proto__:x', 'constructor:粤01-R0001', 'secret:粤01-R0001'])(
  '%j is of no kind, and no log holds it',
  (name) => {
    expect(isTrailName(name)).toBe(false)
    expect(holdsTrail(name, 'court.example/evidence', CLASSES)).toBe(false)
  }
)

describe('every id that a kind accepts makes a trail name of the general form (formats.md §3)', () => {
  test.each(KINDS.map(({ kind }) => kind))('%s', (kind) => {
    const { id } = TRAIL_KINDS[kind]!
    const body = id.source.replace(/^\^\(\?:/, '').replace(/\)\$$/, '')
    fc.assert(
      fc.property(fc.stringMatching(new RegExp(`^(?:${body})$`, 'u')), (text) => {
        expect(id.test(text)).toBe(true)
        // An origin is the one id without a length of its own; the general form bounds it.
        const short = new TextEncoder().encode(text).length <= 200
        expect(isTrailForm(`${kind}:${text}`)).toBe(short)
        expect(isTrailName(`${kind}:${text}`)).toBe(short)
        if (kind !== 'ledger') expect(short).toBe(true)
      })
    )
  })
  test('and what is a trail name at all has the form, whatever the text', () => {
    const piece = fc.constantFrom(
      '（',
      '）',
      '2020',
      '粤',
      '01',
      '民初',
      '1',
      '号',
      '-',
      'R0001',
      '~',
      'a',
      '/',
      '.',
      ' ',
      ':',
      '\n',
      '😀',
      'é'
    )
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 120 }).map((parts) => parts.join(''))
    )
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(TRAIL_KINDS)), text, (kind, id) => {
        if (isTrailName(`${kind}:${id}`)) expect(isTrailForm(`${kind}:${id}`)).toBe(true)
      }),
      { numRuns: 500 }
    )
  })
})

test('no character beyond the alphabet of formats.md §3 gets into an id, wherever it is put', () => {
  for (const { kind, valid } of KINDS)
    for (const id of valid)
      for (const stranger of [' ', '\n', '\0', ':', '，', '【', '－', 'é', '\u3400', '\u{20000}', '１', '%', '\u200b', '('])
        for (const at of [0, Math.floor(id.length / 2), id.length])
          expect(isTrailName(`${kind}:${id.slice(0, at)}${stranger}${id.slice(at)}`)).toBe(false)
})

test('the expressions that fields use are those of the kinds', () => {
  const agree: [RegExp, string[], string[]][] = [
    [CASE_NUMBER, CASES, NOT_CASES],
    [COURT_CODE, COURTS, NOT_COURTS],
    [STAFF_CODE, PEOPLE, NOT_PEOPLE],
    [EVIDENCE_ID, PIECES, NOT_PIECES],
    [OPAQUE_ID, OPAQUE, NOT_OPAQUE],
    [SOURCE_ID, SLUGS, NOT_SLUGS],
    // formats.md §3: `[a-z0-9-]{2,64}`
    [ORGANISATION, SLUGS, NOT_SLUGS],
    // formats.md §2: `[a-z0-9.-]+(/[a-z0-9._-]+)*`
    [new RegExp(`^${NAME}$`), ['court.example/evidence', '-', 'a/_'], ['/a', 'a/', 'a_b/c', 'A']]
  ]
  for (const [pattern, valid, invalid] of agree) {
    for (const text of valid) expect(pattern.test(text), text).toBe(true)
    for (const text of invalid) expect(pattern.test(text), text).toBe(false)
  }
})

test('no id, however long, keeps an expression busy', () => {
  const started = performance.now()
  for (const { kind } of KINDS)
    for (const unit of ['a', '/a', '粤01', '（2020）', '法', '-', '1', '~A', '号'])
      expect(isTrailName(`${kind}:${unit.repeat(20_000)} `)).toBe(false)
  expect(performance.now() - started).toBeLessThan(2_000)
})

describe('what people type as a case number', () => {
  const stored = '（2020）粤01民初123号'
  test.each([
    stored,
    '(2020)粤01民初123号',
    '(2020）粤01民初123号',
    '（2020)粤01民初123号',
    '〔2020〕粤01民初123号',
    '[2020]粤01民初123号',
    '（２０２０）粤０１民初１２３号',
    ' (2020) 粤01 民初 123 号 ',
    '（2020）\u3000粤01民初123号\n',
    '\u00a0（2020）粤01民初123号\t'
  ])('%j is stored in the one spelling', (typed) => {
    expect(normaliseCaseNumber(typed)).toBe(stored)
  })
  test.each([...CASES, ...DOCUMENTS])('%s stays as it is', (id) => {
    expect(normaliseCaseNumber(id)).toBe(id)
  })
  test('an old number keeps the brackets inside it', () => {
    expect(normaliseCaseNumber('(2012)曲中法（民）初字第6号')).toBe('（2012）曲中法（民）初字第6号')
  })
  test('once is enough, for any text', () => {
    const unit = fc.constantFrom(...'(（〔[2０)）〕]粤1Ａ 号\u3000é')
    fc.assert(
      fc.property(fc.string({ unit }), (typed) => {
        expect(normaliseCaseNumber(normaliseCaseNumber(typed))).toBe(normaliseCaseNumber(typed))
      })
    )
  })
  test('what is wrong is not mended into something else', () => {
    const mended = NOT_CASES.filter((typed) => CASE_NUMBER.test(normaliseCaseNumber(typed)))
    // Width of brackets and digits, and white space: nothing else.
    expect(mended).toEqual([
      '(2020)粤01民初123号',
      '（2020)粤01民初123号',
      '（2020）粤01 民初123号',
      ' （2020）粤01民初123号',
      '（2020）粤01民初123号 ',
      '（2020）粤01民初123号\n',
      '（２０２０）粤01民初1号',
      '（2012）曲中法 执字第66号'
    ])
  })
})
