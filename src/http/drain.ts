/**
 * Stopping without hanging up on anyone who has asked. Closing the server at once would reset kept-alive connections, and those the kernel has queued,
 * with requests in them that nobody has read yet: neither answered nor refused.
 */
import type { Server, ServerResponse } from 'node:http'

/** Requests that are on their way when the node is done are still read and refused. Milliseconds. */
const GRACE = 100
/** Whoever has not taken the answer by then is cut off. Milliseconds. */
const PATIENCE = 500

export interface Drain {
  /** From now on each answer is the last on its connection (RFC 9112 §9.6). The server still listens. */
  begin(): void
  /** Takes no more connections and resolves when the last one is closed. */
  end(): Promise<void>
}

/** To be set up before the server listens. */
export function drainOf(server: Server): Drain {
  const open = new Set<ServerResponse>()
  let last = false
  let arrivals = 0
  const markLast = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('Connection', 'close')
  }
  server.on('connection', () => {
    arrivals++
  })
  server.prependListener('request', (_request, response) => {
    arrivals++
    if (last) return markLast(response)
    open.add(response)
    response.once('close', () => open.delete(response))
  })

  /** Waits for a turn of the event loop that brings nobody: a moment ago nothing was left unread. */
  async function quiet(): Promise<void> {
    const end = performance.now() + PATIENCE
    let before: number
    do {
      before = arrivals
      await new Promise((resolve) => setImmediate(resolve))
    } while (before !== arrivals && performance.now() < end)
  }

  return {
    begin: () => {
      last = true
      for (const response of open) markLast(response)
    },
    end: async () => {
      await new Promise((resolve) => setTimeout(resolve, GRACE))
      await quiet()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const cut = setTimeout(() => server.closeAllConnections(), PATIENCE)
      await closed
      clearTimeout(cut)
    }
  }
}
