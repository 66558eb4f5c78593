/**
 * The vocabulary that record schemas are written in. A field knows four things: the shape of its decoded CBOR value, its JSON form
 * (digests of files in hex, other bytes in base64url: api.md), how it is described in the published catalogue, and an example.
 */
import * as z from 'zod/mini'
import { base64url, fromBase64url, fromHex, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import {
  CASE_NUMBER,
  COURT_CODE,
  EVIDENCE_ID,
  isTrailName,
  NAME,
  ORGANISATION,
  SOURCE_ID,
  STAFF_CODE,
  TRAIL_KINDS
} from './ids.ts'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

export interface Field {
  /** Accepts the decoded value. */
  readonly schema: z.ZodMiniType
  /** How the published catalogue describes it. */
  readonly form: Json
  readonly example: Json
  toJson(value: unknown): Json
  /** Throws `FIELD_INVALID` for a value that has no place in the schema; what it returns is still validated. */
  fromJson(value: unknown): unknown
}

function plain(schema: z.ZodMiniType, form: Json, example: Json): Field {
  return { schema, form, example, toJson: (value) => value as Json, fromJson: (value) => value }
}

function matching(pattern: RegExp, form: string, example: string): Field {
  return plain(z.string().check(z.regex(pattern)), form, example)
}

/** Free text: 1 to `max` characters, no control characters but line feed and tab. */
export function text(max: number, example: string): Field {
  const schema = z.string().check(
    z.minLength(1),
    z.maxLength(max),
    z.refine((value: string) => !/[\u0000-\u0008\u000b-\u001f\u007f]/.test(value))
  )
  return plain(schema, { text: max }, example)
}

/** A code of a versioned table, such as `M05` or `一审`. */
export function code(example: string): Field {
  return matching(/^[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff._-]{0,39}$/u, 'code', example)
}

export function oneOf(...values: [string, ...string[]]): Field {
  return plain(z.enum(values), { oneOf: values }, values[0])
}

export function integer(min: number, max: number, example: number): Field {
  return plain(z.int().check(z.gte(min), z.lte(max)), { integer: [min, max] }, example)
}

export const boolean: Field = plain(z.boolean(), 'boolean', false)
export const caseNumber = matching(CASE_NUMBER, 'case number', '（2020）粤01民初123号')
export const courtCode = matching(COURT_CODE, 'court code', '粤01')
export const staffCode = matching(STAFF_CODE, 'staff code', '粤01-R0201')
export const evidenceId = matching(EVIDENCE_ID, 'evidence id', '粤01-20200826-abcdefghijkl')
export const listId = matching(EVIDENCE_ID, 'list id', '粤01-20200826-listaaaaaaaa')
export const organisation = matching(ORGANISATION, 'organisation code', 'gz-court')
export const mediaType = matching(/^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,100}$/, 'media type', 'application/pdf')
export const sourceId = matching(SOURCE_ID, 'source id', 'gz-case-system')
export const firmId = matching(TRAIL_KINDS.firm!.id, 'firm id', '~MDEyMzQ1Njc4OWFiY2RlZg')
export const opaqueEntry = matching(/^[A-Za-z0-9~_-]{1,64}$/, 'entry id', 'entry-0001')

function isRealDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return day <= [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]!
}

/** `YYYY-MM-DDTHH:MM:SS[.d{1,3}]±HH:MM`, a real date, no `Z`, seconds at most 59 (formats.md §4). */
export function isTime(value: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,3})?[+-](\d{2}):(\d{2})$/.exec(value)
  if (match === null) return false
  const [year, month, day, hour, minute, second, offsetHour, offsetMinute] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number
  ]
  return isRealDate(year, month, day) && hour <= 23 && minute <= 59 && second <= 59 && offsetHour <= 23 && offsetMinute <= 59
}

export const time: Field = plain(z.string().check(z.refine(isTime)), 'time with offset', '2020-08-26T09:00:00+08:00')

function isDate(value: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value)
  return match !== null && isRealDate(Number(match[1]), Number(match[2]), Number(match[3]))
}
export const date: Field = plain(z.string().check(z.refine(isDate)), 'date', '2020-08-26')

function bytes(length: number, textForm: 'hex' | 'base64url', example: Json): Field {
  const read = textForm === 'hex' ? fromHex : fromBase64url
  const write = textForm === 'hex' ? hex : base64url
  return {
    schema: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length),
    form: { bytes: length, json: textForm },
    example,
    toJson: (value) => write(value as Uint8Array),
    fromJson: (value) => {
      if (typeof value !== 'string') throw new LianzhengError('FIELD_INVALID', { expected: `${length} bytes in ${textForm}` })
      return read(value, length)
    }
  }
}

/** Bytes of no fixed length, such as a certificate in DER; base64url in JSON. */
export function byteString(max: number): Field {
  return {
    schema: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length >= 1 && value.length <= max),
    form: { bytesUpTo: max, json: 'base64url' },
    example: 'MAA',
    toJson: (value) => base64url(value as Uint8Array),
    fromJson: (value) => {
      if (typeof value !== 'string') throw new LianzhengError('FIELD_INVALID', { expected: `at most ${max} bytes in base64url` })
      return fromBase64url(value)
    }
  }
}

