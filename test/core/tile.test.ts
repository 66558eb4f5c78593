import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Bytes, base64, concat, fromHex, fromUtf8, hex, utf8 } from '../../src/core/bytes.ts'
import { leafHash, sha256 } from '../../src/core/hash.ts'
import { proveConsistency, proveInclusion, rangeNodes, treeRoot } from '../../src/core/merkle.ts'
import {
  appendTiles,
  decodeBundle,
  encodeBundle,
  LOG_TILES,
  nodesFromTiles,
  parseTilePath,
  type ReadTile,
  type TileFile,
  type TileShape,
  tilePath,
  tilesOf,
  tileWidth
} from '../../src/core/tile.ts'
import { layeredNodes } from '../helpers/naive-tree.ts'

const url = (name: string) => new URL(`../vectors/${name}`, import.meta.url)
const leaves = (count: number) => Array.from({ length: count }, (_, i) => leafHash(utf8(`entry-${i}`)))
const notStored = () => undefined
const corrupt = (field: string) => expect.objectContaining({ code: 'STORE_CORRUPT', detail: expect.objectContaining({ field }) })

/** Tiles as a store keeps them: the newest content of each. */
class Stored {
  readonly tiles = new Map<string, Bytes>()
  readonly reads: string[] = []
  readonly read: ReadTile = ({ level, index }) => {
    this.reads.push(`${level}/${index}`)
    return this.tiles.get(`${level}/${index}`)
  }
  size = 0
  readonly shape: TileShape

  constructor(shape: TileShape = LOG_TILES) {
    this.shape = shape
  }

  append(items: readonly Bytes[]) {
    const { tiles, size } = appendTiles(this.size, items, this.read, this.shape)
    for (const { level, index, bytes } of tiles) this.tiles.set(`${level}/${index}`, bytes)
    this.size = size
    return tiles
  }
}

test('the examples at the head of tile.ts', () => {
  const head = readFileSync(new URL('../../src/core/tile.ts', import.meta.url), 'utf8').split('*/')[0]!
  const path = /^ \* {3}(tile\/1\/\S+) /m.exec(head)?.[1]
  const bundle = /^ \* {3}([0-9a-f]+) {2,}\(hex\)/m.exec(head)?.[1]
  expect(parseTilePath(path!)).toEqual({ kind: 'hash', level: 1, index: 1_234_067, width: 17 })
  expect(decodeBundle(fromHex(bundle!), 2).map(fromUtf8)).toEqual(['one', 'two'])
})

describe('tessera-log: a real log of 15 entries', () => {
  const entries = decodeBundle(readFileSync(url('tessera-log/tile/entries/000.p/15')), 15)
  const grown = new Stored()

  test.each(Array.from({ length: 15 }, (_, i) => i + 1))('size %i: bundle, tile and root', (size) => {
    const bundle = new Uint8Array(readFileSync(url(`tessera-log/${tilePath({ kind: 'entries', index: 0, width: size })}`)))
    expect(decodeBundle(bundle, size)).toEqual(decodeBundle(encodeBundle(entries), 15).slice(0, size))
    expect(encodeBundle(entries.slice(0, size))).toEqual(bundle)

    const tile = new Uint8Array(readFileSync(url(`tessera-log/${tilePath({ kind: 'hash', level: 0, index: 0, width: size })}`)))
    const hashes = decodeBundle(bundle, size).map(leafHash)
    expect(appendTiles(0, hashes, notStored).tiles).toEqual([{ level: 0, index: 0, bytes: tile }])
    expect(grown.append([hashes.at(-1)!])).toEqual([{ level: 0, index: 0, bytes: tile }])
    expect(tilesOf(size)).toEqual([{ level: 0, index: 0, width: size }])

    const root = readFileSync(url(`tessera-log/checkpoint.${size}`), 'utf8').split('\n')[2]
    expect(
      base64(
        treeRoot(
          size,
          nodesFromTiles(size, () => tile)
        )
      )
    ).toBe(root)
  })

  test('size 0', () => {
    const root = readFileSync(url('tessera-log/checkpoint.0'), 'utf8').split('\n')[2]
    expect(base64(treeRoot(0, nodesFromTiles(0, notStored)))).toBe(root)
    expect(tilesOf(0)).toEqual([])
  })
})

