/** Gives every request an id, which the answer carries, and says of it what may be said once it is over. */
import { randomUUID } from 'node:crypto'
import type { RequestHandler } from 'express'
import type { NodeContext } from '../context.ts'

/** Requests that no operation has taken. */
const NOWHERE = '-'

export function observe(node: NodeContext): RequestHandler {
  return (request, response, next) => {
    const start = performance.now()
    // Of our own making always: one that a caller chose could hold anything.
    const id = randomUUID()
    response.locals.id = id
    response.set('X-Request-Id', id)
    response.once('close', () => {
      const { route = NOWHERE, code } = response.locals
      node.onRequest({
        id,
        method: request.method,
        route,
        status: response.statusCode,
        ms: performance.now() - start,
        ...(code === undefined ? {} : { code }),
        ...(response.writableFinished ? {} : { aborted: true as const })
      })
    })
    next()
  }
}
