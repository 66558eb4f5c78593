import type { Code } from '../../src/core/errors.ts'

/** Codes that it takes a second process to meet: `test/cli/codes.process.test.ts`. All others: `test/cli/codes.test.ts`. */
export const BY_PROCESS = ['DATA_DIR_IN_USE', 'PORT_IN_USE', 'STORE_FAILED'] as const satisfies Code[]

/** How a code showed itself outside: in an HTTP answer, as the end of a command, or thrown by the library that is published. */
export interface Seen {
  code: string | undefined
  http?: number
  exit?: number
  library?: true
}
