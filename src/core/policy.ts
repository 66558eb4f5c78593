/**
 * Which logs, cosigners and mirrors a verifier rests on (C2SP tlog-policy, formats.md §5), and what a checkpoint is worth under
 * it.
 *
 *   log <vkey> [<url>]                                           01 or 06; key name = origin
 *   witness <name> <vkey> [<url>]                                04 or 06
 *   group <name> all|any|<k> <member>...                         members defined above; each name a member once
 *   quorum <name>|none                                           exactly one
 *   # lianzheng <origin> <class>[,<class>...] <k> <witness>...   what the trails of a listed log rest on: k of these mirrors
 *
 * Fields are separated by spaces and tabs. Octets 09, 0A, 20–7E, 80–FF. A comment is a line that begins with "#"; to C2SP readers
 * the last form is one.
 *
 * Example:
 *
 *     log court.example/evidence+88192726+AatI1Bp7y9cbO2cIi/7++1OdS1Ssse+jMPaKaKRmiQK8
 *     witness discipline discipline.example/mirror+b6b59f3d+BNKP4g1D6v8jAeEFy9E4FWgwW6QBJ7Dm/QNBqsZm93D/
 *     witness notary notary.example/witness+f5ed1ae0+BJzSdBe1ANJcPsRj4bTRfR7BhE0jk1l4FioKjxXknVAZ
 *     group others all discipline notary
 *     quorum others
 *     # lianzheng court.example/evidence party,internal,personnel,public 1 discipline
 */

import { hex } from './bytes.ts'
import { type Checkpoint, formatCheckpoint } from './checkpoint.ts'
import { verifyCosignature } from './cosignature.ts'
import { LianzhengError } from './errors.ts'
import { nodeNameOf } from './keys.ts'
import {
  keyLabel,
  type Note,
  parseVkey,
  TYPE_COSIGNATURE,
  TYPE_ED25519,
  TYPE_MLDSA44,
  type Vkey,
  verifyNoteSignature
} from './note.ts'

/** Classes of confidentiality, one log each (records.md). */
export const CLASSES = ['party', 'internal', 'personnel', 'public', 'lead', 'commutation'] as const
export type Class = (typeof CLASSES)[number]

export interface PolicyLog {
  vkey: Vkey
  url?: string
}

export interface PolicyWitness {
  /** Name within the policy; the key name is `vkey.name`. */
  name: string
  vkey: Vkey
  url?: string
}

/** Holds when the witness has cosigned, or `k` of the members hold. */
export type Quorum = { witness: string } | { k: number; members: Quorum[] }

/** What the trails of one log rest on: `k` of these mirrors. */
export interface Rest {
  classes: Class[]
  k: number
  /** Witness names. */
  mirrors: string[]
}

export interface Policy {
  logs: PolicyLog[]
  witnesses: Map<string, PolicyWitness>
  /** `none`: only the operator vouches. */
  quorum: Quorum | 'none'
  /** By origin. A log that is missing here has trails that nothing vouches for: could not check. */
  rests: Map<string, Rest>
}

/** Enough for every network of ours, and a bound on the work a hostile file can ask for; C2SP asks for at least 32. */
const MAX_OF_EACH = 128

/** `POLICY_INVALID` names the line (from 1) in `at`. */
export function parsePolicy(text: string): Policy {
  return new PolicyReader().read(text)
}

interface RestLine {
  at: number
  fields: string[]
}

class PolicyReader {
  readonly #logs: PolicyLog[] = []
  readonly #witnesses = new Map<string, PolicyWitness>()
  readonly #groups = new Map<string, Quorum>()
  readonly #members = new Set<string>()
  readonly #publicKeys = new Set<string>()
  readonly #labels = new Set<string>()
  readonly #restLines: RestLine[] = []
  #quorum: Quorum | 'none' | undefined
  #at = 0

  read(text: string): Policy {
    const lines = text.split('\n')
    for (const line of lines) {
      this.#at++
      if (/[^\t\u0020-\u007e\u0080-\u{10ffff}]|[\ud800-\udfff]/u.test(line))
        throw this.#invalid('no control characters but tab and newline')
      this.#line(line.split(/[ \t]+/).filter((field) => field !== ''))
    }
    const quorum = this.#quorum
    if (quorum === undefined) throw this.#invalid('a quorum line')
    const rests = this.#rests(quorum)
    return { logs: this.#logs, witnesses: this.#witnesses, quorum, rests }
  }

  #line(fields: string[]): void {
    const [keyword] = fields
    if (keyword === undefined) return
    if (keyword === '#' && fields[1] === 'lianzheng') this.#restLines.push({ at: this.#at, fields: fields.slice(2) })
    else if (keyword.startsWith('#')) return
    else if (keyword === 'log') this.#log(fields)
    else if (keyword === 'witness') this.#witness(fields)
    else if (keyword === 'group') this.#group(fields)
    else if (keyword === 'quorum') this.#quorumLine(fields)
    else throw this.#invalid('log, witness, group, quorum or a comment')
  }

  #log([, vkeyText, url, ...rest]: string[]): void {
    if (vkeyText === undefined || rest.length > 0) throw this.#invalid('log <vkey> [<url>]')
    if (this.#logs.length === MAX_OF_EACH) throw this.#invalid(`at most ${MAX_OF_EACH} logs`)
    const vkey = this.#vkey(vkeyText, [TYPE_ED25519, TYPE_MLDSA44])
    this.#logs.push({ vkey, ...(url !== undefined && { url }) })
  }

