/**
 * A network in a directory of its own, and its node running in this process on a port the system chose: for tests from outside, over real HTTP and a
 * real LevelDB. People are named as in `network init`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Key, parseKey } from '../../src/client/keyfile.ts'
import { type Bytes, base64url, utf8 } from '../../src/core/bytes.ts'
import type { FatalError } from '../../src/core/errors.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { type NodeConfig, readConfig } from '../../src/node/config.ts'
import { makeNetwork } from '../../src/node/network.ts'
import { type RunningNode, startNode } from '../../src/node/node.ts'
import { bodyToJson } from '../../src/records/define.ts'
import { draft, typeOf } from '../../src/records/draft.ts'
import { type ExaminedRecord, examine } from '../../src/verify/admit.ts'
import type { User } from './lab.ts'
import { LyingNode } from './lying-node.ts'
import { checkAnswer } from './openapi.ts'

interface Person {
  org: string
  staff?: string
  roles: readonly string[]
}

/** Who `network init` makes (api.md), as the registry has them. */
export const PEOPLE = {
  'admin-court': { org: 'gz-court', roles: ['administrator'] },
  'admin-discipline': { org: 'gz-discipline', roles: ['administrator'] },
  'admin-procuratorate': { org: 'gz-procuratorate', roles: ['administrator'] },
  'admin-notary': { org: 'gz-notary', roles: ['administrator'] },
  clerk: { org: 'gz-court', staff: '粤01-R0101', roles: ['clerk'] },
  judge: { org: 'gz-court', staff: '粤01-R0201', roles: ['judge'] },
  president: { org: 'gz-court', staff: '粤01-R0001', roles: ['leader'] },
  personnel: { org: 'gz-court', staff: '粤01-R0301', roles: ['personnel'] },
  system: { org: 'gz-court', roles: ['system'] },
  inspector: { org: 'gz-discipline', staff: '粤01-R9001', roles: ['discipline'] },
  prosecutor: { org: 'gz-procuratorate', staff: '粤01-R8001', roles: ['procuratorate'] },
  lawyer: { org: 'gz-court', roles: ['lawyer'] }
} as const satisfies Record<string, Person>
export type Name = keyof typeof PEOPLE

export const LOGS = ['evidence', 'supervision', 'personnel', 'public'] as const
export type LogName = (typeof LOGS)[number]

export const originOf = (log: string): string => `court.example/${log}`

/** What can be said wrongly in a statement; nothing said: an honest one. */
export type Lie = Parameters<LyingNode['sign']>[2] & { log?: LogName }

/** What is to be other than the file says. */
export type Config = Partial<Omit<NodeConfig, 'limits'>> & { limits?: Partial<NodeConfig['limits']> }

export interface Signed {
  statement: Bytes
  disclosures: Bytes[]
}

export interface Asked {
  as?: Name | undefined
  /** In place of the bearer token of `as`. */
  authorization?: string
  method?: string
  body?: string | Bytes
  headers?: Record<string, string>
}

export class Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Bytes

  constructor(status: number, headers: Headers, bytes: Bytes) {
    this.status = status
    this.headers = headers
    this.bytes = bytes
  }
  get text(): string {
    return new TextDecoder().decode(this.bytes)
  }
  json<T = Record<string, unknown>>(): T {
    return JSON.parse(this.text) as T
  }
}

export interface Claims {
  header?: Record<string, unknown>
  payload?: Record<string, unknown>
  sign?: (message: Bytes) => Bytes
}

export class TestNetwork {
  readonly directory: string
  /** Milliseconds since 1970; the system's clock without it. */
  now: number | undefined
  fatal: FatalError | undefined
  /** What the operator's log was given. */
  readonly errors: unknown[] = []
  /** The operator's log, line by line. */
  readonly log: string[] = []
  readonly #users = new Map<string, User & { key: Key }>()
  readonly #signers = new Map<string, LyingNode>()
  #node: RunningNode | undefined

