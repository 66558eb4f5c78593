/** What `node:crypto` does faster than portable code: SHA-256 twice, Ed25519 ten times as fast (measured), and off the main thread. */
import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { type Bytes, binary, concat, fromBinary, fromHex } from '../core/bytes.ts'
import { useSha256 } from '../core/hash.ts'
import { useEd25519, verifyEd25519 } from '../core/keys.ts'
import { Recent } from '../core/recent.ts'
import type { Verifier } from '../log/pool.ts'
import { threadedVerifier } from './signatures.ts'

/** DER in front of a raw Ed25519 public key (RFC 8410). */
const SPKI = fromHex('302a300506032b6570032100')
/** DER in front of a raw Ed25519 seed (RFC 8410). */
const PKCS8 = fromHex('302e020100300506032b657004220420')

const KEYS_KEPT = 10_000
const publicKeys = new Recent<KeyObject>(KEYS_KEPT)

function publicKey(raw: Bytes): KeyObject {
  const name = binary(raw)
  let key = publicKeys.get(name)
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.from(concat(SPKI, raw)), format: 'der', type: 'spki' })
    publicKeys.set(name, key)
  }
  return key
}

const privateKeys = new WeakMap<Bytes, KeyObject>()

function privateKey(seed: Bytes): KeyObject {
  let key = privateKeys.get(seed)
  if (key === undefined) {
    key = createPrivateKey({ key: Buffer.from(concat(PKCS8, seed)), format: 'der', type: 'pkcs8' })
    privateKeys.set(seed, key)
  }
  return key
}

/** A Buffer as what it is underneath: Buffers print and serialise in a way of their own. */
function plain(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** On the calling thread. For keys that are canonical: `verifyEd25519` sees to that, and the registry admits no others. Throws for what is no key. */
export function verifyNative(key: Bytes, message: Bytes, signature: Bytes): boolean {
  return verify(null, message, publicKey(key), signature)
}

/** Puts the native implementations under `core`. Every process of ours that runs on Node calls it first. */
export function useNative(): void {
  // A digest given out as text costs half of one given out as a Buffer, which is memory outside the heap each time (measured).
  useSha256((data) => fromBinary(hash('sha256', data, 'binary')))
  useEd25519({
    verify: verifyNative,
    sign: (seed, message) => plain(sign(null, message, privateKey(seed)))
  })
}

/** One signature on libuv's thread pool, by the same rule as `verifyEd25519`: the key is one the registry admitted, so it is canonical. */
const pooledVerifier: Verifier = (key, message, signature) =>
  new Promise((resolve) => {
    if (key.length !== 32 || signature.length !== 64) return resolve(false)
    verify(null, message, publicKey(key), signature, (error, good) => resolve(error === null && good))
  })

/** Off the main thread. Node starts no thread from TypeScript: from `src` libuv's pool does it. */
export const nativeVerifier: Verifier = import.meta.url.endsWith('.ts') ? pooledVerifier : threadedVerifier(pooledVerifier)

/** On the calling thread; for small jobs and as a cross-check. */
export const plainVerifier: Verifier = async (key, message, signature) => verifyEd25519(key, message, signature)
