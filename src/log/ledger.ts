/** One log's store, read: typed access to what `integrate` writes. It is what the fold, the registry and the readers look things up in. */
import { type Bytes, base64url, binary, equalBytes, fromU64 } from '../core/bytes.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { PageCache } from '../core/map.ts'
import type { ReadNodes } from '../core/merkle.ts'
import { Recent } from '../core/recent.ts'
import type { KeyState, Registry, RegistryMeta } from '../core/registry.ts'
import { nodesFromTiles } from '../core/tile.ts'
import { decodeTrailState, rootOfTrail, trailEnd } from '../core/trail.ts'
import { type DisclosureCipher, openDisclosures } from '../store/disclosures.ts'
import {
  classRange,
  ctiKey,
  disclosuresKey,
  entryKey,
  erasedKey,
  FORMAT_KEY,
  HEAD_KEY,
  keyStateKey,
  leafKey,
  NOTE_KEY,
  PURGE_KEY,
  pageKey,
  REGISTRY_KEY,
  STORE_VERSION,
  sealKey,
  tileKey,
  trailStateKey,
  trailTileKey
} from '../store/layout.ts'
import type { Store } from '../store/store.ts'
import { decodeValue } from '../store/values.ts'
import { type ExaminedRecord, examine } from '../verify/admit.ts'
import { type FoldedTrail, type FoldReader, type Head, NO_HEAD, type StoredTrail } from '../verify/fold.ts'
import { type Asked, NOTHING_ASKED } from './erasures.ts'

/** Decoded pages kept in memory: about 7 kB each (measured). */
const PAGES_KEPT = 4_096
/** Registered keys kept in memory. */
const KEYS_KEPT = 10_000
/** Nodes of the log's tree kept in memory, about 200 bytes each. A proof has at most 53, all of which are kept while it is made. */
const NODES_KEPT = 8_192
/** Ends of trails and their last tiles kept in memory: about 1 kB each. Trails that grow often are read from there. */
const TRAILS_KEPT = 4_096

export interface StoreFormat {
  version: number
  origin: string
}

/** What class t held in stores of version 1. */
export interface TrailOfVersion1 {
  name: string
  count: number
  root: Bytes
}

export class Ledger implements FoldReader, Registry {
  readonly store: Store
  readonly pages: PageCache
  readonly #cipher: DisclosureCipher | undefined
  readonly #keys = new Recent<KeyState>(KEYS_KEPT)
  #meta: RegistryMeta | undefined
  /** Values of classes t and u by their keys in the store, as the last durable batch left them. */
  readonly #trails = new Recent<StoredTrail>(TRAILS_KEPT)
  readonly #trailTiles = new Recent<Bytes>(TRAILS_KEPT)
  /** By level and index. */
  readonly #nodes = new Recent<Bytes>(NODES_KEPT)

  /** Without a cipher sealed disclosures are not to be had. */
  constructor(store: Store, cipher?: DisclosureCipher) {
    this.store = store
    this.#cipher = cipher
    this.pages = new PageCache((hash) => store.get(pageKey(hash)), PAGES_KEPT)
  }

  format(): StoreFormat | undefined {
    const bytes = this.store.get(FORMAT_KEY)
    const format = bytes === undefined ? undefined : decodeValue<StoreFormat>(bytes, 'm format')
    if (format !== undefined && format.version > STORE_VERSION)
      throw new FatalError('STORE_VERSION', { expected: `at most ${STORE_VERSION}` })
    return format
  }

  readHead(): Head {
    const bytes = this.store.get(HEAD_KEY)
    return bytes === undefined ? NO_HEAD : decodeValue<Head>(bytes, 'm head')
  }

  note(): string | undefined {
    const bytes = this.store.get(NOTE_KEY)
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
  }

  entry(index: number): Bytes | undefined {
    return this.store.get(entryKey(index))
  }

  /** Throws `STORE_CORRUPT` for an entry that the head says is there and is not. */
  requireEntry(index: number): Bytes {
    const bytes = this.entry(index)
    if (bytes === undefined) throw new LianzhengError('STORE_CORRUPT', { field: 'e', at: index })
    return bytes
  }

  /** The record with this leaf hash, if there is one below the index. */
  earlier(leaf: Bytes, below: number): ExaminedRecord | undefined {
    const index = this.indexOfLeaf(leaf)
    if (index === undefined || index >= below) return undefined
    const examined = examine(this.requireEntry(index))
    return examined.kind === 'record' ? examined : undefined
  }

  disclosures(index: number): Bytes[] {
    const bytes = this.store.get(disclosuresKey(index))
    return bytes === undefined ? [] : openDisclosures(index, bytes, this.#cipher)
  }

  /** What has been asked to be erased of a record. */
  asked(index: number): Asked {
    const bytes = this.store.get(erasedKey(index))
    return bytes === undefined ? NOTHING_ASKED : decodeValue<Asked>(bytes, `x ${index}`)
  }

  /** Indexes whose erased disclosures are still to be purged from the files, oldest first. */
  toPurge(): number[] {
    const bytes = this.store.get(PURGE_KEY)
    return bytes === undefined ? [] : decodeValue<number[]>(bytes, 'm purge')
  }

  #index(key: Bytes): number | undefined {
    const bytes = this.store.get(key)
    return bytes === undefined || bytes.length !== 8 ? undefined : fromU64(bytes)
  }
  indexOfLeaf(leaf: Bytes): number | undefined {
    return this.#index(leafKey(leaf))
  }
  indexOfCti(kid: Bytes, cti: Bytes): number | undefined {
    return this.#index(ctiKey(kid, cti))
  }