describe('merkle.json: tiles of golang.org/x/mod/sumdb/tlog', () => {
  const vectors = JSON.parse(readFileSync(url('merkle.json'), 'utf8')) as {
    roots: Record<string, string>
    tiles: { size: number; path: string; sha256: string }[]
  }
  const all = leaves(70_000)
  const sizes = [...new Set(vectors.tiles.map(({ size }) => size))]

  test('the file covers three levels', () => {
    expect(sizes).toEqual([1, 2, 255, 256, 257, 1000, 65_536, 70_000])
    expect(vectors.tiles).toHaveLength(644)
  })

  test.each(sizes)('size %i', (size) => {
    const stored = new Stored()
    stored.append(all.slice(0, size))
    expect(base64(treeRoot(size, nodesFromTiles(size, stored.read)))).toBe(vectors.roots[size])
    for (const { path, sha256: digest } of vectors.tiles.filter((tile) => tile.size === size)) {
      const file = parseTilePath(path)
      expect(file?.kind).toBe('hash')
      const { level, index, width } = file as TileFile & { kind: 'hash' }
      expect(width).toBeLessThanOrEqual(tileWidth(size, level, index))
      // Some are partial tiles of a smaller size: the prefix of what is stored now.
      expect(hex(sha256(stored.tiles.get(`${level}/${index}`)!.subarray(0, width * 32)))).toBe(digest)
    }
  })
})

describe('paths', () => {
  test.each([
    ['tile/0/000', { kind: 'hash', level: 0, index: 0, width: 256 }],
    ['tile/0/999.p/1', { kind: 'hash', level: 0, index: 999, width: 1 }],
    ['tile/63/x001/000.p/255', { kind: 'hash', level: 63, index: 1000, width: 255 }],
    ['tile/entries/x001/x234/067', { kind: 'entries', index: 1_234_067, width: 256 }],
    ['tile/entries/x009/x007/x199/x254/x740/991', { kind: 'entries', index: Number.MAX_SAFE_INTEGER, width: 256 }]
  ] as const)('%s', (path, file) => {
    expect(parseTilePath(path)).toEqual(file)
    expect(tilePath(file)).toBe(path)
  })

  test.each([
    ...[
      '',
      'tile',
      'tile/',
      'tile/0',
      'tile/0/',
      'tile/000',
      '/tile/0/000',
      'tile/0/000/',
      'tile//000',
      'tiles/0/000',
      'Tile/0/000'
    ],
    ...['tile/64/000', 'tile/00/000', 'tile/01/000', 'tile/-1/000', 'tile/+1/000', 'tile/100/000', 'tile/x/000', 'tile/data/000'],
    ...['tile/0/0', 'tile/0/00', 'tile/0/0000', 'tile/0/1000', 'tile/0/x000', 'tile/0/x001', 'tile/0/x000/001', 'tile/0/001/000'],
    ...['tile/0/x001/x000', 'tile/0/x000/x001/000', 'tile/0/X001/000', 'tile/0/x01/000', 'tile/0/x0001/000', 'tile/0/x001//000'],
    ...['tile/0/x009/x007/x199/x254/x740/992', `tile/0/${'x999/'.repeat(40)}999`],
    ...[
      'tile/0/000.p',
      'tile/0/000.p/',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/0/000.p/-1',
      'tile/0/000.p/999'
    ],
    ...[
      'tile/0/000.p/1000',
      'tile/0/000p/1',
      'tile/0/000/p/1',
      'tile/0/000.p/1/',
      'tile/0/000.p/1\n',
      'tile/0/000\n',
      ' tile/0/000'
    ],
    ...[
      'tile/entries/0/000',
      'tile/entries',
      'tile/entries/000.p/0',
      'tile/0/٠٠٠',
      'tile/0/000?x',
      'tile/0/../000',
      'tile/0/%30%30%30'
    ]
  ])('refused: %j', (path) => expect(parseTilePath(path)).toBeUndefined())

  test('tilePath and parseTilePath are inverse', () => {
    const place = { index: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), width: fc.integer({ min: 1, max: 256 }) }
    const file: fc.Arbitrary<TileFile> = fc.oneof(
      fc.record({ kind: fc.constant('entries' as const), ...place }),
      fc.record({ kind: fc.constant('hash' as const), level: fc.integer({ min: 0, max: 63 }), ...place })
    )
    fc.assert(fc.property(file, (file) => void expect(parseTilePath(tilePath(file))).toEqual(file)))
    const alike = fc.stringMatching(/^tile\/(entries|[0-9]{1,2})\/(x[0-9]{3}\/){0,3}[0-9]{2,4}(\.p\/[0-9]{1,3})?$/)
    fc.assert(
      fc.property(alike, (path) => {
        const file = parseTilePath(path)
        return file === undefined || tilePath(file) === path
      })
    )
  })
})

