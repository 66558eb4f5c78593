/** `verify`: a receipt, a trail certificate, a promise, a refusal or a contradiction, offline; which it is, its content says. No network is touched. */
import { LianzhengError } from '../core/errors.ts'
import { useNative } from '../node/native.ts'
import { verifyCertificate } from '../verify/certificate.ts'
import { verifyContradiction } from '../verify/contradiction.ts'
import { fileKind } from '../verify/files.ts'
import { verifyHandout } from '../verify/handout.ts'
import { verifyReceipt } from '../verify/receipt.ts'
import { exitStatus } from '../verify/verdict.ts'
import { COSE_SIGN1, given, readBeside } from './beside.ts'
import { explain, type Given } from './difference.ts'
import { type Io, readBytes, readExact, readPolicy } from './io.ts'
import { printReport } from './print.ts'

export async function run(args: { file: string; evidence: string[]; policy: string }, io: Io): Promise<number> {
  useNative()
  const policy = readPolicy(args.policy)
  const now = Math.floor(Date.now() / 1000)
  const bytes = readBytes(args.file)
  if (bytes[0] === COSE_SIGN1) {
    const report = verifyHandout(bytes, policy, { now, beside: await readBeside(args.evidence, io) })
    printReport(report, io)
    return exitStatus(report.overall)
  }
  // To the byte: a byte order mark is no part of a receipt.
  const text = readExact(args.file)
  const kind = fileKind(text)
  if (kind === undefined)
    throw new LianzhengError('RECEIPT_INVALID', {
      at: args.file,
      field: 'format',
      expected: 'lianzheng-receipt/v1 | lianzheng-trail/v1 | lianzheng-contradiction/v1'
    })
  if (kind !== 'receipt') {
    if (args.evidence.length > 0)
      throw new LianzhengError('USAGE', { expected: 'evidence files with a receipt, a promise or a refusal alone' })
    const report = kind === 'trail' ? verifyCertificate(text, policy, { now }) : verifyContradiction(text, policy, { now })
    printReport(report, io)
    return exitStatus(report.overall)
  }
  const files: Given[] = []
  for (const file of args.evidence) files.push(await given(file, io))
  const report = verifyReceipt(text, policy, { now, files })
  printReport(report, io, await explain(report, files, args.file, io))
  return exitStatus(report.overall)
}
