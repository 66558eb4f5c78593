/** `verify`: a receipt or a trail certificate, offline. No network is touched. */
import { basename } from 'node:path'
import { LianzhengError } from '../core/errors.ts'
import { parsePolicy } from '../core/policy.ts'
import { useNative } from '../node/native.ts'
import { verifyCertificate } from '../verify/certificate.ts'
import { fileKind } from '../verify/files.ts'
import { verifyReceipt } from '../verify/receipt.ts'
import { exitStatus } from '../verify/verdict.ts'
import { digestFile } from './digest.ts'
import { type Io, progress, readText } from './io.ts'
import { printReport } from './print.ts'

export async function run(args: { file: string; evidence: string[]; policy: string }, io: Io): Promise<number> {
  useNative()
  const policy = parsePolicy(readText(args.policy))
  const text = readText(args.file)
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
  for (const file of args.evidence)
    files.push({
      name: basename(file),
      ...(await digestFile(file, (done, of) =>
        progress(io, `计算摘要 ${basename(file)}`, `digesting ${basename(file)}`, done, of)
      ))
    })
  const report = kind === 'receipt' ? verifyReceipt(text, policy, { now, files }) : verifyCertificate(text, policy, { now })
  printReport(report, io)
  return exitStatus(report.overall)
}
