/** Server-sent events over real HTTP: cut off at every event, gone on from there, and held against the log. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { LianzhengError } from '../../src/core/errors.ts'
import { EventReader, type Told } from '../helpers/event-source.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { LOGS, type Name, TestNetwork } from '../helpers/network.ts'
import { checkEvent } from '../helpers/openapi.ts'

const AT = '2020-08-26T09:00:00+08:00'
let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open({ config: { limits: { eventClients: 3 } } })
  for (let round = 0; round < 2; round++) {
    await network.put(fix(`events ${round}`), 'clerk')
    await network.put(opinion(), 'president')
    await network.put({ type: 'recusal.disclosed', at: AT, court: '粤01', entry: `e${round}`, status: 'related' }, 'personnel')
  }
})
afterAll(() => network.close())

const bearer = (as: Name | undefined): Record<string, string> =>
  as === undefined ? {} : { authorization: `Bearer ${network.token(as)}` }
const sizes = () => Object.fromEntries(LOGS.map((log) => [log, network.node.context.logs.get(log)!.sequencer.published!.size]))
const allTold = ({ id }: { id: string }) => LOGS.every((log) => new RegExp(`(?:^|,)${log}:${sizes()[log]}(?:,|$)`).test(id))

/** Everything from an id on, in one go. */
async function read(as: Name | undefined, after: string): Promise<Told[]> {
  const reader = new EventReader(network.url, { after, headers: bearer(as) })
  await reader.until(allTold)
  reader.cut()
  return reader.told
}
/** Of the second, what the first could have told: by reading, a reader leaves records of its own. */
function upTo(whole: readonly Told[], told: readonly Told[]): Told[] {
  const last = new Map(whole.map(({ data }) => [data.log, data.index]))
  return told.filter(({ data }) => data.index <= (last.get(data.log) ?? -1))
}
const shapes = (told: readonly Told[]) => told.map(({ event, data }) => `${data.log} ${data.index} ${event}`)

describe('the whole story', () => {
  it('has every seal of every log for a stranger, and the records of public logs; each under the root of its size', async () => {
    const told = await read(undefined, '0')
    for (const log of LOGS) {
      const seals = told.filter(({ event, data }) => event === 'seal' && data.log === log)
      const { height } = network.node.context.logs.get(log)!.sequencer.head.seal!
      expect(seals.map(({ data }) => data.height)).toEqual(Array.from({ length: height + 1 }, (_, i) => i))
      for (const { data } of seals) {
        const proof = await network.ask(`/api/v1/logs/${log}/proofs/consistency?from=${data.size}&to=${sizes()[log]}`)
        expect(proof.status).toBe(200)
        expect(data.size).toBe(data.index + 1)
      }
    }
    const records = told.filter(({ event }) => event === 'record')
    expect(new Set(records.map(({ data }) => data.log))).toEqual(new Set(['public']))
    expect(records.map(({ data }) => data.type)).toContain('recusal.disclosed')
    // `key:` and `ledger:` trails are for members, though the records of a public log are for everyone.
    for (const { data } of records)
      for (const trail of data.trails as string[]) expect(trail).toMatch(/^(disclosure|court|publication):/)
    for (const event of told) checkEvent(event.event, event.data)
  })

  it('has the records that a reader may read, with the trails that this reader may see', async () => {
    const president = (await read('president', '0')).filter(({ event, data }) => event === 'record' && data.log === 'supervision')
    expect(president.map(({ data }) => [data.type, data.trails])).toEqual(
      Array(2).fill(['supervision.opinion', ['case-internal:（2020）粤01民初123号', 'duty:粤01-R0201', 'power:粤01-R0001']])
    )
    const clerk = (await read('clerk', '0')).filter(({ event }) => event === 'record')
    // What the clerk has read by listening, and nothing else.
    const internal = clerk.filter(({ data }) => data.log === 'supervision')
    expect(internal.filter(({ data }) => data.type !== 'access.read')).toEqual([])
    for (const { data } of internal) expect(data.trails).toEqual(['reader:粤01-R0101'])
    expect(clerk.filter(({ data }) => data.type === 'evidence.fix')).toHaveLength(2)
    for (const { event, data } of [...president, ...clerk]) checkEvent(event, data)
  })

  it.each([undefined, 'inspector', 'judge'] as const)(
    'is the same for %s, cut off after every event and gone on from its id',
    async (as) => {
      const whole = await read(as, '0')
      expect(whole.length).toBeGreaterThan(10)
      for (const [i, { id }] of whole.entries()) {
        const rest = i === whole.length - 1 ? [] : await read(as, id)
        expect(shapes([...whole.slice(0, i + 1), ...upTo(whole, rest)])).toEqual(shapes(whole))
      }
      // Entries of each log come in its order, each once.
      for (const log of LOGS) {
        const indexes = whole.filter(({ data }) => data.log === log).map(({ data }) => data.index)
        expect(indexes).toEqual([...new Set(indexes)].sort((a, b) => a - b))
      }
    }
  )

  it('goes on after a restart of the node from any id', async () => {
    const before = await read('inspector', '0')
    await network.stop()
    await network.start({ limits: { eventClients: 3 } })
    for (const at of [0, 3, before.length - 2])
      expect(shapes(upTo(before, await read('inspector', before[at]!.id)))).toEqual(shapes(before.slice(at + 1)))
  })
})

