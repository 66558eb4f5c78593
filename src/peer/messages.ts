/**
 * What witnesses and mirrors are sent and answer (C2SP tlog-witness, July 2026).
 *
 *   add-checkpoint   "old " ‖ size ‖ U+000A ‖ (base64(hash) ‖ U+000A){0,63} ‖ U+000A ‖ signed note
 *   sign-subtree     "subtree " ‖ start ‖ " " ‖ end ‖ U+000A ‖ base64(hash) ‖ U+000A ‖ (base64(hash) ‖ U+000A){0,63} ‖ U+000A ‖ signed note
 *   answer           (signature line){1,…}, as in a signed note
 *
 * Example (the first two lines and the empty one of an add-checkpoint):
 *
 *     old 20852014
 *     PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
 *
 */
import { type Bytes, base64, fromBase64, fromUtf8 } from '../core/bytes.ts'
import { type Checkpoint, readCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { HASH_SIZE } from '../core/hash.ts'
import { type Note, type NoteSignature, parseNote, parseSignatureLine } from '../core/note.ts'

export const MAX_PROOF = 63
/** Of the messages here: a note of sixteen ML-DSA-44 lines and a full proof are half of it. */
export const MAX_MESSAGE = 128 * 1024

export interface AddCheckpoint {
  old: number
  proof: Bytes[]
  note: Note
  checkpoint: Checkpoint
}

export interface SignSubtree {
  start: number
  end: number
  hash: Bytes
  proof: Bytes[]
  note: Note
  checkpoint: Checkpoint
}

export function formatAddCheckpoint(old: number, proof: readonly Bytes[], note: string): string {
  return `old ${old}\n${proof.map((hash) => `${base64(hash)}\n`).join('')}\n${note}`
}

/** Throws `BODY_INVALID`. */
export function parseAddCheckpoint(body: Bytes): AddCheckpoint {
  return read(body, ({ head, hashes, note, checkpoint }) => ({ old: sizes(head, 'old', 1)[0]!, proof: hashes, note, checkpoint }))
}

export function formatSignSubtree({ start, end, hash, proof }: Omit<SignSubtree, 'note' | 'checkpoint'>, note: string): string {
  return `subtree ${start} ${end}\n${[hash, ...proof].map((one) => `${base64(one)}\n`).join('')}\n${note}`
}

/** Throws `BODY_INVALID`. Whether [start, end) is a subtree is not looked at. */
export function parseSignSubtree(body: Bytes): SignSubtree {
  return read(body, ({ head, hashes, note, checkpoint }) => {
    const [start, end] = sizes(head, 'subtree', 2) as [number, number]
    const [hash, ...proof] = hashes
    if (hash === undefined) throw refuse('hash', 'the hash of the subtree')
    return { start, end, hash, proof, note, checkpoint }
  })
}

interface Parts {
  head: string
  hashes: Bytes[]
  note: Note
  checkpoint: Checkpoint
}

function read<T>(body: Bytes, make: (parts: Parts) => T): T {
  try {
    const text = fromUtf8(body)
    const end = text.indexOf('\n\n')
    if (end < 0) throw refuse('body', 'an empty line before the checkpoint')
    const [head, ...lines] = text.slice(0, end).split('\n')
    if (lines.length > MAX_PROOF + 1) throw refuse('proof', `at most ${MAX_PROOF} hashes`)
    const note = parseNote(text.slice(end + 2))
    const hashes = lines.map((line) => fromBase64(line, HASH_SIZE))
    const parts = make({ head: head!, hashes, note, checkpoint: readCheckpoint(note.text) }) as T & { proof: Bytes[] }
    if (parts.proof.length > MAX_PROOF) throw refuse('proof', `at most ${MAX_PROOF} hashes`)
    return parts
  } catch (cause) {
    if (!(cause instanceof LianzhengError) || cause.code === 'BODY_INVALID') throw cause
    throw new LianzhengError('BODY_INVALID', { ...cause.detail, cause })
  }
}

function sizes(line: string, word: string, count: number): number[] {
  const [first, ...rest] = line.split(' ')
  const values = rest.map(Number)
  const plain = rest.every((text) => /^(?:0|[1-9][0-9]{0,15})$/.test(text)) && values.every(Number.isSafeInteger)
  if (first !== word || rest.length !== count || !plain) throw refuse(word, `“${word}” and ${count} plain decimal numbers`)
  return values
}

function refuse(field: string, expected: string): LianzhengError {
  return new LianzhengError('BODY_INVALID', { field, expected })
}

/** Lines of a cosigner's answer; throws `NOTE_INVALID`. An empty answer has none. */
export function parseSignatureLines(body: Bytes): NoteSignature[] {
  return fromUtf8(body)
    .split(/(?<=\n)/)
    .filter((line) => line !== '')
    .map((line, i) => parseSignatureLine(line, i + 1))
}
