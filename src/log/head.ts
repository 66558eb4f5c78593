/** Signing heads. Only a committed head is signed, and never one that takes anything back (style.md, rule 13). */
import { type Bytes, base64url, equalBytes, hex, utf8 } from '../core/bytes.ts'
import { formatCheckpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { type MlDsaKeyPair, mlDsaKeyPair, signMlDsaCosignature, verifyCosignature } from '../core/cosignature.ts'
import { FatalError } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import { ed25519Signer, type Signer } from '../core/keys.ts'
import { treeRoot } from '../core/merkle.ts'
import {
  formatNote,
  formatVkey,
  isBy,
  makeVkey,
  parseNote,
  signNote,
  TYPE_ED25519,
  TYPE_MLDSA44,
  type Vkey,
  verifyNoteSignature
} from '../core/note.ts'
import type { NodeKeys, RegistryMeta } from '../core/registry.ts'
import { type DisclosureCipher, disclosureCipher } from '../store/disclosures.ts'
import type { Head } from '../verify/fold.ts'
import type { Ledger } from './ledger.ts'

/** What a log has keys for, under the names that genesis and `registry.node` give them. */
const PURPOSES = ['log', 'log-mldsa44', 'statement', 'receipt', 'promise'] as const
type Purpose = (typeof PURPOSES)[number]
export type Generations = Readonly<Record<Purpose, number>>

/** A log's own keys (formats.md §2), and what seals its disclosures at rest: purpose `disclosures`, name = origin. */
export interface LogKeys {
  origin: string
  log: { signer: Signer; vkey: Vkey }
  /** Post-quantum note key, beside the first. */
  mldsa: { pair: MlDsaKeyPair; vkey: Vkey }
  /** Signs seals. */
  statement: Signer
  receipt: Signer
  promise: Signer
  disclosures: DisclosureCipher
  /** The same log's keys of other generations; what seals disclosures stays. */
  of(generations: Generations): LogKeys
}

/** `derive` gives the 32 secret bytes of a purpose and generation. The keys given are those of the first. */
export function logKeys(origin: string, derive: (purpose: string, generation: number) => Bytes): LogKeys {
  const made = new Map<string, LogKeys>()
  const disclosures = disclosureCipher(derive('disclosures', 1))
  const of = (generations: Generations): LogKeys => {
    const name = PURPOSES.map((purpose) => generations[purpose]).join('/')
    const known = made.get(name)
    if (known !== undefined) return known
    const secret = (purpose: Purpose) => derive(purpose, generations[purpose])
    const log = ed25519Signer(secret('log'))
    const pair = mlDsaKeyPair(secret('log-mldsa44'))
    const keys: LogKeys = {
      origin,
      log: { signer: log, vkey: makeVkey(origin, TYPE_ED25519, log.publicKey) },
      mldsa: { pair, vkey: makeVkey(origin, TYPE_MLDSA44, pair.publicKey) },
      statement: ed25519Signer(secret('statement')),
      receipt: ed25519Signer(secret('receipt')),
      promise: ed25519Signer(secret('promise')),
      disclosures,
      of
    }
    made.set(name, keys)
    return keys
  }
  return of(allOf(1))
}

function allOf(generation: number): Generations {
  return { log: generation, 'log-mldsa44': generation, statement: generation, receipt: generation, promise: generation }
}

/** A generation's keys as genesis and `registry.node` name them. */
export function namedKeys(keys: LogKeys, generation: number): NodeKeys & { 'log-mldsa44': Bytes } {
  const { log, mldsa, statement, receipt, promise } = keys.of(allOf(generation))
  return {
    log: formatVkey(log.vkey),
    'log-mldsa44': sha256(utf8(formatVkey(mldsa.vkey))),
    statement: statement.publicKey,
    receipt: receipt.publicKey,
    promise: promise.publicKey
  }
}

/** Does this node hold the keys that a generation is said to change? Undefined where it holds all of them; else the purpose of one it does not. */
export function foreignKey(keys: LogKeys, generation: number, named: Partial<NodeKeys>): string | undefined {
  const own = namedKeys(keys, generation)
  return PURPOSES.find((purpose) => named[purpose] !== undefined && !sameKey(named[purpose], own[purpose]))
}

function sameKey(a: string | Bytes | undefined, b: string | Bytes | undefined): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? equalBytes(a, b) : a === b
}

