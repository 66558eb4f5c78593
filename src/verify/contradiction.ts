/**
 * Contradictions (formats.md §13): two things a log has signed that cannot both be true, in one file that proves it to anyone with the log's key.
 *
 *   same-size        two checkpoints of one size with different roots
 *   same-index       two leaves at one index, each under a checkpoint
 *   broken-promise   a promise, and a trail under a later head that should show the statement and does not
 *
 * What convicts is the log's own signature on both sides, so neither quorum nor mirrors are asked for; a cosigner whose signature stands on both
 * sides is named too. For a broken promise the statement itself is in the file: its header says on which trails it would stand, and its leaf hash that
 * it is the one promised. The promise key is the one that the genesis and registry under the log's own head name.
 */
import { type Bytes, base64url, equalBytes } from '../core/bytes.ts'
import { parseCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { type JsonValue, parseStrictJson } from '../core/json.ts'
import { keyId } from '../core/keys.ts'
import { checkInclusion } from '../core/merkle.ts'
import { parseNote } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { decodeHandout, type Handout, type Promised } from '../core/promise.ts'
import type { RegistryMeta } from '../core/registry.ts'
import { decodeSeal } from '../core/seal.ts'
import { decodeStatement, type Statement, verifyStatement } from '../core/statement.ts'
import { listingHolds } from './certificate.ts'
import { formatFile, Reader, readPart, readSeal, requireVersion, type SealEntry, type TrailPart } from './files.ts'
import { type PlacedLeaf, type ShownHead, signersOf } from './heads.ts'
import { Part } from './part.ts'
import { isoTime } from './receipt.ts'
import { STEPS, type Step, type StepName, Steps, VERDICT_WORDS, type Verdict, type Words } from './verdict.ts'

export const CONTRADICTION_FORMAT = 'lianzheng-contradiction/v1'

export type Contradiction = { origin: string } & (
  | { kind: 'same-size'; a: { checkpoint: string }; b: { checkpoint: string } }
  | { kind: 'same-index'; a: PlacedLeaf & { checkpoint: string }; b: PlacedLeaf & { checkpoint: string } }
  | {
      kind: 'broken-promise'
      /** `statement` is needed wherever `b` is a trail part. */
      a: { promise: Bytes; statement?: Bytes }
      b: TrailPart | { checkpoint: string; seal: SealEntry }
    }
)

export interface ContradictionReport {
  kind: 'contradiction'
  /** `verified`: the contradiction is proven. */
  overall: Verdict
  headline: Words
  steps: Step[]
  origin: string
  contradiction: Contradiction['kind']
  /**
   * `<key name>+<8 hex>` of the keys that signed both sides, or of the log's on each side where it has changed them in between; of a broken promise,
   * those that signed the head, and the promise key's id. None where nothing is proven.
   */
  guilty: string[]
}

const CODE = 'CONTRADICTION_INVALID'

/** Throws `CONTRADICTION_INVALID`, `JSON_INVALID` or `FORMAT_VERSION_UNKNOWN`. */
export function parseContradiction(text: string): Contradiction {
  const value = parseStrictJson(text)
  requireVersion(value, CONTRADICTION_FORMAT)
  const from = new Reader(value, '', CODE, ['format', 'kind', 'origin', 'a', 'b'])
  if (from.text('format') !== CONTRADICTION_FORMAT) throw from.refuse('format', CONTRADICTION_FORMAT)
  const origin = from.text('origin')
  const kind = from.text('kind')
  const [a, b] = [from.get('a'), from.get('b')]
  if (kind === 'same-size') return { kind, origin, a: readNote(a, 'a'), b: readNote(b, 'b') }
  if (kind === 'same-index') return { kind, origin, a: readPlaced(a, 'a'), b: readPlaced(b, 'b') }
  if (kind === 'broken-promise') return { kind, origin, a: readPromise(a), b: readHead(b) }
  throw from.refuse('kind', 'same-size, same-index or broken-promise')
}

function readNote(value: JsonValue, path: string): { checkpoint: string } {
  return { checkpoint: new Reader(value, path, CODE, ['checkpoint']).text('checkpoint') }
}

function readPlaced(value: JsonValue, path: string): PlacedLeaf & { checkpoint: string } {
  const from = new Reader(value, path, CODE, ['checkpoint', 'index', 'leaf', 'inclusion'])
  return {
    checkpoint: from.text('checkpoint'),
    index: from.number('index'),
    leaf: from.bytes('leaf', 32),
    inclusion: from.hashes('inclusion')
  }
}

function readPromise(value: JsonValue): { promise: Bytes; statement?: Bytes } {
  const from = new Reader(value, 'a', CODE, ['promise'], ['statement'])
  return { promise: from.bytes('promise'), ...(from.has('statement') ? { statement: from.bytes('statement') } : {}) }
}

function readHead(value: JsonValue): TrailPart | { checkpoint: string; seal: SealEntry } {
  if (typeof value === 'object' && value !== null && 'proof' in value) return readPart(value, 'b', CODE)
  const from = new Reader(value, 'b', CODE, ['checkpoint', 'seal'])
  return { checkpoint: from.text('checkpoint'), seal: readSeal(from.get('seal'), 'b.seal', CODE) }
}

/** The inverse of `parseContradiction`. */
export function formatContradiction({ kind, origin, a, b }: Contradiction): string {
  return formatFile({ format: CONTRADICTION_FORMAT, kind, origin, a, b })
}

const CONTRADICTION_STEPS: readonly StepName[] = [
  'policy',
  'checkpoint',
  'inclusion',
  'authority',
  'signature',
  'trail',
  'contradiction'
]

/** Throws what `parseContradiction` throws; everything else is a verdict. */
export function verifyContradiction(text: string, policy: Policy, options: { now?: number } = {}): ContradictionReport {
  const contradiction = parseContradiction(text)
  const { origin, kind } = contradiction
  const steps = new Steps(CONTRADICTION_STEPS)
  if (policy.logs.some(({ vkey }) => vkey.name === origin)) steps.good('policy')
  else steps.unchecked('policy', `策略未列出账本 ${origin}`, `the policy names no log ${origin}`)
  const signers =
    kind === 'broken-promise'
      ? checkBrokenPromise(contradiction, policy, options.now, steps)
      : checkTwoHeads(contradiction, policy, steps)
  const overall = steps.overall()
  const guilty = overall === 'verified' ? signers : []
  return {
    kind: 'contradiction',
    overall,
    headline: headline(overall, contradiction, guilty),
    steps: steps.list(),
    origin,
    contradiction: kind,
    guilty
  }
}

/** A note of the log, signed by a log key of the policy. Undefined where it cannot be read. */
function checkNote(text: string, origin: string, side: string, policy: Policy, steps: Steps) {
  try {
    const note = parseNote(text)
    const checkpoint = parseCheckpoint(note.text)
    if (checkpoint.origin !== origin) throw new LianzhengError('WRONG_LOG', { field: `${side}.checkpoint`, expected: origin })
    const { log, cosigners } = signersOf({ note, checkpoint }, policy)
    if (log.length > 0) steps.good('checkpoint')
    else if (note.signatures.some(({ name, keyId: id }) => policy.logs.some(({ vkey }) => vkey.name === name && vkey.id === id)))
      steps.broken(
        'checkpoint',
        `${side} 的账本签名不成立`,
        `the log's signature on ${side} does not verify`,
        'SIGNATURE_INVALID'
      )
    else
      steps.unchecked(
        'checkpoint',
        `${side} 没有策略所列账本密钥的签名`,
        `${side} has no signature by a log key that the policy lists`
      )
    return { checkpoint, log, cosigners }
  } catch (error) {
    steps.error('checkpoint', error, `${side}：`, `${side}: `)
    return undefined
  }
}

function checkTwoHeads(
  contradiction: Exclude<Contradiction, { kind: 'broken-promise' }>,
  policy: Policy,
  steps: Steps
): string[] {
  const { origin, kind } = contradiction
  const a = checkNote(contradiction.a.checkpoint, origin, 'a', policy, steps)
  const b = checkNote(contradiction.b.checkpoint, origin, 'b', policy, steps)
  if (a === undefined || b === undefined) {
    steps.unchecked('contradiction', '链头不能读取', 'a checkpoint cannot be read')
    return []
  }
  if (kind === 'same-size') {
    if (a.checkpoint.size !== b.checkpoint.size) notOne('大小不同，不构成矛盾', 'the sizes differ: no contradiction', steps)
    else if (equalBytes(a.checkpoint.root, b.checkpoint.root))
      notOne('根相同，不构成矛盾', 'the roots are equal: no contradiction', steps)
    else
      steps.good('contradiction', `大小 ${a.checkpoint.size} 的树有两个根`, `two roots for the tree of size ${a.checkpoint.size}`)
  } else {
    for (const [side, placed, { checkpoint }] of [
      ['a', contradiction.a, a],
      ['b', contradiction.b, b]
    ] as const)
      if (checkInclusion(placed.index, checkpoint.size, placed.leaf, placed.inclusion, checkpoint.root)) steps.good('inclusion')
      else steps.broken('inclusion', `${side} 的包含证明不成立`, `the inclusion proof of ${side} does not hold`, 'PROOF_INVALID')
    if (contradiction.a.index !== contradiction.b.index)
      notOne('序号不同，不构成矛盾', 'the indexes differ: no contradiction', steps)
    else if (equalBytes(contradiction.a.leaf, contradiction.b.leaf))
      notOne('两处的记录相同，不构成矛盾', 'the leaves are equal: no contradiction', steps)
    else steps.good('contradiction', `第 ${contradiction.a.index} 条有两个内容`, `two leaves at index ${contradiction.a.index}`)
  }
  const both = (own: readonly string[], others: readonly string[]) => own.filter((signer) => others.includes(signer))
  const log = both(a.log, b.log)
  return [...(log.length > 0 ? log : [...a.log, ...b.log]), ...both(a.cosigners, b.cosigners)]
}

function notOne(zh: string, en: string, steps: Steps): void {
  steps.broken('contradiction', zh, en, 'PROOF_INVALID')
}

function checkBrokenPromise(
  { origin, a, b }: Extract<Contradiction, { kind: 'broken-promise' }>,
  policy: Policy,
  now: number | undefined,
  steps: Steps
): string[] {
  const signers = checkNote(b.checkpoint, origin, 'b', policy, steps)?.log ?? []
  const handout = readHandout(a.promise, origin, steps)
  if (handout?.kind !== 'promise') {
    steps.unchecked('contradiction', '没有可读的承诺', 'there is no promise to read')
    return signers
  }
  if (!('proof' in b)) return checkLaterHead(handout.promise, b, signers, steps)
  const inner = new Steps(Object.keys(STEPS) as StepName[])
  const part = new Part({ ...b }, policy, now, b.entries.at(-1)?.index ?? Number.MAX_SAFE_INTEGER, inner)
  checkSignature(handout, inner.verdict('authority') === 'verified' ? part.registry.meta : undefined, steps)
  if (inner.verdict('seal') !== 'verified' || inner.verdict('inclusion') === 'broken')
    steps.unchecked('trail', '链头的封印未能核验', 'the seal of the head could not be verified')
  const found = checkMissing(handout.promise, a.statement, b, part)
  if (found.missing) {
    steps.good('trail', `轨迹 ${found.trail} 共 ${b.count} 条`, `${found.trail} has ${b.count} members`)
    steps.good(
      'contradiction',
      `承诺 ${isoTime(handout.promise.by)} 前收入的记录，在此后（${isoTime(part.seal?.time)}）的轨迹中没有`,
      `what was promised by ${isoTime(handout.promise.by)} is not on its trail at ${isoTime(part.seal?.time)}`
    )
  } else if (found.verdict === 'broken') notOne(found.zh, found.en, steps)
  else steps.unchecked('contradiction', found.zh, found.en)
  return [...signers, `promise:${base64url(handout.kid)}`]
}

/** That a leaf is nowhere in a tree cannot be told from its head: the log answers with an inclusion proof, or stands convicted by having none. */
function checkLaterHead(
  promise: Promised,
  b: { checkpoint: string; seal: SealEntry },
  signers: string[],
  steps: Steps
): string[] {
  steps.unchecked('authority', '没有授权链，无法核对承诺密钥', 'without a chain of authority the promise key is unknown')
  try {
    const { size, root } = parseCheckpoint(parseNote(b.checkpoint).text)
    const seal = decodeSeal(decodeStatement(b.seal.statement))
    if (b.seal.index !== size - 1 || !checkInclusion(b.seal.index, size, leafHash(b.seal.statement), b.seal.inclusion, root))
      steps.broken('inclusion', '封印不是链头的最后一条', 'the seal is not the last leaf of the checkpoint', 'PROOF_INVALID')
    else steps.good('inclusion')
    if (seal.time <= promise.by) notOne('封印早于承诺期限', 'the seal is not later than the promise', steps)
  } catch (error) {
    steps.error('inclusion', error)
  }
  steps.unchecked(
    'contradiction',
    '从链头不能看出记录不在其中：应由账本出示包含证明',
    'a head does not show that the statement is not in it: it is for the log to show an inclusion proof'
  )
  return signers
}

/** A promise or refusal of this log. Undefined where it cannot be read; reports into `signature`. */
function readHandout(bytes: Bytes, origin: string, steps: Steps): Handout | undefined {
  try {
    const handout = decodeHandout(bytes)
    if (handout.aud !== origin) throw new LianzhengError('WRONG_LOG', { field: 'aud', expected: origin })
    return handout
  } catch (error) {
    steps.error('signature', error)
    return undefined
  }
}

/** Signed by a promise key that the registry shown names, for the operator it names. `meta` undefined: nothing that holds was shown. */
export function checkSignature(handout: Handout, meta: RegistryMeta | undefined, steps: Steps): void {
  const key = meta?.nodeKeys.map(({ keys }) => keys.promise).find((one) => equalBytes(keyId(one), handout.kid))
  if (meta === undefined || key === undefined) {
    steps.unchecked(
      'authority',
      meta === undefined ? '没有可核验的授权链，承诺密钥未知' : '所示的登记中没有这个承诺密钥',
      meta === undefined
        ? 'no chain of authority that holds: the promise key is unknown'
        : 'the registry shown names no such promise key',
      'KEY_NOT_REGISTERED'
    )
    return steps.unchecked('signature', '承诺密钥未知', 'the promise key is unknown')
  }
  steps.good('authority')
  if (handout.iss !== meta.operator)
    steps.broken('signature', '不是运行机构所签', 'not issued by the operator', 'ORGANISATION_MISMATCH')
  else if (!verifyStatement(handout, key))
    steps.broken('signature', '签名不成立', 'the signature does not verify', 'SIGNATURE_INVALID')
  else steps.good('signature')
}

export type Missing = { missing: true; trail: string } | ({ missing: false; verdict: 'broken' | 'could-not-check' } & Words)

/** Is the promised statement left out of one of its trails, shown whole under a head later than the promise? What the part rests on is judged elsewhere. */
export function checkMissing(promise: Promised, bytes: Bytes | undefined, shown: TrailPart, part: Part): Missing {
  const open = (zh: string, en: string): Missing => ({ missing: false, verdict: 'could-not-check', zh, en })
  const wrong = (zh: string, en: string): Missing => ({ missing: false, verdict: 'broken', zh, en })
  if (bytes === undefined)
    return open('未附被承诺的陈述，不知它属于哪些轨迹', 'without the promised statement its trails are unknown')
  let statement: Statement
  try {
    statement = decodeStatement(bytes)
  } catch {
    return wrong('所附的陈述不能读取', 'the statement attached cannot be read')
  }
  if (!equalBytes(statement.leaf, promise.leaf))
    return wrong('所附的陈述不是被承诺的那一份', 'the statement attached is not the one promised')
  const trail = statement.trails.find((name) => part.inMap(name, shown.count, shown.root, shown.proof))
  if (trail === undefined) return wrong('所示的不是该陈述的轨迹', 'what is shown is no trail of the statement')
  if ((shown.from ?? 0) !== 0 || shown.entries.length !== shown.count)
    return open('轨迹没有列全', 'the trail is not listed whole')
  if (
    !listingHolds(
      shown,
      shown.entries.map(({ index, statement: entry }) => ({ index, leaf: leafHash(entry) }))
    )
  )
    return wrong('所列条目算不出所称的轨迹', 'the entries listed do not give the trail claimed')
  if (shown.entries.some(({ statement: entry }) => equalBytes(entry, bytes)))
    return wrong('陈述就在轨迹中：承诺已兑现', 'the statement is on the trail: the promise was kept')
  if (part.seal === undefined || part.seal.time <= promise.by)
    return wrong('封印早于承诺期限', 'the seal is not later than the promise')
  return { missing: true, trail }
}

/** The contradiction between two heads of one log, where what is shown of them holds one. */
export function contradictionOf(a: ShownHead, b: ShownHead): Contradiction | undefined {
  const { origin } = a.checkpoint
  if (a.checkpoint.size === b.checkpoint.size && !equalBytes(a.checkpoint.root, b.checkpoint.root))
    return { kind: 'same-size', origin, a: { checkpoint: a.text }, b: { checkpoint: b.text } }
  const others = new Map(b.places.map((place) => [place.index, place]))
  for (const place of a.places) {
    const other = others.get(place.index)
    if (other !== undefined && !equalBytes(other.leaf, place.leaf))
      return { kind: 'same-index', origin, a: { checkpoint: a.text, ...place }, b: { checkpoint: b.text, ...other } }
  }
  return undefined
}

function headline(overall: Verdict, { origin, kind }: Contradiction, guilty: readonly string[]): Words {
  const what: Words = {
    'same-size': { zh: '同一大小签了两个不同的根', en: 'it signed two roots for one size' },
    'same-index': { zh: '同一序号签了两个不同的记录', en: 'it signed two entries at one index' },
    'broken-promise': { zh: '承诺收入的记录没有收入', en: 'it left out what it had promised to take in' }
  }[kind]
  if (overall !== 'verified')
    return {
      zh: `${VERDICT_WORDS[overall].zh}；未能证明账本 ${origin} 自相矛盾。`,
      en: `${VERDICT_WORDS[overall].en}; that the log ${origin} contradicts itself is not proven.`
    }
  return {
    zh: `${VERDICT_WORDS.verified.zh}；账本 ${origin} 自相矛盾：${what.zh}；签名的密钥：${guilty.join('、')}。`,
    en: `${VERDICT_WORDS.verified.en}; the log ${origin} contradicts itself: ${what.en}; the keys that signed: ${guilty.join(', ')}.`
  }
}
