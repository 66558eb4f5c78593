/**
 * What a verifier reads of a receipt or certificate: two files that read the same may both verify, others must not. What is free in between, each with
 * the section that leaves it so, stands in `fill` and `essence`.
 */
import { base64url } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { keyLabel, parseNote } from '../../src/core/note.ts'
import type { Policy } from '../../src/core/policy.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'

export type Json = null | boolean | number | string | Raw | Json[] | { [name: string]: Json }
export type JsonObject = { [name: string]: Json }
export type Path = (string | number)[]

/** A number as it is to be written, whatever JSON.stringify would make of it. */
export class Raw {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export interface Specimen {
  name: string
  kind: 'receipt' | 'certificate'
  text: string
  policy: Policy
  /** Some key in its chain has dates, so the seals around are needed (formats.md §9). */
  dated?: true
  /** Key names whose cosignatures the quorum does not need. */
  surplus?: readonly string[]
}

type Note = { text: string; lines: string[] }

function readNote(note: string): Note | undefined {
  try {
    const { text, signatures } = parseNote(note)
    return { text, lines: signatures.map(({ name, keyId, signature }) => `${keyLabel(name, keyId)} ${base64url(signature)}`) }
  } catch {
    return undefined
  }
}

/** Signature lines a verifier counts with: order is free, lines of unknown keys are ignored (C2SP signed-note), a surplus cosignature may be missing (§5). */
function noteEssence(note: string, { policy, surplus = [] }: Specimen): Json {
  const read = readNote(note)
  if (read === undefined) return note
  const witnesses = [...policy.witnesses.values()].map(({ vkey }) => vkey)
  const known = [...policy.logs.map(({ vkey }) => vkey), ...witnesses].filter(({ name }) => !surplus.includes(name))
  const labels = known.map(({ name, id }) => `${keyLabel(name, id)} `)
  return [read.text, ...read.lines.filter((line) => labels.some((label) => line.startsWith(label))).sort()]
}

/** Puts back, from the original, what may be left out. */
function fill(changed: Json, original: Json, specimen: Specimen): Json {
  if (!isObject(changed) || !isObject(original)) return changed
  const out: JsonObject = { ...changed }
  // §9: `before` and `entered` are optional, needed only where a key has dates. §10: `seals` may be empty, with the same need.
  if (specimen.dated !== true) for (const name of ['before', 'entered']) out[name] ??= original[name]!
  if (specimen.dated !== true && within(out.seals, original.seals)) out.seals = original.seals!
  // §9: a field not disclosed is listed; §10: withheld.
  if (within(out.disclosures, original.disclosures)) out.disclosures = original.disclosures!
  for (const name of ['seal', 'before', 'entered']) if (isObject(out[name])) out[name] = fillSeal(out[name], original[name])
  for (const name of ['entries', 'seals', 'parts'] as const) {
    const [items, models] = [out[name], original[name]]
    if (!Array.isArray(items) || !Array.isArray(models)) continue
    out[name] = items.map((item, i) => {
      const model = models.find((one) => sameButFreely(item, one, name)) ?? models[i]
      return name === 'seals' ? fillSeal(item, model) : fill(item, model ?? null, specimen)
    })
  }
  // §10: a whole listing under an older head is a certificate of its own, complete as of that head.
  if (
    Array.isArray(out.parts) &&
    out.parts.length > 0 &&
    out.parts.every(isWhole) &&
    within(unique(sorted(out.parts)), original.parts)
  )
    out.parts = original.parts!
  for (const name of Object.keys(out)) if (out[name] === undefined) delete out[name]
  return out
}

/** Which member of a list another stands for: by what names it. */
function sameButFreely(a: Json, b: Json, list: string): boolean {
  if (!isObject(a) || !isObject(b)) return false
  return list === 'parts' ? a.origin === b.origin && a.from === b.from && a.checkpoint === b.checkpoint : a.index === b.index
}

/** §9: the note a seal may carry changes what is said of its time, not the verdict, so it and its lines may be missing. */
function fillSeal(changed: Json, original: Json | undefined): Json {
  if (!isObject(changed) || !isObject(original) || typeof original.checkpoint !== 'string') return changed
  if (changed.checkpoint === undefined) return { ...changed, checkpoint: original.checkpoint }
  if (typeof changed.checkpoint !== 'string') return changed
  const [note, model] = [readNote(changed.checkpoint), readNote(original.checkpoint)]
  if (note === undefined || model === undefined || note.text !== model.text) return changed
  const ofKeys = new Set(model.lines.map((line) => line.split(' ')[0]))
  const spoilt = note.lines.some((line) => ofKeys.has(line.split(' ')[0]) && !model.lines.includes(line))
  return spoilt ? changed : { ...changed, checkpoint: original.checkpoint }
}

function isWhole(part: Json): boolean {
  return isObject(part) && part.from === undefined && (part.entries as Json[]).length === part.count
}

/** A part of a list, in whatever order, nothing twice. */
export function within(some: Json | undefined, whole: Json | undefined): boolean {
  if (!Array.isArray(some) || !Array.isArray(whole)) return false
  const names = some.map((item) => JSON.stringify(item))
  const wholeNames = whole.map((item) => JSON.stringify(item))
  return new Set(names).size === names.length && names.every((name) => wholeNames.includes(name))
}

/** A file brought to one form: white space, escapes and member order of JSON are gone with parsing (RFC 8259). */
function essence(value: Json, specimen: Specimen, name = ''): Json {
  if (typeof value === 'string') return name === 'checkpoint' ? noteEssence(value, specimen) : value
  if (Array.isArray(value)) {
    const items = value.map((item) => essence(item, specimen))
    // §9, §10: one key trail for each key; seals and parts in any order. The same seal or part once more says nothing new.
    if (name === 'keyTrails') return sorted(items)
    return name === 'seals' || name === 'parts' ? unique(sorted(items)) : items
  }
  if (!isObject(value)) return value
  const out: JsonObject = {}
  for (const member of Object.keys(value).sort()) {
    // §9: `summary` is for human readers; timestamps by an authority that the verifier was not given are shown, not counted.
    if (specimen.kind === 'receipt' && (member === 'summary' || member === 'timestamps')) continue
    out[member] = essence(value[member]!, specimen, member)
  }
  return out
}

const sorted = (items: Json[]): Json[] => items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
const unique = (items: Json[]): Json[] =>
  items.filter((item, i) => i === 0 || JSON.stringify(item) !== JSON.stringify(items[i - 1]))

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Raw)
}

export function reads(text: string, specimen: Specimen): string {
  const original = JSON.parse(specimen.text) as Json
  return JSON.stringify(essence(fill(JSON.parse(text) as Json, original, specimen), specimen))
}

// Judging

const UNREADABLE = new Set(['RECEIPT_INVALID', 'CERTIFICATE_INVALID', 'JSON_INVALID'])

/** The verdict, or the code with which the file was refused. Any other exception is a fault of the verifier. */
export function judge(text: string, { kind, policy }: Specimen): string {
  try {
    return (kind === 'receipt' ? verifyReceipt(text, policy) : verifyCertificate(text, policy)).overall
  } catch (error) {
    if (error instanceof LianzhengError && UNREADABLE.has(error.code)) return error.code
    throw error
  }
}
