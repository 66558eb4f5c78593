/**
 * A log read again from its first entry: every statement through `admit`, every batch through `fold`, every seal compared with what the fold
 * gives. Audits run on it; nothing here believes the log about anything.
 */
import { type Bytes, equalBytes, hex } from '../core/bytes.ts'
import { type Code, LianzhengError } from '../core/errors.ts'
import { leafHash, trailKey } from '../core/hash.ts'
import { MemoryRegistry, nodeKeysAt } from '../core/registry.ts'
import { signedBytes } from '../core/statement.ts'
import { readMembers } from '../core/trail.ts'
import { spokenOf } from '../verify/about.ts'
import { admit, type Examined, type ExaminedRecord, type ExaminedSeal, examine, MAX_AHEAD } from '../verify/admit.ts'
import { type Folded, fold, type Head, MemoryState, NO_HEAD, sealDiffers } from '../verify/fold.ts'
import type { Verifier } from './pool.ts'

/** Something that does not hold: what, where, and why. `what` names a class of keys and the place in it. */
export interface Finding {
  what: string
  code: Code
  zh: string
  en: string
}

export interface ReplayOptions {
  origin: string
  classes: readonly string[]
  verifier: Verifier
  onFinding(finding: Finding): void
  /** An entry below the last seal again, for records that speak of it. */
  entry(index: number): Promise<Bytes | undefined> | Bytes | undefined
}

/** Signatures checked at the same time, so that every core has work. */
const IN_FLIGHT = 512

export class Replay {
  readonly state = new MemoryState()
  readonly registry = new MemoryRegistry()
  head: Head = NO_HEAD
  /** Next index. */
  size = 0
  records = 0
  /** False once an entry could not be read: what is derived from it can no longer be compared. */
  derivable = true
  readonly #options: ReplayOptions
  readonly #ctis = new Set<string>()
  readonly #checks = new Set<Promise<void>>()
  #batch: { leaf: Bytes; record: ExaminedRecord | undefined }[] = []

  constructor(options: ReplayOptions) {
    this.#options = options
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
    await Promise.all(this.#checks)
    if (this.#batch.length > 0)
      this.find(`e ${this.size - 1}`, new LianzhengError('STORE_DISAGREES', { expected: 'a seal as the last entry' }))
  }

  find(what: string, error: LianzhengError): void {
    this.#options.onFinding({ what, code: error.code, zh: error.text('zh'), en: error.text('en') })
  }

  #examine(index: number, bytes: Bytes, leaf: Bytes): Examined | undefined {
    const what = `e ${index}`
    if (!equalBytes(leafHash(bytes), leaf)) {
      this.find(what, new LianzhengError('STORE_CORRUPT', { expected: `an entry with leaf hash ${hex(leaf)}` }))
      this.derivable = false
      return undefined
    }
    try {
      return examine(bytes)
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
      this.find(what, error)
      this.derivable = false
      return undefined
    }
  }

  async #close(index: number, examined: ExaminedSeal): Promise<Folded> {
    const { seal, statement } = examined
    const { origin } = this.#options
    for (const [i, { record }] of this.#batch.entries())
      if (record !== undefined) await this.#admit(this.head.size + i, record, seal.time)
    const folded = fold(
      this.head,
      this.#batch.map(({ leaf, record }) => ({ leaf, trails: record?.statement.trails ?? [] })),
      seal.time,
      (expected) => {
        const differs = sealDiffers(expected, seal)
        if (differs !== undefined && this.derivable) this.find(`e ${index}`, differs)
        return statement.bytes
      },
      this.state
    )
    if (this.#batch.length === 0)
      this.find(`e ${index}`, new LianzhengError('STORE_DISAGREES', { expected: 'a record between two seals' }))
    if (seal.time <= (this.head.seal?.time ?? -1))
      this.find(
        `e ${index}`,
        new LianzhengError('STORE_DISAGREES', { field: 'seal.time', expected: 'a later time than the seal before' })
      )
    const meta = this.registry.meta
    if (meta !== undefined) {
      if (statement.aud !== origin) this.find(`e ${index}`, new LianzhengError('WRONG_LOG', { field: 'aud', expected: origin }))
      if (statement.iss !== meta.operator)
        this.find(`e ${index}`, new LianzhengError('ORGANISATION_MISMATCH', { field: 'iss', expected: meta.operator }))
      await this.#verify(index, examined, nodeKeysAt(meta, index).statement)
    }
    this.state.apply(folded)
    // The seal that stands in the log goes on, not the one that was worked out: one bad seal is one finding.
    this.head = {
      ...folded.head,
      seal: { ...folded.head.seal, height: seal.height, time: seal.time, trails: folded.seal.trails }
    }
    this.#batch = []
    return folded
  }

  async #admit(index: number, record: ExaminedRecord, sealTime: number): Promise<void> {
    const time = this.head.seal?.time ?? (this.registry.meta?.genesisIat ?? 0) * 1000
    const { statement } = record
    const cti = `${hex(statement.kid)}/${hex(statement.cti)}`
    try {
      const spokenOf = await this.#spokenOf(record, index)
      const { key, change } = admit(record, {
        origin: this.#options.origin,
        classes: this.#options.classes,
        registry: this.registry,
        index,
        time: { min: time, max: time },
        latestIat: Math.floor(sealTime / 1000) + MAX_AHEAD,
        ctiUsed: () => this.#ctis.has(cti),
        earlier: () => spokenOf
      })
      this.registry.commit(change)
      await this.#verify(index, record, key.key)
    } catch (error) {
      if (!(error instanceof LianzhengError)) throw error
      this.find(`e ${index}`, error)
    }
    this.#ctis.add(cti)
  }

  /**
   * The record that one speaks of: it must stand on every trail named, so it is looked for on the shortest, and nothing has to be kept for it.
   * What is read again counts only under the leaf hash it had.
   */
  async #spokenOf(record: ExaminedRecord, below: number): Promise<ExaminedRecord | undefined> {
    const ref = spokenOf(record)
    if (ref === undefined) return undefined
    const batch = this.#batch.slice(0, below - this.head.size)
    const near = batch.find(({ leaf }) => equalBytes(leaf, ref.leaf))
    if (near !== undefined) return near.record
    const trails = (record.body.of as string[]).map((name) => this.state.trail(trailKey(name)))
    const shortest = trails.reduce((least, trail) => ((trail?.count ?? 0) < (least?.count ?? 0) ? trail : least))
    if (shortest === undefined) return undefined
    const key = trailKey(shortest.name)
    const members = readMembers(0, shortest.count, (level, n) => this.state.trailTile(key, level, n))
    const member = members.find(({ leaf }) => equalBytes(leaf, ref.leaf))
    const bytes = member === undefined ? undefined : await this.#options.entry(member.index)
    if (bytes === undefined || !equalBytes(leafHash(bytes), ref.leaf)) return undefined
    const examined = examine(bytes)
    return examined.kind === 'record' ? examined : undefined
  }

  async #verify(index: number, { statement }: Examined, key: Bytes): Promise<void> {
    if (this.#checks.size >= IN_FLIGHT) await Promise.race(this.#checks)
    const check = this.#options.verifier(key, signedBytes(statement), statement.signature).then((good) => {
      if (!good) this.find(`e ${index}`, new LianzhengError('SIGNATURE_INVALID'))
    })
    this.#checks.add(check)
    check.finally(() => this.#checks.delete(check))
  }
}