  /** Indexes of up to `limit` statements signed with a key, in no order. */
  async *indexesBy(kid: Bytes, limit: number): AsyncIterable<number> {
    const first = ctiKey(kid, new Uint8Array(16))
    const last = ctiKey(kid, new Uint8Array(17).fill(0xff))
    for await (const [, value] of this.store.range({ gte: first, lt: last, limit })) yield fromU64(value)!
  }

  seal(height: number): { index: number; time: number } | undefined {
    const bytes = this.store.get(sealKey(height))
    if (bytes === undefined || bytes.length !== 16) return undefined
    return { index: fromU64(bytes)!, time: fromU64(bytes, 8)! }
  }

  /** The first seal above an index, of those up to `top`: where the entry entered. Heights are searched by halves. */
  sealAfter(index: number, top: number): { height: number; index: number; time: number } | undefined {
    let low = 0
    let high = top + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const seal = this.seal(middle)
      if (seal === undefined) throw new LianzhengError('STORE_CORRUPT', { field: 's', at: middle })
      if (seal.index > index) high = middle
      else low = middle + 1
    }
    return low > top ? undefined : { height: low, ...this.seal(low)! }
  }

  tile(level: number, index: number): Bytes | undefined {
    return this.store.get(tileKey(level, index))
  }
  /** Nodes of the tree of `size`. Complete subtrees never change: those read last are kept, for a tile's inner nodes are hashed from its row. */
  nodes(size: number): ReadNodes {
    const fromTiles = nodesFromTiles(size, ({ level, index }) => this.tile(level, index))
    return (nodes) => {
      const names = nodes.map(({ level, index }) => `${level}/${index}`)
      const missing = nodes.filter(
        ({ level, index }, i) => (index + 1) * 2 ** level > size || this.#nodes.get(names[i]!) === undefined
      )
      const read = fromTiles(missing)
      for (const [i, { level, index }] of missing.entries()) this.#nodes.set(`${level}/${index}`, new Uint8Array(read[i]!))
      return names.map((name) => this.#nodes.get(name)!)
    }
  }

  /** Throws `STORE_CORRUPT`. */
  trail(key: Bytes): StoredTrail | undefined {
    const kept = this.#trails.get(binary(key))
    if (kept !== undefined) return kept
    const bytes = this.store.get(trailStateKey(key))
    if (bytes === undefined) return undefined
    const trail = decodeTrailState(bytes) ?? this.#trailOfVersion1(key, bytes)
    this.#trails.set(binary(key), trail)
    return trail
  }

  #trailOfVersion1(key: Bytes, bytes: Bytes): StoredTrail {
    const field = `t ${base64url(key)}`
    const { name, count, root } = decodeValue<TrailOfVersion1>(bytes, field)
    const end = trailEnd(count, (level, index) => this.trailTile(key, level, index))
    if (!equalBytes(rootOfTrail(end), root))
      throw new LianzhengError('STORE_CORRUPT', { field, expected: 'tiles with this root' })
    return { name, ...end }
  }

  trailTile(key: Bytes, level: number, index: number): Bytes | undefined {
    const at = trailTileKey(key, level, index)
    return this.#trailTiles.get(binary(at)) ?? this.store.get(at)
  }

  /** After a batch is durable: what it made of the trails. Most have one member and never another: those are not worth their memory. */
  trailsChanged(trails: readonly FoldedTrail[]): void {
    for (const { key, name, count, range, tiles } of trails) {
      if (count === 1) continue
      this.#trails.set(binary(key), { name, count, range })
      for (const { level, index, bytes } of tiles) this.#trailTiles.set(binary(trailTileKey(key, level, index)), bytes)
    }
  }

  // The registry: what is not asked for is not read.

  get meta(): RegistryMeta | undefined {
    if (this.#meta === undefined) {
      const bytes = this.store.get(REGISTRY_KEY)
      if (bytes !== undefined) this.#meta = decodeValue<RegistryMeta>(bytes, 'r')
    }
    return this.#meta
  }

  key(kid: Bytes): KeyState | undefined {
    const name = binary(kid)
    const kept = this.#keys.get(name)
    if (kept !== undefined) return kept
    const bytes = this.store.get(keyStateKey(kid))
    const state = bytes === undefined ? undefined : decodeValue<KeyState>(bytes, `k ${base64url(kid)}`)
    // Unknown keys are not kept: strangers could fill the memory with them.
    if (state !== undefined) this.#keys.set(name, state)
    return state
  }

  /** Every registered key, in the order of registration. */
  async keyStates(): Promise<KeyState[]> {
    const states: KeyState[] = []
    for await (const [, value] of this.store.range(classRange('k'))) states.push(decodeValue<KeyState>(value, 'k'))
    return states.sort((a, b) => a.registered - b.registered)
  }

  /** After a batch is durable: what it changed in the registry. */
  registryChanged(meta: RegistryMeta | undefined, keys: readonly KeyState[]): void {
    this.#meta = meta
    for (const state of keys) this.#keys.set(binary(state.kid), state)
  }
}
