/**
 * `npm run crosscheck`: what a running node gives out, held against a second verifier that knows the published formats alone (`crosscheck/`, in
 * Go). A fresh network is made and filled; every receipt, certificate and proof is judged by both, the logs are walked by the second, and some
 * hundred changed files and policies must not be verified by one where the other refuses. Exits 0 where all agree, 1 where not, 2 without Go.
 *
 *   npm run crosscheck -- [--mutations 600] [--seed 1] [--keep]
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { importJWK, type JWK, SignJWT } from 'jose'
import { parseCheckpoint } from '../src/core/checkpoint.ts'
import { mlDsaKeyPair, signCosignature, signMlDsaCosignature } from '../src/core/cosignature.ts'
import { ed25519Signer } from '../src/core/keys.ts'
import { formatNote, formatVkey, makeVkey, parseNote, TYPE_COSIGNATURE, TYPE_MLDSA44 } from '../src/core/note.ts'
import { type Mutant, mutate, mutatePolicy, randomFrom } from './mutations.ts'

const { values: options } = parseArgs({
  options: {
    mutations: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'boolean', default: false }
  }
})

const root = fileURLToPath(new URL('..', import.meta.url))
const main = join(root, 'dist/cli/main.js')
const home = mkdtempSync(join(tmpdir(), 'lianzheng-crosscheck-'))
const network = join(home, 'network')
const out = join(home, 'files')
const second = join(home, 'crosscheck')
const env = { ...process.env, LIANZHENG_HOME: join(home, 'state') }
const policy = join(network, 'policy.txt')
const key = (name: string) => join(network, 'keys', `${name}.key.json`)
const now = () => Math.floor(Date.now() / 1000)

type Verdict = 'verified' | 'broken' | 'could-not-check' | 'failed'
const VERDICTS: readonly Verdict[] = ['verified', 'broken', 'could-not-check']

interface Sample {
  group: string
  file: string
  policy: string
  evidence?: readonly string[]
  expected: Verdict
}
interface Judged {
  verdict: Verdict
  said: string
}
interface Row {
  what: string
  files: number
  expected: string
  lianzheng: string
  crosscheck: string
  good: boolean
}

const rows: Row[] = []
const failures: string[] = []

function fail(what: string): void {
  failures.push(what)
  process.stdout.write(`  ✗ ${what.trim().replaceAll('\n', '\n    ')}\n`)
}

interface Ended {
  status: number
  stdout: string
  stderr: string
}

async function run(command: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended: Ended = { status: 3, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (ended.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (ended.stderr += chunk.toString()))
  ended.status = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 3)))
  return ended
}

/** Runs the command line, which must end with the status expected; what it printed. */
async function lianzheng(args: readonly string[], expected = 0): Promise<string> {
  const { status, stdout, stderr } = await run(process.execPath, [main, ...args, '--json', '--lang', 'en'])
  if (status !== expected)
    throw new Error(`lianzheng ${args.join(' ')} ended with ${status}, expected was ${expected}:\n${stdout}${stderr}`)
  return stdout
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

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

// The second verifier

function buildSecond(): void {
  if (spawnSync('go', ['version']).error !== undefined) {
    process.stderr.write(
      'crosscheck needs Go (https://go.dev) on the path, and the Go module proxy within reach for its first build.\n'
    )
    process.exit(2)
  }
  const built = spawnSync('go', ['build', '-o', second, '.'], { cwd: join(root, 'scripts/crosscheck'), encoding: 'utf8' })
  if (built.status !== 0) {
    process.stderr.write(`${built.stderr}\ncrosscheck could not be built: is the Go module proxy within reach?\n`)
    process.exit(2)
  }
}

const kindOf = (file: string) => (file.endsWith('.trail.json') ? 'trail' : 'receipt')

async function judgeSecond({ file, policy, evidence = [] }: Omit<Sample, 'group' | 'expected'>): Promise<Judged> {
  const { status, stdout, stderr } = await run(second, [kindOf(file), '-policy', policy, file, ...evidence])
  const failed = status > 2 || /^(?:panic|fatal error|runtime error):/m.test(stderr)
  return { verdict: failed ? 'failed' : VERDICTS[status]!, said: stdout + stderr }
}

// The project's own

/** The command line inside this process, which starts a thousand times faster. */
async function here(args: readonly string[]): Promise<{ status: number; said: string }> {
  const cli = (await import(pathToFileURL(main).href)) as typeof import('../src/cli/main.ts')
  let said = ''
  const write = (text: string) => {
    said += text
  }
  const io = { lang: 'en' as const, json: false, watched: false, env, out: write, err: write, askSecret: async () => undefined }
  return { status: await cli.main([...args, '--lang', 'en'], io), said }
}

async function judgeFirst({ file, policy, evidence = [] }: Omit<Sample, 'group' | 'expected'>): Promise<Judged> {
  const { status, said } = await here(['verify', file, ...evidence, '--policy', policy])
  return { verdict: VERDICTS[status] ?? 'failed', said }
}

// A network

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function serve(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [main, 'serve', '--config', join(network, 'court.yaml')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve())
    child.once('exit', (status) => reject(new Error(`the node ended with ${status}`)))
  })
  return child
}

