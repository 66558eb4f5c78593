/** Puts hostile inputs before a reader and watches what comes of it. */
import { FatalError, LianzhengError } from '../../src/core/errors.ts'
import { hostileInput } from './hostile.ts'
import { type Target, Wrong } from './hostile-reader.ts'

export interface Fault {
  target: string
  /** With target and seed, the input. */
  n: number
  why: string
  /** base64, as much of it as fits a line. */
  input: string
}

export interface Attacked {
  inputs: number
  refused: number
  /** Read without a word, which is no fault where nothing is believed that is not so. */
  read: number
  faults: Fault[]
  slowest: { n: number; ms: number }
}

const FAULTS_KEPT = 20

/** Inputs [from, to) of a target. `hungMs`: an input that takes longer is a fault; without it time is not looked at. */
export async function attack(
  target: Target,
  seed: string,
  from: number,
  to: number,
  { hungMs = Number.POSITIVE_INFINITY, onProgress = () => {} }: { hungMs?: number; onProgress?(n: number): void } = {}
): Promise<Attacked> {
  const done: Attacked = { inputs: to - from, refused: 0, read: 0, faults: [], slowest: { n: from, ms: 0 } }
  for (let n = from; n < to && done.faults.length < FAULTS_KEPT; n++) {
    if ((n - from) % 500 === 0) onProgress(n)
    const { input, sample } = hostileInput(target.name, target, seed, n)
    const start = performance.now()
    let why: string | undefined
    try {
      const given = target.read(input, sample)
      if (given instanceof Promise) await given
      done.read++
    } catch (error) {
      why = faultOf(error, target)
      if (why === undefined) done.refused++
    }
    const ms = performance.now() - start
    if (ms > done.slowest.ms) done.slowest = { n, ms }
    if (ms > hungMs) why ??= `it took ${Math.round(ms)} ms`
    if (why !== undefined)
      done.faults.push({ target: target.name, n, why, input: Buffer.from(input).toString('base64').slice(0, 200) })
  }
  return done
}

/** A refusal by a code of ours is as it should be; but none that stops a node, unless it is its own disk that says so. */
function faultOf(error: unknown, { ofStore }: Target): string | undefined {
  if (error instanceof Wrong) return error.message
  if (error instanceof FatalError && ofStore !== true) return `a FatalError, ${error.code}`
  if (error instanceof LianzhengError && error.code !== 'INTERNAL') return undefined
  return error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' | ') : String(error)
}
