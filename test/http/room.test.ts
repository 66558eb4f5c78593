/** A log without room for more: what is for it is refused before it costs anything, and the other logs go on. */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fix, opinion } from '../helpers/lab.ts'
import { type Answer, type Name, TestNetwork } from '../helpers/network.ts'

const AT = '2020-08-26T09:00:00+08:00'
const disclosed = (entry: string) => ({ type: 'recusal.disclosed', at: AT, court: '粤01', entry, status: 'related' })
const declared = {
  type: 'recusal.declared',
  at: AT,
  court: '粤01',
  staff: '粤01-R0201',
  since: '2020-08-26',
  withinJurisdiction: true,
  sealed: { relation: '配偶', relative: '某', firm: '某律师事务所' }
}
let network: TestNetwork
const waiting: Promise<Answer>[] = []

beforeAll(async () => {
  network = await TestNetwork.open()
  await network.stop()
  // One record may be under way in each log, and after the first there is no batch until the node stops.
  await network.start({ batch: { intervalMs: 3_600_000, maxRecords: 1_000 }, limits: { waiting: 1 } })
})
afterAll(async () => {
  await network.close()
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([201, 201, 201, 201])
})

async function fill(log: string, [first, second]: readonly { [name: string]: unknown }[], by: Name): Promise<void> {
  await network.put(first!, by)
  waiting.push(network.post(network.sign(second!, by), '?wait=durable&reply=index'))
  const { pool } = network.node.context.logs.get(log)!.sequencer
  while (pool.waiting === 0) await network.ask('/healthz')
}
/** The answer to a request whose body never comes. */
function askWithout(path: string, type: string): Promise<string> {
  const { hostname, port } = new URL(network.url)
  const socket = connect(Number(port), hostname)
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 1000\r\n\r\n`)
  return new Promise((resolve, reject) => {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('error', reject)
    socket.on('data', (more) => {
      text += more
      if (!/\r\n\r\n./s.test(text)) return
      resolve(text)
      socket.destroy()
    })
  })
}
const REFUSED = /^HTTP\/1\.1 503 .*\r\nRetry-After: [1-9]/s

it('a record for it is refused unexamined; one for another log is examined and taken in', async () => {
  await fill('evidence', [fix('a'), fix('b')], 'clerk')
  const wrong = { sub: 'power:粤01-R9999', trails: ['power:粤01-R9999'] }
  const refused = await network.post(network.sign(fix('c'), 'clerk', wrong))
  expect([refused.status, refused.json().code, refused.json().refusal]).toEqual([503, 'OVERLOADED', undefined])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect((await network.post(network.sign(opinion(), 'president', wrong))).json().code).toBe('TRAILS_MISMATCH')
  expect(await askWithout('/logs/evidence/entries', 'application/cose')).toMatch(REFUSED)
})

it('when no log has room a body is not even waited for', async () => {
  await fill('supervision', [opinion(), opinion()], 'president')
  await fill('personnel', [declared, { ...declared, since: '2020-08-27' }], 'personnel')
  await fill('public', [disclosed('a'), disclosed('b')], 'personnel')
  const text = await askWithout('/api/v1/records', 'application/json')
  expect(text).toMatch(REFUSED)
  expect(text).toContain('"code":"OVERLOADED"')
  expect(network.log.at(-1)).toContain('"route":"/api/v1/records"')
})
