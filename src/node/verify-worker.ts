/** The thread that verifies for callers: one job after another. */
import { parentPort } from 'node:worker_threads'
import { LianzhengError } from '../core/errors.ts'
import { type VerificationJob, verification } from '../http/verification.ts'
import { useNative } from './native.ts'
import type { Verified } from './verifier.ts'

useNative()
parentPort!.on('message', ({ id, job }: { id: number; job: VerificationJob }) => {
  let done: Verified
  try {
    done = { id, report: verification(job) }
  } catch (error) {
    const known = error instanceof LianzhengError ? error : new LianzhengError('INTERNAL')
    const { cause: _, ...detail } = known.detail
    done = { id, code: known.code, detail }
  }
  parentPort!.postMessage(done)
})
