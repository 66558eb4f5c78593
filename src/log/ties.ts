/**
 * What a log itself says of a key's part in a case (`records/visibility`): bounded look-ups in what is published, none of which takes longer because
 * somebody else has filed something.
 */
import { type Bytes, equalBytes } from '../core/bytes.ts'
import type { Ledger } from './ledger.ts'
import type { Reader } from './reader.ts'

/** Statements of a key that are looked through for what it opened. */
const OWN = 1_000
/** Members of a trail that are looked through for an attachment. */
const MEMBERS = 200

const OPENABLE = /^(?:evidence|list):/
const ATTACHED = 'evidence.attach'

/** Did the key sign the first record of the trail? */
export function opened(reader: Reader, trail: string, kid: Bytes): boolean {
  const [first] = reader.memberIndexes(trail, 1)
  return first !== undefined && equalBytes(reader.statement(first).kid, kid)
}

/** Has the court attached to this case a piece of evidence, or a list, whose trail the key opened? Only clerks write attachments. */
export async function attached(ledger: Ledger, reader: Reader, trail: string, kid: Bytes): Promise<boolean> {
  const { size } = reader.published()
  const looked = new Set<string>()
  for await (const index of ledger.indexesBy(kid, OWN)) {
    if (index >= size) continue
    const statement = reader.statement(index)
    if (statement.kind !== 'record') continue
    for (const own of statement.trails) {
      if (looked.has(own) || !OPENABLE.test(own)) continue
      looked.add(own)
      if (opened(reader, own, kid) && reader.memberIndexes(own, MEMBERS).some((member) => attaches(reader, member, trail)))
        return true
    }
  }
  return false
}

function attaches(reader: Reader, index: number, trail: string): boolean {
  const statement = reader.statement(index)
  return statement.body.get('type') === ATTACHED && statement.kind === 'record' && statement.trails.includes(trail)
}
