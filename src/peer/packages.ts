/**
 * What a mirror is sent of a log's entries (C2SP tlog-mirror, add-entries), read as it arrives.
 *
 *   body      u16(length) ‖ origin ‖ u64(start) ‖ u64(end) ‖ u16(length) ‖ ticket ‖ package*
 *   package   (u16(length) ‖ entry)* ‖ u8(count) ‖ hash{count}              count ≤ 63
 *   info      size ‖ U+000A ‖ next entry ‖ U+000A ‖ base64(ticket) ‖ U+000A
 *
 * Package i holds the entries of [start, end) in [R + 256i, R + 256(i + 1)), R = start rounded down to 256, and the proof that
 * [R + 256i, its end) is part of the tree of size end (subtree.ts). A body holds a prefix of the packages.
 */
import { type Bytes, base64, concat, fromBase64, fromU64, fromUtf8, u64, utf8 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { HASH_SIZE } from '../core/hash.ts'
import { MAX_PROOF } from './messages.ts'

export const PACKAGE = 256
/** A client sends no more packages at once (tlog-mirror). */
export const MAX_PACKAGES = 32

export interface Upload {
  origin: string
  start: number
  end: number
  ticket: Bytes
}

export interface EntryPackage {
  entries: Bytes[]
  proof: Bytes[]
}

/** The canonical sequence: for each package the first leaf of its subtree, its first entry and its end. */
export function* packagesOf(start: number, end: number): Iterable<{ from: number; start: number; end: number }> {
  for (let from = start - (start % PACKAGE); from < end; from += PACKAGE)
    yield { from, start: Math.max(start, from), end: Math.min(end, from + PACKAGE) }
}

const u16 = (value: number): Bytes => Uint8Array.of(Math.floor(value / 256), value % 256)

export function encodeUpload({ origin, start, end, ticket }: Upload): Bytes {
  const name = utf8(origin)
  return concat(u16(name.length), name, u64(start), u64(end), u16(ticket.length), ticket)
}

export function encodePackage({ entries, proof }: EntryPackage): Bytes {
  return concat(...entries.flatMap((entry) => [u16(entry.length), entry]), Uint8Array.of(proof.length), ...proof)
}

/** Takes a body apart while it arrives; holds no more of it than is asked for at once. */
export class UploadReader {
  readonly #chunks: AsyncIterator<Bytes>
  #held: Bytes[] = []
  #length = 0

  constructor(body: AsyncIterable<Bytes>) {
    this.#chunks = body[Symbol.asyncIterator]()
  }

  /** Undefined where the body ends before. A body that breaks off has ended. */
  async #take(length: number): Promise<Bytes | undefined> {
    while (this.#length < length) {
      const next = await this.#chunks.next().catch(() => ({ done: true, value: undefined }) as const)
      if (next.done === true) return undefined
      this.#held.push(next.value)
      this.#length += next.value.length
    }
    const all = this.#held.length === 1 ? this.#held[0]! : concat(...this.#held)
    this.#held = [all.subarray(length)]
    this.#length -= length
    return all.subarray(0, length)
  }

  async #sized(): Promise<Bytes | undefined> {
    const length = await this.#take(2)
    return length === undefined ? undefined : this.#take(length[0]! * 256 + length[1]!)
  }

  /** Throws `BODY_INVALID`. */
  async upload(): Promise<Upload> {
    const origin = await this.#sized()
    const sizes = await this.#take(16)
    const ticket = await this.#sized()
    if (origin === undefined || sizes === undefined || ticket === undefined)
      throw new LianzhengError('BODY_INVALID', { expected: 'origin, start, end and ticket' })
    const [start, end] = [fromU64(sizes), fromU64(sizes, 8)]
    if (start === undefined || end === undefined || start > end)
      throw new LianzhengError('BODY_INVALID', { field: 'start', expected: 'start ≤ end < 2^53' })
    return { origin: textOf(origin), start, end, ticket }
  }

  /** Undefined where the body ends before the package does. */
  async package(count: number): Promise<EntryPackage | undefined> {
    const entries: Bytes[] = []
    for (let i = 0; i < count; i++) {
      const entry = await this.#sized()
      if (entry === undefined) return undefined
      entries.push(entry)
    }
    const hashes = await this.#take(1)
    if (hashes === undefined) return undefined
    if (hashes[0]! > MAX_PROOF)
      throw new LianzhengError('BODY_INVALID', { field: 'proof', expected: `at most ${MAX_PROOF} hashes` })
    const all = await this.#take(hashes[0]! * HASH_SIZE)
    if (all === undefined) return undefined
    const proof = Array.from({ length: hashes[0]! }, (_, i) => all.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE))
    return { entries, proof }
  }
}

function textOf(bytes: Bytes): string {
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw new LianzhengError('BODY_INVALID', { field: 'origin', expected: 'UTF-8', cause })
  }
}

/** Where an upload may go on: body of 202 and 409. */
export interface MirrorInfo {
  size: number
  next: number
  ticket: Bytes
}

export function formatMirrorInfo({ size, next, ticket }: MirrorInfo): string {
  return `${size}\n${next}\n${base64(ticket)}\n`
}

/** Throws `ANSWER_INVALID`. */
export function parseMirrorInfo(body: Bytes): MirrorInfo {
  try {
    const match = /^(0|[1-9][0-9]{0,15})\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]*)\n$/.exec(fromUtf8(body))
    const [size, next] = [Number(match?.[1]), Number(match?.[2])]
    if (match !== null && Number.isSafeInteger(size) && Number.isSafeInteger(next))
      return { size, next, ticket: fromBase64(match[3]!) }
  } catch {
    // Said below.
  }
  throw new LianzhengError('ANSWER_INVALID', { field: 'mirror-info', expected: 'size, next entry and ticket' })
}
