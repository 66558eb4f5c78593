/**
 * A trail: the records of one case, person, power … as a Merkle tree of its own (formats.md §7), and partial listings of it (§10).
 *
 *   leaf       = u64(index in the log) ‖ leaf hash of the statement      40 bytes
 *   leaf hash  = H(0x00 ‖ leaf), nodes and root as in merkle.ts          members in log order
 *
 * One real trail of three records, its leaves and its root:
 *
 *   leaf  0000000000000005bb451050978bf2c76a9cb486ba1a5db8f6a37dd6306e84cf9309b6d818b3aaab
 *   leaf  0000000000000006eb39b89ade85a365debe66e295e0405de7949510f34e6caf00c48c243e3444d5
 *   leaf  000000000000000758554509b42c082b67476773af4b1fb8600c226c057f4a8c6578d906856593d9
 *   root  49c1dc5e316c6733ec53760aaae59c7c2a871f1c23616b7f919da32ef01f42df
 *
 * Stored in tiles of height 4, so that appending to one of very many short trails rewrites at most 640 bytes a level: a tile of
 * level 0 holds the leaves themselves (16 × 40 bytes), one of level L ≥ 1 the roots of 16 full tiles of the level below (16 × 32 bytes).
 */
import { type Bytes, concat, equalBytes, fromU64, fromUtf8, u64, utf8 } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { EMPTY_HASH, HASH_SIZE, leafHash } from './hash.ts'
import {
  appendToRange,
  checkConsistency,
  consistencyPlan,
  foldRange,
  isSize,
  type ProofPlan,
  type ReadNodes,
  rangeNodes,
  readPlan,
  requireSize,
  rootOfLeaves
} from './merkle.ts'
import { appendTiles, nodesFromTiles, type ReadTile, readTilePrefix, type TileContent, type TileShape } from './tile.ts'

export interface TrailMember {
  /** Index of the entry in the log. */
  index: number
  /** Leaf hash of the entry, 32 bytes. */
  leaf: Bytes
}

export const TRAIL_TILE_HEIGHT = 4
const TRAIL_LEAF_SIZE = 8 + HASH_SIZE
const TILE_MEMBERS = 2 ** TRAIL_TILE_HEIGHT

/** How a trail is kept: `appendTiles` and `nodesFromTiles` work on it as on a log. */
export const TRAIL_TILES: TileShape = { name: 'trail', height: TRAIL_TILE_HEIGHT, leafSize: TRAIL_LEAF_SIZE, leafHash }

/** Stored bytes of a tile of one trail; undefined where there is none. */
export type ReadTrailTile = (level: number, index: number) => Bytes | undefined

/** The 40 bytes of a member. Throws `PROOF_INVALID` for an index of 2^53 or more or a leaf hash that is not 32 bytes. */
export function trailLeaf(member: TrailMember): Bytes {
  if (!isSize(member.index)) throw new LianzhengError('PROOF_INVALID', { field: 'index', expected: 'an integer in [0, 2^53)' })
  if (member.leaf.length !== HASH_SIZE) throw new LianzhengError('PROOF_INVALID', { field: 'leaf', expected: '32 bytes' })
  return concat(u64(member.index), member.leaf)
}

/** The inverse of `trailLeaf`; undefined for anything else. */
export function decodeTrailLeaf(bytes: Bytes): TrailMember | undefined {
  if (bytes.length !== TRAIL_LEAF_SIZE) return undefined
  const index = fromU64(bytes)
  return index === undefined ? undefined : { index, leaf: bytes.subarray(8) }
}

export function trailLeafHash(member: TrailMember): Bytes {
  return leafHash(trailLeaf(member))
}

/** Position of the first member that does not stand after the one before it; undefined where all are in log order. */
function outOfOrder(members: readonly TrailMember[]): number | undefined {
  for (let i = 1; i < members.length; i++) if (members[i]!.index <= members[i - 1]!.index) return i
  return undefined
}

