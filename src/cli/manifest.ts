/**
 * A folder as one file that can be fixed (formats.md §13):
 *
 *   lianzheng-manifest/v1
 *   <sha256 hex> <size> <path>
 *
 * Paths relative with `/`, NFC, sorted bytewise; no links, no control characters; hidden files are named like all others.
 */
import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { compareText } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { makeDirectory, writeNew } from './io.ts'

/** The manifest of a folder. Throws `FILE_UNREADABLE` naming what cannot stand in one. */
export function manifestText(folder: string): { text: string; files: number } {
  const lines = walk(folder, '').sort((a, b) => compareText(a.path, b.path))
  return {
    text: `lianzheng-manifest/v1\n${lines.map(({ path, size, sha256 }) => `${sha256} ${size} ${path}\n`).join('')}`,
    files: lines.length
  }
}

/** Writes `<folder>.manifest` into `out`. */
export function writeManifest(folder: string, out: string): { file: string; files: number } {
  const { text, files } = manifestText(folder)
  makeDirectory(out)
  const file = join(out, `${basename(resolve(folder))}.manifest`)
  writeNew(file, text)
  return { file, files }
}

interface Line {
  path: string
  size: number
  sha256: string
}

function walk(root: string, prefix: string): Line[] {
  return reading(join(root, prefix), (place) => readdirSync(place)).flatMap((name): Line[] => {
    const path = prefix === '' ? name : `${prefix}/${name}`
    const refuse = (expected: string) => new LianzhengError('FILE_UNREADABLE', { at: join(root, path), expected })
    if (path !== path.normalize('NFC') || /[\u0000-\u001f\u007f]/.test(path))
      throw refuse('a name in NFC without control characters')
    const stat = reading(join(root, path), (place) => lstatSync(place))
    if (stat.isDirectory()) return walk(root, path)
    if (!stat.isFile()) throw refuse('a file or a folder, no link')
    return [{ path, ...reading(join(root, path), digestSync) }]
  })
}

function reading<T>(place: string, read: (place: string) => T): T {
  try {
    return read(place)
  } catch (cause) {
    throw new LianzhengError('FILE_UNREADABLE', { at: place, cause })
  }
}

function digestSync(file: string): { size: number; sha256: string } {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(1 << 20)
  const descriptor = openSync(file, 'r')
  let size = 0
  try {
    for (let read = readSync(descriptor, chunk); read > 0; read = readSync(descriptor, chunk)) {
      hash.update(chunk.subarray(0, read))
      size += read
    }
  } finally {
    closeSync(descriptor)
  }
  return { size, sha256: hash.digest('hex') }
}
