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

export type MapNode = MapLeaf | MapInner | MapReference
/** A decoded page is its top node. Nodes never change, so pages may be shared. */
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

/** Where a page is put together before its length is known. */
const scratch = new Uint8Array(MAX_PAGE)

export function encodePage(top: MapPage): Bytes {
  scratch[0] = windowOf(top)
  let at = 1
  const put = (bytes: Bytes) => {
    scratch.set(bytes, at)
    at += bytes.length
  }
  const write = (node: MapNode) => {
    if (node.kind === 'leaf') {
      scratch[at++] = TAG_LEAF
      put(node.key)
      put(node.value)
    } else if (node.kind === 'reference') {
      scratch[at++] = TAG_REFERENCE
      put(node.hash)
    } else {
      scratch[at++] = node.bit % PAGE_BITS
      write(node.left)
      write(node.right)
    }
  }
  write(top)
  return scratch.slice(0, at)
}

/** The page stored under `hash`; throws `STORE_CORRUPT` unless the bytes are the one encoding of the page with that top. */
export function decodePage(bytes: Bytes, hash: Bytes): MapPage {
  const corrupt = (offset: number, expected: string) =>
    new LianzhengError('STORE_CORRUPT', { field: 'page', at: hex(hash), offset, expected })
  const window = bytes[0] ?? PAST_BITS
  let at = 1

  const take = () => {
    if (at + HASH_SIZE > bytes.length) throw corrupt(bytes.length, '32 more bytes')
    at += HASH_SIZE
    return bytes.subarray(at - HASH_SIZE, at)
  }
  /** `above` is the bit of the parent, -1 at the top. The key returned is any of those seen below: one speaks for all of them. */
  const read = (above: number): { node: MapNode; key: Bytes | undefined } => {
    const start = at
    const tag = bytes[at++] ?? PAST_BITS
    if (tag === TAG_REFERENCE) return { node: { kind: 'reference', hash: take() }, key: undefined }
    if (tag === TAG_LEAF) {
      const key = take()
      return { node: mapLeaf(key, take()), key }
    }
    const bit = window * PAGE_BITS + tag
    if (tag >= PAGE_BITS || bit <= above || bit >= PAST_BITS) throw corrupt(start, 'a node')
    const left = read(bit)
    const right = read(bit)
    if (left.key !== undefined && bitOf(left.key, bit) !== 0) throw corrupt(start, `keys without bit ${bit} on the left`)
    if (right.key !== undefined && bitOf(right.key, bit) !== 1) throw corrupt(start, `keys with bit ${bit} on the right`)
    if (left.key !== undefined && right.key !== undefined && firstDifference(left.key, right.key) !== bit)
      throw corrupt(start, `keys that first differ in bit ${bit}`)
    return { node: mapInner(bit, left.node, right.node), key: left.key ?? right.key }
  }

  const { node } = read(-1)
  if (node.kind === 'reference' || windowOf(node) !== window) throw corrupt(0, 'the window of the top node')
  if (at !== bytes.length) throw corrupt(at, 'nothing more')
  if (!equalBytes(node.hash, hash)) throw corrupt(0, 'the page with this hash')
  return node
}

/** Bytes of the page stored under a hash of 32 bytes, never changed afterwards by the store; undefined where there is none. */
export type ReadPage = (hash: Bytes) => Bytes | undefined

function readPage(hash: Bytes, read: ReadPage): MapPage {
  const bytes = read(hash)
  if (bytes === undefined) throw new LianzhengError('STORE_CORRUPT', { field: 'page', at: hex(hash), expected: 'a stored page' })
  return decodePage(bytes, hash)
}

/**
 * Keeps at least the `limit` pages used last, decoded and checked; a full one takes 7 kB (measured). Give it in place of the reader it
 * wraps. A page is its hash, so nothing kept here can be out of date.
 */
export class PageCache {
  readonly #read: ReadPage
  /** By hash. */
  readonly #pages: Recent<MapPage>

  constructor(read: ReadPage, limit: number) {
    this.#read = read
    this.#pages = new Recent(limit)
  }

  get size(): number {
    return this.#pages.size
  }

  page(hash: Bytes): MapPage {
    const name = binary(hash)
    const kept = this.#pages.get(name)
    if (kept !== undefined) return kept
    const page = readPage(hash, this.#read)
    this.#pages.set(name, page)
    return page
  }

  /** Takes a page just made, which is about to be stored. */
  keep(page: MapPage): void {
    this.#pages.set(binary(page.hash), page)
  }
}

export type PageSource = ReadPage | PageCache

export function loadPage(hash: Bytes, source: PageSource): MapPage {
  return source instanceof PageCache ? source.page(hash) : readPage(hash, source)
}
