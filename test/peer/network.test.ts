/** Four nodes as `network init` makes them, in one process, over real HTTP and real stores. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseNote } from '../../src/core/note.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { fix } from '../helpers/lab.ts'
import { Peers } from '../helpers/peers.ts'

let peers: Peers
beforeEach(async () => {
  peers = await Peers.make()
})
afterEach(async () => {
  const { fatal, errors } = peers
  await peers.close()
  expect([fatal, errors]).toEqual([[], []])
})

/** The answer with its receipt's text, verified offline under both policies. */
async function verified(answer: Response): Promise<void> {
  const text = await answer.text()
  const receipt = text.slice(text.indexOf('"receipt":') + 10, text.lastIndexOf('}'))
  for (const file of ['policy.txt', 'policy-pq.txt', 'policies/court-evidence.txt']) {
    const report = verifyReceipt(receipt, peers.policy(file), { now: Math.floor(Date.now() / 1000) })
    expect([file, report.overall, report.steps.filter(({ verdict }) => verdict === 'could-not-check')]).toEqual([
      file,
      'verified',
      []
    ])
  }
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const status = async (name: 'court' | 'discipline') =>
  (await (await fetch(`${peers.url(name)}/api/v1/status`)).json()) as {
    logs: { name: string; size: number; published: number }[]
    peers: { log: string; name: string; role: string; size: number; behind: number; failures: number; error?: string }[]
    watched: { origin: string; role: string; size: number }[]
  }

test('a record is final with its quorum: receipts verify offline, under Ed25519 and under ML-DSA-44', async () => {
  await peers.startAll()
  const answer = await peers.submit(fix('first'), 'clerk', 'evidence')
  expect(answer.status).toBe(201)
  await verified(answer)

  // Everyone ends up with it, the one that the quorum did not wait for too.
  const published = await until(async () => {
    const note = parseNote(await (await fetch(`${peers.url('court')}/logs/evidence/checkpoint`)).text())
    return note.signatures.length === 8 ? note : undefined
  })
  expect(new Set(published.signatures.map(({ name }) => name))).toEqual(
    new Set(['court.example/evidence', 'discipline.example/mirror', 'notary.example/mirror', 'procuratorate.example/witness'])
  )
  const { watched } = await status('discipline')
  const [, size] = published.text.split('\n')
  expect(watched.find(({ origin }) => origin === 'court.example/evidence')).toMatchObject({ role: 'mirror', size: Number(size) })
})

test('one node down holds up nobody; two down and the record is durable, promised, and completes by itself', async () => {
  await peers.start('court')
  await peers.start('discipline')
  await peers.start('notary')
  const first = await peers.submit(fix('one down'), 'clerk', 'evidence')
  expect(first.status).toBe(201)
  await verified(first)

  await peers.stop('notary')
  const answer = await peers.submit(fix('two down'), 'clerk', 'evidence', '?wait=durable')
  const { index, promise, receiptAt } = (await answer.json()) as { index: number; promise: string; receiptAt: string }
  expect([answer.status, typeof promise]).toEqual([202, 'string'])
  const seen = await until(async () => {
    const { logs, peers: links } = await status('court')
    const evidence = links.filter(({ log }) => log === 'evidence')
    return evidence.filter(({ failures }) => failures > 0).length === 2 ? { logs, evidence } : undefined
  })
  const log = seen.logs.find(({ name }) => name === 'evidence')!
  expect(log.size).toBeGreaterThan(index)
  expect(log.published).toBeLessThanOrEqual(index)
  expect(seen.evidence.filter(({ behind }) => behind > 0).map(({ name }) => name)).toEqual(
    expect.arrayContaining(['notary.example', 'procuratorate.example'])
  )
  expect(await (await fetch(`${peers.url('court')}/metrics`)).text()).toMatch(
    /lianzheng_peer_failures\{log="evidence",peer="notary.example",role="mirror"\} [1-9]/
  )

  await peers.start('procuratorate')
  const published = await until(async () => {
    const { logs } = await status('court')
    return logs.find(({ name, published }) => name === 'evidence' && published > index)
  })
  expect(published.published).toBeGreaterThan(index)
  expect(receiptAt).toContain('/receipt')
})
