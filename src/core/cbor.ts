/**
 * Deterministic CBOR (formats.md §1; RFC 8949 §4.2.1), read strictly in one pass: one value has one accepted byte form.
 *
 *   value   = integer / bytes / text / array / map / false / true / null
 *   integer = head(0, n) / head(1, −1 − n)          within ±(2^53−1)
 *   bytes   = head(2, length) octets
 *   text    = head(3, length) UTF-8 octets
 *   array   = head(4, count) value*
 *   map     = head(5, count) (key value)*           key = integer / text; bytewise ascending on the encodings, no duplicates
 *   false, true, null = F4, F5, F6
 *   head(major, n) = major in the upper three bits, n in the shortest of: the lower five bits (n < 24), or 1, 2, 4, 8 bytes
 *                    big-endian after 18, 19, 1A, 1B in the lower five bits
 *
 * No floats, no `undefined`, no tags, no indefinite lengths. The outermost array or map is level 1; level 17 is refused.
 *
 * Example, the map {1: -500, 258: h'00ff', -1: "链证", "a": [true, null]}:
 *
 *   a4013901f31901024200ff2066e993bee8af81616182f5f6
 */
import { type Bytes, fromUtf8, utf8 } from './bytes.ts'
import { type Code, LianzhengError } from './errors.ts'

export type CborMap = Map<number | string, CborValue>
export type CborValue = number | string | boolean | null | Bytes | CborValue[] | CborMap

/** What can be encoded: plain objects are maps with text keys, and a member that is `undefined` is left out. */
export type Encodable =
  | number
  | string
  | boolean
  | null
  | Bytes
  | readonly Encodable[]
  | ReadonlyMap<number | string, Encodable>
  | { readonly [key: string]: Encodable | undefined }

/** Text-keyed maps as objects without a prototype, so that a key such as `__proto__` or `constructor` is a key like any other. */
export type PlainValue = number | string | boolean | null | Bytes | PlainValue[] | PlainObject
export interface PlainObject {
  [key: string]: PlainValue
}

const MAX_DEPTH = 16

const UNSIGNED = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const SIMPLE = 7

const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6
const BREAK = 0xff

/**
 * The one encoding of a value. Throws `TypeError` for what has none: floats and integers beyond ±(2^53−1), lone surrogates, `undefined` in
 * an array or Map, more than 16 levels, objects that are not plain. Foreign input is checked before it comes here. −0 is written as 0.
 */
export function encodeCbor(value: Encodable): Bytes {
  scratch.length = 0
  scratch.value(value, 1)
  const bytes = scratch.bytes.slice(0, scratch.length)
  if (scratch.bytes.length > SCRATCH_KEPT) scratch.bytes = new Uint8Array(SCRATCH_SIZE)
  return bytes
}

/**
 * Reads the one value that fills `bytes` from `start` to the end; maps become `Map`, byte strings are views of `bytes`.
 *
 * Throws `CBOR_*`. The offset counts from the beginning of `bytes` and is that of the head at which reading stopped.
 */
export function decodeCbor(bytes: Bytes, start = 0): CborValue {
  const reader = new Reader(bytes, start)
  const value = reader.value(1)
  if (reader.at !== bytes.length) throw new LianzhengError('CBOR_TRAILING_BYTES', { offset: reader.at })
  return value
}

/** Text-keyed maps, at every level, as null-prototype objects; throws `RECORD_FORM` where a key is an integer. */
export function plainObject(map: CborMap): PlainObject {
  const out: PlainObject = Object.create(null)
  for (const [key, value] of map) {
    if (typeof key === 'number') throw new LianzhengError('RECORD_FORM', { field: String(key), expected: 'text keys' })
    out[key] = plainValue(value)
  }
  return out
}

function plainValue(value: CborValue): PlainValue {
  if (value instanceof Map) return plainObject(value)
  return Array.isArray(value) ? value.map(plainValue) : value
}

const SCRATCH_SIZE = 1_024
/** A writer that has grown beyond this is not kept. */
const SCRATCH_KEPT = 1 << 17
const LONE_SURROGATE = /\p{Surrogate}/u

interface Span {
  start: number
  end: number
}

class Writer {
  bytes: Bytes = new Uint8Array(SCRATCH_SIZE)
  length = 0

