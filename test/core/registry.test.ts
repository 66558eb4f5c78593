/** The rules of formats.md §8, one describe each; the replay is the one of door, sequencer, mirror and verifier. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bytes, base64url, equalBytes, utf8 } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { sha256 } from '../../src/core/hash.ts'
import { ed25519Signer, keyId, type Signer } from '../../src/core/keys.ts'
import {
  applyRegistry,
  isRegistryType,
  type KeyState,
  MemoryRegistry,
  type NodeKeys,
  nodeKeysAt,
  type RegistryBody,
  type RegistryEntry,
  type Standing,
  standingOf,
  type TimeBounds
} from '../../src/core/registry.ts'
import { decodeSeal, nextSeal, signSeal } from '../../src/core/seal.ts'
import { decodeStatement, verifyStatement } from '../../src/core/statement.ts'
import { ROLES } from '../../src/records/define.ts'

const ORIGIN = 'court.example/evidence'
const IAT = 1_598_400_000

const signers = new Map<string, Signer>()
function signerOf(name: string): Signer {
  const signer = signers.get(name) ?? ed25519Signer(sha256(utf8(`registry ${name}`)))
  signers.set(name, signer)
  return signer
}
const keyOf = (name: string) => signerOf(name).publicKey
const kidOf = (name: string) => keyId(keyOf(name))

const digest = (name: string) => sha256(utf8(name))
const NODE: NodeKeys = {
  log: 'log vkey',
  statement: keyOf('seals 1'),
  receipt: digest('receipt 1'),
  promise: digest('promise 1')
}
const MEMBER = { name: 'discipline', org: 'gz-discipline', role: 'mirror', vkey: 'vkey' }

interface Administrator {
  name: string
  org: string
  roles?: readonly string[]
}
const A: Administrator = { name: 'a', org: 'org-a' }
const B: Administrator = { name: 'b', org: 'org-b' }
const C: Administrator = { name: 'c', org: 'org-c' }

function genesisBody(administrators: readonly Administrator[] = [A], more: RegistryBody = {}): RegistryBody {
  return {
    origin: ORIGIN,
    operator: 'org-a',
    control: 1,
    catalogue: 1,
    catalogueDigest: digest('catalogue 1'),
    policy: 'quorum none\n',
    members: [MEMBER],
    keys: NODE,
    administrators: administrators.map(({ name, org, roles = ROLES }) => ({ key: keyOf(name), org, roles })),
    ...more
  }
}

/** A log of registry entries: each takes the next index, whether it is accepted or not. */
class Log {
  readonly registry = new MemoryRegistry()
  index = 0
  readonly leaves: Bytes[] = []

  static start(administrators: readonly Administrator[] = [A], control = 1): Log {
    const log = new Log()
    log.apply('ledger.genesis', administrators[0]!.name, genesisBody(administrators, { control }))
    return log
  }

  entry(type: string, by: string, body: RegistryBody, more: Partial<RegistryEntry> = {}): RegistryEntry {
    return { index: this.index, leaf: digest(`leaf ${this.index}`), kid: kidOf(by), aud: ORIGIN, iat: IAT, type, body, ...more }
  }

  /** Returns the index; throws what the rules throw, and then changes nothing. */
  apply(type: string, by: string, body: RegistryBody, more: Partial<RegistryEntry> = {}): number {
    const entry = this.entry(type, by, body, more)
    this.registry.commit(applyRegistry(this.registry, entry))
    this.leaves[entry.index] = entry.leaf
    return this.index++
  }

  key(name: string, by = 'a', more: RegistryBody = {}): number {
    return this.apply('registry.key', by, { key: keyOf(name), org: `org-${by}`, roles: ['clerk'], ...more })
  }
  revoke(name: string, by = 'a', more: RegistryBody = {}): number {
    return this.apply('registry.revoke', by, { kid: kidOf(name), reason: 'left', ...more })
  }
  approve(index: number, by: string, name?: string): number {
    const refs = [{ rel: 'approves', log: ORIGIN, leaf: this.leaves[index]! }]
    return this.apply('registry.approve', by, { refs, ...(name === undefined ? {} : { kid: kidOf(name) }) })
  }

  state(name: string): KeyState | undefined {
    return this.registry.key(kidOf(name))
  }
  /** May the key sign the next entry? */
  standing(name: string, index = this.index): Standing {
    return standingOf(this.state(name), index, ANY_TIME)
  }
  get pending(): number {
    return this.registry.meta!.pending.length
  }
}

const ANY_TIME: TimeBounds = { min: IAT * 1000, max: IAT * 1000 }

function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof LianzhengError) return [error.code, error.detail.field].filter((part) => part !== undefined).join(' ')
    throw error
  }
  return 'accepted'
}

