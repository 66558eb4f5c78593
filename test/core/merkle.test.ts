import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { type Bytes, fromBase64, fromHex, hex, u64, utf8 } from '../../src/core/bytes.ts'
import { EMPTY_HASH, leafHash, nodeHash, useSha256 } from '../../src/core/hash.ts'
import {
  appendToRange,
  checkConsistency,
  checkInclusion,
  consistencyPlan,
  foldRange,
  type NodeAddress,
  proveConsistency,
  proveInclusion,
  rangeNodes,
  rootFromInclusion,
  rootOfLeaves,
  treeRoot
} from '../../src/core/merkle.ts'
import { damaged, layeredNodes, naiveConsistency, naiveInclusion, naiveNodes, naiveRoot } from '../helpers/naive-tree.ts'

const vector = (name: string) => readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')

/** Integers come as text, because some are near 2^64 and JSON.parse rounds. */
const probes = (name: string) =>
  JSON.parse(vector(name).replace(/: (\d+)(,?)$/gm, ': "$1"$2')) as { file: string; probe: Probe }[]
interface Probe {
  leafIdx: string
  treeSize: string
  root: string
  leafHash: string
  size1: string
  size2: string
  root1: string
  root2: string
  proof: string[] | null
  wantErr: boolean
}
const proofOf = (probe: Probe) => (probe.proof ?? []).map((text) => fromBase64(text))

const leaves = (count: number) => Array.from({ length: count }, (_, i) => leafHash(utf8(`entry-${i}`)))
const hundred = leaves(100)

describe('probes of transparency-dev/merkle', () => {
  const inclusion = probes('probes-inclusion.json')
  const consistency = probes('probes-consistency.json')

  test('the files hold valid and invalid probes, and those beyond 2^53 are all invalid', () => {
    for (const list of [inclusion, consistency]) {
      expect(list).toHaveLength(98)
      expect(list.filter(({ probe }) => !probe.wantErr)).toHaveLength(6)
    }
    const beyond = [...inclusion, ...consistency].filter(({ probe }) =>
      [probe.leafIdx, probe.treeSize, probe.size1, probe.size2].some((n) => n !== undefined && BigInt(n) >= 2n ** 53n)
    )
    expect(beyond.map(({ probe }) => probe.leafIdx)).toEqual([String(2n ** 64n - 1n), String(2n ** 64n - 1n)])
    expect(beyond.every(({ probe }) => probe.wantErr)).toBe(true)
  })

  test.each(inclusion)('$file', ({ probe }) => {
    const held = checkInclusion(
      Number(BigInt(probe.leafIdx)),
      Number(BigInt(probe.treeSize)),
      fromBase64(probe.leafHash),
      proofOf(probe),
      fromBase64(probe.root)
    )
    expect(held).toBe(!probe.wantErr)
  })

  test.each(consistency)('$file', ({ probe }) => {
    const held = checkConsistency(
      Number(BigInt(probe.size1)),
      Number(BigInt(probe.size2)),
      fromBase64(probe.root1),
      fromBase64(probe.root2),
      proofOf(probe)
    )
    expect(held).toBe(!probe.wantErr)
  })
})

describe('vectors of golang.org/x/mod/sumdb/tlog', () => {
  const vectors = JSON.parse(vector('merkle.json')) as {
    roots: Record<string, string>
    inclusion: { size: number; index: number; proof: string[] }[]
    consistency: { old: number; new: number; proof: string[] }[]
  }
  const read = layeredNodes(leaves(70_000))
  const root = (size: number) => fromBase64(vectors.roots[size]!)

  test('roots', () => {
    expect(Object.keys(vectors.roots)).toContain('70000')
    for (const size of Object.keys(vectors.roots).map(Number)) expect(treeRoot(size, read)).toEqual(root(size))
  })

  test('inclusion proofs', () => {
    expect(vectors.inclusion).toHaveLength(105)
    for (const { size, index, proof } of vectors.inclusion) {
      const expected = proof.map((text) => fromBase64(text))
      expect(proveInclusion(index, size, read)).toEqual(expected)
      const [leaf] = read([{ level: 0, index }])
      expect(checkInclusion(index, size, leaf!, expected, root(size))).toBe(true)
    }
  })

  test('consistency proofs', () => {
    expect(vectors.consistency).toHaveLength(105)
    for (const { old, new: size, proof } of vectors.consistency) {
      const expected = proof.map((text) => fromBase64(text))
      expect(proveConsistency(old, size, read)).toEqual(expected)
      expect(checkConsistency(old, size, treeRoot(old, read), treeRoot(size, read), expected)).toBe(true)
    }
  })
})