  value(value: unknown, level: number): void {
    if (typeof value === 'string') this.text(value)
    else if (typeof value === 'number') this.integer(value)
    else if (typeof value === 'boolean') this.octet(value ? TRUE : FALSE)
    else if (value === null) this.octet(NULL)
    else if (value instanceof Uint8Array) this.octets(BYTES, value)
    else if (typeof value === 'object') this.container(value, level)
    else throw new TypeError(`cbor: cannot encode ${typeof value}`)
  }

  container(value: object, level: number): void {
    if (level > MAX_DEPTH) throw new TypeError(`cbor: nested deeper than ${MAX_DEPTH} levels`)
    if (Array.isArray(value)) this.array(value, level)
    else if (value instanceof Map) this.map([...value], level)
    else this.map(members(value), level)
  }

  array(items: readonly unknown[], level: number): void {
    this.head(ARRAY, items.length)
    for (const item of items) this.value(item, level + 1)
  }

  /** Writes the members as they come and, where that was not the order of their keys, once more in order. */
  map(members: readonly (readonly [unknown, unknown])[], level: number): void {
    this.head(MAP, members.length)
    const start = this.length
    const spans: Span[] = []
    let sorted = true
    for (const [key, value] of members) {
      const span = { start: this.length, end: 0 }
      this.key(key)
      this.value(value, level + 1)
      span.end = this.length
      sorted &&= spans.length === 0 || compareAt(this.bytes, spans.at(-1)!.start, span.start, this.length) < 0
      spans.push(span)
    }
    if (sorted) return
    spans.sort((a, b) => compareAt(this.bytes, a.start, b.start, b.end))
    const unsorted = this.bytes.slice(start, this.length)
    this.length = start
    for (const span of spans) this.append(unsorted.subarray(span.start - start, span.end - start))
  }

  key(key: unknown): void {
    if (typeof key === 'string') this.text(key)
    else if (typeof key === 'number') this.integer(key)
    else throw new TypeError('cbor: map keys are integers or text')
  }

  integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw new TypeError('cbor: not an integer within ±(2^53−1)')
    if (value >= 0) this.head(UNSIGNED, value)
    else this.head(NEGATIVE, -1 - value)
  }

  text(text: string): void {
    if (isAscii(text)) this.ascii(text)
    else if (LONE_SURROGATE.test(text)) throw new TypeError('cbor: text with a lone surrogate')
    else this.octets(TEXT, utf8(text))
  }

  /** ASCII is its own UTF-8; a loop writes it three times as fast as an encoder call (measured, 4 to 40 characters). */
  ascii(text: string): void {
    this.head(TEXT, text.length)
    this.reserve(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i)
  }

  octets(major: number, octets: Bytes): void {
    this.head(major, octets.length)
    this.append(octets)
  }

  head(major: number, argument: number): void {
    this.reserve(9)
    const type = major << 5
    if (argument < 24) this.octet(type | argument)
    else if (argument < 2 ** 8) this.wide(type | 24, argument, 1)
    else if (argument < 2 ** 16) this.wide(type | 25, argument, 2)
    else if (argument < 2 ** 32) this.wide(type | 26, argument, 4)
    else this.wide(type | 27, argument, 8)
  }

  wide(initial: number, argument: number, size: number): void {
    this.octet(initial)
    let rest = argument
    for (let i = this.length + size - 1; i >= this.length; i--) {
      this.bytes[i] = rest % 256
      rest = Math.floor(rest / 256)
    }
    this.length += size
  }

  octet(octet: number): void {
    this.reserve(1)
    this.bytes[this.length++] = octet
  }

  append(octets: Bytes): void {
    this.reserve(octets.length)
    this.bytes.set(octets, this.length)
    this.length += octets.length
  }

  reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + size))
    grown.set(this.bytes)
    this.bytes = grown
  }
}

/** Used again for every value: a writer has nothing to remember once its bytes are copied out. */
const scratch = new Writer()

function members(value: object): [string, unknown][] {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('cbor: cannot encode an object that is not plain')
  return Object.entries(value).filter(([, member]) => member !== undefined)
}

/** The same text that a decoder would give, three times as fast (measured, up to 40 characters); undefined where it is long or not ASCII. */
function shortAscii(octets: Bytes): string | undefined {
  if (octets.length > 40) return undefined
  let text = ''
  for (const octet of octets) {
    if (octet >= 0x80) return undefined
    text += String.fromCharCode(octet)
  }
  return text
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false
  return true
}

class Reader {
  readonly bytes: Bytes
  at: number

  constructor(bytes: Bytes, start: number) {
    this.bytes = bytes
    this.at = start
  }

