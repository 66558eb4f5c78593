/**
 * A mirror (C2SP tlog-mirror): a durable full copy of a log, derived again before it is cosigned (copy.ts), and served.
 *
 *   add-checkpoint   as a witness's, but it only moves the pending checkpoint; nothing is signed
 *   add-entries      origin 404 → pending 422 → end, start 409 → packages 422 → 202 while there are more → derive 422 → key in force 403 → read back,
 *                    persist, cosign
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Bytes, concat, fromUtf8, utf8 } from '../core/bytes.ts'
import { type Checkpoint, readCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { rootOfLeaves } from '../core/merkle.ts'
import { formatNote, formatSignatureLine, formatVkey, isBy, type Note, parseNote } from '../core/note.ts'
import { nodeKeysAt } from '../core/registry.ts'
import { checkSubtree } from '../core/subtree.ts'
import { pendingKey } from '../store/cosigner-layout.ts'
import type { Copy } from './copy.ts'
import {
  type CosignerKeys,
  checkExtends,
  contradicts,
  cosignAt,
  signaturesOfLog,
  signedThisSecond,
  type WatchedLog
} from './cosigner.ts'
import type { Heads } from './heads.ts'
import { parseAddCheckpoint, parseSignSubtree } from './messages.ts'
import { MAX_PACKAGES, type MirrorInfo, PACKAGE, packagesOf, type Upload, UploadReader } from './packages.ts'
import { originHash, subtreeLine } from './witness.ts'

export interface MirrorOptions {
  keys: CosignerKeys
  copies: readonly Copy[]
  heads: Heads
  /** Milliseconds since 1970. */
  clock(): number
  /** Random bytes. */
  random(length: number): Bytes
  onContradiction(origin: string, a: string, b: string): void
  /** A log says what its entries do not: once for each log and start. `checkpoint`: what it has signed over it. */
  onDisagreement(origin: string, checkpoint: string, error: LianzhengError): void
}

export type Uploaded = { lines: string } | { info: MirrorInfo; status: 202 | 409 }

interface Pending {
  note: Note
  checkpoint: Checkpoint
}

const TAG = 32

export class Mirror {
  readonly #options: MirrorOptions
  readonly #copies: ReadonlyMap<string, Copy>
  readonly #byHash: ReadonlyMap<string, Copy>
  /** Authenticates tickets; those of an earlier start are worth nothing. */
  readonly #ticketKey: Bytes
  readonly #alarmed = new Set<string>()

  constructor(options: MirrorOptions) {
    this.#options = options
    this.#copies = new Map(options.copies.map((copy) => [copy.log.origin, copy]))
    this.#byHash = new Map(options.copies.map((copy) => [originHash(copy.log.origin), copy]))
    this.#ticketKey = options.random(TAG)
  }

  get keys(): CosignerKeys {
    return this.#options.keys
  }
  get copies(): readonly Copy[] {
    return this.#options.copies
  }

