/**
 * The map of trails: 32-byte keys to 32-byte values in the Merkle Patricia tree of filippo.io/torchwood/mpt (formats.md §7).
 *
 *   presence = *( uvarint(B) sibling )         from leaf to root, B ≤ 255 and strictly decreasing; empty in a map of one key
 *   absence  = [ uvarint(32) k' uvarint(32) v' presence ]   k', v' and presence of the leaf that the search for k ends in;
 *                                                           empty in the empty map
 *
 * In the map of the one key 264aad6cb6dd210faf94acd3cf92c190237cb11f5d108cf25930263938b370a1, whose root is
 * 64c7bd2bd9c25dec5c7ef056f06ddaa95250f50c6f39e7cc0386280f38334265, the absence of any other key is proved by
 *
 *   20264aad6cb6dd210faf94acd3cf92c190237cb11f5d108cf25930263938b370a1
 *   20b5769fa0f1483f95a90d9df2f130d60fcf04bd93f50ae69514da8c659ce2b10c
 *
 * No two proofs can stand for one another: an empty absence proof holds under H("") alone, which is the root of no leaf.
 */
import { type Bytes, compareBytes, concat, equalBytes, uvarint } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { EMPTY_HASH, HASH_SIZE, mapInnerHash, mapLeafHash } from './hash.ts'
import {
  bitOf,
  encodePage,
  firstDifference,
  loadPage,
  type MapInner,
  type MapLeaf,
  type MapNode,
  type MapPage,
  type MapReference,
  mapInner,
  mapLeaf,
  openFolded,
  PageCache,
  type PageSource,
  windowOf
} from './map-page.ts'

export { PageCache, type PageSource, type ReadPage } from './map-page.ts'

export interface MapUpdate {
  root: Bytes
  /** New pages, below before above: all must be stored before the root is used. */
  pages: { hash: Bytes; bytes: Bytes }[]
  /**
   * Hashes of the pages reachable from the old root and no longer from the new one. Whoever deletes them later must see that no
   * newer root uses them again: a value set back makes the old page once more.
   */
  superseded: Bytes[]
  /** How many keys were not there before. */
  added: number
}

export type MapChange = readonly [key: Bytes, value: Bytes]

/** Looks into a folded node, or follows a reference, loading its page once; `above` is the bit of the parent, -1 at the root. */
type Open = (node: MapNode, above: number) => MapPage

function opener(source: PageSource): Open {
  const opened = new Map<MapReference, MapPage>()
  return (node, above) => {
    if (node.kind === 'folded') return openFolded(node)
    if (node.kind !== 'reference') return node
    const known = opened.get(node)
    if (known !== undefined) return known
    const page = loadPage(node.hash, source)
    if (above >= 0 && (page.kind === 'leaf' || windowOf(page) <= windowOf({ bit: above })))
      throw new LianzhengError('STORE_CORRUPT', {
        field: 'page',
        expected: `a page that branches below the window of bit ${above}`
      })
    opened.set(node, page)
    return page
  }
}

function childOf(node: MapInner, key: Bytes): MapNode {
  return bitOf(key, node.bit) === 0 ? node.left : node.right
}

/** The leaf in which the search for a key ends. No leaf below `top` shares more leading bits with the key. */
function search(top: MapPage, key: Bytes, open: Open): MapLeaf {
  let at = top
  while (at.kind === 'inner') at = open(childOf(at, key), at.bit)
  return at
}

/** Sorted by key, the last change of each key only, copied: callers may use their arrays again while a cache keeps the pages. */
function inOrder(changes: Iterable<MapChange>): MapChange[] {
  const sorted: MapChange[] = []
  for (const [key, value] of changes) {
    if (key.length !== HASH_SIZE || value.length !== HASH_SIZE)
      throw new LianzhengError('INTERNAL', { field: 'map', expected: 'keys and values of 32 bytes' })
    sorted.push([new Uint8Array(key), new Uint8Array(value)])
  }
  sorted.sort((a, b) => compareBytes(a[0], b[0]))
  return sorted.filter(([key], i) => i + 1 === sorted.length || !equalBytes(key, sorted[i + 1]![0]))
}

/**
 * The map with `changes` made to it, later ones winning. Pure: the caller stores `pages`. Pages touched are read once and made
 * once, however many changes fall into them; nodes are hashed when they are final, so each once.
 */
