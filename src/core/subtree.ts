/**
 * Subtrees of a Merkle tree and their proofs (draft-ietf-plants-merkle-tree-certs §4; C2SP tlog-witness sign-subtree, tlog-mirror add-entries).
 *
 *   subtree      [start, end), start < end, start a multiple of the smallest power of two ≥ end − start
 *   its hash     MTH(D[start:end])
 *   inclusion    PATH(index − start, D[start:end]): the proof of merkle.ts in a tree of its own
 *   consistency  SUBPROOF(start, end, D[n], true):
 *                  [] for the whole of D[n] with b, [MTH(D[n])] without
 *                  end ≤ k     SUBPROOF(start, end, D[0:k], b)              then MTH(D[k:n])
 *                  k ≤ start   SUBPROOF(start − k, end − k, D[k:n], b)      then MTH(D[0:k])
 *                  otherwise   SUBPROOF(0, end − k, D[k:n], false)          then MTH(D[0:k])
 *
 * With start = 0 the last is the consistency proof of RFC 9162 §2.1.4.
 */
import { type Bytes, equalBytes } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { EMPTY_HASH, HASH_SIZE, nodeHash } from './hash.ts'
import {
  checkInclusion,
  completeSubtrees,
  foldRange,
  isSize,
  type ProofPlan,
  type ReadNodes,
  readPlan,
  splitPoint
} from './merkle.ts'

export function isSubtree(start: number, end: number): boolean {
  if (!isSize(start) || !isSize(end) || start >= end) return false
  let width = 1
  while (width < end - start) width *= 2
  return start % width === 0
}

/** Hash of [start, end). Throws `QUERY_INVALID` for what is no subtree, and as `read` does. */
export function subtreeRoot(start: number, end: number, read: ReadNodes): Bytes {
  requireSubtree(start, end, end)
  return foldRange(read(completeSubtrees(start, end)))
}

/** Whether the proof shows `leaf` at `index` of the log in the subtree [start, end) with hash `root`. Never throws. */
export function checkSubtreeInclusion(
  index: number,
  start: number,
  end: number,
  leaf: Bytes,
  proof: readonly Bytes[],
  root: Bytes
): boolean {
  if (!isSubtree(start, end) || !isSize(index) || index < start) return false
  return checkInclusion(index - start, end - start, leaf, proof, root)
}

/** Proof that [start, end) is part of the tree of `size`. Throws `QUERY_INVALID` unless it is a subtree with end ≤ size. */
export function proveSubtree(start: number, end: number, size: number, read: ReadNodes): Bytes[] {
  requireSubtree(start, end, size)
  const plan: ProofPlan = []
  let from = start
  let left = 0
  let right = size
  let known = true // SUBPROOF's b: what is left is the subtree itself, whose hash the verifier has.
  while (from !== left || end !== right) {
    const middle = left + splitPoint(right - left)
    if (end <= middle) {
      plan.push(completeSubtrees(middle, right))
      right = middle
    } else {
      plan.push(completeSubtrees(left, middle))
      if (from < middle) {
        known = false
        from = middle
      }
      left = middle
    }
  }
  if (!known) plan.push(completeSubtrees(left, right))
  return readPlan(plan.reverse(), read)
}

/**
 * Whether the proof shows that [start, end) with hash `subtree` is part of the tree of `size` and `root`. The empty range is part of every tree; it is
 * no subtree that anyone signs. Never throws.
 */
export function checkSubtree(
  start: number,
  end: number,
  size: number,
  subtree: Bytes,
  root: Bytes,
  proof: readonly Bytes[]
): boolean {
  if (!isSize(size) || end > size) return false
  if (isSize(start) && start === end) return proof.length === 0 && equalBytes(subtree, EMPTY_HASH)
  if (!isSubtree(start, end)) return false
  if (start === 0 && end === size) return proof.length === 0 && equalBytes(subtree, root)
  if (![subtree, root, ...proof].every((hash) => hash.length === HASH_SIZE)) return false
  const half = (n: number) => Math.floor(n / 2)
  let [fn, sn, tn] = [start, end - 1, size - 1]
  // Up to where the subtree's right edge leaves the path: below it both sides share every node.
  while (fn !== sn && (sn === tn || sn % 2 === 1)) [fn, sn, tn] = [half(fn), half(sn), half(tn)]
  const [first, ...rest] = fn === sn ? [subtree, ...proof] : proof
  if (first === undefined) return false
  let part = first
  let whole = first
  for (const sibling of rest) {
    if (tn === 0) return false
    if (sn % 2 === 1 || sn === tn) {
      if (fn < sn) part = nodeHash(sibling, part)
      whole = nodeHash(sibling, whole)
      while (sn % 2 === 0 && sn !== 0) [fn, sn, tn] = [half(fn), half(sn), half(tn)]
    } else {
      whole = nodeHash(whole, sibling)
    }
    ;[fn, sn, tn] = [half(fn), half(sn), half(tn)]
  }
  return tn === 0 && equalBytes(part, subtree) && equalBytes(whole, root)
}

function requireSubtree(start: number, end: number, size: number): void {
  if (!isSubtree(start, end) || !isSize(size) || end > size)
    throw new LianzhengError('QUERY_INVALID', { field: 'start', expected: `a subtree [start, end) of [0, ${size})` })
}
