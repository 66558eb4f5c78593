/** The mirror's surface (C2SP tlog-mirror): add-checkpoint, add-entries, sign-subtree, and the copies, served as tlog-tiles. */
import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import type { Router } from 'express'
import { LianzhengError } from '../../core/errors.ts'
import { HASH_SIZE } from '../../core/hash.ts'
import { encodeBundle, parseTilePath, tileWidth } from '../../core/tile.ts'
import { type Mirror, mirrored } from '../../peer/mirror.ts'
import { formatMirrorInfo } from '../../peer/packages.ts'
import { mayReadLog } from '../../records/visibility.ts'
import type { NodeContext } from '../context.ts'
import { recordRead } from '../entitled.ts'
import { authenticate, callerOf, deny } from '../middleware/caller.ts'
import { MEDIA, on } from '../operation.ts'
import { addEntries, mirror as operations, readMirroredTile } from '../operations.ts'
import { sendTile } from './tlog.ts'
import { ORIGIN_HASH, sendExactly, witnessRoutes } from './witness.ts'

/** A body from which nothing comes for so long is given up. Milliseconds. */
const STALLED = 30_000

const ALWAYS = { readable: () => undefined }

/** Mounted at `prefix`, the beginning of the operations' paths. */
export function mirrorRoutes(node: NodeContext, mirror: Mirror, prefix: string): Router {
  const router = witnessRoutes(mirror, operations, prefix)

  on(
    router,
    ALWAYS,
    addEntries,
    async (request, response) => {
      response.set({ 'Cache-Control': 'no-store', 'Accept-Encoding': 'gzip' })
      try {
        const done = await mirror.addEntries(bodyOf(request, node.limits.bodyBytes))
        if ('lines' in done) response.type('text/plain; charset=utf-8').send(done.lines)
        else sendExactly(response.status(done.status), MEDIA.mirrorInfo, formatMirrorInfo(done.info))
      } catch (error) {
        // What is left of the body is of no use, and is not waited for.
        response.set('Connection', 'close')
        // 409 belongs to uploads that may go on elsewhere (tlog-mirror); this one may not go on anywhere.
        if (error instanceof LianzhengError && error.code === 'CATALOGUE_UNKNOWN')
          throw new LianzhengError('MIRROR_STOPPED', { expected: error.detail.expected ?? '', cause: error })
        throw error
      }
    },
    prefix
  )

  router.use('/:hash/tile', authenticate(node))
  on(
    router,
    ALWAYS,
    readMirroredTile,
    async (request, response) => {
      const { hash } = request.params as { hash: string }
      if (!ORIGIN_HASH.test(hash)) throw new LianzhengError('NOT_FOUND', { expected: '64 lower-case hex digits' })
      const copy = mirror.find(hash)
      const tile = parseTilePath(request.path.slice(hash.length + 2))
      if (tile === undefined || tileWidth(mirrored(copy), tile.kind === 'hash' ? tile.level : 0, tile.index) < tile.width)
        throw new LianzhengError('NOT_FOUND', { expected: 'a tile of the mirrored tree' })
      if (tile.kind === 'hash')
        return sendTile(response, copy.ledger.tile(tile.level, tile.index)?.subarray(0, tile.width * HASH_SIZE), true)
      const { classes, origin } = copy.log
      const open = classes === undefined || classes.every((name) => name === 'public')
      if (!open) {
        const registrar = { ledger: copy.ledger, size: copy.head.size }
        if (!mayReadLog(callerOf(request, registrar), classes)) throw deny(request)
        await recordRead(node, request, registrar, { trail: `ledger:${origin}` })
      }
      const start = tile.index * 256
      const entries = Array.from({ length: tile.width }, (_, i) => copy.ledger.requireEntry(start + i))
      sendTile(response, encodeBundle(entries), open)
    },
    prefix
  )
  return router
}

/** The body as it comes, unpacked; one that breaks off, stalls, does not unpack or grows too large has ended. */
async function* bodyOf(request: IncomingMessage, limit: number): AsyncGenerator<Uint8Array> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new LianzhengError('BODY_INVALID', { field: 'content-encoding', expected: 'gzip' })
  let body: AsyncIterable<Buffer> = request
  if (encoding === 'gzip') {
    const unpacked = createGunzip()
    request.once('close', () => {
      if (!request.complete) unpacked.destroy()
    })
    body = request.pipe(unpacked)
  }
  const chunks = body[Symbol.asyncIterator]()
  for (let length = 0; ; ) {
    // Only the sender is timed: what is made of a chunk may take its time.
    const stalled = setTimeout(() => request.destroy(), STALLED)
    const { done, value: chunk } = await chunks.next().finally(() => clearTimeout(stalled))
    length += chunk?.length ?? 0
    if (done || length > limit) return
    yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)
  }
}
