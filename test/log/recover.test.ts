import { beforeAll, describe, expect, test } from 'vitest'
import { type Bytes, utf8 } from '../../src/core/bytes.ts'
import { parseCheckpoint } from '../../src/core/checkpoint.ts'
import { FatalError } from '../../src/core/errors.ts'
import { formatNote, parseNote } from '../../src/core/note.ts'
import { signSeal } from '../../src/core/seal.ts'
import { tileWidth } from '../../src/core/tile.ts'
import { auditStore } from '../../src/log/audit.ts'
import { type LogKeys, signHead } from '../../src/log/head.ts'
import { Ledger } from '../../src/log/ledger.ts'
import { type Recovered, recover } from '../../src/log/recover.ts'
import { nativeVerifier, plainVerifier } from '../../src/node/native.ts'
import {
  entryKey,
  FORMAT_KEY,
  HEAD_KEY,
  NOTE_KEY,
  pageKey,
  REGISTRY_KEY,
  STORE_VERSION,
  tileKey
} from '../../src/store/layout.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { put, remove, type Store, type Write } from '../../src/store/store.ts'
import { decodeValue, encodeValue } from '../../src/store/values.ts'
import type { Head } from '../../src/verify/fold.ts'
import { fix, Lab, ORIGIN, opinion, seedKeys, USERS, user } from '../helpers/lab.ts'
import { WatchedStore } from '../helpers/watched.ts'

const SEED = 'recover'
const KEYS = seedKeys(SEED, ORIGIN)

async function grown(records: number, more: { keys?: number; store?: MemoryStore } = {}): Promise<MemoryStore> {
  const store = more.store ?? new MemoryStore()
  const lab = await Lab.open({ store, seed: SEED, verifier: plainVerifier })
  await Promise.all(
    Array.from({ length: more.keys ?? 0 }, (_, i) => lab.register(user(`${i}`, ['clerk'], `粤01-R${10_000 + i}`)))
  )
  for (let done = 0; done < records; done += 500)
    await Promise.all(
      Array.from({ length: Math.min(500, records - done) }, (_, i) => lab.submit(fix(`${done + i}`), USERS.clerk))
    )
  return store
}

const change = async (store: Store, ...writes: Write[]): Promise<void> => store.write(writes, { durable: true })
const flipped = (bytes: Bytes, at = 0): Bytes => bytes.with(at, bytes.at(at)! ^ 1)
const headOf = (store: Store): Head => decodeValue<Head>(store.get(HEAD_KEY)!, 'm head')

/** Tiles that hold the right edge of a tree, by level. */
function rightEdge(size: number): { level: number; index: number; width: number }[] {
  const tiles = []
  for (let level = 0; 256 ** level <= size; level++) {
    const index = Math.floor((Math.floor(size / 256 ** level) - 1) / 256)
    tiles.push({ level, index, width: tileWidth(size, level, index) })
  }
  return tiles
}

describe('the work of starting', () => {
  const LARGE = { records: 5_000, keys: 300 }
  let stores: { store: MemoryStore; size: number; gets: number; ranges: string[] }[]

  beforeAll(async () => {
    stores = []
    for (const { records, keys } of [{ records: 100, keys: 0 }, LARGE]) {
      const store = await grown(records, { keys })
      const watched = new WatchedStore(store)
      const { head } = await recover(watched, KEYS)
      const ranges = watched.ranges.map(({ gte }) => String.fromCharCode(gte[0]!))
      stores.push({ store, size: head.size, gets: watched.gets.length, ranges })
    }
  }, 60_000)

  test('does not grow with the log but for one tile at each level of the tree', () => {
    const [small, large] = stores as [(typeof stores)[0], (typeof stores)[0]]
    expect(large.size).toBeGreaterThan(LARGE.records + LARGE.keys)
    // Format, head, last entry, registry, what would stand beyond the last entry, the top page of the map, the note: one read each. Then
    // the right edge of the tree: at most one tile for each of its levels of height 8.
    for (const { gets, size } of [small, large]) {
      expect(gets).toBeGreaterThanOrEqual(7 + 1)
      expect(gets).toBeLessThanOrEqual(7 + rightEdge(size).length)
    }
    expect(large.gets - small.gets).toBeLessThanOrEqual(rightEdge(large.size).length - rightEdge(small.size).length)
  })

  test('iterates over the superseded pages and nothing else', () => {
    for (const { ranges } of stores) expect(ranges).toEqual(['g'])
  })

  test('writes nothing', async () => {
    for (const { store } of stores) {
      const watched = new WatchedStore(store)
      await recover(watched, KEYS)
      expect(watched.writes).toEqual([])
    }
  })

  test('with a note that lags behind, reads the right edge of the smaller tree besides', async () => {
    const { store, gets } = stores[1]!
    const copy = store.crash(0)
    // The note of the batch before, synced with the last batch.
    expect(parseCheckpoint(parseNote(new Ledger(copy).note()!).text).size).toBeLessThan(headOf(copy).size)
    const watched = new WatchedStore(copy)
    await recover(watched, KEYS)
    expect(watched.gets.length).toBeLessThanOrEqual(gets + 2)
  })
})

