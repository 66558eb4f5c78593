/** What the node says of itself: its logs, who the caller is to it, its status, and the offline verifier as a service. */
import { Router, text } from 'express'
import { LianzhengError } from '../../core/errors.ts'
import { formatVkey } from '../../core/note.ts'
import type { NodeContext } from '../context.ts'
import { callerOf } from '../middleware/caller.ts'
import { on } from '../operation.ts'
import * as operations from '../operations.ts'

export function nodeRoutes(node: NodeContext): Router {
  const router = Router()

  on(router, node, operations.listLogs, (_request, response) => {
    response.json(
      [...node.logs.values()].map(({ name, keys, classes, sequencer }) => ({
        name,
        origin: keys.origin,
        class: classes.length === 1 ? classes[0] : classes,
        url: `${node.publicUrl}/logs/${name}`,
        vkeys: [formatVkey(keys.log.vkey), formatVkey(keys.mldsa.vkey)],
        size: sequencer.published?.size ?? 0,
        policy: node.policy
      }))
    )
  })

  on(router, node, operations.whoami, (request, response) => {
    const logs = [...node.logs.values()].flatMap((log) => {
      const caller = callerOf(request, log)
      return caller === undefined
        ? []
        : [
            {
              log: log.name,
              origin: log.keys.origin,
              classes: log.classes,
              org: caller.org,
              staff: caller.staff,
              roles: caller.roles
            }
          ]
    })
    if (logs.length === 0) throw new LianzhengError('AUTH_REQUIRED')
    response.json({ node: node.name, logs })
  })

  on(router, node, operations.readStatus, (_request, response) => {
    response.json({
      name: node.name,
      version: node.version,
      diskFree: node.diskFree(),
      ready: node.hindrance() === undefined,
      hindrance: node.hindrance(),
      logs: [...node.logs.values()].map(({ name, keys, sequencer }) => ({
        name,
        origin: keys.origin,
        size: sequencer.head.size,
        published: sequencer.published?.size ?? 0,
        lastSeal:
          sequencer.head.seal === undefined
            ? undefined
            : { height: sequencer.head.seal.height, time: new Date(sequencer.head.seal.time).toISOString() },
        waiting: sequencer.pool.waiting
      })),
      peers: [...node.logs.values()].flatMap(({ name, push }) => (push?.status() ?? []).map((peer) => ({ log: name, ...peer }))),
      watched: watchedBy(node)
    })
  })

  router.use(operations.verifyFile.path, text({ type: 'application/json', limit: operations.MAX_VERIFIED }))
  on(router, node, operations.verifyFile, async (request, response) => {
    const body = typeof request.body === 'string' ? request.body : ''
    const report = await node.verify({ text: body, policy: node.policy, now: Math.floor(node.clock() / 1000) })
    response.type('application/json').send(report)
  })
  return router
}

/** The logs of others: what has been cosigned of each, and whether a mirror lags or refuses. */
function watchedBy({ witness, mirror }: NodeContext) {
  return [
    ...(witness?.sizes() ?? []).map(({ origin, size }) => ({ origin, role: 'witness', size })),
    ...(mirror?.status() ?? []).map(({ origin, size, entries, pending, refused }) => ({
      origin,
      role: 'mirror',
      size,
      entries,
      behind: Math.max(0, pending - size),
      ...(refused === undefined ? {} : { refused: refused.message })
    }))
  ].map((log) => ({ ...log, ...(witness?.lost ? { lost: true } : {}) }))
}
