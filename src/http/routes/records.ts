/** Submitting records and reading them back. */
import { Router } from 'express'
import * as z from 'zod'
import { type Bytes, base64url, equalBytes, fromBase64url } from '../../core/bytes.ts'
import { decodeDisclosure } from '../../core/disclosure.ts'
import { LianzhengError } from '../../core/errors.ts'
import type { Statement } from '../../core/statement.ts'
import { recordType } from '../../records/catalogue.ts'
import { type Caller, mayReadRecord } from '../../records/visibility.ts'
import { checkNfc, type ExaminedRecord, examine, matchDisclosures } from '../../verify/admit.ts'
import { formatReceipt } from '../../verify/files.ts'
import { showRecord } from '../../verify/shown.ts'
import type { LogContext, NodeContext } from '../context.ts'
import { callerOf, deny } from '../middleware/caller.ts'
import { problemOf } from '../middleware/errors.ts'

export const MAX_ARRAY = 1_000

const submission = z.strictObject({ statement: z.string(), disclosures: z.array(z.string()).max(64).default([]) })
const submitQuery = z.strictObject({
  wait: z.enum(['quorum', 'durable']).default('quorum'),
  reply: z.enum(['receipt', 'index']).optional()
})

interface Submitted {
  status: 200 | 201
  log: LogContext
  index: number
  leaf: Bytes
  disclosures: Bytes[]
}

export function recordRoutes(node: NodeContext): Router {
  const router = Router()

  router.post('/records', async (request, response) => {
    const query = submitQuery.safeParse(request.query)
    if (!query.success)
      throw new LianzhengError('QUERY_INVALID', {
        field: String(query.error.issues[0]?.path[0] ?? ''),
        expected: 'wait=quorum|durable, reply=receipt|index'
      })
    const body: unknown = request.body
    if (!Array.isArray(body)) {
      const done = await submitOne(body, node)
      const answer = (query.data.reply ?? 'receipt') === 'receipt' ? withReceipt(done) : placeOf(done)
      response.status(done.status).type('application/json').send(answer)
      return
    }
    if (body.length < 1 || body.length > MAX_ARRAY)
      throw new LianzhengError('BODY_INVALID', { expected: `1 to ${MAX_ARRAY} records` })
    const results = await Promise.all(body.map((item) => submitOne(item, node).catch(refusal)))
    const answers = results.map((result) =>
      'code' in result ? JSON.stringify(result) : query.data.reply === 'receipt' ? withReceipt(result) : placeOf(result)
    )
    response
      .status(200)
      .type('application/json')
      .send(`[${answers.join(',')}]`)
  })

  router.get('/logs/:log/records/:id', (request, response) => {
    const { log, index, statement } = find(node, request.params.log, request.params.id)
    const caller = callerOf(request, log)
    if (!maySee(caller, statement, log)) throw deny(request)
    if (statement.kind === 'seal') {
      response.json({ index, leaf: base64url(statement.leaf), seal: true, statement: base64url(statement.bytes) })
      return
    }
    const record = examine(statement.bytes) as ExaminedRecord
    const shown = showRecord(record, index, log.reader.disclosures(index).map(decodeDisclosure))
    response.json({ ...shown, log: log.name, enteredAt: log.reader.enteredAt(index), statement: base64url(statement.bytes) })
  })

  router.get('/logs/:log/records/:id/receipt', (request, response) => {
    const { log, index, statement } = find(node, request.params.log, request.params.id)
    const caller = callerOf(request, log)
    if (!maySee(caller, statement, log)) throw deny(request)
    response.type('application/json').send(formatReceipt(log.reader.receipt(index, (_, disclosures) => disclosures)))
  })
  return router
}

function refusal(error: unknown) {
  if (error instanceof LianzhengError) return problemOf(error)
  throw error
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

export function findLog(node: NodeContext, name: string): LogContext {
  const log = node.logs.get(name)
  if (log === undefined) throw new LianzhengError('LOG_UNKNOWN', { expected: [...node.logs.keys()].join(' | ') })
  return log
}

/** An entry by index or by leaf hash. */
function find(node: NodeContext, name: string, id: string): { log: LogContext; index: number; statement: Statement } {
  const log = findLog(node, name)
  const index = /^(?:0|[1-9][0-9]{0,15})$/.test(id) ? Number(id) : log.reader.indexOfLeaf(fromBase64url(id, 32))
  return { log, index, statement: log.reader.statement(index) }
}

/** Seals are for everyone: they say nothing of any record. */
function maySee(caller: Caller | undefined, statement: Statement, log: LogContext): boolean {
  if (statement.kind === 'seal') return true
  const type = recordType(statement.body.get('type') as string, statement.body.get('v') as number)
  const openLog = log.classes.every((name) => name === 'public')
  return openLog || mayReadRecord(caller, { type, trails: statement.trails, kid: base64url(statement.kid) })
}
