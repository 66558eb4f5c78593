/**
 * The one admission rule (formats.md §3 "Admission"). The door, the sequencer, recovery, mirrors and audits call these functions and no others.
 *
 *   examine       what the bytes alone tell: form, schema, trails
 *   admit         what the ledger at an index adds: log, key, roles, registry
 *   admitSigner   the same without the last, for whoever knows only a part of the registry
 *
 * The signature is checked apart, because a node does it off its main thread: `verifyStatement(statement, admitted.key.key)`.
 */
import { type Bytes, equalBytes } from '../core/bytes.ts'
import { type CborValue, plainObject } from '../core/cbor.ts'
import { type Disclosure, decodeDisclosure } from '../core/disclosure.ts'
import { LianzhengError } from '../core/errors.ts'
import {
  applyRegistry,
  GENESIS,
  type KeyState,
  type Registry,
  type RegistryChange,
  type RegistryEntry,
  standingOf,
  type TimeBounds
} from '../core/registry.ts'
import { decodeSeal, SEAL_TYPE, type Seal } from '../core/seal.ts'
import { decodeStatement, type Statement } from '../core/statement.ts'
import { checkWriter, recordType } from '../records/catalogue.ts'
import { type Body, checkBody, type RecordType, takesType, trailsOf } from '../records/define.ts'
import { check } from '../records/fields.ts'
import { checkSpokenOf } from './about.ts'

/** Seconds a statement may be ahead of the clock, or of the first seal after it. */
export const MAX_AHEAD = 300

export interface ExaminedRecord {
  kind: 'record'
  statement: Statement
  type: RecordType
  body: Body
}
export interface ExaminedSeal {
  kind: 'seal'
  statement: Statement
  seal: Seal
}
export type Examined = ExaminedRecord | ExaminedSeal

/** Throws STATEMENT_*, CBOR_*, TYPE_*, FIELD_*, CLASSIFIED_NOT_ACCEPTED, CONTENT_TYPE_MISMATCH or TRAILS_MISMATCH. */
export function examine(bytes: Bytes): Examined {
  const statement = decodeStatement(bytes)
  if (statement.kind === 'seal') return { kind: 'seal', statement, seal: decodeSeal(statement) }
  return examineRecord(statement)
}

function examineRecord(statement: Statement): ExaminedRecord {
  const { body: map } = statement
  const secrecy = map.get('secrecy')
  if (secrecy !== undefined && secrecy !== '无')
    throw new LianzhengError('CLASSIFIED_NOT_ACCEPTED', { field: 'secrecy', expected: '无' })
  const name = map.get('type')
  const version = map.get('v')
  if (typeof name !== 'string') throw new LianzhengError('FIELD_MISSING', { field: 'type' })
  if (typeof version !== 'number') throw new LianzhengError('FIELD_MISSING', { field: 'v' })
  if (name === SEAL_TYPE) throw new LianzhengError('CONTENT_TYPE_MISMATCH', { field: 'type', expected: 'a record type' })
  const type = recordType(name, version)
  const body = plainObject(map) as Body
  checkBody(type, body)
  const { sub, trails } = trailsOf(type, body, statement.aud)
  if (statement.sub !== sub) throw new LianzhengError('TRAILS_MISMATCH', { field: 'sub', expected: sub })
  if (statement.trails.length !== trails.length || trails.some((trail, i) => trail !== statement.trails[i]))
    throw new LianzhengError('TRAILS_MISMATCH', { field: 'trails', expected: trails.join(' ') })
  return { kind: 'record', statement, type, body }
}

/** The ledger a record is to enter, as it stands at the index it is to have. */
export interface Position {
  origin: string
  /** Classes the log holds. */
  classes: readonly string[]
  registry: Registry
  index: number
  /** Time of the last seal before `index`; genesis `iat` before the first seal. */
  time: TimeBounds
  /** Largest acceptable `iat`, seconds. */
  latestIat: number
  /** Has the log an earlier entry with this key id and cti? */
  ctiUsed(kid: Bytes, cti: Bytes): boolean
  /** The record with this leaf hash and an index below, of the same batch too. */
  earlier(leaf: Bytes): ExaminedRecord | undefined
}

export interface Admitted {
  key: KeyState
  change: RegistryChange
  /** Only where `time` is a true interval: the bounds leave open whether the key was within its dates. */
  undecided: boolean
}

/**
 * Throws WRONG_LOG, CLASS_NOT_HELD, SEAL_NOT_ACCEPTED, IAT_AHEAD, CTI_REUSED, KEY_*, ORGANISATION_MISMATCH, OPERATOR_ONLY, ACTOR_MISMATCH,
 * ROLE_NOT_PERMITTED, CATALOGUE_NOT_IN_FORCE, what `checkSpokenOf` throws, or a rule of the registry.
 */
