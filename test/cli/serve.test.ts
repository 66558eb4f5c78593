import { chmodSync, cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entryKey, NOTE_KEY, tileKey } from '../../src/store/layout.ts'
import { openLevel } from '../../src/store/level.ts'
import { put, remove, type Write } from '../../src/store/store.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { fix } from '../helpers/lab.ts'
import { TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
const secrets: string[] = []
afterAll(() => {
  expect(secrets.length).toBeGreaterThan(0)
  expect(leaked(secrets)).toEqual([])
})

interface Refusal {
  code: string
  at?: string
  field?: string
  expected?: string
}
/** `serve` on a node that must not start. */
async function refusal(config: string, status: number): Promise<Refusal> {
  return (await desk.json<{ error: Refusal }>(['serve', '--config', config], status)).error
}

describe('a configuration that is not valid stops the start, with file, line and field', () => {
  let network: TestNetwork
  let good: string
  beforeAll(async () => {
    network = await TestNetwork.make()
    good = readFileSync(network.configFile, 'utf8')
    secrets.push(...network.secrets)
  })
  afterAll(() => network.close())

  const line = (text: string) => good.split('\n').findIndex((row) => row.startsWith(text)) + 1
  const cases: [string, [string | RegExp, string], string | undefined, () => number | string | undefined, string?][] = [
    ['an unknown key', ['policy:', 'colour: red\npolicy:'], 'colour', () => line('policy'), 'CONFIG_INVALID'],
    ['a key mistyped', ['seedFile:', 'seedfile:'], 'seedFile', () => 2],
    ['a missing key', [/listen: .*\n/, ''], 'listen', () => 2],
    ['a missing policy', [/policy: .*\n/, ''], 'policy', () => 2],
    ['an unknown key within', ['{ name: evidence,', '{ name: evidence, size: 3,'], 'logs.0.size', () => line('logs') + 1],
    [
      'a missing key within',
      ['{ name: supervision, class: internal }', '{ name: supervision }'],
      'logs.1.class',
      () => line('logs') + 2
    ],
    ['a class nobody knows', ['class: personnel', 'class: secret'], 'logs.2.class', () => line('logs') + 3],
    ['a wrong type', ['maxRecords: 1000', 'maxRecords: many'], 'batch.maxRecords', () => line('batch')],
    ['a number out of bounds', ['maxRecords: 1000', 'maxRecords: 0'], 'batch.maxRecords', () => line('batch')],
    ['no logs', [/logs:[\s\S]*(?=batch)/, 'logs: []\n'], 'logs', () => line('logs')],
    ['a log twice', ['name: public', 'name: evidence'], 'logs.3.name', () => line('logs') + 4],
    ['a name in capitals', ['name: court.example', 'name: Court.example'], 'name', () => line('name')],
    ['a log name with a slash', ['name: public', 'name: pub/lic'], 'logs.3.name', () => line('logs') + 4],
    ['an address without a port', [/listen: .*/, 'listen: 127.0.0.1'], 'listen', () => line('listen')],
    ['a port beyond 65535', [/listen: .*/, 'listen: 127.0.0.1:65536'], 'listen', () => line('listen')],
    ['a URL that is none', [/publicUrl: .*/, 'publicUrl: here'], 'publicUrl', () => line('publicUrl')],
    ['a key twice', ['policy:', 'name: other.example\npolicy:'], undefined, () => line('policy')],
    ['no YAML', ['name:', '- name:'], undefined, () => 3],
    ['no map', [/[\s\S]*/, 'hello'], '', () => 1],
    ['nothing', [/[\s\S]*/, ''], '', () => 1],
    [
      'a flood of aliases',
      [
        /[\s\S]*/,
        `a: &a [1]\n${Array.from(
          { length: 200 },
          (_, i) =>
            `b${i}: &b${i} [${Array(9)
              .fill(i === 0 ? '*a' : `*b${i - 1}`)
              .join()}]`
        ).join('\n')}`
      ],
      undefined,
      () => 1
    ],
    [
      'a name that is too long for its origins',
      ['court.example', 'a'.repeat(200)],
      'logs.0.name',
      () => line('logs') + 1,
      'NAME_INVALID'
    ]
  ]

  it.each(cases)('%s', async (_, [from, to], field, at, code = 'CONFIG_INVALID') => {
    writeFileSync(network.configFile, good.replace(from, to))
    const error = await refusal(network.configFile, 2)
    expect(error).toMatchObject({ code, at: `${network.configFile}:${at()}`, ...(field === undefined ? {} : { field }) })
    expect(error.expected).toBeTruthy()
  })

  it('the line is said to people as well', async () => {
    writeFileSync(network.configFile, good.replace('policy:', 'colour: red\npolicy:'))
    const { err } = await desk.run(['serve', '--config', network.configFile, '--lang', 'zh'])
    expect(err).toBe(
      `错误 CONFIG_INVALID: 配置不正确（${network.configFile}:${line('policy')}，字段 colour，应为 已知的配置项）\n  → 请改正所指的行\n`
    )
  })

  it('files it names that are not there, or not what they should be', async () => {
    writeFileSync(network.configFile, good)
    const files: [string, string | undefined, number, Refusal][] = [
      ['court.yaml', undefined, 0o600, { code: 'CONFIG_UNREADABLE', at: network.configFile }],
      ['policy.txt', undefined, 0o600, { code: 'CONFIG_UNREADABLE', at: network.policyFile }],
      ['policy.txt', 'quorum none\nwitness x\n', 0o600, { code: 'POLICY_INVALID', at: `${network.policyFile}:2` }],
      ['seeds/court.seed', undefined, 0o600, { code: 'CONFIG_UNREADABLE', at: network.path('seeds/court.seed') }],
      [
        'seeds/court.seed',
        'ab'.repeat(31),
        0o600,
        { code: 'CONFIG_INVALID', field: 'seedFile', expected: '64 lower-case hex digits' }
      ],
      [
        'seeds/court.seed',
        `${'AB'.repeat(32)}\n`,
        0o600,
        { code: 'CONFIG_INVALID', field: 'seedFile', expected: '64 lower-case hex digits' }
      ],
      ['seeds/court.seed', `${'ab'.repeat(32)}\n`, 0o640, { code: 'CONFIG_INVALID', field: 'seedFile', expected: 'mode 0600' }],
      ['seeds/court.seed', `${'ab'.repeat(32)}\n`, 0o604, { code: 'CONFIG_INVALID', field: 'seedFile', expected: 'mode 0600' }]
    ]
    for (const [name, content, mode, expected] of files) {
      const file = network.path(name)
      cpSync(file, `${file}.kept`)
      rmSync(file)
      if (content !== undefined) writeFileSync(file, content)
      if (content !== undefined) chmodSync(file, mode)
      expect(await refusal(network.configFile, 2)).toMatchObject(expected)
      rmSync(file, { force: true })
      renameSync(`${file}.kept`, file)
    }
  })

  it('genesis that is not there, or was made for other keys; nothing is written then', async () => {
    const folder = network.path('genesis/court/evidence')
    renameSync(folder, `${folder}.kept`)
    expect(await refusal(network.configFile, 2)).toMatchObject({ code: 'CONFIG_UNREADABLE', at: folder })
    renameSync(`${folder}.kept`, folder)

    const seed = network.path('seeds/court.seed')
    const own = readFileSync(seed)
    writeFileSync(seed, `${'ab'.repeat(32)}\n`)
    expect(await refusal(network.configFile, 3)).toMatchObject({ code: 'STORE_FOREIGN', field: 'seedFile' })
    writeFileSync(seed, own)

    const genesis = `${folder}/00-genesis.cose`
    const bytes = readFileSync(genesis)
    writeFileSync(genesis, bytes.subarray(1))
    expect(await refusal(network.configFile, 1)).toMatchObject({ code: 'STATEMENT_FORM', at: genesis })
    writeFileSync(genesis, bytes)

    await network.start({ limits: { bodyBytes: 200_000, waiting: 1 } })
    expect((await network.ask('/api/v1/logs')).json<{ size: number }[]>().every(({ size }) => size > 9)).toBe(true)
    await network.stop()
  })

  it('an address that cannot be had', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const where = `127.0.0.1:${(taken.address() as { port: number }).port}`
    writeFileSync(network.configFile, good.replace(/listen: .*/, `listen: ${where}`))
    expect(await refusal(network.configFile, 3)).toMatchObject({ code: 'PORT_IN_USE', at: where })
    taken.close()
    writeFileSync(network.configFile, good.replace(/listen: .*/, 'listen: 192.0.2.1:7401'))
    expect(await refusal(network.configFile, 2)).toMatchObject({ code: 'CONFIG_INVALID', field: 'listen', at: '192.0.2.1:7401' })
  })
})

