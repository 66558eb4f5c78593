/**
 * Tiles: the stored form of a Merkle tree (C2SP tlog-tiles), and the bundles of its entries.
 *
 *   path    = "tile/" (level | "entries") "/" index [".p/" width]
 *   level   = 0 … 63
 *   index   = ("x" group "/")* group          groups of three digits, the first of several not 000
 *   width   = 1 … 255                         absent: a full tile, 256 wide
 *   tile    = hash[width]                     32 bytes each: hash i of tile N at level L is the tree node at level 8L, index 256N + i
 *   bundle  = (u16(length) ‖ entry)[width]    big-endian, length 1 … 65,535
 *
 *   tile/1/x001/x234/067.p/17                 the first 17 hashes of tile 1234067 of level 1
 *   00036f6e65000374776f                      (hex) the bundle of the entries "one" and "two"
 *
 * A tile only ever grows at its end, so that a tile stored later holds what every smaller size needs. The same tiles, smaller and
 * with the leaves themselves on level 0, keep the trails (trail.ts): what differs is a `TileShape`.
 */
import { type Bytes, concat } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { HASH_SIZE } from './hash.ts'
import { isSize, type ReadNodes, requireSize, rootOfLeaves } from './merkle.ts'

export const LOG_TILE_HEIGHT = 8

/** Tile of tree nodes at tree level `level`·height, `index` counting tiles from the left. */
export interface TileAddress {
  level: number
  index: number
}

/** Stored bytes of a tile; undefined where there is none. */
export type ReadTile = (tile: TileAddress) => Bytes | undefined

/** How one kind of tree is cut into tiles. Above level 0 every item is a 32-byte hash. */
export interface TileShape {
  /** First part of a tile's name in errors. */
  name: string
  /** A full tile holds 2^height items. */
  height: number
  /** Bytes of one item of level 0. */
  leafSize: number
  /** Leaf hash of one item of level 0. */
  leafHash: (item: Bytes) => Bytes
}

/** Tiles of a log: level 0 holds leaf hashes; the entries are in bundles of their own. */
export const LOG_TILES: TileShape = { name: 'tile', height: LOG_TILE_HEIGHT, leafSize: HASH_SIZE, leafHash: (item) => item }

// Names

export type TileFile =
  | { kind: 'hash'; level: number; index: number; width: number }
  | { kind: 'entries'; index: number; width: number }

const FULL_WIDTH = 2 ** LOG_TILE_HEIGHT

function indexGroups(index: number): string {
  const group = (n: number) => String(n % 1000).padStart(3, '0')
  let path = group(index)
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) path = `x${group(rest)}/${path}`
  return path
}

/** Path of a tile or bundle of `width` 1 … 256; 256 is the full one. */
export function tilePath(file: TileFile): string {
  const level = file.kind === 'hash' ? file.level : 'entries'
  return `tile/${level}/${indexGroups(file.index)}${file.width === FULL_WIDTH ? '' : `.p/${file.width}`}`
}