  value(level: number): CborValue {
    const head = this.at
    if (head >= this.bytes.length) refuse('CBOR_TRUNCATED', head)
    const initial = this.bytes[head]!
    switch (initial >> 5) {
      case UNSIGNED:
      case NEGATIVE:
        return this.integer()
      case BYTES:
        return this.octets()
      case TEXT:
        return this.text()
      case ARRAY:
        return this.array(level)
      case MAP:
        return this.map(level)
      case SIMPLE:
        return this.simple(initial)
      default:
        return refuse('CBOR_UNSUPPORTED', head)
    }
  }

  simple(initial: number): boolean | null {
    this.at++
    if (initial === NULL) return null
    if (initial === TRUE) return true
    if (initial === FALSE) return false
    return refuse(initial === BREAK ? 'CBOR_INDEFINITE_LENGTH' : 'CBOR_UNSUPPORTED', this.at - 1)
  }

  integer(): number {
    const head = this.at
    const negative = this.bytes[head]! >> 5 === NEGATIVE
    const argument = this.argument()
    const value = negative ? -1 - argument : argument
    return Number.isSafeInteger(value) ? value : refuse('CBOR_INTEGER_RANGE', head)
  }

  octets(): Bytes {
    const length = this.count(1)
    const start = this.at
    this.at += length
    return this.bytes.subarray(start, this.at)
  }

  text(): string {
    const head = this.at
    const octets = this.octets()
    const short = shortAscii(octets)
    if (short !== undefined) return short
    try {
      return fromUtf8(octets)
    } catch (cause) {
      throw new LianzhengError('CBOR_TEXT_NOT_UTF8', { offset: head, cause })
    }
  }

  array(level: number): CborValue[] {
    if (level > MAX_DEPTH) refuse('CBOR_DEPTH', this.at)
    const items: CborValue[] = []
    for (let left = this.count(1); left > 0; left--) items.push(this.value(level + 1))
    return items
  }

  map(level: number): CborMap {
    if (level > MAX_DEPTH) refuse('CBOR_DEPTH', this.at)
    const map: CborMap = new Map()
    let previous = -1
    for (let left = this.count(2); left > 0; left--) {
      const head = this.at
      const key = this.key()
      if (previous >= 0) {
        const order = compareAt(this.bytes, previous, head, this.at)
        if (order >= 0) refuse(order === 0 ? 'CBOR_DUPLICATE_KEY' : 'CBOR_KEY_ORDER', head)
      }
      previous = head
      map.set(key, this.value(level + 1))
    }
    return map
  }

  key(): number | string {
    const head = this.at
    if (head >= this.bytes.length) refuse('CBOR_TRUNCATED', head)
    switch (this.bytes[head]! >> 5) {
      case UNSIGNED:
      case NEGATIVE:
        return this.integer()
      case TEXT:
        return this.text()
      default:
        return refuse('CBOR_KEY_TYPE', head)
    }
  }

  /** A length or count; `least` bytes at least must follow for each, so that nothing is allocated for what cannot be there. */
  count(least: number): number {
    const head = this.at
    const count = this.argument()
    return count * least <= this.bytes.length - this.at ? count : refuse('CBOR_TRUNCATED', head)
  }

  argument(): number {
    const head = this.at
    const initial = this.bytes[head]!
    const short = initial & 31
    this.at++
    if (short < 24) return short
    if (short > 27) refuse(short === 31 && initial >> 5 >= BYTES ? 'CBOR_INDEFINITE_LENGTH' : 'CBOR_UNSUPPORTED', head)
    const size = 1 << (short - 24)
    if (this.at + size > this.bytes.length) refuse('CBOR_TRUNCATED', head)
    let argument = 0
    // Beyond 2^53 this rounds, but never down to 2^53−1 or below: still out of range for an integer and too long for a length.
    for (let i = 0; i < size; i++) argument = argument * 256 + this.bytes[this.at++]!
    if (argument < (size === 1 ? 24 : 2 ** (4 * size))) refuse('CBOR_NOT_SHORTEST', head)
    return argument
  }
}

/**
 * Bytewise order of two keys (or members), the second of which ends at `end`; 0 where they are the same key. No encoding is the
 * beginning of another, so the shorter one never has to be watched for.
 */
function compareAt(bytes: Bytes, first: number, second: number, end: number): number {
  for (let i = first, j = second; j < end; i++, j++) {
    if (bytes[i] !== bytes[j]) return bytes[i]! - bytes[j]!
  }
  return 0
}

function refuse(code: Code, offset: number): never {
  throw new LianzhengError(code, { offset })
}
