/**
 * The storage contract: an ordered map from byte strings to byte strings. Drivers pass `test/contract/store.ts`.
 *
 *   - Keys are ordered bytewise.
 *   - `write` is atomic: after a crash either all of its puts and deletes are there or none.
 *   - A write with `durable: true` MUST be on stable storage (fdatasync) before its promise resolves, with every write before it. Writes
 *     without it may be lost in a crash, the latest first, never one without those after it.
 *   - `write` has taken its own copy of all it was given when it returns its promise.
 *   - After a write has failed the state on disk is unknown: the caller stops and opens again. `DISK_FULL` says that there was no space,
 *     `STORE_FAILED` anything else. Until then `get` and `range` go on as if the write had not been tried.
 *   - When `purge` resolves, what its keys held before it was called, and hold no more, is in no file of the store. It waits for iterations that
 *     began before it.
 *   - `get` is synchronous: proofs follow chains of reads (measured: 28 times as fast as asynchronous reads from cache).
 *   - One process at a time: opening a store that is open elsewhere throws `DATA_DIR_IN_USE`.
 *   - What `get` and `range` return is the caller's own copy or is never written to by either side.
 */
import type { Bytes } from '../core/bytes.ts'

export type Write = { key: Bytes; value: Bytes } | { key: Bytes; value: undefined }

export interface Range {
  gte: Bytes
  lt: Bytes
  limit?: number
}

export interface Store {
  get(key: Bytes): Bytes | undefined
  write(writes: readonly Write[], options: { durable: boolean }): Promise<void>
  /** In key order. Sees the store as it was when iteration began. */
  range(range: Range): AsyncIterable<[key: Bytes, value: Bytes]>
  purge(keys: readonly Bytes[]): Promise<void>
  close(): Promise<void>
}

export function put(key: Bytes, value: Bytes): Write {
  return { key, value }
}

export function remove(key: Bytes): Write {
  return { key, value: undefined }
}
