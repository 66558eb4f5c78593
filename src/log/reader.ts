/**
 * Proofs out of a log, always under its published head: inclusion, receipts (formats.md §9) and trail certificates (§10). Everything is read
 * synchronously within one call, so no proof mixes two heads.
 */
import { type Bytes, base64url, binary, equalBytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { trailKey } from '../core/hash.ts'
import { proveKey } from '../core/map.ts'
import { proveConsistency, proveInclusion, treeRoot } from '../core/merkle.ts'
import { Recent } from '../core/recent.ts'
import type { KeyState } from '../core/registry.ts'
import { decodeStatement, type Statement } from '../core/statement.ts'
import { provePartial, readMembers, rootOfTrail, type TrailMember, trailEnd } from '../core/trail.ts'
import type { KeyTrail, ProvenEntry, Receipt, SealEntry, TrailEntry, TrailPart } from '../verify/files.ts'
import type { Ledger } from './ledger.ts'
import type { Published } from './sequencer.ts'

/** Which disclosures of an entry the caller may see. */
export type MaySee = (statement: Statement, disclosures: readonly Bytes[]) => readonly Bytes[]

interface Chain {
  /** Indexes, increasing. */
  authority: number[]
  keyTrails: KeyTrail[]
  dated: boolean
}

interface UnderHead {
  note: string
  /** By index. */
  entries: Recent<ProvenEntry>
  /** By the signer's key id. */
  chains: Recent<Chain>
}

/** About 2 kB each. */
const ENTRIES_KEPT = 2_048
const CHAINS_KEPT = 512

export class Reader {
  #proofs: UnderHead | undefined
  readonly #ledger: Ledger
  readonly #origin: string
  readonly #current: () => Published | undefined
  /** By the index at which a change of the node's keys took effect. */
  readonly #changes = new Map<number, number[]>()

  constructor(ledger: Ledger, origin: string, current: () => Published | undefined) {
    this.#ledger = ledger
    this.#origin = origin
    this.#current = current
  }

  /** Throws `ENTRY_UNKNOWN` before the first seal. */
  published(): Published {
    const published = this.#current()
    if (published === undefined) throw new LianzhengError('ENTRY_UNKNOWN', { expected: 'a published head' })
    return published
  }

  statement(index: number): Statement {
    if (index >= this.published().size) throw new LianzhengError('ENTRY_UNKNOWN', { at: index })
    return decodeStatement(this.#ledger.requireEntry(index))
  }

  indexOfLeaf(leaf: Bytes): number {
    const index = this.#ledger.indexOfLeaf(leaf)
    if (index === undefined || index >= this.published().size) throw new LianzhengError('ENTRY_UNKNOWN', { at: base64url(leaf) })
    return index
  }

  disclosures(index: number): Bytes[] {
    return this.#ledger.disclosures(index)
  }

  /** Time of the seal under which an entry entered, ms. */
  enteredAt(index: number): number | undefined {
    return this.#ledger.sealAfter(index, this.published().sealHeight)?.time
  }

  inclusion(index: number, size = this.published().size): Bytes[] {
    if (size > this.published().size)
      throw new LianzhengError('QUERY_INVALID', { field: 'size', expected: `at most ${this.published().size}` })
    return proveInclusion(index, size, this.#ledger.nodes(size))
  }

  consistency(from: number, to: number): Bytes[] {
    if (to > this.published().size)
      throw new LianzhengError('QUERY_INVALID', { field: 'to', expected: `at most ${this.published().size}` })
    return proveConsistency(from, to, this.#ledger.nodes(to))
  }

  root(size: number): Bytes {
    return treeRoot(size, this.#ledger.nodes(size))
  }

  /** What has been proven under the published head. Seals and registrations stand in one receipt after the other. */
  #underHead(): UnderHead {
    const { note } = this.published()
    if (this.#proofs?.note !== note) this.#proofs = { note, entries: new Recent(ENTRIES_KEPT), chains: new Recent(CHAINS_KEPT) }
    return this.#proofs
  }

  #proven(index: number): ProvenEntry {
    const { entries } = this.#underHead()
    const name = String(index)
    let proven = entries.get(name)
    if (proven === undefined) {
      proven = { index, statement: this.#ledger.requireEntry(index), inclusion: this.inclusion(index) }
      entries.set(name, proven)
    }
    return proven
  }

  /** The seals around an index, where they exist: the last below it and the first above it. */
  #around(index: number): { before?: SealEntry; entered?: SealEntry } {
    const entered = this.#ledger.sealAfter(index, this.published().sealHeight)
    if (entered === undefined) return {}
    const before = entered.height === 0 ? undefined : this.#ledger.seal(entered.height - 1)!
    return { ...(before === undefined ? {} : { before: this.#proven(before.index) }), entered: this.#proven(entered.index) }
  }

  receipt(index: number, maySee: MaySee): Receipt {
    const { size, note } = this.published()
    if (index >= size) throw new LianzhengError('ENTRY_UNKNOWN', { at: index })
    const statement = this.statement(index)
    if (statement.kind === 'seal')
      throw new LianzhengError('ENTRY_UNKNOWN', { at: index, expected: 'a record: seals have no receipts' })
    const { before, entered } = this.#around(index)
    const chain = this.#chainOf(statement.kid)
    return {
      origin: this.#origin,
      statement: statement.bytes,
      disclosures: [...maySee(statement, this.#ledger.disclosures(index))],
      index,
      inclusion: this.inclusion(index),
      seal: this.#proven(size - 1),
      ...(before === undefined ? {} : { before }),
      ...(entered === undefined ? {} : { entered }),
      authority: chain.authority.map((at) => this.#proven(at)),
      keyTrails: chain.keyTrails,
      checkpoint: note,
      timestamps: []
    }
  }

  /**
   * The certificate part for a trail: all of it, or the members [from, from + limit). Absence is proven where nothing was filed.
   * Throws `QUERY_INVALID`.
   */
  trailPart(name: string, maySee: MaySee, page: { from?: number; limit?: number } = {}): TrailPart {
    const { size, note } = this.published()
    const state = this.#trailState(name)
    // Logs that share a kind of trail have trails of different lengths: one that ends before `from` shows that it does.
    const from = Math.min(page.from ?? 0, state.count)
    const to = page.limit === undefined ? state.count : Math.min(state.count, from + page.limit)
    const partial = from > 0 || to < state.count
    const key = trailKey(name)
    const read = (level: number, index: number) => this.#ledger.trailTile(key, level, index)
    const listing = partial ? provePartial(from, to, state.count, read) : undefined
    const members = partial ? readMembers(from, to, read) : state.members()
    const entries = members.map(({ index }): TrailEntry => {
      const statement = decodeStatement(this.#ledger.requireEntry(index))
      return { index, statement: statement.bytes, disclosures: [...maySee(statement, this.#ledger.disclosures(index))] }
    })
    // Those of the members before this page too: only under the newest head is it known that none of their keys was revoked since.
    const earlier = readMembers(0, from, read).map(({ index }) => this.statement(index).kid)
    const signers = [...earlier, ...entries.map(({ statement }) => decodeStatement(statement).kid)]
    const chain = this.#chain(signers)
    return {
      origin: this.#origin,
      checkpoint: note,
      seal: this.#proven(size - 1),
      proof: state.proof,
      count: state.count,
      ...(state.count === 0 ? {} : { root: state.root }),
      ...(listing === undefined ? {} : { from, ...listing }),
      entries,
      seals: chain.dated ? this.#sealsAround(entries) : [],
      authority: chain.authority.map((at) => this.#proven(at)),
      keyTrails: chain.keyTrails
    }
  }

  #sealsAround(entries: readonly TrailEntry[]): SealEntry[] {
    const last = this.published().size - 1
    const seals = new Map<number, SealEntry>()
    for (const { index } of entries)
      for (const seal of Object.values(this.#around(index)) as SealEntry[]) if (seal.index !== last) seals.set(seal.index, seal)
    return [...seals.values()].sort((a, b) => a.index - b.index)
  }

  /** A trail as the published head has it, though a later batch may have grown it since. */
  #trailState(name: string): { count: number; root: Bytes; proof: Bytes; members(limit?: number): TrailMember[] } {
    const { size } = this.published()
    const key = trailKey(name)
    const read = (level: number, index: number) => this.#ledger.trailTile(key, level, index)
    const stored = this.#ledger.trail(key)
    let count = stored?.count ?? 0
    while (count > 0 && readMembers(count - 1, count, read)[0]!.index >= size) count--
    const root = rootOfTrail(count === stored?.count ? stored : trailEnd(count, read))
    const found = proveKey(this.#mapRoot(), key, this.#ledger.pages)
    if (found.present !== count > 0) throw new LianzhengError('STORE_CORRUPT', { field: `t ${base64url(key)}` })
    return { count, root, proof: found.proof, members: (limit = count) => readMembers(0, Math.min(limit, count), read) }
  }

  #mapRoot(): Bytes {
    return decodeStatement(this.#ledger.requireEntry(this.published().size - 1)).body.get('map') as Bytes
  }

  /** Of one signer, worked out once under a head. */
  #chainOf(kid: Bytes): Chain {
    const { chains } = this.#underHead()
    const name = binary(kid)
    const chain = chains.get(name) ?? this.#chain([kid])
    chains.set(name, chain)
    return chain
  }

  /**
   * The chain of authority of some signers: genesis, their registrations with approvals, and those of whoever signed these, in log order; and
   * the whole key trail of each. `dated`: some key in it has dates, so the times of the seals around an entry decide.
   */
  #chain(signers: readonly Bytes[]): Chain {
    const keys = new Map<string, KeyState>()
    const authority = new Set<number>([0])
    const queue = [...signers, this.statement(0).kid]
    for (const index of this.#nodeChanges()) {
      authority.add(index)
      queue.push(this.statement(index).kid)
    }
    for (let kid = queue.pop(); kid !== undefined; kid = queue.pop()) {
      const name = base64url(kid)
      if (keys.has(name)) continue
      const state = this.#ledger.key(kid)
      if (state === undefined) throw new LianzhengError('STORE_CORRUPT', { field: `k ${name}` })
      keys.set(name, state)
      if (state.registered === 0) continue
      for (const index of this.#registration(state)) {
        authority.add(index)
        const statement = this.statement(index)
        queue.push(statement.kid)
      }
    }
    // An entry in authority brings its own key trail's entries: revocations there count through the trail, not through authority.
    const keyTrails = [...keys.values()].map((state) => this.#keyTrail(state, authority))
    const dated = [...keys.values()].some(
      ({ notBefore, notAfter, revoked }) =>
        notBefore !== undefined || notAfter !== undefined || revoked?.compromisedSince !== undefined
    )
    return { authority: [...authority].sort((a, b) => a - b), keyTrails, dated }
  }

  /** Indexes of a key's registration and of the approvals that brought it into force. */
  #registration({ kid, registered, activeFrom }: KeyState): number[] {
    if (activeFrom === undefined || activeFrom === registered) return [registered]
    const approvals = this.#members(`key:${base64url(kid)}`).filter(({ index }) => index > registered && index <= activeFrom)
    return [
      registered,
      ...approvals.map(({ index }) => index).filter((index) => this.statement(index).body.get('type') === 'registry.approve')
    ]
  }

  /** Changes of the node's own keys, with their approvals: seals after them verify under the new keys. */
  #nodeChanges(): number[] {
    const { size } = this.published()
    return (this.#ledger.meta?.nodeKeys ?? []).flatMap(({ from }) => (from === 0 || from >= size ? [] : this.#nodeChange(from)))
  }

  /**
   * The change that took effect at an index, which is its own or that of the last approval. Approvals before that one, where more than two
   * organisations must agree, lie between the two; what happened once stays as it was, and is looked for once.
   */
  #nodeChange(effective: number): number[] {
    const known = this.#changes.get(effective)
    if (known !== undefined) return known
    const last = this.statement(effective)
    let found = [effective]
    if (last.body.get('type') === 'registry.approve') {
      const leaf = approved(last)
      const proposed = this.indexOfLeaf(leaf)
      const between = this.#membersBetween(`ledger:${this.#origin}`, proposed, effective).filter((index) => {
        const statement = this.statement(index)
        return statement.body.get('type') === 'registry.approve' && equalBytes(approved(statement), leaf)
      })
      found = [proposed, ...between, effective]
    }
    this.#changes.set(effective, found)
    return found
  }

  /** Indexes of a trail's members above one index and below another, found by halves. */
  #membersBetween(name: string, above: number, below: number): number[] {
    const key = trailKey(name)
    const { count } = this.#trailState(name)
    const read = (level: number, index: number) => this.#ledger.trailTile(key, level, index)
    const indexAt = (at: number) => readMembers(at, at + 1, read)[0]!.index
    const firstAbove = (index: number): number => {
      let low = 0
      let high = count
      while (low < high) {
        const middle = Math.floor((low + high) / 2)
        if (indexAt(middle) > index) high = middle
        else low = middle + 1
      }
      return low
    }
    return readMembers(firstAbove(above), firstAbove(below - 1), read).map(({ index }) => index)
  }

  #members(name: string): TrailMember[] {
    return this.#trailState(name).members()
  }

  #keyTrail(state: KeyState, authority: ReadonlySet<number>): KeyTrail {
    const { count, root, proof, members } = this.#trailState(`key:${base64url(state.kid)}`)
    return {
      kid: state.kid,
      count,
      ...(count === 0 ? {} : { root }),
      proof,
      entries: members().map(({ index }) =>
        authority.has(index) ? { index } : { index, statement: this.#ledger.requireEntry(index) }
      )
    }
  }

  /** Members a trail has under the published head. */
  trailCount(trail: string): number {
    return this.#trailState(trail).count
  }

  /** Indexes of a trail's first members under the published head. */
  memberIndexes(trail: string, limit: number): number[] {
    return this.#trailState(trail)
      .members(limit)
      .map(({ index }) => index)
  }

  /** Every entry the published head covers, as audits and mirrors read them. */
  *entries(from: number, to: number): Iterable<Bytes> {
    for (let index = from; index < to; index++) yield this.#ledger.requireEntry(index)
  }
}

/** The change that a `registry.approve` agrees to. */
function approved({ body }: Statement): Bytes {
  const [ref] = body.get('refs') as Map<string, Bytes>[]
  return ref!.get('leaf')!
}