let url = ''
const CASE = '（2020）粤01民初123号'
const STOLEN_CASE = '（2020）粤01民初9号'
const LIST = '粤01-20200826-crosscheckaa'
const ABSENT = '0'.repeat(64)

async function fix(by: string, files: readonly string[], more: readonly string[] = []) {
  const options = ['--set', 'material=electronic-data', '--key', key(by), '--url', url, '--policy', policy, '-o', out]
  return JSON.parse(await lianzheng(['fix', ...files, ...more, ...options])) as {
    evidence: string
    receipt: string
    index: number
  }[]
}

let submissions = 0
async function submit(by: string, record: { [name: string]: unknown }, expected = 0): Promise<string> {
  const file = join(home, `${++submissions}-${String(record.type)}.json`)
  writeFileSync(file, JSON.stringify({ at: '2020-08-26T10:00:00+08:00', court: '粤01', ...record }))
  const answer = JSON.parse(
    await lianzheng(['submit', file, '--key', key(by), '--url', url, '--policy', policy, '-o', out], expected)
  )
  return expected === 0 ? (answer as { leaf: string }[])[0]!.leaf : ''
}

/** A new key, registered in all logs by the court's administrator. */
async function register(name: string, ...more: string[]): Promise<string> {
  const { kid } = JSON.parse(await lianzheng(['key', 'new', '--out', key(name)])) as { kid: string }
  await lianzheng(['registry', 'add', key(name), '--org', 'gz-court', '--key', key('admin-court'), '--url', url, ...more])
  return kid
}

async function revoke(kid: string, ...more: string[]): Promise<void> {
  await lianzheng(['registry', 'revoke', kid, '--reason', 'left', '--key', key('admin-court'), '--url', url, ...more])
}

const iso = (seconds: number) => new Date((now() + seconds) * 1000).toISOString()

