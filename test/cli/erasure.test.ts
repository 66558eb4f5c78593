/** An erasure from outside: sent to a running node, looked for in its data directory, and audited with the seed. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { disclosuresKey } from '../../src/store/layout.ts'
import { openLevel } from '../../src/store/level.ts'
import { examine } from '../../src/verify/admit.ts'
import { Desk } from '../helpers/cli.ts'
import { filesWith } from '../helpers/grep.ts'
import { fix } from '../helpers/lab.ts'
import { originOf, TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(() => network.close())

const audit = (...more: string[]) =>
  desk.json<{ disclosures: number; unopened: number; findings: object[] }[]>([
    'audit',
    '--data',
    network.dataDir('evidence'),
    '--policy',
    network.policyFile,
    ...more
  ])

it('the field is gone from the data directory; the node, its receipts and the audit go on', async () => {
  const filed = await network.put(fix('a', { sealed: { name: '合同.pdf', source: '原告张某某提交' } }), 'clerk')
  await network.stop()
  const store = await openLevel(network.dataDir('evidence'), { mustExist: true })
  const sealed = Uint8Array.from(store.get(disclosuresKey(filed.index))!).subarray(40, 56)
  await store.close()
  expect(filesWith(network.dataDir(), sealed).length).toBeGreaterThan(0)

  await network.start()
  const refs = [{ rel: 'erases', log: originOf('evidence'), leaf: filed.leaf }]
  const of = examine(filed.statement).statement.trails
  const at = '2020-08-27T09:00:00+08:00'
  await network.put({ type: 'body.erased', at, refs, fields: ['source'], ground: 'PIPL-47', of }, 'admin-court')
  expect(filesWith(network.dataDir(), sealed)).toEqual([])
  const record = await network.ask(`/api/v1/logs/evidence/records/${filed.index}`, { as: 'clerk' })
  expect(record.json()).toMatchObject({ disclosed: { name: '合同.pdf' }, withheld: ['source'] })

  await network.stop()
  expect(filesWith(network.dataDir(), sealed)).toEqual([])
  expect(await audit('--seed', network.path('seeds', 'court.seed'))).toMatchObject([
    { disclosures: 1, unopened: 0, findings: [] }
  ])
  expect(await audit()).toMatchObject([{ disclosures: 0, unopened: 1, findings: [] }])
  expect((await desk.run(['audit', '--url', 'http://127.0.0.1:1', '--policy', network.policyFile, '--seed', 'x'])).status).toBe(2)
})
