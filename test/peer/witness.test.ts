/** The witness over real HTTP: every status of C2SP tlog-witness, for a log of other software. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, base64, utf8 } from '../../src/core/bytes.ts'
import { readCheckpoint } from '../../src/core/checkpoint.ts'
import { verifyCosignature, verifySubtree } from '../../src/core/cosignature.ts'
import { formatNote, parseNote, type Vkey, verifyNoteSignature } from '../../src/core/note.ts'
import { keysOfCosigner, readSeed } from '../../src/node/keys.ts'
import { formatSignSubtree, MAX_MESSAGE, parseSignatureLines } from '../../src/peer/messages.ts'
import { originHash } from '../../src/peer/witness.ts'
import { type Answer, TestNetwork } from '../helpers/network.ts'
import { Stranger } from '../helpers/stranger.ts'

const log = new Stranger()
const fork = new Stranger(log.origin, 600, 'stranger', 'other')
const NOW = Math.ceil(Date.now() / 1000) * 1000
let network: TestNetwork
let vkeys: readonly [Vkey, Vkey]

beforeEach(async () => {
  network = await TestNetwork.make()
  network.now = NOW
  await start()
  vkeys = keysOfCosigner(readSeed(network.path('seeds/court.seed')), 'court.example', 'witness').vkeys
})
afterEach(() => network.close())

const start = () => network.start({ watch: [{ origin: log.origin, vkeys: [log.vkey], role: 'witness' }] })
const post = (path: string, body: string | Bytes): Promise<Answer> =>
  network.ask(`/witness/${path}`, { body, headers: { 'content-type': 'text/plain' } })
const add = (body: string | Bytes) => post('add-checkpoint', body)
const monitored = (origin = log.origin) => network.ask(`/witness/${originHash(origin)}/checkpoint`)

/** The times that the answer's lines claim, each verified under the witness's keys. */
function times(note: string, answer: Answer): number[] {
  const { text } = parseNote(note)
  return parseSignatureLines(answer.bytes).map(
    (line, i) => verifyCosignature(text, readCheckpoint(text), line, vkeys[i]!)!.timestamp
  )
}

async function code(answer: Promise<Answer>): Promise<[number, string]> {
  const { status, ...rest } = await answer
  return [status, (JSON.parse(new TextDecoder().decode(rest.bytes)) as { code: string }).code]
}

