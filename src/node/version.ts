import { readFileSync } from 'node:fs'

/** Of the package this file stands in, whether it runs from `src` or from `dist`. */
export const VERSION = (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
  .version
