/**
 * The last head a log signed, kept beside its store and not in it. LevelDB drops the tail of a damaged write-ahead log in silence; a store that
 * comes back without what was signed must not be gone on with (formats.md §5: a log never signs two histories).
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parseCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { parseNote } from '../core/note.ts'

/**
 * The signed note. Undefined where there is none, or one that is no note: power was lost before its content reached the disk. Throws
 * `CONFIG_UNREADABLE` where it is there and cannot be read.
 */
export function readHeadFile(file: string): string | undefined {
  let note: string
  try {
    note = readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new LianzhengError('CONFIG_UNREADABLE', { at: file, cause })
  }
  try {
    parseCheckpoint(parseNote(note).text)
    return note
  } catch {
    return undefined
  }
}

/** Replaced whole. Not synced: after a power loss it may be older than the store, never newer. Throws `DISK_FULL` or `STORE_FAILED`. */
export function writeHeadFile(file: string, note: string): void {
  try {
    writeFileSync(`${file}.new`, note, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  } catch (cause) {
    const full = ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')
    throw new LianzhengError(full ? 'DISK_FULL' : 'STORE_FAILED', { at: file, cause })
  }
}
