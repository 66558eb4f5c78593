/** The heads that files show, with what is proven to stand under each: what can be compared (formats.md §9, §10, §13). */
import type { Bytes } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { verifyCosignature } from '../core/cosignature.ts'
import { LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { checkInclusion } from '../core/merkle.ts'
import { isBy, keyLabel, type Note, parseNote, parseVkey, TYPE_ED25519, type Vkey, verifyNoteSignature } from '../core/note.ts'
import type { Policy } from '../core/policy.ts'
import { GENESIS } from '../core/registry.ts'
import { decodeStatement } from '../core/statement.ts'
import { fileKind, type ProvenEntry, parseCertificate, parseReceipt, type SealEntry } from './files.ts'

/** A leaf with its inclusion proof to a checkpoint. */
export interface PlacedLeaf {
  index: number
  leaf: Bytes
  inclusion: Bytes[]
}

export interface ShownHead {
  text: string
  note: Note
  checkpoint: Checkpoint
  /** Those whose proofs hold. */
  places: PlacedLeaf[]
  /** Indexes whose proofs do not. */
  misplaced: number[]
  /** Entry 0, where it is shown and its proof holds. */
  genesis: Bytes | undefined
}

/** Heads of a receipt, a trail certificate or a checkpoint. Throws RECEIPT_INVALID, CERTIFICATE_INVALID, NOTE_INVALID, CHECKPOINT_INVALID, JSON_INVALID or FORMAT_VERSION_UNKNOWN. */
export function headsOf(text: string): ShownHead[] {
  if (!text.startsWith('{')) return [headOf(text, [])]
  const kind = fileKind(text)
  if (kind === 'receipt') {
    const { checkpoint, authority, seal, before, entered, ...own } = parseReceipt(text)
    return under(checkpoint, [own, ...authority], [seal, before, entered])
  }
  if (kind === 'trail')
    return parseCertificate(text).parts.flatMap(({ checkpoint, authority, seal, seals }) =>
      under(checkpoint, authority, [seal, ...seals])
    )
  throw new LianzhengError('RECEIPT_INVALID', { field: 'format', expected: 'a receipt, a trail certificate or a checkpoint' })
}

/** One head with its entries, and those that its seals bring with them. */
function under(checkpoint: string, entries: readonly ProvenEntry[], seals: readonly (SealEntry | undefined)[]): ShownHead[] {
  const given = seals.filter((seal) => seal !== undefined)
  const notes = given.map((seal) => seal.checkpoint).filter((note) => note !== undefined)
  return [headOf(checkpoint, [...entries, ...given]), ...notes.map((note) => headOf(note, []))]
}

function headOf(text: string, entries: readonly ProvenEntry[]): ShownHead {
  const note = parseNote(text)
  const checkpoint = parseCheckpoint(note.text)
  const places = new Map<number, PlacedLeaf>()
  const misplaced = new Set<number>()
  let genesis: Bytes | undefined
  for (const { index, statement, inclusion } of entries) {
    const leaf = leafHash(statement)
    if (!checkInclusion(index, checkpoint.size, leaf, inclusion, checkpoint.root)) {
      misplaced.add(index)
      continue
    }
    places.set(index, { index, leaf, inclusion })
    if (index === 0) genesis = statement
  }
  return { text, note, checkpoint, places: [...places.values()], misplaced: [...misplaced], genesis }
}

/** Keys of the policy that have signed a note, each as `<key name>+<8 hex>`: the log's own, and cosigners'. */
export function signersOf(
  { note, checkpoint }: Pick<ShownHead, 'note' | 'checkpoint'>,
  policy: Policy
): { log: string[]; cosigners: string[] } {
  const signed = (vkey: Vkey) => {
    const line = note.signatures.find((one) => isBy(one, vkey))
    if (line === undefined) return false
    if (vkey.type === TYPE_ED25519) return verifyNoteSignature(note.text, line, vkey)
    return verifyCosignature(note.text, checkpoint, line, vkey) !== undefined
  }
  const labels = (vkeys: Vkey[]) => vkeys.filter(signed).map(({ name, id }) => keyLabel(name, id))
  return {
    log: labels(policy.logs.map(({ vkey }) => vkey).filter(({ name }) => name === checkpoint.origin)),
    cosigners: labels([...policy.witnesses.values()].map(({ vkey }) => vkey))
  }
}

/** For whoever has no policy: the logs' keys as the genesis entries in the files name them. What follows then rests on the files themselves. */
export function policyOfFiles(heads: readonly ShownHead[]): Policy {
  const vkeys = new Map<string, Vkey>()
  for (const { genesis } of heads) {
    const text = genesis === undefined ? undefined : logKeyIn(genesis)
    if (text !== undefined) vkeys.set(text, parseVkey(text))
  }
  return { logs: [...vkeys.values()].map((vkey) => ({ vkey })), witnesses: new Map(), quorum: 'none', rests: new Map() }
}

function logKeyIn(genesis: Bytes): string | undefined {
  const { body } = decodeStatement(genesis)
  const keys = body.get('type') === GENESIS ? body.get('keys') : undefined
  const log = keys instanceof Map ? keys.get('log') : undefined
  return typeof log === 'string' ? log : undefined
}
