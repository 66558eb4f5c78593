/** The description of the HTTP surface (OpenAPI 3.1.1), made from the declared operations, the table of codes and the catalogue of record types. */
import * as z from 'zod'
import { CODES } from '../core/errors.ts'
import { CATALOGUE } from '../records/catalogue.ts'
import { describe, type RecordType } from '../records/define.ts'
import { ALWAYS, MEDIA, type Operation, TAGS, type Words } from './operation.ts'
import { OPERATIONS } from './operations.ts'
import { problem, recordEvent, sealEvent } from './schemas.ts'

export type Json = { [name: string]: unknown }

export interface Document extends Json {
  info: Json & { title: string; version: string }
  tags: { name: string; description: string; 'x-zh': string }[]
  paths: { [path: string]: { [method: string]: Json } }
  components: { schemas: { [name: string]: Json }; responses: { [name: string]: Json }; securitySchemes: Json }
}

const said = ({ zh, en }: Words) => ({ description: en, 'x-zh': zh })

/** JSON Schemas (2020-12) of zod schemas; those with names of their own are gathered and referred to. */
class Schemas {
  readonly named: { [name: string]: Json } = {}

  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    // As a member, so that a schema with a name of its own becomes a reference.
    const made = z.toJSONSchema(z.object({ it: schema }), { target: 'draft-2020-12', io, unrepresentable: 'any' }) as Json
    for (const [name, inner] of Object.entries((made.$defs ?? {}) as { [name: string]: Json })) {
      const { id: _, ...plain } = inner
      this.named[name] ??= pointed(plain) as Json
    }
    return pointed((made.properties as { it: Json }).it) as Json
  }
}

function pointed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pointed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === '$ref' ? String(inner).replace('#/$defs/', '#/components/schemas/') : pointed(inner)
    ])
  )
}

/** The body of one record type in its JSON form, as it is shown: what is sealed stands beside it. */
function recordSchema(type: RecordType): Json {
  const { $schema: _, properties, required, ...made } = z.toJSONSchema(type.schema, { unrepresentable: 'any' }) as Json
  const { sealed: __, ...open } = properties as Json
  const { writers, trails, class: held, sealed } = describe(type)
  return {
    title: type.type,
    ...said(type),
    ...made,
    properties: open,
    required: (required as string[]).filter((name) => name !== 'sealed'),
    'x-class': held,
    'x-writers': writers,
    'x-trails': trails,
    'x-sealed': sealed
  }
}

const recordName = (type: RecordType) => `record.${type.type}`

/** Refusals of one HTTP status: which codes it may mean. */
function refusal(status: number): Json {
  const codes = Object.entries(CODES).filter(([, [http]]) => http === status)
  const list = (at: 2 | 3) => codes.map(([code, row]) => `${code}: ${row[at]}`).join('; ')
  return {
    ...said({ zh: list(2), en: list(3) }),
    ...(status === 503
      ? {
          headers: {
            'Retry-After': { description: 'seconds', 'x-zh': '秒', required: true, schema: { type: 'integer', minimum: 1 } }
          }
        }
      : {}),
    content: {
      [MEDIA.problem]: {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { properties: { status: { const: status }, code: { enum: codes.map(([code]) => code) } } }
          ]
        }
      }
    }
  }
}

/** The same as CBOR, beside what is refused before the operation is reached. */
function conciseRefusal(status: number): Json {
  const { content, ...rest } = refusal(status)
  return { ...rest, content: { ...(content as Json), [MEDIA.concise]: { schema: { type: 'string' } } } }
}

function parametersOf({ parameters = {}, query }: Operation, schemas: Schemas): Json[] {
  const inPath = Object.entries(parameters).map(([name, { zh, en, pattern, example, rest }]) => ({
    name,
    in: 'path',
    required: true,
    ...said({ zh, en }),
    example,
    ...(rest ? { 'x-rest': true } : {}),
    schema: { type: 'string', ...(pattern === undefined ? {} : { pattern }) }
  }))
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => {
    const { description, 'x-zh': zh, ...made } = schemas.of(schema as z.ZodType, 'input')
    const required = !(schema as z.ZodType).safeParse(undefined).success
    return { name, in: 'query', required, description, 'x-zh': zh, schema: made }
  })
  return [...inPath, ...inQuery]
}

