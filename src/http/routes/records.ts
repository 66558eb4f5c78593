/** Submitting records and reading them back. */
import { type Request, Router } from 'express'
import { type Bytes, base64url, equalBytes, fromBase64url } from '../../core/bytes.ts'
import { decodeDisclosure } from '../../core/disclosure.ts'
import { LianzhengError } from '../../core/errors.ts'
import { HASH_SIZE } from '../../core/hash.ts'
import type { Statement } from '../../core/statement.ts'
import { isOwn, mayKnowLog } from '../../records/visibility.ts'
import { checkNfc, type ExaminedRecord, examine, matchDisclosures } from '../../verify/admit.ts'
import { formatReceipt } from '../../verify/files.ts'
import { showRecord } from '../../verify/shown.ts'
import { findLog, type LogContext, type NodeContext } from '../context.ts'
import { factsOf, mayHaveRecord, recordRead } from '../entitled.ts'
import { callerOf, deny } from '../middleware/caller.ts'
import { problemOf } from '../middleware/errors.ts'
import { on } from '../operation.ts'
import * as operations from '../operations.ts'
import { MAX_ARRAY, submission } from '../schemas.ts'

interface Submitted {
  status: 200 | 201
  log: LogContext
  index: number
  leaf: Bytes
  disclosures: Bytes[]
}

export function recordRoutes(node: NodeContext): Router {
  const router = Router()

  on(router, node, operations.submitRecords, async (request, response, { reply }) => {
    const body: unknown = request.body
    if (!Array.isArray(body)) {
      const done = await submitOne(body, node)
      const answer = (reply ?? 'receipt') === 'receipt' ? withReceipt(done) : placeOf(done)
      response.status(done.status).type('application/json').send(answer)
      return
    }
    if (body.length < 1 || body.length > MAX_ARRAY)
      throw new LianzhengError('BODY_INVALID', { expected: `1 to ${MAX_ARRAY} records` })
    const results = await Promise.all(body.map((item) => submitOne(item, node).catch((error) => refusal(error, node))))
    const answers = results.map((result) =>
      'code' in result ? JSON.stringify(result) : reply === 'receipt' ? withReceipt(result) : placeOf(result)
    )
    response
      .status(200)
      .type('application/json')
      .send(`[${answers.join(',')}]`)
  })

  on(router, node, operations.readRecord, async (request, response) => {
    const { log, index, statement, mayDisclose } = await find(node, request)
    if (statement.kind === 'seal') {
      response.json({ index, leaf: base64url(statement.leaf), seal: true, statement: base64url(statement.bytes) })
      return
    }
    const record = examine(statement.bytes) as ExaminedRecord
    const disclosures = mayDisclose ? log.reader.disclosures(index).map(decodeDisclosure) : []
    const shown = showRecord(record, index, disclosures)
    response.json({ ...shown, log: log.name, enteredAt: log.reader.enteredAt(index), statement: base64url(statement.bytes) })
  })

  on(router, node, operations.readReceipt, async (request, response) => {
    const { log, index, mayDisclose } = await find(node, request)
    const receipt = log.reader.receipt(index, (_, disclosures) => (mayDisclose ? disclosures : []))
    response.type('application/json').send(formatReceipt(receipt))
  })
  return router
}

function refusal(error: unknown, node: NodeContext) {
  if (!(error instanceof LianzhengError)) throw error
  node.onRefused(error.code)
  return problemOf(error)
}

/** One record through the door: form, classified matters, disclosures, NFC; then the log's own pool. */
async function submitOne(body: unknown, node: NodeContext): Promise<Submitted> {
  const parsed = submission.safeParse(body)
  if (!parsed.success)
    throw new LianzhengError('BODY_INVALID', {
      field: parsed.error.issues[0]?.path.join('.') ?? '',
      expected: '{"statement": base64url, "disclosures": [base64url…]}'
    })
  const bytes = fromBase64url(parsed.data.statement)
  const examined = examine(bytes)
  if (examined.kind === 'seal') throw new LianzhengError('SEAL_NOT_ACCEPTED')
  const disclosures = parsed.data.disclosures.map((text) => fromBase64url(text))
  checkNfc(examined, matchDisclosures(examined, disclosures))
  const { statement } = examined
  const log = [...node.logs.values()].find(({ keys }) => keys.origin === statement.aud)
  if (log === undefined)
    throw new LianzhengError('WRONG_LOG', {
      field: 'aud',
      expected: [...node.logs.values()].map(({ keys }) => keys.origin).join(' | ')
    })
  const hindrance = node.hindrance()
  if (hindrance !== undefined) throw new LianzhengError(hindrance)
  const { index, fresh } = await log.sequencer.submit(examined, disclosures)
  return { status: fresh ? 201 : 200, log, index, leaf: statement.leaf, disclosures }
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
  log: LogContext
  index: number
  statement: Statement
  /** Statements of a public log are for everyone; what is sealed in them is not always: a registration seals the name of the key's holder. */
  mayDisclose: boolean
}

/**
 * An entry by index or by leaf hash, if the caller may see it; a restricted read is then on record. Whoever may not know what the log has is refused in
 * the same words whether the entry is there or not.
 */
async function find(node: NodeContext, request: Request<Record<string, string>>): Promise<Found> {
  const { log: name, id } = request.params as { log: string; id: string }
  const log = findLog(node, name)
  const leaf = /^(?:0|[1-9][0-9]{0,15})$/.test(id) ? undefined : fromBase64url(id, HASH_SIZE)
  const caller = callerOf(request, log)
  let index: number
  let statement: Statement
  try {
    index = leaf === undefined ? Number(id) : log.reader.indexOfLeaf(leaf)
    statement = log.reader.statement(index)
  } catch (error) {
    if (error instanceof LianzhengError && error.code === 'ENTRY_UNKNOWN' && !mayKnowLog(caller, log.classes)) throw deny(request)
    throw error
  }
  const isOpen = log.classes.every((name) => name === 'public')
  if (statement.kind === 'seal') {
    if (!isOpen && !mayKnowLog(caller, log.classes)) throw deny(request)
    return { log, index, statement, mayDisclose: false }
  }
  const facts = factsOf(statement)
  const mayDisclose = await mayHaveRecord(log, caller, facts)
  if (!isOpen && !mayDisclose) throw deny(request)
  const isRestricted = !isOpen || (facts.type.class !== 'public' && mayDisclose && statement.body.has('sealed'))
  if (isRestricted && !isOwn(caller, facts)) await recordRead(node, request, log, { leaf: statement.leaf })
  return { log, index, statement, mayDisclose }
}
