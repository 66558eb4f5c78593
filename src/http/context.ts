/** What the HTTP surface is given: the node's logs and a few facts. Everything is injected; nothing here opens or owns anything. */
import { LianzhengError } from '../core/errors.ts'
import type { LogKeys } from '../log/head.ts'
import type { Ledger } from '../log/ledger.ts'
import type { Reader } from '../log/reader.ts'
import type { Sequencer } from '../log/sequencer.ts'
import type { Witness } from '../peer/witness.ts'

export interface LogContext {
  name: string
  classes: readonly string[]
  keys: LogKeys
  ledger: Ledger
  sequencer: Sequencer
  reader: Reader
}

export interface NodeStatus {
  /** Bytes free where the data directory is. */
  diskFree: number | undefined
  ready: boolean
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
  /** Milliseconds since 1970. */
  clock(): number
  limits: { bodyBytes: number }
  status(): NodeStatus
  /** Something failed that is no one's request: for the operator's log, never with content. */
  onError(error: unknown): void
}

/** Throws `LOG_UNKNOWN`. Which logs a node has is public. */
export function findLog(node: NodeContext, name: string): LogContext {
  const log = node.logs.get(name)
  if (log === undefined) throw new LianzhengError('LOG_UNKNOWN', { expected: [...node.logs.keys()].join(' | ') })
  return log
}
