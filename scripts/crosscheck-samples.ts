/**
 * A network filled with records of every kind this version has, and everything its node gives out about them: receipts at once and later, trails
 * present and absent, pages and what is joined of them, each with the verdict that it must get.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importJWK, type JWK, SignJWT } from 'jose'
import { parseCheckpoint } from '../src/core/checkpoint.ts'
import { mlDsaKeyPair, signCosignature, signMlDsaCosignature } from '../src/core/cosignature.ts'
import { ed25519Signer } from '../src/core/keys.ts'
import { formatNote, formatVkey, makeVkey, parseNote, TYPE_COSIGNATURE, TYPE_MLDSA44 } from '../src/core/note.ts'
import { freePorts } from '../test/helpers/peers.ts'

export type Verdict = 'verified' | 'broken' | 'could-not-check' | 'failed'

export interface Sample {
  group: string
  file: string
  policy: string
  evidence?: readonly string[]
  expected: Verdict
}

interface Fixed {
  evidence: string
  leaf: string
  receipt: string
}
interface Submitted {
  leaf: string
  receipt: string
  promise?: string
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

const now = () => Math.floor(Date.now() / 1000)
const iso = (seconds: number) => new Date((now() + seconds) * 1000).toISOString()

/** A network in a directory of its own, used through the command line and HTTP of the court's node. */
export class Court {
  /** Of the network, as `network init` wrote it; later with the keys that the court's logs have changed to. */
  policy: string
  /** Every key that a log has had, the newest last. */
  readonly vkeys = new Map<string, string[]>()
  /** Receipts, certificates and policies. */
  readonly out: string
  readonly url: string
  readonly env: NodeJS.ProcessEnv
  readonly #home: string
  readonly #nodes = new Map<string, ChildProcess>()
  #submissions = 0

  private constructor(home: string, port: number, env: NodeJS.ProcessEnv) {
    this.#home = home
    this.url = `http://127.0.0.1:${port}`
    this.env = env
    this.policy = this.path('policy.txt')
    this.out = join(home, 'files')
    mkdirSync(this.out)
  }

  static async open(home: string, nodes: readonly string[] = ['court']): Promise<Court> {
    const env = { ...process.env, LIANZHENG_HOME: join(home, 'state') }
    const port = await freePorts(nodes.length)
    const court = new Court(home, port, env)
    const init = ['network', 'init', court.path(), '--nodes', nodes.join(','), '--port', String(port)]
    const made = await run(process.execPath, [main, ...init], env)
    if (made.status !== 0) throw new Error(`no network: ${made.stderr}`)
    try {
      for (const name of nodes) await court.start(name)
      await court.#keepVkeys()
      return court
    } catch (error) {
      await court.stop()
      throw error
    }
  }

