/**
 * `npm run bench`: what this machine does, as ratios to the Ed25519 verifications it manages on all cores in the same run.
 *
 *   npm run bench -- [--quick | --full | --records N] [--only PART,…] [--json]
 *
 * `--quick` (default) goes up to 10⁵ records, `--full` to 10⁶. The table goes to stdout, progress to stderr. Parts:
 *
 *   process     the writer of a log without HTTP, at 10⁴, 10⁵, 10⁶ records; start-up, memory and disk at each mark; an audit of it all
 *   postgres    beside it, the hash-chained table that one would write instead, where PostgreSQL is installed
 *   http        a node with its client on the same cores: arrays, single records, a steady trickle, a trail certificate, the offline verifier
 *   hypercore   beside it, the same records in a hypercore, where one is found (`BENCH_HYPERCORE=<directory with node_modules>`)
 *
 * Exits 0 where every figure was taken, whatever it is, or its part is not for this machine; 1 where a part failed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { hypercore, postgres } from './bench/beside.ts'
import { ROOT } from './bench/built.ts'
import { Children } from './bench/parent.ts'
import { inProcess } from './bench/parts.ts'
import { type Run, Skipped } from './bench/run.ts'
import { served } from './bench/served.ts'
import { type Figure, machine, median, number, row } from './bench/table.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    records: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})

type Part = (run: Run) => Promise<Figure[]>

const PARTS: { [name: string]: Part } = { process: inProcess, postgres, http: served, hypercore }

const records = Number(options.records ?? (options.full ? 1e6 : 1e5))
const chosen = options.only?.split(',') ?? Object.keys(PARTS)
const unknown = chosen.filter((name) => PARTS[name] === undefined)
if (unknown.length > 0 || !Number.isSafeInteger(records) || records < 1e4) {
  process.stderr.write(`--only: ${Object.keys(PARTS).join(', ')}; --records: at least 10000\n`)
  process.exit(2)
}

const say = (text: string) => process.stderr.write(`${text}\n`)
const directory = mkdtempSync(join(tmpdir(), 'lianzheng-bench-'))
const file = join(directory, 'child.mjs')
await build({
  entryPoints: [join(ROOT, 'scripts/bench/child.ts')],
  outfile: file,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  logLevel: 'error'
})

const children = new Children(file)
const run: Run = { children, records, directory, say: (text) => say(`  ${text}`) }
type Outcome = { figures: Figure[]; skipped?: string; failed?: string }
const parts: ({ name: string; seconds: number } & Outcome)[] = []
// Those at work are told too, and end; what they leave behind is taken away here, a PostgreSQL that runs among it.
let stopped = false
process.on('SIGINT', () => {
  stopped = true
})
try {
  await children.rate()
  for (const name of chosen) {
    if (stopped) break
    say(`■ ${name}`)
    const start = performance.now()
    const outcome = await PARTS[name]!(run).then(
      (figures): Outcome => ({ figures }),
      (error: unknown): Outcome => {
        const message = error instanceof Error ? error.message : String(error)
        return { figures: [], ...(error instanceof Skipped ? { skipped: message } : { failed: message }) }
      }
    )
    parts.push({ name, seconds: (performance.now() - start) / 1000, ...outcome })
  }
  if (!stopped) await children.rate()
} finally {
  children.close()
  rmSync(directory, { recursive: true, force: true })
}

const rates = children.rates
const yardstick = { median: median(rates), least: Math.min(...rates), most: Math.max(...rates), measured: rates.length }
if (options.json) process.stdout.write(`${JSON.stringify({ machine: machine(), records, yardstick, parts }, null, 1)}\n`)
else print()
process.exitCode = stopped || parts.some(({ failed }) => failed !== undefined) ? 1 : 0

function print(): void {
  const { cores, model, memory, node } = machine()
  const lines = [
    `${cores} cores, ${model}, ${number(memory / 2 ** 30)} GiB, Node ${node}`,
    `yardstick: ${number(yardstick.median)} Ed25519 verifications/s on ${availableParallelism()} cores (${number(yardstick.least)}–${number(yardstick.most)}, measured ${yardstick.measured} times)`,
    'workload: signed records of about 500 bytes, each beginning one trail and lengthening one of a thousand others',
    '',
    `  ${''.padEnd(46)} ${''.padStart(22)}   ratio  should be`
  ]
  for (const { name, seconds, figures, skipped, failed } of parts) {
    lines.push(`■ ${name} (${number(seconds)} s)`, ...figures.map(row))
    if (skipped !== undefined) lines.push(`  skipped: ${skipped}`)
    if (failed !== undefined) lines.push(`  FAILED: ${failed}`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}
