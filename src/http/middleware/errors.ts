/** Every refusal leaves as RFC 9457 problem details with a stable `code`, zh and en. */
import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import { type Code, LianzhengError, type Problem } from '../../core/errors.ts'
import type { NodeContext } from '../context.ts'
import { MEDIA } from '../operation.ts'

export interface ProblemDetails extends Problem {
  type: string
  title: string
  status: number
  /** The request it answers. */
  instance?: string
}

export function problemOf(error: LianzhengError): ProblemDetails {
  const problem = error.problem()
  return { type: `urn:lianzheng:error:${error.code}`, title: problem.en, status: error.httpStatus, ...problem }
}

/** What Express and its parsers throw, as our own codes. */
export function translate(error: unknown): LianzhengError {
  if (error instanceof LianzhengError) return error
  // A path whose percent-encoding is no UTF-8 leads nowhere.
  if (error instanceof URIError) return new LianzhengError('NOT_FOUND', { cause: error })
  const { type, status } = (typeof error === 'object' && error !== null ? error : {}) as { type?: string; status?: number }
  const code: Code =
    type === 'entity.too.large'
      ? 'BODY_TOO_LARGE'
      : status !== undefined && status >= 400 && status < 500
        ? 'BODY_INVALID'
        : 'INTERNAL'
  return new LianzhengError(code, { cause: error })
}

export const notFound: RequestHandler = () => {
  throw new LianzhengError('NOT_FOUND')
}

export function errorHandler(node: NodeContext): ErrorRequestHandler {
  return (error, _request, response, next) => {
    const known = noted(node, response, error)
    if (response.headersSent) return next(error)
    announce(node, response, known)
      .type(MEDIA.problem)
      .send(JSON.stringify({ ...problemOf(known), instance: `urn:uuid:${response.locals.id}` }))
  }
}

/** What the operator is told of a refusal, whatever form its body has. */
export function noted(node: NodeContext, response: Response, error: unknown): LianzhengError {
  const known = translate(error)
  response.locals.code = known.code
  node.onRefused(known.code)
  // A full or stopping node says so to each caller; the operator sees it in the status.
  if (known.httpStatus >= 500 && known.httpStatus !== 503) node.onError(error)
  return known
}

/** And what the caller is told in status and headers. */
export function announce(node: NodeContext, response: Response, { code, httpStatus }: LianzhengError): Response {
  if (httpStatus === 503) response.set('Retry-After', String(node.retryAfter(code)))
  if (httpStatus === 401) response.set('WWW-Authenticate', 'Bearer')
  return response.status(httpStatus).set('Cache-Control', 'no-store')
}