describe('which types are of the registry', () => {
  test.each([
    ['ledger.genesis', true],
    ['ledger.recovery', true],
    ['registry.key', true],
    ['registry.anything', true],
    ['ledger.seal', false],
    ['evidence.fix', false],
    ['registryx', false],
    ['xregistry.key', false]
  ])('%s: %s', (type, expected) => {
    expect(isRegistryType(type)).toBe(expected)
  })

  test('other types change nothing, whoever signs them, even before genesis', () => {
    const log = new Log()
    expect(applyRegistry(log.registry, log.entry('evidence.fix', 'nobody', {}))).toEqual({ keys: [] })
    const started = Log.start()
    expect(applyRegistry(started.registry, started.entry('body.erased', 'nobody', {}))).toEqual({ keys: [] })
  })

  test('an unknown type of the registry', () => {
    const log = Log.start()
    expect(refusal(() => log.apply('registry.novel', 'a', {}))).toBe('TYPE_UNKNOWN type')
    expect(refusal(() => Log.start([A, B], 2).apply('registry.novel', 'nobody', {}))).toBe('NOT_ADMINISTRATOR')
  })
})

describe('genesis', () => {
  const genesis = (body: RegistryBody, by = 'a', more: Partial<RegistryEntry> = {}) =>
    refusal(() => new Log().apply('ledger.genesis', by, body, more))

  test('gives administrators, operator, node keys, members, policy and catalogue', () => {
    const log = Log.start([A, { ...B, roles: ['clerk'] }], 2)
    expect(log.registry.meta).toEqual({
      origin: ORIGIN,
      operator: 'org-a',
      control: 2,
      genesisIat: IAT,
      catalogue: 1,
      catalogueDigest: digest('catalogue 1'),
      policy: 'quorum none\n',
      members: [MEMBER],
      nodeKeys: [{ from: 0, generation: 1, keys: NODE }],
      pending: []
    })
    expect(log.state('a')).toEqual({
      kid: kidOf('a'),
      key: keyOf('a'),
      org: 'org-a',
      roles: ['administrator'],
      mayGive: ROLES,
      registered: 0,
      activeFrom: 0
    })
    expect(log.state('b')).toMatchObject({ org: 'org-b', roles: ['administrator'], mayGive: ['clerk'] })
    expect([log.standing('a', 0), log.standing('a', 1), log.standing('b', 1)]).toEqual(['KEY_NOT_REGISTERED', 'active', 'active'])
  })

  test.each<[string, () => string, string]>([
    ['at index 1', () => genesis(genesisBody(), 'a', { index: 1 }), 'GENESIS_MISPLACED'],
    ['of another origin', () => genesis(genesisBody([A], { origin: 'court.example/other' })), 'FIELD_INVALID origin'],
    ['meant for another log', () => genesis(genesisBody(), 'a', { aud: 'court.example/other' }), 'FIELD_INVALID origin'],
    ['signed by the second administrator', () => genesis(genesisBody([A, B]), 'b'), 'NOT_ADMINISTRATOR administrators[0].key'],
    ['signed by nobody listed', () => genesis(genesisBody([A, B]), 'c'), 'NOT_ADMINISTRATOR administrators[0].key'],
    ['one administrator twice', () => genesis(genesisBody([A, B, A])), 'KEY_ALREADY_REGISTERED administrators[2].key'],
    [
      'one key for two organisations',
      () => genesis(genesisBody([A, { ...B, name: 'a' }])),
      'KEY_ALREADY_REGISTERED administrators[1].key'
    ],
    [
      'an unacceptable key',
      () => genesis({ ...genesisBody(), administrators: [{ key: new Uint8Array(32), org: 'org-a', roles: [] }] }),
      'KEY_INVALID administrators[0].key'
    ],
    [
      'an unacceptable key for seals',
      () => genesis(genesisBody([A], { keys: { ...NODE, statement: new Uint8Array(32) } })),
      'KEY_INVALID keys.statement'
    ],
    ['nothing wrong', () => genesis(genesisBody([A, B, C])), 'accepted']
  ])('refused: %s', (_name, action, expected) => {
    expect(action()).toBe(expected)
  })

  test('a second one, at 0 or later', () => {
    const log = Log.start()
    expect(refusal(() => log.apply('ledger.genesis', 'a', genesisBody()))).toBe('GENESIS_MISPLACED')
    expect(refusal(() => log.apply('ledger.genesis', 'a', genesisBody(), { index: 0 }))).toBe('GENESIS_MISPLACED')
  })

  test('nothing of the registry before it', () => {
    for (const type of ['registry.key', 'registry.revoke', 'registry.approve', 'registry.node', 'ledger.recovery'])
      expect(refusal(() => new Log().apply(type, 'a', {}))).toBe('GENESIS_MISPLACED')
  })
})

