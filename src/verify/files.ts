/**
 * The files that prove something: receipts (formats.md §9) and trail certificates (§10), read strictly and written exactly. Reading checks
 * members, kinds of value and canonical base64url; whether anything in them holds is `verify/receipt` and `verify/certificate`.
 */
import { type Bytes, base64url, fromBase64url } from '../core/bytes.ts'
import { type Code, LianzhengError } from '../core/errors.ts'
import { HASH_SIZE } from '../core/hash.ts'
import { type JsonObject, type JsonValue, parseStrictJson } from '../core/json.ts'

export const RECEIPT_FORMAT = 'lianzheng-receipt/v1'
export const TRAIL_FORMAT = 'lianzheng-trail/v1'

/** A statement with its index and its inclusion proof to the checkpoint. */
export interface ProvenEntry {
  index: number
  statement: Bytes
  inclusion: Bytes[]
}
export interface SealEntry extends ProvenEntry {
  /** A cosigned note whose last leaf is this seal. */
  checkpoint?: string
}
export interface KeyTrail {
  kid: Bytes
  count: number
  /** Absent exactly when `count` is 0. */
  root?: Bytes
  proof: Bytes
  /** An entry that stands in `authority` too has its index alone. */
  entries: { index: number; statement?: Bytes }[]
}
export interface Receipt {
  origin: string
  statement: Bytes
  disclosures: Bytes[]
  index: number
  inclusion: Bytes[]
  seal: SealEntry
  before?: SealEntry
  entered?: SealEntry
  authority: ProvenEntry[]
  keyTrails: KeyTrail[]
  checkpoint: string
  timestamps: { type: string; token: Bytes }[]
  /** For human readers; never trusted or shown by a verifier. */
  summary?: unknown
}
export interface TrailEntry {
  index: number
  statement: Bytes
  disclosures: Bytes[]
}
export interface TrailPart {
  origin: string
  checkpoint: string
  seal: SealEntry
  proof: Bytes
  count: number
  root?: Bytes
  /** Only for a partial listing: `entries` start at this member. */
  from?: number
  range?: Bytes[]
  consistency?: Bytes[]
  entries: TrailEntry[]
  seals: SealEntry[]
  authority: ProvenEntry[]
  keyTrails: KeyTrail[]
}
export interface Certificate {
  trail: string
  parts: TrailPart[]
}

/** One object of the file: takes its members one by one and refuses what is missing, unknown or of the wrong kind. */
export class Reader {
  readonly #object: JsonObject
  readonly #path: string
  readonly #code: Code

