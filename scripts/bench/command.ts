/** A command of the command line as a process, timed from outside. */
import { spawn } from 'node:child_process'
import { MAIN } from './built.ts'
import { peakOf } from './network.ts'

export interface Timed {
  code: number | null
  ms: number
  /** The most resident memory, looked at ten times a second; undefined where this system does not tell. */
  rss: number | undefined
  stderr: string
}

export function lianzheng(...args: string[]): Promise<Timed> {
  const start = performance.now()
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let rss: number | undefined
  const looking = setInterval(() => {
    rss = peakOf(child.pid!) ?? rss
  }, 100)
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr = (stderr + chunk).slice(-2_000)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      clearInterval(looking)
      resolve({ code, ms: performance.now() - start, rss, stderr })
    })
  })
}