test('a new store is a new log; of it only the first key is looked at', async () => {
  const watched = new WatchedStore(new MemoryStore())
  const { head, published, garbage } = await recover(watched, KEYS)
  expect([head.size, published, garbage]).toEqual([0, undefined, []])
  expect(watched.ranges).toMatchObject([{ limit: 1 }])
})

describe('a note that is lost or late', () => {
  const checked = (recovered: Recovered, note: string) => {
    expect(recovered.published!.note).toBe(note)
    expect(recovered.published!.size).toBe(recovered.head.size)
  }

  test('is made again, the same to the last letter', async () => {
    const store = new MemoryStore()
    const lab = await Lab.open({ store, seed: SEED })
    for (let i = 0; i < 3; i++) {
      await lab.submit(fix(`${i}`), USERS.clerk)
      const note = new Ledger(store).note()!
      expect(store.pendingWrites).toBe(1)
      checked(await recover(store.crash(0), KEYS), note)
      checked(await recover(store.crash(1), KEYS), note)
    }
    const note = new Ledger(store).note()!
    await change(store, remove(NOTE_KEY))
    checked(await recover(store, KEYS), note)
  })

  test('also that of genesis', async () => {
    const store = new MemoryStore()
    const lab = await Lab.open({ store, seed: SEED }, { existing: true })
    await lab.place(lab.genesis())
    const crashed = store.crash(0)
    expect(crashed.get(NOTE_KEY)).toBeUndefined()
    checked(await recover(crashed, KEYS), new Ledger(store).note()!)
  })

  test('and the log goes on from there', async () => {
    const store = await grown(10)
    const lab = await Lab.open({ store: store.crash(0), seed: SEED }, { existing: true })
    const size = lab.sequencer.head.size
    expect((await lab.submit(opinion(), USERS.president)).index).toBe(size)
    expect((await auditStore(lab.store, { verifier: nativeVerifier, postQuantumKey: KEYS.mldsa.vkey })).findings).toEqual([])
  })
})

