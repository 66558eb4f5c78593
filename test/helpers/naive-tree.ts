/** The definitions of RFC 9162 §2.1 word for word, over whole lists of leaf hashes: what every faster form must agree with. */
import { EMPTY_HASH, nodeHash } from '../../src/core/hash.ts'

function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** MTH(D[n]), §2.1.1 */
export function naiveRoot(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return EMPTY_HASH
  if (leaves.length === 1) return leaves[0]!
  const k = split(leaves.length)
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

/** PATH(m, D[n]), §2.1.3.1 */
export function naiveInclusion(m: number, leaves: Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return []
  const k = split(leaves.length)
  return m < k
    ? [...naiveInclusion(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naiveInclusion(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))]
}

/** PROOF(m, D[n]) = SUBPROOF(m, D[n], true), §2.1.4.1 */
export function naiveConsistency(m: number, leaves: Uint8Array[], known = true): Uint8Array[] {
  if (m === leaves.length) return known ? [] : [naiveRoot(leaves)]
  const k = split(leaves.length)
  return m <= k
    ? [...naiveConsistency(m, leaves.slice(0, k), known), naiveRoot(leaves.slice(k))]
    : [...naiveConsistency(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))]
}

/** Reads complete subtrees straight from the leaves. */
export function naiveNodes(leaves: Uint8Array[]): (nodes: readonly { level: number; index: number }[]) => Uint8Array[] {
  return (nodes) => nodes.map(({ level, index }) => naiveRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)))
}

/** The same with every complete subtree hashed once, for trees too large to hash again for each node. */
export function layeredNodes(leaves: Uint8Array[]): (nodes: readonly { level: number; index: number }[]) => Uint8Array[] {
  const layers = [leaves]
  for (let below = leaves; below.length > 1; ) {
    const layer: Uint8Array[] = []
    for (let i = 0; i + 1 < below.length; i += 2) layer.push(nodeHash(below[i]!, below[i + 1]!))
    layers.push(layer)
    below = layer
  }
  return (nodes) => nodes.map(({ level, index }) => layers[level]![index]!)
}

/** Every way a list of hashes can be damaged by one step: a byte changed, a hash dropped, doubled, added, shortened, two swapped. */
export function* damaged(proof: readonly Uint8Array[]): Generator<Uint8Array[]> {
  const foreign = new Uint8Array(32).fill(0xa5)
  yield [...proof, foreign]
  for (const [i, hash] of proof.entries()) {
    for (let at = 0; at < hash.length; at++) yield proof.with(i, hash.with(at, hash[at]! ^ (1 << (at % 8))))
    yield proof.toSpliced(i, 1)
    yield proof.toSpliced(i, 0, hash)
    yield proof.toSpliced(i, 0, foreign)
    yield proof.with(i, hash.subarray(0, 31))
    yield proof.with(i, Uint8Array.of(...hash, 0))
    for (let j = i + 1; j < proof.length; j++) yield proof.with(i, proof[j]!).with(j, hash)
  }
}
