/**
 * A client that believes nothing it has not verified. It remembers the last checkpoint of every log it has seen and refuses to go back
 * (golang's sumdb client is the model): two heads that do not extend one another are kept as evidence in the error.
 */
import { importJWK, SignJWT } from 'jose'
import { type Bytes, base64url, equalBytes, fromBase64url } from '../core/bytes.ts'
import { parseCheckpoint } from '../core/checkpoint.ts'
import { CODES, type Code, LianzhengError } from '../core/errors.ts'
import { checkConsistency } from '../core/merkle.ts'
import { parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { type CertificateReport, verifyCertificate } from '../verify/certificate.ts'
import type { GivenFile } from '../verify/receipt.ts'
import { type ReceiptReport, verifyReceipt } from '../verify/receipt.ts'
import type { Key } from './keyfile.ts'

/** Where heads seen are kept, by origin: the signed note. */
export interface HeadMemory {
  get(origin: string): Promise<string | undefined>
  set(origin: string, note: string): Promise<void>
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

export interface ClientOptions {
  /** Base URL of the node. */
  url: string
  /** Signs the bearer tokens of restricted reads. */
  key?: Key
  memory?: HeadMemory
  /** Milliseconds since 1970. */
  clock?: () => number
  timeoutMs?: number
}

const TOKEN_SECONDS = 120

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

  /** The body as text. Throws the node's own refusal by its code, `UNREACHABLE`, or `ANSWER_INVALID`. */
  async text(path: string, init: { method?: string; body?: string; anonymous?: boolean } = {}): Promise<string> {
    return new TextDecoder().decode(await this.bytes(path, init))
  }

  async bytes(
    path: string,
    { method = 'GET', body, anonymous = false }: { method?: string; body?: string; anonymous?: boolean } = {}
  ): Promise<Bytes> {
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
      answer = new Uint8Array(await response.arrayBuffer())
    } catch (cause) {
      throw new LianzhengError('UNREACHABLE', { at: this.#url, cause })
    }
    if (!response.ok) throw refusalOf(answer, response.status)
    return answer
  }

  async json<T>(path: string, init: { method?: string; body?: string; anonymous?: boolean } = {}): Promise<T> {
    const text = await this.text(path, init)
    try {
      return JSON.parse(text) as T
    } catch (cause) {
      throw new LianzhengError('ANSWER_INVALID', { field: path, expected: 'JSON', cause })
    }
  }

  async #token(): Promise<string> {
    this.#node ??= (await this.json<{ name: string }>('/api/v1/status', { anonymous: true })).name
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

  logs(): Promise<LogInfo[]> {
    return this.json('/api/v1/logs', { anonymous: true })
  }

  /** What the registries of the node's logs say of the key. */
  async whoami(): Promise<Identity[]> {
    if (this.#options.key?.secret === undefined) throw new LianzhengError('AUTH_REQUIRED')
    return (await this.json<{ logs: Identity[] }>('/api/v1/whoami')).logs
  }

  /** Sends one record and checks the receipt that comes back: it must be of this statement and must not be broken. */
  async submit(
    statement: Bytes,
    disclosures: readonly Bytes[],
    policy: Policy,
    files: readonly GivenFile[] = []
  ): Promise<{ log: string; index: number; leaf: string; receipt: string; report: ReceiptReport }> {
    const body = JSON.stringify({ statement: base64url(statement), disclosures: disclosures.map(base64url) })
    const text = await this.text('/api/v1/records?wait=quorum&reply=receipt', { method: 'POST', body })
    const split = text.indexOf('"receipt":')
    if (split < 0) throw new LianzhengError('ANSWER_INVALID', { field: 'receipt' })
    const place = JSON.parse(`${text.slice(0, split)}"receipt":null}`) as { log: string; index: number; leaf: string }
    const receipt = `${text.slice(split + '"receipt":'.length, text.lastIndexOf('}'))}\n`
    const report = verifyReceipt(receipt, policy, { now: Math.floor(this.now / 1000), files })
    const sent = JSON.parse(receipt) as { statement: string; checkpoint: string }
    if (report.overall === 'broken' || sent.statement !== base64url(statement))
      throw new LianzhengError('ANSWER_INVALID', { field: 'receipt', expected: 'a receipt of what was sent' })
    await this.remember(sent.checkpoint)
    return { ...place, receipt, report }
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

  /** The whole certificate of a trail, verified. `page` members at a time where the trail is longer. */
  async trail(name: string, policy: Policy): Promise<{ certificate: string; report: CertificateReport }> {
    const certificate = await this.text(`/api/v1/trails/${encodeURIComponent(name)}`)
    const report = verifyCertificate(certificate, policy, { now: Math.floor(this.now / 1000) })
    if (report.trail !== name) throw new LianzhengError('ANSWER_INVALID', { field: 'trail', expected: name })
    for (const { checkpoint } of (JSON.parse(certificate) as { parts: { checkpoint: string }[] }).parts)
      await this.remember(checkpoint)
    return { certificate, report }
  }

  /** Compares a verified checkpoint with the last one seen of its log. Throws `HEAD_WENT_BACK`. */
  async remember(note: string): Promise<void> {
    const memory = this.#options.memory
    if (memory === undefined) return
    const next = parseCheckpoint(parseNote(note).text)
    const stored = await memory.get(next.origin)
    if (stored !== undefined) {
      const last = parseCheckpoint(parseNote(stored).text)
      const wentBack = () =>
        new LianzhengError('HEAD_WENT_BACK', { at: next.origin, expected: `a head that extends size ${last.size}` })
      if (next.size < last.size) throw wentBack()
      if (next.size === last.size) {
        if (!equalBytes(next.root, last.root)) throw wentBack()
        return
      }
      const log = next.origin.slice(next.origin.lastIndexOf('/') + 1)
      const { proof } = await this.json<{ proof: string[] }>(
        `/api/v1/logs/${log}/proofs/consistency?from=${last.size}&to=${next.size}`,
        { anonymous: true }
      )
      if (
        !checkConsistency(
          last.size,
          next.size,
          last.root,
          next.root,
          proof.map((hash) => fromBase64url(hash, 32))
        )
      )
        throw wentBack()
    }
    await memory.set(next.origin, note)
  }
}

/** A refusal by the node, under its own code where we know it. */
function refusalOf(answer: Bytes, status: number): LianzhengError {
  try {
    const problem = JSON.parse(new TextDecoder().decode(answer)) as {
      code?: string
      field?: string
      offset?: number
      expected?: string
      at?: string | number
    }
    if (problem.code !== undefined && problem.code in CODES) {
      const { field, offset, expected, at } = problem
      return new LianzhengError(problem.code as Code, {
        ...(field === undefined ? {} : { field }),
        ...(offset === undefined ? {} : { offset }),
        ...(expected === undefined ? {} : { expected }),
        ...(at === undefined ? {} : { at })
      })
    }
  } catch {
    // Not a problem document: said below by its status.
  }
  return new LianzhengError(status >= 500 ? 'UNREACHABLE' : 'ANSWER_INVALID', { expected: `not HTTP status ${status}` })
}