/** SHA-256 or SM3 of a file: 32 bytes, hex in JSON. */
export const fileDigest = bytes(32, 'hex', '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae')
/** A leaf hash, a key, a key id: 32 bytes, base64url in JSON. */
export const bytes32 = bytes(32, 'base64url', '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo')

/** A name of a log: `<node>/<log>`. */
export const origin: Field = plain(
  z.string().check(z.regex(new RegExp(`^${NAME}$`)), z.maxLength(200)),
  'origin',
  'court.example/evidence'
)

export const trailName: Field = plain(z.string().check(z.refine(isTrailName)), 'trail name', 'power:粤01-R0001')

/** A text of several lines, such as a policy. */
export const document: Field = plain(z.string().check(z.minLength(1), z.maxLength(20_000)), { text: 20_000 }, 'quorum none\n')

export function list(of: Field, min: number, max: number): Field {
  return {
    schema: z.array(of.schema).check(z.minLength(min), z.maxLength(max)),
    form: { list: of.form, min, max },
    example: [of.example],
    toJson: (value) => (value as unknown[]).map((item) => of.toJson(item)),
    fromJson: (value) => (Array.isArray(value) ? value.map((item, i) => at(`[${i}]`, () => of.fromJson(item))) : value)
  }
}

export interface Member {
  field: Field
  required: boolean
}
export type Members = Readonly<Record<string, Member>>

export function required(field: Field, example?: Json): Member {
  return { field: example === undefined ? field : { ...field, example }, required: true }
}
export function optional(field: Field, example?: Json): Member {
  return { field: example === undefined ? field : { ...field, example }, required: false }
}

/** zod takes a byte string for an object; an empty one would pass for an object without members. */
const notBytes = z.custom<unknown>((value) => !(value instanceof Uint8Array))

/** A strict object: unknown members are refused, and so is one without members (absent is absent). */
export function object(members: Members): Field {
  const shape: Record<string, z.ZodMiniType> = {}
  for (const [name, member] of Object.entries(members))
    shape[name] = member.required ? member.field.schema : z.optional(member.field.schema)
  return {
    schema: z.pipe(notBytes, z.strictObject(shape).check(z.refine((value) => Object.keys(value).length > 0))),
    form: formOf(members),
    example: exampleOf(members),
    toJson: (value) => membersToJson(members, value as Record<string, unknown>),
    fromJson: (value) => membersFromJson(members, value)
  }
}

/** A file named by its digest, in a record that is about something else. */
export const fileReference = object({
  sha256: required(fileDigest),
  sm3: optional(fileDigest),
  size: optional(integer(0, Number.MAX_SAFE_INTEGER, 13)),
  mime: optional(mediaType)
})

export function formOf(members: Members): Json {
  return Object.fromEntries(
    Object.entries(members).map(([name, member]) => [member.required ? name : `${name}?`, member.field.form])
  )
}

/** The required members; where there are none, the first. */
export function exampleOf(members: Members): { [name: string]: Json } {
  const all = Object.entries(members)
  const some = all.some(([, { required }]) => required) ? all.filter(([, { required }]) => required) : all.slice(0, 1)
  return Object.fromEntries(some.map(([name, { field }]) => [name, field.example]))
}

export function membersToJson(members: Members, value: Record<string, unknown>): { [name: string]: Json } {
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, members[name]!.field.toJson(inner)]))
}

/** Unknown members are passed on as they are: the schema refuses them by name. */
export function membersFromJson(members: Members, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  // `fromEntries` and not assignment: a member called `__proto__` is to be refused like any other unknown one.
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      const member = Object.hasOwn(members, name) ? members[name] : undefined
      return [name, member === undefined ? inner : at(name, () => member.field.fromJson(inner))]
    })
  )
}

function at<T>(field: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof LianzhengError) throw new LianzhengError('FIELD_INVALID', error.detail).within(field)
    throw error
  }
}

/** Validates and translates the first problem into a stable code with the path of the field. */
export function check(schema: z.ZodMiniType, value: unknown, prefix = ''): void {
  const result = z.safeParse(schema, value)
  if (result.success) return
  const issue = result.error.issues[0]!
  const path = issue.path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`),
    ''
  )
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0]!
    throw new LianzhengError('FIELD_UNKNOWN', { field: prefix + (path === '' ? unknown : `${path}.${unknown}`) })
  }
  const missing = issue.path.length > 0 && lookUp(value, issue.path) === undefined
  throw new LianzhengError(missing ? 'FIELD_MISSING' : 'FIELD_INVALID', { field: prefix + path })
}

function lookUp(value: unknown, path: readonly PropertyKey[]): unknown {
  let inner: unknown = value
  for (const part of path)
    inner = typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[part] : undefined
  return inner
}
