/** The rule of `records/visibility` for one caller and one log, with what the log itself says of the caller's part in a case. */
import type { Request } from 'express'
import { type Bytes, base64url, fromBase64url } from '../core/bytes.ts'
import type { Statement } from '../core/statement.ts'
import type { MaySee } from '../log/reader.ts'
import { attached, opened } from '../log/ties.ts'
import { recordType } from '../records/catalogue.ts'
import { type Caller, mayReadRecord, mayReadTrail, type RecordFacts, tieOf } from '../records/visibility.ts'
import { ofFields } from '../verify/disclose.ts'
import type { LogContext, NodeContext } from './context.ts'
import { callerOf, type Registrar } from './middleware/caller.ts'

async function isTied({ ledger, reader }: LogContext, caller: Caller | undefined, trail: string): Promise<boolean> {
  const tie = tieOf(caller, trail)
  if (tie === undefined) return false
  const kid = fromBase64url(caller!.kid)
  return tie === 'opened' ? opened(reader, trail, kid) : attached(ledger, reader, trail, kid)
}

export async function mayHaveTrail(log: LogContext, caller: Caller | undefined, trail: string): Promise<boolean> {
  return mayReadTrail(caller, trail) || mayReadTrail(caller, trail, await isTied(log, caller, trail))
}

export async function mayHaveRecord(log: LogContext, caller: Caller | undefined, facts: RecordFacts): Promise<boolean> {
  if (mayReadRecord(caller, facts)) return true
  for (const trail of facts.trails) if ((await isTied(log, caller, trail)) && mayReadRecord(caller, facts, [trail])) return true
  return false
}

export function factsOf(statement: Statement): RecordFacts {
  const type = recordType(statement.body.get('type') as string, statement.body.get('v') as number)
  return { type, trails: statement.trails, kid: base64url(statement.kid) }
}

/**
 * Leaves a record of a restricted read, durable before anything is answered; where it cannot, the read is refused. Whoever has no staff code reads only
 * what is their own, and leaves none. Throws `READ_NOT_RECORDED`, or what passes: `OVERLOADED`, `STOPPING`, `DISK_FULL`.
 */
export async function recordRead(
  node: NodeContext,
  request: Request,
  log: LogContext | Registrar,
  what: { trail: string } | { leaf: Bytes }
): Promise<void> {
  const reader = callerOf(request, log)?.staff
  if (reader === undefined) return
  await node.reads.record(reader, what)
  await node.readable() // Its log may have been opened again meanwhile.
}

/** Of what the caller may see, the fields asked for; all of it where none were named. */
export function asAsked(fields: readonly string[] | undefined, maySee: MaySee): MaySee {
  return fields === undefined ? maySee : (statement, disclosures) => ofFields(maySee(statement, disclosures), fields)
}
