/**
 * Cosignatures on checkpoints (C2SP tlog-cosignature): "as of this time, the largest consistent tree I have seen of this log".
 *
 *   signature         u64(timestamp) ‖ 64 bytes (04 Ed25519) or 2420 bytes (06 ML-DSA-44)
 *   message of 04     "cosignature/v1" ‖ U+000A ‖ "time " ‖ decimal ‖ U+000A ‖ checkpoint text
 *   message of 06     "subtree/v1" ‖ 0x0A 0x00 ‖ u8 len ‖ cosigner name ‖ u64(timestamp) ‖ u8 len ‖ origin
 *                     ‖ u64(start) ‖ u64(end) ‖ hash             of a checkpoint: 0, size, root
 *
 * Timestamps are the seconds since 1970 at signing, below 2^53. The log's own ML-DSA-44 line is a 06 line under the key name =
 * origin with timestamp 0, which claims no time (formats.md §5). A 04 message does not name the cosigner: one key, one name.
 *
 * Example (one line of a note, by the key `witness.example/w1+0deeb34d+BDGbKZlUosXKJcVvH6KLSq8tN66r4O54CYJZbVLbW96J`):
 *
 *     — witness.example/w1 De6zTQAAAABlU/EAHj72MvOZgMM+bkNcTr8P56LUr9269xtwgOoe4gh2CJAroa85WUMELPjEqZOOPfmlTSZlF2QWPy8YdkGYG6/nAw==
 */
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js'
import { type Bytes, concat, fromU64, u64, utf8 } from './bytes.ts'
import { type Checkpoint, formatCheckpoint, parseCheckpoint, readCheckpoint } from './checkpoint.ts'
import { LianzhengError } from './errors.ts'
import { COSIGNATURE_V1, HASH_SIZE, SUBTREE_V1 } from './hash.ts'
import { SIGNATURE_SIZE, type Signer, verifyEd25519 } from './keys.ts'
import { isBy, type NoteSignature, noteKeyId, TYPE_COSIGNATURE, TYPE_MLDSA44, type Vkey } from './note.ts'

const TIMESTAMP_SIZE = 8
/** FIPS 204 table 2. */
const MLDSA44_SIGNATURE_SIZE = 2420
const MLDSA44_SEED_SIZE = 32
/** `opaque<1..2^8-1>`. */
const MAX_NAME_SIZE = 255

export interface MlDsaKeyPair {
  /** 1312 bytes. */
  publicKey: Bytes
  /** 2560 bytes. */
  secretKey: Bytes
}

/** ML-DSA-44 from the FIPS 204 seed ξ, 32 bytes, else `KEY_INVALID`. Slow (25 ms, measured): make it once. */
export function mlDsaKeyPair(seed: Bytes): MlDsaKeyPair {
  if (seed.length !== MLDSA44_SEED_SIZE)
    throw new LianzhengError('KEY_INVALID', { expected: `seed of ${MLDSA44_SEED_SIZE} bytes` })
  return ml_dsa44.keygen(seed)
}

/** An Ed25519 cosignature (04). `noteText` must be a checkpoint, so that this key never signs anything else. */
export function signCosignature(noteText: string, name: string, signer: Signer, timestampSeconds: number): NoteSignature {
  parseCheckpoint(noteText)
  return signText(noteText, name, signer, timestampSeconds)
}

function signText(noteText: string, name: string, signer: Signer, timestampSeconds: number): NoteSignature {
  const signature = signer.sign(ed25519Message(noteText, checkedTime(timestampSeconds)))
  return {
    name,
    keyId: noteKeyId(name, TYPE_COSIGNATURE, signer.publicKey),
    signature: concat(u64(timestampSeconds), signature)
  }
}

/**
 * An ML-DSA-44 cosignature (06): a peer's under its own name, or the log's own with `name` = origin and timestamp 0.
 * Deterministic (FIPS 204 §3.4) unless the caller brings 32 random bytes, which guard against faults while signing.
 */
export function signMlDsaCosignature(
  checkpoint: Checkpoint,
  name: string,
  { publicKey, secretKey }: MlDsaKeyPair,
  timestampSeconds: number,
  random?: Bytes
): NoteSignature {
  formatCheckpoint(checkpoint)
  return signTree(
    mlDsaMessage(checkpoint, name, checkedTime(timestampSeconds)),
    name,
    { publicKey, secretKey },
    timestampSeconds,
    random
  )
}

/** Both lines of a cosigner, 04 and 06, on the checkpoint of any log, ours or a stranger's (`readCheckpoint`). */
export function cosign(
  noteText: string,
  name: string,
  { signer, pair }: { signer: Signer; pair: MlDsaKeyPair },
  timestampSeconds: number,
  random?: Bytes
): NoteSignature[] {
  const message = mlDsaMessage(readCheckpoint(noteText), name, checkedTime(timestampSeconds))
  return [signText(noteText, name, signer, timestampSeconds), signTree(message, name, pair, timestampSeconds, random)]
}

