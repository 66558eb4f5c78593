/**
 * A node whose keys the test holds: it signs whatever it is told to, files records under any trail, seals any map and cosigns with the keys of a
 * mirror and a witness. Told no lie it is an honest node, so that every forgery can be held against its honest twin.
 */
import { type Bytes, base64, base64url, concat, equalBytes, utf8 } from '../../src/core/bytes.ts'
import type { Encodable } from '../../src/core/cbor.ts'
import { formatCheckpoint } from '../../src/core/checkpoint.ts'
import { signCosignature } from '../../src/core/cosignature.ts'
import { encodeDisclosure } from '../../src/core/disclosure.ts'
import { EMPTY_HASH, leafHash, sha256, trailKey, trailValue } from '../../src/core/hash.ts'
import { ed25519Signer, keyId, type Signer } from '../../src/core/keys.ts'
import { proveKey, updateMap } from '../../src/core/map.ts'
import { rangeNodes, rootOfLeaves } from '../../src/core/merkle.ts'
import { formatNote, keyLabel, noteKeyId, signNote, TYPE_COSIGNATURE, TYPE_ED25519 } from '../../src/core/note.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import type { Seal } from '../../src/core/seal.ts'
import { decodeStatement, RECORD_CONTENT, SEAL_CONTENT, type Statement, signStatement } from '../../src/core/statement.ts'
import { type TrailMember, trailLeafHash } from '../../src/core/trail.ts'
import { catalogueDigest } from '../../src/records/catalogue.ts'
import { type Body, openFromJson, ROLES, trailsOf } from '../../src/records/define.ts'
import { typeOf } from '../../src/records/draft.ts'
import type { KeyTrail, ProvenEntry, Receipt, SealEntry, TrailPart } from '../../src/verify/files.ts'
import { counter, OPERATOR, ORIGIN, START, USERS, type User } from './lab.ts'
import { naiveConsistency, naiveInclusion, naiveNodes, naiveRoot } from './naive-tree.ts'

export const MIRROR = 'discipline.example/mirror'
export const WITNESS = 'notary.example/witness'
/** A second key of the operator's own node, whose cosignature never counts (formats.md §5). */
export const OWN = 'court.example/witness'

export const AT = '2020-08-26T09:01:00+08:00'

/** Making a key is slow (milliseconds): each is made once. */
const made = new Map<string, Signer>()

export function signerOf(label: string): Signer {
  const signer = made.get(label) ?? ed25519Signer(sha256(utf8(label)))
  made.set(label, signer)
  return signer
}

export function cosigner(name: string): Signer {
  return signerOf(`cosigner ${name}`)
}

export function cosignerVkey(name: string): string {
  return vkeyText(name, TYPE_COSIGNATURE, cosigner(name))
}

export function logVkey(origin: string = ORIGIN): string {
  return vkeyText(origin, TYPE_ED25519, signerOf(`log ${origin}`))
}

function vkeyText(name: string, type: number, { publicKey }: Signer): string {
  return `${keyLabel(name, noteKeyId(name, type, publicKey))}+${base64(concat(Uint8Array.of(type), publicKey))}`
}

/** `k` of mirror and witness make the quorum, the mirror is what trails rest on. */
export function networkPolicy(k: number | 'all' = 'all', classes = 'party,internal,personnel,public', log = logVkey()): string {
  const origin = log.slice(0, log.indexOf('+'))
  return [
    `log ${log}`,
    `witness discipline ${cosignerVkey(MIRROR)}`,
    `witness notary ${cosignerVkey(WITNESS)}`,
    `group others ${k} discipline notary`,
    'quorum others',
    `# lianzheng ${origin} ${classes} 1 discipline`,
    ''
  ].join('\n')
}

/** Adds cosignatures to a note: key name to seconds since 1970. */
export function cosigned(note: string, times: Readonly<Record<string, number>>): string {
  const text = note.slice(0, note.indexOf('\n\n') + 1)
  const lines = Object.entries(times).map(([name, time]) => signCosignature(text, name, cosigner(name), time))
  const own = note.slice(text.length + 1)
  return `${text}\n${own}${lines.length === 0 ? '' : formatNote({ text, signatures: lines }).slice(text.length + 1)}`
}

/** What a record says of itself and where the node files it, where that is not what it should be. */
export interface RecordLie {
  iss?: string
  sub?: string
  aud?: string
  iat?: number
  cti?: Bytes
  contentType?: string
  /** Signed as its trails. */
  trails?: readonly string[]
  /** Filed under these, whatever it says. */
  filed?: readonly string[]
  /** Changes the body after everything has been worked out. */
  body?: (body: Record<string, Encodable>) => void
  signer?: Signer
}

