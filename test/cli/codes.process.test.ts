/** What takes a second process to be seen: two nodes that want the same directory or port, a disk that takes no more, and what a process leaves behind. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LedgerClient } from '../../src/client/client.ts'
import { base64url } from '../../src/core/bytes.ts'
import { CODES } from '../../src/core/errors.ts'
import { openLevel } from '../../src/store/level.ts'
import { BY_PROCESS } from '../helpers/codes.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { LyingNode } from '../helpers/lying-node.ts'
import { type Finished, freePort, lianzheng, Network, NodeProcess } from '../helpers/node-process.ts'

const home = mkdtempSync(join(tmpdir(), 'lianzheng-processes-'))
let network: Network
let node: NodeProcess
const met = new Set<string>()
const transcript: string[] = []

beforeAll(async () => {
  network = await Network.init(join(home, 'network'))
  node = await NodeProcess.start(network.config)
})
afterAll(async () => {
  await node.terminate()
  rmSync(home, { recursive: true, force: true })
})

async function sign(record: { [name: string]: unknown }, name: string, staff: string, log: string) {
  const { secret } = await network.key(name)
  const user = { org: 'gz-court', staff, roles: [], signer: secret!.signer }
  return new LyingNode(`court.example/${log}`, `${name} ${Math.random()}`).sign(record, user)
}
const post = (records: unknown, query = '?reply=index') =>
  fetch(`${network.url}/api/v1/records${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(records)
  })
const sent = ({ statement, disclosures }: { statement: Uint8Array; disclosures: Uint8Array[] }) => ({
  statement: base64url(statement),
  disclosures: disclosures.map(base64url)
})

/** `serve`, refused: the same code to people and to machines, on the right stream. */
function refused({ code, stdout, stderr }: Finished, expected: (typeof BY_PROCESS)[number]): void {
  transcript.push(stdout, stderr)
  expect([stderr.split(':')[0], stdout, code]).toEqual([`错误 ${expected}`, '', CODES[expected][1]])
  met.add(expected)
}
function configured(name: string, change: (text: string) => string): string {
  const file = join(network.directory, name)
  writeFileSync(file, change(readFileSync(network.config, 'utf8')))
  return file
}
const chinese = (config: string) => lianzheng('serve', '--config', config, '--lang', 'zh')

describe('two nodes', () => {
  it('do not share a data directory', async () => {
    const port = await freePort()
    refused(
      await chinese(configured('second.yaml', (text) => text.replace(/listen: .*/, `listen: 127.0.0.1:${port}`))),
      'DATA_DIR_IN_USE'
    )
    const audit = await lianzheng('audit', '--data', network.data, '--policy', network.policyFile, '--lang', 'en')
    expect([audit.code, audit.stderr.split(':')[0]]).toEqual([3, 'error DATA_DIR_IN_USE'])
  })

  it('do not share a port', async () => {
    const other = await Network.init(join(home, 'other'))
    const port = new URL(network.url).port
    writeFileSync(other.config, readFileSync(other.config, 'utf8').replace(/listen: .*/, `listen: 127.0.0.1:${port}`))
    refused(await chinese(other.config), 'PORT_IN_USE')
  })

  it('the first goes on as if nothing had been', async () => {
    const answer = await post(sent(await sign(fix('undisturbed'), 'clerk', '粤01-R0101', 'evidence')))
    expect(answer.status).toBe(201)
  })
})

