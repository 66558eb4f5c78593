/** The product as it is shipped: modules of `dist/`, typed by the sources they were built from. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** `npm run bench` stands at the top level; so do its children. */
export const ROOT = process.cwd()
export const MAIN = join(ROOT, 'dist/cli/main.js')

/** `path` as in `src/`, without its extension. */
export function built<Module>(path: string): Promise<Module> {
  return import(pathToFileURL(join(ROOT, 'dist', `${path}.js`)).href) as Promise<Module>
}
