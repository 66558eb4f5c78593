/** What an erasure takes away, and what it leaves: over a real LevelDB, whose files are searched for what is gone. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Bytes, utf8 } from '../../src/core/bytes.ts'
import { decodeDisclosure } from '../../src/core/disclosure.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { auditStore } from '../../src/log/audit.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import type { Draft } from '../../src/records/draft.ts'
import { disclosuresKey, erasedKey, PURGE_KEY } from '../../src/store/layout.ts'
import { openLevel } from '../../src/store/level.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { put, type Store } from '../../src/store/store.ts'
import { decodeValue, encodeValue } from '../../src/store/values.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { formatCertificate, formatReceipt } from '../../src/verify/files.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { filesWith } from '../helpers/grep.ts'
import { all, erasure, evidenceId, fix, Lab, opinion, USERS, user } from '../helpers/lab.ts'
import { gate, settled, WatchedStore } from '../helpers/watched.ts'

const INSPECTION = user('inspection', ['administrator'], undefined, 'gz-discipline')
const OPTIONS = { administrators: [{ user: INSPECTION }] }
let directory: string
let store: Store
let lab: Lab

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lianzheng-erasures-'))
  store = await openLevel(directory)
  lab = await Lab.open({ store, ...OPTIONS })
})
afterEach(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

async function place(record: { [name: string]: unknown }, by = USERS.clerk): Promise<Draft & { index: number }> {
  const made = lab.draft(record, by)
  return { ...made, ...(await lab.place(made)) }
}
const erase = (index: number, fields: readonly string[], by = USERS.admin) => lab.submit(erasure(lab, index, fields), by)
const names = (index: number) => lab.reader.disclosures(index).map((one) => decodeDisclosure(one).name)
/** What no file may hold: slices of a stored value, past its salt, that no framing of a log cuts in two all at once. */
const found = (value: Bytes) => [8, 40, 60].flatMap((at) => filesWith(directory, value.subarray(at, at + 16))).length
const findings = async () => {
  const options = { verifier: nativeVerifier, policy: parsePolicy(lab.policy()), cipherOf: () => lab.keys.disclosures }
  return (await auditStore(store, options)).findings
}
const receipt = (index: number) => formatReceipt(lab.reader.receipt(index, all))
const verified = (text: string) => verifyReceipt(text, parsePolicy(lab.policy()))
const certificate = (trail: string) =>
  verifyCertificate(formatCertificate({ trail, parts: [lab.reader.trailPart(trail, all)] }), parsePolicy(lab.policy()))

describe('a field that is erased', () => {
  test('is in no file any more, and all that was proven still is', async () => {
    const evidence = evidenceId()
    const { index } = await place(fix('a', { evidence, sealed: { name: '合同.pdf', source: '原告张某某提交' } }))
    const before = receipt(index)
    const old = Uint8Array.from(store.get(disclosuresKey(index))!)
    expect(found(old)).toBeGreaterThan(0)
    await erase(index, ['source'])

    expect(found(old)).toBe(0)
    expect(filesWith(directory, utf8('原告张某某提交'))).toEqual([])
    expect(names(index)).toEqual(['name'])
    expect(store.get(PURGE_KEY)).toBeUndefined()
    expect(await findings()).toEqual([])
    expect(verified(before)).toMatchObject({ overall: 'verified', record: { disclosed: { source: '原告张某某提交' } } })
    expect(verified(receipt(index))).toMatchObject({ overall: 'verified', record: { withheld: ['source'] } })
    expect(certificate(`evidence:${evidence}`)).toMatchObject({ overall: 'verified', disclosed: 1, withheld: 0, erased: 1 })
  })

  test('does not come back with the statement, and the others do', async () => {
    const made = lab.draft(fix('a'), USERS.clerk)
    const { index } = await lab.place({ ...made, disclosures: [] })
    await erase(index, ['source'])
    await lab.place(made)
    expect(names(index)).toEqual(['name'])
    await lab.place(made)
    expect(names(index)).toEqual(['name'])
    expect(await findings()).toEqual([])
  })

  test('and the rest, one after another, until nothing is left', async () => {
    const { index } = await place(fix('a', { sealed: { name: 'a', source: 'b', purpose: 'c' } }))
    const values = [Uint8Array.from(store.get(disclosuresKey(index))!)]
    await Promise.all([erase(index, ['purpose']), erase(index, ['source', 'purpose'])])
    expect(names(index)).toEqual(['name'])
    values.push(Uint8Array.from(store.get(disclosuresKey(index))!))
    await erase(index, ['name'])
    expect(store.get(disclosuresKey(index))).toBeUndefined()
    expect(values.map(found)).toEqual([0, 0])
    expect(store.get(PURGE_KEY)).toBeUndefined()
    expect(await findings()).toEqual([])
    const { overall, record } = verified(receipt(index))
    expect([overall, record!.withheld.toSorted()]).toEqual(['verified', ['name', 'purpose', 'source']])
  })

  test('that version 1 kept in the clear', async () => {
    const { index, disclosures } = await place(fix('a', { sealed: { name: '合同.pdf', source: '原告张某某提交' } }))
    await store.write([put(disclosuresKey(index), encodeValue(disclosures))], { durable: true })
    expect(filesWith(directory, utf8('原告张某某提交')).length).toBeGreaterThan(0)
    await erase(index, ['source'])
    expect(filesWith(directory, utf8('原告张某某提交'))).toEqual([])
    expect(names(index)).toEqual(['name'])
    expect(await findings()).toEqual([])
  })

  test('after the store was closed and opened, and under records that came later', async () => {
    const { index } = await place(fix('a'))
    const old = Uint8Array.from(store.get(disclosuresKey(index))!)
    await lab.sequencer.stop()
    await store.close()
    store = await openLevel(directory)
    lab = await Lab.open({ store, ...OPTIONS }, { existing: true })
    await Promise.all(Array.from({ length: 300 }, (_, i) => place(fix(`later ${i}`))))
    expect(found(old)).toBeGreaterThan(0)
    await erase(index, ['name', 'source'])
    expect(found(old)).toBe(0)
    expect(await findings()).toEqual([])
  })
})

