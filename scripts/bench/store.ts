/** A store that counts, in front of the real one: what start-up reads, what a record writes. */
import type { Bytes } from '../../src/core/bytes.ts'
import type { Store, Write } from '../../src/store/store.ts'
import { built } from './built.ts'

export interface Written {
  batches: number
  keys: number
  bytes: number
  /** Of the map of trails: pages, and the nodes in them but for references to other pages. */
  pages: number
  nodes: number
}

export class CountingStore implements Store {
  readonly #store: Store
  readonly #nodesIn: (page: Uint8Array, hash: Uint8Array) => number
  /** Keys looked up, there or not, and keys passed in ranges. */
  read = 0
  /** Counted only while it is there. */
  written: Written | undefined

  private constructor(store: Store, nodesIn: (page: Uint8Array, hash: Uint8Array) => number) {
    this.#store = store
    this.#nodesIn = nodesIn
  }

  static async open(directory: string): Promise<CountingStore> {
    const { openLevel } = await built<typeof import('../../src/store/level.ts')>('store/level')
    const { decodePage, openFolded } = await built<typeof import('../../src/core/map-page.ts')>('core/map-page')
    type Node = import('../../src/core/map-page.ts').MapNode
    const nodes = (node: Node): number => {
      if (node.kind === 'folded') return nodes(openFolded(node))
      return node.kind === 'reference' ? 0 : node.kind === 'leaf' ? 1 : 1 + nodes(node.left) + nodes(node.right)
    }
    return new CountingStore(await openLevel(directory), (page, hash) => nodes(decodePage(page, hash)))
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.read++
    return this.#store.get(key)
  }

  write(writes: readonly Write[], options: { durable: boolean }): Promise<void> {
    if (this.written !== undefined) this.#count(writes, this.written)
    return this.#store.write(writes, options)
  }

  #count(writes: readonly Write[], written: Written): void {
    written.batches++
    for (const { key, value } of writes) {
      if (value === undefined) continue
      written.keys++
      written.bytes += key.length + value.length
      if (key[0] !== 'p'.charCodeAt(0)) continue
      written.pages++
      written.nodes += this.#nodesIn(value, key.subarray(1))
    }
  }

  async *range(range: Parameters<Store['range']>[0]): AsyncIterable<[Uint8Array, Uint8Array]> {
    for await (const entry of this.#store.range(range)) {
      this.read++
      yield entry
    }
  }

  purge(keys: readonly Bytes[]): Promise<void> {
    return this.#store.purge(keys)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
