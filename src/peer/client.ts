/**
 * One cosigner as a log sees it: sends it heads and, where it is a mirror, entries; gives back its cosignatures, each verified (C2SP tlog-witness,
 * tlog-mirror). It remembers how far the cosigner is, and believes what it says of that.
 */
import { type Bytes, concat, fromUtf8, utf8 } from '../core/bytes.ts'
import { type Checkpoint, readCheckpoint } from '../core/checkpoint.ts'
import { verifyCosignature } from '../core/cosignature.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { proveConsistency } from '../core/merkle.ts'
import { isBy, type NoteSignature, parseNote, type Vkey, verifyNoteSignature } from '../core/note.ts'
import { proveSubtree } from '../core/subtree.ts'
import type { Ledger } from '../log/ledger.ts'
import type { Role } from './cosigner.ts'
import { formatAddCheckpoint, parseSignatureLines } from './messages.ts'
import { encodePackage, encodeUpload, MAX_PACKAGES, type MirrorInfo, packagesOf, parseMirrorInfo } from './packages.ts'
import { originHash } from './witness.ts'

/** Bytes of entries in one request: some mirrors take no more than 20 MiB. */
const UPLOAD = 8 * 1024 * 1024
/** Of an answer: sixteen ML-DSA-44 lines are 54 kB. */
const MAX_ANSWER = 256 * 1024
/** Answers in a row that bring an upload no further. */
const PATIENCE = 3

export interface PeerAddress {
  name: string
  role: Role
  /** C2SP submission prefix. */
  url: string
  /** Its keys in this role, 04 and 06. */
  vkeys: readonly Vkey[]
}

/** A head signed by its log, and by nobody else yet. */
export interface SignedHead {
  note: string
  checkpoint: Checkpoint
}

export interface PeerClientOptions {
  peer: PeerAddress
  /** The log's own keys: a head that they have signed and this node does not have shows that it has lost its newest entries. */
  logVkey(): Vkey
  ledger(): Ledger
  timeoutMs: number
}

interface Answer {
  status: number
  type: string
  body: Bytes
}

export class PeerClient {
  readonly #options: PeerClientOptions
  /** Size of the tree the peer knows; undefined until it has said so. */
  #known: number | undefined
  /** First entry that a mirror lacks. */
  #next: number | undefined

  constructor(options: PeerClientOptions) {
    this.#options = options
  }

  get peer(): PeerAddress {
    return this.#options.peer
  }

  /** The peer's cosignatures of the head, at least one. Throws `UNREACHABLE` or `ANSWER_INVALID`; FatalError `STORE_DISAGREES` where the log was rolled back. */
  async cosign(head: SignedHead, stopped: AbortSignal): Promise<NoteSignature[]> {
    const added = await this.#addCheckpoint(head, stopped)
    return this.#verified(head, this.peer.role === 'witness' ? added : await this.#addEntries(head.checkpoint, stopped))
  }

