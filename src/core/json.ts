/**
 * Strict JSON for files that are evidence: I-JSON (RFC 7493) with no duplicate members, no lone surrogates, a limit on depth, and plain
 * integers in [0, 2^53) as the only numbers that carry meaning. Any other number is kept as a `Literal`, which no schema accepts.
 */
import { LianzhengError } from './errors.ts'

export class Literal {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type JsonValue = null | boolean | number | string | Literal | JsonValue[] | JsonObject
export interface JsonObject {
  [name: string]: JsonValue
}

const MAX_DEPTH = 64
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const SPACE = /[ \t\n\r]*/y
// In pieces, because one pattern for a whole string overflows the stack of the pattern matcher at some millions of characters.
const PLAIN = /[^"\\\u0000-\u001f]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** Throws `JSON_INVALID` with the offset (in UTF-16 units) at which reading stopped. Objects have no prototype. */
export function parseStrictJson(text: string): JsonValue {
  let at = 0

  function refuse(expected: string): LianzhengError {
    return new LianzhengError('JSON_INVALID', { offset: at, expected })
  }
  function skip(): void {
    SPACE.lastIndex = at
    SPACE.test(text)
    at = SPACE.lastIndex
  }
  function take(character: string): boolean {
    skip()
    if (text[at] !== character) return false
    at++
    return true
  }
  function string(): string {
    skip()
    let end = at
    if (text[end++] !== '"') throw refuse('a string')
    for (;;) {
      PLAIN.lastIndex = end
      PLAIN.test(text)
      end = PLAIN.lastIndex
      if (text[end] === '"') break
      ESCAPE.lastIndex = end
      if (!ESCAPE.test(text)) throw refuse('a string')
      end = ESCAPE.lastIndex
    }
    const value = JSON.parse(text.slice(at, ++end)) as string
    if (!value.isWellFormed()) throw refuse('no lone surrogates')
    at = end
    return value
  }
  function number(): number | Literal {
    NUMBER.lastIndex = at
    const match = NUMBER.exec(text)
    if (match === null) throw refuse('a value')
    at = NUMBER.lastIndex
    const value = Number(match[0])
    return /^(?:0|[1-9][0-9]*)$/.test(match[0]) && Number.isSafeInteger(value) ? value : new Literal(match[0])
  }
  function list(depth: number): JsonValue[] {
    const out: JsonValue[] = []
    if (take(']')) return out
    do out.push(value(depth))
    while (take(','))
    if (!take(']')) throw refuse('`,` or `]`')
    return out
  }
  function object(depth: number): JsonObject {
    const out = Object.create(null) as JsonObject
    if (take('}')) return out
    do {
      const name = string()
      if (name in out) throw refuse(`one member "${name}"`)
      if (!take(':')) throw refuse('`:`')
      out[name] = value(depth)
    } while (take(','))
    if (!take('}')) throw refuse('`,` or `}`')
    return out
  }
  function value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw refuse(`at most ${MAX_DEPTH} levels`)
    skip()
    switch (text[at]) {
      case '{':
        at++
        return object(depth + 1)
      case '[':
        at++
        return list(depth + 1)
      case '"':
        return string()
      default:
    }
    for (const [word, meaning] of [
      ['true', true],
      ['false', false],
      ['null', null]
    ] as const) {
      if (text.startsWith(word, at)) {
        at += word.length
        return meaning
      }
    }
    return number()
  }

  const result = value(0)
  skip()
  if (at !== text.length) throw refuse('the end')
  return result
}