export interface SealLie extends Partial<Seal> {
  iss?: string
  sub?: string
  aud?: string
  iat?: number
  cti?: Bytes
  contentType?: string
  signer?: Signer
  type?: string
  extra?: Record<string, Encodable>
}

/** `trailRoot` without its demand for log order. */
function rootOf(members: readonly TrailMember[]): Bytes {
  return rootOfLeaves(members.map(trailLeafHash))
}

type Trails = Map<string, TrailMember[]>

interface SealMade {
  index: number
  leaf: Bytes
  height: number
  time: number
  /** The trails its map was made of. */
  trails: Trails
  prove(name: string): Bytes
}

export interface ProofOptions {
  /** Which seal is the head; the last without it. */
  head?: number
  /** Indexes of the chain of authority; without it all registrations, approvals and node changes that belong there. */
  authority?: readonly number[]
  /** Whose key trails; without it those of all signers. */
  keys?: readonly Bytes[]
  /** Seals shown beside the head's, by height. */
  seals?: readonly number[]
  times?: Readonly<Record<string, number>>
}

export class LyingNode {
  readonly origin: string
  /** Signs notes; a test may change it in mid-life. */
  log: Signer
  /** Signs seals; a test may change it in mid-life. */
  statementKey: Signer
  readonly entries: Bytes[] = []
  /** What the next seal's map is made of. */
  readonly trails: Trails = new Map()
  /** Counts told in maps and files in place of the true ones. */
  readonly counts = new Map<string, number>()
  readonly seals: SealMade[] = []
  readonly disclosures = new Map<number, Bytes[]>()
  readonly random: (length: number) => Bytes
  /** Milliseconds since 1970; every seal moves it by a minute. */
  now = START
  #policy: Policy | undefined

  constructor(origin: string = ORIGIN, seed = 'lying node') {
    this.origin = origin
    this.log = signerOf(`log ${origin}`)
    this.statementKey = signerOf(`seals ${origin}`)
    this.random = counter(`${seed} ${origin}`)
  }

  get policy(): Policy {
    this.#policy ??= parsePolicy(networkPolicy('all', undefined, logVkey(this.origin)))
    return this.#policy
  }

  /** Genesis, then `users` registered one by one, then a seal. */
  static start(users: readonly User[] = [], more: { [name: string]: unknown } = {}, origin: string = ORIGIN): LyingNode {
    const node = new LyingNode(origin)
    node.genesis(more)
    for (const who of users) node.register(who)
    node.seal()
    return node
  }

  genesis(more: { [name: string]: unknown } = {}, lie: RecordLie = {}): number {
    const key = (name: string) => base64url(signerOf(name).publicKey)
    return this.add(
      {
        type: 'ledger.genesis',
        at: AT,
        origin: this.origin,
        name: '账本',
        operator: OPERATOR,
        catalogue: 1,
        catalogueDigest: base64url(catalogueDigest(1)),
        keys: {
          log: logVkey(this.origin),
          statement: base64url(this.statementKey.publicKey),
          receipt: key('receipt'),
          promise: key('promise')
        },
        members: [],
        policy: 'quorum none\n',
        administrators: [administrator(USERS.admin)],
        control: 1,
        ...more
      },
      USERS.admin,
      lie
    )
  }

  register(who: User, by: User = USERS.admin, more: { [name: string]: unknown } = {}, lie: RecordLie = {}): number {
    return this.add(registration(who, more), by, lie)
  }

  revoke(who: User, more: { [name: string]: unknown } = {}, by: User = USERS.admin, lie: RecordLie = {}): number {
    return this.add({ type: 'registry.revoke', at: AT, kid: base64url(kidOf(who)), reason: 'left', ...more }, by, lie)
  }

  approve(index: number, by: User, who?: User): number {
    const refs = [{ rel: 'approves', log: this.origin, leaf: base64url(this.statement(index).leaf) }]
    const kid = who === undefined ? {} : { kid: base64url(kidOf(who)) }
    return this.add({ type: 'registry.approve', at: AT, refs, ...kid }, by)
  }

  /** Signs a record without asking whether `by` may write it, and files it. Returns its index. */
  add(record: { [name: string]: unknown }, by: User, lie: RecordLie = {}): number {
    const { statement, disclosures, trails } = this.sign(record, by, lie)
    return this.place(statement, lie.filed ?? lie.trails ?? trails, disclosures)
  }

