/** The audit of a log over its C2SP surfaces: checkpoint, entry bundles and tiles as the node serves them, re-derived from the entries. */
import { type Bytes, equalBytes, fromUtf8, hex } from '../core/bytes.ts'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.ts'
import { LianzhengError } from '../core/errors.ts'
import { parseNote } from '../core/note.ts'
import { CLASSES, type Policy } from '../core/policy.ts'
import { evaluatePolicy } from '../core/quorum.ts'
import { decodeBundle, tilePath, tilesOf } from '../core/tile.ts'
import type { AuditProgress, AuditReport } from './audit.ts'
import type { Verifier } from './pool.ts'
import { type Finding, findingOf, Replay } from './replay.ts'
import { Scratch } from './scratch.ts'

export interface RemoteAuditOptions {
  origin: string
  /** Checks one Ed25519 signature, best off the calling thread: up to 4,096 are asked for at a time. */
  verifier: Verifier
  policy: Policy
  /** Gets a resource under the log's prefix, e.g. `checkpoint`; up to four at a time. */
  get(path: string): Promise<Bytes>
  /** A directory for what is derived, as for `auditStore`: entries that an earlier run has derived are not fetched again. */
  work?: string
  onProgress?: AuditProgress
}

const BUNDLE = 256
/** Resources asked for at a time, so that neither side waits for the other. */
const AHEAD = 4

/**
 * Everything that does not hold is a finding. Disclosures and the node's own indexes are not served and not seen. Throws what `get` throws, what cannot be
 * read as a checkpoint or bundle, and as `auditStore` for `work`.
 */
export async function auditRemote(options: RemoteAuditOptions): Promise<AuditReport> {
  const { origin, policy, work, get } = options
  const findings: Finding[] = []
  const find = (what: string, error: LianzhengError) => findings.push(findingOf(what, error))
  const note = parseNote(fromUtf8(await get('checkpoint')))
  const checkpoint = parseCheckpoint(note.text)
  if (checkpoint.origin !== origin) find('checkpoint', new LianzhengError('WRONG_LOG', { expected: origin }))
  const result = evaluatePolicy(policy, note, checkpoint)
  if (result.log !== 'verified')
    find('checkpoint', new LianzhengError('SIGNATURE_INVALID', { expected: 'a signature by a log key of the policy' }))

  const classes = policy.rests.get(origin)?.classes ?? CLASSES
  const scratch = work === undefined ? new Scratch() : await Scratch.open({ origin, classes }, work)
  try {
    const bundle = bundlesOf(checkpoint, get)
    const replay = new Replay({
      origin,
      classes,
      verifier: options.verifier,
      onFinding: (finding) => findings.push(finding),
      entry: async (index) => (index < checkpoint.size ? (await bundle(Math.floor(index / BUNDLE)))[index % BUNDLE] : undefined),
      scratch
    })
    await replay.checkResumed()
    const resumed = replay.size
    try {
      await replayBundles(replay, checkpoint, bundle, options.onProgress)
    } catch (error) {
      await replay.keep().catch(() => {}) // What stopped the audit is what is told.
      throw error
    }
    await replay.finish()
    if (!equalBytes(replay.head.root, checkpoint.root) || replay.head.size !== checkpoint.size)
      find(
        'checkpoint',
        new LianzhengError('STORE_DISAGREES', { expected: `root ${hex(replay.head.root)} at size ${replay.head.size}` })
      )
    await compareTiles(replay, checkpoint, options, find)
    return {
      origin,
      size: replay.size,
      records: replay.records,
      seals: replay.size - replay.records,
      trails: replay.head.seal?.trails ?? 0,
      disclosures: undefined,
      unopened: 0,
      resumed,
      findings
    }
  } finally {
    await scratch.close()
  }
}

function bundlesOf({ size }: Checkpoint, get: RemoteAuditOptions['get']): (index: number) => Promise<Bytes[]> {
  return async (index) => {
    const width = Math.min(BUNDLE, size - index * BUNDLE)
    return decodeBundle(await get(tilePath({ kind: 'entries', index, width })), width)
  }
}

async function replayBundles(
  replay: Replay,
  { size }: Checkpoint,
  bundle: (index: number) => Promise<Bytes[]>,
  onProgress: AuditProgress | undefined
): Promise<void> {
  for await (const [index, entries] of inOrder(bundles(replay.size, size), bundle)) {
    for (const entry of entries.slice(replay.size - index * BUNDLE)) await replay.add(entry)
    onProgress?.(replay.size, size, 'entries')
  }
}

/** One by one: the size is what somebody says. */
function* bundles(from: number, size: number): Iterable<number> {
  for (let index = Math.floor(from / BUNDLE); index * BUNDLE < size; index++) yield index
}

async function compareTiles(
  replay: Replay,
  { size }: Checkpoint,
  { get, onProgress }: RemoteAuditOptions,
  find: (what: string, error: LianzhengError) => void
): Promise<void> {
  const tiles = tilesOf(size)
  let done = 0
  for await (const [tile, bytes] of inOrder(tiles, (one) => get(tilePath({ kind: 'hash', ...one })))) {
    const expected = replay.ledger.tile(tile.level, tile.index)
    if (expected === undefined || !equalBytes(bytes, expected))
      find(
        tilePath({ kind: 'hash', ...tile }),
        new LianzhengError('STORE_DISAGREES', { expected: 'the hashes that the entries give' })
      )
    onProgress?.(++done, tiles.length, 'keys')
  }
}

/** What `get` gives for each item, in their order; the next few are asked for while one is worked on. */
async function* inOrder<Item, Value>(items: Iterable<Item>, get: (item: Item) => Promise<Value>): AsyncIterable<[Item, Value]> {
  const asked: [Item, Promise<Value>][] = []
  for (const item of items) {
    const value = get(item)
    value.catch(() => {}) // It is thrown when its turn comes.
    asked.push([item, value])
    if (asked.length < AHEAD) continue
    const [first, given] = asked.shift()!
    yield [first, await given]
  }
  for (const [item, value] of asked) yield [item, await value]
}