async function fill(files: readonly string[]) {
  const fixed = await fix('clerk', files, [
    '--case',
    CASE,
    '--list',
    LIST,
    '--set',
    'source=原告提交',
    '--set',
    'purpose=证明合同关系'
  ])
  const byLawyer = await fix('lawyer', [files[0]!], ['--set', 'court=粤01'])
  const items = fixed.map(({ evidence }) => ({ evidence, form: 'copy', copies: 1, pages: 3 }))
  await submit('clerk', { type: 'evidence.receipt', list: LIST, case: CASE, receivedAt: '2020-08-26T09:15:00+08:00', items })
  await submit('clerk', { type: 'evidence.attach', evidence: byLawyer[0]!.evidence, case: CASE })

  await submit('personnel', { type: 'staff.post', staff: '粤01-R0001', posts: ['院长'], from: '2019-12-30' })
  const supervision = 'court.example/supervision'
  const access = { type: 'supervision.access', case: CASE, mode: 'file', from: '2020-08-26T09:40:00+08:00' }
  const opinion = {
    type: 'supervision.opinion',
    case: CASE,
    judge: '粤01-R0201',
    measure: 'M03',
    basis: 'keycase',
    node: 'hearing',
    channel: 'platform'
  }
  for (let i = 1; i <= 4; i++) {
    await submit('president', { ...access, sealed: { purpose: `第 ${i} 次` } })
    const leaf = await submit('president', { ...opinion, sealed: { content: `第 ${i} 次意见` } })
    const refs = [{ rel: 'answers', log: supervision, leaf }]
    await submit('judge', { type: 'supervision.reply', case: CASE, leader: '粤01-R0001', decision: 'adopted', refs })
  }

  const entry = { entry: 'entry-0001', sealed: { name: '王某某', relation: '配偶' } }
  const leaf = await submit('personnel', { type: 'recusal.disclosed', status: 'related', ...entry })
  const refs = [{ rel: 'updates', log: 'court.example/public', leaf }]
  await submit('personnel', { type: 'recusal.updated', reasonCode: '亲属已离所', refs, ...entry })

  const secretary = [
    '--staff',
    '粤01-R0002',
    '--role',
    'secretary',
    '--not-before',
    iso(-3600),
    '--not-after',
    iso(3600),
    '--holder',
    '李某某'
  ]
  const dated = await register('secretary', ...secretary)
  await submit('secretary', { ...access, onBehalfOf: '粤01-R0001', sealed: { purpose: '代为查阅' } })
  await register('early', '--staff', '粤01-R0003', '--role', 'secretary', '--not-before', iso(3600))
  await submit('early', { ...access, onBehalfOf: '粤01-R0001' }, 2)

  const left = await register('left', '--staff', '粤01-R0102', '--role', 'clerk')
  const [byLeft] = await fix('left', [files[0]!])
  await revoke(left)
  await submit('left', { type: 'evidence.attach', evidence: byLeft!.evidence, case: CASE }, 2)

  const stolen = await register('stolen', '--staff', '粤01-R0103', '--role', 'clerk')
  const [byStolen] = await fix('stolen', [files[1]!], ['--case', STOLEN_CASE])
  await revoke(stolen, '--compromised-since', iso(-3600))
  return { fixed, dated, left, stolen, byStolen: byStolen! }
}

// What the node gives out

async function token(): Promise<string> {
  const jwk = JSON.parse(readFileSync(key('inspector'), 'utf8')) as JWK
  return new SignJWT({})
    .setProtectedHeader({ alg: 'EdDSA', kid: jwk.kid! })
    .setAudience('court.example')
    .setIssuedAt()
    .setExpirationTime('4m')
    .sign(await importJWK(jwk, 'EdDSA'))
}

async function get(path: string, bearer: string): Promise<string> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${bearer}` } })
  if (!response.ok) throw new Error(`${path}: HTTP status ${response.status}`)
  return response.text()
}

function keep(name: string, text: string): string {
  const file = join(out, name.replaceAll(/[/:（）]/g, '_'))
  writeFileSync(file, text)
  return file
}

interface Part {
  checkpoint: string
  seal: { checkpoint?: string }
  before?: { index: number; checkpoint?: string }
  entered?: { index: number; checkpoint?: string }
}

/** Cosigners beside the node: two, each with an Ed25519 and an ML-DSA-44 key, and the policies that rest on them. */
function outsiders(logs: readonly { name: string; class: string; origin: string; vkeys: string[] }[]) {
  const people = ['discipline.example/mirror', 'notary.example/witness'].map((name) => ({
    name,
    short: name.split('.')[0]!,
    signer: ed25519Signer(new Uint8Array(randomBytes(32))),
    pair: mlDsaKeyPair(new Uint8Array(randomBytes(32)))
  }))
  const policyOf = (type: number) => {
    const witnesses = people.map(({ name, short, signer, pair }) => {
      const vkey = makeVkey(name, type, type === TYPE_COSIGNATURE ? signer.publicKey : pair.publicKey)
      return `witness ${short} ${formatVkey(vkey)}`
    })
    const listed = logs.map(({ vkeys }) => `log ${vkeys[type === TYPE_COSIGNATURE ? 0 : 1]}`)
    const rests = logs.map((log) => `# lianzheng ${log.origin} ${log.class} 1 discipline`)
    return [...listed, ...witnesses, 'group others all discipline notary', 'quorum others', ...rests, ''].join('\n')
  }
  const cosigned = (note: string): string => {
    const { text, signatures } = parseNote(note)
    const checkpoint = parseCheckpoint(text)
    const lines = people.flatMap(({ name, signer, pair }) => [
      signCosignature(text, name, signer, now()),
      signMlDsaCosignature(checkpoint, name, pair, now())
    ])
    return formatNote({ text, signatures: [...signatures, ...lines] })
  }
  return { classical: policyOf(TYPE_COSIGNATURE), postQuantum: policyOf(TYPE_MLDSA44), cosigned }
}

