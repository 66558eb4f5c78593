/** The same records in a hypercore (npm), the append-only log that JavaScript programs use most: signed by one key, without admission, trails or syncs. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from './built.ts'
import { readRecords } from './records.ts'

interface Core {
  ready(): Promise<void>
  append(blocks: Uint8Array | Uint8Array[]): Promise<unknown>
  close(): Promise<void>
}

export interface Appended {
  /** Undefined where there is no hypercore to be found. */
  version: string | undefined
  /** Records a second, in arrays of 200 and one after the other. */
  arrays: number
  singles: number
}

/** From `$BENCH_HYPERCORE`, a directory with it in its `node_modules`, or from here. */
async function findHypercore(): Promise<{ Hypercore: new (directory: string) => Core; version: string } | undefined> {
  for (const place of [process.env.BENCH_HYPERCORE, ROOT]) {
    if (place === undefined) continue
    try {
      const require = createRequire(join(place, 'package.json'))
      const { default: Hypercore } = (await import(pathToFileURL(require.resolve('hypercore')).href)) as {
        default: new (directory: string) => Core
      }
      const { version } = require('hypercore/package.json') as { version: string }
      return { Hypercore, version }
    } catch {}
  }
  return undefined
}

export async function hypercore({
  directory,
  files,
  count
}: {
  directory: string
  files: string[]
  count: number
}): Promise<Appended> {
  const found = await findHypercore()
  if (found === undefined) return { version: undefined, arrays: 0, singles: 0 }
  const records = [...take(readRecords(files), 2 * count)]
  const core = new found.Hypercore(directory)
  await core.ready()
  const start = performance.now()
  for (let at = 0; at < count; at += 200) await core.append(records.slice(at, at + 200))
  const middle = performance.now()
  for (const record of records.slice(count)) await core.append(record)
  const end = performance.now()
  await core.close()
  return { version: found.version, arrays: (count / (middle - start)) * 1000, singles: (count / (end - middle)) * 1000 }
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let taken = 0
  for (const item of items) {
    if (taken++ === count) return
    yield item
  }
}