describe('which tiles a size implies', () => {
  test('the example of C2SP tlog-tiles: 70,000', () => {
    const tiles = tilesOf(70_000)
    expect(tiles.filter(({ level, width }) => level === 0 && width === 256)).toHaveLength(273)
    expect(tiles.filter(({ level, width }) => level > 0 || width < 256)).toEqual([
      { level: 0, index: 273, width: 112 },
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 }
    ])
    expect(tilesOf(256)).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 }
    ])
  })

  test('tileWidth agrees with tilesOf and is 0 beyond', () => {
    const wrong: string[] = []
    const expectWidth = (width: number, size: number, level: number, index: number, height: number) => {
      if (tileWidth(size, level, index, height) !== width) wrong.push(`tile ${level}/${index} of ${size}, height ${height}`)
    }
    for (const height of [1, 4, 8]) {
      for (let size = 0; size <= 600; size++) {
        const tiles = tilesOf(size, height)
        for (const [i, { level, index, width }] of tiles.entries()) {
          expectWidth(width, size, level, index, height)
          if (tiles[i + 1]?.level !== level) expectWidth(0, size, level, index + 1, height)
        }
        expectWidth(0, size, (tiles.at(-1)?.level ?? -1) + 1, 0, height)
      }
    }
    expect(wrong).toEqual([])
  })

  test('up to the largest size and level', () => {
    const largest = Number.MAX_SAFE_INTEGER
    expect(tileWidth(largest, 0, 2 ** 45 - 1)).toBe(255)
    expect(tileWidth(largest, 0, 2 ** 45 - 2)).toBe(256)
    expect(tileWidth(largest, 6, 0)).toBe(31)
    expect(tileWidth(largest, 7, 0)).toBe(0)
    expect(tileWidth(largest, 63, 0)).toBe(0)
    expect(tileWidth(largest, 0, largest)).toBe(0)
    expect(() => tilesOf(Number.POSITIVE_INFINITY)).toThrow(expect.objectContaining({ code: 'QUERY_INVALID' }))
  })
})

