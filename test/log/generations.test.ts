/**
 * A log whose node changes its keys (formats.md §2, §8, §9): agreed by as many organisations as must agree, in force for the seal that ends the very
 * batch, derived from the same seed. What was handed out before verifies for ever; a policy that does not know the new key could not check.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { base64url } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { keyId } from '../../src/core/keys.ts'
import { formatVkey, isBy, parseNote } from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { auditStore } from '../../src/log/audit.ts'
import { namedKeys } from '../../src/log/head.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import { NOTE_KEY } from '../../src/store/layout.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { put } from '../../src/store/store.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { formatCertificate, formatReceipt, parseReceipt } from '../../src/verify/files.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { all, fix, Lab, opinion, USERS, type User, user } from '../helpers/lab.ts'

const AT = '2020-08-26T11:00:00+08:00'
const DISCIPLINE = user('discipline', ['administrator'], undefined, 'gz-discipline')
const NOTARY = user('notary', ['administrator'], undefined, 'gz-notary')

/** A change to the keys of a generation, of some purposes or of all. */
function change(lab: Lab, generation: number, purposes?: readonly string[]): { [name: string]: unknown } {
  const keys = Object.entries(namedKeys(lab.keys, generation))
    .filter(([purpose]) => purposes?.includes(purpose) ?? true)
    .map(([purpose, value]) => [purpose, typeof value === 'string' ? value : base64url(value)])
  return { type: 'registry.node', at: AT, keys: Object.fromEntries(keys), generation }
}
async function propose(
  lab: Lab,
  record: { [name: string]: unknown }
): Promise<{ index: number; approve(by: User): Promise<number> }> {
  const { index } = await lab.submit(record, USERS.admin)
  const refs = [{ rel: 'approves', log: lab.origin, leaf: lab.leafOf(index) }]
  return { index, approve: async (by) => (await lab.submit({ type: 'registry.approve', at: AT, refs }, by)).index }
}
const receiptOf = (lab: Lab, index: number) => formatReceipt(lab.reader.receipt(index, all))
const policyOf = (lab: Lab, ...vkeys: string[]) =>
  parsePolicy(
    `${vkeys.map((vkey) => `log ${vkey}\n`).join('')}quorum none\n# lianzheng ${lab.origin} ${lab.classes.join(',')} 0\n`
  )
