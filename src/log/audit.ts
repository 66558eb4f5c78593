/**
 * The whole of a store, re-read and re-derived: bytes, leaf hashes, signatures, registry, tiles, trails, map, seals, head and note. Every key of
 * every class is compared with what the entries give; what is bad is named by class and place, e.g. `e 17`, `h 0/3`, `t power:粤01-R0001`.
 */
import { type Bytes, base64url, equalBytes, fromU64, hex, u64 } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { verifyCosignature } from '../core/cosignature.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { HASH_SIZE, leafHash, trailKey } from '../core/hash.ts'
import { decodePage } from '../core/map-page.ts'
import { formatVkey, isBy, type Note, parseNote, parseVkey, type Vkey, verifyNoteSignature } from '../core/note.ts'
import { CLASSES, type Policy } from '../core/policy.ts'
import { evaluatePolicy } from '../core/quorum.ts'
import { nodeKeysAt } from '../core/registry.ts'
import type { Seal } from '../core/seal.ts'
import { encodeTrailState, rootOfTrail } from '../core/trail.ts'
import type { DisclosureCipher } from '../store/disclosures.ts'
import { isPlain, openDisclosures } from '../store/disclosures.ts'
import {
  classRange,
  ctiKey,
  disclosuresKey,
  erasedKey,
  FORMAT_KEY,
  HEAD_KEY,
  KEY_CLASSES,
  type KeyClass,
  keyStateKey,
  leafKey,
  NOTE_KEY,
  PURGE_KEY,
  pageKey,
  REGISTRY_KEY,
  sealKey,
  tileKey,
  trailStateKey,
  trailTileKey
} from '../store/layout.ts'
import type { Store } from '../store/store.ts'
import { encodeValue } from '../store/values.ts'
import { spokenOf } from '../verify/about.ts'
import { type Examined, type ExaminedRecord, matchDisclosures } from '../verify/admit.ts'
import type { StoredTrail } from '../verify/fold.ts'
import { type Asked, askedWith, goneOf, isErasure, NOTHING_ASKED, without } from './erasures.ts'
import { Ledger, type TrailOfVersion1 } from './ledger.ts'
import type { Verifier } from './pool.ts'
import { type Finding, Replay } from './replay.ts'

export interface AuditReport {
  origin: string
  size: number
  records: number
  seals: number
  trails: number
  /** Undefined where they were not looked at: they are not served with the entries. */
  disclosures: number | undefined
  /** Records whose disclosures are sealed and were not opened, because the seed was not given. */
  unopened: number
  findings: Finding[]
}

export interface AuditOptions {
  verifier: Verifier
  /** Checks the note's signatures and names the classes the log holds. */
  policy?: Policy
  /** The log's ML-DSA-44 note key, where the caller has it. */
  postQuantumKey?: Vkey
  /** Opens the disclosures of a log, for whoever has the seed of its node. */
  cipherOf?(origin: string): DisclosureCipher
  onProgress?(done: number, of: number): void
}

/** Throws only where the store cannot be read at all; everything else is a finding. */
export async function auditStore(store: Store, options: AuditOptions): Promise<AuditReport> {
  return new StoreAudit(store, options).run()
}

class StoreAudit {
  readonly #store: Store
  readonly #ledger: Ledger
  readonly #options: AuditOptions
  readonly #findings: Finding[] = []
  readonly #expected = new Map<KeyClass, number>()
  /** Lists of superseded pages by height, for the heights the store still keeps. */
  readonly #superseded = new Map<number, Bytes | undefined>()
  #disclosures = 0
  /** By the index of the record spoken of. */
  readonly #erasures = new Map<number, { target: ExaminedRecord; asked: Asked }>()
  #unopened = 0
  #cipher: DisclosureCipher | undefined

  constructor(store: Store, options: AuditOptions) {
    this.#store = store
    this.#ledger = new Ledger(store)
    this.#options = options
  }

