/** A node's witness and mirror: their keys, their store, the mark beside the seed, and what is kept of a log that contradicts itself. */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Bytes } from '../core/bytes.ts'
import { hex, utf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import { Heads, type Mark } from '../peer/heads.ts'
import { Witness } from '../peer/witness.ts'
import { openLevel } from '../store/level.ts'
import type { NodeConfig } from './config.ts'
import { keysOfCosigner } from './keys.ts'

export interface Cosigners {
  witness: Witness
  close(): Promise<void>
}

export const COSIGNER_DIRECTORY = '.cosigner'

/** Undefined where the node watches nothing. Throws as `openLevel` and `Heads.open` do. */
export async function openCosigners(config: NodeConfig, seed: Bytes, clock: () => number): Promise<Cosigners | undefined> {
  if (config.watch.length === 0) return undefined
  const directory = join(config.dataDir, COSIGNER_DIRECTORY)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const store = await openLevel(directory)
  try {
    const heads = await Heads.open(store, config.name, markBeside(config.seedFile))
    const witness = new Witness({
      keys: keysOfCosigner(seed, config.name, 'witness'),
      logs: config.watch.filter(({ role }) => role === 'witness'),
      heads,
      clock,
      random: (length) => new Uint8Array(randomBytes(length)),
      onContradiction: (origin, a, b) => keepContradiction(join(config.dataDir, '.evidence'), origin, a, b)
    })
    return { witness, close: () => store.close() }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** `<seed>.initialised`: a new seed has no mark, so a node that lost its store can begin again under new keys. */
function markBeside(seedFile: string): Mark {
  const file = `${seedFile}.initialised`
  return {
    exists: () => existsSync(file),
    make: () => {
      const handle = openSync(file, 'w', 0o600)
      writeSync(handle, 'The store of this node’s witness and mirror was begun. If it is lost, these keys must cosign no more.\n')
      fsyncSync(handle)
      closeSync(handle)
      const folder = openSync(dirname(file), 'r')
      fsyncSync(folder)
      closeSync(folder)
    }
  }
}

/** Both heads as a contradiction (formats.md §13), which anyone can verify; the same one again is one file. */
function keepContradiction(directory: string, origin: string, a: string, b: string): void {
  const content = { format: 'lianzheng-contradiction/v1', kind: 'same-size', origin, a: { checkpoint: a }, b: { checkpoint: b } }
  const text = `${JSON.stringify(content, null, 2)}\n`
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const name = `${origin.replace(/[^a-z0-9.-]/g, '_').slice(0, 100)}-${hex(sha256(utf8(text))).slice(0, 16)}.contradiction.json`
  writeFileSync(join(directory, name), text, { mode: 0o600 })
}
