/**
 * What one entry of the catalogue says about a record type, and what follows from it: the schema of the body, the trails, the
 * JSON form, the example, the published description. A new type is one entry in one of the family files.
 */
import * as z from 'zod/mini'
import { type Bytes, base64url, compareText, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { keyId } from '../core/keys.ts'
import {
  bytes32,
  check,
  courtCode,
  exampleOf,
  type Field,
  formOf,
  type Json,
  list,
  type Member,
  type Members,
  membersFromJson,
  membersToJson,
  object,
  oneOf,
  optional,
  origin,
  required,
  staffCode,
  time
} from './fields.ts'
import type { Class } from './ids.ts'

export const ROLES = [
  'administrator',
  'clerk',
  'judge',
  'leader',
  'secretary',
  'trial-office',
  'personnel',
  'discipline',
  'procuratorate',
  'lawyer',
  'party',
  'firm',
  'system',
  'auditor'
] as const
export type Role = (typeof ROLES)[number]

/** Roles whose keys may belong to no member of staff, and then write no `actor` (records.md, "Common open fields"). */
export const ROLES_WITHOUT_STAFF: readonly string[] = ['system', 'party', 'lawyer', 'firm', 'administrator']
/** Roles that write for somebody else and name that person in `onBehalfOf`. */
export const ROLES_ON_BEHALF: readonly string[] = ['secretary', 'system']

/**
 * Where a trail name comes from. `from` is a path into the body (`files[].sha256`), or several tried in turn (`onBehalfOf|actor`);
 * `kid(key)` is the key id of a key field; `<origin>` is the log the record is written to. A path that leads nowhere gives no trail.
 * Kind `*`: what stands at the path are whole trail names. `when`: only where a field has, or has not, a value.
 */
export interface TrailRule {
  kind: string
  prefix?: string
  from: string
  when?: { field: string; is: string | number } | { field: string; isNot: string | number }
}

export interface TypeDefinition {
  type: string
  v: 1
  zh: string
  en: string
  /** `any`: every log takes it; several classes: logs of any of these do. */
  class: Class | readonly Class[] | 'any'
  /** The catalogue it came with; 1 where nothing is said. A log takes it once that catalogue is in force (formats.md §8). */
  since?: number
  /** System types name no court; those of class `any` are system types. */
  system?: true
  writers: readonly Role[]
  /** Those of `writers` who may write this very body; all of them where undefined. */
  writersOf?: (body: Body) => readonly Role[] | undefined
  /** An administrator of the operator alone may write it. */
  operatorOnly?: true
  /** The first trail is `sub`. */
  trails: readonly TrailRule[]
  open: Members
  sealed?: Members
  refs?: 'required'
  /** Optional members that an example needs to be accepted. */
  example?: { [name: string]: Json }
  /** Rules that no single field can state; throws FIELD_*. */
  also?: (body: Body) => void
}

/** A decoded body: text keys, bytes as Uint8Array. */
export type Body = Readonly<Record<string, unknown>>

export const RELATIONS = [
  'answers',
  'outcome',
  'approves',
  'flag',
  'attaches',
  'corrects',
  'erases',
  'updates',
  'confirms',
  'about'
] as const

const reference = object({
  rel: required(oneOf(...(RELATIONS as unknown as [string, ...string[]]))),
  log: required(origin),
  leaf: required(bytes32)
})
const references = list(reference, 1, 64)

export interface RecordType extends TypeDefinition {
  since: number
  /** All members of the body but `type` and `v`. */
  members: Members
  sealed: Members
  schema: z.ZodMiniType
}

export function define(entry: TypeDefinition): RecordType {
  const system = entry.system ?? entry.class === 'any'
  const sealed = entry.sealed ?? {}
  const sealedNames = Object.entries(sealed)
  const members: Record<string, Member> = { at: required(time) }
  members.court = system ? optional(courtCode) : required(courtCode)
  members.actor = optional(staffCode)
  members.onBehalfOf = optional(staffCode)
  members.secrecy = optional(oneOf('无'))
  Object.assign(members, entry.open)
  members.refs = entry.refs === 'required' ? required(references) : optional(references)
  if (sealedNames.length > 0) {
    const digests = object(
      Object.fromEntries(sealedNames.map(([name, member]) => [name, { field: bytes32, required: member.required }]))
    )
    members.sealed = { field: digests, required: sealedNames.some(([, member]) => member.required) }
  }
  const whole = object({ type: required(oneOf(entry.type)), v: required(version), ...members })
  return { ...entry, since: entry.since ?? 1, sealed, members, schema: whole.schema }
}

/** Does a log that holds these classes take the type? */
export function takesType(type: RecordType, classes: readonly string[]): boolean {
  return type.class === 'any' || [type.class].flat().some((name) => classes.includes(name))
}

const version: Field = {
  schema: z.literal(1),
  form: 1,
  example: 1,
  toJson: (value) => value as number,
  fromJson: (value) => value
}

/** Schema and the rules beyond it; throws FIELD_*. */
export function checkBody(type: RecordType, body: Body): void {
  check(type.schema, body)
  type.also?.(body)
}

/** The trails a record belongs to, sorted bytewise, and the one that is its `sub` (formats.md §3, "Trails are a function of the record"). */
export function trailsOf(type: RecordType, body: Body, log: string): { sub: string; trails: string[] } {
  const names: string[] = []
  for (const rule of type.trails) names.push(...applyRule(rule, body, log))
  const sub = names[0]
  if (sub === undefined) throw new LianzhengError('FIELD_MISSING', { field: type.trails[0]!.from })
  return { sub, trails: [...new Set(names)].sort(compareText) }
}

/** Does a record stand on a trail of this kind? */
export function standsOn(type: RecordType, body: Body, kind: string): boolean {
  return type.trails.some((rule) => rule.kind === kind && applyRule(rule, body, '').length > 0)
}

function applies({ when }: TrailRule, body: Body): boolean {
  if (when === undefined) return true
  return 'is' in when ? body[when.field] === when.is : body[when.field] !== when.isNot
}

function describeTrail({ kind, prefix = '', from, when }: TrailRule): string {
  const name = `${kind === '*' ? '' : `${kind}:${prefix}`}<${from.replace(/^<|>$/g, '')}>`
  if (when === undefined) return name
  return `${name} when ${when.field} ${'is' in when ? `= ${when.is}` : `≠ ${when.isNot}`}`
}

function applyRule(rule: TrailRule, body: Body, log: string): string[] {
  if (!applies(rule, body)) return []
  if (rule.kind === '*') return valuesAt(body, rule.from.split('.')) as string[]
  const start = `${rule.kind}:${rule.prefix ?? ''}`
  if (rule.from === '<origin>') return [start + log]
  for (const path of rule.from.split('|')) {
    const keyed = /^kid\((.+)\)$/.exec(path)
    const values = valuesAt(body, (keyed?.[1] ?? path).split('.'))
    if (values.length > 0)
      return values.map((value) => start + (keyed === null ? idText(value, rule.kind) : base64url(keyId(value as Bytes))))
  }
  return []
}

function idText(value: unknown, kind: string): string {
  if (typeof value === 'string') return value
  return kind === 'key' ? base64url(value as Bytes) : hex(value as Bytes)
}

function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  if (value === undefined) return []
  const [head, ...rest] = path
  if (head === undefined) return [value]
  const many = head.endsWith('[]')
  const inner = (value as Record<string, unknown>)[many ? head.slice(0, -2) : head]
  if (!many) return valuesAt(inner, rest)
  return Array.isArray(inner) ? inner.flatMap((item) => valuesAt(item, rest)) : []
}

