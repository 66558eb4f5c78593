/**
 * Stores written by released versions (`test/fixtures/stores/<version>/`): how they are described, so that the script that writes one and the
 * test that opens all of them say the same.
 *
 *   data/                the LevelDB directory
 *   expected.json        what it holds, as `describeStore` gives it
 *   receipt.json         files the version handed out
 *   certificate.json
 */
import { type Bytes, concat, hex, utf8 } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/hash.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { formatCertificate, formatReceipt } from '../../src/verify/files.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { all, type Lab } from './lab.ts'

/** Digests are SHA-256, in hex; so are roots. */
export interface StoreDescription {
  /** Node secret and random bytes come of it; nothing here is secret. */
  seed: string
  origin: string
  /** Milliseconds since 1970 when the store was closed. */
  now: number
  policy: string
  head: { size: number; root: string; height: number; time: number; trails: number; map: string }
  /** The published checkpoint. */
  note: string
  /** How many disclosures there are, and the digest of all of them in log order. */
  disclosures: { count: number; digest: string }
  /** A key that was registered and revoked. */
  revoked: string
  receipts: { index: number; digest: string }[]
  /** The last trail was never filed under. */
  trails: { name: string; count: number; digest: string }[]
}

export interface Asked {
  receipts: readonly number[]
  trails: readonly string[]
}

export const receiptText = (lab: Lab, index: number): string => formatReceipt(lab.reader.receipt(index, all))
export const certificateText = (lab: Lab, trail: string): string =>
  formatCertificate({ trail, parts: [lab.reader.trailPart(trail, all)] })

const digestOf = (text: string): string => hex(sha256(utf8(text)))

/** What is in a store; throws where a receipt or certificate out of it does not verify. */
export function describeStore(
  lab: Lab,
  { receipts, trails }: Asked,
  policy: string
): Pick<StoreDescription, 'head' | 'note' | 'disclosures' | 'receipts' | 'trails'> {
  const { size, root, seal } = lab.sequencer.head
  const { height, time, trails: count, map } = seal!
  const disclosures: Bytes[] = []
  for (let index = 0; index < size; index++) disclosures.push(...lab.reader.disclosures(index))
  const verified = (name: string | number, overall: string) => {
    if (overall !== 'verified') throw new Error(`${name}: ${overall}`)
  }
  return {
    head: { size, root: hex(root), height, time, trails: count, map: hex(map) },
    note: lab.reader.published().note,
    disclosures: { count: disclosures.length, digest: hex(sha256(concat(...disclosures))) },
    receipts: receipts.map((index) => {
      const text = receiptText(lab, index)
      verified(index, verifyReceipt(text, parsePolicy(policy)).overall)
      return { index, digest: digestOf(text) }
    }),
    trails: trails.map((name) => {
      const text = certificateText(lab, name)
      const report = verifyCertificate(text, parsePolicy(policy))
      verified(name, report.overall)
      return { name, count: report.logs[0]!.count, digest: digestOf(text) }
    })
  }
}
