/**
 * Verifying a trail certificate, offline: that the entries listed are all that was filed under a trail's name, up to a cosigned head
 * (formats.md §10). One part for each log that can hold the trail, or several partial ones that join without a gap.
 */
import { type Bytes, base64url, equalBytes } from '../core/bytes.ts'
import type { Checkpoint } from '../core/checkpoint.ts'
import { EMPTY_HASH, leafHash } from '../core/hash.ts'
import { appendToRange, foldRange } from '../core/merkle.ts'
import type { Policy } from '../core/policy.ts'
import type { KeyState } from '../core/registry.ts'
import { checkPartial, type TrailMember, trailLeafHash, trailRoot } from '../core/trail.ts'
import { holdsTrail, isTrailName } from '../records/ids.ts'
import { checkSpokenOf, erasedFields, spokenOf } from './about.ts'
import type { ExaminedRecord } from './admit.ts'
import { type Certificate, parseCertificate, type TrailPart } from './files.ts'
import { Part } from './part.ts'
import { flagLateProof, isoTime, type Vouching, vouchingOf } from './receipt.ts'
import { checkDisclosures, type ShownRecord, showRecord } from './shown.ts'
import { type Step, Steps, VERDICT_WORDS, type Verdict, type Words } from './verdict.ts'

export interface LogReport extends Vouching {
  /** Members shown and members the trail has under the newest head shown. */
  shown: number
  count: number
  entries: (ShownRecord & { erased: string[] })[]
}

export interface CertificateReport {
  kind: 'trail'
  trail: string
  overall: Verdict
  headline: Words
  steps: Step[]
  logs: LogReport[]
  /** Logs of the policy that can hold the trail and have no part here. */
  missing: string[]
  disclosed: number
  withheld: number
  erased: number
}

const TRAIL_STEPS = [
  'policy',
  'checkpoint',
  'quorum',
  'seal',
  'inclusion',
  'trail',
  'authority',
  'keyTrails',
  'statement',
  'schema',
  'disclosures'
] as const

/** Throws `CERTIFICATE_INVALID` or `JSON_INVALID` for what is no certificate; everything else is a verdict. */
export function verifyCertificate(text: string, policy: Policy, options: { now?: number } = {}): CertificateReport {
  return verifyParsedCertificate(parseCertificate(text), policy, options)
}

export function verifyParsedCertificate(
  certificate: Certificate,
  policy: Policy,
  options: { now?: number } = {}
): CertificateReport {
  const steps = new Steps(TRAIL_STEPS)
  const { trail } = certificate
  if (!isTrailName(trail)) steps.broken('trail', `轨迹名不正确：${trail}`, `not a trail name: ${trail}`, 'TRAIL_NAME_INVALID')

  const origins = [...new Set(certificate.parts.map(({ origin }) => origin))]
  const logs = origins.map((origin) =>
    checkLog(
      trail,
      certificate.parts.filter((part) => part.origin === origin),
      policy,
      options.now,
      steps
    )
  )
  // Every log of the policy, with a line about its classes or without: `key:` belongs to all of them.
  const missing = [...new Set(policy.logs.map(({ vkey }) => vkey.name))].filter(
    (origin) => holdsTrail(trail, origin, policy.rests.get(origin)?.classes ?? []) && !origins.includes(origin)
  )
  for (const origin of missing) steps.unchecked('trail', `缺少账本 ${origin} 的部分`, `no part for the log ${origin}`)
  if (origins.length === 0) steps.unchecked('trail', '证书没有任何部分', 'the certificate has no part')

  const found = logs.filter((log) => log !== undefined)
  const records = found.flatMap(({ entries }) => entries)
  const erased = records.reduce((sum, record) => sum + record.erased.length, 0)
  const withheld = records.reduce((sum, record) => sum + record.withheld.length, 0)
  const disclosed = records.reduce((sum, record) => sum + Object.keys(record.disclosed).length, 0)
  const overall = steps.overall()
  return {
    kind: 'trail',
    trail,
    overall,
    headline: headline(trail, overall, found, missing, withheld, erased),
    steps: steps.list(),
    logs: found,
    missing,
    disclosed,
    withheld,
    erased
  }
}