describe('add-checkpoint', () => {
  it('cosigns what extends, with both keys, and says so to monitors', async () => {
    expect((await monitored()).status).toBe(404)
    for (const [old, size] of [
      [0, 5],
      [5, 5],
      [5, 300],
      [300, 600]
    ] as const) {
      const note = log.checkpoint(size)
      const answer = await add(log.extend(old, size, note))
      expect([answer.status, times(note, answer)]).toEqual([200, [NOW / 1000, NOW / 1000]])

      const seen = await monitored()
      const kept = parseNote(seen.text)
      expect(kept.text).toBe(parseNote(note).text)
      expect(verifyNoteSignature(kept.text, kept.signatures[0]!, log.vkey)).toBe(true)
      expect(kept.signatures.slice(1)).toEqual(parseSignatureLines(answer.bytes))
      expect([seen.status, seen.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8'])
    }
  })

  it('covers extension lines, and starts with an empty log', async () => {
    expect((await add(log.extend(0, 0))).status).toBe(200)
    const note = log.checkpoint(7, { extension: 'Timestamp: 1\nmore\n' })
    const answer = await add(log.extend(0, 7, note))
    expect([answer.status, times(note, answer)]).toEqual([200, [NOW / 1000, NOW / 1000]])
  })

  it('keeps of the note what it has verified: lines of keys unknown here are left out', async () => {
    const note = parseNote(log.checkpoint(3))
    const foreign = parseNote(fork.checkpoint(3)).signatures[0]!
    const noted = formatNote({ ...note, signatures: [...note.signatures, { ...foreign, name: 'someone.example' }] })
    expect((await add(log.extend(0, 3, noted))).status).toBe(200)
    expect((await monitored()).text).not.toContain('someone.example')
  })

  it('400: what is no request', async () => {
    const good = log.extend(0, 3)
    const bodies = [
      '',
      'old 0\n',
      good.slice(0, -1),
      good.replace('old 0', 'old 00'),
      good.replace('old 0', 'old -1'),
      good.replace('old 0', 'old 9007199254740993'),
      good.replace('old 0', 'old  0'),
      good.replace('old 0', 'size 0'),
      good.replace('old 0\n', 'old 0\nnot base64\n'),
      good.replace('old 0\n', `old 0\n${`${base64(new Uint8Array(31))}\n`}`),
      good.replace('old 0\n', `old 0\n${`${base64(new Uint8Array(32))}\n`.repeat(64)}`),
      good.replace('\n3\n', '\n03\n'),
      log.extend(4, 3)
    ]
    for (const body of bodies) expect(await code(add(body)), JSON.stringify(body.slice(0, 40))).toEqual([400, 'BODY_INVALID'])
    expect(await code(add(Uint8Array.of(0xff, 0xfe)))).toEqual([400, 'BODY_INVALID'])
    expect(await code(add(utf8('x'.repeat(MAX_MESSAGE + 1))))).toEqual([413, 'BODY_TOO_LARGE'])
    expect((await monitored()).status).toBe(404)
  })

  it('404: a log it does not watch', async () => {
    const unknown = new Stranger('another.example/log', 5)
    expect(await code(add(unknown.extend(0, 5)))).toEqual([404, 'LOG_NOT_WATCHED'])
    expect((await monitored(unknown.origin)).status).toBe(404)
    expect((await network.ask('/witness/00/checkpoint')).status).toBe(404)
  })

  it('403: no signature of a known key, or one that does not verify', async () => {
    const other = new Stranger(log.origin, 5, 'another key')
    expect(await code(add(other.extend(0, 5)))).toEqual([403, 'CHECKPOINT_NOT_SIGNED'])
    const { text } = parseNote(log.checkpoint(5))
    const { signatures } = parseNote(log.checkpoint(6))
    expect(await code(add(log.extend(0, 5, formatNote({ text, signatures }))))).toEqual([403, 'CHECKPOINT_NOT_SIGNED'])
  })

  it('409: another old size, with the size it remembers', async () => {
    const asked = async (old: number, size: number) => {
      const answer = await add(log.extend(old, size))
      return [answer.status, answer.headers.get('content-type'), answer.text]
    }
    const conflict = (size: number) => [409, 'text/x.tlog.size', `${size}\n`]
    expect(await asked(2, 5)).toEqual(conflict(0))
    expect((await add(log.extend(0, 5))).status).toBe(200)
    expect(await asked(0, 6)).toEqual(conflict(5))
    expect(await asked(4, 6)).toEqual(conflict(5))
    expect(await asked(6, 6)).toEqual(conflict(5))
    expect(await asked(3, 3)).toEqual(conflict(5))
  })

  it('422: a proof that proves nothing, or another history', async () => {
    const inconsistent = [422, 'CHECKPOINT_INCONSISTENT']
    expect(await code(add(log.extend(0, 0, log.checkpoint(0, { root: log.root(1) }))))).toEqual(inconsistent)
    expect(await code(add(log.extend(0, 5).replace('old 0\n', `old 0\n${base64(log.root(1))}\n`)))).toEqual(inconsistent)
    expect((await add(log.extend(0, 5))).status).toBe(200)
    expect(await code(add(fork.extend(5, 9)))).toEqual(inconsistent)
    expect(await code(add(log.extend(5, 9).replace(/\n[^\n]+\n/, '\n')))).toEqual(inconsistent)
    expect(existsSync(network.path('data/court/.evidence'))).toBe(false)

    // Two heads of one size: the log has contradicted itself over its own signature, and both sides are kept.
    expect(await code(add(fork.extend(5, 5)))).toEqual(inconsistent)
    const [file] = readdirSync(network.path('data/court/.evidence'))
    const { kind, a, b } = JSON.parse(readFileSync(network.path('data/court/.evidence', file!), 'utf8'))
    expect([kind, parseNote(a.checkpoint).text, b.checkpoint]).toEqual([
      'same-size',
      parseNote(log.checkpoint(5)).text,
      fork.checkpoint(5)
    ])
    expect(readCheckpoint(parseNote((await monitored()).text).text).root).toEqual(log.root(5))
  })

  it('compares and remembers at once: of many that extend one size, one is signed', async () => {
    expect((await add(log.extend(0, 5))).status).toBe(200)
    const sizes = Array.from({ length: 12 }, (_, i) => 6 + i)
    const answers = await Promise.all(sizes.map((size) => add(log.extend(5, size))))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(11)
    const size = sizes[answers.findIndex(({ status }) => status === 200)]!
    expect(readCheckpoint(parseNote((await monitored()).text).text).size).toBe(size)
  })

  it('remembers across restarts, and never signs an earlier time', async () => {
    expect((await add(log.extend(0, 5))).status).toBe(200)
    await network.stop()
    await start()
    expect((await add(log.extend(0, 6))).status).toBe(409)
    network.now = NOW - 2_000
    expect(await code(add(log.extend(5, 6)))).toEqual([500, 'CLOCK_BACKWARDS'])
    network.now = NOW
    expect((await add(log.extend(5, 6))).status).toBe(200)
  })

  it('signs nothing once it has forgotten what it signed', async () => {
    expect((await add(log.extend(0, 5))).status).toBe(200)
    await network.stop()
    rmSync(network.path('data/court/.cosigner'), { recursive: true })
    await start()
    expect(await code(add(log.extend(0, 6)))).toEqual([503, 'COSIGNER_STATE_LOST'])
    expect(await code(post('sign-subtree', subtree(0, 4, log.checkpoint(5), 5)))).toEqual([503, 'COSIGNER_STATE_LOST'])
    expect((await monitored()).status).toBe(404)
    await network.stop()
    await start() // The empty store has been opened meanwhile: it stays lost.
    expect(await code(add(log.extend(0, 6)))).toEqual([503, 'COSIGNER_STATE_LOST'])
  })

  it('begins again where power was lost before the mark was made', async () => {
    await network.stop()
    rmSync(network.path('seeds/court.seed.initialised'))
    await start()
    expect(existsSync(network.path('seeds/court.seed.initialised'))).toBe(true)
    expect((await add(log.extend(0, 5))).status).toBe(200)
  })
})

function subtree(start: number, end: number, note: string, size: number, of = log): string {
  return formatSignSubtree({ start, end, ...of.subtree(start, end, size) }, note)
}

describe('sign-subtree', () => {
  it('signs subtrees of a checkpoint it has cosigned, without a time', async () => {
    await add(log.extend(0, 13))
    const note = (await monitored()).text
    for (const [from, end] of [
      [0, 13],
      [0, 8],
      [8, 13],
      [12, 13]
    ] as const) {
      const answer = await post('sign-subtree', subtree(from, end, note, 13))
      const { hash } = log.subtree(from, end, 13)
      const [line] = parseSignatureLines(answer.bytes)
      expect(answer.status).toBe(200)
      expect(verifySubtree({ origin: log.origin, start: from, end, hash }, line!, vkeys[1])).toBe(true)
      expect(verifySubtree({ origin: log.origin, start: from, end, hash: log.root(1) }, line!, vkeys[1])).toBe(false)
    }
  })

  it('400, 404, 403, 422', async () => {
    await add(log.extend(0, 13))
    const note = (await monitored()).text
    const sign = (body: string) => code(post('sign-subtree', body))
    const good = subtree(8, 13, note, 13)
    for (const [from, end] of [
      [8, 8],
      [3, 5],
      [8, 14],
      [9, 8]
    ])
      expect(await sign(good.replace('subtree 8 13', `subtree ${from} ${end}`))).toEqual([400, 'BODY_INVALID'])
    expect(await sign(good.replace('subtree 8 13\n', 'subtree 8\n'))).toEqual([400, 'BODY_INVALID'])
    expect(await sign(`subtree 8 13\n\n${note}`)).toEqual([400, 'BODY_INVALID'])
    const unknown = new Stranger('another.example/log', 13)
    expect(await sign(subtree(8, 13, unknown.checkpoint(13), 13, unknown))).toEqual([404, 'LOG_NOT_WATCHED'])
    expect(await sign(subtree(8, 13, log.checkpoint(13), 13))).toEqual([403, 'CHECKPOINT_NOT_SIGNED'])
    const { text, signatures } = parseNote(note)
    const flipped = signatures.map((line, i) => (i === 2 ? { ...line, signature: line.signature.map((byte) => byte ^ 1) } : line))
    expect(await sign(subtree(8, 13, formatNote({ text, signatures: flipped }), 13))).toEqual([403, 'CHECKPOINT_NOT_SIGNED'])
    expect(await sign(subtree(8, 13, note, 13, fork))).toEqual([422, 'CHECKPOINT_INCONSISTENT'])
  })
})
