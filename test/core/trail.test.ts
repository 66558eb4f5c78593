import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, concat, fromBase64url, fromHex, hex, u64, utf8 } from '../../src/core/bytes.ts'
import { EMPTY_HASH, leafHash } from '../../src/core/hash.ts'
import {
  checkConsistency,
  checkInclusion,
  proveConsistency,
  proveInclusion,
  rangeNodes,
  treeRoot
} from '../../src/core/merkle.ts'
import { tilesOf } from '../../src/core/tile.ts'
import {
  appendTrail,
  checkPartial,
  decodeTrailLeaf,
  decodeTrailState,
  EMPTY_TRAIL,
  encodeTrailState,
  type PartialListing,
  provePartial,
  readMembers,
  rootOfTrail,
  TRAIL_TILE_HEIGHT,
  type TrailMember,
  trailEnd,
  trailLeaf,
  trailLeafHash,
  trailNodes,
  trailRoot
} from '../../src/core/trail.ts'
import { damaged, layeredNodes, naiveConsistency, naiveRoot } from '../helpers/naive-tree.ts'

const MOST = 300
const members: TrailMember[] = Array.from({ length: MOST + 1 }, (_, i) => ({
  index: 3 * i + 1,
  leaf: leafHash(utf8(`record-${i}`))
}))
const hashes = members.map((member) => leafHash(concat(u64(member.index), member.leaf)))
const naive = layeredNodes(hashes)

/** Tiles of one trail as a store keeps them. */
class Stored {
  readonly tiles = new Map<string, Bytes>()
  readonly reads: string[] = []
  end = EMPTY_TRAIL
  readonly read = (level: number, index: number) => {
    this.reads.push(`${level}/${index}`)
    return this.tiles.get(`${level}/${index}`)
  }

  append(added: readonly TrailMember[]) {
    const { count, range, tiles } = appendTrail(this.end, added, this.read)
    for (const { level, index, bytes } of tiles) this.tiles.set(`${level}/${index}`, bytes)
    this.end = { count, range }
    return { root: rootOfTrail(this.end), tiles }
  }
}
const whole = new Stored()
whole.append(members)

describe('foreign trails', () => {
  interface Entry {
    index: number
    statement: string
  }
  interface Trail {
    count: number
    root?: string
    entries: (Entry | { index: number })[]
  }
  interface Part extends Trail {
    authority: Entry[]
    keyTrails: Trail[]
  }
  const partOf = (name: string): Part =>
    JSON.parse(readFileSync(new URL(`../vectors/ledger/${name}`, import.meta.url), 'utf8')).parts[0]
  /** formats.md §9: an entry of a key trail that stands in `authority` is given by its index alone. */
  const membersOf = (trail: Trail, part: Part) =>
    trail.entries.map((entry) => {
      const { index, statement } = 'statement' in entry ? entry : part.authority.find((known) => known.index === entry.index)!
      return { index, leaf: leafHash(fromBase64url(statement)) }
    })

  test.each([
    ['power.trail.json', 3],
    ['case.trail.json', 1]
  ])('%s and the key trails in it', (name, count) => {
    const part = partOf(name)
    expect(part.count).toBe(count)
    for (const trail of [part, ...part.keyTrails]) {
      const listed = membersOf(trail, part)
      const root = trail.root === undefined ? EMPTY_HASH : fromBase64url(trail.root)
      expect(listed).toHaveLength(trail.count)
      expect(trailRoot(listed)).toEqual(root)
      const end = appendTrail(EMPTY_TRAIL, listed, () => undefined)
      expect([end.count, rootOfTrail(end)]).toEqual([trail.count, root])
    }
  })

  test('the example at the head of trail.ts', () => {
    const head = readFileSync(new URL('../../src/core/trail.ts', import.meta.url), 'utf8').split('*/')[0]!
    const leaves = [...head.matchAll(/^ \* {3}leaf {2}([0-9a-f]+)$/gm)].map(([, text]) => fromHex(text!))
    const root = / {3}root {2}([0-9a-f]+)$/m.exec(head)?.[1]
    const listed = leaves.map((leaf) => decodeTrailLeaf(leaf)!)
    expect(hex(trailRoot(listed))).toBe(root)
    const part = partOf('power.trail.json')
    expect(listed).toEqual(membersOf(part, part))
  })
})

