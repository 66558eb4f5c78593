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
import { LianzhengError } from './errors.ts'
import { keyLabel, parseVkey, TYPE_COSIGNATURE, TYPE_ED25519, TYPE_MLDSA44, type Vkey } from './note.ts'

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