describe('growing', () => {
  const all = leaves(1100)
  const naive = layeredNodes(all)

  const naiveTile = (level: number, index: number, width: number, { height }: TileShape) =>
    concat(...naive(Array.from({ length: width }, (_, i) => ({ level: level * height, index: index * 2 ** height + i }))))

  test.each([
    ['log tiles', LOG_TILES],
    ['height 4', { ...LOG_TILES, height: 4 }],
    ['height 1', { ...LOG_TILES, height: 1 }]
  ])('%s: random chunks to 1100 give the tiles of a naive tree, each changed one once', (_, shape) => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 600 }))), (chunks) => {
        const stored = new Stored(shape)
        for (const chunk of [...chunks, 1100]) {
          const from = stored.size
          const to = Math.min(from + chunk, 1100)
          const before = new Map(stored.tiles)
          stored.reads.length = 0
          const changed = stored.append(all.slice(from, to))
          expect(stored.size).toBe(to)
          const names = changed.map(({ level, index }) => `${level}/${index}`)
          expect(new Set(names).size).toBe(names.length)
          expect(stored.reads).toEqual(stored.reads.filter((name) => names.includes(name) && before.has(name)))
          for (const { level, index, bytes } of changed)
            expect(bytes.length).toBeGreaterThan(before.get(`${level}/${index}`)?.length ?? 0)
          const expected = tilesOf(to, shape.height)
          expect(stored.tiles.size).toBe(expected.length)
        }
        for (const { level, index, width } of tilesOf(1100, shape.height))
          expect(stored.tiles.get(`${level}/${index}`)).toEqual(naiveTile(level, index, width, shape))
      }),
      { numRuns: 15 }
    )
  })

  test.each([
    ['log tiles', LOG_TILES],
    ['height 4', { ...LOG_TILES, height: 4 }]
  ])('%s: one leaf at a time, every size to 1100, roots and range', (_, shape) => {
    const stored = new Stored(shape)
    for (let size = 1; size <= 1100; size++) {
      for (const { level, index, bytes } of stored.append([all[size - 1]!])) {
        const width = tileWidth(size, level, index, shape.height)
        expect(bytes).toHaveLength(width * 32)
        const last = { level: level * shape.height, index: index * 2 ** shape.height + width - 1 }
        expect(bytes.subarray(-32)).toEqual(naive([last])[0])
      }
      expect(nodesFromTiles(size, stored.read, shape)(rangeNodes(size))).toEqual(naive(rangeNodes(size)))
    }
  })

  test('a batch on a big tree hashes and reads little', () => {
    const size = 10 ** 9
    const reads: string[] = []
    const filled = appendTiles(size, leaves(1000), ({ level, index }) => {
      reads.push(`${level}/${index}`)
      return new Uint8Array(tileWidth(size, level, index) * 32)
    })
    // 10^9 = 3906250·256 exactly, so that only level 1 has a partial tile to go on with.
    expect(reads).toEqual(['1/15258'])
    expect(filled.tiles.map(({ level, index, bytes }) => [level, index, bytes.length / 32])).toEqual([
      [0, 3_906_250, 256],
      [0, 3_906_251, 256],
      [0, 3_906_252, 256],
      [0, 3_906_253, 232],
      [1, 15_258, 205]
    ])
  })

  test('appending again from an earlier size, over tiles that have grown since, gives the same', () => {
    const stored = new Stored()
    stored.append(all)
    for (const size of [1, 255, 256, 257, 700, 1023, 1099]) {
      const again = appendTiles(size, all.slice(size), stored.read).tiles
      expect(again.length).toBeGreaterThan(0)
      for (const { level, index, bytes } of again) expect(bytes).toEqual(stored.tiles.get(`${level}/${index}`))
    }
  })

  test('nothing appended, nothing changed', () => {
    expect(appendTiles(300, [], notStored)).toEqual({ tiles: [], size: 300 })
  })

  test('the tiles given in are not written to', () => {
    const old = concat(...all.slice(0, 3))
    const copy = old.slice()
    appendTiles(3, all.slice(3, 9), () => old)
    expect(old).toEqual(copy)
  })

  test('refused: sizes and leaves of the wrong form', () => {
    const internal = expect.objectContaining({ code: 'INTERNAL' })
    expect(() => appendTiles(-1, [all[0]!], notStored)).toThrow(internal)
    expect(() => appendTiles(Number.MAX_SAFE_INTEGER, [all[0]!], notStored)).toThrow(internal)
    expect(() => appendTiles(0, [all[0]!.subarray(1)], notStored)).toThrow(internal)
  })
})

