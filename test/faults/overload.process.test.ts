/**
 * Three times as many records at a time as a node may hold, for as long as it takes to seal a few hundred: whoever is refused is told so with 503 and
 * `Retry-After`, memory stays flat, and everything that was answered is there.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LedgerClient } from '../../src/client/client.ts'
import { base64url } from '../../src/core/bytes.ts'
import { useNative } from '../../src/node/native.ts'
import { fix } from '../helpers/lab.ts'
import { LyingNode } from '../helpers/lying-node.ts'
import { Network, NodeProcess } from '../helpers/node-process.ts'

/** Records that may wait. */
const CAPACITY = 60
const CLIENTS = 3 * CAPACITY
const WARM = 150
const ANSWERED = 400
/** How much larger than when it was warm the process may be. */
const FLAT = 1.6

const home = mkdtempSync(join(tmpdir(), 'lianzheng-overload-'))
const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
let network: Network
let node: NodeProcess

beforeAll(async () => {
  useNative()
  network = await Network.init(join(home, 'network'))
  const text = readFileSync(network.config, 'utf8')
  const small = text.replace(/^batch: .*$/m, 'batch: { intervalMs: 20, maxRecords: 20 }').replace(/^limits: .*$/m, '')
  writeFileSync(network.config, `${small}\nlimits: { waiting: ${CAPACITY} }\nlog: { level: error }\n`)
  node = await NodeProcess.start(network.config)
})
afterAll(async () => {
  agent.destroy()
  await node.terminate()
  rmSync(home, { recursive: true, force: true })
})

function post(body: string): Promise<{ status: number; retryAfter: string | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const asked = request(`${network.url}/api/v1/records?reply=index`, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: response.statusCode!, retryAfter: response.headers['retry-after'], text })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}
async function resident(): Promise<number> {
  const text = await (await fetch(`${network.url}/metrics`)).text()
  return Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)![1])
}

it('answers 503 with Retry-After, stays as large as it was, and loses nothing it has answered', async () => {
  const { secret } = await network.key('clerk')
  const clerk = { org: 'gz-court', staff: '粤01-R0101', roles: [], signer: secret!.signer }
  const signer = new LyingNode('court.example/evidence', home)
  const places: { index: number; leaf: string }[] = []
  let [refused, serial, warm] = [0, 0, 0]
  const next = () => {
    const { statement, disclosures } = signer.sign(fix(`overload ${serial++}`), clerk)
    return JSON.stringify({ statement: base64url(statement), disclosures: disclosures.map(base64url) })
  }
  const client = async () => {
    let body = next()
    while (places.length < ANSWERED) {
      const { status, retryAfter, text } = await post(body)
      if (status === 503) {
        refused++
        expect(JSON.parse(text)).toMatchObject({ code: 'OVERLOADED', zh: expect.any(String), en: expect.any(String) })
        expect(Number(retryAfter)).toBeGreaterThanOrEqual(1)
        continue
      }
      expect(status, text).toBe(201)
      places.push(JSON.parse(text) as { index: number; leaf: string })
      if (places.length === WARM) warm = await resident()
      body = next()
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  expect(refused).toBeGreaterThan(CAPACITY)
  expect((await resident()) / warm).toBeLessThan(FLAT)
  expect((await fetch(`${network.url}/readyz`)).status).toBe(200)

  // A new process has nothing but what is on the disk.
  await node.terminate()
  node = await NodeProcess.start(network.config)
  expect(new Set(places.map(({ index }) => index)).size).toBe(places.length)
  const reader = new LedgerClient({ url: network.url })
  const queue = places.values()
  const check = async () => {
    for (const { index, leaf } of queue) {
      const found = await reader.json<{ index: number }>(`/api/v1/logs/evidence/proofs/inclusion?leaf=${leaf}`, {
        anonymous: true
      })
      expect(found.index).toBe(index)
    }
  }
  await Promise.all(Array.from({ length: 16 }, check))
})

it('verifies for callers beside the thread that serves', async () => {
  const client = new LedgerClient({ url: network.url, key: await network.key('clerk') })
  const receipt = await client.text('/api/v1/logs/evidence/records/20/receipt')
  const verify = (body: string) => client.json<{ overall: string }>('/api/v1/verify', { method: 'POST', body })
  expect((await verify(`{"receipt":${receipt}}`)).overall).toBe('verified')
  await expect(verify('{"receipt":{}}')).rejects.toMatchObject({ code: 'RECEIPT_INVALID' })
  await expect(verify('{"receipt":1,"receipt":2}')).rejects.toMatchObject({ code: 'JSON_INVALID' })
})
