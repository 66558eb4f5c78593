/**
 * From a record as people write it (JSON: open fields in place, fields to seal under `sealed`) to the statement and its disclosures.
 * `v`, `sub`, `trails`, `aud`, `iss` come from the type, the log and the key; what the tool fills in is checked like everything else.
 */
import type { Bytes } from '../core/bytes.ts'
import type { Encodable } from '../core/cbor.ts'
import { encodeDisclosure, SALT_SIZE } from '../core/disclosure.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Signer } from '../core/keys.ts'
import { RECORD_CONTENT, signStatement } from '../core/statement.ts'
import { checkWriter, recordType } from './catalogue.ts'
import { type Body, checkBody, openFromJson, type RecordType, trailsOf } from './define.ts'
import { check } from './fields.ts'

/** Who signs, as the registry of the log has it. */
export interface Author {
  org: string
  staff?: string | undefined
  roles: readonly string[]
  signer: Signer
}

export interface Draft {
  type: RecordType
  statement: Bytes
  disclosures: Bytes[]
  sub: string
  trails: string[]
}

export interface DraftOptions {
  /** Origin of the log it is meant for. */
  aud: string
  author: Author
  /** Seconds since 1970. */
  iat: number
  /** Fresh random bytes of a length. */
  random(length: number): Bytes
}

/** The `type` of a typed-in record; throws `FIELD_MISSING` or `TYPE_UNKNOWN`. */
export function typeOf(record: unknown): RecordType {
  const name = typeof record === 'object' && record !== null ? (record as { type?: unknown }).type : undefined
  if (typeof name !== 'string') throw new LianzhengError('FIELD_MISSING', { field: 'type' })
  return recordType(name)
}

/** Throws FIELD_*, CLASSIFIED_NOT_ACCEPTED, ROLE_NOT_PERMITTED or ACTOR_MISMATCH before anything is signed. */
export function draft(record: { [name: string]: unknown }, { aud, author, iat, random }: DraftOptions): Draft {
  // First of all: of a classified matter nothing else is looked at.
  if (record.secrecy !== undefined && record.secrecy !== '无')
    throw new LianzhengError('CLASSIFIED_NOT_ACCEPTED', { field: 'secrecy', expected: '无' })
  const type = typeOf(record)
  const { type: _, v, sealed = {}, ...open } = record
  if (v !== undefined && v !== type.v) throw new LianzhengError('TYPE_VERSION_UNKNOWN', { field: 'v', expected: String(type.v) })
  const { digests, disclosures } = seal(type, sealed, random)
  const body: Record<string, unknown> = { type: type.type, v: type.v, ...openFromJson(type, open) }
  if (author.staff !== undefined && body.actor === undefined) body.actor = author.staff
  if (Object.keys(digests).length > 0) body.sealed = digests
  checkBody(type, body as Body)
  checkWriter(type, body as Body, author)
  const { sub, trails } = trailsOf(type, body as Body, aud)
  const statement = signStatement(
    {
      contentType: RECORD_CONTENT,
      iss: author.org,
      sub,
      aud,
      iat,
      cti: random(16),
      trails,
      body: body as { [name: string]: Encodable }
    },
    author.signer
  )
  return { type, statement, disclosures, sub, trails }
}

function seal(
  type: RecordType,
  sealed: unknown,
  random: (length: number) => Bytes
): { digests: Record<string, Bytes>; disclosures: Bytes[] } {
  if (typeof sealed !== 'object' || sealed === null || Array.isArray(sealed))
    throw new LianzhengError('FIELD_INVALID', { field: 'sealed', expected: 'an object' })
  const digests: Record<string, Bytes> = {}
  const disclosures: Bytes[] = []
  for (const [name, typed] of Object.entries(sealed)) {
    const member = Object.hasOwn(type.sealed, name) ? type.sealed[name]! : undefined
    if (member === undefined) throw new LianzhengError('FIELD_UNKNOWN', { field: `sealed.${name}` })
    const value = member.field.fromJson(typed)
    check(member.field.schema, value, `sealed.${name}`)
    const { bytes, digest } = encodeDisclosure(random(SALT_SIZE), name, value as Encodable)
    digests[name] = digest
    disclosures.push(bytes)
  }
  return { digests, disclosures }
}
