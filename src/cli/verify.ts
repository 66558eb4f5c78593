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
import { explain, type Given } from './difference.ts'
import { digestBytes, digestFile } from './digest.ts'
import { type Io, progress, readExact } from './io.ts'
import { readFolder } from './manifest.ts'
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
  if (kind === 'trail') {
    if (args.evidence.length > 0) throw new LianzhengError('USAGE', { expected: 'no evidence files with a trail certificate' })
    const report = verifyCertificate(text, policy, { now })
    printReport(report, io)
    return exitStatus(report.overall)
  }
  const files: Given[] = []
  for (const file of args.evidence) files.push(await given(file, io))
  const report = verifyReceipt(text, policy, { now, files })
  printReport(report, io, await explain(report, files, args.file, io))
  return exitStatus(report.overall)
}

/** A folder is what its manifest is. */
async function given(path: string, io: Io): Promise<Given> {
  const name = basename(path)
  const show = (done: number, of: number) => progress(io, `计算摘要 ${name}`, `digesting ${name}`, done, of)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return { name, path, ...(await digestFile(path, show)) }
  const { text, lines } = await readFolder(path, io, show)
  return { name, path, lines, ...digestBytes(utf8(text)) }
}