describe('a store is refused', () => {
  /** The log before its last batch, and after. */
  let older: MemoryStore
  let intact: MemoryStore
  let head: Head

  beforeAll(async () => {
    intact = new MemoryStore()
    await grown(550, { store: intact })
    older = intact.crash(intact.pendingWrites)
    const lab = await Lab.open({ store: intact, seed: SEED }, { existing: true })
    await Promise.all(Array.from({ length: 20 }, () => lab.submit(opinion(), USERS.president)))
    intact = intact.crash(intact.pendingWrites)
    head = headOf(intact)
  })

  async function refused(
    code: string,
    writes: readonly Write[],
    { keys = KEYS, base = intact }: { keys?: LogKeys; base?: MemoryStore } = {}
  ): Promise<void> {
    const store = new WatchedStore(base.crash())
    expect((await recover(store, KEYS)).head.size).toBe(headOf(base).size)
    await change(store, ...writes)
    store.forget()
    const result = recover(store, keys)
    await expect(result).rejects.toMatchObject({ code })
    await expect(result).rejects.toBeInstanceOf(FatalError)
    expect(store.writes).toEqual([])
  }

  const noteOf = (of: Head, keys = KEYS): string => signHead(of, keys)
  const note = (text: string): Write => put(NOTE_KEY, utf8(text))
  const otherRoot = (of: Head): Head => ({ ...of, root: flipped(of.root) })
  const headAs = (members: object): Write => put(HEAD_KEY, encodeValue({ ...head, ...members }))
  const sealAs = (members: object): Write => headAs({ seal: { ...head.seal, ...members } })

  test('that is older than the note: a data directory put back', async () => {
    const newer = intact.get(NOTE_KEY)!
    expect(parseCheckpoint(parseNote(Buffer.from(newer).toString()).text).size).toBe(head.size)
    await refused('STORE_DISAGREES', [put(NOTE_KEY, newer)], { base: older })
    await refused('STORE_DISAGREES', [note(noteOf({ ...head, size: head.size + 1 }))])
  })

  test('with a note of another root, of the same size or a smaller one', async () => {
    await refused('STORE_DISAGREES', [note(noteOf(otherRoot(head)))])
    await refused('STORE_DISAGREES', [note(noteOf(otherRoot(headOf(older))))])
    await refused('STORE_DISAGREES', [note(noteOf({ ...headOf(older), size: headOf(older).size + 1 }))])
  })

  test('with a note that is not this log’s own, or does not verify', async () => {
    const other = seedKeys(SEED, 'other.example/evidence')
    await refused('STORE_FOREIGN', [note(noteOf(head, { ...KEYS, origin: other.origin }))])
    await refused('STORE_FOREIGN', [note(noteOf(head, seedKeys('another seed', ORIGIN)))])
    await refused('STORE_FOREIGN', [note(noteOf(head, { ...KEYS, log: other.log }))])
    const own = parseNote(noteOf(head))
    for (const i of [0, 1]) {
      const signatures = own.signatures.map((line, n) => (n === i ? { ...line, signature: flipped(line.signature, -1) } : line))
      await refused('STORE_DISAGREES', [note(formatNote({ ...own, signatures }))])
    }
    for (const text of ['', 'no note', noteOf(head).replace('\n\n', '\nextension\n\n\n'), noteOf(head).slice(0, -1)])
      await refused('STORE_CORRUPT', [note(text)])
  })

  test('of another log, or made with another seed', async () => {
    await refused('STORE_FOREIGN', [], { keys: seedKeys(SEED, 'other.example/evidence') })
    await refused('STORE_FOREIGN', [], { keys: seedKeys('another seed', ORIGIN) })
    await refused('STORE_FOREIGN', [put(FORMAT_KEY, encodeValue({ version: STORE_VERSION, origin: 'other.example/evidence' }))])
    await refused('STORE_FOREIGN', [remove(NOTE_KEY)], { keys: seedKeys('another seed', ORIGIN) })
  })

  test('written by a newer version', async () => {
    await refused('STORE_VERSION', [put(FORMAT_KEY, encodeValue({ version: STORE_VERSION + 1, origin: ORIGIN }))])
  })

  test('with data and no format', async () => {
    await refused('STORE_CORRUPT', [remove(FORMAT_KEY)])
    const store = new MemoryStore()
    await change(store, put(utf8('something'), utf8('else')))
    await expect(recover(store, KEYS)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  })

  test('whose last entry is missing, changed, or another seal', async () => {
    const last = entryKey(head.size - 1)
    const seal = intact.get(last)!
    await refused('STORE_CORRUPT', [remove(last)])
    for (const at of [0, 100, -1]) await refused('STORE_DISAGREES', [put(last, flipped(seal, at))])
    await refused('STORE_DISAGREES', [put(last, intact.get(entryKey(head.size - 2))!)])
    await refused('STORE_DISAGREES', [put(last, new Uint8Array(0))])
    const { height, time, trails, map } = head.seal!
    const size = head.size - 1
    const other = signSeal(
      { height, time: time + 1, trails, map, size, prev: new Uint8Array(32) },
      ORIGIN,
      'gz-court',
      KEYS.statement
    )
    await refused('STORE_DISAGREES', [put(last, other)])
  })

  test('whose head says anything else than its seal and its tree', async () => {
    const { seal } = head
    await refused('STORE_DISAGREES', [headAs({ size: head.size - 1 })])
    await refused('STORE_CORRUPT', [headAs({ size: head.size + 1 })])
    await refused('STORE_DISAGREES', [headAs({ root: flipped(head.root) })])
    await refused('STORE_DISAGREES', [headAs({ seal: undefined })])
    await refused('STORE_DISAGREES', [sealAs({ height: seal!.height - 1 })])
    await refused('STORE_DISAGREES', [sealAs({ leaf: flipped(seal!.leaf) })])
    await refused('STORE_DISAGREES', [sealAs({ time: seal!.time - 1 })])
    await refused('STORE_DISAGREES', [sealAs({ trails: seal!.trails + 1 })])
    await refused('STORE_DISAGREES', [sealAs({ map: flipped(seal!.map) })])
  })

  test('whose head is missing or of another shape', async () => {
    await refused('STORE_DISAGREES', [remove(HEAD_KEY)])
    for (const value of [null, 5, 'head', [], { size: 5 }, { ...head, root: 7 }, { ...head, seal: 7 }]) {
      const code = expect.stringMatching(/^STORE_(CORRUPT|DISAGREES)$/)
      await refused(code, [put(HEAD_KEY, encodeValue(value))])
    }
    await refused('STORE_CORRUPT', [put(HEAD_KEY, utf8('no value'))])
    await refused('STORE_CORRUPT', [put(HEAD_KEY, new Uint8Array(0))])
  })

  test('in which any hash at the right edge of the tree is changed, or a tile is missing or short', async () => {
    const edge = rightEdge(head.size)
    expect(edge.map(({ level, width }) => [level, width > 1])).toEqual([
      [0, true],
      [1, true]
    ])
    for (const { level, index, width } of edge) {
      const key = tileKey(level, index)
      const tile = intact.get(key)!
      expect(tile.length).toBe(32 * width)
      for (let hash = 0; hash < width; hash += 1 + Math.floor(width / 10))
        await refused('STORE_DISAGREES', [put(key, flipped(tile, 32 * hash + (hash % 32)))])
      await refused('STORE_DISAGREES', [put(key, flipped(tile, -1))])
      await refused('STORE_CORRUPT', [put(key, tile.subarray(0, -1))])
      await refused('STORE_CORRUPT', [remove(key)])
    }
  })

  test('whose map has no top page, or a damaged one', async () => {
    const key = pageKey(head.seal!.map)
    const page = intact.get(key)!
    await refused('STORE_CORRUPT', [remove(key)])
    for (const at of [0, 1, 20, -1]) await refused('STORE_CORRUPT', [put(key, flipped(page, at))])
    await refused('STORE_CORRUPT', [put(key, page.subarray(0, -1))])
  })

  test('with an entry beyond the head', async () => {
    await refused('STORE_DISAGREES', [put(entryKey(head.size), intact.get(entryKey(1))!)])
  })

  test('whose registry is missing, damaged, or names other keys of the node', async () => {
    const registry = decodeValue<{ nodeKeys: { keys: object }[] }>(intact.get(REGISTRY_KEY)!, 'r')
    await refused('STORE_DISAGREES', [remove(REGISTRY_KEY)])
    await refused('STORE_CORRUPT', [put(REGISTRY_KEY, intact.get(REGISTRY_KEY)!.subarray(0, -1))])
    await refused('STORE_CORRUPT', [put(REGISTRY_KEY, encodeValue({ origin: ORIGIN }))])
    const first = registry.nodeKeys[0]!
    const nodeKeys = [{ ...first, keys: { ...first.keys, statement: KEYS.receipt.publicKey } }]
    await refused('STORE_FOREIGN', [put(REGISTRY_KEY, encodeValue({ ...registry, nodeKeys }))])
  })

  test('but not for what lies deeper: that is what audits are for', async () => {
    const store = intact.crash()
    await change(store, put(entryKey(5), flipped(store.get(entryKey(5))!, -1)))
    expect((await recover(store, KEYS)).head.size).toBe(head.size)
    const { findings } = await auditStore(store, { verifier: nativeVerifier })
    expect(findings.map(({ what }) => what)).toContain('e 5')
  })
})