  #copy(origin: string): Copy {
    const copy = this.#copies.get(origin)
    if (copy === undefined) throw new LianzhengError('LOG_NOT_WATCHED')
    return copy
  }

  /** Moves the pending checkpoint. The answer is empty: the mirror's signature comes with the entries. Throws as a witness's does. */
  async addCheckpoint(body: Bytes): Promise<string> {
    const asked = parseAddCheckpoint(body)
    const { note, checkpoint } = asked
    const { log } = this.#copy(checkpoint.origin)
    const own = signaturesOfLog(note, checkpoint, log)
    const signed = formatNote({ text: note.text, signatures: own })
    return this.#options.heads.replace(pendingKey(log.origin), (last) => {
      if (contradicts(checkpoint, last)) this.#options.onContradiction(log.origin, last!, signed)
      checkExtends(asked, last)
      return { note: signed, answer: '' }
    })
  }

  /** Subtrees of checkpoints that the mirror itself has cosigned. */
  signSubtree(body: Bytes): string {
    const { heads, keys, random } = this.#options
    if (heads.lost) throw new LianzhengError('COSIGNER_STATE_LOST')
    return subtreeLine(parseSignSubtree(body), (origin): WatchedLog => this.#copy(origin).log, keys, random(32))
  }

  /**
   * Takes entries in as they arrive. Throws `BODY_INVALID` where nothing of it could be used, `LOG_NOT_WATCHED`, `NO_PENDING_CHECKPOINT`,
   * `CHECKPOINT_INCONSISTENT` for a proof that proves nothing, `CHECKPOINT_NOT_SIGNED` by a key no longer in force, and as `Copy.advance` does.
   */
  async addEntries(body: AsyncIterable<Bytes>): Promise<Uploaded> {
    const reader = new UploadReader(body)
    const upload = await reader.upload()
    const copy = this.#copy(upload.origin)
    if (this.#options.heads.lost) throw new LianzhengError('COSIGNER_STATE_LOST')
    const newest = this.#pending(upload.origin)
    if (newest === undefined) throw new LianzhengError('NO_PENDING_CHECKPOINT')
    const pending = this.#checkpointFor(upload, newest)
    if (pending === undefined || upload.end < mirrored(copy)) return { status: 409, info: this.#info(newest, copy) }
    const oldest = copy.next - (copy.next % PACKAGE) - MAX_PACKAGES * PACKAGE
    if (upload.start > copy.next || upload.start < oldest) return { status: 409, info: this.#info(pending, copy) }
    try {
      const whole = await this.#take(reader, upload, pending, copy)
      if (!whole) return { status: 202, info: this.#info(pending, copy) }
      return await this.#finish(pending, copy)
    } catch (error) {
      if (error instanceof LianzhengError && error.code === 'MIRROR_DISAGREES') this.#alarm(pending, error)
      throw error
    }
  }

  /** Package by package: proven, stored, derived. False where the body held only some of them. */
  async #take(reader: UploadReader, { start, end }: Upload, { checkpoint }: Pending, copy: Copy): Promise<boolean> {
    let taken = 0
    for (const place of packagesOf(start, end)) {
      const part = await reader.package(place.end - place.start)
      if (part === undefined) {
        if (taken === 0) throw new LianzhengError('BODY_INVALID', { expected: 'at least one whole package' })
        return false
      }
      const leaves = [...copy.leaves(place.from, place.start), ...part.entries.map(leafHash)]
      if (!checkSubtree(place.from, place.end, checkpoint.size, rootOfLeaves(leaves), checkpoint.root, part.proof))
        throw new LianzhengError('CHECKPOINT_INCONSISTENT', { at: place.start })
      if (part.entries.some((entry) => entry.length === 0))
        throw new LianzhengError('MIRROR_DISAGREES', { at: place.start, expected: 'no empty entry' })
      await copy.exclusively(async () => {
        await copy.append(place.start, part.entries)
        await copy.advance(place.end)
      })
      taken++
    }
    return true
  }

  #finish(pending: Pending, copy: Copy): Promise<Uploaded> {
    const { keys, clock, random } = this.#options
    const { note, checkpoint } = pending
    return copy.exclusively(async () => {
      await copy.advance(checkpoint.size)
      const done = mirrored(copy)
      // Another upload has gone further meanwhile: neither the mirror checkpoint nor what is derived goes back.
      if (checkpoint.size < Math.max(done, copy.head.size))
        return { status: 409, info: this.#info(this.#pending(checkpoint.origin)!, copy) }
      requireKeyInForce(pending, copy)
      const again = signedThisSecond(copy.note, note.text, keys, clock())
      if (again !== undefined) return { lines: again.map((line) => formatSignatureLine(line)).join('') }
      await copy.settle(done, checkpoint.size, checkpoint.root)
      const lines = cosignAt(note.text, keys, copy.note, clock(), random(32))
      await copy.keep(formatNote({ text: note.text, signatures: [...note.signatures, ...lines] }))
      return { lines: lines.map((line) => formatSignatureLine(line)).join('') }
    })
  }

  #pending(origin: string): Pending | undefined {
    const note = this.#options.heads.note(pendingKey(origin))
    return note === undefined ? undefined : opened(note)
  }

  /** The pending checkpoint of size `end`: the newest, or an earlier one that the ticket brings back. */
  #checkpointFor({ end, ticket, origin }: Upload, newest: Pending): Pending | undefined {
    if (end === newest.checkpoint.size) return newest
    const note = this.#openTicket(ticket)
    const earlier = note === undefined ? undefined : opened(note)
    return earlier?.checkpoint.size === end && earlier.checkpoint.origin === origin ? earlier : undefined
  }

  #info(pending: Pending, copy: Copy): MirrorInfo {
    const note = utf8(formatNote(pending.note))
    return { size: pending.checkpoint.size, next: copy.next, ticket: concat(this.#tag(note), note) }
  }

  #openTicket(ticket: Bytes): string | undefined {
    const note = ticket.subarray(TAG)
    if (ticket.length <= TAG || !timingSafeEqual(this.#tag(note), ticket.subarray(0, TAG))) return undefined
    return fromUtf8(note)
  }

  #tag(note: Bytes): Bytes {
    return new Uint8Array(createHmac('sha256', this.#ticketKey).update(note).digest())
  }

  #alarm({ note, checkpoint }: Pending, error: LianzhengError): void {
    const name = `${checkpoint.origin} ${error.detail.at}`
    if (this.#alarmed.has(name)) return
    this.#alarmed.add(name)
    this.#options.onDisagreement(checkpoint.origin, formatNote(note), error)
  }

  // The copies, served

  /** The copy of the log with this origin hash. Throws `LOG_NOT_WATCHED`. */
  find(hash: string): Copy {
    const copy = this.#byHash.get(hash)
    if (copy === undefined) throw new LianzhengError('LOG_NOT_WATCHED')
    return copy
  }

  /** The mirror checkpoint. Throws `LOG_NOT_WATCHED`, also before the first. */
  checkpoint(hash: string): string {
    const { note } = this.find(hash)
    if (note === undefined) throw new LianzhengError('LOG_NOT_WATCHED')
    return note
  }

  /** How far each copy is: what it has cosigned, what it has, and what it knows there to be. */
  status(): { origin: string; size: number; entries: number; pending: number; refused: LianzhengError | undefined }[] {
    return this.copies.map((copy) => ({
      origin: copy.log.origin,
      size: mirrored(copy),
      entries: copy.next,
      pending: this.#pending(copy.log.origin)?.checkpoint.size ?? 0,
      refused: copy.refused
    }))
  }
}

/**
 * Of the keys known of a ledger, its own registry says which one signs its heads at a size (formats.md §8): one that was replaced signs no more. Throws
 * `CHECKPOINT_NOT_SIGNED`.
 */
function requireKeyInForce({ note, checkpoint }: Pending, { log, ledger: { meta } }: Copy): void {
  if (meta === undefined) return
  const inForce = nodeKeysAt(meta, checkpoint.size).log
  const signed = log.vkeys.some((vkey) => formatVkey(vkey) === inForce && note.signatures.some((line) => isBy(line, vkey)))
  if (!signed) throw new LianzhengError('CHECKPOINT_NOT_SIGNED', { field: 'keys.log', expected: `a signature of ${inForce}` })
}

/** Size of the mirror checkpoint, 0 before the first. */
export function mirrored(copy: Copy): number {
  return copy.note === undefined ? 0 : opened(copy.note).checkpoint.size
}

function opened(text: string): Pending {
  const note = parseNote(text)
  return { note, checkpoint: readCheckpoint(note.text) }
}