  #witness([, name, vkeyText, url, ...rest]: string[]): void {
    if (name === undefined || vkeyText === undefined || rest.length > 0) throw this.#invalid('witness <name> <vkey> [<url>]')
    this.#newName(name)
    if (this.#witnesses.size === MAX_OF_EACH) throw this.#invalid(`at most ${MAX_OF_EACH} witnesses`)
    const vkey = this.#vkey(vkeyText, [TYPE_COSIGNATURE, TYPE_MLDSA44])
    this.#witnesses.set(name, { name, vkey, ...(url !== undefined && { url }) })
  }

  #group([, name, threshold, ...names]: string[]): void {
    if (name === undefined || threshold === undefined || names.length === 0)
      throw this.#invalid('group <name> all|any|<k> <member>...')
    this.#newName(name)
    if (this.#groups.size === MAX_OF_EACH) throw this.#invalid(`at most ${MAX_OF_EACH} groups`)
    const members = names.map((member) => {
      // C2SP tlog-policy: so that a witness contributes to the quorum in only one way.
      if (this.#members.has(member)) throw this.#invalid(`${member} to be a member of one group, once`)
      this.#members.add(member)
      return this.#defined(member)
    })
    const k = threshold === 'all' ? members.length : threshold === 'any' ? 1 : decimal(threshold)
    if (k === undefined || k < 1 || k > members.length) throw this.#invalid(`all, any, or a number from 1 to ${members.length}`)
    this.#groups.set(name, { k, members })
  }

  #quorumLine([, name, ...rest]: string[]): void {
    if (name === undefined || rest.length > 0) throw this.#invalid('quorum <name>|none')
    if (this.#quorum !== undefined) throw this.#invalid('one quorum line')
    this.#quorum = name === 'none' ? 'none' : this.#defined(name)
  }

  /** Read last, because these lines may stand above the logs and witnesses they name. */
  #rests(quorum: Quorum | 'none'): Map<string, Rest> {
    const rests = new Map<string, Rest>()
    for (const { at, fields } of this.#restLines) {
      this.#at = at
      const [origin, classList, threshold, ...mirrors] = fields
      if (origin === undefined || classList === undefined || threshold === undefined)
        throw this.#invalid('# lianzheng <origin> <class>[,<class>...] <k> <witness name>...')
      if (!this.#logs.some((log) => log.vkey.name === origin)) throw this.#invalid('the origin of a log of this policy')
      if (rests.has(origin)) throw this.#invalid('one line for each log')
      const classes = this.#classes(classList)
      this.#checkMirrors(mirrors)
      const k = decimal(threshold)
      if (k === undefined || k > mirrors.length) throw this.#invalid(`a number of mirrors, at most ${mirrors.length}`)
      if (k === 0 && quorum !== 'none') throw this.#invalid('at least 1 mirror, because the quorum is not none')
      rests.set(origin, { classes, k, mirrors })
    }
    return rests
  }

  #classes(list: string): Class[] {
    const classes = list.split(',')
    if (!classes.every(isClass)) throw this.#invalid(`classes of ${CLASSES.join(' ')}`)
    if (new Set(classes).size !== classes.length) throw this.#invalid('each class once')
    return classes
  }

  #checkMirrors(mirrors: string[]): void {
    const keyNames = new Set<string>()
    for (const mirror of mirrors) {
      const keyName = this.#witnesses.get(mirror)?.vkey.name
      if (keyName === undefined) throw this.#invalid(`${mirror} to be a witness of this policy`)
      if (!keyName.endsWith('/mirror')) throw this.#invalid('mirrors, whose key names end in /mirror')
      // Two keys of one node would let one copy count as two.
      if (keyNames.has(keyName)) throw this.#invalid('each mirror once')
      keyNames.add(keyName)
    }
  }

  #vkey(text: string, types: number[]): Vkey {
    let vkey: Vkey
    try {
      vkey = parseVkey(text)
    } catch (cause) {
      if (cause instanceof LianzhengError) throw new LianzhengError('POLICY_INVALID', { ...cause.detail, at: this.#at, cause })
      throw cause
    }
    if (!types.includes(vkey.type)) throw this.#invalid(`a vkey of type ${types.map((type) => `0${type}`).join(' or ')}`)
    // No key serves two purposes (formats.md §2), so a public key stands here once, whatever its name and type.
    const publicKey = hex(vkey.key)
    const label = keyLabel(vkey.name, vkey.id)
    if (this.#publicKeys.has(publicKey) || this.#labels.has(label)) throw this.#invalid('each public key once')
    this.#publicKeys.add(publicKey)
    this.#labels.add(label)
    return vkey
  }

  #newName(name: string): void {
    if (name === 'none') throw this.#invalid('another name than none')
    if (this.#witnesses.has(name) || this.#groups.has(name)) throw this.#invalid('a name that is not taken')
  }

  #defined(name: string): Quorum {
    const found = this.#witnesses.has(name) ? { witness: name } : this.#groups.get(name)
    if (found === undefined) throw this.#invalid(`${name} to be defined above`)
    return found
  }

  #invalid(expected: string): LianzhengError {
    return new LianzhengError('POLICY_INVALID', { at: this.#at, expected })
  }
}

function isClass(text: string): text is Class {
  return (CLASSES as readonly string[]).includes(text)
}

function decimal(text: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,5})$/.test(text) ? Number(text) : undefined
}

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
