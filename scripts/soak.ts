/**
 * `npm run soak`: what takes too long for `npm test`.
 *
 *   strace   records one at a time at a traced node: no answer leaves before the record's `fdatasync` (`--records 200`)
 *   overload three times as many records as the node takes: refused by a code, nothing lost, memory within bounds, quick again afterwards
 *   fuzz     hostile inputs for everything that reads bytes and texts from outside (`--inputs 1000000` each: more than an hour)
 *   kill     rounds of kill -9 at a node under 200 records/s, audited every tenth round as the kill left it (`--rounds 100`)
 *
 *   npm run soak -- [--only strace,kill,overload,fuzz] [--rounds 100] [--records 200] [--inputs 1000000] [--seed TEXT]
 *
 * Exits 0 where every part chosen has passed, 1 where one failed, 2 where one could not be tried: skipped is not passed.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { base64url, fromBase64url } from '../src/core/bytes.ts'
import { decodeStatement } from '../src/core/statement.ts'
import { audit, checkErrors, killRounds, type Round } from '../test/helpers/kill-rounds.ts'
import { Dice, type Entry, Load } from '../test/helpers/load.ts'
import { Network, NodeProcess } from '../test/helpers/node-process.ts'
import { answersAfterSync, parseTrace, TRACED, type Traced } from '../test/helpers/trace.ts'
import { fuzz } from './soak/fuzz.ts'
import { overload } from './soak/overload.ts'

/** What a part found, as rows of the summary; throws where it failed. */
type Figures = { [what: string]: string | number }
type Verdict = 'passed' | 'failed' | 'skipped'

class Skipped extends Error {}

const PER_SECOND = 200

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'strace,kill,overload,fuzz' },
    rounds: { type: 'string', default: '100' },
    records: { type: 'string', default: '200' },
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') }
  }
})

const PARTS: { [name: string]: (network: Network) => Promise<Figures> } = {
  strace: (network) => tracedAnswers(network, count('records')),
  kill: (network) => killedNodes(network, count('rounds')),
  overload: (network) => overload(network, say),
  fuzz: () => fuzz(count('inputs'), `fuzz ${options.seed}`, say)
}

function count(name: 'rounds' | 'records' | 'inputs'): number {
  const value = Number(options[name])
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name}: a number of at least 1, not ${options[name]}`)
  return value
}

const say = (text: string) => process.stdout.write(`${text}\n`)

/** No answer leaves before its fdatasync: seen from outside the process. */
async function tracedAnswers(network: Network, records: number): Promise<Figures> {
  if (spawnSync('strace', ['-V']).status !== 0) throw new Skipped('there is no strace on this machine: apt-get install strace')
  if (spawnSync('strace', ['-o', '/dev/null', 'true']).status !== 0) throw new Skipped('strace may not trace on this machine')
  const file = join(network.directory, 'strace.txt')
  // -D: the node stays our own child, so that signals reach it.
  const tracer = ['strace', '-f', '-D', '-tt', '-y', '-s', '1000000', '-o', file, '-e', `trace=${TRACED}`]
  const node = await NodeProcess.start(network.config, tracer)
  const entries: Entry[] = []
  try {
    const load = await Load.open(network, new Dice(`strace ${options.seed}`))
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < records; i++) {
      const entry = load.next()
      await load.send([entry], agent)
      entries.push(entry)
      if ((i + 1) % 50 === 0) say(`  ${i + 1} of ${records} records sent`)
    }
    agent.destroy()
    const { code } = await node.terminate()
    if (code !== 0) throw new Error(`the node ended with ${code}`)
    checkErrors(node)
  } finally {
    await node.kill()
  }
  await audit(network)

  const calls = parseTrace(await wholeTrace(file))
  const answers = answersAfterSync(
    calls,
    entries.map((entry) => tracedOf(entry, network))
  )
  const wrong = answers.flatMap(({ wrong }, i) =>
    wrong === undefined ? [] : [`${entries[i]!.log} #${entries[i]!.index}: ${wrong}`]
  )
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${records} answers: ${wrong.slice(0, 10).join('; ')}`)
  const isLogSync = ({ name, target }: { name: string; target: string }) => name === 'fdatasync' && target.endsWith('.log')
  return {
    '201 answers': answers.length,
    'after their fdatasync': answers.filter(({ wrong }) => wrong === undefined).length,
    'fdatasyncs of logs': calls.filter(isLogSync).length,
    'request to sync, median ms': median(answers.map(({ toSync }) => toSync!)).toFixed(1),
    'sync to answer, median ms': median(answers.map(({ toSync, toAnswer }) => toAnswer! - toSync!)).toFixed(1),
    'sync to answer, least ms': Math.min(...answers.map(({ toSync, toAnswer }) => toAnswer! - toSync!)).toFixed(2)
  }
}

/** With -D nobody waits for strace: the trace is whole when it tells of the end. */
async function wholeTrace(file: string): Promise<string> {
  for (let i = 0; i < 100; i++) {
    const text = readFileSync(file, 'latin1')
    if (/\+\+\+ exited with 0 \+\+\+\n$/.test(text)) return text
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${file} does not tell of the end of the node`)
}

