/**
 * Disclosures at rest: AES-256-GCM, under a key that serves one value alone.
 *
 *   value      = 0x01 ‖ salt ‖ ciphertext ‖ tag     salt: 32 random bytes, fresh for every value; tag: 16 bytes
 *   plaintext  = array of disclosures (`values`)
 *   key        = HMAC-SHA256(log's disclosure key, salt)
 *   nonce      = 12 zero bytes: no key encrypts twice
 *   additional = u64(index): a value opens at its own index only
 *
 * With the salt gone, nobody can work out the key again, whoever has the log's own. Values that version 1 wrote are the array itself, in the clear
 * (first byte 0x80–0x9f); they are read for ever and never written.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { type Bytes, concat, u64 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { decodeValue, encodeValue } from './values.ts'

/** Seals and opens the disclosures of one log. Whoever holds one needs no seed. */
export interface DisclosureCipher {
  seal(index: number, disclosures: readonly Bytes[]): Bytes
  /** Throws `STORE_CORRUPT` for what this cipher did not seal at this index. */
  open(index: number, value: Bytes): Bytes[]
}

const VERSION = 0x01
const SALT = 32
const TAG = 16
const NONCE = new Uint8Array(12)

/** `key`: 32 secret bytes that serve this purpose and this log alone. */
export function disclosureCipher(key: Bytes): DisclosureCipher {
  const keyOf = (salt: Bytes) => createHmac('sha256', key).update(salt).digest()
  return {
    seal(index, disclosures) {
      const salt = randomBytes(SALT)
      const cipher = createCipheriv('aes-256-gcm', keyOf(salt), NONCE, { authTagLength: TAG })
      cipher.setAAD(u64(index))
      const sealed = cipher.update(encodeValue(disclosures))
      cipher.final()
      return concat(Uint8Array.of(VERSION), salt, sealed, cipher.getAuthTag())
    },
    open(index, value) {
      const place = { field: `d ${index}` }
      if (value[0] !== VERSION || value.length < 1 + SALT + TAG) throw new LianzhengError('STORE_CORRUPT', place)
      const decipher = createDecipheriv('aes-256-gcm', keyOf(value.subarray(1, 1 + SALT)), NONCE, { authTagLength: TAG })
      decipher.setAAD(u64(index))
      decipher.setAuthTag(value.subarray(-TAG))
      let plain: Bytes
      try {
        plain = decipher.update(value.subarray(1 + SALT, -TAG))
        decipher.final()
      } catch (cause) {
        throw new LianzhengError('STORE_CORRUPT', { ...place, expected: "a value sealed with this log's key", cause })
      }
      return decodeValue<Bytes[]>(plain, place.field)
    }
  }
}

/** Was it written in the clear, by version 1? */
export function isPlain(value: Bytes): boolean {
  return value.length > 0 && value[0]! >= 0x80 && value[0]! <= 0x9f
}

/** Throws `STORE_CORRUPT`, or `STORE_FOREIGN` where the value is sealed and no cipher is there to open it. */
export function openDisclosures(index: number, value: Bytes, cipher: DisclosureCipher | undefined): Bytes[] {
  if (isPlain(value)) return decodeValue<Bytes[]>(value, `d ${index}`)
  if (cipher === undefined) throw new LianzhengError('STORE_FOREIGN', { field: `d ${index}`, expected: 'the seed of the node' })
  return cipher.open(index, value)
}
