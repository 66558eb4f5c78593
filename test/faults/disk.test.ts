/** A disk that fills up, a real one: the node stops taking records, keeps serving, says so, and recovers; what was answered is there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { Desk } from '../helpers/cli.ts'
import { fix } from '../helpers/lab.ts'
import { type Config, type Place, type Signed, TestNetwork } from '../helpers/network.ts'
import { canMount, SmallDisk } from '../helpers/small-disk.ts'

const MIB = 1024 * 1024
const mountable = canMount()
if (!mountable) console.warn('NOT TESTED: a full disk needs root and mount(8) for a small tmpfs')

let disk: SmallDisk
let network: TestNetwork
const answered: (Place & Signed)[] = []
const unanswered: Signed[] = []
let serial = 0

async function start(config: Config = {}): Promise<void> {
  await network.start({ ...config, dataDir: disk.data })
}
const record = (bytes: number) =>
  network.sign(fix(`disk ${serial++}`, { sealed: { source: '某'.repeat(Math.floor(bytes / 3)) } }), 'clerk')

/** Files an array of records and books what was answered. Gives the codes of what was refused. */
async function file(count: number, bytes: number): Promise<string[]> {
  const records = Array.from({ length: count }, () => record(bytes))
  const results = (await network.postAll(records)).json<(Place & { code?: string })[]>()
  for (const [i, result] of results.entries()) {
    if (result.code === undefined) answered.push({ ...result, ...records[i]! })
    else unanswered.push(records[i]!)
  }
  return results.flatMap(({ code }) => code ?? [])
}
/** Resolves when the node says so itself. */
async function recovered(): Promise<void> {
  while ((await network.ask('/readyz')).status !== 200);
}
/** Every answered record under its index, with a receipt that verifies. */
async function checkAnswered(): Promise<void> {
  expect(answered.length).toBeGreaterThan(0)
  for (const { index, leaf } of answered) {
    const receipt = await network.ask(`/api/v1/logs/evidence/records/${leaf}/receipt`, { as: 'clerk' })
    expect(receipt.json().index).toBe(index)
    expect(verifyReceipt(receipt.text, network.policy).overall).toBe('verified')
  }
}

describe.skipIf(!mountable)('a full disk', () => {
  beforeAll(async () => {
    disk = new SmallDisk(48)
    network = await TestNetwork.make()
  })
  afterAll(async () => {
    await network.close()
    disk.remove()
  })

  it('below the threshold no records are taken, reading goes on, and every surface says so', async () => {
    await start({ limits: { diskFreeBytes: 4 * MIB } })
    expect(await file(20, 600)).toEqual([])
    disk.fill(2 * MIB)
    while ((await network.ask('/readyz')).status === 200);
    const refused = await network.post(record(600))
    expect([refused.status, refused.json().code, refused.headers.get('retry-after')]).toEqual([503, 'DISK_FULL', '30'])
    expect((await network.ask('/readyz')).text).toBe('not ready: DISK_FULL\n')
    expect((await network.ask('/api/v1/status')).json()).toMatchObject({ ready: false, hindrance: 'DISK_FULL' })
    expect((await network.ask('/metrics')).text).toContain('lianzheng_taking_records 0\n')
    await checkAnswered()
  })

  it('takes records again by itself when there is space', async () => {
    disk.release()
    await recovered()
    expect(await file(5, 600)).toEqual([])
    expect((await network.ask('/metrics')).text).toContain('lianzheng_taking_records 1\n')
    await network.stop()
  })

  it('a write that finds no space ends nothing: the log is read on, and opened again when there is space', async () => {
    await start({ limits: { diskFreeBytes: 0 } })
    expect(await file(5, 600)).toEqual([])
    disk.fill(0)
    const refusals: string[] = []
    for (let round = 0; refusals.length === 0; round++) {
      if (round > 200) throw new Error('the disk does not fill up')
      refusals.push(...(await file(50, 5_400)))
    }
    expect(new Set(refusals)).toEqual(new Set(['DISK_FULL']))
    expect(network.fatal).toBeUndefined()
    const { published } = network.node.context.logs.get('evidence')!.sequencer
    expect(await file(1, 600)).toEqual(['DISK_FULL'])
    expect((await network.ask('/api/v1/status')).json()).toMatchObject({ ready: false, hindrance: 'DISK_FULL' })
    expect((await network.ask('/logs/evidence/checkpoint')).text).toBe(published!.note)
    await checkAnswered()
    expect(network.log.join('')).toContain('"event":"suspended"')

    disk.release()
    await recovered()
    expect(network.log.join('')).toContain('"event":"resumed"')
    await checkAnswered()
    const before = answered.length
    expect(await file(3, 600)).toEqual([])
    expect(answered.length).toBe(before + 3)
  })

  it('what was not answered is sent again and is there once', async () => {
    const answer = await network.postAll(unanswered)
    const places = answer.json<Place[]>()
    expect(places.map(({ status }) => status).filter((status) => status !== 200 && status !== 201)).toEqual([])
    const indexes = [...answered, ...places].map(({ index }) => index)
    expect(new Set(indexes).size).toBe(indexes.length)
  })

  it('what is on the disk opens, and audits as a whole', async () => {
    await network.stop()
    await start()
    await checkAnswered()
    await network.stop()
    const { status, out } = await new Desk().run(['audit', '--data', disk.data, '--policy', network.policyFile])
    expect([status, out]).toEqual([0, expect.any(String)])
  })
})
