/**
 * One operation of the HTTP surface: its method, path, parameters, body and answers, declared once. `on` serves it and reads its query through the
 * schema declared; `openapi` describes it from the same declaration; the tests hold every answer against that description.
 */
import type { Request, Response, Router } from 'express'
import type * as z from 'zod'
import type { NodeContext } from './context.ts'
import { readQuery } from './query.ts'

export interface Words {
  zh: string
  en: string
}

export const MEDIA = {
  json: 'application/json',
  problem: 'application/problem+json',
  text: 'text/plain',
  html: 'text/html',
  bytes: 'application/octet-stream',
  /** C2SP tlog-witness: the size that the witness knows. */
  size: 'text/x.tlog.size',
  /** C2SP tlog-mirror: where an upload goes on. */
  mirrorInfo: 'text/x.tlog.mirror-info',
  events: 'text/event-stream',
  cose: 'application/cose',
  cbor: 'application/cbor',
  /** RFC 9290. */
  concise: 'application/concise-problem-details+cbor'
} as const

export interface Answer extends Words {
  media: (typeof MEDIA)[keyof typeof MEDIA]
  /** Of a JSON answer. */
  schema?: z.ZodType
}

export interface Parameter extends Words {
  pattern?: string
  example: string
  /** Takes the rest of the path, slashes too. */
  rest?: true
}

export interface Operation<Query = unknown> extends Words {
  id: string
  method: 'get' | 'post'
  /** In OpenAPI's form, e.g. `/api/v1/trails/{name}`. */
  path: string
  tag: Tag
  /** Who may call it, where that is not everyone. */
  access?: Words
  more?: Words
  parameters?: Readonly<Record<string, Parameter>>
  query?: z.ZodObject & z.ZodType<Query>
  /** The body as it is read, and its schema. */
  body?: { schema: z.ZodType; media?: Answer['media']; limit?: Words }
  answers: Readonly<Record<number, Answer>>
  /** HTTP statuses of its refusals, beyond those that any request may meet. */
  refusals?: readonly number[]
  /** Refusals of its own come as concise problem details (SCRAPI). */
  concise?: true
}

export const TAGS = {
  records: { zh: '提交与查阅记录', en: 'Submitting and reading records' },
  trails: { zh: '轨迹与证明', en: 'Trails and proofs' },
  verification: { zh: '核验', en: 'Verification' },
  log: { zh: '账本（C2SP tlog-tiles）', en: 'The log (C2SP tlog-tiles)' },
  scitt: { zh: 'SCITT（SCRAPI、RFC 9942）', en: 'SCITT (SCRAPI, RFC 9942)' },
  witness: { zh: '见证与镜像（C2SP tlog-witness、tlog-mirror）', en: 'Witness and mirror (C2SP tlog-witness, tlog-mirror)' },
  node: { zh: '节点', en: 'The node' },
  operation: { zh: '运维', en: 'For operators' }
} as const satisfies Record<string, Words>
export type Tag = keyof typeof TAGS

/** What any request may meet: a bad token, an unreadable request, an error of ours, a node that is full or stops. */
export const ALWAYS: readonly number[] = [400, 401, 404, 408, 500, 503]

/** A member of a schema with its description in both languages. */
export function said<T extends z.ZodType>(schema: T, zh: string, en: string): T {
  return schema.meta({ ...schema.meta(), description: en, 'x-zh': zh })
}

/** A schema that stands under a name of its own in the description. */
export function named<T extends z.ZodType>(id: string, schema: T): T {
  return schema.meta({ id })
}

export type Handler<Query> = (request: Request<Record<string, string>>, response: Response, query: Query) => unknown

/** Express' form of a path: `{name}` is `:name`, and `*name` for the rest of the path. */
function expressPath({ path, parameters = {} }: Operation, prefix: string): string {
  return path.slice(prefix.length).replace(/\{(\w+)\}/g, (_, name: string) => (parameters[name]?.rest ? `*${name}` : `:${name}`))
}

/** Serves an operation under a router that is mounted at `prefix`, the beginning of its path. The store can be read when the handler begins. */
export function on<Query>(
  router: Router,
  node: Pick<NodeContext, 'readable'>,
  operation: Operation<Query>,
  handler: Handler<Query>,
  prefix = ''
): void {
  router[operation.method](expressPath(operation, prefix), async (request, response) => {
    response.locals.route = operation.path
    const query = (operation.query === undefined ? {} : readQuery(operation.query, request.query)) as Query
    await node.readable()
    await handler(request as Request<Record<string, string>>, response, query)
  })
}
