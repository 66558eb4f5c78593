/** A network of one court node in a directory of its own, and its node as a process, started as people start it. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { MAIN } from './built.ts'

export async function initNetwork(directory: string): Promise<string> {
  execFileSync(process.execPath, [MAIN, 'network', 'init', directory, '--port', String(await freePort())])
  return directory
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export interface Server {
  url: string
  /** Resident memory now and at the most, bytes; undefined where this system does not tell. */
  rss(): number | undefined
  peak(): number | undefined
  stop(): Promise<void>
}

/** Resolves when the node says that it is ready. */
export async function startServer(network: string): Promise<Server> {
  // Its log goes where an operator's would: into a file.
  const log = openSync(join(network, 'node.log'), 'a')
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', join(network, 'court.yaml')], {
    stdio: ['ignore', 'pipe', log]
  })
  closeSync(log)
  const ended = once(child, 'exit')
  const first = await Promise.race([once(child.stdout!, 'data'), ended])
  if (child.exitCode !== null)
    throw new Error(`the node ended with ${child.exitCode}: ${readFileSync(join(network, 'node.log'), 'utf8').slice(-2_000)}`)
  const { url } = JSON.parse(String(first[0])) as { url: string }
  return {
    url,
    rss: () => rssOf(child.pid!),
    peak: () => peakOf(child.pid!),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    }
  }
}

/** Resident memory of a process now, and the most it has had. */
const rssOf = (pid: number): number | undefined => statusOf(pid, /^VmRSS:\s*(\d+) kB$/m)
export const peakOf = (pid: number): number | undefined => statusOf(pid, /^VmHWM:\s*(\d+) kB$/m)

function statusOf(pid: number, line: RegExp): number | undefined {
  try {
    const kilobytes = line.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined
  }
}

/** Bytes of all files under a directory. */
export function filesUnder(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