async function collect(made: Awaited<ReturnType<typeof fill>>, files: readonly string[]): Promise<Sample[]> {
  const samples: Sample[] = []
  const bearer = await token()
  const add = (group: string, file: string, more: Partial<Sample> = {}) =>
    samples.push({ group, file, policy, expected: 'verified', ...more })

  const atOnce = readdirSync(out)
    .filter((name) => name.endsWith('.receipt.json'))
    .map((name) => join(out, name))
  for (const file of atOnce) add('receipts as handed out at once', file)
  for (const [i, { receipt }] of made.fixed.entries()) {
    add('receipt and its file', receipt, { evidence: [files[i]!] })
    add('receipt and another file', receipt, { evidence: [files[(i + 1) % files.length]!], expected: 'broken' })
  }

  const logs = JSON.parse(await get('/api/v1/logs', bearer)) as {
    name: string
    class: string
    origin: string
    size: number
    vkeys: string[]
  }[]
  const { classical, postQuantum, cosigned } = outsiders(logs)
  const cosignedPolicy = keep('policy-cosigned.txt', classical)
  const pqPolicy = keep('policy-pq-cosigned.txt', postQuantum)

  // Notes of heads as they were: seals that later receipts show may carry them.
  const heads = new Map<string, string>()
  for (const file of atOnce) {
    const { checkpoint } = JSON.parse(readFileSync(file, 'utf8')) as Part
    const { origin, size } = parseCheckpoint(parseNote(checkpoint).text)
    heads.set(`${origin} ${size}`, checkpoint)
  }
  const withOutsiders = (part: Part & { origin: string }) => {
    part.checkpoint = cosigned(part.checkpoint)
    for (const seal of [part.before, part.entered]) {
      const note = seal === undefined ? undefined : heads.get(`${part.origin} ${seal.index + 1}`)
      if (note !== undefined) seal!.checkpoint = cosigned(note)
    }
  }

  for (const { name, size } of logs) {
    for (let index = 0; index < size; index++) {
      const { seal, kid } = JSON.parse(await get(`/api/v1/logs/${name}/records/${index}`, bearer)) as { seal?: true; kid: string }
      if (seal === true) continue
      const text = await get(`/api/v1/logs/${name}/records/${index}/receipt`, bearer)
      const expected = kid === made.stolen ? 'could-not-check' : 'verified'
      add('receipts of every record, under the last head', keep(`${name}-${index}.receipt.json`, text), { expected })
      const receipt = JSON.parse(text) as Part & { origin: string }
      withOutsiders(receipt)
      const file = keep(`${name}-${index}-cosigned.receipt.json`, JSON.stringify(receipt))
      add('receipts with cosignatures', file, { policy: cosignedPolicy, expected })
      add('receipts, ML-DSA-44 alone', file, { policy: pqPolicy, expected })
      if (index === size - 2)
        add('receipts without the cosignatures asked for', join(out, `${name}-${index}.receipt.json`), {
          policy: cosignedPolicy,
          expected: 'could-not-check'
        })
    }
  }

  const [first] = made.fixed
  const digest = JSON.parse(readFileSync(first!.receipt, 'utf8')) as { statement: string }
  const fileTrail = /file:sha256-[0-9a-f]{64}/.exec(Buffer.from(digest.statement, 'base64url').toString('latin1'))![0]
  const present = [
    'power:粤01-R0001',
    'duty:粤01-R0001',
    'duty:粤01-R0201',
    `case:${CASE}`,
    `case-internal:${CASE}`,
    `evidence:${first!.evidence}`,
    fileTrail,
    `list:${LIST}`,
    'disclosure:粤01',
    ...[made.dated, made.left, made.stolen].map((kid) => `key:${kid}`),
    ...logs.map(({ origin }) => `ledger:${origin}`)
  ]
  const absent = [
    'power:粤01-R0999',
    `case:（2020）粤01民初999号`,
    `file:sha256-${ABSENT}`,
    `file:sm3-${ABSENT}`,
    'hr:粤01-R0001',
    'firm:31440000MD00000000',
    'court:粤01',
    'reader:粤01-R9001',
    'source:intake',
    `key:${'A'.repeat(43)}`
  ]
  const stolen = [`case:${STOLEN_CASE}`, `evidence:${made.byStolen.evidence}`]
  for (const [group, names, expected] of [
    ['trails', present, 'verified'],
    ['trails with nothing in them', absent, 'verified'],
    ['trails with a record of a stolen key', stolen, 'could-not-check']
  ] as const) {
    for (const name of names) {
      const text = await get(`/api/v1/trails/${encodeURIComponent(name)}`, bearer)
      add(group, keep(`${name}.trail.json`, text), { expected })
      const certificate = JSON.parse(text) as { parts: (Part & { origin: string })[] }
      certificate.parts.forEach(withOutsiders)
      add(`${group}, cosigned`, keep(`${name}-cosigned.trail.json`, JSON.stringify(certificate)), {
        policy: cosignedPolicy,
        expected
      })
      const less = { ...certificate, parts: certificate.parts.slice(1) }
      if (names !== stolen)
        add('certificates without a part', keep(`${name}-less.trail.json`, JSON.stringify(less)), {
          policy: cosignedPolicy,
          expected: 'could-not-check'
        })
    }
  }

  for (const name of ['power:粤01-R0001', `case-internal:${CASE}`, `ledger:court.example/evidence`]) {
    const pages: { parts: (Part & { origin: string; count: number })[] }[] = []
    do {
      const from = pages.length * 4
      pages.push(JSON.parse(await get(`/api/v1/trails/${encodeURIComponent(name)}?from=${from}&limit=4`, bearer)))
    } while (pages.length * 4 < pages[0]!.parts[0]!.count)
    const parts = pages.flatMap((page) => page.parts)
    parts.forEach(withOutsiders)
    const join = (what: string, some: unknown[]) =>
      keep(`${name}-${what}.trail.json`, JSON.stringify({ format: 'lianzheng-trail/v1', trail: name, parts: some }))
    add('pages joined', join('joined', parts), { policy: cosignedPolicy })
    add('pages joined', join('reversed', parts.toReversed()), { policy: cosignedPolicy })
    add('pages joined', join('overlapping', [...parts, parts[1]]), { policy: cosignedPolicy })
    const whole = JSON.parse(await get(`/api/v1/trails/${encodeURIComponent(name)}`, bearer)) as (typeof pages)[0]
    add('pages joined', join('and-whole', [...parts.slice(1), ...whole!.parts]), {})
    for (let without = 0; without < parts.length; without++)
      add('a page left out', join(`without-${without}`, parts.toSpliced(without, 1)), {
        policy: cosignedPolicy,
        expected: 'could-not-check'
      })
  }
  return samples
}

