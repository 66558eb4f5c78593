/**
 * `npm run crosscheck`: what a running node gives out, held against a second verifier that knows the published formats alone (`crosscheck/`, in
 * Go). A fresh network is made and filled; every receipt, certificate and proof is judged by both, the second walks the logs, and some hundred
 * changed files and policies must not be verified by one where the other refuses. Exits 0 where all agree, 1 where not, 2 without Go.
 *
 *   npm run crosscheck -- [--mutations 600] [--seed 1] [--keep]
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { type Mutant, mutate, mutatePolicy, type Random, randomFrom } from '../test/helpers/mutations.ts'
import { collectNetwork, NODES } from './crosscheck-network.ts'
import { Court, collect, fill, main, run, type Sample, type Verdict } from './crosscheck-samples.ts'

const { values: options } = parseArgs({
  options: {
    mutations: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'boolean', default: false }
  }
})

const scripts = fileURLToPath(new URL('.', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'lianzheng-crosscheck-'))
const second = join(home, 'crosscheck')
const VERDICTS: readonly Verdict[] = ['verified', 'broken', 'could-not-check']

interface Row {
  what: string
  files: number
  expected: string
  lianzheng: string
  crosscheck: string
  good: boolean
}
interface Judged {
  verdict: Verdict
  said: string
}
type Pair = Pick<Sample, 'file' | 'policy' | 'evidence'>

const rows: Row[] = []
let failures = 0

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function fail(what: string): void {
  failures++
  say(`  ✗ ${what.trim().replaceAll('\n', '\n    ')}`)
}

function sayBoth(what: string, first: Judged, other: Judged): void {
  fail(`${what}\nlianzheng: ${first.verdict}\n${first.said.trim()}\ncrosscheck: ${other.verdict}\n${other.said.trim()}`)
}

/** Work on all items, a few at a time, with the results in order. */
async function each<T, R>(items: readonly T[], work: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const i = next++
      results[i] = await work(items[i]!, i)
    }
  }
  await Promise.all(Array.from({ length: 4 }, worker))
  return results
}

function groupBy<T>(items: readonly T[], by: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(by(item), [...(groups.get(by(item)) ?? []), item])
  return groups
}

/** Builds the second verifier, or says what is missing and ends. */
function buildSecond(): void {
  const options = { cwd: join(scripts, 'crosscheck'), encoding: 'utf8' } as const
  const { error, status, stderr } = spawnSync('go', ['build', '-o', second, '.'], options)
  if (error === undefined && status === 0) return
  rmSync(home, { recursive: true })
  process.stderr.write(
    error !== undefined
      ? 'crosscheck needs Go (https://go.dev) on the path, and the Go module proxy within reach for its first build.\n'
      : `${stderr}\nThe Go program could not be built: is the Go module proxy within reach?\n`
  )
  process.exit(2)
}

async function judgeSecond({ file, policy, evidence = [] }: Pair): Promise<Judged> {
  const kind = file.endsWith('.trail.json') ? 'trail' : file.endsWith('.json') ? 'receipt' : 'handout'
  const { status, stdout, stderr } = await run(second, [kind, '-policy', policy, file, ...evidence])
  const failed = /^(?:panic|fatal error|runtime error):/m.test(stderr)
  return { verdict: failed ? 'failed' : (VERDICTS[status] ?? 'failed'), said: stdout + stderr }
}

/** The command line as it is shipped, inside this process, which starts a thousand times faster. */
async function here(args: readonly string[]): Promise<{ status: number; said: string }> {
  const cli = (await import(pathToFileURL(main).href)) as typeof import('../src/cli/main.ts')
  let said = ''
  const write = (text: string) => {
    said += text
  }
  const io = {
    lang: 'en',
    json: false,
    watched: false,
    env: {},
    out: write,
    err: write,
    askSecret: async () => undefined
  } as const
  return { status: await cli.main([...args, '--lang', 'en'], { ...io }), said }
}

