/** What stands beside it: the table and the log that one would take instead, where they are found on this machine. */
import { join } from 'node:path'
import type { Appended } from './hypercore.ts'
import { initNetwork } from './network.ts'
import { makeRecords } from './parts.ts'
import { chainedTable } from './postgres.ts'
import { type Run, Skipped } from './run.ts'
import { type Figure, figure, number } from './table.ts'

const SECONDS = 8
const APPENDED = 10_000

export async function postgres(run: Run): Promise<Figure[]> {
  const before = await run.children.rate()
  const found = await chainedTable(SECONDS)
  if (found === undefined) throw new Skipped('no PostgreSQL here (initdb, pg_ctl, pgbench, psql)')
  const after = await run.children.rate()
  run.table = found.rate
  return [
    figure({
      what: 'rows/s of a hash-chained table, 16 connections',
      shown: number(found.rate),
      value: found.rate,
      ratio: found.rate / ((before + after) / 2)
    }),
    figure({
      what: `  PostgreSQL ${found.version.split(' ')[0]}, a row, mean`,
      shown: `${number(found.latencyMs, 1)} ms`,
      value: found.latencyMs
    })
  ]
}

export async function hypercore(run: Run): Promise<Figure[]> {
  const network = await initNetwork(join(run.directory, 'hypercore'))
  const files = await makeRecords(run, network, 2 * APPENDED, 'hypercore')
  const before = await run.children.rate()
  const options = { directory: join(run.directory, 'core'), files, count: APPENDED }
  const { version, arrays, singles } = await run.children.run<Appended>('hypercore', options)
  if (version === undefined) throw new Skipped('no hypercore here: BENCH_HYPERCORE names a directory that has it in node_modules')
  const rate = (before + (await run.children.rate())) / 2
  return [
    figure({
      what: `records/s into hypercore ${version}, arrays of 200`,
      shown: number(arrays),
      value: arrays,
      ratio: arrays / rate
    }),
    figure({ what: '  one after the other', shown: number(singles), value: singles, ratio: singles / rate })
  ]
}
