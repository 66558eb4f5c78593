/**
 * How the map of trails (formats.md §7) is stored: in pages, each under the hash of its top node and never changed.
 *
 * The map is a binary Patricia tree whose inner nodes branch at bits B = 0…255, growing downward. A page holds the connected
 * inner nodes whose B lies in one window of four bits, 1…15 of them, and what hangs below: leaves in full, and references to
 * nodes of later windows, which are the tops of other pages. A new value thus rewrites a page for every four levels, not a
 * record for every level. A tree of one leaf is a page of its own kind; the empty tree has none.
 *
 *   page      = window node                 window: one byte, B div 4; 0x40 when the node is a leaf (and the only one)
 *   node      = inner | reference | leaf    the top is inner or, in window 0x40, a leaf
 *   inner     = tag node node               tag: one byte, B mod 4 (00…03); left (bit B of the keys is 0), then right
 *   reference = 04 hash                     32 bytes: the top of a page of a later window
 *   leaf      = 05 key value                32 bytes each
 *
 * A page of window 0 that branches at bit 1, with a reference on the left and a leaf on the right:
 *
 *   hash 60c4a5c0f9f517c84ec4c01d969a454e195dd623327afa500ab4caa32065ed0d
 *   page 0001
 *        0495ccb5ecf2f0826bfcf99f91f8f6c3b98b12c439a39f8228ca2a517ce45bfa14
 *        056f461cf72bbda79143695071c067fccfe07efcedaa8601f7b550b6086cb684a5
 *        26b0d5250f2b63bcea9aab79ac80ddd2fa370da186b78bf00667f58cb3ac4f1d
 *
 * A tree has exactly one set of pages, whatever the order in which it grew.
 *
 * In memory a page is kept unfolded: the same nodes in the same order, with their hashes, so that nothing is hashed again and only the nodes on a
 * path become objects (a page of objects took 7 kB and outlived every young generation, measured; unfolded it takes 1 kB).
 *
 *   inner     = tag hash length node node   length: two bytes, that of the left node
 *   leaf      = 05 hash key value
 */
import { type Bytes, binary, equalBytes, hex } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { HASH_SIZE, mapInnerHash, mapLeafHash } from './hash.ts'
import { Recent } from './recent.ts'

export const PAGE_BITS = 4
/** What a leaf branches at: no bit, hence past the last one. It also makes a leaf's window later than all others. */
const PAST_BITS = 8 * HASH_SIZE
const TAG_REFERENCE = PAGE_BITS
const TAG_LEAF = PAGE_BITS + 1
const MAX_INNER = 2 ** PAGE_BITS - 1
const MAX_PAGE = 1 + MAX_INNER + (MAX_INNER + 1) * (1 + 2 * HASH_SIZE)
/** Bytes of an unfolded inner node before its children, of a reference, of an unfolded leaf. */
const INNER_HEAD = 1 + HASH_SIZE + 2
const REFERENCE_SIZE = 1 + HASH_SIZE
const LEAF_SIZE = 1 + 3 * HASH_SIZE
const MAX_UNFOLDED = 1 + MAX_INNER * INNER_HEAD + (MAX_INNER + 1) * LEAF_SIZE

export interface MapLeaf {
  readonly kind: 'leaf'
  readonly hash: Bytes
  readonly bit: typeof PAST_BITS
  readonly key: Bytes
  readonly value: Bytes
}

export interface MapInner {
  readonly kind: 'inner'
  readonly hash: Bytes
  /** The first bit in which the keys of the two sides differ; bit 0 is the most significant bit of byte 0. */
  readonly bit: number
  readonly left: MapNode
  readonly right: MapNode
}

/** Stands for the node with this hash, which is the top of another page. */
export interface MapReference {
  readonly kind: 'reference'
  readonly hash: Bytes
}

/** A node of an unfolded page that nobody has looked into yet, and what was found once somebody has. */
export interface MapFolded {
  readonly kind: 'folded'
  readonly hash: Bytes
  readonly page: Bytes
  readonly at: number
  opened?: MapPage
}

export type MapNode = MapLeaf | MapInner | MapReference | MapFolded
/** The top of a page. Nodes never change, so pages may be shared. */
export type MapPage = MapLeaf | MapInner

export function mapLeaf(key: Bytes, value: Bytes): MapLeaf {
  return { kind: 'leaf', hash: mapLeafHash(key, value), bit: PAST_BITS, key, value }
}

export function mapInner(bit: number, left: MapNode, right: MapNode): MapInner {
  return { kind: 'inner', hash: mapInnerHash(bit, left.hash, right.hash), bit, left, right }
}

export function bitOf(key: Bytes, bit: number): number {
  return (key[bit >> 3]! >> (7 - (bit & 7))) & 1
}