describe('a disk that takes no more', () => {
  it('ends the node with STORE_FAILED; what was acknowledged is there afterwards', async () => {
    transcript.push(node.stdout, node.stderr)
    await node.terminate()
    const limited = ['bash', '-c', 'ulimit -f 512 && exec "$0" "$@"']
    node = await NodeProcess.start(network.config, limited)
    const acknowledged: { index: number; leaf: string }[] = []
    for (let round = 0; round < 50; round++) {
      const records = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          sign(fix(`${round} ${i}`, { sealed: { source: '某'.repeat(1_500) } }), 'clerk', '粤01-R0101', 'evidence')
        )
      )
      try {
        const answer = await post(records.map(sent))
        for (const place of (await answer.json()) as { code?: string; index: number; leaf: string }[])
          if (place.code === undefined) acknowledged.push(place)
          else met.add(place.code)
      } catch {
        break
      }
    }
    const { code } = await node.ended
    transcript.push(node.stdout, node.stderr)
    expect([code, node.stderr]).toEqual([3, expect.stringMatching(/^(?:错误|error) STORE_FAILED: /m)])
    met.add('STORE_FAILED')
    expect(acknowledged.length).toBeGreaterThan(0)

    node = await NodeProcess.start(network.config)
    const client = new LedgerClient({ url: network.url, key: await network.key('clerk') })
    for (const { index, leaf } of acknowledged) {
      const found = await client.json<{ index: number }>(`/api/v1/logs/evidence/records/${leaf}`)
      expect(found.index).toBe(index)
    }
  })
})

describe('a classified matter', () => {
  const marker = `绝密项目${Math.random().toString(36).slice(2)}`
  const control = `平常案件${Math.random().toString(36).slice(2)}`
  const caseOf = (name: string) => `（2015）${name}号`

  it('leaves nothing: neither in the store nor in what the node prints', async () => {
    const { secret } = await network.key('president')
    const president = { org: 'gz-court', staff: '粤01-R0001', roles: [], signer: secret!.signer }
    for (const secrecy of ['秘密', '机密', '绝密', '', 'none', 7, null]) {
      const record = opinion({ case: caseOf(marker), sealed: { content: marker } })
      const signed = new LyingNode('court.example/supervision', `${marker} ${secrecy}`).sign(record, president, {
        body: (body) => (body.secrecy = secrecy)
      })
      for (const body of [sent(signed), [sent(signed)]]) {
        const answer = await post(body)
        const text = await answer.text()
        expect(text).toContain('CLASSIFIED_NOT_ACCEPTED')
        expect(text).not.toContain(marker)
        if (!Array.isArray(body)) expect(answer.status).toBe(403)
      }
    }
    const kept = await post(
      sent(await sign(opinion({ case: caseOf(control), sealed: { content: control } }), 'president', '粤01-R0001', 'supervision'))
    )
    expect(kept.status).toBe(201)

    await node.terminate()
    transcript.push(node.stdout, node.stderr)
    const found = await keptAnywhere([marker, control])
    node = await NodeProcess.start(network.config)
    expect(found).toEqual([control])
    expect(transcript.join('\n')).not.toContain(marker)
  })

  /** Which of some words stand anywhere under the data directory, as bytes of files or as values of the stores. */
  async function keptAnywhere(words: readonly string[]): Promise<string[]> {
    const held: Buffer[] = []
    for (const name of readdirSync(network.data).filter((name) => name.endsWith('.head')))
      held.push(readFileSync(join(network.data, name)))
    for (const log of readdirSync(network.data).filter((name) => !name.endsWith('.head'))) {
      const directory = join(network.data, log)
      for (const name of readdirSync(directory)) held.push(readFileSync(join(directory, name)))
      const store = await openLevel(directory, { mustExist: true })
      for await (const [key, value] of store.range({ gte: new Uint8Array(0), lt: Uint8Array.of(255) }))
        held.push(Buffer.from(key), Buffer.from(value))
      await store.close()
    }
    return words.filter((word) => held.some((bytes) => bytes.includes(word)))
  }
})

it('all codes that need a process were met', () => expect(BY_PROCESS.filter((code) => !met.has(code))).toEqual([]))

it('no process has printed a secret', async () => {
  transcript.push(node.stdout, node.stderr)
  const names = readdirSync(join(network.directory, 'keys')).map((file) => file.replace('.key.json', ''))
  const keys = await Promise.all(names.map((name) => network.key(name)))
  const secrets = [
    readFileSync(join(network.directory, 'seeds/court.seed'), 'utf8').trim(),
    ...keys.map(({ secret }) => base64url(secret!.seed))
  ]
  expect(secrets.length).toBeGreaterThan(10)
  const all = transcript.join('\n')
  expect(all).toContain('"event":"ready"')
  expect(secrets.filter((secret) => all.includes(secret))).toEqual([])
})
