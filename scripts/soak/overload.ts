/**
 * Three times as many records as the node can take, for some seconds: whom it cannot serve it refuses by its code, what it has answered is
 * there, what it has refused is not, its memory stays within bounds, and afterwards it is as quick as before.
 */
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { base64url } from '../../src/core/bytes.ts'
import { leafHash } from '../../src/core/hash.ts'
import { audit, checkErrors } from '../../test/helpers/kill-rounds.ts'
import { type Network, NodeProcess } from '../../test/helpers/node-process.ts'
import { load } from '../bench/load.ts'
import { peakOf } from '../bench/network.ts'
import { readRecords, signRecords } from '../bench/records.ts'
import { quantile } from '../bench/table.ts'

const ARRAY = 200
const TIMES = 3
const SECONDS = 10
const MEASURED = { array: ARRAY, connections: 16, reply: 'index', warmUp: 8_000, timed: 12_000 } as const
/** Read back, of those answered and of those refused. */
const SAMPLE = 500
const HUNG_MS = 120_000
const MEMORY = 1024 * 2 ** 20
/** A record after the storm is answered within so many milliseconds. */
const CALM_MS = 5_000

interface Answer {
  status: number
  text: string
}

/** Nothing of the parent is needed here. */
const ALONE = { progress: () => {}, rate: async () => Number.NaN }

export async function overload(network: Network, say: (text: string) => void): Promise<{ [what: string]: string | number }> {
  const node = await NodeProcess.start(network.config)
  try {
    const first = join(network.directory, 'capacity.records')
    const measured = MEASURED.warmUp + MEASURED.timed + MEASURED.array * MEASURED.connections
    await signRecords({ network: network.directory, file: first, from: 0, to: measured }, ALONE)
    const { rate } = await load({ ...MEASURED, url: network.url, files: [first], skip: 0 }, ALONE)
    say(`  the node takes ${Math.round(rate)} records/s`)

    const offered = Math.ceil((TIMES * rate * SECONDS) / ARRAY)
    const second = join(network.directory, 'overload.records')
    await signRecords({ network: network.directory, file: second, from: measured, to: measured + offered * ARRAY + 1 }, ALONE)
    const statements = [...readRecords([second])]
    const last = statements.pop()!
    const { answered, refused, cut, slowest, healthy } = await storm(network.url, statements, TIMES * rate)
    say(`  offered ${statements.length}: ${answered.size} answered, ${refused.length} refused, ${cut} without an answer`)
    if (refused.length === 0) throw new Error('nothing was refused: that was no overload')
    if (cut > 0) throw new Error(`${cut} records were neither answered nor refused`)

    const start = performance.now()
    const { status, text } = await ask(`${network.url}/api/v1/records?reply=index`, new Agent(), bodyOf([last], true))
    const calm = performance.now() - start
    if (status !== 201 || calm > CALM_MS) throw new Error(`after the storm: HTTP ${status} after ${Math.round(calm)} ms, ${text}`)

    for (const [leaf, index] of spread([...answered], SAMPLE)) {
      const found = await inclusion(network.url, leaf)
      if (found?.index !== index) throw new Error(`${leaf} was answered with #${index} and stands at ${found?.index}`)
    }
    for (const leaf of spread(refused, SAMPLE))
      if ((await inclusion(network.url, leaf)) !== undefined) throw new Error(`${leaf} was refused and is there`)

    const peak = peakOf(node.pid) ?? Number.NaN
    if (peak > MEMORY) throw new Error(`the node took ${Math.round(peak / 2 ** 20)} MiB`)
    const { code } = await node.terminate()
    if (code !== 0) throw new Error(`the node ended with ${code}`)
    checkErrors(node)
    await audit(network)
    return {
      'records/s, as many as it takes': Math.round(rate),
      offered: statements.length,
      answered: answered.size,
      'refused with OVERLOADED': refused.length,
      'slowest answer, ms': Math.round(slowest),
      'healthz meanwhile, p99 ms': Math.round(healthy),
      'a record afterwards, ms': Math.round(calm),
      'memory, the most, MiB': Math.round(peak / 2 ** 20)
    }
  } finally {
    await node.kill()
  }
}

/** Arrays at a steady pace, whatever becomes of those before. */
async function storm(url: string, statements: readonly Uint8Array[], perSecond: number) {
  const agent = new Agent({ keepAlive: true })
  const answered = new Map<string, number>()
  const refused: string[] = []
  const health: number[] = []
  let cut = 0
  let slowest = 0

  async function send(part: readonly Uint8Array[], leaves: readonly string[], body: Buffer): Promise<void> {
    const start = performance.now()
    const answer = await ask(`${url}/api/v1/records`, agent, body).catch(() => undefined)
    slowest = Math.max(slowest, performance.now() - start)
    if (answer === undefined) cut += part.length
    else if (answer.status === 503) refused.push(...leaves)
    else if (answer.status !== 200) throw new Error(`HTTP ${answer.status}: ${answer.text.slice(0, 300)}`)
    else
      for (const [i, place] of (JSON.parse(answer.text) as { index?: number; code?: string }[]).entries()) {
        if (place.index !== undefined) answered.set(leaves[i]!, place.index)
        else if (place.code === 'OVERLOADED') refused.push(leaves[i]!)
        else throw new Error(JSON.stringify(place))
      }
  }

  const arrays = Array.from({ length: statements.length / ARRAY }, (_, i) => {
    const part = statements.slice(i * ARRAY, (i + 1) * ARRAY)
    return { part, leaves: part.map((statement) => base64url(leafHash(statement))), body: bodyOf(part) }
  })
  const start = performance.now()
  const sent: Promise<void>[] = []
  for (const [i, { part, leaves, body }] of arrays.entries()) {
    const due = start + (i * ARRAY * 1000) / perSecond
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
    sent.push(send(part, leaves, body))
    if (i % 10 === 0) {
      const asked = performance.now()
      sent.push(ask(`${url}/healthz`, agent).then(() => void health.push(performance.now() - asked)))
    }
  }
  await Promise.all(sent)
  agent.destroy()
  return { answered, refused, cut, slowest, healthy: quantile(health, 0.99) }
}

function bodyOf(statements: readonly Uint8Array[], single = false): Buffer {
  const items = statements.map((statement) => `{"statement":"${base64url(statement)}"}`)
  return Buffer.from(single ? items[0]! : `[${items.join(',')}]`)
}

function ask(url: string, agent: Agent, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }
    const asked = request(url, { method: body === undefined ? 'GET' : 'POST', agent, headers, timeout: HUNG_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString('utf8') }))
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject)
    asked.end(body)
  })
}

async function inclusion(url: string, leaf: string): Promise<{ index: number } | undefined> {
  const response = await fetch(`${url}/api/v1/logs/evidence/proofs/inclusion?leaf=${leaf}`)
  const text = await response.text()
  return response.status === 200 ? (JSON.parse(text) as { index: number }) : undefined
}

/** Some of them, from all along. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.floor(items.length / count))
  return items.filter((_, i) => i % step === 0)
}
