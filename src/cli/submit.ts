/** `submit`: records of any type, validated before they are signed. One receipt a record. */
import { basename } from 'node:path'
import { LianzhengError } from '../core/errors.ts'
import { useNative } from '../node/native.ts'
import type { Verdict } from '../verify/verdict.ts'
import { type Io, printJson, readText, say } from './io.ts'
import { readSecretKey } from './key.ts'
import { Session, writeReceipt } from './session.ts'

export async function run(
  args: { record: string[]; key: string; url: string; policy?: string; log?: string; out: string },
  io: Io
): Promise<number> {
  useNative()
  const records = args.record.flatMap((file) =>
    readRecords(file).map((record, i, all) => ({
      name: basename(file).replace(/\.json$/, '') + (all.length > 1 ? `-${i + 1}` : ''),
      record
    }))
  )
  const session = await Session.open(io, args.url, await readSecretKey(args.key, io), args.policy)
  const done: { type: string; log: string; index: number; leaf: string; receipt: string; overall: Verdict }[] = []
  for (const { name, record } of records) {
    const sent = await session.send(record, args.log === undefined ? {} : { log: args.log })
    const receipt = writeReceipt(args.out, name, sent.receipt, sent.report.overall)
    done.push({ type: sent.type.type, log: sent.log, index: sent.index, leaf: sent.leaf, receipt, overall: sent.report.overall })
    say(
      io,
      `已提交 ${sent.type.type}（${sent.type.zh}）：账本 ${sent.log} 第 ${sent.index} 条\n  记录摘要 ${sent.leaf}\n  回执     ${receipt}\n  ${sent.report.headline.zh}`,
      `submitted ${sent.type.type} (${sent.type.en}): log ${sent.log}, index ${sent.index}\n  leaf hash ${sent.leaf}\n  receipt   ${receipt}\n  ${sent.report.headline.en}`
    )
  }
  if (io.json) printJson(io, done)
  return done.every(({ overall }) => overall === 'verified') ? 0 : 2
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
