/**
 * The one fold: a head and the next entries give tiles, trails, map, seal and the next head (formats.md §5–7). Pure: reads go through
 * `FoldReader`, writes are returned. The sequencer, recovery, mirrors, restore and audits call it alike.
 */
import { type Bytes, compareBytes, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { EMPTY_HASH, leafHash, trailKey, trailValue } from '../core/hash.ts'
import { type PageSource, updateMap } from '../core/map.ts'
import { treeRoot } from '../core/merkle.ts'
import { nextSeal, type Seal } from '../core/seal.ts'
import { appendTiles, nodesFromTiles } from '../core/tile.ts'
import { appendTrail, EMPTY_TRAIL, rootOfTrail, type TrailEnd } from '../core/trail.ts'

/** A log's committed state: a tree of `size` whose last leaf is the seal described. */
export interface Head {
  size: number
  root: Bytes
  seal: { height: number; leaf: Bytes; time: number; trails: number; map: Bytes } | undefined
}

export const NO_HEAD: Head = { size: 0, root: EMPTY_HASH, seal: undefined }

export interface StoredTrail extends TrailEnd {
  name: string
}

/** What the fold reads of the state before; every answer is checked by what is built on it. */
export interface FoldReader {
  tile(level: number, index: number): Bytes | undefined
  trail(key: Bytes): StoredTrail | undefined
  trailTile(key: Bytes, level: number, index: number): Bytes | undefined
  /** Pages of the map by hash. */
  pages: PageSource
}

export interface FoldEntry {
  leaf: Bytes
  trails: readonly string[]
}

export interface FoldedTrail extends StoredTrail {
  key: Bytes
  tiles: { level: number; index: number; bytes: Bytes }[]
}

export interface Folded {
  head: Head & { seal: NonNullable<Head['seal']> }
  seal: Seal
  sealStatement: Bytes
  tiles: { level: number; index: number; bytes: Bytes }[]
  trails: FoldedTrail[]
  pages: { hash: Bytes; bytes: Bytes }[]
  /** Pages of the map before that are no part of the map after. */
  superseded: Bytes[]
}

/**
 * Appends `entries` and the seal that ends the batch. `makeSeal` signs the seal the fold has worked out (the sequencer), or returns the one
 * that was received after comparing it (mirrors, audits). `now` in milliseconds.
 */
export function fold(
  head: Head,
  entries: readonly FoldEntry[],
  now: number,
  makeSeal: (seal: Seal) => Bytes,
  read: FoldReader
): Folded {
  const members = new Map<string, { index: number; leaf: Bytes }[]>()
  for (const [i, { leaf, trails }] of entries.entries()) {
    for (const name of trails) {
      const list = members.get(name)
      if (list === undefined) members.set(name, [{ index: head.size + i, leaf }])
      else list.push({ index: head.size + i, leaf })
    }
  }

  const trails: FoldedTrail[] = []
  let added = 0
  for (const [name, list] of members) {
    const key = trailKey(name)
    const before = read.trail(key)
    if (before === undefined) added++
    const after = appendTrail(before ?? EMPTY_TRAIL, list, (level, index) => read.trailTile(key, level, index))
    trails.push({ key, name, ...after })
  }
  trails.sort((a, b) => compareBytes(a.key, b.key))
  const map = updateMap(
    head.seal?.map ?? EMPTY_HASH,
    trails.map((trail): [Bytes, Bytes] => [trail.key, trailValue(trail.count, rootOfTrail(trail))]),
    read.pages
  )

  const size = head.size + entries.length
  const seal = nextSeal(head.seal, size, now, (head.seal?.trails ?? 0) + added, map.root)
  const sealStatement = makeSeal(seal)
  const sealLeaf = leafHash(sealStatement)

  const { tiles } = appendTiles(head.size, [...entries.map(({ leaf }) => leaf), sealLeaf], ({ level, index }) =>
    read.tile(level, index)
  )
  const fresh = new Map(tiles.map(({ level, index, bytes }) => [`${level}/${index}`, bytes]))
  const root = treeRoot(
    size + 1,
    nodesFromTiles(size + 1, ({ level, index }) => fresh.get(`${level}/${index}`) ?? read.tile(level, index))
  )
  return {
    head: {
      size: size + 1,
      root,
      seal: { height: seal.height, leaf: sealLeaf, time: seal.time, trails: seal.trails, map: seal.map }
    },
    seal,
    sealStatement,
    tiles,
    trails,
    pages: map.pages,
    superseded: map.superseded
  }
}

export function sealDiffers(expected: Seal, found: Seal): LianzhengError | undefined {
  for (const field of ['height', 'size', 'trails'] as const)
    if (expected[field] !== found[field])
      return new LianzhengError('STORE_DISAGREES', { field: `seal.${field}`, expected: String(expected[field]) })
  for (const field of ['prev', 'map'] as const)
    if (compareBytes(expected[field], found[field]) !== 0)
      return new LianzhengError('STORE_DISAGREES', { field: `seal.${field}`, expected: hex(expected[field]) })
  return undefined
}