const PATH = /^tile\/(entries|\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/

/** The inverse of `tilePath`; undefined for any other text. Whether the log has such a tile is another question (`tileWidth`). */
export function parseTilePath(path: string): TileFile | undefined {
  const match = PATH.exec(path)
  if (match === null) return undefined
  const [, level, groups, partial] = match
  const index = Number(groups!.replace(/[x/]/g, ''))
  const width = partial === undefined ? FULL_WIDTH : Number(partial)
  if (groups!.startsWith('x000') || !isSize(index)) return undefined
  if (partial !== undefined && width >= FULL_WIDTH) return undefined
  return level === 'entries' ? { kind: 'entries', index, width } : { kind: 'hash', level: Number(level), index, width }
}

// Which tiles a size implies

/** How many items this tile has in a tree of `size`: 0 = no such tile, 2^height = full. */
export function tileWidth(size: number, level: number, index: number, height = LOG_TILE_HEIGHT): number {
  const capacity = 2 ** height
  const items = Math.floor(size / 2 ** (level * height))
  return Math.min(Math.max(items - index * capacity, 0), capacity)
}

/** Every tile of a tree of `size`, level by level, left to right; the last of a level may be partial. Throws `QUERY_INVALID`. */
export function tilesOf(size: number, height = LOG_TILE_HEIGHT): (TileAddress & { width: number })[] {
  requireSize('size', size)
  const capacity = 2 ** height
  const tiles: (TileAddress & { width: number })[] = []
  for (let level = 0, items = size; items > 0; level++, items = Math.floor(items / capacity)) {
    for (let index = 0; index * capacity < items; index++)
      tiles.push({ level, index, width: Math.min(items - index * capacity, capacity) })
  }
  return tiles
}

// Reading

function itemSize(level: number, shape: TileShape): number {
  return level === 0 ? shape.leafSize : HASH_SIZE
}

/**
 * The first `width` items of a stored tile, which may have grown since. Throws `STORE_CORRUPT` naming the tile where it is missing,
 * shorter, or no tile at all.
 */
export function readTilePrefix(tile: TileAddress, width: number, readTile: ReadTile, shape: TileShape): Bytes {
  const size = itemSize(tile.level, shape)
  const bytes = readTile(tile)
  if (bytes === undefined || bytes.length < width * size || bytes.length > 2 ** shape.height * size || bytes.length % size !== 0)
    throw new LianzhengError('STORE_CORRUPT', {
      field: `${shape.name}/${tile.level}/${indexGroups(tile.index)}`,
      expected: `at least ${width} items of ${size} bytes`
    })
  return bytes.subarray(0, width * size)
}

/** Root of the complete subtree over items [first, first + count) of a tile; count is a power of two and divides first. */
function nodeOfTile(bytes: Bytes, level: number, first: number, count: number, shape: TileShape): Bytes {
  const size = itemSize(level, shape)
  const hashes: Bytes[] = []
  for (let i = first; i < first + count; i++) {
    const item = bytes.subarray(i * size, (i + 1) * size)
    hashes.push(level === 0 ? shape.leafHash(item) : item)
  }
  return rootOfLeaves(hashes)
}

/**
 * Nodes of the tree of `size` from its tiles, for the proofs of merkle.ts. Each tile is read at most once in a call, and only its part
 * within `size` is used. The hashes returned may share memory with the tiles. Throws `STORE_CORRUPT` as `readTilePrefix` does.
 */
export function nodesFromTiles(size: number, readTile: ReadTile, shape: TileShape = LOG_TILES): ReadNodes {
  const capacity = 2 ** shape.height
  return (nodes) => {
    const seen = new Map<string, Bytes>()
    return nodes.map((node) => {
      if ((node.index + 1) * 2 ** node.level > size)
        throw new LianzhengError('INTERNAL', {
          field: `node ${node.level}/${node.index}`,
          expected: `a complete subtree of [0, ${size})`
        })
      // A node j levels above its tile's items is the root over 2^j of them.
      const count = 2 ** (node.level % shape.height)
      const first = node.index * count
      const tile = { level: Math.floor(node.level / shape.height), index: Math.floor(first / capacity) }
      const key = `${tile.level}/${tile.index}`
      let bytes = seen.get(key)
      if (bytes === undefined) {
        bytes = readTilePrefix(tile, tileWidth(size, tile.level, tile.index, shape.height), readTile, shape)
        seen.set(key, bytes)
      }
      return nodeOfTile(bytes, tile.level, first % capacity, count, shape)
    })
  }
}

// Growing

export interface TileContent extends TileAddress {
  /** The whole new content of the tile. */
  bytes: Bytes
}

/**
 * Appends items of level 0 to the tree of `size`: every tile that changes, once, with its new content, level by level. Reads only the
 * partial tile at the right edge of each level that changes; hashes only the tiles that become full, so O(leaves). Writes nothing.
 */
export function appendTiles(
  size: number,
  leaves: readonly Bytes[],
  readTile: ReadTile,
  shape: TileShape = LOG_TILES
): { tiles: TileContent[]; size: number } {
  if (!isSize(size) || !isSize(size + leaves.length))
    throw new LianzhengError('INTERNAL', { field: 'size', expected: 'an integer in [0, 2^53)' })
  if (!leaves.every((leaf) => leaf.length === shape.leafSize))
    throw new LianzhengError('INTERNAL', { field: 'leaves', expected: `${shape.leafSize} bytes each` })

  const capacity = 2 ** shape.height
  const tiles: TileContent[] = []
  let start = size
  let items = leaves
  for (let level = 0; items.length > 0; level++) {
    const rootsOfFull: Bytes[] = []
    for (let taken = 0; taken < items.length; ) {
      const old = (start + taken) % capacity
      const added = items.slice(taken, taken + capacity - old)
      const tile = { level, index: Math.floor((start + taken) / capacity) }
      const bytes = concat(old === 0 ? new Uint8Array(0) : readTilePrefix(tile, old, readTile, shape), ...added)
      tiles.push({ ...tile, bytes })
      if (old + added.length === capacity) rootsOfFull.push(nodeOfTile(bytes, level, 0, capacity, shape))
      taken += added.length
    }
    start = Math.floor(start / capacity)
    items = rootsOfFull
  }
  return { tiles, size: size + leaves.length }
}

// Entry bundles

const MAX_ENTRY = 65_535

/** Bundle of 1 … 256 entries of 1 … 65,535 bytes. Throws `PROOF_INVALID`. */
export function encodeBundle(entries: readonly Bytes[]): Bytes {
  if (entries.length < 1 || entries.length > FULL_WIDTH)
    throw new LianzhengError('PROOF_INVALID', { field: 'entries', expected: '1 to 256 entries' })
  const parts: Bytes[] = []
  for (const [i, entry] of entries.entries()) {
    if (entry.length < 1 || entry.length > MAX_ENTRY)
      throw new LianzhengError('PROOF_INVALID', { field: `entries[${i}]`, expected: '1 to 65,535 bytes' })
    parts.push(Uint8Array.of(Math.floor(entry.length / 256), entry.length % 256), entry)
  }
  return concat(...parts)
}

/**
 * The `width` entries of a bundle, as views of `bytes`. Throws `PROOF_INVALID` with the offset for anything but exactly that many
 * entries; the standard allows empty entries, this log has none.
 */
export function decodeBundle(bytes: Bytes, width: number): Bytes[] {
  if (!isSize(width) || width < 1 || width > FULL_WIDTH)
    throw new LianzhengError('PROOF_INVALID', { field: 'width', expected: '1 to 256' })
  const entries: Bytes[] = []
  let at = 0
  while (entries.length < width) {
    if (bytes.length - at < 2) throw new LianzhengError('PROOF_INVALID', { offset: at, expected: `${width} entries` })
    const length = bytes[at]! * 256 + bytes[at + 1]!
    if (length === 0) throw new LianzhengError('PROOF_INVALID', { offset: at, expected: 'an entry of 1 to 65,535 bytes' })
    if (bytes.length - at - 2 < length)
      throw new LianzhengError('PROOF_INVALID', { offset: at, expected: `an entry of ${length} bytes` })
    entries.push(bytes.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  if (at !== bytes.length) throw new LianzhengError('PROOF_INVALID', { offset: at, expected: 'nothing after the last entry' })
  return entries
}
