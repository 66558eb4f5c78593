/**
 * Restricted reads, each a record of its own (records.md, `access.read`): written by the node as a system of its institution, into its own log of class
 * lead, or else internal, and durable before the reader is answered.
 */
import { randomBytes } from 'node:crypto'
import type { Bytes } from '../core/bytes.ts'
import { base64url } from '../core/bytes.ts'
import { type Code, LianzhengError } from '../core/errors.ts'
import type { Signer } from '../core/keys.ts'
import type { LogContext, Reads } from '../http/context.ts'
import { draft } from '../records/draft.ts'
import { type ExaminedRecord, examine } from '../verify/admit.ts'
import { localTime } from './network.ts'

/** Refusals that pass: whoever asks again later may have better luck. */
const PASSING: readonly string[] = ['OVERLOADED', 'STOPPING', 'DISK_FULL']

export interface ReadsOptions {
  logs: Iterable<LogContext>
  /** The node's own key for this, registered as a `system` of the operator. */
  signer: Signer
  /** Milliseconds since 1970. */
  clock(): number
  /** Why the node takes no records now, if it does not. */
  hindrance(): Code | undefined
}

export function readsOf({ logs, signer, clock, hindrance }: ReadsOptions): Reads {
  const all = [...logs]
  const log = ['lead', 'internal'].map((name) => all.find(({ classes }) => classes.includes(name))).find((one) => one)
  return {
    async record(reader: string, what: { trail: string } | { leaf: Bytes }): Promise<void> {
      const org = log?.ledger.meta?.operator
      if (log === undefined || org === undefined)
        throw new LianzhengError('READ_NOT_RECORDED', { expected: 'a log of class internal or lead on this node' })
      const hindered = hindrance()
      if (hindered !== undefined) throw new LianzhengError(hindered)
      const now = clock()
      const spoken = 'leaf' in what ? { leaf: base64url(what.leaf) } : what
      const record = { type: 'access.read', at: localTime(new Date(now)), ...spoken, reader }
      const { statement } = draft(record, {
        aud: log.keys.origin,
        author: { org, roles: ['system'], signer },
        iat: Math.floor(now / 1000),
        random: (length) => new Uint8Array(randomBytes(length))
      })
      try {
        await log.sequencer.submit(examine(statement) as ExaminedRecord, [])
      } catch (cause) {
        if (cause instanceof LianzhengError && PASSING.includes(cause.code)) throw cause
        throw new LianzhengError('READ_NOT_RECORDED', { at: log.name, cause })
      }
    }
  }
}
