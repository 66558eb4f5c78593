/** A real node under load, killed with `kill -9` and stopped with SIGTERM. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { audit, checkErrors, killRounds } from '../helpers/kill-rounds.ts'
import { Dice, Load } from '../helpers/load.ts'
import { Network, NodeProcess } from '../helpers/node-process.ts'

const SEED = process.env.LIANZHENG_TEST_SEED ?? randomBytes(4).toString('hex')
const PER_SECOND = 200
const LOGS = ['evidence', 'supervision', 'personnel', 'public']

let directory: string
let network: Network

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lianzheng-kill-'))
  network = await Network.init(join(directory, 'network'))
  process.stdout.write(`seed ${SEED} (LIANZHENG_TEST_SEED=${SEED} draws the same records and moments again)\n`)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test('five times kill -9 under load: what was answered is there, what was not gets one place', async () => {
  const { rounds, sent, outcomes, stop } = await killRounds({
    network,
    rounds: 5,
    seed: `kill ${SEED}`,
    perSecond: PER_SECOND,
    load: [400, 1_500],
    onRound: (round) => process.stdout.write(`${JSON.stringify(round)}\n`)
  })
  process.stdout.write(`${sent} records, ${JSON.stringify(Object.fromEntries(outcomes))}\n`)

  expect(rounds).toHaveLength(5)
  // Unless each round had records answered and records cut off, nothing was tried.
  for (const { answered, inFlight, resent } of rounds) {
    expect(answered).toBeGreaterThan(0)
    expect(inFlight).toBeGreaterThan(0)
    expect(resent).toBeGreaterThan(0)
  }
  expect(outcomes.get('HUNG')).toBeUndefined()
  expect(stop.code).toBe(0)
})

test('SIGTERM under load: every request is answered or refused, what is in the log was answered, and the node ends with 0 within 5 s', async () => {
  const node = await NodeProcess.start(network.config)
  const load = await Load.open(network, new Dice(`stop ${SEED}`))
  let running = 0
  const stopped = new Promise((resolve) => setTimeout(resolve, 1_000)).then(() => {
    running = load.inFlight
    return node.terminate()
  })
  // The load goes on while the node stops, and after.
  await load.run(PER_SECOND, stopped)
  const { code, signal, ms } = await stopped
  process.stdout.write(
    `stopped in ${Math.round(ms)} ms, ${running} requests under way: ${JSON.stringify(Object.fromEntries(load.outcomes))}\n`
  )

  expect({ code, signal }).toEqual({ code: 0, signal: null })
  expect(ms).toBeLessThan(5_000)
  expect(running).toBeGreaterThan(0)
  checkErrors(node)
  const { logs, ...ready } = JSON.parse(node.stdout) as { event: string; url: string; logs: string[] }
  expect(ready).toEqual({ event: 'ready', url: network.url })
  expect(logs).toEqual(LOGS)
  expect(node.stdout).toBe(`${JSON.stringify({ ...ready, logs })}\n`)

  // Whoever was told nothing may take it that nothing happened.
  await audit(network)
  const again = await NodeProcess.start(network.config)
  const { resent, known } = await load.resend()
  expect(known).toBe(0)
  await load.check(load.entries)
  process.stdout.write(`${load.entries.length} records, ${resent.length} sent again\n`)
  expect((await again.terminate()).code).toBe(0)
})
