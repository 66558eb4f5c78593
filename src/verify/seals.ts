/**
 * The seals shown with a statement or a trail: each in the tree, chained to one another, signed by the node, the last the end of the checkpoint's
 * tree (formats.md §6, §9). They are what times rest on.
 */
import { type Bytes, equalBytes } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { nodeHash } from '../core/hash.ts'
import { keyId } from '../core/keys.ts'
import { parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { evaluatePolicy } from '../core/quorum.ts'
import { nodeKeysAt, type RegistryMeta, type TimeBounds } from '../core/registry.ts'
import { decodeSeal, type Seal } from '../core/seal.ts'
import { decodeStatement, type Statement, verifyStatement } from '../core/statement.ts'
import { MAX_AHEAD } from './admit.ts'
import type { SealEntry } from './files.ts'
import type { StepName, Steps } from './verdict.ts'

export interface KnownSeal extends Seal {
  index: number
  leaf: Bytes
  statement: Statement
}

/** Is this statement at this index of the checkpoint's tree? Reports into the step. */
export type Includes = (step: StepName, index: number, bytes: Bytes, proof: readonly Bytes[], what: string) => boolean

export class SealChain {
  /** By index; the last is the checkpoint's own. */
  readonly seals: KnownSeal[] = []
  readonly #origin: string
  readonly #policy: Policy
  readonly #steps: Steps

  /** `last` must end the checkpoint's tree; `others` come in any order. Form, place and chain are checked here, signatures by `checkSigners`. */
  constructor(
    origin: string,
    checkpoint: Checkpoint,
    last: SealEntry,
    others: readonly SealEntry[],
    policy: Policy,
    includes: Includes,
    steps: Steps
  ) {
    this.#origin = origin
    this.#policy = policy
    this.#steps = steps
    for (const entry of [...others, last]) this.#read(entry, checkpoint.size, includes)
    const end = this.seals.at(-1)
    if (end === undefined || end.index !== checkpoint.size - 1 || last.index !== end.index)
      steps.broken(
        'seal',
        '链头的最后一条不是所示的封印',
        'the last leaf of the checkpoint is not the seal shown',
        'STATEMENT_FORM'
      )
    this.seals.sort((a, b) => a.index - b.index)
    this.#checkChain()
  }

  get last(): KnownSeal | undefined {
    return this.seals.at(-1)
  }

  #read(entry: SealEntry, size: number, includes: Includes): void {
    try {
      const statement = decodeStatement(entry.statement)
      const seal = decodeSeal(statement)
      const included = includes('seal', entry.index, entry.statement, entry.inclusion, 'seal')
      if (statement.aud !== this.#origin) throw new LianzhengError('WRONG_LOG', { field: 'seal.aud', expected: this.#origin })
      if (seal.size !== entry.index)
        throw new LianzhengError('STATEMENT_FORM', { field: 'seal.size', expected: String(entry.index) })
      if (included) this.#checkNote(entry, statement.leaf, size)
      this.seals.push({ ...seal, index: entry.index, leaf: statement.leaf, statement })
    } catch (error) {
      this.#steps.error('seal', error)
    }
  }

  #checkChain(): void {
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
  #checkNote(entry: SealEntry, leaf: Bytes, size: number): void {
    if (entry.checkpoint === undefined) return
    const note = parseNote(entry.checkpoint)
    const own = parseCheckpoint(note.text)
    const root = rootEndingAt(entry.index, leaf, entry.inclusion, size)
    const result = evaluatePolicy(this.#policy, note, own)
    if (
      own.origin !== this.#origin ||
      own.size !== entry.index + 1 ||
      root === undefined ||
      !equalBytes(own.root, root) ||
      result.log === 'broken'
    )
      throw new LianzhengError('CHECKPOINT_INVALID', {
        field: 'seal.checkpoint',
        expected: `a note whose last leaf is ${entry.index}`
      })
    if (result.log === 'no-listed-key')
      this.#steps.unchecked(
        'seal',
        `第 ${entry.index} 条封印所附的链头没有策略所列账本密钥的签名`,
        `the note of the seal at index ${entry.index} has no signature by a log key that the policy lists`
      )
  }

  /** Bounds on the time of the last seal before an index, from genesis and the seals shown. */
  timeAt(index: number, genesisIat: number): TimeBounds {
    let below: KnownSeal | undefined
    let above: KnownSeal | undefined
    for (const seal of this.seals) {
      if (seal.index < index) below = seal
      else if (seal.index > index && above === undefined) above = seal
    }
    const adjacent = above !== undefined && (below === undefined ? above.height === 0 : equalBytes(above.prev, below.leaf))
    const min = below?.time ?? genesisIat * 1000
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
  after(index: number): KnownSeal | undefined {
    return this.seals.find((seal) => seal.index > index)
  }

  /** Every seal by the operator, under the statement key in force at its index. */
  checkSigners(meta: RegistryMeta | undefined): void {
    const steps = this.#steps
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
}

/** Stands before every chain of seals: no seal without a record, and genesis has a trail (formats.md §6). */
const BEFORE_ALL = { index: -1, leaf: new Uint8Array(32), height: -1, time: -1, trails: 1 }

/**
 * Root of the tree that ends with `leaf` at `index`, out of its inclusion proof in a larger tree: the siblings on the left are the complete
 * subtrees of [0, index). Undefined where the proof does not have that shape.
 */
export function rootEndingAt(index: number, leaf: Bytes, proof: readonly Bytes[], size: number): Bytes | undefined {
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
