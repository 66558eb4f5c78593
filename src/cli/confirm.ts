/** `confirm`: the party confirms a list, on screen, on paper or with a key of its own. How, is for a person to say. */
import { basename } from 'node:path'
import { hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { useNative } from '../node/native.ts'
import { localTime } from '../node/network.ts'
import { digestFile } from './digest.ts'
import { type Io, printJson, progress, say, words } from './io.ts'
import { plannedNames, Run } from './journal.ts'
import { readSecretKey } from './key.ts'
import { headlineOf, plainRecord, sayPromised } from './list.ts'
import { Session } from './session.ts'
import { lastOf, subjectOf } from './subject.ts'

interface Args {
  id: string
  method: 'screen' | 'paper' | 'key'
  proof?: string
  party?: string
  key: string
  url: string
  policy?: string
  out: string
}

export async function run(args: Args, io: Io): Promise<number> {
  useNative()
  const session = await Session.open(io, args.url, await readSecretKey(args.key, io), args.policy)
  const subject = await subjectOf(args.id, session, io)
  const list = subject.kind === 'list' ? lastOf(subject, 'evidence.list') : undefined
  if (list === undefined)
    throw new LianzhengError('ENTRY_UNKNOWN', { at: args.id, expected: words(io, '一份证据清单', 'a list of evidence') })
  const { proof } = args
  const digest =
    proof === undefined
      ? undefined
      : await digestFile(proof, (done, of) =>
          progress(io, `计算摘要 ${basename(proof)}`, `digesting ${basename(proof)}`, done, of)
        )
  const said = [args.method, digest === undefined ? null : hex(digest.sha256), args.party]
  const run = await Run.open(args.out, ['confirm', session.kid, args.id, said], io, async () => {
    const record = {
      type: 'evidence.confirm',
      at: localTime(new Date()),
      court: subject.court,
      list: args.id,
      method: args.method,
      ...(digest === undefined ? {} : { proof: { sha256: hex(digest.sha256) } }),
      refs: [{ rel: 'confirms', log: subject.origin, leaf: list.leaf }],
      ...(args.party === undefined ? {} : { sealed: { party: args.party.normalize('NFC') } })
    }
    return { notes: {}, stages: [[plannedNames(args.out)('confirm', session.draft(record))]] }
  })
  const [[entered] = []] = await run.carryOut(session, () =>
    digest === undefined ? [] : [{ name: basename(proof!), sha256: digest.sha256 }]
  )
  if (io.json) printJson(io, { list: args.id, ...plainRecord(entered!) })
  const { log, index } = entered!
  const path = entered!.receipt ?? entered!.promise
  say(
    io,
    `清单 ${args.id}（第 ${list.index} 条，${String(list.body.count)} 件）已由当事人确认：账本 ${log} 第 ${index} 条${proof === undefined ? '，未附证明文件' : ''}\n  ${path}\n  ${headlineOf(entered!).zh}`,
    `list ${args.id} (index ${list.index}, ${String(list.body.count)} pieces) is confirmed by the party: log ${log}, index ${index}${proof === undefined ? ', without a file as proof' : ''}\n  ${path}\n  ${headlineOf(entered!).en}`
  )
  sayPromised([entered!], io)
  run.finish()
  return entered!.overall === 'verified' ? 0 : 2
}
