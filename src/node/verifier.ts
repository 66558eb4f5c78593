/** Verification for callers in a thread of its own: a certificate of a thousand entries takes most of a second (measured), and nobody else waits for it. */
import { Worker } from 'node:worker_threads'
import { type Code, type ErrorDetail, LianzhengError } from '../core/errors.ts'
import { type VerificationJob, verification } from '../http/verification.ts'

/** Jobs that may wait: of up to 4 MiB each. */
const WAITING = 16

export type Verified = { id: number; report: string } | { id: number; code: Code; detail: ErrorDetail }

export class Verifier {
  #worker: Worker | undefined
  #serial = 0
  readonly #waiting = new Map<number, { resolve(report: string): void; reject(error: LianzhengError): void }>()

  /** Throws what `verification` throws, or `OVERLOADED`. */
  async run(job: VerificationJob): Promise<string> {
    // Node starts no thread from TypeScript: from `src` it is done here.
    if (import.meta.url.endsWith('.ts')) return verification(job)
    if (this.#waiting.size >= WAITING) throw new LianzhengError('OVERLOADED')
    this.#worker ??= this.#start()
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      const id = this.#serial++
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ id, job })
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./verify-worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 1_024 }
    })
    worker.unref()
    worker.on('message', (done: Verified) => {
      const caller = this.#waiting.get(done.id)
      this.#waiting.delete(done.id)
      if ('report' in done) caller?.resolve(done.report)
      else caller?.reject(new LianzhengError(done.code, done.detail))
    })
    // A thread that ends by itself takes its jobs along; the next job gets a new one.
    const lost = (cause?: unknown) => {
      if (this.#worker === worker) this.#worker = undefined
      for (const { reject } of this.#waiting.values()) reject(new LianzhengError('INTERNAL', { cause }))
      this.#waiting.clear()
    }
    worker.on('error', lost)
    worker.on('exit', () => {
      if (this.#worker === worker) lost()
    })
    return worker
  }

  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }
}
