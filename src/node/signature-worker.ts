/** A thread that checks signatures, for `signatures.ts`: a message with some checks comes in, the verdicts on them go out. */
import { parentPort } from 'node:worker_threads'
import type { Bytes } from '../core/bytes.ts'
import { verifyNative } from './native.ts'
import { type Check, readChecks } from './signatures.ts'

function holds({ key, message, signature }: Check): boolean {
  try {
    return verifyNative(key, message, signature)
  } catch {
    return false
  }
}

parentPort!.on('message', (checks: Bytes) => {
  const verdicts = Uint8Array.from(readChecks(checks), (check) => (holds(check) ? 1 : 0))
  parentPort!.postMessage(verdicts, [verdicts.buffer as ArrayBuffer])
})
