/**
 * Seal: the entry that ends every published tree and commits to all trails (formats.md §6).
 *
 *   payload = {"type": "ledger.seal", "v": 1, "height": n, "size": S−1, "prev": 32 bytes, "time": ms, "trails": n, "map": 32 bytes}
 *
 * The last leaf of a tree of size S is the seal; `map` covers exactly the entries [0, S−1). Seals form a chain through `prev`.
 */
import { type Bytes, equalBytes } from './bytes.ts'
import type { CborValue } from './cbor.ts'
import { LianzhengError } from './errors.ts'
import type { Signer } from './keys.ts'
import { SEAL_CONTENT, type Statement, signStatement } from './statement.ts'

export const SEAL_TYPE = 'ledger.seal'
const NO_SEAL = new Uint8Array(32)

export interface Seal {
  height: number
  /** Its own index: it covers [0, size). */
  size: number
  /** Leaf hash of the seal before; 32 zero bytes for the first. */
  prev: Bytes
  /** Milliseconds since 1970, strictly increasing from seal to seal. */
  time: number
  /** Number of trails in the map. */
  trails: number
  map: Bytes
}

export interface SealBefore {
  leaf: Bytes
  height: number
  time: number
}

/** What the next seal says, given the one before and the time now. */
export function nextSeal(before: SealBefore | undefined, size: number, now: number, trails: number, map: Bytes): Seal {
  return {
    height: before === undefined ? 0 : before.height + 1,
    size,
    prev: before?.leaf ?? NO_SEAL,
    time: before === undefined ? now : Math.max(now, before.time + 1),
    trails,
    map
  }
}

export function signSeal(seal: Seal, origin: string, operator: string, signer: Signer): Bytes {
  return signStatement(
    {
      contentType: SEAL_CONTENT,
      iss: operator,
      sub: `ledger:${origin}`,
      aud: origin,
      iat: Math.floor(seal.time / 1000),
      cti: seal.prev.subarray(0, 16),
      body: { type: SEAL_TYPE, v: 1, ...seal }
    },
    signer
  )
}

const MEMBERS = ['type', 'v', 'height', 'size', 'prev', 'time', 'trails', 'map']

function count(value: CborValue | undefined): value is number {
  return typeof value === 'number' && value >= 0
}
function hash(value: CborValue | undefined): value is Bytes {
  return value instanceof Uint8Array && value.length === 32
}

/** The seal a statement holds; throws `STATEMENT_FORM` naming the member that is not as formats.md §6 requires. Signature and operator are checked elsewhere. */
export function decodeSeal(statement: Statement): Seal {
  const refuse = (field: string, expected: string): LianzhengError =>
    new LianzhengError('STATEMENT_FORM', { field: `seal.${field}`, expected })
  if (statement.kind !== 'seal') throw refuse('contentType', SEAL_CONTENT)
  const body = statement.body
  if (body.size !== MEMBERS.length || !MEMBERS.every((name) => body.has(name)))
    throw refuse('payload', `exactly ${MEMBERS.join(', ')}`)
  if (body.get('type') !== SEAL_TYPE || body.get('v') !== 1) throw refuse('type', `${SEAL_TYPE} v1`)
  const [height, size, prev, time, trails, map] = ['height', 'size', 'prev', 'time', 'trails', 'map'].map((name) =>
    body.get(name)
  )
  if (!count(height)) throw refuse('height', 'a number from 0')
  if (!count(size)) throw refuse('size', 'the index of the seal')
  if (!hash(prev)) throw refuse('prev', '32 bytes')
  if (!count(time)) throw refuse('time', 'milliseconds since 1970')
  if (!count(trails)) throw refuse('trails', 'a number from 0')
  if (!hash(map)) throw refuse('map', '32 bytes')
  if ((height === 0) !== equalBytes(prev, NO_SEAL)) throw refuse('prev', 'zeros in the first seal and there alone')
  if (statement.sub !== `ledger:${statement.aud}`) throw refuse('sub', `ledger:${statement.aud}`)
  if (statement.iat !== Math.floor(time / 1000)) throw refuse('iat', 'the time in seconds')
  if (!equalBytes(statement.cti, prev.subarray(0, 16))) throw refuse('cti', 'the first 16 bytes of prev')
  return { height, size, prev, time, trails, map }
}