  #find(what: string, code: LianzhengError['code'], expected?: string): void {
    const error = new LianzhengError(code, expected === undefined ? {} : { expected })
    this.#findings.push({ what, code, zh: error.text('zh'), en: error.text('en') })
  }

  #count(letter: KeyClass, by = 1): void {
    this.#expected.set(letter, (this.#expected.get(letter) ?? 0) + by)
  }

  /** Reads something of our own making; damage is a finding. */
  #read<T>(what: string, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
      this.#find(what, error.code, error.detail.expected)
      return undefined
    }
  }

  #compare(letter: KeyClass, what: string, key: Bytes, value: Bytes): void {
    this.#count(letter)
    const stored = this.#store.get(key)
    if (stored === undefined) this.#find(what, 'STORE_CORRUPT', 'to be there')
    else if (!equalBytes(stored, value)) this.#find(what, 'STORE_CORRUPT', hex(value.subarray(0, 64)))
  }

  async run(): Promise<AuditReport> {
    const format = this.#read('m format', () => this.#ledger.format())
    const head = this.#read('m head', () => this.#ledger.readHead())
    const origin = format?.origin ?? this.#originOfNote()
    this.#cipher = this.#options.cipherOf?.(origin)
    if (format !== undefined) this.#compare('m', 'm format', FORMAT_KEY, encodeValue({ version: format.version, origin }))
    for await (const [key] of this.#store.range(classRange('g'))) {
      if (key.length === 9) this.#superseded.set(fromU64(key, 1)!, undefined)
      else this.#find(`g ${hex(key)}`, 'STORE_CORRUPT', 'a key of this class')
    }

    const replay = new Replay({
      origin,
      classes: this.#options.policy?.rests.get(origin)?.classes ?? CLASSES,
      verifier: this.#options.verifier,
      onFinding: (finding) => this.#findings.push(finding),
      entry: (index) => this.#ledger.entry(index)
    })
    await this.#replayEntries(replay, head?.size ?? 0)
    this.#compareErasures()
    this.#compareState(replay)
    if (head !== undefined) this.#compareHead(replay)
    this.#compareNote(replay, origin)
    await this.#compareCounts(replay.derivable)
    await this.#checkSupersededPages(replay.derivable)
    return {
      origin,
      size: replay.size,
      records: replay.records,
      seals: this.#expected.get('s') ?? 0,
      trails: this.#expected.get('t') ?? 0,
      disclosures: this.#disclosures,
      unopened: this.#unopened,
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
    for await (const [key, bytes] of this.#store.range(classRange('e'))) {
      const index = fromU64(key, 1)!
      while (replay.size < index) {
        this.#find(`e ${replay.size}`, 'STORE_CORRUPT', 'to be there')
        replay.derivable = false
        await replay.add(new Uint8Array(0), this.#leafInTree(replay.size) ?? new Uint8Array(HASH_SIZE))
      }
      const { examined, folded } = await replay.add(bytes, this.#believedLeaf(index, bytes))
      if (examined !== undefined) this.#compareIndexes(index, examined)
      if (examined?.kind === 'seal' && folded !== undefined)
        this.#compareSeal(index, examined.seal, replay.derivable ? folded.superseded : [])
      if (index % 1000 === 0) this.#options.onProgress?.(index, of)
    }
    await replay.finish()
    this.#options.onProgress?.(replay.size, of)
    this.#expected.set('e', replay.size)
  }

  #leafInTree(index: number): Bytes | undefined {
    const tile = this.#ledger.tile(0, Math.floor(index / 256))
    const at = (index % 256) * HASH_SIZE
    return tile === undefined || tile.length < at + HASH_SIZE ? undefined : tile.subarray(at, at + HASH_SIZE)
  }

  /** Where entry and tile disagree, the index of leaves says which of the two is damaged. */
  #believedLeaf(index: number, bytes: Bytes): Bytes {
    const leaf = leafHash(bytes)
    const inTree = this.#leafInTree(index)
    if (inTree === undefined || equalBytes(leaf, inTree)) return leaf
    return this.#ledger.indexOfLeaf(leaf) === index ? leaf : inTree
  }

  #compareIndexes(index: number, examined: Examined): void {
    const { leaf, kid, cti } = examined.statement
    this.#compare('l', `l ${index}`, leafKey(leaf), u64(index))
    this.#compare('c', `c ${index}`, ctiKey(kid, cti), u64(index))
    if (examined.kind === 'seal') return
    this.#checkDisclosures(index, examined)
    if (isErasure(examined)) this.#noteErasure(index, examined)
  }

  #noteErasure(index: number, erasure: ExaminedRecord): void {
    const { leaf } = spokenOf(erasure)!
    const place = this.#ledger.indexOfLeaf(leaf)
    const target = place === undefined ? undefined : this.#read(`e ${place}`, () => this.#ledger.earlier(leaf, index))
    // What speaks of nothing is found by its own replay.
    if (target === undefined) return
    const asked = this.#erasures.get(place!)?.asked ?? NOTHING_ASKED
    this.#erasures.set(place!, { target, asked: askedWith(asked, erasure, target) })
  }

  /** What was asked is noted down, and nothing that was erased is there any more. */
  #compareErasures(): void {
    for (const [index, { target, asked }] of this.#erasures) {
      this.#compare('x', `x ${index}`, erasedKey(index), encodeValue(asked))
      const value = this.#store.get(disclosuresKey(index))
      if (value === undefined || (this.#cipher === undefined && !isPlain(value))) continue
      this.#read(`d ${index}`, () => {
        const stored = openDisclosures(index, value, this.#cipher)
        if (without(stored, goneOf(target.type.type, asked)).length < stored.length)
          throw new LianzhengError('STORE_DISAGREES', { expected: 'no disclosure of a field that was erased' })
      })
    }
    if (this.#store.get(PURGE_KEY) !== undefined) this.#count('m')
  }

  #checkDisclosures(index: number, examined: ExaminedRecord): void {
    const value = this.#store.get(disclosuresKey(index))
    if (value === undefined) return
    this.#count('d')
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

  #compareSeal(index: number, seal: Seal, superseded: readonly Bytes[]): void {
    const value = new Uint8Array(16)
    value.set(u64(index), 0)
    value.set(u64(seal.time), 8)
    this.#compare('s', `s ${seal.height}`, sealKey(seal.height), value)
    if (this.#superseded.has(seal.height))
      this.#superseded.set(seal.height, superseded.length === 0 ? undefined : joined(superseded))
  }

  /** In the form of the version that wrote it: a store keeps what version 1 wrote until the trail grows. */
  #trailValue(key: Bytes, trail: StoredTrail): Bytes {
    const { name, count } = trail
    const ofVersion1: TrailOfVersion1 = { name, count, root: rootOfTrail(trail) }
    const old = this.#store.get(trailStateKey(key))?.[0] !== 0
    return old ? encodeValue(ofVersion1) : encodeTrailState(name, trail)
  }

  /** Tiles, trails, map pages and registry against what the entries give. */
  #compareState(replay: Replay): void {
    const { state, registry } = replay
    for (const { level, index, bytes } of state.allTiles())
      this.#compare('h', `h ${level}/${index}`, tileKey(level, index), bytes)
    if (!replay.derivable) return
    for (const trail of state.allTrails()) {
      const key = trailKey(trail.name)
      this.#compare('t', `t ${trail.name}`, trailStateKey(key), this.#trailValue(key, trail))
      for (const { level, index, bytes } of state.trailTiles(key))
        this.#compare('u', `u ${trail.name} ${level}/${index}`, trailTileKey(key, level, index), bytes)
    }
    for (const [hash, bytes] of state.allPages()) this.#compare('p', `p ${hex(hash)}`, pageKey(hash), bytes)
    for (const key of registry.changedKeys())
      this.#compare('k', `k ${base64url(key.kid)}`, keyStateKey(key.kid), encodeValue(key))
    if (registry.meta !== undefined) this.#compare('r', 'r', REGISTRY_KEY, encodeValue(registry.meta))
  }

  #compareHead(replay: Replay): void {
    if (replay.derivable) this.#compare('m', 'm head', HEAD_KEY, encodeValue(replay.head))
    else this.#count('m')
  }

  #compareNote(replay: Replay, origin: string): void {
    const stored = this.#store.get(NOTE_KEY)
    if (stored === undefined) return
    this.#count('m')
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
    const meta = replay.registry.meta
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

  /** As many keys of each class as were compared: one more is something no entry accounts for. */
  async #compareCounts(derivable: boolean): Promise<void> {
    const foreign: Bytes[] = []
    const found = new Map<string, number>()
    for await (const [key] of this.#store.range({ gte: new Uint8Array(0), lt: Uint8Array.of(255, 255) })) {
      const letter = String.fromCharCode(key[0]!)
      if (!(KEY_CLASSES as readonly string[]).includes(letter)) foreign.push(key)
      else found.set(letter, (found.get(letter) ?? 0) + 1)
    }
    for (const key of foreign) this.#find(`key ${hex(key)}`, 'STORE_CORRUPT', 'a key of a known class')
    for (const [letter, count] of found) {
      // Superseded pages stay until a later head is published, and are checked on their own.
      if (letter === 'g' || letter === 'p') continue
      const expected = this.#expected.get(letter as KeyClass) ?? 0
      if (derivable && count > expected) this.#find(letter, 'STORE_CORRUPT', `${expected} keys of this class, not ${count}`)
    }
  }

  async #checkSupersededPages(derivable: boolean): Promise<void> {
    let superseded = 0
    for (const [height, expected] of this.#superseded) {
      // After an entry that cannot be read nobody can say what was superseded.
      if (expected === undefined && !derivable) continue
      const stored = this.#store.get(classKey('g', height))
      if (expected === undefined || stored === undefined || !equalBytes(stored, expected)) {
        this.#find(`g ${height}`, 'STORE_CORRUPT', 'the pages this seal superseded')
        continue
      }
      superseded += stored.length / HASH_SIZE
    }
    let pages = 0
    for await (const [key, bytes] of this.#store.range(classRange('p'))) {
      pages++
      this.#read(`p ${hex(key.subarray(1))}`, () => decodePage(bytes, key.subarray(1)))
    }
    const expected = (this.#expected.get('p') ?? 0) + superseded
    if (derivable && pages !== expected) this.#find('p', 'STORE_CORRUPT', `${expected} pages, not ${pages}`)
  }
}

function classKey(letter: 'g', height: number): Bytes {
  const { gte } = classRange(letter)
  const key = new Uint8Array(9)
  key.set(gte, 0)
  key.set(u64(height), 1)
  return key
}

function joined(hashes: readonly Bytes[]): Bytes {
  const out = new Uint8Array(hashes.length * HASH_SIZE)
  for (const [i, hash] of hashes.entries()) out.set(hash, i * HASH_SIZE)
  return out
}
