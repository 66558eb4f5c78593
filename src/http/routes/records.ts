/** Submitting records and reading them back. */
import { type Request, Router } from 'express'
import { type Bytes, base64url, equalBytes, fromBase64url } from '../../core/bytes.ts'
import { decodeDisclosure } from '../../core/disclosure.ts'
import { LianzhengError } from '../../core/errors.ts'
import { HASH_SIZE } from '../../core/hash.ts'
import { decodeStatement, type Statement } from '../../core/statement.ts'
import { type Caller, isOwn, mayKnowLog } from '../../records/visibility.ts'
import { type ExaminedRecord, examine } from '../../verify/admit.ts'
import { formatReceipt } from '../../verify/files.ts'
import { showRecord } from '../../verify/shown.ts'
import { findLog, type LogContext, type NodeContext } from '../context.ts'
import { asAsked, factsOf, mayHaveRecord, recordRead } from '../entitled.ts'
import { callerOf, deny } from '../middleware/caller.ts'
import { problemOf } from '../middleware/errors.ts'
import { on } from '../operation.ts'
import * as operations from '../operations.ts'
import { MAX_ARRAY, submission } from '../schemas.ts'
import { QUORUM_WAIT, type Submitted, submit } from '../submit.ts'

export function recordRoutes(node: NodeContext): Router {
  const router = Router()

  on(router, node, operations.submitRecords, async (request, response, query) => {
    const wait = query.wait === 'quorum' ? QUORUM_WAIT : 0
    const body: unknown = request.body
    if (!Array.isArray(body)) {
      const done = await submitOne(body, node, wait)
      if (done.status === 202) response.location(receiptAt(done))
      response
        .status(done.status)
        .type('application/json')
        .send(answerOf(done, query.reply ?? 'receipt'))
      return
    }
    if (body.length < 1 || body.length > MAX_ARRAY)
      throw new LianzhengError('BODY_INVALID', { expected: `1 to ${MAX_ARRAY} records` })
    const results = await Promise.all(body.map((item) => submitOne(item, node, wait).catch((error) => refusal(error, node))))
    const answers = results.map((result) =>
      'code' in result ? JSON.stringify(result) : answerOf(result, query.reply ?? 'index')
    )
    response
      .status(200)
      .type('application/json')
      .send(`[${answers.join(',')}]`)
  })

  on(router, node, operations.readRecord, async (request, response) => {
    const log = findLog(node, request.params.log!)
    const { index, statement, mayDisclose } = await find(node, log, request.params.id!, request)
    if (statement.kind === 'seal') {
      response.json({ index, leaf: base64url(statement.leaf), seal: true, statement: base64url(statement.bytes) })
      return
    }
    const record = examine(statement.bytes) as ExaminedRecord
    const disclosures = mayDisclose ? log.reader.disclosures(index).map(decodeDisclosure) : []
    const shown = showRecord(record, index, disclosures)
    response.json({ ...shown, log: log.name, enteredAt: log.reader.enteredAt(index), statement: base64url(statement.bytes) })
  })

  on(router, node, operations.readReceipt, async (request, response, { disclose }) => {
    const log = findLog(node, request.params.log!)
    const { index, mayDisclose } = await find(node, log, request.params.id!, request)
    const receipt = log.reader.receipt(
      index,
      asAsked(disclose, (_, disclosures) => (mayDisclose ? disclosures : []))
    )
    response.type('application/json').send(formatReceipt(receipt))
  })
  return router
}

function refusal(error: unknown, node: NodeContext) {
  if (!(error instanceof LianzhengError)) throw error
  node.onRefused(error.code)
  return problemOf(error)
}

async function submitOne(body: unknown, node: NodeContext, wait: number): Promise<Submitted> {
  const parsed = submission.safeParse(body)
  if (!parsed.success)
    throw new LianzhengError('BODY_INVALID', {
      field: parsed.error.issues[0]?.path.join('.') ?? '',
      expected: '{"statement": base64url, "disclosures": [base64url…]}'
    })
  const statement = fromBase64url(parsed.data.statement)
  return submit(node, { statement, disclosures: parsed.data.disclosures.map((text) => fromBase64url(text)), wait })
}

function answerOf(done: Submitted, reply: 'receipt' | 'index'): string {
  if (done.promise === undefined) return reply === 'receipt' ? withReceipt(done) : placeOf(done)
  const promised = { promise: base64url(done.promise), receiptAt: receiptAt(done) }
  return `${placeOf(done).slice(0, -1)},${JSON.stringify(promised).slice(1)}`
}

/** Where the receipt of something not yet final can be asked for. */
function receiptAt({ log, leaf }: Submitted): string {
  return `/api/v1/logs/${log.name}/records/${base64url(leaf)}/receipt`
}

function placeOf({ status, log, index, leaf }: Submitted): string {
  return JSON.stringify({ status, log: log.name, index, leaf: base64url(leaf) })
}

/** The receipt shows the disclosures that came with this submission, and no others: whoever sends a statement again need not have seen them. */
function withReceipt(done: Submitted): string {
  const receipt = done.log.reader.receipt(done.index, (_, stored) =>
    stored.filter((one) => done.disclosures.some((given) => equalBytes(given, one)))
  )
  return `${placeOf(done).slice(0, -1)},"receipt":${formatReceipt(receipt).trimEnd()}}`
}

interface Found {
  index: number
  statement: Statement
  /** Statements of a public log are for everyone; what is sealed in them is not always: a registration seals the name of the key's holder. */
  mayDisclose: boolean
}

/** Whoever signed a record that waits for its published head knows that it is there, and is told to wait. */
function hasSigned(caller: Caller | undefined, { ledger }: LogContext, leaf: Bytes | undefined): boolean {
  const index = leaf === undefined || caller === undefined ? undefined : ledger.indexOfLeaf(leaf)
  return index !== undefined && base64url(decodeStatement(ledger.requireEntry(index)).kid) === caller!.kid
}

/**
 * An entry by index or by leaf hash, if the caller may see it; a restricted read is then on record. Whoever may not know what the log has is refused in
 * the same words whether the entry is there or not.
 */
export async function find(
  node: NodeContext,
  log: LogContext,
  id: string,
  request: Request<Record<string, string>>
): Promise<Found> {
  const leaf = /^(?:0|[1-9][0-9]{0,15})$/.test(id) ? undefined : fromBase64url(id, HASH_SIZE)
  const caller = callerOf(request, log)
  let index: number
  let statement: Statement
  try {
    index = leaf === undefined ? Number(id) : log.reader.indexOfLeaf(leaf)
    statement = log.reader.statement(index)
  } catch (error) {
    const isUnknown = error instanceof LianzhengError && error.code === 'ENTRY_UNKNOWN'
    if (isUnknown && !mayKnowLog(caller, log.classes) && !hasSigned(caller, log, leaf)) throw deny(request)
    throw error
  }
  const isOpen = log.classes.every((name) => name === 'public')
  if (statement.kind === 'seal') {
    if (!isOpen && !mayKnowLog(caller, log.classes)) throw deny(request)
    return { index, statement, mayDisclose: false }
  }
  const facts = factsOf(statement)
  const mayDisclose = await mayHaveRecord(log, caller, facts)
  if (!isOpen && !mayDisclose) throw deny(request)
  const isRestricted = !isOpen || (facts.type.class !== 'public' && mayDisclose && statement.body.has('sealed'))
  if (isRestricted && !isOwn(caller, facts)) await recordRead(node, request, log, { leaf: statement.leaf })
  return { index, statement, mayDisclose }
}
