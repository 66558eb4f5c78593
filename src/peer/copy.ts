/**
 * A mirror's copy of one log, in a store of the layout every log has, so that reading, audit and restoring work on it.
 *
 * Entries come first, each proven to be in a checkpoint that extends the ones before (mirror.ts); they stand beyond the head until their batch is
 * complete. Then the batch is read back from the store, and goes through the same `admit` and `fold` as at its own node: what the log's seal says must
 * be what comes out. Where it is not, the copy goes no further and the mirror does not sign.
 *
 * Of a stranger's log only the tree is made: its entries mean nothing here.
 */
import { type Bytes, equalBytes, fromU64, hex, utf8 } from '../core/bytes.ts'
import { type Code, FatalError, LianzhengError } from '../core/errors.ts'
import { HASH_SIZE, leafHash } from '../core/hash.ts'
import { treeRoot } from '../core/merkle.ts'
import { MemoryRegistry, nodeKeysAt } from '../core/registry.ts'
import { signedBytes } from '../core/statement.ts'
import { appendTiles, nodesFromTiles } from '../core/tile.ts'
import { writesOf } from '../log/integrate.ts'
import { Ledger } from '../log/ledger.ts'
import type { Verifier } from '../log/pool.ts'
import {
  classRange,
  entryKey,
  FORMAT_KEY,
  HEAD_KEY,
  NOTE_KEY,
  pageKey,
  STORE_VERSION,
  supersededKey,
  tileKey
} from '../store/layout.ts'
import { put, remove, type Store, type Write } from '../store/store.ts'
import { encodeValue } from '../store/values.ts'
import { admit, type Examined, type ExaminedRecord, type ExaminedSeal, examine, MAX_AHEAD } from '../verify/admit.ts'
import { requireCatalogue } from '../verify/catalogue.ts'
import { fold, type Head, sealDiffers } from '../verify/fold.ts'
import type { WatchedLog } from './cosigner.ts'

/** Records between two seals; a log of ours seals at most 10,000. What would take more memory is not gone on with. */
const MAX_BATCH = 65_536
/** Pages deleted at a time. */
const SWEEP = 10_000

export interface CopyOptions {
  log: WatchedLog
  store: Store
  verifier: Verifier
  /** Milliseconds since 1970. */
  clock(): number
}

export class Copy {
  readonly log: WatchedLog
  readonly ledger: Ledger
  readonly #store: Store
  readonly #options: CopyOptions
  /** What entries have been derived into; ends in a seal where the log is a ledger. */
  #head: Head
  /** The first entry that is not here. */
  #next: number
  /** Entries beyond the head that have been examined: one unfinished batch. */
  #batch: ExaminedRecord[] = []
  /** Why the copy goes no further, once the log was found to disagree with its own entries. */
  #refused: LianzhengError | undefined
  /** A write that failed: what is on disk is unknown until the store is opened again. */
  #failed: unknown
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(options: CopyOptions, ledger: Ledger, head: Head, next: number) {
    this.log = options.log
    this.ledger = ledger
    this.#store = options.store
    this.#options = options
    this.#head = head
    this.#next = next
  }

  /** Throws FatalError: `STORE_FOREIGN`, `STORE_VERSION` or `STORE_DISAGREES`. */
  static async open(options: CopyOptions): Promise<Copy> {
    const { log, store } = options
    const ledger = new Ledger(store)
    const format = ledger.format()
    if (format !== undefined && format.origin !== log.origin) throw new FatalError('STORE_FOREIGN', { expected: log.origin })
    const head = ledger.readHead()
    if (head.size > 0 && !equalBytes(treeRoot(head.size, ledger.nodes(head.size)), head.root))
      throw new FatalError('STORE_DISAGREES', { field: 'h', expected: `tiles with the root ${hex(head.root)}` })
    let next = head.size
    for await (const [key] of store.range({ gte: entryKey(head.size), lt: classRange('e').lt })) {
      if (fromU64(key, 1) !== next) break
      next++
    }
    return new Copy(options, ledger, head, next)
  }

