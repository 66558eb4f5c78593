/** `submit`: records of any type, validated before they are signed. One receipt a record; a promise, given back, asks for the receipt it promised. */
import { basename } from 'node:path'
import { type Bytes, base64url } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { decodeHandout } from '../core/promise.ts'
import { useNative } from '../node/native.ts'
import { isoTime, type ReceiptReport } from '../verify/receipt.ts'
import type { Verdict } from '../verify/verdict.ts'
import { COSE_SIGN1 } from './beside.ts'
import { type Io, printJson, readBytes, readText, say } from './io.ts'
import { readSecretKey } from './key.ts'
import { keepHandout, Session, writeReceipt } from './session.ts'

interface Recorded {
  name: string
  record: { [name: string]: unknown }
}
interface Promised {
  name: string
  promise: Bytes
}
type Work = Recorded | Promised

interface Done {
  type?: string
  log: string
  /** Unknown of a promise whose receipt is not there yet. */
  index?: number
  leaf: string
  receipt?: string
  promise?: string
  overall: Verdict
}

export async function run(
  args: { record: string[]; key: string; url: string; policy?: string; log?: string; out: string },
  io: Io
): Promise<number> {
  useNative()
  const work = args.record.flatMap((file): Work[] => {
    const bytes = readBytes(file)
    if (bytes[0] === COSE_SIGN1) return [{ name: basename(file).replace(/\.promise$/, ''), promise: bytes }]
    return readRecords(file).map((record, i, all) => ({
      name: basename(file).replace(/\.json$/, '') + (all.length > 1 ? `-${i + 1}` : ''),
      record
    }))
  })
  const session = await Session.open(io, args.url, await readSecretKey(args.key, io), args.policy)
  const done: Done[] = []
  for (const item of work)
    done.push('promise' in item ? await redeem(item, session, args.out, io) : await send(item, session, args, io))
  if (io.json) printJson(io, done)
  return done.every(({ overall }) => overall === 'verified') ? 0 : 2
}

async function send(
  { name, record }: Recorded,
  session: Session,
  { out, log: wanted }: { out: string; log?: string },
  io: Io
): Promise<Done> {
  const { type, log, index, leaf, statement, ...sent } = await session.send(record, {
    ...(wanted === undefined ? {} : { log: wanted }),
    keep: (refusal, refused) => keepHandout(out, name, 'refusal', refusal, refused, io)
  })
  const place = { type: type.type, log, index, leaf }
  say(
    io,
    `已提交 ${type.type}（${type.zh}）：账本 ${log} 第 ${index} 条\n  记录摘要 ${leaf}`,
    `submitted ${type.type} (${type.en}): log ${log}, index ${index}\n  leaf hash ${leaf}`
  )
  if (sent.promise !== undefined)
    return { ...place, promise: keepHandout(out, name, 'promise', sent.promise, statement, io), overall: 'could-not-check' }
  return { ...place, ...keepReceipt(out, name, sent, io) }
}

/** What was promised is asked for. A receipt that still lacks cosignatures is not kept: the promise is worth as much. */
async function redeem({ name, promise: bytes }: Promised, session: Session, out: string, io: Io): Promise<Done> {
  const handout = decodeHandout(bytes)
  if (handout.kind !== 'promise') throw new LianzhengError('PROMISE_INVALID', { expected: 'a promise' })
  const { leaf, by } = handout.promise
  const answered = await session.client.receipt(handout.aud, leaf, session.policy).catch((error: unknown) => {
    // Durable and not yet under a published head, or left out: which it is shows when the promise is due.
    if (error instanceof LianzhengError && error.code === 'ENTRY_UNKNOWN') return undefined
    throw error
  })
  if (answered?.report.overall === 'verified')
    return { log: answered.log, index: answered.index, leaf: answered.leaf, ...keepReceipt(out, name, answered, io) }
  say(
    io,
    `${name}：尚无可核验的回执；承诺期限 ${isoTime(by)}。逾期仍无，请以 compare 对照其轨迹证书`,
    `${name}: no receipt that verifies yet; promised by ${isoTime(by)}. After that, \`compare\` the promise with a certificate of its trail`
  )
  return { log: handout.aud, leaf: base64url(leaf), overall: answered?.report.overall ?? 'could-not-check' }
}

function keepReceipt(out: string, name: string, { receipt, report }: { receipt: string; report: ReceiptReport }, io: Io) {
  const file = writeReceipt(out, name, receipt, report.overall)
  say(io, `  回执     ${file}\n  ${report.headline.zh}`, `  receipt   ${file}\n  ${report.headline.en}`)
  return { receipt: file, overall: report.overall }
}

function readRecords(file: string): { [name: string]: unknown }[] {
  let value: unknown
  try {
    value = JSON.parse(readText(file))
  } catch (cause) {
    if (cause instanceof LianzhengError) throw cause
    throw new LianzhengError('JSON_INVALID', { at: file, cause })
  }
  const records = Array.isArray(value) ? value : [value]
  if (records.length === 0) throw new LianzhengError('JSON_INVALID', { at: file, expected: 'at least one record' })
  for (const record of records)
    if (typeof record !== 'object' || record === null || Array.isArray(record))
      throw new LianzhengError('JSON_INVALID', { at: file, expected: 'a record, or an array of records' })
  return records as { [name: string]: unknown }[]
}
