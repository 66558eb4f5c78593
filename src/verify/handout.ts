/**
 * Verifying a promise or a refusal (formats.md §12), offline. The policy names a log's own keys, not its promise key; that key stands in the log's
 * genesis and registry. So a receipt or certificate of the log, given beside it, must show it: an authority chain under a head that holds by the
 * policy. Without one, who signed could not be checked.
 */
import { type Bytes, base64url, equalBytes, hex } from '../core/bytes.ts'
import { CODES, type Code } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { keyId } from '../core/keys.ts'
import type { Policy } from '../core/policy.ts'
import { decodeHandout, type Handout, type Promised, type Refused } from '../core/promise.ts'
import type { RegistryMeta } from '../core/registry.ts'
import { checkMissing, checkSignature } from './contradiction.ts'
import { fileKind, parseCertificate, parseReceipt, type Receipt, type TrailPart } from './files.ts'
import { Part } from './part.ts'
import { type GivenFile, isoTime, verifyParsedReceipt } from './receipt.ts'
import { STEPS, type Step, type StepName, Steps, VERDICT_WORDS, type Verdict, type Words } from './verdict.ts'

/** What is given beside it: receipts and certificates as text, the statement as bytes; every file by its digest. */
export interface Beside extends GivenFile {
  text?: string
  bytes?: Bytes
}

export interface HandoutReport {
  kind: 'promise' | 'refusal'
  overall: Verdict
  headline: Words
  steps: Step[]
  origin: string
  /** Organisation code. */
  iss: string
  /** base64url. */
  kid: string
  /** Milliseconds since 1970. */
  time: number
  promise?: { leaf: string; by: number }
  refusal?: { digest: string; code: string; catalogue: number }
}

const PROMISE_STEPS: readonly StepName[] = ['policy', 'authority', 'signature', 'kept']
const REFUSAL_STEPS: readonly StepName[] = ['policy', 'authority', 'signature', 'files']

interface Shown {
  receipt?: Receipt
  trail?: TrailPart
  part: Part
  /** All that was said of the part. */
  steps: Steps
}

/** `now` in seconds. Throws what `decodeHandout` throws, and what the readers of receipts and certificates throw for those given beside it. */
export function verifyHandout(
  bytes: Bytes,
  policy: Policy,
  { now, beside = [] }: { now?: number; beside?: readonly Beside[] } = {}
): HandoutReport {
  const handout = decodeHandout(bytes)
  const origin = handout.aud
  const steps = new Steps(handout.kind === 'promise' ? PROMISE_STEPS : REFUSAL_STEPS)
  if (policy.logs.some(({ vkey }) => vkey.name === origin)) steps.good('policy')
  else steps.unchecked('policy', `策略未列出账本 ${origin}`, `the policy names no log ${origin}`)

  const shown = beside.flatMap(({ text }) => (text === undefined ? [] : open(text, origin, policy, now)))
  checkSignature(handout, registryShown(shown, handout), steps)
  if (shown.length === 0)
    steps.note(
      'authority',
      '请一并给出该账本的一张回执或轨迹证书：承诺密钥载于其授权链',
      'give a receipt or certificate of the log beside it: the promise key stands in its chain of authority'
    )
  if (handout.kind === 'promise') checkKept(handout.promise, shown, beside, policy, now, steps)
  else checkDigest(handout.refusal, beside, steps)

  const overall = steps.overall()
  return {
    kind: handout.kind,
    overall,
    headline: headline(overall, handout, steps),
    steps: steps.list(),
    origin,
    iss: handout.iss,
    kid: base64url(handout.kid),
    ...(handout.kind === 'promise'
      ? { time: handout.promise.time, promise: { leaf: base64url(handout.promise.leaf), by: handout.promise.by } }
      : {
          time: handout.refusal.time,
          refusal: { digest: hex(handout.refusal.digest), code: handout.refusal.code, catalogue: handout.refusal.catalogue }
        })
  }
}

/** What a receipt or certificate shows of one log. */
function open(text: string, origin: string, policy: Policy, now: number | undefined): Shown[] {
  const steps = () => new Steps(Object.keys(STEPS) as StepName[])
  if (fileKind(text) === 'trail')
    return parseCertificate(text)
      .parts.filter((trail) => trail.origin === origin)
      .map((trail) => {
        const own = steps()
        return {
          trail,
          steps: own,
          part: new Part(trail, policy, now, trail.entries.at(-1)?.index ?? Number.MAX_SAFE_INTEGER, own)
        }
      })
  const receipt = parseReceipt(text)
  if (receipt.origin !== origin) return []
  const own = steps()
  const seals = [receipt.before, receipt.entered].filter((seal) => seal !== undefined)
  return [{ receipt, steps: own, part: new Part({ ...receipt, seals }, policy, now, receipt.index, own) }]
}

