/** A node's witness and mirror: their keys, their stores, the mark beside the seed, and what is kept of a log that lies. */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Bytes, base64url } from '../core/bytes.ts'
import { readCheckpoint } from '../core/checkpoint.ts'
import type { LianzhengError } from '../core/errors.ts'
import { parseNote } from '../core/note.ts'
import { Copy } from '../peer/copy.ts'
import { Heads, type Mark } from '../peer/heads.ts'
import { Mirror } from '../peer/mirror.ts'
import { originHash, Witness } from '../peer/witness.ts'
import { openLevel } from '../store/level.ts'
import type { Store } from '../store/store.ts'
import type { NodeConfig } from './config.ts'
import { keysOfCosigner } from './keys.ts'
import { nativeVerifier } from './native.ts'

export interface Cosigners {
  witness: Witness
  mirror: Mirror
  close(): Promise<void>
}

// Beside the node's own logs, whose names begin with a letter or a digit.
const HEADS = '.cosigner'
const COPIES = '.mirror'
const EVIDENCE = '.evidence'

/** Undefined where the node watches nothing. `onAlarm`: a log lies; what shows it is kept. Throws as `openLevel`, `Heads.open` and `Copy.open` do. */
export async function openCosigners(
  config: NodeConfig,
  seed: Bytes,
  clock: () => number,
  onAlarm: (error: unknown) => void
): Promise<Cosigners | undefined> {
  if (config.watch.length === 0) return undefined
  const open: Store[] = []
  const openAt = async (...path: string[]): Promise<Store> => {
    const directory = join(config.dataDir, ...path)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const store = await openLevel(directory)
    open.push(store)
    return store
  }
  const evidence = join(config.dataDir, EVIDENCE)
  const random = (length: number) => new Uint8Array(randomBytes(length))
  const onContradiction = (origin: string, a: string, b: string) => keepContradiction(evidence, origin, a, b)
  try {
    const heads = await Heads.open(await openAt(HEADS), config.name, markBeside(config.seedFile))
    const copies: Copy[] = []
    for (const log of config.watch.filter(({ role }) => role === 'mirror'))
      copies.push(await Copy.open({ log, store: await openAt(COPIES, fileName(log.origin)), verifier: nativeVerifier, clock }))
    const witness = new Witness({
      keys: keysOfCosigner(seed, config.name, 'witness'),
      logs: config.watch.filter(({ role }) => role === 'witness'),
      heads,
      clock,
      random,
      onContradiction
    })
    const mirror = new Mirror({
      keys: keysOfCosigner(seed, config.name, 'mirror'),
      copies,
      heads,
      clock,
      random,
      onContradiction,
      onDisagreement: (origin, checkpoint, error) => {
        keepDisagreement(evidence, copies.find(({ log }) => log.origin === origin)!, checkpoint, error)
        onAlarm(error)
      }
    })
    return {
      witness,
      mirror,
      close: async () => {
        for (const copy of copies) await copy.idle()
        for (const store of open) await store.close()
      }
    }
  } catch (error) {
    for (const store of open) await store.close()
    throw error
  }
}

/** `<seed>.initialised`: a new seed has no mark, so a node that lost its store can begin again under new keys. */
function markBeside(seedFile: string): Mark {
  const file = `${seedFile}.initialised`
  return {
    exists: () => existsSync(file),
    make: () => {
      writeSynced(file, 'The store of this node’s witness and mirror was begun. If it is lost, these keys must cosign no more.\n')
      const folder = openSync(dirname(file), 'r')
      fsyncSync(folder)
      closeSync(folder)
    }
  }
}

function writeSynced(file: string, text: string): void {
  const handle = openSync(file, 'w', 0o600)
  writeSync(handle, text)
  fsyncSync(handle)
  closeSync(handle)
}

/** A path of its own for each origin of ours; what other origins may hold is written in hex, and the longest by their hash. */
function fileName(origin: string): string {
  const name = origin.replace(/[^a-z0-9.-]/g, (character) =>
    character === '/' ? '+' : `%${Buffer.from(character).toString('hex')}`
  )
  return name.length > 200 ? originHash(origin) : name
}

/** Both heads as a contradiction (formats.md §13), which anyone can verify; once for each size. */
function keepContradiction(directory: string, origin: string, a: string, b: string): void {
  const { size } = readCheckpoint(parseNote(b).text)
  const content = { format: 'lianzheng-contradiction/v1', kind: 'same-size', origin, a: { checkpoint: a }, b: { checkpoint: b } }
  keep(directory, `${fileName(origin).slice(0, 150)}-${size}.contradiction.json`, content)
}

/** What the log has signed, the entry on which the two part, and what the mirror had derived up to there. All entries stay in the copy. */
function keepDisagreement(directory: string, copy: Copy, checkpoint: string, error: LianzhengError): void {
  const { head, ledger, log } = copy
  const index = Number(error.detail.at)
  const entry = ledger.entry(index)
  const content = {
    format: 'lianzheng-disagreement/v1',
    origin: log.origin,
    log: { checkpoint, index, ...(entry === undefined ? {} : { statement: base64url(entry) }) },
    mirror: {
      ...error.problem(),
      derived: { size: head.size, root: base64url(head.root) },
      ...(copy.note === undefined ? {} : { checkpoint: copy.note })
    }
  }
  keep(directory, `${fileName(log.origin).slice(0, 150)}-${index}.disagreement.json`, content)
}

function keep(directory: string, name: string, content: object): void {
  const file = join(directory, name)
  if (existsSync(file)) return
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
}
