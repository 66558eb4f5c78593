/** An audit that is interrupted and goes on: what it finds is what it would have found, and what changed meanwhile is found too. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bytes, utf8 } from '../../src/core/bytes.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { encodeBundle, parseTilePath } from '../../src/core/tile.ts'
import { type AuditOptions, type AuditReport, auditStore } from '../../src/log/audit.ts'
import { auditRemote } from '../../src/log/audit-remote.ts'
import { Ledger } from '../../src/log/ledger.ts'
import { Replay } from '../../src/log/replay.ts'
import { Scratch } from '../../src/log/scratch.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import { classRange, disclosuresKey, entryKey, FORMAT_KEY, trailStateKey } from '../../src/store/layout.ts'
import { openLevel } from '../../src/store/level.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { put, type Range, remove, type Store } from '../../src/store/store.ts'
import { erasure, fix, Lab, opinion, USERS } from '../helpers/lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'lianzheng-audit-'))
let count = 0
const place = () => join(directory, String(count++))

let store: Store
let lab: Lab
let policy: Policy
let size: number
/** The same log with three entries damaged: one that cannot be read, one whose signature does not verify, and a disclosure. */
let damaged: Store
let badSignature: number

const audit = (audited: Store, more: Partial<AuditOptions> = {}): Promise<AuditReport> =>
  auditStore(audited, {
    verifier: nativeVerifier,
    policy,
    postQuantumKey: lab.keys.mldsa.vkey,
    cipherOf: () => lab.keys.disclosures,
    ...more
  })
const told = ({ resumed: _, findings, ...rest }: AuditReport) => ({
  ...rest,
  findings: findings.map(({ what, code, en, zh }) => `${what} ${code} ${en} ${zh}`).sort()
})
const named = ({ findings }: AuditReport): string[] => findings.map(({ what }) => what)

async function copyOf(from: Store): Promise<Store> {
  const to = new MemoryStore()
  for await (const [key, value] of from.range({ gte: new Uint8Array(0), lt: Uint8Array.of(255) }))
    await to.write([put(key, value)], { durable: true })
  return to
}

async function changed(from: Store, key: Bytes, change: (value: Bytes) => Bytes | undefined): Promise<Store> {
  const to = await copyOf(from)
  const value = change(from.get(key)!)
  await to.write([value === undefined ? remove(key) : put(key, value)], { durable: true })
  return to
}
const flip = (value: Bytes): Bytes => value.with(value.length - 1, value.at(-1)! ^ 1)

/** A store whose disk goes away after so many reads. */
function stopping(under: Store, reads: number): Store {
  let left = reads
  const read = () => {
    if (left-- <= 0) throw new Error('the machine stops')
  }
  return {
    get: (key) => {
      read()
      return under.get(key)
    },
    async *range(range: Range) {
      for await (const entry of under.range(range)) {
        read()
        yield entry
      }
    },
    write: (writes, options) => under.write(writes, options),
    purge: (keys) => under.purge(keys),
    close: () => under.close()
  }
}