/** All parts for one log: each under its own head, joined where they are partial. */
function checkLog(
  trail: string,
  parts: readonly TrailPart[],
  policy: Policy,
  now: number | undefined,
  steps: Steps
): LogReport | undefined {
  const origin = parts[0]!.origin
  const rest = policy.rests.get(origin)
  if (rest !== undefined && !holdsTrail(trail, origin, rest.classes))
    steps.broken('trail', `账本 ${origin} 不收此类轨迹`, `the log ${origin} does not hold trails of this kind`, 'CLASS_NOT_HELD')

  const ordered = [...parts].sort((a, b) => (a.from ?? 0) - (b.from ?? 0))
  const covered = new Covered(parts.flatMap(({ from = 0, count }) => [from, count]))
  const signers: { kid: Bytes; index: number; entered: number | undefined; size: number }[] = []
  const entries: (ShownRecord & { erased: string[] })[] = []
  const records = new Map<string, Listed>()
  const seen = new Set<number>()
  const heads: HeadShown[] = []
  let newest: { part: Part; count: number } | undefined
  for (const input of ordered) {
    const lowest = input.entries.at(-1)?.index ?? Number.MAX_SAFE_INTEGER
    const part = new Part(input, policy, now, lowest, steps)
    if (part.checkpoint === undefined) continue
    part.requireMirrors('trail')
    flagLateProof(part, steps, undefined)
    const members = checkListing(trail, input, part, steps)
    if (members !== undefined) join(covered, input, members, steps)
    for (const { index, statement, disclosures } of input.entries) {
      const checked = part.checkRecord(statement, index)
      if (checked === undefined) continue
      const { record, key } = checked
      signers.push({ kid: record.statement.kid, index, entered: part.sealAfter(index)?.time, size: part.checkpoint.size })
      if (!record.statement.trails.includes(trail))
        steps.broken('trail', `第 ${index} 条不属于 ${trail}`, `index ${index} does not name ${trail}`, 'TRAILS_MISMATCH')
      const disclosed = checkDisclosures(record, index, disclosures, steps)
      if (!seen.has(index)) {
        const shown = { ...showRecord(record, index, disclosed), erased: [] }
        entries.push(shown)
        records.set(shown.leaf, { record, signer: key, shown })
      }
      seen.add(index)
    }
    heads.push({ checkpoint: part.checkpoint, input })
    if (newest === undefined || part.checkpoint.size > newest.part.checkpoint!.size) newest = { part, count: input.count }
  }
  if (newest === undefined) return undefined
  compareHeads(heads, covered, steps)
  // A revocation may stand above an older head: every signer answers to the key trails under the newest.
  const { size } = newest.part.checkpoint!
  for (const { kid, index, entered, size: shownUnder } of signers)
    if (shownUnder < size) newest.part.requireKeyTrail(kid, index, entered)
  if (covered.length < newest.count)
    steps.unchecked(
      'trail',
      `只列出 ${covered.length} / ${newest.count} 条`,
      `only ${covered.length} of ${newest.count} members are listed`
    )
  compareSpokenOf(records, covered, steps)
  return { ...vouchingOf(newest.part, policy, origin)!, shown: covered.length, count: newest.count, entries }
}

/** Recomputes the trail from the entries and finds its count and root under the seal's map. Undefined where it does not hold. */
function checkListing(trail: string, input: TrailPart, part: Part, steps: Steps): TrailMember[] | undefined {
  const { count, root, entries, proof } = input
  const members = entries.map(({ index, statement }) => ({ index, leaf: leafHash(statement) }))
  const sealIndex = part.seal?.index ?? -1
  const ordered = members.every(({ index }, i) => index < sealIndex && (i === 0 || index > members[i - 1]!.index))
  const stray = members.find(({ index, leaf }) => !part.fits(index, leaf))
  if (stray !== undefined)
    steps.broken(
      'trail',
      `第 ${stray.index} 条与别处所示不同`,
      `index ${stray.index} is another entry elsewhere in this file`,
      'CERTIFICATE_INVALID'
    )
  else if (!ordered)
    steps.broken(
      'trail',
      '条目的序号没有递增，或不在封印之前',
      'the indexes of the entries do not increase below the seal',
      'CERTIFICATE_INVALID'
    )
  else if (!listingHolds(input, members))
    steps.broken('trail', '所列条目算不出所称的轨迹', 'the entries listed do not give the trail claimed', 'PROOF_INVALID')
  else if (!part.inMap(trail, count, root, proof))
    steps.broken(
      'trail',
      count === 0 ? '不存在证明不成立' : '轨迹不在封印所承诺的总表中',
      count === 0 ? 'the proof of absence does not hold' : 'the trail is not under the map of the seal',
      'PROOF_INVALID'
    )
  else {
    steps.good('trail')
    return members
  }
  return undefined
}

