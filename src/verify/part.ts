/**
 * One log under one checkpoint, as a receipt or one part of a certificate shows it: checkpoint, quorum, seals, authority and key trails
 * (formats.md §5, §6, §8, §9). What stands on it — a statement, a trail — is checked by `receipt` and `certificate` through `checkRecord`.
 *
 * Nothing here trusts the node that made the file: times come from seals the checkpoint includes, keys from the authority chain under
 * genesis, revocations from key trails under a map that mirrors have re-derived.
 */
import { type Bytes, base64url, concat, equalBytes } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { leafHash, trailKey, trailValue } from '../core/hash.ts'
import { checkAbsence, checkPresence } from '../core/map.ts'
import { checkInclusion } from '../core/merkle.ts'
import { parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { evaluatePolicy, type PolicyResult } from '../core/quorum.ts'
import { applyRegistry, GENESIS, isRegistryType, type KeyState, MemoryRegistry } from '../core/registry.ts'
import { decodeStatement, verifyStatement } from '../core/statement.ts'
import { admit, admitSigner, type Examined, type ExaminedRecord, examine, MAX_AHEAD } from './admit.ts'
import type { KeyTrail, ProvenEntry, SealEntry } from './files.ts'
import { KeyTrails } from './key-trails.ts'
import { type Includes, type KnownSeal, SealChain } from './seals.ts'
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

/** Registry entries that may stand above the statement: they count for seals alone (formats.md §9). */
const NODE_CHANGES: readonly string[] = ['registry.node', 'registry.approve', 'registry.key']

export class Part {
  readonly checkpoint: Checkpoint | undefined
  readonly policyResult: PolicyResult | undefined
  readonly registry = new MemoryRegistry()
  readonly #input: PartInput
  readonly #policy: Policy
  readonly #steps: Steps
  readonly #examined = new Map<number, ExaminedRecord>()
  /** Leaf hashes shown, by index. */
  readonly #leaves = new Map<number, Bytes>()
  /** Index by key id and cti, of records checked. */
  readonly #ctis = new Map<string, number>()
  #seals: SealChain | undefined
  #keyTrails: KeyTrails | undefined
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
    const includes: Includes = (...given) => this.includes(...given)
    this.#seals = new SealChain(input.origin, this.checkpoint, input.seal, input.seals, policy, includes, steps)
    this.#replayAuthority(this.checkpoint, lowest)
    this.#seals.checkSigners(this.registry.meta)
    if (input.keyTrails.length > 0) this.requireMirrors('keyTrails')
    this.#keyTrails = new KeyTrails(
      input.keyTrails,
      {
        origin: input.origin,
        size: this.checkpoint.size,
        authority: input.authority,
        examined: this.#examined,
        registry: this.registry,
        fits: (index, leaf) => this.fits(index, leaf),
        inMap: (...given) => this.inMap(...given),
        enteredBy: (index) => this.sealAfter(index)?.time
      },
      steps
    )
    for (const [index, { statement }] of this.#examined) this.#keyTrails.require(statement.kid, index)
  }

  /** Have the mirrors that the policy asks for cosigned? Undefined where the policy says nothing of them. */
  get mirrors(): boolean | undefined {
    return this.policyResult?.mirrors
  }
  /** The checkpoint's own. */
  get seal(): KnownSeal | undefined {
    return this.#seals?.last
  }
  /** Does the chain prove that no seal lies between these two? */
  adjacent(below: number, above: number): boolean {
    return this.#seals?.adjacent(below, above) === true
  }
  /** When the statement at an index entered, ms, where the seals around it are shown and nothing lies between them (formats.md §9). */
  enteredAt(index: number): number | undefined {
    const time = this.#seals?.timeAt(index, this.#genesisIat)
    return time !== undefined && time.min === time.max ? this.sealAfter(index)?.time : undefined
  }
  /** Holds the signer of a record shown under an older head to this part's key trails. `entered`: when it had entered, ms. */
  requireKeyTrail(kid: Bytes, index: number, entered: number | undefined): void {
    this.#keyTrails?.require(kid, index, entered)
  }
  /** The first seal shown above an index: the statement there entered no later. */
  sealAfter(index: number): KnownSeal | undefined {
    return this.#seals?.after(index)
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
      const own = note.signatures.filter(({ name, keyId }) => name === checkpoint.origin && !this.#lists(name, keyId)).length
      if (own > 0)
        steps.note(
          'checkpoint',
          '账本另有一种签名（如后量子签名 ML-DSA-44），本策略不以其为据',
          'the log has signed with another key too (such as ML-DSA-44), on which this policy does not rest'
        )
      if (result.ignored > own)
        steps.note(
          'checkpoint',
          `另有 ${result.ignored - own} 行签名由策略未列的密钥作出，未计入`,
          `not counted: ${result.ignored - own} signature line${result.ignored - own === 1 ? '' : 's'} by keys the policy does not list`
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

  #lists(name: string, id: number): boolean {
    return this.#policy.logs.some(({ vkey }) => vkey.name === name && vkey.id === id)
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

  #position(index: number) {
    const after = this.sealAfter(index)
    return {
      origin: this.#input.origin,
      classes: this.#policy.rests.get(this.#input.origin)?.classes ?? CLASSES_UNKNOWN,
      registry: this.registry,
      index,
      time: this.#seals!.timeAt(index, this.#genesisIat),
      latestIat: after === undefined ? Number.MAX_SAFE_INTEGER : Math.floor(after.time / 1000) + MAX_AHEAD,
      ctiUsed: (kid: Bytes, cti: Bytes) => this.#ctiUsed(kid, cti, index),
      // Only a part of the log is shown: what records say of others is compared where both are, on the trail of a certificate.
      earlier: () => undefined
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
      this.#keyTrails!.require(examined.statement.kid, index)
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
    if (dated)
      this.#steps.note(
        'statement',
        `第 ${index} 条的密钥有起止日期，按封印时间判断；该时间为运行机构所称`,
        `the key of index ${index} has dates, judged by the time of the seals, which the operator claims`
      )
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

/** Without a policy line the classes a log holds are unknown; the steps that need them are could-not-check on their own. */
const CLASSES_UNKNOWN: readonly string[] = ['party', 'internal', 'personnel', 'public', 'lead', 'commutation']

const SCHEMA_CODE = /^(?:TYPE_|FIELD_|TRAILS_MISMATCH|CLASSIFIED|RECORD_FORM|CONTENT_TYPE_MISMATCH)/
