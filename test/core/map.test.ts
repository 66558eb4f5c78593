import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, concat, fromHex, hex } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { EMPTY_HASH, mapInnerHash, mapLeafHash, trailKey, trailValue } from '../../src/core/hash.ts'
import {
  checkAbsence,
  checkPresence,
  type MapChange,
  type MapUpdate,
  PageCache,
  proveKey,
  updateMap
} from '../../src/core/map.ts'
import { decodePage, encodePage, type MapNode, openFolded } from '../../src/core/map-page.ts'

/** A store of pages that applies an update as a node does, and the reader of it. */
class Pages {
  readonly stored = new Map<string, Bytes>()
  reads = 0
  read = (hash: Bytes) => {
    this.reads++
    return this.stored.get(hex(hash))
  }
  apply(update: MapUpdate, keepSuperseded = false): Bytes {
    for (const { hash, bytes } of update.pages) this.stored.set(hex(hash), bytes)
    if (!keepSuperseded) for (const hash of update.superseded) expect(this.stored.delete(hex(hash))).toBe(true)
    return update.root
  }
}

const nothing = () => undefined
const digest = (...parts: (Bytes | string)[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const bit = (key: Bytes, index: number) => (key[index >> 3]! >> (7 - (index & 7))) & 1
const flipped = (bytes: Bytes, index: number) => {
  const out = new Uint8Array(bytes)
  out[index >> 3]! ^= 128 >> (index & 7)
  return out
}
const allFlips = (bytes: Bytes) => Array.from({ length: 8 * bytes.length }, (_, index) => flipped(bytes, index))

/** formats.md §7 word for word: the keys, split at the first bit in which any two of them differ. */
function naiveRoot(entries: readonly MapChange[], from = 0): Bytes {
  if (entries.length === 0) return digest('')
  if (entries.length === 1) return digest(Uint8Array.of(0, 32), entries[0]![0], Uint8Array.of(32), entries[0]![1])
  const left = entries.filter(([key]) => bit(key, from) === 0)
  const right = entries.filter(([key]) => bit(key, from) === 1)
  if (left.length === 0 || right.length === 0) return naiveRoot(entries, from + 1)
  const index = from < 128 ? Uint8Array.of(from) : Uint8Array.of(from, 1)
  return digest(Uint8Array.of(1), index, naiveRoot(left, from + 1), naiveRoot(right, from + 1))
}

function built(entries: readonly MapChange[]): { root: Bytes; pages: Pages } {
  const pages = new Pages()
  return { root: pages.apply(updateMap(EMPTY_HASH, entries, pages.read)), pages }
}

/** Names of all pages reachable from a root. */
function reachable(root: Bytes, pages: Pages): string[] {
  if (hex(root) === hex(EMPTY_HASH)) return []
  const found: string[] = []
  const walk = (node: MapNode) => {
    if (node.kind === 'folded') walk(openFolded(node))
    if (node.kind === 'reference') open(node.hash)
    if (node.kind === 'inner') [node.left, node.right].forEach(walk)
  }
  const open = (hash: Bytes) => {
    found.push(hex(hash))
    walk(decodePage(pages.stored.get(hex(hash))!, hash))
  }
  open(root)
  return found.sort()
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code} ${error.detail.field}`
    throw error
  }
  return 'accepted'
}

const keyFor = (name: string | number) => digest(`key ${name}`)
const valueFor = (name: string | number) => digest(`value ${name}`)
const entriesFor = (size: number): MapChange[] => Array.from({ length: size }, (_, i) => [keyFor(i), valueFor(i)])

describe('foreign vectors', () => {
  // filippo.io/torchwood/mpt, testdata/treehash.txt: those with keys of 32 bytes. Keys are written without their trailing zeros.
  test.each<{ what: string; entries: Record<string, string>; root: string }>([
    {
      what: 'one leaf',
      entries: {
        '4888ffe82a7d2964fbd4fa329f1509960024fd70e393cd5a1945bb41d0964d5c':
          '70be652ae9dffdd30243acd6487b0bebdac46aff230c8ac383e29d79dbd8915d'
      },
      root: '2a698354db3d6d1e4205dc2ca99f9b5925612fd3641ce5bc3400ab521052c1e9'
    },
    {
      what: 'bit 0',
      entries: {
        '00': '920c9d26acc22861bcd8de8737683b0b4cfaf0dfb7e80b4774421517bf8489c8',
        '80': '5f9895fa7d0d2ecb5d14d6dd0bda94f6b86cd8b197377445405576ac04279d3b'
      },
      root: '6b6f242a8dcfacd8bc1213d4453852a2127b398c65a7684a2e1af666f6356061'
    },
    {
      what: 'bit 7',
      entries: {
        '00': 'f2fa85447882e5277506e12a94b2e83a6166b67d68cc6cc70d78c48b40010f5e',
        '01': '8b86cd5bb29ae0a28649688800e44b903f2deeefa9ae5694f80afe6cf29df14d'
      },
      root: '9abb026bca1c67d3d40a45d97d6f0467b6d4a3c38606358014ff990b44b3b0c1'
    },
    {
      what: 'bit 8',
      entries: {
        '00': 'b188b6b58314ec338af1984d57465491745f06160303a071b8502ae32354f3af',
        '0080': 'aa9390c5f7034b582190e14923e48fab177a1f6067cf2b8cd9d58475cbefbbff'
      },
      root: 'fb38b0365217d5add42b9ed01a334c9b5e7e29798926f5eb3c9f14029de7c87a'
    },
    {
      what: 'a long common prefix',
      entries: {
        [`${'aa'.repeat(30)}00`]: 'd40ee8abad7b6dd20a3e437b2fe42ed96a04a622435cb79bcfc498a9e76f2069',
        [`${'aa'.repeat(30)}01`]: '1ee5c16df9f56ca48ab7cab839813a0fc53ffd57b8b6fd5fec34139855c3ed81'
      },
      root: '6267acde2a12f4da5666e44cb63779798523d5b07fb09ed1a7ea38aaaf3bcd75'
    },
    {
      what: 'three leaves',
      entries: {
        '00': 'cc406618223e1e591b2cec004a8c7c1bf4eeb09aec43600381eedacac20f2bf9',
        '40': '6b371a019461913d1c26b038eff19680952e6e1c51c87db18a94f3a1b565f6c7',
        '80': 'd5819ee69ad23ea2c4612acab96a6ed0085a9a4800d33497ccfdc37ce09c6f32'
      },
      root: '3b5ae657915d8cd94abdf4362daf5397d0b74cea7edfcb88b2ad3a21bd0c6efd'
    },
    {
      what: 'four leaves',
      entries: {
        '00': '651e31c69f55c7232848025467d5bb038b406bbdaa0a7e8ce18570e1629ac35c',
        '40': 'ba70df9bc82f5867ca56cd5d3110830194bff04a94bf140398aea50c4d88e041',
        '80': '2e164bab01a16e0e27ae3e08927dea054e8d5935aab742c78c244e74d0d6165d',
        c0: 'd24e1a0392019144f59557f3fda9356417ed24125ade5c43f4fd5af5effb62c5'
      },
      root: '752cace32992bd2e650f86a60f7f4cb073e77bd0da0bbae17c9927ca0cac41d9'
    },
    {
      what: 'bit 128, of two bytes',
      entries: {
        ['ff'.repeat(16)]: 'a3b93625e143e33744bc532953260c66bcdb124ff930e6a55257558871df9e72',
        [`${'ff'.repeat(16)}80`]: '4f02252ceaba90d9997b0f84bface6cd661dcb1779c5beb55d1eec2510680464'
      },
      root: '55664663e0148e90b47b18ec9660b0a9c5d83b03fc0235fcb8938763d7d3ed7f'
    }
  ])('root of torchwood/mpt: $what', ({ entries, root }) => {
    const changes = Object.entries(entries).map(([key, value]): MapChange => [fromHex(key.padEnd(64, '0')), fromHex(value)])
    expect(hex(built(changes).root)).toBe(root)
    expect(hex(naiveRoot(changes))).toBe(root)
  })

  test('leaf of torchwood/mpt with short key and value', () => {
    expect(hex(mapLeafHash(fromHex('ab'), fromHex('cd')))).toBe(
      'e2803f59293564e96b6c5c16157cec731a294631aefb5d08d18630ed6a27184c'
    )
  })

  interface Claim {
    key: string
    value: string | null
    proof: string
  }
  const vectors: {
    cases: { entries: [string, string][]; root: string; proofs: Claim[] }[]
    bad: (Claim & { root: string; why: string })[]
    trailKeys: { trail: string; key: string }[]
    trailValues: { count: number; root: string; value: string }[]
  } = JSON.parse(readFileSync(new URL('../vectors/map.json', import.meta.url), 'utf8'))

  const holds = (root: string, { key, value, proof }: Claim) =>
    value === null
      ? checkAbsence(fromHex(root), fromHex(key), fromHex(proof))
      : checkPresence(fromHex(root), fromHex(key), fromHex(value), fromHex(proof))

  test.each(vectors.cases)('map.json: root $root', ({ entries, root, proofs }) => {
    const map = built(entries.map(([key, value]) => [fromHex(key), fromHex(value)]))
    expect(hex(map.root)).toBe(root)
    expect(proofs.length).toBeGreaterThan(0)
    for (const claim of proofs) {
      const proved = proveKey(map.root, fromHex(claim.key), map.pages.read)
      expect({ value: proved.present ? hex(proved.value) : null, proof: hex(proved.proof) }).toEqual({
        value: claim.value,
        proof: claim.proof
      })
      expect(holds(root, claim)).toBe(true)
    }
  })

  test('map.json: bad proofs are refused', () => {
    expect(vectors.bad.length).toBeGreaterThan(100)
    expect(vectors.bad.filter((claim) => holds(claim.root, claim))).toEqual([])
  })

  test('map.json: keys and values of trails', () => {
    expect(vectors.trailKeys.map(({ trail }) => hex(trailKey(trail)))).toEqual(vectors.trailKeys.map(({ key }) => key))
    expect(vectors.trailValues.map(({ count, root }) => hex(trailValue(count, fromHex(root))))).toEqual(
      vectors.trailValues.map(({ value }) => value)
    )
  })
})

describe('examples in the comments', () => {
  const comment = (file: string) => readFileSync(new URL(`../../src/core/${file}`, import.meta.url), 'utf8').split('*/')[0]!
  const digits = (text: string) => fromHex(text.replace(/[^0-9a-f]/g, ''))

  test('the page of map-page.ts', () => {
    const [, hash, page] = /hash ([0-9a-f]{64})\n \* {3}page ([0-9a-f\s*]+)\n \*\n/.exec(comment('map-page.ts'))!
    const top = decodePage(digits(page!), digits(hash!))
    expect(top).toMatchObject({ kind: 'inner', bit: 1, left: { kind: 'reference' }, right: { kind: 'folded' } })
    expect(hex(encodePage(top).bytes)).toBe(hex(digits(page!)))
  })

  test('the absence proof of map.ts', () => {
    const text = comment('map.ts')
    const [root] = /(?<=root is\n \* )[0-9a-f]{64}/.exec(text)!
    const proof = digits(/(?: \* {3}20[0-9a-f]{64}\n){2}/.exec(text)![0])
    expect(checkAbsence(fromHex(root), keyFor('other'), proof)).toBe(true)
    expect(text).toContain(`the one key ${hex(proof.subarray(1, 33))}`)
  })
})

/** Key sets of all sizes up to 9, spread and crowded: crowded keys differ from one another in two bits, in the last ones too. */
const crowd = [255, 254, 252, 251, 248, 128, 127, 4, 3].map((index) => flipped(keyFor('crowd'), index))
const smallSets = [
  ...Array.from({ length: 10 }, (_, size) => ({ what: `${size} spread keys`, keys: entriesFor(size).map(([key]) => key) })),
  ...crowd.map((_, i) => ({ what: `${i + 1} crowded keys`, keys: crowd.slice(0, i + 1) }))
]

describe('proofs', () => {
  test.each(smallSets)('of $what hold, and with any bit flipped they do not', ({ keys }) => {
    const { root, pages } = built(keys.map((key, i) => [key, valueFor(i)]))
    for (const [i, key] of keys.entries()) {
      const proved = proveKey(root, key, pages.read)
      if (!proved.present) throw new Error('present key not found')
      const { proof, value } = proved
      expect(hex(value)).toBe(hex(valueFor(i)))
      expect(checkPresence(root, key, value, proof)).toBe(true)
      expect(allFlips(root).some((other) => checkPresence(other, key, value, proof))).toBe(false)
      expect(allFlips(key).some((other) => checkPresence(root, other, value, proof))).toBe(false)
      expect(allFlips(value).some((other) => checkPresence(root, key, other, proof))).toBe(false)
      expect(allFlips(proof).some((other) => checkPresence(root, key, value, other))).toBe(false)
      expect(checkAbsence(root, key, proof)).toBe(false)
      expect(checkAbsence(root, key, concat(Uint8Array.of(32), key, Uint8Array.of(32), value, proof))).toBe(false)
    }
    for (const key of [keyFor('absent'), keyFor('crowd'), flipped(keyFor('crowd'), 0)]) {
      const { present, proof } = proveKey(root, key, pages.read)
      expect(present).toBe(false)
      expect(checkAbsence(root, key, proof)).toBe(true)
      expect(allFlips(root).some((other) => checkAbsence(other, key, proof))).toBe(false)
      expect(allFlips(proof).some((other) => checkAbsence(root, key, other))).toBe(false)
      expect(checkPresence(root, key, valueFor(0), proof)).toBe(false)
      // A proof of absence holds for every key whose search ends in the same leaf, and for no other.
      for (const other of allFlips(key)) {
        const its = proveKey(root, other, pages.read)
        expect(checkAbsence(root, other, proof)).toBe(!its.present && hex(its.proof) === hex(proof))
      }
    }
  })

  test('with a byte more or less anywhere do not hold', () => {
    const { root, pages } = built(entriesFor(5))
    const lengths = (proof: Bytes) => [
      ...Array.from(proof, (_, i) => concat(proof.subarray(0, i), proof.subarray(i + 1))),
      ...Array.from({ length: proof.length + 1 }, (_, i) => concat(proof.subarray(0, i), Uint8Array.of(0), proof.subarray(i))),
      ...Array.from(proof, (_, i) => proof.subarray(0, i))
    ]
    const present = proveKey(root, keyFor(3), pages.read)
    expect(present.proof.length).toBeGreaterThan(33)
    expect(lengths(present.proof).some((proof) => checkPresence(root, keyFor(3), valueFor(3), proof))).toBe(false)
    const absent = proveKey(root, keyFor('absent'), pages.read)
    expect(lengths(absent.proof).some((proof) => checkAbsence(root, keyFor('absent'), proof))).toBe(false)
  })

  // Each of these roots is made from the very steps of the proof, so that only the rule named stands in its way.
  const [key, value] = [new Uint8Array(32), valueFor(0)]
  const sibling = valueFor('sibling')
  const climb = (...bits: number[]) => bits.reduce((hash, index) => mapInnerHash(index, hash, sibling), mapLeafHash(key, value))
  const step = (...encoded: number[]) => concat(Uint8Array.from(encoded), sibling)

  test('need minimal numbers of bits up to 255', () => {
    expect(checkPresence(climb(5), key, value, step(5))).toBe(true)
    expect(checkPresence(climb(127), key, value, step(127))).toBe(true)
    expect(checkPresence(climb(128), key, value, step(128, 1))).toBe(true)
    expect(checkPresence(climb(255), key, value, step(255, 1))).toBe(true)
    expect(checkPresence(climb(5), key, value, step(0x85, 0))).toBe(false)
    expect(checkPresence(climb(128), key, value, step(128))).toBe(false)
    expect(checkPresence(climb(128), key, value, step(128, 0x81, 0))).toBe(false)
    expect(checkPresence(climb(256), key, value, step(128, 2))).toBe(false)
    expect(checkPresence(climb(261), key, value, step(133, 2))).toBe(false)
  })

  test('need bits that strictly decrease towards the root', () => {
    expect(checkPresence(climb(200, 5), key, value, concat(step(200, 1), step(5)))).toBe(true)
    expect(checkPresence(climb(5, 5), key, value, concat(step(5), step(5)))).toBe(false)
    expect(checkPresence(climb(5, 6), key, value, concat(step(5), step(6)))).toBe(false)
  })

  test('of absence need a leaf that agrees with the key on every bit of the path', () => {
    const leaf = concat(Uint8Array.of(32), key, Uint8Array.of(32), value)
    const path = concat(step(200, 1), step(5))
    expect(checkAbsence(climb(200, 5), flipped(key, 6), concat(leaf, path))).toBe(true)
    expect(checkAbsence(climb(200, 5), flipped(key, 5), concat(leaf, path))).toBe(false)
    expect(checkAbsence(climb(200, 5), flipped(key, 200), concat(leaf, path))).toBe(false)
    expect(checkAbsence(climb(200, 5), key, concat(leaf, path))).toBe(false)
    // Even under a root that has the leaf on the wrong side.
    const crooked = mapInnerHash(5, sibling, mapLeafHash(key, value))
    expect(checkAbsence(crooked, flipped(key, 5), concat(leaf, step(5)))).toBe(false)
  })

  test('that are empty prove a map of one key, or the absence of all in the empty map, never both', () => {
    const empty = new Uint8Array(0)
    const { root, pages } = built([[key, value]])
    expect(proveKey(root, key, pages.read)).toMatchObject({ present: true, proof: empty })
    expect(checkPresence(root, key, value, empty)).toBe(true)
    expect(checkAbsence(root, key, empty)).toBe(false)
    expect(checkAbsence(root, flipped(key, 0), empty)).toBe(false)
    expect(proveKey(EMPTY_HASH, key, nothing)).toEqual({ present: false, proof: empty })
    expect(checkAbsence(EMPTY_HASH, key, empty)).toBe(true)
    expect(checkPresence(EMPTY_HASH, key, value, empty)).toBe(false)
    expect(checkAbsence(EMPTY_HASH, key, Uint8Array.of(0))).toBe(false)
  })

  test('that end early do not hold, even under a root made of what is there', () => {
    const less = 31
    const root = mapInnerHash(5, mapLeafHash(key, value), sibling.subarray(0, less))
    expect(checkPresence(root, key, value, step(5).subarray(0, 1 + less))).toBe(false)
    const leaf = concat(Uint8Array.of(32), key, Uint8Array.of(32), value.subarray(0, less))
    expect(checkAbsence(mapLeafHash(key, value.subarray(0, less)), keyFor(1), leaf)).toBe(false)
  })

  test('of keys, values and roots of other lengths do not hold', () => {
    const short = new Uint8Array(31)
    expect(checkPresence(mapLeafHash(short, value), short, value, new Uint8Array(0))).toBe(false)
    expect(checkPresence(mapLeafHash(key, short), key, short, new Uint8Array(0))).toBe(false)
    expect(checkPresence(short, key, value, new Uint8Array(0))).toBe(false)
    expect(checkAbsence(EMPTY_HASH, short, new Uint8Array(0))).toBe(false)
    expect(checkAbsence(short, key, new Uint8Array(0))).toBe(false)
    const shortLeaf = concat(Uint8Array.of(31), short, Uint8Array.of(32), value)
    expect(checkAbsence(mapLeafHash(short, value), keyFor(1), shortLeaf)).toBe(false)
  })

  test('hold for arbitrary bytes only by not throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 140 }), (proof) => {
        expect(checkPresence(sibling, key, value, proof)).toBe(false)
        expect(checkAbsence(sibling, keyFor(1), concat(Uint8Array.of(32), key, Uint8Array.of(32), value, proof))).toBe(false)
      })
    )
  })
})

describe('updates', () => {
  /** Keys that share prefixes of many lengths: a few seeds with one or two bits flipped. */
  const arbitraryKey = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 2 }))
    .map(([seed, flips]) => flips.reduce(flipped, keyFor(seed)))
  const arbitraryChange = fc.tuple(
    arbitraryKey,
    fc.integer({ min: 0, max: 2 }).map((n) => valueFor(n))
  )
  const arbitraryBatches = fc.array(fc.array(arbitraryChange, { maxLength: 25 }), { minLength: 1, maxLength: 8 })

  test('give the tree of their keys whatever the order and the batches, and name the superseded pages exactly', () => {
    fc.assert(
      fc.property(arbitraryBatches, fc.integer({ min: 0, max: 40 }), (batches, cacheSize) => {
        const pages = new Pages()
        const archive = new Pages()
        const cache = new PageCache(pages.read, cacheSize)
        const truth = new Map<string, MapChange>()
        const heads: { root: Bytes; entries: MapChange[] }[] = []
        let root = EMPTY_HASH

        for (const batch of batches) {
          const known = truth.size
          for (const change of batch) truth.set(hex(change[0]), change)
          const entries = [...truth.values()]
          const update = updateMap(root, batch, pages.read)
          expect(updateMap(root, batch, cache)).toEqual(update)

          expect(hex(update.root)).toBe(hex(naiveRoot(entries)))
          expect(update.added).toBe(truth.size - known)
          const made = update.pages.map(({ hash }) => hex(hash))
          expect(new Set(made).size).toBe(made.length)
          expect(made.filter((name) => pages.stored.has(name))).toEqual([])

          root = pages.apply(update)
          archive.apply(update, true)
          expect(reachable(root, pages)).toEqual([...pages.stored.keys()].sort())
          heads.push({ root, entries })
        }

        // One batch or many: the same pages.
        expect([...built([...truth.values()].reverse()).pages.stored].sort()).toEqual([...pages.stored].sort())
        // Superseded pages that are kept still answer for every earlier root.
        for (const head of heads) {
          for (const [key, value] of head.entries)
            expect(proveKey(head.root, key, archive.read)).toMatchObject({ present: true, value })
        }
        for (const [key, value] of truth.values()) {
          const proved = proveKey(root, key, cache)
          expect(proved).toEqual(proveKey(root, key, pages.read))
          expect(checkPresence(root, key, value, proved.proof)).toBe(true)
        }
        expect(cache.size).toBeLessThanOrEqual(2 * Math.max(1, cacheSize))
      }),
      { numRuns: 100 }
    )
  })

  test('one key at a time, in any order of a crowd, give one tree', () => {
    const entries = [...crowd, ...entriesFor(9).map(([key]) => key)].map((key, i): MapChange => [key, valueFor(i)])
    const whole = built(entries)
    fc.assert(
      fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (order) => {
        const pages = new Pages()
        let root = EMPTY_HASH
        for (const change of order) root = pages.apply(updateMap(root, [change], pages.read))
        expect(hex(root)).toBe(hex(whole.root))
        expect([...pages.stored.keys()].sort()).toEqual([...whole.pages.stored.keys()].sort())
      })
    )
  })

  test('work down to the last bit: a chain of 256 branches, and two keys that differ in bit 255', () => {
    const base = keyFor('chain')
    const chain = [base, ...allFlips(base)].map((key, i): MapChange => [key, valueFor(i)])
    const { root, pages } = built(chain)
    expect(hex(root)).toBe(hex(naiveRoot(chain)))
    expect(pages.stored.size).toBe(64)
    const proved = proveKey(root, base, pages.read)
    expect(proved.proof.length).toBe(128 * 33 + 128 * 34)
    expect(checkPresence(root, base, valueFor(0), proved.proof)).toBe(true)

    const pair = chain.filter((_, i) => i === 0 || i === 256)
    const two = built(pair)
    expect(two.pages.stored.size).toBe(1)
    expect(hex(proveKey(two.root, base, two.pages.read).proof)).toBe(`ff01${hex(mapLeafHash(...pair[1]!))}`)
  })

  test('that change nothing make no page', () => {
    const { root, pages } = built(entriesFor(50))
    const none = { root, pages: [], superseded: [], added: 0 }
    expect(updateMap(root, [], pages.read)).toEqual(none)
    expect(updateMap(root, entriesFor(50), pages.read)).toEqual(none)
    expect(updateMap(root, [[keyFor(1), valueFor('passing')], ...entriesFor(3)], pages.read)).toEqual(none)
    expect(updateMap(EMPTY_HASH, [], nothing)).toEqual({ ...none, root: EMPTY_HASH })
  })

  test('supersede the page of a map of one key', () => {
    const { root } = built(entriesFor(1))
    for (const change of [
      [keyFor(0), valueFor('new')],
      [keyFor(1), valueFor(1)]
    ] satisfies MapChange[]) {
      expect(updateMap(root, [change], built(entriesFor(1)).pages.read).superseded.map(hex)).toEqual([hex(root)])
    }
  })

  test('let the later change of a key win and count it once', () => {
    const update = updateMap(EMPTY_HASH, [[keyFor(1), valueFor(1)], ...entriesFor(2), [keyFor(1), valueFor(3)]], nothing)
    expect(update.added).toBe(2)
    expect(hex(update.root)).toBe(
      hex(
        naiveRoot([
          [keyFor(0), valueFor(0)],
          [keyFor(1), valueFor(3)]
        ])
      )
    )
  })

  test('read and make each touched page once, and no other', () => {
    const { root, pages } = built(entriesFor(5000))
    pages.reads = 0
    const one = updateMap(root, [[keyFor(77), valueFor('new')]], pages.read)
    expect(one.pages.length).toBe(one.superseded.length)
    expect(pages.reads).toBe(one.pages.length)
    expect(pages.reads).toBeLessThan(8)

    pages.reads = 0
    const all = updateMap(
      root,
      entriesFor(5000).map(([key]) => [key, valueFor('new')]),
      pages.read
    )
    expect(pages.reads).toBe(pages.stored.size)
    expect(all.superseded.map(hex).sort()).toEqual([...pages.stored.keys()].sort())
  })

  test('keep nothing of the arrays they are given', () => {
    const pages = new Pages()
    const cache = new PageCache(pages.read, 10)
    const changes = entriesFor(20)
    const root = pages.apply(updateMap(EMPTY_HASH, changes, cache))
    for (const bytes of changes.flat()) bytes.fill(0)
    const proved = proveKey(root, keyFor(3), cache)
    expect(proved).toMatchObject({ present: true, value: valueFor(3) })
    if (proved.present) proved.value.fill(0)
    expect(proveKey(root, keyFor(3), cache)).toMatchObject({ present: true, value: valueFor(3) })
  })

  test('refuse keys and values of other lengths', () => {
    const [key, short] = [new Uint8Array(32), new Uint8Array(31)]
    expect(codeOf(() => updateMap(EMPTY_HASH, [[short, key]], nothing))).toBe('INTERNAL map')
    expect(codeOf(() => updateMap(EMPTY_HASH, [[key, short]], nothing))).toBe('INTERNAL map')
    expect(codeOf(() => proveKey(EMPTY_HASH, short, nothing))).toBe('INTERNAL map')
  })
})

describe('the cache', () => {
  test('reads a page once while it is kept, keeps those used last, and no more than twice its limit', () => {
    const { root, pages } = built(entriesFor(400))
    const all = reachable(root, pages).map((name) => fromHex(name))
    expect(all.length).toBeGreaterThan(20)
    const cache = new PageCache(pages.read, 2)
    const readsOf = (...indexes: number[]) => {
      pages.reads = 0
      for (const i of indexes) cache.page(all[i]!)
      return pages.reads
    }
    expect(readsOf(0, 1)).toBe(2)
    expect(readsOf(0)).toBe(0)
    expect(readsOf(2)).toBe(1)
    expect(readsOf(0, 2, 0, 2)).toBe(0)
    expect(readsOf(1)).toBe(1)
    for (let i = 0; i < all.length; i++) {
      cache.page(all[i]!)
      expect(cache.size).toBeLessThanOrEqual(4)
      // The two used last are there always.
      if (i > 0) expect(readsOf(i, i - 1)).toBe(0)
    }
  })

  test('has the pages just made', () => {
    const pages = new Pages()
    const cache = new PageCache(pages.read, 1000)
    let root = EMPTY_HASH
    for (const change of entriesFor(100)) root = pages.apply(updateMap(root, [change], cache))
    expect(pages.reads).toBe(0)
  })
})

describe('pages', () => {
  const { root, pages } = built([...entriesFor(40), ...crowd.map((key): MapChange => [key, valueFor(0)])])
  const single = built(entriesFor(1))
  const stored = [...pages.stored, ...single.pages.stored].map(([name, bytes]) => ({ hash: fromHex(name), bytes }))
  const refused = 'STORE_CORRUPT page'

  test('are read back as they were written', () => {
    for (const { hash, bytes } of stored) expect(hex(encodePage(decodePage(bytes, hash)).bytes)).toBe(hex(bytes))
    expect(hex(single.pages.stored.get(hex(single.root))!)).toBe(`4005${hex(keyFor(0))}${hex(valueFor(0))}`)
  })

  test('with any bit flipped, any byte missing or one too many are refused', () => {
    for (const { hash, bytes } of stored.filter((_, i) => i % 4 === 0)) {
      const damaged = [...allFlips(bytes), ...Array.from(bytes, (_, i) => bytes.subarray(0, i)), concat(bytes, Uint8Array.of(0))]
      expect(damaged.filter((other) => codeOf(() => decodePage(other, hash)) !== refused)).toEqual([])
    }
    for (const { hash, bytes } of stored) {
      for (const other of stored)
        expect(codeOf(() => decodePage(bytes, other.hash))).toBe(other.hash === hash ? 'accepted' : refused)
    }
  })

  test('that end early are refused at their end', () => {
    for (const { hash, bytes } of stored) {
      const refusal = {
        code: 'STORE_CORRUPT',
        detail: { field: 'page', at: hex(hash), offset: bytes.length - 1, expected: '32 more bytes' }
      }
      expect(() => decodePage(bytes.subarray(0, -1), hash)).toThrow(expect.objectContaining(refusal))
    }
  })

  test('of arbitrary bytes are refused', () => {
    const node = fc.oneof(
      fc.integer({ min: 0, max: 7 }).map((tag) => Uint8Array.of(tag)),
      fc.constant(concat(Uint8Array.of(4), keyFor(0)))
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1 }), fc.array(node, { maxLength: 12 }), (window, nodes) => {
        expect(codeOf(() => decodePage(concat(window, ...nodes), root))).toBe(refused)
      })
    )
  })

  test('that are missing or damaged stop both reading and updating', () => {
    const path = new Set<string>()
    proveKey(root, keyFor(7), (hash) => {
      path.add(hex(hash))
      return pages.read(hash)
    })
    expect(path.size).toBeGreaterThan(1)
    for (const name of path) {
      for (const bytes of [undefined, flipped(pages.stored.get(name)!, 100)]) {
        const damaged = (hash: Bytes) => (hex(hash) === name ? bytes : pages.read(hash))
        expect(codeOf(() => proveKey(root, keyFor(7), damaged))).toBe(refused)
        expect(codeOf(() => updateMap(root, [[keyFor(7), valueFor('new')]], damaged))).toBe(refused)
        expect(codeOf(() => proveKey(root, keyFor(7), new PageCache(damaged, 100)))).toBe(refused)
      }
    }
    expect(codeOf(() => proveKey(new Uint8Array(5), keyFor(7), pages.read))).toBe(refused)
  })

  // Pages whose hash is right and which break one rule only.
  const zero = new Uint8Array(32)
  const value = valueFor(0)
  const leaf = (...bits: number[]) => {
    const key = bits.reduce(flipped, zero)
    return { hash: mapLeafHash(key, value), bytes: concat(Uint8Array.of(5), key, value) }
  }
  type Part = ReturnType<typeof leaf>
  const reference = (hash: Bytes): Part => ({ hash, bytes: concat(Uint8Array.of(4), hash) })
  const inner = (index: number, left: Part, right: Part): Part => ({
    hash: mapInnerHash(index, left.hash, right.hash),
    bytes: concat(Uint8Array.of(index % 4), left.bytes, right.bytes)
  })
  const decode = (window: number, { hash, bytes }: Part) => codeOf(() => decodePage(concat(Uint8Array.of(window), bytes), hash))
  const tagged = (tag: number, { hash, bytes }: Part): Part => ({ hash, bytes: concat(Uint8Array.of(tag), bytes.subarray(1)) })
  const far = reference(valueFor('far'))

  test.each<{ what: string; window: number; top: Part; verdict: string }>([
    { what: 'two leaves', window: 1, top: inner(5, leaf(), leaf(5)), verdict: 'accepted' },
    { what: 'two references', window: 1, top: inner(5, far, far), verdict: 'accepted' },
    { what: 'bits that grow', window: 1, top: inner(5, inner(6, leaf(), leaf(6)), leaf(5)), verdict: 'accepted' },
    { what: 'bit 255', window: 63, top: inner(255, leaf(), leaf(255)), verdict: 'accepted' },
    { what: 'one leaf', window: 64, top: leaf(), verdict: 'accepted' },
    { what: 'a bit that repeats', window: 1, top: inner(5, inner(5, far, far), leaf(5)), verdict: refused },
    { what: 'bits that fall', window: 1, top: inner(6, inner(5, far, far), leaf(6)), verdict: refused },
    { what: 'a leaf on the wrong left', window: 1, top: inner(5, leaf(5), far), verdict: refused },
    { what: 'a leaf on the wrong right', window: 1, top: inner(5, far, leaf()), verdict: refused },
    { what: 'leaves that differ earlier', window: 1, top: inner(5, leaf(), leaf(2, 5)), verdict: refused },
    {
      what: 'leaves on one side that differ earlier',
      window: 1,
      top: inner(5, inner(6, leaf(2), leaf(6)), far),
      verdict: refused
    },
    {
      what: 'a leaf below that is on the wrong side above',
      window: 1,
      top: inner(5, inner(6, leaf(5), far), far),
      verdict: refused
    },
    { what: 'the same beside a reference', window: 1, top: inner(5, inner(6, far, leaf(5, 6)), far), verdict: refused },
    { what: 'a tag past the window', window: 1, top: inner(5, tagged(6, inner(10, far, far)), far), verdict: refused },
    { what: 'a reference alone', window: 1, top: far, verdict: refused },
    { what: 'a reference alone in the last window', window: 64, top: far, verdict: refused },
    { what: 'a leaf alone in a window of branches', window: 0, top: leaf(), verdict: refused },
    { what: 'a leaf alone in a window past the last', window: 65, top: leaf(), verdict: refused },
    { what: 'a branch past the last bit', window: 64, top: inner(256, far, far), verdict: refused }
  ])('with $what: $verdict', ({ window, top, verdict }) => expect(decode(window, top)).toBe(verdict))

  test('are refused below pages of the same or a later window, and one of a leaf below any', () => {
    const page = (window: number, part: Part): [string, Bytes] => [hex(part.hash), concat(Uint8Array.of(window), part.bytes)]
    const below = (window: number, part: Part) => {
      const top = inner(5, reference(part.hash), leaf(5))
      const two = new Map([page(1, top), page(window, part)])
      return codeOf(() => proveKey(top.hash, zero, (hash) => two.get(hex(hash))))
    }
    expect(below(2, inner(8, leaf(), leaf(8)))).toBe('accepted')
    expect(below(1, inner(6, leaf(), leaf(6)))).toBe(refused)
    expect(below(0, inner(3, leaf(), leaf(3)))).toBe(refused)
    expect(below(64, leaf())).toBe(refused)
  })
})