describe('a data directory that is not as the node left it stops the start', () => {
  let network: TestNetwork
  let other: TestNetwork
  let size: number
  beforeAll(async () => {
    network = await TestNetwork.open()
    other = await TestNetwork.open()
    secrets.push(...network.secrets, ...other.secrets)
    for (const at of [network, other]) for (let i = 0; i < 3; i++) await at.put(fix(`${i}`), 'clerk')
    size = (await network.ask('/api/v1/logs')).json<{ size: number }[]>()[0]!.size
    await network.stop()
    await other.stop()
    cpSync(network.dataDir(), network.path('good'), { recursive: true })
  })
  afterAll(async () => {
    await network.close()
    await other.close()
  })

  const dir = () => network.dataDir('evidence')
  async function write(change: (get: (key: Uint8Array) => Uint8Array) => Write[]): Promise<void> {
    const store = await openLevel(dir())
    await store.write(
      change((key) => store.get(key)!),
      { durable: true }
    )
    await store.close()
  }
  const flip = (bytes: Uint8Array, at = bytes.length - 1) => bytes.with(at, bytes[at]! ^ 1)
  const files = (ending: string) =>
    readdirSync(dir())
      .filter((name) => name.endsWith(ending))
      .map((name) => `${dir()}/${name}`)
  const taken = (name: string, from: TestNetwork = network) => {
    rmSync(dir(), { recursive: true })
    cpSync(from === network ? network.path('good', name) : from.dataDir('evidence'), dir(), { recursive: true })
  }

  const cases: [string, () => Promise<void> | void, string[], string?][] = [
    ['the seal changed', () => write((get) => [put(entryKey(size - 1), flip(get(entryKey(size - 1))))]), ['STORE_DISAGREES']],
    ['the seal gone', () => write(() => [remove(entryKey(size - 1))]), ['STORE_CORRUPT']],
    ['an entry beyond the head', () => write((get) => [put(entryKey(size), get(entryKey(size - 1)))]), ['STORE_DISAGREES']],
    ['a tile changed', () => write((get) => [put(tileKey(0, 0), flip(get(tileKey(0, 0))))]), ['STORE_DISAGREES']],
    [
      'the signed head changed',
      () => write((get) => [put(NOTE_KEY, flip(get(NOTE_KEY), 30))]),
      ['STORE_DISAGREES', 'STORE_CORRUPT', 'STORE_FOREIGN']
    ],
    [
      'the signed head of another network',
      async () => {
        const store = await openLevel(other.dataDir('evidence'))
        const note = store.get(NOTE_KEY)!
        await store.close()
        await write(() => [put(NOTE_KEY, note)])
      },
      ['STORE_FOREIGN']
    ],
    ['another log of this node', () => taken('supervision'), ['STORE_FOREIGN']],
    ['the same log of another network', () => taken('evidence', other), ['STORE_FOREIGN']],
    [
      'the list of files gone',
      () =>
        files('')
          .filter((name) => name.includes('MANIFEST'))
          .forEach((name) => void rmSync(name)),
      ['STORE_UNREADABLE']
    ],
    ['the pointer to it damaged', () => writeFileSync(`${dir()}/CURRENT`, 'nothing'), ['STORE_UNREADABLE']]
  ]

  it.each(cases)('%s', async (_, change, codes) => {
    rmSync(network.dataDir(), { recursive: true, force: true })
    cpSync(network.path('good'), network.dataDir(), { recursive: true })
    await change()
    const { code } = await refusal(network.configFile, 3)
    expect(codes).toContain(code)
  })

  it('and as it was, it starts', async () => {
    rmSync(network.dataDir(), { recursive: true, force: true })
    cpSync(network.path('good'), network.dataDir(), { recursive: true })
    await network.start()
    expect((await network.ask('/readyz')).status).toBe(200)
    await network.stop()
  })
})
