/**
 * The admission rule as one table: what is done to a good record, and the code and place of the refusal (formats.md §1–4). Forms of the envelope and
 * the header are in test/core/statement.test.ts, those of a disclosure in test/core/disclosure.test.ts, rules of the registry in test/core/registry.test.ts;
 * here stands one of each kind, to see that `examine` and `admit` pass them on, and everything that they add.
 */
import { describe, expect, test } from 'vitest'
import { type Bytes, concat, fromHex, utf8 } from '../../src/core/bytes.ts'
import { type Encodable, encodeCbor } from '../../src/core/cbor.ts'
import { encodeSign1, toBeSigned } from '../../src/core/cose.ts'
import { decodeDisclosure, encodeDisclosure } from '../../src/core/disclosure.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { type KeyState, MemoryRegistry, type RegistryMeta } from '../../src/core/registry.ts'
import { decodeStatement, RECORD_CONTENT, SEAL_CONTENT } from '../../src/core/statement.ts'
import { draft } from '../../src/records/draft.ts'
import {
  admit,
  admitSigner,
  checkNfc,
  type ExaminedRecord,
  examine,
  MAX_AHEAD,
  matchDisclosures,
  type Position
} from '../../src/verify/admit.ts'
import { fix, OPERATOR, ORIGIN, opinion, START, USERS, type User } from '../helpers/lab.ts'
import { kidOf, LyingNode, type RecordLie, registration } from '../helpers/lying-node.ts'

const { admin, clerk, president, secretary, system, judge, lawyer } = USERS
const IAT = START / 1000
const node = new LyingNode()

/** `CODE field` or `CODE offset` of the refusal. */
function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (!(error instanceof LianzhengError)) throw error
    return [error.code, error.detail.field ?? error.detail.offset].filter((part) => part !== undefined).join(' ')
  }
  return 'accepted'
}

const signed = (record: { [name: string]: unknown }, by: User, lie: RecordLie = {}) => node.sign(record, by, lie).statement
const examined = (record: { [name: string]: unknown }, by: User, lie: RecordLie = {}) =>
  examine(signed(record, by, lie)) as ExaminedRecord

