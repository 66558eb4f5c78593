/** Promises and refusals (formats.md §12) as the node hands them out. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bytes, base64url, fromBase64url } from '../../src/core/bytes.ts'
import { leafHash } from '../../src/core/hash.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { formatVkey, makeVkey, TYPE_COSIGNATURE } from '../../src/core/note.ts'
import { decodeHandout } from '../../src/core/promise.ts'
import { verifyStatement } from '../../src/core/statement.ts'
import { PROMISE_TIME } from '../../src/http/submit.ts'
import { CATALOGUE_VERSION } from '../../src/records/catalogue.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type Answer, originOf, submission, TestNetwork } from '../helpers/network.ts'

let network: TestNetwork
/** One whose policy asks for a mirror that is not there. */
let lonely: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
  lonely = await TestNetwork.make()
  const mirror = makeVkey('discipline.example/mirror', TYPE_COSIGNATURE, ed25519Signer(new Uint8Array(32).fill(5)).publicKey)
  writeFileSync(
    lonely.policyFile,
    lonely.policyText
      .replace('quorum none', `witness discipline ${formatVkey(mirror)}\nquorum discipline`)
      .replace(/^(# lianzheng .*) 0$/gm, '$1 1 discipline')
  )
  await lonely.start()
})
afterAll(async () => {
  await network.close()
  await lonely.close()
})

const sha256 = (bytes: Bytes) => new Uint8Array(createHash('sha256').update(bytes).digest())
const handed = (of: TestNetwork, log: string, text: unknown) => {
  const handout = decodeHandout(fromBase64url(text as string))
  const { keys } = of.node.context.logs.get(log)!
  expect(verifyStatement(handout, keys.promise.publicKey)).toBe(true)
  expect(handout).toMatchObject({ iss: 'gz-court', aud: originOf(log), sub: `ledger:${originOf(log)}` })
  return handout
}

describe('what is durable and not yet final', () => {
  it('gets 202, a promise and the place of its receipt', async () => {
    const signed = lonely.sign(fix('durable'), 'clerk')
    const before = Date.now()
    const answer = await lonely.post(signed, '?wait=durable')
    const after = Date.now()
    const told = answer.json<{ status: number; index: number; leaf: string; promise: string; receiptAt: string }>()
    expect([answer.status, told.status]).toEqual([202, 202])
    expect(Object.keys(told)).toEqual(['status', 'log', 'index', 'leaf', 'promise', 'receiptAt'])
    expect(answer.headers.get('location')).toBe(told.receiptAt)
    const handout = handed(lonely, 'evidence', told.promise)
    expect(handout.kind).toBe('promise')
    const { promise } = handout as Extract<typeof handout, { kind: 'promise' }>
    expect(promise.leaf).toEqual(leafHash(signed.statement))
    expect(promise.time).toBeGreaterThanOrEqual(before)
    expect(promise.time).toBeLessThanOrEqual(after)
    expect(promise.by - promise.time).toBe(PROMISE_TIME)

    const receipt = await lonely.ask(told.receiptAt, { as: 'clerk' })
    expect([receipt.status, receipt.json<{ index: number }>().index]).toEqual([200, told.index])
  })

  it('is kept through a restart, and sent again is promised again', async () => {
    const signed = lonely.sign(fix('kept'), 'clerk')
    const first = (await lonely.post(signed, '?wait=durable')).json<{ index: number }>()
    await lonely.stop()
    await lonely.start()
    const again = await lonely.post(signed, '?wait=durable')
    expect([again.status, again.json<{ index: number }>().index]).toEqual([202, first.index])
  })

  it('in arrays, one promise each; what is refused beside it is refused alone', async () => {
    const signed = [lonely.sign(fix('a'), 'clerk'), lonely.sign(opinion(), 'clerk'), lonely.sign(opinion(), 'president')]
    const answer = await lonely.postAll(signed, '?wait=durable')
    const [a, b, c] = answer.json<{ status: number; log?: string; promise?: string; code?: string; refusal?: string }[]>()
    expect([answer.status, a!.status, b!.code, c!.status]).toEqual([200, 202, 'ROLE_NOT_PERMITTED', 202])
    expect(handed(lonely, 'evidence', a!.promise).kind).toBe('promise')
    expect(handed(lonely, 'supervision', b!.refusal).kind).toBe('refusal')
    expect(handed(lonely, 'supervision', c!.promise).kind).toBe('promise')
  })

  it('whoever waits for the quorum when the node stops is answered with the promise', async () => {
    const statement = lonely.sign(fix('stopping'), 'clerk')
    const { finality } = lonely.node.context.logs.get('evidence')!
    const original = finality.wait.bind(finality)
    const waiting = new Promise<void>((resolve) => {
      finality.wait = (index, ms) => {
        const wait = original(index, ms)
        resolve()
        return wait
      }
    })
    const answer = lonely.post(statement, '?wait=quorum')
    await waiting
    await lonely.stop()
    expect((await answer).status).toBe(202)
    await lonely.start()
  })
})

