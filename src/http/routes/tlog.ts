/** The C2SP surfaces of a log under its prefix: checkpoint, tiles, entry bundles (tlog-tiles). Always of the published tree. */
import { type Response, Router } from 'express'
import type { Bytes } from '../../core/bytes.ts'
import { LianzhengError } from '../../core/errors.ts'
import { HASH_SIZE } from '../../core/hash.ts'
import { encodeBundle, parseTilePath, tileWidth } from '../../core/tile.ts'
import { mayReadLog } from '../../records/visibility.ts'
import type { LogContext, NodeContext } from '../context.ts'
import { recordRead } from '../entitled.ts'
import { callerOf, deny } from '../middleware/caller.ts'
import { on } from '../operation.ts'
import { readCheckpoint, readTile } from '../operations.ts'

const IMMUTABLE = 'public, max-age=31536000, immutable'

const MOUNTED = '/logs/{log}'

export function tlogRoutes(node: NodeContext, log: LogContext): Router {
  const router = Router({ strict: true })
  const isPublic = log.classes.every((name) => name === 'public')

  on(
    router,
    node,
    readCheckpoint,
    (_request, response) => {
      const { note } = log.reader.published()
      response
        .set({ 'Cache-Control': 'no-cache', 'Access-Control-Allow-Origin': '*' })
        .type('text/plain; charset=utf-8')
        .send(note)
    },
    MOUNTED
  )

  on(
    router,
    node,
    readTile,
    async (request, response) => {
      const tile = parseTilePath(request.path.slice(1))
      if (tile === undefined)
        throw new LianzhengError('NOT_FOUND', { expected: 'tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>]' })
      const level = tile.kind === 'hash' ? tile.level : 0
      const { size } = log.reader.published()
      if (tileWidth(size, level, tile.index) < tile.width)
        throw new LianzhengError('NOT_FOUND', { expected: 'a tile of the published tree' })
      if (tile.kind === 'entries' && !isPublic) {
        if (!mayReadLog(callerOf(request, log), log.classes)) throw deny(request)
        await recordRead(node, request, log, { trail: `ledger:${log.keys.origin}` })
      }
      const bytes =
        tile.kind === 'hash'
          ? log.ledger.tile(tile.level, tile.index)?.subarray(0, tile.width * HASH_SIZE)
          : encodeBundle([...log.reader.entries(tile.index * 256, tile.index * 256 + tile.width)])
      sendTile(response, bytes, tile.kind === 'hash' || isPublic)
    },
    MOUNTED
  )
  return router
}

/** `open`: anyone may have it and keep it. */
export function sendTile(response: Response, bytes: Bytes | undefined, open: boolean): void {
  if (bytes === undefined || bytes.length === 0) throw new LianzhengError('STORE_CORRUPT', { field: response.req.path })
  response
    .set({ 'Cache-Control': open ? IMMUTABLE : 'private, no-store', ...(open ? { 'Access-Control-Allow-Origin': '*' } : {}) })
    .type('application/octet-stream')
    .send(Buffer.from(bytes))
}