/** The first bit in which two keys of 32 bytes differ; 256 when they are equal. */
export function firstDifference(a: Bytes, b: Bytes): number {
  for (let i = 0; i < HASH_SIZE; i++) {
    const difference = a[i]! ^ b[i]!
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24
  }
  return PAST_BITS
}

/** Nodes of one window share a page; every leaf is in the page of its parent. */
export function windowOf(node: { bit: number }): number {
  return Math.floor(node.bit / PAGE_BITS)
}

/** Where pages are put together before their lengths are known. */
const stored = new Uint8Array(MAX_PAGE)
const unfolded = new Uint8Array(MAX_UNFOLDED)

/** A new page, as it is stored and as it is kept in memory. */
export function encodePage(top: MapPage): { bytes: Bytes; unfolded: Bytes } {
  stored[0] = unfolded[0] = windowOf(top)
  let at = 1
  let to = 1
  const store = (bytes: Bytes) => {
    stored.set(bytes, at)
    at += bytes.length
  }
  const keep = (bytes: Bytes) => {
    unfolded.set(bytes, to)
    to += bytes.length
  }
  const write = (node: MapNode) => {
    if (node.kind === 'folded') {
      // A page takes nodes over from the one before it, of the same window.
      if (node.page[0] !== unfolded[0]) throw new LianzhengError('INTERNAL', { field: 'map', expected: 'nodes of one window' })
      const end = endOf(node.page, node.at)
      at = fold(node.page, node.at, at)
      keep(node.page.subarray(node.at, end))
    } else if (node.kind === 'leaf') {
      stored[at++] = unfolded[to++] = TAG_LEAF
      keep(node.hash)
      for (const bytes of [node.key, node.value]) {
        store(bytes)
        keep(bytes)
      }
    } else if (node.kind === 'reference') {
      stored[at++] = unfolded[to++] = TAG_REFERENCE
      store(node.hash)
      keep(node.hash)
    } else {
      stored[at++] = unfolded[to++] = node.bit % PAGE_BITS
      keep(node.hash)
      const start = to
      to += 2
      write(node.left)
      writeLength(unfolded, start)
      write(node.right)
    }
  }
  const writeLength = (page: Bytes, start: number) => {
    page[start] = (to - start - 2) >> 8
    page[start + 1] = (to - start - 2) & 255
  }
  write(top)
  return { bytes: stored.slice(0, at), unfolded: unfolded.slice(0, to) }
}

/** Where the unfolded node at `at` ends. */
function endOf(page: Bytes, at: number): number {
  const tag = page[at]!
  if (tag === TAG_REFERENCE) return at + REFERENCE_SIZE
  if (tag === TAG_LEAF) return at + LEAF_SIZE
  return endOf(page, rightOf(page, at))
}

function rightOf(page: Bytes, at: number): number {
  return at + INNER_HEAD + page[at + INNER_HEAD - 2]! * 256 + page[at + INNER_HEAD - 1]!
}

/** Writes the unfolded node at `from` into `stored` at `at`, without its hashes; returns where it ends there. */
function fold(page: Bytes, from: number, at: number): number {
  const tag = page[from]!
  stored[at] = tag
  if (tag === TAG_REFERENCE || tag === TAG_LEAF) {
    const size = tag === TAG_REFERENCE ? HASH_SIZE : 2 * HASH_SIZE
    const start = tag === TAG_REFERENCE ? from + 1 : from + 1 + HASH_SIZE
    stored.set(page.subarray(start, start + size), at + 1)
    return at + 1 + size
  }
  return fold(page, rightOf(page, from), fold(page, from + INNER_HEAD, at + 1))
}

function nodeAt(page: Bytes, at: number): MapReference | MapFolded {
  const hash = page.subarray(at + 1, at + 1 + HASH_SIZE)
  return page[at] === TAG_REFERENCE ? { kind: 'reference', hash } : { kind: 'folded', hash, page, at }
}

/** The node itself; its children are folded still. */
export function openFolded(node: MapFolded): MapPage {
  node.opened ??= openAt(node.page, node.at)
  return node.opened
}

function openAt(page: Bytes, at: number): MapPage {
  const hash = page.subarray(at + 1, at + 1 + HASH_SIZE)
  const tag = page[at]!
  if (tag === TAG_LEAF) {
    const middle = at + 1 + 2 * HASH_SIZE
    const [key, value] = [page.subarray(at + 1 + HASH_SIZE, middle), page.subarray(middle, middle + HASH_SIZE)]
    return { kind: 'leaf', hash, bit: PAST_BITS, key, value }
  }
  const [left, right] = [nodeAt(page, at + INNER_HEAD), nodeAt(page, rightOf(page, at))]
  return { kind: 'inner', hash, bit: page[0]! * PAGE_BITS + tag, left, right }
}

