/** Puts the HTTP surface together from injected parts (api.md, "HTTP"). The order is that of cost: what is refused is refused before it is read. */
import type { RequestListener } from 'node:http'
import express, { type Request, type Response } from 'express'
import helmet from 'helmet'
import type { NodeContext } from './context.ts'
import { boundBodies } from './middleware/bodies.ts'
import { authenticate } from './middleware/caller.ts'
import { errorHandler, notFound } from './middleware/errors.ts'
import { observe } from './middleware/observe.ts'
import { requireRoom } from './middleware/room.ts'
import { submitRecords, witness } from './operations.ts'
import { eventRoutes } from './routes/events.ts'
import { mirrorRoutes } from './routes/mirror.ts'
import { nodeRoutes } from './routes/node.ts'
import { healthRoutes, operatorRoutes } from './routes/operator.ts'
import { recordRoutes } from './routes/records.ts'
import { registryRoutes } from './routes/registry.ts'
import { scrapiRoutes } from './routes/scrapi.ts'
import { tlogRoutes } from './routes/tlog.ts'
import { trailRoutes } from './routes/trails.ts'
import { witnessRoutes } from './routes/witness.ts'

/** A path that leads nowhere. */
const NOWHERE = '/-'

export function createApp(node: NodeContext): RequestListener {
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  app.use(observe(node))
  app.use(helmet({ crossOriginResourcePolicy: { policy: 'cross-origin' } }))
  app.use(healthRoutes(node))
  app.use(boundBodies(node))
  app.use(operatorRoutes(node))

  // Whoever sends a checkpoint is known by the log's signature on it (C2SP tlog-witness).
  if (node.witness !== undefined) app.use('/witness', witnessRoutes(node.witness, witness, '/witness'))
  if (node.mirror !== undefined) app.use('/mirror', mirrorRoutes(node, node.mirror, '/mirror'))
  app.use(authenticate(node))
  for (const [name, log] of node.logs) app.use(`/logs/${name}`, tlogRoutes(node, log), scrapiRoutes(node, log))
  app.use('/api/v1', (_request, response, next) => {
    response.set('Cache-Control', 'no-store')
    next()
  })
  app.use(nodeRoutes(node), registryRoutes(node), eventRoutes(node))
  app.post(submitRecords.path, requireRoom(node, submitRecords, [...node.logs.values()]))
  app.use('/api/v1', express.json({ limit: node.limits.bodyBytes, strict: true }))
  app.use(recordRoutes(node), trailRoutes(node))
  app.use(notFound)
  app.use(errorHandler(node))
  return (request, response) =>
    app(request as Request, response as Response, (error?: unknown) => {
      // What fails in the middle of an answer cannot be said any more.
      if (error !== undefined || response.headersSent) return void request.socket.destroy()
      // A path that cannot be parsed, as `//%@a#`, is passed by all of this; Express would answer it for itself, in HTML.
      request.url = NOWHERE
      app(request as Request, response as Response)
    })
}
