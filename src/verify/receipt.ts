/**
 * Verifying a receipt, offline: the receipt, a policy, and the evidence file where the record names one (formats.md §9).
 * The steps and their order are those of the format; see `part` for what they share with certificates.
 */
import type { Bytes } from '../core/bytes.ts'
import { hex } from '../core/bytes.ts'
import { nodeNameOf } from '../core/keys.ts'
import type { Policy } from '../core/policy.ts'
import { splitViewTolerance } from '../core/quorum.ts'
import { parseReceipt, type Receipt } from './files.ts'
import { Part } from './part.ts'
import { checkDisclosures, namedDigests, type ShownRecord, showRecord } from './shown.ts'
import { type Step, Steps, VERDICT_WORDS, type Verdict, type Words } from './verdict.ts'

/** An evidence file by its digests, computed wherever the file is. */
export interface GivenFile {
  name: string
  sha256: Bytes
  sm3?: Bytes
}

export interface VerifyOptions {
  /** Seconds since 1970 where the verifier has a clock: cosignatures from the future do not count. */
  now?: number
  files?: readonly GivenFile[]
}

/** Who vouches and since when, for one log under one checkpoint. Times in milliseconds since 1970. */
export interface Vouching {
  origin: string
  operator: string | undefined
  size: number
  root: string
  cosigners: string[]
  /** True where the policy asks for no cosigner: only the operator vouches. */
  operatorOnly: boolean
  mirrors: boolean | undefined
  /** "Existed by". */
  provenTime: number | undefined
  /** "Complete as of". */
  freshness: number | undefined
  sealHeight: number | undefined
  /** The operator's claim. */
  sealTime: number | undefined
  /** How many cosigners may collude without allowing two histories, and how many mirrors (formats.md §5). */
  tolerance: { cosigners: number | undefined; mirrors: number | undefined }
}

export interface ReceiptReport {
  kind: 'receipt'
  overall: Verdict
  headline: Words
  steps: Step[]
  /** Undefined where it cannot be read. */
  record: ShownRecord | undefined
  vouching: Vouching | undefined
  /** When the statement entered, ms: the operator's claim. */
  enteredTime: number | undefined
  files: { name: string; sha256: string; matches: boolean }[]
}

const RECEIPT_STEPS = [
  'policy',
  'checkpoint',
  'quorum',
  'seal',
  'inclusion',
  'authority',
  'keyTrails',
  'statement',
  'schema',
  'disclosures',
  'files',
  'timestamps'
] as const

/** Throws `RECEIPT_INVALID` or `JSON_INVALID` for what is no receipt; everything else is a verdict. */
export function verifyReceipt(text: string, policy: Policy, options: VerifyOptions = {}): ReceiptReport {
  return verifyParsedReceipt(parseReceipt(text), policy, options)
}

export function verifyParsedReceipt(receipt: Receipt, policy: Policy, options: VerifyOptions = {}): ReceiptReport {
  const steps = new Steps(RECEIPT_STEPS)
  const around = [receipt.before, receipt.entered].filter((seal) => seal !== undefined)
  const part = new Part({ ...receipt, seals: around }, policy, options.now, receipt.index, steps)
  const record = part.checkpoint === undefined ? undefined : checkPlace(receipt, part, steps)

  const disclosures = record === undefined ? [] : checkDisclosures(record, receipt.index, receipt.disclosures, steps)
  if (record === undefined && receipt.disclosures.length > 0)
    steps.unchecked('disclosures', '记录不能读取', 'the record cannot be read')
  const files = checkFiles(record?.body, options.files ?? [], steps)
  for (const { type } of receipt.timestamps)
    steps.note(
      'timestamps',
      `附有 ${type} 时间戳，未给出其权威机构，不计入`,
      `a ${type} timestamp is attached; its authority was not given and it does not count`
    )

  const shown = record === undefined ? undefined : showRecord(record, receipt.index, disclosures)
  const vouching = vouchingOf(part, policy, receipt.origin)
  const enteredTime = part.enteredAt(receipt.index)
  flagLateProof(part, steps, enteredTime)
  const overall = steps.overall()
  return {
    kind: 'receipt',
    overall,
    headline: headline(overall, vouching, enteredTime, shown, files, steps),
    steps: steps.list(),
    record: shown,
    vouching,
    enteredTime,
    files
  }
}

/** The statement stands at its index below the seal, between `before` and `entered` where they are given. */
function checkPlace(receipt: Receipt, part: Part, steps: Steps) {
  const { index, seal, before, entered } = receipt
  if (index >= seal.index)
    steps.broken('inclusion', '记录不在封印之前', 'the record does not stand below the seal', 'PROOF_INVALID')
  else part.includes('inclusion', index, receipt.statement, receipt.inclusion, 'statement')
  if (before !== undefined && before.index >= index)
    steps.broken('seal', '“before” 封印不在记录之前', 'the seal `before` does not stand below the record')
  if (entered !== undefined && entered.index <= index)
    steps.broken('seal', '“entered” 封印不在记录之后', 'the seal `entered` does not stand above the record')
  if (before !== undefined && entered !== undefined && !part.adjacent(before.index, entered.index))
    steps.broken('seal', '前后两个封印之间另有封印', 'another seal lies between `before` and `entered`')
  return part.checkRecord(receipt.statement, index)?.record
}

