/**
 * The registry: keys, roles and members, as replaying the log gives them (formats.md §8). Pure: a change is computed from the registry
 * in force and one entry; whoever owns the state commits it.
 *
 * "In force at index i" is what replaying [0, i) gives: a change at index j concerns entries with index > j, never earlier ones.
 */
import { type Bytes, base64url, binary, equalBytes } from './bytes.ts'
import { LianzhengError } from './errors.ts'
import { isAcceptableKey, keyId } from './keys.ts'

export interface NodeKeys {
  /** vkey text of the log's Ed25519 note key. */
  log: string
  /** H(vkey text) of the log's ML-DSA-44 note key. */
  'log-mldsa44'?: Bytes
  statement: Bytes
  receipt: Bytes
  promise: Bytes
}

export interface Member {
  name: string
  org: string
  role: string
  vkey: string
  'vkey-mldsa44'?: Bytes
}

export interface KeyState {
  kid: Bytes
  key: Bytes
  org: string
  staff?: string
  roles: readonly string[]
  /** Roles an administrator may give. */
  mayGive: readonly string[]
  /** Seconds since 1970, inclusive. */
  notBefore?: number
  notAfter?: number
  /** Index of the genesis or `registry.key` that named the key. */
  registered: number
  /** Index at which the registration took effect; absent while it awaits approval. */
  activeFrom?: number
  revoked?: { index: number; compromisedSince?: number }
}

/** A change that awaits the agreement of more organisations. */
export interface PendingChange {
  leaf: Bytes
  type: string
  body: RegistryBody
  /** Organisations that have signed or approved. */
  orgs: readonly string[]
}

export interface RegistryMeta {
  origin: string
  operator: string
  control: number
  /** Seconds since 1970: the time in force before the first seal. */
  genesisIat: number
  catalogue: number
  catalogueDigest: Bytes
  policy: string
  members: readonly Member[]
  /** Keys of the node, oldest first; `from` is the index at which they took effect (0 for genesis). */
  nodeKeys: readonly { from: number; generation: number; keys: NodeKeys }[]
  pending: readonly PendingChange[]
}

export interface Registry {
  /** Undefined before genesis. */
  meta: RegistryMeta | undefined
  key(kid: Bytes): KeyState | undefined
}

export interface RegistryChange {
  meta?: RegistryMeta
  keys: readonly KeyState[]
}

/** A body that has passed its schema; only the members read here are named. */
export type RegistryBody = Readonly<Record<string, unknown>>

export interface RegistryEntry {
  index: number
  leaf: Bytes
  kid: Bytes
  /** Origin of the log, and issued-at in seconds. */
  aud: string
  iat: number
  type: string
  body: RegistryBody
}

export const GENESIS = 'ledger.genesis'

export function isRegistryType(type: string): boolean {
  return type === GENESIS || type.startsWith('registry.') || type === 'ledger.recovery'
}

/** Milliseconds since 1970 between which the last seal before an index was made; equal where it is known. */
export interface TimeBounds {
  min: number
  max: number
}

export type Standing =
  | 'active'
  | 'undecided'
  | 'KEY_NOT_REGISTERED'
  | 'KEY_PENDING'
  | 'KEY_REVOKED'
  | 'KEY_NOT_YET_VALID'
  | 'KEY_EXPIRED'

/** May this key sign the entry at `index`? `undecided` only where the bounds leave `notBefore` or `notAfter` open. */
export function standingOf(key: KeyState | undefined, index: number, time: TimeBounds): Standing {
  if (key === undefined || key.registered >= index) return 'KEY_NOT_REGISTERED'
  if (key.revoked !== undefined && key.revoked.index < index) return 'KEY_REVOKED'
  if (key.activeFrom === undefined || key.activeFrom >= index) return 'KEY_PENDING'
  const from = (key.notBefore ?? 0) * 1000
  const to = key.notAfter === undefined ? Number.POSITIVE_INFINITY : key.notAfter * 1000
  if (time.max < from) return 'KEY_NOT_YET_VALID'
  if (time.min > to) return 'KEY_EXPIRED'
  return time.min >= from && time.max <= to ? 'active' : 'undecided'
}

