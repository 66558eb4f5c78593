/**
 * Erasure (formats.md §4, PIPL art. 47): what `body.erased`, once it has taken effect (`verify/about`), leaves of a record's disclosures. The statement
 * stays, with the digest of the field, and every proof with it.
 *
 *   in the batch that seals `body.erased`    the rest sealed anew under a key of its own, in place of the old value; what was asked; what is to be purged
 *   after it, before the answer              the old value purged from the files (`Store.purge`), then struck off the list; a start goes on with the list
 *
 * A field that was erased is not taken in again. Copies of the store made before still hold it: they are to be destroyed too.
 */
import { type Bytes, equalBytes } from '../core/bytes.ts'
import { decodeDisclosure } from '../core/disclosure.ts'
import type { DisclosureCipher } from '../store/disclosures.ts'
import { disclosuresKey, erasedKey, PURGE_KEY } from '../store/layout.ts'
import { put, remove, type Write } from '../store/store.ts'
import { encodeValue } from '../store/values.ts'
import { needsDiscipline, spokenOf } from '../verify/about.ts'
import type { ExaminedRecord } from '../verify/admit.ts'
import type { Ledger } from './ledger.ts'

/** Fields of one record that each side has asked to erase, in the order asked. */
export interface Asked {
  own: readonly string[]
  discipline: readonly string[]
}

export const NOTHING_ASKED: Asked = { own: [], discipline: [] }

export function isErasure({ type }: ExaminedRecord): boolean {
  return type.type === 'body.erased'
}

/** What has been asked once this erasure, admitted, is in the log. */
export function askedWith(asked: Asked, erasure: ExaminedRecord, target: ExaminedRecord): Asked {
  const side = erasure.statement.iss === target.statement.iss ? 'own' : 'discipline'
  const fields = (erasure.body.fields as string[]).filter((name) => !asked[side].includes(name))
  return { ...asked, [side]: [...asked[side], ...fields] }
}

/** Fields of a record of this type that are erased. */
export function goneOf(type: string, { own, discipline }: Asked): readonly string[] {
  return needsDiscipline(type) ? own.filter((name) => discipline.includes(name)) : own
}

/** Those of the disclosures whose fields are not among these. */
export function without(disclosures: readonly Bytes[], gone: readonly string[]): readonly Bytes[] {
  return gone.length === 0 ? disclosures : disclosures.filter((one) => !gone.includes(decodeDisclosure(one).name))
}

interface Entry {
  record: ExaminedRecord
  disclosures: readonly Bytes[]
}

/**
 * A batch with its erasures carried out: what is written besides it, and the disclosures of its own entries that are left. Reads the disclosures of
 * earlier records as they stand: nobody may add to them meanwhile.
 */
export function carryOut(
  batch: readonly Entry[],
  start: number,
  ledger: Ledger,
  cipher: DisclosureCipher
): { left: (readonly Bytes[])[]; writes: Write[] } {
  const left = batch.map(({ disclosures }) => disclosures)
  const spoken = new Map<number, { target: ExaminedRecord; asked: Asked }>()
  for (const { record } of batch) {
    if (!isErasure(record)) continue
    const { leaf } = spokenOf(record)!
    const near = batch.findIndex((other) => equalBytes(other.record.statement.leaf, leaf))
    const index = near >= 0 ? start + near : ledger.indexOfLeaf(leaf)!
    const target = near >= 0 ? batch[near]!.record : ledger.earlier(leaf, start)!
    const asked = spoken.get(index)?.asked ?? ledger.asked(index)
    spoken.set(index, { target, asked: askedWith(asked, record, target) })
  }
  const writes: Write[] = []
  const purge: number[] = []
  for (const [index, { target, asked }] of spoken) {
    writes.push(put(erasedKey(index), encodeValue(asked)))
    const gone = goneOf(target.type.type, asked)
    if (index >= start) {
      left[index - start] = without(left[index - start]!, gone)
      continue
    }
    const before = ledger.disclosures(index)
    const after = without(before, gone)
    if (after.length === before.length) continue
    const key = disclosuresKey(index)
    writes.push(after.length === 0 ? remove(key) : put(key, cipher.seal(index, after)))
    purge.push(index)
  }
  if (purge.length > 0) writes.push(put(PURGE_KEY, encodeValue([...ledger.toPurge(), ...purge])))
  return { left, writes }
}
