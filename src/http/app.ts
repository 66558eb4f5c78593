/** Puts the HTTP surface together from injected parts (api.md, "HTTP"). */
import express, { type Express } from 'express'
import helmet from 'helmet'
import type { NodeContext } from './context.ts'
import { authenticate } from './middleware/caller.ts'
import { errorHandler, notFound } from './middleware/errors.ts'
import { nodeRoutes } from './routes/node.ts'
import { recordRoutes } from './routes/records.ts'
import { tlogRoutes } from './routes/tlog.ts'
import { trailRoutes } from './routes/trails.ts'
import { witnessRoutes } from './routes/witness.ts'

export function createApp(node: NodeContext): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  app.use(helmet({ crossOriginResourcePolicy: { policy: 'cross-origin' } }))

  app.get('/healthz', (_request, response) => {
    response.type('text/plain').send('ok\n')
  })
  app.get('/readyz', (_request, response) => {
    const { ready } = node.status()
    response
      .status(ready ? 200 : 503)
      .type('text/plain')
      .send(ready ? 'ready\n' : 'not ready\n')
  })

  // Whoever sends a checkpoint is known by the log's signature on it (C2SP tlog-witness).
  if (node.witness !== undefined) app.use('/witness', witnessRoutes(node.witness))
  app.use(authenticate(node))
  for (const [name, log] of node.logs) app.use(`/logs/${name}`, tlogRoutes(log))
  const api = express.Router()
  api.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store')
    next()
  })
  api.use(nodeRoutes(node))
  api.use(express.json({ limit: node.limits.bodyBytes, strict: true }))
  api.use(recordRoutes(node), trailRoutes(node))
  app.use('/api/v1', api)
  app.use(notFound)
  app.use(errorHandler(node.onError))
  return app
}
