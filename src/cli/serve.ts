/** `serve`: one node, all its logs, until SIGTERM or SIGINT. */
import { LianzhengError } from '../core/errors.ts'
import { readConfig } from '../node/config.ts'
import { startNode } from '../node/node.ts'
import type { Io } from './io.ts'
import { report } from './report.ts'

export async function run(args: { config: string }, io: Io): Promise<number> {
  const config = readConfig(args.config)
  let end: (status: number) => void = () => {}
  const ended = new Promise<number>((resolve) => {
    end = resolve
  })
  const node = await startNode(config, {
    onFatal: (error) => {
      report(error, io)
      // Nothing more may be written or signed: the process ends here, and start-up decides what holds.
      process.exit(3)
    },
    onError: (error) =>
      io.err(
        `${JSON.stringify({ event: 'error', code: error instanceof LianzhengError ? error.code : 'INTERNAL', message: error instanceof Error ? error.message : String(error) })}\n`
      )
  })
  io.out(`${JSON.stringify({ event: 'ready', url: node.url, logs: node.logs })}\n`)
  const stop = () => {
    node.stop().then(
      () => end(0),
      (error: unknown) => end(report(error, io))
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  const status = await ended
  process.off('SIGTERM', stop)
  process.off('SIGINT', stop)
  return status
}
