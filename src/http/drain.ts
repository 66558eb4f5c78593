/**
 * Stopping without hanging up on anyone: a connection is closed only after an answer that said so. Closing the server at once would reset kept-alive
 * connections with requests in them that nobody has read yet: neither answered nor refused.
 */
import type { Server, ServerResponse } from 'node:http'

/** Requests that were on their way when the node was done are still read and refused. Milliseconds. */
const GRACE = 100
/** After that, whoever has not taken the answer by then is cut off. Milliseconds. */
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
  const isLast = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('Connection', 'close')
  }
  server.prependListener('request', (_request, response) => {
    if (last) return isLast(response)
    open.add(response)
    response.once('close', () => open.delete(response))
  })
  return {
    begin: () => {
      last = true
      for (const response of open) isLast(response)
    },
    end: async () => {
      await new Promise((resolve) => setTimeout(resolve, GRACE))
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const cut = setTimeout(() => server.closeAllConnections(), PATIENCE)
      await closed
      clearTimeout(cut)
    }
  }
}
