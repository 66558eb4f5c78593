/**
 * What a log hands out about a submission, signed by its `promise` key (formats.md §12): a promise that a durable statement will be under a
 * published head, or a refusal. Neither is a log entry; the submitter keeps them.
 *
 *   promise    18([ protected, {}, payload, signature ])     protected as a statement's, without `trails`
 *   payload    {"leaf": leaf hash, "time": ms, "by": ms}                                   application/vnd.lianzheng.promise+cbor
 *   refusal    the same envelope, with the payload
 *              {"digest": 32 bytes, "code": text, "time": ms, "catalogue": n}              application/vnd.lianzheng.refusal+cbor
 *
 * `digest` is the SHA-256 of the statement's bytes, or of the request's body where that holds no statement that can be decoded.
 */
import type { Bytes } from './bytes.ts'
import type { CborValue, Encodable } from './cbor.ts'
import { LianzhengError } from './errors.ts'
import { HASH_SIZE } from './hash.ts'
import type { Signer } from './keys.ts'
import { decodeSigned, type Signed, signStatement } from './statement.ts'

export const PROMISE_CONTENT = 'application/vnd.lianzheng.promise+cbor'
export const REFUSAL_CONTENT = 'application/vnd.lianzheng.refusal+cbor'

/** Times in milliseconds since 1970. */
export interface Promised {
  leaf: Bytes
  time: number
  /** The statement is under a published head by then. */
  by: number
}

export interface Refused {
  digest: Bytes
  /** Of `errors`, or of a later version of it. */
  code: string
  time: number
  /** Version of the catalogue it was judged by. */
  catalogue: number
}

export type Handout = Signed & ({ kind: 'promise'; promise: Promised } | { kind: 'refusal'; refusal: Refused })

/** Who signs, for which log. */
export interface Signatory {
  origin: string
  operator: string
  signer: Signer
  /** 16 random bytes. */
  cti: Bytes
}

export function signPromise(promise: Promised, by: Signatory): Bytes {
  return sign(PROMISE_CONTENT, promise.time, { ...promise }, by)
}

export function signRefusal(refusal: Refused, by: Signatory): Bytes {
  return sign(REFUSAL_CONTENT, refusal.time, { ...refusal }, by)
}

function sign(contentType: string, time: number, body: Encodable, { origin, operator, signer, cti }: Signatory): Bytes {
  const claims = { iss: operator, sub: `ledger:${origin}`, aud: origin, iat: Math.floor(time / 1000), cti }
  return signStatement({ ...claims, contentType, body }, signer)
}

/** Throws `PROMISE_INVALID` naming what is not as formats.md §12 requires, and what `decodeStatement` throws. No signature is checked. */
export function decodeHandout(bytes: Bytes): Handout {
  const { content, trails: _, ...signed } = decodeSigned(bytes, [PROMISE_CONTENT, REFUSAL_CONTENT])
  const members = content === PROMISE_CONTENT ? ['leaf', 'time', 'by'] : ['digest', 'code', 'time', 'catalogue']
  const { body } = signed
  if (body.size !== members.length || !members.every((name) => body.has(name)))
    throw refuse('payload', `exactly ${members.join(', ')}`)
  const time = count(body.get('time'), 'time')
  if (signed.sub !== `ledger:${signed.aud}`) throw refuse('sub', `ledger:${signed.aud}`)
  if (signed.iat !== Math.floor(time / 1000)) throw refuse('iat', 'the time in seconds')
  if (content === PROMISE_CONTENT) {
    const promise = { leaf: hash(body.get('leaf'), 'leaf'), time, by: count(body.get('by'), 'by') }
    if (promise.by < time) throw refuse('by', 'no time before `time`')
    return { ...signed, kind: 'promise', promise }
  }
  const code = body.get('code')
  if (typeof code !== 'string' || !/^[A-Z][A-Z0-9_]{0,63}$/.test(code)) throw refuse('code', 'a code')
  const catalogue = count(body.get('catalogue'), 'catalogue')
  return { ...signed, kind: 'refusal', refusal: { digest: hash(body.get('digest'), 'digest'), code, time, catalogue } }
}

function count(value: CborValue | undefined, field: string): number {
  if (typeof value !== 'number' || value < 0) throw refuse(field, 'a number from 0')
  return value
}

function hash(value: CborValue | undefined, field: string): Bytes {
  if (!(value instanceof Uint8Array) || value.length !== HASH_SIZE) throw refuse(field, `${HASH_SIZE} bytes`)
  return value
}

function refuse(field: string, expected: string): LianzhengError {
  return new LianzhengError('PROMISE_INVALID', { field, expected })
}
