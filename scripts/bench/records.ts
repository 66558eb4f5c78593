/**
 * The workload: `evidence.attach`, one clerk putting each time a piece of evidence that is new into one of a thousand cases, so that a record begins one
 * trail and lengthens one of a thousand others. Records are signed before anything is timed and stand in files, each behind its length (u32, big-endian).
 */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { built } from './built.ts'
import type { Parent } from './child.ts'

export const CASES = 1_000
export const ORIGIN = 'court.example/evidence'
const ORG = 'gz-court'
const AT_ONCE = 1_000

export const caseNumber = (number: number): string => `（2020）粤01民初${number}号`

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567'

/** The 12 letters after which a piece of evidence is called. */
function letters(number: number): string {
  let rest = number
  let text = ''
  for (let i = 0; i < 12; i++) {
    text += LETTERS[rest % 32]
    rest = Math.floor(rest / 32)
  }
  return text
}

export interface SignOptions {
  /** Directory that `network init` made. */
  network: string
  file: string
  /** Numbers of the first record and of the one after the last: they name the evidence. */
  from: number
  to: number
  /** All into this case; into one of CASES without it. */
  inCase?: number
}

export interface Signed {
  records: number
  /** Of all statements together. */
  bytes: number
}

export async function signRecords({ network, file, from, to, inCase }: SignOptions, parent: Parent): Promise<Signed> {
  const { useNative } = await built<typeof import('../../src/node/native.ts')>('node/native')
  const { draft } = await built<typeof import('../../src/records/draft.ts')>('records/draft')
  const { parseKey } = await built<typeof import('../../src/client/keyfile.ts')>('client/keyfile')
  useNative()
  const key = await parseKey(readFileSync(join(network, 'keys/clerk.key.json'), 'utf8'))
  const author = { org: ORG, staff: '粤01-R0101', roles: ['clerk'], signer: key.secret!.signer }
  const random = (length: number) => new Uint8Array(randomBytes(length))
  const iat = Math.floor(Date.now() / 1000)
  const out = openSync(file, 'w')
  let bytes = 0
  let waiting: Buffer[] = []
  for (let number = from; number < to; number++) {
    const record = {
      type: 'evidence.attach',
      at: '2020-08-26T09:20:00+08:00',
      court: '粤01',
      evidence: `粤01-20200826-${letters(number)}`,
      case: caseNumber(inCase ?? 1 + Math.floor(Math.random() * CASES))
    }
    const { statement } = draft(record, { aud: ORIGIN, author, iat, random })
    const length = Buffer.alloc(4)
    length.writeUInt32BE(statement.length)
    waiting.push(length, Buffer.from(statement))
    bytes += statement.length
    if (waiting.length === 2 * AT_ONCE || number === to - 1) {
      writeSync(out, Buffer.concat(waiting))
      waiting = []
      if ((number - from + 1) % 20_000 === 0) parent.progress(`${number - from + 1} of ${to - from} records signed`)
    }
  }
  closeSync(out)
  return { records: to - from, bytes }
}

const CHUNK = 1024 * 1024

/** Statements of the files in order, but for the first `skip`; each is the caller's own copy. */
export function* readRecords(files: readonly string[], skip = 0): Generator<Uint8Array> {
  let passed = 0
  for (const file of files) {
    const fd = openSync(file, 'r')
    let rest = Buffer.alloc(0)
    for (;;) {
      const chunk = Buffer.alloc(CHUNK)
      const read = readSync(fd, chunk, 0, CHUNK, null)
      if (read === 0) break
      const data = Buffer.concat([rest, chunk.subarray(0, read)])
      let at = 0
      while (at + 4 <= data.length) {
        const end = at + 4 + data.readUInt32BE(at)
        if (end > data.length) break
        if (passed++ >= skip) yield Uint8Array.from(data.subarray(at + 4, end))
        at = end
      }
      rest = data.subarray(at)
    }
    closeSync(fd)
  }
}
