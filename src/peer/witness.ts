/**
 * A witness (C2SP tlog-witness): checks that a checkpoint extends the last one it has seen of the log, remembers it, cosigns. It sees no content.
 *
 *   parse 400 → origin 404 → the log's signature 403 → old 400, 409 → proof 422 → persist → answer
 */
import { hex, utf8 } from '../core/bytes.ts'
import { readCheckpoint } from '../core/checkpoint.ts'
import { signSubtree, verifyCosignature } from '../core/cosignature.ts'
import { LianzhengError } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { formatNote, formatSignatureLine, isBy, type Note, parseNote } from '../core/note.ts'
import { checkSubtree, isSubtree } from '../core/subtree.ts'
import { witnessedKey } from '../store/cosigner-layout.ts'
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
import { parseAddCheckpoint, parseSignSubtree, type SignSubtree } from './messages.ts'

export interface WitnessOptions {
  keys: CosignerKeys
  logs: readonly WatchedLog[]
  heads: Heads
  /** Milliseconds since 1970. */
  clock(): number
  /** Random bytes for hedged ML-DSA signatures. */
  random(length: number): Uint8Array
  /** A log has signed two heads of one size: the two notes. */
  onContradiction(origin: string, a: string, b: string): void
}

/** Hash by which an origin is named in a monitoring address: hex, lower-case. */
export function originHash(origin: string): string {
  return hex(sha256(utf8(origin)))
}

export class Witness {
  readonly #options: WitnessOptions
  readonly #logs: ReadonlyMap<string, WatchedLog>
  readonly #byHash: ReadonlyMap<string, string>

  constructor(options: WitnessOptions) {
    this.#options = options
    this.#logs = new Map(options.logs.map((log) => [log.origin, log]))
    this.#byHash = new Map(options.logs.map(({ origin }) => [originHash(origin), origin]))
  }

  get keys(): CosignerKeys {
    return this.#options.keys
  }
  get lost(): boolean {
    return this.#options.heads.lost
  }

  #log(origin: string): WatchedLog {
    const log = this.#logs.get(origin)
    if (log === undefined) throw new LianzhengError('LOG_NOT_WATCHED')
    return log
  }

  /**
   * The cosignature lines, once they are remembered. Throws `BODY_INVALID`, `LOG_NOT_WATCHED`, `CHECKPOINT_NOT_SIGNED`, `HEAD_CONFLICT`,
   * `CHECKPOINT_INCONSISTENT`, `CLOCK_BACKWARDS` or `COSIGNER_STATE_LOST`.
   */
  async addCheckpoint(body: Uint8Array): Promise<string> {
    const { keys, heads, clock, random, onContradiction } = this.#options
    const asked = parseAddCheckpoint(body)
    const { note, checkpoint } = asked
    const log = this.#log(checkpoint.origin)
    const own = signaturesOfLog(note, checkpoint, log)
    const signed = formatNote({ text: note.text, signatures: own })
    return heads.replace(witnessedKey(log.origin), (last) => {
      if (contradicts(checkpoint, last)) onContradiction(log.origin, last!, signed)
      checkExtends(asked, last)
      const again = signedThisSecond(last, note.text, keys, clock())
      const lines = again ?? cosignAt(note.text, keys, last, clock(), random(32))
      return {
        note: again === undefined ? formatNote({ text: note.text, signatures: [...own, ...lines] }) : last!,
        answer: lines.map((line) => formatSignatureLine(line)).join('')
      }
    })
  }

  /** An ML-DSA-44 line on a subtree of a checkpoint this witness has cosigned. */
  signSubtree(body: Uint8Array): string {
    if (this.lost) throw new LianzhengError('COSIGNER_STATE_LOST')
    return subtreeLine(parseSignSubtree(body), (origin) => this.#log(origin), this.#options.keys, this.#options.random(32))
  }

  /** The last note cosigned of the log with this origin hash. Throws `LOG_NOT_WATCHED`, also before the first. */
  checkpoint(hash: string): string {
    const origin = this.#byHash.get(hash)
    const note = origin === undefined ? undefined : this.#options.heads.note(witnessedKey(origin))
    if (note === undefined) throw new LianzhengError('LOG_NOT_WATCHED')
    return note
  }

  /** Size of the last checkpoint cosigned of each log, 0 before the first. */
  sizes(): { origin: string; size: number }[] {
    return [...this.#logs.keys()].map((origin) => {
      const note = this.#options.heads.note(witnessedKey(origin))
      return { origin, size: note === undefined ? 0 : readCheckpoint(parseNote(note).text).size }
    })
  }
}

/** sign-subtree, for witness and mirror: range 400 → origin 404 → own cosignature on the checkpoint 403 → proof 422. */
export function subtreeLine(
  { start, end, hash, proof, note, checkpoint }: SignSubtree,
  log: (origin: string) => WatchedLog,
  keys: CosignerKeys,
  random: Uint8Array
): string {
  if (!isSubtree(start, end) || end > checkpoint.size)
    throw new LianzhengError('BODY_INVALID', { field: 'subtree', expected: `a subtree of [0, ${checkpoint.size})` })
  const { origin } = log(checkpoint.origin)
  if (!isCosigned(note, keys)) throw new LianzhengError('CHECKPOINT_NOT_SIGNED', { expected: `a cosignature of ${keys.name}` })
  if (!checkSubtree(start, end, checkpoint.size, hash, checkpoint.root, proof))
    throw new LianzhengError('CHECKPOINT_INCONSISTENT')
  return formatSignatureLine(signSubtree({ origin, start, end, hash }, keys.name, keys.pair, random))
}

/** Only a line by this very cosigner counts, whatever else the note carries; one of its keys that does not verify spoils it. */
function isCosigned(note: Note, { vkeys }: CosignerKeys): boolean {
  const checkpoint = readCheckpoint(note.text)
  const own = note.signatures.filter((line) => vkeys.some((vkey) => isBy(line, vkey)))
  const good = (line: (typeof own)[number]) => {
    const cosigned = verifyCosignature(note.text, checkpoint, line, vkeys.find((vkey) => isBy(line, vkey))!)
    return cosigned !== undefined && cosigned.timestamp > 0
  }
  return own.length > 0 && own.every(good)
}
