/**
 * Key trails: everything ever filed about the keys that sign, under a map that mirrors have re-derived (formats.md §8, §9). A revocation that is
 * left out shows as a trail that does not add up.
 */
import { type Bytes, base64url, equalBytes, hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Registry } from '../core/registry.ts'
import { trailRoot } from '../core/trail.ts'
import { type Examined, type ExaminedRecord, examine } from './admit.ts'
import type { KeyTrail, ProvenEntry } from './files.ts'
import type { Steps } from './verdict.ts'

interface Revocation {
  index: number
  compromisedSince: number | undefined
}

/** What the part around them provides. */
export interface Surroundings {
  origin: string
  /** Size of the checkpoint's tree. */
  size: number
  authority: readonly ProvenEntry[]
  /** Entries of `authority` that held, by index. */
  examined: ReadonlyMap<number, ExaminedRecord>
  registry: Registry
  /** Can this leaf stand at this index, by what has been shown before? */
  fits(index: number, leaf: Bytes): boolean
  /** Has the seal's map this count and root for a trail? */
  inMap(name: string, count: number, root: Bytes | undefined, proof: Bytes): boolean
  /** Time of the first seal shown above an index, ms. */
  enteredBy(index: number): number | undefined
}

export class KeyTrails {
  readonly #part: Surroundings
  readonly #steps: Steps
  /** By key id; undefined for a trail that did not hold. */
  readonly #revocations = new Map<string, Revocation[] | undefined>()

  constructor(trails: readonly KeyTrail[], part: Surroundings, steps: Steps) {
    this.#part = part
    this.#steps = steps
    for (const trail of trails) {
      const kid = base64url(trail.kid)
      if (this.#revocations.has(kid)) {
        steps.broken('keyTrails', `密钥轨迹重复：${kid}`, `key trail given twice: ${kid}`)
        continue
      }
      this.#revocations.set(kid, undefined)
      try {
        this.#revocations.set(kid, this.#read(trail, `key:${kid}`))
        steps.good('keyTrails')
      } catch (error) {
        steps.error('keyTrails', error, `key:${kid} `, `key:${kid} `)
      }
    }
  }

  #read(trail: KeyTrail, name: string): Revocation[] {
    const refuse = (field: string, expected: string) => new LianzhengError('PROOF_INVALID', { field, expected })
    if (trail.entries.length !== trail.count) throw refuse('count', `${trail.entries.length} entries`)
    const authority = new Map(this.#part.authority.map(({ index, statement }) => [index, statement]))
    const members: { index: number; leaf: Bytes }[] = []
    const revocations: Revocation[] = []
    let registered: number | undefined
    for (const { index, statement: given } of trail.entries) {
      const known = authority.get(index)
      if ((given === undefined) === (known === undefined))
        throw refuse(`entries[${members.length}].statement`, 'a statement where `authority` has none')
      if (index >= this.#part.size - 1 || index <= (members.at(-1)?.index ?? -1))
        throw refuse(`entries[${members.length}].index`, 'increasing indexes below the seal')
      const examined: Examined = this.#part.examined.get(index) ?? examine(given ?? known!)
      if (examined.kind === 'seal' || !examined.statement.trails.includes(name) || examined.statement.aud !== this.#part.origin)
        throw refuse(`entries[${members.length}]`, `an entry of ${name}`)
      if (!this.#part.fits(index, examined.statement.leaf))
        throw refuse(`entries[${members.length}]`, `the entry at index ${index}`)
      members.push({ index, leaf: examined.statement.leaf })
      if (examined.type.type === 'registry.key') registered ??= index
      if (examined.type.type === 'registry.revoke' && equalBytes(examined.body.kid as Bytes, trail.kid))
        revocations.push({ index, compromisedSince: examined.body.compromisedSince as number | undefined })
    }
    for (const [index, { statement }] of this.#part.examined)
      if (statement.trails.includes(name) && !members.some((member) => member.index === index))
        throw refuse('entries', `the entry at index ${index}`)
    if (trail.count > 0 && !equalBytes(trailRoot(members), trail.root!)) throw refuse('root', hex(trailRoot(members)))
    if (!this.#part.inMap(name, trail.count, trail.root, trail.proof))
      throw refuse('proof', trail.count === 0 ? 'a proof that the trail is empty' : 'a proof of the trail under the seal')
    const key = this.#part.registry.key(trail.kid)
    const genesis = key !== undefined && key.registered === 0
    if (key === undefined || registered !== (genesis ? undefined : key.registered))
      throw new LianzhengError('KEY_ALREADY_REGISTERED', {
        field: 'entries',
        expected: 'the registration in `authority`, first and alone'
      })
    return revocations
  }

  /** The signer of the entry at `index` needs its whole key trail: a revocation below the index breaks, a compromise reaching back leaves open. */
  require(kid: Bytes, index: number, entered = this.#part.enteredBy(index)): void {
    const steps = this.#steps
    const name = base64url(kid)
    if (!this.#revocations.has(name))
      return steps.unchecked('keyTrails', `缺少密钥轨迹 key:${name}`, `key trail missing: key:${name}`)
    const revocations = this.#revocations.get(name)
    if (revocations === undefined) return
    for (const { index: revoked, compromisedSince } of revocations) {
      if (revoked < index)
        steps.broken(
          'keyTrails',
          `密钥在第 ${revoked} 条已吊销，却签署了第 ${index} 条`,
          `the key was revoked at index ${revoked} and signed index ${index}`,
          'KEY_REVOKED'
        )
      else if (compromisedSince !== undefined && (entered === undefined || entered >= compromisedSince * 1000))
        steps.unchecked(
          'keyTrails',
          `密钥在第 ${index} 条进入账本时可能已经失密`,
          `the key may have been compromised when index ${index} entered`
        )
    }
  }
}
