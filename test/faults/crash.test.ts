/**
 * A storage layer that drops everything not synced, at a thousand random points, loses no answered record and none of its disclosures, and the
 * store opens and audits clean. Then the same by table: each call of a short life fails, fails but is persisted, or is the last.
 */
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type Bytes, equalBytes, hex } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { leafHash } from '../../src/core/hash.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { auditStore } from '../../src/log/audit.ts'
import { plainVerifier } from '../../src/node/native.ts'
import { type Draft, draft } from '../../src/records/draft.ts'
import { FORMAT_KEY } from '../../src/store/layout.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { verifyParsedReceipt } from '../../src/verify/receipt.ts'
import { all, Lab, ORIGIN, START, USERS, type User, user } from '../helpers/lab.ts'
import { type CallKind, type Fate, LossyStore } from '../helpers/lossy.ts'
import { registration, registryChange, revocation, variant, type Written } from '../helpers/records.ts'

// The same few keys are registered in every round: whether they are acceptable is found out once (1 ms each, measured).
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

// ML-DSA would take half of the time here. How a head is signed is tested elsewhere; that it is signed, and found again, counts here.
vi.mock(import('@noble/post-quantum/ml-dsa.js'), async (original) => {
  const { ml_dsa44: real, ...others } = await original()
  const tag = (message: Bytes) => Uint8Array.from({ length: 2_420 }, (_, i) => message[i % message.length]!)
  const standIn: typeof real = {
    ...real,
    sign: (message) => tag(message),
    verify: (signature, message) => equalBytes(signature, tag(message))
  }
  return { ...others, ml_dsa44: standIn }
})

const ROUNDS = 1_000
const SEED = 'crash'

/** A generator of 32-bit numbers, mulberry32: small, seeded, and good enough to choose with. */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }

  /** Of 0 … n − 1. */
  below(n: number): number {
    return this.#next() % n
  }

  bytes = (length: number): Bytes => Uint8Array.from({ length }, () => this.below(256))
}

interface Item extends Pick<Draft, 'statement' | 'disclosures'> {
  /** The key may be revoked before it gets its place, and then it is refused. */
  doomed: boolean
  /** Somebody else sends the statement first, without its disclosures. */
  bareFirst?: boolean
}

/** Waves of statements: what is in one is sent at once, and the next only when all of it has been answered. */
type Plan = Item[][]

/** Signs records with the random bytes of a seed. */
function signer(random: Random): (written: Written, doomed?: boolean) => Item {
  return ({ record, by }, doomed = false) => {
    const { statement, disclosures } = draft(record, { aud: ORIGIN, author: by, iat: START / 1000, random: random.bytes })
    return { statement, disclosures, doomed, bareFirst: random.below(6) === 0 }
  }
}

function planOf(random: Random, genesis: Item | undefined): Plan {
  const item = signer(random)
  const some = (count: number): Item[] => Array.from({ length: count }, () => item(variant(random.below(10_000))))
  const by = (who: User, count: number, doomed: boolean) =>
    Array.from({ length: count }, () => item({ ...variant(random.below(10_000), 'evidence.fix'), by: who }, doomed))
  const mixed = (items: Item[]): Item[] => {
    for (let i = items.length - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[items[i], items[j]] = [items[j]!, items[i]!]
    }
    return items
  }
  const founding = genesis === undefined ? [] : [[genesis], OTHERS.map((who) => item(registration(who)))]
  return [
    ...founding,
    mixed([...some(3 + random.below(5)), item(registration(NEWCOMER)), item(registration(LEAVER))]),
    mixed([
      ...some(3),
      ...by(NEWCOMER, 2, false),
      ...by(LEAVER, 2, true),
      item(revocation(LEAVER)),
      item(registryChange('registry.member', 1))
    ]),
    mixed([...some(1 + random.below(3)), item(registryChange('registry.policy', 1))])
  ]
}

const NEWCOMER = user('newcomer', ['clerk'], '粤01-R0901')
const LEAVER = user('leaver', ['clerk'], '粤01-R0902')
const OTHERS = Object.values(USERS).filter(({ roles }) => roles[0] !== 'administrator')

/** About half of all lives end at a write, the others anywhere: a whole life has some 8 writes and 150 reads (measured). */
function fateOf(random: Random): Fate {
  const persisted = random.below(2) === 0
  if (random.below(2) === 0) return { how: 'dies', of: 'writes', call: random.below(8), persisted }
  return { how: 'dies', of: 'calls', call: random.below(150), persisted }
}

