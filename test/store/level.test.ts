import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { openLevel } from '../../src/store/level.ts'
import { put } from '../../src/store/store.ts'
import { storeContract } from '../contract/store.ts'

const ROOT = mkdtempSync(join(tmpdir(), 'lianzheng-level-'))
let count = 0
const newDirectory = () => join(ROOT, String(count++))

afterAll(() => rmSync(ROOT, { recursive: true, force: true }))

storeContract('LevelDB', async () => {
  const directory = newDirectory()
  return {
    open: () => openLevel(directory),
    remove: async () => rmSync(directory, { recursive: true, force: true })
  }
})

test('a directory is opened once at a time, and free again after close', async () => {
  const directory = newDirectory()
  const first = await openLevel(directory)
  await expect(openLevel(directory)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE', detail: { field: directory } })
  await expect(openLevel(directory, { mustExist: true })).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' })
  await first.write([put(utf8('a'), utf8('1'))], { durable: true })
  await first.close()
  const second = await openLevel(directory)
  expect(second.get(utf8('a'))).toEqual(utf8('1'))
  await second.close()
})

/** Another process that opens a directory, writes `a` durably, says so and stays. */
const HOLDER = `
  import { Level } from 'level'
  const db = new Level(process.argv[1])
  await db.open()
  await db.batch().put('a', 'from there').write({ sync: true })
  process.stdout.write('written')
  setInterval(() => {}, 1000)
`

test('a directory open in another process is in use, until that process dies, and what it synced is there', async () => {
  const directory = newDirectory()
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', HOLDER, directory], {
    cwd: new URL('../..', import.meta.url).pathname,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  try {
    await once(holder.stdout, 'data')
    await expect(openLevel(directory)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' })
  } finally {
    const exited = once(holder, 'exit')
    holder.kill('SIGKILL')
    await exited
  }
  const store = await openLevel(directory)
  expect(store.get(utf8('a'))).toEqual(utf8('from there'))
  await store.close()
})

test('mustExist opens what is there and makes nothing where nothing is', async () => {
  const directory = newDirectory()
  await expect(openLevel(directory, { mustExist: true })).rejects.toMatchObject({ code: 'STORE_UNREADABLE' })
  expect(existsSync(join(directory, 'CURRENT'))).toBe(false)
  await (await openLevel(directory)).close()
  await (await openLevel(directory, { mustExist: true })).close()
})

test('a data directory that is a file, or lies below one, cannot be read', async () => {
  const file = newDirectory()
  writeFileSync(file, 'not a directory')
  for (const directory of [file, join(file, 'below')])
    await expect(openLevel(directory)).rejects.toMatchObject({ code: 'STORE_UNREADABLE', detail: { field: directory } })
})

test('a directory with damaged files cannot be read', async () => {
  const directory = newDirectory()
  await (await openLevel(directory)).close()
  writeFileSync(join(directory, 'CURRENT'), 'MANIFEST-999999\n')
  await expect(openLevel(directory)).rejects.toMatchObject({ code: 'STORE_UNREADABLE' })
})