// Comparing

async function compare(samples: readonly Sample[]): Promise<void> {
  const judged = await each(samples, async (sample) => {
    const [first, other] = await Promise.all([judgeFirst(sample), judgeSecond(sample)])
    if (first.verdict !== sample.expected || other.verdict !== sample.expected)
      fail(
        `${basename(sample.file)}: expected ${sample.expected}\nlianzheng: ${first.verdict}\n${first.said}\ncrosscheck: ${other.verdict}\n${other.said}`
      )
    return { sample, first: first.verdict, other: other.verdict }
  })
  for (const [what, group] of groupBy(judged, ({ sample }) => sample.group)) {
    const count = (verdicts: Verdict[]) =>
      [...groupBy(verdicts, (verdict) => verdict)].map(([verdict, { length }]) => `${length} ${verdict}`).join(', ')
    rows.push({
      what,
      files: group.length,
      expected: count(group.map(({ sample }) => sample.expected)),
      lianzheng: count(group.map(({ first }) => first)),
      crosscheck: count(group.map(({ other }) => other)),
      good: group.every(({ sample, first, other }) => first === sample.expected && other === sample.expected)
    })
  }
}

async function walkLogs(): Promise<void> {
  const bearer = await token()
  const logs = JSON.parse(await get('/api/v1/logs', bearer)) as { name: string; url: string; size: number; vkeys: string[] }[]
  for (const { name, url: prefix, size, vkeys } of logs) {
    const { status, stdout, stderr } = await run(second, ['live', '-vkey', vkeys[0]!, '-token', bearer, prefix])
    const good = status === 0
    if (!good) fail(`log ${name}: ${stdout}${stderr}`)
    rows.push({
      what: `log ${name} walked`,
      files: size,
      expected: 'verified',
      lianzheng: '–',
      crosscheck: good ? 'verified' : `status ${status}`,
      good
    })
  }
  // Members alone may copy the entries of a log that is not public.
  const { status } = await run(second, ['live', '-vkey', logs[0]!.vkeys[0]!, logs[0]!.url])
  if (status !== 3) fail(`log ${logs[0]!.name} without a token: status ${status}`)
}

