/** A million hostile inputs for every reader, in processes that may die or hang without taking the run with them. */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { hostileRequests } from '../../test/helpers/hostile-http.ts'
import type { Attacked } from '../../test/helpers/hostile-run.ts'
import { hostileTargets } from '../../test/helpers/hostile-targets.ts'

const CHILD = fileURLToPath(new URL('hostile.ts', import.meta.url))
/** A process reads so many inputs and makes place for the next. */
const SHARE = 100_000
/** Milliseconds without a sign of progress after which a child hangs. */
const SILENCE = 120_000

export async function fuzz(
  inputs: number,
  seed: string,
  say: (text: string) => void
): Promise<{ [what: string]: string | number }> {
  const requests = await hostileRequests()
  const targets = [...(await hostileTargets()), ...requests.targets].map(({ name }) => name)
  await requests.close()
  const faults: string[] = []
  let [read, refused] = [0, 0]
  let slowest = { ms: 0, where: '' }
  const queue = targets.values()

  async function work(): Promise<void> {
    for (const name of queue) {
      const start = performance.now()
      const found: string[] = []
      for (let from = 0; from < inputs && found.length === 0; from += SHARE) {
        const outcome = await share(name, seed, from, Math.min(inputs, from + SHARE))
        if (typeof outcome === 'string') {
          found.push(`${name}: ${outcome}`)
          break
        }
        read += outcome.read
        refused += outcome.refused
        if (outcome.slowest.ms > slowest.ms) slowest = { ms: outcome.slowest.ms, where: `${name} #${outcome.slowest.n}` }
        found.push(...outcome.faults.map(({ n, why, input }) => `${name} #${n}: ${why} (${input})`))
      }
      faults.push(...found)
      say(`  ${name}: ${found[0] ?? `${inputs} inputs`} (${Math.round((performance.now() - start) / 1000)} s)`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  if (faults.length > 0) throw new Error(`seed ${seed}: ${faults.slice(0, 10).join('; ')}`)
  return {
    readers: targets.length,
    'inputs each': inputs,
    'refused by a code': refused,
    'read, nothing false believed': read,
    'slowest input': `${Math.round(slowest.ms)} ms (${slowest.where})`
  }
}

/** What came of it, or how the child ended. */
function share(name: string, seed: string, from: number, to: number): Promise<Attacked | string> {
  const child = fork(CHILD, [name, seed, String(from), String(to)], { execArgv: process.execArgv })
  return new Promise((resolve) => {
    let at = from
    let attacked: Attacked | undefined
    const silent = () => {
      child.kill('SIGKILL')
      resolve(`no progress after input ${at}`)
    }
    let timer = setTimeout(silent, SILENCE)
    child.on('message', (message: { at?: number; attacked?: Attacked }) => {
      clearTimeout(timer)
      timer = setTimeout(silent, SILENCE)
      at = message.at ?? at
      attacked = message.attacked ?? attacked
    })
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      resolve(code === 0 && attacked !== undefined ? attacked : `the process ended with ${code ?? signal} after input ${at}`)
    })
  })
}
