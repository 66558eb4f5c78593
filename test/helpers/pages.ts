/** Pages of the map as they stand in a store, against those a map root needs. */
import { type Bytes, hex } from '../../src/core/bytes.ts'
import { EMPTY_HASH } from '../../src/core/hash.ts'
import { decodePage, type MapNode, openFolded } from '../../src/core/map-page.ts'
import { classRange, pageKey } from '../../src/store/layout.ts'
import type { Store } from '../../src/store/store.ts'

/** Hashes, in hex, of all pages below a root. Throws where one of them is missing. */
export function pagesBelow(root: Bytes, store: Store): Set<string> {
  const found = new Set<string>()
  const visit = (node: MapNode): void => {
    if (node.kind === 'folded') visit(openFolded(node))
    else if (node.kind === 'inner') {
      visit(node.left)
      visit(node.right)
    } else if (node.kind === 'reference') open(node.hash)
  }
  const open = (hash: Bytes): void => {
    const bytes = store.get(pageKey(hash))
    if (bytes === undefined) throw new Error(`page ${hex(hash)} is missing`)
    found.add(hex(hash))
    visit(decodePage(bytes, hash))
  }
  if (hex(root) !== hex(EMPTY_HASH)) open(root)
  return found
}

export async function storedPages(store: Store): Promise<Set<string>> {
  const found = new Set<string>()
  for await (const [key] of store.range(classRange('p'))) found.add(hex(key.subarray(1)))
  return found
}

/** Pages listed as superseded, by the height of the seal that superseded them. */
export async function supersededPages(store: Store): Promise<Map<number, string[]>> {
  const lists = new Map<number, string[]>()
  for await (const [key, value] of store.range(classRange('g'))) {
    const hashes = Array.from({ length: value.length / 32 }, (_, i) => hex(value.subarray(32 * i, 32 * i + 32)))
    lists.set(Number(new DataView(key.buffer, key.byteOffset + 1).getBigUint64(0)), hashes)
  }
  return lists
}
