/** A real node under load, killed with `kill -9` and stopped with SIGTERM. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Bytes, hex } from '../../src/core/bytes.ts'
import { audit, checkErrors, killRounds } from '../helpers/kill-rounds.ts'
import { Dice, Load, type Sent } from '../helpers/load.ts'
import { Network, NodeProcess } from '../helpers/node-process.ts'

// Thousands of receipts rest on the same few keys: whether these are acceptable is found out once (8 of 10 ms a receipt, measured).
vi.mock(import('../../src/core/keys.ts'), async (original) => {
  const keys = await original()
  const known = new Map<string, boolean>()
  const isAcceptableKey = (key: Bytes) => {
    const found = known.get(hex(key)) ?? keys.isAcceptableKey(key)
    known.set(hex(key), found)
    return found
  }
  return { ...keys, isAcceptableKey }
})

const SEED = process.env.LIANZHENG_TEST_SEED ?? randomBytes(4).toString('hex')
const PER_SECOND = 200
/** A quarter of it where the machine has nothing else to do. */
const TIMEOUT = 240_000
const LOGS = ['evidence', 'supervision', 'personnel', 'public']

let directory: string
let network: Network

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lianzheng-kill-'))
  network = await Network.init(join(directory, 'network'))
  process.stdout.write(`seed ${SEED} (LIANZHENG_TEST_SEED=${SEED} draws the same records and moments again)\n`)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test(
  'five times kill -9 under load: what was answered is there, what was not gets one place',
  async () => {
    const { rounds, sent, outcomes, stop } = await killRounds({
      network,
      rounds: 5,
      seed: `kill ${SEED}`,
      perSecond: PER_SECOND,
      load: [200, 1_300],
      onRound: (round) => process.stdout.write(`${JSON.stringify(round)}\n`)
    })
    process.stdout.write(`${sent} records, ${JSON.stringify(Object.fromEntries(outcomes))}\n`)

    expect(rounds).toHaveLength(5)
    // Unless records were answered and others cut off, nothing was tried.
    for (const { answered } of rounds) expect(answered).toBeGreaterThan(0)
    expect(Math.max(...rounds.map(({ inFlight }) => inFlight))).toBeGreaterThan(0)
    expect(Math.max(...rounds.map(({ resent }) => resent))).toBeGreaterThan(0)
    expect(outcomes.get('HUNG')).toBeUndefined()
    expect(stop.code).toBe(0)
  },
  TIMEOUT
)

test(
  'SIGTERM under load: every request is answered or refused, what is in the log was answered, and the node ends with 0 within 5 s',
  async () => {
    const node = await NodeProcess.start(network.config)
    const load = await Load.open(network, new Dice(`stop ${SEED}`))
    let asked: Sent[] = []
    const stopped = new Promise((resolve) => setTimeout(resolve, 1_000)).then(() => {
      asked = [...load.underway].filter(({ handedOver }) => handedOver)
      return node.terminate()
    })
    // The load goes on while the node stops, and after.
    await load.run(PER_SECOND, stopped)
    const { code, signal, ms } = await stopped
    process.stdout.write(
      `stopped in ${Math.round(ms)} ms, ${asked.length} requests under way: ${JSON.stringify(Object.fromEntries(load.outcomes))}\n`
    )

    expect({ code, signal }).toEqual({ code: 0, signal: null })
    expect(ms).toBeLessThan(5_000)
    // Who had asked when the signal came has an answer with a status; who came later may find the door shut.
    expect(asked.length).toBeGreaterThan(0)
    for (const { outcome } of asked) expect(outcome).toHaveProperty('status')
    for (const name of load.outcomes.keys()) expect(['200', '201', '503', 'ECONNREFUSED', 'ECONNRESET']).toContain(name)
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
  },
  TIMEOUT
)
