/** A trail certificate, fetched by one who may see it, and verified. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { built } from './built.ts'

const TIMES = 5

export interface Certified {
  bytes: number
  /** Milliseconds, each time it was done. */
  fetched: number[]
  verified: number[]
}

export async function certificate({ network, url, trail }: { network: string; url: string; trail: string }): Promise<Certified> {
  const { useNative } = await built<typeof import('../../src/node/native.ts')>('node/native')
  const { LedgerClient } = await built<typeof import('../../src/client/client.ts')>('client/client')
  const { parseKey } = await built<typeof import('../../src/client/keyfile.ts')>('client/keyfile')
  const { parsePolicy } = await built<typeof import('../../src/core/policy.ts')>('core/policy')
  const { verifyCertificate } = await built<typeof import('../../src/verify/certificate.ts')>('verify/certificate')
  useNative()
  const key = await parseKey(readFileSync(join(network, 'keys/clerk.key.json'), 'utf8'))
  const policy = parsePolicy(readFileSync(join(network, 'policy.txt'), 'utf8'))
  const client = new LedgerClient({ url, key })
  const [fetched, verified]: [number[], number[]] = [[], []]
  let text = ''
  for (let i = 0; i < TIMES; i++) {
    const start = performance.now()
    text = await client.text(`/api/v1/trails/${encodeURIComponent(trail)}`)
    const middle = performance.now()
    const { overall } = verifyCertificate(text, policy, { now: Math.floor(Date.now() / 1000) })
    if (overall !== 'verified') throw new Error(`the certificate is ${overall}`)
    fetched.push(middle - start)
    verified.push(performance.now() - middle)
  }
  return { bytes: Buffer.byteLength(text), fetched, verified }
}
