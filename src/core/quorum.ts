/**
 * What a checkpoint is worth under a policy (formats.md §5): who has signed, whether quorum and mirrors are reached, and the times that proves.
 */
import { type Checkpoint, formatCheckpoint } from './checkpoint.ts'
import { verifyCosignature } from './cosignature.ts'
import { LianzhengError } from './errors.ts'
import { nodeNameOf } from './keys.ts'
import { keyLabel, type Note, TYPE_ED25519, verifyNoteSignature } from './note.ts'
import type { Policy, Quorum, Rest } from './policy.ts'

/** A cosignature that counts: the witness by its name in the policy, and when it says it signed, in seconds. */
export interface CosignerStamp {
  name: string
  timestamp: number
}

export interface PolicyResult {
  /** `broken`: a line of a known key, log or witness, does not verify; then nothing of this note counts. */
  log: 'verified' | 'broken' | 'no-listed-key'
  /** The lines that broke the note, as `<key name>+<8 hex>`. */
  brokenLines: string[]
  /** Cosignatures that count, in the order of the note. */
  counted: { witness: string; keyName: string; timestamp: number }[]
  /** Lines of keys that the policy does not know. */
  ignored: number
  /** True under `quorum none` as well: look at `policy.quorum` before saying that anyone vouches. */
  quorum: boolean
  /** Whether enough mirrors have cosigned; undefined where the policy has no lianzheng line for this origin. */
  mirrors: boolean | undefined
  /** "Existed by", seconds; absent without a quorum of cosigners. */
  provenTime?: number
  /** "Complete as of", seconds; absent without mirrors. */
  freshness?: number
}

/** How far a cosignature may be ahead of the verifier's clock, in seconds (formats.md §5). */
const MAX_AHEAD = 300

/**
 * What a checkpoint is worth (formats.md §5). `checkpoint` is that of `note.text`, else `CHECKPOINT_INVALID`; `now` is the
 * verifier's clock in seconds, where it has one. Bad signatures are part of the answer, never thrown.
 */
export function evaluatePolicy(policy: Policy, note: Note, checkpoint: Checkpoint, options: { now?: number } = {}): PolicyResult {
  if (formatCheckpoint(checkpoint) !== note.text)
    throw new LianzhengError('CHECKPOINT_INVALID', { expected: 'the checkpoint of this note' })
  const lines = readLines(policy, note, checkpoint)
  const rest = policy.rests.get(checkpoint.origin)
  if (lines.broken.length > 0) {
    const mirrors = rest === undefined ? undefined : false
    return { log: 'broken', brokenLines: lines.broken, counted: [], ignored: lines.ignored, quorum: false, mirrors }
  }
  const operator = nodeNameOf(checkpoint.origin)
  const stamps = lines.stamps.filter(
    ({ name, timestamp }) =>
      cosignerNode(policy, name) !== operator &&
      timestamp !== 0 &&
      (options.now === undefined || timestamp <= options.now + MAX_AHEAD)
  )
  const names = new Set(stamps.map((stamp) => stamp.name))
  const existedBy = policy.quorum === 'none' ? undefined : provenTime(policy.quorum, stamps)
  const completeAsOf = rest === undefined ? undefined : freshness(rest, stamps)
  return {
    log: lines.logSigned ? 'verified' : 'no-listed-key',
    brokenLines: [],
    counted: stamps.map(({ name, timestamp }) => ({ witness: name, keyName: policy.witnesses.get(name)!.vkey.name, timestamp })),
    ignored: lines.ignored,
    quorum: policy.quorum === 'none' || holds(policy.quorum, names),
    mirrors: rest === undefined ? undefined : mirrorsHold(rest, names),
    ...(existedBy !== undefined && { provenTime: existedBy }),
    ...(completeAsOf !== undefined && { freshness: completeAsOf })
  }
}

interface Lines {
  logSigned: boolean
  broken: string[]
  stamps: CosignerStamp[]
  ignored: number
}

