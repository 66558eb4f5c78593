/** Reports as people read them: one line a step, what was found under it, and the headline last. */
import type { CertificateReport } from '../verify/certificate.ts'
import type { ComparisonReport } from '../verify/compare.ts'
import type { ContradictionReport } from '../verify/contradiction.ts'
import type { HandoutReport } from '../verify/handout.ts'
import type { ReceiptReport } from '../verify/receipt.ts'
import { isoTime } from '../verify/receipt.ts'
import type { ShownRecord } from '../verify/shown.ts'
import { VERDICT_WORDS, type Verdict } from '../verify/verdict.ts'
import { type Difference, printDifferences, whichDiffers } from './difference.ts'
import { type Io, printJson, words } from './io.ts'

const MARKS: Readonly<Record<Verdict, string>> = { verified: '✓', broken: '✗', 'could-not-check': '?', 'not-applicable': '–' }

type Report = ReceiptReport | CertificateReport | HandoutReport | ContradictionReport | ComparisonReport

export function printReport(report: Report, io: Io, differences: readonly Difference[] = []): void {
  if (io.json) return printJson(io, differences.length === 0 ? report : { ...report, differences })
  for (const step of report.steps) {
    io.out(
      ` ${MARKS[step.verdict]} ${words(io, step.zh, step.en)} — ${words(io, VERDICT_WORDS[step.verdict].zh, VERDICT_WORDS[step.verdict].en)}\n`
    )
    for (const note of step.notes) io.out(`     ${words(io, note.zh, note.en)}\n`)
  }
  if (report.kind === 'receipt') {
    if (report.record !== undefined) io.out(`\n${record(report.record, io)}`)
    printDifferences(differences, io)
    const which = whichDiffers(report)
    if (which !== undefined) io.out(`\n${words(io, which.zh, which.en)}\n`)
  } else if (report.kind === 'trail') {
    for (const log of report.logs) {
      io.out(`\n${words(io, '账本', 'log')} ${log.origin}\n`)
      for (const [i, entry] of log.entries.entries()) io.out(`${String(i + 1).padStart(4)}. ${record(entry, io).trimStart()}`)
    }
  }
  io.out(`\n${words(io, report.headline.zh, report.headline.en)}\n`)
}

function record(shown: ShownRecord & { erased?: string[] }, io: Io): string {
  const { type: _, v: __, at, ...body } = shown.body
  const open = Object.entries(body).map(
    ([name, value]) => `      ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`
  )
  const disclosed = Object.entries(shown.disclosed).map(
    ([name, value]) =>
      `      ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}  ${words(io, '（密封，已披露）', '(sealed, disclosed)')}`
  )
  const erased = (shown.erased ?? []).map((name) => `      ${name}: ${words(io, '（密封，已依法销毁）', '(sealed, erased)')}`)
  const withheld = shown.withheld.map((name) => `      ${name}: ${words(io, '（密封，未披露）', '(sealed, not disclosed)')}`)
  return `${[`  ${words(io, shown.zh, shown.en)} ${shown.type} · ${words(io, '序号', 'index')} ${shown.index} · ${String(at)} · ${words(io, '签发', 'issued')} ${isoTime(shown.iat * 1000)} · ${shown.iss}`, ...open, ...disclosed, ...erased, ...withheld].join('\n')}\n`
}
