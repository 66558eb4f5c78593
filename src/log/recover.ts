/**
 * Start-up. A store is taken up only where it agrees with itself and with the head this log signed; nothing is repaired in silence. The work
 * does not grow with the log: the head, its seal, the right edge of the tree, the top page of the map, the registry without its keys.
 */
import { type Bytes, equalBytes, hex } from '../core/bytes.ts'
import { parseCheckpoint } from '../core/checkpoint.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { EMPTY_HASH, HASH_SIZE, leafHash } from '../core/hash.ts'
import { loadPage } from '../core/map-page.ts'
import { treeRoot } from '../core/merkle.ts'
import { parseNote } from '../core/note.ts'
import { decodeSeal } from '../core/seal.ts'
import { decodeStatement, verifyStatement } from '../core/statement.ts'
import { classRange } from '../store/layout.ts'
import type { Store } from '../store/store.ts'
import { requireCatalogue } from '../verify/catalogue.ts'
import type { Head } from '../verify/fold.ts'
import { checkSignedHead, keysAt, type LogKeys, signHead } from './head.ts'
import { Ledger } from './ledger.ts'

export interface Recovered {
  ledger: Ledger
  head: Head
  /** The published checkpoint; undefined in a new log, and before the first that had the cosignatures it needs. */
  published: { note: string; size: number } | undefined
  /** Pages superseded by seals, by height: to be deleted once a later head is published. */
  garbage: { height: number; hashes: Bytes[] }[]
}

/**
 * `remembered`: a head this log signed, kept outside the store. `cosigned`: heads of this log are published with cosignatures, so that the last one
 * that had them stands though it lies behind the head; otherwise the head itself is signed and published. Throws FatalError: `STORE_FOREIGN`, `STORE_VERSION`, `STORE_DISAGREES` or
 * `STORE_CORRUPT`.
 */
export async function recover(store: Store, keys: LogKeys, remembered?: string, { cosigned = false } = {}): Promise<Recovered> {
  try {
    return await open(new Ledger(store, keys.disclosures), keys, remembered, cosigned)
  } catch (error) {
    if (error instanceof FatalError) throw error
    if (error instanceof LianzhengError) throw new FatalError(error.code, { ...error.detail, cause: error })
    // Damaged values may decode to something of another shape, on which the checks stumble.
    throw new FatalError('STORE_CORRUPT', { cause: error })
  }
}

async function open(ledger: Ledger, keys: LogKeys, remembered: string | undefined, cosigned: boolean): Promise<Recovered> {
  const format = ledger.format()
  if (format === undefined) {
    for await (const _ of ledger.store.range({ gte: new Uint8Array(0), lt: Uint8Array.of(255), limit: 1 }))
      throw new FatalError('STORE_CORRUPT', { field: 'm format' })
    if (remembered !== undefined)
      throw new FatalError('STORE_DISAGREES', {
        field: 'm head',
        expected: 'the head that this log has signed; the store is empty'
      })
    return { ledger, head: ledger.readHead(), published: undefined, garbage: [] }
  }
  if (format.origin !== keys.origin) throw new FatalError('STORE_FOREIGN', { expected: keys.origin })
  const head = ledger.readHead()
  checkHead(ledger, head, keys)
  if (remembered !== undefined) checkSignedHead(remembered, head, keys, ledger)

  // The note is written after the batch it speaks of, without a sync of its own: after a crash it may lag, and is made again from the head.
  const stored = ledger.note()
  if (stored !== undefined) checkSignedHead(stored, head, keys, ledger)
  const inForce = keysAt(keys, ledger.meta, head.size)
  const kept = stored === undefined ? undefined : { note: stored, size: parseCheckpoint(parseNote(stored).text).size }
  const stands = cosigned || kept?.size === head.size
  const published = stands ? kept : { note: signHead(head, inForce), size: head.size }
  return { ledger, head, published, garbage: await readGarbage(ledger.store) }
}

/** The head against its own last entry, the right edge of the tree and the map. */
function checkHead(ledger: Ledger, head: Head, keys: LogKeys): void {
  const refuse = (field: string, expected: string) => new FatalError('STORE_DISAGREES', { field, expected })
  const { seal } = head
  if (seal === undefined || head.size < 1) throw refuse('m head', 'a head that ends in a seal')
  const bytes = ledger.requireEntry(head.size - 1)
  if (!equalBytes(leafHash(bytes), seal.leaf)) throw refuse(`e ${head.size - 1}`, `the seal with leaf hash ${hex(seal.leaf)}`)
  const statement = decodeStatement(bytes)
  const last = decodeSeal(statement)
  if (
    last.size !== head.size - 1 ||
    last.height !== seal.height ||
    last.time !== seal.time ||
    last.trails !== seal.trails ||
    !equalBytes(last.map, seal.map)
  )
    throw refuse('m head', 'what the last seal says')
  const meta = ledger.meta
  if (meta === undefined) throw refuse('r', 'a registry')
  requireCatalogue(meta.catalogue)
  const key = keysAt(keys, meta, head.size - 1).statement.publicKey
  if (!verifyStatement(statement, key)) throw refuse(`e ${head.size - 1}`, 'a seal whose signature verifies')
  if (!equalBytes(treeRoot(head.size, ledger.nodes(head.size)), head.root))
    throw refuse('h', `tiles with the root ${hex(head.root)}`)
  if (ledger.entry(head.size) !== undefined) throw refuse('e', `no entry beyond ${head.size - 1}`)
  if (!equalBytes(seal.map, EMPTY_HASH)) loadPage(seal.map, ledger.pages)
}

async function readGarbage(store: Store): Promise<Recovered['garbage']> {
  const garbage: Recovered['garbage'] = []
  for await (const [key, value] of store.range(classRange('g'))) {
    const height = new DataView(key.buffer, key.byteOffset + 1, 8).getBigUint64(0)
    const hashes: Bytes[] = []
    for (let at = 0; at < value.length; at += HASH_SIZE) hashes.push(value.subarray(at, at + HASH_SIZE))
    garbage.push({ height: Number(height), hashes })
  }
  return garbage
}