describe('administrators alone', () => {
  const bodies: [string, (log: Log) => RegistryBody][] = [
    ['registry.key', () => ({ key: keyOf('new'), org: 'org-a', roles: ['clerk'] })],
    ['registry.revoke', () => ({ kid: kidOf('clerk'), reason: 'left' })],
    ['registry.member', () => ({ action: 'add', member: { ...MEMBER, name: 'notary' } })],
    ['registry.policy', () => ({ policy: 'quorum none\n' })],
    ['registry.node', () => ({ generation: 2, keys: {} })],
    ['registry.catalogue', () => ({ catalogue: 2, catalogueDigest: digest('2') })],
    ['registry.approve', (log) => ({ refs: [{ rel: 'approves', log: ORIGIN, leaf: log.leaves[0]! }] })],
    ['ledger.recovery', () => ({})]
  ]
  test.each(bodies)('%s', (type, body) => {
    const log = Log.start()
    log.key('clerk')
    expect(refusal(() => log.apply(type, 'clerk', body(log)))).toBe('NOT_ADMINISTRATOR')
    expect(refusal(() => log.apply(type, 'nobody', body(log)))).toBe('NOT_ADMINISTRATOR')
    const expected = type === 'registry.approve' ? 'REGISTRY_TARGET refs[0].leaf' : 'accepted'
    expect(refusal(() => log.apply(type, 'a', body(log)))).toBe(expected)
  })

  test('those registered with the role are administrators too', () => {
    const log = Log.start()
    log.key('second', 'a', { roles: ['administrator'], mayGive: ['clerk'] })
    expect(log.state('second')).toMatchObject({ roles: ['administrator'], mayGive: ['clerk'] })
    log.apply('registry.key', 'second', { key: keyOf('new'), org: 'org-a', roles: ['clerk'] })
    expect(log.standing('new')).toBe('active')
  })

  test('recovery is said, and changes nothing', () => {
    const log = Log.start()
    expect(applyRegistry(log.registry, log.entry('ledger.recovery', 'a', {}))).toEqual({ keys: [] })
  })
})

describe('registration', () => {
  test('is in force above its own index, and keeps what it says', () => {
    const log = Log.start()
    const index = log.key('clerk', 'a', { staff: '粤01-R0101', notBefore: IAT, notAfter: IAT + 1 })
    expect(log.state('clerk')).toEqual({
      kid: kidOf('clerk'),
      key: keyOf('clerk'),
      org: 'org-a',
      staff: '粤01-R0101',
      roles: ['clerk'],
      mayGive: [],
      notBefore: IAT,
      notAfter: IAT + 1,
      registered: index,
      activeFrom: index
    })
    expect([index - 1, index, index + 1].map((at) => log.standing('clerk', at))).toEqual([
      'KEY_NOT_REGISTERED',
      'KEY_NOT_REGISTERED',
      'active'
    ])
  })

  test('of an organisation, by its own administrator', () => {
    const log = Log.start([A, B])
    expect(refusal(() => log.key('clerk', 'a', { org: 'org-b' }))).toBe('FOREIGN_ORGANISATION org')
    expect(refusal(() => log.key('clerk', 'b', { org: 'org-a' }))).toBe('FOREIGN_ORGANISATION org')
    expect(refusal(() => log.key('clerk', 'b'))).toBe('accepted')
    expect(log.state('clerk')!.org).toBe('org-b')
  })

  test('gives only roles the giver may give: every role against every pair of roles', () => {
    for (const role of ROLES) {
      for (const other of ROLES) {
        const log = Log.start([{ ...A, roles: [role, 'auditor'] }])
        const givable = other === role || other === 'auditor'
        expect([role, other, refusal(() => log.key('x', 'a', { roles: [other] }))]).toEqual([
          role,
          other,
          givable ? 'accepted' : 'ROLE_NOT_GIVABLE roles'
        ])
        expect(refusal(() => log.key('y', 'a', { roles: ['auditor', other] }))).toBe(
          givable ? 'accepted' : 'ROLE_NOT_GIVABLE roles'
        )
      }
    }
  })

  test('`mayGive` is a subset of the giver’s, and only administrators have it', () => {
    const log = Log.start([{ ...A, roles: ['administrator', 'clerk', 'judge'] }])
    const administrator = (name: string, mayGive: string[], by = 'a') =>
      refusal(() => log.apply('registry.key', by, { key: keyOf(name), org: 'org-a', roles: ['administrator'], mayGive }))
    expect(administrator('all', ['administrator', 'clerk', 'judge'])).toBe('accepted')
    expect(administrator('more', ['clerk', 'leader'])).toBe('ROLE_NOT_GIVABLE roles')
    expect(administrator('some', ['administrator', 'clerk'])).toBe('accepted')
    expect(administrator('next', ['judge'], 'some')).toBe('ROLE_NOT_GIVABLE roles')
    expect(administrator('next', ['clerk'], 'some')).toBe('accepted')
    expect(administrator('last', ['clerk'], 'next')).toBe('ROLE_NOT_GIVABLE roles') // may not make administrators
    expect(refusal(() => log.key('clerk', 'a', { mayGive: ['clerk'] }))).toBe('FIELD_INVALID mayGive')
    expect(refusal(() => log.key('clerk', 'a', { roles: ['administrator'] }))).toBe('accepted') // may give nothing
    expect(log.state('clerk')!.mayGive).toEqual([])
    expect(refusal(() => log.apply('registry.key', 'clerk', { key: keyOf('z'), org: 'org-a', roles: ['clerk'] }))).toBe(
      'ROLE_NOT_GIVABLE roles'
    )
  })

  test('dates in order, of one second at least', () => {
    const log = Log.start()
    expect(refusal(() => log.key('x', 'a', { notBefore: 2, notAfter: 1 }))).toBe('FIELD_INVALID notAfter')
    expect(refusal(() => log.key('x', 'a', { notBefore: 1, notAfter: 1 }))).toBe('accepted')
    expect(refusal(() => log.key('y', 'a', { notBefore: 0 }))).toBe('accepted')
    expect(refusal(() => log.key('z', 'a', { notAfter: 0 }))).toBe('accepted')
  })

  test('an acceptable key (formats.md §2)', () => {
    const log = Log.start()
    const small = new Uint8Array(32).with(0, 1)
    for (const key of [small, new Uint8Array(32), new Uint8Array(32).fill(0xff), keyOf('x').subarray(1)])
      expect(refusal(() => log.key('x', 'a', { key }))).toBe('KEY_INVALID key')
  })

  test('a second registration is refused: of a key in force, pending, revoked, of genesis, by anybody', () => {
    const again = 'KEY_ALREADY_REGISTERED key'
    const log = Log.start([A, B])
    log.key('clerk')
    expect(refusal(() => log.key('clerk'))).toBe(again)
    expect(refusal(() => log.key('clerk', 'b'))).toBe(again)
    expect(refusal(() => log.key('clerk', 'a', { roles: ['judge'] }))).toBe(again)
    log.revoke('clerk')
    expect(refusal(() => log.key('clerk'))).toBe(again)
    expect(refusal(() => log.key('a'))).toBe(again)
    expect(refusal(() => log.key('b', 'a'))).toBe(again)
    const two = Log.start([A, B], 2)
    two.key('clerk')
    expect(refusal(() => two.key('clerk'))).toBe(again)
    expect(refusal(() => two.key('clerk', 'b'))).toBe(again)
    expect(two.pending).toBe(1)
  })
})