async function judgeFirst({ file, policy, evidence = [] }: Pair): Promise<Judged> {
  const { status, said } = await here(['verify', file, ...evidence, '--policy', policy])
  return { verdict: VERDICTS[status] ?? 'failed', said }
}

/** Every file must get the verdict expected from both. */
async function compare(samples: readonly Sample[]): Promise<void> {
  const judged = await each(samples, async (sample) => {
    const [first, other] = await Promise.all([judgeFirst(sample), judgeSecond(sample)])
    const good = first.verdict === sample.expected && other.verdict === sample.expected
    if (!good) sayBoth(`${basename(sample.file)}: expected was ${sample.expected}`, first, other)
    return { group: sample.group, expected: sample.expected, first: first.verdict, other: other.verdict, good }
  })
  const count = (verdicts: Verdict[]) =>
    [...groupBy(verdicts, (verdict) => verdict)].map(([verdict, { length }]) => `${length} ${verdict}`).join(', ')
  for (const [what, group] of groupBy(judged, ({ group }) => group))
    rows.push({
      what,
      files: group.length,
      expected: count(group.map(({ expected }) => expected)),
      lianzheng: count(group.map(({ first }) => first)),
      crosscheck: count(group.map(({ other }) => other)),
      good: group.every(({ good }) => good)
    })
}

/** The second verifier reads every log from its first entry to its last, over HTTP. */
async function walkLogs(court: Court): Promise<void> {
  for (const { name, origin, url, size, class: held } of await court.logs()) {
    const walk = ['live', '-vkey', court.vkeys.get(origin)!.at(-2)!]
    const { status, stdout, stderr } = await run(second, [...walk, '-token', await court.token(), url])
    if (status !== 0) fail(`log ${name}: ${stdout}${stderr}`)
    // Members alone may copy the entries of a log that is not public.
    const anonymous = (await run(second, [...walk, url])).status
    if (anonymous !== (held === 'public' ? 0 : 3)) fail(`log ${name} without a token: status ${anonymous}`)
    rows.push({
      what: `log ${name}, walked`,
      files: size,
      expected: 'verified',
      lianzheng: '–',
      crosscheck: VERDICTS[status] ?? 'failed',
      good: status === 0
    })
  }
}

