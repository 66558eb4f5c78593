/**
 * The door: one statement, whichever surface it came by. What is taken in and not yet final gets a promise, what is refused a refusal, both signed by
 * the log (formats.md §12); the node keeps neither.
 *
 * A refusal costs one signature (40 µs, measured), a third of checking one. It is given only where the log is known: by the address it was
 * sent to, or by `aud` of a statement that decodes. What is not judged (a full or stopping node) is not refused.
 */
import { randomBytes } from 'node:crypto'
import { type Bytes, base64url } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { type Signatory, signPromise, signRefusal } from '../core/promise.ts'
import { decodeStatement } from '../core/statement.ts'
import { CATALOGUE_VERSION } from '../records/catalogue.ts'
import { checkNfc, examine, matchDisclosures } from '../verify/admit.ts'
import { isFull, type LogContext, type NodeContext } from './context.ts'

/** How long the quorum is waited for (api.md). Milliseconds. */
export const QUORUM_WAIT = 10_000
/**
 * A promise is for so long: cosignatures may have to be carried by hand. It cannot be broken by a node that is away, which signs no head; every head
 * that is signed later has the statement. Milliseconds.
 */
export const PROMISE_TIME = 24 * 3_600_000

export interface Submitted {
  /** 201 new, 200 there before, 202 durable and not yet final. */
  status: 200 | 201 | 202
  log: LogContext
  index: number
  leaf: Bytes
  disclosures: Bytes[]
  /** With 202. */
  promise?: Bytes
}

export interface Submission {
  statement: Bytes
  disclosures: Bytes[]
  /** Where it was sent to; without it the log is that of `aud`. */
  log?: LogContext
  /** How long to wait for the quorum, ms. */
  wait: number
}

/** Throws what `admit` throws, WRONG_LOG, OVERLOADED or STOPPING; refusals carry `refusal`, base64url. */
export async function submit(node: NodeContext, submission: Submission): Promise<Submitted> {
  try {
    return await enter(node, submission)
  } catch (error) {
    if (!(error instanceof LianzhengError) || error.httpStatus >= 500) throw error
    const log = submission.log ?? logOf(node, submission.statement)
    if (log === undefined) throw error
    const time = node.clock()
    const refusal = signRefusal(
      { digest: sha256(submission.statement), code: error.code, time, catalogue: CATALOGUE_VERSION },
      signatory(log)
    )
    throw new LianzhengError(error.code, { ...error.detail, refusal: base64url(refusal) })
  }
}

async function enter(node: NodeContext, { statement: bytes, disclosures, log: sentTo, wait }: Submission): Promise<Submitted> {
  const hindrance = node.hindrance()
  if (hindrance !== undefined) throw new LianzhengError(hindrance)
  requireRoom(node, bytes, sentTo)
  const examined = examine(bytes)
  if (examined.kind === 'seal') throw new LianzhengError('SEAL_NOT_ACCEPTED')
  checkNfc(examined, matchDisclosures(examined, disclosures))
  const { statement } = examined
  const log = [...node.logs.values()].find(({ keys }) => keys.origin === statement.aud)
  if (log === undefined || (sentTo !== undefined && sentTo !== log)) {
    const logs = sentTo === undefined ? [...node.logs.values()] : [sentTo]
    throw new LianzhengError('WRONG_LOG', { field: 'aud', expected: logs.map(({ keys }) => keys.origin).join(' | ') })
  }
  const { index, fresh } = await log.sequencer.submit(examined, disclosures)
  const placed = { log, index, leaf: statement.leaf, disclosures }
  const final = await log.finality.wait(index, wait)
  await node.readable() // The answer is read from the store.
  if (final) return { ...placed, status: fresh ? 201 : 200 }
  const time = node.clock()
  const promise = signPromise({ leaf: statement.leaf, time, by: time + PROMISE_TIME }, signatory(log))
  return { ...placed, status: 202, promise }
}

/** A full log examines nothing; the others go on. Throws `OVERLOADED`. */
function requireRoom(node: NodeContext, bytes: Bytes, sentTo: LogContext | undefined): void {
  if (![...node.logs.values()].some((log) => isFull(node, log))) return
  const log = sentTo ?? logOf(node, bytes)
  if (log !== undefined && isFull(node, log)) throw new LianzhengError('OVERLOADED')
}

function logOf(node: NodeContext, bytes: Bytes): LogContext | undefined {
  try {
    const { aud } = decodeStatement(bytes)
    return [...node.logs.values()].find(({ keys }) => keys.origin === aud)
  } catch {
    return undefined
  }
}

function signatory({ keys, ledger }: LogContext): Signatory {
  return { origin: keys.origin, operator: ledger.meta!.operator, signer: keys.promise, cti: new Uint8Array(randomBytes(16)) }
}
