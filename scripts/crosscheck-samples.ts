/**
 * A network filled with records of every kind this version has, and everything its node gives out about them: receipts at once and later, trails
 * present and absent, pages and what is joined of them, each with the verdict that it must get.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importJWK, type JWK, SignJWT } from 'jose'
import { parseCheckpoint } from '../src/core/checkpoint.ts'
import { mlDsaKeyPair, signCosignature, signMlDsaCosignature } from '../src/core/cosignature.ts'
import { ed25519Signer } from '../src/core/keys.ts'
import { formatNote, formatVkey, makeVkey, parseNote, TYPE_COSIGNATURE, TYPE_MLDSA44 } from '../src/core/note.ts'

export type Verdict = 'verified' | 'broken' | 'could-not-check' | 'failed'

export interface Sample {
  group: string
  file: string
  policy: string
  evidence?: readonly string[]
  expected: Verdict
}

export interface Log {
  name: string
  origin: string
  class: string
  url: string
  size: number
  vkeys: string[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
export const main = join(root, 'dist/cli/main.js')

const CASE = '（2020）粤01民初123号'
const STOLEN_CASE = '（2020）粤01民初9号'
const LIST = '粤01-20200826-crosscheckaa'

export interface Ended {
  status: number
  stdout: string
  stderr: string
}

export async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended: Ended = { status: 3, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (ended.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (ended.stderr += chunk.toString()))
  ended.status = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 3)))
  return ended
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

const now = () => Math.floor(Date.now() / 1000)
const iso = (seconds: number) => new Date((now() + seconds) * 1000).toISOString()

/** One network of one node in a directory of its own, used through the command line and HTTP. */
export class Court {
  readonly policy: string
  /** Receipts, certificates and policies. */
  readonly out: string
  readonly url: string
  readonly env: NodeJS.ProcessEnv
  readonly #home: string
  readonly #node: ChildProcess
  #submissions = 0

  private constructor(home: string, url: string, env: NodeJS.ProcessEnv, node: ChildProcess) {
    this.#home = home
    this.#node = node
    this.url = url
    this.env = env
    this.policy = join(home, 'network/policy.txt')
    this.out = join(home, 'files')
    mkdirSync(this.out)
  }

  static async open(home: string): Promise<Court> {
    const network = join(home, 'network')
    const env = { ...process.env, LIANZHENG_HOME: join(home, 'state') }
    const port = String(await freePort())
    const made = await run(process.execPath, [main, 'network', 'init', network, '--port', port], env)
    if (made.status !== 0) throw new Error(`no network: ${made.stderr}`)
    const node = spawn(process.execPath, [main, 'serve', '--config', join(network, 'court.yaml')], {
      env,
      stdio: ['ignore', 'pipe', 'inherit']
    })
    await new Promise<void>((resolve, reject) => {
      node.stdout!.once('data', () => resolve())
      node.once('exit', (status) => reject(new Error(`the node ended with ${status}`)))
    })
    return new Court(home, `http://127.0.0.1:${port}`, env, node)
  }