describe('under `quorum none` there is nothing to promise', () => {
  it.each(['?wait=durable', '?wait=quorum'])('%s: 201 and the receipt', async (query) => {
    const answer = await network.post(network.sign(fix(query), 'clerk'), query)
    expect([answer.status, Object.keys(answer.json())]).toEqual([201, ['status', 'log', 'index', 'leaf', 'receipt']])
  })
})

describe('what is refused', () => {
  const refusalIn = (answer: Answer): unknown => answer.json().refusal

  it('gets a refusal of these very bytes, with the code of the problem', async () => {
    const lies: [string, string, string, Bytes][] = [
      ['evidence', 'SIGNATURE_INVALID', 'clerk', network.sign(fix('x'), 'clerk', { iat: 1 }).statement],
      ['supervision', 'ROLE_NOT_PERMITTED', 'clerk', network.sign(opinion(), 'clerk').statement],
      [
        'supervision',
        'CLASSIFIED_NOT_ACCEPTED',
        'president',
        network.sign(opinion(), 'president', { body: (value) => (value.secrecy = '机密') }).statement
      ],
      ['evidence', 'FIELD_INVALID', 'clerk', network.sign(fix('y'), 'clerk', { body: (value) => (value.court = 'x') }).statement]
    ]
    const forged = Uint8Array.from(lies[0]![3])
    forged[forged.length - 1]! ^= 1
    lies[0]![3] = forged
    for (const [log, code, , statement] of lies) {
      const answer = await network.post(statement)
      expect(answer.json().code).toBe(code)
      const handout = handed(network, log, refusalIn(answer))
      expect(handout).toMatchObject({
        kind: 'refusal',
        refusal: { digest: sha256(statement), code, catalogue: CATALOGUE_VERSION }
      })
    }
  })

  it('is kept nowhere: neither the statement nor the refusal', async () => {
    const statement = network.sign(opinion(), 'president', { body: (value) => (value.secrecy = '秘密') }).statement
    const { ledger, sequencer } = network.node.context.logs.get('supervision')!
    const { size } = sequencer.head
    const refusal = refusalIn(await network.post(statement)) as string
    expect(sequencer.head.size).toBe(size)
    const traces = [statement, sha256(statement), leafHash(statement), fromBase64url(refusal)].map((bytes) => Buffer.from(bytes))
    const found: string[] = []
    for await (const [key, value] of ledger.store.range({ gte: new Uint8Array(0), lt: new Uint8Array(64).fill(0xff) }))
      if (traces.some((trace) => Buffer.from(key).includes(trace) || Buffer.from(value).includes(trace)))
        found.push(base64url(key))
    expect(found).toEqual([])
  })

  it('by no log of this node, by no log that can be told, or not for what it is: no refusal', async () => {
    const elsewhere = network.sign(fix('elsewhere'), 'clerk', { aud: 'discipline.example/lead' })
    expect((await network.post(elsewhere)).json()).not.toHaveProperty('refusal')
    for (const body of [
      '{}',
      '[]',
      '{"statement":"!"}',
      '{"statement":"AAAA"}',
      JSON.stringify({ ...submission(elsewhere), more: 1 })
    ]) {
      const answer = await network.ask('/api/v1/records', { body })
      expect([answer.status, 'refusal' in answer.json()]).toEqual([400, false])
    }
    for (const path of ['/api/v1/whoami', '/api/v1/logs/evidence/records/1', '/nowhere'])
      expect((await network.ask(path)).json()).not.toHaveProperty('refusal')
  })

  it('twice: each refusal is its own', async () => {
    const statement = network.sign(opinion(), 'clerk').statement
    const [a, b] = [await network.post(statement), await network.post(statement)].map((answer) =>
      decodeHandout(fromBase64url(refusalIn(answer) as string))
    )
    expect(base64url(a!.cti)).not.toBe(base64url(b!.cti))
  })
})