test('the reference tree of eight leaves', () => {
  const data = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const hashes = data.map((text) => leafHash(fromHex(text)))
  const starts = ['e3b0c442', '6e340b9c', 'fac54203', 'aeb6bcfe', 'd37ee418', '4e3bbb1f', '76e67dad', 'ddb89be4', '5dc9da79']
  for (const [size, start] of starts.entries()) {
    expect(hex(treeRoot(size, naiveNodes(hashes))).slice(0, 8)).toBe(start)
    expect(hex(rootOfLeaves(hashes.slice(0, size))).slice(0, 8)).toBe(start)
  }
})

/** For the millions of hashes below. */
const native = (data: Bytes) => hash('sha256', data, 'buffer')
afterEach(() => useSha256(sha256))

describe('small trees', () => {
  const range: Bytes[] = []

  test.each(Array.from({ length: 65 }, (_, size) => size))('size %i: range, root, append', (size) => {
    const read = naiveNodes(hundred)
    const nodes = rangeNodes(size)
    expect(nodes.map(({ level }) => 2 ** level).reduce((a, b) => a + b, 0)).toBe(size)
    expect(nodes).toHaveLength(size.toString(2).replaceAll('0', '').length)
    expect(range).toEqual(read(nodes))
    expect(foldRange(range)).toEqual(naiveRoot(hundred.slice(0, size)))
    appendToRange(size, range, hundred[size]!)
  })

  test('every inclusion proof of every size to 64 is that of the RFC and is read in one call', () => {
    for (let size = 1; size <= 64; size++) {
      const tree = hundred.slice(0, size)
      const root = naiveRoot(tree)
      for (let index = 0; index < size; index++) {
        let calls = 0
        const proof = proveInclusion(index, size, (nodes) => {
          calls++
          return naiveNodes(tree)(nodes)
        })
        expect(calls).toBe(1)
        expect(proof).toEqual(naiveInclusion(index, tree))
        expect(checkInclusion(index, size, tree[index]!, proof, root)).toBe(true)
      }
    }
  })

  test('every consistency proof of every size to 64 is that of the RFC and is read in one call', () => {
    const roots = Array.from({ length: 65 }, (_, size) => naiveRoot(hundred.slice(0, size)))
    for (let to = 1; to <= 64; to++) {
      for (let from = 1; from <= to; from++) {
        let calls = 0
        const proof = proveConsistency(from, to, (nodes) => {
          calls++
          return naiveNodes(hundred.slice(0, to))(nodes)
        })
        expect(calls).toBe(1)
        expect(proof).toEqual(naiveConsistency(from, hundred.slice(0, to)))
        expect(checkConsistency(from, to, roots[from]!, roots[to]!, proof)).toBe(true)
        if (from < to) {
          expect(checkConsistency(to, from, roots[to]!, roots[from]!, proof)).toBe(false)
          expect(checkConsistency(from, to, roots[to]!, roots[from]!, proof)).toBe(false)
        }
      }
    }
  })

  test('no damaged inclusion proof holds', () => {
    useSha256(native)
    const held: string[] = []
    for (let size = 1; size <= 64; size++) {
      const tree = hundred.slice(0, size)
      const read = layeredNodes(tree)
      const root = treeRoot(size, read)
      for (let index = 0; index < size; index++) {
        const proof = proveInclusion(index, size, read)
        for (const bad of damaged(proof))
          if (checkInclusion(index, size, tree[index]!, bad, root)) held.push(`${index} in ${size}`)
        for (const other of [(index + 1) % size, size, size + index]) {
          if (other !== index && checkInclusion(other, size, tree[index]!, proof, root))
            held.push(`${index} as ${other} in ${size}`)
        }
        if (checkInclusion(index, size, hundred[size]!, proof, root)) held.push(`foreign leaf at ${index} in ${size}`)
        if (checkInclusion(index, size, tree[index]!, proof, hundred[size]!)) held.push(`foreign root at ${index} in ${size}`)
      }
    }
    expect(held).toEqual([])
  })

  test('no damaged consistency proof holds', () => {
    useSha256(native)
    const held: string[] = []
    const read = layeredNodes(hundred)
    const roots = Array.from({ length: 65 }, (_, size) => treeRoot(size, read))
    for (let to = 1; to <= 64; to++) {
      for (let from = 1; from <= to; from++) {
        const proof = proveConsistency(from, to, read)
        for (const bad of damaged(proof))
          if (checkConsistency(from, to, roots[from]!, roots[to]!, bad)) held.push(`${from} to ${to}`)
        if (checkConsistency(from, to, hundred[0]!.toReversed(), roots[to]!, proof))
          held.push(`foreign old root, ${from} to ${to}`)
        if (checkConsistency(from, to, roots[from]!, hundred[0]!.toReversed(), proof))
          held.push(`foreign new root, ${from} to ${to}`)
      }
    }
    expect(held).toEqual([])
  })
})

