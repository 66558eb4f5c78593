/**
 * No changed file verifies. Receipts and certificates, of the vectors and of logs made here, are changed at every member in every way that their form
 * allows, some thousands of times, and never come out `verified`, except where the change touches nothing that a verifier is to read. What that is stands
 * in `test/helpers/reads.ts`, each with the section that leaves it free; `free` shows that these changes do verify.
 *
 * Every choice comes from SEED and the name of the file; a failure prints the change.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { base64url, fromBase64url } from '../../src/core/bytes.ts'
import { MIRROR, WITNESS } from '../helpers/lying-node.ts'
import { isObject, type Json, type JsonObject, judge, type Path, Raw, reads, type Specimen, within } from '../helpers/reads.ts'
import { SPECIMENS } from '../helpers/specimens.ts'

const SEED = 20200826
/** Changes tried on one file: of single members, of characters of notes, of bytes of the text. */
const MEMBERS = 320
const CHARACTERS = 110
const BYTES = 90

// Chance

/** mulberry32 */
function chance(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function seedOf(name: string): number {
  let hash = SEED
  for (const character of name) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
  return hash
}

type Roll = (below: number) => number
const pick = <T>(roll: Roll, items: readonly T[]): T => items[roll(items.length)]!

// Changes

/** A change: what it is called, and the text it makes. */
type Change = [name: string, text: () => string]

function at(root: Json, path: Path): Json {
  return path.reduce<Json>((value, step) => (value as JsonObject)[step as string]!, root)
}

function paths(value: Json, path: Path = []): Path[] {
  const inner = Array.isArray(value)
    ? value.flatMap((item, i) => paths(item, [...path, i]))
    : isObject(value)
      ? Object.entries(value).flatMap(([name, item]) => paths(item, [...path, name]))
      : []
  return [path, ...inner]
}

function write(value: Json): string {
  const raws: string[] = []
  const text = JSON.stringify(value, (_, inner) => (inner instanceof Raw ? `\u0001${raws.push(inner.text) - 1}\u0001` : inner), 1)
  return text.replace(/"\\u0001(\d+)\\u0001"/g, (_, i) => raws[Number(i)]!)
}

/** The file with the value at `path` put through `edit`. */
function edited(root: Json, path: Path, edit: (value: Json) => Json): string {
  const copy = structuredClone(root)
  if (path.length === 0) return write(edit(copy))
  const parent = at(copy, path.slice(0, -1)) as JsonObject
  const last = path.at(-1) as string
  parent[last] = edit(parent[last]!)
  return write(copy)
}

function bytesOf(text: string): Uint8Array | undefined {
  try {
    return fromBase64url(text)
  } catch {
    return undefined
  }
}

const NUMBERS = [
  '-1',
  '-0',
  '1.0',
  '0.5',
  '1e0',
  '01',
  '+1',
  '9007199254740992',
  '9007199254740993',
  '1e400',
  'NaN',
  'true',
  '"1"',
  'null'
]

function* changesOfNumber(root: Json, path: Path, roll: Roll, others: number[]): Generator<Change> {
  const value = at(root, path) as number
  for (const next of [value + 1, value - 1, 0, 1, 2 ** 53 - 1, value * 2, pick(roll, others)])
    if (next !== value && next >= 0) yield [`= ${next}`, () => edited(root, path, () => next)]
  for (const text of NUMBERS) yield [`= ${text}`, () => edited(root, path, () => new Raw(text))]
}

function* changesOfBytes(root: Json, path: Path, roll: Roll, others: string[]): Generator<Change> {
  const text = at(root, path) as string
  const bytes = bytesOf(text)!
  const changed = (name: string, next: Uint8Array): Change => [name, () => edited(root, path, () => base64url(next))]
  for (let i = 0; i < 8 && bytes.length > 0; i++) {
    const [place, bit] = [roll(bytes.length), roll(8)]
    yield changed(`bit ${bit} of byte ${place} flipped`, bytes.with(place, bytes[place]! ^ (1 << bit)))
  }
  yield changed('a byte more', Uint8Array.of(...bytes, 0))
  yield changed('a byte before', Uint8Array.of(0, ...bytes))
  yield changed('nothing left', new Uint8Array(0))
  if (bytes.length > 0) {
    const cut = roll(bytes.length)
    yield changed('its last byte gone', bytes.subarray(0, -1))
    yield changed(`byte ${cut} gone`, Uint8Array.from([...bytes.subarray(0, cut), ...bytes.subarray(cut + 1)]))
    yield changed('doubled', Uint8Array.of(...bytes, ...bytes))
    yield changed(`all zeros`, new Uint8Array(bytes.length))
  }
  const other = pick(roll, others)
  if (other !== text) yield ['replaced by other bytes of the file', () => edited(root, path, () => other)]
  for (const spelling of [`${text}=`, ` ${text}`, `${text}\n`, text.replace(/.$/, '+'), `${text}A`])
    if (spelling !== text) yield [`spelt ${JSON.stringify(spelling.slice(-6))}`, () => edited(root, path, () => spelling)]
}

function* changesOfText(root: Json, path: Path, roll: Roll): Generator<Change> {
  const text = at(root, path) as string
  const place = roll(text.length)
  yield [
    `character ${place} changed`,
    () => edited(root, path, () => text.slice(0, place) + pick(roll, ['a', '/', '（', '0', ' ']) + text.slice(place + 1))
  ]
  yield ['empty', () => edited(root, path, () => '')]
  yield ['twice', () => edited(root, path, () => text + text)]
  yield ['upper case', () => edited(root, path, () => text.toUpperCase())]
  yield ['null', () => edited(root, path, () => null)]
}

function* changesOfList(root: Json, path: Path, roll: Roll, lists: Path[]): Generator<Change> {
  const items = at(root, path) as Json[]
  const changed = (name: string, next: Json): Change => [name, () => edited(root, path, () => next)]
  for (const i of items.keys()) {
    yield changed(`item ${i} gone`, items.toSpliced(i, 1))
    yield changed(`item ${i} twice`, items.toSpliced(i, 0, items[i]!))
    const j = roll(items.length)
    if (i !== j) yield changed(`items ${i} and ${j} exchanged`, items.with(i, items[j]!).with(j, items[i]!))
    if (i !== j) yield changed(`item ${j} in place of ${i}`, items.with(i, items[j]!))
  }
  if (items.length > 1) yield changed('reversed', items.toReversed())
  if (items.length > 1) yield changed('first item last', [...items.slice(1), items[0]!])
  if (items.length > 0) yield changed('emptied', [])
  yield changed('no list', {})
  yield changed('null', null)
  const foreign = at(root, pick(roll, lists)) as Json[]
  if (foreign.length > 0)
    yield changed('an item of another list put in', items.toSpliced(roll(items.length + 1), 0, pick(roll, foreign)))
}

function* changesOfObject(root: Json, path: Path, roll: Roll, objects: Path[]): Generator<Change> {
  const value = at(root, path) as JsonObject
  const names = Object.keys(value)
  for (const name of names) {
    const { [name]: member, ...rest } = value
    yield [`${name} gone`, () => edited(root, path, () => rest)]
    yield [`${name} renamed`, () => edited(root, path, () => ({ ...rest, [`${name}x`]: member! }))]
  }
  for (const name of ['more', 'root', 'checkpoint', 'from', 'statement', '__proto__'])
    if (!names.includes(name))
      yield [
        `${name} put in`,
        () => edited(root, path, () => Object.defineProperty({ ...value }, name, { value: 0, enumerable: true }))
      ]
  yield ['no object', () => edited(root, path, () => [])]
  const other = at(root, pick(roll, objects))
  yield ['replaced by another object of the file', () => edited(root, path, () => other)]
}

/** Every change of a member that is tried; the caller draws from them. */
function changesOfMembers(root: Json, roll: Roll): [Path, Change][] {
  const every = paths(root)
  const is = (path: Path) => at(root, path)
  const isBytes = (path: Path) => {
    const value = is(path)
    const named = ['origin', 'trail', 'format', 'type', 'checkpoint'].includes(String(path.at(-1)))
    return typeof value === 'string' && !named && bytesOf(value) !== undefined
  }
  const numbers = every.map(is).filter((value) => typeof value === 'number')
  const strings = every.filter(isBytes).map(is) as string[]
  const lists = every.filter((path) => Array.isArray(is(path)))
  const objects = every.filter((path) => path.length > 0 && isObject(is(path)))
  return every.flatMap((path) => {
    const value = is(path)
    const changes =
      typeof value === 'number'
        ? changesOfNumber(root, path, roll, numbers)
        : isBytes(path)
          ? changesOfBytes(root, path, roll, strings)
          : typeof value === 'string'
            ? changesOfText(root, path, roll)
            : Array.isArray(value)
              ? changesOfList(root, path, roll, lists)
              : changesOfObject(root, path, roll, objects)
    return [...changes].map((change): [Path, Change] => [path, change])
  })
}

/** Lines of a note taken out, doubled and exchanged; then single characters. */
function* changesOfNotes(root: Json, roll: Roll): Generator<[Path, Change]> {
  const notes = paths(root).filter((path) => path.at(-1) === 'checkpoint')
  for (const path of notes) {
    const note = at(root, path) as string
    const lines = note.split('\n')
    const changed = (name: string, next: string[]): [Path, Change] => [
      path,
      [name, () => edited(root, path, () => next.join('\n'))]
    ]
    for (const i of lines.keys()) {
      yield changed(`line ${i} gone`, lines.toSpliced(i, 1))
      yield changed(`line ${i} twice`, lines.toSpliced(i, 0, lines[i]!))
      yield changed(`an empty line before ${i}`, lines.toSpliced(i, 0, ''))
      const j = roll(lines.length)
      if (i !== j) yield changed(`lines ${i} and ${j} exchanged`, lines.with(i, lines[j]!).with(j, lines[i]!))
      if (i !== j) yield changed(`line ${j} in place of ${i}`, lines.with(i, lines[j]!))
    }
    yield changed('an extension line', lines.toSpliced(3, 0, 'extension'))
  }
  for (let n = 0; n < CHARACTERS; n++) {
    const path = pick(roll, notes)
    const note = at(root, path) as string
    // Lines of unknown keys are long and free: most characters are drawn from the others.
    const end = roll(4) > 0 ? Math.min(note.length, 520) : note.length
    const place = roll(end)
    const character = pick(roll, ['A', 'z', '0', '9', '+', '/', '=', ' ', '\n', '\r', '—', '-', '\u0000', '链', '.'])
    const next = [
      note.slice(0, place) + character + note.slice(place + 1),
      note.slice(0, place) + note.slice(place + 1),
      note.slice(0, place) + character + note.slice(place)
    ]
    for (const [i, text] of next.entries())
      if (i === n % 3 && text !== note)
        yield [
          path,
          [
            `character ${place}: ${JSON.stringify(text.slice(Math.max(0, place - 3), place + 4))}`,
            () => edited(root, path, () => text)
          ]
        ]
  }
}

/** Bytes of the text itself, read back as a verifier reads a file: as UTF-8 or not at all. */
function* changesOfBytesOfText(text: string, roll: Roll): Generator<Change> {
  const bytes = new TextEncoder().encode(text)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decoded = (changed: Uint8Array) => {
    try {
      return decoder.decode(changed)
    } catch {
      return 'not UTF-8'
    }
  }
  for (let n = 0; n < BYTES; n++) {
    const place = roll(bytes.length)
    const bit = roll(8)
    const change = n % 4
    if (change === 0) yield [`byte ${place} ^ ${1 << bit}`, () => decoded(bytes.with(place, bytes[place]! ^ (1 << bit)))]
    else if (change === 1) yield [`byte ${place} = ${bit + 32}`, () => decoded(bytes.with(place, bit + 32))]
    else if (change === 2)
      yield [`byte ${place} gone`, () => decoded(Uint8Array.from([...bytes.subarray(0, place), ...bytes.subarray(place + 1)]))]
    else yield [`cut at ${place}`, () => decoded(bytes.subarray(0, place))]
  }
}

/** `count` of them, each at most once; all where there are no more. */
function drawn<T>(items: T[], count: number, roll: Roll): T[] {
  const left = [...items]
  const out: T[] = []
  while (left.length > 0 && out.length < count) {
    const i = roll(left.length)
    out.push(left[i]!)
    left[i] = left.at(-1)!
    left.pop()
  }
  return out
}

const tried = { changes: 0, verified: 0 }
afterAll(() => expect(tried.changes).toBeGreaterThan(5000))

describe.each(SPECIMENS)('$name', (specimen) => {
  const root = JSON.parse(specimen.text) as Json
  const original = reads(specimen.text, specimen)
  const roll = chance(seedOf(specimen.name))

  /** The changes after which the file still verifies though it reads otherwise. */
  function wronglyVerified(changes: Iterable<[Path, Change]>): string[] {
    const wrong: string[] = []
    for (const [path, [name, make]] of changes) {
      const text = make()
      tried.changes++
      if (judge(text, specimen) !== 'verified') continue
      tried.verified++
      if (reads(text, specimen) !== original) wrong.push(`${specimen.name}, seed ${SEED}: ${path.join('.')} ${name}`)
    }
    return wrong
  }

  test('verifies as it is, and written anew', () => {
    expect(judge(specimen.text, specimen)).toBe('verified')
    expect(judge(write(root), specimen)).toBe('verified')
  })

  test('changed at any member', () => {
    expect(wronglyVerified(drawn(changesOfMembers(root, roll), MEMBERS, roll))).toEqual([])
  })

  test('changed in the lines and characters of its notes', () => {
    expect(wronglyVerified(changesOfNotes(root, roll))).toEqual([])
  })

  test('changed in the bytes of its text', () => {
    const changes = [...changesOfBytesOfText(specimen.text, roll)]
    expect(wronglyVerified(changes.map((change): [Path, Change] => [[], change]))).toEqual([])
  })

  test('with members of the other files', () => {
    const others = SPECIMENS.filter((other) => other.kind === specimen.kind && other !== specimen)
    const names =
      specimen.kind === 'receipt'
        ? Object.keys(root as JsonObject)
        : Object.keys(((root as JsonObject).parts as Json[])[0] as JsonObject)
    const changes = others.flatMap((other) =>
      names.flatMap((name): [Path, Change][] => {
        const path: Path = specimen.kind === 'receipt' ? [name] : ['parts', 0, name]
        const foreign = at(JSON.parse(other.text) as Json, path)
        const own = at(root, path)
        if (foreign === undefined || JSON.stringify(foreign) === JSON.stringify(own)) return []
        // Under one head, registrations and seals beyond those that are needed are as true as these, and change nothing.
        if ((name === 'authority' || name === 'seals') && within(own, foreign)) return []
        return [[path, [`of ${other.name}`, () => edited(root, path, () => foreign)]]]
      })
    )
    expect(wronglyVerified(changes)).toEqual([])
  })
})

describe('free', () => {
  const specimenOf = (name: string) => SPECIMENS.find((specimen) => specimen.name === name)!
  const surplus = specimenOf('receipt with a surplus cosignature')
  const around = specimenOf('receipt with before and entered')
  const dated = specimenOf('receipt of a dated key, with timestamps and a summary')
  const whole = specimenOf('whole trail')
  const seals = specimenOf('trail of a dated key, with seals')
  const parts = specimenOf('trail in two parts')
  const noted = specimenOf('receipt under changed node keys, with approvals and a revocation')
  const of = (specimen: Specimen) => JSON.parse(specimen.text) as JsonObject
  const part = (specimen: Specimen) => (of(specimen).parts as JsonObject[])[0]!
  const onNote = (specimen: Specimen, edit: (lines: string[]) => string[]) =>
    write({ ...of(specimen), checkpoint: edit((of(specimen).checkpoint as string).split('\n')).join('\n') })
  const withPart = (specimen: Specimen, edit: (one: JsonObject) => JsonObject) =>
    write({ ...of(specimen), parts: [edit(part(specimen))] })
  const without = (value: JsonObject, name: string): JsonObject => {
    const { [name]: _, ...rest } = value
    return rest
  }

  const table: [string, Specimen, () => string][] = [
    ['JSON white space (RFC 8259 §2)', around, () => JSON.stringify(of(around), null, '\t\r\n ')],
    ['JSON escapes (RFC 8259 §7)', around, () => around.text.replace(/court/g, '\\u0063ourt')],
    ['order of members (RFC 8259 §4)', around, () => write(Object.fromEntries(Object.entries(of(around)).reverse()))],
    ['summary (formats.md §9)', dated, () => write({ ...of(dated), summary: 'anything at all' })],
    ['no summary (formats.md §9)', dated, () => write(without(of(dated), 'summary'))],
    ['timestamps, whose authority was not given (formats.md §9)', dated, () => write({ ...of(dated), timestamps: [] })],
    [
      'order of signature lines (formats.md §5)',
      around,
      () => onNote(around, (lines) => [...lines.slice(0, 4), ...lines.slice(4, -1).reverse(), ''])
    ],
    [
      'a line of a key that the policy does not list (C2SP signed-note)',
      around,
      () => onNote(around, (lines) => [...lines.slice(0, -1), '— other.example/x AAAAAAAA', ''])
    ],
    [
      'the ML-DSA line, under a policy of Ed25519 keys (formats.md §5)',
      around,
      () => onNote(around, (lines) => lines.filter((line) => line.length < 1000))
    ],
    [
      'a surplus cosignature (formats.md §5)',
      surplus,
      () => onNote(surplus, (lines) => lines.filter((line) => !line.startsWith(`— ${WITNESS}`)))
    ],
    ['disclosures withheld (formats.md §9)', around, () => write({ ...of(around), disclosures: [] })],
    [
      'order of key trails (formats.md §9)',
      around,
      () => write({ ...of(around), keyTrails: (of(around).keyTrails as Json[]).toReversed() })
    ],
    [
      'no seals around, where no key has dates (formats.md §9)',
      around,
      () => write(without(without(of(around), 'before'), 'entered'))
    ],
    [
      'the note under a seal (formats.md §9)',
      noted,
      () => write({ ...of(noted), entered: without(of(noted).entered as JsonObject, 'checkpoint') })
    ],
    [
      'order of seals (formats.md §10)',
      seals,
      () => withPart(seals, (one) => ({ ...one, seals: (one.seals as Json[]).toReversed() }))
    ],
    ['order of parts (formats.md §10)', parts, () => write({ ...of(parts), parts: (of(parts).parts as Json[]).toReversed() })],
    ['a part once more (formats.md §10)', whole, () => write({ ...of(whole), parts: [part(whole), part(whole)] })]
  ]

  test.each(table)('%s', (_name, specimen, make) => {
    const text = make()
    expect(text).not.toBe(specimen.text)
    expect(judge(text, specimen)).toBe('verified')
    expect(reads(text, specimen)).toBe(reads(specimen.text, specimen))
  })

  test('and what is not: the same members where they are needed', () => {
    expect(judge(write(without(without(of(dated), 'before'), 'entered')), dated)).toBe('could-not-check')
    expect(
      judge(
        withPart(seals, (one) => ({ ...one, seals: [] })),
        seals
      )
    ).toBe('could-not-check')
    expect(
      judge(
        onNote(around, (lines) => lines.filter((line) => !line.startsWith(`— ${WITNESS}`))),
        around
      )
    ).toBe('could-not-check')
    expect(
      judge(
        onNote(surplus, (lines) => lines.filter((line) => !line.startsWith(`— ${MIRROR}`))),
        surplus
      )
    ).toBe('could-not-check')
    expect(judge(write({ ...of(around), keyTrails: (of(around).keyTrails as Json[]).slice(1) }), around)).toBe('could-not-check')
  })
})
