/** Our own values in the store, through cbor-x. None of these bytes is ever hashed or signed; what is, is stored as it was received. */
import { Decoder, Encoder } from 'cbor-x'
import type { Bytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'

const OPTIONS = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
  int64AsType: 'number'
} as const
const encoder = new Encoder(OPTIONS as ConstructorParameters<typeof Encoder>[0])
const decoder = new Decoder(OPTIONS as ConstructorParameters<typeof Decoder>[0])

export function encodeValue(value: unknown): Bytes {
  // The encoder's buffer is reused by its next call: keep a copy.
  return Uint8Array.from(encoder.encode(value))
}

/** Throws `STORE_CORRUPT` naming `field` for what does not decode, or would not encode to the same bytes. */
export function decodeValue<T>(bytes: Bytes, field: string): T {
  let value: T
  let again: Bytes
  try {
    value = detach(decoder.decode(bytes)) as T
    // Damage can nest deeper than the encoder follows.
    again = encoder.encode(value)
  } catch (cause) {
    throw new LianzhengError('STORE_CORRUPT', { field, cause })
  }
  if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i]))
    throw new LianzhengError('STORE_CORRUPT', { field })
  return value
}

/** Byte strings as plain Uint8Array of their own, whatever Buffer the decoder made them from. */
function detach(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (Array.isArray(value)) return value.map(detach)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, detach(inner)]))
  return value
}
