/**
 * The last head a log signed, kept beside its store and not in it. LevelDB drops the tail of a damaged write-ahead log in silence; a store that
 * comes back without what was signed must not be gone on with (formats.md §5: a log never signs two histories).
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/** The signed note; undefined where there is none, or an empty one (power was lost before its content reached the disk). */
export function readHeadFile(file: string): string | undefined {
  try {
    const note = readFileSync(file, 'utf8')
    return note === '' ? undefined : note
  } catch {
    return undefined
  }
}

/** Replaced whole. Not synced: after a power loss it may be older than the store, never newer. */
export function writeHeadFile(file: string, note: string): void {
  writeFileSync(`${file}.new`, note, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
