/** The mirror over real HTTP: every status of C2SP tlog-mirror, for a log of other software; and what it serves. */
import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, base64, concat, fromBase64, u64, utf8 } from '../../src/core/bytes.ts'
import { readCheckpoint } from '../../src/core/checkpoint.ts'
import { verifyCosignature, verifySubtree } from '../../src/core/cosignature.ts'
import { leafHash } from '../../src/core/hash.ts'
import { parseNote, type Vkey, verifyNoteSignature } from '../../src/core/note.ts'
import { decodeBundle } from '../../src/core/tile.ts'
import { keysOfCosigner, readSeed } from '../../src/node/keys.ts'
import { formatSignSubtree, parseSignatureLines } from '../../src/peer/messages.ts'
import { originHash } from '../../src/peer/witness.ts'
import { type Answer, TestNetwork } from '../helpers/network.ts'
import { Stranger } from '../helpers/stranger.ts'

const log = new Stranger()
const fork = new Stranger(log.origin, 600, 'stranger', 'other')
const PREFIX = `/mirror/${originHash(log.origin)}`
let network: TestNetwork
let vkeys: readonly [Vkey, Vkey]

beforeEach(async () => {
  network = await TestNetwork.make()
  await start()
  vkeys = keysOfCosigner(readSeed(network.path('seeds/court.seed')), 'court.example', 'mirror').vkeys
})
afterEach(() => network.close())

const start = () => network.start({ watch: [{ origin: log.origin, vkeys: [log.vkey], role: 'mirror' }] })
const add = (body: string) => network.ask('/mirror/add-checkpoint', { body, headers: { 'content-type': 'text/plain' } })
const send = (body: Bytes, headers = {}) =>
  network.ask('/mirror/add-entries', { body, headers: { 'content-type': 'application/octet-stream', ...headers } })
const code = (answer: Answer): [number, string] => [answer.status, answer.json<{ code: string }>().code]

function infoOf(answer: Answer): { status: number; size: number; next: number; ticket: Bytes } {
  expect(answer.headers.get('content-type')).toBe('text/x.tlog.mirror-info')
  const [size, next, ticket, end] = answer.text.split('\n')
  expect(end).toBe('')
  return { status: answer.status, size: Number(size), next: Number(next), ticket: fromBase64(ticket!) }
}

/** That the answer cosigns the note's checkpoint with both keys of the mirror. */
function cosigns(size: number, answer: Answer): void {
  const { text } = parseNote(log.checkpoint(size))
  const lines = parseSignatureLines(answer.bytes)
  expect([answer.status, lines.length]).toEqual([200, 2])
  for (const [i, line] of lines.entries()) expect(verifyCosignature(text, readCheckpoint(text), line, vkeys[i]!)).toBeDefined()
}

async function mirror(from: number, size: number): Promise<Answer> {
  const added = await add(log.extend(from, size))
  expect([added.status, added.text]).toEqual([200, ''])
  return send(log.upload(from, size))
}

