/**
 * Changes to receipts, trail certificates and policies, for holding two verifiers against one another: members, numbers, base64, the bytes
 * behind it, lines of signed notes, pieces of other files, the text itself. A seed gives the same changes again.
 */
import { base64, base64url, fromBase64, fromBase64url } from '../../src/core/bytes.ts'

/** A number in [0, below), from a generator that a seed determines. */
export type Random = (below: number) => number

export interface Mutant {
  /** What was changed, and where. */
  what: string
  bytes: Uint8Array
}

type Tree = null | boolean | number | string | Tree[] | { [name: string]: Tree }
type Container = Tree[] | { [name: string]: Tree }

interface Place {
  path: string
  holder: Container
  name: string
  value: Tree
}

/** mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!

/** Every place of a document but those inside `summary`, which says nothing. */
function placesOf(holder: Container, path = ''): Place[] {
  return Object.entries(holder).flatMap(([name, value]) => {
    if (path === '' && name === 'summary') return []
    const place = { path: `${path}/${name}`, holder, name, value: value as Tree }
    return typeof value === 'object' && value !== null ? [place, ...placesOf(value as Container, place.path)] : [place]
  })
}

/** Texts that JSON.stringify would not write: put in under a token, and for it afterwards. */
class Writer {
  readonly #raw: string[] = []

  token(text: string): string {
    this.#raw.push(text)
    return `@@${this.#raw.length - 1}@@`
  }
  write(document: Tree): string {
    return JSON.stringify(document, null, 1).replace(/"@@(\d+)@@"/g, (_, n) => this.#raw[Number(n)]!)
  }
}

/** Changes the place and says how; undefined where it does not apply. */
type Change = (place: Place, context: { random: Random; writer: Writer; donors: readonly Place[] }) => string | undefined

const set = ({ holder, name }: Place, value: Tree): void => {
  ;(holder as { [name: string]: Tree })[name] = value
}

const STRANGE: readonly Tree[] = [
  null,
  true,
  '',
  'x',
  0,
  1,
  -1,
  1.5,
  2 ** 53,
  [],
  {},
  [[]],
  'AA',
  '__proto__',
  '\ufffd',
  [{ type: '\ufffd', token: '' }],
  [{ type: 'rfc3161', token: 'AAAA' }]
]

const members: readonly Change[] = [
  function drop({ holder, name }) {
    if (Array.isArray(holder)) holder.splice(Number(name), 1)
    else delete holder[name]
    return 'dropped'
  },
  function replace(place, { random }) {
    const value = pick(random, STRANGE)
    set(place, value)
    return `set to ${JSON.stringify(value)}`
  },
  function rename({ holder, name, value }) {
    if (Array.isArray(holder)) return undefined
    delete holder[name]
    holder[`${name}s`] = value
    return 'renamed'
  },
  function backwards(place) {
    const { value } = place
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    set(place, Object.fromEntries(Object.entries(value).reverse()))
    return 'members in reverse'
  },
  function more({ value }) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    value.note = 'x'
    return 'given a member more'
  },
  function twice({ holder, name, value }, { writer }) {
    if (Array.isArray(holder)) holder.splice(Number(name), 0, value)
    else holder[writer.token(JSON.stringify(name))] = value
    return 'given twice'
  },
  function swap({ value }, { random }) {
    if (!Array.isArray(value) || value.length < 2) return undefined
    const at = random(value.length - 1)
    ;[value[at], value[at + 1]] = [value[at + 1]!, value[at]!]
    return `elements ${at} and ${at + 1} swapped`
  },
  function transplant(place, { random, donors }) {
    const fitting = donors.filter(
      ({ name, value }) => name === place.name && JSON.stringify(value) !== JSON.stringify(place.value)
    )
    if (fitting.length === 0) return undefined
    const donor = pick(random, fitting)
    set(place, structuredClone(donor.value))
    return `taken from ${donor.path}`
  }
]