const refusal = async (action: () => Promise<unknown>): Promise<string> => {
  try {
    await action()
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code} ${error.detail.field}`
    throw error
  }
  return 'accepted'
}
async function restarted(lab: Lab, store = lab.store): Promise<void> {
  await lab.sequencer.stop()
  await lab.start(store)
}

describe('two organisations agree to a second generation', () => {
  let lab: Lab
  let before: string
  let after: string
  let oldVkey: string
  let newVkey: string
  beforeAll(async () => {
    lab = await Lab.open({ control: 2, administrators: [{ user: DISCIPLINE }] }, { existing: true })
    await lab.place(lab.genesis())
    const enrolled = await lab.register(USERS.clerk)
    const refs = [{ rel: 'approves', log: lab.origin, leaf: lab.leafOf(enrolled.index) }]
    const kid = base64url(keyId(USERS.clerk.signer.publicKey))
    await lab.submit({ type: 'registry.approve', at: AT, refs, kid }, DISCIPLINE)
    oldVkey = formatVkey(lab.sequencer.keys.log.vkey)
    before = receiptOf(lab, (await lab.submit(fix('before'), USERS.clerk)).index)

    const proposal = await propose(lab, change(lab, 2))
    expect(formatVkey(lab.sequencer.keys.log.vkey)).toBe(oldVkey)
    await proposal.approve(DISCIPLINE)
    newVkey = formatVkey(lab.sequencer.keys.log.vkey)
    after = receiptOf(lab, (await lab.submit(fix('after'), USERS.clerk)).index)
  })

  test('the node signs heads and seals under its new keys', () => {
    expect(newVkey).not.toBe(oldVkey)
    const note = parseNote(lab.reader.published().note)
    expect(note.signatures.some((line) => isBy(line, lab.sequencer.keys.log.vkey))).toBe(true)
    expect(note.signatures.some((line) => isBy(line, lab.keys.log.vkey))).toBe(false)
    const seal = lab.reader.statement(lab.sequencer.head.size - 1)
    expect(seal.kid).not.toEqual(lab.reader.statement(1).kid)
  })

  test('what was handed out before verifies as it did; the new is more than an old policy can check, and never broken', () => {
    expect(verifyReceipt(before, policyOf(lab, oldVkey)).overall).toBe('verified')
    expect(verifyReceipt(after, policyOf(lab, newVkey)).overall).toBe('verified')
    expect(verifyReceipt(after, policyOf(lab, oldVkey, newVkey)).overall).toBe('verified')
    expect(verifyReceipt(before, policyOf(lab, oldVkey, newVkey)).overall).toBe('verified')
    expect(verifyReceipt(after, policyOf(lab, oldVkey)).overall).toBe('could-not-check')
    expect(verifyReceipt(before, policyOf(lab, newVkey)).overall).toBe('could-not-check')
  })

  test('the record of before under the new head needs what changed the keys; without it the seal could not be checked', () => {
    const index = parseReceipt(before).index
    const receipt = lab.reader.receipt(index, all)
    const types = receipt.authority.map(({ index }) => lab.reader.statement(index).body.get('type'))
    expect(types).toEqual(['ledger.genesis', 'registry.key', 'registry.approve', 'registry.node', 'registry.approve'])
    expect(verifyReceipt(formatReceipt(receipt), policyOf(lab, newVkey)).overall).toBe('verified')
    const short = { ...receipt, authority: receipt.authority.filter((entry) => entry.index < index) }
    const report = verifyReceipt(formatReceipt(short), policyOf(lab, newVkey))
    expect(report.steps.find(({ step }) => step === 'seal')!.verdict).toBe('could-not-check')
  })

  test('a certificate across the change verifies', () => {
    const trail = `ledger:${lab.origin}`
    const text = formatCertificate({ trail, parts: [lab.reader.trailPart(trail, all)] })
    expect(verifyCertificate(text, policyOf(lab, newVkey)).overall).toBe('verified')
    expect(verifyCertificate(text, policyOf(lab, oldVkey)).overall).toBe('could-not-check')
  })

  test('the node finds its keys again, and audits clean', async () => {
    await restarted(lab)
    expect(formatVkey(lab.sequencer.keys.log.vkey)).toBe(newVkey)
    const { index } = await lab.submit(fix('after a restart'), USERS.clerk)
    expect(verifyReceipt(receiptOf(lab, index), policyOf(lab, newVkey)).overall).toBe('verified')
    const policy = policyOf(lab, newVkey)
    expect((await auditStore(lab.store, { verifier: nativeVerifier, policy })).findings).toEqual([])
  })
})

describe('one organisation is enough', () => {
  test('a crash after the batch and before the note: the next start signs the head under the keys that are in force', async () => {
    const lab = await Lab.open({ store: new MemoryStore() })
    const note = lab.reader.published().note
    await lab.submit(change(lab, 2), USERS.admin)
    await lab.sequencer.stop()
    await lab.store.write([put(NOTE_KEY, new TextEncoder().encode(note))], { durable: true })
    // Audited as it lies, the older note is one by the keys of its time.
    const policy = parsePolicy(lab.policy())
    expect((await auditStore(lab.store, { verifier: nativeVerifier, policy })).findings).toEqual([])
    await lab.start(lab.store)
    const signed = parseNote(lab.reader.published().note)
    expect(signed.signatures.some((line) => isBy(line, lab.sequencer.keys.log.vkey))).toBe(true)
    expect(formatVkey(lab.sequencer.keys.log.vkey)).not.toBe(formatVkey(lab.keys.log.vkey))
  })

  test('only the purposes named change; each keeps the generation that changed it last', async () => {
    const lab = await Lab.open()
    await lab.submit(change(lab, 2, ['statement', 'receipt']), USERS.admin)
    await lab.submit(change(lab, 3, ['log', 'log-mldsa44']), USERS.admin)
    const { keys } = lab.sequencer
    const names = (generation: number) => namedKeys(lab.keys, generation)
    expect(formatVkey(keys.log.vkey)).toBe(names(3).log)
    expect(keys.statement.publicKey).toEqual(names(2).statement)
    expect(keys.receipt.publicKey).toEqual(names(2).receipt)
    expect(keys.promise.publicKey).toEqual(names(1).promise)
    await restarted(lab)
    const { index } = await lab.submit(opinion(), USERS.president)
    expect(verifyReceipt(receiptOf(lab, index), policyOf(lab, names(3).log)).overall).toBe('verified')
  })

  test('keys that this node does not hold are refused, whatever they are for', async () => {
    const lab = await Lab.open()
    const foreign = base64url(user('stranger', []).signer.publicKey)
    for (const purpose of ['statement', 'receipt', 'promise', 'log-mldsa44']) {
      const record = { ...change(lab, 2, []), keys: { [purpose]: foreign } }
      expect(await refusal(() => lab.submit(record, USERS.admin))).toBe(`FIELD_INVALID keys.${purpose}`)
    }
    const wrong = { ...change(lab, 2), keys: change(lab, 3).keys }
    expect(await refusal(() => lab.submit(wrong, USERS.admin))).toBe('FIELD_INVALID keys.log')
    expect(await refusal(() => lab.submit(change(lab, 3), USERS.admin))).toBe('FIELD_INVALID generation')
  })
})

test('where three must agree, the approvals in between belong to the chain too', async () => {
  const administrators = [{ user: DISCIPLINE }, { user: NOTARY }]
  const lab = await Lab.open({ control: 3, administrators }, { existing: true })
  await lab.place(lab.genesis())
  const other = await propose(lab, { type: 'registry.policy', at: AT, policy: 'quorum none\n' })
  const proposal = await propose(lab, change(lab, 2))
  await other.approve(NOTARY)
  const first = await proposal.approve(DISCIPLINE)
  await other.approve(DISCIPLINE)
  const last = await proposal.approve(NOTARY)
  const { authority } = lab.reader.receipt(last, all)
  expect(authority.map(({ index }) => index)).toEqual([0, proposal.index, first, last])
  expect(verifyReceipt(receiptOf(lab, last), policyOf(lab, formatVkey(lab.sequencer.keys.log.vkey))).overall).toBe('verified')
})

test('a store from before the change is not taken up under a head of after it', async () => {
  const store = new MemoryStore()
  const lab = await Lab.open({ store })
  const kept: [Uint8Array, Uint8Array][] = []
  for await (const item of store.range({ gte: new Uint8Array(0), lt: Uint8Array.of(255) }))
    kept.push(item as [Uint8Array, Uint8Array])
  await lab.submit(change(lab, 2), USERS.admin)
  const { note } = lab.reader.published()
  await lab.sequencer.stop()
  const older = new MemoryStore()
  await older.write([...kept.map(([key, value]) => put(key, value)), put(NOTE_KEY, new TextEncoder().encode(note))], {
    durable: true
  })
  expect(await refusal(() => lab.start(older))).toBe('STORE_DISAGREES m note')
})
