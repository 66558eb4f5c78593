/**
 * Every code of `core/errors.ts`, provoked from outside. The tables are complete by their types: a code that is added without a way to meet it does
 * not compile.
 */
import { randomBytes } from 'node:crypto'
import { appendFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { base64url, fromBase64url, fromHex } from '../../src/core/bytes.ts'
import { encodeCbor } from '../../src/core/cbor.ts'
import { decodeSign1, encodeSign1 } from '../../src/core/cose.ts'
import { encodeDisclosure } from '../../src/core/disclosure.ts'
import { CODES, type Code, type LianzhengError } from '../../src/core/errors.ts'
import * as core from '../../src/core/index.ts'
import { createApp } from '../../src/http/app.ts'
import { formatAddCheckpoint } from '../../src/peer/messages.ts'
import { catalogueDigest, recordType } from '../../src/records/catalogue.ts'
import { bodyToJson, exampleRecord } from '../../src/records/define.ts'
import { FORMAT_KEY, HEAD_KEY, STORE_VERSION } from '../../src/store/layout.ts'
import { openLevel } from '../../src/store/level.ts'
import { put } from '../../src/store/store.ts'
import { encodeValue } from '../../src/store/values.ts'
import { type ExaminedRecord, examine } from '../../src/verify/admit.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import type { BY_PROCESS, Seen } from '../helpers/codes.ts'
import { fix, opinion, type User } from '../helpers/lab.ts'
import { LyingNode, logVkey } from '../helpers/lying-node.ts'
import { type Answer, type Lie, type LogName, type Name, type Signed, submission, TestNetwork } from '../helpers/network.ts'
import { Stranger, uploadOf } from '../helpers/stranger.ts'

const AT = '2020-08-26T09:00:00+08:00'
const desk = new Desk()
let network: TestNetwork
let pending: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open({ config: { limits: { bodyBytes: 200_000, waiting: 10_000 } } })
  pending = await TestNetwork.open({ control: 2 })
})
afterAll(async () => {
  expect(leaked([...network.secrets, ...pending.secrets])).toEqual([])
  await network.close()
  await pending.close()
})

// How things are seen

function http(answer: Answer): Seen {
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  return { code: answer.json<{ code: string }>().code, http: answer.status }
}
const get = async (path: string, as?: Name): Promise<Seen> => http(await network.ask(path, { as }))
const post = async (record: Signed | Uint8Array): Promise<Seen> => http(await network.post(record))
const signed = (record: { [name: string]: unknown }, by: Name | User, lie?: Lie): Promise<Seen> =>
  post(network.sign(record, by, lie))
const lied = (lie: Lie): Promise<Seen> => signed(fix('a lie'), 'clerk', lie)
/** An opinion by a leader, its body changed before it was signed. */
const body = (change: (body: Parameters<NonNullable<Lie['body']>>[0]) => void): Promise<Seen> =>
  signed(opinion(), 'president', { body: change })
/** By the court's administrator, in the evidence log. */
const registry = (type: string, more: { [name: string]: unknown }, by: Name = 'admin-court') =>
  signed({ type: `registry.${type}`, at: AT, ...more }, by)

async function ends(...argv: string[]): Promise<Seen> {
  const ran = await desk.run([...argv, '--json'])
  const value = JSON.parse(ran.out) as { error?: { code: string } }
  return { code: value.error?.code, exit: ran.status }
}
/** A verdict that names the code beside a step. */
async function verdict(code: Code, ...argv: string[]): Promise<Seen> {
  const { steps } = await desk.json<{ steps: { notes: { code?: Code }[] }[] }>(argv, CODES[code][1])
  return { code: steps.flatMap(({ notes }) => notes).find((note) => note.code === code)?.code, exit: CODES[code][1] }
}
function thrown(run: () => unknown): Seen {
  try {
    run()
    return { code: undefined, library: true }
  } catch (error) {
    return { code: (error as LianzhengError).code, library: true }
  }
}

// What is said wrongly

