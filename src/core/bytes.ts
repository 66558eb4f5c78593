/**
 * Byte strings and their text forms. Every decoder here is exact: one byte string has one accepted text
 * (formats.md, head: base64 is RFC 4648 §4 padded, base64url unpadded and canonical, hex lower-case).
 */
import { LianzhengError } from './errors.ts'

export type Bytes = Uint8Array

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const utf8Encoder = new TextEncoder()

/** UTF-8 bytes of a text. Lone surrogates are the caller's fault: check with `isWellFormed` first where text is foreign. */
export function utf8(text: string): Bytes {
  return utf8Encoder.encode(text)
}

/** Text of UTF-8 bytes; throws `TEXT_NOT_UTF8` for anything that is not valid UTF-8. A leading BOM is kept. */
export function fromUtf8(bytes: Bytes): string {
  try {
    return utf8Decoder.decode(bytes)
  } catch (cause) {
    throw new LianzhengError('TEXT_NOT_UTF8', { cause })
  }
}

export function concat(...parts: Bytes[]): Bytes {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Bytewise order, shorter first when one is a prefix of the other. */
export function compareBytes(a: Bytes, b: Bytes): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Not constant-time: nothing compared here is secret. */
export function equalBytes(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/** Bytewise order of the UTF-8 forms: that of the code units, but that surrogates, which stand for code points above U+FFFF, come last. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    if (isSurrogate(x) === isSurrogate(y)) return x - y
    return isSurrogate(x) ? 1 : -1
  }
  return a.length - b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

/** The bytes as one string, a code unit each: their name in a Map, for nobody to read (a tenth of the time of hex, measured). At most a few hundred bytes. */
export function binary(bytes: Bytes): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[])
}

/** The inverse of `binary`. */
export function fromBinary(text: string): Bytes {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function hex(bytes: Bytes): string {
  let out = ''
  for (const byte of bytes) out += HEX[byte]
  return out
}

/** Lower-case hex only; throws `HEX_INVALID`. `length` is in bytes. */
export function fromHex(text: string, length?: number): Bytes {
  if (!/^(?:[0-9a-f]{2})*$/.test(text) || (length !== undefined && text.length !== 2 * length))
    throw new LianzhengError('HEX_INVALID', {
      expected: length === undefined ? 'lower-case hex' : `${2 * length} lower-case hex digits`
    })
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return out
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const URL_SAFE = `${STANDARD.slice(0, 62)}-_`

function encode64(bytes: Bytes, alphabet: string): string {
  let out = ''
  let i = 0
  for (; i + 2 < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    out += alphabet[group >> 18]! + alphabet[(group >> 12) & 63]! + alphabet[(group >> 6) & 63]! + alphabet[group & 63]!
  }
  const left = bytes.length - i
  if (left === 1) {
    const group = bytes[i]! << 16
    out += alphabet[group >> 18]! + alphabet[(group >> 12) & 63]!
  } else if (left === 2) {
    const group = (bytes[i]! << 16) | (bytes[i + 1]! << 8)
    out += alphabet[group >> 18]! + alphabet[(group >> 12) & 63]! + alphabet[(group >> 6) & 63]!
  }
  return out
}

function inverse(alphabet: string): Int8Array {
  const table = new Int8Array(128).fill(-1)
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i
  return table
}
const FROM_STANDARD = inverse(STANDARD)
const FROM_URL_SAFE = inverse(URL_SAFE)

/** Unpadded digits to bytes, or undefined where a digit is foreign, the length impossible or a spare bit set. */
function decode64(digits: string, table: Int8Array): Bytes | undefined {
  if (digits.length % 4 === 1) return undefined
  const out = new Uint8Array(Math.floor((digits.length * 3) / 4))
  let at = 0
  let bits = 0
  let held = 0
  for (let i = 0; i < digits.length; i++) {
    const code = digits.charCodeAt(i)
    const value = code < 128 ? table[code]! : -1
    if (value < 0) return undefined
    bits = ((bits << 6) | value) & 0xffff
    held += 6
    if (held >= 8) {
      held -= 8
      out[at++] = (bits >> held) & 0xff
    }
  }
  return (bits & ((1 << held) - 1)) === 0 ? out : undefined
}

/** RFC 4648 §4 with padding, as C2SP texts use it. */
export function base64(bytes: Bytes): string {
  const digits = encode64(bytes, STANDARD)
  return digits + '='.repeat((4 - (digits.length % 4)) % 4)
}

/** Canonical padded base64 only; throws `BASE64_INVALID`. `length` is in bytes. */
export function fromBase64(text: string, length?: number): Bytes {
  const digits = text.replace(/={1,2}$/, '')
  const bytes =
    text.length % 4 === 0 && text.length - digits.length === (4 - (digits.length % 4)) % 4
      ? decode64(digits, FROM_STANDARD)
      : undefined
  if (bytes === undefined || (length !== undefined && bytes.length !== length))
    throw new LianzhengError('BASE64_INVALID', {
      expected: length === undefined ? 'padded base64' : `padded base64 of ${length} bytes`
    })
  return bytes
}

/** RFC 4648 §5 without padding, as JSON and URLs use it here. */
export function base64url(bytes: Bytes): string {
  return encode64(bytes, URL_SAFE)
}

/** Canonical unpadded base64url only; throws `BASE64URL_INVALID`. `length` is in bytes. */
export function fromBase64url(text: string, length?: number): Bytes {
  const bytes = decode64(text, FROM_URL_SAFE)
  if (bytes === undefined || (length !== undefined && bytes.length !== length))
    throw new LianzhengError('BASE64URL_INVALID', {
      expected: length === undefined ? 'unpadded base64url' : `unpadded base64url of ${length} bytes`
    })
  return bytes
}

/** 8 bytes big-endian of a safe non-negative integer (`u64(n)` in formats.md). */
export function u64(value: number): Bytes {
  const out = new Uint8Array(8)
  const view = new DataView(out.buffer)
  view.setUint32(0, Math.floor(value / 2 ** 32))
  view.setUint32(4, value % 2 ** 32)
  return out
}

/** The inverse of `u64`; undefined where the value is 2^53 or more. */
export function fromU64(bytes: Bytes, at = 0): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8)
  const value = view.getUint32(0) * 2 ** 32 + view.getUint32(4)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Minimal LEB128 of a safe non-negative integer. */
export function uvarint(value: number): Bytes {
  const out: number[] = []
  let rest = value
  while (rest >= 128) {
    out.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  out.push(rest)
  return Uint8Array.from(out)
}