/** A registry under a head that holds; the one that names the handout's key where there are several. */
function registryShown(shown: readonly Shown[], { kid }: Handout): RegistryMeta | undefined {
  const held = shown
    .filter(
      ({ steps }) =>
        ['checkpoint', 'authority'].every((name) => steps.verdict(name as StepName) === 'verified') &&
        ['verified', 'not-applicable'].includes(steps.verdict('quorum'))
    )
    .map(({ part }) => part.registry.meta)
    .filter((meta) => meta !== undefined)
  return held.find(({ nodeKeys }) => nodeKeys.some(({ keys }) => equalBytes(keyId(keys.promise), kid))) ?? held[0]
}

function checkKept(
  promise: Promised,
  shown: readonly Shown[],
  beside: readonly Beside[],
  policy: Policy,
  now: number | undefined,
  steps: Steps
): void {
  for (const { receipt } of shown)
    if (receipt !== undefined && equalBytes(leafHash(receipt.statement), promise.leaf))
      return checkReceipt(promise, receipt, policy, now, steps)
  const statement = beside.find(({ bytes }) => bytes !== undefined && equalBytes(leafHash(bytes), promise.leaf))?.bytes
  for (const { trail, part, steps: own } of statement === undefined ? [] : shown) {
    if (trail === undefined || own.verdict('checkpoint') !== 'verified' || own.verdict('seal') !== 'verified') continue
    const found = checkMissing(promise, statement, trail, part)
    if (found.missing)
      return steps.broken(
        'kept',
        `期限已过，轨迹 ${found.trail} 中没有该记录：可用 compare 写出矛盾文件`,
        `its time is over and ${found.trail} has not the record: \`compare\` writes the contradiction as a file`
      )
  }
  if (now !== undefined && now * 1000 > promise.by)
    steps.unchecked(
      'kept',
      `期限 ${isoTime(promise.by)} 已过：请索取回执；账本拿不出包含证明即为违诺`,
      `its time, ${isoTime(promise.by)}, is over: ask for the receipt; a log that can show no inclusion has broken it`
    )
  else
    steps.note('kept', `期限 ${isoTime(promise.by)}，尚未给出回执`, `due by ${isoTime(promise.by)}; no receipt of it was given`)
}

/** By the time of the seal under which it entered; where that is not shown, by the one that it entered under at the latest. */
function checkReceipt(promise: Promised, receipt: Receipt, policy: Policy, now: number | undefined, steps: Steps): void {
  const report = verifyParsedReceipt(receipt, policy, now === undefined ? {} : { now })
  const entered = report.enteredTime
  const latest = entered ?? report.vouching?.sealTime
  if (report.overall !== 'verified')
    steps.unchecked('kept', `回执本身${VERDICT_WORDS[report.overall].zh}`, `its receipt: ${VERDICT_WORDS[report.overall].en}`)
  else if (latest !== undefined && latest <= promise.by)
    steps.good(
      'kept',
      `第 ${receipt.index} 条，${isoTime(latest)} 已收入`,
      `index ${receipt.index}, entered by ${isoTime(latest)}`
    )
  else if (entered !== undefined)
    steps.broken(
      'kept',
      `${isoTime(entered)} 才收入，晚于承诺的 ${isoTime(promise.by)}`,
      `entered at ${isoTime(entered)}, later than ${isoTime(promise.by)} as promised`
    )
  else steps.unchecked('kept', '回执没有显示何时收入', 'the receipt does not show when it entered')
}

function checkDigest(refusal: Refused, beside: readonly Beside[], steps: Steps): void {
  const files = beside.filter(({ text }) => text === undefined)
  if (files.length === 0) steps.note('files', '未给出被拒收的内容', 'what was refused was not given')
  for (const { name, sha256 } of files)
    if (equalBytes(sha256, refusal.digest)) steps.good('files', `被拒收的是 ${name}`, `what was refused is ${name}`)
    else steps.broken('files', `被拒收的不是 ${name}`, `what was refused is not ${name}`)
}

function headline(overall: Verdict, handout: Handout, steps: Steps): Words {
  const genuine = steps.verdict('signature') === 'verified'
  const zh = [VERDICT_WORDS[overall].zh]
  const en = [VERDICT_WORDS[overall].en]
  if (!genuine) {
    zh.push('未能证明出自该账本')
    en.push('that it comes from the log is not proven')
  }
  if (handout.kind === 'promise') {
    const { time, by } = handout.promise
    zh.push(`账本 ${handout.aud} 于 ${isoTime(time)} 承诺至迟 ${isoTime(by)} 收入`)
    en.push(`the log ${handout.aud} promised at ${isoTime(time)} to take it in by ${isoTime(by)}`)
    if (steps.verdict('kept') === 'verified') {
      zh.push('已兑现')
      en.push('it has')
    } else if (steps.verdict('kept') === 'broken') {
      zh.push('没有兑现')
      en.push('it has not')
    }
  } else {
    const { code, time } = handout.refusal
    const known = Object.hasOwn(CODES, code) ? CODES[code as Code] : undefined
    zh.push(`账本 ${handout.aud} 于 ${isoTime(time)} 拒收：${code}${known === undefined ? '' : `（${known[2]}）`}`)
    en.push(`the log ${handout.aud} refused at ${isoTime(time)}: ${code}${known === undefined ? '' : ` (${known[3]})`}`)
  }
  return { zh: `${zh.join('；')}。`, en: `${en.join('; ')}.` }
}
