/** The statements signed beforehand that a new log begins with. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Bytes, equalBytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { formatVkey } from '../core/note.ts'
import { GENESIS } from '../core/registry.ts'
import type { LogKeys } from '../log/head.ts'
import type { Ledger } from '../log/ledger.ts'
import type { Sequencer } from '../log/sequencer.ts'
import { type ExaminedRecord, examine } from '../verify/admit.ts'

/**
 * Genesis first, sealed on its own, then the registrations signed beforehand, in the order of their names. What the log has already is passed over,
 * so a first start that was cut off is finished by the next; a log that has genesis needs the folder no longer.
 */
export async function takeGenesis(
  sequencer: Sequencer,
  ledger: Ledger,
  directory: string,
  { keys, waiting }: { keys: LogKeys; waiting: number }
): Promise<void> {
  const started = sequencer.head.size > 0
  let names: string[] = []
  try {
    names = readdirSync(directory)
      .filter((name) => name.endsWith('.cose'))
      .sort()
  } catch (cause) {
    if (!started) throw new LianzhengError('CONFIG_UNREADABLE', { at: directory, cause })
  }
  if (names.length === 0 && !started)
    throw new LianzhengError('CONFIG_UNREADABLE', { at: directory, expected: 'a genesis statement (*.cose)' })
  const missing: ExaminedRecord[] = []
  for (const name of names) {
    const examined = readGenesis(join(directory, name))
    if (ledger.indexOfLeaf(examined.statement.leaf) === undefined) missing.push(examined)
  }
  if (!started) {
    const genesis = missing.shift()!
    checkOwn(genesis, keys)
    await sequencer.submit(genesis, [])
  }
  // As many at a time as the log lets wait.
  for (let at = 0; at < missing.length; at += waiting)
    await Promise.all(missing.slice(at, at + waiting).map((examined) => sequencer.submit(examined, [])))
}

function readGenesis(file: string): ExaminedRecord {
  try {
    const examined = examine(new Uint8Array(readFileSync(file)))
    if (examined.kind === 'record') return examined
  } catch (error) {
    if (error instanceof LianzhengError) throw new LianzhengError(error.code, { ...error.detail, at: file, cause: error })
    throw error
  }
  throw new LianzhengError('CONFIG_INVALID', { at: file, expected: 'a record' })
}

/** A log whose genesis names other keys than this node has would seal what nobody can verify, and could not be opened again. */
function checkOwn({ type, body }: ExaminedRecord, keys: LogKeys): void {
  if (type.type !== GENESIS) return
  const named = body.keys as { log: string; statement: Bytes }
  if (named.log !== formatVkey(keys.log.vkey) || !equalBytes(named.statement, keys.statement.publicKey))
    throw new LianzhengError('STORE_FOREIGN', {
      field: 'seedFile',
      expected: `the seed that the genesis of ${keys.origin} was made with`
    })
}