/** [start, end) of a log's tree, and its hash. */
export interface Subtree {
  origin: string
  start: number
  end: number
  hash: Bytes
}

/** An ML-DSA-44 cosignature (06) of a subtree: with timestamp 0, because it says nothing of the newest tree. */
export function signSubtree(subtree: Subtree, name: string, pair: MlDsaKeyPair, random?: Bytes): NoteSignature {
  return signTree(subtreeMessage(subtree, name), name, pair, 0, random)
}

/** Whether a line is a good cosignature of a subtree by this ML-DSA-44 key. Never throws. */
export function verifySubtree(subtree: Subtree, line: NoteSignature, vkey: Vkey): boolean {
  if (!isBy(line, vkey) || vkey.type !== TYPE_MLDSA44) return false
  if (line.signature.length !== TIMESTAMP_SIZE + MLDSA44_SIGNATURE_SIZE || fromU64(line.signature) !== 0) return false
  return verifyMlDsa(vkey.key, subtreeMessage(subtree, vkey.name), line.signature.subarray(TIMESTAMP_SIZE))
}

function subtreeMessage({ origin, start, end, hash }: Subtree, name: string): Bytes | undefined {
  return hash.length === HASH_SIZE ? mlDsaMessage({ origin, size: end, root: hash }, name, 0, start) : undefined
}

function signTree(
  message: Bytes | undefined,
  name: string,
  { publicKey, secretKey }: MlDsaKeyPair,
  timestamp: number,
  random?: Bytes
): NoteSignature {
  if (message === undefined)
    throw new LianzhengError('NAME_INVALID', { expected: `cosigner name and origin of 1 to ${MAX_NAME_SIZE} bytes` })
  return {
    name,
    keyId: noteKeyId(name, TYPE_MLDSA44, publicKey),
    signature: concat(u64(timestamp), ml_dsa44.sign(message, secretKey, { extraEntropy: random ?? false }))
  }
}

/**
 * The time a cosignature claims, in seconds, or undefined where the line is not a good cosignature by `vkey`: another name, id or
 * type, a wrong length, a timestamp of 2^53 or more, a signature that does not hold. `checkpoint` is `parseCheckpoint(noteText)`.
 * Never throws.
 */
export function verifyCosignature(
  noteText: string,
  checkpoint: Checkpoint,
  line: NoteSignature,
  vkey: Vkey
): { timestamp: number } | undefined {
  if (!isBy(line, vkey)) return undefined
  if (line.signature.length !== TIMESTAMP_SIZE + signatureSize(vkey.type)) return undefined
  const timestamp = fromU64(line.signature)
  if (timestamp === undefined) return undefined
  const signature = line.signature.subarray(TIMESTAMP_SIZE)
  const good =
    vkey.type === TYPE_COSIGNATURE
      ? verifyEd25519(vkey.key, ed25519Message(noteText, timestamp), signature)
      : verifyMlDsa(vkey.key, mlDsaMessage(checkpoint, vkey.name, timestamp), signature)
  return good ? { timestamp } : undefined
}

/** NaN for a type that makes no cosignatures, which equals no length. */
function signatureSize(type: number): number {
  return type === TYPE_COSIGNATURE ? SIGNATURE_SIZE : type === TYPE_MLDSA44 ? MLDSA44_SIGNATURE_SIZE : Number.NaN
}

function ed25519Message(noteText: string, timestamp: number): Bytes {
  return utf8(`${COSIGNATURE_V1}time ${timestamp}\n${noteText}`)
}

/** `cosigned_message` of C2SP tlog-cosignature for the leaves [start, size); undefined where a name does not fit its one byte of length. */
export function mlDsaMessage({ origin, size, root }: Checkpoint, name: string, timestamp: number, start = 0): Bytes | undefined {
  const cosigner = utf8(name)
  const log = utf8(origin)
  if (cosigner.length < 1 || cosigner.length > MAX_NAME_SIZE || log.length < 1 || log.length > MAX_NAME_SIZE) return undefined
  return concat(
    utf8(SUBTREE_V1),
    Uint8Array.of(cosigner.length),
    cosigner,
    u64(timestamp),
    Uint8Array.of(log.length),
    log,
    u64(start),
    u64(size),
    root
  )
}

function verifyMlDsa(publicKey: Bytes, message: Bytes | undefined, signature: Bytes): boolean {
  if (message === undefined) return false
  try {
    return ml_dsa44.verify(signature, message, publicKey)
  } catch {
    return false
  }
}

function checkedTime(seconds: number): number {
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    throw new LianzhengError('CHECKPOINT_INVALID', { field: 'timestamp', expected: 'whole seconds since 1970, below 2^53' })
  return seconds
}