describe('examine: what the bytes alone tell', () => {
  const CASE = '（2020）粤01民初123号'
  const full = fix('a', { case: CASE, evidence: '粤01-20200826-abcdefghijkl' })
  const good = signed(full, clerk)
  const change = (edit: (body: Record<string, Encodable>) => void): Bytes => signed(full, clerk, { body: edit })
  const set = (name: string, value: Encodable) => change((body) => Object.assign(body, { [name]: value }))
  const gone = (name: string) => change((body) => delete body[name])
  const file = (edit: Record<string, Encodable>) => set('files', [{ sha256: new Uint8Array(32), size: 1, ...edit }])

  test('a good record', () => {
    const { kind, type, body, statement } = examine(good) as ExaminedRecord
    expect([kind, type.type, body.case, statement.iss]).toEqual(['record', 'evidence.fix', CASE, OPERATOR])
  })

  test('a seal', () => {
    const log = new LyingNode()
    log.genesis()
    log.seal()
    const seal = examine(log.entries[1]!)
    expect([seal.kind, seal.kind === 'seal' && seal.seal.size]).toEqual(['seal', 1])
  })

  /** The payload in bytes that no encoder of ours writes. */
  const payload = (bytes: Bytes): Bytes => {
    const { protectedBytes, signature } = decodeStatement(good)
    return encodeSign1({ protectedBytes, payload: bytes, signature })
  }
  const headerEnd = 4 + decodeStatement(good).protectedBytes.length + 1

  test.each<[string, string, () => Bytes, string]>([
    ['§1', 'float', () => payload(fromHex('a16176f93c00')), `CBOR_UNSUPPORTED ${headerEnd + 5}`],
    ['§1', 'undefined', () => payload(fromHex('a16176f7')), `CBOR_UNSUPPORTED ${headerEnd + 5}`],
    ['§1', 'tag inside', () => payload(fromHex('a16176c100')), `CBOR_UNSUPPORTED ${headerEnd + 5}`],
    ['§1', 'indefinite length', () => payload(fromHex('bf617601ff')), `CBOR_INDEFINITE_LENGTH ${headerEnd + 2}`],
    ['§1', 'keys out of order', () => payload(fromHex('a2617601617400')), `CBOR_KEY_ORDER ${headerEnd + 6}`],
    ['§1', 'duplicate key', () => payload(fromHex('a2617601617601')), `CBOR_DUPLICATE_KEY ${headerEnd + 6}`],
    ['§1', 'integer of 2^53', () => payload(fromHex('a161761b0020000000000000')), `CBOR_INTEGER_RANGE ${headerEnd + 5}`],
    ['§1', 'not UTF-8', () => payload(fromHex('a1617661ff')), `CBOR_TEXT_NOT_UTF8 ${headerEnd + 5}`],
    ['§3', 'too large', () => change((b) => Object.assign(b, { environment: 'x'.repeat(66_000) })), 'STATEMENT_TOO_LARGE'],
    ['§3', 'not tagged', () => good.subarray(1), 'STATEMENT_FORM 0'],
    ['§3', 'bytes after it', () => concat(good, Uint8Array.of(0)), `CBOR_TRAILING_BYTES ${good.length}`],
    ['§3', 'content type of a document', () => signed(full, clerk, { contentType: 'application/json' }), 'STATEMENT_HEADER 3'],
    ['§3', 'organisation in capitals', () => signed(full, clerk, { iss: 'GZ' }), 'STATEMENT_CLAIMS iss'],
    ['§3', 'cti of 8 bytes', () => signed(full, clerk, { cti: new Uint8Array(8) }), 'STATEMENT_CLAIMS cti'],
    ['§3', 'iat below 0', () => signed(full, clerk, { iat: -1 }), 'STATEMENT_CLAIMS iat'],
    ['§3', 'aud that is no origin', () => signed(full, clerk, { aud: 'Court' }), 'STATEMENT_CLAIMS aud'],
    ['§3', 'no trails', () => signed(full, clerk, { trails: [] }), 'STATEMENT_TRAILS trails'],
    [
      '§3',
      'half-width brackets in a trail',
      () => signed(full, clerk, { trails: ['case:(2020)粤01民初123号'] }),
      'TRAIL_NAME_INVALID trails[0]'
    ],
    [
      '§3',
      'a trail too few',
      () => signed(full, clerk, { trails: decodeStatement(good).trails.slice(0, -1) }),
      'TRAILS_MISMATCH trails'
    ],
    [
      '§3',
      'a trail too many',
      () => signed(full, clerk, { trails: [...decodeStatement(good).trails, 'list:粤01-20200826-listaaaaaaaa'] }),
      'TRAILS_MISMATCH trails'
    ],
    [
      '§3',
      'another trail',
      () => signed(full, clerk, { trails: decodeStatement(good).trails.with(0, 'case:（2020）粤01民初124号') }),
      'TRAILS_MISMATCH trails'
    ],
    ['§3', 'another of its trails as sub', () => signed(full, clerk, { sub: `case:${CASE}` }), 'TRAILS_MISMATCH sub'],
    ['§3', 'ledger.seal in a record', () => set('type', 'ledger.seal'), 'CONTENT_TYPE_MISMATCH type'],
    ['§3', 'a record dressed as a seal', () => signed(full, clerk, { contentType: SEAL_CONTENT }), 'STATEMENT_FORM seal.payload'],
    ['§4', 'payload of an array', () => payload(encodeCbor([])), 'RECORD_FORM payload'],
    ['§4', 'a number for a key', () => payload(fromHex('a10101')), 'RECORD_FORM payload'],
    ['§4', 'a number for a key below', () => set('files', [new Map<number | string, Encodable>([[1, 2]])]), 'RECORD_FORM 1'],
    ['§4', 'no type', () => gone('type'), 'FIELD_MISSING type'],
    ['§4', 'type of a number', () => set('type', 1), 'FIELD_MISSING type'],
    ['§4', 'no version', () => gone('v'), 'FIELD_MISSING v'],
    ['§4', 'version as text', () => set('v', '1'), 'FIELD_MISSING v'],
    ['§4', 'a type nobody knows', () => set('type', 'evidence.novel'), 'TYPE_UNKNOWN type'],
    ['§4', 'a type that is a member of every object', () => set('type', 'constructor'), 'TYPE_UNKNOWN type'],
    ['§4', 'version 2', () => set('v', 2), 'TYPE_VERSION_UNKNOWN v'],
    ['§4', 'version 0', () => set('v', 0), 'TYPE_VERSION_UNKNOWN v'],
    ['§4', 'no time', () => gone('at'), 'FIELD_MISSING at'],
    ...[
      '2020-08-26T09:00:00Z',
      '2020-08-26T09:00:00',
      '2020-08-26 09:00:00+08:00',
      '2020-08-26T09:00:60+08:00',
      '2020-08-26T24:00:00+08:00',
      '2020-02-30T09:00:00+08:00',
      '2019-02-29T09:00:00+08:00',
      '2020-08-26T09:00:00.1234+08:00',
      '2020-08-26T09:00:00.+08:00',
      '2020-08-26T09:00+08:00',
      '２０20-08-26T09:00:00+08:00',
      '2020-08-26T09:00:00+0800'
    ].map((time): [string, string, () => Bytes, string] => ['§4', `time ${time}`, () => set('at', time), 'FIELD_INVALID at']),
    ...['2020-02-29T09:00:00+08:00', '2020-08-26T09:00:00.1+08:00', '2020-08-26T23:59:59.123-11:30'].map(
      (time): [string, string, () => Bytes, string] => ['§4', `time ${time}`, () => set('at', time), 'accepted']
    ),
    ['§4', 'a field nobody knows', () => set('more', 1), 'FIELD_UNKNOWN more'],
    ['§4', 'a field nobody knows, below', () => file({ more: 1 }), 'FIELD_UNKNOWN files[0].more'],
    ['§4', '__proto__', () => set('__proto__x', 1), 'FIELD_UNKNOWN __proto__x'],
    ['§4', 'a required field missing', () => gone('evidence'), 'FIELD_MISSING evidence'],
    [
      '§4',
      'a required field missing, below',
      () => set('files', [{ sha256: new Uint8Array(32) }]),
      'FIELD_MISSING files[0].size'
    ],
    ['§4', 'null', () => set('kind', null), 'FIELD_INVALID kind'],
    ['§4', 'digest of 31 bytes', () => file({ sha256: new Uint8Array(31) }), 'FIELD_INVALID files[0].sha256'],
    ['§4', 'digest as text', () => file({ sha256: '00'.repeat(32) }), 'FIELD_INVALID files[0].sha256'],
    ['§4', 'size below 0', () => file({ size: -1 }), 'FIELD_INVALID files[0].size'],
    ['§4', 'no files', () => set('files', []), 'FIELD_INVALID files'],
    [
      '§4',
      'nine files',
      () =>
        set(
          'files',
          Array.from({ length: 9 }, (_, i) => ({ sha256: new Uint8Array(32).fill(i), size: 1 }))
        ),
      'FIELD_INVALID files'
    ],
    [
      '§4',
      'the same file twice',
      () =>
        set(
          'files',
          [1, 2].map(() => ({ sha256: new Uint8Array(32), size: 1 }))
        ),
      'FIELD_INVALID files[1].sha256'
    ],
    ['§4', 'case number with half-width brackets', () => set('case', '(2020)粤01民初123号'), 'FIELD_INVALID case'],
    ['§4', 'staff code of nobody', () => set('actor', '0101'), 'FIELD_INVALID actor'],
    ['§4', 'kind of evidence nobody knows', () => set('kind', 'E9'), 'FIELD_INVALID kind'],
    ['§4', 'empty sealed', () => set('sealed', new Map()), 'FIELD_INVALID sealed'],
    ['§4', 'sealed field nobody knows', () => set('sealed', { colour: new Uint8Array(32) }), 'FIELD_UNKNOWN sealed.colour'],
    ['§4', 'sealed digest of 16 bytes', () => set('sealed', { name: new Uint8Array(16) }), 'FIELD_INVALID sealed.name'],
    ['§4', 'sealed text in the open', () => set('sealed', { name: '合同.pdf' }), 'FIELD_INVALID sealed.name'],
    ['§4', 'empty refs', () => set('refs', []), 'FIELD_INVALID refs'],
    [
      '§4',
      'reference with a relation nobody knows',
      () => set('refs', [{ rel: 'likes', log: ORIGIN, leaf: new Uint8Array(32) }]),
      'FIELD_INVALID refs[0].rel'
    ],
    [
      '§4',
      'reference to no log',
      () => set('refs', [{ rel: 'about', log: 'Court', leaf: new Uint8Array(32) }]),
      'FIELD_INVALID refs[0].log'
    ],
    ['§4', 'reference without a leaf', () => set('refs', [{ rel: 'about', log: ORIGIN }]), 'FIELD_MISSING refs[0].leaf'],
    [
      '§4',
      'reference to a leaf of 20 bytes',
      () => set('refs', [{ rel: 'about', log: ORIGIN, leaf: new Uint8Array(20) }]),
      'FIELD_INVALID refs[0].leaf'
    ],
    ['records', 'secrecy 无', () => set('secrecy', '无'), 'accepted'],
    ['records', 'secrecy 秘密', () => set('secrecy', '秘密'), 'CLASSIFIED_NOT_ACCEPTED secrecy'],
    ['records', 'secrecy of a number', () => set('secrecy', 0), 'CLASSIFIED_NOT_ACCEPTED secrecy'],
    [
      'records',
      'secrecy of a type nobody knows',
      () => change((b) => Object.assign(b, { type: 'secret.plan', secrecy: '绝密' })),
      'CLASSIFIED_NOT_ACCEPTED secrecy'
    ]
  ])('%s %s', (_section, _name, make, expected) => {
    expect(refusal(() => examine(make()))).toBe(expected)
  })

  test('text in another normal form is for the door alone', () => {
    expect(refusal(() => examine(set('environment', 'e\u0301')))).toBe('accepted')
  })

  test('a wrong signature is not examined here', () => {
    const { protectedBytes, payload: body } = decodeStatement(good)
    expect(toBeSigned(protectedBytes, body).length).toBeGreaterThan(0)
    expect(refusal(() => examine(good.with(good.length - 1, good.at(-1)! ^ 1)))).toBe('accepted')
  })
})