export function updateMap(root: Bytes, changes: Iterable<MapChange>, source: PageSource): MapUpdate {
  const sorted = inOrder(changes)
  const update: MapUpdate = { root, pages: [], superseded: [], added: 0 }
  if (sorted.length === 0) return update
  const open = opener(source)

  const emit = (page: MapPage) => {
    const { bytes, unfolded } = encodePage(page)
    update.pages.push({ hash: page.hash, bytes })
    if (source instanceof PageCache) source.keep(page.hash, unfolded)
  }
  const dissolve = (node: MapNode) => {
    if (node.kind === 'reference') update.superseded.push(node.hash)
  }
  /** A child of a later window becomes the top of a page of its own. */
  const outer = (child: MapNode, bit: number): MapNode => {
    if (child.kind !== 'inner' || windowOf(child) === windowOf({ bit })) return child
    emit(child)
    return { kind: 'reference', hash: child.hash }
  }
  const join = (bit: number, left: MapNode, right: MapNode) => mapInner(bit, outer(left, bit), outer(right, bit))

  /** First of the changes [from, to) that has the bit set; they agree on all bits before it. */
  const split = (from: number, to: number, bit: number): number => {
    let [low, high] = [from, to]
    while (low < high) {
      const middle = (low + high) >> 1
      if (bitOf(sorted[middle]![0], bit) === 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The tree of the changes [from, to) alone: all their keys are new. */
  const build = (from: number, to: number): MapNode => {
    const [key, value] = sorted[from]!
    if (to - from === 1) {
      update.added++
      return mapLeaf(key, value)
    }
    const bit = firstDifference(key, sorted[to - 1]![0])
    const middle = split(from, to, bit)
    return join(bit, build(from, middle), build(middle, to))
  }

  /**
   * `node` with the changes [from, to) made below it; the same object when they change nothing. `near`, where the caller knows
   * it, is the leaf in which the search for the first of them ends.
   */
  const change = (node: MapNode, from: number, to: number, above: number, near?: MapLeaf): MapNode => {
    if (from === to) return node
    const top = open(node, above)
    const [first, value] = sorted[from]!
    const leaf = near ?? search(top, first, open)
    const bit = Math.min(firstDifference(first, leaf.key), firstDifference(sorted[to - 1]![0], leaf.key))

    if (bit < top.bit) {
      // Some keys leave this subtree before its first branch, so a branch comes above it. What was a page is absorbed into the
      // page of that branch when both are of one window, and always when it was a leaf, the only one of the map.
      const absorbed = top.kind === 'leaf' || windowOf(top) === windowOf({ bit })
      if (absorbed) dissolve(node)
      const rest = absorbed ? top : node
      const middle = split(from, to, bit)
      return bitOf(leaf.key, bit) === 0
        ? join(bit, change(rest, from, middle, above, leaf), build(middle, to))
        : join(bit, build(from, middle), change(rest, middle, to, above))
    }

    if (top.kind === 'leaf') {
      if (equalBytes(top.value, value)) return node
      dissolve(node)
      return mapLeaf(first, value)
    }

    const middle = split(from, to, top.bit)
    const left = change(top.left, from, middle, top.bit, leaf)
    const right = change(top.right, middle, to, top.bit, middle === from ? leaf : undefined)
    if (left === top.left && right === top.right) return node
    dissolve(node)
    return join(top.bit, left, right)
  }

  const old: MapReference = { kind: 'reference', hash: root }
  const top = equalBytes(root, EMPTY_HASH) ? build(0, sorted.length) : change(old, 0, sorted.length, -1)
  if (top.kind !== 'inner' && top.kind !== 'leaf') return update
  emit(top)
  update.root = top.hash
  return update
}

export type MapProof = { present: true; value: Bytes; proof: Bytes } | { present: false; proof: Bytes }

/** Whether the map has the key, with the proof; throws `STORE_CORRUPT` where pages are missing or damaged. */
export function proveKey(root: Bytes, key: Bytes, source: PageSource): MapProof {
  if (key.length !== HASH_SIZE) throw new LianzhengError('INTERNAL', { field: 'map', expected: 'a key of 32 bytes' })
  if (equalBytes(root, EMPTY_HASH)) return { present: false, proof: new Uint8Array(0) }
  const open = opener(source)
  const path: Bytes[] = []
  let at = open({ kind: 'reference', hash: root }, -1)
  while (at.kind === 'inner') {
    const child = childOf(at, key)
    path.unshift(uvarint(at.bit), (child === at.left ? at.right : at.left).hash)
    at = open(child, at.bit)
  }
  if (equalBytes(at.key, key)) return { present: true, value: new Uint8Array(at.value), proof: concat(...path) }
  return { present: false, proof: concat(LENGTH, at.key, LENGTH, at.value, ...path) }
}

const LENGTH = uvarint(HASH_SIZE)

/** Climbs the path that `proof` holds after `from`, from a leaf to the root; false unless all the keys take that same path. */
function climbs(root: Bytes, leaf: Bytes, keys: readonly [Bytes, ...Bytes[]], proof: Bytes, from: number): boolean {
  let hash = leaf
  let below = 8 * HASH_SIZE
  let at = from
  while (at < proof.length) {
    const bit = proof[at++]!
    // uvarint of at most 255: one byte below 128, or two of which the second is 01; the first then reads as the number itself.
    if (bit >= 128 && proof[at++] !== 1) return false
    if (bit >= below || at + HASH_SIZE > proof.length) return false
    const sibling = proof.subarray(at, at + HASH_SIZE)
    const side = bitOf(keys[0], bit)
    if (keys.some((key) => bitOf(key, bit) !== side)) return false
    hash = side === 0 ? mapInnerHash(bit, hash, sibling) : mapInnerHash(bit, sibling, hash)
    below = bit
    at += HASH_SIZE
  }
  return equalBytes(hash, root)
}

/** Whether the proof shows that the map has this value under this key. Never throws: what is not a proof proves nothing. */
export function checkPresence(root: Bytes, key: Bytes, value: Bytes, proof: Bytes): boolean {
  if (key.length !== HASH_SIZE || value.length !== HASH_SIZE) return false
  return climbs(root, mapLeafHash(key, value), [key], proof, 0)
}

/** Whether the proof shows that the map does not have this key. Never throws: what is not a proof proves nothing. */
export function checkAbsence(root: Bytes, key: Bytes, proof: Bytes): boolean {
  if (key.length !== HASH_SIZE) return false
  if (equalBytes(root, EMPTY_HASH)) return proof.length === 0
  if (proof.length < 2 * (1 + HASH_SIZE) || proof[0] !== HASH_SIZE || proof[1 + HASH_SIZE] !== HASH_SIZE) return false
  const other = proof.subarray(1, 1 + HASH_SIZE)
  const value = proof.subarray(2 + HASH_SIZE, 2 + 2 * HASH_SIZE)
  if (equalBytes(other, key)) return false
  return climbs(root, mapLeafHash(other, value), [key, other], proof, 2 + 2 * HASH_SIZE)
}
