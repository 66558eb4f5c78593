/**
 * The one writer of a log. Takes what waits in the pool, gives indexes, folds, commits one atomic synced batch, signs the head, publishes,
 * and only then lets the pool's promises resolve.
 *
 * What a crash leaves behind at each step:
 *   before the batch is written      nothing: no index was given to anyone
 *   while it is written              all of it or none of it (store contract); whoever waits gets no answer
 *   after it, before the note        a committed head without its note: `recover` or the next start signs the same head again
 *   after the note                   everything, but that what an erasure took out may still be in the files: a start purges it
 *
 * With peers a head is published when it has the cosignatures it needs; until then what is durable lies ahead of what is published.
 */
import { type Bytes, binary, equalBytes, utf8 } from '../core/bytes.ts'
import { parseCheckpoint } from '../core/checkpoint.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { keyId } from '../core/keys.ts'
import { parseNote } from '../core/note.ts'
import { GENESIS, MemoryRegistry, type NodeKeys, type RegistryChange, standingOf } from '../core/registry.ts'
import { decodeSeal, signSeal } from '../core/seal.ts'
import { decodeStatement, type Statement } from '../core/statement.ts'
import { disclosuresKey, NOTE_KEY, PURGE_KEY, STORE_VERSION } from '../store/layout.ts'
import { put, remove, type Store } from '../store/store.ts'
import { encodeValue } from '../store/values.ts'
import { admit, type ExaminedRecord, MAX_AHEAD, type Position } from '../verify/admit.ts'
import { requireCatalogue, requirePublished } from '../verify/catalogue.ts'
import { type Folded, fold, type Head } from '../verify/fold.ts'
import { carryOut, goneOf, isErasure, without } from './erasures.ts'
import { foreignKey, heldKeys, keysAt, type LogKeys, signHead } from './head.ts'
import { type BatchEntry, writesOf } from './integrate.ts'
import type { Ledger } from './ledger.ts'
import { type Placed, Pool, type Verifier, type Waiting } from './pool.ts'
import type { Recovered } from './recover.ts'

/** No batch with fewer records than this is sealed before its time: a seal costs as much as they do. */
const SMALLEST_EARLY = 32

/** Seals whose superseded pages one batch deletes: after hours without a published head there are many, and nobody is to wait for all of them at once. */
export const MOST_SWEPT = 64

/** Milliseconds the clock may lag behind the last seal (steps by time synchronisation) before the node stops. */
export const CLOCK_TOLERANCE = 2_000

export interface Published {
  /** The signed note. */
  note: string
  size: number
  root: Bytes
  sealHeight: number
  sealTime: number
}

export interface SequencerOptions {
  /** The first generation, which the others come of. */
  keys: LogKeys
  /** Classes the log holds. */
  classes: readonly string[]
  store: Store
  recovered: Recovered
  verifier: Verifier
  /** Milliseconds since 1970. */
  clock(): number
  batch: { intervalMs: number; maxRecords: number; capacity: number }
  /** Continuing could write or sign something wrong: whoever runs the process must end it. */
  onFatal(error: FatalError): void
  /**
   * Takes each head this log has signed on its way to being published (`publish`), for cosignatures; what it returns is waited for. Without it the
   * log's own signature is enough.
   */
  onSigned?(signed: Published): Promise<void> | void
  /** After each published head, and after each cosignature that has been added to it. */
  onPublished?(published: Published): void
}

export class Sequencer {
  readonly pool: Pool
  readonly #options: SequencerOptions
  readonly #ledger: Ledger
  // Owned by #seal, which never runs twice at a time.
  #head: Head
  /** In force under it. */
  #keys: LogKeys
  /** Of the store, as it says; undefined in a new one. */
  #version: number | undefined
  /** Size of the tree whose records have been answered: its head is signed. */
  #answered: number
  #published: Published | undefined
  /** In the order of their heights. */
  readonly #garbage: { height: number; hashes: readonly Bytes[] }[]
  /** `performance.now()` at the last batch; none yet. */
  #lastSeal = Number.NEGATIVE_INFINITY
  /** Records in the last batch. */
  #lastBatch = 0
  #timer: NodeJS.Timeout | undefined
  #sealing: Promise<void> | undefined
  #keeping: Promise<void> = Promise.resolve()
  #purging: Promise<void> = Promise.resolve()
  #fatal: FatalError | undefined
  #stopping = false