describe('admit: what the ledger adds', () => {
  const meta: RegistryMeta = {
    origin: ORIGIN,
    operator: OPERATOR,
    control: 1,
    genesisIat: IAT,
    catalogue: 1,
    catalogueDigest: new Uint8Array(32),
    policy: 'quorum none\n',
    members: [],
    nodeKeys: [],
    pending: []
  }

  function keyState(who: User, more: Partial<KeyState> = {}): KeyState {
    const { org, staff, roles, signer } = who
    return {
      kid: kidOf(who),
      key: signer.publicKey,
      org,
      roles,
      mayGive: roles.includes('administrator') ? ['clerk', 'judge'] : [],
      registered: 1,
      activeFrom: 1,
      ...(staff === undefined ? {} : { staff }),
      ...more
    }
  }

  /** A registry of these keys; everyone of USERS without it. */
  function registryOf(keys: readonly KeyState[] = Object.values(USERS).map((who) => keyState(who))): MemoryRegistry {
    const registry = new MemoryRegistry()
    registry.commit({ meta, keys })
    return registry
  }

  const position = (more: Partial<Position> = {}): Position => ({
    origin: ORIGIN,
    classes: ['party', 'internal'],
    registry: registryOf(),
    index: 10,
    time: { min: START, max: START },
    latestIat: IAT + MAX_AHEAD,
    ctiUsed: () => false,
    earlier: () => undefined,
    ...more
  })

  const verdict = (record: { [name: string]: unknown }, by: User, lie: RecordLie = {}, at: Partial<Position> = {}) =>
    refusal(() => admit(examined(record, by, lie), position(at)))

  test('MAX_AHEAD is 300 s', () => expect(MAX_AHEAD).toBe(300))

  test.each<[string, () => string, string]>([
    ['a good record', () => verdict(fix('a'), clerk), 'accepted'],
    ['a good opinion', () => verdict(opinion(), president), 'accepted'],
    ['meant for another log', () => verdict(fix('a'), clerk, { aud: 'court.example/other' }), 'WRONG_LOG aud'],
    ['class not held', () => verdict(opinion(), president, {}, { classes: ['party'] }), 'CLASS_NOT_HELD type'],
    ['no class held', () => verdict(fix('a'), clerk, {}, { classes: [] }), 'CLASS_NOT_HELD type'],
    ['system types belong to every log', () => verdict(registration(newcomer), admin, {}, { classes: [] }), 'accepted'],
    ['iat at the limit', () => verdict(fix('a'), clerk, { iat: IAT + 300 }), 'accepted'],
    ['iat beyond it', () => verdict(fix('a'), clerk, { iat: IAT + 301 }), 'IAT_AHEAD iat'],
    ['iat long ago', () => verdict(fix('a'), clerk, { iat: 0 }), 'accepted'],
    ['cti used', () => verdict(fix('a'), clerk, {}, { ctiUsed: () => true }), 'CTI_REUSED cti'],
    ['key not registered', () => verdict(fix('a'), clerk, {}, { registry: registryOf([]) }), 'KEY_NOT_REGISTERED kid'],
    ['key registered at this very index', () => verdict(fix('a'), clerk, {}, { index: 1 }), 'KEY_NOT_REGISTERED kid'],
    ['key registered just below', () => verdict(fix('a'), clerk, {}, { index: 2 }), 'accepted'],
    ['key pending', () => verdict(fix('a'), clerk, {}, { registry: registryOf([pending(clerk)]) }), 'KEY_PENDING kid'],
    [
      'key in force at this very index',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { activeFrom: 10 })]) }),
      'KEY_PENDING kid'
    ],
    [
      'key revoked below',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { revoked: { index: 9 } })]) }),
      'KEY_REVOKED kid'
    ],
    [
      'key revoked at this very index',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { revoked: { index: 10 } })]) }),
      'accepted'
    ],
    [
      'key not yet valid',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { notBefore: IAT + 1 })]) }),
      'KEY_NOT_YET_VALID kid'
    ],
    [
      'key valid from now',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { notBefore: IAT })]) }),
      'accepted'
    ],
    [
      'key valid until now',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { notAfter: IAT })]) }),
      'accepted'
    ],
    [
      'key expired',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { notAfter: IAT - 1 })]) }),
      'KEY_EXPIRED kid'
    ],
    ['iss of another organisation', () => verdict(fix('a'), clerk, { iss: 'gz-other' }), 'ORGANISATION_MISMATCH iss'],
    ['a role that may not write it', () => verdict(opinion(), clerk), 'ROLE_NOT_PERMITTED type'],
    ['a judge fixes evidence', () => verdict(fix('a'), judge), 'ROLE_NOT_PERMITTED type'],
    [
      'one role of several may',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { roles: ['judge', 'clerk'] })]) }),
      'accepted'
    ],
    [
      'no role at all',
      () => verdict(fix('a'), clerk, {}, { registry: registryOf([keyState(clerk, { roles: [] })]) }),
      'ROLE_NOT_PERMITTED type'
    ],
    ['actor of another', () => verdict(fix('a', { actor: '粤01-R0102' }), clerk), 'ACTOR_MISMATCH actor'],
    ['no actor', () => verdict(fix('a'), clerk, { body: (body) => delete body.actor }), 'ACTOR_MISMATCH actor'],
    ['a lawyer has no actor', () => verdict(fix('a'), lawyer), 'accepted'],
    ['a lawyer with an actor', () => verdict(fix('a', { actor: '粤01-R0101' }), lawyer), 'ACTOR_MISMATCH actor'],
    [
      'a clerk without a staff code',
      () => verdict(fix('a'), bare(clerk), {}, { registry: registryOf([keyState(bare(clerk))]) }),
      'FIELD_MISSING actor'
    ],
    ['a system for nobody, where no trail is of a person', () => verdict(fix('a'), system), 'accepted'],
    ['a leader for another', () => verdict(opinion({ onBehalfOf: '粤01-R0009' }), president), 'FIELD_INVALID onBehalfOf'],
    ['a clerk for another', () => verdict(fix('a', { onBehalfOf: '粤01-R0009' }), clerk), 'FIELD_INVALID onBehalfOf'],
    ['a secretary for the leader', () => verdict(access({ onBehalfOf: '粤01-R0001' }), secretary), 'accepted'],
    ['a secretary for nobody', () => verdict(access(), secretary), 'FIELD_MISSING onBehalfOf'],
    ['a registration of its own organisation', () => verdict(registration(newcomer), admin), 'accepted'],
    [
      'a registration of another',
      () => verdict({ ...registration(newcomer), org: 'gz-other' }, admin),
      'FOREIGN_ORGANISATION org'
    ],
    [
      'a registration by a clerk',
      () => verdict(registration(newcomer), clerk, { body: (body) => delete body.actor }),
      'ROLE_NOT_PERMITTED type'
    ],
    ['a registration twice', () => verdict(registration(clerk), admin), 'KEY_ALREADY_REGISTERED key'],
    [
      'a role that may not be given',
      () => verdict({ ...registration(newcomer), roles: ['leader'] }, admin),
      'ROLE_NOT_GIVABLE roles'
    ],
    ['genesis later', () => refusal(() => admit(examine(genesis()), position())), 'GENESIS_MISPLACED'],
    [
      'genesis first',
      () => refusal(() => admit(examine(genesis()), position({ index: 0, registry: new MemoryRegistry() }))),
      'accepted'
    ],
    [
      'anything else first',
      () => verdict(fix('a'), clerk, {}, { index: 0, registry: new MemoryRegistry() }),
      'KEY_NOT_REGISTERED kid'
    ],
    ['a seal', () => refusal(() => admit(examine(aSeal()), position())), 'SEAL_NOT_ACCEPTED'],
    ['a seal of another log', () => refusal(() => admit(examine(aSeal('court.example/other')), position())), 'WRONG_LOG aud']
  ])('%s', (_name, action, expected) => {
    expect(action()).toBe(expected)
  })

  const newcomer: User = { org: OPERATOR, roles: ['clerk'], staff: '粤01-R0155', signer: new LyingNode('court.example/x').log }

  function access(more: { [name: string]: unknown } = {}) {
    const at = '2020-08-26T10:00:00+08:00'
    return { type: 'supervision.access', at, court: '粤01', case: '（2020）粤01民初123号', mode: 'file', from: at, ...more }
  }
  function pending(who: User): KeyState {
    const { activeFrom: _, ...state } = keyState(who)
    return state
  }
  function bare({ staff: _, ...who }: User): User {
    return who
  }
  function genesis(): Bytes {
    const log = new LyingNode()
    log.genesis()
    return log.entries[0]!
  }
  function aSeal(origin: string = ORIGIN): Bytes {
    const log = new LyingNode(origin)
    log.genesis()
    log.seal()
    return log.entries[1]!
  }

  test('the order of refusals: log, class, time, repetition, key, organisation, role', () => {
    const everything = { aud: 'court.example/other', iat: IAT + 999, iss: 'gz-other' }
    const none = { classes: [], ctiUsed: () => true, registry: registryOf([]) }
    expect(verdict(opinion(), clerk, everything, none)).toBe('WRONG_LOG aud')
    expect(verdict(opinion(), clerk, { ...everything, aud: ORIGIN }, none)).toBe('CLASS_NOT_HELD type')
    expect(verdict(opinion(), clerk, { iat: IAT + 999, iss: 'gz-other' }, { ...none, classes: ['internal'] })).toBe(
      'IAT_AHEAD iat'
    )
    expect(verdict(opinion(), clerk, { iss: 'gz-other' }, { ...none, classes: ['internal'] })).toBe('CTI_REUSED cti')
    expect(verdict(opinion(), clerk, { iss: 'gz-other' }, { registry: registryOf([]) })).toBe('KEY_NOT_REGISTERED kid')
    expect(verdict(opinion(), clerk, { iss: 'gz-other' })).toBe('ORGANISATION_MISMATCH iss')
    expect(verdict(opinion(), clerk)).toBe('ROLE_NOT_PERMITTED type')
  })

  test('the key id and cti asked for are those of the statement', () => {
    const record = examined(fix('a'), clerk)
    const asked: [Bytes, Bytes][] = []
    admit(record, position({ ctiUsed: (kid, cti) => asked.push([kid, cti]) === 0 }))
    expect(asked).toEqual([[record.statement.kid, record.statement.cti]])
  })

  test('gives the key, what changes, and whether dates are undecided', () => {
    const plain = admit(examined(fix('a'), clerk), position())
    expect(plain).toEqual({ key: keyState(clerk), undecided: false, change: { keys: [] } })
    const registered = admit(examined(registration(newcomer), admin), position())
    expect(registered.key.kid).toEqual(kidOf(admin))
    expect(registered.change.keys.map(({ kid, registered: at, activeFrom }) => [kid, at, activeFrom])).toEqual([
      [kidOf(newcomer), 10, 10]
    ])
    const registry = registryOf([keyState(clerk, { notBefore: IAT })])
    const between = position({ registry, time: { min: START - 1, max: START } })
    expect(admit(examined(fix('a'), clerk), between).undecided).toBe(true)
    const first = admit(examine(genesis()), position({ index: 0, registry: new MemoryRegistry() }))
    expect([first.key.kid, first.change.meta?.origin]).toEqual([kidOf(admin), ORIGIN])
  })

  test('admitSigner leaves out what the record does to the registry, and nothing else', () => {
    const again = examined(registration(clerk), admin)
    expect(refusal(() => admit(again, position()))).toBe('KEY_ALREADY_REGISTERED key')
    const { key, change, entry } = admitSigner(again, position())
    expect([key.kid, change, entry.type, entry.index]).toEqual([kidOf(admin), undefined, 'registry.key', 10])
    expect(refusal(() => admitSigner(examined(opinion(), clerk), position()))).toBe('ROLE_NOT_PERMITTED type')
    expect(refusal(() => admitSigner(examine(genesis()), position()))).toBe('GENESIS_MISPLACED')
  })
})

