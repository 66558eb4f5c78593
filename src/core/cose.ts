/**
 * COSE_Sign1 (RFC 9052 §4.2, §4.4) in deterministic CBOR: the envelope of statements, promises, refusals and receipts.
 *
 *   COSE_Sign1    = D2 (tag 18) array(4): protected, unprotected, payload, signature
 *   protected     = bytes holding the encoding of a map; empty bytes (or A0) for the empty map
 *   unprotected   = map
 *   payload       = bytes / null (detached)
 *   signature     = bytes
 *   Sig_structure = array(4): "Signature1", protected, external_aad: bytes, payload: bytes
 *
 * Example, "This is the content." signed with Ed25519 (cose-wg/Examples, eddsa-sig-01):
 *
 *   d28445a201270300a10442313154546869732069732074686520636f6e74656e742e58407142fd2ff96d56db85bee905
 *   a76ba1d0b7321a95c8c4d3607c5781932b7afb8711497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08f4a4
 *   4d6fef0d
 *
 * What the headers must say is not decided here: `statement` and its neighbours know their labels.
 */
import { type Bytes, concat } from './bytes.ts'
import { type CborMap, decodeCbor, encodeCbor } from './cbor.ts'
import { type ErrorDetail, LianzhengError } from './errors.ts'

export interface CoseSign1 {
  /** As received: what is signed, and the only way to tell empty bytes from A0. */
  protectedBytes: Bytes
  protectedHeader: CborMap
  unprotected: CborMap
  /** null where the payload is detached. */
  payload: Bytes | null
  /** Of any length: the algorithm decides. */
  signature: Bytes
}

export interface Sign1Parts {
  protectedBytes: Bytes
  /** Empty unless given. */
  unprotected?: CborMap
  payload: Bytes | null
  signature: Bytes
}

const TAG_18 = 0xd2
const EMPTY_MAP = 0xa0
const NO_BYTES: Bytes = new Uint8Array(0)

export function encodeSign1(parts: Sign1Parts): Bytes {
  const { protectedBytes, unprotected = new Map(), payload, signature } = parts
  return concat(Uint8Array.of(TAG_18), encodeCbor([protectedBytes, unprotected, payload, signature]))
}

/**
 * The inverse of `encodeSign1`; byte strings are views of `bytes`. Envelope and protected map each count nesting from level 1.
 *
 * Throws `STATEMENT_FORM` for anything but a COSE_Sign1 tagged once, `CBOR_*` for bytes that are not deterministic CBOR, in the
 * protected header too. Offsets count from the beginning of `bytes`.
 */
export function decodeSign1(bytes: Bytes): CoseSign1 {
  if (bytes[0] !== TAG_18) refuse({ offset: 0, expected: 'tag 18 (d2)' })
  const envelope = decodeCbor(bytes, 1)
  if (!Array.isArray(envelope) || envelope.length !== 4) refuse({ offset: 1, expected: 'an array of 4' })
  const [protectedBytes, unprotected, payload, signature] = envelope
  if (!(protectedBytes instanceof Uint8Array)) refuse({ field: 'protected', offset: 2, expected: 'bytes' })
  if (!(unprotected instanceof Map)) refuse({ field: 'unprotected', expected: 'a map' })
  if (payload !== null && !(payload instanceof Uint8Array)) refuse({ field: 'payload', expected: 'bytes or null' })
  if (!(signature instanceof Uint8Array)) refuse({ field: 'signature', expected: 'bytes' })
  return { protectedBytes, protectedHeader: decodeProtected(bytes, protectedBytes), unprotected, payload, signature }
}

/** `protectedBytes` is a view of `bytes`, so errors inside it can be given at their offset in the whole. */
function decodeProtected(bytes: Bytes, protectedBytes: Bytes): CborMap {
  if (protectedBytes.length === 0) return new Map()
  const start = protectedBytes.byteOffset - bytes.byteOffset
  const header = decodeCbor(bytes.subarray(0, start + protectedBytes.length), start)
  return header instanceof Map ? header : refuse({ field: 'protected', offset: start, expected: 'a map' })
}

/**
 * The bytes that are signed: the Sig_structure of RFC 9052 §4.4. `payload` is given here even where it is detached. Recipients accept
 * both forms of the empty protected map (§3), but "if there are no protected attributes, a zero-length byte string is used" (§4.4).
 */
export function toBeSigned(protectedBytes: Bytes, payload: Bytes, externalAad: Bytes = NO_BYTES): Bytes {
  const isEmptyMap = protectedBytes.length === 1 && protectedBytes[0] === EMPTY_MAP
  return encodeCbor(['Signature1', isEmptyMap ? NO_BYTES : protectedBytes, externalAad, payload])
}

function refuse(detail: ErrorDetail): never {
  throw new LianzhengError('STATEMENT_FORM', detail)
}