function readLines(policy: Policy, { text, signatures }: Note, checkpoint: Checkpoint): Lines {
  const logs = new Map(policy.logs.map(({ vkey }) => [keyLabel(vkey.name, vkey.id), vkey]))
  const witnesses = new Map(
    [...policy.witnesses.values()].map((witness) => [keyLabel(witness.vkey.name, witness.vkey.id), witness])
  )
  const lines: Lines = { logSigned: false, broken: [], stamps: [], ignored: 0 }
  const seen = new Set<string>()
  for (const signature of signatures) {
    const label = keyLabel(signature.name, signature.keyId)
    // parseNote refuses a second line of one key; a note that did not come from there must not count it twice either.
    if (seen.has(label)) continue
    seen.add(label)
    const log = logs.get(label)
    const witness = witnesses.get(label)
    const vkey = log ?? witness?.vkey
    if (vkey === undefined) {
      lines.ignored++
    } else if (vkey.type === TYPE_ED25519) {
      if (!verifyNoteSignature(text, signature, vkey)) lines.broken.push(label)
      else if (vkey.name === checkpoint.origin) lines.logSigned = true
    } else {
      const cosignature = verifyCosignature(text, checkpoint, signature, vkey)
      if (cosignature === undefined) lines.broken.push(label)
      else if (witness !== undefined) lines.stamps.push({ name: witness.name, timestamp: cosignature.timestamp })
      else if (vkey.name === checkpoint.origin) lines.logSigned = true
    }
  }
  return lines
}

/** The node that cosigns: the key name without `/witness` or `/mirror` (formats.md §2). */
function cosignerNode(policy: Policy, witness: string): string {
  return policy.witnesses.get(witness)!.vkey.name.replace(/\/(?:witness|mirror)$/, '')
}

function holds(quorum: Quorum, names: Set<string>): boolean {
  if ('witness' in quorum) return names.has(quorum.witness)
  return quorum.members.filter((member) => holds(member, names)).length >= quorum.k
}

function mirrorsHold(rest: Rest, names: Set<string>): boolean {
  return rest.mirrors.filter((mirror) => names.has(mirror)).length >= rest.k
}

/** The smallest t such that the cosignatures with timestamp ≤ t satisfy the quorum; undefined where all of them do not. */
export function provenTime(quorum: Quorum, stamps: CosignerStamp[]): number | undefined {
  return firstEnough(
    stamps.toSorted((a, b) => a.timestamp - b.timestamp),
    (names) => holds(quorum, names)
  )
}

/**
 * The largest t such that the cosignatures with timestamp ≥ t satisfy `rest`; undefined where all do not, and where k = 0 asks
 * for none.
 */
export function freshness(rest: Rest, stamps: CosignerStamp[]): number | undefined {
  if (rest.k === 0) return undefined
  return firstEnough(
    stamps.toSorted((a, b) => b.timestamp - a.timestamp),
    (names) => mirrorsHold(rest, names)
  )
}

function firstEnough(stamps: CosignerStamp[], enough: (names: Set<string>) => boolean): number | undefined {
  const names = new Set<string>()
  for (const { name, timestamp } of stamps) {
    names.add(name)
    if (enough(names)) return timestamp
  }
  return undefined
}

/**
 * How many colluding cosigners this log's histories survive without two of them being accepted (formats.md §5): 2k−n−1 for a
 * k-of-n quorum, n without the operator's node, and k−1 for mirrors. Negative: not even honest cosigners prevent it. A group
 * whose witnesses all belong to one node is one cosigner. `cosigners` is undefined where the number means nothing: no quorum, a
 * nested one, one that names a node twice, or one that cannot be met without the operator; `mirrors` where there is no lianzheng
 * line.
 */
export function splitViewTolerance(
  policy: Policy,
  origin: string
): { cosigners: number | undefined; mirrors: number | undefined } {
  const rest = policy.rests.get(origin)
  return { cosigners: cosignerTolerance(policy, origin), mirrors: rest === undefined ? undefined : rest.k - 1 }
}

function cosignerTolerance(policy: Policy, origin: string): number | undefined {
  if (policy.quorum === 'none') return undefined
  const flat = onlyNode(policy, policy.quorum) === undefined && 'members' in policy.quorum
  const { k, members } = flat ? (policy.quorum as { k: number; members: Quorum[] }) : { k: 1, members: [policy.quorum] }
  const nodes = members.map((member) => onlyNode(policy, member))
  if (nodes.includes(undefined) || new Set(nodes).size !== nodes.length) return undefined
  const n = nodes.filter((node) => node !== nodeNameOf(origin)).length
  return k > n ? undefined : 2 * k - n - 1
}

/** The one node all witnesses of a quorum belong to; undefined where there are several. */
function onlyNode(policy: Policy, quorum: Quorum): string | undefined {
  if ('witness' in quorum) return cosignerNode(policy, quorum.witness)
  const nodes = new Set(quorum.members.map((member) => onlyNode(policy, member)))
  return nodes.size === 1 ? [...nodes][0] : undefined
}