  async stop(): Promise<void> {
    if (this.#node.exitCode !== null) return
    const ended = new Promise((resolve) => this.#node.once('exit', resolve))
    this.#node.kill('SIGTERM')
    await ended
  }

  #key(name: string): string {
    return join(this.#home, 'network/keys', `${name}.key.json`)
  }

  /** Runs the command line, which must end with the status expected; the JSON it printed. */
  async #lianzheng<T>(args: readonly string[], expected = 0): Promise<T> {
    const { status, stdout, stderr } = await run(process.execPath, [main, ...args, '--json', '--lang', 'en'], this.env)
    if (status !== expected)
      throw new Error(`lianzheng ${args.join(' ')} ended with ${status}, expected was ${expected}:\n${stdout}${stderr}`)
    return JSON.parse(stdout) as T
  }

  #as(by: string): string[] {
    return ['--key', this.#key(by), '--url', this.url, '--policy', this.policy, '-o', this.out]
  }

  fix(by: string, files: readonly string[], more: readonly string[] = []): Promise<{ evidence: string; receipt: string }[]> {
    return this.#lianzheng(['fix', ...files, ...more, '--set', 'material=electronic-data', ...this.#as(by)])
  }

  /** Submits one record. Its leaf hash and receipt, where it is taken. */
  async submit(by: string, record: { [name: string]: unknown }, expected = 0): Promise<{ leaf: string; receipt: string }> {
    const file = join(this.#home, `${++this.#submissions}-${String(record.type)}.json`)
    writeFileSync(file, JSON.stringify({ at: '2020-08-26T10:00:00+08:00', court: '粤01', ...record }))
    const [done] = await this.#lianzheng<{ leaf: string; receipt: string }[]>(['submit', file, ...this.#as(by)], expected).then(
      (answer) => (Array.isArray(answer) ? answer : [])
    )
    return done ?? { leaf: '', receipt: '' }
  }

  /** A new key, registered in all logs by the court's administrator; its id. */
  async register(name: string, ...more: string[]): Promise<string> {
    const { kid } = await this.#lianzheng<{ kid: string }>(['key', 'new', '--out', this.#key(name)])
    const by = ['--key', this.#key('admin-court'), '--url', this.url]
    await this.#lianzheng(['registry', 'add', this.#key(name), '--org', 'gz-court', ...by, ...more])
    return kid
  }

  revoke(kid: string, ...more: string[]): Promise<unknown> {
    const by = ['--key', this.#key('admin-court'), '--url', this.url]
    return this.#lianzheng(['registry', 'revoke', kid, '--reason', 'left', ...by, ...more])
  }

  /** A bearer token of the inspector's, as formats and HTTP surface describe it. */
  async token(): Promise<string> {
    const jwk = JSON.parse(readFileSync(this.#key('inspector'), 'utf8')) as JWK
    return new SignJWT({})
      .setProtectedHeader({ alg: 'EdDSA', kid: jwk.kid! })
      .setAudience('court.example')
      .setIssuedAt()
      .setExpirationTime('4m')
      .sign(await importJWK(jwk, 'EdDSA'))
  }

  async get(path: string): Promise<string> {
    const response = await fetch(this.url + path, { headers: { authorization: `Bearer ${await this.token()}` } })
    if (!response.ok) throw new Error(`${path}: HTTP status ${response.status}`)
    return response.text()
  }

  async logs(): Promise<Log[]> {
    return JSON.parse(await this.get('/api/v1/logs')) as Log[]
  }

  keep(name: string, text: string): string {
    const file = join(this.out, name.replaceAll(/[/:（）]/g, '_'))
    writeFileSync(file, text)
    return file
  }
}

type Filled = Awaited<ReturnType<typeof fill>>

const access = { type: 'supervision.access', case: CASE, mode: 'file', from: '2020-08-26T09:40:00+08:00' }

/** Evidence, supervision, recusal; keys with dates, revoked, stolen. The keys named are those some verdict depends on. */
export async function fill(court: Court, files: readonly string[]) {
  const sealed = ['--set', 'source=原告提交', '--set', 'purpose=证明合同关系']
  const fixed = await court.fix('clerk', files, ['--case', CASE, '--list', LIST, ...sealed])
  const [byLawyer] = await court.fix('lawyer', [files[0]!], ['--set', 'court=粤01'])
  const items = fixed.map(({ evidence }) => ({ evidence, form: 'copy', copies: 1, pages: 3 }))
  await court.submit('clerk', { type: 'evidence.receipt', list: LIST, case: CASE, receivedAt: access.from, items })
  await court.submit('clerk', { type: 'evidence.attach', evidence: byLawyer!.evidence, case: CASE })
  const sha256 = createHash('sha256').update(readFileSync(files[0]!)).digest('hex')
  const listed = await court.submit('clerk', {
    type: 'evidence.list',
    list: LIST,
    count: 1,
    items: [{ evidence: fixed[0]!.evidence, sha256 }]
  })

  await court.submit('personnel', { type: 'staff.post', staff: '粤01-R0001', posts: ['院长'], from: '2019-12-30' })
  const opinion = { case: CASE, judge: '粤01-R0201', measure: 'M03', basis: 'keycase', node: 'hearing', channel: 'platform' }
  for (const time of ['一', '二', '三', '四']) {
    await court.submit('president', { ...access, sealed: { purpose: `第${time}次查阅` } })
    const { leaf } = await court.submit('president', {
      type: 'supervision.opinion',
      ...opinion,
      sealed: { content: `第${time}次意见` }
    })
    const refs = [{ rel: 'answers', log: 'court.example/supervision', leaf }]
    await court.submit('judge', { type: 'supervision.reply', case: CASE, leader: '粤01-R0001', decision: 'adopted', refs })
  }

  const entry = { entry: 'entry-0001', sealed: { name: '王某某', relation: '配偶' } }
  const { leaf } = await court.submit('personnel', { type: 'recusal.disclosed', status: 'related', ...entry })
  const refs = [{ rel: 'updates', log: 'court.example/public', leaf }]
  await court.submit('personnel', { type: 'recusal.updated', reasonCode: '亲属已离所', refs, ...entry })

  const secretary = ['--role', 'secretary', '--not-before']
  const dated = await court.register('secretary', '--staff', '粤01-R0002', ...secretary, iso(-3600), '--not-after', iso(3600))
  await court.submit('secretary', { ...access, onBehalfOf: '粤01-R0001', sealed: { purpose: '代为查阅' } })
  await court.register('early', '--staff', '粤01-R0003', ...secretary, iso(3600))
  await court.submit('early', { ...access, onBehalfOf: '粤01-R0001' }, 2)

  const left = await court.register('left', '--staff', '粤01-R0102', '--role', 'clerk', '--holder', '李某某')
  const [byLeft] = await court.fix('left', [files[0]!])
  await court.revoke(left)
  await court.submit('left', { type: 'evidence.attach', evidence: byLeft!.evidence, case: CASE }, 2)

  const stolen = await court.register('stolen', '--staff', '粤01-R0103', '--role', 'clerk')
  const [byStolen] = await court.fix('stolen', [files[1]!], ['--case', STOLEN_CASE])
  await court.revoke(stolen, '--compromised-since', iso(-3600))
  return { fixed, listed, sha256, dated, left, stolen, byStolen: byStolen! }
}

interface Note {
  checkpoint?: string
}
interface Shown {
  origin: string
  checkpoint: string
  before?: Note & { index: number }
  entered?: Note & { index: number }
}
interface Certificate {
  format: string
  trail: string
  parts: (Shown & { count: number })[]
}

/**
 * Cosigners beside the node, a mirror and a witness, each with an Ed25519 and an ML-DSA-44 key: with them quorum, mirrors and proven times have
 * something to rest on, although this network has one node.
 */
class Outsiders {
  readonly #people = ['discipline.example/mirror', 'notary.example/witness'].map((name) => ({
    name,
    short: name.split('.')[0]!,
    signer: ed25519Signer(new Uint8Array(randomBytes(32))),
    pair: mlDsaKeyPair(new Uint8Array(randomBytes(32)))
  }))

  policy(logs: readonly Log[], type: typeof TYPE_COSIGNATURE | typeof TYPE_MLDSA44): string {
    const classical = type === TYPE_COSIGNATURE
    const witnesses = this.#people.map(
      ({ name, short, signer, pair }) =>
        `witness ${short} ${formatVkey(makeVkey(name, type, classical ? signer.publicKey : pair.publicKey))}`
    )
    const listed = logs.map(({ vkeys }) => `log ${vkeys[classical ? 0 : 1]}`)
    const rests = logs.map((log) => `# lianzheng ${log.origin} ${log.class} 1 discipline`)
    return [...listed, ...witnesses, 'group others all discipline notary', 'quorum others', ...rests, ''].join('\n')
  }

  cosign(note: string): string {
    const { text, signatures } = parseNote(note)
    const checkpoint = parseCheckpoint(text)
    const lines = this.#people.flatMap(({ name, signer, pair }) => [
      signCosignature(text, name, signer, now()),
      signMlDsaCosignature(checkpoint, name, pair, now())
    ])
    return formatNote({ text, signatures: [...signatures, ...lines] })
  }
}

