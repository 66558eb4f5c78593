/** A witness's or a mirror's keys, and the rule both hold before they sign for a log: what comes extends what they have signed before (C2SP tlog-witness). */
import { type Bytes, equalBytes, fromU64 } from '../core/bytes.ts'
import { type Checkpoint, readCheckpoint } from '../core/checkpoint.ts'
import { cosign, type MlDsaKeyPair, mlDsaKeyPair, verifyCosignature } from '../core/cosignature.ts'
import { LianzhengError } from '../core/errors.ts'
import { EMPTY_HASH } from '../core/hash.ts'
import { ed25519Signer, type Signer } from '../core/keys.ts'
import { checkConsistency } from '../core/merkle.ts'
import {
  isBy,
  makeVkey,
  type Note,
  type NoteSignature,
  parseNote,
  TYPE_COSIGNATURE,
  TYPE_ED25519,
  TYPE_MLDSA44,
  type Vkey,
  verifyNoteSignature
} from '../core/note.ts'
import type { AddCheckpoint } from './messages.ts'

export type Role = 'witness' | 'mirror'

/** A log this node watches, ours or a stranger's. */
export interface WatchedLog {
  origin: string
  /** The log's own keys, 01 and 06. */
  vkeys: readonly Vkey[]
  role: Role
  /** The classes it holds, where it is a ledger: then a mirror derives all of it again. Undefined: entries of a stranger, which mean nothing here. */
  classes?: readonly string[]
}

export interface CosignerKeys {
  /** `<node name>/witness` or `<node name>/mirror`. */
  name: string
  signer: Signer
  pair: MlDsaKeyPair
  /** 04 and 06. */
  vkeys: readonly [Vkey, Vkey]
}

/** `derive` gives the 32 secret bytes of a purpose (formats.md §2). */
export function cosignerKeys(node: string, role: Role, derive: (purpose: string) => Bytes): CosignerKeys {
  const name = `${node}/${role}`
  const signer = ed25519Signer(derive(role))
  const pair = mlDsaKeyPair(derive(`${role}-mldsa44`))
  const vkeys = [makeVkey(name, TYPE_COSIGNATURE, signer.publicKey), makeVkey(name, TYPE_MLDSA44, pair.publicKey)] as const
  return { name, signer, pair, vkeys }
}

/** The note's lines by the log's own keys. Throws `CHECKPOINT_NOT_SIGNED` without one, or where one of them does not verify. */
export function signaturesOfLog(note: Note, checkpoint: Checkpoint, { vkeys }: WatchedLog): NoteSignature[] {
  const own = note.signatures.filter((line) => vkeys.some((vkey) => isBy(line, vkey)))
  const good = own.every((line) => verifyLogLine(note, checkpoint, line, vkeys.find((vkey) => isBy(line, vkey))!))
  if (own.length === 0 || !good)
    throw new LianzhengError('CHECKPOINT_NOT_SIGNED', { expected: `a signature of ${vkeys[0]?.name ?? checkpoint.origin}` })
  return own
}

function verifyLogLine({ text }: Note, checkpoint: Checkpoint, line: NoteSignature, vkey: Vkey): boolean {
  return vkey.type === TYPE_ED25519
    ? verifyNoteSignature(text, line, vkey)
    : verifyCosignature(text, checkpoint, line, vkey) !== undefined
}

/**
 * Whether a checkpoint may follow the last one. Throws `BODY_INVALID` (400), `HEAD_CONFLICT` with the last size (409), or `CHECKPOINT_INCONSISTENT`
 * (422). `last`: the note kept; undefined before the first.
 */
export function checkExtends({ old, proof, checkpoint }: AddCheckpoint, last: string | undefined): void {
  const { size, root } = checkpoint
  const before = last === undefined ? { size: 0, root: EMPTY_HASH } : readCheckpoint(parseNote(last).text)
  if (old > size) throw new LianzhengError('BODY_INVALID', { field: 'old', expected: `at most ${size}` })
  if (old !== before.size) throw new LianzhengError('HEAD_CONFLICT', { at: before.size })
  const empty = size > 0 || equalBytes(root, EMPTY_HASH)
  const extended = old === 0 ? proof.length === 0 : checkConsistency(old, size, before.root, root, proof)
  if (!empty || !extended) throw new LianzhengError('CHECKPOINT_INCONSISTENT', { at: before.size })
}

/** Two heads of one size with different roots: proof, by the log's own signatures, that it shows different histories. */
export function contradicts(checkpoint: Checkpoint, last: string | undefined): boolean {
  if (last === undefined) return false
  const before = readCheckpoint(parseNote(last).text)
  return before.size === checkpoint.size && !equalBytes(before.root, checkpoint.root)
}

/**
 * Signs a checkpoint with both keys, now. Throws `CLOCK_BACKWARDS` where the clock stands before the last time signed for this log. `now` in
 * milliseconds.
 */
export function cosignAt(
  text: string,
  keys: CosignerKeys,
  last: string | undefined,
  now: number,
  random?: Bytes
): NoteSignature[] {
  const seconds = Math.floor(now / 1000)
  const before = last === undefined ? undefined : timeOf(parseNote(last), keys.vkeys[0])
  if (before !== undefined && seconds < before)
    throw new LianzhengError('CLOCK_BACKWARDS', { expected: `a time after ${new Date(before * 1000).toISOString()}` })
  return cosign(text, keys.name, keys, seconds, random)
}

/**
 * What was signed this very second on this very text, signed lines and all: asked again and again, a cosigner neither signs nor writes. `now` in
 * milliseconds.
 */
export function signedThisSecond(
  last: string | undefined,
  text: string,
  { vkeys }: CosignerKeys,
  now: number
): NoteSignature[] | undefined {
  if (last === undefined) return undefined
  const note = parseNote(last)
  if (note.text !== text || timeOf(note, vkeys[0]) !== Math.floor(now / 1000)) return undefined
  return note.signatures.filter((line) => vkeys.some((vkey) => isBy(line, vkey)))
}

/** The time a cosigner's line claims, in seconds; it is not verified. */
function timeOf(note: Note, vkey: Vkey): number | undefined {
  const line = note.signatures.find((signature) => isBy(signature, vkey))
  return line === undefined || line.signature.length < 8 ? undefined : fromU64(line.signature)
}
