/**
 * SCRAPI under a log's prefix (draft-ietf-scitt-scrapi-11): registration, receipts (RFC 9942), keys. The same door and the same rights as the
 * project's own surface. An entry's id is its leaf hash. Registration is answered with the receipt once a published head covers the entry; until then
 * with the place where it will be.
 */
import express, { type ErrorRequestHandler, type Response, Router } from 'express'
import { type Bytes, base64url, fromBase64url } from '../../core/bytes.ts'
import { encodeCbor } from '../../core/cbor.ts'
import { type Code, LianzhengError } from '../../core/errors.ts'
import { keyId } from '../../core/keys.ts'
import { coseKey, signScittReceipt } from '../../core/scitt.ts'
import { MAX_STATEMENT, type Statement } from '../../core/statement.ts'
import type { LogContext, NodeContext } from '../context.ts'
import { announce, noted } from '../middleware/errors.ts'
import { requireRoom } from '../middleware/room.ts'
import { MEDIA, on } from '../operation.ts'
import { readScittKey, readScittKeys, readScittReceipt, registerStatement } from '../operations.ts'
import { QUORUM_WAIT, submit } from '../submit.ts'
import { find } from './records.ts'

const STATEMENT = 'application/scitt-statement+cose'
const MOUNTED = '/logs/{log}'

export function scrapiRoutes(node: NodeContext, log: LogContext): Router {
  const router = Router({ strict: true })
  const addressOf = (leaf: Bytes) => `${node.publicUrl}/logs/${log.name}/entries/${base64url(leaf)}`

  router.post('/entries', requireRoom(node, registerStatement, [log]))
  router.use('/entries', express.raw({ type: [MEDIA.cose, STATEMENT], limit: MAX_STATEMENT }))
  on(
    router,
    node,
    registerStatement,
    async (request, response) => {
      if (!Buffer.isBuffer(request.body)) throw new LianzhengError('BODY_INVALID', { expected: `a statement as ${MEDIA.cose}` })
      const statement = new Uint8Array(request.body)
      const { status, index, leaf } = await submit(node, { statement, disclosures: [], log, wait: QUORUM_WAIT })
      if (index >= (log.sequencer.published?.size ?? 0)) return later(response.status(303), addressOf(leaf))
      send(response.status(status === 200 ? 200 : 201).location(addressOf(leaf)), log, log.reader.statement(index), index)
    },
    MOUNTED
  )

  on(
    router,
    node,
    readScittReceipt,
    async (request, response) => {
      const { id } = request.params
      const leaf = pending(log, id!)
      const { index, statement } = await find(node, log, id!, request).catch((error: unknown) => {
        // Said to those alone who may know what the log has: all others are denied.
        const absent = error instanceof LianzhengError && error.code === 'ENTRY_UNKNOWN'
        if (leaf !== undefined && absent) return { index: undefined, statement: undefined }
        throw error
      })
      if (statement === undefined) return later(response.status(302), addressOf(leaf!))
      send(response.location(addressOf(statement.leaf)), log, statement, index)
    },
    MOUNTED
  )

  on(router, node, readScittKeys, (_request, response) => sendKeys(response, encodeCbor(receiptKeys(log).map(coseKey))), MOUNTED)

  on(
    router,
    node,
    readScittKey,
    (request, response) => {
      const key = receiptKeys(log).find((one) => base64url(keyId(one)) === request.params.kid)
      if (key === undefined) throw new LianzhengError('NOT_FOUND', { field: 'kid', expected: 'a receipt key of this log' })
      sendKeys(response, encodeCbor(coseKey(key)))
    },
    MOUNTED
  )

  router.use(problems(node))
  return router
}

/** Seconds after which a registration under way is worth asking about again. */
const ASK_AGAIN = 5

function later(response: Response, address: string): void {
  response
    .set({ 'Cache-Control': 'no-store', 'Retry-After': String(ASK_AGAIN) })
    .location(address)
    .type(MEDIA.cose)
    .end()
}

/** The leaf of an entry that is durable and that no published head covers yet. */
function pending(log: LogContext, id: string): Bytes | undefined {
  if (!/^[A-Za-z0-9_-]{43}$/.test(id)) return undefined
  const leaf = fromBase64url(id)
  const index = log.ledger.indexOfLeaf(leaf)
  return index !== undefined && index >= (log.sequencer.published?.size ?? 0) ? leaf : undefined
}

function send(response: Response, log: LogContext, statement: Statement, index: number): void {
  const { size, root } = log.reader.published()
  const place = { size, index, path: log.reader.inclusion(index, size) }
  const claims = { iss: log.ledger.meta!.operator, sub: statement.sub }
  response
    .set('Cache-Control', 'no-store')
    .type(MEDIA.cose)
    .send(Buffer.from(signScittReceipt(claims, place, root, log.keys.receipt)))
}

/** Those of earlier generations stay: receipts signed by them are still out there. */
function receiptKeys({ ledger }: LogContext): Bytes[] {
  return ledger.meta!.nodeKeys.map(({ keys }) => keys.receipt)
}

function sendKeys(response: Response, bytes: Bytes): void {
  response.set({ 'Cache-Control': 'no-cache', 'Access-Control-Allow-Origin': '*' }).type(MEDIA.cbor).send(Buffer.from(bytes))
}

/** The draft's own words for what can go wrong; "Rejected" for all that a log's rules refuse. */
const TITLES: Partial<Record<Code, string>> = {
  ALGORITHM_UNSUPPORTED: 'Bad Signature Algorithm',
  BASE64URL_INVALID: 'Invalid locator',
  BODY_INVALID: 'Malformed request',
  BODY_TOO_LARGE: 'Malformed request',
  ENTRY_UNKNOWN: 'Not Found',
  NOT_FOUND: 'No such key',
  STATEMENT_TOO_LARGE: 'Malformed request'
}

function titleOf({ code, detail, httpStatus }: LianzhengError): string {
  if (code === 'STATEMENT_FORM' && detail.field === 'payload') return 'Payload Missing'
  if (/^(?:CBOR|STATEMENT)_/.test(code)) return 'Malformed request'
  return TITLES[code] ?? (httpStatus >= 500 ? 'Service Unavailable' : 'Rejected')
}

/** Concise problem details (RFC 9290): -1 title, -2 detail, and our own problem under its URI, with the refusal as bytes. */
function problems(node: NodeContext): ErrorRequestHandler {
  return (error, _request, response, next) => {
    const known = noted(node, response, error)
    if (response.headersSent) return next(error)
    const { refusal } = known.detail
    const { code, zh, en } = known.problem()
    const own = { code, zh, en, ...(refusal === undefined ? {} : { refusal: fromBase64url(refusal) }) }
    announce(node, response, known)
      .type(MEDIA.concise)
      .send(
        Buffer.from(
          encodeCbor(
            new Map<number | string, string | typeof own>([
              [-1, titleOf(known)],
              [-2, known.text('en')],
              ['urn:lianzheng:problem', own]
            ])
          )
        )
      )
  }
}