function checkFiles(body: unknown, files: readonly GivenFile[], steps: Steps): ReceiptReport['files'] {
  if (files.length === 0) {
    steps.note('files', '未给出文件', 'no file was given')
    return []
  }
  if (body === undefined) {
    steps.unchecked('files', '记录不能读取', 'the record cannot be read')
    return []
  }
  const named = namedDigests(body)
  return files.map(({ name, sha256, sm3 }) => {
    const given: Readonly<Record<string, string | undefined>> = {
      sha256: hex(sha256),
      sm3: sm3 === undefined ? undefined : hex(sm3)
    }
    // Where one place of the record names two digests, both are of one file: a file that has one of them only is another file.
    const matches = named.some((digests) => {
      const compared = Object.entries(digests).filter(([kind]) => given[kind] !== undefined)
      return compared.length > 0 && compared.every(([kind, digest]) => given[kind] === digest)
    })
    if (matches) steps.good('files', `文件 ${name} 与记录的摘要一致`, `file ${name} has the digests of the record`)
    else
      steps.broken(
        'files',
        `文件 ${name} 与记录的摘要不同：是文件不同，不是账本不同`,
        `file ${name} does not have the digests of the record: the file differs, not the ledger`
      )
    return { name, sha256: hex(sha256), matches }
  })
}

export function vouchingOf(part: Part, policy: Policy, origin: string): Vouching | undefined {
  const { checkpoint, policyResult } = part
  if (checkpoint === undefined || policyResult === undefined) return undefined
  const seconds = (time: number | undefined) => (time === undefined ? undefined : time * 1000)
  const tolerance = splitViewTolerance(policy, origin)
  return {
    origin,
    operator: part.registry.meta?.operator ?? nodeNameOf(origin),
    size: checkpoint.size,
    root: hex(checkpoint.root),
    cosigners: policyResult.counted.map(({ keyName }) => keyName),
    operatorOnly: policy.quorum === 'none' && policy.logs.some(({ vkey }) => vkey.name === origin),
    mirrors: policyResult.mirrors,
    provenTime: seconds(policyResult.provenTime),
    freshness: seconds(policyResult.freshness),
    sealHeight: part.seal?.height,
    sealTime: part.seal?.time,
    tolerance: { cosigners: tolerance.cosigners, mirrors: tolerance.mirrors }
  }
}

/** Seal times are the operator's claim: one much later than what cosigners prove is flagged (formats.md §5). */
export function flagLateProof(part: Part, steps: Steps, time: number | undefined): void {
  const proven = part.policyResult?.provenTime
  const claimed = time ?? part.seal?.time
  if (proven !== undefined && claimed !== undefined && claimed > (proven + 300) * 1000)
    steps.note(
      'seal',
      '封印声称的时间晚于见证机构证明的时间 300 秒以上',
      'the seal claims a time more than 300 s later than the cosigners prove'
    )
}

/** A time for reading, in the time zone of China, to the second; `?` for what a calendar does not reach (files may claim any number). */
export function isoTime(ms: number | undefined): string {
  const local = new Date((ms ?? Number.NaN) + 8 * 3_600_000)
  return Number.isNaN(local.getTime()) ? '?' : `${local.toISOString().slice(0, -5).replace('T', ' ')} +08:00`
}

function headline(
  overall: Verdict,
  vouching: Vouching | undefined,
  enteredTime: number | undefined,
  record: ShownRecord | undefined,
  files: ReceiptReport['files'],
  steps: Steps
): Words {
  const zh: string[] = [VERDICT_WORDS[overall].zh]
  const en: string[] = [VERDICT_WORDS[overall].en]
  if (steps.verdict('files') === 'broken') {
    zh.push('文件与存入时不同（账本一侧另见各步骤）')
    en.push('the file differs from what was deposited (for the ledger see the steps)')
  } else if (overall === 'verified' && vouching !== undefined) {
    if (enteredTime === undefined) {
      zh.push(`存入以来未被改动，不晚于 ${isoTime(vouching.sealTime)} 存入（时间为运行机构所称）`)
      en.push(`unchanged since its deposit, entered by ${isoTime(vouching.sealTime)} (the operator's time)`)
    } else {
      zh.push(`自 ${isoTime(enteredTime)} 存入以来未被改动（时间为运行机构所称）`)
      en.push(`unchanged since its deposit at ${isoTime(enteredTime)} (the operator's time)`)
    }
    if (vouching.provenTime !== undefined) {
      zh.push(`见证机构证明其至迟于 ${isoTime(vouching.provenTime)} 已存在`)
      en.push(`proven by the cosigners to have existed by ${isoTime(vouching.provenTime)}`)
    }
  }
  if (vouching?.operatorOnly) {
    zh.push('仅由运行机构自身担保，无其他机构见证')
    en.push('only the operator vouches; no other institution has witnessed it')
  } else if (vouching !== undefined && vouching.cosigners.length > 0) {
    zh.push(`见证：${vouching.cosigners.join('、')}`)
    en.push(`witnessed by ${vouching.cosigners.join(', ')}`)
  }
  if (files.length === 0) {
    zh.push('未核对文件')
    en.push('no file was compared')
  }
  if (steps.verdict('timestamps') === 'not-applicable') {
    zh.push('无时间戳')
    en.push('no timestamps')
  }
  if (record !== undefined && record.withheld.length > 0) {
    zh.push(`未披露字段：${record.withheld.join('、')}`)
    en.push(`fields not disclosed: ${record.withheld.join(', ')}`)
  }
  return { zh: `${zh.join('；')}。`, en: `${en.join('; ')}.` }
}
