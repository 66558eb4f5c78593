/** Peers that answer what they like: nothing but a good cosignature of this very head is believed, and nothing crashes. */
import { getEventListeners, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { parseCheckpoint } from '../../src/core/checkpoint.ts'
import { signCosignature } from '../../src/core/cosignature.ts'
import { FatalError } from '../../src/core/errors.ts'
import { formatSignatureLine, parseNote, parseVkey } from '../../src/core/note.ts'
import { Ledger } from '../../src/log/ledger.ts'
import { PeerClient } from '../../src/peer/client.ts'
import { formatMirrorInfo } from '../../src/peer/packages.ts'
import { Lab } from '../helpers/lab.ts'
import { cosigner, cosignerVkey } from '../helpers/lying-node.ts'

const NAME = 'notary.example/witness'
const OTHER = 'someone.example/witness'
type Said = { status?: number; type?: string; body?: string | Uint8Array; headers?: Record<string, string> }

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

const lab = await Lab.open()
const { note: full } = lab.sequencer.published!
const head = { note: full, checkpoint: parseCheckpoint(parseNote(full).text) }
const { text } = parseNote(full)
const line = (name = NAME, over = text, time = 1_600_000_000) =>
  formatSignatureLine(signCosignature(over, name, cosigner(name), time))
const zero = new Uint8Array(0)

/** What a client gets from a peer that says this to each request, in order; the last again and again. */
async function ask(role: 'witness' | 'mirror', ...said: Said[]) {
  return askOf(lab, role, ...said)
}
async function askOf(log: Lab, role: 'witness' | 'mirror', ...said: Said[]) {
  const paths: string[] = []
  server = createServer((request, response) => {
    paths.push(request.url!)
    request.resume()
    const { status = 200, type = 'text/plain', body = '', headers = {} } = said[Math.min(paths.length, said.length) - 1]!
    request.on('end', () => response.writeHead(status, { 'content-type': type, ...headers }).end(body))
  })
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const client = clientOf(log, role)
  const { signal } = new AbortController()
  const outcome = await client.cosign(head, signal).catch((error: Error) => error)
  return { outcome, paths, signal }
}

function clientOf(log: Lab, role: 'witness' | 'mirror'): PeerClient {
  const url = `http://127.0.0.1:${(server!.address() as AddressInfo).port}/x`
  return new PeerClient({
    peer: { name: NAME, role, url, vkeys: [parseVkey(cosignerVkey(NAME))] },
    logVkey: () => lab.keys.log.vkey,
    ledger: () => new Ledger(log.store),
    timeoutMs: 60_000
  })
}

/** A peer that never answers; `asked` resolves when it was asked. */
async function silent(): Promise<{ client: PeerClient; asked: Promise<unknown> }> {
  server = createServer()
  const asked = once(server, 'request')
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  return { client: clientOf(lab, 'witness'), asked }
}

test('a good line is taken, those of unknown keys beside it are not', async () => {
  const { outcome } = await ask('witness', { body: line(OTHER) + line() })
  expect(outcome).toMatchObject([{ name: NAME }])
})

test('no cosignature: of nobody known, of another head, flipped, without a time, no lines at all', async () => {
  const flipped = line().replace(/.....\n$/, (end) => `${end[0] === 'A' ? 'B' : 'A'}${end.slice(1)}`)
  const another = text.replace(/^[^\n]+/, 'another.example/log')
  for (const body of ['', line(OTHER), line(NAME, another), flipped, line(NAME, text, 0), 'nonsense', '\n', Uint8Array.of(0xff)])
    expect((await ask('witness', { body })).outcome, String(body)).toMatchObject({ code: 'ANSWER_INVALID' })
})

test('refusals, redirects, floods and endless conflicts end the attempt', async () => {
  const size = 'text/x.tlog.size'
  const cases: [Said[], string][] = [
    [[{ status: 404 }], 'ANSWER_INVALID'],
    [[{ status: 422, type: 'application/problem+json', body: '{"code": "CHECKPOINT_INCONSISTENT"}' }], 'ANSWER_INVALID'],
    [[{ status: 500 }], 'UNREACHABLE'],
    [[{ status: 429 }], 'UNREACHABLE'],
    [[{ status: 302, headers: { location: 'http://127.0.0.1:1/' } }], 'UNREACHABLE'],
    [[{ body: 'x'.repeat(300_000) }], 'UNREACHABLE'],
    [[{ status: 409, body: '3\n' }], 'ANSWER_INVALID'],
    [[{ status: 409, type: size, body: 'x\n' }], 'ANSWER_INVALID'],
    [[{ status: 409, type: size, body: '1\n' }], 'ANSWER_INVALID'],
    // It knows more than the log has, and shows nothing for it.
    [[{ status: 409, type: size, body: '9000\n' }, { status: 404 }], 'ANSWER_INVALID'],
    [[{ status: 409, type: size, body: '9000\n' }, { body: full }], 'ANSWER_INVALID']
  ]
  for (const [said, code] of cases) expect((await ask('witness', ...said)).outcome, JSON.stringify(said)).toMatchObject({ code })
  const { outcome } = await ask('witness', {
    status: 422,
    type: 'application/problem+json',
    body: '{"code": "CHECKPOINT_INCONSISTENT"}'
  })
  expect(String(outcome)).toContain('HTTP 422 CHECKPOINT_INCONSISTENT')
})

test('a mirror that never comes to an end is given up', async () => {
  const info = (status: 202 | 409, next: number, size = head.checkpoint.size): Said => ({
    status,
    type: 'text/x.tlog.mirror-info',
    body: formatMirrorInfo({ size, next, ticket: zero })
  })
  for (const said of [
    info(409, 0),
    info(202, 0),
    info(409, 10 ** 9),
    { status: 202, type: 'text/x.tlog.mirror-info', body: 'x' }
  ])
    expect((await ask('mirror', {}, said)).outcome).toMatchObject({ code: 'ANSWER_INVALID' })
  const { outcome, paths } = await ask('mirror', {}, info(409, 2), { body: line() })
  expect(outcome).toMatchObject([{ name: NAME }])
  expect(paths).toEqual(['/x/add-checkpoint', '/x/add-entries', '/x/add-entries'])
})

test('shown a head that this log has signed and does not have, the node stops: its newest entries are lost', async () => {
  const rich = await Lab.open()
  await rich.register({ ...(await import('../helpers/lab.ts')).user('later', ['clerk'], '粤01-R0777') })
  const { note, size } = rich.sequencer.published!
  expect(size).toBeGreaterThan(head.checkpoint.size)
  const { outcome } = await ask('witness', { status: 409, type: 'text/x.tlog.size', body: `${size}\n` }, { body: utf8(note) })
  expect(outcome).toBeInstanceOf(FatalError)
  expect(outcome).toMatchObject({ code: 'STORE_DISAGREES' })
})

test('asked about a head while the log has gone on, a peer that shows the newer one stops nothing', async () => {
  const grown = await Lab.open()
  await grown.register({ ...(await import('../helpers/lab.ts')).user('later', ['clerk'], '粤01-R0777') })
  const { note, size } = grown.sequencer.published!
  const { outcome } = await askOf(
    grown,
    'witness',
    { status: 409, type: 'text/x.tlog.size', body: `${size}\n` },
    { body: utf8(note) }
  )
  expect(outcome).not.toBeInstanceOf(FatalError)
  expect(outcome).toMatchObject({ code: 'ANSWER_INVALID' })
})

test('nothing is left of a request on what stops them all, which lives as long as the node', async () => {
  const { signal, paths } = await ask('witness', { status: 409, type: 'text/x.tlog.size', body: '1\n' }, { body: line() })
  expect(paths).toHaveLength(2)
  expect(getEventListeners(signal, 'abort')).toEqual([])
  // Signals made of others are counted in sets of the runtime's own.
  const followers = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kDependantSignals')!
  expect((signal as unknown as Record<symbol, { size: number } | undefined>)[followers]?.size ?? 0).toBe(0)
})

test('a client that is stopped asks nobody, and one that is stopped while it waits waits no longer', async () => {
  const stop = new AbortController()
  const { client, asked } = await silent()
  const waiting = client.cosign(head, stop.signal)
  await asked
  stop.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'UNREACHABLE' })
  await expect(client.cosign(head, stop.signal)).rejects.toMatchObject({ code: 'UNREACHABLE' })
})
