/** `attach`: what was fixed before there was a case number belongs to a case from now on. Run again, it finds that it has been done. */

import { useNative } from '../node/native.ts'
import { localTime } from '../node/network.ts'
import { readCaseNumber } from './case-number.ts'
import { type Io, printJson, say } from './io.ts'
import { plannedNames, Run } from './journal.ts'
import { readSecretKey } from './key.ts'
import { headlineOf, plainRecord, sayPromised } from './list.ts'
import { Session } from './session.ts'
import { lastOf, subjectOf } from './subject.ts'

interface Args {
  id: string
  case: string
  key: string
  url: string
  policy?: string
  out: string
}

export async function run(args: Args, io: Io): Promise<number> {
  useNative()
  const caseNumber = readCaseNumber(args.case, io)
  const session = await Session.open(io, args.url, await readSecretKey(args.key, io), args.policy)
  const subject = await subjectOf(args.id, session, io)
  const { kind, id, court, origin, entries } = subject
  const already = entries.find((entry) => entry.type === 'evidence.attach' && entry.body.case === caseNumber)
  const run = await Run.open(args.out, ['attach', session.kid, id, caseNumber], io, async () => {
    const about = lastOf(subject, kind === 'list' ? 'evidence.list' : 'evidence.fix')
    const refs = about === undefined ? {} : { refs: [{ rel: 'attaches', log: origin, leaf: about.leaf }] }
    const record = { type: 'evidence.attach', at: localTime(new Date()), court, [kind]: id, case: caseNumber, ...refs }
    const planned = already === undefined ? [plannedNames(args.out)('attach', session.draft(record))] : []
    return { notes: {}, stages: [planned] }
  })
  const [[entered] = []] = await run.carryOut(session, () => [])
  if (io.json)
    printJson(io, {
      [kind]: id,
      case: caseNumber,
      ...(entered === undefined ? { already: already!.index } : plainRecord(entered))
    })
  if (entered === undefined)
    say(io, `此前已归入该案：第 ${already!.index} 条`, `attached to this case before: index ${already!.index}`)
  else {
    const path = entered.receipt ?? entered.promise
    say(
      io,
      `${id} 已归入 ${caseNumber}：账本 ${entered.log} 第 ${entered.index} 条\n  固定时的回执证明文件自固定之时起未被改动，与归入无关\n  ${path} 证明自归入之时起属于该案\n  ${headlineOf(entered).zh}`,
      `${id} belongs to ${caseNumber}: log ${entered.log}, index ${entered.index}\n  the receipts of the fixes prove the files unchanged since they were fixed; this changes nothing about them\n  ${path} proves that they belong to the case since they were attached\n  ${headlineOf(entered).en}`
    )
    sayPromised([entered], io)
  }
  run.finish()
  return entered === undefined || entered.overall === 'verified' ? 0 : 2
}
