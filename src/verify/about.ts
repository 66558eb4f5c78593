/**
 * Records that speak of an earlier record of their log: `body.erased` and `record.corrected` (records.md, "System types"). An earlier record is one
 * with a lower index, in the same batch or long before; node, mirror and audit look it up and compare, a certificate compares what stands on its
 * own trail, a receipt shows the record alone and has nothing to compare it with.
 *
 * Erasure: by an administrator of the organisation that issued the record. For `supervision.*` it takes effect only once there is a second
 * `body.erased` for the same fields, by an administrator of another organisation that may give the role `discipline`; which of the two comes first
 * does not matter, and neither can be written by the other side.
 */
import { type Bytes, equalBytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import type { KeyState } from '../core/registry.ts'
import { checkRoles } from '../records/catalogue.ts'
import type { ExaminedRecord } from './admit.ts'

const RELATION: Readonly<Record<string, string>> = { 'body.erased': 'erases', 'record.corrected': 'corrects' }

/** The record spoken of, by log and leaf hash; undefined for types that speak of none. */
export function spokenOf({ type, body }: Pick<ExaminedRecord, 'type' | 'body'>): { log: string; leaf: Bytes } | undefined {
  const rel = RELATION[type.type]
  if (rel === undefined) return undefined
  return (body.refs as { rel: string; log: string; leaf: Bytes }[]).find((ref) => ref.rel === rel)!
}

/** For whom a signer of `body.erased` speaks: the organisation whose record it is, or discipline. */
export type Side = 'own' | 'discipline'

type Signer = Pick<KeyState, 'org' | 'roles' | 'mayGive'>

export function sideOf(signer: Signer, target: ExaminedRecord): Side | undefined {
  if (signer.org === target.statement.iss) return 'own'
  return needsDiscipline(target.type.type) && signer.mayGive.includes('discipline') ? 'discipline' : undefined
}

export function needsDiscipline(type: string): boolean {
  return type.startsWith('supervision.')
}

/**
 * Holds a record to the one it speaks of. Throws `REFERENCE_UNKNOWN`, `TRAILS_MISMATCH`, `FOREIGN_ORGANISATION`, `ROLE_NOT_PERMITTED` or
 * `FIELD_INVALID`. `earlier` gives the record with a leaf hash and a lower index, examined.
 */
export function checkSpokenOf(
  record: ExaminedRecord,
  signer: Signer,
  earlier: (leaf: Bytes) => ExaminedRecord | undefined
): void {
  const ref = spokenOf(record)
  if (ref === undefined) return
  const { statement, type, body } = record
  const place = (body.refs as { leaf: Bytes }[]).findIndex(({ leaf }) => equalBytes(leaf, ref.leaf))
  const target = ref.log === statement.aud ? earlier(ref.leaf) : undefined
  if (target === undefined)
    throw new LianzhengError('REFERENCE_UNKNOWN', { field: `refs[${place}]`, expected: `an earlier record of ${statement.aud}` })
  const { trails, iss } = target.statement
  // First whether the signer may speak of it: leaf hashes are public, and a refusal tells nobody else what lies under one.
  const isCorrection = type.type === 'record.corrected'
  if (isCorrection ? signer.org !== iss : sideOf(signer, target) === undefined)
    throw new LianzhengError('FOREIGN_ORGANISATION', { field: 'iss', expected: 'the organisation of the record spoken of' })
  if (isCorrection) mayCorrect(target, signer)
  const of = body.of as string[]
  if (of.length !== trails.length || of.some((name, i) => name !== trails[i]))
    throw new LianzhengError('TRAILS_MISMATCH', { field: 'of', expected: 'the trails of the record spoken of' })
  if (isCorrection) return
  const sealed = (target.body.sealed ?? {}) as Record<string, Bytes>
  const stray = (body.fields as string[]).findIndex((name) => !Object.hasOwn(sealed, name))
  if (stray !== -1)
    throw new LianzhengError('FIELD_INVALID', {
      field: `fields[${stray}]`,
      expected: Object.keys(sealed).join(' | ') || 'none: the record has no sealed fields'
    })
}

function mayCorrect(target: ExaminedRecord, { roles }: Signer): void {
  try {
    checkRoles(target.type, target.body, roles)
  } catch (cause) {
    throw new LianzhengError('ROLE_NOT_PERMITTED', {
      field: 'type',
      expected: 'a role that may write the record spoken of',
      cause
    })
  }
}

/** Sealed fields of a record that these `body.erased`, each held to the record by `checkSpokenOf`, have erased. */
export function erasedFields(
  target: ExaminedRecord,
  erasures: readonly { record: ExaminedRecord; signer: Signer }[]
): ReadonlySet<string> {
  const said: Readonly<Record<Side, Set<string>>> = { own: new Set(), discipline: new Set() }
  for (const { record, signer } of erasures) {
    const side = sideOf(signer, target)
    if (side !== undefined) for (const name of record.body.fields as string[]) said[side].add(name)
  }
  if (!needsDiscipline(target.type.type)) return said.own
  return new Set([...said.own].filter((name) => said.discipline.has(name)))
}
