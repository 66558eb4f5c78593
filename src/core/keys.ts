/**
 * Ed25519 keys, their ids, and the names of nodes and logs (formats.md §2).
 *
 *   kid     SHA-256(a3 01 01 20 06 21 58 20 ‖ x)        RFC 9679 thumbprint of the OKP key {1: 1, -1: 6, -2: x}
 *   node    [a-z0-9.-]+(/[a-z0-9._-]+)*, at most 200 bytes
 *   origin  <node>/<log>
 *
 * Example (RFC 8032 §7.1, test 1: public key, then its kid):
 *
 *     d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
 *     866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743
 */
import { hashes, Point, getPublicKey as publicKeyOf, sign as signPortable } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import { type Bytes, base64url, concat, equalBytes, hex } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { sha256 } from './hash.ts'

export const PUBLIC_KEY_SIZE = 32
export const SIGNATURE_SIZE = 64
const SEED_SIZE = 32

// noble-ed25519 brings no SHA-512 of its own for its synchronous functions.
hashes.sha512 = sha512

/** The order of the prime-order subgroup, `L` in RFC 8032 §5.1. */
const L = Point.CURVE().n

/** Whoever holds a secret key and signs with it; the secret itself need not be in this process. */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Bytes
  /** 64 bytes. */
  sign(message: Bytes): Bytes
}

/** An implementation of Ed25519. What it gets has been checked for length, and its public keys for a canonical encoding. */
export interface Ed25519 {
  /** [S]B = R + [k]A without cofactor, S < L, R canonical. */
  verify(publicKey: Bytes, message: Bytes, signature: Bytes): boolean
  /** RFC 8032 §5.1.6 from the 32-byte seed. Without it signing stays with the portable implementation. */
  sign?(seed: Bytes, message: Bytes): Bytes
}

/** The implementation that runs everywhere. */
export const portableEd25519: Ed25519 = {
  verify(publicKey, message, signature) {
    const S = littleEndian(signature.subarray(32))
    if (S >= L) return false
    const A = decodePoint(publicKey)
    if (A === undefined) return false
    // k is reduced modulo L before A is multiplied, as in ref10 and OpenSSL: for an A with torsion the two differ.
    const R = signature.subarray(0, 32)
    const k = littleEndian(sha512(concat(R, publicKey, message))) % L
    // Comparing encodings, not points, refuses a non-canonical R and leaves no room for a cofactor.
    return equalBytes(Point.BASE.multiply(S, false).subtract(A.multiply(k, false)).toBytes(), R)
  },
  sign: (seed, message) => signPortable(message, seed)
}

let implementation: Ed25519 = portableEd25519

/**
 * Puts another implementation in place, on a server that of `node:crypto` (ten times faster). OpenSSL accepts some non-canonical
 * encodings of A; `verifyEd25519` refuses those itself, in front of every implementation, so that all give the same answer.
 */
export function useEd25519(native: Ed25519): void {
  implementation = native
}

/** A signer over a secret in memory. `seed`: 32 bytes, else `KEY_INVALID`. */
export function ed25519Signer(seed: Bytes): Signer {
  if (seed.length !== SEED_SIZE) throw new LianzhengError('KEY_INVALID', { expected: `seed of ${SEED_SIZE} bytes` })
  const secret = Uint8Array.from(seed)
  return {
    publicKey: publicKeyOf(secret),
    sign: (message) => (implementation.sign ?? portableEd25519.sign!)(secret, message)
  }
}

/**
 * Whether the signature holds (formats.md §2): canonical A and R, S < L, [S]B = R + [k]A exactly, without cofactor. Wrong lengths
 * and undecodable keys are simply false; never throws. Whether a key is good enough to be admitted is `isAcceptableKey`.
 */
export function verifyEd25519(publicKey: Bytes, message: Bytes, signature: Bytes): boolean {
  if (publicKey.length !== PUBLIC_KEY_SIZE || signature.length !== SIGNATURE_SIZE || !isCanonical(publicKey)) return false
  try {
    return implementation.verify(publicKey, message, signature)
  } catch {
    return false
  }
}

/** Admission of keys (formats.md §2): on the curve, canonical, not of small order, torsion-free. */
export function isAcceptableKey(publicKey: Bytes): boolean {
  const name = base64url(publicKey)
  const known = judged.get(name)
  if (known !== undefined) return known
  const acceptable = judge(publicKey)
  if (judged.size >= JUDGED_KEPT) judged.delete(judged.keys().next().value!)
  judged.set(name, acceptable)
  return acceptable
}

/** The same few keys stand in every policy and genesis, and torsion takes most of a millisecond to rule out (measured). */
const judged = new Map<string, boolean>()
const JUDGED_KEPT = 4_096

function judge(publicKey: Bytes): boolean {
  if (publicKey.length !== PUBLIC_KEY_SIZE || !isCanonical(publicKey)) return false
  const A = decodePoint(publicKey)
  return A !== undefined && !A.isSmallOrder() && A.isTorsionFree()
}

const THUMBPRINT_HEAD = Uint8Array.of(0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x20)

/** `kid` of a 32-byte public key: 32 bytes (RFC 9679 §3). The encoding is short and fixed, so it is written out. */
export function keyId(publicKey: Bytes): Bytes {
  if (publicKey.length !== PUBLIC_KEY_SIZE) throw new LianzhengError('KEY_INVALID', { expected: `${PUBLIC_KEY_SIZE} bytes` })
  return sha256(concat(THUMBPRINT_HEAD, publicKey))
}

const NAME_SIZE = 200
const NAME = /^[a-z0-9.-]+(?:\/[a-z0-9._-]+)*$/

/** The grammar of node names and origins (formats.md §2). */
export function isName(text: string): boolean {
  return text.length <= NAME_SIZE && NAME.test(text)
}

/** The node that runs a log: the origin without its last `/<log>`. An origin of one part is its own node. */
export function nodeNameOf(origin: string): string {
  const slash = origin.lastIndexOf('/')
  return slash < 0 ? origin : origin.slice(0, slash)
}

function decodePoint(encoded: Bytes): Point | undefined {
  try {
    return Point.fromBytes(encoded)
  } catch {
    return undefined
  }
}

/** RFC 8032 §5.1.3: y < p, and no sign bit where x = 0, which is where y = ±1. Says nothing of whether the point exists. */
function isCanonical(encoded: Bytes): boolean {
  const first = encoded[0]!
  const last = encoded[31]! & 0x7f
  const middle = encoded.subarray(1, 31)
  const high = last === 0x7f && middle.every((byte) => byte === 0xff)
  if (high && first >= 0xed) return false
  if (encoded[31]! < 0x80) return true
  const minusOne = high && first === 0xec
  const one = first === 0x01 && last === 0x00 && middle.every((byte) => byte === 0x00)
  return !minusOne && !one
}

function littleEndian(bytes: Bytes): bigint {
  return BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`)
}
