/** Files and folders as they come to the counter: read once, digested, and each content told from the others. */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { type Bytes, hex, utf8 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { digestBytes, digestFile, type FileDigests } from './digest.ts'
import { type Io, makeDirectory, progress, say, words, writeNew } from './io.ts'
import { manifestName, readFolder } from './manifest.ts'
import { parseSheet } from './sheet.ts'

/** Before it is read. */
export interface Wanted {
  /** As it was given. */
  path: string
  name: string
  /** What was said of it, by field of the records it goes into. */
  fields: Readonly<Record<string, string>>
}

export interface Exhibit extends Wanted, FileDigests {
  /** What is fixed: the file, or the manifest of a folder. */
  file: string
  isFolder: boolean
  /** Other paths with the same content, which is fixed once. */
  alike: string[]
}

/** Throws `FILE_UNREADABLE` before anything else is done: of several files either all are there or none is fixed. */
export function want(paths: readonly string[], out: string, fields: Readonly<Record<string, string>>, io: Io): Wanted[] {
  for (const path of paths) {
    if (!existsSync(path)) throw new LianzhengError('FILE_UNREADABLE', { at: path })
    if (statSync(path).isDirectory() && !relative(resolve(path), resolve(out)).startsWith('..'))
      throw new LianzhengError('USAGE', {
        field: '-o',
        expected: words(io, '所固定的文件夹之外的目录', 'a directory outside the folder that is fixed')
      })
  }
  return paths.map((path) => ({ path, name: basename(resolve(path)).normalize('NFC'), fields }))
}

/** In the order of a sheet, with what it says of each. Every file has a line, and every line a file. Throws `SHEET_INVALID`. */
export function bySheet(wanted: readonly Wanted[], sheet: string, text: string, columns: readonly string[], io: Io): Wanted[] {
  const rest = new Set(wanted)
  const ordered = parseSheet(text, columns, io).map(({ line, file, fields }) => {
    const place = resolve(dirname(sheet), file)
    const found = [...rest].filter(({ path, name }) => resolve(path).normalize('NFC') === place || name === file)
    const [one, other] = found
    if (one === undefined || other !== undefined)
      throw new LianzhengError('SHEET_INVALID', {
        at: `${sheet}:${line}`,
        field: file,
        expected:
          one === undefined
            ? words(io, '命令中给出的一个文件，每个一行', 'one of the files given, each on one line')
            : words(io, '文件的路径，因为有几个同名文件', 'the path of the file, since several have this name')
      })
    rest.delete(one)
    return { ...one, fields: { ...one.fields, ...fields } }
  })
  const [left] = rest
  if (left !== undefined)
    throw new LianzhengError('SHEET_INVALID', {
      at: sheet,
      field: left.path,
      expected: words(io, '每个文件一行', 'a line for each file')
    })
  return ordered
}

/** Reads everything. What has the content of another is left out and named with it. */
export async function readExhibits(wanted: readonly Wanted[], out: string, io: Io): Promise<Exhibit[]> {
  const exhibits: Exhibit[] = []
  for (const [i, one] of wanted.entries()) {
    const count = wanted.length === 1 ? '' : ` (${i + 1}/${wanted.length})`
    const show = (done: number, of: number) =>
      progress(io, `计算摘要 ${one.name}${count}`, `digesting ${one.name}${count}`, done, of)
    const exhibit = statSync(one.path).isDirectory()
      ? await readFolderExhibit(one, out, io, show)
      : { ...one, ...(await digestFile(one.path, show)), file: one.path, isFolder: false, alike: [] }
    const twin = exhibits.find(({ sha256 }) => hex(sha256) === hex(exhibit.sha256))
    if (twin === undefined) exhibits.push(exhibit)
    else repeat(twin, exhibit, io)
  }
  return exhibits
}

/** The same content twice: fixed once. Said differently of the two, there is no telling which is right. */
function repeat(twin: Exhibit, again: Exhibit, io: Io): void {
  const said = ({ fields: { name: _, ...fields } }: Exhibit) => JSON.stringify(Object.entries(fields).sort())
  if (said(twin) !== said(again))
    throw new LianzhengError('FIELD_INVALID', {
      at: again.path,
      expected: words(
        io,
        `与内容相同的 ${twin.path} 一样的说明：同一内容只固定一次`,
        `the same said of it as of ${twin.path}, which has the same content and is fixed once`
      )
    })
  twin.alike.push(again.path)
  say(
    io,
    `${again.path} 与 ${twin.path} 内容相同，只固定一次`,
    `${again.path} has the same content as ${twin.path}, which is fixed once`
  )
}

/** How many paths are shown; the manifest has them all. */
const LISTED = 20

/** Writes `<folder>.manifest` into `out` and says what is in it. */
async function readFolderExhibit(one: Wanted, out: string, io: Io, show: (done: number, of: number) => void): Promise<Exhibit> {
  const { text, lines, hidden, emptyFolders } = await readFolder(one.path, io, show)
  makeDirectory(out)
  const file = join(out, manifestName(one.path))
  writeNew(file, text)
  const { length } = lines
  say(io, `文件夹 ${one.path}：${length} 个文件，清单 ${file}`, `folder ${one.path}: ${length} files, manifest ${file}`)
  const list = (paths: readonly string[]) => `${paths.slice(0, LISTED).join('\n    ')}${paths.length > LISTED ? '\n    …' : ''}`
  if (hidden.length > 0)
    say(
      io,
      `  其中隐藏文件 ${hidden.length} 个：\n    ${list(hidden)}`,
      `  hidden files among them (${hidden.length}):\n    ${list(hidden)}`
    )
  if (emptyFolders.length > 0)
    say(
      io,
      `  空文件夹不入清单：\n    ${list(emptyFolders)}`,
      `  empty folders, which a manifest does not name:\n    ${list(emptyFolders)}`
    )
  return { ...one, ...digestBytes(utf8(text)), file, isFolder: true, alike: [] }
}

/** Digests of nothing at all, to try a record with before anything is read. */
export function unread(one: Wanted): Exhibit {
  const sha256: Bytes = new Uint8Array(32)
  return { ...one, sha256, size: 0, file: one.path, isFolder: false, alike: [] }
}
