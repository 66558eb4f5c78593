/**
 * `fix`: files never leave the machine; their digests are signed, sent, and proven fixed. One receipt a file; with `--list new` they become one
 * 证据清单 with one 收据, all of it one run that can be gone on with.
 */
import { hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { useNative } from '../node/native.ts'
import { readCaseNumber } from './case-number.ts'
import {
  type Common,
  courtReceiptRecord,
  fixRecord,
  freshId,
  listRecord,
  type Piece,
  readSettings,
  requireSaid,
  sheetColumns
} from './counter.ts'
import { bySheet, type Exhibit, readExhibits, unread, type Wanted, want } from './exhibits.ts'
import { type Io, printJson, progress, readText, say, words } from './io.ts'
import { type Plan, plannedNames, Run } from './journal.ts'
import { readSecretKey } from './key.ts'
import { type Before, beforeWords, type FixedPiece, headlineOf, plainPiece, sayPromised, showList } from './list.ts'
import { Session } from './session.ts'

interface Args {
  file: string[]
  case?: string
  list?: string
  sheet?: string
  skipKnown?: boolean
  set?: string[]
  key: string
  url: string
  policy?: string
  out: string
}

/** What the journal keeps for showing: the pieces, in order, and what was known of them before. */
interface Notes {
  list?: string
  pieces: (Note & { evidence: string })[]
  /** Known before and left out, as was asked. */
  skipped: Note[]
}

interface Note {
  path: string
  sha256: string
  before?: Before
}

export async function run(args: Args, io: Io): Promise<number> {
  useNative()
  const isList = args.list === 'new'
  const { settings, wanted } = readWanted(args, isList, io)
  const caseNumber = args.case === undefined ? undefined : readCaseNumber(args.case, io)
  const key = await readSecretKey(args.key, io)
  const session = await Session.open(io, args.url, key, args.policy)
  const court = settings.court ?? session.court ?? courtOfCase(caseNumber)
  const common: Common = { court, case: caseNumber, list: isList ? freshId(court) : args.list }
  const recordsOf = (exhibits: readonly Exhibit[]) => {
    const pieces = exhibits.map((exhibit) => ({ exhibit, evidence: exhibit.fields.evidence ?? freshId(court) }))
    return { pieces, stages: stagesOf(pieces, settings, common, isList) }
  }

  // What would be refused is refused before gigabytes are read.
  for (const { record } of recordsOf(wanted.map(unread)).stages.flat()) session.draft(record)

  const exhibits = await readExhibits(wanted, args.out, io)
  const said = exhibits.map(({ path, sha256, fields, alike }) => [path, hex(sha256), fields, alike])
  const command = ['fix', session.kid, caseNumber, args.list, args.skipKnown, settings, said]
  const run = await Run.open(args.out, command, io, async (): Promise<Plan<Notes>> => {
    const before = await lookUp(exhibits, session, io)
    const isSkipped = (exhibit: Exhibit) => args.skipKnown === true && before.has(exhibit)
    const { pieces, stages } = recordsOf(exhibits.filter((exhibit) => !isSkipped(exhibit)))
    const planned = plannedNames(args.out)
    return {
      notes: {
        ...(isList ? { list: common.list! } : {}),
        pieces: pieces.map(({ exhibit, evidence }) => ({ ...noteOf(exhibit, before), evidence })),
        skipped: exhibits.filter(isSkipped).map((exhibit) => noteOf(exhibit, before))
      },
      stages: stages.map((stage) => stage.map(({ name, record }) => planned(name, session.draft(record))))
    }
  })
  const { notes } = run.plan
  const bySha256 = new Map(exhibits.map((exhibit) => [hex(exhibit.sha256), exhibit]))
  const pieces = notes.pieces.map((piece) => ({ ...piece, exhibit: bySha256.get(piece.sha256)! }))
  const given = pieces.map(({ exhibit: { name, sha256, sm3 } }) => ({ name, sha256, ...(sm3 === undefined ? {} : { sm3 }) }))
  const [fixes = [], [list] = [], [courtReceipt] = []] = await run.carryOut(session, (stage, i) =>
    stage === 0 ? [given[i]!] : stage === 1 ? given : []
  )
  const fixed: FixedPiece[] = pieces.map((piece, i) => ({ ...piece, ...fixes[i]! }))
  if (list !== undefined && courtReceipt !== undefined && notes.list !== undefined)
    showList({ id: notes.list, case: caseNumber, list, courtReceipt, fixed }, args.out, io)
  else showFixes(fixed, notes, io)
  run.finish()
  return [...fixes, list, courtReceipt].every((one) => one === undefined || one.overall === 'verified') ? 0 : 2
}

/** The files with what is said of each. Throws before anything is read or sent. */
function readWanted(args: Args, isList: boolean, io: Io): { settings: Record<string, string>; wanted: Wanted[] } {
  if (args.sheet !== undefined && !isList)
    throw new LianzhengError('USAGE', { field: '--sheet', expected: words(io, '与 --list new 一起使用', '--list new with it') })
  if (args.skipKnown === true && isList)
    throw new LianzhengError('USAGE', {
      field: '--skip-known',
      expected: words(
        io,
        '不与 --list new 同用：收据列出收到的全部材料',
        'no --list new with it: a receipt names all that was received'
      )
    })
  const settings = readSettings(args.set ?? [], isList)
  if (args.sheet === undefined) requireSaid(settings, 'material', MATERIAL, io)
  const files = want(args.file, args.out, settings, io)
  if (!isList) return { settings, wanted: files }
  if (files.length > MAX_LIST)
    throw new LianzhengError('USAGE', {
      expected: words(io, `一份清单至多 ${MAX_LIST} 个文件`, `at most ${MAX_LIST} files in one list`)
    })
  if (settings.receivedAt === undefined)
    throw new LianzhengError('FIELD_MISSING', {
      field: 'receivedAt',
      expected: words(
        io,
        '--set receivedAt=now，或收到材料的时间，如 --set "receivedAt=2026-01-05 09:30"',
        '--set receivedAt=now, or when they were received, e.g. --set "receivedAt=2026-01-05 09:30"'
      )
    })
  const wanted = args.sheet === undefined ? files : bySheet(files, args.sheet, readText(args.sheet), sheetColumns(true), io)
  for (const { path, fields } of wanted) {
    requireSaid(fields, 'material', MATERIAL, io, path)
    requireSaid(fields, 'form', 'original|copy', io, path)
    requireSaid(fields, 'copies', '1', io, path)
    requireSaid(fields, 'pages', '3', io, path)
  }
  return { settings, wanted }
}

const MATERIAL = 'electronic-data|digitised-copy|object'
/** As the catalogue has it for lists and receipts. */
const MAX_LIST = 500

/** The records of the run with the names of their receipts: all fixes, then the list, then that they were received. */
function stagesOf(pieces: readonly Piece[], settings: Readonly<Record<string, string>>, common: Common, isList: boolean) {
  const fixes = pieces.map((piece) => ({ name: piece.exhibit.name, record: fixRecord(piece, common) }))
  if (!isList) return [fixes]
  const list = { name: 'list', record: listRecord(pieces, settings, common) }
  return [fixes, [list], [{ name: 'court-receipt', record: courtReceiptRecord(pieces, settings, common) }]]
}

/** The court of a case number, for those who have no staff code. */
function courtOfCase(caseNumber: string | undefined): string {
  const court = /^（\d{4}）(最高法|[\u4e00-\u9fff](?:\d{4}|\d{2})?)/u.exec(caseNumber ?? '')?.[1]
  if (court === undefined) throw new LianzhengError('FIELD_MISSING', { field: 'court', expected: '--set court=粤01' })
  return court
}

/** Which of them the node has had before. Asked for by name only where it has: such a look-up may itself be recorded. */
async function lookUp(exhibits: readonly Exhibit[], session: Session, io: Io): Promise<Map<Exhibit, Before>> {
  const known = new Map<Exhibit, Before>()
  for (const [i, exhibit] of exhibits.entries()) {
    const path = `/api/v1/evidence/${hex(exhibit.sha256)}`
    const answer = await session.client.json<{ fixed?: unknown; since?: unknown }>(path, { anonymous: true })
    if (answer.fixed === true) {
      const since = typeof answer.since === 'string' && ISO.test(answer.since) ? { since: answer.since } : {}
      known.set(exhibit, { ...since, records: await placesOf(path, session) })
    }
    progress(io, '查重', 'looking for earlier fixes', i + 1, exhibits.length)
  }
  return known
}

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/

/** The records of earlier fixes, where one may know them. */
async function placesOf(path: string, session: Session): Promise<string[]> {
  try {
    const { records = [] } = await session.client.json<{ records?: { log: unknown; index: unknown }[] }>(path)
    return records.map(({ log, index }) => `${String(log)} ${String(index)}`)
  } catch (error) {
    if (error instanceof LianzhengError && error.code === 'ACCESS_DENIED') return []
    throw error
  }
}

function noteOf(exhibit: Exhibit, before: ReadonlyMap<Exhibit, Before>): Note {
  const known = before.get(exhibit)
  return { path: exhibit.path, sha256: hex(exhibit.sha256), ...(known === undefined ? {} : { before: known }) }
}

/** What was fixed, one by one. */
function showFixes(fixed: readonly FixedPiece[], { skipped }: Notes, io: Io): void {
  for (const { path, before } of skipped) {
    const known = beforeWords(before!)
    say(io, `未再固定 ${path}：${known.zh}`, `not fixed again ${path}: ${known.en}`)
  }
  for (const piece of fixed) {
    const { path, evidence, sha256, log, index, receipt, promise, before } = piece
    const headline = headlineOf(piece)
    const [zh, en] =
      receipt === undefined ? [`承诺     ${promise}`, `promise  ${promise}`] : [`回执     ${receipt}`, `receipt  ${receipt}`]
    say(
      io,
      `已固定 ${path}\n  存证编号 ${evidence}\n  SHA-256  ${sha256}\n  账本     ${log} 第 ${index} 条\n  ${zh}\n  ${headline.zh}`,
      `fixed ${path}\n  number   ${evidence}\n  SHA-256  ${sha256}\n  log      ${log}, index ${index}\n  ${en}\n  ${headline.en}`
    )
    if (before !== undefined) say(io, `  ${beforeWords(before).zh}`, `  ${beforeWords(before).en}`)
  }
  sayPromised(fixed, io)
  if (io.json)
    printJson(io, [...fixed.map(plainPiece), ...skipped.map((note) => ({ file: note.path, skipped: true, ...note.before }))])
}
