/**
 * How much the bodies of all requests may take at a time, decided before any of a body is read. What a request says of its length is believed: the
 * parser cuts off whoever sends more. A body that says nothing, or is packed, counts as the largest there may be.
 */
import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { LianzhengError } from '../../core/errors.ts'
import type { NodeContext } from '../context.ts'

/** Throws `BODY_TOO_LARGE`, or `OVERLOADED` where the others leave no room for it. */
export function boundBodies({ limits }: NodeContext): RequestHandler {
  let taken = 0
  return (request, response, next) => {
    const bytes = sizeOf(request, limits.bodyBytes)
    if (bytes > limits.bodyBytes) throw new LianzhengError('BODY_TOO_LARGE', { expected: `at most ${limits.bodyBytes} bytes` })
    if (bytes > 0 && taken + bytes > limits.bodiesBytes) throw new LianzhengError('OVERLOADED')
    taken += bytes
    response.once('close', () => {
      taken -= bytes
    })
    next()
  }
}

function sizeOf({ headers }: IncomingMessage, largest: number): number {
  const length = headers['content-length']
  if (headers['transfer-encoding'] === undefined && length === undefined) return 0
  const packed = headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity'
  return length === undefined || packed ? largest : Number(length)
}
