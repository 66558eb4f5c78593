/**
 * `compare`: do two files show one history? Receipts, certificates and checkpoints in any mix; or a promise and what should show that it was kept.
 * Where they contradict each other, the contradiction is written as a file that convicts the log before anyone.
 */
import type { Bytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Policy } from '../core/policy.ts'
import { decodeHandout } from '../core/promise.ts'
import { useNative } from '../node/native.ts'
import { type ComparisonReport, type Consistency, compareHeads, NO_POLICY } from '../verify/compare.ts'
import { formatContradiction, verifyContradiction } from '../verify/contradiction.ts'
import { fileKind, parseCertificate } from '../verify/files.ts'
import { verifyHandout } from '../verify/handout.ts'
import { headsOf, policyOfFiles } from '../verify/heads.ts'
import { exitStatus, type Step } from '../verify/verdict.ts'
import { COSE_SIGN1, readBeside } from './beside.ts'
import { type Io, readBytes, readExact, readPolicy, say, writeNew } from './io.ts'
import { printReport } from './print.ts'
import { connect } from './session.ts'

interface Args {
  a: string
  b: string
  policy?: string
  url?: string
  statement?: string
  out?: string
}

export async function run(args: Args, io: Io): Promise<number> {
  useNative()
  const policy = args.policy === undefined ? undefined : readPolicy(args.policy)
  const promise = readBytes(args.a)
  if (promise[0] === COSE_SIGN1) return comparePromise(promise, args, policy, io)

  const [a, b] = [headsOf(readExact(args.a)), headsOf(readExact(args.b))]
  let report = compareHeads(a, b, policy)
  if (args.url !== undefined) report = compareHeads(a, b, policy, await askFor(report, args.url, io))
  const { contradiction, ...shown } = report
  if (contradiction !== undefined)
    keep(contradiction, report.pairs.find(({ relation }) => relation === 'contradiction')!.origin, args, io)
  printReport(shown, io)
  return exitStatus(report.overall)
}

/** The consistency proofs that are wanting, as far as the node has them; whether they hold is judged where they are used. */
async function askFor(report: ComparisonReport, url: string, io: Io): Promise<Consistency[]> {
  const client = connect(io, url)
  const proofs: Consistency[] = []
  for (const { origin, a, b, relation } of report.pairs) {
    if (relation !== 'unknown' || a.size === b.size) continue
    const [from, to] = [Math.min(a.size, b.size), Math.max(a.size, b.size)]
    proofs.push({ origin, from, to, proof: await client.consistency(origin, from, to) })
  }
  return proofs
}

/** A promise against a certificate of one of its statement's trails convicts; against the receipt it is seen to be kept. */
async function comparePromise(promise: Bytes, args: Args, given: Policy | undefined, io: Io): Promise<number> {
  const handout = decodeHandout(promise)
  const text = readExact(args.b)
  const policy = given ?? policyOfFiles(headsOf(text))
  const now = Math.floor(Date.now() / 1000)
  const statement = args.statement === undefined ? undefined : readBytes(args.statement)
  const parts = fileKind(text) === 'trail' ? parseCertificate(text).parts : []
  for (const b of parts.filter(({ origin }) => origin === handout.aud)) {
    const a = { promise, ...(statement === undefined ? {} : { statement }) }
    const contradiction = formatContradiction({ kind: 'broken-promise', origin: handout.aud, a, b })
    const report = verifyContradiction(contradiction, policy, { now })
    if (report.overall !== 'verified') continue
    keep(contradiction, handout.aud, args, io)
    sayPolicy(report, given)
    printReport(report, io)
    return 1
  }
  const beside = await readBeside([args.b, ...(args.statement === undefined ? [] : [args.statement])], io)
  const report = verifyHandout(promise, policy, { now, beside })
  sayPolicy(report, given)
  printReport(report, io)
  return exitStatus(report.overall)
}

function sayPolicy({ steps }: { steps: Step[] }, given: Policy | undefined): void {
  if (given === undefined) steps.find(({ step }) => step === 'policy')!.notes.push(NO_POLICY)
}

/** Under a free name where none is given: a contradiction that was found before stands in nobody's way. */
function keep(contradiction: string, origin: string, args: Args, io: Io): void {
  for (let n = 1; ; n++) {
    const file = args.out ?? `${origin.replaceAll('/', '-')}${n === 1 ? '' : `-${n}`}.contradiction.json`
    try {
      writeNew(file, contradiction)
      return say(io, `矛盾文件 ${file}`, `contradiction ${file}`)
    } catch (error) {
      if (args.out !== undefined || !(error instanceof LianzhengError) || error.code !== 'FILE_EXISTS') throw error
    }
  }
}
