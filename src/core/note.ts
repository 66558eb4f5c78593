/**
 * Signed notes and the keys that verify them (C2SP signed-note).
 *
 *   note       text ‖ U+000A ‖ line{1,100}        text ends in U+000A; the last empty line separates
 *   line       U+2014 ‖ " " ‖ name ‖ " " ‖ base64(key id ‖ signature) ‖ U+000A
 *   name       not empty, no Unicode space, no "+"
 *   key id     first 4 bytes of SHA-256(name ‖ U+000A ‖ type ‖ public key)
 *   vkey       name ‖ "+" ‖ hex(key id) ‖ "+" ‖ base64(type ‖ public key)
 *   type       01 Ed25519 over the text · 04 Ed25519 cosignature · 06 ML-DSA-44 cosignature
 *
 * Valid UTF-8 without control characters but U+000A. One line per key (formats.md §5).
 *
 * Example (from the standard; first the vkey, then the note):
 *
 *     example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
 *
 *     This is an example message.
 *
 *     — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
 */
import { type Bytes, base64, concat, fromBase64, utf8 } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { sha256 } from './hash.ts'
import { isAcceptableKey, type Signer, verifyEd25519 } from './keys.ts'

export const TYPE_ED25519 = 0x01
export const TYPE_COSIGNATURE = 0x04
export const TYPE_MLDSA44 = 0x06

/** FIPS 204 table 2. */
export const MLDSA44_PUBLIC_KEY_SIZE = 1312

export interface NoteSignature {
  /** Key name. */
  name: string
  /** Unsigned 32-bit; with `name` it says which key and which type. */
  keyId: number
  /** What follows the key id on the line; at least one byte. */
  signature: Bytes
}

export interface Note {
  /** What is signed, with its last newline and without the separating empty line. */
  text: string
  signatures: NoteSignature[]
}

/** The least that every implementation accepts is 16; Go's stops at 100 too. */
const MAX_SIGNATURES = 100

/** `NOTE_INVALID` names the line (from 1) in `at`. `formatNote(parseNote(x)) === x`. */
export function parseNote(note: string): Note {
  checkCharacters(note)
  if (!note.endsWith('\n')) throw invalid(lineAt(note, note.length), 'a newline at the end')
  const split = note.lastIndexOf('\n\n')
  if (split < 0) throw invalid(lineAt(note, note.length - 1), 'an empty line between text and signatures')
  const text = note.slice(0, split + 1)
  const firstLine = lineAt(note, split + 2)
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) throw invalid(firstLine + MAX_SIGNATURES, `at most ${MAX_SIGNATURES} signatures`)
  const signatures = lines.map((line, i) => parseLine(line, firstLine + i))
  checkOneLinePerKey(signatures, firstLine)
  return { text, signatures }
}

/** The inverse of `parseNote`; refuses with `NOTE_INVALID` what `parseNote` would refuse. */
export function formatNote(note: Note): string {
  checkCharacters(note.text)
  const firstLine = lineAt(note.text, note.text.length) + 1
  if (!note.text.endsWith('\n')) throw invalid(firstLine - 1, 'a newline at the end of the text')
  if (note.signatures.length < 1 || note.signatures.length > MAX_SIGNATURES)
    throw invalid(firstLine, `1 to ${MAX_SIGNATURES} signatures`)
  checkOneLinePerKey(note.signatures, firstLine)
  return `${note.text}\n${note.signatures.map((signature, i) => formatSignatureLine(signature, firstLine + i)).join('')}`
}

function parseLine(line: string, at: number): NoteSignature {
  const [dash, name, encoded, ...rest] = line.split(' ')
  if (dash !== '\u2014' || name === undefined || encoded === undefined || rest.length > 0)
    throw invalid(at, '“— <key name> <base64>”')
  if (!isKeyName(name)) throw invalid(at, 'key name without spaces and "+"')
  const bytes = decodeBase64(encoded)
  if (bytes === undefined) throw invalid(at, 'canonical base64 with padding')
  if (bytes.length < 5) throw invalid(at, 'key id and signature, at least 5 bytes')
  return { name, keyId: readKeyId(bytes), signature: bytes.subarray(4) }
}

/** One signature line with its newline, as witnesses answer it. `at` is the line named in `NOTE_INVALID`. */
export function formatSignatureLine(signature: NoteSignature, at?: number): string {
  if (!isKeyName(signature.name)) throw invalid(at, 'key name without spaces and "+"')
  if (signature.keyId !== signature.keyId >>> 0 || signature.signature.length < 1)
    throw invalid(at, '32-bit key id and a signature')
  return `\u2014 ${signature.name} ${base64(concat(writeKeyId(signature.keyId), signature.signature))}\n`
}

/** The inverse of `formatSignatureLine`; `NOTE_INVALID` names line `at`. */
export function parseSignatureLine(line: string, at = 1): NoteSignature {
  checkCharacters(line)
  if (line.indexOf('\n') !== line.length - 1) throw invalid(at, 'one line that ends in a newline')
  return parseLine(line.slice(0, -1), at)
}

function checkOneLinePerKey(signatures: NoteSignature[], firstLine: number): void {
  const seen = new Set<string>()
  for (const [i, { name, keyId }] of signatures.entries()) {
    const key = keyLabel(name, keyId)
    if (seen.has(key)) throw invalid(firstLine + i, 'one line per key')
    seen.add(key)
  }
}

