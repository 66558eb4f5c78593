/**
 * Merkle tree of RFC 9162 §2.1 (the tree of RFC 6962): roots, inclusion proofs, consistency proofs.
 *
 *   MTH({})    = H("")                                     `EMPTY_HASH`
 *   MTH({d0})  = H(0x00 ‖ d0)                              `leafHash`; every leaf here is already hashed
 *   MTH(D[n])  = H(0x01 ‖ MTH(D[0:k]) ‖ MTH(D[k:n]))       k = the largest power of two < n
 *
 * Stored and read are only complete subtrees, whose hashes never change. A proof is made in three steps: plan which complete
 * subtrees each of its hashes is folded from, read them all at once, fold.
 *
 * Sizes go up to 2^53 − 1. JavaScript's bit operators cut to 32 bits, so none is used.
 */
import { type Bytes, equalBytes } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { EMPTY_HASH, HASH_SIZE, nodeHash } from './hash.ts'

/** Root of the complete subtree over leaves [index·2^level, (index+1)·2^level). */
export interface NodeAddress {
  level: number
  index: number
}

/** Hashes of the nodes asked for, in the same order. Called once for a proof. */
export type ReadNodes = (nodes: readonly NodeAddress[]) => Bytes[]

/** For each hash of a proof the complete subtrees that it is folded from, left to right. */
export type ProofPlan = NodeAddress[][]

/** Sizes and leaf indexes: integers in [0, 2^53). */
export function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

/** For proving, where sizes come from a query. Throws `QUERY_INVALID`. */
export function requireSize(field: string, value: number): void {
  if (!isSize(value)) throw new LianzhengError('QUERY_INVALID', { field, expected: 'an integer in [0, 2^53)' })
}

function isHash(hash: Bytes): boolean {
  return hash.length === HASH_SIZE
}

/** The k of MTH: the largest power of two below n, n ≥ 2. */
export function splitPoint(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** Maximal complete subtrees of [start, end), where `start` is a multiple of the first one's width, as in every D[start:end] of the RFC. */
export function completeSubtrees(start: number, end: number): NodeAddress[] {
  let level = 0
  let width = 1
  while (width * 2 <= end - start) {
    width *= 2
    level++
  }
  const nodes: NodeAddress[] = []
  for (let at = start; at < end; level--, width /= 2) {
    if (at + width > end) continue
    nodes.push({ level, index: at / width })
    at += width
  }
  return nodes
}

/** Maximal complete subtrees of [0, size), left to right: one for each bit of `size`. Throws `QUERY_INVALID` for what is no size. */
export function rangeNodes(size: number): NodeAddress[] {
  requireSize('size', size)
  return completeSubtrees(0, size)
}

/** Hash of the maximal complete subtrees of a tree, left to right = its root; `EMPTY_HASH` of none. */
export function foldRange(roots: readonly Bytes[]): Bytes {
  const last = roots.at(-1)
  if (last === undefined) return EMPTY_HASH
  let hash = last
  for (let i = roots.length - 2; i >= 0; i--) hash = nodeHash(roots[i]!, hash)
  return hash
}

/** In place: the range (hashes of `rangeNodes`) of [0, size) becomes that of [0, size + 1). Hashes once per leaf on average. */
export function appendToRange(size: number, range: Bytes[], leaf: Bytes): void {
  let hash = leaf
  // Each trailing one-bit of the size is a complete subtree as wide as what is being added: the two become one.
  for (let rest = size; rest % 2 === 1; rest = Math.floor(rest / 2)) hash = nodeHash(range.pop()!, hash)
  range.push(hash)
}

/** Root over leaf hashes that are all at hand. */
export function rootOfLeaves(leaves: Iterable<Bytes>): Bytes {
  const range: Bytes[] = []
  let size = 0
  for (const leaf of leaves) appendToRange(size++, range, leaf)
  return foldRange(range)
}

/** Root of the first `size` leaves. Throws as `rangeNodes` and as `read` does. */
export function treeRoot(size: number, read: ReadNodes): Bytes {
  return foldRange(read(rangeNodes(size)))
}

/** Reads all nodes of a plan in one call and folds each group to one hash of the proof. */
export function readPlan(plan: ProofPlan, read: ReadNodes): Bytes[] {
  const hashes = read(plan.flat())
  const proof: Bytes[] = []
  let at = 0
  for (const group of plan) {
    proof.push(foldRange(hashes.slice(at, at + group.length)))
    at += group.length
  }
  return proof
}

/** PATH(index, D[size]) of RFC 9162 §2.1.3.1, from the root down and then turned round. */
function inclusionPlan(index: number, size: number): ProofPlan {
  requireSize('size', size)
  if (!isSize(index) || index >= size)
    throw new LianzhengError('QUERY_INVALID', { field: 'index', expected: `an integer in [0, ${size})` })
  const plan: ProofPlan = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + splitPoint(end - start)
    if (index < middle) {
      plan.push(completeSubtrees(middle, end))
      end = middle
    } else {
      plan.push(completeSubtrees(start, middle))
      start = middle
    }
  }
  return plan.reverse()
}

