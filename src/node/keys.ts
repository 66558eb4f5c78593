/** A node's keys out of its one secret seed (formats.md §2). */
import { hkdfSync } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { type Bytes, fromHex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { keyInfo } from '../core/hash.ts'
import { ed25519Signer, type Signer } from '../core/keys.ts'
import { type LogKeys, logKeys } from '../log/head.ts'
import { type CosignerKeys, cosignerKeys, type Role } from '../peer/cosigner.ts'
import { type DisclosureCipher, disclosureCipher } from '../store/disclosures.ts'

export const SEED_SIZE = 32

/** Reads a seed file: 64 hex digits and a line feed, readable by its owner alone. Throws `CONFIG_UNREADABLE` or `CONFIG_INVALID`; never shows the content. */
export function readSeed(file: string): Bytes {
  let text: string
  let mode: number
  try {
    mode = statSync(file).mode
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new LianzhengError('CONFIG_UNREADABLE', { at: file, cause })
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new LianzhengError('CONFIG_INVALID', { at: file, field: 'seedFile', expected: 'mode 0600' })
  if (!/^[0-9a-f]{64}\n?$/.test(text))
    throw new LianzhengError('CONFIG_INVALID', { at: file, field: 'seedFile', expected: '64 lower-case hex digits' })
  return fromHex(text.trim(), SEED_SIZE)
}

/** The secret of a purpose: HKDF-SHA256(seed, salt = "", info, 32 bytes). */
export function deriveSecret(seed: Bytes, purpose: string, name: string, generation = 1): Bytes {
  return new Uint8Array(hkdfSync('sha256', seed, new Uint8Array(0), keyInfo(purpose, name, generation), 32))
}

/** What alone opens a log's disclosures at rest. */
export function disclosureCipherOf(seed: Bytes, origin: string): DisclosureCipher {
  return disclosureCipher(deriveSecret(seed, 'disclosures', origin))
}

/** Signs the node's own records of restricted reads: a `system` of the operator, registered in the log they go to. Purpose `reads`, name = node name. */
export function readsSigner(seed: Bytes, nodeName: string): Signer {
  return ed25519Signer(deriveSecret(seed, 'reads', nodeName))
}

/** All keys of one log. Those of later generations, which come with `registry.node`, are derived when they are asked for. */
export function keysOfLog(seed: Bytes, origin: string): LogKeys {
  return logKeys(origin, (purpose, generation) => deriveSecret(seed, purpose, origin, generation))
}

/** The keys under which a node cosigns logs of others. */
export function keysOfCosigner(seed: Bytes, node: string, role: Role): CosignerKeys {
  return cosignerKeys(node, role, (purpose) => deriveSecret(seed, purpose, node))
}
