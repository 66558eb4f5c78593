/**
 * The whole of a store, re-read and re-derived: bytes, leaf hashes, signatures, registry, tiles, trails, map, seals, head and note. A second store is
 * derived from the entries, and every key of every class compared with it; what is bad is named by class and place, e.g. `e 17`, `h 0/3`,
 * `t power:粤01-R0001`.
 */
import { type Bytes, equalBytes, fromU64, hex } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { verifyCosignature } from '../core/cosignature.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { HASH_SIZE, leafHash } from '../core/hash.ts'
import { formatVkey, isBy, type Note, parseNote, parseVkey, type Vkey, verifyNoteSignature } from '../core/note.ts'
import { CLASSES, type Policy } from '../core/policy.ts'
import { evaluatePolicy } from '../core/quorum.ts'
import { nodeKeysAt } from '../core/registry.ts'
import type { DisclosureCipher } from '../store/disclosures.ts'
import { isPlain, openDisclosures } from '../store/disclosures.ts'
import { classRange, disclosuresKey, entryKey, FORMAT_KEY, HEAD_KEY, NOTE_KEY, PURGE_KEY } from '../store/layout.ts'
import type { Store } from '../store/store.ts'
import { decodeValue, encodeValue } from '../store/values.ts'
import { type Examined, examine, matchDisclosures } from '../verify/admit.ts'
import { compareKeys } from './audit-keys.ts'
import { type Asked, goneOf, without } from './erasures.ts'
import { Ledger } from './ledger.ts'
import type { Verifier } from './pool.ts'
import { type Finding, findingOf, Replay } from './replay.ts'
import { Scratch } from './scratch.ts'

export interface AuditReport {
  /** Name of the log. */
  origin: string
  /** Entries: records and seals. */
  size: number
  records: number
  seals: number
  trails: number
  /** Undefined where they were not looked at: they are not served with the entries. */
  disclosures: number | undefined
  /** Records whose disclosures are sealed and were not opened, because the seed was not given. */
  unopened: number
  /** Entries that an earlier run over the same work directory had derived; 0 where it began anew. */
  resumed: number
  /** Empty where everything agrees. */
  findings: Finding[]
}

/** First the entries are read and derived from, then the keys of the store compared with what came out. */
export type AuditPhase = 'entries' | 'keys'

/** `done` of `of` entries, or of the thousand thousandths of all keys. Called for every few thousand of them, and at the end of each phase. */
export type AuditProgress = (done: number, of: number, phase: AuditPhase) => void

export interface AuditOptions {
  /** Checks one Ed25519 signature, best off the calling thread: up to 4,096 are asked for at a time. */
  verifier: Verifier
  /** Checks the note's signatures and names the classes the log holds. */
  policy?: Policy
  /** The log's ML-DSA-44 note key, where the caller has it. */
  postQuantumKey?: Vkey
  /** Opens the disclosures of a log, for whoever has the seed of its node. */
  cipherOf?(origin: string): DisclosureCipher
  /**
   * A directory for what is derived: made where it is missing, kept, and gone on with by the next run that is given it, from the last seal. For one log
   * alone, and as trustworthy as whoever can write there. Without it large logs take a temporary directory, which is removed.
   */
  work?: string
  onProgress?: AuditProgress
}

/**
 * Everything that does not hold is a finding. Throws where the store cannot be read at all; `WORK_FOREIGN` for a work directory of another log, or of
 * another history of this one; `DATA_DIR_IN_USE` for one that is being worked in.
 */
export async function auditStore(store: Store, options: AuditOptions): Promise<AuditReport> {
  return new StoreAudit(store, options).run()
}

/** Entries between two reports of progress. */
const STEP = 1_000

class StoreAudit {
  readonly #store: Store
  readonly #ledger: Ledger
  readonly #options: AuditOptions
  readonly #findings: Finding[] = []
  #cipher: DisclosureCipher | undefined
  /** The last tile of the tree looked at. */
  #tile: { index: number; bytes: Bytes | undefined } | undefined
  /** Records with disclosures, and disclosures that have been opened. */
  #disclosed = 0
  #disclosures = 0
  #unopened = 0