  constructor(value: JsonValue, path: string, code: Code, required: readonly string[], optional: readonly string[] = []) {
    this.#path = path
    this.#code = code
    if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.getPrototypeOf(value) !== null)
      throw this.refuse('', 'an object')
    this.#object = value as JsonObject
    for (const name of required) if (!(name in this.#object)) throw this.refuse(name, 'a required member')
    for (const name of Object.keys(this.#object))
      if (!required.includes(name) && !optional.includes(name)) throw this.refuse(name, 'no unknown member')
  }

  refuse(name: string, expected: string): LianzhengError {
    const field = name === '' ? this.#path : this.#path === '' ? name : `${this.#path}.${name}`
    return new LianzhengError(this.#code, { field, expected })
  }
  has(name: string): boolean {
    return name in this.#object
  }
  get(name: string): JsonValue {
    return this.#object[name]!
  }
  text(name: string): string {
    const value = this.#object[name]
    if (typeof value !== 'string') throw this.refuse(name, 'text')
    return value
  }
  number(name: string): number {
    const value = this.#object[name]
    if (typeof value !== 'number') throw this.refuse(name, 'a plain integer in [0, 2^53)')
    return value
  }
  bytes(name: string, length?: number): Bytes {
    return this.decode(name, this.text(name), length)
  }
  decode(name: string, text: JsonValue, length?: number): Bytes {
    try {
      if (typeof text === 'string') return fromBase64url(text, length)
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
    }
    throw this.refuse(name, length === undefined ? 'canonical base64url' : `canonical base64url of ${length} bytes`)
  }
  list<T>(name: string, read: (value: JsonValue, path: string) => T): T[] {
    const value = this.#object[name]
    if (!Array.isArray(value)) throw this.refuse(name, 'an array')
    const path = this.#path === '' ? name : `${this.#path}.${name}`
    return value.map((item, i) => read(item, `${path}[${i}]`))
  }
  hashes(name: string): Bytes[] {
    const value = this.#object[name]
    if (!Array.isArray(value)) throw this.refuse(name, 'an array')
    return value.map((item, i) => this.decode(`${name}[${i}]`, item, HASH_SIZE))
  }
  strings(name: string): Bytes[] {
    const value = this.#object[name]
    if (!Array.isArray(value)) throw this.refuse(name, 'an array')
    return value.map((item, i) => this.decode(`${name}[${i}]`, item))
  }
}

function readProven(value: JsonValue, path: string, code: Code): ProvenEntry {
  const from = new Reader(value, path, code, ['index', 'statement', 'inclusion'])
  return { index: from.number('index'), statement: from.bytes('statement'), inclusion: from.hashes('inclusion') }
}

export function readSeal(value: JsonValue, path: string, code: Code): SealEntry {
  const from = new Reader(value, path, code, ['index', 'statement', 'inclusion'], ['checkpoint'])
  return {
    index: from.number('index'),
    statement: from.bytes('statement'),
    inclusion: from.hashes('inclusion'),
    ...(from.has('checkpoint') ? { checkpoint: from.text('checkpoint') } : {})
  }
}

function readKeyTrail(value: JsonValue, path: string, code: Code): KeyTrail {
  const from = new Reader(value, path, code, ['kid', 'count', 'proof', 'entries'], ['root'])
  const count = from.number('count')
  return {
    kid: from.bytes('kid', HASH_SIZE),
    count,
    ...readRoot(from, count),
    proof: from.bytes('proof'),
    entries: from.list('entries', (item, at) => {
      const entry = new Reader(item, at, code, ['index'], ['statement'])
      return { index: entry.number('index'), ...(entry.has('statement') ? { statement: entry.bytes('statement') } : {}) }
    })
  }
}

function readRoot(from: Reader, count: number): { root?: Bytes } {
  if (from.has('root') !== count > 0) throw from.refuse('root', count > 0 ? 'the root' : 'no root where count is 0')
  return count > 0 ? { root: from.bytes('root', HASH_SIZE) } : {}
}

/** Throws `RECEIPT_INVALID` or `JSON_INVALID`. */
export function parseReceipt(text: string): Receipt {
  return readReceipt(parseStrictJson(text))
}

/** As `parseReceipt`, of strict JSON that has been parsed. */
export function readReceipt(value: JsonValue): Receipt {
  const code = 'RECEIPT_INVALID'
  requireVersion(value, RECEIPT_FORMAT)
  const members = [
    'format',
    'origin',
    'statement',
    'disclosures',
    'index',
    'inclusion',
    'seal',
    'authority',
    'keyTrails',
    'checkpoint'
  ]
  const from = new Reader(value, '', code, members, ['before', 'entered', 'timestamps', 'summary'])
  if (from.text('format') !== RECEIPT_FORMAT) throw from.refuse('format', RECEIPT_FORMAT)
  return {
    origin: from.text('origin'),
    statement: from.bytes('statement'),
    disclosures: from.strings('disclosures'),
    index: from.number('index'),
    inclusion: from.hashes('inclusion'),
    seal: readSeal(from.get('seal'), 'seal', code),
    ...(from.has('before') ? { before: readSeal(from.get('before'), 'before', code) } : {}),
    ...(from.has('entered') ? { entered: readSeal(from.get('entered'), 'entered', code) } : {}),
    authority: from.list('authority', (item, at) => readProven(item, at, code)),
    keyTrails: from.list('keyTrails', (item, at) => readKeyTrail(item, at, code)),
    checkpoint: from.text('checkpoint'),
    timestamps: from.has('timestamps')
      ? from.list('timestamps', (item, at) => {
          const stamp = new Reader(item, at, code, ['type', 'token'])
          return { type: stamp.text('type'), token: stamp.bytes('token') }
        })
      : []
  }
}

/** Throws `CERTIFICATE_INVALID` or `JSON_INVALID`. */
export function parseCertificate(text: string): Certificate {
  return readCertificate(parseStrictJson(text))
}

/** As `parseCertificate`, of strict JSON that has been parsed. */
export function readCertificate(value: JsonValue): Certificate {
  const code = 'CERTIFICATE_INVALID'
  requireVersion(value, TRAIL_FORMAT)
  const from = new Reader(value, '', code, ['format', 'trail', 'parts'])
  if (from.text('format') !== TRAIL_FORMAT) throw from.refuse('format', TRAIL_FORMAT)
  return { trail: from.text('trail'), parts: from.list('parts', (item, at) => readPart(item, at, code)) }
}

export function readPart(value: JsonValue, path: string, code: Code): TrailPart {
  const members = ['origin', 'checkpoint', 'seal', 'proof', 'count', 'entries', 'seals', 'authority', 'keyTrails']
  const partial = ['from', 'range', 'consistency']
  const from = new Reader(value, path, code, members, ['root', ...partial])
  const given = partial.filter((name) => from.has(name))
  if (given.length !== 0 && given.length !== partial.length)
    throw from.refuse('from', '`from`, `range` and `consistency` together')
  const count = from.number('count')
  return {
    origin: from.text('origin'),
    checkpoint: from.text('checkpoint'),
    seal: readSeal(from.get('seal'), `${path}.seal`, code),
    proof: from.bytes('proof'),
    count,
    ...readRoot(from, count),
    ...(given.length === 0
      ? {}
      : { from: from.number('from'), range: from.hashes('range'), consistency: from.hashes('consistency') }),
    entries: from.list('entries', (item, at) => {
      const entry = new Reader(item, at, code, ['index', 'statement', 'disclosures'])
      return { index: entry.number('index'), statement: entry.bytes('statement'), disclosures: entry.strings('disclosures') }
    }),
    seals: from.list('seals', (item, at) => readSeal(item, at, code)),
    authority: from.list('authority', (item, at) => readProven(item, at, code)),
    keyTrails: from.list('keyTrails', (item, at) => readKeyTrail(item, at, code))
  }
}

/** One of our files as text: bytes as base64url, one member a line. */
export function formatFile(value: unknown): string {
  // `this[name]` and not the value: a Buffer has by then turned itself into something else.
  function plain(this: Record<string, unknown>, name: string, inner: unknown): unknown {
    const raw = this[name]
    return raw instanceof Uint8Array ? base64url(raw) : inner
  }
  return `${JSON.stringify(value, plain, 1)}\n`
}

export function formatReceipt(receipt: Receipt): string {
  return formatFile({ format: RECEIPT_FORMAT, ...receipt })
}

export function formatCertificate(certificate: Certificate): string {
  return formatFile({ format: TRAIL_FORMAT, ...certificate })
}

export type FileKind = 'receipt' | 'trail' | 'contradiction'

/** Which of ours a text claims to be, in whatever version; undefined for anything else. Throws `JSON_INVALID`. */
export function fileKind(text: string): FileKind | undefined {
  return /^lianzheng-(receipt|trail|contradiction)\/v[0-9]+$/.exec(formatOf(parseStrictJson(text)) ?? '')?.[1] as
    | FileKind
    | undefined
}

function formatOf(value: JsonValue): string | undefined {
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined
  return typeof format === 'string' ? format : undefined
}

/** Of another version it cannot be told whether anything is wrong. Throws `FORMAT_VERSION_UNKNOWN`; other formats are for the reader to refuse. */
export function requireVersion(value: JsonValue, known: string): void {
  const format = formatOf(value)
  const name = known.slice(0, known.lastIndexOf('/') + 1)
  if (format !== undefined && format !== known && format.startsWith(name) && /^v[0-9]+$/.test(format.slice(name.length)))
    throw new LianzhengError('FORMAT_VERSION_UNKNOWN', { field: 'format', expected: known })
}