const hex = (text: string) => fromHex(text.replaceAll(' ', ''))
const user = (seed: number, more: Partial<User> = {}): User => ({
  org: 'gz-court',
  staff: '粤01-R0666',
  roles: ['leader'],
  signer: core.ed25519Signer(new Uint8Array(32).fill(seed)),
  ...more
})
const keyOf = (who: User) => base64url(who.signer.publicKey)
const honest = () => network.sign(fix('hand-made'), 'clerk').statement

/** A statement whose payload is these bytes: form comes before signatures. */
function payload(bytes: string): Promise<Seen> {
  const { protectedBytes, signature } = decodeSign1(honest())
  return post(encodeSign1({ protectedBytes, payload: hex(bytes), signature }))
}
/** A statement with its protected map changed. */
function header(change: (map: Map<number | string, unknown>) => void): Promise<Seen> {
  const { protectedHeader, payload: inner, signature } = decodeSign1(honest())
  const map = new Map<number | string, unknown>(protectedHeader)
  change(map)
  return post(encodeSign1({ protectedBytes: encodeCbor(map as Parameters<typeof encodeCbor>[0]), payload: inner, signature }))
}

function write(name: string, content: string | Uint8Array): string {
  const file = desk.path(`${randomBytes(4).toString('hex')}-${name}`)
  writeFileSync(file, content)
  return file
}
async function receipt(change: (text: string) => string = (text) => text): Promise<string> {
  const { index } = await network.put(fix('for a receipt'), 'clerk')
  const { text } = await network.ask(`/api/v1/logs/evidence/records/${index}/receipt`, { as: 'clerk' })
  return write('receipt.json', change(text))
}
const verify = (file: string) => ['verify', file, '--policy', network.policyFile]

/** A node that is not started in this process: `serve` is, on what has been done to its files. */
async function serve(change: (made: TestNetwork) => Promise<void> | void, { once = true } = {}): Promise<Seen> {
  const made = await TestNetwork.make()
  try {
    if (once) {
      await made.start()
      await made.put(fix('served once'), 'clerk')
      await made.stop()
    }
    await change(made)
    return await ends('serve', '--config', made.configFile)
  } finally {
    await made.close()
  }
}
const configured = (from: string, to: string) =>
  serve((made) => made.rewriteConfig((text) => text.replace(from, to)), { once: false })

/** Writes into the store of a stopped node. */
async function meddle(
  made: TestNetwork,
  log: LogName,
  key: Uint8Array,
  value: (before: Uint8Array) => Uint8Array
): Promise<void> {
  const store = await openLevel(made.dataDir(log))
  await store.write([put(key, value(store.get(key)!))], { durable: true })
  await store.close()
}

/** A server that says the same to everyone. */
async function saying<T>(
  answers: (path: string) => { status?: number; body: string },
  run: (url: string) => Promise<T>
): Promise<T> {
  const server = createServer((request, response) => {
    const { status = 200, body: told } = answers(request.url!)
    response.writeHead(status).end(told)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** What a connection is answered on which something is sent that is no whole request. */
async function raw(url: string, text: string): Promise<Seen> {
  const received = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk.toString()))
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
  expect(received).toMatch(/\r\nConnection: close\r\n[\s\S]*application\/problem\+json/i)
  return {
    code: (JSON.parse(received.slice(received.indexOf('{'))) as { code: string }).code,
    http: Number(received.split(' ')[1])
  }
}

/** A body whose end comes only after the node was told to stop. */
async function whileStopping(): Promise<Seen> {
  const made = await TestNetwork.open()
  const text = JSON.stringify(submission(made.sign(fix('too late'), 'clerk')))
  const { port } = new URL(made.url)
  const socket = connect(Number(port), '127.0.0.1')
  const answer = new Promise<string>((resolve, reject) => {
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString()
    })
    socket.on('end', () => resolve(received))
    socket.on('error', reject)
  })
  const head = `POST /api/v1/records HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`
  socket.write(head + text.slice(0, 10))
  await made.ask('/healthz') // By now the node has read what was sent before.
  const stopped = made.stop()
  socket.write(text.slice(10))
  const received = await answer
  await stopped
  await made.close()
  return {
    code: (JSON.parse(received.slice(received.indexOf('{'))) as { code: string }).code,
    http: Number(received.split(' ')[1])
  }
}

