/** The parts of a run: each sets up its own network, starts its children, and gives figures. */
import { join } from 'node:path'
import { lianzheng } from './command.ts'
import { filesUnder, initNetwork, startServer } from './network.ts'
import type { Opening } from './opening.ts'
import type { Signed, SignOptions } from './records.ts'
import type { Run } from './run.ts'
import { type Figure, figure, median, megabytes, number } from './table.ts'
import type { WriteOptions, Writing } from './writing.ts'

const SIGNERS = 2
const STARTS = 3

/** Signs `count` records in as many processes as there are files. */
export async function makeRecords(run: Run, network: string, count: number, name: string, inCase?: number): Promise<string[]> {
  const share = Math.ceil(count / SIGNERS)
  const files: string[] = []
  const signing: Promise<Signed>[] = []
  for (let from = 0; from < count; from += share) {
    const file = join(run.directory, `${name}.${files.length}.records`)
    const options: SignOptions = {
      network,
      file,
      from,
      to: Math.min(count, from + share),
      ...(inCase === undefined ? {} : { inCase })
    }
    files.push(file)
    signing.push(run.children.run<Signed>('records', options, run.say))
  }
  const signed = await Promise.all(signing)
  const bytes = signed.reduce((sum, one) => sum + one.bytes, 0)
  run.say(`${number(count)} records signed, ${Math.round(bytes / count)} bytes each`)
  return files
}

export const power = (n: number): string =>
  Math.log10(n) % 1 === 0 ? `10${[...String(Math.log10(n))].map((d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(d)]).join('')}` : number(n)

/** What a mark needs beyond itself: the records underway while its last ones are timed, and those whose writes are counted. */
const EXTRA = 10_000

export async function inProcess(run: Run): Promise<Figure[]> {
  const marks = [1e4, 1e5, 1e6].filter((mark) => mark < run.records)
  marks.push(run.records)
  const network = await initNetwork(join(run.directory, 'process'))
  const files = await makeRecords(run, network, run.records + marks.length * EXTRA, 'process')
  // The first start takes genesis in.
  await (await startServer(network)).stop()

  const figures: Figure[] = []
  const costs: number[] = []
  const opened: Opening[] = []
  let written = 0
  for (const mark of marks) {
    const options: WriteOptions = {
      network,
      files,
      skip: written,
      count: mark - written,
      timed: mark === 1e4 ? 4_000 : Math.round(mark / 10)
    }
    const writing = await run.children.run<Writing>('write', options, (text) => run.say(`${power(mark)}: ${text}`))
    written += writing.written
    const ratio = writing.rate / ((writing.yardstick[0] + writing.yardstick[1]) / 2)
    costs.push(1 / ratio)
    const disk = filesUnder(join(network, 'data/court/evidence')) / written
    const opening = await run.children.run<Opening>('open', { network })
    opened.push(opening)
    const starts = await startsOf(network)
    const { counted } = writing
    const at = `at ${power(mark)}`
    figures.push(
      figure({
        what: `records/s in process ${at}`,
        shown: number(writing.rate),
        value: writing.rate,
        ratio,
        ...(mark === 1e4 ? { target: { least: 0.4 } } : mark === 1e6 ? { target: { least: 0.28 } } : {})
      }),
      figure({ what: '  CPU of all its threads, a record', shown: `${number(writing.cpu)} µs`, value: writing.cpu }),
      figure({
        what: '  resident memory, the most while writing',
        shown: megabytes(writing.rss),
        value: writing.rss / 1e6,
        ...(mark === 1e6 ? { target: { most: 400 } } : {})
      }),
      figure({ what: '  disk, a record', shown: `${number(disk)} bytes`, value: disk, target: { most: 4096 } }),
      ...(['nodes', 'pages', 'keys', 'bytes'] as const).map((what) => {
        const value = counted[what] / counted.records
        const names = { nodes: 'nodes of the map', pages: 'pages of the map', keys: 'keys', bytes: 'bytes, keys with them,' }
        return figure({ what: `  ${names[what]} written a record`, shown: number(value, what === 'bytes' ? 0 : 2), value })
      }),
      figure({ what: '  keys of the store read at start-up', shown: number(opening.keysRead), value: opening.keysRead }),
      figure({
        what: '  start-up of a node, process to ready',
        shown: `${number(starts.ms)} ms`,
        value: starts.ms / 1000,
        target: { most: 2 }
      }),
      figure({
        what: '  resident memory of a node at rest',
        shown: starts.rss === undefined ? 'not known here' : megabytes(starts.rss),
        value: (starts.rss ?? Number.NaN) / 1e6
      }),
      figure({
        what: '  a receipt without its ML-DSA lines',
        shown: `${number(opening.receipt.short)} bytes`,
        value: opening.receipt.short,
        target: { most: 8192 }
      })
    )
  }
  if (marks.length > 1) {
    const last = power(marks.at(-1)!)
    const grown = costs.at(-1)! / costs[0]!
    const reads = opened.at(-1)!.keysRead - opened[0]!.keysRead
    figures.push(
      figure({
        what: `cost of a record at ${last}, in those at ${power(marks[0]!)}`,
        shown: number(grown, 2),
        value: grown,
        target: { most: 1.6 }
      }),
      figure({
        what: `keys read at start-up at ${last}, more than at ${power(marks[0]!)}`,
        shown: String(reads),
        value: reads,
        target: { most: 0 }
      })
    )
  }
  return [...figures, ...(await audited(run, network))]
}

/** `audit --data` of all that was written, from the start of its process to its end. */
async function audited(run: Run, network: string): Promise<Figure[]> {
  const before = await run.children.rate()
  const { code, ms, rss, stderr } = await lianzheng(
    'audit',
    '--data',
    join(network, 'data/court/evidence'),
    '--policy',
    join(network, 'policy.txt')
  )
  if (code !== 0) throw new Error(`audit ended with ${code}: ${stderr}`)
  const after = await run.children.rate()
  const rate = (run.records / ms) * 1000
  return [
    figure({
      what: `records/s audited, of ${power(run.records)}`,
      shown: number(rate),
      value: rate,
      ratio: rate / ((before + after) / 2),
      target: { least: 0.4 }
    }),
    figure({
      what: '  resident memory, the most',
      shown: rss === undefined ? 'not known here' : megabytes(rss),
      value: (rss ?? Number.NaN) / 1e6
    })
  ]
}

/** A node on this data, from the start of its process to its first line. */
async function startsOf(network: string): Promise<{ ms: number; rss: number | undefined }> {
  const times: number[] = []
  let rss: number | undefined
  for (let i = 0; i < STARTS; i++) {
    const start = performance.now()
    const server = await startServer(network)
    times.push(performance.now() - start)
    rss = server.rss()
    await server.stop()
  }
  return { ms: median(times), rss }
}