const numbers: readonly Change[] = [
  function near(place, { random }) {
    const value = (place.value as number) + pick(random, [1, -1, 2, 256])
    set(place, value)
    return `set to ${value}`
  },
  function spelling(place, { random, writer }) {
    const text = pick(random, [`${place.value}.0`, `${place.value}e0`, `0${place.value}`, `-${place.value}`, `"${place.value}"`])
    set(place, writer.token(text))
    return `written ${text}`
  }
]

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function otherCharacter(text: string, at: number, random: Random): string {
  const now = BASE64URL.indexOf(text[at]!)
  return text.slice(0, at) + BASE64URL[(now + 1 + random(63)) % 64] + text.slice(at + 1)
}

const encoded: readonly Change[] = [
  function bit(place, { random }) {
    const bytes = fromBase64url(place.value as string)
    const at = random(bytes.length)
    bytes[at]! ^= 1 << random(8)
    set(place, base64url(bytes))
    return `bit flipped in byte ${at} of ${bytes.length}`
  },
  function shorten(place, { random }) {
    const bytes = fromBase64url(place.value as string)
    const less = 1 + random(Math.min(40, bytes.length))
    set(place, base64url(bytes.subarray(0, bytes.length - less)))
    return `${less} bytes shorter`
  },
  function lengthen(place, { random }) {
    const bytes = fromBase64url(place.value as string)
    set(place, base64url(Uint8Array.from([...bytes, random(256)])))
    return 'a byte longer'
  },
  function lastCharacter(place, { random }) {
    const text = place.value as string
    set(place, otherCharacter(text, text.length - 1, random))
    return 'last character changed'
  },
  function characters(place, { random }) {
    const text = place.value as string
    const at = random(text.length)
    const value = pick(random, [
      `${text}=`,
      `${text}\n`,
      `${text.slice(0, at)} ${text.slice(at)}`,
      text.replaceAll('-', '+').replaceAll('_', '/'),
      otherCharacter(text, at, random)
    ])
    if (value === text) return undefined
    set(place, value)
    return `characters changed near ${at}`
  }
]

/** A signed note by its lines: text, then signatures. */
const noteChanges: readonly ((text: string[], signatures: string[], random: Random) => string)[] = [
  function dropLine(_, signatures, random) {
    const at = random(signatures.length)
    signatures.splice(at, 1)
    return `signature ${at} dropped`
  },
  function repeatLine(_, signatures, random) {
    const at = random(signatures.length)
    signatures.push(signatures[at]!)
    return `signature ${at} repeated`
  },
  function reverse(_, signatures) {
    signatures.reverse()
    return 'signatures reversed'
  },
  function some(text, signatures, random) {
    const own = random(2) === 0
    const kept = signatures.filter((line) => line.startsWith(`— ${text[0]} `) === own)
    signatures.splice(0, signatures.length, ...(kept.length > 0 ? kept : signatures))
    return `signatures of the ${own ? 'log' : 'others'} alone`
  },
  function damage(_, signatures, random) {
    const at = random(signatures.length)
    const [dash, name, blob] = signatures[at]!.split(' ') as [string, string, string]
    const bytes = fromBase64(blob)
    const byte = random(Math.min(bytes.length, 80))
    bytes[byte]! ^= 1 << random(8)
    signatures[at] = `${dash} ${name} ${base64(bytes)}`
    return `bit flipped in byte ${byte} of signature ${at}`
  },
  function rename(_, signatures, random) {
    const at = random(signatures.length)
    const [dash, name, blob] = signatures[at]!.split(' ') as [string, string, string]
    signatures[at] = `${dash} ${name}x ${blob}`
    return `key name of signature ${at} changed`
  },
  function stranger(_, signatures, random) {
    signatures.splice(random(signatures.length + 1), 0, `— stranger.example ${base64(new Uint8Array(76).fill(random(256)))}`)
    return 'a signature of a stranger added'
  },
  function malformed(_, signatures, random) {
    const at = random(signatures.length)
    const line = signatures[at]!
    signatures[at] = pick(random, [`${line}=`, `${line} `, line.replace('—', '-'), line.slice(0, -4), `${line}\r`, ` ${line}`])
    return `signature ${at} malformed`
  },
  function size(text, _, random) {
    text[1] = pick(random, [
      String(Number(text[1]) + 1),
      String(Number(text[1]) - 1),
      `0${text[1]}`,
      `+${text[1]}`,
      '0',
      `${text[1]} `
    ])
    return `size ${text[1]}`
  },
  function root(text, _, random) {
    const bytes = fromBase64(text[2]!)
    bytes[random(32)]! ^= 1 << random(8)
    text[2] = base64(bytes)
    return 'root changed'
  },
  function origin(text) {
    text[0] = `${text[0]}x`
    return 'origin changed'
  },
  function extension(text) {
    text.push('extension')
    return 'an extension line'
  },
  function emptyLine(text) {
    text.push('', '— a AAAAAAA=')
    return 'another empty line'
  }
]

