/** The audit of a log over its C2SP surfaces: checkpoint, entry bundles and tiles as the node serves them, re-derived from the entries. */
import { type Bytes, equalBytes, fromUtf8, hex } from '../core/bytes.ts'
import { parseCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { parseNote } from '../core/note.ts'
import { CLASSES, type Policy } from '../core/policy.ts'
import { evaluatePolicy } from '../core/quorum.ts'
import { decodeBundle, tilePath, tilesOf } from '../core/tile.ts'
import type { AuditReport } from './audit.ts'
import type { Verifier } from './pool.ts'
import { type Finding, Replay } from './replay.ts'

export interface RemoteAuditOptions {
  origin: string
  verifier: Verifier
  policy: Policy
  /** Gets a resource under the log's prefix, e.g. `checkpoint`. */
  get(path: string): Promise<Bytes>
  onProgress?(done: number, of: number): void
}

const BUNDLE = 256

/** Throws what `get` throws; everything that does not hold is a finding. Disclosures and the node's own indexes are not served and not seen. */
export async function auditRemote({ origin, verifier, policy, get, onProgress }: RemoteAuditOptions): Promise<AuditReport> {
  const findings: Finding[] = []
  const find = (what: string, error: LianzhengError) =>
    findings.push({ what, code: error.code, zh: error.text('zh'), en: error.text('en') })
  const note = parseNote(fromUtf8(await get('checkpoint')))
  const checkpoint = parseCheckpoint(note.text)
  if (checkpoint.origin !== origin) find('checkpoint', new LianzhengError('WRONG_LOG', { expected: origin }))
  const result = evaluatePolicy(policy, note, checkpoint)
  if (result.log !== 'verified')
    find('checkpoint', new LianzhengError('SIGNATURE_INVALID', { expected: 'a signature by a log key of the policy' }))

  const classes = policy.rests.get(origin)?.classes ?? CLASSES
  const bundle = async (index: number): Promise<Bytes[]> => {
    const width = Math.min(BUNDLE, checkpoint.size - index * BUNDLE)
    return decodeBundle(await get(tilePath({ kind: 'entries', index, width })), width)
  }
  const replay = new Replay({
    origin,
    classes,
    verifier,
    onFinding: (finding) => findings.push(finding),
    entry: async (index) => (await bundle(Math.floor(index / BUNDLE)))[index % BUNDLE]
  })
  for (let index = 0; index * BUNDLE < checkpoint.size; index++) {
    for (const entry of await bundle(index)) await replay.add(entry)
    onProgress?.(Math.min(checkpoint.size, (index + 1) * BUNDLE), checkpoint.size)
  }
  await replay.finish()

  if (!equalBytes(replay.head.root, checkpoint.root) || replay.head.size !== checkpoint.size)
    find(
      'checkpoint',
      new LianzhengError('STORE_DISAGREES', { expected: `root ${hex(replay.head.root)} at size ${replay.head.size}` })
    )
  for (const tile of tilesOf(checkpoint.size)) {
    const path = tilePath({ kind: 'hash', ...tile })
    const expected = replay.state.tile(tile.level, tile.index)
    if (expected === undefined || !equalBytes(await get(path), expected))
      find(path, new LianzhengError('STORE_DISAGREES', { expected: 'the hashes that the entries give' }))
  }
  const trails = [...replay.state.allTrails()].length
  return {
    origin,
    size: replay.size,
    records: replay.records,
    seals: replay.size - replay.records,
    trails,
    disclosures: undefined,
    unopened: 0,
    findings
  }
}
