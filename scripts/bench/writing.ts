/**
 * In process: the door's steps and the one writer of a log, without HTTP. Real LevelDB, real syncs, all the log's own keys, the batches of the node's
 * configuration. Records come two hundred at a time, as arrays of the HTTP surface do, and as many are on their way as fill four batches.
 */
import { join } from 'node:path'
import type { ExaminedRecord } from '../../src/verify/admit.ts'
import { built } from './built.ts'
import type { Parent } from './child.ts'
import { readRecords } from './records.ts'
import { CountingStore, type Written } from './store.ts'

const ARRAY = 200
const BATCHES_UNDERWAY = 4
/** Batches after the timed ones, whose writes are counted. */
const BATCHES_COUNTED = 2

export interface WriteOptions {
  network: string
  files: string[]
  /** Records of the files that are in the log already. */
  skip: number
  /** Records to write before the mark, the last `timed` of which are timed. */
  count: number
  timed: number
}

export interface Writing {
  /** Records written altogether: those of the mark, and some more that kept the writer busy. */
  written: number
  /** Records a second. */
  rate: number
  /** Verifications a second, before and after. */
  yardstick: [before: number, after: number]
  /** CPU of this process, microseconds a record. */
  cpu: number
  /** The most resident memory so far, bytes. */
  rss: number
  counted: Written & { records: number }
}

export async function write(options: WriteOptions, parent: Parent): Promise<Writing> {
  const { useNative, nativeVerifier } = await built<typeof import('../../src/node/native.ts')>('node/native')
  const { readConfig } = await built<typeof import('../../src/node/config.ts')>('node/config')
  const { keysOfLog, readSeed } = await built<typeof import('../../src/node/keys.ts')>('node/keys')
  const { readHeadFile, writeHeadFile } = await built<typeof import('../../src/node/head-file.ts')>('node/head-file')
  const { recover } = await built<typeof import('../../src/log/recover.ts')>('log/recover')
  const { Sequencer } = await built<typeof import('../../src/log/sequencer.ts')>('log/sequencer')
  const { examine, matchDisclosures, checkNfc } = await built<typeof import('../../src/verify/admit.ts')>('verify/admit')
  useNative()
  const config = readConfig(join(options.network, 'court.yaml'))
  const keys = keysOfLog(readSeed(config.seedFile), `${config.name}/evidence`)
  const store = await CountingStore.open(join(config.dataDir, 'evidence'))
  const headFile = join(config.dataDir, '.evidence.head')
  const recovered = await recover(store, keys, readHeadFile(headFile))
  const sequencer = new Sequencer({
    keys,
    classes: ['party'],
    store,
    recovered,
    verifier: nativeVerifier,
    clock: Date.now,
    batch: { ...config.batch, capacity: config.limits.waiting },
    onFatal: (error) => {
      throw error
    },
    onPublished: ({ note }) => writeHeadFile(headFile, note)
  })

  const { maxRecords } = config.batch
  const underwayMost = BATCHES_UNDERWAY * maxRecords
  const records = readRecords(options.files, options.skip)
  let underway = 0
  let begun = 0
  let done = 0
  /** Called after each record that is placed. */
  let onPlaced = () => {}
  let failure: unknown

  async function place(bytes: Uint8Array): Promise<void> {
    const examined = examine(bytes) as ExaminedRecord
    checkNfc(examined, matchDisclosures(examined, []))
    const { fresh } = await sequencer.submit(examined, [])
    if (!fresh) throw new Error('a record of the workload was there already')
    done++
    underway--
    onPlaced()
  }

  /** Resolves at the next record placed. */
  const placed = () =>
    new Promise<void>((resolve) => {
      onPlaced = resolve
    })

  async function feed(until: () => boolean): Promise<void> {
    while (!until()) {
      if (failure !== undefined) throw failure
      if (underway + ARRAY > underwayMost) {
        await placed()
        continue
      }
      for (let i = 0; i < ARRAY; i++) {
        const { value } = records.next()
        if (value === undefined) throw new Error('the workload is at its end')
        begun++
        underway++
        place(value).catch((error: unknown) => {
          failure ??= error
          onPlaced()
        })
      }
      if (begun % 20_000 === 0) parent.progress(`${done} of ${options.count} records written`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async function drain(): Promise<void> {
    while (underway > 0) {
      if (failure !== undefined) throw failure
      await placed()
    }
  }

  const { count, timed } = options
  await feed(() => begun >= count - timed - underwayMost)
  await drain()
  const before = await parent.rate()

  // From full swing to full swing: what is underway before the first timed record and after the last is not timed.
  await feed(() => done >= count - timed)
  const [first, start, cpuStart] = [done, performance.now(), process.cpuUsage()]
  await feed(() => done >= count)
  const [seconds, cpuSpent] = [(performance.now() - start) / 1000, process.cpuUsage(cpuStart)]
  const timedRecords = done - first
  await drain()
  const after = await parent.rate()

  const counted: Written = { batches: 0, keys: 0, bytes: 0, pages: 0, nodes: 0 }
  store.written = counted
  const countedFrom = done
  await feed(() => begun - countedFrom >= BATCHES_COUNTED * maxRecords)
  await drain()
  const result: Writing = {
    written: done,
    rate: timedRecords / seconds,
    yardstick: [before, after],
    cpu: (cpuSpent.user + cpuSpent.system) / timedRecords,
    rss: process.resourceUsage().maxRSS * 1024,
    counted: { ...counted, records: done - countedFrom }
  }
  await sequencer.stop()
  await store.close()
  return result
}
