/** The client of the HTTP figures: it sends what was signed beforehand, over connections that are kept, on the same cores as the node. */
import { Agent, request } from 'node:http'
import { built } from './built.ts'
import type { Parent } from './child.ts'
import { readRecords } from './records.ts'

export interface LoadOptions {
  url: string
  files: string[]
  /** Records of the files that the node has already. */
  skip: number
  /** Records in a request; one is sent as a record, not as an array. */
  array: number
  /** Each sends its next request when it has the answer to the one before. */
  connections: number
  reply: 'receipt' | 'index'
  /** Records before the timed ones. */
  warmUp: number
  timed: number
}

export interface Loaded {
  sent: number
  /** Records a second. */
  rate: number
  yardstick: [before: number, after: number]
  /** CPU of this client, microseconds a record. */
  cpu: number
}

/** Request bodies, made before anything is timed. */
async function bodiesOf(files: readonly string[], skip: number, array: number, count: number): Promise<Buffer[]> {
  const { base64url } = await built<typeof import('../../src/core/bytes.ts')>('core/bytes')
  const bodies: Buffer[] = []
  let items: string[] = []
  for (const statement of readRecords(files, skip)) {
    items.push(`{"statement":"${base64url(statement)}"}`)
    if (items.length < array) continue
    bodies.push(Buffer.from(array === 1 ? items[0]! : `[${items.join(',')}]`))
    items = []
    if (bodies.length * array >= count) return bodies
  }
  throw new Error('the workload is at its end')
}

/** The answer's text; throws where any of the records was refused or was there already. */
function post(url: string, body: Buffer, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const asked = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const refused = text.startsWith('[') ? /\{(?!"status":201)[^}]*\}/.exec(text)?.[0] : undefined
        if (response.statusCode !== (text.startsWith('[') ? 200 : 201) || refused !== undefined)
          reject(new Error(`HTTP ${response.statusCode}: ${(refused ?? text).slice(0, 500)}`))
        else resolve(text)
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** As many as the connections take. */
export async function load(options: LoadOptions, parent: Parent): Promise<Loaded> {
  const { url, array, connections, warmUp, timed } = options
  const count = warmUp + timed + array * connections
  const bodies = await bodiesOf(options.files, options.skip, array, count)
  const before = await parent.rate()
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  let [next, done] = [0, 0]
  let [start, end, first, last] = [0, 0, 0, 0]
  let cpuStart: NodeJS.CpuUsage | undefined
  let cpu = 0
  const connection = async () => {
    while (next < bodies.length) {
      await post(`${url}/api/v1/records?reply=${options.reply}`, bodies[next++]!, agent)
      done += array
      if (cpuStart === undefined && done >= warmUp) {
        ;[start, first, cpuStart] = [performance.now(), done, process.cpuUsage()]
      } else if (end === 0 && done >= warmUp + timed) {
        ;[end, last] = [performance.now(), done]
        const { user, system } = process.cpuUsage(cpuStart)
        cpu = (user + system) / (last - first)
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  agent.destroy()
  const after = await parent.rate()
  return { sent: done, rate: ((last - first) / (end - start)) * 1000, yardstick: [before, after], cpu }
}

export interface PacedOptions {
  url: string
  files: string[]
  skip: number
  perSecond: number
  seconds: number
}

export interface Paced {
  sent: number
  /** From the moment a record is due to the last byte of its receipt, milliseconds, in order of sending. */
  latencies: number[]
  receipt: string
}

/** At a steady pace, whatever the answers take; each answer is a whole receipt. */
export async function paced({ url, files, skip, perSecond, seconds }: PacedOptions): Promise<Paced> {
  const bodies = await bodiesOf(files, skip, 1, perSecond * seconds)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const latencies: number[] = Array(bodies.length).fill(Number.NaN)
  let receipt = ''
  const start = performance.now()
  const answers = bodies.map(async (body, i) => {
    const due = start + (i * 1000) / perSecond
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
    const text = await post(`${url}/api/v1/records`, body, agent)
    latencies[i] = performance.now() - due
    receipt = text
  })
  await Promise.all(answers)
  agent.destroy()
  const parsed = JSON.parse(receipt) as { receipt: object }
  return { sent: bodies.length, latencies, receipt: JSON.stringify(parsed.receipt) }
}
