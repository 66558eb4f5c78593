/** What a verified record says, in the form people and programs read: open fields, disclosed values, and the names of fields not shown. */
import { type Bytes, base64url, hex } from '../core/bytes.ts'
import type { Disclosure } from '../core/disclosure.ts'
import type { Body } from '../records/define.ts'
import { bodyToJson } from '../records/define.ts'
import type { Json } from '../records/fields.ts'
import { type ExaminedRecord, matchDisclosures, plainValue } from './admit.ts'
import type { Steps } from './verdict.ts'

export interface ShownRecord {
  index: number
  leaf: string
  type: string
  zh: string
  en: string
  iss: string
  kid: string
  /** Seconds since 1970, as the signer claims. */
  iat: number
  trails: readonly string[]
  body: { [name: string]: Json }
  disclosed: { [name: string]: Json }
  withheld: string[]
}

export function showRecord(record: ExaminedRecord, index: number, disclosures: readonly Disclosure[]): ShownRecord {
  const { statement, type } = record
  const { sealed, ...body } = record.body as Body & { sealed?: Record<string, Bytes> }
  const disclosed: { [name: string]: Json } = {}
  for (const { name, value } of disclosures) disclosed[name] = type.sealed[name]!.field.toJson(plainValue(value))
  return {
    index,
    leaf: base64url(statement.leaf),
    type: type.type,
    zh: type.zh,
    en: type.en,
    iss: statement.iss,
    kid: base64url(statement.kid),
    iat: statement.iat,
    trails: statement.trails,
    body: bodyToJson(type, body),
    disclosed,
    withheld: Object.keys(sealed ?? {}).filter((name) => !(name in disclosed))
  }
}

/** Checks disclosures into the step of that name; those of a record that has sealed fields and shows none are said, not judged. */
export function checkDisclosures(record: ExaminedRecord, index: number, given: readonly Bytes[], steps: Steps): Disclosure[] {
  if (given.length === 0) return []
  try {
    const disclosures = matchDisclosures(record, given)
    steps.good('disclosures')
    return disclosures
  } catch (error) {
    steps.error('disclosures', error, `第 ${index} 条：`, `index ${index}: `)
    return []
  }
}

/** Every place of a body that names a file by digest: its members `sha256` and `sm3`, hex. */
export function namedDigests(body: unknown): Readonly<Record<string, string>>[] {
  const found: Record<string, string>[] = []
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
    const digests: Record<string, string> = {}
    for (const [name, inner] of Object.entries(value)) {
      if ((name === 'sha256' || name === 'sm3') && inner instanceof Uint8Array) digests[name] = hex(inner)
      else walk(inner)
    }
    if (Object.keys(digests).length > 0) found.push(digests)
  }
  walk(body)
  return found
}
