/** Holds answers against `/openapi.json` as the node gives it: path, status, media type, schema. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Document, Json } from '../../src/http/openapi.ts'

interface Seen {
  status: number
  headers: Headers
  bytes: Uint8Array
}

interface Described {
  method: string
  path: string
  pattern: RegExp
  /** By status and media type. */
  answers: Map<number, Map<string, ValidateFunction | undefined>>
}

let events: { [event: string]: ValidateFunction } | undefined
let described: Promise<Described[]> | undefined
/** Answers that were held against the description, by operation and status. */
export const checked = new Map<string, number>()

/** Throws where the answer is not as the node describes it. All nodes of a test run describe the same. */
export async function checkAnswer(url: string, method: string, target: string, answer: Seen): Promise<void> {
  described ??= fetch(`${url}/openapi.json`).then(async (response) => read((await response.json()) as Document))
  const operations = await described
  const path = target.split(/[?#]/)[0]!
  const operation = operations.find((one) => one.method === (method === 'HEAD' ? 'GET' : method) && one.pattern.test(path))
  const refuse = (wrong: string) =>
    new Error(
      `${method} ${path} (${answer.status}) is not as /openapi.json says: ${wrong}: ${new TextDecoder().decode(answer.bytes).slice(0, 600)}`
    )
  const media = answer.headers.get('content-type')?.split(';')[0] ?? ''
  // Where there is nothing, there is a refusal that says so.
  if (operation === undefined && answer.status !== 404 && media !== 'application/problem+json')
    throw refuse('an undeclared operation')
  const known = operation ?? operations[0]!
  const name = operation === undefined ? 'none' : `${operation.method} ${operation.path}`
  const expected = known.answers.get(answer.status)
  if (expected === undefined) throw refuse('an undeclared status')
  if (!expected.has(media)) throw refuse(`${media} instead of ${[...expected.keys()].join(' or ')}`)
  const check = expected.get(media)
  checked.set(`${name} ${answer.status}`, (checked.get(`${name} ${answer.status}`) ?? 0) + 1)
  if (!/^[0-9a-f-]{36}$/.test(answer.headers.get('x-request-id') ?? '')) throw refuse('no X-Request-Id')
  if (answer.status === 503 && !/^[1-9]\d*$/.test(answer.headers.get('retry-after') ?? '')) throw refuse('no Retry-After')
  if (check === undefined || method === 'HEAD') return
  if (!check(JSON.parse(new TextDecoder().decode(answer.bytes)))) throw refuse(JSON.stringify(check.errors!.slice(0, 4)))
}

/** Holds the data of a server-sent event against its schema. */
export function checkEvent(event: string, data: unknown): void {
  const check = events?.[event]
  if (check === undefined) throw new Error(`an event that is not described: ${event}`)
  if (!check(data)) throw new Error(`${event} ${JSON.stringify(data)}: ${JSON.stringify(check.errors)}`)
}

function read(document: Document): Described[] {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false })
  ajv.addSchema(document, 'api')
  const compiled = new Map<string, ValidateFunction>()
  const at = (pointer: string) => {
    let check = compiled.get(pointer)
    if (check === undefined) {
      check = ajv.compile({ $ref: `api#${pointer}` })
      compiled.set(pointer, check)
    }
    return check
  }
  events = { seal: at('/components/schemas/SealEvent'), record: at('/components/schemas/RecordEvent') }
  const escaped = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Described => {
      const rest = (operation.parameters as Json[]).filter((one) => one['x-rest']).map(({ name }) => String(name))
      const pattern = path
        .replace(/[.]/g, '\\.')
        .replace(/\{(\w+)\}/g, (_, name: string) => (rest.includes(name) ? '.+' : '[^/]+'))
      const answers = Object.entries(operation.responses as { [status: string]: Json }).map(([status, response]) => {
        const shared = response.$ref === undefined ? undefined : String(response.$ref).slice(1)
        const own = shared === undefined ? response : document.components.responses[status]!
        const base = shared ?? `/paths/${escaped(path)}/${method}/responses/${status}`
        const medias = Object.keys(own.content as object).map((media) => {
          const check = media.endsWith('json') ? at(`${base}/content/${escaped(media)}/schema`) : undefined
          return [media, check] as const
        })
        return [Number(status), new Map(medias)] as const
      })
      return { method: method.toUpperCase(), path, pattern: new RegExp(`^${pattern}$`), answers: new Map(answers) }
    })
  )
}