describe('what is restricted', () => {
  const READERS = { inspector: '粤01-R9001', clerk: '粤01-R0101' } as const
  const reads = (as: keyof typeof READERS) => {
    const { reader } = network.node.context.logs.get('supervision')!
    return reader.memberIndexes(`reader:${READERS[as]}`, 1_000).map((index) => reader.statement(index).body.get('trail'))
  }

  it('leaves a record for each log of which the stream tells it, once; what one has filed or read oneself is no reason', async () => {
    const before = reads('inspector').length
    await read('inspector', '0')
    expect(reads('inspector').slice(before).sort()).toEqual(
      ['evidence', 'personnel', 'supervision'].map((log) => `ledger:court.example/${log}`)
    )
    // From now on, the clerk is told of what the clerk files, and of its own reads.
    const [own, start] = [reads('clerk').length, LOGS.map((log) => `${log}:${sizes()[log]}`).join()]
    await network.put(fix('filed by the clerk'), 'clerk')
    await network.ask('/api/v1/trails/reader%3A%E7%B2%A401-R0101', { as: 'clerk' })
    const told = await read('clerk', start)
    expect(told.filter(({ event }) => event === 'record').map(({ data }) => data.type)).toEqual(['evidence.fix', 'access.read'])
    expect(reads('clerk').slice(own)).toEqual(['reader:粤01-R0101'])
  })

  it('is not told where the read cannot be recorded', async () => {
    const recorded = vi.spyOn(network.node.context.reads, 'record').mockRejectedValue(new LianzhengError('READ_NOT_RECORDED'))
    try {
      const reader = await new EventReader(network.url, { after: '0', headers: bearer('inspector') }).until(({ ended }) => ended)
      expect(reader.ended).toBe(true)
      expect(reader.told.filter(({ event, data }) => event === 'record' && data.log !== 'public')).toEqual([])
    } finally {
      recorded.mockRestore()
    }
  })
})

/** Eight files with two digests each: sixteen trails to tell of. */
function filesOf(content: string): object[] {
  const digest = (name: string) => createHash('sha256').update(name).digest('hex')
  return Array.from({ length: 8 }, (_, i) => ({ sha256: digest(`${content} ${i}`), sm3: digest(`sm3 ${content} ${i}`), size: 1 }))
}

