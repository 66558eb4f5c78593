import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../src/core/checkpoint.ts'
import { leafHash } from '../../src/core/hash.ts'
import { parseNote, verifyNoteSignature } from '../../src/core/note.ts'
import { decodeBundle, tilePath } from '../../src/core/tile.ts'
import { fix } from '../helpers/lab.ts'
import { layeredNodes, naiveRoot } from '../helpers/naive-tree.ts'
import { TestNetwork } from '../helpers/network.ts'

const RECORDS = 600
const IMMUTABLE = 'public, max-age=31536000, immutable'

let network: TestNetwork
let size: number
let leaves: Uint8Array[]
let entries: Uint8Array[]

beforeAll(async () => {
  network = await TestNetwork.open()
  const records = Array.from({ length: RECORDS }, (_, i) => network.sign(fix(`file ${i}`), 'clerk'))
  const answer = await network.postAll(records)
  expect(answer.json<unknown[]>()).toHaveLength(RECORDS)
  size = parseCheckpoint(parseNote((await network.ask('/logs/evidence/checkpoint')).text).text).size
  entries = []
  for (let at = 0; at < size; at += 256) {
    const width = Math.min(256, size - at)
    const bundle = await network.ask(`/logs/evidence/${tilePath({ kind: 'entries', index: at / 256, width })}`, {
      as: 'inspector'
    })
    entries.push(...decodeBundle(bundle.bytes, width))
  }
  leaves = entries.map(leafHash)
})
afterAll(() => network.close())

describe('checkpoint', () => {
  it('is a note of the log, signed by the key of the policy, over the root of its entries', async () => {
    const answer = await network.ask('/logs/evidence/checkpoint')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    const note = parseNote(answer.text)
    const checkpoint = parseCheckpoint(note.text)
    const { vkey } = network.policy.logs.find(({ vkey: { name } }) => name === 'court.example/evidence')!
    expect(verifyNoteSignature(note.text, note.signatures[0]!, vkey)).toBe(true)
    expect(checkpoint).toEqual({ origin: 'court.example/evidence', size: entries.length, root: naiveRoot(leaves) })
  })

  it('is there for every log, and for none that is not', async () => {
    for (const log of ['evidence', 'supervision', 'personnel', 'public'])
      expect((await network.ask(`/logs/${log}/checkpoint`)).text.split('\n')[0]).toBe(`court.example/${log}`)
    expect((await network.ask('/logs/nothing/checkpoint')).json()).toMatchObject({ code: 'NOT_FOUND', status: 404 })
  })
})

describe('hash tiles', () => {
  const tile = (path: string) => network.ask(`/logs/evidence/tile/${path}`)

  it('of every width of every tile of the tree hold the hashes of the definitions, for ever', async () => {
    const read = layeredNodes(leaves)
    let seen = 0
    for (let level = 0; size >> (8 * level) > 0; level++) {
      const items = size >> (8 * level)
      for (let index = 0; index * 256 < items; index++) {
        const width = Math.min(256, items - index * 256)
        const nodes = Array.from({ length: width }, (_, i) => ({ level: 8 * level, index: index * 256 + i }))
        const whole = Buffer.concat(read(nodes))
        for (let part = 1; part <= width; part++) {
          const path = tilePath({ kind: 'hash', level, index, width: part })
          const answer = await network.ask(`/logs/evidence/${path}`)
          if (answer.status !== 200 || !Buffer.from(answer.bytes).equals(whole.subarray(0, 32 * part))) expect.fail(path)
          expect(answer.headers.get('cache-control')).toBe(IMMUTABLE)
          expect(answer.headers.get('access-control-allow-origin')).toBe('*')
          expect(answer.headers.get('content-type')).toBe('application/octet-stream')
          seen++
        }
      }
    }
    expect(seen).toBe(size + 2)
  })

  it('beyond the published tree are not found, and that answer is kept by nobody', async () => {
    const last = size % 256
    const beyond = [
      '0/003',
      `0/002.p/${last + 1}`,
      '0/002',
      '0/003.p/1',
      '1/000',
      '1/000.p/3',
      '1/001.p/1',
      '2/000.p/1',
      '63/000.p/1',
      'entries/003.p/1',
      `entries/002.p/${last + 1}`,
      'entries/x001/000'
    ]
    for (const path of beyond) {
      const answer = await tile(path)
      expect([path, answer.status, answer.headers.get('cache-control')]).toEqual([path, 404, 'no-store'])
      expect(answer.json()).toMatchObject({ code: 'NOT_FOUND', expected: 'a tile of the published tree' })
    }
    expect((await tile(`0/002.p/${last}`)).status).toBe(200)
  })

  it('are found under their one name only', async () => {
    const names = [
      '0/000.p/0',
      '0/000.p/256',
      '0/000.p/01',
      '0/0',
      '00/000',
      '64/000',
      '0/x000/000',
      '0/000/',
      '-1/000',
      '0/000.p/',
      '0/000.p/1/2'
    ]
    for (const path of [...names, 'entries/000.p/0', 'entries/00', 'data/000', '0/..%2f000', '0/%30%30%30', '']) {
      const answer = await network.askRaw(`/logs/evidence/tile/${path}`)
      expect([path, answer.status]).toEqual([path, 404])
      expect(answer.json()).toMatchObject({ code: 'NOT_FOUND' })
    }
  })
})

describe('entry bundles', () => {
  it('of every width hold the entries; they are kept by nobody where the log is not public', async () => {
    for (const [index, width] of [
      ...Array.from({ length: 256 }, (_, i) => [1, i + 1] as const),
      [0, 256],
      [2, size % 256]
    ] as const) {
      const path = tilePath({ kind: 'entries', index, width })
      const answer = await network.ask(`/logs/evidence/${path}`, { as: 'inspector' })
      expect(answer.headers.get('cache-control')).toBe('private, no-store')
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      const found = decodeBundle(answer.bytes, width)
      expect(found.every((entry, i) => Buffer.from(entry).equals(entries[index * 256 + i]!))).toBe(true)
    }
  })

  it('of a public log are for everyone, for ever', async () => {
    const { size: published } = parseCheckpoint(parseNote((await network.ask('/logs/public/checkpoint')).text).text)
    const answer = await network.ask(`/logs/public/tile/entries/000.p/${published}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe(IMMUTABLE)
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(decodeBundle(answer.bytes, published)).toHaveLength(published)
  })
})