const open = (store: Store, maxRecords: number, now: number): Promise<Lab> =>
  Lab.open({ store, seed: SEED, maxRecords, now, verifier: plainVerifier }, { existing: true })

/** Sends a log the plan, until the end or the death of its process, and notes what is answered. Returns the codes of what was refused. */
async function send(lab: Lab, store: LossyStore, plan: Plan, answered: Map<Item, number>): Promise<Map<Item, string>> {
  const refused = new Map<Item, string>()
  for (const wave of plan) {
    const sent = wave.map(async (item) => {
      try {
        if (item.bareFirst) lab.place({ ...item, disclosures: [] }).catch(() => {})
        const { index } = await lab.place(item)
        if (store.dead) return
        if ((answered.get(item) ?? index) !== index) throw new Error(`answered ${answered.get(item)} and then ${index}`)
        answered.set(item, index)
      } catch (error) {
        if (!(error instanceof LianzhengError)) throw error
        refused.set(item, error.code)
      }
    })
    await Promise.race([Promise.all(sent), store.death])
    if (store.dead) break
  }
  return refused
}

/** A process that starts on the store and dies over its work, or comes to its end. */
async function live(store: LossyStore, plan: Plan, answered: Map<Item, number>, maxRecords: number, now: number): Promise<void> {
  const opening = open(store, maxRecords, now).catch(unlessDead(store))
  const lab = await Promise.race([opening, store.death])
  if (lab instanceof Lab) await send(lab, store, plan, answered)
}

const unlessDead = (store: LossyStore) => (error: unknown) => {
  if (store.dead) return undefined
  throw error
}

async function expectClean(store: MemoryStore): Promise<void> {
  const { findings } = await auditStore(store, { verifier: plainVerifier, policy, postQuantumKey: template.keys.mldsa.vkey })
  expect(findings).toEqual([])
}

/** Every answered record is where the answer said, with its bytes and disclosures; the receipts of some of them verify. */
function expectKept(lab: Lab, answered: ReadonlyMap<Item, number>, receipts: (i: number) => boolean): void {
  let i = 0
  for (const [item, index] of answered) {
    const statement = lab.reader.statement(index)
    const disclosures = lab.reader.disclosures(index)
    // Compared by hand: `expect` takes longer than everything else here together (measured).
    if (!equalBytes(statement.bytes, item.statement)) throw new Error(`another statement stands at ${index}`)
    if (lab.reader.indexOfLeaf(leafHash(item.statement)) !== index) throw new Error(`the leaf of ${index} is not found there`)
    if (disclosures.length !== item.disclosures.length || disclosures.some((one, n) => !equalBytes(one, item.disclosures[n]!)))
      throw new Error(`disclosures of ${index} are lost`)
    if (receipts(i++)) expect(verifyParsedReceipt(lab.reader.receipt(index, all), policy).overall).toBe('verified')
  }
}

let template: Lab
let templateStore: MemoryStore
let policy: Policy
let genesis: Item

beforeAll(async () => {
  templateStore = new MemoryStore()
  template = await Lab.open({ store: templateStore, seed: SEED, verifier: plainVerifier })
  templateStore = templateStore.crash(1)
  policy = parsePolicy(template.policy())
  genesis = { statement: template.reader.statement(0).bytes, disclosures: [], doomed: false }
})

async function round(seed: number): Promise<{ crashes: number; lost: number; answeredBefore: number }> {
  const random = new Random(seed)
  const fresh = seed % 8 === 0
  const plan = planOf(random, fresh ? genesis : undefined)
  const answered = new Map<Item, number>()
  const maxRecords = 4 + random.below(16)
  let memory = fresh ? new MemoryStore() : templateStore.crash()
  let now = START + 1_000
  const seen = { crashes: 0, lost: 0, answeredBefore: 0 }

  for (let doomed = 1 + random.below(2); doomed > 0; doomed--) {
    const store = new LossyStore(memory, fateOf(random))
    await live(store, plan, answered, maxRecords, now)
    const kept = random.below(store.unsynced + 1)
    if (store.dead) seen.crashes++
    if (kept < store.unsynced) seen.lost++
    memory = store.remains(kept)
    now += random.below(2_000)
  }
  seen.answeredBefore = answered.size

  if (seed % 5 === 1 && memory.get(FORMAT_KEY) !== undefined) await expectClean(memory)
  const store = new LossyStore(memory)
  const lab = await open(store, maxRecords, now)
  expectKept(lab, answered, (i) => (i + seed) % 6 === 0)
  // Everything is sent again, what was answered too: each statement gets one place, and keeps it.
  const refused = await send(lab, store, plan, answered)
  for (const [item, code] of refused) expect([item.doomed, code]).toEqual([true, 'KEY_REVOKED'])
  expect(plan.flat().filter((item) => !answered.has(item) && !refused.has(item))).toEqual([])
  expect(new Set(answered.values()).size).toBe(answered.size)
  await expectClean(memory)
  expectKept(lab, answered, (i) => (i + seed) % 16 === 0)
  return seen
}