/** The node's keys in force at an index. */
export function nodeKeysAt(meta: RegistryMeta, index: number): NodeKeys {
  let found = meta.nodeKeys[0]!.keys
  for (const { from, keys } of meta.nodeKeys) if (from === 0 || from < index) found = keys
  return found
}

/**
 * What an entry changes. The signer's standing and signature are checked before (like every statement's); here stand the rules of the
 * registry itself. Throws GENESIS_MISPLACED, NOT_ADMINISTRATOR, FOREIGN_ORGANISATION, ROLE_NOT_GIVABLE, KEY_ALREADY_REGISTERED,
 * KEY_INVALID, REGISTRY_TARGET or FIELD_INVALID. Entries of other types change nothing.
 */
export function applyRegistry(registry: Registry, entry: RegistryEntry): RegistryChange {
  if (!isRegistryType(entry.type)) return { keys: [] }
  if (entry.type === GENESIS) return applyGenesis(registry, entry)
  const meta = registry.meta
  if (meta === undefined) throw new LianzhengError('GENESIS_MISPLACED', { at: entry.index, expected: 'genesis first' })
  const signer = registry.key(entry.kid)
  if (signer === undefined || !signer.roles.includes('administrator')) throw new LianzhengError('NOT_ADMINISTRATOR')
  switch (entry.type) {
    case 'registry.key':
      return propose(registry, meta, entry, signer, [pendingKey(registry, entry, signer)])
    case 'registry.revoke':
      return { keys: [revokedKey(registry, entry, signer)] }
    case 'registry.approve':
      return approve(registry, meta, entry, signer)
    case 'ledger.recovery':
      return { keys: [] }
    default:
      checkChange(meta, entry)
      return propose(registry, meta, entry, signer, [])
  }
}

function applyGenesis(registry: Registry, entry: RegistryEntry): RegistryChange {
  if (entry.index !== 0 || registry.meta !== undefined)
    throw new LianzhengError('GENESIS_MISPLACED', { at: entry.index, expected: 'index 0' })
  const body = entry.body
  if (body.origin !== entry.aud) throw new LianzhengError('FIELD_INVALID', { field: 'origin', expected: entry.aud })
  const administrators = body.administrators as { key: Bytes; org: string; roles: string[] }[]
  const keys: KeyState[] = []
  for (const [i, { key, org, roles }] of administrators.entries()) {
    if (!isAcceptableKey(key)) throw new LianzhengError('KEY_INVALID', { field: `administrators[${i}].key` })
    const kid = keyId(key)
    if (keys.some((other) => equalBytes(other.kid, kid)))
      throw new LianzhengError('KEY_ALREADY_REGISTERED', { field: `administrators[${i}].key` })
    keys.push({ kid, key, org, roles: ['administrator'], mayGive: roles, registered: 0, activeFrom: 0 })
  }
  if (!equalBytes(keys[0]!.kid, entry.kid))
    throw new LianzhengError('NOT_ADMINISTRATOR', { field: 'administrators[0].key', expected: 'the key that signs genesis' })
  const nodeKeys = body.keys as NodeKeys
  checkNodeKeys(nodeKeys)
  return {
    keys,
    meta: {
      origin: entry.aud,
      operator: body.operator as string,
      control: body.control as number,
      genesisIat: entry.iat,
      catalogue: body.catalogue as number,
      catalogueDigest: body.catalogueDigest as Bytes,
      policy: body.policy as string,
      members: body.members as Member[],
      nodeKeys: [{ from: 0, generation: 1, keys: nodeKeys }],
      pending: []
    }
  }
}

/** Seals are verified like statements, so their key is admitted by the same rule (formats.md §2). */
function checkNodeKeys({ statement }: Partial<NodeKeys>): void {
  if (statement !== undefined && !isAcceptableKey(statement)) throw new LianzhengError('KEY_INVALID', { field: 'keys.statement' })
}