describe('revocation', () => {
  test('takes effect at its own index, for statements above it', () => {
    const log = Log.start()
    log.key('clerk')
    log.index += 3
    const index = log.revoke('clerk')
    expect([index - 1, index, index + 1].map((at) => log.standing('clerk', at))).toEqual(['active', 'active', 'KEY_REVOKED'])
    expect(log.state('clerk')!.revoked).toEqual({ index })
  })

  test('by an administrator of the own organisation only', () => {
    const log = Log.start([A, B])
    log.key('clerk')
    expect(refusal(() => log.revoke('clerk', 'b'))).toBe('FOREIGN_ORGANISATION kid')
    expect(refusal(() => log.revoke('a', 'b'))).toBe('FOREIGN_ORGANISATION kid')
    expect(refusal(() => log.revoke('clerk', 'a'))).toBe('accepted')
  })

  test('of a key that is registered', () => {
    expect(refusal(() => Log.start().revoke('clerk'))).toBe('REGISTRY_TARGET kid')
  })

  test('with one administrator, however many organisations must agree to other changes', () => {
    for (const control of [1, 2, 3]) {
      const log = Log.start([A, B, C], control)
      const registered = log.key('clerk')
      if (control > 1) log.approve(registered, 'b', 'clerk')
      if (control > 2) log.approve(registered, 'c', 'clerk')
      expect(log.standing('clerk')).toBe('active')
      log.revoke('clerk')
      expect(log.standing('clerk')).toBe('KEY_REVOKED')
      expect(log.pending).toBe(0)
    }
  })

  test('of an administrator, also of oneself', () => {
    const log = Log.start()
    log.key('second', 'a', { roles: ['administrator'] })
    log.revoke('second')
    expect(log.standing('second')).toBe('KEY_REVOKED')
    log.revoke('a')
    expect(log.standing('a')).toBe('KEY_REVOKED')
  })

  test('of a pending key: approvals that come later do not bring it back', () => {
    const log = Log.start([A, B], 2)
    const registered = log.key('clerk')
    log.revoke('clerk')
    expect(log.standing('clerk')).toBe('KEY_REVOKED')
    log.approve(registered, 'b', 'clerk')
    expect(log.standing('clerk')).toBe('KEY_REVOKED')
    expect(log.state('clerk')!.activeFrom).toBe(log.index - 1)
  })

  test('a second one keeps the first index and the earliest compromisedSince', () => {
    for (const [first, second, since] of [
      [undefined, undefined, undefined],
      [undefined, 7, 7],
      [7, undefined, 7],
      [7, 5, 5],
      [5, 7, 5],
      [0, 7, 0]
    ] as const) {
      const log = Log.start()
      log.key('clerk')
      const index = log.revoke('clerk', 'a', first === undefined ? {} : { compromisedSince: first })
      log.revoke('clerk', 'a', second === undefined ? {} : { compromisedSince: second })
      expect(log.state('clerk')!.revoked).toEqual(since === undefined ? { index } : { index, compromisedSince: since })
    }
  })
})

