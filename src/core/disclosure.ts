/**
 * Sealed fields and their disclosures (formats.md §4).
 *
 *   disclosure = CBOR([ salt, name, value ])       salt: 16 random bytes, fresh for every field
 *   digest     = H(disclosure)                     stands in the record under `sealed`
 */
import type { Bytes } from './bytes.ts'
import { type CborValue, decodeCbor, type Encodable, encodeCbor } from './cbor.ts'
import { LianzhengError } from './errors.ts'
import { sha256 } from './hash.ts'

export const SALT_SIZE = 16
export const MAX_DISCLOSURE = 65_535

export interface Disclosure {
  bytes: Bytes
  digest: Bytes
  name: string
  value: CborValue
}

export function encodeDisclosure(salt: Bytes, name: string, value: Encodable): Disclosure {
  return decodeDisclosure(encodeCbor([salt, name, value]))
}

/** Throws `DISCLOSURE_INVALID` or CBOR_*. That the value fits the type's schema is `verify/admit`'s business. */
export function decodeDisclosure(bytes: Bytes): Disclosure {
  if (bytes.length > MAX_DISCLOSURE)
    throw new LianzhengError('DISCLOSURE_INVALID', { expected: `at most ${MAX_DISCLOSURE} bytes` })
  const parts = decodeCbor(bytes)
  if (!Array.isArray(parts) || parts.length !== 3)
    throw new LianzhengError('DISCLOSURE_INVALID', { expected: '[salt, name, value]' })
  const [salt, name, value] = parts as [CborValue, CborValue, CborValue]
  if (!(salt instanceof Uint8Array) || salt.length !== SALT_SIZE)
    throw new LianzhengError('DISCLOSURE_INVALID', { field: 'salt', expected: '16 bytes' })
  if (typeof name !== 'string') throw new LianzhengError('DISCLOSURE_INVALID', { field: 'name', expected: 'text' })
  if (value === null) throw new LianzhengError('DISCLOSURE_INVALID', { field: 'value', expected: 'a value' })
  return { bytes, digest: sha256(bytes), name, value }
}