describe('matchDisclosures', () => {
  const made = draft(fix('a', { sealed: { name: '合同.pdf', source: '原告提交' } }), {
    aud: ORIGIN,
    author: clerk,
    iat: IAT,
    random: (length) => new Uint8Array(length).fill(length)
  })
  const record = examine(made.statement) as ExaminedRecord
  const [name, source] = made.disclosures as [Bytes, Bytes]
  const salt = new Uint8Array(16).fill(16)
  const match = (...disclosures: Bytes[]) => refusal(() => matchDisclosures(record, disclosures))

  test('any of them, in any order', () => {
    expect(matchDisclosures(record, [])).toEqual([])
    expect(matchDisclosures(record, [source, name]).map((one) => [one.name, one.value])).toEqual([
      ['source', '原告提交'],
      ['name', '合同.pdf']
    ])
  })

  test.each<[string, () => string, string]>([
    ['both', () => match(name, source), 'accepted'],
    ['one of them', () => match(name), 'accepted'],
    ['one twice', () => match(name, source, name), 'DISCLOSURE_REPEATED disclosures[2]'],
    [
      'another salt',
      () => match(encodeDisclosure(new Uint8Array(16), 'name', '合同.pdf').bytes),
      'DISCLOSURE_UNMATCHED disclosures[0]'
    ],
    [
      'another value',
      () => match(name, encodeDisclosure(salt, 'source', '被告提交').bytes),
      'DISCLOSURE_UNMATCHED disclosures[1]'
    ],
    [
      'the value under another name',
      () => match(encodeDisclosure(salt, 'source', '合同.pdf').bytes),
      'DISCLOSURE_UNMATCHED disclosures[0]'
    ],
    [
      'a field that is not sealed',
      () => match(encodeDisclosure(salt, 'purpose', 'x').bytes),
      'DISCLOSURE_UNMATCHED disclosures[0]'
    ],
    [
      'a name every object has',
      () => match(encodeDisclosure(salt, 'constructor', 'x').bytes),
      'DISCLOSURE_UNMATCHED disclosures[0]'
    ],
    [
      'a name of the prototype',
      () => match(encodeDisclosure(salt, '__proto__', 'x').bytes),
      'DISCLOSURE_UNMATCHED disclosures[0]'
    ],
    ['not a disclosure', () => match(utf8('合同')), 'CBOR_UNSUPPORTED 0'],
    ['two parts', () => match(encodeCbor([salt, 'name'])), 'DISCLOSURE_INVALID'],
    ['a short salt', () => match(encodeCbor([salt.subarray(1), 'name', 'x'])), 'DISCLOSURE_INVALID salt'],
    ['no value', () => match(encodeCbor([salt, 'name', null])), 'DISCLOSURE_INVALID value'],
    ['too large', () => match(encodeCbor([salt, 'name', 'x'.repeat(65_536)])), 'DISCLOSURE_INVALID']
  ])('%s', (_name, action, expected) => {
    expect(action()).toBe(expected)
  })

  test('values have the schema of their field, though the record sealed another', () => {
    const sealing = (field: string, value: Encodable) => {
      const { bytes, digest } = encodeDisclosure(salt, field, value)
      const lying = examined(fix('a'), clerk, { body: (body) => Object.assign(body, { sealed: { [field]: digest } }) })
      return refusal(() => matchDisclosures(lying, [bytes]))
    }
    expect(sealing('name', '合同.pdf')).toBe('accepted')
    expect(sealing('name', '')).toBe('FIELD_INVALID sealed.name')
    expect(sealing('name', 5)).toBe('FIELD_INVALID sealed.name')
    expect(sealing('name', 'x'.repeat(401))).toBe('FIELD_INVALID sealed.name')
    expect(sealing('name', 'a\u0000b')).toBe('FIELD_INVALID sealed.name')
    expect(sealing('name', ['合同.pdf'])).toBe('FIELD_INVALID sealed.name')
    expect(sealing('name', { a: null })).toBe('FIELD_INVALID sealed.name')
    expect(sealing('name', new Map<number | string, Encodable>([[1, 'x']]))).toBe('RECORD_FORM 1')
  })
})