export function listingHolds(input: TrailPart, members: readonly TrailMember[]): boolean {
  const { count, root, from, range, consistency } = input
  if (from !== undefined)
    return (
      checkPartial({ from, range: range!, members, count, root: root ?? EMPTY_HASH, consistency: consistency! }) !== undefined
    )
  return members.length === count && (root === undefined ? count === 0 : equalBytes(trailRoot(members), root))
}

/** Members listed so far, with the roots of the beginnings that are asked for: each member is hashed once, however many parts there are. */
class Covered {
  readonly members: TrailMember[] = []
  readonly #asked: ReadonlySet<number>
  readonly #roots = new Map<number, Bytes>([[0, EMPTY_HASH]])
  readonly #range: Bytes[] = []

  constructor(asked: readonly number[]) {
    this.#asked = new Set(asked)
  }

  get length(): number {
    return this.members.length
  }
  push(member: TrailMember): void {
    appendToRange(this.members.length, this.#range, trailLeafHash(member))
    this.members.push(member)
    if (this.#asked.has(this.members.length)) this.#roots.set(this.members.length, foldRange(this.#range))
  }
  /** Root of the first `count` members; undefined beyond what is covered. */
  root(count: number): Bytes | undefined {
    return this.#roots.get(count)
  }
}

/** A part that starts at `from` counts only where the parts before reach it with the same root. */
function join(covered: Covered, input: TrailPart, members: readonly TrailMember[], steps: Steps): void {
  const from = input.from ?? 0
  if (from > covered.length) {
    steps.unchecked(
      'trail',
      `第 ${covered.length + 1}–${from} 条没有列出`,
      `members ${covered.length + 1}–${from} are not listed`
    )
    return
  }
  if (!equalBytes(foldRange(input.range ?? []), covered.root(from)!))
    steps.broken('trail', `各部分在第 ${from} 条处不相接`, `the parts do not join at member ${from}`, 'PROOF_INVALID')
  for (const [i, member] of members.entries()) {
    const known = covered.members[from + i]
    const last = covered.members.at(-1)
    if (known === undefined) {
      if (last !== undefined && member.index <= last.index)
        return steps.broken('trail', '各部分的序号没有递增', 'the indexes of the parts do not increase', 'CERTIFICATE_INVALID')
      covered.push(member)
    } else if (known.index !== member.index || !equalBytes(known.leaf, member.leaf))
      steps.broken('trail', `第 ${from + i + 1} 条在各部分中不同`, `member ${from + i + 1} differs between parts`)
  }
}

interface HeadShown {
  checkpoint: Checkpoint
  input: TrailPart
}

/** Heads of one log: one root for a size, and a trail that only ever grows, over the members that are listed. */
function compareHeads(heads: readonly HeadShown[], covered: Covered, steps: Steps): void {
  const bySize = heads.toSorted((a, b) => a.checkpoint.size - b.checkpoint.size)
  for (const [i, { checkpoint, input }] of bySize.entries()) {
    const before = bySize[i - 1]
    const forked = before?.checkpoint.size === checkpoint.size && !equalBytes(before.checkpoint.root, checkpoint.root)
    const shrunk = before !== undefined && before.input.count > input.count
    const listed = covered.root(input.count)
    const changed = input.root !== undefined && listed !== undefined && !equalBytes(listed, input.root)
    if (forked || shrunk || changed)
      steps.broken(
        'trail',
        `各部分的链头互相矛盾（${input.origin}，大小 ${checkpoint.size}）`,
        `the heads of the parts contradict each other (${input.origin}, size ${checkpoint.size})`,
        'PROOF_INVALID'
      )
  }
}

interface Listed {
  record: ExaminedRecord
  /** Undefined where who signed it is not shown or did not hold; that is said elsewhere. */
  signer: KeyState | undefined
  shown: ShownRecord & { erased: string[] }
}

/**
 * Records that speak of another stand on all its trails, so here are both: they are compared. Fields that are erased are told from those that are
 * withheld.
 */
function compareSpokenOf(records: ReadonlyMap<string, Listed>, covered: Covered, steps: Steps): void {
  const indexes = new Set(covered.members.map(({ index }) => index))
  const leaves = new Set(covered.members.map(({ leaf }) => base64url(leaf)))
  const erasures = new Map<Listed, { record: ExaminedRecord; signer: KeyState }[]>()
  for (const { record, signer, shown } of records.values()) {
    const ref = spokenOf(record)
    if (ref === undefined || signer === undefined) continue
    const leaf = base64url(ref.leaf)
    const target = records.get(leaf)
    // Of a beginning that is not listed nothing is known, nor of a record that could not be read: both are said elsewhere.
    if (!indexes.has(shown.index) || (target === undefined && leaves.has(leaf))) continue
    try {
      checkSpokenOf(record, signer, () => (target !== undefined && target.shown.index < shown.index ? target.record : undefined))
      if (record.type.type === 'body.erased') erasures.set(target!, [...(erasures.get(target!) ?? []), { record, signer }])
    } catch (error) {
      steps.error('schema', error, `第 ${shown.index} 条：`, `index ${shown.index}: `)
    }
  }
  for (const [{ record, shown }, said] of erasures) {
    const erased = erasedFields(record, said)
    shown.erased = shown.withheld.filter((name) => erased.has(name))
    shown.withheld = shown.withheld.filter((name) => !erased.has(name))
  }
}

function headline(
  trail: string,
  overall: Verdict,
  logs: readonly LogReport[],
  missing: readonly string[],
  withheld: number,
  erased: number
): Words {
  const zh = [VERDICT_WORDS[overall].zh]
  const en = [VERDICT_WORDS[overall].en]
  const complete = overall === 'verified'
  for (const log of logs) {
    const from = isoTime(log.entries[0] === undefined ? undefined : log.entries[0].iat * 1000)
    const asOf = isoTime(log.freshness ?? log.sealTime)
    const who = log.operatorOnly
      ? ['仅运行机构担保', 'only the operator vouches']
      : [`见证 ${log.cosigners.join('、') || '无'}`, `witnessed by ${log.cosigners.join(', ') || 'nobody'}`]
    if (!complete) {
      zh.push(`账本 ${log.origin}：${trail} 列出 ${log.shown} 条，完整性未能证明`)
      en.push(`log ${log.origin}: ${log.shown} records of ${trail} are listed; that they are all is not proven`)
    } else if (log.count === 0) {
      zh.push(`账本 ${log.origin}：${trail} 至 ${asOf} 无任何记录（${who[0]}）`)
      en.push(`log ${log.origin}: nothing filed under ${trail} as of ${asOf} (${who[1]})`)
    } else {
      zh.push(
        `账本 ${log.origin}：${trail} 自 ${from}（签署人所称）起，至 ${asOf} 止，本链内 ${log.count} 条，序号 1–${log.count} 连续（${who[0]}）`
      )
      en.push(
        `log ${log.origin}: ${trail} from ${from} (as its signer claims) to ${asOf}, ${log.count} records in this log, numbers 1–${log.count} without a gap (${who[1]})`
      )
    }
  }
  for (const origin of missing) {
    zh.push(`账本 ${origin} 未包含在内`)
    en.push(`the log ${origin} is not covered`)
  }
  if (withheld > 0) {
    zh.push(`${withheld} 个字段未披露`)
    en.push(`${withheld} fields withheld`)
  }
  if (erased > 0) {
    zh.push(`${erased} 个字段已依法销毁`)
    en.push(`${erased} fields erased`)
  }
  zh.push('完整是指提交到账本的没有遗漏，不是指发生过的都已提交')
  en.push('complete means that nothing filed is missing, not that everything that happened was filed')
  return { zh: `${zh.join('；')}。`, en: `${en.join('; ')}.` }
}