const stranger = new Stranger('stranger.example/log', 3)
const WATCH = { watch: [{ origin: stranger.origin, vkeys: [stranger.vkey], role: 'witness' as const }] }
/** A node that witnesses a stranger's log. */
async function watching(look: (made: TestNetwork) => Promise<Seen>): Promise<Seen> {
  const made = await TestNetwork.open({ config: WATCH })
  try {
    return await look(made)
  } finally {
    await made.close()
  }
}
/** A node that mirrors a ledger. */
async function mirroring(log: LyingNode, look: (made: TestNetwork, log: LyingNode) => Promise<Seen>): Promise<Seen> {
  const vkeys = [core.parseVkey(logVkey(log.origin))]
  const made = await TestNetwork.make()
  made.rewriteConfig((text) => text.replace('court.example', 'elsewhere.example').replace(/genesisDir.*/, ''))
  await made.start({ logs: [], watch: [{ origin: log.origin, vkeys, role: 'mirror' as const, classes: ['party'] }] })
  try {
    return await look(made, log)
  } finally {
    await made.close()
  }
}
const announce = (made: TestNetwork, log: LyingNode) =>
  made.ask('/mirror/add-checkpoint', { body: formatAddCheckpoint(0, [], log.note(log.entries.length, {})) })
const upload = async (made: TestNetwork, log: LyingNode): Promise<Seen> =>
  http(await made.ask('/mirror/add-entries', { body: uploadOf(log, 0, log.entries.length) }))

const add = async (made: TestNetwork, body: string): Promise<Seen> => http(await made.ask('/witness/add-checkpoint', { body }))

