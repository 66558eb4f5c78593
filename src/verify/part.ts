/**
 * One log under one checkpoint, as a receipt or one part of a certificate shows it: checkpoint, quorum, seals, authority and key trails
 * (formats.md §5, §6, §8, §9). What stands on it — a statement, a trail — is checked by `receipt` and `certificate` through `checkRecord`.
 *
 * Nothing here trusts the node that made the file: times come from seals the checkpoint includes, keys from the authority chain under
 * genesis, revocations from key trails under a map that mirrors have re-derived.
 */
import { type Bytes, base64url, concat, equalBytes, hex } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { leafHash, nodeHash, trailKey, trailValue } from '../core/hash.ts'
import { keyId } from '../core/keys.ts'
import { checkAbsence, checkPresence } from '../core/map.ts'
import { checkInclusion } from '../core/merkle.ts'
import { parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { evaluatePolicy, type PolicyResult } from '../core/quorum.ts'
import {
  applyRegistry,
  GENESIS,
  isRegistryType,
  type KeyState,
  MemoryRegistry,
  nodeKeysAt,
  type TimeBounds
} from '../core/registry.ts'
import { decodeSeal, type Seal } from '../core/seal.ts'
import { decodeStatement, type Statement, verifyStatement } from '../core/statement.ts'
import { trailRoot } from '../core/trail.ts'
import { admit, admitSigner, type Examined, type ExaminedRecord, examine, MAX_AHEAD } from './admit.ts'
import type { KeyTrail, ProvenEntry, SealEntry } from './files.ts'
import type { StepName, Steps } from './verdict.ts'

export interface PartInput {
  origin: string
  checkpoint: string
  /** The last leaf of the checkpoint's tree. */
  seal: SealEntry
  /** Other seals, in any order. */
  seals: readonly SealEntry[]
  authority: readonly ProvenEntry[]
  keyTrails: readonly KeyTrail[]
}

export interface KnownSeal extends Seal {
  index: number
  leaf: Bytes
  statement: Statement
}

interface Revocation {
  index: number
  compromisedSince: number | undefined
}

/** Registry entries that may stand above the statement: they count for seals alone (formats.md §9). */
const NODE_CHANGES: readonly string[] = ['registry.node', 'registry.approve', 'registry.key']

export class Part {
  readonly checkpoint: Checkpoint | undefined
  readonly policyResult: PolicyResult | undefined
  /** Verified or not, by index; the last is the checkpoint's own. */
  readonly seals: KnownSeal[] = []
  readonly registry = new MemoryRegistry()
  readonly #input: PartInput
  readonly #policy: Policy
  readonly #steps: Steps
  readonly #examined = new Map<number, ExaminedRecord>()
  readonly #revocations = new Map<string, Revocation[] | undefined>()
  /** Leaf hashes shown, by index. */
  readonly #leaves = new Map<number, Bytes>()
  /** Index by key id and cti, of records checked. */
  readonly #ctis = new Map<string, number>()
  #genesisIat = 0

  /** `lowest`: index of the first statement shown; registry entries above it count for seals alone. Reports into `steps`. */
  constructor(input: PartInput, policy: Policy, now: number | undefined, lowest: number, steps: Steps) {
    this.#input = input
    this.#policy = policy
    this.#steps = steps
    const listed = policy.logs.some(({ vkey }) => vkey.name === input.origin)
    if (listed) steps.good('policy')
    else steps.unchecked('policy', `策略未列出账本 ${input.origin}`, `the policy names no log ${input.origin}`)

    const opened = this.#openCheckpoint(now)
    this.checkpoint = opened?.checkpoint
    this.policyResult = opened?.result
    if (this.checkpoint === undefined) {
      for (const step of ['quorum', 'seal', 'inclusion', 'authority', 'keyTrails', 'statement'] as StepName[])
        steps.unchecked(step, '链头不能读取', 'the checkpoint cannot be read')
      return
    }
    this.#readSeals(this.checkpoint)
    this.#replayAuthority(this.checkpoint, lowest)
    this.#checkSeals()
    this.#checkKeyTrails()
  }

  /** Have the mirrors that the policy asks for cosigned? Undefined where the policy says nothing of them. */
  get mirrors(): boolean | undefined {
    return this.policyResult?.mirrors
  }
  get seal(): KnownSeal | undefined {
    return this.seals.at(-1)
  }

  #openCheckpoint(now: number | undefined): { checkpoint: Checkpoint; result: PolicyResult } | undefined {
    const steps = this.#steps
    try {
      const note = parseNote(this.#input.checkpoint)
      const checkpoint = parseCheckpoint(note.text)
      if (checkpoint.origin !== this.#input.origin) {
        steps.broken('checkpoint', `链头属于 ${checkpoint.origin}`, `the checkpoint is of ${checkpoint.origin}`, 'WRONG_LOG')
        return undefined
      }
      const result = evaluatePolicy(this.#policy, note, checkpoint, now === undefined ? {} : { now })
      if (result.log === 'verified') steps.good('checkpoint')
      else if (result.log === 'broken')
        steps.broken('checkpoint', '账本的签名不成立', 'a signature of the log does not verify', 'SIGNATURE_INVALID')
      else steps.unchecked('checkpoint', '链头没有策略所列账本密钥的签名', 'no signature by a log key that the policy lists')
      if (result.brokenLines.length > 0)
        steps.broken(
          'checkpoint',
          `签名行不成立：${result.brokenLines.join('、')}`,
          `signature lines do not verify: ${result.brokenLines.join(', ')}`,
          'SIGNATURE_INVALID'
        )
      if (result.ignored > 0)
        steps.note(
          'checkpoint',
          `另有 ${result.ignored} 行签名由策略未列的密钥作出，未计入`,
          `not counted: ${result.ignored} signature line${result.ignored === 1 ? '' : 's'} by keys the policy does not list`
        )
      if (this.#policy.quorum === 'none')
        steps.note(
          'quorum',
          '策略不要求其他机构见证：仅由运行机构担保',
          'the policy asks for no witness: only the operator vouches'
        )
      else if (result.quorum) steps.good('quorum')
      else steps.unchecked('quorum', '见证机构的签名未达到策略要求', 'the cosignatures do not reach the quorum of the policy')
      return { checkpoint, result }
    } catch (error) {
      steps.error('checkpoint', error)
      return undefined
    }
  }

  /** Is this statement at this index of the checkpoint's tree? Reports into `step`. */
  includes(step: StepName, index: number, bytes: Bytes, proof: readonly Bytes[], what: string): boolean {
    const { size, root } = this.checkpoint!
    const leaf = leafHash(bytes)
    if (checkInclusion(index, size, leaf, proof, root) && this.fits(index, leaf)) {
      this.#steps.good(step)
      return true
    }
    this.#steps.broken(
      step,
      `包含证明不成立（${what}，第 ${index} 条）`,
      `inclusion proof does not hold (${what}, index ${index})`,
      'PROOF_INVALID'
    )
    return false
  }

  /** Can this leaf stand at this index, by what has been shown before? Entries that only the map vouches for are held to those in the tree. */
  fits(index: number, leaf: Bytes): boolean {
    const known = this.#leaves.get(index)
    if (known === undefined) this.#leaves.set(index, leaf)
    return known === undefined || equalBytes(known, leaf)
  }

  #readSeals(checkpoint: Checkpoint): void {
    const given = [...this.#input.seals, this.#input.seal]
    for (const entry of given) {
      try {
        const statement = decodeStatement(entry.statement)
        const seal = decodeSeal(statement)
        const included = this.includes('seal', entry.index, entry.statement, entry.inclusion, 'seal')
        if (statement.aud !== this.#input.origin)
          throw new LianzhengError('WRONG_LOG', { field: 'seal.aud', expected: this.#input.origin })
        if (seal.size !== entry.index)
          throw new LianzhengError('STATEMENT_FORM', { field: 'seal.size', expected: String(entry.index) })
        if (included) this.#checkSealNote(entry, statement.leaf)
        this.seals.push({ ...seal, index: entry.index, leaf: statement.leaf, statement })
      } catch (error) {
        this.#steps.error('seal', error)
      }
    }
    const last = this.seals.at(-1)
    if (last === undefined || last.index !== checkpoint.size - 1 || this.#input.seal.index !== last.index)
      this.#steps.broken(
        'seal',
        '链头的最后一条不是所示的封印',
        'the last leaf of the checkpoint is not the seal shown',
        'STATEMENT_FORM'
      )
    this.seals.sort((a, b) => a.index - b.index)
    for (const [i, seal] of this.seals.entries()) {
      const before = this.seals[i - 1] ?? BEFORE_ALL
      if (before.index === seal.index) {
        if (!equalBytes(before.leaf, seal.leaf))
          this.#steps.broken('seal', `第 ${seal.index} 条有两个封印`, `two seals at index ${seal.index}`)
      } else if (
        seal.height <= before.height ||
        seal.time <= before.time ||
        2 * (seal.height - before.height) > seal.index - before.index || // No seal without a record (formats.md §6).
        seal.trails < before.trails ||
        (seal.height === before.height + 1) !== equalBytes(seal.prev, before.leaf)
      ) {
        this.#steps.broken('seal', `封印链在第 ${seal.index} 条断开`, `the chain of seals breaks at index ${seal.index}`)
      }
    }
  }

  /** A note carried with a seal must be of the tree that the seal ends; that tree's root is in the inclusion proof. */
  #checkSealNote(entry: SealEntry, leaf: Bytes): void {
    if (entry.checkpoint === undefined) return
    const note = parseNote(entry.checkpoint)
    const own = parseCheckpoint(note.text)
    const root = rootEndingAt(entry.index, leaf, entry.inclusion, this.checkpoint!.size)
    const result = evaluatePolicy(this.#policy, note, own)
    if (
      own.origin !== this.#input.origin ||
      own.size !== entry.index + 1 ||
      root === undefined ||
      !equalBytes(own.root, root) ||
      result.log === 'broken'
    )
      throw new LianzhengError('CHECKPOINT_INVALID', {
        field: 'seal.checkpoint',
        expected: `a note whose last leaf is ${entry.index}`
      })
  }

  /** Bounds on the time of the last seal before an index, from genesis and the seals shown. */
  timeAt(index: number): TimeBounds {
    let below: KnownSeal | undefined
    let above: KnownSeal | undefined
    for (const seal of this.seals) {
      if (seal.index < index) below = seal
      else if (seal.index > index && above === undefined) above = seal
    }
    const adjacent = above !== undefined && (below === undefined ? above.height === 0 : equalBytes(above.prev, below.leaf))
    const min = below?.time ?? this.#genesisIat * 1000
    if (adjacent) return { min, max: min }
    // Genesis may have been signed by a clock ahead of the seals' (formats.md §3).
    return { min: below?.time ?? min - MAX_AHEAD * 1000, max: above?.time ?? Number.MAX_SAFE_INTEGER }
  }

  /** Does the chain prove that no seal lies between these two? */
  adjacent(below: number, above: number): boolean {
    const first = this.seals.find(({ index }) => index === below)
    const next = this.seals.find(({ index }) => index === above)
    return first !== undefined && next !== undefined && equalBytes(next.prev, first.leaf)
  }

  /** The first seal shown above an index: the statement there entered no later. */
  sealAfter(index: number): KnownSeal | undefined {
    return this.seals.find((seal) => seal.index > index)
  }

  #position(index: number) {
    const after = this.sealAfter(index)
    return {
      origin: this.#input.origin,
      classes: this.#policy.rests.get(this.#input.origin)?.classes ?? CLASSES_UNKNOWN,
      registry: this.registry,
      index,
      time: this.timeAt(index),
      latestIat: after === undefined ? Number.MAX_SAFE_INTEGER : Math.floor(after.time / 1000) + MAX_AHEAD,
      ctiUsed: (kid: Bytes, cti: Bytes) => this.#ctiUsed(kid, cti, index)
    }
  }

  /** Is the statement shown at another index too? */
  #ctiUsed(kid: Bytes, cti: Bytes, index: number): boolean {
    const name = base64url(concat(kid, cti))
    const known = this.#ctis.get(name)
    if (known === undefined) this.#ctis.set(name, index)
    return known !== undefined && known !== index
  }

  #replayAuthority(checkpoint: Checkpoint, lowest: number): void {
    const steps = this.#steps
    let previous = -1
    for (const { index, statement: bytes, inclusion } of this.#input.authority) {
      if (index <= previous || index >= checkpoint.size - 1 || (previous === -1 && index !== 0))
        return steps.broken(
          'authority',
          `授权链在第 ${index} 条次序不对`,
          `the chain of authority is out of order at index ${index}`
        )
      previous = index
      if (!this.includes('authority', index, bytes, inclusion, 'authority')) return
      try {
        const examined = examine(bytes)
        if (examined.kind === 'seal' || !isRegistryType(examined.type.type))
          return steps.broken('authority', `第 ${index} 条不是登记记录`, `index ${index} is not an entry of the registry`)
        if (index > lowest && !NODE_CHANGES.includes(examined.type.type))
          return steps.broken('authority', `第 ${index} 条在所证记录之后`, `index ${index} stands after the record shown`)
        if ((index === 0) !== (examined.type.type === GENESIS))
          throw new LianzhengError('GENESIS_MISPLACED', { at: index, expected: 'genesis at index 0' })
        if (index === 0) this.#genesisIat = examined.statement.iat
        const { key, change, undecided } = admit(examined, this.#position(index))
        if (undecided)
          steps.unchecked(
            'authority',
            `无法判断第 ${index} 条签署时密钥是否在有效期内`,
            `cannot tell whether the key of index ${index} was within its dates`
          )
        if (!verifyStatement(examined.statement, key.key))
          return steps.broken(
            'authority',
            `第 ${index} 条签名不成立`,
            `the signature of index ${index} does not verify`,
            'SIGNATURE_INVALID'
          )
        this.registry.commit(change)
        this.#examined.set(index, examined)
      } catch (error) {
        return this.#refused('authority', error, bytes, index)
      }
    }
    if (previous === -1) steps.unchecked('authority', '没有授权链', 'no chain of authority')
    else steps.good('authority')
  }

  #checkSeals(): void {
    const steps = this.#steps
    const meta = this.registry.meta
    if (meta === undefined)
      return steps.unchecked('seal', '没有创世记录，无法核对封印密钥', 'without genesis the key of the seals is unknown')
    for (const { index, statement } of this.seals) {
      if (statement.iss !== meta.operator)
        steps.broken(
          'seal',
          `封印不是运行机构所签（第 ${index} 条）`,
          `seal not by the operator (index ${index})`,
          'ORGANISATION_MISMATCH'
        )
      if (!meta.nodeKeys.some(({ keys }) => equalBytes(statement.kid, keyId(keys.statement))))
        steps.unchecked(
          'seal',
          `第 ${index} 条封印的密钥未见登记`,
          `the key of the seal at index ${index} is none that is shown`,
          'KEY_NOT_REGISTERED'
        )
      else if (!verifyStatement(statement, nodeKeysAt(meta, index).statement))
        steps.broken(
          'seal',
          `封印签名不成立（第 ${index} 条）`,
          `signature of the seal does not verify (index ${index})`,
          'SIGNATURE_INVALID'
        )
    }
    steps.good('seal')
  }

  /** What rests on the map rests on mirrors: without them it could not be checked. */
  requireMirrors(step: StepName): void {
    if (this.mirrors === undefined)
      this.#steps.unchecked(step, '策略没有说明镜像要求', 'the policy does not say what the trails rest on')
    else if (!this.mirrors)
      this.#steps.unchecked(step, '没有策略要求的镜像机构签名', 'the mirrors that the policy asks for have not cosigned')
  }

  /** Presence of (count, root) for a trail under the seal's map, or its absence for count 0. */
  inMap(name: string, count: number, root: Bytes | undefined, proof: Bytes): boolean {
    const map = this.seal?.map
    if (map === undefined) return false
    return count === 0 || root === undefined
      ? checkAbsence(map, trailKey(name), proof)
      : checkPresence(map, trailKey(name), trailValue(count, root), proof)
  }

  #checkKeyTrails(): void {
    const steps = this.#steps
    if (this.#input.keyTrails.length > 0) this.requireMirrors('keyTrails')
    for (const trail of this.#input.keyTrails) {
      const kid = base64url(trail.kid)
      if (this.#revocations.has(kid)) {
        steps.broken('keyTrails', `密钥轨迹重复：${kid}`, `key trail given twice: ${kid}`)
        continue
      }
      this.#revocations.set(kid, undefined)
      try {
        this.#revocations.set(kid, this.#readKeyTrail(trail, `key:${kid}`))
        steps.good('keyTrails')
      } catch (error) {
        steps.error('keyTrails', error, `key:${kid} `, `key:${kid} `)
      }
    }
    for (const [index, { statement }] of this.#examined) this.#requireKeyTrail(statement.kid, index)
  }

  #readKeyTrail(trail: KeyTrail, name: string): Revocation[] {
    const refuse = (field: string, expected: string) => new LianzhengError('PROOF_INVALID', { field, expected })
    if (trail.entries.length !== trail.count) throw refuse('count', `${trail.entries.length} entries`)
    const authority = new Map(this.#input.authority.map(({ index, statement }) => [index, statement]))
    const members: { index: number; leaf: Bytes }[] = []
    const revocations: Revocation[] = []
    let registered: number | undefined
    for (const { index, statement: given } of trail.entries) {
      const known = authority.get(index)
      if ((given === undefined) === (known === undefined))
        throw refuse(`entries[${members.length}].statement`, 'a statement where `authority` has none')
      if (index >= this.checkpoint!.size - 1 || index <= (members.at(-1)?.index ?? -1))
        throw refuse(`entries[${members.length}].index`, 'increasing indexes below the seal')
      const examined: Examined = this.#examined.get(index) ?? examine(given ?? known!)
      if (examined.kind === 'seal' || !examined.statement.trails.includes(name) || examined.statement.aud !== this.#input.origin)
        throw refuse(`entries[${members.length}]`, `an entry of ${name}`)
      if (!this.fits(index, examined.statement.leaf)) throw refuse(`entries[${members.length}]`, `the entry at index ${index}`)
      members.push({ index, leaf: examined.statement.leaf })
      if (examined.type.type === 'registry.key') registered ??= index
      if (examined.type.type === 'registry.revoke' && equalBytes(examined.body.kid as Bytes, trail.kid))
        revocations.push({ index, compromisedSince: examined.body.compromisedSince as number | undefined })
    }
    for (const [index, { statement }] of this.#examined)
      if (statement.trails.includes(name) && !members.some((member) => member.index === index))
        throw refuse('entries', `the entry at index ${index}`)
    if (trail.count > 0 && !equalBytes(trailRoot(members), trail.root!)) throw refuse('root', hex(trailRoot(members)))
    if (!this.inMap(name, trail.count, trail.root, trail.proof))
      throw refuse('proof', trail.count === 0 ? 'a proof that the trail is empty' : 'a proof of the trail under the seal')
    const key = this.registry.key(trail.kid)
    const genesis = key !== undefined && key.registered === 0
    if (key === undefined || registered !== (genesis ? undefined : key.registered))
      throw new LianzhengError('KEY_ALREADY_REGISTERED', {
        field: 'entries',
        expected: 'the registration in `authority`, first and alone'
      })
    return revocations
  }

  /** The signer of the entry at `index` needs its whole key trail: a revocation below the index breaks, a compromise reaching back leaves open. */
  #requireKeyTrail(kid: Bytes, index: number): void {
    const steps = this.#steps
    const name = base64url(kid)
    if (!this.#revocations.has(name))
      return steps.unchecked('keyTrails', `缺少密钥轨迹 key:${name}`, `key trail missing: key:${name}`)
    const revocations = this.#revocations.get(name)
    if (revocations === undefined) return
    const entered = this.sealAfter(index)?.time
    for (const { index: revoked, compromisedSince } of revocations) {
      if (revoked < index)
        steps.broken(
          'keyTrails',
          `密钥在第 ${revoked} 条已吊销，却签署了第 ${index} 条`,
          `the key was revoked at index ${revoked} and signed index ${index}`,
          'KEY_REVOKED'
        )
      else if (compromisedSince !== undefined && (entered === undefined || entered >= compromisedSince * 1000))
        steps.unchecked(
          'keyTrails',
          `密钥在第 ${index} 条进入账本时可能已经失密`,
          `the key may have been compromised when index ${index} entered`
        )
    }
  }

  /** Checks one record at its index: signature, signer and roles as `statement`, body and trails as `schema`. Undefined where it cannot be read. */
  checkRecord(bytes: Bytes, index: number): { record: ExaminedRecord; key: KeyState | undefined } | undefined {
    const steps = this.#steps
    const at: [string, string] = [`第 ${index} 条：`, `index ${index}: `]
    const known = this.#examined.get(index)
    if (known !== undefined && equalBytes(known.statement.bytes, bytes)) {
      steps.good('statement')
      steps.good('schema')
      return { record: known, key: this.registry.key(known.statement.kid) }
    }
    let examined: Examined
    try {
      examined = examine(bytes)
    } catch (error) {
      const step = error instanceof LianzhengError && SCHEMA_CODE.test(error.code) ? 'schema' : 'statement'
      steps.error(step, error, ...at)
      if (step === 'schema') this.#checkSignatureAlone(bytes, index)
      return undefined
    }
    if (examined.kind === 'seal') {
      steps.broken('statement', `${at[0]}是封印，不是记录`, `${at[1]}a seal, not a record`, 'CONTENT_TYPE_MISMATCH')
      return undefined
    }
    steps.good('schema')
    try {
      if (examined.type.type === GENESIS && index !== 0) throw new LianzhengError('GENESIS_MISPLACED', { at: index })
      const { key, open } = this.#admitShown(examined, index)
      if (open)
        steps.unchecked(
          'statement',
          `${at[0]}无法判断签署时密钥是否在有效期内`,
          `${at[1]}cannot tell whether the key was within its dates`
        )
      if (!verifyStatement(examined.statement, key.key)) throw new LianzhengError('SIGNATURE_INVALID')
      this.#requireKeyTrail(examined.statement.kid, index)
      steps.good('statement')
      return { record: examined, key }
    } catch (error) {
      this.#refused('statement', error, bytes, index)
      return { record: examined, key: undefined }
    }
  }

  /**
   * Admission of a record outside `authority`. What is shown of the registry is what the signers rest on; that the record speaks of a key or
   * change beyond it says nothing. `open`: the key has dates and the seals around the index are not shown (formats.md §9).
   */
  #admitShown(record: ExaminedRecord, index: number): { key: KeyState; open: boolean } {
    const position = this.#position(index)
    const { key, undecided, entry, change } = admitSigner(record, position)
    try {
      if (change === undefined) applyRegistry(this.registry, entry)
    } catch (error) {
      if (!(error instanceof LianzhengError) || error.code !== 'REGISTRY_TARGET') throw error
    }
    const dated = key.notBefore !== undefined || key.notAfter !== undefined
    return { key, open: undecided || (dated && position.time.min !== position.time.max) }
  }

  /** A signer of whom nothing is shown, or approvals that are not, could not be checked (formats.md §9: "an unknown … key"); the rest is broken. */
  #refused(step: 'authority' | 'statement', error: unknown, bytes: Bytes, index: number): void {
    const at: [string, string] = [`第 ${index} 条：`, `index ${index}: `]
    const code = error instanceof LianzhengError ? error.code : undefined
    const unknown = code === 'KEY_NOT_REGISTERED' && this.registry.key(decodeStatement(bytes).kid) === undefined
    if (unknown || code === 'KEY_PENDING')
      this.#steps.unchecked(
        step,
        `${at[0]}授权链没有显示签署人的有效登记`,
        `${at[1]}the chain of authority does not show the signer's registration in force`,
        code
      )
    else this.#steps.error(code === 'CLASS_NOT_HELD' && step === 'statement' ? 'schema' : step, error, ...at)
  }

  /** For a type of a later version: that the bytes are signed by a registered key can still be told. */
  #checkSignatureAlone(bytes: Bytes, index: number): void {
    try {
      const statement = decodeStatement(bytes)
      const key = this.registry.key(statement.kid)
      if (key === undefined) throw new LianzhengError('KEY_NOT_REGISTERED')
      if (!verifyStatement(statement, key.key)) throw new LianzhengError('SIGNATURE_INVALID')
      this.#steps.unchecked(
        'statement',
        `第 ${index} 条签名成立，类型未知`,
        `index ${index}: the signature verifies, the type is unknown`
      )
    } catch (error) {
      if (error instanceof LianzhengError && error.code.startsWith('KEY_')) this.#refused('statement', error, bytes, index)
      else this.#steps.error('statement', error, `第 ${index} 条：`, `index ${index}: `)
    }
  }
}

/** Stands before every chain of seals: no seal without a record, and genesis has a trail (formats.md §6). */
const BEFORE_ALL = { index: -1, leaf: new Uint8Array(32), height: -1, time: -1, trails: 1 }

/** Without a policy line the classes a log holds are unknown; the steps that need them are could-not-check on their own. */
const CLASSES_UNKNOWN: readonly string[] = ['party', 'internal', 'personnel', 'public', 'lead', 'commutation']

const SCHEMA_CODE = /^(?:TYPE_|FIELD_|TRAILS_MISMATCH|CLASSIFIED|RECORD_FORM|CONTENT_TYPE_MISMATCH)/

/**
 * Root of the tree that ends with `leaf` at `index`, out of its inclusion proof in a larger tree: the siblings on the left are the complete
 * subtrees of [0, index). Undefined where the proof does not have that shape.
 */
function rootEndingAt(index: number, leaf: Bytes, proof: readonly Bytes[], size: number): Bytes | undefined {
  let fn = index
  let sn = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (sn === 0) return undefined
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash)
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2
        sn = Math.floor(sn / 2)
      }
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 ? hash : undefined
}
