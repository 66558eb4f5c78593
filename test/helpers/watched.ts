/** A store that tells what is asked of it, and lets a test stand between a write and the store: hold it back, look around, or fail it. */
import type { Bytes } from '../../src/core/bytes.ts'
import type { Range, Store, Write } from '../../src/store/store.ts'

export interface WatchedWrite {
  writes: readonly Write[]
  durable: boolean
}

export class WatchedStore implements Store {
  readonly #inner: Store
  gets: Bytes[] = []
  ranges: Range[] = []
  writes: WatchedWrite[] = []
  /** What happens at a write; `write` makes it. */
  onWrite: (write: () => Promise<void>, what: WatchedWrite) => Promise<void> = (write) => write()
  /** Called before a key is read; may throw. */
  onGet: (key: Bytes) => void = () => {}

  constructor(inner: Store) {
    this.#inner = inner
  }

  get(key: Bytes): Bytes | undefined {
    this.gets.push(key)
    this.onGet(key)
    return this.#inner.get(key)
  }

  write(writes: readonly Write[], { durable }: { durable: boolean }): Promise<void> {
    const what = { writes, durable }
    this.writes.push(what)
    return this.onWrite(() => this.#inner.write(writes, { durable }), what)
  }

  range(range: Range): AsyncIterable<[Bytes, Bytes]> {
    this.ranges.push(range)
    return this.#inner.range(range)
  }

  purge(keys: readonly Bytes[]): Promise<void> {
    return this.#inner.purge(keys)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  forget(): void {
    this.gets = []
    this.ranges = []
    this.writes = []
  }
}

/** A promise and the way to resolve it. */
export function gate(): { passed: Promise<void>; open(): void } {
  let open = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

/** Is the promise settled once all that is ready to run has run? */
export async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  const mark = () => {
    done = true
  }
  promise.then(mark, mark)
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  return done
}
