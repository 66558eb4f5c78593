/**
 * A person's or system's key file (formats.md §2): a JWK (OKP, Ed25519, with `kid`); with a passphrase, a compact JWE around it
 * (PBES2-HS512+A256KW, A256GCM).
 */
import { CompactEncrypt, compactDecrypt } from 'jose'
import { type Bytes, base64url, fromBase64url, utf8 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { ed25519Signer, keyId, type Signer } from '../core/keys.ts'

export interface Key {
  kid: string
  publicKey: Bytes
  /** Absent in a public key file. */
  secret?: { seed: Bytes; signer: Signer }
}

const ALGORITHM = { alg: 'PBES2-HS512+A256KW', enc: 'A256GCM' } as const
const ITERATIONS = 600_000

/** The text of a key file for a 32-byte seed. */
export async function formatKey(seed: Bytes, passphrase?: string): Promise<string> {
  const { publicKey } = ed25519Signer(seed)
  const jwk = JSON.stringify(
    { kty: 'OKP', crv: 'Ed25519', kid: base64url(keyId(publicKey)), x: base64url(publicKey), d: base64url(seed) },
    null,
    1
  )
  if (passphrase === undefined) return `${jwk}\n`
  return `${await new CompactEncrypt(utf8(jwk)).setProtectedHeader(ALGORITHM).setKeyManagementParameters({ p2c: ITERATIONS }).encrypt(utf8(passphrase))}\n`
}

/** Throws `KEY_FILE_INVALID` or, where a passphrase is needed or wrong, `KEY_PASSPHRASE`. */
export async function parseKey(text: string, passphrase?: () => Promise<string | undefined>): Promise<Key> {
  const trimmed = text.trim()
  if (trimmed.startsWith('{')) return fromJwk(trimmed)
  if (!/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}$/.test(trimmed))
    throw new LianzhengError('KEY_FILE_INVALID', { expected: 'a JWK or a compact JWE' })
  const given = await passphrase?.()
  if (given === undefined) throw new LianzhengError('KEY_PASSPHRASE')
  try {
    const { plaintext } = await compactDecrypt(trimmed, utf8(given), {
      keyManagementAlgorithms: [ALGORITHM.alg],
      contentEncryptionAlgorithms: [ALGORITHM.enc],
      maxPBES2Count: 10_000_000
    })
    return fromJwk(new TextDecoder().decode(plaintext))
  } catch (cause) {
    if (cause instanceof LianzhengError) throw cause
    throw new LianzhengError('KEY_PASSPHRASE')
  }
}

function fromJwk(text: string): Key {
  const refuse = (field: string, expected: string) => new LianzhengError('KEY_FILE_INVALID', { field, expected })
  let jwk: Record<string, unknown>
  try {
    jwk = JSON.parse(text) as Record<string, unknown>
  } catch {
    throw refuse('', 'JSON') // The cause would quote the text, and the text holds the secret.
  }
  if (jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') throw refuse('kty', 'OKP with crv Ed25519')
  const publicKey = member(jwk, 'x')
  if (publicKey === undefined) throw refuse('x', '32 bytes in base64url')
  const kid = base64url(keyId(publicKey))
  if (jwk.kid !== kid) throw refuse('kid', kid)
  if (jwk.d === undefined) return { kid, publicKey }
  const seed = member(jwk, 'd')
  const signer = seed === undefined ? undefined : ed25519Signer(seed)
  if (seed === undefined || signer === undefined || base64url(signer.publicKey) !== jwk.x)
    throw refuse('d', 'the secret of the public key in x')
  return { kid, publicKey, secret: { seed, signer } }
}

function member(jwk: Record<string, unknown>, name: string): Bytes | undefined {
  const text = jwk[name]
  if (typeof text !== 'string') return undefined
  try {
    return fromBase64url(text, 32)
  } catch {
    return undefined
  }
}
