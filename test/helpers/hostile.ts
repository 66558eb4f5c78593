/**
 * Hostile inputs: real ones changed, and invented ones. Input n of a target follows from the seed, the target's name and n alone, so that a failure can be
 * had again: `hostileInput(target, seed, n)`.
 */
import type { Bytes } from '../../src/core/bytes.ts'
import { type Random, randomFrom } from './mutations.ts'

export interface Material {
  /** Real inputs. */
  samples: readonly Bytes[]
  /** Changes that know the form of the samples; bytes are changed in any case. */
  change?(sample: Bytes, random: Random): Bytes
  /** An input of this form that nobody has written; bytes at random are tried in any case. */
  invent?(random: Random): Bytes
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!

function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** `sample`: the real input it was made from; where it was invented, one it is held against. */
export function hostileInput(name: string, material: Material, seed: string, n: number): { input: Bytes; sample: Bytes } {
  const random = randomFrom(seedOf(`${seed}/${name}/${n}`))
  const { samples, change, invent } = material
  const sample = pick(random, samples)
  const kind = random(16)
  if (kind === 0) return { input: randomBytes(random, random(2) === 0 ? random(40) : random(2_000)), sample }
  if (kind < 3 && invent !== undefined) return { input: invent(random), sample }
  const changed = kind < 10 && change !== undefined ? change(sample, random) : changeBytes(sample, random, samples)
  // Once in a while one change on top of another.
  return { input: random(6) === 0 ? changeBytes(changed, random, samples) : changed, sample }
}

export function randomBytes(random: Random, length: number): Bytes {
  return Uint8Array.from({ length }, () => random(256))
}

function spliced(bytes: Bytes, at: number, removed: number, put: Bytes): Bytes {
  const out = new Uint8Array(bytes.length - removed + put.length)
  out.set(bytes.subarray(0, at), 0)
  out.set(put, at)
  out.set(bytes.subarray(at + removed), at + put.length)
  return out
}

/** Bytes that mean something in one of our forms: CBOR heads, ends of ranges, line feeds, quotes, halves of UTF-8. */
const TELLING = [
  0x00, 0x01, 0x17, 0x18, 0x1b, 0x20, 0x3b, 0x40, 0x5b, 0x5f, 0x60, 0x7b, 0x7f, 0x80, 0x9b, 0x9f, 0xa0, 0xbb, 0xbf, 0xd2, 0xf4,
  0xf6, 0xf7, 0xf9, 0xfb, 0xff, 0x0a, 0x0d, 0x22, 0x5c, 0x7b, 0x7d, 0xc0, 0xed, 0xef, 0xe2
]

type ByteChange = (bytes: Bytes, random: Random, others: readonly Bytes[]) => Bytes

const BYTE_CHANGES: readonly ByteChange[] = [
  (bytes, random) => flip(bytes, random),
  (bytes, random) => flip(bytes, random),
  (bytes, random) => (bytes.length === 0 ? bytes : bytes.with(random(bytes.length), pick(random, TELLING))),
  (bytes, random) => (bytes.length === 0 ? bytes : bytes.with(random(bytes.length), random(256))),
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => bytes.subarray(random(bytes.length + 1)),
  (bytes, random) => {
    const at = random(bytes.length + 1)
    return spliced(bytes, at, Math.min(bytes.length - at, 1 + random(8)), new Uint8Array(0))
  },
  (bytes, random) => spliced(bytes, random(bytes.length + 1), 0, randomBytes(random, 1 + random(8))),
  (bytes, random) => spliced(bytes, random(bytes.length + 1), 0, Uint8Array.of(pick(random, TELLING))),
  (bytes, random) => {
    // A piece of it, or of another, once more somewhere.
    const from = random(3) === 0 ? pick(random, [bytes]) : bytes
    const start = random(from.length + 1)
    return spliced(bytes, random(bytes.length + 1), 0, from.subarray(start, start + 1 + random(64)))
  },
  (bytes, random, others) => {
    const other = pick(random, others)
    return spliced(bytes, random(bytes.length + 1), 0, other.subarray(random(other.length + 1)).subarray(0, 200))
  },
  (bytes, random, others) => {
    const other = pick(random, others)
    const at = random(Math.min(bytes.length, other.length) + 1)
    return spliced(bytes.subarray(0, at), at, 0, other.subarray(at))
  },
  (bytes, random) => {
    // One byte many times: nesting, or nothing but digits, spaces, backslashes.
    const at = random(bytes.length + 1)
    const byte = random(2) === 0 ? pick(random, TELLING) : (bytes[at] ?? 0x81)
    return spliced(bytes, at, 0, new Uint8Array(1 + random(3_000)).fill(byte))
  },
  (bytes, random) => {
    // Lengths that promise more than there is.
    const at = random(bytes.length + 1)
    const head = Uint8Array.of(pick(random, [0x5b, 0x7b, 0x9b, 0xbb, 0x1b]), ...Array(8).fill(random(2) === 0 ? 0xff : 0x7f))
    return spliced(bytes, at, Math.min(bytes.length - at, 9), head)
  }
]

function flip(bytes: Bytes, random: Random): Bytes {
  if (bytes.length === 0) return bytes
  const at = random(bytes.length)
  return bytes.with(at, bytes[at]! ^ (1 << random(8)))
}

export function changeBytes(bytes: Bytes, random: Random, others: readonly Bytes[]): Bytes {
  let changed = bytes
  do changed = pick(random, BYTE_CHANGES)(changed, random, others)
  while (random(3) === 0)
  return changed
}

/** Characters that texts trip over. */
const ODD = [
  '\0',
  '\t',
  '\r',
  '\n',
  '\n\n',
  ' ',
  '\u00a0',
  '\u2028',
  '\ufeff',
  '\u202e',
  '\ud800',
  'e\u0301',
  '—',
  '（',
  '）',
  '/',
  '//',
  '..',
  '%2f',
  '~',
  ':',
  '+',
  '=',
  '==',
  '-',
  '0',
  '00',
  '-0',
  '1e9',
  '9007199254740992',
  '18446744073709551616',
  'null',
  '"',
  '\\',
  '\\u0000',
  '{',
  '}',
  '[',
  ']',
  ',',
  '#',
  '&a',
  '*a',
  '<<',
  '!!js/function',
  '__proto__',
  'constructor',
  'A',
  'é',
  '链',
  '𠀀'
]

const NUMBERS = ['0', '-1', '01', '1.0', '4294967296', '9007199254740991', '9007199254740993', '1e3', '999999999999999999999']

type TextChange = (text: string, random: Random) => string

const TEXT_CHANGES: readonly TextChange[] = [
  (text, random) => put(text, random, 0, pick(random, ODD)),
  (text, random) => put(text, random, 1, pick(random, ODD)),
  (text, random) => put(text, random, 1 + random(12), ''),
  (text, random) => put(text, random, 0, pick(random, ODD).repeat(1 + random(200))),
  (text, random) => lines(text, (all) => all.toSpliced(random(all.length), 1)),
  (text, random) => lines(text, (all) => all.toSpliced(random(all.length), 0, pick(random, all))),
  (text, random) => lines(text, (all) => all.with(random(all.length), pick(random, all))),
  (text, random) => lines(text, (all) => all.with(random(all.length), pick(random, ODD))),
  (text, random) => {
    // Digits that stand alone are numbers more often than those inside a word.
    const alone = [...text.matchAll(/(?<![\p{L}\d])\d+(?![\p{L}\d])/gu)]
    const match = pick(random, alone.length > 0 ? alone : [...text.matchAll(/\d+/g)])
    return match === undefined
      ? text
      : text.slice(0, match.index) + pick(random, NUMBERS) + text.slice(match.index + match[0].length)
  },
  (text, random) => {
    const words = text.split(/(\s+)/)
    return words.with(random(words.length), pick(random, words)).join('')
  },
  (text, random) => (random(2) === 0 ? text.toUpperCase() : text.normalize('NFD')),
  (text) => text.replaceAll('\n', '\r\n'),
  (text, random) => text.repeat(2 + random(3)),
  (text, random) => text.slice(0, random(text.length + 1))
]

function put(text: string, random: Random, removed: number, with_: string): string {
  const at = random(text.length + 1)
  return text.slice(0, at) + with_ + text.slice(at + removed)
}

function lines(text: string, edit: (lines: string[]) => string[]): string {
  return edit(text.split('\n')).join('\n')
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export function changeText(sample: Bytes, random: Random): Bytes {
  let text = decoder.decode(sample)
  do text = pick(random, TEXT_CHANGES)(text, random)
  while (random(3) === 0)
  return encoder.encode(text)
}

export function inventText(random: Random): Bytes {
  return encoder.encode(Array.from({ length: random(30) }, () => pick(random, ODD)).join(''))
}

type Tree = null | boolean | number | string | Tree[] | { [name: string]: Tree }

/** A JSON value of no form in particular. */
export function inventJson(random: Random): Bytes {
  return encoder.encode(JSON.stringify(tree(random, 0)))
}

function tree(random: Random, depth: number): Tree {
  const kind = random(depth > 4 ? 5 : 8)
  if (kind === 0) return null
  if (kind === 1) return random(2) === 0
  if (kind === 2) return pick(random, [0, -1, 1.5, 2 ** 53, 1e300, random(1000)])
  if (kind < 5) return pick(random, ODD)
  if (kind === 5) return Array.from({ length: random(5) }, () => tree(random, depth + 1))
  return Object.fromEntries(Array.from({ length: random(5) }, () => [pick(random, ODD), tree(random, depth + 1)]))
}

/** One member of a JSON text changed: dropped, doubled, renamed, set to something else, put under another name. */
export function changeJson(sample: Bytes, random: Random): Bytes {
  const root = { root: JSON.parse(decoder.decode(sample)) as Tree }
  const places: { holder: { [name: string]: Tree }; name: string }[] = []
  const walk = (value: Tree) => {
    if (typeof value !== 'object' || value === null) return
    for (const name of Object.keys(value)) {
      places.push({ holder: value as { [name: string]: Tree }, name })
      walk((value as { [name: string]: Tree })[name]!)
    }
  }
  walk(root)
  const { holder, name } = pick(random, places)
  const other = pick(random, places)
  const kind = random(7)
  if (kind === 0 && holder !== root) delete holder[name]
  else if (kind === 1) holder[name] = tree(random, 2)
  else if (kind === 2) holder[name] = structuredClone(other.holder[other.name] ?? null)
  else if (kind === 3) holder[`${name}${pick(random, ODD)}`] = holder[name] ?? null
  else if (kind === 4) holder[name] = Array(random(70)).fill(holder[name] ?? null)
  else if (typeof holder[name] === 'string') holder[name] = decoder.decode(changeText(encoder.encode(holder[name]), random))
  else if (typeof holder[name] === 'number') holder[name] = pick(random, [-1, 0, 1.5, 2 ** 53, (holder[name] as number) + 1])
  return encoder.encode(JSON.stringify(root.root))
}