/** The state a `registry.key` asks for, before anyone else has agreed. */
function pendingKey(registry: Registry, entry: RegistryEntry, signer: KeyState): KeyState {
  const body = entry.body as {
    key: Bytes
    org: string
    staff?: string
    roles: string[]
    mayGive?: string[]
    notBefore?: number
    notAfter?: number
  }
  if (!isAcceptableKey(body.key)) throw new LianzhengError('KEY_INVALID', { field: 'key' })
  if (body.org !== signer.org) throw new LianzhengError('FOREIGN_ORGANISATION', { field: 'org', expected: signer.org })
  const foreign = [...body.roles, ...(body.mayGive ?? [])].find((role) => !signer.mayGive.includes(role))
  if (foreign !== undefined)
    throw new LianzhengError('ROLE_NOT_GIVABLE', { field: 'roles', expected: signer.mayGive.join(' | ') })
  if (body.mayGive !== undefined && !body.roles.includes('administrator'))
    throw new LianzhengError('FIELD_INVALID', { field: 'mayGive', expected: 'absent: only administrators give roles' })
  if (body.notBefore !== undefined && body.notAfter !== undefined && body.notBefore > body.notAfter)
    throw new LianzhengError('FIELD_INVALID', { field: 'notAfter', expected: 'not before notBefore' })
  const kid = keyId(body.key)
  if (registry.key(kid) !== undefined) throw new LianzhengError('KEY_ALREADY_REGISTERED', { field: 'key' })
  const { key, org, staff, roles, mayGive, notBefore, notAfter } = body
  return {
    kid,
    key,
    org,
    roles,
    mayGive: mayGive ?? [],
    registered: entry.index,
    ...(staff === undefined ? {} : { staff }),
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(notAfter === undefined ? {} : { notAfter })
  }
}

function revokedKey(registry: Registry, entry: RegistryEntry, signer: KeyState): KeyState {
  const target = registry.key(entry.body.kid as Bytes)
  if (target === undefined) throw new LianzhengError('REGISTRY_TARGET', { field: 'kid', expected: 'the id of a registered key' })
  if (target.org !== signer.org)
    throw new LianzhengError('FOREIGN_ORGANISATION', { field: 'kid', expected: `a key of ${signer.org}` })
  const since = [target.revoked?.compromisedSince, entry.body.compromisedSince as number | undefined].filter(
    (time) => time !== undefined
  )
  return {
    ...target,
    revoked: {
      index: target.revoked?.index ?? entry.index,
      ...(since.length === 0 ? {} : { compromisedSince: Math.min(...since) })
    }
  }
}

function checkChange(meta: RegistryMeta, { type, body }: Pick<RegistryEntry, 'type' | 'body'>): void {
  const current = meta.nodeKeys.at(-1)!
  if (type === 'registry.node') checkNodeKeys(body.keys as Partial<NodeKeys>)
  if (type === 'registry.node' && body.generation !== current.generation + 1)
    throw new LianzhengError('FIELD_INVALID', { field: 'generation', expected: String(current.generation + 1) })
  if (type === 'registry.catalogue' && (body.catalogue as number) <= meta.catalogue)
    throw new LianzhengError('FIELD_INVALID', { field: 'catalogue', expected: `more than ${meta.catalogue}` })
  if (type === 'registry.member') {
    const { name } = body.member as Member
    const known = meta.members.some((member) => member.name === name)
    if (known === (body.action === 'add'))
      throw new LianzhengError('REGISTRY_TARGET', {
        field: 'member.name',
        expected: known ? 'a new name' : 'the name of a member'
      })
  }
}

/** A change by an administrator: at once where one organisation is enough, pending otherwise. */
function propose(
  registry: Registry,
  meta: RegistryMeta,
  entry: RegistryEntry,
  signer: KeyState,
  keys: KeyState[]
): RegistryChange {
  const change: PendingChange = { leaf: entry.leaf, type: entry.type, body: entry.body, orgs: [signer.org] }
  if (meta.control > 1) return { keys, meta: { ...meta, pending: [...meta.pending, change] } }
  return takeEffect(registry, meta, change, entry.index, keys)
}