describe('a copy of a stranger’s log', () => {
  it('is cosigned when it is whole, and served as it was', async () => {
    for (const [from, size] of [
      [0, 3],
      [3, 300],
      [300, 300],
      [300, 600]
    ] as const) {
      cosigns(size, await mirror(from, size))
      const note = parseNote((await network.ask(`${PREFIX}/checkpoint`)).text)
      expect(note.text).toBe(parseNote(log.checkpoint(size)).text)
      expect(verifyNoteSignature(note.text, note.signatures[0]!, log.vkey)).toBe(true)
      expect(note.signatures.length).toBe(3)
    }
    const full = await network.ask(`${PREFIX}/tile/entries/001`)
    expect(decodeBundle(full.bytes, 256)).toEqual(log.entries.slice(256, 512))
    const partial = await network.ask(`${PREFIX}/tile/entries/002.p/88`)
    expect(decodeBundle(partial.bytes, 88)).toEqual(log.entries.slice(512, 600))
    expect((await network.ask(`${PREFIX}/tile/0/002.p/88`)).bytes).toEqual(concat(...log.entries.slice(512).map(leafHash)))
    expect((await network.ask(`${PREFIX}/tile/1/000.p/2`)).bytes.length).toBe(64)
    for (const path of ['tile/0/003', 'tile/entries/002', 'tile/0/002.p/89', 'tile/x', 'nothing'])
      expect((await network.ask(`${PREFIX}/${path}`)).status, path).toBe(404)

    const note = (await network.ask(`${PREFIX}/checkpoint`)).text
    const { hash, proof } = log.subtree(512, 600, 600)
    const signed = await network.ask('/mirror/sign-subtree', {
      body: formatSignSubtree({ start: 512, end: 600, hash, proof }, note)
    })
    const [line] = parseSignatureLines(signed.bytes)
    expect(verifySubtree({ origin: log.origin, start: 512, end: 600, hash }, line!, vkeys[1])).toBe(true)
  })

  it('goes on where it was after a restart, and after an upload that was cut short', async () => {
    expect((await add(log.extend(0, 600))).status).toBe(200)
    expect(infoOf(await send(log.upload(0, 600, { packages: 1 })))).toMatchObject({ status: 202, size: 600, next: 256 })
    await network.stop()
    await start()
    const whole = log.upload(256, 600)
    expect(infoOf(await send(whole.subarray(0, whole.length - 1)))).toMatchObject({ status: 202, size: 600, next: 512 })
    expect((await network.ask(`${PREFIX}/checkpoint`)).status).toBe(404)
    cosigns(600, await send(log.upload(512, 600)))
  })

  it('takes entries again that it has, and packages that begin within others', async () => {
    await mirror(0, 300)
    expect((await add(log.extend(300, 600))).status).toBe(200)
    expect(infoOf(await send(log.upload(290, 600, { packages: 1 })))).toMatchObject({ status: 202, next: 512 })
    cosigns(600, await send(log.upload(0, 600)))
    cosigns(600, await send(log.upload(600, 600)))
  })

  it('takes gzip, and many uploads at once', async () => {
    expect((await add(log.extend(0, 600))).status).toBe(200)
    const packed = new Uint8Array(gzipSync(log.upload(0, 600)))
    const answers = await Promise.all([1, 2, 3].map(() => send(packed, { 'content-encoding': 'gzip' })))
    for (const answer of answers) cosigns(600, answer)
    expect(answers[0]!.headers.get('accept-encoding')).toBe('gzip')
    expect(code(await send(packed, { 'content-encoding': 'br' }))).toEqual([400, 'BODY_INVALID'])
    expect(code(await send(packed.subarray(0, 20), { 'content-encoding': 'gzip' }))).toEqual([400, 'BODY_INVALID'])
  })

  it('goes on with an earlier checkpoint by its ticket, though the log has grown', async () => {
    expect((await add(log.extend(0, 300))).status).toBe(200)
    const { ticket } = infoOf(await send(log.upload(0, 300, { packages: 1 })))
    expect((await add(log.extend(300, 600))).status).toBe(200)
    expect(infoOf(await send(log.upload(256, 300)))).toMatchObject({ status: 409, size: 600, next: 256 })
    const forged = ticket.map((byte, i) => (i === 40 ? byte ^ 1 : byte))
    expect(infoOf(await send(log.upload(256, 300, { ticket: forged })))).toMatchObject({ status: 409, size: 600 })
    cosigns(300, await send(log.upload(256, 300, { ticket })))
    cosigns(600, await send(log.upload(300, 600)))
    // The mirror checkpoint never goes back.
    expect(infoOf(await send(log.upload(300, 300, { ticket })))).toMatchObject({ status: 409, size: 600, next: 600 })
  })
})

