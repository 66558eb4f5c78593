/**
 * From a signed head to a published one: mirrors first, witnesses once a mirror has the entries, all in parallel; published as soon as the policy's
 * quorum and mirrors are satisfied, and again with what comes later.
 *
 * One head at a time is asked about, so that everyone signs the same one: a round. The next round takes the newest head there is, when this one is
 * published or can get no further for now. A peer that is slow or away holds up nobody else; it comes back to whatever round there is by then.
 */
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { formatNote, keyLabel, type Note, type NoteSignature, parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { evaluatePolicy } from '../core/quorum.ts'
import type { Published } from '../log/sequencer.ts'
import type { PeerAddress, SignedHead } from './client.ts'

/** Milliseconds before a peer that failed is asked again: doubled each time, from and up to. */
const RETRY_FIRST = 250
const RETRY_LONGEST = 60_000

/** One line for each key, at most 16 in a published note (formats.md §5). */
const MAX_LINES = 16

export interface Cosigning {
  peer: PeerAddress
  cosign(head: SignedHead, stopped: AbortSignal): Promise<NoteSignature[]>
}

export interface PushOptions {
  policy: Policy
  peers: readonly Cosigning[]
  /** Milliseconds since 1970. */
  clock(): number
  /** In [0, 1): spreads retries. */
  random(): number
  /** Resolves after so many milliseconds, or when stopped. */
  wait(ms: number, stopped: AbortSignal): Promise<void>
  publish(published: Published): Promise<void>
  onFatal(error: FatalError): void
}

export interface PeerStatus {
  name: string
  role: string
  /** Size it last cosigned; 0: nothing since the start. */
  size: number
  /** Entries of the newest head that it has not cosigned. */
  behind: number
  /** Failures in a row, and the last. */
  failures: number
  error?: string
}

interface Round {
  signed: Published
  note: Note
  checkpoint: Checkpoint
  lines: Map<string, NoteSignature>
  published: boolean
}

interface Link {
  cosigning: Cosigning
  busy: boolean
  /** The last round it has cosigned. */
  done: Round | undefined
  size: number
  failures: number
  error: LianzhengError | undefined
}

export class Push {
  readonly #options: PushOptions
  readonly #links: readonly Link[]
  readonly #stop = new AbortController()
  readonly #running: Promise<unknown>
  #newest: Published | undefined
  #round: Round | undefined
  /** Publishes one after another. */
  #publishing: Promise<void> = Promise.resolve()
  #wake: () => void = () => {}
  #changed: Promise<void> = Promise.resolve()

  constructor(options: PushOptions) {
    this.#options = options
    this.#links = options.peers.map((cosigning) => ({
      cosigning,
      busy: false,
      done: undefined,
      size: 0,
      failures: 0,
      error: undefined
    }))
    this.#renew()
    this.#running = Promise.all(this.#links.map((link) => this.#serve(link)))
  }

  /** A head that the log has signed; only the newest is asked about. */
  take(signed: Published): void {
    this.#newest = signed
    this.#proceed()
  }

  /** Who has cosigned what, and who is missing. */
  status(): PeerStatus[] {
    return this.#links.map(({ cosigning: { peer }, size, failures, error }) => ({
      name: peer.name,
      role: peer.role,
      size,
      behind: Math.max(0, (this.#newest?.size ?? 0) - size),
      failures,
      ...(error === undefined ? {} : { error: error.message })
    }))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#signal()
    await this.#running
    await this.#publishing
  }

  #renew(): void {
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve
    })
  }
  /** Something has changed: whoever waits for that looks again. */
  #signal(): void {
    const wake = this.#wake
    this.#renew()
    wake()
  }

  /** The next round begins where there is a newer head and this round is published or gets no further. */
  #proceed(): void {
    const round = this.#round
    const newest = this.#newest
    if (newest === undefined || round?.signed === newest) return
    if (round !== undefined && !round.published && this.#links.some((link) => link.busy || this.#mayAsk(link, round))) return
    const note = parseNote(newest.note)
    this.#round = { signed: newest, note, checkpoint: parseCheckpoint(note.text), lines: new Map(), published: false }
    this.#judge(this.#round)
    this.#signal()
  }

  /** Not one that is waiting to try again, nor a witness before a mirror has the entries. */
  #mayAsk(link: Link, round: Round): boolean {
    if (link.done === round || link.failures > 0) return false
    return this.#mirrored(link, round)
  }

  #mirrored(link: Link, round: Round): boolean {
    const mirrors = this.#links.filter(({ cosigning: { peer } }) => peer.role === 'mirror')
    return link.cosigning.peer.role === 'mirror' || mirrors.length === 0 || mirrors.some(({ done }) => done === round)
  }

  async #serve(link: Link): Promise<void> {
    const { wait, random } = this.#options
    while (!this.#stop.signal.aborted) {
      const round = this.#round
      if (round === undefined || link.done === round || !this.#mirrored(link, round)) {
        await this.#changed
        continue
      }
      try {
        link.busy = true
        const { note } = round.signed
        const lines = await link.cosigning.cosign({ note, checkpoint: round.checkpoint }, this.#stop.signal)
        Object.assign(link, { busy: false, done: round, size: round.checkpoint.size, failures: 0, error: undefined })
        for (const line of lines) round.lines.set(keyLabel(line.name, line.keyId), line)
        this.#judge(round)
        this.#signal()
      } catch (error) {
        Object.assign(link, { busy: false, failures: link.failures + 1, error: known(error) })
        if (error instanceof FatalError) return this.#options.onFatal(error)
        this.#proceed()
        const longest = Math.min(RETRY_LONGEST, RETRY_FIRST * 2 ** Math.min(link.failures - 1, 20))
        await wait(longest * (0.5 + random() / 2), this.#stop.signal)
      }
    }
  }

  /** Publishes the round's head once the policy is satisfied, and again with each line that comes until the next round. */
  #judge(round: Round): void {
    const { policy, clock } = this.#options
    if (this.#round !== round) return
    const signatures = [...round.note.signatures, ...round.lines.values()].slice(0, MAX_LINES)
    const note: Note = { text: round.note.text, signatures }
    const { log, quorum, mirrors } = evaluatePolicy(policy, note, round.checkpoint, { now: Math.floor(clock() / 1000) })
    if (log === 'verified' && quorum && mirrors !== false) {
      round.published = true
      this.#publish({ ...round.signed, note: formatNote(note) })
    }
    this.#proceed()
  }

  #publish(published: Published): void {
    this.#publishing = this.#publishing
      .then(() => this.#options.publish(published))
      .catch((error: unknown) =>
        this.#options.onFatal(error instanceof FatalError ? error : new FatalError(known(error).code, { cause: error }))
      )
  }
}

function known(error: unknown): LianzhengError {
  return error instanceof LianzhengError ? error : new LianzhengError('INTERNAL', { cause: error })
}