function tracedOf({ log, leaf, statement }: Entry, network: Network): Traced {
  const { cti, signature } = decodeStatement(statement)
  return {
    statement: base64url(statement),
    marks: [fromBase64url(leaf), cti, signature].map((bytes) => Buffer.from(bytes)),
    directory: join(network.data, log)
  }
}

/** Rounds of kill -9. */
async function killedNodes(network: Network, rounds: number): Promise<Figures> {
  const totals = await killRounds({
    network,
    rounds,
    seed: `kill ${options.seed}`,
    perSecond: PER_SECOND,
    load: [100, 3_000],
    sample: 200,
    auditEvery: 10,
    onRound: ({ round, killedAfter, sent, answered, inFlight, resent, known, restart, checked, audited }) =>
      say(
        `  round ${round} of ${rounds}: killed after ${killedAfter} ms with ${inFlight} requests open; ${answered} of ${sent} records answered; ` +
          `ready after ${Math.round(restart)} ms; ${checked} read back; ${resent} sent again, ${known} of them known${audited ? '; audited' : ''}`
      )
  })
  const { stop, sent, outcomes } = totals
  if (stop.code !== 0) throw new Error(`the node ended with ${stop.code}`)
  const sum = (of: (round: Round) => number) => totals.rounds.reduce((total, round) => total + of(round), 0)
  return {
    kills: rounds,
    'records sent': sent,
    'answered before the kill': sum(({ answered }) => answered),
    'sent again': sum(({ resent }) => resent),
    'of these, there already': sum(({ known }) => known),
    'read back, all as answered': sum(({ checked }) => checked),
    'audits without a finding': totals.rounds.filter(({ audited }) => audited).length + 1,
    'ready again, median ms': Math.round(median(totals.rounds.map(({ restart }) => restart))),
    requests: [...outcomes].map(([name, times]) => `${name} ×${times}`).join(', ')
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

const chosen = options.only.split(',')
const unknown = chosen.filter((name) => !(name in PARTS))
if (unknown.length > 0) {
  say(`unknown part ${unknown.join(', ')}: ${Object.keys(PARTS).join(', ')}`)
  process.exit(2)
}

say(`seed ${options.seed}`)
const results: { name: string; verdict: Verdict; seconds: number; figures: Figures }[] = []
for (const name of chosen) {
  say(`■ ${name}`)
  const start = performance.now()
  const home = mkdtempSync(join(tmpdir(), `lianzheng-soak-${name}-`))
  const [verdict, figures] = await PARTS[name]!(await Network.init(join(home, 'network'))).then(
    (found): [Verdict, Figures] => ['passed', found],
    (error: unknown): [Verdict, Figures] =>
      error instanceof Skipped
        ? ['skipped', { 'not tried': error.message }]
        : ['failed', { why: error instanceof Error ? error.message : String(error), 'left in': home }]
  )
  if (verdict !== 'failed') rmSync(home, { recursive: true, force: true })
  results.push({ name, verdict, seconds: (performance.now() - start) / 1000, figures })
}

say('\n■ summary')
for (const { name, verdict, seconds, figures } of results) {
  say(
    `${name.padEnd(8)} ${verdict.toUpperCase()}  ${Math.round(seconds)} s${verdict === 'skipped' ? ' (skipped is not passed)' : ''}`
  )
  for (const [what, figure] of Object.entries(figures)) say(`  ${what.padEnd(28)} ${figure}`)
}
const verdicts = results.map(({ verdict }) => verdict)
process.exitCode = verdicts.includes('failed') ? 1 : verdicts.includes('skipped') ? 2 : 0