/** The page stored under `hash`, unfolded; throws `STORE_CORRUPT` unless the bytes are the one encoding of the page with that top. */
function unfoldPage(bytes: Bytes, hash: Bytes): Bytes {
  const corrupt = (offset: number, expected: string) =>
    new LianzhengError('STORE_CORRUPT', { field: 'page', at: hex(hash), offset, expected })
  const window = bytes[0] ?? PAST_BITS
  unfolded[0] = window
  let at = 1
  let to = 1

  const take = (size: number) => {
    if (at + size > bytes.length) throw corrupt(bytes.length, `${size} more bytes`)
    at += size
    return bytes.subarray(at - size, at)
  }
  const put = (...parts: Bytes[]) => {
    for (const part of parts) {
      unfolded.set(part, to)
      to += part.length
    }
  }
  // Bits increase downwards and are all of one window: however damaged, a page has no more nodes than there is room for.
  /** `above` is the bit of the parent, -1 at the top. The key returned is any of those seen below: one speaks for all of them. */
  const read = (above: number): { hash: Bytes; key: Bytes | undefined } => {
    const start = at
    const head = to
    const tag = bytes[at++] ?? PAST_BITS
    unfolded[to++] = tag
    if (tag === TAG_REFERENCE) {
      const own = take(HASH_SIZE)
      put(own)
      return { hash: own, key: undefined }
    }
    if (tag === TAG_LEAF) {
      const [key, value] = [take(HASH_SIZE), take(HASH_SIZE)]
      const own = mapLeafHash(key, value)
      put(own, key, value)
      return { hash: own, key }
    }
    const bit = window * PAGE_BITS + tag
    if (tag >= PAGE_BITS || bit <= above || bit >= PAST_BITS) throw corrupt(start, 'a node')
    to = head + INNER_HEAD
    const left = read(bit)
    const length = to - head - INNER_HEAD
    const right = read(bit)
    if (left.key !== undefined && bitOf(left.key, bit) !== 0) throw corrupt(start, `keys without bit ${bit} on the left`)
    if (right.key !== undefined && bitOf(right.key, bit) !== 1) throw corrupt(start, `keys with bit ${bit} on the right`)
    if (left.key !== undefined && right.key !== undefined && firstDifference(left.key, right.key) !== bit)
      throw corrupt(start, `keys that first differ in bit ${bit}`)
    const own = mapInnerHash(bit, left.hash, right.hash)
    unfolded.set(own, head + 1)
    unfolded[head + 1 + HASH_SIZE] = length >> 8
    unfolded[head + 2 + HASH_SIZE] = length & 255
    return { hash: own, key: left.key ?? right.key }
  }

  const top = read(-1)
  const tag = unfolded[1]!
  const isTop = tag === TAG_LEAF ? window === PAST_BITS / PAGE_BITS : tag < PAGE_BITS
  if (!isTop) throw corrupt(0, 'the window of the top node')
  if (at !== bytes.length) throw corrupt(at, 'nothing more')
  if (!equalBytes(top.hash, hash)) throw corrupt(0, 'the page with this hash')
  return unfolded.slice(0, to)
}

/** The page stored under `hash`; throws `STORE_CORRUPT` unless the bytes are the one encoding of the page with that top. */
export function decodePage(bytes: Bytes, hash: Bytes): MapPage {
  return openAt(unfoldPage(bytes, hash), 1)
}

/** Bytes of the page stored under a hash of 32 bytes, never changed afterwards by the store; undefined where there is none. */
export type ReadPage = (hash: Bytes) => Bytes | undefined

function readPage(hash: Bytes, read: ReadPage): Bytes {
  const bytes = read(hash)
  if (bytes === undefined) throw new LianzhengError('STORE_CORRUPT', { field: 'page', at: hex(hash), expected: 'a stored page' })
  return unfoldPage(bytes, hash)
}

/**
 * Keeps at least the `limit` pages used last, unfolded and checked; a full one takes 2 kB. Give it in place of the reader it wraps. A page is its
 * hash, so nothing kept here can be out of date.
 */
export class PageCache {
  readonly #read: ReadPage
  /** By hash. */
  readonly #pages: Recent<Bytes>

  constructor(read: ReadPage, limit: number) {
    this.#read = read
    this.#pages = new Recent(limit)
  }

  get size(): number {
    return this.#pages.size
  }

  page(hash: Bytes): MapPage {
    const name = binary(hash)
    let page = this.#pages.get(name)
    if (page === undefined) {
      page = readPage(hash, this.#read)
      this.#pages.set(name, page)
    }
    return openAt(page, 1)
  }

  /** Takes a page just made, unfolded, which is about to be stored. */
  keep(hash: Bytes, page: Bytes): void {
    this.#pages.set(binary(hash), page)
  }
}

export type PageSource = ReadPage | PageCache

export function loadPage(hash: Bytes, source: PageSource): MapPage {
  return source instanceof PageCache ? source.page(hash) : openAt(readPage(hash, source), 1)
}
