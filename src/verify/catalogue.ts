/**
 * What a node asks of a catalogue before it writes or cosigns under it (formats.md §8). An offline verifier asks nothing: it applies its own rule
 * for each (type, v) and compares no digests.
 */
import { type Bytes, base64url, equalBytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { CATALOGUE_VERSION, catalogueDigest } from '../records/catalogue.ts'

/**
 * Where the catalogue in force is newer than this software's, there are entries it could not judge: it neither writes nor cosigns there. Throws
 * `CATALOGUE_UNKNOWN`.
 */
export function requireCatalogue(inForce: number): void {
  if (inForce > CATALOGUE_VERSION)
    throw new LianzhengError('CATALOGUE_UNKNOWN', {
      field: 'catalogue',
      expected: `at most ${CATALOGUE_VERSION}, not ${inForce}`
    })
}

/** Genesis and `registry.catalogue` name a catalogue by the digest that it was published with. Throws `CATALOGUE_UNKNOWN` or `FIELD_INVALID`. */
export function requirePublished(version: number, digest: Bytes): void {
  requireCatalogue(version)
  const published = catalogueDigest(version)
  if (!equalBytes(digest, published))
    throw new LianzhengError('FIELD_INVALID', { field: 'catalogueDigest', expected: base64url(published) })
}