export function admit(examined: Examined, position: Position): Admitted {
  const { key, undecided, entry, change } = admitSigner(examined, position)
  const record = examined as ExaminedRecord
  const { since } = record.type
  if (since > (position.registry.meta?.catalogue ?? since))
    throw new LianzhengError('CATALOGUE_NOT_IN_FORCE', { field: 'type', expected: `catalogue ${since}` })
  checkSpokenOf(record, key, position.earlier)
  return { key, undecided, change: change ?? applyRegistry(position.registry, entry) }
}

/**
 * The rule up to what the record, as `entry`, does to the registry. `change` is there for genesis alone, which names its own signer.
 * Throws as `admit` does.
 */
export function admitSigner(
  examined: Examined,
  position: Position
): { key: KeyState; undecided: boolean; entry: RegistryEntry; change: RegistryChange | undefined } {
  const { statement } = examined
  if (statement.aud !== position.origin) throw new LianzhengError('WRONG_LOG', { field: 'aud', expected: position.origin })
  if (examined.kind === 'seal') throw new LianzhengError('SEAL_NOT_ACCEPTED')
  const { type, body } = examined
  if (!takesType(type, position.classes))
    throw new LianzhengError('CLASS_NOT_HELD', { field: 'type', expected: `a log of class ${[type.class].flat().join(' | ')}` })
  if (statement.iat > position.latestIat)
    throw new LianzhengError('IAT_AHEAD', { field: 'iat', expected: `at most ${position.latestIat}` })
  if (position.ctiUsed(statement.kid, statement.cti)) throw new LianzhengError('CTI_REUSED', { field: 'cti' })

  const { kid, leaf, aud, iat } = statement
  const entry = { index: position.index, leaf, kid, aud, iat, type: type.type, body }
  const change = type.type === GENESIS ? applyRegistry(position.registry, entry) : undefined
  const { key, undecided } = change === undefined ? activeKey(statement, position) : { key: change.keys[0]!, undecided: false }
  if (statement.iss !== key.org) throw new LianzhengError('ORGANISATION_MISMATCH', { field: 'iss', expected: key.org })
  const operator = position.registry.meta?.operator
  if (type.operatorOnly && operator !== undefined && key.org !== operator)
    throw new LianzhengError('OPERATOR_ONLY', { field: 'iss', expected: operator })
  checkWriter(type, body, key)
  return { key, undecided, entry, change }
}

function activeKey(statement: Statement, { registry, index, time }: Position): { key: KeyState; undecided: boolean } {
  const key = registry.key(statement.kid)
  const standing = standingOf(key, index, time)
  if (standing === 'active' || standing === 'undecided') return { key: key!, undecided: standing === 'undecided' }
  throw new LianzhengError(standing, { field: 'kid' })
}

/** Checks disclosures against a record: form, digest under its own name, the type's schema, each field once. Throws DISCLOSURE_* or FIELD_*. */
export function matchDisclosures(record: ExaminedRecord, disclosures: readonly Bytes[]): Disclosure[] {
  const sealed = (record.body.sealed ?? {}) as Record<string, Bytes>
  const seen = new Set<string>()
  return disclosures.map((bytes, i) => {
    const disclosure = decodeDisclosure(bytes)
    const digest = Object.hasOwn(sealed, disclosure.name) ? sealed[disclosure.name] : undefined
    if (digest === undefined || !equalBytes(digest, disclosure.digest))
      throw new LianzhengError('DISCLOSURE_UNMATCHED', { field: `disclosures[${i}]` })
    if (seen.has(disclosure.name)) throw new LianzhengError('DISCLOSURE_REPEATED', { field: `disclosures[${i}]` })
    seen.add(disclosure.name)
    check(
      record.type.sealed[disclosure.name]!.field.schema,
      { value: plainValue(disclosure.value) }.value,
      `sealed.${disclosure.name}`
    )
    return disclosure
  })
}

export function plainValue(value: CborValue): unknown {
  return plainObject(new Map([['value', value]])).value
}

/** NFC of every text, at the door alone: it depends on the Unicode version, so no verifier repeats it (formats.md §1). */
export function checkNfc(record: ExaminedRecord, disclosures: readonly Disclosure[]): void {
  checkTexts(record.statement.body, '')
  for (const { name, value } of disclosures) checkTexts(value, `sealed.${name}`)
}

function checkTexts(value: CborValue, field: string): void {
  if (typeof value === 'string') {
    if (value !== value.normalize('NFC')) throw new LianzhengError('TEXT_NOT_NFC', { field })
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) checkTexts(item, `${field}[${i}]`)
  } else if (value instanceof Map) {
    for (const [key, item] of value) checkTexts(item, field === '' ? String(key) : `${field}.${key}`)
  }
}
