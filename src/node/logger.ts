/**
 * The operator's log: one JSON object a line. It says what happened and to which request, never what was in it: no bodies, no trail names (they
 * hold case numbers and staff codes), no tokens, no addresses of callers.
 */
import { type Logger, pino } from 'pino'
import { LianzhengError } from '../core/errors.ts'
import type { LEVELS } from './config.ts'

export type { Logger }

export function createLogger(level: (typeof LEVELS)[number], write: (line: string) => void): Logger {
  const options = {
    level,
    base: null,
    messageKey: 'event',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) }
  }
  return pino(options, { write })
}

/** What may be said of an error that nobody foresaw: its kind and where it came from. Its message may quote what it stumbled on. */
export function factsOf(error: unknown): { code: string; cause?: string; stack?: string[] } {
  const known = error instanceof LianzhengError ? error : undefined
  const root = known === undefined ? error : known.cause
  if (!(root instanceof Error)) return { code: known?.code ?? 'INTERNAL' }
  const stack = (root.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const system = (root as NodeJS.ErrnoException).code
  return {
    code: known?.code ?? 'INTERNAL',
    cause: typeof system === 'string' ? `${root.name} ${system}` : root.name,
    stack: stack.map((line) => line.trim())
  }
}
