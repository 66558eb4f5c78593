/**
 * A client that believes nothing it has not verified. It remembers the last checkpoint of every log it has seen and refuses to go back
 * (golang's sumdb client is the model): two heads that do not extend one another are kept as evidence in the error.
 */
import { importJWK, SignJWT } from 'jose'
import { type Bytes, base64url, concat, equalBytes, fromBase64url } from '../core/bytes.ts'
import { type CborMap, decodeCbor } from '../core/cbor.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { CODES, type Code, LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { nodeNameOf } from '../core/keys.ts'
import { checkConsistency } from '../core/merkle.ts'
import { isBy, keyLabel, parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { decodeHandout } from '../core/promise.ts'
import { evaluatePolicy } from '../core/quorum.ts'
import { decodeStatement } from '../core/statement.ts'
import { holdsTrail } from '../records/ids.ts'
import { type CertificateReport, verifyCertificate } from '../verify/certificate.ts'
import { contradictionOf, formatContradiction } from '../verify/contradiction.ts'
import { formatCertificate, parseCertificate, parseReceipt, type TrailPart } from '../verify/files.ts'
import { headsOf } from '../verify/heads.ts'
import type { GivenFile } from '../verify/receipt.ts'
import { type ReceiptReport, verifyReceipt } from '../verify/receipt.ts'
import type { Key } from './keyfile.ts'

/**
 * Where heads seen are kept: the signed note of each log, by the log's name and key (`<origin>+<8 hex>`). Two networks that gave a log of theirs the
 * same name have not contradicted each other.
 */
export interface HeadMemory {
  get(log: string): Promise<string | undefined>
  set(log: string, note: string): Promise<void>
  /** Keeps a head that contradicts the one remembered, beside it, and the contradiction file where there is one. Gives the places of all of them. */
  contradicts?(log: string, note: string, contradiction?: string): Promise<string[]>
}

export interface LogInfo {
  name: string
  origin: string
  class: string | string[]
  url: string
  vkeys: string[]
  size: number
  policy: string
}

export interface Identity {
  log: string
  origin: string
  classes: string[]
  org: string
  staff?: string
  roles: string[]
}

export interface RegistryInfo {
  origin: string
  operator: string
  /** How many organisations must agree to a change. */
  control: number
  catalogue: { inForce: number; known: number }
  members: { name: string; org: string; role: string; vkey: string; 'vkey-mldsa44'?: string }[]
  node: { generation: number; keys: { [purpose: string]: string } }
  /** The node's next keys, public halves. */
  next: { generation: number; keys: { [purpose: string]: string } }
  pending: { leaf: string; type: string; orgs: string[]; body: { [name: string]: unknown } }[]
  keys: {
    kid: string
    org: string
    staff?: string
    roles: string[]
    notBefore?: number
    notAfter?: number
    activeFrom?: number
    revoked?: { index: number; compromisedSince?: number }
  }[]
}

export interface ClientOptions {
  /** Base URL of the node. */
  url: string
  /** Signs the bearer tokens of restricted reads. */
  key?: Key
  /** Where the nodes of the policy are: a token is never signed for one of them that answers at another address. */
  policy?: Policy
  memory?: HeadMemory
  /** Milliseconds since 1970. */
  clock?: () => number
  timeoutMs?: number
}

export interface Submission {
  statement: Bytes
  disclosures: readonly Bytes[]
  /** Compared with what the receipt says. */
  files?: readonly GivenFile[]
}

/** What became of a submission: a receipt, or, while other institutions have yet to cosign, a promise (formats.md §12). */
export type Answered = { log: string; index: number; leaf: string } & (
  | { receipt: string; report: ReceiptReport; promise?: undefined }
  | { promise: Bytes; receipt?: undefined; report?: undefined }
)

const TOKEN_SECONDS = 120
const BRACE = 0x7b
/** Of a refusal in base64url; they have some 400 bytes. */
const MAX_REFUSAL = 4_096

/** Bytes of an answer at most: an entry bundle, the largest of the usual ones, has 256 statements of up to 64 KiB. */
const LARGEST = 32 * 1024 * 1024
/** One part of a trail: 1,000 entries with their disclosures. */
const LARGEST_TRAIL = 256 * 1024 * 1024

/** Milliseconds that another node, whose part alone is at stake, is waited for. */
const ELSEWHERE_MS = 10_000

interface Asking {
  method?: string
  body?: string
  anonymous?: boolean
  /** Bytes of the answer at most. */
  largest?: number
}

export class LedgerClient {
  readonly #url: string
  readonly #options: ClientOptions
  #node: string | undefined

  constructor(options: ClientOptions) {
    this.#options = options
    this.#url = options.url.replace(/\/+$/, '')
  }

  get now(): number {
    return (this.#options.clock ?? Date.now)()
  }

  /** The body as text. Throws the node's own refusal by its code, `UNREACHABLE`, `ANSWER_TOO_LARGE`, or `ANSWER_INVALID`. */
  async text(path: string, init: Asking = {}): Promise<string> {
    return new TextDecoder().decode(await this.bytes(path, init))
  }

  async bytes(path: string, { method = 'GET', body, anonymous = false, largest = LARGEST }: Asking = {}): Promise<Bytes> {
    const headers: Record<string, string> = {}
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (!anonymous && this.#options.key?.secret !== undefined) headers.authorization = `Bearer ${await this.#token()}`
    let response: Response
    let answer: Bytes
    try {
      response = await fetch(this.#url + path, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(this.#options.timeoutMs ?? 60_000)
      })
      answer = await readUpTo(response, largest, path)
    } catch (cause) {
      if (cause instanceof LianzhengError) throw cause
      throw new LianzhengError('UNREACHABLE', { at: this.#url, cause })
    }
    if (!response.ok) throw refusalOf(answer, response.status)
    return answer
  }

  async json<T>(path: string, init: Asking = {}): Promise<T> {
    const text = await this.text(path, init)
    try {
      return JSON.parse(text) as T
    } catch (cause) {
      throw new LianzhengError('ANSWER_INVALID', { field: path, expected: 'JSON', cause })
    }
  }

  async #token(): Promise<string> {
    this.#node ??= await this.#nodeName()
    const { kid, publicKey, secret } = this.#options.key!
    const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: base64url(publicKey), d: base64url(secret!.seed) }, 'EdDSA')
    const iat = Math.floor(this.now / 1000)
    return new SignJWT({})
      .setProtectedHeader({ alg: 'EdDSA', kid })
      .setAudience(this.#node)
      .setIssuedAt(iat)
      .setExpirationTime(iat + TOKEN_SECONDS)
      .sign(key)
  }

  async #nodeName(): Promise<string> {
    const { name } = await this.json<{ name: unknown }>('/api/v1/status', { anonymous: true })
    if (typeof name !== 'string') throw new LianzhengError('ANSWER_INVALID', { field: 'name', expected: 'the name of the node' })
    // A node that takes another's name would be handed a token that is good there. This machine itself is trusted to be no such node.
    const places = (this.#options.policy?.logs ?? []).filter(
      ({ vkey, url }) => nodeNameOf(vkey.name) === name && url !== undefined
    )
    const near = /^https?:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?:[:/]|$)/.test(this.#url)
    if (!near && places.length > 0 && !places.some(({ url }) => url!.startsWith(`${this.#url}/`)))
      throw new LianzhengError('ANSWER_INVALID', {
        field: 'name',
        at: this.#url,
        expected: `${name} at ${places[0]!.url}, as the policy says`
      })
    return name
  }

  async logs(): Promise<LogInfo[]> {
    return list('logs', await this.json<LogInfo[]>('/api/v1/logs', { anonymous: true }))
  }

  /** What stands in a log's registry, as the node tells it. */
  async registry(log: string): Promise<RegistryInfo> {
    const answer = await this.json<RegistryInfo>(`/api/v1/logs/${encodeURIComponent(log)}/registry`)
    for (const field of ['keys', 'members', 'pending'] as const) list<unknown>(field, answer[field])
    return answer
  }

  /** What the registries of the node's logs say of the key. */
  async whoami(): Promise<Identity[]> {
    if (this.#options.key?.secret === undefined) throw new LianzhengError('AUTH_REQUIRED')
    return list('logs', (await this.json<{ logs: Identity[] }>('/api/v1/whoami')).logs)
  }

  /**
   * Sends one record and checks what comes back: a receipt of this statement that is not broken, or a promise of it. A refusal by the log is thrown
   * with `refusal` in its detail.
   */
  async submit(
    statement: Bytes,
    disclosures: readonly Bytes[],
    policy: Policy,
    files: readonly GivenFile[] = []
  ): Promise<Answered> {
    const body = JSON.stringify({ statement: base64url(statement), disclosures: disclosures.map(base64url) })
    const text = await this.text('/api/v1/records?wait=quorum&reply=receipt', { method: 'POST', body })
    const promised = promiseIn(held('promise', () => JSON.parse(text) as { [name: string]: unknown }))
    if (promised !== undefined) return promisedOf(promised, statement)
    return this.#received(receiptIn(text), { statement, disclosures, files }, policy)
  }

  /**
   * Sends many records in one request. For each, in order: what `submit` would give, or the node's refusal. Throws where there is no answer for
   * every one; then it is not known what entered, and sending the same statements again finds out.
   */
  async submitAll(records: readonly Submission[], policy: Policy): Promise<(Answered | LianzhengError)[]> {
    const body = JSON.stringify(
      records.map(({ statement, disclosures }) => ({ statement: base64url(statement), disclosures: disclosures.map(base64url) }))
    )
    const path = '/api/v1/records?wait=quorum&reply=receipt'
    const answers = list('records', await this.json<{ [name: string]: unknown }[]>(path, { method: 'POST', body }))
    if (answers.length !== records.length)
      throw new LianzhengError('ANSWER_INVALID', { field: 'records', expected: `${records.length} answers` })
    const results: (Answered | LianzhengError)[] = []
    for (const [i, record] of records.entries()) {
      const answer = answers[i]
      if (typeof answer !== 'object' || answer === null)
        throw new LianzhengError('ANSWER_INVALID', { field: `records[${i}]`, expected: 'an object' })
      const promised = promiseIn(answer)
      if (promised !== undefined) results.push(promisedOf(promised, record.statement))
      // What is verified and kept is the text written here.
      else if (answer.receipt !== undefined)
        results.push(await this.#received(`${JSON.stringify(answer.receipt, null, 1)}\n`, record, policy))
      else
        results.push(problemIn(answer) ?? new LianzhengError('ANSWER_INVALID', { field: `records[${i}]`, expected: 'a receipt' }))
    }
    return results
  }

  /** A receipt of what was sent, with all that was disclosed. */
  async #received(receipt: string, { statement, disclosures, files }: Submission, policy: Policy): Promise<Answered> {
    const { index, report } = await this.#checkReceipt(receipt, leafHash(statement), policy, files)
    const { origin, disclosures: shown } = parseReceipt(receipt)
    if (!disclosures.every((one) => shown.some((other) => equalBytes(one, other))))
      throw new LianzhengError('ANSWER_INVALID', { field: 'receipt.disclosures', expected: 'the disclosures that were sent' })
    return { log: logOf(origin), index, leaf: base64url(leafHash(statement)), receipt, report }
  }

  /** The receipt of a statement by its leaf hash, from the log of this origin. */
  async receipt(origin: string, leaf: Bytes, policy: Policy): Promise<Extract<Answered, { receipt: string }>> {
    const log = logOf(origin)
    const receipt = await this.text(`/api/v1/logs/${log}/records/${base64url(leaf)}/receipt`)
    return { log, leaf: base64url(leaf), receipt, ...(await this.#checkReceipt(receipt, leaf, policy)) }
  }

  async #checkReceipt(receipt: string, leaf: Bytes, policy: Policy, files: readonly GivenFile[] = []) {
    const now = Math.floor(this.now / 1000)
    const report = held('receipt', () => verifyReceipt(receipt, policy, { now, files }))
    const { index, checkpoint, statement } = parseReceipt(receipt)
    if (report.overall === 'broken' || !equalBytes(leafHash(statement), leaf))
      throw new LianzhengError('ANSWER_INVALID', { field: 'receipt', expected: 'a receipt of what was sent' })
    await this.remember(checkpoint, policy)
    return { index, report }
  }

  /** Many records at once, without receipts: an answer for each, in order. */
  async submitMany(
    records: readonly { statement: Bytes; disclosures: readonly Bytes[] }[]
  ): Promise<({ status: number; index: number; leaf: string } | { code: Code })[]> {
    const body = JSON.stringify(
      records.map(({ statement, disclosures }) => ({ statement: base64url(statement), disclosures: disclosures.map(base64url) }))
    )
    return this.json('/api/v1/records?reply=index', { method: 'POST', body })
  }

  /**
   * The whole certificate of a trail, verified: a long trail comes in several parts, and other nodes of the policy may hold parts of their own. They
   * are put together. Throws `ANSWER_INVALID` where what comes is no certificate, or one of another trail.
   */
  async trail(
    name: string,
    policy: Policy,
    disclose?: readonly string[]
  ): Promise<{ certificate: string; report: CertificateReport }> {
    const own = await this.#gather(name, disclose)
    const parts = [...own]
    for (const { checkpoint } of own) await this.remember(checkpoint, policy)
    for (const url of this.#elsewhere(name, own, policy)) {
      const client = new LedgerClient({ ...this.#options, url, timeoutMs: ELSEWHERE_MS })
      const more = await client.#gather(name, disclose).catch(absent)
      for (const { checkpoint } of more) await client.remember(checkpoint, policy)
      parts.push(...more)
    }
    const certificate = formatCertificate({ trail: name, parts })
    const report = verifyCertificate(certificate, policy, { now: Math.floor(this.now / 1000) })
    return { certificate, report }
  }

  /** Other nodes that the policy names, whose logs can hold the trail too. */
  #elsewhere(name: string, parts: readonly TrailPart[], policy: Policy): Set<string> {
    const missing = policy.logs.filter(({ vkey: { name: origin } }) => {
      const rest = policy.rests.get(origin)
      return rest !== undefined && holdsTrail(name, origin, rest.classes) && !parts.some((part) => part.origin === origin)
    })
    const nodes = new Set(missing.flatMap(({ url }) => (url === undefined ? [] : [url.replace(/\/logs\/[^/]+\/?$/, '')])))
    nodes.delete(this.#url)
    return nodes
  }

  /** All that this node has of a trail. */
  async #gather(name: string, disclose: readonly string[] | undefined): Promise<TrailPart[]> {
    const parts: TrailPart[] = []
    for (let from: number | undefined = 0; from !== undefined; ) {
      const more: TrailPart[] = await this.#trailParts(name, from, disclose)
      parts.push(...more)
      // Asked for what comes next and given what was there before, one would ask for ever.
      const next = nextMember(more)
      from = next !== undefined && next > from ? next : undefined
    }
    return parts
  }

  async #trailParts(name: string, from: number, disclose: readonly string[] | undefined): Promise<TrailPart[]> {
    const query = new URLSearchParams()
    if (from > 0) query.set('from', String(from))
    if (disclose !== undefined) query.set('disclose', disclose.join(','))
    const path = `/api/v1/trails/${encodeURIComponent(name)}${query.size === 0 ? '' : `?${query}`}`
    const text = await this.text(path, { largest: LARGEST_TRAIL })
    const { trail, parts } = held('certificate', () => parseCertificate(text))
    if (trail !== name) throw new LianzhengError('ANSWER_INVALID', { field: 'trail', expected: name })
    return parts
  }

  /**
   * Compares a checkpoint with the last one seen of its log. One that no log key of the policy has signed says nothing of the log and is passed
   * over. Throws `HEAD_WENT_BACK`; both heads are kept.
   */
  async remember(note: string, policy: Policy): Promise<void> {
    const memory = this.#options.memory
    const head = memory === undefined ? undefined : signedHead(note, policy)
    if (memory === undefined || head === undefined) return
    const { log, checkpoint: next } = head
    const stored = await memory.get(log)
    const last = stored === undefined ? undefined : parseCheckpoint(parseNote(stored).text)
    if (last !== undefined && next.size < last.size && (await this.#provesOlder(next, last))) return
    if (last !== undefined && !(await this.#extends(last, next))) {
      const kept = (await memory.contradicts?.(log, note, contradictionBetween(stored!, note))) ?? []
      throw new LianzhengError('HEAD_WENT_BACK', {
        at: [next.origin, ...kept].join(' '),
        expected: `a head that extends size ${last.size}`
      })
    }
    if (last?.size !== next.size) await memory.set(log, note)
  }

  /** An older head than the one remembered is no contradiction while the node proves that the newer one extends it. */
  async #provesOlder(older: Checkpoint, newer: Checkpoint): Promise<boolean> {
    try {
      return await this.#extends(older, newer)
    } catch (error) {
      // A node that has lost its newest entries cannot prove anything about them.
      if (error instanceof LianzhengError && error.code !== 'UNREACHABLE') return false
      throw error
    }
  }

  async #extends(last: Checkpoint, next: Checkpoint): Promise<boolean> {
    if (next.size < last.size) return false
    if (next.size === last.size) return equalBytes(next.root, last.root)
    return checkConsistency(last.size, next.size, last.root, next.root, await this.consistency(next.origin, last.size, next.size))
  }

  /** The node's proof that the tree of `to` begins with that of `from`; whether it does is for the caller to check. */
  async consistency(origin: string, from: number, to: number): Promise<Bytes[]> {
    const path = `/api/v1/logs/${logOf(origin)}/proofs/consistency?from=${from}&to=${to}`
    const { proof } = await this.json<{ proof: string[] }>(path, { anonymous: true })
    return held('proof', () => proof.map((hash) => fromBase64url(hash, 32)))
  }

  /** The log's SCITT receipt (RFC 9942) of a statement by its leaf hash. */
  async scittReceipt(origin: string, leaf: Bytes): Promise<Bytes> {
    return this.bytes(`/logs/${logOf(origin)}/entries/${base64url(leaf)}`)
  }
}

/** The body, cut off as soon as it is larger than it may be: a server that never ends fills nobody's memory. Throws `ANSWER_TOO_LARGE`. */
async function readUpTo(response: Response, largest: number, path: string): Promise<Bytes> {
  const chunks: Bytes[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader!.read()) {
    size += part.value.length
    if (size > largest) {
      await reader!.cancel()
      throw new LianzhengError('ANSWER_TOO_LARGE', { field: path, expected: `at most ${largest} bytes` })
    }
    chunks.push(part.value)
  }
  return concat(...chunks)
}

/** What another node will not or cannot give is a missing part, and the report says so. What does not hold is an error. */
function absent(error: unknown): TrailPart[] {
  if (error instanceof LianzhengError && error.code !== 'ANSWER_INVALID') return []
  throw error
}

/** Where the next part starts, while some part of the last answer ends before its trail does. An answer without entries ends it. */
function nextMember(parts: readonly TrailPart[]): number | undefined {
  const ends = parts
    .filter(({ entries }) => entries.length > 0)
    .map(({ from = 0, entries, count }) => ({ end: from + entries.length, count }))
  const open = ends.filter(({ end, count }) => end < count).map(({ end }) => end)
  return open.length === 0 ? undefined : Math.min(...open)
}

/** The checkpoint of a note that a log key of the policy has signed, and no key of the policy has signed wrongly; `log` names the key. */
function signedHead(text: string, policy: Policy): { log: string; checkpoint: Checkpoint } | undefined {
  try {
    const note = parseNote(text)
    const checkpoint = parseCheckpoint(note.text)
    if (evaluatePolicy(policy, note, checkpoint).log !== 'verified') return undefined
    const own = policy.logs.filter(({ vkey }) => vkey.name === checkpoint.origin)
    const { vkey } = own.find(({ vkey }) => note.signatures.some((line) => isBy(line, vkey)))!
    return { log: keyLabel(vkey.name, vkey.id), checkpoint }
  } catch {
    return undefined
  }
}

/** Both heads are signed by the log: of one size, they convict it in a file of their own. */
function contradictionBetween(a: string, b: string): string | undefined {
  const found = contradictionOf(headsOf(a)[0]!, headsOf(b)[0]!)
  return found === undefined ? undefined : formatContradiction(found)
}

/** The promise in the answer to one submission, where it is not a receipt. */
function promiseIn({ status, index, promise }: { [name: string]: unknown }): { index: number; promise: string } | undefined {
  return status === 202 && typeof index === 'number' && typeof promise === 'string' ? { index, promise } : undefined
}

function promisedOf({ index, promise }: { index: number; promise: string }, statement: Bytes): Answered {
  const { aud } = decodeStatement(statement)
  return { log: logOf(aud), index, leaf: base64url(leafHash(statement)), promise: heldPromise(promise, statement) }
}

/** Of this very statement, by its log; whether by the log's promise key can be told only from a receipt that is final. */
function heldPromise(text: string, statement: Bytes): Bytes {
  const bytes = held('promise', () => fromBase64url(text))
  const handout = held('promise', () => decodeHandout(bytes))
  if (
    handout.kind !== 'promise' ||
    !equalBytes(handout.promise.leaf, leafHash(statement)) ||
    handout.aud !== decodeStatement(statement).aud
  )
    throw new LianzhengError('ANSWER_INVALID', { field: 'promise', expected: 'a promise of what was sent' })
  return bytes
}

/** The receipt in the answer to one submission, as the text that it is: what is verified and kept are those very bytes. */
function receiptIn(answer: string): string {
  const start = answer.indexOf('"receipt":')
  if (start < 0) throw new LianzhengError('ANSWER_INVALID', { field: 'receipt', expected: 'a receipt' })
  return `${answer.slice(start + '"receipt":'.length, answer.lastIndexOf('}'))}\n`
}

/** A log's name on its node: the last part of its origin. */
function logOf(origin: string): string {
  return origin.slice(origin.lastIndexOf('/') + 1)
}

function list<T>(field: string, value: T[]): T[] {
  if (!Array.isArray(value)) throw new LianzhengError('ANSWER_INVALID', { field, expected: 'an array' })
  return value
}

/** Whatever a node's answer makes stumble is the answer's fault. */
function held<T>(field: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new LianzhengError('ANSWER_INVALID', { field, cause })
  }
}

/** A refusal by the node, under its own code where we know it. What else it says is shown on terminals: plain short texts and numbers alone. */
function refusalOf(answer: Bytes, status: number): LianzhengError {
  let problem: unknown
  try {
    problem = answer[0] === BRACE ? JSON.parse(new TextDecoder().decode(answer)) : conciseProblem(answer)
  } catch {
    // Not a problem document: said below by its status.
  }
  return (
    problemIn(problem) ??
    new LianzhengError(status >= 500 ? 'UNREACHABLE' : 'ANSWER_INVALID', { expected: `not HTTP status ${status}` })
  )
}

function problemIn(value: unknown): LianzhengError | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const problem = value as { [name: string]: unknown }
  if (typeof problem.code !== 'string' || !Object.hasOwn(CODES, problem.code)) return undefined
  const place = ['field', 'offset', 'expected', 'at']
    .filter((name) => isPlain(problem[name]))
    .map((name) => [name, problem[name]])
  if (isEncoded(problem.refusal)) place.push(['refusal', problem.refusal])
  return new LianzhengError(problem.code as Code, Object.fromEntries(place))
}

/** Concise problem details (RFC 9290), which SCRAPI speaks. Throws for anything else. */
function conciseProblem(answer: Bytes): { code: unknown } {
  const own = (decodeCbor(answer) as CborMap).get('urn:lianzheng:problem') as CborMap
  return { code: own.get('code') }
}

function isEncoded(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_REFUSAL && /^[A-Za-z0-9_-]+$/.test(value)
}

function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return true
  return typeof value === 'string' && value.length <= 1_000 && !/\p{Cc}/u.test(value)
}
