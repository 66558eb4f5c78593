/** What `src/store/store.ts` promises, as tests that every driver runs. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Bytes, compareBytes, concat, equalBytes, u64, utf8 } from '../../src/core/bytes.ts'
import { put, type Range, remove, type Store, type Write } from '../../src/store/store.ts'

/** Where a store's data are; they outlast the stores opened on it one after the other. */
export interface Medium {
  open(): Promise<Store>
  remove(): Promise<void>
}

export async function listed(store: Store, range: Range): Promise<[key: Bytes, value: Bytes][]> {
  const found: [Bytes, Bytes][] = []
  for await (const entry of store.range(range)) found.push(entry)
  return found
}

const ALL: Range = { gte: new Uint8Array(0), lt: Uint8Array.of(255, 255, 255, 255) }
const DURABLE = { durable: true }

async function texts(store: Store, range: Range = ALL): Promise<string[]> {
  return (await listed(store, range)).map(([key, value]) => `${Buffer.from(key)}=${Buffer.from(value)}`)
}

const set = (key: string, value: string): Write => put(utf8(key), utf8(value))
const at = (store: Store, key: string): string | undefined => {
  const value = store.get(utf8(key))
  return value === undefined ? undefined : Buffer.from(value).toString()
}

export function storeContract(name: string, newMedium: () => Promise<Medium>): void {
  describe(`store contract: ${name}`, () => {
    let medium: Medium
    let store: Store

    beforeEach(async () => {
      medium = await newMedium()
      store = await medium.open()
    })
    afterEach(async () => {
      await store.close()
      await medium.remove()
    })

    async function reopen(): Promise<void> {
      await store.close()
      store = await medium.open()
    }

    test('a new store is empty', async () => {
      expect(store.get(utf8('a'))).toBeUndefined()
      expect(await listed(store, ALL)).toEqual([])
    })

    test('what is written is read back, at once and after opening again', async () => {
      await store.write([set('a', '1'), set('b', '2')], DURABLE)
      await store.write([set('c', '3')], { durable: false })
      expect(await texts(store)).toEqual(['a=1', 'b=2', 'c=3'])
      await reopen()
      expect(await texts(store)).toEqual(['a=1', 'b=2', 'c=3'])
      expect(at(store, 'b')).toBe('2')
    })

    test('a put over a value replaces it, whatever the lengths', async () => {
      for (const value of ['short', 'a rather longer one', 's', '']) {
        await store.write([set('a', value)], DURABLE)
        expect(at(store, 'a')).toBe(value)
      }
      await reopen()
      expect(at(store, 'a')).toBe('')
    })

    test('a removed key is gone, and removing what is not there is no error', async () => {
      await store.write([set('a', '1'), set('b', '2')], DURABLE)
      await store.write([remove(utf8('a')), remove(utf8('never'))], DURABLE)
      expect(at(store, 'a')).toBeUndefined()
      expect(await texts(store)).toEqual(['b=2'])
      await reopen()
      expect(await texts(store)).toEqual(['b=2'])
    })

    test('within one write the last word on a key counts', async () => {
      await store.write(
        [set('a', '1'), set('a', '2'), set('b', '1'), remove(utf8('b')), remove(utf8('c')), set('c', '3')],
        DURABLE
      )
      expect(await texts(store)).toEqual(['a=2', 'c=3'])
    })

    test('an empty write does nothing', async () => {
      await store.write([], DURABLE)
      await store.write([], { durable: false })
      expect(await texts(store)).toEqual([])
    })

    test('an empty value is a value', async () => {
      await store.write([put(utf8('a'), new Uint8Array(0))], DURABLE)
      expect(store.get(utf8('a'))).toEqual(new Uint8Array(0))
      await reopen()
      expect(store.get(utf8('a'))).toEqual(new Uint8Array(0))
      expect((await listed(store, ALL)).length).toBe(1)
    })

    test('keys and values are any bytes', async () => {
      const odd = [[0], [0, 0], [0xc3, 0x28], [0xff, 0xfe], [0x61, 0x00, 0x62], [...Array(256).keys()]].map((bytes) =>
        Uint8Array.from(bytes)
      )
      await store.write(
        odd.map((bytes) => put(bytes, bytes)),
        DURABLE
      )
      await reopen()
      for (const bytes of odd) expect(store.get(bytes)).toEqual(bytes)
      expect((await listed(store, ALL)).map(([key]) => key)).toEqual([...odd].sort(compareBytes))
    })

    test('keys come in the order of their bytes, a prefix first, unsigned', async () => {
      const keys = [[0x7f], [0x80], [0x00], [0xff], [0x80, 0x00], [0x7f, 0xff], [0x01], [0x10]].map((bytes) =>
        Uint8Array.from(bytes)
      )
      for (const key of keys) await store.write([put(key, key)], { durable: false })
      const sorted = [...keys].sort(compareBytes)
      expect((await listed(store, ALL)).map(([key]) => key)).toEqual(sorted)
      await reopen()
      expect((await listed(store, ALL)).map(([key]) => key)).toEqual(sorted)
    })

    test('numbers as u64 come in their order', async () => {
      const numbers = [0, 1, 255, 256, 65_535, 65_536, 2 ** 32, 2 ** 53 - 1]
      await store.write(
        numbers.toReversed().map((n) => put(concat(utf8('e'), u64(n)), u64(n))),
        DURABLE
      )
      expect((await listed(store, { gte: utf8('e'), lt: utf8('f') })).map(([, value]) => value)).toEqual(numbers.map(u64))
    })

    test('ranges hold the first end, not the second, and stop at the limit', async () => {
      await store.write(
        [...'abcdef'].map((letter) => set(letter, '')),
        DURABLE
      )
      const range = async (gte: string, lt: string, limit?: number) =>
        (await texts(store, { gte: utf8(gte), lt: utf8(lt), ...(limit === undefined ? {} : { limit }) })).join('')
      expect(await range('b', 'd')).toBe('b=c=')
      expect(await range('aa', 'dd')).toBe('b=c=d=')
      expect(await range('a', 'z', 2)).toBe('a=b=')
      expect(await range('a', 'z', 100)).toBe('a=b=c=d=e=f=')
      expect(await range('a', 'z', 0)).toBe('')
      expect(await range('c', 'c')).toBe('')
      expect(await range('d', 'b')).toBe('')
      expect(await range('g', 'z')).toBe('')
      expect(await range('', 'c')).toBe('a=b=')
    })

    test('a range sees the store as it was when iteration began', async () => {
      // More than a driver reads ahead, so that it comes back for more after the writes.
      const key = (n: number) => `k${String(n).padStart(5, '0')}`
      const count = 3_000
      await store.write(
        Array.from({ length: count }, (_, n) => set(key(n), 'old')),
        DURABLE
      )
      const values = new Map<string, number>()
      let seen = 0
      for await (const [, value] of store.range(ALL)) {
        if (seen++ === 0) {
          await store.write([set(key(count - 1), 'new'), set('kz', 'new'), remove(utf8(key(count - 2)))], DURABLE)
        }
        const text = Buffer.from(value).toString()
        values.set(text, (values.get(text) ?? 0) + 1)
      }
      expect(Object.fromEntries(values)).toEqual({ old: count })
      expect(at(store, key(count - 1))).toBe('new')
    })

    test('a range may be left before its end, and read twice', async () => {
      await store.write(
        [...'abc'].map((letter) => set(letter, '')),
        DURABLE
      )
      for await (const _ of store.range(ALL)) break
      expect(await texts(store)).toEqual(['a=', 'b=', 'c='])
      expect(await texts(store)).toEqual(['a=', 'b=', 'c='])
    })

    test('large batches and large values', async () => {
      const count = 20_000
      const large = new Uint8Array(1_000_000).fill(7)
      await store.write(
        [...Array.from({ length: count }, (_, n) => put(concat(utf8('n'), u64(n)), u64(n * n))), put(utf8('large'), large)],
        DURABLE
      )
      await reopen()
      const found = await listed(store, { gte: utf8('n'), lt: utf8('o') })
      expect(found.length).toBe(count)
      expect(found[12_345]![1]).toEqual(u64(12_345 * 12_345))
      expect(equalBytes(store.get(utf8('large'))!, large)).toBe(true)
    })

    test('a write is taken whole: no reader sees the half of one', async () => {
      const keys = [...'abcdefgh']
      const whole = Array.from({ length: 5 }, (_, n) => (n === 4 ? [] : keys.map((key) => `${key}=${n}`)).join())
      let over = false
      const writer = async () => {
        for (let n = 0; n < 100; n++)
          await store.write(
            keys.map((key) => (n % 5 === 4 ? remove(utf8(key)) : set(key, String(n % 5)))),
            { durable: n % 10 === 0 }
          )
        over = true
      }
      const written = writer()
      const seen = new Set<string>()
      while (!over) {
        seen.add((await texts(store)).join())
        await new Promise(setImmediate)
      }
      await written
      for (const state of seen) expect(whole).toContain(state)
      expect(await texts(store)).toEqual([])
    })

    test('a write has copied what it was given when it returns its promise', async () => {
      const key = utf8('key')
      const value = utf8('value')
      const writes = [put(key, value)]
      const written = store.write(writes, { durable: false })
      key.fill(0)
      value.fill(0)
      writes.pop()
      await written
      await store.write([], DURABLE)
      expect(await texts(store)).toEqual(['key=value'])
      await reopen()
      expect(await texts(store)).toEqual(['key=value'])
    })

    test('what was read does not change when the store does', async () => {
      await store.write([set('a', 'before'), set('b', 'before')], DURABLE)
      const read = store.get(utf8('a'))!
      const [, [, ranged]] = (await listed(store, ALL)) as [[Bytes, Bytes], [Bytes, Bytes]]
      await store.write([set('a', 'after!'), set('b', 'after!')], DURABLE)
      expect([read, ranged].map((bytes) => Buffer.from(bytes).toString())).toEqual(['before', 'before'])
    })

    test('bytes come as plain Uint8Array', async () => {
      await store.write([set('a', '1')], DURABLE)
      const [[key, value]] = (await listed(store, ALL)) as [[Bytes, Bytes]]
      for (const bytes of [store.get(utf8('a'))!, key, value]) expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
    })

    test('after close, writes fail with STORE_FAILED and closing again is no error', async () => {
      await store.write([set('a', '1')], DURABLE)
      await store.close()
      await expect(store.write([set('b', '2')], DURABLE)).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await expect(store.write([set('b', '2')], { durable: false })).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await store.close()
      store = await medium.open()
      expect(await texts(store)).toEqual(['a=1'])
    })
  })
}
