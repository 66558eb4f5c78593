/** `verify`: a receipt or a trail certificate, offline. No network is touched. */
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { utf8 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { parsePolicy } from '../core/policy.ts'
import { useNative } from '../node/native.ts'
import { verifyCertificate } from '../verify/certificate.ts'
import { fileKind } from '../verify/files.ts'
import { verifyReceipt } from '../verify/receipt.ts'
import { exitStatus } from '../verify/verdict.ts'
import { digestBytes, digestFile, type FileDigests } from './digest.ts'
import { type Io, progress, readExact } from './io.ts'
import { manifestText } from './manifest.ts'
import { printReport } from './print.ts'

export async function run(args: { file: string; evidence: string[]; policy: string }, io: Io): Promise<number> {
  useNative()
  const policy = parsePolicy(readExact(args.policy))
  // To the byte: a byte order mark is no part of a receipt.
  const text = readExact(args.file)
  const now = Math.floor(Date.now() / 1000)
  const kind = fileKind(text)
  if (kind === undefined)
    throw new LianzhengError('RECEIPT_INVALID', {
      at: args.file,
      field: 'format',
      expected: 'lianzheng-receipt/v1 | lianzheng-trail/v1'
    })
  if (kind === 'trail' && args.evidence.length > 0)
    throw new LianzhengError('USAGE', { expected: 'no evidence files with a trail certificate' })
  const files = []
  for (const file of args.evidence) files.push({ name: basename(file), ...(await digestOf(file, io)) })
  const report = kind === 'receipt' ? verifyReceipt(text, policy, { now, files }) : verifyCertificate(text, policy, { now })
  printReport(report, io)
  return exitStatus(report.overall)
}

/** A folder is what its manifest is. */
async function digestOf(path: string, io: Io): Promise<FileDigests> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return digestBytes(utf8(manifestText(path).text))
  return digestFile(path, (done, of) => progress(io, `计算摘要 ${basename(path)}`, `digesting ${basename(path)}`, done, of))
}