describe('checkNfc: at the door alone', () => {
  const nfc = (record: { [name: string]: unknown }, disclosures: Bytes[] = []) =>
    refusal(() => checkNfc(examined(record, clerk), disclosures.map(decodeDisclosure)))
  const COMPOSED = '\u00e9'
  const APART = 'e\u0301'
  const salt = new Uint8Array(16)

  test.each<[string, () => string, string]>([
    ['composed', () => nfc(fix('a', { environment: COMPOSED })), 'accepted'],
    ['apart', () => nfc(fix('a', { environment: APART })), 'TEXT_NOT_NFC environment'],
    ['a compatibility ideograph', () => nfc(fix('a', { environment: '\uf9db' })), 'TEXT_NOT_NFC environment'],
    ['half a Hangul syllable', () => nfc(fix('a', { environment: '\u1100\u1161' })), 'TEXT_NOT_NFC environment'],
    ['full-width forms are NFC', () => nfc(fix('a', { environment: '（２０２０）ＡＢ' })), 'accepted'],
    ['in a disclosure, composed', () => nfc(fix('a'), [encodeDisclosure(salt, 'name', COMPOSED).bytes]), 'accepted'],
    ['in a disclosure, apart', () => nfc(fix('a'), [encodeDisclosure(salt, 'name', APART).bytes]), 'TEXT_NOT_NFC sealed.name'],
    [
      'in a list of a disclosure',
      () => nfc(fix('a'), [encodeDisclosure(salt, 'names', ['x', APART]).bytes]),
      'TEXT_NOT_NFC sealed.names[1]'
    ]
  ])('%s', (_name, action, expected) => {
    expect(action()).toBe(expected)
  })

  test('every text of the body is looked at, however deep', () => {
    const policy = examined({ type: 'registry.policy', at: '2020-08-26T09:00:00+08:00', policy: `# ${APART}\n` }, admin)
    expect(refusal(() => checkNfc(policy, []))).toBe('TEXT_NOT_NFC policy')
    const member = { name: APART, org: 'gz-x', role: 'witness', vkey: 'x' }
    const added = examined({ type: 'registry.member', at: '2020-08-26T09:00:00+08:00', action: 'add', member }, admin)
    expect(refusal(() => checkNfc(added, []))).toBe('TEXT_NOT_NFC member.name')
  })
})

test('the content type of a record is the one name for records', () => {
  expect(decodeStatement(signed(fix('a'), clerk)).kind).toBe('record')
  expect(RECORD_CONTENT).toBe('application/vnd.lianzheng.record+cbor')
})