  path(...names: string[]): string {
    return join(this.#home, 'network', ...names)
  }

  async start(name: string): Promise<void> {
    const log = openSync(join(this.#home, `${name}.log`), 'a')
    const serve = [main, 'serve', '--config', this.path(`${name}.yaml`)]
    const node = spawn(process.execPath, serve, { env: this.env, stdio: ['ignore', 'pipe', log] })
    closeSync(log)
    await new Promise<void>((resolve, reject) => {
      node.stdout!.once('data', () => resolve())
      node.once('exit', (status) => reject(new Error(`the node ${name} ended with ${status}`)))
    })
    this.#nodes.set(name, node)
  }

  /** Stops one node, or all of them. */
  async stop(...names: string[]): Promise<void> {
    for (const name of names.length > 0 ? names : [...this.#nodes.keys()]) {
      const node = this.#nodes.get(name)!
      this.#nodes.delete(name)
      if (node.exitCode !== null) continue
      const ended = new Promise((resolve) => node.once('exit', resolve))
      node.kill('SIGTERM')
      await ended
    }
  }

  async #keepVkeys(): Promise<void> {
    for (const { origin, vkeys } of await this.logs())
      this.vkeys.set(origin, [...new Set([...(this.vkeys.get(origin) ?? []), ...vkeys])])
  }

  /** The next generation of the node's own keys in every log, and a policy that knows old and new. */
  async changeKeys(...only: string[]): Promise<void> {
    const by = ['--key', this.key('admin-court'), '--url', this.url, ...only.flatMap((purpose) => ['--only', purpose])]
    await this.lianzheng(['registry', 'node', ...by])
    if (only.length > 0) return
    await this.#keepVkeys()
    const newer = [...this.vkeys.values()].map((vkeys) => `log ${vkeys.at(-2)}\n`)
    this.policy = this.keep('policy-after.txt', newer.join('') + readFileSync(this.policy, 'utf8'))
  }

  key(name: string): string {
    return join(this.#home, 'network/keys', `${name}.key.json`)
  }

  /** Runs the command line, which must end with the status expected; the JSON it printed. */
  async lianzheng<T>(args: readonly string[], expected = 0): Promise<T> {
    const { status, stdout, stderr } = await run(process.execPath, [main, ...args, '--json', '--lang', 'en'], this.env)
    if (status !== expected)
      throw new Error(`lianzheng ${args.join(' ')} ended with ${status}, expected was ${expected}:\n${stdout}${stderr}`)
    return JSON.parse(stdout) as T
  }

  #as(by: string): string[] {
    return ['--key', this.key(by), '--url', this.url, '--policy', this.policy, '-o', this.out]
  }

  fix(by: string, files: readonly string[], more: readonly string[] = []): Promise<Fixed[]> {
    return this.lianzheng(['fix', ...files, ...more, '--set', 'material=electronic-data', ...this.#as(by)])
  }

  /** Submits one record. Its leaf hash and receipt, where it is taken. */
  async submit(by: string, record: { [name: string]: unknown }, expected = 0): Promise<Submitted> {
    const file = join(this.#home, `${String(++this.#submissions).padStart(2, '0')}-${String(record.type)}.json`)
    writeFileSync(file, JSON.stringify({ at: '2020-08-26T10:00:00+08:00', court: '粤01', ...record }))
    const [done] = await this.lianzheng<Submitted[]>(['submit', file, ...this.#as(by)], expected).then((answer) =>
      Array.isArray(answer) ? answer : []
    )
    return done ?? { leaf: '', receipt: '' }
  }

  /** A new key, registered in all logs by the court's administrator; its id. */
  async register(name: string, ...more: string[]): Promise<string> {
    const { kid } = await this.lianzheng<{ kid: string }>(['key', 'new', '--out', this.key(name)])
    const by = ['--key', this.key('admin-court'), '--url', this.url]
    await this.lianzheng(['registry', 'add', this.key(name), '--org', 'gz-court', ...by, ...more])
    return kid
  }

  revoke(kid: string, ...more: string[]): Promise<unknown> {
    const by = ['--key', this.key('admin-court'), '--url', this.url]
    return this.lianzheng(['registry', 'revoke', kid, '--reason', 'left', ...by, ...more])
  }

  /** A bearer token of the inspector's, as formats and HTTP surface describe it. */
  async token(node = 'court.example'): Promise<string> {
    const jwk = JSON.parse(readFileSync(this.key('inspector'), 'utf8')) as JWK
    return new SignJWT({})
      .setProtectedHeader({ alg: 'EdDSA', kid: jwk.kid! })
      .setAudience(node)
      .setIssuedAt()
      .setExpirationTime('4m')
      .sign(await importJWK(jwk, 'EdDSA'))
  }

  /** A receipt that was promised, as soon as the log has it. */
  async redeem(by: string, promise: string): Promise<void> {
    const submit = [main, 'submit', promise, ...this.#as(by), '--lang', 'en']
    for (let tries = 0; tries < 90; tries++) {
      if ((await run(process.execPath, submit, this.env)).status === 0) return
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    throw new Error(`the receipt promised in ${promise} does not come`)
  }

  /** All trails that a record stands on, and itself: what an erasure or correction of it says. */
  async spokenOf(log: string, leaf: string, rel: string): Promise<{ [name: string]: unknown }> {
    const { trails } = JSON.parse(await this.get(`/api/v1/logs/${log}/records/${leaf}`)) as { trails: string[] }
    return { refs: [{ rel, log: `court.example/${log}`, leaf }], of: trails }
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

  const of = { log: 'evidence', leaf: fixed[0]!.leaf }
  await fillTheRest(court, fixed[0]!, sha256)
  await court.submit('clerk', { type: 'record.corrected', ...(await court.spokenOf(of.log, of.leaf, 'corrects')) })
  const erase = { type: 'body.erased', ground: 'PIPL-47' }
  await court.submit('admin-court', { ...erase, fields: ['source'], ...(await court.spokenOf(of.log, of.leaf, 'erases')) })
  const { leaf: spoken } = await court.submit('president', {
    type: 'supervision.opinion',
    ...opinion,
    sealed: { content: '误录' }
  })
  const said = { ...erase, fields: ['content'], ...(await court.spokenOf('supervision', spoken, 'erases')) }
  await court.submit('admin-court', said)
  await court.submit('admin-discipline', said)

  await court.changeKeys()
  await court.fix('clerk', [files[1]!], ['--case', CASE])
  return { fixed, listed, sha256, dated, left, stolen, byStolen: byStolen! }
}

/** One record of every other type that people and systems write, and again where a rule turns on what it says. */
async function fillTheRest(court: Court, { evidence, leaf }: Fixed, digest: string): Promise<void> {
  await court.register('trial-office', '--staff', '粤01-R0401', '--role', 'trial-office')
  await court.register('firm', '--role', 'firm')
  await court.register('party', '--role', 'party')
  const judge = '粤01-R0201'
  const about = (log: string, of: string) => ({ refs: [{ rel: 'about', log: `court.example/${log}`, leaf: of }] })
  const ofEvidence = { evidence, case: CASE, ...about('evidence', leaf) }
  await court.submit('party', { type: 'evidence.confirm', list: LIST, method: 'screen', proof: { sha256: digest } })
  await court.submit('clerk', {
    type: 'evidence.custody',
    evidence,
    list: LIST,
    action: 'lent',
    carrier: '光盘',
    sealed: { to: '李某某' }
  })
  await court.submit('lawyer', { type: 'evidence.supplement', ...ofEvidence, sealed: { reason: '补充' } })
  await court.submit('clerk', { type: 'evidence.originalCheck', evidence, case: CASE, result: '一致' })
  await court.submit('system', { type: 'evidence.verify', evidence, result: '一致', digest })
  await court.submit('lawyer', { type: 'evidence.objection', evidence, case: CASE, stage: 'after', factors: ['17-2'] })
  await court.submit('judge', { type: 'evidence.appraisal', evidence, opinion: { sha256: digest, size: 12 } })
  await court.submit('judge', {
    type: 'evidence.ruling',
    evidence,
    case: CASE,
    authentic: true,
    lawful: true,
    relevant: true,
    adopted: false
  })
  await court.submit('lawyer', { type: 'evidence.withdraw', ...ofEvidence })

  const flag = { type: 'keycase.flag', case: CASE, item: 'K1-01', judge }
  const flagged = await court.submit('president', { ...flag, class: 1, source: 'leader' })
  await court.submit('clerk', { ...flag, class: 2, source: 'filing', sealed: { note: '群体性' } })
  await court.submit('trial-office', { ...flag, class: 4, source: 'trial-office' })
  await court.submit('judge', { ...flag, class: 1, source: 'leader' }, 1)
  const ofFlag = { case: CASE, ...about('supervision', flagged.leaf) }
  await court.submit('judge', { type: 'keycase.report', ...ofFlag, sealed: { content: '进展' } })
  await court.submit('president', { type: 'keycase.ack', ...ofFlag })
  await court.submit('judge', {
    type: 'supervision.outcome',
    ...ofFlag,
    judge,
    leader: '粤01-R0001',
    result: 'closed',
    changed: false
  })
  await court.submit('president', { type: 'approval.given', matter: '延长审限', decision: 'approved', ...ofFlag })
  await court.submit('trial-office', { type: 'keycase.unflag', ...ofFlag, reasonCode: 'U1' })
  const source = 'gz-case-system'
  const [from, to] = ['2020-08-26T09:00:00+08:00', '2020-08-26T11:00:00+08:00']
  await court.submit('system', { type: 'source.tally', source, day: '2020-08-26', first: 1, last: 12, count: 12, digest })
  await court.submit('system', { type: 'coverage.statement', source, since: '2020-08-26', scope: '监督意见' })
  await court.submit('admin-court', { type: 'feed.gap', source, from, to, reasonCode: 'G1' })
  const log = 'court.example/supervision'
  await court.submit('inspector', { type: 'inspect.sync', source, log, upTo: 12, lagMs: 800, disclosures: { arrived: 3, of: 4 } })
  await court.submit('system', {
    type: 'conflict.check',
    case: CASE,
    judge,
    result: 'hit',
    onBehalfOf: judge,
    sealed: { agents: ['李某某'] }
  })

  const relative = { relation: '配偶', relative: '李某某', firm: '某律师事务所' }
  const declared = { type: 'recusal.declared', staff: judge, since: '2020-08-26', withinJurisdiction: true, sealed: relative }
  const own = await court.submit('judge', declared)
  await court.submit('personnel', declared)
  await court.submit('clerk', declared, 1)
  const ofStaff = { staff: judge, ...about('personnel', own.leaf) }
  await court.submit('personnel', { type: 'recusal.assessed', ...ofStaff, mustRecuse: true, basis: '2020-13-2' })
  await court.submit('judge', { type: 'recusal.applied', staff: judge, sealed: { note: '本人申请' } })
  await court.submit('personnel', { type: 'recusal.transferred', staff: judge, effective: '2020-09-01', post: '审监庭' })
  const firm = '~MDEyMzQ1Njc4OWFiY2RlZg'
  await court.submit('personnel', { type: 'notice.lawfirm', firm, staff: judge, notice: { sha256: digest } })
  await court.submit('firm', { type: 'notice.received', firm, ...ofStaff })
  const entry = { entry: 'entry-0001', reasonCode: 'ended' }
  await court.submit('personnel', { type: 'recusal.lifted', ...entry, ...about('public', own.leaf) })

  const title = '示例'
  await court.submit('admin-court', {
    type: 'rule.version',
    rule: 'S05',
    version: '1',
    title,
    from: '2020-08-26',
    basis: ['法发〔2017〕11号']
  })
  const rows = [{ code: 'M03', zh: '类案检索报告', en: 'search report' }]
  await court.submit('admin-court', {
    type: 'codeTable.version',
    table: 'measure',
    version: '2018',
    title,
    from: '2020-08-26',
    rows
  })
  const platform = {
    standards: ['RFC 9162'],
    algorithms: ['Ed25519'],
    timeSources: ['NTP'],
    incidents: [{ from, to, what: '停机' }]
  }
  const operator = { org: 'gz-court', name: '某法院' }
  await court.submit('admin-court', { type: 'platform.statement', operator, members: [], ...platform })
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

  policy(logs: readonly Log[], keys: Court['vkeys'], type: typeof TYPE_COSIGNATURE | typeof TYPE_MLDSA44): string {
    const classical = type === TYPE_COSIGNATURE
    const witnesses = this.#people.map(
      ({ name, short, signer, pair }) =>
        `witness ${short} ${formatVkey(makeVkey(name, type, classical ? signer.publicKey : pair.publicKey))}`
    )
    // Of each generation, the Ed25519 key first.
    const listed = [...keys.values()].flatMap((vkeys) =>
      vkeys.filter((_, i) => (i % 2 === 0) === classical).map((vkey) => `log ${vkey}`)
    )
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
  const cosigned = court.keep('policy-cosigned.txt', outsiders.policy(logs, court.vkeys, TYPE_COSIGNATURE))
  const postQuantum = court.keep('policy-ml-dsa.txt', outsiders.policy(logs, court.vkeys, TYPE_MLDSA44))

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

  // Who signs refusals stands in the registry of the log that refused: a receipt of each log shows it.
  const genesis = (await court.logs()).map(({ name }) => join(court.out, `${name}-0.receipt.json`))
  for (const name of readdirSync(court.out).filter((name) => name.endsWith('.refusal'))) {
    const file = join(court.out, name)
    const refused = file.replace(/refusal$/, 'statement.cose')
    add('refusals', file, { evidence: [refused, ...genesis] })
    add('refusals, of another file', file, { evidence: [files[0]!, ...genesis], expected: 'broken' })
    add('refusals alone', file, { evidence: [refused], expected: 'could-not-check' })
  }

  const keys = [made.dated, made.left, made.stolen].map((kid) => `key:${kid}`)
  const zeros = '0'.repeat(64)
  const groups: readonly (readonly [string, Verdict, readonly string[]])[] = [
    ['trails', 'verified', ['power:粤01-R0001', 'duty:粤01-R0001', 'duty:粤01-R0201', `case:${CASE}`, `case-internal:${CASE}`]],
    ['trails', 'verified', [`evidence:${made.fixed[0]!.evidence}`, `file:sha256-${made.sha256}`, `list:${LIST}`]],
    ['trails', 'verified', ['hr:粤01-R0201', 'firm:~MDEyMzQ1Njc4OWFiY2RlZg', 'source:gz-case-system', 'reader:粤01-R9001']],
    ['trails', 'verified', ['disclosure:粤01', ...keys, ...logs.map(({ origin }) => `ledger:${origin}`)]],
    ['empty trails', 'verified', ['power:粤01-R0999', 'case:（2020）粤01民初999号', 'hr:粤01-R0001', 'reader:粤01-R9002']],
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
