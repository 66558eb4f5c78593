import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, fromBase64, utf8 } from '../../src/core/bytes.ts'
import { leafHash } from '../../src/core/hash.ts'
import { checkConsistency, proveConsistency, proveInclusion } from '../../src/core/merkle.ts'
import { checkSubtree, checkSubtreeInclusion, isSubtree, proveSubtree, subtreeRoot } from '../../src/core/subtree.ts'
import { naiveNodes, naiveRoot } from '../helpers/naive-tree.ts'

interface Probe {
  leafIdx: number
  start: number
  end: number
  size: number
  root: string
  root1: string
  root2: string
  leafHash: string
  proof: string[] | null
  wantErr: boolean
}

/** transparency-dev/merkle, `testdata`, Apache-2.0. Integers beyond 2^53 lose their last digits here, and stay beyond it. */
function probes(name: string): { file: string; probe: Probe }[] {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as { file: string; probe: Probe }[]
}

/** Anything at all, where a probe holds what is no hash. */
function hash(text: string | undefined): Bytes {
  try {
    return fromBase64(text ?? '')
  } catch {
    return utf8(text ?? '')
  }
}

describe('probes of transparency-dev/merkle', () => {
  const inclusion = probes('probes-subtreeinclusion.json')
  const consistency = probes('probes-subtreeconsistency.json')

  test('there are valid and invalid ones', () => {
    expect([inclusion.length, consistency.length]).toEqual([204, 118])
    for (const file of [inclusion, consistency])
      expect(new Set(file.map(({ probe }) => probe.wantErr))).toEqual(new Set([true, false]))
  })
  test.each(inclusion.map(({ file, probe }) => [file, probe] as const))('%s', (_, probe) => {
    const { leafIdx, start, end, root, leafHash: leaf, proof, wantErr } = probe
    expect(checkSubtreeInclusion(leafIdx, start, end, hash(leaf), (proof ?? []).map(hash), hash(root))).toBe(!wantErr)
  })
  test.each(consistency.map(({ file, probe }) => [file, probe] as const))('%s', (_, probe) => {
    const { start, end, size, root1, root2, proof, wantErr } = probe
    expect(checkSubtree(start, end, size, hash(root1), hash(root2), (proof ?? []).map(hash))).toBe(!wantErr)
  })
})

const leaves = Array.from({ length: 40 }, (_, i) => leafHash(utf8(`entry-${i}`)))
const read = naiveNodes(leaves)
const subtrees = (size: number) =>
  Array.from({ length: size }, (_, start) =>
    Array.from({ length: size - start }, (_, i) => [start, start + i + 1] as const).filter(([from, to]) => isSubtree(from, to))
  ).flat()

describe('every subtree of every small tree', () => {
  test('has the hash of its leaves, and a proof that verifies', () => {
    for (let size = 1; size <= 33; size++) {
      const root = naiveRoot(leaves.slice(0, size))
      for (const [start, end] of subtrees(size)) {
        const part = subtreeRoot(start, end, read)
        expect(part).toEqual(naiveRoot(leaves.slice(start, end)))
        const proof = proveSubtree(start, end, size, read)
        expect(checkSubtree(start, end, size, part, root, proof), `[${start}, ${end}) of ${size}`).toBe(true)
        if (start === 0) {
          expect(proof).toEqual(proveConsistency(end, size, read))
          expect(checkConsistency(end, size, part, root, proof)).toBe(true)
        }
      }
    }
  })

  test('and no other: a hash changed, left out or added, another range, size or root', () => {
    const some = fc
      .integer({ min: 1, max: 40 })
      .chain((size) => fc.record({ size: fc.constant(size), at: fc.nat(), bit: fc.nat() }))
    fc.assert(
      fc.property(some, ({ size, at, bit }) => {
        const all = subtrees(size)
        const [start, end] = all[at % all.length]!
        const root = naiveRoot(leaves.slice(0, size))
        const part = subtreeRoot(start, end, read)
        const proof = proveSubtree(start, end, size, read)
        const flip = (bytes: Bytes) => bytes.map((byte, i) => (i === bit % 32 ? byte ^ 1 : byte))
        expect(checkSubtree(start, end, size, flip(part), root, proof)).toBe(false)
        expect(checkSubtree(start, end, size, part, flip(root), proof)).toBe(false)
        expect(checkSubtree(start, end, size, part, root, [...proof, part])).toBe(false)
        expect(checkSubtree(start, end, size, part, root, [...proof.slice(1), ...(proof.length === 0 ? [root] : [])])).toBe(false)
        const changed = proof.map((one, i) => (i === bit % proof.length ? flip(one) : one))
        expect(checkSubtree(start, end, size, part, root, changed)).toBe(proof.length === 0)
      })
    )
  })

  test('inclusion in a subtree is inclusion in a tree of its own', () => {
    const slice = leaves.slice(8, 13)
    for (let index = 8; index < 13; index++) {
      const proof = proveInclusion(index - 8, 5, naiveNodes(slice))
      expect(checkSubtreeInclusion(index, 8, 13, leaves[index]!, proof, naiveRoot(slice))).toBe(true)
      expect(checkSubtreeInclusion(index - 8, 8, 13, leaves[index]!, proof, naiveRoot(slice))).toBe(false)
    }
  })

  test('what is no subtree has no proof', () => {
    expect(() => proveSubtree(1, 3, 8, read)).toThrow('QUERY_INVALID')
    expect(() => proveSubtree(4, 9, 8, read)).toThrow('QUERY_INVALID')
    expect(checkSubtree(1, 3, 8, leaves[0]!, leaves[0]!, [])).toBe(false)
    expect(checkSubtree(0.5, 3, 8, leaves[0]!, leaves[0]!, [])).toBe(false)
  })
})