/** The copy that a mirror holds of a public log is read and proven like the log itself. */
async function walkMirror(network: Court): Promise<void> {
  const origin = 'court.example/public'
  const copy = `${network.url.replace(/[0-9]+$/, (port) => String(Number(port) + 1))}/mirror/${sha256Hex(origin)}`
  const walk = ['live', '-vkey', network.vkeys.get(origin)!.at(-2)!, '-token', await network.token('discipline.example')]
  const { status, stdout, stderr } = await run(second, [...walk, copy])
  if (status !== 0) fail(`${copy}: ${stdout}${stderr}`)
  const size = Number(/size ([0-9]+)/.exec(stdout)?.[1])
  const crosscheck = VERDICTS[status] ?? 'failed'
  rows.push({
    what: 'log public, walked at a mirror',
    files: size,
    expected: 'verified',
    lianzheng: '–',
    crosscheck,
    good: status === 0
  })
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** C2SP tlog-proofs: as exported they hold; with a bit of proof or statement changed they do not. */
async function compareProofs(receipts: readonly Sample[], random: Random): Promise<void> {
  let held = 0
  let refused = 0
  await each(receipts, async ({ file, policy }) => {
    const proof = `${file}.tlog-proof`
    const statement = `${file}.cose`
    await here(['export', file, '--format', 'tlog-proof', '-o', proof])
    await here(['export', file, '--format', 'statement', '-o', statement])
    const holds = async (...files: string[]) => (await run(second, ['proof', '-policy', policy, ...files])).status === 0
    if (await holds(proof, statement)) held++
    else fail(`${basename(proof)} does not hold`)
    for (const file of [proof, statement]) {
      const bytes = readFileSync(file)
      // Signature lines are left alone: what keys say that the policy does not list, or does not need, is nothing to it.
      const at = random(file === proof ? bytes.indexOf('\n— ') : bytes.length)
      bytes[at]! ^= 1 << random(8)
      writeFileSync(`${file}.changed`, bytes)
      const changed = [proof, statement].map((name) => (name === file ? `${name}.changed` : name))
      if (await holds(...changed)) fail(`${basename(file)} holds with byte ${at} changed`)
      else refused++
    }
  })
  const { length: files } = receipts
  const row = { lianzheng: '–', files }
  rows.push({ ...row, what: 'tlog-proofs', expected: 'verified', crosscheck: `${held} verified`, good: held === files })
  const twice = files * 2
  rows.push({
    ...row,
    what: 'tlog-proofs, a bit changed',
    files: twice,
    expected: 'refused',
    crosscheck: `${refused} refused`,
    good: refused === twice
  })
}

/** SCITT transparent statements, asked of the node: they hold, and not with a bit changed. */
async function compareScitt(court: Court, receipts: readonly Sample[], random: Random): Promise<void> {
  let held = 0
  let refused = 0
  await each(receipts, async ({ file, policy }) => {
    const signed = `${file}.scitt.cose`
    const from = ['--url', court.url, '--key', court.key('inspector'), '--policy', policy]
    const exported = await here(['export', file, '--format', 'cose', ...from, '-o', signed])
    if (exported.status !== 0) return fail(`${basename(signed)}: ${exported.said}`)
    const holds = async (name: string) => (await run(second, ['scitt', '-policy', policy, name, file])).status === 0
    if (await holds(signed)) held++
    else fail(`${basename(signed)} does not hold`)
    const bytes = readFileSync(signed)
    // Header, payload and signature of the statement. In between stands the tree size of the proof, which a COSE receipt does not sign.
    const place = random(264)
    const at = place < 200 ? place : bytes.length - 264 + place
    bytes[at]! ^= 1 << random(8)
    writeFileSync(`${signed}.changed`, bytes)
    if (await holds(`${signed}.changed`)) fail(`${basename(signed)} holds with byte ${at} changed`)
    else refused++
  })
  const { length: files } = receipts
  const row = { lianzheng: '–', files }
  rows.push({ ...row, what: 'SCITT', expected: 'verified', crosscheck: `${held} verified`, good: held === files })
  rows.push({
    ...row,
    what: 'SCITT, a bit changed',
    expected: 'refused',
    crosscheck: `${refused} refused`,
    good: refused === files
  })
}

/** The published catalogue says what the pages say. */
async function compareCatalogue(): Promise<void> {
  const file = join(home, 'catalogue.json')
  writeFileSync(file, (await here(['types', '--catalogue'])).said)
  const { status, stdout } = await run(second, ['catalogue', file])
  if (status !== 0) fail(`catalogue: ${stdout}`)
  const types = (JSON.parse(readFileSync(file, 'utf8')) as { types: unknown[] }).types.length
  const crosscheck = VERDICTS[status] ?? 'failed'
  rows.push({
    what: 'types of the catalogue',
    files: types,
    expected: 'verified',
    lianzheng: '–',
    crosscheck,
    good: status === 0
  })
}

/** Neither may say verified where the other does not. Whether what is refused is broken or could not be checked is only counted. */
async function compareMutants(what: string, of: 'file' | 'policy', mutants: readonly { sample: Sample; mutant: Mutant }[]) {
  const seen = { harmless: 0, alike: 0, unlike: 0, apart: 0 }
  const folder = join(home, what.replaceAll(' ', '-'))
  mkdirSync(folder)
  await each(mutants, async ({ sample, mutant }, i) => {
    const changed = join(folder, `${i}-${basename(sample[of])}`)
    writeFileSync(changed, mutant.bytes)
    const pair = { file: sample.file, policy: sample.policy, [of]: changed }
    const [first, other] = await Promise.all([judgeFirst(pair), judgeSecond(pair)])
    const verdicts = [first.verdict, other.verdict]
    const [one, none] = [verdicts.includes('verified'), verdicts.some((verdict) => verdict !== 'verified')]
    if ((one && none) || verdicts.includes('failed')) {
      seen.apart++
      sayBoth(`${basename(changed)}: ${mutant.what}`, first, other)
      return
    }
    seen[one ? 'harmless' : first.verdict === other.verdict ? 'alike' : 'unlike']++
    rmSync(changed)
  })
  rows.push({
    what,
    files: mutants.length,
    expected: 'never verified by one alone',
    lianzheng: `${seen.harmless} harmless to both`,
    crosscheck: `${seen.alike + seen.unlike} refused by both (${seen.unlike} as broken here, not checked there), ${seen.apart} apart`,
    good: seen.apart === 0
  })
}

function printTable(): void {
  const columns = ['what', 'files', 'expected', 'lianzheng', 'crosscheck'] as const
  const head = { what: '', files: 'files', expected: 'expected', lianzheng: 'lianzheng', crosscheck: 'crosscheck' }
  const width = (column: (typeof columns)[number]) => Math.max(...[head, ...rows].map((row) => String(row[column]).length))
  const line = (row: Row | typeof head) => columns.map((column) => String(row[column]).padEnd(width(column))).join('  ')
  say(`\n  ${line(head)}`.trimEnd())
  for (const row of rows) say(`${row.good ? '✓' : '✗'} ${line(row)}`.trimEnd())
}

buildSecond()
const seed = Number(options.seed)
const random = randomFrom(seed)
const count = Number(options.mutations)
const files = readdirSync(join(scripts, 'demo-files'))
  .filter((name) => name !== 'README.md')
  .map((name) => join(scripts, 'demo-files', name))

say(`A network of four nodes in ${join(home, 'four')}`)
mkdirSync(join(home, 'four'))
const four = await Court.open(join(home, 'four'), NODES)
try {
  const { samples, proofs } = await collectNetwork(four, files[0]!)
  await compare(samples)
  await compareProofs(proofs, random)
  await walkMirror(four)
} finally {
  await four.stop()
}
say(`A network of one node in ${home}`)
const court = await Court.open(home)
try {
  const made = await fill(court, files)
  say('What its node gives out')
  const samples = await collect(court, made, files)
  say(`Four logs, ${samples.length} files`)
  await compareCatalogue()
  await walkLogs(court)
  await compare(samples)
  const receipts = samples.filter(({ group }) => group === 'receipts of every record, later')
  await compareProofs(receipts, random)
  await compareScitt(court, receipts, random)

  const ofPolicies = Math.ceil(count / 4)
  say(`${count} changed files, ${ofPolicies} changed policies (seed ${seed})`)
  const sound = samples.filter(({ expected, evidence }) => expected === 'verified' && evidence === undefined)
  const pick = () => sound[random(sound.length)]!
  const text = ({ file }: Sample) => readFileSync(file, 'utf8')
  const changed = (times: number, change: (sample: Sample) => Mutant) =>
    Array.from({ length: times }, () => {
      const sample = pick()
      return { sample, mutant: change(sample) }
    })
  await compareMutants(
    'changed files',
    'file',
    changed(count, (sample) => mutate(text(sample), [text(pick()), text(pick()), text(pick())], random))
  )
  await compareMutants(
    'changed policies',
    'policy',
    changed(ofPolicies, ({ policy }) => mutatePolicy(readFileSync(policy, 'utf8'), random))
  )

  printTable()
  say(
    failures === 0 ? '\nAll agree.' : `\n${failures} failures. The files are in ${home}; the same changes again: --seed ${seed}`
  )
  if (options.keep) {
    say(`The node is up at ${court.url}; Ctrl-C stops it.`)
    await new Promise((resolve) => process.once('SIGINT', resolve))
  }
} finally {
  await court.stop()
}
if (failures === 0 && !options.keep) rmSync(home, { recursive: true })
process.exitCode = failures === 0 ? 0 : 1
