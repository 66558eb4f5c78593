import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { base64, hex } from '../../src/core/bytes.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/core/checkpoint.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { EMPTY_HASH } from '../../src/core/hash.ts'
import { parseNote, parseVkey, verifyNoteSignature } from '../../src/core/note.ts'
import { exampleIn } from '../helpers/example.ts'

/** `CODE@line` of the refusal; anything that is not a refusal fails the test. */
function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code}@${error.detail.at}`
    throw error
  }
  return 'accepted'
}

const ROOT = 'OF2jDzkXKCyJOd/4UZV+UZqxhGsTUaFMCts7EWMnQqo='
const EMPTY = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='

test('the example in the opening comment', () => {
  const text = exampleIn('src/core/checkpoint.ts')
  const checkpoint = parseCheckpoint(text)
  expect({ ...checkpoint, root: hex(checkpoint.root) }).toEqual({
    origin: 'ledger.example/court-1',
    size: 3,
    root: '385da30f3917282c8939dff851957e519ab1846b1351a14c0adb3b11632742aa'
  })
  expect(formatCheckpoint(checkpoint)).toBe(text)
})

describe('checkpoints of a Tessera log', () => {
  const folder = new URL('../vectors/tessera-log/', import.meta.url)
  const vkey = parseVkey('example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx')
  const files = readdirSync(folder).filter((name) => name.startsWith('checkpoint.'))

  test.each(files)('%s', (file) => {
    const { text, signatures } = parseNote(readFileSync(new URL(file, folder), 'utf8'))
    const checkpoint = parseCheckpoint(text)
    expect(checkpoint.origin).toBe('example.com/log/testdata')
    expect(checkpoint.size).toBe(Number(file.slice('checkpoint.'.length)))
    expect(formatCheckpoint(checkpoint)).toBe(text)
    expect(signatures.map((signature) => verifyNoteSignature(text, signature, vkey))).toEqual([true])
  })

  test('all sixteen sizes are there, and the root of the last is the published one', () => {
    expect(files.length).toBe(16)
    const { root } = parseCheckpoint(parseNote(readFileSync(new URL('checkpoint.15', folder), 'utf8')).text)
    expect(base64(root)).toBe('rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=')
  })
})

describe('parseCheckpoint', () => {
  test.each([
    ['size 0', `a\n0\n${EMPTY}\n`],
    ['2^53 − 1', `a\n9007199254740991\n${ROOT}\n`]
  ])('%s', (_, text) => {
    expect(formatCheckpoint(parseCheckpoint(text))).toBe(text)
  })

  test.each([
    ['empty', '', 1],
    ['one line', 'a\n', 2],
    ['two lines', 'a\n1\n', 3],
    ['no last newline', `a\n1\n${ROOT}`, 3],
    ['an extension line', `a\n1\n${ROOT}\next\n`, 4],
    ['an extension line without its newline', `a\n1\n${ROOT}\next`, 4],
    ['an empty line at the end', `a\n1\n${ROOT}\n\n`, 4],
    ['an empty origin', `\n1\n${ROOT}\n`, 1],
    ['an origin with a space', `go.sum database tree\n1\n${ROOT}\n`, 1],
    ['an origin with a plus', `a+b\n1\n${ROOT}\n`, 1],
    ['an origin of 201 bytes', `${'a'.repeat(201)}\n1\n${ROOT}\n`, 1],
    ['no size', `a\n\n${ROOT}\n`, 2],
    ['a leading zero', `a\n01\n${ROOT}\n`, 2],
    ['00', `a\n00\n${EMPTY}\n`, 2],
    ['a sign', `a\n+1\n${ROOT}\n`, 2],
    ['negative', `a\n-1\n${ROOT}\n`, 2],
    ['hex', `a\n0x10\n${ROOT}\n`, 2],
    ['a space', `a\n 1\n${ROOT}\n`, 2],
    ['an exponent', `a\n1e3\n${ROOT}\n`, 2],
    ['full-width digits', `a\n１\n${ROOT}\n`, 2],
    ['2^53', `a\n9007199254740992\n${ROOT}\n`, 2],
    ['2^53 + 1, which rounds to 2^53', `a\n9007199254740993\n${ROOT}\n`, 2],
    ['2^64', `a\n18446744073709551616\n${ROOT}\n`, 2],
    ['size 0 with a root', `a\n0\n${ROOT}\n`, 3],
    ['a root of 31 bytes', `a\n1\n${base64(new Uint8Array(31))}\n`, 3],
    ['a root of 33 bytes', `a\n1\n${base64(new Uint8Array(33))}\n`, 3],
    ['no padding', `a\n1\n${ROOT.slice(0, -1)}\n`, 3],
    ['spare bits', `a\n1\n${ROOT.replace('qo=', 'qp=')}\n`, 3],
    ['a space after the root', `a\n1\n${ROOT} \n`, 3],
    ['carriage returns', `a\r\n1\r\n${ROOT}\r\n`, 2]
  ])('%s', (_, text, line) => {
    expect(refusal(() => parseCheckpoint(text))).toBe(`CHECKPOINT_INVALID@${line}`)
  })
})

describe('formatCheckpoint', () => {
  const root = new Uint8Array(32).fill(1)

  test.each([
    [{ origin: 'A', size: 1, root }, 1],
    [{ origin: 'a\nb', size: 1, root }, 1],
    [{ origin: 'a', size: -1, root }, 2],
    [{ origin: 'a', size: 1.5, root }, 2],
    [{ origin: 'a', size: 2 ** 53, root }, 2],
    [{ origin: 'a', size: Number.NaN, root }, 2],
    [{ origin: 'a', size: 1, root: root.subarray(1) }, 3],
    [{ origin: 'a', size: 0, root }, 3]
  ])('refuses what parseCheckpoint would: %o', (checkpoint, line) => {
    expect(refusal(() => formatCheckpoint(checkpoint))).toBe(`CHECKPOINT_INVALID@${line}`)
  })

  test('inverse of parseCheckpoint', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (size, random) => {
        const checkpoint = { origin: 'court.example/evidence', size, root: size === 0 ? EMPTY_HASH : random }
        expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint)
      })
    )
  })
})
