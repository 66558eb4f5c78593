/**
 * Where everything stands in the store of a node's cosigners, apart from every log: what they have signed for others must outlive what they sign for.
 * Written by version 1; a change is a new class or a new version.
 *
 *   m format                            what wrote it and for which node
 *   w SHA-256(origin)                   witness: the last note cosigned, with the log's signatures and the witness's
 *   p SHA-256(origin)                   mirror: the pending note, with the log's signatures
 */
import { type Bytes, concat, utf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'

export const COSIGNER_VERSION = 1

export const COSIGNER_FORMAT_KEY = concat(utf8('m'), utf8('format'))

export const witnessedKey = (origin: string): Bytes => concat(utf8('w'), sha256(utf8(origin)))
export const pendingKey = (origin: string): Bytes => concat(utf8('p'), sha256(utf8(origin)))