describe('control: how many organisations must agree', () => {
  /** Each kind of change, and whether it is in force. */
  const changes: [string, (log: Log) => { index: number; kid?: string }, (log: Log) => boolean][] = [
    ['registry.key', (log) => ({ index: log.key('new'), kid: 'new' }), (log) => log.standing('new') === 'active'],
    [
      'registry.member',
      (log) => ({ index: log.apply('registry.member', 'a', { action: 'add', member: { ...MEMBER, name: 'notary' } }) }),
      (log) => log.registry.meta!.members.length === 2
    ],
    [
      'registry.policy',
      (log) => ({ index: log.apply('registry.policy', 'a', { policy: 'new' }) }),
      (log) => log.registry.meta!.policy === 'new'
    ],
    [
      'registry.node',
      (log) => ({ index: log.apply('registry.node', 'a', { generation: 2, keys: { statement: keyOf('seals 2') } }) }),
      (log) => log.registry.meta!.nodeKeys.length === 2
    ],
    [
      'registry.catalogue',
      (log) => ({ index: log.apply('registry.catalogue', 'a', { catalogue: 2, catalogueDigest: digest('catalogue 2') }) }),
      (log) => log.registry.meta!.catalogue === 2
    ]
  ]

  test.each(changes)('%s: in force when the last organisation has agreed, not before', (_type, propose, inForce) => {
    for (const control of [1, 2, 3]) {
      const log = Log.start([A, B, C], control)
      expect(inForce(log)).toBe(false)
      const { index, kid } = propose(log)
      for (const [agreed, by] of ['a', 'b', 'c'].entries()) {
        if (agreed > 0 && agreed < control) log.approve(index, by, kid)
        expect([control, agreed, inForce(log), log.pending]).toEqual([
          control,
          agreed,
          agreed + 1 >= control,
          agreed + 1 >= control ? 0 : 1
        ])
      }
      expect(refusal(() => log.approve(index, 'c', kid))).toBe('REGISTRY_TARGET refs[0].leaf') // nothing awaits it any more
    }
  })

  test('a key is in force above the last approval', () => {
    const log = Log.start([A, B, C], 3)
    const registered = log.key('new')
    log.approve(registered, 'c', 'new')
    const last = log.approve(registered, 'b', 'new')
    expect(log.state('new')).toMatchObject({ registered, activeFrom: last })
    expect([registered, registered + 1, last, last + 1].map((at) => log.standing('new', at))).toEqual([
      'KEY_NOT_REGISTERED',
      'KEY_PENDING',
      'KEY_PENDING',
      'active'
    ])
  })

  test('one organisation counts once, whoever of it signs', () => {
    const log = Log.start([A, B, { name: 'a2', org: 'org-a' }, { name: 'b2', org: 'org-b' }], 3)
    const registered = log.key('new')
    for (const by of ['a', 'a2']) expect(refusal(() => log.approve(registered, by, 'new'))).toBe('REGISTRY_TARGET refs[0].leaf')
    log.approve(registered, 'b', 'new')
    for (const by of ['a', 'a2', 'b', 'b2'])
      expect(refusal(() => log.approve(registered, by, 'new'))).toBe('REGISTRY_TARGET refs[0].leaf')
    expect(log.standing('new')).toBe('KEY_PENDING')
  })

  test('several changes wait apart', () => {
    const log = Log.start([A, B], 2)
    const first = log.key('first')
    const second = log.key('second')
    const policy = log.apply('registry.policy', 'b', { policy: 'new' })
    expect(log.pending).toBe(3)
    log.approve(second, 'b', 'second')
    expect([log.standing('first'), log.standing('second')]).toEqual(['KEY_PENDING', 'active'])
    log.approve(policy, 'a')
    expect(log.registry.meta!.policy).toBe('new')
    log.approve(first, 'b', 'first')
    expect([log.standing('first'), log.pending]).toEqual(['active', 0])
  })

  test('an approval names one change of this log, and its key where it has one', () => {
    const log = Log.start([A, B], 2)
    const key = log.key('new')
    const policy = log.apply('registry.policy', 'a', { policy: 'new' })
    const ref = (index: number, more = {}) => ({ rel: 'approves', log: ORIGIN, leaf: log.leaves[index]!, ...more })
    const approve = (body: RegistryBody) => refusal(() => log.apply('registry.approve', 'b', body))
    const kid = kidOf('new')
    expect(approve({ refs: [ref(key), ref(policy)], kid })).toBe('FIELD_INVALID refs')
    expect(approve({ refs: [ref(key, { rel: 'about' })], kid })).toBe('FIELD_INVALID refs')
    expect(approve({ refs: [ref(key, { log: 'court.example/other' })], kid })).toBe('FIELD_INVALID refs')
    expect(approve({ refs: [ref(key, { leaf: digest('nothing') })], kid })).toBe('REGISTRY_TARGET refs[0].leaf')
    expect(approve({ refs: [ref(0)], kid })).toBe('REGISTRY_TARGET refs[0].leaf')
    expect(approve({ refs: [ref(key)] })).toBe('FIELD_INVALID kid')
    expect(approve({ refs: [ref(key)], kid: kidOf('a') })).toBe('FIELD_INVALID kid')
    expect(approve({ refs: [ref(policy)], kid })).toBe('FIELD_INVALID kid')
    expect(log.pending).toBe(2)
    expect(approve({ refs: [ref(key)], kid })).toBe('accepted')
    expect(approve({ refs: [ref(policy)] })).toBe('accepted')
  })

  test('with control 1 nothing awaits approval', () => {
    const log = Log.start([A, B])
    const registered = log.key('new')
    expect(refusal(() => log.approve(registered, 'b', 'new'))).toBe('REGISTRY_TARGET refs[0].leaf')
  })

  test('a change that another has overtaken is not agreed to any more', () => {
    const log = Log.start([A, B], 2)
    const node = (name: string) => log.apply('registry.node', 'a', { generation: 2, keys: { statement: keyOf(name) } })
    const [first, second] = [node('seals 2'), node('seals 2b')]
    log.approve(second, 'b')
    expect(refusal(() => log.approve(first, 'b'))).toBe('FIELD_INVALID generation')
    expect(log.registry.meta!.nodeKeys.map(({ generation }) => generation)).toEqual([1, 2])
    const catalogue = (n: number) => log.apply('registry.catalogue', 'a', { catalogue: n, catalogueDigest: digest(`${n}`) })
    const [older, newer] = [catalogue(2), catalogue(3)]
    log.approve(newer, 'b')
    expect(refusal(() => log.approve(older, 'b'))).toBe('FIELD_INVALID catalogue')
    expect(log.registry.meta!.catalogue).toBe(3)
  })
})

