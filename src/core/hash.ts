/**
 * Every hash of the ledger and its domain: prefixes and context strings stand here and nowhere else.
 *
 *   leaf            H(0x00 ‖ statement)                                   RFC 9162 §2.1.1
 *   node            H(0x01 ‖ left ‖ right)                                RFC 9162 §2.1.1
 *   map key         H("lianzheng/trail/v1" ‖ 0x0A ‖ trail name)           formats.md §7
 *   map value       H(u64(count) ‖ trail root)                            formats.md §7
 *   map leaf        H(0x00 ‖ uvarint(len k) ‖ k ‖ uvarint(len v) ‖ v)     formats.md §7
 *   map inner node  H(0x01 ‖ uvarint(B) ‖ left ‖ right)                   formats.md §7
 *   sealed field    H(CBOR([salt, name, value]))                          formats.md §4
 */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { type Bytes, concat, u64, utf8, uvarint } from './bytes.ts'

export const HASH_SIZE = 32

let implementation: (data: Bytes) => Bytes = nobleSha256

/** Lets a server put its native SHA-256 in place of the portable one (twice as fast on 65 bytes, measured). Same function, same bytes. */
export function useSha256(native: (data: Bytes) => Bytes): void {
  implementation = native
}

export function sha256(data: Bytes): Bytes {
  return implementation(data)
}

export const EMPTY_HASH: Bytes = nobleSha256(new Uint8Array(0))

const LEAF = Uint8Array.of(0x00)
const INNER = Uint8Array.of(0x01)

// Buffers used again for what is hashed: one allocation less for each leaf and node (a third of the time, measured).
// Nothing is kept between calls: each call writes every byte it hashes.
const leafData = new Uint8Array(1 + 65_535)

export function leafHash(entry: Bytes): Bytes {
  if (entry.length >= leafData.length) return sha256(concat(LEAF, entry))
  leafData.set(entry, 1)
  return sha256(leafData.subarray(0, 1 + entry.length))
}

const nodeData = new Uint8Array(65)
nodeData[0] = 0x01

/** Both 32 bytes. */
export function nodeHash(left: Bytes, right: Bytes): Bytes {
  if (left.length !== HASH_SIZE || right.length !== HASH_SIZE) return sha256(concat(INNER, left, right))
  nodeData.set(left, 1)
  nodeData.set(right, 33)
  return sha256(nodeData)
}

const TRAIL_CONTEXT = utf8('lianzheng/trail/v1\n')

export function trailKey(name: string): Bytes {
  return sha256(concat(TRAIL_CONTEXT, utf8(name)))
}

export function trailValue(count: number, root: Bytes): Bytes {
  return sha256(concat(u64(count), root))
}

const mapLeafData = new Uint8Array(67)
mapLeafData.set([0x00, HASH_SIZE], 0)
mapLeafData[34] = HASH_SIZE

export function mapLeafHash(key: Bytes, value: Bytes): Bytes {
  if (key.length !== HASH_SIZE || value.length !== HASH_SIZE)
    return sha256(concat(LEAF, uvarint(key.length), key, uvarint(value.length), value))
  mapLeafData.set(key, 2)
  mapLeafData.set(value, 35)
  return sha256(mapLeafData)
}

/** With `uvarint(B)` of one byte below 128, of two from there. */
const mapInnerData = [new Uint8Array(66), new Uint8Array(67)] as const
for (const data of mapInnerData) data[0] = 0x01

export function mapInnerHash(bit: number, left: Bytes, right: Bytes): Bytes {
  if (bit > 255 || left.length !== HASH_SIZE || right.length !== HASH_SIZE)
    return sha256(concat(INNER, uvarint(bit), left, right))
  const data = mapInnerData[bit < 128 ? 0 : 1]
  const head = data.length - 2 * HASH_SIZE
  data[1] = bit
  if (head === 3) data[2] = 1 // LEB128 of 128…255: low seven bits with the high bit set, then 1.
  data.set(left, head)
  data.set(right, head + HASH_SIZE)
  return sha256(data)
}

/** HKDF `info` of a node's keys (formats.md §2). */
export function keyInfo(purpose: string, name: string, generation: number): Bytes {
  return utf8(`lianzheng/v1/${purpose}/${name}${generation >= 2 ? `#${generation}` : ''}`)
}

/** First line of the message an Ed25519 cosignature signs (C2SP tlog-cosignature). */
export const COSIGNATURE_V1 = 'cosignature/v1\n'
/** First bytes of the message an ML-DSA-44 cosignature signs (C2SP tlog-cosignature). */
export const SUBTREE_V1 = 'subtree/v1\n\0'
