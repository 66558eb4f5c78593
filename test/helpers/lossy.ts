/**
 * A store under which the process dies, or that fails, at one call told beforehand. From the death on nothing is answered: writes never
 * resolve and reads throw, because there is nobody there to go on. What is left then is `remains`.
 */
import type { Bytes } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import type { MemoryStore } from '../../src/store/memory.ts'
import type { Range, Store, Write } from '../../src/store/store.ts'

export interface Fate {
  /** The call it happens at, the first being 0; of all calls, or of the writes alone. */
  call: number
  of: 'calls' | 'writes'
  /** `dies`: the process is gone. `fails`: the call throws, the process lives on. */
  how: 'dies' | 'fails'
  /** A write is made nevertheless: the crash comes after it, or only the answer is lost. */
  persisted: boolean
}

export type CallKind = 'get' | 'range' | 'write' | 'durable write'

class Dead extends Error {}

export class LossyStore implements Store {
  readonly #inner: MemoryStore
  readonly #fate: Fate | undefined
  readonly calls: CallKind[] = []
  dead = false
  /** Resolves when the process dies. */
  readonly death: Promise<'dead'>
  #die: (how: 'dead') => void = () => {}

  constructor(inner: MemoryStore, fate?: Fate) {
    this.#inner = inner
    this.#fate = fate
    this.death = new Promise((resolve) => {
      this.#die = resolve
    })
  }

  /** How many writes a crash now may lose. */
  get unsynced(): number {
    return this.#inner.pendingWrites
  }

  /** The store as the next process finds it, with the first `kept` of the unsynced writes. */
  remains(kept = 0): MemoryStore {
    return this.#inner.crash(kept)
  }

  /** Counts a call; the fate if it is this one's. */
  #meet(kind: CallKind): Fate | undefined {
    if (this.dead) throw new Dead('nobody is there to make this call')
    const isWrite = kind === 'write' || kind === 'durable write'
    this.calls.push(kind)
    if (this.#fate === undefined || (this.#fate.of === 'writes' && !isWrite)) return undefined
    const number = this.#fate.of === 'calls' ? this.calls.length : this.calls.filter((made) => made.endsWith('write')).length
    if (number !== this.#fate.call + 1) return undefined
    if (this.#fate.how === 'dies') {
      this.dead = true
      this.#die('dead')
    }
    return this.#fate
  }

  /** A read that does not come back. */
  #read(kind: 'get' | 'range'): void {
    const fate = this.#meet(kind)
    if (fate?.how === 'dies') throw new Dead('here the process died')
    if (fate?.how === 'fails') throw new LianzhengError('STORE_CORRUPT')
  }

  get(key: Bytes): Bytes | undefined {
    this.#read('get')
    return this.#inner.get(key)
  }

  async *range(range: Range): AsyncIterable<[Bytes, Bytes]> {
    this.#read('range')
    yield* this.#inner.range(range)
  }

  async write(writes: readonly Write[], { durable }: { durable: boolean }): Promise<void> {
    const fate = this.#meet(durable ? 'durable write' : 'write')
    if (fate === undefined || fate.persisted) await this.#inner.write(writes, { durable })
    if (fate?.how === 'dies') await new Promise(() => {})
    if (fate?.how === 'fails') throw new LianzhengError('STORE_FAILED')
  }

  async purge(): Promise<void> {}

  async close(): Promise<void> {}
}
