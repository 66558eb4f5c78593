/** What the HTTP surface is given: the node's logs and a few facts. Everything is injected; nothing here opens or owns anything. */
import type { Bytes } from '../core/bytes.ts'
import { type Code, LianzhengError } from '../core/errors.ts'
import type { Finality } from '../log/finality.ts'
import type { LogKeys } from '../log/head.ts'
import type { Ledger } from '../log/ledger.ts'
import type { Reader } from '../log/reader.ts'
import type { Sequencer } from '../log/sequencer.ts'
import type { Mirror } from '../peer/mirror.ts'
import type { Push } from '../peer/push.ts'
import type { Witness } from '../peer/witness.ts'
import type { VerificationJob } from './verification.ts'

/** A log that is opened again in place gets another ledger, sequencer and reader: they are asked for each time they are used. */
export interface LogContext {
  readonly name: string
  readonly classes: readonly string[]
  readonly keys: LogKeys
  readonly ledger: Ledger
  readonly sequencer: Sequencer
  readonly reader: Reader
  readonly finality: Finality
  /** Undefined where the log has no peers. */
  readonly push?: Push | undefined
}

/** One request as the operator's log and the metrics see it. */
export interface SeenRequest {
  /** As in `X-Request-Id`. */
  id: string
  method: string
  /** The pattern of the path, never the path: trail names hold case numbers and staff codes. */
  route: string
  status: number
  ms: number
  /** Of a refusal. */
  code?: Code
  /** The caller hung up before the answer was out. */
  aborted?: true
}

export interface Limits {
  /** Of one request's body, and of all bodies at a time. */
  bodyBytes: number
  bodiesBytes: number
  /** Records waiting in one log. */
  waiting: number
  eventClients: number
  /** Milliseconds between signs of life in an event stream. */
  heartbeatMs: number
}

/** Where restricted reads leave their record. */
export interface Reads {
  /** Resolves once it is durable. `reader`: a staff code. Throws `READ_NOT_RECORDED`, `OVERLOADED` or `STOPPING`. */
  record(reader: string, what: { trail: string } | { leaf: Bytes }): Promise<void>
}

export interface NodeContext {
  name: string
  version: string
  publicUrl: string
  /** Text of the policy file. */
  policy: string
  logs: ReadonlyMap<string, LogContext>
  /** Where the node watches logs of others. */
  witness?: Witness | undefined
  mirror?: Mirror | undefined
  reads: Reads
  /** Milliseconds since 1970. */
  clock(): number
  limits: Limits
  /** Why the node takes no records now, if it does not. */
  hindrance(): 'DISK_FULL' | 'STOPPING' | undefined
  /** Bytes free where the data directory is. */
  diskFree(): number | undefined
  /** Whoever reads a store waits for this first, and then reads without waiting for anything else. Throws `DISK_FULL`. */
  readable(): Promise<void> | undefined
  /** Seconds after which a request refused with this code (503) is worth trying again. */
  retryAfter(code: Code): number
  /** Calls the listener after each published head. */
  onPublished(listener: () => void): void
  /** Aborted when the last records of a stopping node are answered. */
  closing: AbortSignal
  onRequest(seen: SeenRequest): void
  /** Every refusal, those inside an array of records too. */
  onRefused(code: Code): void
  onEventClient(change: 1 | -1): void
  /** The offline verifier, beside the thread that serves: a report as JSON. Throws as `verification` does, or `OVERLOADED`. */
  verify(job: VerificationJob): Promise<string>
  /** In the text format of Prometheus. */
  metrics(): Promise<{ type: string; text: string }>
  /** Something failed that is no one's request: for the operator's log, never with content. */
  onError(error: unknown): void
}

/** Has the log as many records under way as it may? */
export function isFull({ limits }: NodeContext, { sequencer }: LogContext): boolean {
  return sequencer.pool.underway >= limits.waiting
}

/** Throws `LOG_UNKNOWN`. Which logs a node has is public. */
export function findLog(node: NodeContext, name: string): LogContext {
  const log = node.logs.get(name)
  if (log === undefined) throw new LianzhengError('LOG_UNKNOWN', { expected: [...node.logs.keys()].join(' | ') })
  return log
}
