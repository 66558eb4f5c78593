/**
 * The text of a checkpoint (C2SP tlog-checkpoint, formats.md §5): a log's tree head, signed and cosigned as a note.
 *
 *   checkpoint  origin ‖ U+000A ‖ size ‖ U+000A ‖ base64(root) ‖ U+000A
 *   size        decimal without leading zeros, below 2^53
 *   root        32 bytes; of the empty tree SHA-256("")
 *
 * No extension lines: an ML-DSA-44 cosignature does not cover them and no monitor can audit them.
 *
 * Example:
 *
 *     ledger.example/court-1
 *     3
 *     OF2jDzkXKCyJOd/4UZV+UZqxhGsTUaFMCts7EWMnQqo=
 */
import { type Bytes, base64, equalBytes, fromBase64 } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { EMPTY_HASH, HASH_SIZE } from './hash.ts'
import { isName } from './keys.ts'

export interface Checkpoint {
  origin: string
  /** Number of leaves. */
  size: number
  /** 32 bytes (RFC 9162 §2.1.1). */
  root: Bytes
}

/** `CHECKPOINT_INVALID` names the line (from 1) in `at`. `formatCheckpoint(parseCheckpoint(x)) === x`. */
export function parseCheckpoint(noteText: string): Checkpoint {
  const [origin, size, root, end, ...rest] = noteText.split('\n')
  if (origin === undefined || size === undefined || root === undefined || end === undefined)
    throw invalid(noteText.split('\n').length, 'three lines, each ended by a newline')
  if (end !== '' || rest.length > 0) throw invalid(4, 'no extension lines')
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size)) throw invalid(2, DECIMAL)
  const checkpoint = { origin, size: Number(size), root: decodeRoot(root) }
  checkCheckpoint(checkpoint)
  return checkpoint
}

/**
 * A checkpoint as any log may write it (C2SP tlog-checkpoint): another kind of origin, extension lines, and a root of size 0 that the caller judges.
 * For witnesses and mirrors of strangers' logs; a log of ours has the one form above.
 */
export function readCheckpoint(noteText: string): Checkpoint {
  const lines = noteText.split('\n')
  const [origin, size, root] = lines
  if (lines.length < 4 || lines.pop() !== '') throw invalid(lines.length, 'three lines or more, each ended by a newline')
  const empty = lines.indexOf('')
  if (empty >= 0) throw invalid(empty + 1, 'no empty line')
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size!) || !Number.isSafeInteger(Number(size))) throw invalid(2, DECIMAL)
  return { origin: origin!, size: Number(size), root: decodeRoot(root!) }
}

/** The inverse of `parseCheckpoint`, with the last newline: the text of the note to sign. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  checkCheckpoint(checkpoint)
  return `${checkpoint.origin}\n${checkpoint.size}\n${base64(checkpoint.root)}\n`
}

function checkCheckpoint({ origin, size, root }: Checkpoint): void {
  if (!isName(origin)) throw invalid(1, 'an origin')
  if (!Number.isSafeInteger(size) || size < 0) throw invalid(2, DECIMAL)
  if (root.length !== HASH_SIZE) throw invalid(3, ROOT)
  if (size === 0 && !equalBytes(root, EMPTY_HASH)) throw invalid(3, 'SHA-256("") for the empty tree')
}

function decodeRoot(text: string): Bytes {
  try {
    return fromBase64(text, HASH_SIZE)
  } catch {
    throw invalid(3, ROOT)
  }
}

const DECIMAL = 'a decimal number without leading zeros, below 2^53'
const ROOT = `padded base64 of ${HASH_SIZE} bytes`

function invalid(at: number, expected: string): LianzhengError {
  return new LianzhengError('CHECKPOINT_INVALID', { at, expected })
}