/** The body as people read and write it: open fields in place. `sealed` keeps the digests. */
export function bodyToJson(type: RecordType, body: Body): { [name: string]: Json } {
  const { type: name, v, ...rest } = body
  return { type: name as string, v: v as number, ...membersToJson(type.members, rest) }
}

/** Open fields of a typed-in record; `type`, `v` and `sealed` are the caller's. Throws FIELD_*. */
export function openFromJson(type: RecordType, value: { [name: string]: unknown }): Record<string, unknown> {
  return membersFromJson(type.members, value) as Record<string, unknown>
}

/** An example that `submit` accepts: required members only, the fields to seal under `sealed`. */
export function exampleRecord(type: RecordType): { [name: string]: Json } {
  const { sealed: _, ...members } = type.members
  const sealed = Object.values(type.sealed).some(({ required }) => required) ? exampleOf(type.sealed) : {}
  return {
    type: type.type,
    ...exampleOf(members),
    ...type.example,
    ...(Object.keys(sealed).length > 0 ? { sealed } : {})
  }
}

/** How the published catalogue describes the type. */
export function describe(type: RecordType): { [name: string]: Json } {
  return {
    type: type.type,
    v: type.v,
    zh: type.zh,
    en: type.en,
    class: typeof type.class === 'string' ? type.class : [...type.class],
    writers: [...type.writers],
    ...(type.operatorOnly === undefined ? {} : { operatorOnly: true }),
    trails: type.trails.map(describeTrail),
    open: formOf(type.members) as Json,
    sealed: formOf(type.sealed) as Json
  }
}
