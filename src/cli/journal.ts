/**
 * A run of several records that is finished by running the same command again, whatever cut it short. All statements are signed and kept in the
 * output directory before the first is sent; sent twice, a statement enters once and keeps its index. So nothing is fixed twice.
 *
 *   crash before the journal is whole      nothing was sent: the next run begins anew
 *   crash after it, before all receipts    the next run sends what has no receipt yet
 *   crash after the last receipt           the next run finds all of them and says what there is
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Answered } from '../client/client.ts'
import { base64url, equalBytes, fromBase64url } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import type { Draft } from '../records/draft.ts'
import { parseReceipt } from '../verify/files.ts'
import { type GivenFile, type ReceiptReport, verifyReceipt } from '../verify/receipt.ts'
import type { Verdict } from '../verify/verdict.ts'
import { type Io, makeDirectory, progress, replaceFile, words } from './io.ts'
import { keepHandout, type Session } from './session.ts'

/** A signed statement on its way to a receipt. */
export interface Planned {
  /** The receipt's name, without `.receipt.json`. */
  name: string
  statement: string
  disclosures: string[]
}

export interface Plan<Notes> {
  /** What the run is about, for those who show it. */
  notes: Notes
  /** Each stage is sent when the one before it has entered whole. */
  stages: Planned[][]
}

/** In the ledger: with its receipt, or with the log's promise of one where other institutions have yet to cosign. Both are paths. */
export type Entered = { log: string; index: number; leaf: string; overall: Verdict } & (
  | { receipt: string; report: ReceiptReport; promise?: undefined }
  | { promise: string; receipt?: undefined; report?: undefined }
)

const FORMAT = 'lianzheng-run/v1'
/** Records in one request. */
const BATCH = 100

export class Run<Notes> {
  readonly plan: Plan<Notes>
  readonly #out: string
  readonly #io: Io
  /** Nothing of it has been sent before. */
  readonly #isNew: boolean

  private constructor(out: string, plan: Plan<Notes>, isNew: boolean, io: Io) {
    this.#out = out
    this.plan = plan
    this.#isNew = isNew
    this.#io = io
  }

  /**
   * The run that was cut short in this directory, or else the one that `make` plans. `command`: everything that makes it this run and no other.
   * Throws `RUN_UNFINISHED` where another one was cut short there.
   */
  static async open<Notes>(out: string, command: unknown, io: Io, make: () => Promise<Plan<Notes>>): Promise<Run<Notes>> {
    makeDirectory(out)
    const digest = createHash('sha256').update(JSON.stringify(command)).digest('hex')
    const kept = readJournal<Notes>(out)
    if (kept !== undefined && kept.command !== digest) throw new LianzhengError('RUN_UNFINISHED', { at: journalOf(out) })
    if (kept !== undefined) {
      if (!io.json) io.err(`${words(io, '继续上次没有完成的操作', 'going on with the run that was cut short')}\n`)
      return new Run(out, kept.plan, false, io)
    }
    const plan = await make()
    if (existsSync(journalOf(out))) throw new LianzhengError('RUN_UNFINISHED', { at: journalOf(out) })
    // Durable before anything is sent. The file is replaced whole: half a journal is none.
    replaceFile(journalOf(out), JSON.stringify({ format: FORMAT, command: digest, plan }), 0o600)
    return new Run(out, plan, true, io)
  }