describe('members, policy, catalogue', () => {
  const member = (log: Log, action: string, name: string) =>
    refusal(() => log.apply('registry.member', 'a', { action, member: { ...MEMBER, name } }))

  test('a member is added once and removed once', () => {
    const log = Log.start()
    expect(member(log, 'add', 'discipline')).toBe('REGISTRY_TARGET member.name') // there since genesis
    expect(member(log, 'remove', 'notary')).toBe('REGISTRY_TARGET member.name')
    expect(member(log, 'add', 'notary')).toBe('accepted')
    expect(member(log, 'remove', 'discipline')).toBe('accepted')
    expect(log.registry.meta!.members.map(({ name }) => name)).toEqual(['notary'])
    expect(member(log, 'remove', 'discipline')).toBe('REGISTRY_TARGET member.name')
    expect(member(log, 'add', 'discipline')).toBe('accepted')
  })

  test('catalogues only go up', () => {
    const log = Log.start()
    const catalogue = (n: number) =>
      refusal(() => log.apply('registry.catalogue', 'a', { catalogue: n, catalogueDigest: digest(`${n}`) }))
    expect(catalogue(1)).toBe('FIELD_INVALID catalogue')
    expect(catalogue(3)).toBe('accepted')
    expect(catalogue(2)).toBe('FIELD_INVALID catalogue')
    expect(catalogue(3)).toBe('FIELD_INVALID catalogue')
    expect(log.registry.meta).toMatchObject({ catalogue: 3, catalogueDigest: digest('3') })
  })

  test('only registry.policy changes the policy, and only what is named changes', () => {
    const log = Log.start()
    const before = log.registry.meta!
    log.apply('registry.policy', 'a', { policy: 'quorum others\n' })
    expect(log.registry.meta).toEqual({ ...before, policy: 'quorum others\n' })
  })
})

