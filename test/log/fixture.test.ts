/** Data written by a released version opens for ever: every store in `test/fixtures/stores` is opened, audited, proved from and written on. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromBase64url, hex } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/hash.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { auditStore } from '../../src/log/audit.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import { openLevel } from '../../src/store/level.ts'
import type { Store } from '../../src/store/store.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { Lab, USERS } from '../helpers/lab.ts'
import { variant } from '../helpers/records.ts'
import { describeStore, type StoreDescription } from '../helpers/store-fixture.ts'

const STORES = new URL('../fixtures/stores/', import.meta.url).pathname
const versions = existsSync(STORES)
  ? readdirSync(STORES, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  : []

test('there are stores of released versions', () => {
  if (versions.length === 0)
    throw new Error(
      `no store in ${STORES}: write one with scripts/make-store-fixture.ts when the formats of the version are final`
    )
})

for (const version of versions)
  describe(`store written by ${version}`, () => {
    const fixture = join(STORES, version)
    const file = (name: string) => readFileSync(join(fixture, name), 'utf8')
    const expected = JSON.parse(file('expected.json')) as StoreDescription
    const { seed, origin, policy, now } = expected
    const temporary = mkdtempSync(join(tmpdir(), 'lianzheng-fixture-'))
    const copy = join(temporary, 'data')
    let store: Store
    let lab: Lab

    beforeAll(async () => {
      cpSync(join(fixture, 'data'), copy, { recursive: true })
      store = await openLevel(copy, { mustExist: true })
      lab = await Lab.open({ store, seed, origin, now }, { existing: true })
    })
    afterAll(async () => {
      await store.close()
      rmSync(temporary, { recursive: true, force: true })
    })

    const findings = async () =>
      (await auditStore(store, { verifier: nativeVerifier, policy: parsePolicy(policy), postQuantumKey: lab.keys.mldsa.vkey }))
        .findings

    test('audits clean', async () => {
      expect(await findings()).toEqual([])
    })

    test('has the head, disclosures, receipts and certificates that it had, to the last byte', () => {
      const asked = { receipts: expected.receipts.map(({ index }) => index), trails: expected.trails.map(({ name }) => name) }
      expect(asked.receipts.length).toBeGreaterThan(5)
      const { head, note, disclosures, receipts, trails } = expected
      expect(describeStore(lab, asked, policy)).toEqual({ head, note, disclosures, receipts, trails })
      expect(trails.at(-1)!.count).toBe(0)
      expect(trails[0]!.count).toBeGreaterThan(0)
    })

    test('the files it handed out then verify, and are the ones it hands out', () => {
      const receipt = file('receipt.json')
      const certificate = file('certificate.json')
      expect(verifyReceipt(receipt, parsePolicy(policy)).overall).toBe('verified')
      expect(verifyCertificate(certificate, parsePolicy(policy)).overall).toBe('verified')
      const digest = (text: string) => hex(sha256(new TextEncoder().encode(text)))
      expect(expected.receipts.map((one) => one.digest)).toContain(digest(receipt))
      expect(expected.trails.map((one) => one.digest)).toContain(digest(certificate))
    })

    test('knows the key that was revoked', () => {
      expect(lab.sequencer.head.size).toBe(expected.head.size)
      const kid = fromBase64url(expected.revoked)
      const trail = lab.reader.trailPart(`key:${expected.revoked}`, () => [])
      expect(trail.count).toBeGreaterThanOrEqual(2)
      const last = lab.reader.statement(trail.entries.at(-1)!.index)
      expect([last.body.get('type'), last.body.get('kid')]).toEqual(['registry.revoke', kid])
    })

    test('goes on: new records enter, and it audits clean again', async () => {
      lab.now += 1_000
      const size = lab.sequencer.head.size
      const written = [variant(100_001, 'evidence.fix'), variant(100_002, 'supervision.opinion')]
      // One after another: sent together they may come into one batch or two, with a seal between them.
      for (const [i, { record, by }] of written.entries())
        expect(await lab.submit(record, by)).toEqual({ index: size + 2 * i, fresh: true })
      expect(lab.reader.trailPart('power:粤01-R0001', () => []).count).toBe(expected.trails[0]!.count + 1)
      expect(USERS.president.staff).toBe('粤01-R0001')
      expect(await findings()).toEqual([])
    })
  })