/**
 * The keys in force at an index: of each purpose, those of the generation that changed it last (formats.md §8). Undefined where what the log is signed
 * with is not what this node holds.
 */
export function heldKeys(keys: LogKeys, meta: RegistryMeta, index: number): LogKeys | undefined {
  const generations: Record<Purpose, number> = allOf(1)
  let before = meta.nodeKeys[0]!.keys
  for (const { from, generation, keys: named } of meta.nodeKeys) {
    if (from === 0 || from >= index) continue
    for (const purpose of PURPOSES) if (!sameKey(before[purpose], named[purpose])) generations[purpose] = generation
    before = named
  }
  const held = keys.of(generations)
  return before.log === formatVkey(held.log.vkey) && equalBytes(before.statement, held.statement.publicKey) ? held : undefined
}

/** The same, for a log that is taken up; before genesis the first generation. Throws `STORE_FOREIGN`. */
export function keysAt(keys: LogKeys, meta: RegistryMeta | undefined, index: number): LogKeys {
  const held = meta === undefined ? keys : heldKeys(keys, meta, index)
  if (held !== undefined) return held
  throw new FatalError('STORE_FOREIGN', { field: 'seedFile', expected: 'the seed this log was made with' })
}

/** The checkpoint of a committed head, signed with both keys; the Ed25519 line stands first. */
export function signHead(head: Head, keys: LogKeys): string {
  const checkpoint = { origin: keys.origin, size: head.size, root: head.root }
  const text = formatCheckpoint(checkpoint)
  return formatNote({
    text,
    signatures: [signNote(text, keys.origin, keys.log.signer), signMlDsaCosignature(checkpoint, keys.origin, keys.mldsa.pair, 0)]
  })
}

/**
 * A head this log signed before, read back: ours, under the keys of its time, and no further than what is committed. Throws `STORE_DISAGREES` or
 * `STORE_FOREIGN`.
 */
export function checkSignedHead(note: string, head: Head, first: LogKeys, ledger: Ledger): void {
  const refuse = (expected: string) => new FatalError('STORE_DISAGREES', { field: 'm note', expected })
  let opened: ReturnType<typeof parseNote>
  let signed: ReturnType<typeof parseCheckpoint>
  try {
    opened = parseNote(note)
    signed = parseCheckpoint(opened.text)
  } catch (cause) {
    throw new FatalError('STORE_CORRUPT', { field: 'm note', cause })
  }
  if (signed.origin !== first.origin) throw new FatalError('STORE_FOREIGN', { field: 'm note', expected: first.origin })
  const keys = keysAt(first, ledger.meta, signed.size)
  const beyond = `a size of at most ${head.size}, not ${signed.size}: the store is older than the head it signed`
  const own = opened.signatures.find((line) => isBy(line, keys.log.vkey))
  // A store from before a change of keys does not know the newer ones.
  if (own === undefined && signed.size > head.size) throw refuse(beyond)
  if (own === undefined)
    throw new FatalError('STORE_FOREIGN', { field: 'm note', expected: `a signature by ${formatVkey(keys.log.vkey)}` })
  if (!verifyNoteSignature(opened.text, own, keys.log.vkey)) throw refuse('a signature that verifies')
  const second = opened.signatures.find((line) => isBy(line, keys.mldsa.vkey))
  if (second !== undefined && verifyCosignature(opened.text, signed, second, keys.mldsa.vkey) === undefined)
    throw refuse('an ML-DSA signature that verifies')
  if (signed.size > head.size) throw refuse(beyond)
  const root = signed.size === head.size ? head.root : treeRoot(signed.size, ledger.nodes(head.size))
  if (!equalBytes(root, signed.root))
    throw refuse(`root ${hex(root)} at size ${signed.size}, signed was ${base64url(signed.root)}`)
}