  /** Sends what has no receipt yet; gives what entered, stage by stage. `files`: those the records name, compared with their receipts. */
  async carryOut(session: Session, files: (stage: number, i: number) => readonly GivenFile[]): Promise<Entered[][]> {
    const entered: Entered[][] = []
    try {
      for (const [stage, planned] of this.plan.stages.entries())
        entered.push(await this.#enter(session, planned, (i) => files(stage, i)))
    } catch (error) {
      if (existsSync(journalOf(this.#out)) && !this.#io.json)
        this.#io.err(
          `${words(this.#io, `没有完成。已签署的记录保存在 ${journalOf(this.#out)}：原样重新运行同一条命令即可继续，不会重复固定`, `Not finished. What was signed is kept in ${journalOf(this.#out)}: the same command again goes on from there and fixes nothing twice`)}\n`
        )
      throw error
    }
    return entered
  }

  /** When everything has been shown. */
  finish(): void {
    rmSync(journalOf(this.#out), { force: true })
  }

  async #enter(session: Session, planned: readonly Planned[], files: (i: number) => readonly GivenFile[]): Promise<Entered[]> {
    const done = planned.map((one, i) => this.#kept(session, one, files(i)))
    const missing = planned.map((_, i) => i).filter((i) => done[i] === undefined)
    const refused: LianzhengError[] = []
    for (let at = 0; at < missing.length; at += BATCH) {
      const batch = missing.slice(at, at + BATCH)
      const answers = await session.client.submitAll(
        batch.map((i) => ({ ...bytesOf(planned[i]!), files: files(i) })),
        session.policy
      )
      for (const [j, i] of batch.entries()) {
        const answer = answers[j]!
        if (answer instanceof LianzhengError) refused.push(this.#refusal(planned[i]!, answer))
        else done[i] = this.#keep(planned[i]!, answer)
      }
      progress(this.#io, '提交', 'submitting', at + batch.length, missing.length)
    }
    if (refused.length > 0) {
      // Of a run of which nothing has entered, and of which nothing will, nothing need be gone on with.
      const nothing = this.#isNew && this.plan.stages[0] === planned && done.every((one) => one === undefined)
      if (nothing && refused.every(({ exitStatus }) => exitStatus !== 3)) this.finish()
      throw refused[0]!
    }
    return done as Entered[]
  }

  #refusal(planned: Planned, { code, detail }: LianzhengError): LianzhengError {
    const { name } = planned
    if (detail.refusal !== undefined)
      keepHandout(this.#out, name, 'refusal', fromBase64url(detail.refusal), bytesOf(planned).statement, this.#io)
    return new LianzhengError(code, { ...detail, at: name })
  }

  /** The receipt that an earlier run has written. */
  #kept(session: Session, planned: Planned, files: readonly GivenFile[]): Entered | undefined {
    const file = receiptFiles(this.#out, planned.name).find((path) => existsSync(path))
    if (file === undefined) return undefined
    const text = readFileSync(file, 'utf8')
    const { origin, index, statement } = parseReceipt(text)
    if (!equalBytes(statement, bytesOf(planned).statement)) throw new LianzhengError('FILE_EXISTS', { at: file })
    const report = verifyReceipt(text, session.policy, { now: Math.floor(Date.now() / 1000), files })
    const log = origin.slice(origin.lastIndexOf('/') + 1)
    return { log, index, leaf: base64url(leafHash(statement)), receipt: file, report, overall: report.overall }
  }

  #keep(planned: Planned, { log, index, leaf, ...answered }: Answered): Entered {
    const [verified, unverified] = receiptFiles(this.#out, planned.name)
    const [promise, statement] = promiseFiles(this.#out, planned.name)
    if (answered.promise !== undefined) {
      replaceFile(statement!, bytesOf(planned).statement)
      replaceFile(promise!, answered.promise)
      return { log, index, leaf, overall: 'could-not-check', promise: promise! }
    }
    const { overall } = answered.report
    const receipt = overall === 'verified' ? verified! : unverified!
    replaceFile(receipt, answered.receipt)
    for (const file of [promise!, statement!]) rmSync(file, { force: true })
    return { log, index, leaf, overall, receipt, report: answered.report }
  }
}

/** For a plan: a draft under a name that no receipt in the directory has, and none planned before it. */
export function plannedNames(out: string): (name: string, draft: Draft) => Planned {
  const taken = new Set<string>()
  return (wished, { statement, disclosures }) => {
    let name = wished
    for (let n = 2; taken.has(name) || filesOf(out, name).some((file) => existsSync(file)); n++) name = `${wished}-${n}`
    taken.add(name)
    return { name, statement: base64url(statement), disclosures: disclosures.map(base64url) }
  }
}

/** One that verifies, and one that could not be checked and is kept for its disclosures. */
function receiptFiles(out: string, name: string): string[] {
  return ['receipt', 'unverified'].map((kind) => join(out, `${name}.${kind}.json`))
}

function promiseFiles(out: string, name: string): string[] {
  return ['promise', 'statement.cose'].map((kind) => join(out, `${name}.${kind}`))
}

function filesOf(out: string, name: string): string[] {
  return [...receiptFiles(out, name), ...promiseFiles(out, name)]
}

function bytesOf({ statement, disclosures }: Planned) {
  return { statement: fromBase64url(statement), disclosures: disclosures.map((one) => fromBase64url(one)) }
}

function journalOf(out: string): string {
  return join(out, 'unfinished.json')
}

function readJournal<Notes>(out: string): { command: string; plan: Plan<Notes> } | undefined {
  const file = journalOf(out)
  if (!existsSync(file)) return undefined
  try {
    const journal = JSON.parse(readFileSync(file, 'utf8')) as { format: string; command: string; plan: Plan<Notes> }
    if (journal.format === FORMAT) return journal
  } catch (cause) {
    throw new LianzhengError('JSON_INVALID', { at: file, cause })
  }
  throw new LianzhengError('JSON_INVALID', { at: file, field: 'format', expected: FORMAT })
}
