/**
 * What SCITT tools read (RFC 9943): receipts of inclusion (RFC 9942) and transparent statements.
 *
 *   receipt      18([ protected, {396: {-1: [proof]}}, nil, signature ])      signed over the root that the proof leads to
 *   protected    {1: -8, 4: kid, 15: {1: iss, 2: sub}, 395: 1}               395: 1 = RFC9162_SHA256
 *   proof        bytes holding [tree size, leaf index, [path hash, …]]        path from the leaf up, at least one hash
 *   transparent  the statement with {394: [receipt, …]} for its unprotected map
 *
 * The entry that is proven is the statement with an empty unprotected map. `kid` names the log's `receipt` key; a receipt rests on the log's
 * operator alone and carries no quorum.
 */
import { type Bytes, equalBytes } from './bytes.ts'
import { type CborMap, type CborValue, decodeCbor, type Encodable, encodeCbor } from './cbor.ts'
import { decodeSign1, encodeSign1, toBeSigned } from './cose.ts'
import { LianzhengError } from './errors.ts'
import { leafHash } from './hash.ts'
import { keyId, type Signer, verifyEd25519 } from './keys.ts'
import { rootFromInclusion } from './merkle.ts'
import { EDDSA } from './statement.ts'

const RECEIPTS = 394
const VDS = 395
const VDP = 396
const INCLUSION = -1
const RFC9162_SHA256 = 1

/** The leaf at `index` of the tree of `size` leaves. */
export interface ProvenPlace {
  size: number
  index: number
  path: readonly Bytes[]
}

export interface ScittReceipt extends ProvenPlace {
  kid: Bytes
  iss: string
  sub: string
  protectedBytes: Bytes
  signature: Bytes
}

/** `root`: of the tree of `size`, to which the path leads. The tree has two leaves at least: one of one leaf has no path (RFC 9942 §5.2.1). */
export function signScittReceipt(claims: { iss: string; sub: string }, place: ProvenPlace, root: Bytes, signer: Signer): Bytes {
  const protectedBytes = encodeCbor(
    new Map<number, Encodable>([
      [1, EDDSA],
      [4, keyId(signer.publicKey)],
      [
        15,
        new Map([
          [1, claims.iss],
          [2, claims.sub]
        ])
      ],
      [VDS, RFC9162_SHA256]
    ])
  )
  const proof = encodeCbor([place.size, place.index, [...place.path]])
  const unprotected: CborMap = new Map([[VDP, new Map([[INCLUSION, [proof]]])]])
  return encodeSign1({ protectedBytes, unprotected, payload: null, signature: signer.sign(toBeSigned(protectedBytes, root)) })
}

/** Throws `SCITT_INVALID` for what is no receipt of the form above, and what `decodeSign1` throws. No signature is checked. */
export function decodeScittReceipt(bytes: Bytes): ScittReceipt {
  const { protectedHeader: header, unprotected, payload, protectedBytes, signature } = decodeSign1(bytes)
  if (header.get(1) !== EDDSA) throw new LianzhengError('ALGORITHM_UNSUPPORTED', { field: '1', expected: String(EDDSA) })
  if (header.get(VDS) !== RFC9162_SHA256) throw refuse(String(VDS), 'RFC9162_SHA256 (1)')
  if (header.size !== 4) throw refuse('protected', 'exactly the labels 1, 4, 15, 395')
  const kid = header.get(4)
  if (!(kid instanceof Uint8Array) || kid.length !== 32) throw refuse('4', 'a key id of 32 bytes')
  const [iss, sub] = [1, 2].map((label) => mapOf(header.get(15), '15').get(label))
  if (typeof iss !== 'string' || typeof sub !== 'string') throw refuse('15', '{1: iss, 2: sub}')
  if (payload !== null) throw refuse('payload', 'a detached payload')
  if (unprotected.size !== 1) throw refuse('unprotected', 'exactly the label 396')
  const proofs = mapOf(unprotected.get(VDP), String(VDP)).get(INCLUSION)
  if (!Array.isArray(proofs) || proofs.length !== 1) throw refuse(String(VDP), '{-1: [one proof]}')
  return { kid, iss, sub, ...decodeProof(proofs[0]!), protectedBytes, signature }
}

function decodeProof(bytes: CborValue): ProvenPlace {
  const parts = bytes instanceof Uint8Array ? decodeCbor(bytes) : undefined
  const [size, index, path] = Array.isArray(parts) && parts.length === 3 ? parts : []
  const isPath = Array.isArray(path) && path.length > 0 && path.every((hash) => hash instanceof Uint8Array && hash.length === 32)
  if (typeof size !== 'number' || typeof index !== 'number' || !isPath)
    throw refuse('proof', '[tree size, leaf index, [path hash, …]]')
  return { size, index, path: path as Bytes[] }
}

/** Does the receipt prove the statement, under this key and no other? Never throws. */
export function verifyScittReceipt(receipt: ScittReceipt, statement: Bytes, publicKey: Bytes): boolean {
  const root = rootFromInclusion(receipt.index, receipt.size, leafHash(statement), receipt.path)
  return (
    root !== undefined &&
    equalBytes(receipt.kid, keyId(publicKey)) &&
    verifyEd25519(publicKey, toBeSigned(receipt.protectedBytes, root), receipt.signature)
  )
}

/** The statement with a receipt attached. */
export function transparentStatement(statement: Bytes, receipt: Bytes): Bytes {
  return encodeSign1({ ...decodeSign1(statement), unprotected: new Map([[RECEIPTS, [receipt]]]) })
}

/** The log's keys as a COSE key set: `{1: OKP, 2: kid, 3: EdDSA, -1: Ed25519, -2: x}` each. */
export function coseKey(publicKey: Bytes): Map<number, Encodable> {
  return new Map<number, Encodable>([
    [1, 1],
    [2, keyId(publicKey)],
    [3, EDDSA],
    [-1, 6],
    [-2, publicKey]
  ])
}

function mapOf(value: CborValue | undefined, field: string): CborMap {
  if (!(value instanceof Map)) throw refuse(field, 'a map')
  return value
}

function refuse(field: string, expected: string): LianzhengError {
  return new LianzhengError('SCITT_INVALID', { field, expected })
}
