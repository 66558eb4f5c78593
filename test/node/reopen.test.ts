/** A log with peers whose disk is full: whatever finds it full, it is suspended and looked after; the node goes on. */
import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LianzhengError } from '../../src/core/errors.ts'
import type { NodeLog } from '../../src/node/log.ts'
import { fix } from '../helpers/lab.ts'
import { Peers } from '../helpers/peers.ts'

let peers: Peers
let log: NodeLog
beforeEach(async () => {
  peers = await Peers.make(['court', 'discipline'])
  await peers.startAll()
  log = peers.nodes.get('court')!.context.logs.get('evidence') as NodeLog
})
afterEach(() => peers.close())

const file = (content: string, query = '') => peers.submit(fix(content), 'clerk', 'evidence', query)
const suspended = async () => {
  while (!log.suspended) await new Promise(setImmediate)
}

test('full when the head is signed, full again when it is opened again, and then not', async () => {
  // What is written through this link finds no space.
  const link = join(peers.directory, 'data', 'court', '.evidence.head.new')
  symlinkSync('/dev/full', link)
  const refused = await file('a')
  expect([refused.status, (await refused.json()).code]).toEqual([503, 'DISK_FULL'])
  await log.reopen()
  expect(log.suspended).toBe(true)
  rmSync(link)
  await log.reopen()
  expect(log.suspended).toBe(false)
  expect((await file('b')).status).toBe(201)
  expect(peers.fatal).toEqual([])
})

test('full when a cosigned head is published', async () => {
  vi.spyOn(log.sequencer, 'publish').mockRejectedValue(new LianzhengError('DISK_FULL'))
  const filed = file('a', '?wait=durable')
  await suspended()
  await filed
  await log.reopen()
  expect((await file('b')).status).toBe(201)
  expect(peers.fatal).toEqual([])
})
