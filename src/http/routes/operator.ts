/** For operators and integrators: is it alive, does it take records, what does it count, what can it be asked. */
import { Router } from 'express'
import { isFull, type NodeContext } from '../context.ts'
import { DOCS_POLICY, renderDocs } from '../docs.ts'
import { openapi } from '../openapi.ts'
import { MEDIA, on } from '../operation.ts'
import * as operations from '../operations.ts'

export function operatorRoutes(node: NodeContext): Router {
  const router = Router()

  on(router, node, operations.readMetrics, async (_request, response) => {
    const { type, text } = await node.metrics()
    response.set({ 'Cache-Control': 'no-store', 'Content-Type': type }).send(text)
  })

  // Made when first asked for, and the same ever after.
  let document: ReturnType<typeof openapi> | undefined
  const pages = new Map<string, string>()
  on(router, node, operations.readOpenapi, (_request, response) => {
    document ??= openapi(node.version)
    response.set('Access-Control-Allow-Origin', '*').json(document)
  })
  on(router, node, operations.readDocs, (request, response, { lang }) => {
    document ??= openapi(node.version)
    const chosen = lang ?? (request.acceptsLanguages('zh', 'en') || 'zh')
    let page = pages.get(chosen)
    if (page === undefined) {
      page = renderDocs(document, chosen === 'en' ? 'en' : 'zh')
      pages.set(chosen, page)
    }
    response
      .set({ 'Content-Security-Policy': DOCS_POLICY, Vary: 'Accept-Language', 'Content-Language': chosen })
      .type(MEDIA.html)
      .send(page)
  })
  return router
}

/** Answered whatever else is the matter: before tokens and stores. */
export function healthRoutes(node: NodeContext): Router {
  const router = Router()
  const always = { readable: () => undefined }

  on(router, always, operations.readHealth, (_request, response) => {
    response.type(MEDIA.text).send('ok\n')
  })
  on(router, always, operations.readReadiness, (_request, response) => {
    const full = [...node.logs.values()].some((log) => isFull(node, log))
    const why = node.hindrance() ?? (full ? 'OVERLOADED' : undefined)
    if (why !== undefined) response.status(503).set('Retry-After', String(node.retryAfter(why)))
    response
      .set('Cache-Control', 'no-store')
      .type(MEDIA.text)
      .send(why === undefined ? 'ready\n' : `not ready: ${why}\n`)
  })
  return router
}