/** C2SP tlog-proofs: as exported they hold, and with any bit of proof or statement changed they do not. */
async function proofs(samples: readonly Sample[], random: (below: number) => number): Promise<void> {
  const receipts = samples.filter(({ group }) => group === 'receipts of every record, under the last head')
  const tried = { whole: 0, held: 0, changed: 0, refused: 0 }
  await each(receipts, async ({ file }) => {
    const [proof, statement] = [`${file}.tlog-proof`, `${file}.cose`]
    await here(['export', file, '--format', 'tlog-proof', '-o', proof])
    await here(['export', file, '--format', 'statement', '-o', statement])
    const holds = async (...files: string[]) => (await run(second, ['proof', '-policy', policy, ...files])).status === 0
    tried.whole++
    if (await holds(proof, statement)) tried.held++
    else fail(`${basename(proof)} does not hold`)
    for (const changed of [proof, statement]) {
      const bytes = readFileSync(changed)
      // The log's own lines stand before the last, of a key this policy does not list: what is changed there is nothing to anybody.
      const last = changed === proof ? bytes.lastIndexOf(0x0a, bytes.length - 2) : bytes.length
      const at = random(last)
      bytes[at]! ^= 1 << random(8)
      writeFileSync(`${changed}.changed`, bytes)
      tried.changed++
      if (await holds(...[proof, statement].map((name) => (name === changed ? `${name}.changed` : name))))
        fail(`${basename(changed)} holds with byte ${at} changed`)
      else tried.refused++
    }
  })
  const good = tried.whole === tried.held && tried.changed === tried.refused
  rows.push({
    what: 'tlog-proofs',
    files: tried.whole,
    expected: 'verified',
    lianzheng: '–',
    crosscheck: `${tried.held} verified`,
    good
  })
  rows.push({
    what: 'tlog-proofs with a bit changed',
    files: tried.changed,
    expected: 'refused',
    lianzheng: '–',
    crosscheck: `${tried.refused} refused`,
    good
  })
}