test('a proof that goes on above the root is refused, whatever the root', () => {
  const above = hundred[99]!
  const read = layeredNodes(hundred)
  for (let size = 1; size <= 64; size++) {
    const root = treeRoot(size, read)
    for (let index = 0; index < size; index++) {
      const proof = proveInclusion(index, size, read)
      expect(rootFromInclusion(index, size, hundred[index]!, proof)).toEqual(root)
      expect(rootFromInclusion(index, size, hundred[index]!, [...proof, above])).toBeUndefined()
      const from = index + 1
      const raised = [nodeHash(above, treeRoot(from, read)), nodeHash(above, root)] as const
      expect(checkConsistency(from, size, ...raised, [...proveConsistency(from, size, read), above])).toBe(false)
    }
  }
})

describe('sizes to 2^53 − 1', () => {
  const LARGEST = Number.MAX_SAFE_INTEGER

  /** A tree of any size in which all leaves are equal but the marked ones, so that a node is known from its address alone. */
  function sparseNodes(marked: number[]): (nodes: readonly NodeAddress[]) => Bytes[] {
    const plain = [leafHash(utf8('plain'))]
    for (let level = 1; level < 53; level++) plain.push(nodeHash(plain[level - 1]!, plain[level - 1]!))
    const node = (level: number, index: number): Bytes => {
      if (!marked.some((at) => Math.floor(at / 2 ** level) === index)) return plain[level]!
      return level === 0 ? leafHash(u64(index)) : nodeHash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))
    }
    return (nodes) => nodes.map(({ level, index }) => node(level, index))
  }
  const size = fc.oneof(
    fc.integer({ min: 1, max: LARGEST }),
    fc.integer({ min: 1, max: 53 }).chain((bits) => fc.constantFrom(2 ** bits - 1, Math.min(2 ** bits, LARGEST)))
  )
  const sizeAndIndex = size.chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })))

  test('the largest range', () => {
    const nodes = rangeNodes(LARGEST)
    expect(nodes).toHaveLength(53)
    expect(nodes[0]).toEqual({ level: 52, index: 0 })
    expect(nodes[1]).toEqual({ level: 51, index: 2 })
    expect(nodes[52]).toEqual({ level: 0, index: LARGEST - 1 })
  })

  test('inclusion', () => {
    fc.assert(
      fc.property(sizeAndIndex, ([size, index]) => {
        const read = sparseNodes([index])
        const root = treeRoot(size, read)
        const proof = proveInclusion(index, size, read)
        const leaf = leafHash(u64(index))
        const other = index > 0 ? index - 1 : size - 1
        return (
          checkInclusion(index, size, leaf, proof, root) && (other === index || !checkInclusion(other, size, leaf, proof, root))
        )
      })
    )
  })

  test('consistency', () => {
    fc.assert(
      fc.property(sizeAndIndex, ([to, before]) => {
        const from = before + 1
        const read = sparseNodes([before, to - 1])
        const proof = proveConsistency(from, to, read)
        const roots = [treeRoot(from, read), treeRoot(to, read)] as const
        const rewritten = treeRoot(from, sparseNodes([]))
        return checkConsistency(from, to, ...roots, proof) && !checkConsistency(from, to, rewritten, roots[1], proof)
      })
    )
  })

  test('appending', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: LARGEST - 1 }), (size) => {
        const read = sparseNodes([size])
        const range = read(rangeNodes(size))
        appendToRange(size, range, leafHash(u64(size)))
        expect(range).toEqual(read(rangeNodes(size + 1)))
      })
    )
  })
})