describe('leaves', () => {
  test('trailLeaf and decodeTrailLeaf are inverse', () => {
    const member = fc.record({
      index: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      leaf: fc.uint8Array({ minLength: 32, maxLength: 32 })
    })
    fc.assert(
      fc.property(member, (member) => {
        const leaf = trailLeaf(member)
        expect(leaf).toEqual(fromHex(member.index.toString(16).padStart(16, '0') + hex(member.leaf)))
        expect(decodeTrailLeaf(leaf)).toEqual(member)
        expect(trailLeafHash(member)).toEqual(leafHash(leaf))
      })
    )
  })

  test('refused', () => {
    const refused = expect.objectContaining({ code: 'PROOF_INVALID' })
    for (const index of [-1, 0.5, 2 ** 53, Number.NaN]) expect(() => trailLeaf({ index, leaf: EMPTY_HASH })).toThrow(refused)
    expect(() => trailLeaf({ index: 0, leaf: EMPTY_HASH.subarray(1) })).toThrow(refused)
    expect(decodeTrailLeaf(new Uint8Array(39))).toBeUndefined()
    expect(decodeTrailLeaf(new Uint8Array(41))).toBeUndefined()
    expect(decodeTrailLeaf(fromHex(`0020000000000000${'00'.repeat(32)}`))).toBeUndefined()
    expect(decodeTrailLeaf(fromHex(`001fffffffffffff${'00'.repeat(32)}`))?.index).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('members not in log order make no trail', () => {
    const [a, b, c] = members as [TrailMember, TrailMember, TrailMember]
    const refused = expect.objectContaining({ code: 'PROOF_INVALID', detail: expect.objectContaining({ at: 2 }) })
    for (const listed of [
      [a, c, b],
      [a, b, b],
      [a, c, { ...b, index: c.index }]
    ]) {
      expect(() => trailRoot(listed)).toThrow(refused)
      expect(() => appendTrail(EMPTY_TRAIL, listed, () => undefined)).toThrow(refused)
    }
  })
})

describe('stored trails', () => {
  test('one member at a time, every count to 300: root, tiles, members, nodes', () => {
    const stored = new Stored()
    expect(appendTrail(EMPTY_TRAIL, [], stored.read)).toEqual({ count: 0, range: [], tiles: [] })
    expect(rootOfTrail(EMPTY_TRAIL)).toEqual(EMPTY_HASH)
    for (let count = 1; count <= MOST; count++) {
      stored.reads.length = 0
      const { root } = stored.append([members[count - 1]!])
      expect(root).toEqual(naiveRoot(hashes.slice(0, count)))
      expect(root).toEqual(trailRoot(members.slice(0, count)))
      expect(new Set(stored.reads).size).toBe(stored.reads.length)
      expect(stored.reads.length).toBeLessThanOrEqual(3)
      const edge = tilesOf(count, TRAIL_TILE_HEIGHT).map(({ level, index }) => `${level}/${index}`)
      expect([...stored.tiles.keys()].toSorted()).toEqual(edge.toSorted())
      expect(trailNodes(count, stored.read)(rangeNodes(count))).toEqual(naive(rangeNodes(count)))
      expect(stored.end).toEqual({ count, range: naive(rangeNodes(count)) })
      expect(trailEnd(count, stored.read)).toEqual(stored.end)
      const state = { name: 'power:粤01-R0001', ...stored.end }
      expect(decodeTrailState(encodeTrailState(state.name, state))).toEqual(state)
    }
    expect(stored.tiles.get('0/0')).toEqual(concat(...members.slice(0, 16).map(trailLeaf)))
    expect(stored.tiles.get('1/0')).toEqual(concat(...naive(Array.from({ length: 16 }, (_, index) => ({ level: 4, index })))))
    expect(stored.tiles.get('2/0')).toEqual(naiveRoot(hashes.slice(0, 256)))
  })

  test('random chunks give the same tiles and roots as one member at a time', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 60 }))), (chunks) => {
        const stored = new Stored()
        for (const chunk of [...chunks, MOST]) {
          const to = Math.min(stored.end.count + chunk, MOST + 1)
          const { root, tiles } = stored.append(members.slice(stored.end.count, to))
          expect(stored.end.count).toBe(to)
          expect(root).toEqual(treeRoot(to, naive))
          expect(new Set(tiles.map(({ level, index }) => `${level}/${index}`)).size).toBe(tiles.length)
        }
        stored.append(members.slice(stored.end.count))
        expect(new Map(stored.tiles)).toEqual(new Map([...stored.tiles.keys()].map((name) => [name, whole.tiles.get(name)])))
        expect(stored.tiles.size).toBe(whole.tiles.size)
      }),
      { numRuns: 30 }
    )
  })

  test('appending again from an earlier count, over tiles that have grown since, gives the same', () => {
    for (const count of [0, 1, 15, 16, 17, 255, 256, 257]) {
      const again = appendTrail(trailEnd(count, whole.read), members.slice(count, count + 20), whole.read)
      expect(rootOfTrail(again)).toEqual(treeRoot(count + 20, naive))
      for (const { level, index, bytes } of again.tiles)
        expect(bytes).toEqual(whole.tiles.get(`${level}/${index}`)!.subarray(0, bytes.length))
    }
  })

  test('a trail of ten million members is appended to by reading one tile a level', () => {
    const count = 9_999_999
    const reads: string[] = []
    const zero = (level: number, index: number) => {
      reads.push(`${level}/${index}`)
      return new Uint8Array(16 * (level === 0 ? 40 : 32))
    }
    const range = rangeNodes(count).map(() => EMPTY_HASH)
    expect(appendTrail({ count, range }, [{ index: 2 ** 40, leaf: EMPTY_HASH }], zero).count).toBe(10_000_000)
    expect(new Set(reads).size).toBe(reads.length)
    // 9,999,999 = 0x98967f: the tile of level 0 becomes full, that of level 1 does not.
    expect(reads.toSorted()).toEqual(['0/624999', '1/39062'])
  })

  test('readMembers', () => {
    const places = fc.tuple(fc.integer({ min: 0, max: MOST }), fc.integer({ min: 0, max: MOST }))
    fc.assert(
      fc.property(places, ([a, b]) => {
        const [from, to] = a < b ? [a, b] : [b, a]
        whole.reads.length = 0
        expect(readMembers(from, to, whole.read)).toEqual(members.slice(from, to))
        expect(whole.reads).toHaveLength(from === to ? 0 : Math.floor((to - 1) / 16) - Math.floor(from / 16) + 1)
      })
    )
  })

  test('a damaged store is named', () => {
    const corrupt = (field: string) =>
      expect.objectContaining({ code: 'STORE_CORRUPT', detail: expect.objectContaining({ field }) })
    const without = (name: string, bytes?: Bytes) => (level: number, index: number) =>
      `${level}/${index}` === name ? bytes : whole.read(level, index)
    expect(() => readMembers(0, 20, without('0/1'))).toThrow(corrupt('trail/0/001'))
    expect(() => readMembers(0, 20, without('0/1', new Uint8Array(3 * 40)))).toThrow(corrupt('trail/0/001'))
    expect(() => readMembers(0, 20, without('0/1', new Uint8Array(7 * 32)))).toThrow(corrupt('trail/0/001'))
    expect(() => readMembers(0, 20, without('0/1', new Uint8Array(16 * 40).fill(0xff)))).toThrow(corrupt('trail member 16'))
    const end = trailEnd(31, whole.read)
    expect(() => appendTrail(end, [members[31]!], without('0/1'))).toThrow(corrupt('trail/0/001'))
    expect(() => appendTrail(end, [members[31]!], without('1/0'))).toThrow(corrupt('trail/1/000'))
    expect(() => trailEnd(31, without('0/1'))).toThrow(corrupt('trail/0/001'))
    const state = encodeTrailState('power:粤01-R0001', end)
    for (const bad of [
      new Uint8Array(0),
      state.subarray(0, 8 + 32 * 4),
      state.subarray(0, 8 + 32 * 5),
      state.with(0, 0xa3),
      concat(new Uint8Array(8), utf8('power:粤01-R0001')),
      concat(state, Uint8Array.of(0xff))
    ])
      expect(decodeTrailState(bad)).toBeUndefined()
    expect(() => treeRoot(300, trailNodes(300, without('2/0', new Uint8Array(0))))).toThrow(corrupt('trail/2/000'))
  })

  test('proofs of merkle.ts work on a stored trail', () => {
    for (const count of [1, 15, 16, 17, 255, 256, 257, 300]) {
      const read = trailNodes(count, whole.read)
      const root = treeRoot(count, read)
      expect(root).toEqual(naiveRoot(hashes.slice(0, count)))
      for (const at of [0, count >> 1, count - 1]) {
        const proof = proveInclusion(at, count, read)
        expect(checkInclusion(at, count, trailLeafHash(members[at]!), proof, root)).toBe(true)
        const consistency = proveConsistency(at + 1, count, read)
        expect(consistency).toEqual(naiveConsistency(at + 1, hashes.slice(0, count)))
        expect(checkConsistency(at + 1, count, treeRoot(at + 1, naive), root, consistency)).toBe(true)
      }
    }
  })
})

