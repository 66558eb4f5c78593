import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Bytes } from '../../src/core/bytes.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { type AuditReport, auditStore } from '../../src/log/audit.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import { disclosureCipher } from '../../src/store/disclosures.ts'
import { classRange, KEY_CLASSES, type KeyClass } from '../../src/store/layout.ts'
import { openLevel } from '../../src/store/level.ts'
import { put, remove, type Store } from '../../src/store/store.ts'
import { erasure, fix, Lab, opinion, seedKeys, USERS } from '../helpers/lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'lianzheng-audit-'))
let store: Store
let lab: Lab
const keys = new Map<KeyClass, Bytes[]>()

const audit = (policy = lab.policy()): Promise<AuditReport> =>
  auditStore(store, {
    verifier: nativeVerifier,
    policy: parsePolicy(policy),
    postQuantumKey: lab.keys.mldsa.vkey,
    cipherOf: () => lab.keys.disclosures
  })
const named = ({ findings }: AuditReport): string[] => findings.map(({ what }) => what)

beforeAll(async () => {
  store = await openLevel(join(directory, 'store'))
  lab = await Lab.open({ store })
  const erased = (await lab.submit(fix('to be erased'), USERS.clerk)).index
  for (let i = 0; i < 12; i++) {
    lab.now += 1_000
    await Promise.all([lab.submit(opinion(), USERS.president), lab.submit(fix(`file ${i}`), USERS.clerk)])
  }
  await lab.submit(erasure(lab, erased, ['source']), USERS.admin)
  await lab.sequencer.stop()
  for (const letter of KEY_CLASSES) {
    const found: Bytes[] = []
    for await (const [key] of store.range(classRange(letter))) found.push(key)
    keys.set(letter, found)
  }
})
afterAll(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

test('a good store has no findings, and every class of keys is in it', async () => {
  expect(await audit()).toMatchObject({ findings: [], records: 34 })
  for (const letter of KEY_CLASSES) expect(keys.get(letter)!.length, letter).toBeGreaterThan(0)
})

describe.each(KEY_CLASSES)('class %s', (letter) => {
  /** First, middle and last key of the class, and all of `m`. */
  const some = (): Bytes[] => {
    const all = keys.get(letter)!
    return letter === 'm' ? all : [...new Set([all[0]!, all[Math.floor(all.length / 2)]!, all.at(-1)!])]
  }

  test('one flipped bit is named', async () => {
    for (const key of some()) {
      const value = store.get(key)!
      for (const at of [0, Math.floor(value.length / 2), value.length - 1]) {
        const flipped = Uint8Array.from(value)
        flipped[at]! ^= 1 << (at % 8)
        await store.write([put(key, flipped)], { durable: true })
        const what = named(await audit())
        expect(
          what.some((name) => name.startsWith(letter)),
          `${Buffer.from(key).toString('hex')} byte ${at}: ${what}`
        ).toBe(true)
        await store.write([put(key, value)], { durable: true })
      }
    }
  })

  test('what is missing or foreign is named', async () => {
    const key = some().at(-1)!
    const value = store.get(key)!
    // A note or a disclosure may be absent: the one is made again, the other may never have been given.
    if (!['d', 'm', 'g'].includes(letter)) {
      await store.write([remove(key)], { durable: true })
      const what = named(await audit())
      expect(
        what.some((name) => name.startsWith(letter)),
        String(what)
      ).toBe(true)
    }
    const foreign = Uint8Array.from([...key, 0])
    await store.write([put(key, value), put(foreign, value)], { durable: true })
    expect(named(await audit()).length).toBeGreaterThan(0)
    await store.write([remove(foreign)], { durable: true })
    expect(named(await audit())).toEqual([])
  })
})

test('a store signed by keys that the policy does not list', async () => {
  const other = seedKeys('another', lab.origin)
  const policy = lab.policy().replace(/^log \S+/, `log ${(await import('../../src/core/note.ts')).formatVkey(other.log.vkey)}`)
  expect(named(await audit(policy))).toEqual(['m note'])
})

test('sealed disclosures without the seed are counted, not called good; with another seed they are found', async () => {
  const options = { verifier: nativeVerifier, policy: parsePolicy(lab.policy()) }
  const report = await auditStore(store, options)
  expect(report).toMatchObject({ findings: [], disclosures: 0, unopened: keys.get('d')!.length })
  expect(await audit()).toMatchObject({ findings: [], disclosures: 37, unopened: 0 })
  const other = disclosureCipher(new Uint8Array(32).fill(1))
  expect(new Set(named(await auditStore(store, { ...options, cipherOf: () => other }))).size).toBe(report.unopened)
})