type Provocation = () => Promise<Seen> | Seen
const provocations: { [code in Exclude<Code, (typeof BY_PROCESS)[number]>]: Provocation } = {
  // Bytes by hand, as the payload of an otherwise good statement; {"a": …} where nothing else is said
  CBOR_TRUNCATED: () => payload('a1 61 61 62 61'),
  CBOR_TRAILING_BYTES: () => payload('a1 61 61 01 00'),
  CBOR_NOT_SHORTEST: () => payload('a1 61 61 18 01'),
  CBOR_INDEFINITE_LENGTH: () => payload('bf 61 61 01 ff'),
  CBOR_UNSUPPORTED: () => payload('a1 61 61 f9 3c00'),
  CBOR_INTEGER_RANGE: () => payload('a1 61 61 1b 0020000000000000'),
  CBOR_KEY_TYPE: () => payload('a1 f5 01'),
  CBOR_KEY_ORDER: () => payload('a2 61 62 01 61 61 01'),
  CBOR_DUPLICATE_KEY: () => payload('a2 61 61 01 61 61 02'),
  CBOR_TEXT_NOT_UTF8: () => payload('a1 61 61 61 ff'),
  CBOR_DEPTH: () => payload(`a1 61 61 ${'81'.repeat(16)} 00`),

  TEXT_NOT_UTF8: () => ends(...verify(write('receipt.json', Uint8Array.of(0x7b, 0xff)))),
  HEX_INVALID: () => get('/api/v1/evidence/xyz'),
  BASE64_INVALID: () => thrown(() => core.fromBase64('AA')),
  BASE64URL_INVALID: async () => http(await network.ask('/api/v1/records', { body: '{"statement":"AA=="}' })),
  JSON_INVALID: () =>
    ends('submit', write('record.json', '{'), '--key', network.keyFile('clerk'), '--url', network.url, '-o', desk.path('out')),

  KEY_INVALID: () => registry('key', { key: base64url(new Uint8Array(32)), org: 'gz-court', roles: ['clerk'] }),
  KEY_FILE_INVALID: () => ends('key', 'show', write('key.json', '{"kty":"RSA"}')),
  KEY_PASSPHRASE: () => ends('key', 'new', '--out', desk.path('never.json'), '--passphrase'),
  NAME_INVALID: () => configured('court.example', `${'a'.repeat(190)}.example`),

  STATEMENT_TOO_LARGE: () => post(new Uint8Array(65_536).fill(0xd2)),
  STATEMENT_FORM: () => post(honest().subarray(1)),
  STATEMENT_HEADER: () => header((map) => map.set('more', 1)),
  STATEMENT_CLAIMS: () => header((map) => map.set(15, new Map([[1, 'gz-court']]))),
  STATEMENT_TRAILS: () => header((map) => map.set('trails', [...(map.get('trails') as string[])].reverse())),
  ALGORITHM_UNSUPPORTED: () => header((map) => map.set(1, -7)),
  TRAIL_NAME_INVALID: () => get('/api/v1/trails/nonsense', 'inspector'),

  RECORD_FORM: () => payload('80'),
  TYPE_UNKNOWN: () => body((value) => (value.type = 'supervision.view')),
  TYPE_VERSION_UNKNOWN: () => body((value) => (value.v = 2)),
  CONTENT_TYPE_MISMATCH: () => body((value) => (value.type = 'ledger.seal')),
  FIELD_MISSING: () => body((value) => delete value.judge),
  FIELD_UNKNOWN: () => body((value) => (value.note = '越权')),
  FIELD_INVALID: () => body((value) => (value.case = '(2020)粤01民初1号')),
  TEXT_NOT_NFC: () => signed(fix('nfc', { environment: 'e\u0301' }), 'clerk'),
  CLASSIFIED_NOT_ACCEPTED: () => body((value) => (value.secrecy = '机密')),
  DISCLOSURE_INVALID: () => post({ statement: honest(), disclosures: [encodeCbor([1, 2])] }),
  DISCLOSURE_UNMATCHED: () =>
    post({ statement: honest(), disclosures: [encodeDisclosure(new Uint8Array(16), 'name', 'x').bytes] }),
  DISCLOSURE_REPEATED: () => {
    const { statement, disclosures } = network.sign(fix('repeated'), 'clerk')
    return post({ statement, disclosures: [disclosures[0]!, disclosures[0]!] })
  },

  WRONG_LOG: () => lied({ aud: 'discipline.example/lead' }),
  CLASS_NOT_HELD: () => lied({ log: 'public' }),
  CTI_REUSED: async () => {
    const cti = new Uint8Array(16).fill(1)
    await network.put(fix('first'), 'clerk', { cti })
    return lied({ cti })
  },
  IAT_AHEAD: () => lied({ iat: Math.floor(Date.now() / 1000) + 400 }),
  KEY_NOT_REGISTERED: () => signed(opinion(), user(100)),
  KEY_PENDING: async () => {
    const { signer, ...who } = user(101)
    await pending.put({ type: 'registry.key', at: AT, key: keyOf({ signer, ...who }), ...who }, 'admin-court', {
      log: 'supervision'
    })
    return http(await pending.post(pending.sign(opinion(), { signer, ...who })))
  },
  KEY_REVOKED: async () => {
    const { kid } = network.user('personnel').key
    await network.put({ type: 'registry.revoke', at: AT, kid, reason: 'left' }, 'admin-court', { log: 'public' })
    return signed({ type: 'recusal.disclosed', at: AT, court: '粤01', entry: 'e', status: 'related' }, 'personnel')
  },
  KEY_NOT_YET_VALID: () => dated({ notBefore: Math.floor(Date.now() / 1000) + 1_000 }, 102),
  KEY_EXPIRED: () => dated({ notAfter: 1_000 }, 103),
  ORGANISATION_MISMATCH: () => lied({ iss: 'gz-discipline' }),
  ACTOR_MISMATCH: () => lied({ body: (value) => (value.actor = '粤01-R0102') }),
  ROLE_NOT_PERMITTED: () => signed(opinion(), 'judge'),
  TRAILS_MISMATCH: () => lied({ sub: 'list:粤01-20200826-listaaaaaaaa', trails: ['list:粤01-20200826-listaaaaaaaa'] }),
  SIGNATURE_INVALID: () => post(withKidOf('clerk', 'judge')),
  SEAL_NOT_ACCEPTED: async () => {
    const { size } = (await network.ask('/api/v1/logs')).json<{ size: number }[]>()[0]!
    const seal = await network.ask(`/api/v1/logs/evidence/records/${size - 1}`, { as: 'clerk' })
    return post(fromBase64url(seal.json<{ statement: string }>().statement))
  },
  GENESIS_MISPLACED: () => {
    const file = network.path('genesis', 'court', 'evidence', '00-genesis.cose')
    const { type, body: genesis } = examine(new Uint8Array(readFileSync(file))) as ExaminedRecord
    const { v: _, ...record } = bodyToJson(type, genesis)
    return signed(record, 'admin-court')
  },
  NOT_ADMINISTRATOR: () => serve((made) => made.rewriteGenesis('evidence', {}, 'admin-discipline'), { once: false }),
  KEY_ALREADY_REGISTERED: () => registry('key', { key: keyOf(network.user('judge')), org: 'gz-court', roles: ['judge'] }),
  FOREIGN_ORGANISATION: () => registry('key', { key: keyOf(user(104)), org: 'gz-notary', roles: ['auditor'] }),
  ROLE_NOT_GIVABLE: () => registry('key', { key: keyOf(user(105)), org: 'gz-court', roles: ['discipline'] }),
  REGISTRY_TARGET: () => registry('revoke', { kid: 'A'.repeat(43), reason: 'left' }),
  OPERATOR_ONLY: () => signed(exampleRecord(recordType('platform.statement')), 'admin-discipline'),
  REFERENCE_UNKNOWN: () => signed(exampleRecord(recordType('record.corrected')), 'clerk'),
  CATALOGUE_NOT_IN_FORCE: async () => {
    const made = await TestNetwork.make()
    made.rewriteGenesis('evidence', { catalogue: 1, catalogueDigest: base64url(catalogueDigest(1)) })
    await made.start()
    const seen = http(await made.post(made.sign(exampleRecord(recordType('platform.statement')), 'admin-court')))
    await made.close()
    return seen
  },
  CATALOGUE_UNKNOWN: () => registry('catalogue', { catalogue: 1_000, catalogueDigest: base64url(catalogueDigest()) }),

  NOTE_INVALID: async () => verdict('NOTE_INVALID', ...verify(await receipt((text) => text.replaceAll('\u2014', '-')))),
  CHECKPOINT_INVALID: async () =>
    verdict('CHECKPOINT_INVALID', ...verify(await receipt((text) => text.replace(/("checkpoint": "[^\\]+\\n)/, '$10')))),
  VKEY_INVALID: () => thrown(() => core.parseVkey('court.example/evidence+00000000+AQ==')),
  POLICY_INVALID: async () => ends('verify', await receipt(), '--policy', write('policy.txt', 'quorum\n')),
  PROOF_INVALID: async () =>
    verdict('PROOF_INVALID', ...verify(await receipt((text) => text.replace(/"index": \d+/, '"index": 1')))),
  RECEIPT_INVALID: () => ends(...verify(write('receipt.json', '{"format": "lianzheng-receipt/v1"}'))),
  CERTIFICATE_INVALID: () => ends(...verify(write('trail.json', '{"format": "lianzheng-trail/v1"}'))),

  PROMISE_INVALID: () => {
    const claims = { iss: 'gz-court', sub: 'ledger:court.example/evidence', aud: 'court.example/evidence', iat: 1 }
    const contentType = 'application/vnd.lianzheng.promise+cbor'
    const bytes = core.signStatement({ ...claims, cti: new Uint8Array(16), contentType, body: {} }, user(106).signer)
    return ends(...verify(write('x.promise', bytes)))
  },
  CONTRADICTION_INVALID: () => ends(...verify(write('x.json', '{"format": "lianzheng-contradiction/v1"}'))),
  SCITT_INVALID: () => thrown(() => core.decodeScittReceipt(honest())),
  FORMAT_VERSION_UNKNOWN: () => ends(...verify(write('receipt.json', '{"format": "lianzheng-receipt/v2"}'))),

  BODY_TOO_LARGE: async () => http(await network.ask('/api/v1/records', { body: ' '.repeat(200_001) })),
  BODY_INVALID: async () => http(await network.ask('/api/v1/records', { body: '{}' })),
  QUERY_INVALID: () => get('/api/v1/trails/power:粤01-R0001?limit=all', 'inspector'),
  NOT_FOUND: () => get('/api/v2'),
  LOG_UNKNOWN: () => get('/api/v1/logs/none/records/0'),
  ENTRY_UNKNOWN: () => get('/api/v1/logs/public/records/99999'),
  AUTH_REQUIRED: () => get('/api/v1/whoami'),
  AUTH_INVALID: async () => http(await network.ask('/api/v1/logs', { authorization: 'Bearer x' })),
  ACCESS_DENIED: () => get('/api/v1/trails/power:粤01-R0001', 'lawyer'),
  READ_NOT_RECORDED: async () => {
    const made = await TestNetwork.make()
    try {
      made.rewriteConfig((text) => text.replace(/ +- \{ name: supervision, .*\n/, ''))
      await made.start()
      return http(await made.ask(`/api/v1/trails/file:sha256-${'ab'.repeat(32)}`, { as: 'clerk' }))
    } finally {
      await made.close()
    }
  },
  OVERLOADED: async () => {
    const made = await TestNetwork.open({
      config: { limits: { bodyBytes: 200_000, waiting: 8 }, batch: { intervalMs: 200, maxRecords: 1_000 } }
    })
    const records = Array.from({ length: 12 }, (_, i) => made.sign(fix(`${i}`), 'clerk'))
    const answers = await Promise.all(records.map((record) => made.post(record)))
    await made.close()
    const refused = answers.find(({ status }) => status !== 201)!
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(answers.some(({ status }) => status === 201)).toBe(true)
    return http(refused)
  },
  DISK_FULL: async () => {
    const made = await TestNetwork.open()
    await made.stop()
    await made.start({ limits: { diskFreeBytes: Number.MAX_SAFE_INTEGER } })
    const answer = await made.post(made.sign(fix('no room'), 'clerk'))
    expect(answer.headers.get('retry-after')).toBe('30')
    expect((await made.ask('/readyz')).text).toBe('not ready: DISK_FULL\n')
    expect((await made.ask('/api/v1/status')).json()).toMatchObject({ ready: false, hindrance: 'DISK_FULL' })
    expect((await made.ask('/logs/evidence/checkpoint')).status).toBe(200)
    await made.close()
    return http(answer)
  },
  REQUEST_TIMEOUT: async () => {
    const made = await TestNetwork.open({ config: { limits: { headersMs: 100, requestMs: 100 } } })
    const seen = await raw(
      made.url,
      'POST /api/v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{'
    )
    await made.close()
    return seen
  },
  REQUEST_INVALID: () => raw(network.url, 'hello\r\n\r\n'),
  STOPPING: whileStopping,
  INTERNAL: async () => {
    const errors: unknown[] = []
    const broken = { ...network.node.context, policy: 'x', onError: (error: unknown) => errors.push(error) }
    Object.defineProperty(broken, 'version', {
      get: () => {
        throw new Error('secret detail')
      }
    })
    const server = createServer(createApp(broken))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/status`)
    const text = await response.text()
    server.closeAllConnections()
    server.close()
    expect([errors.length, text.includes('secret detail')]).toEqual([1, false])
    return { code: (JSON.parse(text) as { code: string }).code, http: response.status }
  },

  CONFIG_INVALID: () => configured('dataDir', 'datadir'),
  CONFIG_UNREADABLE: () => ends('serve', '--config', desk.path('missing.yaml')),
  STORE_UNREADABLE: () =>
    serve((made) => {
      rmSync(made.dataDir('evidence'), { recursive: true })
      writeFileSync(made.dataDir('evidence'), 'not a directory')
    }),
  STORE_FOREIGN: () =>
    serve((made) => {
      renameSync(made.dataDir('evidence'), made.dataDir('public').concat('.old'))
      renameSync(made.dataDir('public'), made.dataDir('evidence'))
    }),
  WORK_FOREIGN: () => {
    const work = desk.path('not an audit')
    for (const log of ['evidence', 'supervision', 'personnel', 'public']) {
      mkdirSync(join(work, log), { recursive: true })
      writeFileSync(join(work, log, 'letter.txt'), '')
    }
    const inspector = ['--policy', network.policyFile, '--key', network.keyFile('inspector')]
    return ends('audit', '--url', network.url, ...inspector, '--work', work)
  },
  STORE_VERSION: () =>
    serve((made) =>
      meddle(made, 'evidence', FORMAT_KEY, () => encodeValue({ version: STORE_VERSION + 1, origin: 'court.example/evidence' }))
    ),
  STORE_DISAGREES: () =>
    serve(async (made) => {
      // The head as it was, with everything after it still there.
      let before: Uint8Array | undefined
      await meddle(made, 'evidence', HEAD_KEY, (value) => (before = value))
      await made.start()
      await made.put(fix('one more'), 'clerk')
      await made.stop()
      await meddle(made, 'evidence', HEAD_KEY, () => before!)
    }),
  STORE_CORRUPT: () => serve((made) => meddle(made, 'evidence', HEAD_KEY, (value) => value.subarray(1))),
  CLOCK_BACKWARDS: () =>
    serve(async (made) => {
      made.now = Date.now() + 3_600_000
      await made.start()
      await made.put(fix('an hour ahead'), 'clerk')
      await made.stop()
    }),

  LOG_NOT_WATCHED: () => watching((made) => add(made, new Stranger('elsewhere', 3).extend(0, 3))),
  CHECKPOINT_NOT_SIGNED: () => watching((made) => add(made, new Stranger(stranger.origin, 3, 'other key').extend(0, 3))),
  HEAD_CONFLICT: () =>
    watching(async (made) => {
      const { status, text } = await made.ask('/witness/add-checkpoint', { body: stranger.extend(2, 3) })
      return { code: text === '0\n' ? 'HEAD_CONFLICT' : text, http: status }
    }),
  CHECKPOINT_INCONSISTENT: () =>
    watching((made) => add(made, stranger.extend(0, 0, stranger.checkpoint(0, { root: stranger.root(1) })))),
  NO_PENDING_CHECKPOINT: () => mirroring(LyingNode.start(), async (made, log) => upload(made, log)),
  MIRROR_DISAGREES: () =>
    mirroring(LyingNode.start(), async (made, log) => {
      log.seal()
      await announce(made, log)
      return upload(made, log)
    }),
  MIRROR_STOPPED: () =>
    mirroring(LyingNode.start([], { catalogue: 99 }), async (made, log) => {
      await announce(made, log)
      return upload(made, log)
    }),
  SEAL_AHEAD: () =>
    mirroring(new LyingNode(), async (made, log) => {
      log.now = Date.now() + 3_600_000
      log.genesis()
      log.seal()
      await announce(made, log)
      return upload(made, log)
    }),
  COSIGNER_STATE_LOST: () =>
    watching(async (made) => {
      await made.stop()
      rmSync(made.path('data/court/.cosigner'), { recursive: true })
      await made.start(WATCH)
      return add(made, stranger.extend(0, 3))
    }),

  USAGE: () => ends('audit', '--policy', network.policyFile),
  FILE_UNREADABLE: () => ends(...verify(desk.path('missing'))),
  FILE_CHANGED: async () => {
    const file = write('growing.bin', new Uint8Array(2 << 20))
    const onProgress = () => appendFileSync(file, 'x')
    const ran = await desk.run([...verify(await receipt()), file], { watched: true, onProgress })
    return { code: /^error ([A-Z_]+)/m.exec(ran.err)?.[1], exit: ran.status }
  },
  RUN_UNFINISHED: async () => {
    const lines = ['fix', write('a.txt', 'a'), '--set', 'material=object', '--key', network.keyFile('clerk')]
    const out = ['--policy', network.policyFile, '-o', desk.path('cut short')]
    // A node that is gone before the records come.
    const cut = createServer(async (request, response) => {
      if (request.method === 'POST') {
        request.socket.destroy()
        return
      }
      const { authorization } = request.headers
      const answer = await network.ask(request.url!, authorization === undefined ? {} : { authorization })
      response.writeHead(answer.status).end(answer.text)
    })
    await new Promise<void>((resolve) => cut.listen(0, '127.0.0.1', resolve))
    const { port } = cut.address() as AddressInfo
    expect(await ends(...lines, '--url', `http://127.0.0.1:${port}`, ...out)).toEqual({ code: 'UNREACHABLE', exit: 3 })
    cut.close()
    return ends(...lines, '--set', 'kind=E4', '--url', network.url, ...out)
  },
  SHEET_INVALID: () =>
    ends(
      ...['fix', write('a.txt', 'a'), '--list', 'new', '--sheet', write('sheet.csv', 'name\n'), '--set', 'receivedAt=now'],
      ...['--key', network.keyFile('clerk'), '--url', network.url, '-o', desk.path('out')]
    ),
  FILE_EXISTS: () => ends('key', 'new', '--out', network.policyFile),
  UNREACHABLE: () => ends('trail', 'court:粤01', '--url', 'http://127.0.0.1:1', '--policy', network.policyFile),
  ANSWER_INVALID: () =>
    saying(
      () => ({ body: 'hello' }),
      (url) => ends('trail', 'court:粤01', '--url', url, '--policy', network.policyFile)
    ),
  ANSWER_TOO_LARGE: async () => {
    const server = createServer((_, response) => {
      const more = () => {
        while (response.write(' '.repeat(1_000_000)));
      }
      response.on('drain', more)
      more()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      return await ends('registry', 'revoke', 'A'.repeat(43), '--reason', 'left', '--key', network.keyFile('clerk'), '--url', url)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  },
  HEAD_WENT_BACK: async () => {
    const made = await TestNetwork.open()
    const look = () => ends('trail', 'court:粤01', '--url', made.url, '--policy', made.policyFile)
    const older = made.path('older')
    await made.stop()
    cpSync(made.dataDir(), older, { recursive: true })
    await made.start()
    await made.put({ type: 'recusal.disclosed', at: AT, court: '粤01', entry: 'e', status: 'related' }, 'personnel')
    expect(await look()).toEqual({ code: undefined, exit: 0 })
    await made.stop()
    rmSync(made.dataDir(), { recursive: true })
    renameSync(older, made.dataDir())
    await made.start()
    const seen = await look()
    await made.close()
    return seen
  }
}

/** Signed by one person under the key id of another. */
function withKidOf(named: Name, signer: Name): Uint8Array {
  const { protectedBytes, payload: inner } = decodeSign1(network.sign(fix('whose'), named).statement)
  const signature = network.user(signer).signer.sign(core.toBeSigned(protectedBytes, inner!))
  return encodeSign1({ protectedBytes, payload: inner, signature })
}

/** Registered with dates, then used. */
async function dated(dates: object, seed: number): Promise<Seen> {
  const who = user(seed)
  const record = { type: 'registry.key', at: AT, key: keyOf(who), org: who.org, staff: who.staff, roles: ['leader'], ...dates }
  await network.put(record, 'admin-court', { log: 'supervision' })
  return signed(opinion(), who)
}

describe('every code is met outside, with the status of the table', () => {
  it.each(Object.keys(provocations) as (keyof typeof provocations)[])('%s', async (code) => {
    const [status, exit] = CODES[code]
    const seen = await provocations[code]()
    expect(seen.code).toBe(code)
    if (seen.http !== undefined) expect(seen.http).toBe(status)
    if (seen.exit !== undefined) expect(seen.exit).toBe(exit)
    expect(seen.http ?? seen.exit ?? seen.library).toBeDefined()
  })
})
