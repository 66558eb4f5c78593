/** What arrives on a connection and is no HTTP, or does not arrive in time, is refused like everything else before the connection is closed. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Code, LianzhengError } from '../core/errors.ts'
import { problemOf } from './middleware/errors.ts'
import { MEDIA } from './operation.ts'

/** For `clientError` of Node's server. `refused` is told the code. */
export function refuseUnreadable(refused: (code: Code) => void): (error: NodeJS.ErrnoException, socket: Duplex) => void {
  return (error, socket) => {
    // As Node's own handler does: not into an answer that has begun.
    const answer = (socket as Duplex & { _httpMessage?: { _headerSent?: boolean } | null })._httpMessage
    if (error.code === 'ECONNRESET' || !socket.writable || answer?._headerSent) {
      socket.destroy()
      return
    }
    const code = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'REQUEST_TIMEOUT' : 'REQUEST_INVALID'
    refused(code)
    const problem = problemOf(new LianzhengError(code))
    const body = JSON.stringify(problem)
    socket.end(
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: ${MEDIA.problem}; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    )
  }
}
