/** Query parameters, read through the schema of their route. */
import type * as z from 'zod'
import { LianzhengError } from '../core/errors.ts'

/** Throws `QUERY_INVALID` naming the parameter. */
export function readQuery<T>(schema: z.ZodType<T>, query: unknown): T {
  const result = schema.safeParse(query)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  throw new LianzhengError('QUERY_INVALID', {
    field: String(unknown ?? issue.path[0] ?? ''),
    expected: unknown === undefined ? issue.message : 'a known parameter'
  })
}
