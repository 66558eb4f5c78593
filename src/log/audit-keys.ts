/**
 * The second half of an audit: the store of a log beside the store that was derived from its entries, class by class, both in the order of their keys.
 * Nothing is kept in memory but where the two walks stand.
 */
import { type Bytes, base64url, compareBytes, equalBytes, fromU64, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { HASH_SIZE } from '../core/hash.ts'
import { decodePage } from '../core/map-page.ts'
import { decodeTrailState, rootOfTrail } from '../core/trail.ts'
import { classRange, KEY_CLASSES, type KeyClass, pageKey, supersededKey } from '../store/layout.ts'
import type { Store } from '../store/store.ts'
import { encodeValue } from '../store/values.ts'
import type { TrailOfVersion1 } from './ledger.ts'

export interface Compared {
  stored: Store
  derived: Store
  /** Could every entry be read? Where not, what follows from all of them is not compared, and what nothing accounts for is not named. */
  derivable: boolean
  onFinding(what: string, error: LianzhengError): void
  /** Share of the keys behind us, 0 to 1. */
  onProgress?(share: number): void
}

/** Follow from the entries one by one; the others only from all of them. */
const OF_EACH: readonly KeyClass[] = ['c', 'h', 'l', 's', 'x']
const OF_ALL: readonly KeyClass[] = ['k', 'r', 't', 'u']
/** Keys between two reports. */
const STEP = 4_096

export async function compareKeys(compared: Compared): Promise<void> {
  const classes = [...OF_EACH, ...(compared.derivable ? OF_ALL : []), 'p' as const]
  for (const [i, letter] of classes.entries()) {
    const within = (share: number) => compared.onProgress?.((i + share) / classes.length)
    if (letter === 'p') await comparePages(compared, within)
    else await compareClass(compared, letter, within)
    within(1)
  }
  await findForeign(compared)
}

type Pair = [key: Bytes, derived: Bytes | undefined, stored: Bytes | undefined]

/** Keys of either store, each once. */
async function* sideBySide(
  { derived, stored }: Compared,
  letter: KeyClass,
  within: (share: number) => void
): AsyncIterable<Pair> {
  const [ours, theirs] = [derived, stored].map((store) => store.range(classRange(letter))[Symbol.asyncIterator]()) as [
    AsyncIterator<[Bytes, Bytes]>,
    AsyncIterator<[Bytes, Bytes]>
  ]
  try {
    let [a, b] = [await ours.next(), await theirs.next()]
    for (let n = 1; !(a.done && b.done); n++) {
      const order = a.done ? 1 : b.done ? -1 : compareBytes(a.value[0], b.value[0])
      const key: Bytes = order <= 0 ? a.value[0] : b.value[0]
      yield [key, order <= 0 ? a.value[1] : undefined, order >= 0 ? b.value[1] : undefined]
      // Most keys are hashes: how far one is says how far we are.
      if (n % STEP === 0) within(((key[1] ?? 0) * 256 + (key[2] ?? 0)) / 65_536)
      if (order <= 0) a = await ours.next()
      if (order >= 0) b = await theirs.next()
    }
  } finally {
    await ours.return?.()
    await theirs.return?.()
  }
}

async function compareClass(compared: Compared, letter: KeyClass, within: (share: number) => void): Promise<void> {
  for await (const [key, derived, stored] of sideBySide(compared, letter, within)) {
    const what = () => nameOf(compared, letter, key, derived ?? stored!)
    if (derived === undefined) {
      if (compared.derivable) compared.onFinding(what(), corrupt('no such key: no entry accounts for it'))
    } else if (stored === undefined) compared.onFinding(what(), corrupt('to be there'))
    else if (!equalBytes(derived, stored)) {
      const expected = letter === 't' ? inFormOf(stored, derived) : derived
      if (!equalBytes(expected, stored)) compared.onFinding(what(), corrupt(hex(expected.subarray(0, 64))))
    }
  }
}

function corrupt(expected: string): LianzhengError {
  return new LianzhengError('STORE_CORRUPT', { expected })
}

/** A trail's value in the form of the version that wrote the stored one: a store keeps what version 1 wrote until the trail grows. */
function inFormOf(stored: Bytes, derived: Bytes): Bytes {
  if (stored[0] === 0) return derived
  const trail = decodeTrailState(derived)!
  const { name, count } = trail
  const ofVersion1: TrailOfVersion1 = { name, count, root: rootOfTrail(trail) }
  return encodeValue(ofVersion1)
}

/** Class and place, as people are told. */
function nameOf({ derived }: Compared, letter: KeyClass, key: Bytes, value: Bytes): string {
  const place = key.subarray(1)
  const number = (at: number) => (key.length === at + 8 ? fromU64(key, at) : undefined)
  switch (letter) {
    case 'l':
    case 'c':
      return `${letter} ${(value.length === 8 ? fromU64(value) : undefined) ?? hex(place)}`
    case 's':
    case 'x':
      return `${letter} ${number(1) ?? hex(place)}`
    case 'h':
      return `h ${number(2) === undefined ? hex(place) : `${key[1]}/${number(2)}`}`
    case 't':
      return `t ${decodeTrailState(value)?.name ?? hex(place)}`
    case 'u': {
      const state = derived.get(Uint8Array.of(...classRange('t').gte, ...key.subarray(1, 33)))
      const trail = state === undefined ? undefined : decodeTrailState(state)
      const tile = number(34)
      return trail === undefined || tile === undefined ? `u ${hex(place)}` : `u ${trail.name} ${key[33]}/${tile}`
    }
    case 'k':
      return `k ${base64url(place)}`
    case 'r':
      return place.length === 0 ? 'r' : `r ${hex(place)}`
    default:
      return `${letter} ${hex(place)}`
  }
}

/**
 * The pages of the map, and those that seals have superseded and the store still lists. Of the latter the bytes are not derived again: a page is what
 * its hash says. After an entry that cannot be read nobody can say which pages there should be.
 */
async function comparePages(compared: Compared, within: (share: number) => void): Promise<void> {
  const { stored, derived, derivable, onFinding } = compared
  let listed = 0
  for await (const [key, value] of stored.range(classRange('g'))) {
    const height = key.length === 9 ? fromU64(key, 1) : undefined
    if (height === undefined) onFinding(`g ${hex(key.subarray(1))}`, corrupt('a key of this class'))
    const expected = height === undefined ? undefined : derived.get(supersededKey(height))
    if (height === undefined || (expected === undefined && !derivable)) continue
    if (expected === undefined || !equalBytes(value, expected)) {
      onFinding(`g ${height}`, corrupt('the pages this seal superseded'))
      continue
    }
    for (let at = 0; at < value.length; at += HASH_SIZE) {
      const hash = value.subarray(at, at + HASH_SIZE)
      if (stored.get(pageKey(hash)) === undefined) onFinding(`p ${hex(hash)}`, corrupt('to be there'))
      else listed++
    }
  }
  let others = 0
  for await (const [key, expected, value] of sideBySide(compared, 'p', within)) {
    const hash = key.subarray(1)
    if (value === undefined) {
      if (derivable) onFinding(`p ${hex(hash)}`, corrupt('to be there'))
    } else if (expected !== undefined && derivable) {
      if (!equalBytes(expected, value)) onFinding(`p ${hex(hash)}`, corrupt(hex(expected.subarray(0, 64))))
    } else {
      others++
      const error = damageOf(value, hash)
      if (error !== undefined) onFinding(`p ${hex(hash)}`, error)
    }
  }
  if (derivable && others !== listed) onFinding('p', corrupt(`${listed} superseded pages, not ${others}`))
}

function damageOf(page: Bytes, hash: Bytes): LianzhengError | undefined {
  try {
    decodePage(page, hash)
    return undefined
  } catch (error) {
    if (error instanceof LianzhengError) return error
    throw error
  }
}

/** Keys of no class. */
async function findForeign({ stored, onFinding }: Compared): Promise<void> {
  const ranges = [...KEY_CLASSES].map(classRange).sort((a, b) => compareBytes(a.gte, b.gte))
  let from: Bytes = new Uint8Array(0)
  for (const { gte, lt } of [...ranges, { gte: new Uint8Array(64).fill(0xff), lt: from }]) {
    if (compareBytes(from, gte) < 0)
      for await (const [key] of stored.range({ gte: from, lt: gte }))
        onFinding(`key ${hex(key)}`, corrupt('a key of a known class'))
    from = lt
  }
}
