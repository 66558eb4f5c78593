/** The catalogue: one table of record types, from which schemas, writers, trails, classes, names and examples are all derived. */

import { type Bytes, utf8 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { aboutTypes } from './about.ts'
import { type Body, describe, type RecordType, ROLES, ROLES_ON_BEHALF, ROLES_WITHOUT_STAFF, standsOn } from './define.ts'
import { evidenceTypes } from './evidence.ts'
import { CLASSES, TRAIL_KINDS } from './ids.ts'
import { platformTypes } from './platform.ts'
import { recusalTypes } from './recusal.ts'
import { supervisionTypes } from './supervision.ts'
import { systemTypes } from './system.ts'

/** The newest catalogue this software knows. */
export const CATALOGUE_VERSION = 2

/** Every type, each with the catalogue it came with. */
export const CATALOGUE: readonly RecordType[] = [
  ...evidenceTypes,
  ...supervisionTypes,
  ...recusalTypes,
  ...systemTypes,
  ...platformTypes,
  ...aboutTypes
]

/** Names of all fields that some type seals. */
export const SEALED_FIELDS: ReadonlySet<string> = new Set(CATALOGUE.flatMap(({ sealed }) => Object.keys(sealed)))

const byName = new Map(CATALOGUE.map((entry) => [entry.type, entry]))

/** The entry for a type and version; throws `TYPE_UNKNOWN` or `TYPE_VERSION_UNKNOWN`. */
export function recordType(type: string, v: number = 1): RecordType {
  const entry = byName.get(type)
  if (entry === undefined) throw new LianzhengError('TYPE_UNKNOWN', { field: 'type' })
  if (entry.v !== v) throw new LianzhengError('TYPE_VERSION_UNKNOWN', { field: 'v', expected: String(entry.v) })
  return entry
}

/** Kinds of trails that are of what one person did: a system says for whom it writes there. */
const PERSONAL = ['power', 'duty']

/** The roles among these that may write this body; throws `ROLE_NOT_PERMITTED` where there is none. */
export function checkRoles(type: RecordType, body: Body, roles: readonly string[]): string[] {
  const writers: readonly string[] = type.writersOf?.(body) ?? type.writers
  const permitting = roles.filter((role) => writers.includes(role))
  if (permitting.length === 0) throw new LianzhengError('ROLE_NOT_PERMITTED', { field: 'type', expected: writers.join(' | ') })
  return permitting
}

/**
 * May a key with these roles write this record, and does the record name the right people? Throws `ROLE_NOT_PERMITTED`,
 * `ACTOR_MISMATCH` or FIELD_*. (formats.md §3 "Admission"; records.md "Common open fields".)
 *
 * Only those who write for others name somebody in `onBehalfOf`: a leader who could would file an act on another leader's trail.
 */
export function checkWriter(type: RecordType, body: Body, key: { staff?: string | undefined; roles: readonly string[] }): void {
  const permitting = checkRoles(type, body, key.roles)
  if (body.actor !== key.staff) throw new LianzhengError('ACTOR_MISMATCH', { field: 'actor', expected: key.staff ?? 'absent' })
  if (key.staff === undefined && !permitting.some((role) => ROLES_WITHOUT_STAFF.includes(role)))
    throw new LianzhengError('FIELD_MISSING', { field: 'actor', expected: 'the staff code of the key' })
  const forOthers = permitting.every((role) => ROLES_ON_BEHALF.includes(role))
  if (body.onBehalfOf !== undefined && !forOthers)
    throw new LianzhengError('FIELD_INVALID', {
      field: 'onBehalfOf',
      expected: 'absent: only secretaries and systems write for others'
    })
  const ofPerson =
    type.trails.some((rule) => rule.from === 'onBehalfOf|actor') || PERSONAL.some((kind) => standsOn(type, body, kind))
  const needed = forOthers && (permitting.includes('secretary') || ofPerson)
  if (needed && body.onBehalfOf === undefined)
    throw new LianzhengError('FIELD_MISSING', { field: 'onBehalfOf', expected: 'the staff code acted for' })
}

/**
 * The published catalogue of a version: a JSON text with a fixed form, which never changes. Its SHA-256 goes into genesis and `registry.catalogue`
 * (formats.md §8).
 */
export function publishedCatalogue(version: number = CATALOGUE_VERSION): string {
  const kinds = Object.entries(TRAIL_KINDS).map(([kind, { classes, id, zh, en, reserved }]) => ({
    kind,
    classes,
    id: id.source,
    zh,
    en,
    ...(reserved === undefined ? {} : { reserved })
  }))
  const catalogue = {
    format: 'lianzheng-catalogue/v1',
    version,
    classes: CLASSES,
    roles: ROLES,
    kinds,
    types: CATALOGUE.filter(({ since }) => since <= version).map(describe)
  }
  return `${JSON.stringify(catalogue, null, 1)}\n`
}

export function catalogueDigest(version: number = CATALOGUE_VERSION): Bytes {
  return sha256(utf8(publishedCatalogue(version)))
}
