/** Hostile CBOR: values changed as values, and written in forms that the deterministic encoding (formats.md §1) has not. */
import type { Bytes } from '../../src/core/bytes.ts'
import { type CborValue, decodeCbor } from '../../src/core/cbor.ts'
import { pick, randomBytes } from './hostile.ts'
import type { Random } from './mutations.ts'

/** What a CBOR text may say beyond our values; a list of pairs is a map that may have a key twice, in any order. */
type Node =
  | number
  | bigint
  | string
  | boolean
  | null
  | undefined
  | Bytes
  | Node[]
  | { pairs: [Node, Node][] }
  | { tag: number; of: Node }
  | { raw: Bytes }

export function nodeOf(value: CborValue): Node {
  if (Array.isArray(value)) return value.map(nodeOf)
  if (value instanceof Map) return { pairs: [...value].map(([key, inner]) => [key, nodeOf(inner)]) }
  return value
}

/** `exact`: shortest heads and definite lengths; otherwise some are longer than they need be. */
export function write(node: Node, random: Random, exact: boolean): Bytes {
  const out: number[] = []
  const head = (major: number, value: number | bigint) => {
    const number = BigInt(value)
    const least = number < 24n ? 0 : number < 256n ? 1 : number < 65_536n ? 2 : number < 4_294_967_296n ? 4 : 8
    const size = exact || random(12) > 0 ? least : pick(random, [1, 2, 4, 8].filter((size) => size > least).concat(8))
    if (size === 0) out.push((major << 5) | Number(number))
    else {
      out.push((major << 5) | (24 + Math.log2(size)))
      for (let i = size - 1; i >= 0; i--) out.push(Number((number >> BigInt(8 * i)) & 255n))
    }
  }
  const put = (one: Node): void => {
    if (one === null) out.push(0xf6)
    else if (one === undefined) out.push(0xf7)
    else if (typeof one === 'boolean') out.push(one ? 0xf5 : 0xf4)
    else if (typeof one === 'bigint') head(one < 0n ? 1 : 0, one < 0n ? -1n - one : one)
    else if (typeof one === 'number') {
      if (Number.isSafeInteger(one)) head(one < 0 ? 1 : 0, one < 0 ? -1 - one : one)
      else out.push(0xfb, ...new Uint8Array(Float64Array.of(one).buffer).reverse())
    } else if (typeof one === 'string') {
      const bytes = new TextEncoder().encode(one)
      head(3, bytes.length)
      for (const byte of bytes) out.push(byte)
    } else if (one instanceof Uint8Array) {
      head(2, one.length)
      for (const byte of one) out.push(byte)
    } else if (Array.isArray(one)) {
      const open = !exact && random(20) === 0
      if (open) out.push(0x9f)
      else head(4, one.length)
      one.forEach(put)
      if (open) out.push(0xff)
    } else if ('pairs' in one) {
      head(5, one.pairs.length)
      for (const [key, value] of one.pairs) {
        put(key)
        put(value)
      }
    } else if ('tag' in one) {
      head(6, one.tag)
      put(one.of)
    } else for (const byte of one.raw) out.push(byte)
  }
  put(node)
  return Uint8Array.from(out)
}

export function invented(random: Random, depth = 0): Node {
  const kind = random(depth > 5 ? 9 : 13)
  if (kind === 0) return random(30)
  if (kind === 1) return pick(random, [0, 23, 24, 255, 256, 65_535, 2 ** 32, 2 ** 53 - 1, -1, -24, -25, 1 - 2 ** 53])
  if (kind === 2) return pick(random, [2n ** 53n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 64n)])
  if (kind === 3) return pick(random, ['', 'type', '__proto__', 'ledger.seal', 'é', '（2020）粤01民初1号', 'a'.repeat(300)])
  if (kind === 4) return randomBytes(random, pick(random, [0, 1, 16, 31, 32, 33, 64]))
  if (kind === 5) return pick(random, [true, false, null, undefined])
  if (kind === 6) return pick(random, [0.5, Number.NaN, Number.POSITIVE_INFINITY])
  if (kind === 7) return { raw: randomBytes(random, 1 + random(3)) }
  if (kind === 8) return { tag: pick(random, [0, 18, 24, 28, 29, 55_799]), of: random(5) }
  if (kind < 11) return Array.from({ length: random(5) }, () => invented(random, depth + 1))
  return {
    pairs: Array.from({ length: random(5) }, (): [Node, Node] => [
      pick(random, [1, 4, 'a', 'type', invented(random, 9)]),
      invented(random, depth + 1)
    ])
  }
}

/** One place of a value changed. */
export function changed(root: Node, random: Random): Node {
  const holder = { root }
  const places: { get(): Node; set(node: Node): void; list?: Node[]; at?: number; map?: { pairs: [Node, Node][] } }[] = []
  const walk = (node: Node) => {
    if (Array.isArray(node)) {
      node.forEach((_, i) => {
        places.push({
          get: () => node[i]!,
          set: (to) => {
            node[i] = to
          },
          list: node,
          at: i
        })
        walk(node[i]!)
      })
    } else if (typeof node === 'object' && node !== null && 'pairs' in node) {
      node.pairs.forEach((pair, i) => {
        places.push({
          get: () => pair[0],
          set: (to) => {
            pair[0] = to
          },
          map: node,
          at: i
        })
        places.push({
          get: () => pair[1],
          set: (to) => {
            pair[1] = to
          },
          map: node,
          at: i
        })
        walk(pair[1])
      })
    }
  }
  places.push({
    get: () => holder.root,
    set: (to) => {
      holder.root = to
    }
  })
  walk(root)
  const place = pick(random, places)
  const kind = random(8)
  const value = place.get()
  if (kind === 0 && place.list !== undefined) place.list.splice(place.at!, 1)
  else if (kind === 0 && place.map !== undefined) place.map.pairs.splice(place.at!, 1)
  else if (kind === 1 && place.list !== undefined) place.list.splice(place.at!, 0, value)
  else if (kind === 1 && place.map !== undefined) place.map.pairs.splice(place.at!, 0, place.map.pairs[place.at!]!)
  else if (kind === 2 && place.map !== undefined) place.map.pairs.reverse()
  else if (kind === 3 && place.map !== undefined)
    place.map.pairs.push([pick(random, ['zz', 'sealed', 'refs', 99, -1]), invented(random, 4)])
  else if (kind === 4) place.set(structuredClone(pick(random, places).get()))
  else if (kind === 5 && typeof value === 'number') place.set(pick(random, [value + 1, value - 1, 0, -1, 2 ** 53 - 1]))
  else if (kind === 5 && typeof value === 'string')
    place.set(pick(random, [`${value}x`, value.slice(1), value.toUpperCase(), '', `${value}\u0301`]))
  else if (kind === 5 && value instanceof Uint8Array)
    place.set(pick(random, [value.subarray(1), Uint8Array.of(...value, 0), randomBytes(random, value.length)]))
  else if (kind === 6) place.set(Array(random(40)).fill(value))
  else place.set(invented(random, 3))
  return holder.root
}

/** A deterministic encoding, changed as a value; one in four is written otherwise. */
export function changeCbor(sample: Bytes, random: Random): Bytes {
  return write(changed(nodeOf(decodeCbor(sample)), random), random, random(4) > 0)
}

export const inventCbor = (random: Random): Bytes => write(invented(random), random, random(3) > 0)