const notes: readonly Change[] = noteChanges.map(
  (change): Change =>
    (place, { random }) => {
      const [text, signatures] = (place.value as string).split('\n\n').map((half) => half.replace(/\n$/, '').split('\n'))
      if (text === undefined || signatures === undefined) return undefined
      const what = change(text, signatures, random)
      set(place, `${[...text, '', ...signatures].join('\n')}\n`)
      return what
    }
)

function changesFor({ name, value }: Place): readonly Change[] {
  if (name === 'checkpoint' && typeof value === 'string') return mostly(notes, members)
  if (typeof value === 'number') return mostly(numbers, members)
  if (typeof value === 'string' && value.length >= 4 && isBase64url(value)) return mostly(encoded, members)
  return members
}

function isBase64url(text: string): boolean {
  try {
    fromBase64url(text)
    return true
  } catch {
    return false
  }
}

/** The first kind three times as often as the second. */
function mostly<T>(often: readonly T[], seldom: readonly T[]): T[] {
  return [...often, ...often, ...often, ...seldom]
}

const textChanges: readonly ((bytes: Buffer, random: Random) => [string, Buffer] | undefined)[] = [
  function truncated(bytes, random) {
    const end = random(bytes.length)
    return [`cut at ${end}`, bytes.subarray(0, end)]
  },
  function appended(bytes, random) {
    const tail = pick(random, ['{}', ']', '\0', 'x', ' \n'])
    return [`${JSON.stringify(tail)} appended`, Buffer.concat([bytes, Buffer.from(tail)])]
  },
  function byte(bytes, random) {
    const at = random(bytes.length)
    const copy = Buffer.from(bytes)
    copy[at]! ^= 1 << random(8)
    return [`bit flipped in byte ${at} of the text`, copy]
  },
  function marked(bytes) {
    return ['byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes])]
  },
  function notUtf8(bytes, random) {
    const at = bytes.indexOf(pick(random, ['"origin"', '"summary"', '"type"', '"index"']))
    if (at < 0) return undefined
    return ['a byte that is no UTF-8', Buffer.concat([bytes.subarray(0, at + 1), Buffer.from([0xff]), bytes.subarray(at + 1)])]
  },
  function backwards(bytes) {
    const document = JSON.parse(bytes.toString()) as { [name: string]: Tree }
    return ['members in reverse', Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(document).reverse())))]
  },
  function summary(bytes, random) {
    const value = pick(random, [
      '{"format": "lianzheng-trail/v1"}',
      '{"format": "lianzheng-receipt/v1"}',
      '"\\ufffd"',
      '"\\ud800"',
      '[1e999, -0.0]'
    ])
    return [`summary ${value}`, Buffer.from(bytes.toString().replace('{', `{"summary": ${value},`))]
  },
  function escaped(bytes, random) {
    const [from, to] = pick(random, [
      ['"format"', '"f\\u006frmat"'],
      ['"lianzheng-', '"\\u006cianzheng-'],
      ['example/', 'example\\/']
    ] as const)
    return [`${from} written ${to}`, Buffer.from(bytes.toString().replace(from, to))]
  },
  function version(bytes) {
    return ['another version', Buffer.from(bytes.toString().replace('/v1"', '/v2"'))]
  },
  function lineEnds(bytes) {
    return ['line ends CR LF', Buffer.from(bytes.toString().replaceAll('\n', '\r\n'))]
  }
]

