/**
 * What a node's cosigners remember of other logs, in a store of its own. A cosigner that forgets what it signed can be made to sign a second history:
 * beside the seed stands a mark that this store was begun, and an empty store with the mark signs nothing, ever again, under these keys.
 *
 * Order at the first start: the store, durably; then the mark; then the first signature. A crash in between leaves a store without its mark, which the
 * next start makes.
 */
import { type Bytes, utf8 } from '../core/bytes.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { COSIGNER_FORMAT_KEY, COSIGNER_VERSION } from '../store/cosigner-layout.ts'
import { put, type Store } from '../store/store.ts'
import { decodeValue, encodeValue } from '../store/values.ts'

/** The mark beside the seed. */
export interface Mark {
  exists(): boolean
  /** Durably. */
  make(): void
}

export class Heads {
  readonly #store: Store
  readonly lost: boolean
  /** A write that failed: what is on disk is unknown until the store is opened again. */
  #failed: unknown
  /** What is under way, by key: one at a time. */
  readonly #turns = new Map<string, Promise<unknown>>()

  private constructor(store: Store, lost: boolean) {
    this.#store = store
    this.lost = lost
  }

  /** Throws FatalError: `STORE_FOREIGN` or `STORE_VERSION`. */
  static async open(store: Store, node: string, mark: Mark): Promise<Heads> {
    const bytes = store.get(COSIGNER_FORMAT_KEY)
    if (bytes === undefined) {
      if (mark.exists()) return new Heads(store, true)
      await store.write([put(COSIGNER_FORMAT_KEY, encodeValue({ version: COSIGNER_VERSION, node }))], { durable: true })
    } else {
      const format = decodeValue<{ version: number; node: string }>(bytes, 'm format')
      if (format.version > COSIGNER_VERSION) throw new FatalError('STORE_VERSION', { expected: `at most ${COSIGNER_VERSION}` })
      if (format.node !== node) throw new FatalError('STORE_FOREIGN', { field: 'name', expected: format.node })
    }
    if (!mark.exists()) mark.make()
    return new Heads(store, false)
  }

  /** The note under a key of the layout. */
  note(key: Bytes): string | undefined {
    const bytes = this.#store.get(key)
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
  }

  /**
   * Compare and swap: `next` sees the note there is and gives the one to take its place, which is on disk when the promise resolves; the same one is
   * not written again. Nothing else changes this key meanwhile. Throws `COSIGNER_STATE_LOST` and what `next` throws.
   */
  replace<T>(key: Bytes, next: (last: string | undefined) => { note: string; answer: T }): Promise<T> {
    return this.exclusively(key, async () => {
      const last = this.note(key)
      const { note, answer } = next(last)
      if (note === last) return answer
      await this.#store.write([put(key, utf8(note))], { durable: true }).catch((error: unknown) => {
        this.#failed = error
        throw error
      }) // A crash here: signed and remembered, or neither; nobody has it yet.
      return answer
    })
  }

  /** One at a time for each key, in the order asked. */
  exclusively<T>(key: Bytes, work: () => Promise<T>): Promise<T> {
    const name = key.join()
    const run = async () => {
      if (this.#failed !== undefined) throw this.#failed
      if (this.lost) throw new LianzhengError('COSIGNER_STATE_LOST')
      return work()
    }
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(run, run)
    this.#turns.set(name, turn)
    const forget = () => {
      if (this.#turns.get(name) === turn) this.#turns.delete(name)
    }
    turn.then(forget, forget)
    return turn
  }
}
