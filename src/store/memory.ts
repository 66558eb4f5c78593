/** A store in memory, for tests. It keeps what is durable apart from what is not, so that a crash can be played: `crash()`. */
import { type Bytes, fromHex, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Range, Store, Write } from './store.ts'

export class MemoryStore implements Store {
  #live = new Map<string, Bytes>()
  #durable = new Map<string, Bytes>()
  #pending: (readonly Write[])[] = []
  #closed = false

  get(key: Bytes): Bytes | undefined {
    return this.#live.get(hex(key))
  }

  async write(writes: readonly Write[], { durable }: { durable: boolean }): Promise<void> {
    if (this.#closed) throw new LianzhengError('STORE_FAILED')
    const copied = writes.map(copy)
    apply(this.#live, copied)
    this.#pending.push(copied)
    if (!durable) return
    for (const batch of this.#pending) apply(this.#durable, batch)
    this.#pending = []
  }

  async *range({ gte, lt, limit = Number.POSITIVE_INFINITY }: Range): AsyncIterable<[Bytes, Bytes]> {
    const [from, to] = [hex(gte), hex(lt)]
    const keys = [...this.#live.keys()].filter((key) => key >= from && key < to).sort()
    const found = keys.slice(0, limit).map((key): [Bytes, Bytes] => [fromHex(key), this.#live.get(key)!])
    for (const entry of found) yield entry
  }

  async purge(_keys: readonly Bytes[]): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true
  }

  /** The store as a crash at this moment would leave it: `kept` of the writes since the last durable one survive, in order. */
  crash(kept = 0): MemoryStore {
    const store = new MemoryStore()
    store.#durable = new Map(this.#durable)
    for (const batch of this.#pending.slice(0, kept)) apply(store.#durable, batch)
    store.#live = new Map(store.#durable)
    return store
  }

  get pendingWrites(): number {
    return this.#pending.length
  }
}

function copy({ key, value }: Write): Write {
  const own = Uint8Array.from(key)
  return value === undefined ? { key: own, value } : { key: own, value: Uint8Array.from(value) }
}

function apply(to: Map<string, Bytes>, writes: readonly Write[]): void {
  for (const { key, value } of writes) {
    if (value === undefined) to.delete(hex(key))
    else to.set(hex(key), value)
  }
}
