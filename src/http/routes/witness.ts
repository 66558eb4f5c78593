/** The witness's surface (C2SP tlog-witness): add-checkpoint, sign-subtree, and the last checkpoint of each log for monitors. */
import { type Request, type Response, Router, raw } from 'express'
import { LianzhengError } from '../../core/errors.ts'
import { MAX_MESSAGE } from '../../peer/messages.ts'
import { MEDIA, on } from '../operation.ts'
import type { cosignerOperations } from '../operations.ts'

/** What a cosigner answers to the messages of tlog-witness. */
export interface CosignerSurface {
  addCheckpoint(body: Uint8Array): Promise<string>
  signSubtree(body: Uint8Array): string | Promise<string>
  checkpoint(originHash: string): string
}

export const ORIGIN_HASH = /^[0-9a-f]{64}$/

const ALWAYS = { readable: () => undefined }

/** Mounted at `prefix`, the beginning of the operations' paths. */
export function witnessRoutes(
  witness: CosignerSurface,
  operations: ReturnType<typeof cosignerOperations>,
  prefix: string
): Router {
  const router = Router({ strict: true })
  const message = raw({ type: () => true, limit: MAX_MESSAGE })

  router.post(['/add-checkpoint', '/sign-subtree'], message)
  on(
    router,
    ALWAYS,
    operations.addCheckpoint,
    async (request, response) => {
      try {
        lines(response, await witness.addCheckpoint(bodyOf(request)))
      } catch (error) {
        if (!(error instanceof LianzhengError) || error.code !== 'HEAD_CONFLICT') throw error
        sendExactly(response.status(409), MEDIA.size, `${error.detail.at}\n`)
      }
    },
    prefix
  )

  on(
    router,
    ALWAYS,
    operations.signSubtree,
    async (request, response) => {
      lines(response, await witness.signSubtree(bodyOf(request)))
    },
    prefix
  )

  on(
    router,
    ALWAYS,
    operations.readCosigned,
    (request, response) => {
      const { hash } = request.params as { hash: string }
      if (!ORIGIN_HASH.test(hash)) throw new LianzhengError('NOT_FOUND', { expected: '64 lower-case hex digits' })
      response
        .set({ 'Cache-Control': 'no-cache', 'Access-Control-Allow-Origin': '*' })
        .type('text/plain; charset=utf-8')
        .send(witness.checkpoint(hash))
    },
    prefix
  )
  return router
}

/** The parser leaves an empty body as it found it. */
function bodyOf(request: Request): Uint8Array {
  const body: unknown = request.body
  return body instanceof Uint8Array ? body : new Uint8Array(0)
}

/** Clients compare the media types of C2SP letter by letter: no charset behind them. */
export function sendExactly(response: Response, type: string, text: string): void {
  response.set('Cache-Control', 'no-store').setHeader('Content-Type', type)
  response.end(text)
}

function lines(response: Response, text: string): void {
  response.set('Cache-Control', 'no-store').type('text/plain; charset=utf-8').send(text)
}