describe('a thousand crashes', () => {
  test(`lose nothing that was answered (${ROUNDS} rounds)`, async () => {
    const all = { crashes: 0, lost: 0, answeredBefore: 0 }
    for (let seed = 1; seed <= ROUNDS; seed++) {
      try {
        const { crashes, lost, answeredBefore } = await round(seed)
        all.crashes += crashes
        all.lost += lost
        all.answeredBefore += answeredBefore
      } catch (cause) {
        throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause })
      }
    }
    // A harness that no longer crashes, loses or answers anything would prove nothing.
    expect(all.crashes).toBeGreaterThan(ROUNDS)
    expect(all.lost).toBeGreaterThan(ROUNDS / 4)
    expect(all.answeredBefore).toBeGreaterThan(ROUNDS)
  }, 300_000)
})

describe('each call of a short life', () => {
  const MAX_RECORDS = 3
  const NOW = START + 1_000
  /** Two waves, three batches, with changes of the registry; the same in every run. */
  const plan = (): Plan => {
    const item = signer(new Random(7))
    return [
      [item(variant(1, 'evidence.fix')), item(registration(NEWCOMER)), item(variant(2, 'supervision.opinion')), item(variant(3))],
      [
        item({ ...variant(4, 'evidence.fix'), by: NEWCOMER }),
        item(revocation(USERS.lawyer)),
        item(registryChange('registry.policy', 1))
      ]
    ]
  }

  async function callsOf(): Promise<readonly CallKind[]> {
    const store = new LossyStore(templateStore.crash())
    await live(store, plan(), new Map(), MAX_RECORDS, NOW)
    return store.calls
  }

  /** One life with one fault, then a restart for every way the unsynced writes may have gone. */
  async function check(fate: Fate): Promise<{ died: boolean; refused: number }> {
    const items = plan()
    const answered = new Map<Item, number>()
    const store = new LossyStore(templateStore.crash(), fate)
    const lab = await open(store, MAX_RECORDS, NOW).catch(() => undefined)
    // Whatever fails, everyone waiting gets an answer, or the process is gone.
    const refused = lab === undefined ? new Map() : await within(send(lab, store, items, answered))
    const died = store.dead
    for (const kept of new Set([0, store.unsynced])) {
      const memory = store.remains(kept)
      await expectClean(memory)
      const again = await open(memory, MAX_RECORDS, NOW)
      expectKept(again, answered, () => kept === 0)
      const placed = new Map(answered)
      const late = await send(again, new LossyStore(memory), items, placed)
      expect([...late.values()]).toEqual([])
      expect(new Set(placed.values()).size).toBe(items.flat().length)
      await expectClean(memory)
    }
    return { died, refused: refused.size }
  }

  const WAYS = [
    { how: 'fails', persisted: false, of: 'writes' },
    { how: 'fails', persisted: true, of: 'writes' },
    { how: 'dies', persisted: false, of: 'writes' },
    { how: 'dies', persisted: true, of: 'writes' },
    { how: 'fails', persisted: false, of: 'calls' },
    { how: 'dies', persisted: true, of: 'calls' }
  ] as const

  for (const way of WAYS)
    test(`${way.of === 'writes' ? 'write' : 'call of any kind'} ${way.how}${way.persisted && way.of === 'writes' ? ', persisted' : ''}`, async () => {
      const calls = await callsOf()
      const kinds = calls.filter((kind) => way.of === 'calls' || kind.endsWith('write'))
      // Start-up reads, the superseded pages, then for each batch its write and its note.
      expect(calls.filter((kind) => kind === 'range').length).toBe(1)
      expect(calls.filter((kind) => kind === 'durable write').length).toBeGreaterThanOrEqual(3)
      for (const [call, kind] of kinds.entries()) {
        try {
          const { died, refused } = await check({ ...way, call })
          expect(died).toBe(way.how === 'dies')
          if (way.how === 'fails' && kind.endsWith('write')) expect(refused).toBeGreaterThan(0)
        } catch (cause) {
          throw new Error(`${kind}, call ${call}: ${cause instanceof Error ? cause.message : cause}`, { cause })
        }
      }
    })
})

/** Fails rather than waits for an answer that never comes. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('somebody is never answered')), 10_000)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