  get head(): Head {
    return this.#head
  }
  get next(): number {
    return this.#next
  }
  get refused(): LianzhengError | undefined {
    return this.#refused
  }
  /** The mirror checkpoint: the last note cosigned. */
  get note(): string | undefined {
    return this.ledger.note()
  }

  /** Leaf hashes of entries that are here. */
  leaves(from: number, to: number): Bytes[] {
    return Array.from({ length: to - from }, (_, i) => leafHash(this.ledger.requireEntry(from + i)))
  }

  /** One after another: whoever changes the copy has it alone. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = () => {
      if (this.#failed !== undefined) throw this.#failed
      return work()
    }
    const turn = this.#turn.then(run, run)
    this.#turn = turn
    return turn
  }

  async #write(writes: readonly Write[], options: { durable: boolean }): Promise<void> {
    try {
      await this.#store.write(writes, options)
    } catch (error) {
      this.#failed = error
      throw error
    }
  }

  /** Entries proven to be the log's; those that are here already are skipped. In `exclusively`. */
  async append(start: number, entries: readonly Bytes[]): Promise<void> {
    const fresh = entries.slice(Math.max(0, this.#next - start))
    const first = start + entries.length - fresh.length
    if (first > this.#next || fresh.length === 0) return
    // A crash here leaves some of them or none: `open` counts what is there.
    await this.#write(
      fresh.map((entry, i) => put(entryKey(first + i), entry)),
      { durable: false }
    )
    this.#next = first + fresh.length
  }

  /**
   * Derives what has arrived, batch by batch, as far as seals below `size` go. Throws `MIRROR_DISAGREES` where the log says otherwise, now and ever
   * after; `SEAL_AHEAD`; `CATALOGUE_UNKNOWN`. In `exclusively`.
   */
  async advance(size: number): Promise<void> {
    const to = Math.min(size, this.#next)
    if (this.log.classes === undefined) return this.#growTree(to)
    if (this.#refused !== undefined) throw this.#refused
    for (let index = this.#head.size + this.#batch.length; index < to; index++) {
      const bytes = this.ledger.requireEntry(index)
      const examined = this.#derive(index, () => this.#examine(bytes))
      if (examined.kind === 'seal') await this.#close(index, examined)
      else if (this.#batch.length === MAX_BATCH) throw this.#refuse(index, { expected: 'a seal' })
      else this.#batch.push(examined)
    }
  }

  #examine(bytes: Bytes): Examined {
    requireCatalogue(this.ledger.meta?.catalogue ?? 0)
    try {
      return examine(bytes)
    } catch (error) {
      // A type unknown here may be one of a catalogue that came into force within this very batch.
      const changes = [...this.#batch, ...(this.ledger.meta?.pending ?? [])].map(({ body }) => body.catalogue)
      for (const version of changes) if (typeof version === 'number') requireCatalogue(version)
      throw error
    }
  }

  #refuse(index: number, detail: { field?: string; expected?: string; cause?: unknown }): LianzhengError {
    this.#refused = new LianzhengError('MIRROR_DISAGREES', { ...detail, at: index })
    return this.#refused
  }

  /** What the rules refuse, the log has taken in: it lies. Under a catalogue that is newer than this software nothing is known. */
  #derive<T>(index: number, step: () => T): T {
    try {
      return step()
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
      if (OWN_TROUBLE.has(error.code)) throw error
      // Its own words could tell a stranger what stands in the entry: the code and the place are enough.
      const { field } = error.detail
      throw this.#refuse(index, { ...(field === undefined ? {} : { field }), expected: `no ${error.code}`, cause: error })
    }
  }

  async #close(index: number, { statement, seal }: ExaminedSeal): Promise<void> {
    if (seal.time > this.#options.clock() + MAX_AHEAD * 1000) throw new LianzhengError('SEAL_AHEAD', { at: index })
    const records = this.#batch
    const start = this.#head.size
    const registry = new MemoryRegistry(this.ledger)
    const ctis = new Set<string>()
    const above = new Map<string, ExaminedRecord>()
    const checks: { index: number; entry: Examined; key: Bytes }[] = []
    for (const [i, record] of records.entries()) {
      const { kid, cti } = record.statement
      const name = `${hex(kid)}/${hex(cti)}`
      if (registry.meta !== undefined) requireCatalogue(registry.meta.catalogue)
      const { key, change } = this.#derive(start + i, () =>
        admit(record, {
          origin: this.log.origin,
          classes: this.log.classes!,
          registry,
          index: start + i,
          time: this.#timeBefore(registry),
          latestIat: Math.floor(seal.time / 1000) + MAX_AHEAD,
          ctiUsed: () => ctis.has(name) || this.#usedBefore(kid, cti, start),
          earlier: (leaf) => above.get(hex(leaf)) ?? this.ledger.earlier(leaf, start)
        })
      )
      registry.commit(change)
      ctis.add(name)
      above.set(hex(record.statement.leaf), record)
      checks.push({ index: start + i, entry: record, key: key.key })
    }
    const { meta } = registry
    if (meta !== undefined) requireCatalogue(meta.catalogue)
    if (records.length === 0 || meta === undefined) throw this.#refuse(index, { expected: 'a record between two seals' })
    if (statement.aud !== this.log.origin) throw this.#refuse(index, { field: 'aud', expected: this.log.origin })
    if (statement.iss !== meta.operator) throw this.#refuse(index, { field: 'iss', expected: meta.operator })
    checks.push({ index, entry: { kind: 'seal', statement, seal }, key: nodeKeysAt(meta, index).statement })
    await this.#checkSignatures(checks)

    const folded = fold(
      this.#head,
      records.map(({ statement: { leaf, trails } }) => ({ leaf, trails })),
      seal.time,
      (expected) => {
        const differs = sealDiffers(expected, seal)
        if (differs !== undefined) throw this.#refuse(index, { ...differs.detail, cause: differs })
        if (expected.time !== seal.time) throw this.#refuse(index, { field: 'seal.time', expected: `at least ${expected.time}` })
        return statement.bytes
      },
      this.ledger
    )
    const entries = records.map((record) => ({ statement: record.statement, disclosures: [] }))
    const changed = meta === this.ledger.meta ? undefined : meta
    const keys = registry.changedKeys()
    const writes = writesOf({
      origin: this.log.origin,
      cipher: undefined,
      version: this.ledger.format()?.version,
      start,
      entries,
      seal: statement,
      folded,
      meta: changed,
      keys,
      garbage: []
    })
    await this.#write(writes, { durable: false }) // A crash here leaves all of the batch or its entries alone, which are derived again.
    this.#head = folded.head
    this.#batch = []
    this.ledger.registryChanged(meta, keys)
    this.ledger.trailsChanged(folded.trails)
  }

  #timeBefore(registry: MemoryRegistry): { min: number; max: number } {
    const time = this.#head.seal?.time ?? (registry.meta?.genesisIat ?? 0) * 1000
    return { min: time, max: time }
  }

  /** Entries below the head alone: what lies beyond is what is being derived. */
  #usedBefore(kid: Bytes, cti: Bytes, start: number): boolean {
    const index = this.ledger.indexOfCti(kid, cti)
    return index !== undefined && index < start
  }