function listing(from: number, to: number, count: number): PartialListing {
  const shown = readMembers(from, to, whole.read)
  return { from, members: shown, count, root: treeRoot(count, naive), ...provePartial(from, to, count, whole.read) }
}

describe('partial listings', () => {
  test('all of every count to 24, and some of every count to 300', () => {
    const step = (count: number) => (count <= 24 ? 1 : 61)
    for (let count = 1; count <= MOST; count++) {
      for (let to = 1; to <= count; to += step(count)) {
        for (let from = 0; from <= to; from += step(count)) {
          const proved = checkPartial(listing(from, to, count))
          if (proved === undefined) expect.fail(`[${from}, ${to}) of ${count}`)
          expect(hex(proved.rootFrom)).toBe(hex(treeRoot(from, naive)))
          expect(hex(proved.rootTo)).toBe(hex(treeRoot(to, naive)))
        }
      }
    }
  })

  test('the proof is that of the RFC, and each tile is read once for it', () => {
    for (const [from, to, count] of [
      [0, 300, 300],
      [5, 20, 300],
      [255, 256, 257],
      [299, 300, 300],
      [7, 7, 7]
    ] as const) {
      whole.reads.length = 0
      const { range, consistency } = provePartial(from, to, count, whole.read)
      expect(new Set(whole.reads).size).toBe(whole.reads.length)
      expect(range).toEqual(naive(rangeNodes(from)))
      expect(consistency).toEqual(naiveConsistency(to, hashes.slice(0, count)))
    }
  })

  test('two that meet have the same root where they meet', () => {
    const first = checkPartial(listing(0, 100, 120))
    const second = checkPartial(listing(100, 250, 300))
    expect(first?.rootFrom).toEqual(EMPTY_HASH)
    expect(first?.rootTo).toEqual(second?.rootFrom)
  })

  test('no damaged listing holds', () => {
    const held: string[] = []
    const foreign: TrailMember = { index: 3 * MOST + 7, leaf: leafHash(utf8('foreign')) }
    for (const [from, to, count] of [
      [0, 1, 1],
      [0, 3, 5],
      [1, 2, 3],
      [3, 7, 7],
      [3, 7, 12],
      [7, 8, 8],
      [8, 13, 16],
      [11, 11, 11],
      [11, 11, 13],
      [21, 37, 100],
      [0, 16, 17]
    ] as const) {
      const good = listing(from, to, count)
      const bad: [string, Partial<PartialListing>][] = []
      for (const range of damaged(good.range)) bad.push(['range', { range }])
      for (const consistency of damaged(good.consistency)) bad.push(['consistency', { consistency }])
      for (const [i, { index, leaf }] of good.members.entries()) {
        for (let at = 0; at < 32; at++)
          bad.push(['leaf', { members: good.members.with(i, { index, leaf: leaf.with(at, leaf[at]! ^ (1 << (at % 8))) }) }])
        for (const other of [index + 1, index - 1, index + 2 ** 32, -1, 2 ** 53, Number.NaN])
          bad.push(['index', { members: good.members.with(i, { index: other, leaf }) }])
        bad.push(['short leaf', { members: good.members.with(i, { index, leaf: leaf.subarray(1) }) }])
        bad.push(['member left out', { members: good.members.toSpliced(i, 1) }])
        bad.push(['member left out, from moved', { from: from + 1, members: good.members.toSpliced(i, 1) }])
        bad.push(['member doubled', { members: good.members.toSpliced(i, 0, good.members[i]!) }])
        if (i > 0)
          bad.push(['members swapped', { members: good.members.with(i, good.members[i - 1]!).with(i - 1, good.members[i]!) }])
      }
      bad.push(['member added', { members: [...good.members, foreign] }])
      bad.push(['member added, count too', { members: [...good.members, foreign], count: count + 1 }])
      for (let at = 0; at < 32; at++) bad.push(['root', { root: good.root.with(at, good.root[at]! ^ 0x10) }])
      bad.push(['short root', { root: good.root.subarray(1) }])
      for (const wrong of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, count + 1, from + 1, from - 1])
        if (wrong !== from) bad.push([`from ${wrong}`, { from: wrong }])
      for (const wrong of [0, -1, to - 1, to - 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])
        bad.push([`count ${wrong}`, { count: wrong }])
      expect(checkPartial(good)).toBeDefined()
      for (const [what, change] of bad)
        if (checkPartial({ ...good, ...change }) !== undefined) held.push(`${what} of [${from}, ${to}) of ${count}`)
    }
    expect(held).toEqual([])
  })

  test('a tree whose members are not in log order is refused, though it hashes to its root', () => {
    const [a, b, c] = members as [TrailMember, TrailMember, TrailMember]
    for (const [shown, ordered] of [
      [[a, b, c], true],
      [[a, c, b], false],
      [[a, b, b], false]
    ] as const) {
      const root = naiveRoot(shown.map(trailLeafHash))
      const proved = checkPartial({ from: 0, range: [], members: shown, count: 3, root, consistency: [] })
      expect(proved).toEqual(ordered ? { rootFrom: EMPTY_HASH, rootTo: root } : undefined)
    }
  })

  test('members of a trail said to be empty are refused', () => {
    const empty = { count: 0, root: EMPTY_HASH, consistency: [] }
    expect(checkPartial({ ...empty, from: 0, range: [], members: members.slice(0, 1) })).toBeUndefined()
    expect(checkPartial({ ...empty, from: 1, range: [hashes[0]!], members: [] })).toBeUndefined()
  })

  test('t = 0 shows nothing of a trail that has members, and all of one that has none', () => {
    const none = { from: 0, range: [], members: [], consistency: [] }
    expect(checkPartial({ ...none, count: 0, root: EMPTY_HASH })).toEqual({ rootFrom: EMPTY_HASH, rootTo: EMPTY_HASH })
    expect(checkPartial({ ...none, count: 0, root: hashes[0]! })).toBeUndefined()
    expect(checkPartial({ ...none, count: 0, root: EMPTY_HASH, consistency: [EMPTY_HASH] })).toBeUndefined()
    expect(checkPartial({ ...none, count: 1, root: hashes[0]! })).toBeUndefined()
    expect(checkPartial({ ...none, count: 1, root: hashes[0]!, consistency: [hashes[0]!] })).toBeUndefined()
    expect(checkPartial({ ...none, count: 3, root: EMPTY_HASH })).toBeUndefined()
    expect(provePartial(0, 0, 0, () => undefined)).toEqual({ range: [], consistency: [] })
  })

  test('provePartial refuses what is no part of the trail', () => {
    const refused = (field: string) =>
      expect.objectContaining({ code: 'QUERY_INVALID', detail: expect.objectContaining({ field }) })
    expect(() => provePartial(0, 0, 5, whole.read)).toThrow(refused('to'))
    expect(() => provePartial(0, 6, 5, whole.read)).toThrow(refused('to'))
    expect(() => provePartial(4, 3, 5, whole.read)).toThrow(refused('from'))
    expect(() => provePartial(-1, 3, 5, whole.read)).toThrow(refused('from'))
    expect(() => provePartial(0, 1.5, 5, whole.read)).toThrow(refused('to'))
    expect(() => provePartial(0, 3, 2 ** 53, whole.read)).toThrow(refused('count'))
  })
})