  constructor(store: Store, options: AuditOptions) {
    this.#store = store
    this.#ledger = new Ledger(store)
    this.#options = options
  }

  #find(what: string, code: LianzhengError['code'], expected: string): void {
    this.#findings.push(findingOf(what, new LianzhengError(code, { expected })))
  }

  /** Reads something of our own making; damage is a finding. */
  #read<T>(what: string, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
      const { expected } = error.detail
      this.#findings.push(findingOf(what, new LianzhengError(error.code, expected === undefined ? {} : { expected })))
      return undefined
    }
  }

  #compare(what: string, key: Bytes, value: Bytes): void {
    const stored = this.#store.get(key)
    if (stored === undefined) this.#find(what, 'STORE_CORRUPT', 'to be there')
    else if (!equalBytes(stored, value)) this.#find(what, 'STORE_CORRUPT', hex(value.subarray(0, 64)))
  }

  async run(): Promise<AuditReport> {
    const format = this.#read('m format', () => this.#ledger.format())
    const head = this.#read('m head', () => this.#ledger.readHead())
    const origin = format?.origin ?? this.#originOfNote()
    this.#cipher = this.#options.cipherOf?.(origin)
    if (format !== undefined) this.#compare('m format', FORMAT_KEY, encodeValue({ version: format.version, origin }))
    else if (this.#store.get(FORMAT_KEY) === undefined) this.#find('m format', 'STORE_CORRUPT', 'to be there')
    const classes = this.#options.policy?.rests.get(origin)?.classes ?? CLASSES
    const { work } = this.#options
    const scratch = work === undefined ? new Scratch() : await Scratch.open({ origin, classes }, work)
    try {
      const replay = new Replay({
        origin,
        classes,
        verifier: this.#options.verifier,
        onFinding: (finding) => this.#findings.push(finding),
        entry: (index) => this.#ledger.entry(index),
        scratch
      })
      await replay.checkResumed()
      return await this.#audit(replay, scratch, { origin, head: head?.size })
    } finally {
      await scratch.close()
    }
  }

  async #audit(
    replay: Replay,
    scratch: Scratch,
    { origin, head }: { origin: string; head: number | undefined }
  ): Promise<AuditReport> {
    const resumed = replay.size
    if (resumed > 0) await this.#checkDerivedEntries(replay)
    try {
      await this.#replayEntries(replay, head ?? 0)
    } catch (error) {
      await replay.keep().catch(() => {}) // What stopped the audit is what is told.
      throw error
    }
    await replay.finish()
    this.#options.onProgress?.(replay.size, replay.size, 'entries')
    if (head !== undefined && replay.derivable) this.#compare('m head', HEAD_KEY, encodeValue(replay.head))
    this.#compareNote(replay, origin)
    await this.#checkMeta()
    await this.#checkErased(scratch)
    await this.#countDisclosures(replay.derivable)
    await compareKeys({
      stored: this.#store,
      derived: scratch,
      derivable: replay.derivable,
      onFinding: (what, error) => this.#findings.push(findingOf(what, error)),
      onProgress: (share) => this.#options.onProgress?.(Math.floor(share * 1_000), 1_000, 'keys')
    })
    return {
      origin,
      size: replay.size,
      records: replay.records,
      seals: replay.size - replay.records,
      trails: replay.derivable ? (replay.head.seal?.trails ?? 0) : 0,
      disclosures: this.#disclosures,
      unopened: this.#unopened,
      resumed,
      findings: this.#findings
    }
  }

  #originOfNote(): string {
    const note = this.#ledger.note()
    const checkpoint = note === undefined ? undefined : this.#read('m note', () => parseCheckpoint(parseNote(note).text))
    if (checkpoint === undefined) throw new FatalError('STORE_CORRUPT', { field: 'm format', expected: 'the origin of the log' })
    return checkpoint.origin
  }

  async #replayEntries(replay: Replay, of: number): Promise<void> {
    const { gte, lt } = classRange('e')
    for await (const [key, bytes] of this.#store.range({ gte: replay.size === 0 ? gte : entryKey(replay.size), lt })) {
      const index = key.length === 9 ? fromU64(key, 1) : undefined
      if (index === undefined) {
        this.#find(`e ${hex(key.subarray(1))}`, 'STORE_CORRUPT', 'a key of this class')
        continue
      }
      while (replay.size < index) {
        const leaf = this.#leafInTree(replay.size)
        if (leaf === undefined) break
        replay.addMissing(leaf)
      }
      if (replay.size < index) {
        // Neither entries nor tree: nothing can be said of what lies beyond.
        this.#find(`e ${index}`, 'STORE_CORRUPT', `no entry beyond ${replay.size - 1}`)
        replay.derivable = false
        return
      }
      const { examined } = await replay.add(bytes, this.#believedLeaf(index, bytes))
      this.#checkDisclosures(index, examined)
      if (index % STEP === 0) this.#options.onProgress?.(index, Math.max(of, index + 1), 'entries')
    }
  }

  /** What an earlier run has derived from must be there still, and its disclosures are looked at now. */
  async #checkDerivedEntries(replay: Replay): Promise<void> {
    const known = new Set(this.#findings.map(({ what }) => what))
    const differs = (index: number) => {
      if (!known.has(`e ${index}`)) this.#find(`e ${index}`, 'STORE_CORRUPT', 'the entry that an earlier run has read')
    }
    let next = 0
    for await (const [key, bytes] of this.#store.range({ gte: classRange('e').gte, lt: entryKey(replay.size) })) {
      const index = key.length === 9 ? fromU64(key, 1) : undefined
      if (index === undefined) {
        this.#find(`e ${hex(key.subarray(1))}`, 'STORE_CORRUPT', 'a key of this class')
        continue
      }
      for (; next < index; next++) differs(next)
      next++
      const leaf = leafIn(replay.ledger.tile(0, Math.floor(index / 256)), index)
      if (leaf === undefined || !equalBytes(leafHash(bytes), leaf)) differs(index)
      else if (this.#store.get(disclosuresKey(index)) !== undefined) this.#checkDisclosures(index, readable(bytes))
    }
    for (; next < replay.size; next++) differs(next)
  }

  #leafInTree(index: number): Bytes | undefined {
    const at = Math.floor(index / 256)
    if (this.#tile?.index !== at) this.#tile = { index: at, bytes: this.#ledger.tile(0, at) }
    return leafIn(this.#tile.bytes, index)
  }

  /** Where entry and tile disagree, the index of leaves says which of the two is damaged. */
  #believedLeaf(index: number, bytes: Bytes): Bytes {
    const leaf = leafHash(bytes)
    const inTree = this.#leafInTree(index)
    if (inTree === undefined || equalBytes(leaf, inTree)) return leaf
    return this.#ledger.indexOfLeaf(leaf) === index ? leaf : inTree
  }

  #checkDisclosures(index: number, examined: Examined | undefined): void {
    if (examined?.kind !== 'record') return
    const value = this.#store.get(disclosuresKey(index))
    if (value === undefined) return
    this.#disclosed++
    if (this.#cipher === undefined && !isPlain(value)) {
      this.#unopened++
      return
    }
    this.#read(`d ${index}`, () => {
      const disclosures = openDisclosures(index, value, this.#cipher)
      if (disclosures.length === 0) throw new LianzhengError('STORE_CORRUPT', { expected: 'a disclosure' })
      this.#disclosures += matchDisclosures(examined, disclosures).length
    })
  }

  async #countDisclosures(derivable: boolean): Promise<void> {
    let found = 0
    for await (const _ of this.#store.range(classRange('d'))) found++
    if (derivable && found > this.#disclosed)
      this.#find('d', 'STORE_CORRUPT', `${this.#disclosed} keys of this class, not ${found}`)
  }

  /** Nothing that was erased is there any more. What was asked is compared with the other keys. */
  async #checkErased(derived: Scratch): Promise<void> {
    for await (const [key, value] of derived.range(classRange('x'))) {
      const index = fromU64(key, 1)!
      const entry = this.#ledger.entry(index)
      const target = entry === undefined ? undefined : readable(entry)
      const stored = this.#store.get(disclosuresKey(index))
      if (target?.kind !== 'record' || stored === undefined || (this.#cipher === undefined && !isPlain(stored))) continue
      const gone = goneOf(target.type.type, decodeValue<Asked>(value, `x ${index}`))
      this.#read(`d ${index}`, () => {
        const disclosures = openDisclosures(index, stored, this.#cipher)
        if (without(disclosures, gone).length < disclosures.length)
          throw new LianzhengError('STORE_DISAGREES', { expected: 'no disclosure of a field that was erased' })
      })
    }
  }

  async #checkMeta(): Promise<void> {
    const known = [FORMAT_KEY, HEAD_KEY, NOTE_KEY, PURGE_KEY]
    for await (const [key] of this.#store.range(classRange('m')))
      if (!known.some((one) => equalBytes(one, key)))
        this.#find(`m ${hex(key.subarray(1))}`, 'STORE_CORRUPT', 'a key of this class')
    this.#read('m purge', () => this.#ledger.toPurge())
  }

  #compareNote(replay: Replay, origin: string): void {
    const stored = this.#store.get(NOTE_KEY)
    if (stored === undefined) return
    const text = this.#ledger.note()!
    const opened = this.#read('m note', () => {
      const note = parseNote(text)
      return { note, checkpoint: parseCheckpoint(note.text) }
    })
    if (opened === undefined) return
    const { note, checkpoint } = opened
    if (checkpoint.origin !== origin) this.#find('m note', 'STORE_FOREIGN', origin)
    if (checkpoint.size > replay.head.size) this.#find('m note', 'STORE_DISAGREES', `a size of at most ${replay.head.size}`)
    else if (checkpoint.size === replay.head.size && !equalBytes(checkpoint.root, replay.head.root))
      this.#find('m note', 'STORE_DISAGREES', `root ${hex(replay.head.root)}`)
    const meta = replay.ledger.meta
    if (meta === undefined) return
    // The note may lag behind the head after a crash, by a change of keys too.
    const inForce = nodeKeysAt(meta, checkpoint.size)
    const vkey = inForce.log
    const policy = this.#options.policy
    const result = policy === undefined ? undefined : evaluatePolicy(policy, note, checkpoint)
    if (result !== undefined && result.log !== 'verified')
      this.#find('m note', 'SIGNATURE_INVALID', 'a signature by a log key of the policy')
    const own = this.#read('m note', () => parseVkey(vkey))
    const line = own === undefined ? undefined : note.signatures.find((signature) => isBy(signature, own))
    if (own === undefined || line === undefined || !verifyNoteSignature(note.text, line, own))
      this.#find('m note', 'SIGNATURE_INVALID', `a signature by ${vkey}`)
    this.#checkPostQuantumLine(note, checkpoint, inForce['log-mldsa44'])
  }

  /** The log's ML-DSA-44 key stands in genesis by the hash of its vkey alone; the policy may give the key itself. */
  #checkPostQuantumLine(note: Note, checkpoint: Checkpoint, digest: Bytes | undefined): void {
    const line = note.signatures.find(({ name, signature }) => name === checkpoint.origin && signature.length > 1_000)
    if (digest !== undefined && line === undefined) this.#find('m note', 'SIGNATURE_INVALID', 'an ML-DSA-44 line of the log')
    const vkey = this.#options.postQuantumKey
    if (line === undefined || vkey === undefined) return
    if (verifyCosignature(note.text, checkpoint, line, vkey) === undefined)
      this.#find('m note', 'SIGNATURE_INVALID', formatVkey(vkey).slice(0, 60))
  }
}

/** Reads a leaf out of a tile of level 0. */
function leafIn(tile: Bytes | undefined, index: number): Bytes | undefined {
  const at = (index % 256) * HASH_SIZE
  return tile === undefined || tile.length < at + HASH_SIZE ? undefined : tile.subarray(at, at + HASH_SIZE)
}

function readable(entry: Bytes): Examined | undefined {
  try {
    return examine(entry)
  } catch (error) {
    if (error instanceof LianzhengError) return undefined
    throw error
  }
}
