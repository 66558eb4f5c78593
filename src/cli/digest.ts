/** Digests of a file in one pass and flat memory: SHA-256, and SM3 where this build of Node has it. */
import { createHash, getHashes } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import type { Bytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'

export interface FileDigests {
  sha256: Bytes
  sm3?: Bytes
  size: number
}

const HAS_SM3 = getHashes().includes('sm3')

export async function digestFile(file: string, onProgress: (done: number, of: number) => void = () => {}): Promise<FileDigests> {
  const sha256 = createHash('sha256')
  const sm3 = HAS_SM3 ? createHash('sm3') : undefined
  let size = 0
  try {
    const of = statSync(file).size
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      sha256.update(chunk as Buffer)
      sm3?.update(chunk as Buffer)
      size += (chunk as Buffer).length
      onProgress(size, of)
    }
  } catch (cause) {
    throw new LianzhengError('FILE_UNREADABLE', { at: file, cause })
  }
  return { sha256: new Uint8Array(sha256.digest()), ...(sm3 === undefined ? {} : { sm3: new Uint8Array(sm3.digest()) }), size }
}

export function digestBytes(bytes: Bytes): FileDigests {
  const of = (algorithm: string) => new Uint8Array(createHash(algorithm).update(bytes).digest())
  return { sha256: of('sha256'), ...(HAS_SM3 ? { sm3: of('sm3') } : {}), size: bytes.length }
}