/** One change to a receipt or certificate. `donors`: texts of other files, pieces of which may be put in. */
export function mutate(text: string, donors: readonly string[], random: Random): Mutant {
  for (;;) {
    if (random(10) === 0) {
      const done = pick(random, textChanges)(Buffer.from(text), random)
      if (done !== undefined) return { what: done[0], bytes: done[1] }
      continue
    }
    const document = JSON.parse(text) as { [name: string]: Tree }
    const place = pick(random, placesOf(document))
    const pieces = donors.flatMap((donor) => placesOf(JSON.parse(donor) as Container))
    const writer = new Writer()
    const what = pick(random, changesFor(place))(place, { random, writer, donors: pieces })
    if (what !== undefined) return { what: `${place.path} ${what}`, bytes: Buffer.from(writer.write(document)) }
  }
}

const textOfPolicy: readonly ((text: string, line: number) => [string, Buffer])[] = [
  (text) => ['byte order mark', Buffer.from(`\ufeff${text}`)],
  (text) => ['line ends CR LF', Buffer.from(text.replaceAll('\n', '\r\n'))],
  (text) => ['tabs', Buffer.from(text.replaceAll(' ', '\t'))],
  (text) => ['comments and empty lines', Buffer.from(`#\n# 注\n\n ${text.replaceAll('\n', '\n\n  #x\n')}`)],
  (text) => ['a byte that is no UTF-8', Buffer.concat([Buffer.from('# '), Buffer.from([0xff, 0x0a]), Buffer.from(text)])],
  (text, line) => [
    `other white space in line ${line + 1}`,
    Buffer.from(text.split('\n').with(line, text.split('\n')[line]!.replace(' ', '\u00a0')).join('\n'))
  ]
]

/** One change to a policy. */
export function mutatePolicy(text: string, random: Random): Mutant {
  const lines = text.trimEnd().split('\n')
  const at = random(lines.length)
  const words = lines[at]!.split(' ')
  const done = (what: string, changed: string[]): Mutant => ({
    what: `line ${at + 1} ${what}`,
    bytes: Buffer.from(`${changed.join('\n')}\n`)
  })
  switch (random(6)) {
    case 5: {
      const [how, bytes] = pick(random, textOfPolicy)(text, at)
      return { what: how, bytes }
    }
    case 0:
      return done('dropped', lines.toSpliced(at, 1))
    case 1:
      return done('repeated', lines.toSpliced(at, 0, lines[at]!))
    case 2: {
      const word = random(words.length)
      return done(`without word ${word + 1}`, lines.toSpliced(at, 1, words.toSpliced(word, 1).join(' ')))
    }
    case 3: {
      const word = random(words.length)
      const other = pick(random, ['0', '1', '2', '01', '+1', 'none', 'all', 'any', 'internal', 'party,public', 'other', ...words])
      return done(`word ${word + 1} now ${other.slice(0, 20)}`, lines.toSpliced(at, 1, words.toSpliced(word, 1, other).join(' ')))
    }
    default: {
      const next = random(lines.length)
      const moved = lines.toSpliced(at, 1)
      moved.splice(next, 0, lines[at]!)
      return done(`moved to ${next + 1}`, moved)
    }
  }
}
