/** A body that is for a log without room is refused before it is read: what would be refused anyway is neither parsed nor examined. */
import type { RequestHandler } from 'express'
import { LianzhengError } from '../../core/errors.ts'
import { isFull, type LogContext, type NodeContext } from '../context.ts'

/** `logs`: those that a body under this route may be for. Throws `OVERLOADED` where none of them has room. */
export function requireRoom(node: NodeContext, { path }: { path: string }, logs: readonly LogContext[]): RequestHandler {
  return (_request, response, next) => {
    response.locals.route = path
    if (logs.every((log) => isFull(node, log))) throw new LianzhengError('OVERLOADED')
    next()
  }
}
