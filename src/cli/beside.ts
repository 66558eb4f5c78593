/** Files given beside the one to verify: evidence by its digests, receipts and certificates as text, statements as bytes. */
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { utf8 } from '../core/bytes.ts'
import { MAX_STATEMENT } from '../core/statement.ts'
import { fileKind } from '../verify/files.ts'
import type { Beside } from '../verify/handout.ts'
import type { Given } from './difference.ts'
import { digestBytes, digestFile } from './digest.ts'
import { type Io, progress, readBytes, readExact } from './io.ts'
import { readFolder } from './manifest.ts'

/** First byte of a statement, promise or refusal: CBOR tag 18. No JSON begins with it. */
export const COSE_SIGN1 = 0xd2
/** First character of a receipt or certificate. */
const BRACE = 0x7b

/** A folder is what its manifest is. */
export async function given(path: string, io: Io): Promise<Given> {
  const name = basename(path)
  const show = (done: number, of: number) => progress(io, `计算摘要 ${name}`, `digesting ${name}`, done, of)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return { name, path, ...(await digestFile(path, show)) }
  const { text, lines } = await readFolder(path, io, show)
  return { name, path, lines, ...digestBytes(utf8(text)) }
}

export async function readBeside(paths: readonly string[], io: Io): Promise<Beside[]> {
  const beside: Beside[] = []
  for (const path of paths) {
    const { name, lines, sha256 } = await given(path, io)
    const bytes = lines === undefined && statSync(path).size <= MAX_READ ? readBytes(path) : undefined
    if (bytes?.[0] === BRACE && isProof(path)) beside.push({ name, sha256, text: readExact(path) })
    else if (bytes?.[0] === COSE_SIGN1 && bytes.length <= MAX_STATEMENT) beside.push({ name, sha256, bytes })
    else beside.push({ name, sha256 })
  }
  return beside
}

/** Longer files are evidence and no certificates. Bytes. */
const MAX_READ = 256 * 1024 * 1024

function isProof(path: string): boolean {
  try {
    return ['receipt', 'trail'].includes(fileKind(readExact(path)) ?? '')
  } catch {
    return false
  }
}