  constructor(options: SequencerOptions) {
    this.#options = options
    const { ledger, head, published, garbage } = options.recovered
    this.#ledger = ledger
    this.#head = head
    this.#keys = keysAt(options.keys, ledger.meta, head.size)
    this.#version = ledger.format()?.version
    this.#answered = head.size
    this.#garbage = [...garbage]
    if (published !== undefined) this.#published = publishedAgain(published.note, ledger)
    this.pool = new Pool({
      verifier: options.verifier,
      capacity: options.batch.capacity,
      signerOf: (record) => this.#signerOf(record),
      admit: (record) => this.#admitNow(record),
      placeOf: (statement) => this.#placeOf(statement),
      onWaiting: () => this.#schedule()
    })
    this.checkClock()
  }

  get head(): Head {
    return this.#head
  }
  /** The keys in force. */
  get keys(): LogKeys {
    return this.#keys
  }
  get published(): Published | undefined {
    return this.#published
  }

  /** Throws `CLOCK_BACKWARDS` where the clock stands before the last seal. */
  checkClock(): void {
    const last = this.#head.seal?.time
    if (last !== undefined && this.#options.clock() < last - CLOCK_TOLERANCE)
      throw new FatalError('CLOCK_BACKWARDS', { expected: `a time after ${new Date(last).toISOString()}, the last seal` })
  }

  /** As `Pool.submit`. Disclosures that come with a statement already placed, and were not given before, are kept too. */
  async submit(record: ExaminedRecord, disclosures: readonly Bytes[]): Promise<Placed> {
    if (this.#fatal !== undefined) throw this.#fatal
    if (this.#stopping) throw new LianzhengError('STOPPING')
    const placed = await this.pool.submit(record, disclosures)
    if (!placed.fresh && disclosures.length > 0) await this.#keepDisclosures(placed.index, record, disclosures)
    return placed
  }

  /** Durable before the answer. What was erased does not come back. */
  #keepDisclosures(index: number, { type }: ExaminedRecord, given: readonly Bytes[]): Promise<void> {
    const kept = this.#oneByOne(async () => {
      if (this.#fatal !== undefined) throw this.#fatal
      const stored = this.#ledger.disclosures(index)
      const missing = without(given, goneOf(type.type, this.#ledger.asked(index))).filter(
        (one) => !stored.some((known) => equalBytes(known, one))
      )
      if (missing.length === 0) return
      const cipher = this.#options.keys.disclosures
      await this.#options.store.write([put(disclosuresKey(index), cipher.seal(index, [...stored, ...missing]))], {
        durable: true
      })
    })
    kept.catch((error: unknown) => this.#stopFor(error, []))
    return kept
  }

  /** What reads disclosures and writes them changed: one after another, each on what the one before has written. */
  #oneByOne<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#keeping.then(run)
    this.#keeping = done.then(
      () => {},
      () => {}
    )
    return done
  }

  /**
   * Takes from the files what erasures have taken from the store: before they are answered, and at a start, because a crash may have come between.
   * Resolves when it is done.
   */
  purge(): Promise<void> {
    const done = this.#purging.then(() => this.#purge())
    this.#purging = done.catch((error: unknown) => this.#stopFor(error, []))
    return done
  }

  async #purge(): Promise<void> {
    const { store } = this.#options
    const indexes = this.#ledger.toPurge()
    if (indexes.length === 0) return
    await store.purge([...new Set(indexes)].map(disclosuresKey)) // A crash here leaves the list.
    await this.#oneByOne(async () => {
      // An erasure meanwhile has added to its end, the same record perhaps.
      const left = this.#ledger.toPurge().slice(indexes.length)
      await store.write([left.length === 0 ? remove(PURGE_KEY) : put(PURGE_KEY, encodeValue(left))], { durable: true })
    })
  }

  /** By what makes every statement its own (formats.md §3): one look-up, and nothing is found for what is new. */
  #placeOf({ kid, cti, leaf }: Statement): number | undefined {
    const index = this.#ledger.indexOfCti(kid, cti)
    if (index === undefined || index >= this.#answered) return undefined
    return equalBytes(leafHash(this.#ledger.requireEntry(index)), leaf) ? index : undefined
  }

  /** Genesis names its own signer; all others are in the registry. */
  #signerOf({ type, body, statement }: ExaminedRecord): Bytes {
    if (type.type === GENESIS) {
      const [first] = body.administrators as { key: Bytes }[]
      if (!equalBytes(keyId(first!.key), statement.kid))
        throw new LianzhengError('NOT_ADMINISTRATOR', { field: 'administrators[0].key', expected: 'the key that signs genesis' })
      return first!.key
    }
    const key = this.#ledger.key(statement.kid)
    const standing = standingOf(key, this.#head.size, this.#timeInForce(this.#ledger))
    if (standing === 'active') return key!.key
    throw new LianzhengError(standing === 'undecided' ? 'KEY_NOT_YET_VALID' : standing, { field: 'kid' })
  }

  #admitNow(record: ExaminedRecord): void {
    // Whether its cti is used is asked once, when it is given its index.
    this.#requireOwn(
      record,
      admit(
        record,
        this.#position(this.#head.size, this.#ledger, () => false)
      ).change
    )
  }

  /**
   * A change to keys that this node does not hold would leave it sealing with keys that no longer count: every receipt after it would be broken.
   * Under a catalogue that it does not know it could judge nothing any more.
   */
  #requireOwn({ type, body }: ExaminedRecord, { meta }: RegistryChange): void {
    const { keys } = this.#options
    const refuse = (field: string) =>
      new LianzhengError('FIELD_INVALID', { field, expected: 'keys that this node holds: `lianzheng registry node`' })
    if (body.catalogue !== undefined) requirePublished(body.catalogue as number, body.catalogueDigest as Bytes)
    if (type.type === 'registry.node') {
      const foreign = foreignKey(keys, body.generation as number, body.keys as Partial<NodeKeys>)
      if (foreign !== undefined) throw refuse(`keys.${foreign}`)
    }
    if (meta === undefined) return
    requireCatalogue(meta.catalogue)
    if (heldKeys(keys, meta, Number.MAX_SAFE_INTEGER) === undefined) throw refuse('keys')
  }

  #timeInForce(registry: Position['registry']): Position['time'] {
    const time = this.#head.seal?.time ?? (registry.meta?.genesisIat ?? 0) * 1000
    return { min: time, max: time }
  }

  #position(index: number, registry: Position['registry'], ctiUsed: Position['ctiUsed']): Position {
    const { keys, classes, clock } = this.#options
    return {
      origin: keys.origin,
      classes,
      registry,
      index,
      time: this.#timeInForce(registry),
      latestIat: Math.floor(clock() / 1000) + MAX_AHEAD,
      ctiUsed,
      // What the batch itself brings is not there yet; the door has said so already.
      earlier: (leaf) => this.#ledger.earlier(leaf, this.#head.size)
    }
  }

  /**
   * A batch is due `intervalMs` after the last one, or at once when it is full, or when it is half as large as the last and nothing else is on its way:
   * those who wait for each answer before they send again are sending again, and nobody is to be waited for.
   */
  #schedule(): void {
    // What was at its signature check when the log stopped comes to wait only now.
    if (this.#fatal !== undefined) return this.#refuseWaiting(this.#fatal)
    if (this.#sealing !== undefined || this.pool.waiting === 0) return
    const { intervalMs, maxRecords } = this.#options.batch
    const { waiting, underway } = this.pool
    const early = waiting === underway && waiting >= Math.max(this.#lastBatch / 2, SMALLEST_EARLY)
    const now = waiting >= maxRecords || early || this.#stopping
    const due = now ? 0 : Math.max(0, this.#lastSeal + intervalMs - performance.now())
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#run(), due)
  }

  #run(): void {
    if (this.#sealing !== undefined || this.#fatal !== undefined) return
    this.#lastSeal = performance.now()
    const waiting = this.pool.take(this.#options.batch.maxRecords)
    this.#lastBatch = waiting.length
    this.#sealing = this.#seal(waiting)
      .catch((error: unknown) => this.#stopFor(error, waiting))
      .finally(() => {
        this.#sealing = undefined
        this.#schedule()
      })
  }

  #stopFor(error: unknown, waiting: readonly Waiting[]): void {
    const fatal =
      error instanceof FatalError
        ? error
        : new FatalError(error instanceof LianzhengError ? error.code : 'INTERNAL', { cause: error })
    const first = this.#fatal === undefined
    this.#fatal ??= fatal
    for (const { reject } of waiting) reject(this.#fatal)
    this.#refuseWaiting(this.#fatal)
    if (first) this.#options.onFatal(this.#fatal)
  }

  #refuseWaiting(fatal: FatalError): void {
    for (const { reject } of this.pool.take(Number.MAX_SAFE_INTEGER)) reject(fatal)
  }

  async #seal(waiting: readonly Waiting[]): Promise<void> {
    this.checkClock()
    const { store, clock } = this.#options
    const registry = new MemoryRegistry(this.#ledger)
    const admitted = this.#admitInOrder(waiting, registry)
    if (admitted.length === 0) return
    const start = this.#head.size
    const { operator } = registry.meta!
    // A change of the node's keys takes effect for the very seal that ends its batch.
    const keys = keysAt(this.#options.keys, registry.meta, start + admitted.length)
    const folded = fold(
      this.#head,
      admitted.map(({ record }) => record.statement),
      clock(),
      (seal) => signSeal(seal, keys.origin, operator, keys.statement),
      this.#ledger
    )
    const garbage = this.#garbage.slice(0, MOST_SWEPT).filter(({ height }) => height <= (this.#published?.sealHeight ?? -1))
    const meta = registry.meta === this.#ledger.meta ? undefined : registry.meta
    const seal = decodeStatement(folded.sealStatement)
    const commit = async (): Promise<void> => {
      const { left, writes } = carryOut(admitted, start, this.#ledger, keys.disclosures)
      const batch = writesOf({
        origin: keys.origin,
        version: this.#version,
        cipher: keys.disclosures,
        start,
        entries: admitted.map(({ record }, i): BatchEntry => ({ statement: record.statement, disclosures: left[i]! })),
        seal,
        folded,
        meta,
        keys: registry.changedKeys(),
        garbage
      })
      await store.write([...batch, ...writes], { durable: true }) // A crash here leaves all of the batch or nothing; nobody has been answered.
    }
    const erases = admitted.some(({ record }) => isErasure(record))
    await (erases ? this.#oneByOne(commit) : commit())

    this.#head = folded.head
    this.#keys = keys
    this.#garbage.splice(0, garbage.length)
    this.#garbage.push(...supersededBy(folded))
    this.#ledger.registryChanged(registry.meta, registry.changedKeys())
    this.#ledger.trailsChanged(folded.trails)
    this.#version = STORE_VERSION
    await this.#sign() // A crash here leaves a committed head that the next start signs again.
    this.#answered = this.#head.size
    // Whether these took anything away or an erasure before them did: nobody is told so before it is gone.
    const purged = erases ? this.purge() : undefined
    for (const [i, { record, resolve, reject }] of admitted.entries()) {
      const placed = { index: start + i, fresh: true }
      if (purged === undefined || !isErasure(record)) resolve(placed)
      else purged.then(() => resolve(placed), reject)
    }
  }

  /** The same rule once more, now with the index given and against what the batch itself has changed. */
  #admitInOrder(waiting: readonly Waiting[], registry: MemoryRegistry): Waiting[] {
    const admitted: Waiting[] = []
    const ctis = new Set<string>()
    const name = (kid: Bytes, cti: Bytes) => binary(kid) + binary(cti)
    for (const item of waiting) {
      const { statement } = item.record
      try {
        const position = this.#position(
          this.#head.size + admitted.length,
          registry,
          (kid, cti) => ctis.has(name(kid, cti)) || this.#ledger.indexOfCti(kid, cti) !== undefined
        )
        const { key, change } = admit(item.record, position)
        if (!equalBytes(key.key, item.key)) throw new LianzhengError('SIGNATURE_INVALID', { field: 'kid' })
        this.#requireOwn(item.record, change)
        registry.commit(change)
        ctis.add(name(statement.kid, statement.cti))
        admitted.push(item)
      } catch (error) {
        item.reject(error)
      }
    }
    return admitted
  }

  async #sign(): Promise<void> {
    const signed = publishedOf(signHead(this.#head, this.#keys), this.#head)
    await (this.#options.onSigned ?? ((head) => this.publish(head)))(signed)
  }

  /** Publishes a head that this log has signed, or the published one with more cosignatures. An older one is passed over: what is published never goes back. */
  async publish(signed: Published): Promise<void> {
    // After a write that failed nothing is written: what is on disk is for the next opening to tell (store contract).
    if (this.#fatal !== undefined || signed.size < (this.#published?.size ?? 0)) return
    try {
      await this.#options.store.write([put(NOTE_KEY, utf8(signed.note))], { durable: false })
    } catch (error) {
      this.#stopFor(error, [])
      throw error
    }
    this.#published = signed
    this.#options.onPublished?.(signed)
  }

  /** The head is read back from the store, compared, and signed again: at the start, and when idle, so that cosigners' times are renewed. */
  async resign(): Promise<void> {
    if (this.#sealing !== undefined || this.#fatal !== undefined || this.#head.seal === undefined) return
    this.#sealing = this.#signAgain()
      .catch((error: unknown) => this.#stopFor(error, []))
      .finally(() => {
        this.#sealing = undefined
        this.#schedule()
      })
    await this.#sealing
  }

  async #signAgain(): Promise<void> {
    this.checkClock()
    const stored = this.#ledger.readHead()
    if (stored.size !== this.#head.size || !equalBytes(stored.root, this.#head.root))
      throw new FatalError('STORE_DISAGREES', { field: 'm head' })
    await this.#sign()
  }

  /** Seals what waits, then stops. New submissions are refused with `STOPPING`. */
  async stop(): Promise<void> {
    this.#stopping = true
    while (this.#fatal === undefined && (this.pool.underway > 0 || this.#sealing !== undefined)) {
      clearTimeout(this.#timer)
      if (this.#sealing === undefined && this.pool.waiting > 0) this.#run()
      await (this.#sealing ?? new Promise((resolve) => setTimeout(resolve, 5)))
    }
    clearTimeout(this.#timer)
    await this.#keeping
    await this.#purging
  }
}

function supersededBy(folded: Folded): { height: number; hashes: readonly Bytes[] }[] {
  return folded.superseded.length === 0 ? [] : [{ height: folded.seal.height, hashes: folded.superseded }]
}

/** What was published, read back: it may lie behind the head. */
function publishedAgain(note: string, ledger: Ledger): Published {
  const { size, root } = parseCheckpoint(parseNote(note).text)
  const { height, time } = decodeSeal(decodeStatement(ledger.requireEntry(size - 1)))
  return { note, size, root, sealHeight: height, sealTime: time }
}

function publishedOf(note: string, head: Head): Published {
  return { note, size: head.size, root: head.root, sealHeight: head.seal!.height, sealTime: head.seal!.time }
}