describe('what it refuses', () => {
  it('404: a log it does not mirror; 422: entries before any checkpoint', async () => {
    const unknown = new Stranger('another.example/log', 5)
    expect(code(await send(unknown.upload(0, 5)))).toEqual([404, 'LOG_NOT_WATCHED'])
    expect((await network.ask(`/mirror/${originHash(unknown.origin)}/tile/0/000.p/1`)).status).toBe(404)
    expect(code(await send(log.upload(0, 5)))).toEqual([422, 'NO_PENDING_CHECKPOINT'])
  })

  it('409: an end that is no checkpoint, a start beyond what it has: with where to go on', async () => {
    expect((await add(log.extend(0, 300))).status).toBe(200)
    for (const body of [log.upload(0, 0), log.upload(0, 5), log.upload(7, 300)])
      expect(infoOf(await send(body))).toMatchObject({ status: 409, size: 300, next: 0 })
    await send(log.upload(0, 300))
    expect((await add(log.extend(300, 600))).status).toBe(200)
    expect(infoOf(await send(log.upload(301, 600)))).toMatchObject({ status: 409, size: 600, next: 300 })
    expect(infoOf(await send(log.upload(300, 300)))).toMatchObject({ status: 409, size: 600, next: 300 })
  })

  it('400: nothing that it could use', async () => {
    expect((await add(log.extend(0, 300))).status).toBe(200)
    const whole = log.upload(0, 300)
    const head = 2 + utf8(log.origin).length
    const backwards = concat(whole.subarray(0, head), u64(300), u64(299), whole.subarray(head + 16))
    for (const body of [new Uint8Array(0), whole.subarray(0, 1), whole.subarray(0, head + 10), whole.subarray(0, 500), backwards])
      expect(code(await send(body))).toEqual([400, 'BODY_INVALID'])
    const hashes = concat(
      log.upload(0, 300, { packages: 0 }),
      ...log.entries.slice(0, 256).flatMap((entry) => [Uint8Array.of(0, entry.length), entry])
    )
    expect(code(await send(concat(hashes, Uint8Array.of(64), new Uint8Array(64 * 32))))).toEqual([400, 'BODY_INVALID'])
  })

  it('422: entries that are not the log’s, left out, reordered or of another time; nothing of them stays', async () => {
    expect((await add(log.extend(0, 600))).status).toBe(200)
    const bad = [422, 'CHECKPOINT_INCONSISTENT']
    const changed = (change: (entries: Bytes[]) => void, end = 600) => {
      const liar = new Stranger(log.origin, 600)
      change(liar.entries)
      return liar.upload(0, end)
    }
    expect(code(await send(fork.upload(0, 600)))).toEqual(bad)
    expect(code(await send(changed((entries) => entries.reverse())))).toEqual(bad)
    expect(code(await send(changed((entries) => entries.splice(3, 2, entries[4]!, entries[3]!))))).toEqual(bad)
    expect(code(await send(changed((entries) => entries.splice(3, 1))))).toEqual(bad)
    // A good package, then one of the fork (whose words are as long): the first stays, the other does not.
    const good = log.upload(0, 600, { packages: 1 })
    const second = fork.upload(0, 600).subarray(good.length)
    expect(code(await send(concat(good, second)))).toEqual(bad)
    expect(infoOf(await send(log.upload(0, 0)))).toMatchObject({ status: 409, next: 256 })
    // The first package again: it was there, and is no part of the second place.
    expect(code(await send(concat(good, good.subarray(2 + utf8(log.origin).length + 18))))).toEqual(bad)
    expect((await network.ask(`${PREFIX}/checkpoint`)).status).toBe(404)
    cosigns(600, await send(log.upload(256, 600)))
  })

  it('checkpoints as a witness does: unsigned, conflicting, inconsistent', async () => {
    expect(code(await add(new Stranger(log.origin, 5, 'another key').extend(0, 5)))).toEqual([403, 'CHECKPOINT_NOT_SIGNED'])
    expect((await add(log.extend(0, 5))).status).toBe(200)
    const conflict = await add(log.extend(3, 9))
    expect([conflict.status, conflict.text]).toEqual([409, '5\n'])
    expect(code(await add(fork.extend(5, 9)))).toEqual([422, 'CHECKPOINT_INCONSISTENT'])
    expect(code(await add(log.extend(5, 9).replace(/\n[^\n]+\n/, `\n${base64(log.root(1))}\n`)))).toEqual([
      422,
      'CHECKPOINT_INCONSISTENT'
    ])
  })

  it('a body that breaks off leaves it well', async () => {
    expect((await add(log.extend(0, 600))).status).toBe(200)
    const whole = log.upload(0, 600)
    const { hostname, port } = new URL(network.url)
    await new Promise<void>((resolve) => {
      const headers = { 'content-length': whole.length }
      const sent = request({ hostname, port, path: '/mirror/add-entries', method: 'POST', headers })
      sent.on('error', () => {})
      sent.on('close', () => resolve())
      sent.write(whole.subarray(0, 4_000), () => sent.destroy())
    })
    cosigns(600, await send(whole))
    expect(network.errors).toEqual([])
  })
})