/** Neither may say verified where the other does not; other differences (broken, could not check) are counted. */
async function compareMutants(
  what: string,
  samples: readonly Sample[],
  count: number,
  make: (sample: Sample) => { mutant: Mutant; of: 'file' | 'policy' },
  random: (below: number) => number
): Promise<void> {
  const seen = { both: 0, none: 0, worse: 0, apart: 0 }
  const folder = join(home, 'mutants')
  mkdirSync(folder, { recursive: true })
  const mutants = Array.from({ length: count }, () => {
    const sample = samples[random(samples.length)]!
    return { sample, ...make(sample) }
  })
  await each(mutants, async ({ sample, mutant, of }, i) => {
    const changed = join(folder, `${what.replaceAll(' ', '-')}-${i}-${basename(of === 'file' ? sample.file : sample.policy)}`)
    writeFileSync(changed, mutant.bytes)
    const pair = { file: sample.file, policy: sample.policy, [of]: changed }
    const [first, other] = await Promise.all([judgeFirst(pair), judgeSecond(pair)])
    const agree =
      (first.verdict === 'verified') === (other.verdict === 'verified') &&
      first.verdict !== 'failed' &&
      other.verdict !== 'failed'
    if (!agree) {
      seen.apart++
      fail(
        `${basename(changed)}: ${mutant.what}\nlianzheng: ${first.verdict}\n${first.said}\ncrosscheck: ${other.verdict}\n${other.said}`
      )
    } else if (first.verdict === 'verified') seen.both++
    else if (first.verdict === other.verdict) seen.none++
    else seen.worse++
    if (agree) rmSync(changed)
  })
  rows.push({
    what,
    files: count,
    expected: 'no one alone',
    lianzheng: `${seen.both} harmless to both`,
    crosscheck: `${seen.none} refused alike, ${seen.worse} as broken or unchecked, ${seen.apart} disagreed`,
    good: seen.apart === 0
  })
}

function printTable(): void {
  const columns = ['what', 'files', 'expected', 'lianzheng', 'crosscheck'] as const
  const head = { what: '', files: 'files', expected: 'expected', lianzheng: 'lianzheng', crosscheck: 'crosscheck', good: true }
  const widths = columns.map((column) => Math.max(...[head, ...rows].map((row) => String(row[column]).length)))
  say('')
  for (const row of [head, ...rows])
    say(
      `${row === head ? ' ' : row.good ? '✓' : '✗'} ${columns.map((column, i) => String(row[column]).padEnd(widths[i]!)).join('  ')}`.trimEnd()
    )
}

buildSecond()
url = `http://127.0.0.1:${await freePort()}`
say(`A network in ${home}`)
await lianzheng(['network', 'init', network, '--port', url.split(':')[2]!])
mkdirSync(out)
const node = await serve()
const stop = () =>
  new Promise((resolve) => {
    node.once('exit', resolve)
    node.kill('SIGTERM')
  })
try {
  const folder = join(root, 'scripts/demo-files')
  const files = readdirSync(folder)
    .filter((name) => name !== 'README.md')
    .map((name) => join(folder, name))
  say('Filling it')
  const made = await fill(files)
  say('Collecting what the node gives out')
  const samples = await collect(made, files)
  say(`Walking the logs, judging ${samples.length} files twice`)
  await walkLogs()
  await compare(samples)
  const seed = Number(options.seed)
  const random = randomFrom(seed)
  await proofs(samples, random)

  const count = Number(options.mutations)
  say(`${count} changed files, ${Math.ceil(count / 4)} changed policies (seed ${seed})`)
  const sound = samples.filter(({ expected, evidence }) => expected === 'verified' && evidence === undefined)
  const donors = () => Array.from({ length: 3 }, () => readFileSync(sound[random(sound.length)]!.file, 'utf8'))
  await compareMutants(
    'changed files',
    sound,
    count,
    ({ file }) => ({ mutant: mutate(readFileSync(file, 'utf8'), donors(), random), of: 'file' }),
    random
  )
  await compareMutants(
    'changed policies',
    sound,
    Math.ceil(count / 4),
    ({ policy }) => ({ mutant: mutatePolicy(readFileSync(policy, 'utf8'), random), of: 'policy' }),
    random
  )
  printTable()
  say(
    failures.length === 0 ? '\nAll agree.' : `\n${failures.length} failures; the files are in ${home}, again with --seed ${seed}.`
  )
  if (options.keep) {
    say(`The node is up at ${url}; Ctrl-C stops it.`)
    await new Promise((resolve) => process.once('SIGINT', resolve))
  }
} finally {
  await stop()
}
if (failures.length === 0 && !options.keep && existsSync(home)) rmSync(home, { recursive: true })
process.exitCode = failures.length === 0 ? 0 : 1
