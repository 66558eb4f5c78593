/**
 * Signature checks in threads of their own, many in one message. libuv's pool would do them too, but the writes to the store wait there behind
 * thousands of them, and its four threads take the cores from the one that seals (measured: a fifth less records a second).
 *
 *   message = check*      check = u32(length of message) key(32) signature(64) message
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Bytes } from '../core/bytes.ts'
import type { Verifier } from '../log/pool.ts'

export interface Check {
  key: Bytes
  message: Bytes
  signature: Bytes
}

interface Pending extends Check {
  resolve(good: boolean): void
}

const HEAD = 4 + 32 + 64
/** Checks in one message: about 7 ms of work. */
const MOST = 64
/** Messages with a thread at a time: work enough for while a large batch is sealed and nobody could give it more. */
const AHEAD = 32

export function writeChecks(checks: readonly Check[]): Bytes {
  const bytes = new Uint8Array(checks.reduce((length, { message }) => length + HEAD + message.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { key, message, signature } of checks) {
    view.setUint32(at, message.length)
    bytes.set(key, at + 4)
    bytes.set(signature, at + 36)
    bytes.set(message, at + HEAD)
    at += HEAD + message.length
  }
  return bytes
}

/** The inverse of `writeChecks`, as views. */
export function readChecks(bytes: Bytes): Check[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const checks: Check[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + HEAD + view.getUint32(at)
    checks.push({
      key: bytes.subarray(at + 4, at + 36),
      signature: bytes.subarray(at + 36, at + HEAD),
      message: bytes.subarray(at + HEAD, end)
    })
    at = end
  }
  return checks
}

class Thread {
  readonly #worker: Worker
  /** What each message with the thread holds, oldest first. */
  readonly #underway: Pending[][] = []

  constructor(onFree: () => void, onLost: (lost: Pending[], error: unknown) => void) {
    this.#worker = new Worker(new URL('signature-worker.js', import.meta.url))
    this.#worker.unref()
    this.#worker.on('message', (verdicts: Bytes) => {
      const done = this.#underway.shift()!
      if (this.#underway.length === 0) this.#worker.unref()
      for (const [i, { resolve }] of done.entries()) resolve(verdicts[i] === 1)
      onFree()
    })
    this.#worker.on('error', (error) => onLost(this.#underway.splice(0).flat(), error))
  }

  get free(): boolean {
    return this.#underway.length < AHEAD
  }

  give(checks: Pending[]): void {
    // A process does not end while somebody waits for a verdict.
    if (this.#underway.length === 0) this.#worker.ref()
    this.#underway.push(checks)
    const bytes = writeChecks(checks)
    this.#worker.postMessage(bytes, [bytes.buffer as ArrayBuffer])
  }
}

/**
 * Checks in as many threads as there are cores but one, started with the first check. What a thread that dies has not answered is checked by
 * `otherwise`, and so is everything after it.
 */
export function threadedVerifier(otherwise: Verifier): Verifier {
  let threads: Thread[] | undefined
  let dead = false
  let waiting: Pending[] = []
  let begun = 0

  const serve = () => {
    for (const thread of threads ?? []) {
      while (thread.free && begun < waiting.length) {
        const checks = waiting.slice(begun, begun + MOST)
        begun += checks.length
        thread.give(checks)
      }
    }
    if (begun === waiting.length) [waiting, begun] = [[], 0]
    else if (begun > 4_096) [waiting, begun] = [waiting.slice(begun), 0]
  }
  const start = () => {
    const onLost = (lost: Pending[]) => {
      dead = true
      for (const { key, message, signature, resolve } of [...lost, ...waiting.splice(begun)])
        otherwise(key, message, signature).then(resolve)
    }
    return Array.from({ length: Math.max(1, availableParallelism() - 1) }, () => new Thread(serve, onLost))
  }

  return (key, message, signature) => {
    if (dead || key.length !== 32 || signature.length !== 64) return otherwise(key, message, signature)
    threads ??= start()
    return new Promise((resolve) => {
      waiting.push({ key, message, signature, resolve })
      // All that one turn of the event loop brings goes in one message.
      if (waiting.length === begun + 1) setImmediate(serve)
    })
  }
}