function requireLogOrder(members: readonly TrailMember[]): void {
  const at = outOfOrder(members)
  if (at !== undefined) throw new LianzhengError('PROOF_INVALID', { at, field: 'index', expected: 'strictly increasing indexes' })
}

/** Root of a whole trail; `EMPTY_HASH` of none. Throws `PROOF_INVALID` as `trailLeaf` does, and unless indexes strictly increase. */
export function trailRoot(members: readonly TrailMember[]): Bytes {
  requireLogOrder(members)
  return rootOfLeaves(members.map(trailLeafHash))
}

// Stored trails

function tileReader(read: ReadTrailTile): ReadTile {
  return ({ level, index }) => read(level, index)
}

/** Nodes of a stored trail's first `count` members, for the proofs of merkle.ts. Throws `STORE_CORRUPT`. */
export function trailNodes(count: number, read: ReadTrailTile): ReadNodes {
  return nodesFromTiles(count, tileReader(read), TRAIL_TILES)
}

/** How a trail ends: enough to append to it. */
export interface TrailEnd {
  count: number
  /** Roots of the maximal complete subtrees of all members, left to right; folded, they are the root. */
  range: readonly Bytes[]
}

export const EMPTY_TRAIL: TrailEnd = { count: 0, range: [] }

/**
 * Appends members to a trail: its new end, and each tile that changes with its whole new content. Reads one tile a level, at the right edge;
 * writes nothing. That the first new member comes after the last stored one is the caller's order.
 * Throws `PROOF_INVALID` for members out of order among themselves, `STORE_CORRUPT`.
 */
export function appendTrail(
  end: TrailEnd,
  members: readonly TrailMember[],
  read: ReadTrailTile
): TrailEnd & { tiles: TileContent[] } {
  requireLogOrder(members)
  const leaves = members.map(trailLeaf)
  const { tiles, size } = appendTiles(end.count, leaves, tileReader(read), TRAIL_TILES)
  const range = [...end.range]
  for (const [i, leaf] of leaves.entries()) appendToRange(end.count + i, range, leafHash(leaf))
  return { count: size, range, tiles }
}

/** Root of the trail that ends so; `EMPTY_HASH` of none. */
export function rootOfTrail({ range }: TrailEnd): Bytes {
  return foldRange(range)
}

/** A stored trail's end out of its tiles. Throws `STORE_CORRUPT`. */
export function trailEnd(count: number, read: ReadTrailTile): TrailEnd {
  return { count, range: trailNodes(count, read)(rangeNodes(count)) }
}

/**
 * A trail's name and end as one value: u64(count) ‖ range ‖ name in UTF-8, where the range has a hash for each bit set in the count.
 * The trail of the example, three records of `power:粤01-R0001`, without its two hashes: 0000000000000003 … 706f7765723ae7b2a430312d5230303031
 */
export function encodeTrailState(name: string, { count, range }: TrailEnd): Bytes {
  return concat(u64(count), ...range, utf8(name))
}

/** The inverse of `encodeTrailState`; undefined for anything else. */
export function decodeTrailState(bytes: Bytes): (TrailEnd & { name: string }) | undefined {
  const count = bytes.length < 8 ? undefined : fromU64(bytes)
  if (count === undefined || count === 0) return undefined
  const start = 8 + HASH_SIZE * rangeNodes(count).length
  if (bytes.length <= start) return undefined
  const range: Bytes[] = []
  for (let at = 8; at < start; at += HASH_SIZE) range.push(bytes.slice(at, at + HASH_SIZE))
  try {
    return { count, range, name: fromUtf8(bytes.subarray(start)) }
  } catch {
    return undefined
  }
}