  private constructor(directory: string) {
    this.directory = directory
  }

  /** As `network init` makes it. `control`: how many organisations must agree to registry changes. */
  static async make({ control = 1 } = {}): Promise<TestNetwork> {
    const network = new TestNetwork(mkdtempSync(join(tmpdir(), 'lianzheng-network-')))
    await makeNetwork(network.directory, 1)
    network.rewriteConfig((text) => text.replace('127.0.0.1:1\n', '127.0.0.1:0\n').replace('intervalMs: 200', 'intervalMs: 0'))
    for (const name of Object.keys(PEOPLE) as Name[]) {
      const key = await parseKey(readFileSync(network.keyFile(name), 'utf8'))
      network.#users.set(name, { ...PEOPLE[name], signer: key.secret!.signer, key })
    }
    if (control !== 1) for (const log of LOGS) network.rewriteGenesis(log, { control })
    return network
  }

  /** Made and started. */
  static async open(options: { control?: number; config?: Config } = {}): Promise<TestNetwork> {
    const network = await TestNetwork.make(options)
    await network.start(options.config)
    return network
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts)
  }
  keyFile(name: Name): string {
    return this.path('keys', `${name}.key.json`)
  }
  get configFile(): string {
    return this.path('court.yaml')
  }
  get policyFile(): string {
    return this.path('policy.txt')
  }
  get policyText(): string {
    return readFileSync(this.policyFile, 'utf8')
  }
  get policy(): Policy {
    return parsePolicy(this.policyText)
  }
  dataDir(log?: LogName): string {
    return this.path('data', 'court', ...(log === undefined ? [] : [log]))
  }
  /** What may never be seen outside: the node's seed, and the secret half of every key. */
  get secrets(): string[] {
    return [
      readFileSync(this.path('seeds', 'court.seed'), 'utf8').trim(),
      ...[...this.#users.values()].map(({ key }) => base64url(key.secret!.seed))
    ]
  }

  user(name: Name): User & { key: Key } {
    return this.#users.get(name)!
  }

  rewriteConfig(change: (text: string) => string): void {
    writeFileSync(this.configFile, change(readFileSync(this.configFile, 'utf8')))
  }

  /** Signs genesis again with other members, before the first start. */
  rewriteGenesis(log: LogName, change: { [name: string]: unknown }, by: Name = 'admin-court'): void {
    const file = this.path('genesis', 'court', log, '00-genesis.cose')
    const { type, body, statement } = examine(new Uint8Array(readFileSync(file))) as ExaminedRecord
    const { v: _, ...record } = bodyToJson(type, body)
    const author = { ...this.user(by), roles: ['administrator'] }
    const options = { aud: originOf(log), author, iat: statement.iat, random: (length: number) => new Uint8Array(length).fill(7) }
    writeFileSync(file, draft({ ...record, ...change }, options).statement)
  }

  async start({ limits, ...config }: Config = {}): Promise<RunningNode> {
    const written = readConfig(this.configFile)
    this.#node = await startNode(
      { ...written, ...config, limits: { ...written.limits, ...limits } },
      {
        clock: () => this.now ?? Date.now(),
        onFatal: (error) => {
          this.fatal = error
        },
        onError: (error) => this.errors.push(error),
        writeLog: (line) => this.log.push(line)
      }
    )
    return this.#node
  }
  async stop(): Promise<void> {
    await this.#node?.stop()
    this.#node = undefined
  }
  /** Stops the node and takes everything away. */
  async close(): Promise<void> {
    await this.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }

  get node(): RunningNode {
    return this.#node!
  }
  get url(): string {
    return this.node.url
  }

  // Signing

  /** A statement by one of the people, whether they may write it or not; it goes to the log of its class unless the lie says otherwise. */
  sign(record: { [name: string]: unknown }, by: Name | User, { log, ...lie }: Lie = {}): Signed {
    const origin = originOf(log ?? this.#logOf(record))
    let signer = this.#signers.get(origin)
    if (signer === undefined) {
      signer = new LyingNode(origin, this.directory)
      this.#signers.set(origin, signer)
    }
    return signer.sign(record, typeof by === 'string' ? this.user(by) : by, lie)
  }

  #logOf(record: { [name: string]: unknown }): LogName {
    const names = { party: 'evidence', internal: 'supervision', personnel: 'personnel', public: 'public' } as const
    return names[typeOf(record).class as keyof typeof names] ?? 'evidence'
  }

  /** A bearer token as the client makes it, unless told otherwise. */
  token(by: Name, { header = {}, payload = {}, sign }: Claims = {}): string {
    const { key, signer } = this.user(by)
    const iat = Math.floor((this.now ?? Date.now()) / 1000)
    const part = (value: unknown) => base64url(utf8(JSON.stringify(value)))
    const claims = { aud: 'court.example', iat, exp: iat + 120, ...payload }
    const message = `${part({ alg: 'EdDSA', kid: key.kid, ...header })}.${part(claims)}`
    return `${message}.${base64url((sign ?? signer.sign)(utf8(message)))}`
  }

  // HTTP

  /** Every answer of the test run is held against the node's own description. */
  async ask(path: string, { as, authorization, method, body, headers }: Asked = {}): Promise<Answer> {
    const bearer = authorization ?? (as === undefined ? undefined : `Bearer ${this.token(as)}`)
    const response = await fetch(this.url + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      redirect: 'manual',
      headers: {
        ...(bearer === undefined ? {} : { authorization: bearer }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : Buffer.from(body) })
    })
    const answer = new Answer(response.status, response.headers, new Uint8Array(await response.arrayBuffer()))
    await checkAnswer(this.url, method ?? (body === undefined ? 'GET' : 'POST'), path, answer)
    return answer
  }

  /** The path exactly as given, where `fetch` would tidy it up; `chunks` are posted as JSON without a length said before. */
  askRaw(path: string, chunks?: readonly string[]): Promise<Answer> {
    const { hostname, port } = new URL(this.url)
    const method = chunks === undefined ? 'GET' : 'POST'
    const headers = chunks === undefined ? {} : { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
    return new Promise<Answer>((resolve, reject) => {
      const sent = request({ hostname, port, path, method, headers }, (response) => {
        const received: Buffer[] = []
        response.on('data', (chunk: Buffer) => received.push(chunk))
        const named = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)])
        response.on('end', () =>
          resolve(new Answer(response.statusCode!, new Headers(named), new Uint8Array(Buffer.concat(received))))
        )
      })
      sent.on('error', reject)
      for (const chunk of chunks ?? []) sent.write(chunk)
      sent.end()
    }).then(async (answer) => {
      await checkAnswer(this.url, method, path, answer)
      return answer
    })
  }

  post(record: Signed | Bytes, query = ''): Promise<Answer> {
    return this.ask(`/api/v1/records${query}`, { body: JSON.stringify(submission(record)) })
  }
  postAll(records: readonly (Signed | Bytes)[], query = ''): Promise<Answer> {
    return this.ask(`/api/v1/records${query}`, { body: JSON.stringify(records.map(submission)) })
  }

  /** Files a record and gives its place. */
  async put(record: { [name: string]: unknown }, by: Name, lie?: Lie): Promise<Filed> {
    const signed = this.sign(record, by, lie)
    const answer = await this.post(signed, '?reply=index')
    if (answer.status !== 201) throw new Error(`${String(record.type)}: HTTP ${answer.status} ${answer.text}`)
    return { ...signed, ...answer.json<Place>() }
  }
}

export interface Place {
  status: number
  log: LogName
  index: number
  leaf: string
}
export type Filed = Signed & Place

export function submission(record: Signed | Bytes): { statement: string; disclosures: string[] } {
  const { statement, disclosures } = record instanceof Uint8Array ? { statement: record, disclosures: [] } : record
  return { statement: base64url(statement), disclosures: disclosures.map(base64url) }
}
