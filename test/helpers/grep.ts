/** Is a byte string anywhere in the files of a directory? */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Names of the files that hold it, whole. Looks again where a file goes while it looks: LevelDB tidies up in the background. */
export function filesWith(directory: string, bytes: Uint8Array): string[] {
  for (;;) {
    try {
      return readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((file) => readFileSync(file).includes(Buffer.from(bytes)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