describe('as it happens', () => {
  it('begins now without an id, tells what is filed, and says first where to go on', async () => {
    const reader = await new EventReader(network.url, { headers: bearer('clerk') }).until(({ id }) => id !== '')
    expect(reader.id).toBe(LOGS.map((log) => `${log}:${sizes()[log]}`).join())
    expect(reader.response!.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store'
    })
    const { index } = await network.put(fix('as it happens'), 'clerk')
    await reader.until(({ told }) => told.length === 2)
    expect(shapes(reader.told)).toEqual([`evidence ${index} record`, `evidence ${index + 1} seal`])
    reader.cut()
  })

  it('loses nothing and repeats nothing for a client that comes and goes while records are filed', async () => {
    const start = await new EventReader(network.url, { headers: bearer('judge') }).until(({ id }) => id !== '')
    start.cut()
    const filed: number[] = []
    const filing = (async () => {
      for (let i = 0; i < 40; i++) filed.push((await network.put(fix(`coming and going ${i}`), 'clerk')).index)
    })()
    const told: Told[] = []
    let id = start.id
    const records = () => told.filter(({ event, data }) => event === 'record' && data.log === 'evidence')
    for (let round = 0; records().length < 40; round++) {
      const reader = new EventReader(network.url, { after: id, headers: bearer('judge') })
      await reader.until((one) => one.told.length > round % 5)
      reader.cut()
      told.push(...reader.told)
      id = reader.id
    }
    await filing
    expect(records().map(({ data }) => data.index)).toEqual(filed)
    expect(new Set(shapes(told)).size).toBe(told.length)
  })

  it('shows signs of life, cuts off whoever takes nothing, and lets them go on', async () => {
    const made = await TestNetwork.open({ config: { limits: { heartbeatMs: 20 } } })
    const idle = await new EventReader(made.url).until(({ beats }) => beats > 2)
    expect(idle.ended).toBe(false)
    idle.cut()
    // More than the kernel and the node keep for a client that reads nothing: it is cut, though nobody says so to it.
    const slow = await new EventReader(made.url, {
      after: '0',
      headers: { authorization: `Bearer ${made.token('inspector')}` }
    }).until(({ id }) => id !== '')
    slow.stall()
    const clients = () => made.ask('/metrics').then(({ text }) => /^lianzheng_event_clients (\d+)$/m.exec(text)![1])
    const files = filesOf('many trails to tell of')
    for (let round = 0; (await clients()) !== '0'; round++) {
      if (round > 60) throw new Error('a client that takes nothing is kept for ever')
      const many = Array.from({ length: 200 }, (_, i) => fix(`${round} ${i}`, { files }))
      await made.postAll(many.map((record) => made.sign(record, 'clerk')))
    }
    await made.close()
  })

  it('takes no more clients than it may', async () => {
    const readers = [1, 2, 3].map(() => new EventReader(network.url))
    for (const reader of readers) await reader.until(({ id }) => id !== '')
    const refused = await network.ask('/api/v1/events')
    expect([refused.status, refused.json().code, refused.headers.get('retry-after')]).toEqual([503, 'OVERLOADED', '1'])
    for (const reader of readers) reader.cut()
  })

  it('refuses ids that this node has not given', async () => {
    for (const after of [
      'x',
      'evidence:',
      'evidence:1,evidence:1',
      'nothing:1',
      'evidence:01',
      'evidence:999999',
      'evidence:1;public:2',
      '1'
    ]) {
      const answer = await network.ask(`/api/v1/events?after=${encodeURIComponent(after)}`)
      expect([after, answer.status, answer.json().code]).toEqual([after, 400, 'QUERY_INVALID'])
    }
  })

  it('ends when the node stops, with the last seals told', async () => {
    const made = await TestNetwork.open()
    await made.stop()
    await made.start({ batch: { intervalMs: 60_000, maxRecords: 1_000 } })
    const reader = await new EventReader(made.url).until(({ id }) => id !== '')
    // Waits for its batch until the node stops.
    await made.put(fix('the first is sealed at once'), 'clerk')
    const last = made.put(fix('the last'), 'clerk')
    const { pool } = made.node.context.logs.get('evidence')!.sequencer
    while (pool.waiting === 0) await made.ask('/healthz')
    const stopped = made.stop()
    const { index } = await last
    await reader.until(({ ended }) => ended)
    await stopped
    expect(shapes(reader.told)).toContain(`evidence ${index + 1} seal`)
    await made.close()
  })
})