beforeAll(async () => {
  store = await openLevel(join(directory, 'store'))
  lab = await Lab.open({ store })
  policy = parsePolicy(lab.policy())
  const erased = (await lab.submit(fix('to be erased'), USERS.clerk)).index
  for (let i = 0; i < 10; i++) {
    lab.now += 1_000
    await Promise.all([lab.submit(opinion(), USERS.president), lab.submit(fix(`file ${i}`), USERS.clerk)])
  }
  await lab.submit(erasure(lab, erased, ['source']), USERS.admin)
  lab.now += 1_000
  await lab.submit(fix('the last'), USERS.clerk)
  await lab.sequencer.stop()
  size = lab.sequencer.head.size

  // The tree has the leaf of the entry as it is now: its signature alone is wrong, and what depends on it.
  badSignature = 9
  damaged = await changed(store, entryKey(badSignature), flip)
  await damaged.write([put(disclosuresKey(erased + 1), utf8('damaged'))], { durable: true })
})
afterAll(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

test('progress goes forward through both phases, each to its end', async () => {
  const seen: [number, number, string][] = []
  await audit(store, { onProgress: (...progress) => seen.push(progress) })
  for (const phase of ['entries', 'keys']) {
    const shares = seen.filter(([, , one]) => one === phase).map(([done, of]) => done / of)
    expect(shares).toEqual([...shares].sort((a, b) => a - b))
    expect([shares.at(-1), shares.filter((share) => share >= 1).length]).toEqual([1, 1])
  }
  expect(seen.map(([, , phase]) => phase)).toEqual(seen.map(([, , phase]) => phase).sort())
})

describe.each(['good', 'damaged'])('a %s log', (kind) => {
  const audited = () => (kind === 'good' ? store : damaged)

  test('is told of in the same words after an interruption wherever it comes', async () => {
    const whole = await audit(audited())
    expect(whole.findings.length > 0).toBe(kind === 'damaged')
    const resumed = new Set<number>()
    let reads = 0
    for (let over = false; !over; reads += 11) {
      const work = place()
      over = await audit(stopping(audited(), reads), { work }).then(
        () => true,
        (error: Error) => {
          expect(error.message).toBe('the machine stops')
          return false
        }
      )
      const report = await audit(audited(), { work })
      resumed.add(report.resumed)
      expect(told(report), `after ${reads} reads`).toEqual(told(whole))
    }
    expect(resumed.has(0)).toBe(true)
    expect(resumed.size).toBeGreaterThan(5)
  })

  test('is told of in the same words after the process was killed, and after a second time', async () => {
    const whole = await audit(audited())
    const entry = (index: number) => new Ledger(audited()).entry(index)
    for (const killed of [2, 5, Math.floor(size / 2), size - 1]) {
      const work = place()
      const log = { origin: lab.origin, classes: policy.rests.get(lab.origin)!.classes }
      await (await Scratch.open(log, work)).close()
      // What a killed process leaves is what it had written out last.
      const disk = await openLevel(work)
      const scratch = new Scratch(disk, 20)
      const replay = new Replay({ ...log, verifier: nativeVerifier, onFinding: () => {}, entry, scratch })
      const tile = new Ledger(store).tile(0, 0)!
      for (let index = 0; index < killed; index++) await replay.add(entry(index)!, tile.subarray(32 * index, 32 * index + 32))
      await disk.close()
      expect(told(await audit(audited(), { work }))).toEqual(told(whole))
      const again = await audit(audited(), { work })
      expect(told(again)).toEqual(told(whole))
      expect(again.resumed).toBe(size)
    }
  })
})

test('keys of class e that are no entry are named, short ones and ones far beyond too', async () => {
  for (const rest of [[], [0], [0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0x1f, 0, 0, 0, 0, 0, 0], [0xff, 0, 0, 0, 0, 0, 0, 0]]) {
    const foreign = await copyOf(store)
    await foreign.write([put(Uint8Array.of(0x65, ...rest), utf8('foreign'))], { durable: true })
    const work = place()
    for (const _ of ['anew', 'resumed']) {
      const [first, ...others] = named(await audit(foreign, { work }))
      expect([first?.slice(0, 2), others], String(rest)).toEqual(['e ', []])
    }
  }
})

test('a log that does not say what wrote it', async () => {
  const nameless = await copyOf(store)
  await nameless.write([remove(FORMAT_KEY)], { durable: true })
  expect(named(await audit(nameless))).toEqual(['m format'])
})

describe('between two runs', () => {
  const half = async (): Promise<string> => {
    const work = place()
    expect((await audit(store, { work })).findings).toEqual([])
    return work
  }

  test('an entry that was derived from is changed, or gone', async () => {
    expect(named(await audit(await changed(store, entryKey(4), flip), { work: await half() }))).toEqual(['e 4'])
    expect(named(await audit(await changed(store, entryKey(4), () => undefined), { work: await half() }))).toEqual(['e 4'])
  })

  test('what stands beside the entries is changed', async () => {
    const keys: Bytes[] = []
    for await (const [key] of store.range(classRange('t'))) keys.push(key)
    expect(keys[0]).toEqual(trailStateKey(keys[0]!.subarray(1)))
    expect(named(await audit(await changed(store, keys[0]!, flip), { work: await half() }))[0]).toMatch(/^t /)
    const disclosed: Bytes[] = []
    for await (const [key] of store.range(classRange('d'))) disclosed.push(key)
    expect(named(await audit(await changed(store, disclosed[0]!, flip), { work: await half() }))[0]).toMatch(/^d /)
  })

  test('the log has grown', async () => {
    const work = await half()
    const grown = await copyOf(store)
    const more = await Lab.open({ store: grown, now: lab.now + 5_000 }, { existing: true })
    await more.submit(fix('later'), USERS.clerk)
    await more.sequencer.stop()
    const report = await audit(grown, { work })
    expect([report.findings, report.resumed, report.size]).toEqual([[], size, size + 2])
    expect(told(report)).toEqual(told(await audit(grown)))
  })

  test('the log has lost its end, or has another: it is not gone on with', async () => {
    const refused = { code: 'WORK_FOREIGN', detail: { field: `e ${size - 1}` } }
    await expect(audit(await changed(store, entryKey(size - 1), () => undefined), { work: await half() })).rejects.toMatchObject(
      refused
    )
    await expect(audit(await changed(store, entryKey(size - 1), flip), { work: await half() })).rejects.toMatchObject(refused)
  })
})

describe('a work directory', () => {
  const refused = (work: string, more: Partial<AuditOptions> = {}) =>
    expect(audit(store, { work, ...more })).rejects.toMatchObject({ code: 'WORK_FOREIGN' })

  test('of another log, of other classes, of another kind is refused, and left as it was', async () => {
    const other = place()
    await (await Scratch.open({ origin: 'other.example/evidence', classes: ['party'] }, other)).close()
    await refused(other)
    const own = place()
    await audit(store, { work: own })
    await refused(own, { policy: parsePolicy(lab.policy().replace(/(?<=^# lianzheng \S+ )\S+/m, 'party')) })
    const log = place()
    await lab.store.write([], { durable: true })
    cpSync(join(directory, 'store'), log, { recursive: true })
    await refused(log)
    const files = place()
    mkdirSync(files)
    writeFileSync(join(files, 'letter.txt'), 'not an audit')
    await refused(files)
    expect(readdirSync(files)).toEqual(['letter.txt'])
  })

  test('that cannot be one, and one that is being worked in', async () => {
    const file = place()
    writeFileSync(file, '')
    await expect(audit(store, { work: file })).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    const work = place()
    const scratch = await Scratch.open({ origin: lab.origin, classes: [] }, work)
    await expect(audit(store, { work })).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' })
    await scratch.close()
  })

  test('is a temporary one where none is given and there is much to derive, and is gone afterwards', async () => {
    const home = place()
    mkdirSync(home)
    const before = process.env.TMPDIR
    process.env.TMPDIR = home
    try {
      const scratch = new Scratch(undefined, 100)
      const entry = (index: number) => store.get(entryKey(index))
      const replay = new Replay({
        origin: lab.origin,
        classes: ['party'],
        verifier: nativeVerifier,
        onFinding: () => {},
        entry,
        scratch
      })
      for (let index = 0; index < size; index++) await replay.add(entry(index)!)
      await replay.finish()
      expect(readdirSync(home)).toHaveLength(1)
      expect(existsSync(join(home, readdirSync(home)[0]!, 'CURRENT'))).toBe(true)
      expect(replay.head).toEqual(new Ledger(store).readHead())
      await scratch.close()
      expect(readdirSync(home)).toEqual([])
    } finally {
      if (before === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = before
    }
  })
})

describe('over the surfaces of a node', () => {
  function serving(fetched: string[], answers = Number.POSITIVE_INFINITY) {
    const { note } = lab.reader.published()
    return async (path: string): Promise<Bytes> => {
      if (fetched.length >= answers) throw new Error('the line is dead')
      fetched.push(path)
      if (path === 'checkpoint') return utf8(note)
      const tile = parseTilePath(path)!
      const start = tile.index * 256
      if (tile.kind === 'entries') return encodeBundle([...lab.reader.entries(start, Math.min(size, start + 256))])
      return lab.tile(tile.level, tile.index)
    }
  }
  const remote = (get: (path: string) => Promise<Bytes>, work: string) =>
    auditRemote({ origin: lab.origin, verifier: nativeVerifier, policy, get, work })

  test('a line that dies anywhere is taken up again, and what was derived is not derived twice', async () => {
    const fetched: string[] = []
    const whole = await remote(serving(fetched), place())
    expect(whole).toMatchObject({ findings: [], size, resumed: 0 })
    for (let answers = 0; answers < fetched.length; answers++) {
      const work = place()
      await expect(remote(serving([], answers), work)).rejects.toThrow('the line is dead')
      const again = await remote(serving([]), work)
      expect(told(again)).toEqual(told(whole))
      // Tiles come after all entries.
      if (answers === fetched.length - 1) expect(again.resumed).toBe(size)
    }
  })

  test('a directory in which the store itself was audited serves as well', async () => {
    const work = place()
    await audit(store, { work })
    expect(await remote(serving([]), work)).toMatchObject({ findings: [], resumed: size })
  })
})