describe('reading', () => {
  const all = leaves(1100)
  const naive = layeredNodes(all)
  const stored = new Stored()
  beforeAll(() => void stored.append(all))

  test('proofs from the tiles of a larger tree are those of the leaves', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 1100 }), fc.constantFrom(1, 255, 256, 257, 511, 512, 513, 768, 1024, 1100))
    const pair = size.chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })))
    fc.assert(
      fc.property(pair, ([size, index]) => {
        const read = nodesFromTiles(size, stored.read)
        expect(proveInclusion(index, size, read)).toEqual(proveInclusion(index, size, naive))
        expect(proveConsistency(index + 1, size, read)).toEqual(proveConsistency(index + 1, size, naive))
        expect(treeRoot(size, read)).toEqual(treeRoot(size, naive))
      })
    )
  })

  test('each tile is read once in a call', () => {
    stored.reads.length = 0
    proveInclusion(700, 1100, nodesFromTiles(1100, stored.read))
    expect(stored.reads.toSorted()).toEqual(['0/2', '0/4', '1/0'])
  })

  test('a missing, short or ragged tile is named', () => {
    const read = (bytes: Bytes | undefined) => () =>
      treeRoot(
        1100,
        nodesFromTiles(1100, (tile) => (tile.level === 0 && tile.index === 4 ? bytes : stored.read(tile)))
      )
    const tile = stored.tiles.get('0/4')!
    expect(read(tile)()).toEqual(treeRoot(1100, naive))
    expect(read(undefined)).toThrow(corrupt('tile/0/004'))
    expect(read(tile.subarray(32))).toThrow(corrupt('tile/0/004'))
    expect(read(tile.subarray(1))).toThrow(corrupt('tile/0/004'))
    expect(read(concat(tile, Uint8Array.of(0)))).toThrow(corrupt('tile/0/004'))
    expect(read(new Uint8Array(257 * 32))).toThrow(corrupt('tile/0/004'))
    expect(() => appendTiles(1_234_567, all.slice(0, 1), notStored)).toThrow(corrupt('tile/0/x004/822'))
  })

  test('a node that is not complete at this size is refused, though its tile has grown', () => {
    const read = nodesFromTiles(1000, stored.read)
    expect(() => read([{ level: 0, index: 1000 }])).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(() => read([{ level: 3, index: 125 }])).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(read([{ level: 3, index: 124 }])).toEqual(naive([{ level: 3, index: 124 }]))
  })
})

describe('entry bundles', () => {
  const entry = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    fc.constantFrom(255, 256, 65_535).map((length) => new Uint8Array(length).fill(7))
  )

  test('encodeBundle and decodeBundle are inverse, and no other bytes are accepted', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 12 }), (entries) => {
        const bytes = encodeBundle(entries)
        expect(decodeBundle(bytes, entries.length).map(hex)).toEqual(entries.map(hex))
        const refused = expect.objectContaining({ code: 'PROOF_INVALID' })
        expect(() => decodeBundle(bytes, entries.length + 1)).toThrow(refused)
        if (entries.length > 1) expect(() => decodeBundle(bytes, entries.length - 1)).toThrow(refused)
        expect(() => decodeBundle(bytes.subarray(0, -1), entries.length)).toThrow(refused)
        expect(() => decodeBundle(concat(bytes, Uint8Array.of(0)), entries.length)).toThrow(refused)
      }),
      { numRuns: 50 }
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.integer({ min: 1, max: 4 }), (bytes, width) => {
        try {
          expect(encodeBundle(decodeBundle(bytes, width))).toEqual(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROOF_INVALID' })
        }
      })
    )
  })

  test('a full bundle', () => {
    const entries = Array.from({ length: 256 }, (_, i) => utf8(`entry-${i}`))
    expect(decodeBundle(encodeBundle(entries), 256)).toEqual(entries)
  })

  test.each([
    ['ends before the length', '000161', 2, 3],
    ['ends within the length', '00016100', 2, 3],
    ['ends within the entry', '0002616200036162', 2, 4],
    ['empty entry', '0001610000', 2, 3],
    ['bytes left over', '0001610001620001', 2, 6],
    ['nothing at all', '', 1, 0]
  ])('refused: %s', (_, text, width, offset) => {
    const refused = expect.objectContaining({ code: 'PROOF_INVALID', detail: expect.objectContaining({ offset }) })
    expect(() => decodeBundle(fromHex(text), width)).toThrow(refused)
  })

  test('refused: widths and entries out of range', () => {
    const refused = expect.objectContaining({ code: 'PROOF_INVALID' })
    for (const width of [0, -1, 257, 1.5, Number.NaN]) expect(() => decodeBundle(fromHex('000161'), width)).toThrow(refused)
    expect(() => encodeBundle([])).toThrow(refused)
    expect(() => encodeBundle(Array(257).fill(Uint8Array.of(1)))).toThrow(refused)
    expect(() => encodeBundle([Uint8Array.of(1), new Uint8Array(0)])).toThrow(refused)
    expect(() => encodeBundle([new Uint8Array(65_536)])).toThrow(refused)
  })
})
