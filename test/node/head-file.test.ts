import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LianzhengError } from '../../src/core/errors.ts'
import { fix } from '../helpers/lab.ts'
import { TestNetwork } from '../helpers/network.ts'

let network: TestNetwork
let store: string
let head: string

beforeEach(async () => {
  network = await TestNetwork.open()
  store = join(network.directory, 'data/court/evidence')
  head = join(network.directory, 'data/court/.evidence.head')
})
afterEach(() => network.close())

async function refusal(): Promise<string> {
  try {
    await network.start()
  } catch (error) {
    if (error instanceof LianzhengError) return error.code
    throw error
  }
  return 'started'
}

describe('the last signed head, kept beside the store', () => {
  it('is the published checkpoint', async () => {
    await network.put(fix('one'), 'clerk')
    expect(readFileSync(head, 'utf8')).toBe((await network.ask('/logs/evidence/checkpoint')).text)
  })

  it('stops a store that came back empty', async () => {
    await network.stop()
    rmSync(store, { recursive: true })
    expect(await refusal()).toBe('STORE_DISAGREES')
  })

  it('stops a store that came back older', async () => {
    await network.stop()
    const copy = `${store}.copy`
    cpSync(store, copy, { recursive: true })
    await network.start()
    await network.put(fix('two'), 'clerk')
    await network.stop()
    rmSync(store, { recursive: true })
    cpSync(copy, store, { recursive: true })
    expect(await refusal()).toBe('STORE_DISAGREES')
  })

  it('stops a store whose write-ahead log was damaged', async () => {
    await network.put(fix('three'), 'clerk')
    await network.stop()
    for (const name of readdirSync(store).filter((file) => file.endsWith('.log'))) {
      const file = join(store, name)
      const { length } = readFileSync(file)
      truncateSync(file, 0)
      writeFileSync(file, Buffer.alloc(length, 0x55))
    }
    expect(await refusal()).toMatch(/^STORE_/)
  })

  it('is made again where it is missing, empty or older', async () => {
    await network.put(fix('four'), 'clerk')
    const older = readFileSync(head)
    await network.put(fix('five'), 'clerk')
    for (const left of [undefined, Buffer.alloc(0), older]) {
      await network.stop()
      if (left === undefined) rmSync(head)
      else writeFileSync(head, left)
      expect(await refusal()).toBe('started')
      await network.put(fix(`six ${left?.length}`), 'clerk')
      expect(readFileSync(head, 'utf8')).toBe((await network.ask('/logs/evidence/checkpoint')).text)
    }
  })
})
