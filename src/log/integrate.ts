/** A fold's result as the writes of one atomic batch: entries, disclosures, indexes, tiles, trails, map, registry, seal, head. */
import { type Bytes, concat, u64 } from '../core/bytes.ts'
import type { KeyState, RegistryMeta } from '../core/registry.ts'
import type { Statement } from '../core/statement.ts'
import { encodeTrailState } from '../core/trail.ts'
import type { DisclosureCipher } from '../store/disclosures.ts'
import {
  ctiKey,
  disclosuresKey,
  entryKey,
  FORMAT_KEY,
  HEAD_KEY,
  keyStateKey,
  leafKey,
  pageKey,
  REGISTRY_KEY,
  STORE_VERSION,
  sealKey,
  supersededKey,
  tileKey,
  trailStateKey,
  trailTileKey
} from '../store/layout.ts'
import { put, remove, type Write } from '../store/store.ts'
import { encodeValue } from '../store/values.ts'
import type { Folded } from '../verify/fold.ts'

export interface BatchEntry {
  statement: Statement
  disclosures: readonly Bytes[]
}

interface Sealed {
  origin: string
  /** Version that the store says it was written by; undefined in a new one. */
  version: number | undefined
  /** Index of the first entry; the seal follows the last. */
  start: number
  folded: Folded
  /** Undefined where the batch left the registry as it was. */
  meta: RegistryMeta | undefined
  keys: readonly KeyState[]
  /** Superseded pages that no published head needs any longer, with the heights they were listed under. */
  garbage: readonly { height: number; hashes: readonly Bytes[] }[]
}

export interface Batch extends Sealed {
  /** Undefined in a mirror, which has no disclosures. */
  cipher: DisclosureCipher | undefined
  entries: readonly BatchEntry[]
  seal: Statement
}

export function writesOf(batch: Batch): Write[] {
  const { start, entries, seal } = batch
  const statements = [...entries.map(({ statement }) => statement), seal]
  const writes = derivedWrites({ ...batch, statements })
  for (const [i, { bytes }] of statements.entries()) writes.push(put(entryKey(start + i), bytes))
  for (const [i, { disclosures }] of entries.entries())
    if (disclosures.length > 0) writes.push(put(disclosuresKey(start + i), batch.cipher!.seal(start + i, disclosures)))
  return writes
}

/**
 * All of a batch that follows from its entries: everything but these and their disclosures. `statements` are those of the entries and of the seal;
 * undefined where an audit could not read one.
 */
export function derivedWrites(batch: Sealed & { statements: readonly (Statement | undefined)[] }): Write[] {
  const { start, statements, folded, garbage } = batch
  const writes: Write[] = []
  // A store of an older version takes on values of this one: it says so from its first batch on.
  if (batch.version !== STORE_VERSION) writes.push(put(FORMAT_KEY, encodeValue({ version: STORE_VERSION, origin: batch.origin })))
  for (const [i, statement] of statements.entries()) {
    if (statement === undefined) continue
    const at = u64(start + i)
    writes.push(put(leafKey(statement.leaf), at), put(ctiKey(statement.kid, statement.cti), at))
  }
  const sealIndex = start + statements.length - 1
  writes.push(put(sealKey(folded.seal.height), concat(u64(sealIndex), u64(folded.seal.time))))
  for (const { level, index, bytes } of folded.tiles) writes.push(put(tileKey(level, index), bytes))
  for (const trail of folded.trails) {
    const { key, name, tiles } = trail
    writes.push(put(trailStateKey(key), encodeTrailState(name, trail)))
    for (const { level, index, bytes } of tiles) writes.push(put(trailTileKey(key, level, index), bytes))
  }
  // Deletes first: a page may come back under the same hash only within one batch, and then it must stay.
  for (const { height, hashes } of garbage) {
    for (const hash of hashes) writes.push(remove(pageKey(hash)))
    writes.push(remove(supersededKey(height)))
  }
  for (const { hash, bytes } of folded.pages) writes.push(put(pageKey(hash), bytes))
  if (folded.superseded.length > 0) writes.push(put(supersededKey(folded.seal.height), concat(...folded.superseded)))
  if (batch.meta !== undefined) writes.push(put(REGISTRY_KEY, encodeValue(batch.meta)))
  for (const state of batch.keys) writes.push(put(keyStateKey(state.kid), encodeValue(state)))
  writes.push(put(HEAD_KEY, encodeValue(folded.head)))
  return writes
}
