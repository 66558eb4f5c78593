/** Digests of a file in one pass and flat memory: SHA-256, and SM3 where this build of Node has it. */
import { createHash, getHashes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import type { Bytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'

export interface FileDigests {
  sha256: Bytes
  sm3?: Bytes
  size: number
}

type Kind = 'sha256' | 'sm3'
const KINDS: readonly Kind[] = getHashes().includes('sm3') ? ['sha256', 'sm3'] : ['sha256']

/** Two of them: one is filled while the other is digested. Larger ones are no faster (measured). */
const CHUNK = 1 << 20

/** A pipe that nobody writes to would be waited for. */
const HOW = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

export type Progress = (done: number, of: number) => void

/** Throws `FILE_UNREADABLE`, or `FILE_CHANGED` for a file that is not from beginning to end the one that was opened. */
export async function digestFile(file: string, onProgress: Progress = () => {}): Promise<FileDigests> {
  return digest(file, KINDS, onProgress)
}

/** SHA-256 alone, for the lines of a manifest. */
export async function sha256File(file: string, onProgress: Progress = () => {}): Promise<FileDigests> {
  return digest(file, ['sha256'], onProgress)
}

/** Of the first `length` bytes of a file. */
export async function digestPrefix(file: string, length: number, onProgress: Progress = () => {}): Promise<FileDigests> {
  return digest(file, KINDS, onProgress, length)
}

async function digest(file: string, kinds: readonly Kind[], onProgress: Progress, prefix?: number): Promise<FileDigests> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file, HOW)
    const before = await handle.stat({ bigint: true })
    if (!before.isFile()) throw new LianzhengError('FILE_UNREADABLE', { at: file, expected: 'a file' })
    const hashes = kinds.map((kind) => createHash(kind))
    const whole = Number(before.size)
    // One byte more than there should be: a file that grows is noticed, and one that grows for ever is not read for ever.
    const size = await readAll(handle, prefix ?? whole + 1, (chunk, done) => {
      for (const hash of hashes) hash.update(chunk)
      onProgress(done, whole)
    })
    const after = await stat(file, { bigint: true })
    const same = after.size === before.size && after.mtimeNs === before.mtimeNs && after.ino === before.ino
    if (size !== (prefix ?? whole) || !same) throw new LianzhengError('FILE_CHANGED', { at: file })
    const [sha256, sm3] = hashes.map((hash) => new Uint8Array(hash.digest()))
    return { sha256: sha256!, ...(sm3 === undefined ? {} : { sm3 }), size }
  } catch (cause) {
    if (cause instanceof LianzhengError) throw cause
    throw new LianzhengError('FILE_UNREADABLE', { at: file, cause })
  } finally {
    await handle?.close()
  }
}

/** At most `limit` bytes; gives how many there were. */
async function readAll(handle: FileHandle, limit: number, take: (chunk: Buffer, done: number) => void): Promise<number> {
  const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)]
  const read = (turn: number, done: number) => handle.read(buffers[turn % 2]!, 0, Math.min(CHUNK, limit - done))
  let done = 0
  for (let turn = 0, next = read(0, 0); ; turn++) {
    const { bytesRead, buffer } = await next
    if (bytesRead === 0) return done
    done += bytesRead
    next = read(turn + 1, done)
    take(buffer.subarray(0, bytesRead), done)
  }
}

export function digestBytes(bytes: Bytes): FileDigests {
  const [sha256, sm3] = KINDS.map((kind) => new Uint8Array(createHash(kind).update(bytes).digest()))
  return { sha256: sha256!, ...(sm3 === undefined ? {} : { sm3 }), size: bytes.length }
}