describe('of a record of supervision', () => {
  const content = '请提交类案检索报告。'
  const POWER = 'power:粤01-R0001'
  test.each([
    ['its own institution first', USERS.admin, INSPECTION],
    ['discipline first', INSPECTION, USERS.admin]
  ])('both sides agree: %s', async (_, first, second) => {
    const { index } = await place(opinion(), USERS.president)
    const old = Uint8Array.from(store.get(disclosuresKey(index))!)
    for (let again = 0; again < 2; again++) {
      await erase(index, ['content'], first)
      expect(names(index)).toEqual(['content'])
      expect(certificate(POWER)).toMatchObject({ overall: 'verified', disclosed: 1, erased: 0 })
      expect(verified(receipt(index)).record!.disclosed).toEqual({ content })
    }
    expect(await findings()).toEqual([])
    await erase(index, ['content'], second)
    expect(names(index)).toEqual([])
    expect(found(old)).toBe(0)
    expect(certificate(POWER)).toMatchObject({ overall: 'verified', disclosed: 0, withheld: 0, erased: 1 })
    expect(await findings()).toEqual([])
  })
})

test('nobody is answered before the files are rid of it, and a crash before that leaves the work to the next start', async () => {
  const memory = new MemoryStore()
  const watched = new WatchedStore(memory)
  lab = await Lab.open({ store: watched, seed: 'erasures' })
  const { index } = await place(fix('a'))
  const { passed, open } = gate()
  let purged = 0
  watched.purge = async () => {
    purged++
    await passed
  }
  const made = lab.draft(erasure(lab, index, ['source']), USERS.admin)
  const answer = lab.place(made)
  const other = lab.submit(fix('b'), USERS.clerk)
  await other
  expect([await settled(answer), purged, names(index)]).toEqual([false, 1, ['name']])
  // Nor whoever sends it again, or asks for the same once more.
  const same = lab.place(made)
  const once = erase(index, ['source'])
  expect([await settled(same), await settled(once), purged]).toEqual([false, false, 1])

  const crashed = new WatchedStore(memory.crash())
  const next = await Lab.open({ store: crashed, seed: 'erasures' }, { existing: true })
  expect(next.reader.disclosures(index)).toHaveLength(1)
  expect(decodeValue(crashed.get(PURGE_KEY)!, 'm purge')).toEqual([index])
  const again: Bytes[] = []
  crashed.purge = async (keys) => void again.push(...keys)
  await next.sequencer.purge()
  expect(again).toEqual([disclosuresKey(index)])
  expect(crashed.get(PURGE_KEY)).toBeUndefined()
  await next.sequencer.purge()
  expect(again).toHaveLength(1)

  open()
  expect(await answer).toMatchObject({ fresh: true })
  expect([(await same).fresh, (await once).fresh]).toEqual([false, true])
  expect(memory.get(PURGE_KEY)).toBeUndefined()
})

test('an audit finds a field that came back, and what was asked when it is changed', async () => {
  const { index, disclosures } = await place(fix('a'))
  await erase(index, ['source'])
  const value = store.get(disclosuresKey(index))!
  await store.write([put(disclosuresKey(index), lab.keys.disclosures.seal(index, disclosures))], { durable: true })
  expect(await findings()).toMatchObject([{ what: `d ${index}`, code: 'STORE_DISAGREES' }])
  await store.write([put(disclosuresKey(index), value)], { durable: true })
  await store.write([put(erasedKey(index), encodeValue({ own: [], discipline: [] }))], { durable: true })
  expect(await findings()).toMatchObject([{ what: `x ${index}`, code: 'STORE_CORRUPT' }])
})