  sign(
    record: { [name: string]: unknown },
    by: User,
    lie: RecordLie = {}
  ): { statement: Bytes; disclosures: Bytes[]; trails: string[] } {
    const type = typeOf(record)
    const { type: _, sealed = {}, ...open } = record
    const body: Record<string, Encodable> = { type: type.type, v: 1, ...(openFromJson(type, open) as Record<string, Encodable>) }
    if (by.staff !== undefined) body.actor ??= by.staff
    const disclosures: Bytes[] = []
    const digests: Record<string, Bytes> = {}
    for (const [name, value] of Object.entries(sealed as Record<string, string>)) {
      const { bytes, digest } = encodeDisclosure(this.random(16), name, value)
      disclosures.push(bytes)
      digests[name] = digest
    }
    if (disclosures.length > 0) body.sealed = digests
    const { sub, trails } = trailsOf(type, body as Body, lie.aud ?? this.origin)
    lie.body?.(body)
    const statement = signStatement(
      {
        contentType: lie.contentType ?? RECORD_CONTENT,
        iss: lie.iss ?? by.org,
        sub: lie.sub ?? sub,
        aud: lie.aud ?? this.origin,
        iat: lie.iat ?? Math.floor(this.now / 1000),
        cti: lie.cti ?? this.random(16),
        ...(lie.contentType === SEAL_CONTENT ? {} : { trails: lie.trails ?? trails }),
        body
      },
      lie.signer ?? by.signer
    )
    return { statement, disclosures, trails }
  }

  place(statement: Bytes, trails: readonly string[], disclosures: Bytes[] = []): number {
    const index = this.entries.push(statement) - 1
    this.disclosures.set(index, disclosures)
    for (const name of trails) this.trails.set(name, [...(this.trails.get(name) ?? []), { index, leaf: leafHash(statement) }])
    return index
  }

  /** Ends a batch with a seal over the trails as they stand. Returns its height. */
  seal(lie: SealLie = {}): number {
    const before = this.seals.at(-1)
    const index = this.entries.length
    const trails = new Map(
      [...this.trails].filter(([, members]) => members.length > 0).map(([name, members]) => [name, [...members]])
    )
    const pages = new Map<string, Bytes>()
    const source = (hash: Bytes) => pages.get(base64url(hash))
    const values = [...trails].map(([name, members]): [Bytes, Bytes] => [
      trailKey(name),
      trailValue(this.counts.get(name) ?? members.length, rootOf(members))
    ])
    const map = updateMap(EMPTY_HASH, values, source)
    for (const { hash, bytes } of map.pages) pages.set(base64url(hash), bytes)

    this.now += 60_000
    const { iss, sub, aud, iat, cti, contentType, signer, type, extra, ...said } = lie
    const seal: Seal = {
      height: this.seals.length,
      size: index,
      prev: before?.leaf ?? new Uint8Array(32),
      time: this.now,
      trails: trails.size,
      map: map.root,
      ...said
    }
    const statement = signStatement(
      {
        contentType: contentType ?? SEAL_CONTENT,
        iss: iss ?? OPERATOR,
        sub: sub ?? `ledger:${this.origin}`,
        aud: aud ?? this.origin,
        iat: iat ?? Math.floor(seal.time / 1000),
        cti: cti ?? seal.prev.subarray(0, 16),
        ...(contentType === RECORD_CONTENT ? { trails: [`ledger:${this.origin}`] } : {}),
        body: { type: type ?? 'ledger.seal', v: 1, ...seal, ...extra }
      },
      signer ?? this.statementKey
    )
    this.entries.push(statement)
    this.seals.push({
      index,
      leaf: leafHash(statement),
      height: seal.height,
      time: seal.time,
      trails,
      prove: (name) => proveKey(map.root, trailKey(name), source).proof
    })
    return this.seals.length - 1
  }

  statement(index: number): Statement {
    return decodeStatement(this.entries[index]!)
  }

  head(options: ProofOptions): SealMade {
    return this.seals.at(options.head ?? -1)!
  }

  leaves(size: number): Bytes[] {
    return this.entries.slice(0, size).map(leafHash)
  }

  /** The published note of a tree, cosigned by mirror and witness unless told otherwise. */
  note(size: number, times?: Readonly<Record<string, number>>): string {
    const text = formatCheckpoint({ origin: this.origin, size, root: naiveRoot(this.leaves(size)) })
    const note = formatNote({ text, signatures: [signNote(text, this.origin, this.log)] })
    const now = Math.floor(this.now / 1000)
    return cosigned(note, times ?? { [MIRROR]: now + 2, [WITNESS]: now + 1 })
  }

  proven(index: number, size: number): ProvenEntry {
    return { index, statement: this.entries[index]!, inclusion: naiveInclusion(index, this.leaves(size)) }
  }

  sealAt(height: number, size: number): SealEntry {
    return this.proven(this.seals[height]!.index, size)
  }

  /** The seals around an index, as a receipt shows them. */
  around(index: number, options: ProofOptions = {}): { before?: SealEntry; entered?: SealEntry } {
    const size = this.head(options).index + 1
    const above = this.seals.findIndex((seal) => seal.index > index)
    return {
      ...(above > 0 ? { before: this.sealAt(above - 1, size) } : {}),
      ...(above >= 0 ? { entered: this.sealAt(above, size) } : {})
    }
  }

