import { expect, test } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { put, remove } from '../../src/store/store.ts'
import { storeContract } from '../contract/store.ts'

storeContract('memory', async () => {
  let last: MemoryStore | undefined
  return {
    // Closed in good order, so nothing is lost.
    open: async () => {
      last = last === undefined ? new MemoryStore() : last.crash(last.pendingWrites)
      return last
    },
    remove: async () => {}
  }
})

test('a crash keeps what is durable, and of the rest the first writes only', async () => {
  const store = new MemoryStore()
  await store.write([put(utf8('a'), utf8('1'))], { durable: false })
  await store.write([put(utf8('b'), utf8('1'))], { durable: true })
  await store.write([put(utf8('a'), utf8('2'))], { durable: false })
  await store.write([remove(utf8('b'))], { durable: false })
  expect(store.pendingWrites).toBe(2)
  const after = (kept: number) => {
    const crashed = store.crash(kept)
    return ['a', 'b'].map((key) => crashed.get(utf8(key))?.[0])
  }
  expect(after(0)).toEqual([0x31, 0x31])
  expect(after(1)).toEqual([0x32, 0x31])
  expect(after(2)).toEqual([0x32, undefined])
})

test('the crashed copy and the store go separate ways', async () => {
  const store = new MemoryStore()
  await store.write([put(utf8('a'), utf8('1'))], { durable: true })
  const crashed = store.crash()
  await store.write([put(utf8('a'), utf8('2'))], { durable: true })
  await crashed.write([put(utf8('b'), utf8('3'))], { durable: true })
  expect(crashed.get(utf8('a'))).toEqual(utf8('1'))
  expect(store.get(utf8('b'))).toBeUndefined()
})
