import { CommanderError } from 'commander'
import { CODES, LianzhengError } from '../core/errors.ts'
import { type Io, printJson } from './io.ts'

/** Says what went wrong and what to do, in the user's language, and gives the exit status. */
export function report(error: unknown, io: Io): number {
  // Help that was asked for is a success; help because something is missing is not.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const known = error instanceof LianzhengError ? error : new LianzhengError('INTERNAL', { cause: error })
  if (io.json) printJson(io, { error: known.problem() })
  else io.err(`${io.lang === 'zh' ? '错误' : 'error'} ${known.code}: ${known.text(io.lang)}\n  → ${known.advice(io.lang)}\n`)
  if (known.code === 'INTERNAL' && known.cause !== undefined)
    io.err(`${known.cause instanceof Error ? known.cause.stack : String(known.cause)}\n`)
  return CODES[known.code][1]
}