  receipt(index: number, options: ProofOptions = {}): Receipt {
    const head = this.head(options)
    const size = head.index + 1
    const { kid } = decodeStatement(this.entries[index]!)
    const { statement, inclusion } = this.proven(index, size)
    return {
      origin: this.origin,
      statement,
      disclosures: this.disclosures.get(index) ?? [],
      index,
      inclusion,
      seal: this.sealAt(this.seals.indexOf(head), size),
      ...this.chain(index, [kid], options),
      checkpoint: this.note(size, options.times),
      timestamps: []
    }
  }

  /** One part of a certificate: the whole trail, or its members [from, to). */
  part(name: string, options: ProofOptions & { from?: number; to?: number } = {}): TrailPart {
    const head = this.head(options)
    const size = head.index + 1
    const members = head.trails.get(name) ?? []
    const { from = 0, to = members.length } = options
    const shown = members.slice(from, to)
    const leaves = members.map(trailLeafHash)
    const partial = options.from !== undefined || options.to !== undefined
    return {
      origin: this.origin,
      checkpoint: this.note(size, options.times),
      seal: this.sealAt(this.seals.indexOf(head), size),
      proof: head.prove(name),
      count: this.counts.get(name) ?? members.length,
      ...(members.length === 0 ? {} : { root: rootOf(members) }),
      ...(partial
        ? { from, range: naiveNodes(leaves)(rangeNodes(from)), consistency: to === 0 ? [] : naiveConsistency(to, leaves) }
        : {}),
      entries: shown.map(({ index }) => ({
        index,
        statement: this.entries[index]!,
        disclosures: this.disclosures.get(index) ?? []
      })),
      seals: (options.seals ?? []).map((height) => this.sealAt(height, size)),
      ...this.chain(
        shown.at(-1)?.index ?? -1,
        shown.map(({ index }) => this.statement(index).kid),
        options
      )
    }
  }

  chain(index: number, signers: readonly Bytes[], options: ProofOptions): Pick<Receipt, 'authority' | 'keyTrails'> {
    const head = this.head(options)
    const authority = options.authority ?? this.authority(index, head.index)
    const kids = options.keys ?? [...signers, ...authority.map((at) => this.statement(at).kid)]
    const names = [...new Set(kids.map((kid) => base64url(kid)))]
    return {
      authority: authority.map((at) => this.proven(at, head.index + 1)),
      keyTrails: names.map((name) => this.keyTrail(name, authority, head))
    }
  }

  /** Genesis, registrations and their approvals below `index`, and all changes of node keys with theirs. */
  authority(index: number, below: number): number[] {
    const indexes: number[] = []
    const nodeChanges: Bytes[] = []
    for (let at = 0; at < below; at++) {
      const { body, leaf } = this.statement(at)
      const type = body.get('type')
      if (type === 'registry.node') nodeChanges.push(leaf)
      const [ref] = (body.get('refs') ?? []) as [Map<string, Bytes>?]
      const approves = type === 'registry.approve' ? ref?.get('leaf') : undefined
      const changes =
        type === 'registry.node' || nodeChanges.some((change) => approves !== undefined && equalBytes(change, approves))
      const registers = type === 'registry.key' || (type === 'registry.approve' && body.has('kid'))
      if (at === 0 || (registers && at < index) || changes) indexes.push(at)
    }
    return indexes
  }

  keyTrail(kid: string, authority: readonly number[], head: SealMade): KeyTrail {
    const name = `key:${kid}`
    const members = head.trails.get(name) ?? []
    return {
      kid: Uint8Array.from(Buffer.from(kid, 'base64url')),
      count: this.counts.get(name) ?? members.length,
      ...(members.length === 0 ? {} : { root: rootOf(members) }),
      proof: head.prove(name),
      entries: members.map(({ index }) => (authority.includes(index) ? { index } : { index, statement: this.entries[index]! }))
    }
  }
}

export function kidOf(who: User): Bytes {
  return keyId(who.signer.publicKey)
}

export function keyTrailOf(file: Pick<Receipt, 'keyTrails'>, who: User): KeyTrail {
  return file.keyTrails.find(({ kid }) => equalBytes(kid, kidOf(who)))!
}

export function administrator({ signer, org }: User, roles: readonly string[] = ROLES): { [name: string]: unknown } {
  return { key: base64url(signer.publicKey), org, roles: [...roles] }
}

export function registration(who: User, more: { [name: string]: unknown } = {}): { [name: string]: unknown } {
  return {
    type: 'registry.key',
    at: AT,
    key: base64url(who.signer.publicKey),
    org: who.org,
    roles: [...who.roles],
    ...(who.staff === undefined ? {} : { staff: who.staff }),
    ...more
  }
}
