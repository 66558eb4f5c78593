/** The command line in this process: what it prints is gathered, what it may touch of the outside is given. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lang } from '../../src/cli/io.ts'
import { main } from '../../src/cli/main.ts'

export interface Ran {
  status: number
  out: string
  err: string
}

/** Everything any command has printed in this test file. */
export const printed: string[] = []

export interface Outside {
  lang?: Lang
  env?: Readonly<Record<string, string>>
  /** What is typed where a secret is asked for. */
  typed?: string
  watched?: boolean
  /** Sees each line of progress as it is shown. */
  onProgress?: (line: string) => void
}

/** A user at a machine: a place for files and for the heads remembered. */
export class Desk {
  readonly directory = mkdtempSync(join(tmpdir(), 'lianzheng-desk-'))
  /** Prompts for secrets that were shown. */
  readonly prompts: string[] = []

  path(...parts: string[]): string {
    return join(this.directory, ...parts)
  }

  async run(argv: readonly string[], { lang = 'en', env = {}, typed, watched = false, onProgress }: Outside = {}): Promise<Ran> {
    const ran: Ran = { status: -1, out: '', err: '' }
    ran.status = await main(argv, {
      lang,
      json: false,
      watched,
      env: { LIANZHENG_HOME: this.path('home'), ...env },
      out: (text) => {
        ran.out += text
      },
      err: (text) => {
        ran.err += text
        if (text.startsWith('\r')) onProgress?.(text)
      },
      askSecret: async (prompt) => {
        this.prompts.push(prompt)
        return typed
      }
    })
    printed.push(ran.out, ran.err)
    return ran
  }

  /** With `--json`: the one value it prints. Throws where it ends with another status. */
  async json<T = Record<string, unknown>>(argv: readonly string[], status = 0, outside: Outside = {}): Promise<T> {
    const ran = await this.run([...argv, '--json'], outside)
    if (ran.status !== status) throw new Error(`${argv.join(' ')} ended with ${ran.status}: ${ran.out}${ran.err}`)
    return JSON.parse(ran.out) as T
  }
}

/** Those of some secrets that can be found in what was printed. */
export function leaked(secrets: readonly string[]): string[] {
  const all = printed.join('\n')
  return secrets.filter((secret) => all.includes(secret))
}
