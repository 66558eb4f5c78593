/** The list or piece of evidence that an act at the counter is about, as its trail shows it. */
import { LianzhengError } from '../core/errors.ts'
import { EVIDENCE_ID } from '../records/ids.ts'
import type { ShownRecord } from '../verify/shown.ts'
import { type Io, words } from './io.ts'
import type { Session } from './session.ts'

export interface Subject {
  kind: 'list' | 'evidence'
  id: string
  court: string
  /** Of the log it is in. */
  origin: string
  /** Everything on its trail. */
  entries: ShownRecord[]
}

/** Lists and pieces have numbers of one form: the trails say which it is. Throws `ENTRY_UNKNOWN` for what has none. */
export async function subjectOf(id: string, session: Session, io: Io): Promise<Subject> {
  if (!EVIDENCE_ID.test(id))
    throw new LianzhengError('USAGE', {
      at: id,
      expected: words(
        io,
        '清单或证据的编号，如 粤01-20200826-abcdefghijkl',
        'the number of a list or a piece, e.g. 粤01-20200826-abcdefghijkl'
      )
    })
  for (const kind of ['list', 'evidence'] as const) {
    const { report } = await session.client.trail(`${kind}:${id}`, session.policy)
    if (report.overall === 'broken')
      throw new LianzhengError('ANSWER_INVALID', { field: 'trail', expected: 'a trail that verifies' })
    const log = report.logs.find(({ entries }) => entries.length > 0)
    if (log !== undefined) return { kind, id, court: id.slice(0, id.indexOf('-')), origin: log.origin, entries: log.entries }
  }
  throw new LianzhengError('ENTRY_UNKNOWN', { at: id })
}

/** The last record of a type on its trail. */
export function lastOf({ entries }: Subject, type: string): ShownRecord | undefined {
  return entries.findLast((entry) => entry.type === type)
}