describe('node keys', () => {
  const rotate = (log: Log, generation: number, keys: RegistryBody) =>
    refusal(() => log.apply('registry.node', 'a', { generation, keys }))

  test('generations go up by one, and keys that are not named stay', () => {
    const log = Log.start()
    expect(rotate(log, 1, {})).toBe('FIELD_INVALID generation')
    expect(rotate(log, 3, {})).toBe('FIELD_INVALID generation')
    expect(rotate(log, 2, { statement: keyOf('seals 2') })).toBe('accepted')
    expect(rotate(log, 2, {})).toBe('FIELD_INVALID generation')
    expect(rotate(log, 3, { receipt: digest('receipt 3') })).toBe('accepted')
    expect(rotate(log, 4, { statement: new Uint8Array(32) })).toBe('KEY_INVALID keys.statement')
    expect(log.registry.meta!.nodeKeys).toEqual([
      { from: 0, generation: 1, keys: NODE },
      { from: 1, generation: 2, keys: { ...NODE, statement: keyOf('seals 2') } },
      { from: 2, generation: 3, keys: { ...NODE, statement: keyOf('seals 2'), receipt: digest('receipt 3') } }
    ])
  })

  test('the keys in force at every index', () => {
    const log = Log.start([A, B], 2)
    log.index = 10
    const change = log.apply('registry.node', 'a', { generation: 2, keys: { statement: keyOf('seals 2') } })
    const agreed = log.approve(change, 'b')
    log.index = 20
    const next = log.apply('registry.node', 'b', { generation: 3, keys: { statement: keyOf('seals 3') } })
    const last = log.approve(next, 'a')
    const meta = log.registry.meta!
    for (let index = 0; index <= last + 2; index++) {
      const expected = index > last ? 'seals 3' : index > agreed ? 'seals 2' : 'seals 1'
      expect([index, base64url(nodeKeysAt(meta, index).statement)]).toEqual([index, base64url(keyOf(expected))])
    }
  })

  test('seals verify under the key in force at their index and no other', () => {
    const log = Log.start()
    log.index = 5
    log.apply('registry.node', 'a', { generation: 2, keys: { statement: keyOf('seals 2') } })
    const meta = log.registry.meta!
    for (const index of [1, 4, 5, 6, 9]) {
      const right = index > 5 ? 'seals 2' : 'seals 1'
      for (const name of ['seals 1', 'seals 2']) {
        const bytes = signSeal(nextSeal(undefined, index, IAT * 1000, 1, digest('map')), ORIGIN, 'org-a', signerOf(name))
        const statement = decodeStatement(bytes)
        expect(decodeSeal(statement).size).toBe(index)
        expect(verifyStatement(statement, nodeKeysAt(meta, index).statement)).toBe(name === right)
      }
    }
  })
})

describe('dates', () => {
  const dated = (notBefore?: number, notAfter?: number): KeyState => ({
    kid: kidOf('x'),
    key: keyOf('x'),
    org: 'org-a',
    roles: [],
    mayGive: [],
    registered: 1,
    activeFrom: 1,
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(notAfter === undefined ? {} : { notAfter })
  })
  const at = (seconds: number): TimeBounds => ({ min: seconds * 1000, max: seconds * 1000 })

  test('both are inclusive, to the millisecond of the second they name', () => {
    const key = dated(100, 200)
    expect([99, 100, 101, 199, 200, 201].map((time) => standingOf(key, 2, at(time)))).toEqual([
      'KEY_NOT_YET_VALID',
      'active',
      'active',
      'active',
      'active',
      'KEY_EXPIRED'
    ])
    const exact = (ms: number) => standingOf(key, 2, { min: ms, max: ms })
    expect([99_999, 100_000, 200_000, 200_001].map(exact)).toEqual(['KEY_NOT_YET_VALID', 'active', 'active', 'KEY_EXPIRED'])
  })

  /** A time within the bounds is good, bad, or some of each. */
  test('bounds: every case of small numbers against the definition', () => {
    const edges = [undefined, 1, 2, 3]
    for (const notBefore of edges) {
      for (const notAfter of edges) {
        for (let min = 0; min <= 4; min++) {
          for (let max = min; max <= 4; max++) {
            const times = Array.from({ length: max - min + 1 }, (_, i) => min + i)
            const good = times.filter((time) => time >= (notBefore ?? 0) && time <= (notAfter ?? 9))
            const found = standingOf(dated(notBefore, notAfter), 2, { min: min * 1000, max: max * 1000 })
            const expected = good.length === times.length ? 'active' : good.length > 0 ? 'undecided' : undefined
            if (expected !== undefined)
              expect([notBefore, notAfter, min, max, found]).toEqual([notBefore, notAfter, min, max, expected])
            else expect(['KEY_NOT_YET_VALID', 'KEY_EXPIRED', 'undecided']).toContain(found)
            if (found === 'KEY_NOT_YET_VALID') expect(max).toBeLessThan(notBefore!)
            if (found === 'KEY_EXPIRED') expect(min).toBeGreaterThan(notAfter!)
          }
        }
      }
    }
  })

  test('standing is asked in this order: registered, revoked, in force, dates', () => {
    const key = dated(100, 200)
    const late = at(999)
    const { activeFrom: _, ...pending } = key
    const revoked = { index: 5 }
    expect(standingOf(undefined, 9, late)).toBe('KEY_NOT_REGISTERED')
    expect(standingOf({ ...key, registered: 9, revoked }, 9, late)).toBe('KEY_NOT_REGISTERED')
    expect(standingOf({ ...pending, revoked }, 6, late)).toBe('KEY_REVOKED')
    expect(standingOf({ ...pending, revoked }, 5, late)).toBe('KEY_PENDING')
    expect(standingOf(key, 6, late)).toBe('KEY_EXPIRED')
  })
})

