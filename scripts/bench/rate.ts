/**
 * The yardstick: how many Ed25519 signatures this machine verifies a second with all its cores, through `crypto.verify` with a callback, the key kept
 * as a KeyObject, messages as long as the signed bytes of the records. Everything else is given as a ratio to it.
 */
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import { availableParallelism } from 'node:os'

const MESSAGE = 500
const MESSAGES = 512
const MEASURED_MS = 1_200
const WARM_UP_MS = 300
const IN_FLIGHT = 32 * availableParallelism()

/** Answers each `measure` of the parent with a rate, until the parent is gone. */
export function keepMeasuring(): void {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const signed = Array.from({ length: MESSAGES }, () => {
    const message = randomBytes(MESSAGE)
    return { message, signature: sign(null, message, privateKey) }
  })

  function measure(ms: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const start = performance.now()
      let begun = 0
      let done = 0
      let over = false
      const next = () => {
        const { message, signature } = signed[begun++ % MESSAGES]!
        verify(null, message, publicKey, signature, (error, good) => {
          if (error !== null || !good) return reject(error ?? new Error('a good signature does not verify'))
          if (over) return
          done++
          const time = performance.now() - start
          if (time < ms) return next()
          over = true
          resolve((done / time) * 1000)
        })
      }
      for (let i = 0; i < IN_FLIGHT; i++) next()
    })
  }

  process.on('message', async () => {
    await measure(WARM_UP_MS)
    process.send!(await measure(MEASURED_MS))
  })
}