/** `<key name>+<8 hex>`: what tells one key from all others in a note. */
export function keyLabel(name: string, keyId: number): string {
  return `${name}+${keyId.toString(16).padStart(8, '0')}`
}

/** C2SP signed-note: valid UTF-8, no character below U+0020 but U+000A. A lone surrogate has no UTF-8. */
function checkCharacters(text: string): void {
  const at = text.search(/[\u0000-\u0009\u000b-\u001f\ud800-\udfff]/u)
  if (at >= 0) throw invalid(lineAt(text, at), 'UTF-8 text without control characters but the newline')
}

function lineAt(text: string, offset: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line++
  return line
}

/**
 * What a name may not hold: "+", control characters, and White_Space of Unicode as Go's unicode.IsSpace has it. Written out
 * because `\s` differs: it holds U+FEFF and lacks U+0085, so that two verifiers would not agree on what a name is.
 */
const KEY_NAME = /^[^+\u0000-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff]+$/u

function isKeyName(name: string): boolean {
  return KEY_NAME.test(name)
}

export interface Vkey {
  name: string
  /** Unsigned 32-bit. */
  id: number
  /** `TYPE_ED25519`, `TYPE_COSIGNATURE` or `TYPE_MLDSA44`. */
  type: number
  /** 32 bytes (01, 04) or 1312 bytes (06). */
  key: Bytes
}

/** Key id of a public key under a name and signature type: unsigned 32-bit. */
export function noteKeyId(name: string, type: number, key: Bytes): number {
  return readKeyId(sha256(concat(utf8(`${name}\n`), Uint8Array.of(type), key)))
}

/**
 * A verifier key of ours; `VKEY_INVALID` where name, type or key cannot be one. U+FEFF is refused only here, where a name is
 * made.
 */
export function makeVkey(name: string, type: number, key: Bytes): Vkey {
  const vkey = { name, id: noteKeyId(name, type, key), type, key }
  if (name.includes('\ufeff')) throw new LianzhengError('VKEY_INVALID', { field: 'name', expected: 'no U+FEFF' })
  checkVkey(vkey)
  return vkey
}

/** `VKEY_INVALID` also for an id that does not belong to the key and for a key that may not be admitted (formats.md §2). */
export function parseVkey(text: string): Vkey {
  const parts = /^([^+]*)\+([0-9a-f]{8})\+([^\n]*)$/.exec(text)
  if (parts === null) throw new LianzhengError('VKEY_INVALID', { expected: '<name>+<8 hex>+<base64>' })
  const bytes = decodeBase64(parts[3]!)
  if (bytes === undefined || bytes.length < 1)
    throw new LianzhengError('VKEY_INVALID', { field: 'key', expected: 'canonical base64 with padding' })
  const vkey = { name: parts[1]!, id: Number.parseInt(parts[2]!, 16), type: bytes[0]!, key: bytes.subarray(1) }
  checkVkey(vkey)
  return vkey
}

/** The inverse of `parseVkey`. */
export function formatVkey(vkey: Vkey): string {
  checkVkey(vkey)
  return `${keyLabel(vkey.name, vkey.id)}+${base64(concat(Uint8Array.of(vkey.type), vkey.key))}`
}

function checkVkey({ name, id, type, key }: Vkey): void {
  if (!isKeyName(name)) throw new LianzhengError('VKEY_INVALID', { field: 'name', expected: 'no spaces, no "+"' })
  if (type === TYPE_MLDSA44) {
    if (key.length !== MLDSA44_PUBLIC_KEY_SIZE)
      throw new LianzhengError('VKEY_INVALID', { field: 'key', expected: `${MLDSA44_PUBLIC_KEY_SIZE} bytes` })
  } else if (type !== TYPE_ED25519 && type !== TYPE_COSIGNATURE) {
    throw new LianzhengError('VKEY_INVALID', { field: 'type', expected: '01, 04 or 06' })
  } else if (!isAcceptableKey(key)) {
    throw new LianzhengError('VKEY_INVALID', {
      field: 'key',
      expected: 'an Ed25519 key: canonical, not of small order, torsion-free'
    })
  }
  if (id !== noteKeyId(name, type, key))
    throw new LianzhengError('VKEY_INVALID', { field: 'id', expected: 'the id of this name, type and key' })
}

/** The log's own signature: Ed25519 (01) over the text. */
export function signNote(text: string, name: string, signer: Signer): NoteSignature {
  return { name, keyId: noteKeyId(name, TYPE_ED25519, signer.publicKey), signature: signer.sign(utf8(text)) }
}

/** Whether a line is a good signature (01) by this very key, compared by name and id; never throws. */
export function verifyNoteSignature(text: string, signature: NoteSignature, vkey: Vkey): boolean {
  return vkey.type === TYPE_ED25519 && isBy(signature, vkey) && verifyEd25519(vkey.key, utf8(text), signature.signature)
}

/** Whether a line says it is by this key. Name and id both count: an id alone is short enough to collide. */
export function isBy(signature: NoteSignature, vkey: Vkey): boolean {
  return signature.name === vkey.name && signature.keyId === vkey.id
}

function readKeyId(bytes: Bytes): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

function writeKeyId(id: number): Bytes {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, id)
  return out
}

function decodeBase64(text: string): Bytes | undefined {
  try {
    return fromBase64(text)
  } catch {
    return undefined
  }
}

function invalid(at: number | undefined, expected: string): LianzhengError {
  return new LianzhengError('NOTE_INVALID', { ...(at !== undefined && { at }), expected })
}
