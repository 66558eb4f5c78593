/** What was overwritten or deleted is in no file once `purge` has resolved, however LevelDB has spread it over its levels. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type Bytes, concat, u64, utf8 } from '../../src/core/bytes.ts'
import { openLevel } from '../../src/store/level.ts'
import { put, remove, type Store } from '../../src/store/store.ts'
import { filesWith } from '../helpers/grep.ts'
import { gate } from '../helpers/watched.ts'

const ROOT = mkdtempSync(join(tmpdir(), 'lianzheng-purge-'))
afterAll(() => rmSync(ROOT, { recursive: true, force: true }))

const KEY = concat(utf8('d'), u64(500))
const random = (length: number): Bytes => new Uint8Array(randomBytes(length))
let directory: string
let count = 0
let store: Store
beforeEach(async () => {
  directory = join(ROOT, String(count++))
  store = await openLevel(directory)
  return () => store.close()
})

/** Other entries on all sides, `times` 4 MiB of them: what LevelDB sorts into levels of its own. */
async function fill(times: number): Promise<void> {
  for (let n = 0; n < times * 16; n++) {
    const writes = Array.from({ length: 64 }, (_, i) =>
      put(concat(utf8('d'), u64(n % 2 === 0 ? i * 16 + n : 2_000 + i * 16 + n)), random(4_096))
    )
    await store.write(
      writes.filter(({ key }) => Buffer.compare(key, KEY) !== 0),
      { durable: false }
    )
  }
}
const reopen = async () => {
  await store.close()
  store = await openLevel(directory)
}
const write = async (value: Bytes | undefined) =>
  store.write([value === undefined ? remove(KEY) : put(KEY, value)], { durable: true })
/** A part of it that is not cut in two by the framing of LevelDB's log. */
const found = (value: Bytes) => filesWith(directory, value.subarray(8, 24)).length

const histories: [string, (put: (value: Bytes) => Promise<void>) => Promise<void>][] = [
  ['written a moment ago', async (put) => put(random(200))],
  [
    'written and then read back at a start',
    async (put) => {
      await put(random(200))
      await reopen()
    }
  ],
  [
    'settled under much that came later',
    async (put) => {
      await put(random(200))
      await fill(3)
      await reopen()
      await fill(2)
    }
  ],
  [
    'overwritten now and then',
    async (put) => {
      for (let i = 0; i < 4; i++) {
        await put(random(200))
        await fill(1)
      }
      await reopen()
      await put(random(200))
      await put(random(200))
    }
  ]
]

describe.each(histories)('a value %s', (_, history) => {
  test.each(['deleted', 'overwritten'])('and %s', async (how) => {
    const values: Bytes[] = []
    await history(async (value) => {
      values.push(value)
      await write(value)
    })
    const last = how === 'deleted' ? undefined : random(200)
    await write(last)
    expect(values.filter((value) => found(value) > 0).length).toBeGreaterThan(0)
    const other = concat(utf8('d'), u64(501))
    await store.write([put(other, utf8('stays'))], { durable: true })

    await store.purge([KEY])
    expect(values.map(found)).toEqual(values.map(() => 0))
    expect(store.get(KEY)).toEqual(last)
    if (last !== undefined) expect(found(last)).toBeGreaterThan(0)
    expect(store.get(other)).toEqual(utf8('stays'))
    await reopen()
    expect([store.get(KEY), store.get(other)]).toEqual([last, utf8('stays')])
    expect(values.map(found)).toEqual(values.map(() => 0))
  })
})

test('while others read and write', async () => {
  const values = [random(200), random(200)]
  for (const value of values) {
    await write(value)
    await fill(1)
  }
  await write(undefined)
  let going = true
  const others = (async () => {
    while (going) {
      await store.write([put(concat(utf8('e'), random(8)), random(1_000))], { durable: false })
      store.get(concat(utf8('d'), u64(16)))
    }
  })()
  await store.purge([KEY])
  going = false
  await others
  expect(values.map(found)).toEqual([0, 0])
})

test('it waits for an iteration that began before, which pins its files', async () => {
  const value = random(200)
  await write(value)
  await reopen()
  const { passed, open } = gate()
  const iteration = (async () => {
    let last: Bytes | undefined
    for await (const [, read] of store.range({ gte: utf8('d'), lt: utf8('e') })) {
      last = read
      await passed
    }
    return last
  })()
  await new Promise(setImmediate)
  await write(undefined)
  let done = false
  const purged = store.purge([KEY]).then(() => {
    done = true
  })
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  expect(done).toBe(false)
  open()
  expect(await iteration).toEqual(value)
  await purged
  expect(found(value)).toBe(0)
})
