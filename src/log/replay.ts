/**
 * A log read again from its first entry: every statement through `admit`, every batch through `fold`, every seal compared with what the fold
 * gives. Audits run on it; nothing here believes the log about anything. What is derived goes into a scratch store, and is looked up there.
 */
import { type Bytes, binary, equalBytes, hex } from '../core/bytes.ts'
import { type Code, LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { MemoryRegistry, nodeKeysAt } from '../core/registry.ts'
import { signedBytes } from '../core/statement.ts'
import { erasedKey, STORE_VERSION } from '../store/layout.ts'
import { put } from '../store/store.ts'
import { encodeValue } from '../store/values.ts'
import { spokenOf } from '../verify/about.ts'
import { admit, type Examined, type ExaminedRecord, type ExaminedSeal, examine, MAX_AHEAD } from '../verify/admit.ts'
import { type Folded, fold, type Head, sealDiffers } from '../verify/fold.ts'
import { type Asked, askedWith, isErasure } from './erasures.ts'
import { derivedWrites } from './integrate.ts'
import { Ledger } from './ledger.ts'
import type { Verifier } from './pool.ts'
import { Scratch } from './scratch.ts'

/** Something that does not hold: what, where, and why. `what` names a class of keys and the place in it. */
export interface Finding {
  what: string
  code: Code
  zh: string
  en: string
}

export function findingOf(what: string, error: LianzhengError): Finding {
  return { what, code: error.code, zh: error.text('zh'), en: error.text('en') }
}

export interface ReplayOptions {
  origin: string
  classes: readonly string[]
  verifier: Verifier
  onFinding(finding: Finding): void
  /** An entry again: one that a record speaks of, and the last one of an earlier run. */
  entry(index: number): Promise<Bytes | undefined> | Bytes | undefined
  /** Where the derived state goes; in memory alone where it is left out. */
  scratch?: Scratch
}

/** Signatures underway, so that every core has work while a batch is folded. */
const IN_FLIGHT = 4_096

interface Entry {
  leaf: Bytes
  record: ExaminedRecord | undefined
}

export class Replay {
  /** What has been derived. */
  readonly ledger: Ledger
  head: Head
  /** Next index. */
  size: number
  records: number
  /** False once an entry could not be read: what is derived from it can no longer be compared. */
  derivable: boolean
  readonly #options: ReplayOptions
  readonly #scratch: Scratch
  readonly #checks = new Set<Promise<void>>()
  #batch: Entry[] = []
  /** `records` and `derivable` at the head. */
  #sealed: { records: number; derivable: boolean }
  /** Findings in the scratch, and those that are not there yet, with the index of their entry. */
  #kept: number
  #fresh: { index: number; finding: Finding }[] = []

  /** Goes on where an earlier run over the same scratch stopped, with its findings; whoever gives one calls `checkResumed` first. */
  constructor(options: ReplayOptions) {
    this.#options = options
    this.#scratch = options.scratch ?? new Scratch()
    this.ledger = new Ledger(this.#scratch)
    this.head = this.ledger.readHead()
    this.size = this.head.size
    const { records, derivable, findings } = this.#scratch.progress()
    this.records = records
    this.derivable = derivable
    this.#sealed = { records, derivable }
    this.#kept = findings
    for (const finding of this.#scratch.findings()) options.onFinding(finding)
  }

  /** Throws `WORK_FOREIGN` unless the last entry of an earlier run is what it was. */
  async checkResumed(): Promise<void> {
    const { size, seal } = this.head
    if (seal === undefined) return
    const last = await this.#options.entry(size - 1)
    if (last === undefined || !equalBytes(leafHash(last), seal.leaf))
      throw new LianzhengError('WORK_FOREIGN', { field: `e ${size - 1}`, expected: `an entry with leaf hash ${hex(seal.leaf)}` })
  }

  /**
   * The next entry. `leaf` is what the tree has for it where that is known otherwise; an entry that does not hash to it is found, and the tree's
   * leaf is gone on with. Returns the fold of the batch that a seal ended.
   */
  async add(
    bytes: Bytes,
    leaf: Bytes = leafHash(bytes)
  ): Promise<{ examined: Examined | undefined; folded: Folded | undefined }> {
    const index = this.size++
    const examined = this.#examine(index, bytes, leaf)
    if (examined?.kind === 'seal') return { examined, folded: await this.#close(index, examined) }
    this.#batch.push({ leaf, record: examined })
    this.records++
    return { examined, folded: undefined }
  }

  /** Waits for the last signatures. Entries after the last seal are found. */
  async finish(): Promise<void> {
    await this.keep()
    if (this.#batch.length > 0)
      this.#find(this.size - 1, new LianzhengError('STORE_DISAGREES', { expected: 'a seal as the last entry' }))
  }

  /** Leaves in the scratch what has been derived up to the last seal, for a later run to go on with. */
  async keep(): Promise<void> {
    await Promise.all(this.#checks)
    const below = this.#fresh.filter(({ index }) => index < this.head.size).map(({ finding }) => finding)
    const { origin, classes } = this.#options
    await this.#scratch.keep({ origin, classes }, { ...this.#sealed, findings: this.#kept + below.length }, below)
    this.#kept += below.length
    this.#fresh = this.#fresh.filter(({ index }) => index >= this.head.size)
  }

  /** The next entry is missing; `leaf` is what the tree has for it. */
  addMissing(leaf: Bytes): void {
    this.#find(this.size++, new LianzhengError('STORE_CORRUPT', { expected: 'to be there' }))
    this.derivable = false
    this.#batch.push({ leaf, record: undefined })
    this.records++
  }

  #find(index: number, error: LianzhengError): void {
    const finding = findingOf(`e ${index}`, error)
    this.#fresh.push({ index, finding })
    this.#options.onFinding(finding)
  }

  #examine(index: number, bytes: Bytes, leaf: Bytes): Examined | undefined {
    try {
      if (!equalBytes(leafHash(bytes), leaf))
        throw new LianzhengError('STORE_CORRUPT', { expected: `an entry with leaf hash ${hex(leaf)}` })
      return examine(bytes)
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
      this.#find(index, error)
      this.derivable = false
      return undefined
    }
  }

  async #close(index: number, examined: ExaminedSeal): Promise<Folded> {
    const { seal, statement } = examined
    const { origin } = this.#options
    const batch = this.#batch
    const registry = new MemoryRegistry(this.ledger)
    const asked = await this.#admitAll(batch, registry, seal.time)
    const folded = fold(
      this.head,
      batch.map(({ leaf, record }) => ({ leaf, trails: record?.statement.trails ?? [] })),
      seal.time,
      (expected) => {
        const differs = sealDiffers(expected, seal)
        if (differs !== undefined && this.derivable) this.#find(index, differs)
        return statement.bytes
      },
      this.ledger
    )
    if (batch.length === 0) this.#find(index, new LianzhengError('STORE_DISAGREES', { expected: 'a record between two seals' }))
    if (seal.time <= (this.head.seal?.time ?? -1))
      this.#find(
        index,
        new LianzhengError('STORE_DISAGREES', { field: 'seal.time', expected: 'a later time than the seal before' })
      )
    const { meta } = registry
    if (meta !== undefined) {
      if (statement.aud !== origin) this.#find(index, new LianzhengError('WRONG_LOG', { field: 'aud', expected: origin }))
      if (statement.iss !== meta.operator)
        this.#find(index, new LianzhengError('ORGANISATION_MISMATCH', { field: 'iss', expected: meta.operator }))
      await this.#verify(index, examined, nodeKeysAt(meta, index).statement)
    }
    // The seal that stands in the log goes on, not the one that was worked out: one bad seal is one finding.
    const { height, time } = seal
    const stands: Folded = {
      ...folded,
      seal: { ...folded.seal, height, time },
      head: { ...folded.head, seal: { ...folded.head.seal, height, time } }
    }
    const keys = registry.changedKeys()
    const writes = derivedWrites({
      origin,
      version: this.head.size === 0 ? undefined : STORE_VERSION,
      start: this.head.size,
      statements: [...batch.map(({ record }) => record?.statement), statement],
      folded: stands,
      meta: meta === this.ledger.meta ? undefined : meta,
      keys,
      // Nobody reads under an older head; which pages a seal superseded stays.
      garbage: [{ height, hashes: folded.superseded }]
    })
    for (const [at, value] of asked) writes.push(put(erasedKey(at), encodeValue(value)))
    await this.#scratch.write(writes)
    this.head = stands.head
    this.#batch = []
    this.#sealed = { records: this.records, derivable: this.derivable }
    this.ledger.registryChanged(meta, keys)
    this.ledger.trailsChanged(folded.trails)
    if (this.#scratch.isFull) await this.keep()
    return stands
  }

  /** Returns what the batch asks to erase, by the index of the record spoken of. */
  async #admitAll(batch: readonly Entry[], registry: MemoryRegistry, sealTime: number): Promise<Map<number, Asked>> {
    const ctis = new Set<string>()
    const asked = new Map<number, Asked>()
    for (const [i, { record }] of batch.entries()) {
      if (record === undefined) continue
      const target = await this.#spokenOf(record, batch, i)
      await this.#admit(this.head.size + i, record, { registry, ctis, sealTime, target: target?.record })
      if (target !== undefined && isErasure(record))
        asked.set(target.index, askedWith(asked.get(target.index) ?? this.ledger.asked(target.index), record, target.record))
    }
    return asked
  }

  async #admit(
    index: number,
    record: ExaminedRecord,
    batch: { registry: MemoryRegistry; ctis: Set<string>; sealTime: number; target: ExaminedRecord | undefined }
  ): Promise<void> {
    const { registry, ctis, sealTime, target } = batch
    const time = this.head.seal?.time ?? (registry.meta?.genesisIat ?? 0) * 1000
    const { kid, cti } = record.statement
    const name = binary(kid) + binary(cti)
    try {
      const { key, change } = admit(record, {
        origin: this.#options.origin,
        classes: this.#options.classes,
        registry,
        index,
        time: { min: time, max: time },
        latestIat: Math.floor(sealTime / 1000) + MAX_AHEAD,
        ctiUsed: () => ctis.has(name) || this.ledger.indexOfCti(kid, cti) !== undefined,
        earlier: () => target
      })
      registry.commit(change)
      await this.#verify(index, record, key.key)
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
      this.#find(index, error)
    }
    ctis.add(name)
  }

  /** The record that one speaks of, with its index. What is read again counts only under the leaf hash it had. */
  async #spokenOf(
    record: ExaminedRecord,
    batch: readonly Entry[],
    at: number
  ): Promise<{ index: number; record: ExaminedRecord } | undefined> {
    const ref = spokenOf(record)
    if (ref === undefined) return undefined
    const near = batch.slice(0, at).findIndex(({ leaf }) => equalBytes(leaf, ref.leaf))
    if (near >= 0) {
      const { record } = batch[near]!
      return record === undefined ? undefined : { index: this.head.size + near, record }
    }
    const index = this.ledger.indexOfLeaf(ref.leaf)
    if (index === undefined) return undefined
    const bytes = await this.#options.entry(index)
    if (bytes === undefined || !equalBytes(leafHash(bytes), ref.leaf)) return undefined
    const examined = examine(bytes)
    return examined.kind === 'record' ? { index, record: examined } : undefined
  }

  async #verify(index: number, { statement }: Examined, key: Bytes): Promise<void> {
    // For the oldest: a race of all of them, at each entry, took a tenth of the whole audit (measured).
    if (this.#checks.size >= IN_FLIGHT) await this.#checks.values().next().value
    const check = this.#options.verifier(key, signedBytes(statement), statement.signature).then((good) => {
      if (!good) this.#find(index, new LianzhengError('SIGNATURE_INVALID'))
    })
    this.#checks.add(check)
    check.finally(() => this.#checks.delete(check))
  }
}