  /** Off the main thread, all at once. */
  async #checkSignatures(checks: readonly { index: number; entry: Examined; key: Bytes }[]): Promise<void> {
    const results = await Promise.all(
      checks.map(({ entry: { statement }, key }) => this.#options.verifier(key, signedBytes(statement), statement.signature))
    )
    const bad = results.indexOf(false)
    if (bad >= 0) throw this.#refuse(checks[bad]!.index, { field: 'signature', expected: 'a signature that verifies' })
  }

  async #growTree(to: number): Promise<void> {
    const { size } = this.#head
    if (to <= size) return
    const { tiles } = appendTiles(size, this.leaves(size, to), ({ level, index }) => this.ledger.tile(level, index))
    const fresh = new Map(tiles.map(({ level, index, bytes }) => [`${level}/${index}`, bytes]))
    const read = ({ level, index }: { level: number; index: number }) =>
      fresh.get(`${level}/${index}`) ?? this.ledger.tile(level, index)
    const root = treeRoot(to, nodesFromTiles(to, read))
    const head: Head = { size: to, root, seal: undefined }
    const writes: Write[] = tiles.map(({ level, index, bytes }) => put(tileKey(level, index), bytes))
    if (size === 0) writes.push(put(FORMAT_KEY, encodeValue({ version: STORE_VERSION, origin: this.log.origin })))
    await this.#write([...writes, put(HEAD_KEY, encodeValue(head))], { durable: false })
    this.#head = head
  }

  /**
   * Before the mirror signs [0, size) with `root`: everything is on disk, and is read back from there: the head, the tree's right edge, and every entry
   * from `from` against its leaf in the tree. Throws `MIRROR_DISAGREES` or `STORE_CORRUPT`. In `exclusively`.
   */
  async settle(from: number, size: number, root: Bytes): Promise<void> {
    if (this.#head.size !== size)
      throw new LianzhengError('MIRROR_DISAGREES', { at: size - 1, expected: 'a seal as the last entry of the checkpoint' })
    await this.#write([put(HEAD_KEY, encodeValue(this.#head))], { durable: true }) // With it, all that was written before.
    const stored = this.ledger.readHead()
    const edge = treeRoot(size, this.ledger.nodes(size))
    if (stored.size !== size || !equalBytes(stored.root, root) || !equalBytes(edge, root))
      throw new LianzhengError('STORE_CORRUPT', { field: 'm head', expected: `root ${hex(root)}` })
    for (let index = from; index < size; index++) {
      const tile = this.ledger.tile(0, Math.floor(index / 256))
      const at = (index % 256) * HASH_SIZE
      const leaf = tile?.subarray(at, at + HASH_SIZE)
      if (leaf === undefined || !equalBytes(leaf, leafHash(this.ledger.requireEntry(index))))
        throw new LianzhengError('STORE_CORRUPT', { field: 'e', at: index })
    }
  }

  /** Keeps the cosigned note, durably: the mirror checkpoint from here on. In `exclusively`. */
  async keep(note: string): Promise<void> {
    await this.#write([put(NOTE_KEY, utf8(note))], { durable: true })
    await this.#sweep(this.#head.seal?.height ?? -1)
  }

  /** Map pages that no seal from this height on needs are deleted, a few at a time. */
  async #sweep(height: number): Promise<void> {
    let writes: Write[] = []
    for await (const [key, hashes] of this.#store.range({ gte: classRange('g').gte, lt: supersededKey(height + 1) })) {
      for (let at = 0; at < hashes.length; at += HASH_SIZE) writes.push(remove(pageKey(hashes.subarray(at, at + HASH_SIZE))))
      writes.push(remove(supersededKey(fromU64(key, 1)!)))
      if (writes.length < SWEEP) continue
      await this.#write(writes, { durable: false })
      writes = []
    }
    if (writes.length > 0) await this.#write(writes, { durable: false })
  }

  /** Resolves when what is under way is done. */
  async idle(): Promise<void> {
    await this.#turn.catch(() => {})
  }
}

/** Not the log's doing. */
const OWN_TROUBLE: ReadonlySet<Code> = new Set(['CATALOGUE_UNKNOWN', 'SEAL_AHEAD', 'STORE_CORRUPT', 'STORE_FAILED'])
