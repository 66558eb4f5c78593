/** Signing heads. Only a committed head is signed, and never one that takes anything back (style.md, rule 13). */
import { type Bytes, base64url, equalBytes, hex } from '../core/bytes.ts'
import { formatCheckpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { type MlDsaKeyPair, mlDsaKeyPair, signMlDsaCosignature, verifyCosignature } from '../core/cosignature.ts'
import { FatalError } from '../core/errors.ts'
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
import { type DisclosureCipher, disclosureCipher } from '../store/disclosures.ts'
import type { Head } from '../verify/fold.ts'
import type { Ledger } from './ledger.ts'

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
}

/** `derive` gives the 32 secret bytes of a purpose. */
export function logKeys(origin: string, derive: (purpose: string) => Bytes): LogKeys {
  const log = ed25519Signer(derive('log'))
  const pair = mlDsaKeyPair(derive('log-mldsa44'))
  return {
    origin,
    log: { signer: log, vkey: makeVkey(origin, TYPE_ED25519, log.publicKey) },
    mldsa: { pair, vkey: makeVkey(origin, TYPE_MLDSA44, pair.publicKey) },
    statement: ed25519Signer(derive('statement')),
    receipt: ed25519Signer(derive('receipt')),
    promise: ed25519Signer(derive('promise')),
    disclosures: disclosureCipher(derive('disclosures'))
  }
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

/** A head this log signed before, read back: ours, and no further than what is committed. Throws `STORE_DISAGREES` or `STORE_FOREIGN`. */
export function checkSignedHead(note: string, head: Head, keys: LogKeys, ledger: Ledger): void {
  const refuse = (expected: string) => new FatalError('STORE_DISAGREES', { field: 'm note', expected })
  let opened: ReturnType<typeof parseNote>
  let signed: ReturnType<typeof parseCheckpoint>
  try {
    opened = parseNote(note)
    signed = parseCheckpoint(opened.text)
  } catch (cause) {
    throw new FatalError('STORE_CORRUPT', { field: 'm note', cause })
  }
  if (signed.origin !== keys.origin) throw new FatalError('STORE_FOREIGN', { field: 'm note', expected: keys.origin })
  const own = opened.signatures.find((line) => isBy(line, keys.log.vkey))
  if (own === undefined)
    throw new FatalError('STORE_FOREIGN', { field: 'm note', expected: `a signature by ${formatVkey(keys.log.vkey)}` })
  if (!verifyNoteSignature(opened.text, own, keys.log.vkey)) throw refuse('a signature that verifies')
  const second = opened.signatures.find((line) => isBy(line, keys.mldsa.vkey))
  if (second !== undefined && verifyCosignature(opened.text, signed, second, keys.mldsa.vkey) === undefined)
    throw refuse('an ML-DSA signature that verifies')
  if (signed.size > head.size)
    throw refuse(`a size of at most ${head.size}, not ${signed.size}: the store is older than the head it signed`)
  const root = signed.size === head.size ? head.root : treeRoot(signed.size, ledger.nodes(head.size))
  if (!equalBytes(root, signed.root))
    throw refuse(`root ${hex(root)} at size ${signed.size}, signed was ${base64url(signed.root)}`)
}
