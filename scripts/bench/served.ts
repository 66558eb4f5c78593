/** A node as people run it, over HTTP, with its client on the same cores: arrays, single records, a steady trickle, a certificate, the offline verifier. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Certified } from './certificate.ts'
import { lianzheng } from './command.ts'
import type { Loaded, LoadOptions, Paced, PacedOptions } from './load.ts'
import { initNetwork, startServer } from './network.ts'
import { makeRecords } from './parts.ts'
import { CASES, caseNumber } from './records.ts'
import type { Run } from './run.ts'
import { type Figure, figure, median, megabytes, number, quantile } from './table.ts'

const ARRAYS = { array: 200, connections: 16, reply: 'index', warmUp: 8_000, timed: 20_000 } as const
const SINGLES = { array: 1, connections: 64, warmUp: 2_000, timed: 6_000 } as const
const PER_SECOND = 100
const LONG_TRAIL = 1_000
const VERIFICATIONS = 5

export async function served(run: Run): Promise<Figure[]> {
  const network = await initNetwork(join(run.directory, 'http'))
  const seconds = run.records >= 1e6 ? 60 : 20
  const needed = [ARRAYS, SINGLES, SINGLES].reduce((sum, one) => sum + one.warmUp + one.timed + one.array * one.connections, 0)
  const files = await makeRecords(run, network, needed + seconds * PER_SECOND, 'http')
  const ofOneCase = await makeRecords(run, network, LONG_TRAIL, 'case', CASES + 1)
  const figures: Figure[] = []
  let skip = 0

  async function loaded(
    what: string,
    options: Omit<LoadOptions, 'url' | 'files' | 'skip'>,
    target: Figure['target'],
    byRate = false
  ) {
    const server = await startServer(network)
    const { sent, rate, yardstick, cpu } = await run.children.run<Loaded>(
      'load',
      { ...options, url: server.url, files, skip },
      run.say
    )
    const peak = server.peak()
    await server.stop()
    skip += sent
    const ratio = rate / ((yardstick[0] + yardstick[1]) / 2)
    const shown = `${number(rate)} (${ratio.toFixed(3)})`
    const bound = target === undefined ? {} : { target }
    figures.push(
      byRate
        ? figure({ what, shown, value: rate, ...bound })
        : figure({ what, shown: number(rate), value: rate, ratio, ...bound }),
      figure({ what: '  CPU of the client, a record', shown: `${number(cpu)} µs`, value: cpu }),
      figure({
        what: '  resident memory of the node, the most',
        shown: peak === undefined ? 'not known here' : megabytes(peak),
        value: (peak ?? Number.NaN) / 1e6
      })
    )
  }

  await loaded('records/s over HTTP, arrays of 200', ARRAYS, { least: 0.2 })
  const table = run.table === undefined ? undefined : { least: Math.round(run.table) }
  await loaded('records/s one by one, 64 connections, receipts', { ...SINGLES, reply: 'receipt' }, table, true)
  await loaded('records/s one by one, 64 connections, indexes', { ...SINGLES, reply: 'index' }, table, true)

  const server = await startServer(network)
  try {
    const options: PacedOptions = { url: server.url, files, skip, perSecond: PER_SECOND, seconds }
    const { latencies, receipt } = await run.children.run<Paced>('paced', options)
    // The first second pays for what is compiled only once.
    const settled = latencies.slice(PER_SECOND)
    for (const [name, part] of [
      ['p50', 0.5],
      ['p99', 0.99]
    ] as const) {
      const ms = quantile(settled, part)
      figures.push(figure({ what: `a receipt at ${PER_SECOND} records/s, ${name}`, shown: `${number(ms)} ms`, value: ms }))
    }
    const long = { array: 200, connections: 1, reply: 'index', warmUp: 0, timed: LONG_TRAIL - 200 } as const
    await run.children.run<Loaded>('load', { ...long, url: server.url, files: ofOneCase, skip: 0 })
    const trail = `case:${caseNumber(CASES + 1)}`
    const { bytes, fetched, verified } = await run.children.run<Certified>('certificate', { network, url: server.url, trail })
    figures.push(
      figure({
        what: 'certificate of a trail of 1 000, fetched',
        shown: `${number(median(fetched))} ms`,
        value: median(fetched)
      }),
      figure({ what: '  verified', shown: `${number(median(verified))} ms`, value: median(verified) }),
      figure({ what: '  its size', shown: `${number(bytes / 1024)} KiB`, value: bytes })
    )
    figures.push(await verifiedOffline(run.directory, network, receipt))
  } finally {
    await server.stop()
  }
  return figures
}

async function verifiedOffline(directory: string, network: string, receipt: string): Promise<Figure> {
  const file = join(directory, 'one.receipt.json')
  writeFileSync(file, receipt)
  const times: number[] = []
  for (let i = 0; i < VERIFICATIONS; i++) {
    const { code, ms, stderr } = await lianzheng('verify', file, '--policy', join(network, 'policy.txt'))
    if (code !== 0) throw new Error(`verify ended with ${code}: ${stderr}`)
    times.push(ms)
  }
  const ms = median(times)
  return figure({
    what: '`lianzheng verify` of a receipt, whole process',
    shown: `${number(ms)} ms`,
    value: ms / 1000,
    target: { most: 0.5 }
  })
}
