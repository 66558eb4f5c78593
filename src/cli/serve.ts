/** `serve`: one node, all its logs, until SIGTERM or SIGINT. */
import { type NodeConfig, readConfig } from '../node/config.ts'
import { startNode } from '../node/node.ts'
import type { Io } from './io.ts'
import { report } from './report.ts'

export async function run(args: { config: string }, io: Io): Promise<number> {
  const config = readConfig(args.config)
  // Heard from the start: asked to stop while it starts, a node stops as soon as it stands.
  let ask = () => {}
  const asked = new Promise<void>((resolve) => {
    ask = resolve
  })
  process.once('SIGTERM', ask)
  process.once('SIGINT', ask)
  try {
    return await serve(config, asked, io)
  } finally {
    process.off('SIGTERM', ask)
    process.off('SIGINT', ask)
  }
}

async function serve(config: NodeConfig, asked: Promise<void>, io: Io): Promise<number> {
  const node = await startNode(config, {
    onFatal: (error) => {
      report(error, io)
      // Nothing more may be written or signed: the process ends here, and start-up decides what holds.
      process.exit(3)
    },
    writeLog: (line) => io.err(line)
  })
  io.out(`${JSON.stringify({ event: 'ready', url: node.url, logs: node.logs })}\n`)
  await asked
  try {
    await node.stop()
    return 0
  } catch (error) {
    return report(error, io)
  }
}
