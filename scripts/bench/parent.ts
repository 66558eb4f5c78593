/**
 * The processes of a run. Each figure is taken in a process of its own, so that neither memory nor compiled code of one is there for the next; while a
 * child waits for its yardstick it does nothing else.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Asked } from './child.ts'

/** The children, bundled into one file of plain JavaScript: no loader runs beside what is measured. */
export class Children {
  readonly #file: string
  readonly #yardstick: ChildProcess
  /** All verification rates of the run, per second. */
  readonly rates: number[] = []

  constructor(file: string) {
    this.#file = file
    // libuv's thread pool has four threads unless it is told otherwise.
    const threads = String(Math.max(4, availableParallelism()))
    this.#yardstick = fork(file, ['rate'], { env: { ...process.env, UV_THREADPOOL_SIZE: threads } })
  }

  /** Ed25519 verifications a second on all cores, now. */
  async rate(): Promise<number> {
    const answer = new Promise<number>((resolve, reject) => {
      this.#yardstick.once('message', (rate) => resolve(rate as number))
      this.#yardstick.once('exit', (code) => reject(new Error(`the yardstick ended with ${code}`)))
    })
    this.#yardstick.send('measure')
    const rate = await answer
    this.#yardstick.removeAllListeners('exit')
    this.rates.push(rate)
    return rate
  }

  /** Runs one phase to its end and gives its result. */
  run<Result>(phase: string, options: object, onProgress: (text: string) => void = () => {}): Promise<Result> {
    const child = fork(this.#file, [phase, JSON.stringify(options)])
    let result: Result | undefined
    return new Promise((resolve, reject) => {
      child.on('message', (message) => {
        const asked = message as Asked<Result>
        if (asked.kind === 'progress') onProgress(asked.text)
        else if (asked.kind === 'result') result = asked.result
        else this.rate().then((rate) => child.send({ rate }), reject)
      })
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        if (code === 0 && result !== undefined) resolve(result)
        else reject(new Error(`${phase} ended with ${code ?? signal}`))
      })
    })
  }

  close(): void {
    this.#yardstick.disconnect()
  }
}