  /** With a bad line of a known key the note would be broken for everyone, so what does not verify is left out. */
  #verified({ note, checkpoint }: SignedHead, body: Bytes): NoteSignature[] {
    const { text } = parseNote(note)
    const lines = held('cosignatures', () => parseSignatureLines(body)).filter((line) => {
      const vkey = this.peer.vkeys.find((known) => isBy(line, known))
      return vkey !== undefined && (verifyCosignature(text, checkpoint, line, vkey)?.timestamp ?? 0) > 0
    })
    if (lines.length === 0)
      throw new LianzhengError('ANSWER_INVALID', { at: this.peer.url, expected: `a cosignature of ${this.peer.name}` })
    return lines
  }

  async #addCheckpoint({ note, checkpoint: { size } }: SignedHead, stopped: AbortSignal): Promise<Bytes> {
    for (let tries = 0; ; tries++) {
      const old = Math.min(this.#known ?? 0, size)
      const proof = old === 0 || old === size ? [] : proveConsistency(old, size, this.#options.ledger().nodes(size))
      const answer = await this.#post('add-checkpoint', utf8(formatAddCheckpoint(old, proof, note)), 'text/plain', stopped)
      if (answer.status === 200) {
        this.#known = size
        return answer.body
      }
      const theirs = answer.status === 409 && answer.type === 'text/x.tlog.size' ? sizeIn(answer.body) : undefined
      if (theirs === undefined || tries === 1) throw this.#refusal(answer)
      if (theirs > size) await this.#refuseAhead(size, stopped)
      this.#known = theirs
    }
  }

  async #addEntries({ origin, size }: Checkpoint, stopped: AbortSignal): Promise<Bytes> {
    // Asked with nothing, a mirror says where to go on.
    let start = this.#next === undefined ? 0 : Math.min(this.#next, size)
    let end = this.#next === undefined ? 0 : size
    let ticket: Bytes = new Uint8Array(0)
    for (let idle = 0; idle < PATIENCE; ) {
      const body = await this.#uploadBody({ origin, start, end, ticket }, size)
      const answer = await this.#post('add-entries', body, 'application/octet-stream', stopped)
      if (answer.status === 200) {
        this.#next = size
        return answer.body
      }
      if (![202, 409].includes(answer.status) || answer.type !== 'text/x.tlog.mirror-info') throw this.#refusal(answer)
      const info: MirrorInfo = parseMirrorInfo(answer.body)
      const further = answer.status === 202 && info.next > start && info.next <= size
      idle = further ? 0 : idle + 1
      this.#next = info.next
      start = Math.min(info.next, size)
      end = size
      ticket = info.ticket
    }
    throw new LianzhengError('ANSWER_INVALID', { at: this.peer.url, expected: 'an upload that comes to an end' })
  }

  /** As many packages as one request may hold; between them others get their turn. */
  async #uploadBody(upload: { origin: string; start: number; end: number; ticket: Bytes }, size: number): Promise<Bytes> {
    const parts = [encodeUpload(upload)]
    let bytes = 0
    let packages = 0
    for (const { from, start, end } of packagesOf(upload.start, upload.end)) {
      if (packages === MAX_PACKAGES || bytes > UPLOAD) break
      const ledger = this.#options.ledger()
      const entries = Array.from({ length: end - start }, (_, i) => ledger.requireEntry(start + i))
      const part = encodePackage({ entries, proof: proveSubtree(from, end, size, ledger.nodes(size)) })
      parts.push(part)
      bytes += part.length
      packages++
      if (packages > 1) await new Promise((resolve) => setImmediate(resolve))
    }
    return concat(...parts)
  }

  /**
   * The peer knows more of this log than it was asked about. Shown a head that the log has signed and this node does not have, nothing more may be
   * written; one that came to the peer by another way, published meanwhile, is only newer.
   */
  async #refuseAhead(size: number, stopped: AbortSignal): Promise<never> {
    const logVkey = this.#options.logVkey()
    const expected = `a size of at most ${size}`
    const answer = await this.#request(`${originHash(logVkey.name)}/checkpoint`, { method: 'GET' }, stopped)
    if (answer.status === 200) {
      const note = held('checkpoint', () => parseNote(fromUtf8(answer.body)))
      const checkpoint = held('checkpoint', () => readCheckpoint(note.text))
      const own = note.signatures.find((line) => isBy(line, logVkey))
      if (
        checkpoint.size > this.#options.ledger().readHead().size &&
        own !== undefined &&
        verifyNoteSignature(note.text, own, logVkey)
      )
        throw new FatalError('STORE_DISAGREES', {
          field: 'm head',
          at: this.peer.url,
          expected: `the head of size ${checkpoint.size} that this log has signed`
        })
    }
    throw new LianzhengError('ANSWER_INVALID', { at: this.peer.url, expected })
  }

  #post(path: string, body: Bytes, type: string, stopped: AbortSignal): Promise<Answer> {
    return this.#request(path, { method: 'POST', headers: { 'content-type': type }, body: Buffer.from(body) }, stopped)
  }

  async #request(path: string, init: RequestInit, stopped: AbortSignal): Promise<Answer> {
    const at = `${this.peer.url}/${path}`
    // Taken off `stopped` again: what `AbortSignal.any` leaves on it stays as long as the node runs (75 bytes a request, measured).
    const request = new AbortController()
    const abort = () => request.abort()
    const timer = setTimeout(abort, this.#options.timeoutMs)
    stopped.addEventListener('abort', abort)
    try {
      stopped.throwIfAborted()
      const response = await fetch(at, { ...init, redirect: 'error', signal: request.signal })
      const [type = ''] = (response.headers.get('content-type') ?? '').split(/[; ]/)
      return { status: response.status, type, body: await bounded(response) }
    } catch (cause) {
      throw new LianzhengError('UNREACHABLE', { at, cause })
    } finally {
      clearTimeout(timer)
      stopped.removeEventListener('abort', abort)
    }
  }

  #refusal({ status, body }: Answer): LianzhengError {
    const code = /"code":\s*"([A-Z_]{1,40})"/.exec(new TextDecoder().decode(body.subarray(0, 4_096)))?.[1]
    const expected = `a cosignature, not HTTP ${status}${code === undefined ? '' : ` ${code}`}`
    return new LianzhengError(status >= 500 || status === 429 ? 'UNREACHABLE' : 'ANSWER_INVALID', { at: this.peer.url, expected })
  }
}

async function bounded(response: Response): Promise<Bytes> {
  const parts: Bytes[] = []
  let length = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > MAX_ANSWER) throw new LianzhengError('ANSWER_INVALID', { expected: `at most ${MAX_ANSWER} bytes` })
    parts.push(chunk)
  }
  return concat(...parts)
}

function sizeIn(body: Bytes): number | undefined {
  const text = /^(0|[1-9][0-9]{0,15})\n$/.exec(new TextDecoder().decode(body))?.[1]
  return text === undefined || !Number.isSafeInteger(Number(text)) ? undefined : Number(text)
}

/** Whatever an answer makes stumble is the answer's fault. */
function held<T>(field: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new LianzhengError('ANSWER_INVALID', { field, cause })
  }
}