function approve(registry: Registry, meta: RegistryMeta, entry: RegistryEntry, signer: KeyState): RegistryChange {
  const refs = entry.body.refs as { rel: string; log: string; leaf: Bytes }[]
  const ref = refs[0]!
  if (refs.length !== 1 || ref.rel !== 'approves' || ref.log !== entry.aud)
    throw new LianzhengError('FIELD_INVALID', { field: 'refs', expected: 'one reference `approves` to this log' })
  const change = meta.pending.find(({ leaf }) => equalBytes(leaf, ref.leaf))
  if (change === undefined || change.orgs.includes(signer.org))
    throw new LianzhengError('REGISTRY_TARGET', { field: 'refs[0].leaf', expected: 'a change that awaits your organisation' })
  const kid = entry.body.kid as Bytes | undefined
  const wanted = change.type === 'registry.key' ? keyId(change.body.key as Bytes) : undefined
  if ((kid === undefined) !== (wanted === undefined) || (kid !== undefined && !equalBytes(kid, wanted!)))
    throw new LianzhengError('FIELD_INVALID', { field: 'kid', expected: wanted === undefined ? 'absent' : base64url(wanted) })
  const agreed: PendingChange = { ...change, orgs: [...change.orgs, signer.org] }
  const others = meta.pending.filter((pending) => pending !== change)
  if (agreed.orgs.length < meta.control) return { keys: [], meta: { ...meta, pending: [...others, agreed] } }
  // Another change may have taken effect meanwhile: the same generation twice, or an older catalogue after a newer one.
  checkChange(meta, change)
  return takeEffect(registry, { ...meta, pending: others }, agreed, entry.index, [])
}

function takeEffect(
  registry: Registry,
  meta: RegistryMeta,
  change: PendingChange,
  index: number,
  proposed: KeyState[]
): RegistryChange {
  const body = change.body
  switch (change.type) {
    case 'registry.key': {
      const key = proposed[0] ?? registry.key(keyId(body.key as Bytes))!
      return { meta, keys: [{ ...key, activeFrom: index }] }
    }
    case 'registry.member': {
      const member = body.member as Member
      const others = meta.members.filter(({ name }) => name !== member.name)
      return { keys: [], meta: { ...meta, members: body.action === 'add' ? [...others, member] : others } }
    }
    case 'registry.policy':
      return { keys: [], meta: { ...meta, policy: body.policy as string } }
    case 'registry.node': {
      const keys: NodeKeys = { ...meta.nodeKeys.at(-1)!.keys, ...(body.keys as Partial<NodeKeys>) }
      return {
        keys: [],
        meta: { ...meta, nodeKeys: [...meta.nodeKeys, { from: index, generation: body.generation as number, keys }] }
      }
    }
    case 'registry.catalogue':
      return { keys: [], meta: { ...meta, catalogue: body.catalogue as number, catalogueDigest: body.catalogueDigest as Bytes } }
    default:
      throw new LianzhengError('TYPE_UNKNOWN', { field: 'type' })
  }
}

/** A registry held in memory: for verifiers, audits and tests, and as an overlay over a stored one while a batch is folded. */
export class MemoryRegistry implements Registry {
  meta: RegistryMeta | undefined
  readonly #keys = new Map<string, KeyState>()
  readonly #base: Registry | undefined

  constructor(base?: Registry) {
    this.#base = base
    this.meta = base?.meta
  }

  key(kid: Bytes): KeyState | undefined {
    return this.#keys.get(binary(kid)) ?? this.#base?.key(kid)
  }

  /** Keys changed since the base. */
  changedKeys(): KeyState[] {
    return [...this.#keys.values()]
  }

  commit(change: RegistryChange): void {
    if (change.meta !== undefined) this.meta = change.meta
    for (const key of change.keys) this.#keys.set(binary(key.kid), key)
  }
}
