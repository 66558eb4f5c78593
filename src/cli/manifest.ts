/**
 * A folder as one file that can be fixed (formats.md §13):
 *
 *   lianzheng-manifest/v1
 *   <sha256 hex> <size> <path>
 *
 * Paths relative with `/`, NFC, sorted bytewise; no links, no control characters; hidden files are named like all others.
 */
import { type BigIntStats, lstatSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { compareText, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Progress, sha256File } from './digest.ts'
import { type Io, words } from './io.ts'

const FIRST_LINE = 'lianzheng-manifest/v1'
export const MANIFEST_TYPE = 'application/vnd.lianzheng.manifest'

export interface ManifestLine {
  path: string
  size: number
  /** Hex. */
  sha256: string
}

export interface Manifest {
  text: string
  lines: ManifestLine[]
  /** Paths with a part that begins with a dot. */
  hidden: string[]
  /** Folders without anything in them: a manifest names files alone. */
  emptyFolders: string[]
}

/** The manifest of a folder. Throws `FILE_UNREADABLE` naming what cannot stand in one, or `FILE_CHANGED`. */
export async function readFolder(folder: string, io: Io, onProgress: Progress = () => {}): Promise<Manifest> {
  const before = walk(folder, io)
  const whole = before.files.reduce((sum, { size }) => sum + size, 0)
  const lines: ManifestLine[] = []
  let done = 0
  for (const { path } of before.files) {
    const { sha256, size } = await sha256File(join(folder, path), (inFile) => onProgress(done + inFile, whole))
    done += size
    lines.push({ path, size, sha256: hex(sha256) })
  }
  const changed = firstDifference(before, walk(folder, io))
  if (changed !== undefined) throw new LianzhengError('FILE_CHANGED', { at: join(folder, changed) })
  return {
    text: formatManifest(lines),
    lines,
    hidden: lines.map(({ path }) => path).filter((path) => path.split('/').some((part) => part.startsWith('.'))),
    emptyFolders: before.emptyFolders
  }
}

export function manifestName(folder: string): string {
  return `${basename(resolve(folder))}.manifest`
}

function formatManifest(lines: readonly ManifestLine[]): string {
  return `${FIRST_LINE}\n${lines.map(({ path, size, sha256 }) => `${sha256} ${size} ${path}\n`).join('')}`
}

/** The lines of a manifest; undefined for any other text. */
export function parseManifest(text: string): ManifestLine[] | undefined {
  const [first, ...rest] = text.split('\n')
  if (first !== FIRST_LINE || rest.pop() !== '') return undefined
  const lines: ManifestLine[] = []
  for (const line of rest) {
    const match = /^([0-9a-f]{64}) (0|[1-9][0-9]{0,15}) (.+)$/u.exec(line)
    const [, sha256, size, path] = match ?? []
    if (
      path === undefined ||
      !isPath(path) ||
      !Number.isSafeInteger(Number(size)) ||
      (lines.length > 0 && compareText(lines.at(-1)!.path, path) >= 0)
    )
      return undefined
    lines.push({ path, size: Number(size), sha256: sha256! })
  }
  return lines
}

function isPath(path: string): boolean {
  return isNfc(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

function isNfc(path: string): boolean {
  return path === path.normalize('NFC') && !/\p{Cc}/u.test(path)
}

/** How a folder differs from its manifest. A file that is there under another path, and not under its own, has been renamed. */
export interface FolderDifference {
  changed: { path: string; was: number; is: number }[]
  missing: string[]
  extra: string[]
  renamed: { from: string; to: string }[]
}

export function compareManifests(was: readonly ManifestLine[], is: readonly ManifestLine[]): FolderDifference {
  const then = new Map(was.map((line) => [line.path, line]))
  const now = new Map(is.map((line) => [line.path, line]))
  const missing = was.filter(({ path }) => !now.has(path))
  const extra = is.filter(({ path }) => !then.has(path))
  const renamed: FolderDifference['renamed'] = []
  for (const line of [...missing]) {
    const to = extra.findIndex(({ sha256 }) => sha256 === line.sha256)
    if (to < 0) continue
    renamed.push({ from: line.path, to: extra[to]!.path })
    extra.splice(to, 1)
    missing.splice(missing.indexOf(line), 1)
  }
  return {
    changed: was.flatMap(({ path, sha256, size }) => {
      const line = now.get(path)
      return line === undefined || line.sha256 === sha256 ? [] : [{ path, was: size, is: line.size }]
    }),
    missing: missing.map(({ path }) => path),
    extra: extra.map(({ path }) => path),
    renamed
  }
}

interface Found {
  files: { path: string; size: number; state: string }[]
  emptyFolders: string[]
}

/** Everything in a folder, in the order of a manifest. */
function walk(root: string, io: Io): Found {
  const found: Found = { files: [], emptyFolders: [] }
  const enter = (prefix: string): void => {
    const names = reading(join(root, prefix), (place) => readdirSync(place))
    if (names.length === 0 && prefix !== '') found.emptyFolders.push(prefix)
    const named = new Map<string, number>()
    for (const name of names) named.set(name.normalize('NFC'), (named.get(name.normalize('NFC')) ?? 0) + 1)
    for (const name of names) {
      const path = prefix === '' ? name : `${prefix}/${name}`
      const refuse = (zh: string, en: string) =>
        new LianzhengError('FILE_UNREADABLE', { at: join(root, path), expected: words(io, zh, en) })
      if (named.get(name.normalize('NFC'))! > 1)
        throw refuse('不与另一个名称在 NFC 规范形式下相同', 'no other name that is the same in NFC')
      if (!isNfc(path)) throw refuse('NFC 规范形式、不含控制字符的名称', 'a name in NFC without control characters')
      const stat = reading(join(root, path), (place) => lstatSync(place, { bigint: true }))
      if (stat.isDirectory()) enter(path)
      else if (stat.isFile()) found.files.push({ path, size: Number(stat.size), state: stateOf(stat) })
      else if (stat.isSymbolicLink()) throw refuse('文件或文件夹，不能是链接', 'a file or a folder, no link')
      else throw refuse('文件或文件夹，不能是管道、设备等', 'a file or a folder, no pipe, socket or device')
    }
  }
  enter('')
  found.files.sort((a, b) => compareText(a.path, b.path))
  return found
}

function stateOf({ size, mtimeNs, ino }: BigIntStats): string {
  return `${size} ${mtimeNs} ${ino}`
}

/** The first path that is there in one walk and not, or not as it was, in the other. */
function firstDifference(before: Found, after: Found): string | undefined {
  const lines = ({ files, emptyFolders }: Found) => [...files.map(({ path, state }) => `${path}\n${state}`), ...emptyFolders]
  const [was, is] = [new Set(lines(before)), new Set(lines(after))]
  const line = [...was].find((one) => !is.has(one)) ?? [...is].find((one) => !was.has(one))
  return line?.split('\n')[0]
}

function reading<T>(place: string, read: (place: string) => T): T {
  try {
    return read(place)
  } catch (cause) {
    throw new LianzhengError('FILE_UNREADABLE', { at: place, cause })
  }
}
