/** 证据清单 as people read it: on the terminal and as a file beside the receipts. */
import { basename, join } from 'node:path'
import { isoTime } from '../verify/receipt.ts'
import { VERDICT_WORDS, type Words } from '../verify/verdict.ts'
import type { Exhibit } from './exhibits.ts'
import { type Io, printJson, replaceFile, say, words } from './io.ts'
import type { Entered } from './journal.ts'

/** The same bytes were fixed before, as the node says. */
export interface Before {
  since?: string
  /** `<log> <index>`, where one may know them. */
  records: string[]
}

export type FixedPiece = Entered & {
  path: string
  sha256: string
  evidence: string
  exhibit: Exhibit
  before?: Before
}

export interface FixedList {
  id: string
  case: string | undefined
  list: Entered
  /** 收据: that the court has received them. */
  courtReceipt: Entered
  fixed: readonly FixedPiece[]
}

export function beforeWords({ since, records }: Before): Words {
  const time = since === undefined ? '' : isoTime(Date.parse(since))
  const places = records.slice(0, 3).join('、')
  return {
    zh: `同样的内容此前已固定过${time === '' ? '' : `：节点称自 ${time}`}${places === '' ? '' : `，记录 ${places}`}`,
    en: `the same content was fixed before${time === '' ? '' : `: the node says since ${time}`}${places === '' ? '' : `, record ${places.replaceAll('、', ', ')}`}`
  }
}

/** For machines. */
export function plainPiece({ exhibit, evidence, sha256, before, ...entered }: FixedPiece) {
  const { file, alike } = exhibit
  return { file, evidence, sha256, ...plainRecord(entered), ...(alike.length > 0 ? { alike } : {}), ...(before ?? {}) }
}

export function plainRecord({ log, index, leaf, overall, receipt, promise }: Entered) {
  return { log, index, leaf, overall, ...(receipt === undefined ? { promise } : { receipt }) }
}

/** What may be said of an entry: the headline of its receipt, or that it is durable and no more yet. */
export function headlineOf({ report }: Entered): Words {
  return report?.headline ?? { zh: '已落盘，尚待其他机构联署。', en: 'Durable; other institutions have yet to cosign.' }
}

/** How promised receipts are had; nothing where all are there. */
export function sayPromised(entered: readonly Entered[], io: Io): void {
  const promises = entered.flatMap(({ promise }) => (promise === undefined ? [] : [promise]))
  if (promises.length > 0)
    say(
      io,
      `尚待其他机构联署的有 ${promises.length} 条。联署后取回执：lianzheng submit ${promises.join(' ')}`,
      `${promises.length} have yet to be cosigned by other institutions. Then, for the receipts: lianzheng submit ${promises.join(' ')}`
    )
}

/** Shows the list and writes `list.md` beside the list's receipt. */
export function showList(done: FixedList, out: string, io: Io): void {
  const { id, list, courtReceipt, fixed } = done
  const name = basename(list.receipt ?? list.promise).replace(/\.(?:receipt\.json|unverified\.json|promise)$/, '')
  const summary = join(out, `${name}.md`)
  replaceFile(summary, markdown(done, io))
  if (io.json)
    return printJson(io, {
      list: id,
      ...(done.case === undefined ? {} : { case: done.case }),
      fixed: fixed.map(plainPiece),
      listRecord: plainRecord(list),
      courtReceipt: plainRecord(courtReceipt),
      summary
    })
  for (const row of table(fixed, io)) io.out(`${row.join('  ')}\n`)
  for (const { path, before } of fixed)
    if (before !== undefined) say(io, `  ${path}：${beforeWords(before).zh}`, `  ${path}: ${beforeWords(before).en}`)
  const [listAt, receiptAt] = [list, courtReceipt].map((one) => one.receipt ?? one.promise)
  say(
    io,
    `清单 ${id}：${fixed.length} 件\n  清单     ${list.log} 第 ${list.index} 条  ${listAt}\n  收据     ${courtReceipt.log} 第 ${courtReceipt.index} 条  ${receiptAt}\n  一览     ${summary}\n  ${headlineOf(courtReceipt).zh}`,
    `list ${id}: ${fixed.length} pieces\n  list     ${list.log}, index ${list.index}  ${listAt}\n  收据     ${courtReceipt.log}, index ${courtReceipt.index}  ${receiptAt}\n  at a glance  ${summary}\n  ${headlineOf(courtReceipt).en}`
  )
  sayPromised([...fixed, list, courtReceipt], io)
}

/** Number, name, the beginning of the digest, index, verdict. */
function table(fixed: readonly FixedPiece[], io: Io): string[][] {
  return fixed.map(({ exhibit, sha256, index, overall }, i) => [
    String(i + 1).padStart(3),
    sha256.slice(0, 16),
    String(index).padStart(6),
    words(io, VERDICT_WORDS[overall].zh, VERDICT_WORDS[overall].en),
    exhibit.fields.name ?? exhibit.name
  ])
}

function markdown({ id, case: of, list, courtReceipt, fixed }: FixedList, io: Io): string {
  const t = (zh: string, en: string) => words(io, zh, en)
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`
  const head = [
    t('序号', 'no.'),
    t('名称', 'name'),
    t('形式', 'form'),
    t('份数', 'copies'),
    t('页数', 'pages'),
    'SHA-256',
    t('账本序号', 'index'),
    t('核验', 'verdict'),
    t('存证编号', 'number')
  ]
  const body = fixed.map(({ exhibit: { name, fields }, sha256, index, overall, evidence }, i) => [
    String(i + 1),
    fields.name ?? name,
    fields.form === 'original' ? t('原件', 'original') : t('复印件', 'copy'),
    fields.copies ?? '',
    fields.pages ?? '',
    sha256.slice(0, 16),
    String(index),
    t(VERDICT_WORDS[overall].zh, VERDICT_WORDS[overall].en),
    evidence
  ])
  return `${[
    `# ${t('证据清单', 'List of evidence')} ${id}`,
    '',
    ...(of === undefined ? [] : [`${t('案号', 'Case')} ${of}`, '']),
    t(
      `共 ${fixed.length} 件。清单为账本 ${list.log} 第 ${list.index} 条；收据为第 ${courtReceipt.index} 条。${headlineOf(courtReceipt).zh}`,
      `${fixed.length} pieces. The list is index ${list.index} of log ${list.log}; the receipt for the party is index ${courtReceipt.index}. ${headlineOf(courtReceipt).en}`
    ),
    '',
    row(head),
    row(head.map(() => '---')),
    ...body.map(row),
    '',
    t(
      '本页供阅读，不能代替回执：以 lianzheng verify 核验各回执为准。',
      'For reading. It replaces no receipt: verify those with lianzheng verify.'
    )
  ].join('\n')}\n`
}