describe('the replay', () => {
  test('does not change the registry it is computed from', () => {
    const log = Log.start([A, B], 2)
    const before = structuredClone(log.registry.meta)
    const change = applyRegistry(
      log.registry,
      log.entry('registry.key', 'a', { key: keyOf('new'), org: 'org-a', roles: ['clerk'] })
    )
    expect(log.registry.meta).toEqual(before)
    expect(log.state('new')).toBe(undefined)
    expect(change.keys).toHaveLength(1)
    log.registry.commit(change)
    expect(log.pending).toBe(1)
  })

  test('an overlay reads through, keeps its changes to itself, and lists them', () => {
    const log = Log.start()
    log.key('clerk')
    const overlay = new MemoryRegistry(log.registry)
    expect(overlay.key(kidOf('clerk'))).toBe(log.state('clerk'))
    expect(overlay.changedKeys()).toEqual([])
    overlay.commit(applyRegistry(overlay, log.entry('registry.revoke', 'a', { kid: kidOf('clerk'), reason: 'left' })))
    overlay.commit(applyRegistry(overlay, log.entry('registry.policy', 'a', { policy: 'new' })))
    expect(overlay.key(kidOf('clerk'))!.revoked).toEqual({ index: log.index })
    expect(overlay.changedKeys().map(({ kid }) => kid)).toEqual([kidOf('clerk')])
    expect(overlay.meta!.policy).toBe('new')
    expect(log.state('clerk')!.revoked).toBe(undefined)
    expect(log.registry.meta!.policy).toBe('quorum none\n')
  })

  /** Against a model that only knows which organisations have spoken for which key. */
  test('random orders of registrations, approvals and revocations agree with a small model', () => {
    const orgs = ['a', 'b', 'c']
    const names = ['x', 'y', 'z']
    const step = fc.tuple(fc.constantFrom('key', 'approve', 'revoke'), fc.constantFrom(...orgs), fc.constantFrom(...names))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 25 }), (control, steps) => {
        const log = Log.start([A, B, C], control)
        const model = new Map<string, { at: number; org: string; agreed: Set<string>; activeFrom?: number; revoked?: number }>()
        for (const [what, by, name] of steps) {
          const known = model.get(name)
          const index = log.index
          if (what === 'key') {
            expect(refusal(() => log.key(name, by))).toBe(known === undefined ? 'accepted' : 'KEY_ALREADY_REGISTERED key')
            if (known === undefined)
              model.set(name, { at: index, org: by, agreed: new Set([by]), ...(control === 1 ? { activeFrom: index } : {}) })
          } else if (what === 'approve') {
            const open = known !== undefined && known.activeFrom === undefined && !known.agreed.has(by)
            expect(refusal(() => log.approve(known?.at ?? 0, by, name))).toBe(open ? 'accepted' : 'REGISTRY_TARGET refs[0].leaf')
            if (!open) continue
            known.agreed.add(by)
            if (known.agreed.size >= control) known.activeFrom = index
          } else {
            const expected =
              known === undefined ? 'REGISTRY_TARGET kid' : known.org === by ? 'accepted' : 'FOREIGN_ORGANISATION kid'
            expect(refusal(() => log.revoke(name, by))).toBe(expected)
            if (expected === 'accepted') known!.revoked ??= index
          }
        }
        for (let index = 0; index <= log.index; index++) {
          for (const name of names) {
            const known = model.get(name)
            const expected: Standing =
              known === undefined || known.at >= index
                ? 'KEY_NOT_REGISTERED'
                : known.revoked !== undefined && known.revoked < index
                  ? 'KEY_REVOKED'
                  : known.activeFrom === undefined || known.activeFrom >= index
                    ? 'KEY_PENDING'
                    : 'active'
            expect(log.standing(name, index)).toBe(expected)
          }
        }
        expect(equalBytes(log.state('a')!.kid, kidOf('a'))).toBe(true)
      }),
      { seed: 8, numRuns: 150 }
    )
  })
})