/** Members [from, to) of a stored trail of at least `to`, as views of its tiles. Throws `STORE_CORRUPT`. */
export function readMembers(from: number, to: number, read: ReadTrailTile): TrailMember[] {
  const members: TrailMember[] = []
  for (let at = from; at < to; ) {
    const tile = { level: 0, index: Math.floor(at / TILE_MEMBERS) }
    const start = tile.index * TILE_MEMBERS
    const end = Math.min(to, start + TILE_MEMBERS)
    const bytes = readTilePrefix(tile, end - start, tileReader(read), TRAIL_TILES)
    for (; at < end; at++) {
      const member = decodeTrailLeaf(bytes.subarray((at - start) * TRAIL_LEAF_SIZE, (at - start + 1) * TRAIL_LEAF_SIZE))
      if (member === undefined)
        throw new LianzhengError('STORE_CORRUPT', { field: `trail member ${at}`, expected: 'an index below 2^53' })
      members.push(member)
    }
  }
  return members
}

// Partial listings (formats.md §10)

/**
 * What a listing of members [from, to) of a stored trail of `count` needs: `range`, the roots of the maximal complete subtrees of the
 * first `from` members, left to right, and `consistency`, the RFC 6962 proof from `to` to `count`, empty where they are equal.
 * Throws `QUERY_INVALID` unless from ≤ to ≤ count and (to ≥ 1 or count = 0), `STORE_CORRUPT`.
 */
export function provePartial(
  from: number,
  to: number,
  count: number,
  read: ReadTrailTile
): { range: Bytes[]; consistency: Bytes[] } {
  requireSize('count', count)
  if (!isSize(to) || to > count || (to === 0 && count > 0))
    throw new LianzhengError('QUERY_INVALID', { field: 'to', expected: count === 0 ? '0' : `an integer in [1, ${count}]` })
  if (!isSize(from) || from > to)
    throw new LianzhengError('QUERY_INVALID', { field: 'from', expected: `an integer in [0, ${to}]` })
  const rangePlan: ProofPlan = rangeNodes(from).map((node) => [node])
  const proofPlan = to === count ? [] : consistencyPlan(to, count)
  const hashes = readPlan([...rangePlan, ...proofPlan], trailNodes(count, read))
  return { range: hashes.slice(0, rangePlan.length), consistency: hashes.slice(rangePlan.length) }
}

export interface PartialListing {
  from: number
  /** Roots of the maximal complete subtrees of the first `from` members. */
  range: readonly Bytes[]
  /** The members from `from` on; t = `from` + their number. */
  members: readonly TrailMember[]
  /** Count and root of the whole trail, as the map has them. */
  count: number
  root: Bytes
  consistency: readonly Bytes[]
}

/**
 * Checks that `members` are members [from, t) of a trail of (`count`, `root`) whose first `from` members have the root `rootFrom`, that
 * is, given those members, that nothing is left out below t. Returns the roots at `from` (`EMPTY_HASH` at 0) and at t; undefined where
 * it does not hold or the form is wrong; never throws.
 *
 * A listing may be empty with from > 0: it shows what the first `from` members hash to. With t = 0 and count > 0 it shows nothing (no
 * RFC 6962 proof starts at the empty tree), and is refused; with count = 0 it holds for the empty root alone.
 */
export function checkPartial(listing: PartialListing): { rootFrom: Bytes; rootTo: Bytes } | undefined {
  const { from, range, members, count, root, consistency } = listing
  const to = from + members.length
  if (!isSize(from) || !isSize(count) || to > count) return undefined
  if (range.length !== rangeNodes(from).length || !range.every((hash) => hash.length === HASH_SIZE)) return undefined
  if (!members.every(({ index, leaf }) => isSize(index) && leaf.length === HASH_SIZE)) return undefined
  if (outOfOrder(members) !== undefined) return undefined

  if (count === 0)
    return consistency.length === 0 && equalBytes(root, EMPTY_HASH) ? { rootFrom: EMPTY_HASH, rootTo: EMPTY_HASH } : undefined
  const grown = [...range]
  for (const [i, member] of members.entries()) appendToRange(from + i, grown, trailLeafHash(member))
  const rootTo = foldRange(grown)
  // t = 0 ends here: checkConsistency refuses to start from the empty tree.
  if (!checkConsistency(to, count, rootTo, root, consistency)) return undefined
  return { rootFrom: foldRange(range), rootTo }
}