/** Asks the node for everything it can give about what it was filled with. */
export async function collect(court: Court, made: Filled, files: readonly string[]): Promise<Sample[]> {
  const samples: Sample[] = []
  const add = (group: string, file: string, more: Partial<Sample> = {}) =>
    samples.push({ group, file, policy: court.policy, expected: 'verified', ...more })

  const outsiders = new Outsiders()
  const logs = await court.logs()
  const cosigned = court.keep('policy-cosigned.txt', outsiders.policy(logs, TYPE_COSIGNATURE))
  const postQuantum = court.keep('policy-ml-dsa.txt', outsiders.policy(logs, TYPE_MLDSA44))

  const atOnce = readdirSync(court.out)
    .filter((name) => name.endsWith('.receipt.json'))
    .map((name) => join(court.out, name))
  for (const file of atOnce) add('receipts as handed out at once', file)
  for (const [i, { receipt }] of made.fixed.entries()) {
    add('a receipt and its file', receipt, { evidence: [files[i]!] })
    add('a receipt and another file', receipt, { evidence: [files[(i + 1) % files.length]!], expected: 'broken' })
  }
  add('a receipt and its file', made.listed.receipt, { evidence: [files[0]!] })

  // Notes of heads as they were: seals shown in later files may carry them.
  const heads = new Map<string, string>()
  for (const file of atOnce) {
    const { checkpoint } = JSON.parse(readFileSync(file, 'utf8')) as Shown
    const { origin, size } = parseCheckpoint(parseNote(checkpoint).text)
    heads.set(`${origin} ${size}`, checkpoint)
  }
  const cosign = (shown: Shown) => {
    shown.checkpoint = outsiders.cosign(shown.checkpoint)
    for (const seal of [shown.before, shown.entered]) {
      const note = seal === undefined ? undefined : heads.get(`${shown.origin} ${seal.index + 1}`)
      if (note !== undefined) seal!.checkpoint = outsiders.cosign(note)
    }
  }
  const fetchTrail = async (name: string, query = '') =>
    JSON.parse(await court.get(`/api/v1/trails/${encodeURIComponent(name)}${query}`)) as Certificate
  const keepTrail = (certificate: Certificate, what: string) =>
    court.keep(`${certificate.trail}${what}.trail.json`, JSON.stringify(certificate, null, 1))

  // Pages under a head that moves between them, joined by hand.
  for (const name of ['power:粤01-R0001', `case-internal:${CASE}`, 'ledger:court.example/evidence']) {
    const pages: Certificate[] = []
    do {
      pages.push(await fetchTrail(name, `?from=${pages.length * 4}&limit=4`))
      if (pages.length === 1 && !name.startsWith('ledger')) await court.submit('president', access)
    } while (pages.length * 4 < pages.at(-1)!.parts[0]!.count)
    const parts = pages.flatMap((page) => page.parts)
    const whole = await fetchTrail(name)
    parts.forEach(cosign)
    whole.parts.forEach(cosign)
    const joined = (what: string, some: Certificate['parts']) => keepTrail({ ...pages[0]!, parts: some }, what)
    add('pages joined', joined('-joined', parts), { policy: cosigned })
    add('pages joined', joined('-reversed', parts.toReversed()), { policy: cosigned })
    add('pages joined', joined('-overlapping', [...parts, parts[1]!]), { policy: cosigned })
    add('pages joined', joined('-and-whole', [...parts.slice(1), ...whole.parts]), { policy: cosigned })
    for (let without = 0; without < parts.length; without++)
      add('a page left out', joined(`-without-${without}`, parts.toSpliced(without, 1)), {
        policy: cosigned,
        expected: 'could-not-check'
      })
  }

  for (const { name, size } of await court.logs()) {
    for (let index = 0; index < size; index++) {
      const record = JSON.parse(await court.get(`/api/v1/logs/${name}/records/${index}`)) as { seal?: true; kid: string }
      if (record.seal === true) continue
      const text = await court.get(`/api/v1/logs/${name}/records/${index}/receipt`)
      const expected = record.kid === made.stolen ? 'could-not-check' : 'verified'
      const file = court.keep(`${name}-${index}.receipt.json`, text)
      add('receipts of every record, later', file, { expected })
      if (index === 0) add('without the cosignatures asked for', file, { policy: cosigned, expected: 'could-not-check' })
      const receipt = JSON.parse(text) as Shown
      cosign(receipt)
      const withOthers = court.keep(`${name}-${index}-cosigned.receipt.json`, JSON.stringify(receipt, null, 1))
      add('receipts, cosigned', withOthers, { policy: cosigned, expected })
      add('receipts, ML-DSA-44 alone', withOthers, { policy: postQuantum, expected })
    }
  }

  const keys = [made.dated, made.left, made.stolen].map((kid) => `key:${kid}`)
  const zeros = '0'.repeat(64)
  const groups: readonly (readonly [string, Verdict, readonly string[]])[] = [
    ['trails', 'verified', ['power:粤01-R0001', 'duty:粤01-R0001', 'duty:粤01-R0201', `case:${CASE}`, `case-internal:${CASE}`]],
    ['trails', 'verified', [`evidence:${made.fixed[0]!.evidence}`, `file:sha256-${made.sha256}`, `list:${LIST}`]],
    ['trails', 'verified', ['disclosure:粤01', ...keys, ...logs.map(({ origin }) => `ledger:${origin}`)]],
    ['empty trails', 'verified', ['power:粤01-R0999', 'case:（2020）粤01民初999号', 'hr:粤01-R0001', 'reader:粤01-R9001']],
    ['empty trails', 'verified', ['court:粤01', 'source:intake', 'firm:31440000MD00000000', `key:${'A'.repeat(43)}`]],
    ['empty trails', 'verified', [`file:sha256-${zeros}`, `file:sm3-${zeros}`]],
    ['trails with a stolen key', 'could-not-check', [`case:${STOLEN_CASE}`, `evidence:${made.byStolen.evidence}`]]
  ]
  for (const [group, expected, names] of groups) {
    for (const name of names) {
      const certificate = await fetchTrail(name)
      add(group, keepTrail(certificate, ''), { expected })
      certificate.parts.forEach(cosign)
      add(`${group}, cosigned`, keepTrail(certificate, '-cosigned'), { policy: cosigned, expected })
      const less = keepTrail({ ...certificate, parts: certificate.parts.slice(1) }, '-less')
      if (expected === 'verified') add('a part left out', less, { policy: cosigned, expected: 'could-not-check' })
    }
  }
  return samples
}
