/**
 * Where everything stands in a log's store: one class of keys a letter. Written by version 2; a change is a new class or a new version.
 *
 *   m format · m head · m note          what wrote it and for which log; the committed head; the published checkpoint
 *   m purge                             indexes whose erased disclosures are still to be purged from the files, oldest first
 *   e u64(index)                        statement
 *   d u64(index)                        disclosures of the statement, if any were given: sealed (`disclosures`); in the clear where version 1 wrote them
 *   x u64(index)                        fields of the record that each side has asked to erase (`log/erasures`)
 *   l leaf hash                         u64(index)
 *   c kid cti                           u64(index)
 *   s u64(height)                       u64(index of the seal) ‖ u64(time, ms)
 *   h level u64(n)                      log tile (level: one byte), as much of it as there is
 *   t map key                           a trail: its name and end (`core/trail`); in version 1 a CBOR map of name, count, root
 *   u map key level u64(n)              trail tile
 *   p hash                              page of the map
 *   g u64(height)                       hashes of the pages that the seal of this height superseded
 *   r                                   registry but for its keys
 *   k kid                               a registered key
 */
import { type Bytes, concat, u64, utf8 } from '../core/bytes.ts'

export const STORE_VERSION = 2

export const KEY_CLASSES = ['m', 'e', 'd', 'l', 'c', 's', 'h', 't', 'u', 'p', 'g', 'r', 'k', 'x'] as const
export type KeyClass = (typeof KEY_CLASSES)[number]

const tag = (letter: KeyClass): Bytes => utf8(letter)
const [M, E, D, L, C, S, H, T, U, P, G, R, K, X] = KEY_CLASSES.map(tag) as Bytes[] as [
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes,
  Bytes
]

export const FORMAT_KEY = concat(M, utf8('format'))
export const HEAD_KEY = concat(M, utf8('head'))
export const NOTE_KEY = concat(M, utf8('note'))
export const PURGE_KEY = concat(M, utf8('purge'))
export const REGISTRY_KEY = R

export const entryKey = (index: number): Bytes => concat(E, u64(index))
export const disclosuresKey = (index: number): Bytes => concat(D, u64(index))
export const erasedKey = (index: number): Bytes => concat(X, u64(index))
export const leafKey = (leaf: Bytes): Bytes => concat(L, leaf)
export const ctiKey = (kid: Bytes, cti: Bytes): Bytes => concat(C, kid, cti)
export const sealKey = (height: number): Bytes => concat(S, u64(height))
export const tileKey = (level: number, index: number): Bytes => concat(H, Uint8Array.of(level), u64(index))
export const trailStateKey = (key: Bytes): Bytes => concat(T, key)
export const trailTileKey = (key: Bytes, level: number, index: number): Bytes => concat(U, key, Uint8Array.of(level), u64(index))
export const pageKey = (hash: Bytes): Bytes => concat(P, hash)
export const supersededKey = (height: number): Bytes => concat(G, u64(height))
export const keyStateKey = (kid: Bytes): Bytes => concat(K, kid)

/** All keys of one class. */
export function classRange(letter: KeyClass): { gte: Bytes; lt: Bytes } {
  const start = tag(letter)
  return { gte: start, lt: Uint8Array.of(start[0]! + 1) }
}