describe('what is no size', () => {
  const notSizes = [-1, 0.5, 2 ** 53, 2 ** 64, Number.NaN, Number.POSITIVE_INFINITY]
  const [leaf] = hundred as [Bytes]
  const none = () => []

  test.each(notSizes)('%d', (n) => {
    expect(checkInclusion(n, 1, leaf, [], leaf)).toBe(false)
    expect(checkInclusion(0, n, leaf, [], leaf)).toBe(false)
    expect(checkInclusion(0, n, leaf, Array(53).fill(leaf), leaf)).toBe(false)
    expect(checkConsistency(n, n, leaf, leaf, [])).toBe(false)
    expect(checkConsistency(1, n, leaf, leaf, Array(53).fill(leaf))).toBe(false)
    const refused = expect.objectContaining({ code: 'QUERY_INVALID' })
    expect(() => rangeNodes(n)).toThrow(refused)
    expect(() => treeRoot(n, none)).toThrow(refused)
    expect(() => proveInclusion(n, 1, none)).toThrow(refused)
    expect(() => proveInclusion(0, n, none)).toThrow(refused)
    expect(() => proveConsistency(n, 1, none)).toThrow(refused)
    expect(() => proveConsistency(1, n, none)).toThrow(refused)
  })

  test('no leaf beyond the tree, no proof from the empty tree or back in time', () => {
    const refused = expect.objectContaining({ code: 'QUERY_INVALID' })
    expect(() => proveInclusion(0, 0, none)).toThrow(refused)
    expect(() => proveInclusion(5, 5, none)).toThrow(refused)
    expect(() => proveConsistency(0, 5, none)).toThrow(refused)
    expect(() => proveConsistency(6, 5, none)).toThrow(refused)
    expect(() => consistencyPlan(0, 0)).toThrow(refused)
    expect(rootFromInclusion(0, 0, leaf, [])).toBeUndefined()
    expect(rootFromInclusion(5, 5, leaf, [])).toBeUndefined()
    expect(checkConsistency(0, 0, EMPTY_HASH, EMPTY_HASH, [])).toBe(false)
    expect(checkConsistency(0, 1, EMPTY_HASH, leaf, [])).toBe(false)
  })

  test('a leaf or root that is not 32 bytes', () => {
    expect(rootFromInclusion(0, 1, leaf.subarray(1), [])).toBeUndefined()
    expect(checkInclusion(0, 1, leaf, [], leaf.subarray(1))).toBe(false)
    const root = nodeHash(leaf, leaf)
    expect(checkConsistency(1, 2, leaf, root, [leaf])).toBe(true)
    expect(checkConsistency(1, 2, leaf.subarray(1), root, [leaf])).toBe(false)
    expect(checkConsistency(1, 2, Uint8Array.of(...leaf, ...leaf, ...leaf), root, [leaf])).toBe(false)
    expect(checkConsistency(1, 2, leaf, root.subarray(1), [leaf])).toBe(false)
  })
})
