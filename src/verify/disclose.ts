/**
 * Selective disclosure: the same receipt or certificate with some of its disclosures taken out. Nothing signed or hashed changes, so what is left verifies
 * as before, and the fields taken out are said to be withheld (formats.md §9, §10). Needs no node.
 */
import type { Bytes } from '../core/bytes.ts'
import { decodeDisclosure } from '../core/disclosure.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Certificate, Receipt } from './files.ts'

/** Those of the disclosures that are of these fields. */
export function ofFields(disclosures: readonly Bytes[], fields: readonly string[]): Bytes[] {
  return disclosures.filter((one) => fields.includes(decodeDisclosure(one).name))
}

/** The receipt with these fields disclosed and no others. Throws `FIELD_UNKNOWN` for one that it does not disclose, or DISCLOSURE_INVALID. */
export function discloseReceipt(receipt: Receipt, fields: readonly string[]): Receipt {
  requireDisclosed(receipt.disclosures, fields)
  // A summary may say in words what is taken out.
  const { summary: _, ...rest } = receipt
  return { ...rest, disclosures: ofFields(receipt.disclosures, fields) }
}

/** The certificate with these fields of its entries disclosed and no others. Throws as `discloseReceipt`. */
export function discloseCertificate({ trail, parts }: Certificate, fields: readonly string[]): Certificate {
  requireDisclosed(
    parts.flatMap(({ entries }) => entries.flatMap(({ disclosures }) => disclosures)),
    fields
  )
  return {
    trail,
    parts: parts.map((part) => ({
      ...part,
      entries: part.entries.map((entry) => ({ ...entry, disclosures: ofFields(entry.disclosures, fields) }))
    }))
  }
}

function requireDisclosed(disclosures: readonly Bytes[], fields: readonly string[]): void {
  const names = [...new Set(disclosures.map((one) => decodeDisclosure(one).name))]
  const stray = fields.find((name) => !names.includes(name))
  if (stray !== undefined)
    throw new LianzhengError('FIELD_UNKNOWN', { field: stray, expected: names.join(' | ') || 'none: nothing is disclosed' })
}