function operationOf(operation: Operation, schemas: Schemas): Json {
  const { id, tag, zh, en, access, more, body, answers, refusals = [], concise } = operation
  const statuses = [...new Set([...ALWAYS, ...refusals])].filter((status) => answers[status] === undefined).sort((a, b) => a - b)
  return {
    operationId: id,
    tags: [tag],
    summary: en,
    'x-summary-zh': zh,
    ...(more === undefined ? {} : said(more)),
    ...(access === undefined ? {} : { 'x-access': access, security: [{}, { bearer: [] }] }),
    parameters: parametersOf(operation, schemas),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            ...(body.limit === undefined ? {} : { 'x-limit': body.limit }),
            content: { [body.media ?? MEDIA.json]: { schema: schemas.of(body.schema, 'input') } }
          }
        }),
    responses: Object.fromEntries([
      ...Object.entries(answers).map(([status, { media, schema, ...words }]) => [
        status,
        {
          ...said(words),
          content: {
            [media]: { schema: schema === undefined ? { type: 'string' } : schemas.of(schema, 'output') },
            ...(refusals.includes(Number(status)) ? (refusal(Number(status)).content as Json) : {})
          }
        }
      ]),
      ...statuses.map((status) => [
        String(status),
        concise ? conciseRefusal(status) : { $ref: `#/components/responses/${status}` }
      ])
    ])
  }
}

export function openapi(version: string): Document {
  const schemas = new Schemas()
  const paths: Document['paths'] = {}
  for (const operation of OPERATIONS) {
    paths[operation.path] ??= {}
    paths[operation.path]![operation.method] = operationOf(operation, schemas)
  }
  for (const schema of [problem, sealEvent, recordEvent]) schemas.of(schema, 'output')
  // One of the catalogue, told apart by `type`.
  const RecordBody = {
    ...said({ zh: '记录正文：目录中的一种', en: 'body of a record: one of the catalogue' }),
    oneOf: CATALOGUE.map((type) => ({ $ref: `#/components/schemas/${recordName(type)}` })),
    discriminator: {
      propertyName: 'type',
      mapping: Object.fromEntries(CATALOGUE.map((type) => [type.type, `#/components/schemas/${recordName(type)}`]))
    }
  }
  const statuses = [...new Set([...ALWAYS, ...OPERATIONS.flatMap(({ refusals = [] }) => refusals)])].sort((a, b) => a - b)
  return {
    openapi: '3.1.1',
    info: {
      title: '链证 Lianzheng',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      ...said({
        zh: '法院、检察院、纪检监察、公证机构共同维护的存证账本。拒绝一律为 RFC 9457 问题文书，带稳定的 code、中英文说明和处理办法；每个回答带 X-Request-Id。',
        en: 'A ledger that courts, procuratorates, discipline inspection and notaries run together. Every refusal is a problem document (RFC 9457) with a stable code, what is wrong and what to do, in Chinese and English; every answer carries X-Request-Id.'
      })
    },
    tags: Object.entries(TAGS).map(([name, words]) => ({ name, ...said(words) })),
    paths,
    components: {
      schemas: {
        ...schemas.named,
        RecordBody,
        ...Object.fromEntries(CATALOGUE.map((type) => [recordName(type), recordSchema(type)]))
      },
      responses: Object.fromEntries(statuses.map((status) => [String(status), refusal(status)])),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          ...said({
            zh: '以登记的密钥签发的 JWT（EdDSA）；aud 为节点名，kid 为密钥编号，有效期至多五分钟。角色以登记册为准。',
            en: 'A JWT (EdDSA) signed by a registered key: `aud` the node’s name, `kid` the key id, valid for at most five minutes. Roles come from the registry.'
          })
        }
      }
    }
  }
}
