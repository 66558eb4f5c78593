/**
 * When a record is final: the published note covers it and satisfies the quorum of the node's policy (formats.md §5). Under `quorum none` that is
 * at once; with peers it can take hours, so whoever waits gives a limit.
 */
import { parseCheckpoint } from '../core/checkpoint.ts'
import { parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { evaluatePolicy } from '../core/quorum.ts'

interface Waiter {
  index: number
  settle(final: boolean): void
}

export class Finality {
  readonly #policy: Policy
  readonly #note: () => string | undefined
  readonly #waiters = new Set<Waiter>()
  #judged: { note: string; size: number } | undefined
  #stopped = false

  /** `note`: the published one, as it stands. */
  constructor(policy: Policy, note: () => string | undefined) {
    this.#policy = policy
    this.#note = note
  }

  /** Entries below this index are final. */
  get size(): number {
    const note = this.#note()
    if (note === undefined) return 0
    if (this.#judged?.note !== note) this.#judged = { note, size: this.#judge(note) }
    return this.#judged.size
  }

  #judge(text: string): number {
    const note = parseNote(text)
    const checkpoint = parseCheckpoint(note.text)
    return this.#policy.quorum === 'none' || evaluatePolicy(this.#policy, note, checkpoint).quorum ? checkpoint.size : 0
  }

  /** True as soon as the entry is final, false after `ms` milliseconds without. */
  wait(index: number, ms: number): Promise<boolean> {
    if (index < this.size) return Promise.resolve(true)
    if (ms === 0 || this.#stopped) return Promise.resolve(false)
    return new Promise((resolve) => {
      const waiter = {
        index,
        settle: (final: boolean) => {
          clearTimeout(timer)
          this.#waiters.delete(waiter)
          resolve(final)
        }
      }
      const timer = setTimeout(() => waiter.settle(false), ms)
      this.#waiters.add(waiter)
    })
  }

  /** To be called whenever the published note has changed: a new head, or more cosignatures under it. */
  published(): void {
    if (this.#waiters.size === 0) return
    const { size } = this
    for (const waiter of [...this.#waiters]) if (waiter.index < size) waiter.settle(true)
  }

  /** Nobody waits any longer: the node is stopping. */
  stop(): void {
    this.#stopped = true
    for (const waiter of [...this.#waiters]) waiter.settle(false)
  }
}
