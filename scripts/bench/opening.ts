/** What it takes to open a log that is there: keys read, and one receipt under its head. */
import { join } from 'node:path'
import { built } from './built.ts'
import { CountingStore } from './store.ts'

export interface Opening {
  keysRead: number
  size: number
  ms: number
  receipt: {
    text: string
    /** Bytes without the checkpoint's ML-DSA-44 lines. */
    short: number
  }
}

/** Longer than an Ed25519 line of a note and far shorter than an ML-DSA-44 one. */
const LONG_LINE = 1_000

export async function openStore({ network }: { network: string }): Promise<Opening> {
  const { useNative } = await built<typeof import('../../src/node/native.ts')>('node/native')
  const { readConfig } = await built<typeof import('../../src/node/config.ts')>('node/config')
  const { keysOfLog, readSeed } = await built<typeof import('../../src/node/keys.ts')>('node/keys')
  const { readHeadFile } = await built<typeof import('../../src/node/head-file.ts')>('node/head-file')
  const { recover } = await built<typeof import('../../src/log/recover.ts')>('log/recover')
  const { Reader } = await built<typeof import('../../src/log/reader.ts')>('log/reader')
  const { Sequencer } = await built<typeof import('../../src/log/sequencer.ts')>('log/sequencer')
  const { nativeVerifier } = await built<typeof import('../../src/node/native.ts')>('node/native')
  const { formatReceipt } = await built<typeof import('../../src/verify/files.ts')>('verify/files')
  useNative()
  const config = readConfig(join(network, 'court.yaml'))
  const keys = keysOfLog(readSeed(config.seedFile), `${config.name}/evidence`)
  const start = performance.now()
  const store = await CountingStore.open(join(config.dataDir, 'evidence'))
  const recovered = await recover(store, keys, readHeadFile(join(config.dataDir, '.evidence.head')))
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
    }
  })
  const [keysRead, ms] = [store.read, performance.now() - start]

  const { size } = sequencer.published!
  const reader = new Reader(recovered.ledger, keys.origin, () => sequencer.published)
  // Genesis, its registrations and their seals stand at the start: a record is past them.
  const isRecord = (index: number) => reader.statement(index).kind === 'record'
  let index = Math.floor(size / 2)
  while (!isRecord(index)) index++
  const receipt = reader.receipt(index, (_, disclosures) => disclosures)
  const text = formatReceipt(receipt)
  const lines = receipt.checkpoint.split('\n').filter((line) => line.length < LONG_LINE)
  const short = formatReceipt({ ...receipt, checkpoint: lines.join('\n') })
  await sequencer.stop()
  await store.close()
  return { keysRead, size, ms, receipt: { text, short: Buffer.byteLength(short) } }
}