/** Inclusion proof of leaf `index` in the tree of `size`, leaf side first. Throws `QUERY_INVALID` unless index < size. */
export function proveInclusion(index: number, size: number, read: ReadNodes): Bytes[] {
  return readPlan(inclusionPlan(index, size), read)
}

/**
 * Root that an inclusion proof leads to (RFC 9162 §2.1.3.2); undefined where the proof has not the one length that `index` and
 * `size` give, a hash is not 32 bytes, or not index < size.
 */
export function rootFromInclusion(index: number, size: number, leaf: Bytes, proof: readonly Bytes[]): Bytes | undefined {
  if (!isSize(size) || !isSize(index) || index >= size) return undefined
  if (!isHash(leaf) || !proof.every(isHash)) return undefined
  let fn = index
  let sn = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (sn === 0) return undefined
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash)
      // On the right edge fn is a left child without a sibling: go up until it has one.
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2
        sn = Math.floor(sn / 2)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 ? hash : undefined
}

/** Whether the proof shows `leaf` at `index` in the tree of `size` and `root`. Never throws. */
export function checkInclusion(index: number, size: number, leaf: Bytes, proof: readonly Bytes[], root: Bytes): boolean {
  const computed = rootFromInclusion(index, size, leaf, proof)
  return computed !== undefined && equalBytes(computed, root)
}

/** PROOF(from, D[to]) of RFC 9162 §2.1.4.1, from the root down and then turned round. Throws as `proveConsistency` does. */
export function consistencyPlan(from: number, to: number): ProofPlan {
  requireSize('to', to)
  if (!isSize(from) || from < 1 || from > to)
    throw new LianzhengError('QUERY_INVALID', { field: 'from', expected: `an integer in [1, ${to}]` })
  const plan: ProofPlan = []
  let start = 0
  let end = to
  while (from !== end) {
    const middle = start + splitPoint(end - start)
    if (from <= middle) {
      plan.push(completeSubtrees(middle, end))
      end = middle
    } else {
      plan.push(completeSubtrees(start, middle))
      start = middle
    }
  }
  // With start = 0 what is left is the old tree itself, whose root the verifier has: the `b` of SUBPROOF.
  if (start > 0) plan.push(completeSubtrees(start, end))
  return plan.reverse()
}

/** Consistency proof from the tree of `from` leaves to that of `to`. Throws `QUERY_INVALID` unless 1 ≤ from ≤ to: nothing leads from the empty tree. */
export function proveConsistency(from: number, to: number, read: ReadNodes): Bytes[] {
  return readPlan(consistencyPlan(from, to), read)
}

/**
 * Whether the proof shows that the tree of `to` and `rootTo` starts with that of `from` and `rootFrom` (RFC 9162 §2.1.4.2). Never
 * throws. False for from = 0: the empty tree is a prefix of every tree and no proof says so; callers that meet it decide themselves.
 */
export function checkConsistency(from: number, to: number, rootFrom: Bytes, rootTo: Bytes, proof: readonly Bytes[]): boolean {
  if (!isSize(from) || !isSize(to) || from < 1 || from > to) return false
  if (from === to) return proof.length === 0 && equalBytes(rootFrom, rootTo)
  if (!isHash(rootFrom) || !isHash(rootTo) || !proof.every(isHash)) return false

  let fn = from - 1
  let sn = to - 1
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  // fn = 0 here means that the old tree is one complete subtree: its root is the first hash, and the proof leaves it out.
  const [first, ...rest] = fn === 0 ? [rootFrom, ...proof] : proof
  if (first === undefined) return false
  let oldHash = first
  let newHash = first
  for (const sibling of rest) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      oldHash = nodeHash(sibling, oldHash)
      newHash = nodeHash(sibling, newHash)
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2
        sn = Math.floor(sn / 2)
      }
    } else {
      newHash = nodeHash(newHash, sibling)
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && equalBytes(oldHash, rootFrom) && equalBytes(newHash, rootTo)
}
