/**
 * What a node that lies can put into a file, and the step at which a verifier refuses it. Every case stands beside the honest file it was made
 * from, so that nothing else is refused in it. What no verifier can see, because the node's own keys suffice for it, is in the last part: there
 * mirrors decide, and without their cosignatures the verdict is "could not check".
 */
import { describe, expect, test } from 'vitest'
import { type Bytes, base64url, concat, u64 } from '../../src/core/bytes.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/core/checkpoint.ts'
import { encodeDisclosure } from '../../src/core/disclosure.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { leafHash } from '../../src/core/hash.ts'
import { formatNote, parseNote, signNote } from '../../src/core/note.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { RECORD_CONTENT, SEAL_CONTENT } from '../../src/core/statement.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { formatCertificate, formatReceipt, type Receipt, type TrailPart } from '../../src/verify/files.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import type { Step } from '../../src/verify/verdict.ts'
import { evidenceId, fix, OPERATOR, ORIGIN, opinion, START, USERS, type User, user } from '../helpers/lab.ts'
import {
  AT,
  administrator,
  cosigned,
  cosignerVkey,
  keyTrailOf,
  kidOf,
  LyingNode,
  logVkey,
  MIRROR,
  networkPolicy,
  OWN,
  type ProofOptions,
  registration,
  type SealLie,
  signerOf,
  WITNESS
} from '../helpers/lying-node.ts'

const { admin, clerk, president, secretary, system, judge } = USERS
const POWER = 'power:粤01-R0001'
const CASE = 'case-internal:（2020）粤01民初123号'
const START_SECONDS = START / 1000

/** `step verdict CODE…` for each step that is neither verified nor left out; empty where the file verifies. */
function findings(steps: readonly Step[]): string[] {
  return steps
    .filter(({ verdict }) => verdict === 'broken' || verdict === 'could-not-check')
    .map(({ step, verdict, notes }) => [step, verdict, ...new Set(notes.flatMap(({ code }) => code ?? []))].join(' '))
}

interface Judged {
  policy?: Policy
  now?: number
}

function judged(node: LyingNode, receipt: Receipt, { policy = node.policy, now = node.now / 1000 + 60 }: Judged = {}): string[] {
  const report = verifyReceipt(formatReceipt(receipt), policy, { now: Math.floor(now) })
  const found = findings(report.steps)
  expect(report.overall === 'verified').toBe(found.length === 0)
  return found
}

function judgedParts(trail: string, parts: TrailPart[], policy: Policy): string[] {
  const report = verifyCertificate(formatCertificate({ trail, parts }), policy)
  const found = findings(report.steps)
  expect(report.overall === 'verified').toBe(found.length === 0)
  return found
}

const VERIFIED: string[] = []

/** An honest log: clerk and president registered under a first seal, one opinion of the president under a second. */
function honest(): { node: LyingNode; index: number } {
  const node = LyingNode.start([clerk, president])
  const index = node.add(opinion(), president)
  node.seal()
  return { node, index }
}

/** A record of `by` under its own seal, on a log where `users` are registered. */
function filed(users: readonly User[], record: { [name: string]: unknown }, by: User, lie: Parameters<LyingNode['add']>[2] = {}) {
  const node = LyingNode.start(users)
  const index = node.add(record, by, lie)
  node.seal()
  return { node, index }
}

test('the honest twin verifies: receipts of every record, certificates of every trail', () => {
  const { node } = honest()
  for (const [index, entry] of node.entries.entries()) {
    if (node.seals.some((seal) => seal.index === index)) continue
    expect(judged(node, node.receipt(index))).toEqual(VERIFIED)
    expect(judged(node, { ...node.receipt(index), ...node.around(index) })).toEqual(VERIFIED)
    expect(entry.length).toBeGreaterThan(100)
  }
  for (const trail of node.trails.keys()) expect(judgedParts(trail, [node.part(trail)], node.policy)).toEqual(VERIFIED)
  expect(judgedParts('power:粤01-R0009', [node.part('power:粤01-R0009')], node.policy)).toEqual(VERIFIED)
})

test.each([1, 2])('honest records of every kind of registry change verify on their own (control %i)', (control) => {
  const other = user('other admin', ['administrator'], undefined, 'gz-discipline')
  const node = LyingNode.start([], { control, administrators: [administrator(admin), administrator(other)] })
  const agreed = (index: number, who?: User) => (control === 1 ? index : node.approve(index, other, who))
  const second = user('second admin', ['administrator'])
  agreed(node.register(second, admin, { mayGive: ['clerk', 'leader'] }), second)
  agreed(node.register(clerk, second), clerk)
  agreed(node.register(president, second), president)
  node.seal()
  const member = { name: 'notary', org: 'gz-notary', role: 'witness', vkey: cosignerVkey(WITNESS) }
  for (const change of [
    { type: 'registry.member', action: 'add', member },
    { type: 'registry.member', action: 'remove', member },
    { type: 'registry.policy', policy: 'quorum none\n' },
    { type: 'registry.catalogue', catalogue: 2, catalogueDigest: base64url(new Uint8Array(32)) },
    { type: 'registry.catalogue', catalogue: 3, catalogueDigest: base64url(new Uint8Array(32)) },
    { type: 'registry.node', generation: 2, keys: { receipt: base64url(new Uint8Array(32)) } }
  ])
    agreed(node.add({ at: AT, ...change }, admin))
  const head = { size: 1, root: base64url(new Uint8Array(32)) }
  node.add({ type: 'ledger.recovery', at: AT, old: head, new: head, from: MIRROR, how: 'mirror' }, admin)
  node.revoke(clerk)
  node.revoke(second, { compromisedSince: node.now / 1000 + 1e6 }, second) // its own key: a revocation concerns what comes after it
  node.seal()
  for (const index of node.entries.keys()) {
    if (node.seals.some((seal) => seal.index === index)) continue
    // What the reader of a log shows: the signer's own chain and changes of node keys, not all the keys and changes spoken of.
    const chain = signersChain(node, index)
    expect([node.statement(index).body.get('type'), judged(node, node.receipt(index, { authority: chain }))]).toEqual([
      node.statement(index).body.get('type'),
      VERIFIED
    ])
  }
  for (const trail of node.trails.keys())
    expect([trail, judgedParts(trail, [node.part(trail)], node.policy)]).toEqual([trail, VERIFIED])
  const keyTrail = `key:${base64url(kidOf(clerk))}`
  const members = node.seals.at(-1)!.trails.get(keyTrail)!
  const short = [...new Set(members.flatMap(({ index }) => signersChain(node, index)))].sort((a, b) => a - b)
  expect(judgedParts(keyTrail, [node.part(keyTrail, { authority: short })], node.policy)).toEqual(VERIFIED)
})

/** Genesis, the registrations and approvals of whoever signed an entry, and of whoever signed those; and the changes of node keys. */
function signersChain(node: LyingNode, index: number): number[] {
  const indexes = new Set([0])
  const follow = (at: number): void => {
    const kid = base64url(node.statement(at).kid)
    for (const { index: registered } of node.seals.at(-1)!.trails.get(`key:${kid}`) ?? []) {
      const type = node.statement(registered).body.get('type')
      if (registered >= at || indexes.has(registered) || type === 'registry.revoke') continue
      indexes.add(registered)
      follow(registered)
    }
  }
  follow(index)
  for (const at of node.authority(-1, node.seals.at(-1)!.index)) {
    indexes.add(at)
    follow(at)
  }
  return [...indexes].sort((a, b) => a - b)
}

describe('revoked keys', () => {
  /** The president, revoked, signs once more. */
  function revoked(more: { [name: string]: unknown } = {}) {
    const node = LyingNode.start([president])
    const before = node.add(opinion(), president)
    node.seal()
    const revocation = node.revoke(president, more)
    const index = node.add(opinion(), president)
    node.seal()
    return { node, before, revocation, index }
  }

  test('a statement after the revocation', () => {
    const { node, index, before } = revoked()
    expect(judged(node, node.receipt(before))).toEqual(VERIFIED)
    expect(judged(node, node.receipt(index))).toEqual(['keyTrails broken KEY_REVOKED'])
    expect(judgedParts(POWER, [node.part(POWER)], node.policy)).toEqual(['keyTrails broken KEY_REVOKED'])
    expect(judgedParts(POWER, [node.part(POWER, { head: 1 })], node.policy)).toEqual(VERIFIED)
  })

  test('the same with the revocation in the chain of authority', () => {
    const { node, index, revocation } = revoked()
    expect(judged(node, node.receipt(index, { authority: [0, 1, revocation] }))).toEqual(['statement broken KEY_REVOKED'])
  })

  test('an old registration replayed as a second registry.key', () => {
    const { node } = revoked()
    const again = node.register(president)
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index, { authority: [0, again] }))).toEqual(['keyTrails broken KEY_ALREADY_REGISTERED'])
    expect(judged(node, node.receipt(index, { authority: [0, 1, again] }))).toEqual([
      'authority broken KEY_ALREADY_REGISTERED',
      'keyTrails broken KEY_REVOKED'
    ])
    expect(judged(node, node.receipt(index, { authority: [0, 1] }))).toEqual(['keyTrails broken KEY_REVOKED'])
  })

  test('the very bytes of the old registration at a new index', () => {
    const { node } = revoked()
    const again = node.place(node.entries[1]!, node.statement(1).trails)
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index, { authority: [0, again] }))).toEqual(['keyTrails broken KEY_ALREADY_REGISTERED'])
    expect(judged(node, node.receipt(index, { authority: [0, 1, again] }))).toEqual([
      'authority broken CTI_REUSED',
      'keyTrails broken KEY_REVOKED'
    ])
  })

  test('a key trail cut before the revocation, with its count and root worked out anew', () => {
    const { node, index } = revoked()
    const receipt = node.receipt(index)
    const trail = keyTrailOf(receipt, president)
    const cut = keyTrailOf(node.receipt(index, { head: 1 }), president)
    expect(cut.count).toBe(1)
    Object.assign(trail, { count: 1, root: cut.root, entries: cut.entries })
    expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
    Object.assign(trail, { proof: cut.proof })
    expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('the revocation left out of the trail, its count kept', () => {
    const { node, index } = revoked()
    const receipt = node.receipt(index)
    keyTrailOf(receipt, president).entries.pop()
    expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('the registration doubled in place of the revocation', () => {
    const { node, index } = revoked()
    const receipt = node.receipt(index)
    const { entries } = keyTrailOf(receipt, president)
    entries[1] = { ...entries[0]! }
    expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('another record in place of the revocation', () => {
    const { node, index, revocation } = revoked()
    const receipt = node.receipt(index)
    const { statement } = node.sign({ type: 'registry.approve', at: AT, refs: [], kid: base64url(kidOf(president)) }, admin)
    keyTrailOf(receipt, president).entries[1] = { index: revocation, statement }
    expect(judged(node, receipt)).toEqual(['keyTrails broken FIELD_INVALID'])
    const other = LyingNode.start([president])
    keyTrailOf(receipt, president).entries[1] = { index: revocation, statement: other.entries[1]! }
    expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('entries of a key trail: those in the chain of authority by index alone, the others with their statement', () => {
    const { node, before } = revoked()
    const receipt = node.receipt(before)
    const { entries } = keyTrailOf(receipt, president)
    expect(entries.map(({ statement }) => statement === undefined)).toEqual([true, false])
    const given = (i: number, entry: (typeof entries)[0]) => {
      const changed = node.receipt(before)
      keyTrailOf(changed, president).entries[i] = entry
      return judged(node, changed)
    }
    expect(given(0, { index: 1, statement: node.entries[1]! })).toEqual(['keyTrails broken PROOF_INVALID'])
    expect(given(1, { index: entries[1]!.index })).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('a count that is not that of the entries, though the map has it', () => {
    const node = LyingNode.start([president])
    const index = node.add(opinion(), president)
    node.counts.set(`key:${base64url(kidOf(president))}`, 2).set(POWER, 2)
    node.seal()
    const receipt = node.receipt(index)
    expect(keyTrailOf(receipt, president)).toMatchObject({ count: 2, entries: [{ index: 1 }] })
    expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
    node.counts.delete(`key:${base64url(kidOf(president))}`)
    node.add(opinion(), president)
    node.counts.set(POWER, 3)
    node.seal()
    expect(judgedParts(POWER, [node.part(POWER)], node.policy)).toEqual(['trail broken PROOF_INVALID'])
  })

  test('an entry of a key trail at or above the seal', () => {
    for (const index of [3, 4, 99]) {
      const node = LyingNode.start([president])
      const at = node.add(opinion(), president)
      const name = `key:${base64url(kidOf(president))}`
      const { statement } = new LyingNode().sign({ type: 'registry.revoke', at: AT, kid: name.slice(4), reason: 'left' }, admin)
      node.trails.set(name, [...node.trails.get(name)!, { index: index + 1, leaf: leafHash(statement) }])
      node.seal()
      const receipt = node.receipt(at)
      keyTrailOf(receipt, president).entries[1] = { index: index + 1, statement }
      expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
    }
  })

  test('an entry of the chain of authority that the key trail does not have', () => {
    const other = user('other admin', ['administrator'], undefined, 'gz-discipline')
    const node = LyingNode.start([], { control: 2, administrators: [administrator(admin), administrator(other)] })
    node.approve(node.register(president), other, president)
    node.trails.get(`key:${base64url(kidOf(president))}`)!.pop()
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index))).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('key trails left out, given twice, or of somebody else', () => {
    const { node, index } = honest()
    const without = node.receipt(index, { keys: [kidOf(admin)] })
    expect(judged(node, without)).toEqual(['keyTrails could-not-check'])
    expect(judged(node, node.receipt(index, { keys: [kidOf(president)] }))).toEqual(['keyTrails could-not-check'])
    expect(judged(node, node.receipt(index, { keys: [] }))).toEqual(['keyTrails could-not-check'])
    const twice = node.receipt(index)
    twice.keyTrails.push(twice.keyTrails[0]!)
    expect(judged(node, twice)).toEqual(['keyTrails broken'])
    const renamed = node.receipt(index)
    keyTrailOf(renamed, president).kid = kidOf(clerk)
    expect(judged(node, renamed)).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('an administrator registers a key after its own revocation, hidden behind a proof of absence', () => {
    const node = LyingNode.start([president])
    const other = user('second admin', ['administrator'])
    node.register(other, admin, { mayGive: ['clerk'] })
    node.revoke(other)
    const registered = node.register(clerk, other)
    const index = node.add(fix('a'), clerk)
    node.seal()
    const receipt = node.receipt(index)
    expect(judged(node, receipt)).toEqual(['keyTrails broken KEY_REVOKED'])
    expect(receipt.authority.some((entry) => entry.index === registered)).toBe(true)
    const trail = keyTrailOf(receipt, other)
    trail.count = 0
    delete trail.root
    trail.entries = []
    expect(judged(node, receipt)).toEqual(['keyTrails broken PROOF_INVALID'])
  })

  test('a genesis administrator registers after its revocation', () => {
    const node = LyingNode.start()
    node.revoke(admin)
    node.register(clerk)
    const index = node.add(fix('a'), clerk)
    node.seal()
    expect(judged(node, node.receipt(index))).toEqual(['keyTrails broken KEY_REVOKED'])
  })

  test('a genesis key that is registered again', () => {
    const node = LyingNode.start([clerk])
    const again = node.register(admin)
    const index = node.add(fix('a'), clerk)
    node.seal()
    expect(judged(node, node.receipt(index, { authority: [0, 1] }))).toEqual(['keyTrails broken KEY_ALREADY_REGISTERED'])
    expect(judged(node, node.receipt(index, { authority: [0, 1, again] }))).toEqual([
      'authority broken KEY_ALREADY_REGISTERED',
      'keyTrails broken KEY_ALREADY_REGISTERED'
    ])
  })

  test('compromisedSince reaching back leaves open, and never breaks', () => {
    const at = (since: number) => {
      const { node, before } = revoked({ compromisedSince: since })
      const receipt = node.receipt(before)
      return [judged(node, { ...receipt, ...node.around(before) }), judged(node, receipt)]
    }
    // The opinion entered with the second seal, two minutes after the start; the head is a minute later.
    const entered = START_SECONDS + 120
    expect(at(START_SECONDS)).toEqual([['keyTrails could-not-check'], ['keyTrails could-not-check']])
    expect(at(entered)).toEqual([['keyTrails could-not-check'], ['keyTrails could-not-check']])
    expect(at(entered + 1)).toEqual([VERIFIED, ['keyTrails could-not-check']])
    expect(at(entered + 61)).toEqual([VERIFIED, VERIFIED])
  })
})

describe('registrations', () => {
  test('a statement older than its registration', () => {
    const node = LyingNode.start([clerk])
    const index = node.add(opinion(), president)
    const late = node.register(president)
    node.seal()
    expect(judged(node, node.receipt(index, { authority: [0, late] }))).toEqual(['statement broken KEY_NOT_REGISTERED'])
    const part = node.part(POWER, { authority: [0, late] })
    expect(judgedParts(POWER, [part], node.policy)).toEqual(['statement broken KEY_NOT_REGISTERED'])
  })

  test('a signer of whom nothing is shown', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index, { authority: [0], keys: [kidOf(admin)] })
    expect(judged(node, receipt)).toEqual(['statement could-not-check KEY_NOT_REGISTERED'])
    const stranger = filed([clerk], opinion(), president)
    expect(judged(stranger.node, stranger.node.receipt(stranger.index))).toEqual([
      'keyTrails broken KEY_ALREADY_REGISTERED',
      'statement could-not-check KEY_NOT_REGISTERED'
    ])
  })

  test('a key slipped into a record of another type', () => {
    for (const [record, by, code] of [
      [fix('a'), clerk, 'FIELD_UNKNOWN'],
      [{ type: 'registry.policy', at: AT, policy: 'quorum none\n' }, admin, 'FIELD_UNKNOWN'],
      [{ type: 'registry.revoke', at: AT, kid: base64url(kidOf(president)), reason: 'left' }, admin, 'FIELD_UNKNOWN']
    ] as const) {
      const node = LyingNode.start([clerk])
      const slipped = node.add(record, by, {
        body: (body) => Object.assign(body, { key: president.signer.publicKey, org: OPERATOR, roles: ['leader'] }),
        filed: [`key:${base64url(kidOf(president))}`, `ledger:${ORIGIN}`]
      })
      const index = node.add(opinion(), president)
      node.seal()
      const found = judged(node, node.receipt(index, { authority: [0, slipped] }))
      expect(found).toContain(`authority broken ${code}`)
      expect(found.some((finding) => finding.startsWith('keyTrails broken'))).toBe(true)
    }
  })

  test('a record that is none of the registry in the chain of authority', () => {
    const node = LyingNode.start([clerk, president])
    const other = node.add(fix('a'), clerk)
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index, { authority: [0, 2] }))).toEqual(VERIFIED)
    expect(judged(node, node.receipt(index, { authority: [0, 2, other], keys: [kidOf(admin), kidOf(president)] }))).toEqual([
      'authority broken'
    ])
  })

  const OTHER = user('other admin', ['administrator'], undefined, 'gz-discipline')
  const STRANGER = user('stranger', ['leader'], '粤01-R0001', 'gz-discipline')
  const SECOND = user('second admin', ['administrator'])
  const THIRD = user('third admin', ['administrator'])
  const TWO = { administrators: [administrator(admin), administrator(OTHER)] }

  const then = (who: User, register: (node: LyingNode) => unknown) => (node: LyingNode) => {
    register(node)
    return who
  }

  test.each<[string, (node: LyingNode) => User, string]>([
    ['of another organisation', then(STRANGER, (node) => node.register(STRANGER)), 'FOREIGN_ORGANISATION'],
    ['by an administrator of another', then(president, (node) => node.register(president, OTHER)), 'FOREIGN_ORGANISATION'],
    ['by somebody who is no administrator', then(president, (node) => node.register(president, clerk)), 'ROLE_NOT_PERMITTED'],
    [
      'with a role the administrator may not give',
      then(president, (node) => {
        node.register(SECOND, admin, { mayGive: ['clerk'] })
        node.register(president, SECOND)
      }),
      'ROLE_NOT_GIVABLE'
    ],
    [
      'that hands on more than the giver may give',
      then(president, (node) => {
        node.register(SECOND, admin, { mayGive: ['clerk', 'administrator'] })
        node.register(THIRD, SECOND, { mayGive: ['leader'] })
        node.register(president, THIRD)
      }),
      'ROLE_NOT_GIVABLE'
    ],
    ['of a key of small order', then(president, (node) => node.register(weak(president))), 'KEY_INVALID'],
    [
      'issued in the name of another organisation',
      then(president, (node) => node.register(president, admin, {}, { iss: 'gz-discipline' })),
      'ORGANISATION_MISMATCH'
    ],
    ['signed by another key', then(president, (node) => node.register(president, admin, {}, forged(admin))), 'SIGNATURE_INVALID'],
    [
      'meant for another log',
      then(president, (node) => node.register(president, admin, {}, { aud: 'court.example/other' })),
      'WRONG_LOG'
    ]
  ])('a registration %s', (_name, lie, code) => {
    const node = LyingNode.start([clerk], TWO)
    const who = lie(node)
    const index = node.add(opinion(), who)
    node.seal()
    expect(judged(node, node.receipt(index))[0]).toBe(`authority broken ${code}`)
    expect(judgedParts(POWER, [node.part(POWER)], node.policy)).toContain(`authority broken ${code}`)
  })

  test('control 2: without the second organisation a registration gives nothing', () => {
    const node = LyingNode.start([], { control: 2, ...TWO })
    const registered = node.register(president)
    const early = node.add(opinion(), president)
    const approval = node.approve(registered, OTHER, president)
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index))).toEqual(VERIFIED)
    expect(judged(node, node.receipt(early))).toEqual(['statement could-not-check KEY_PENDING'])
    expect(judged(node, node.receipt(early, { authority: [0, registered, approval] }))).toEqual([
      'statement could-not-check KEY_PENDING'
    ])
    expect(judged(node, node.receipt(index, { authority: [0, registered], keys: [admin, president].map(kidOf) }))).toEqual([
      'statement could-not-check KEY_PENDING'
    ])
    expect(judged(node, node.receipt(index, { keys: [admin, president].map(kidOf) }))).toEqual(['keyTrails could-not-check'])
  })

  test('control 2: the same organisation twice is one', () => {
    const node = LyingNode.start([], { control: 2, administrators: [administrator(admin), administrator(SECOND)] })
    const registered = node.register(president)
    const approval = node.approve(registered, SECOND, president)
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index))).toContain('authority broken REGISTRY_TARGET')
    expect(judged(node, node.receipt(index, { authority: [0, registered], keys: [admin, president].map(kidOf) }))).toEqual([
      'statement could-not-check KEY_PENDING'
    ])
    expect(approval).toBe(index - 1)
  })

  test('an approval of another key does not count for this one', () => {
    const node = LyingNode.start([], { control: 2, ...TWO })
    const registered = node.register(president)
    node.approve(registered, OTHER, clerk)
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index))).toContain('authority broken FIELD_INVALID')
  })
})

/** A user of the same name whose public key is the point of order 1. */
function weak(who: User): User {
  const identity = new Uint8Array(32)
  identity[0] = 1
  return { ...who, signer: { ...who.signer, publicKey: identity } }
}

/** Names one key and signs with another. */
function forged(who: User): { signer: User['signer'] } {
  const other = signerOf('forger')
  return { signer: { publicKey: who.signer.publicKey, sign: (message) => other.sign(message) } }
}

describe('rights of the signer', () => {
  const access = { type: 'supervision.access', at: AT, court: '粤01', case: '（2020）粤01民初123号', mode: 'file', from: AT }

  test.each<[string, User, { [name: string]: unknown }, Parameters<LyingNode['add']>[2], string]>([
    ['clerk writes an opinion', clerk, opinion(), {}, 'statement broken ROLE_NOT_PERMITTED'],
    ['actor is somebody else', president, opinion({ actor: '粤01-R0009' }), {}, 'statement broken ACTOR_MISMATCH'],
    ['actor is left out', clerk, fix('a'), { body: (b) => delete b.actor }, 'statement broken ACTOR_MISMATCH'],
    ['leader acts on behalf of another', president, opinion({ onBehalfOf: '粤01-R0009' }), {}, 'statement broken FIELD_INVALID'],
    ['secretary acts on behalf of nobody', secretary, access, {}, 'statement broken FIELD_MISSING'],
    ['system names an actor', system, fix('a', { actor: '粤01-R0101' }), {}, 'statement broken ACTOR_MISMATCH'],
    ['issued by another organisation', president, opinion(), { iss: 'gz-other' }, 'statement broken ORGANISATION_MISMATCH'],
    ['signed by another key', president, opinion(), forged(president), 'statement broken SIGNATURE_INVALID'],
    ['for another log', president, opinion(), { aud: 'court.example/other' }, 'statement broken WRONG_LOG'],
    ['written too far ahead', president, opinion(), { iat: START_SECONDS + 120 + 301 }, 'statement broken IAT_AHEAD']
  ])('%s', (_name, by, record, lie, expected) => {
    const { node, index } = filed([clerk, president, secretary, system], record, by, lie)
    expect(judged(node, node.receipt(index))).toEqual([expected])
    const [trail] = node.statement(index).trails as [string]
    expect(judgedParts(trail, [node.part(trail)], node.policy)).toEqual([expected])
  })

  test('what is right verifies', () => {
    const right: [User, { [name: string]: unknown }, Parameters<LyingNode['add']>[2]?][] = [
      [secretary, { ...access, onBehalfOf: '粤01-R0001' }],
      [system, fix('a')],
      [president, opinion(), { iat: START_SECONDS + 120 + 300 }],
      [president, opinion(), { iat: 0 }]
    ]
    for (const [by, record, lie] of right) {
      const { node, index } = filed([president, secretary, system], record, by, lie)
      expect(judged(node, node.receipt(index))).toEqual(VERIFIED)
    }
  })

  test('a class the log does not hold', () => {
    const { node, index } = honest()
    const policy = parsePolicy(networkPolicy('all', 'party'))
    expect(judged(node, node.receipt(index), { policy })).toEqual(['schema broken CLASS_NOT_HELD'])
    expect(judgedParts(POWER, [node.part(POWER)], policy)).toEqual([
      'trail broken CLASS_NOT_HELD',
      'schema broken CLASS_NOT_HELD'
    ])
  })

  test('trails that are not those of the record', () => {
    const trails = ['duty:粤01-R0201', POWER]
    for (const lie of [
      { trails },
      { trails: [CASE, 'case:（2020）粤01民初123号', ...trails] },
      { trails: [CASE, 'duty:粤01-R0201', 'power:粤01-R0002'], sub: 'power:粤01-R0002' },
      { sub: CASE }
    ]) {
      const { node, index } = filed([president], opinion(), president, lie)
      expect(judged(node, node.receipt(index))).toContain('schema broken TRAILS_MISMATCH')
    }
  })

  test('a type or version of the future, an unknown algorithm: could not check', () => {
    const { node, index } = filed([president], opinion(), president, { body: (body) => Object.assign(body, { v: 2 }) })
    expect(judged(node, node.receipt(index))).toEqual([
      'statement could-not-check',
      'schema could-not-check TYPE_VERSION_UNKNOWN',
      'disclosures could-not-check'
    ])
    const novel = filed([president], opinion(), president, { body: (body) => Object.assign(body, { type: 'supervision.novel' }) })
    expect(judged(novel.node, novel.node.receipt(novel.index))[1]).toBe('schema could-not-check TYPE_UNKNOWN')
    const bad = filed([president], opinion(), president, {
      ...forged(president),
      body: (body) => Object.assign(body, { v: 2 })
    })
    expect(judged(bad.node, bad.node.receipt(bad.index))[0]).toBe('statement broken SIGNATURE_INVALID')
  })
})

describe('dates of keys', () => {
  /** The president's key with dates; an opinion under the third seal, whose time in force is that of the second: start + 120 s. */
  function dated(dates: { notBefore?: number; notAfter?: number }) {
    const node = LyingNode.start([clerk])
    node.register(president, admin, dates)
    node.seal()
    const index = node.add(opinion(), president)
    node.seal()
    node.add(fix('later'), clerk)
    node.seal()
    return { node, index }
  }
  const IN_FORCE = START_SECONDS + 120
  const table: [string, { notBefore?: number; notAfter?: number }, string[]][] = [
    ['not yet valid', { notBefore: IN_FORCE + 1 }, ['statement broken KEY_NOT_YET_VALID']],
    ['valid from the second of the seal', { notBefore: IN_FORCE }, VERIFIED],
    ['valid to the second of the seal', { notAfter: IN_FORCE }, VERIFIED],
    ['expired', { notAfter: IN_FORCE - 1 }, ['statement broken KEY_EXPIRED']],
    ['valid', { notBefore: IN_FORCE - 1, notAfter: IN_FORCE + 1 }, VERIFIED],
    ['valid for an age', { notBefore: 0, notAfter: 253_402_300_799 }, VERIFIED]
  ]

  test.each(table)('%s, with the seals around', (_name, dates, expected) => {
    const { node, index } = dated(dates)
    expect(judged(node, { ...node.receipt(index), ...node.around(index) })).toEqual(expected)
    expect(judgedParts(POWER, [node.part(POWER, { seals: [1, 2] })], node.policy)).toEqual(expected)
  })

  test.each(table)('%s, without them', (_name, dates) => {
    const { node, index } = dated(dates)
    const open = ['statement could-not-check']
    expect(judged(node, node.receipt(index))).toEqual(open)
    const { before, entered } = node.around(index)
    expect(judged(node, { ...node.receipt(index), before: before! })[0]).toMatch(
      /^statement (?:could-not-check|broken KEY_EXPIRED)$/
    )
    expect(judged(node, { ...node.receipt(index), entered: entered! })[0]).toMatch(
      /^statement (?:could-not-check|broken KEY_NOT_YET_VALID)$/
    )
    expect(judgedParts(POWER, [node.part(POWER)], node.policy)).toEqual(open)
    expect(judgedParts(POWER, [node.part(POWER, { seals: [0, 2] })], node.policy)[0]).toMatch(/^statement could-not-check$/)
  })

  test('before the first seal the time in force is that of genesis', () => {
    for (const [dates, expected] of [
      [{ notBefore: START_SECONDS }, VERIFIED],
      [{ notBefore: START_SECONDS + 1 }, ['statement broken KEY_NOT_YET_VALID']]
    ] as const) {
      const node = new LyingNode()
      node.genesis()
      node.register(president, admin, dates)
      const index = node.add(opinion(), president)
      node.seal()
      node.register(clerk)
      node.seal()
      const { before, entered } = node.around(index)
      expect(before).toBeUndefined()
      expect(judged(node, { ...node.receipt(index), entered: entered! })).toEqual(expected)
    }
  })

  test('an administrator whose own key had expired', () => {
    const node = LyingNode.start([clerk])
    const second = user('second admin', ['administrator'])
    node.register(second, admin, { mayGive: ['leader'], notAfter: START_SECONDS + 60 })
    node.seal()
    node.register(president, second)
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, { ...node.receipt(index), ...node.around(index) })[0]).toBe('authority broken KEY_EXPIRED')
    expect(judged(node, node.receipt(index))[0]).toBe('authority could-not-check')
  })
})

test('genesis signed by a clock ahead does not stretch what is known of times', () => {
  const node = new LyingNode()
  const second = user('second admin', ['administrator'])
  node.genesis({}, { iat: START_SECONDS + 360 })
  node.register(second, admin, { mayGive: ['leader'], notBefore: START_SECONDS + 300 })
  node.seal()
  node.register(president, second) // at a time in force of start + 60 s: its key is not valid yet
  const index = node.add(opinion(), president)
  node.seal()
  node.now += 600_000
  node.add(opinion(), president)
  node.seal()
  expect(judged(node, { ...node.receipt(index), ...node.around(index) })).toContain('authority broken KEY_NOT_YET_VALID')
  expect(judged(node, node.receipt(index))).toEqual(['authority could-not-check'])
})

test('times that no calendar reaches are refused or shown as unknown, and never throw', () => {
  const far = Number.MAX_SAFE_INTEGER
  const node = LyingNode.start([president])
  const index = node.add(opinion(), president, { iat: far })
  node.seal({ time: far })
  const times = { [MIRROR]: far, [WITNESS]: far }
  const receipt = node.receipt(index, { times })
  expect(findings(verifyReceipt(formatReceipt(receipt), node.policy).steps)).toEqual(['statement broken IAT_AHEAD'])
  const other = LyingNode.start([president])
  const at = other.add(opinion(), president)
  other.seal({ time: far })
  const report = verifyReceipt(formatReceipt(other.receipt(at, { times })), other.policy)
  expect(findings(report.steps)).toEqual(VERIFIED)
  expect(report.headline.en).toMatch(/unchanged since its deposit(?: at|, entered by) \?/)
  expect(judgedParts(POWER, [other.part(POWER, { times })], other.policy)).toEqual(VERIFIED)
})

describe('seals', () => {
  const wrongKey = signerOf('another statement key')

  /** The head's seal told `lie`; the receipt shows the seals around the opinion, of which `entered` is the head. */
  function under(lie: SealLie): string[] {
    const node = LyingNode.start([president])
    const index = node.add(opinion(), president)
    node.seal(lie)
    return judged(node, { ...node.receipt(index), ...node.around(index) })
  }

  test.each<[string, SealLie, string[]]>([
    ['is told no lie', {}, VERIFIED],
    ['is a record', { contentType: RECORD_CONTENT }, ['seal broken STATEMENT_FORM']],
    ['says another type', { type: 'ledger.other' }, ['seal broken STATEMENT_FORM']],
    ['says another version', { extra: { v: 2 } }, ['seal broken STATEMENT_FORM']],
    ['has one member more', { extra: { more: 1 } }, ['seal broken STATEMENT_FORM']],
    ['says a smaller size', { size: 3 }, ['seal broken STATEMENT_FORM']],
    ['says a larger size', { size: 5 }, ['seal broken STATEMENT_FORM']],
    ['names another seal before', { prev: new Uint8Array(32).fill(7) }, ['seal broken']],
    ['names none before', { prev: new Uint8Array(32) }, ['seal broken STATEMENT_FORM']],
    ['says the first height', { height: 0 }, ['seal broken STATEMENT_FORM']],
    ['skips a height', { height: 2 }, ['seal broken']],
    ['goes back in time', { time: START }, ['seal broken']],
    ['says another iat', { iat: START_SECONDS }, ['seal broken STATEMENT_FORM']],
    ['says another cti', { cti: new Uint8Array(16) }, ['seal broken STATEMENT_FORM']],
    ['says another subject', { sub: POWER }, ['seal broken STATEMENT_FORM']],
    ['is of another log', { aud: 'court.example/other' }, ['seal broken STATEMENT_FORM']],
    [
      'is of another log in all its claims',
      { aud: 'court.example/other', sub: 'ledger:court.example/other' },
      ['seal broken WRONG_LOG STATEMENT_FORM']
    ],
    ['is issued by another organisation', { iss: 'gz-other' }, ['seal broken ORGANISATION_MISMATCH']],
    ['names one key and is signed by another', { signer: swapped() }, ['seal broken SIGNATURE_INVALID']],
    ['counts fewer trails than before', { trails: 1 }, ['seal broken']],
    ['is signed by a key that nobody registered', { signer: wrongKey }, ['seal could-not-check KEY_NOT_REGISTERED']],
    ['commits to another map', { map: new Uint8Array(32) }, ['keyTrails broken PROOF_INVALID']]
  ])('a seal that %s', (_name, lie, expected) => {
    const found = under(lie)
    if (expected.length === 0) expect(found).toEqual(expected)
    else expect(found).toContain(expected[0])
  })

  function swapped(): User['signer'] {
    const { statementKey } = new LyingNode()
    return { publicKey: statementKey.publicKey, sign: (message) => wrongKey.sign(message) }
  }

  test('a height skipped where there would be room for the seal between', () => {
    const build = (lie: SealLie) => {
      const node = LyingNode.start([president])
      for (let i = 0; i < 5; i++) node.add(opinion(), president)
      node.seal(lie)
      return judgedParts(POWER, [node.part(POWER, { seals: [0] })], node.policy)
    }
    expect(build({})).toEqual(VERIFIED)
    expect(build({ height: 2 })).toEqual(['seal broken'])
    expect(build({ prev: new Uint8Array(32).fill(7) })).toEqual(['seal broken'])
    expect(build({ height: 2, prev: new Uint8Array(32).fill(7) })).toEqual(VERIFIED) // as if one lay between: nothing shown denies it
  })

  test('a height that the entries below leave no room for', () => {
    const { node, index } = filed([president], opinion(), president)
    expect(judged(node, node.receipt(index))).toEqual(VERIFIED)
    const lying = LyingNode.start([president])
    const at = lying.add(opinion(), president)
    lying.seal({ height: 2 })
    expect(judged(lying, lying.receipt(at))).toEqual(['seal broken'])
  })

  test('the head does not end in the seal shown', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    const size = node.entries.length
    const older = node.around(index).before!
    expect(judged(node, { ...receipt, seal: older })).toContain('seal broken STATEMENT_FORM')
    node.add(opinion(), president)
    const longer: Receipt = {
      ...receipt,
      checkpoint: node.note(size + 1),
      inclusion: node.proven(index, size + 1).inclusion,
      seal: node.proven(size - 1, size + 1),
      authority: receipt.authority.map((entry) => node.proven(entry.index, size + 1))
    }
    expect(judged(node, longer)).toEqual(['seal broken STATEMENT_FORM'])
  })

  test('a seal where a record should be, a record that calls itself a seal', () => {
    const { node, index } = honest()
    const sealIndex = node.seals[0]!.index
    const receipt = { ...node.receipt(index, { authority: [0] }), ...node.proven(sealIndex, node.entries.length) }
    expect(judged(node, { ...receipt, disclosures: [] })).toContain('statement broken CONTENT_TYPE_MISMATCH')
    const lying = filed([president], opinion(), president, { body: (body) => Object.assign(body, { type: 'ledger.seal' }) })
    expect(judged(lying.node, lying.node.receipt(lying.index))).toContain('schema broken CONTENT_TYPE_MISMATCH')
    const dressed = filed([president], opinion(), president, { contentType: SEAL_CONTENT })
    expect(judged(dressed.node, dressed.node.receipt(dressed.index))).toContain('statement broken STATEMENT_FORM')
  })

  test('the record stands at or above the seal', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    const { seal } = receipt
    expect(judged(node, { ...receipt, ...seal, disclosures: [] })).toContain('inclusion broken PROOF_INVALID')
    expect(judged(node, { ...receipt, index: seal.index + 1 })).toContain('inclusion broken PROOF_INVALID')
  })

  test('seals around the record that are not those around it', () => {
    const node = LyingNode.start([president])
    for (let i = 0; i < 4; i++) {
      node.add(opinion(), president)
      node.seal()
    }
    // Heights 0 1 2 3 4; the record lies between 1 and 2.
    const index = node.seals[1]!.index + 1
    const size = node.entries.length
    const receipt = node.receipt(index)
    const pair = (before: number | undefined, entered: number | undefined) =>
      judged(node, {
        ...receipt,
        ...(before === undefined ? {} : { before: node.sealAt(before, size) }),
        ...(entered === undefined ? {} : { entered: node.sealAt(entered, size) })
      })
    expect(pair(1, 2)).toEqual(VERIFIED)
    expect(pair(1, undefined)).toEqual(VERIFIED)
    expect(pair(undefined, 2)).toEqual(VERIFIED)
    for (const [before, entered] of [
      [0, 2],
      [1, 3],
      [0, 1],
      [2, 3],
      [3, 4],
      [2, 1],
      [1, 1],
      [2, 2],
      [undefined, 1],
      [2, undefined]
    ])
      expect([before, entered, pair(before, entered)]).toEqual([before, entered, ['seal broken']])
  })

  test('a note carried with a seal is of the tree that the seal ends', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    const { before } = node.around(index) as { before: NonNullable<Receipt['before']> }
    const size = before.index + 1
    const carrying = (checkpoint: string) => judged(node, { ...receipt, before: { ...before, checkpoint } })
    expect(carrying(node.note(size))).toEqual(VERIFIED)
    expect(carrying(node.note(size + 1))).toEqual(['seal broken CHECKPOINT_INVALID'])
    expect(carrying(node.note(size - 1))).toEqual(['seal broken CHECKPOINT_INVALID'])
    const other = LyingNode.start([clerk, judge])
    expect(other.entries.length).toBe(size)
    expect(carrying(other.note(size))).toEqual(['seal broken CHECKPOINT_INVALID'])
    expect(carrying(new LyingNode('court.example/other').note(0))).toEqual(['seal broken CHECKPOINT_INVALID'])
    // Signed by the log, with the root of the right tree and the size of another.
    const root = formatCheckpoint({ origin: ORIGIN, size: size + 1, root: parseCheckpoint(parseNote(node.note(size)).text).root })
    const misnamed = formatNote({ text: root, signatures: [signNote(root, ORIGIN, node.log)] })
    expect(carrying(cosigned(misnamed, { [MIRROR]: START_SECONDS }))).toEqual(['seal broken CHECKPOINT_INVALID'])
    expect(carrying('no note')).toEqual(['seal broken NOTE_INVALID'])
    const note = node.note(size)
    expect(
      carrying(note.replace(/(— notary\S* .{20})./, (_, head) => `${head}${note.includes(`${head}A`) ? 'B' : 'A'}`))
    ).toEqual(['seal broken CHECKPOINT_INVALID'])
  })
})

describe('node keys', () => {
  const next = signerOf('statement key 2')
  const change = { type: 'registry.node', at: AT, generation: 2, keys: { statement: base64url(next.publicKey) } }

  function rotated(signer: User['signer'], first: SealLie = {}) {
    const node = LyingNode.start([president])
    const index = node.add(opinion(), president)
    node.seal(first)
    const at = node.add(change, admin)
    node.seal({ signer })
    return { node, index, at }
  }

  test('a seal verifies under the key in force at its index', () => {
    const { node, index } = rotated(next)
    expect(judged(node, node.receipt(index))).toEqual(VERIFIED)
    expect(judged(node, { ...node.receipt(index), ...node.around(index) })).toEqual(VERIFIED)
  })

  test('the old key after the change, the new key before it', () => {
    const old = rotated(new LyingNode().statementKey)
    expect(judged(old.node, old.node.receipt(old.index))).toEqual(['seal broken SIGNATURE_INVALID'])
    const early = rotated(next, { signer: next })
    expect(judged(early.node, early.node.receipt(early.index))).toEqual(VERIFIED) // The head's own seal is right,
    expect(judged(early.node, { ...early.node.receipt(early.index), ...early.node.around(early.index) })).toEqual([
      'seal broken SIGNATURE_INVALID' // and `entered` is not.
    ])
  })

  test('the change withheld from the file', () => {
    const { node, index } = rotated(next)
    expect(judged(node, node.receipt(index, { authority: [0, 1] }))).toEqual(['seal could-not-check KEY_NOT_REGISTERED'])
  })

  test('a change of the wrong generation, by no administrator, or not agreed to', () => {
    const wrong = LyingNode.start([president])
    const index = wrong.add(opinion(), president)
    wrong.add({ ...change, generation: 3 }, admin)
    wrong.seal({ signer: next })
    expect(judged(wrong, wrong.receipt(index))).toContain('authority broken FIELD_INVALID')
    const usurped = LyingNode.start([president])
    const at = usurped.add(opinion(), president)
    usurped.add(change, president)
    usurped.seal({ signer: next })
    expect(judged(usurped, usurped.receipt(at))).toContain('authority broken ROLE_NOT_PERMITTED')
    const other = user('other admin', ['administrator'], undefined, 'gz-discipline')
    const alone = LyingNode.start([], { control: 2, administrators: [administrator(admin), administrator(other)] })
    alone.add(change, admin)
    alone.seal({ signer: next })
    expect(judged(alone, alone.receipt(0))).toEqual(['seal could-not-check KEY_NOT_REGISTERED'])
  })

  test('records of another kind above the statement have no place in its authority', () => {
    const node = LyingNode.start([president])
    const index = node.add(opinion(), president)
    const policy = node.add({ type: 'registry.policy', at: AT, policy: 'quorum none\n' }, admin)
    node.seal()
    expect(judged(node, node.receipt(index, { authority: [0, 1, policy] }))).toEqual(['authority broken'])
  })
})

describe('genesis and the chain of authority', () => {
  test('genesis replaced by one of the forger', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    const forger = user('forger', ['administrator'])
    const { statement } = new LyingNode().sign(
      {
        ...registration(forger),
        type: 'registry.key'
      },
      forger
    )
    const other = new LyingNode(ORIGIN, 'other')
    other.genesis({ administrators: [administrator(forger)] }, { signer: forger.signer })
    for (const bytes of [other.entries[0]!, statement]) {
      const changed = { ...receipt, authority: receipt.authority.with(0, { ...receipt.authority[0]!, statement: bytes }) }
      expect(judged(node, changed)[0]).toBe('seal could-not-check')
      expect(judged(node, changed)).toContain('authority broken PROOF_INVALID')
    }
  })

  test('genesis of another origin, not signed by its first administrator, or not at 0', () => {
    const build = (make: (node: LyingNode) => void): string[] => {
      const node = new LyingNode()
      make(node)
      const index = node.add(opinion(), president)
      node.seal()
      return judged(node, node.receipt(index))
    }
    const honestly = (node: LyingNode) => {
      node.genesis()
      node.register(president)
    }
    expect(build(honestly)).toEqual(VERIFIED)
    expect(
      build((node) => {
        node.genesis({ origin: 'court.example/other' })
        node.register(president)
      })
    ).toContain('authority broken FIELD_INVALID')
    expect(
      build((node) => {
        node.genesis({ administrators: [administrator(president), administrator(admin)] })
        node.register(president)
      })
    ).toContain('authority broken NOT_ADMINISTRATOR')
    expect(
      build((node) => {
        node.genesis({}, forged(admin))
        node.register(president)
      })
    ).toContain('authority broken SIGNATURE_INVALID')
    expect(
      build((node) => {
        node.register(president)
        node.genesis()
      })
    ).toContain('authority broken GENESIS_MISPLACED')
  })

  test('a second genesis', () => {
    const node = LyingNode.start([clerk])
    const again = node.genesis({ administrators: [administrator(president)] }, { signer: president.signer })
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index, { authority: [0, again] }))).toContain('authority broken GENESIS_MISPLACED')
    expect(judged(node, node.receipt(index, { authority: [again] }))).toContain('authority broken')
    expect(judged(node, node.receipt(again))).toContain('statement broken GENESIS_MISPLACED')
  })

  test('no chain, one without genesis, one out of order', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    expect(judged(node, { ...receipt, authority: [] })).toContain('authority could-not-check')
    const [genesis, ...others] = receipt.authority
    expect(judged(node, { ...receipt, authority: others })).toContain('authority broken')
    expect(judged(node, { ...receipt, authority: [genesis!, ...others.reverse()] })).toContain('authority broken')
    expect(judged(node, { ...receipt, authority: [genesis!, genesis!, ...others] })).toContain('authority broken')
    const seal = node.seals[0]!.index
    expect(judged(node, node.receipt(index, { authority: [0, 1, 2, seal], keys: [] }))).toContain('authority broken')
  })
})

describe('places and disclosures', () => {
  test('a statement moved to another index', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    for (const moved of [index - 1, index + 1, 0, 1])
      expect(judged(node, { ...receipt, index: moved })).toContain('inclusion broken PROOF_INVALID')
    const elsewhere = node.proven(2, node.entries.length)
    expect(judged(node, { ...receipt, index: 2, inclusion: elsewhere.inclusion })).toContain('inclusion broken PROOF_INVALID')
  })

  test('a receipt of another log', () => {
    const { node, index } = honest()
    expect(judged(node, { ...node.receipt(index), origin: 'court.example/other' })).toContain('checkpoint broken WRONG_LOG')
    const other = LyingNode.start([president], {}, 'court.example/other')
    other.place(node.entries[index]!, node.statement(index).trails)
    other.seal()
    const at = other.entries.length - 2
    expect(judged(other, other.receipt(at))).toEqual(['statement broken WRONG_LOG'])
  })

  test('the same statement twice in one trail', () => {
    const { node, index } = honest()
    const again = node.place(node.entries[index]!, node.statement(index).trails)
    node.seal()
    expect(judged(node, node.receipt(again))).toEqual(VERIFIED) // One receipt cannot tell; the trail can.
    expect(judgedParts(POWER, [node.part(POWER)], node.policy)).toEqual(['statement broken CTI_REUSED'])
  })

  test('two records with one cti', () => {
    const node = LyingNode.start([president])
    const cti = new Uint8Array(16).fill(5)
    node.add(opinion(), president, { cti })
    node.add(opinion({ measure: 'M04' }), president, { cti })
    node.seal()
    expect(judgedParts(POWER, [node.part(POWER)], node.policy)).toEqual(['statement broken CTI_REUSED'])
  })

  test('disclosures of another record, twice, of another name, not of the form', () => {
    const node = LyingNode.start([president])
    const index = node.add(opinion(), president)
    const other = node.add(opinion({ sealed: { content: '另一份意见' } }), president)
    node.seal()
    const own = node.disclosures.get(index)!
    const foreign = node.disclosures.get(other)!
    const disclosed = (disclosures: Bytes[]) => judged(node, { ...node.receipt(index), disclosures })
    const listed = (disclosures: Bytes[]) => {
      const part = node.part(POWER)
      return judgedParts(POWER, [{ ...part, entries: part.entries.with(0, { ...part.entries[0]!, disclosures }) }], node.policy)
    }
    for (const show of [disclosed, listed]) {
      expect(show(own)).toEqual(VERIFIED)
      expect(show([])).toEqual(VERIFIED)
      expect(show(foreign)).toEqual(['disclosures broken DISCLOSURE_UNMATCHED'])
      expect(show([...own, ...foreign])).toEqual(['disclosures broken DISCLOSURE_UNMATCHED'])
      expect(show([...own, ...own])).toEqual(['disclosures broken DISCLOSURE_REPEATED'])
      const salt = own[0]!.subarray(2, 18)
      expect(show([encodeDisclosure(salt, 'purpose', '请提交类案检索报告。').bytes])).toEqual([
        'disclosures broken DISCLOSURE_UNMATCHED'
      ])
      expect(show([encodeDisclosure(salt, 'content', '请提交类案检索报告').bytes])).toEqual([
        'disclosures broken DISCLOSURE_UNMATCHED'
      ])
      expect(show([concat(own[0]!, Uint8Array.of(0))])).toEqual(['disclosures broken CBOR_TRAILING_BYTES'])
      expect(show([Uint8Array.of(0x80)])).toEqual(['disclosures broken DISCLOSURE_INVALID'])
    }
  })

  test('a disclosure whose value the schema refuses', () => {
    const bytes = encodeDisclosure(new Uint8Array(16), 'content', 5)
    const { node, index } = filed([president], opinion(), president, {
      body: (body) => Object.assign(body, { sealed: { content: bytes.digest } })
    })
    expect(judged(node, { ...node.receipt(index), disclosures: [] })).toEqual(VERIFIED)
    expect(judged(node, { ...node.receipt(index), disclosures: [bytes.bytes] })).toEqual(['disclosures broken FIELD_INVALID'])
  })

  test('wrong disclosures in a part that overlaps another', () => {
    const node = LyingNode.start([president])
    for (let i = 0; i < 3; i++) node.add(opinion(), president)
    node.seal()
    const parts = [node.part(POWER, { from: 0, to: 2 }), node.part(POWER, { from: 1, to: 3 })]
    expect(judgedParts(POWER, parts, node.policy)).toEqual(VERIFIED)
    parts[1]!.entries[0]!.disclosures = node.disclosures.get(4)!
    expect(parts[1]!.entries[0]!.index).toBe(4)
    expect(judgedParts(POWER, parts, node.policy)).toEqual(VERIFIED)
    parts[1]!.entries[0]!.disclosures = node.disclosures.get(3)!
    expect(judgedParts(POWER, parts, node.policy)).toEqual(['disclosures broken DISCLOSURE_UNMATCHED'])
  })
})

describe('checkpoint and cosignatures', () => {
  const any = parsePolicy(networkPolicy(1))

  function witnessed(times: Readonly<Record<string, number>>, judgedBy: Judged = {}): string[] {
    const { node, index } = honest()
    return judged(node, node.receipt(index, { times }), judgedBy)
  }
  const NOW = START_SECONDS + 200

  test('a quorum that is not reached', () => {
    expect(witnessed({ [MIRROR]: NOW, [WITNESS]: NOW })).toEqual(VERIFIED)
    expect(witnessed({ [MIRROR]: NOW })).toEqual(['quorum could-not-check'])
    expect(witnessed({ [WITNESS]: NOW })).toEqual(['quorum could-not-check', 'keyTrails could-not-check'])
    expect(witnessed({})).toEqual(['quorum could-not-check', 'keyTrails could-not-check'])
    expect(witnessed({ [MIRROR]: NOW }, { policy: any })).toEqual(VERIFIED)
  })

  test('without the mirrors that the policy asks for, nothing that rests on the map counts', () => {
    expect(witnessed({ [WITNESS]: NOW }, { policy: any })).toEqual(['keyTrails could-not-check'])
    const { node } = honest()
    const part = node.part(POWER, { times: { [WITNESS]: NOW } })
    expect(judgedParts(POWER, [part], any)).toEqual(['trail could-not-check', 'keyTrails could-not-check'])
    expect(judgedParts(POWER, [node.part(POWER, { times: { [MIRROR]: NOW } })], any)).toEqual(VERIFIED)
    const absent = 'power:粤01-R0009'
    expect(judgedParts(absent, [node.part(absent, { times: { [WITNESS]: NOW } })], any)[0]).toBe('trail could-not-check')
  })

  test("the operator's own node counts for nothing", () => {
    const text = [
      `log ${logVkey()}`,
      `witness court ${cosignerVkey(OWN)}`,
      `witness notary ${cosignerVkey(WITNESS)}`,
      `witness discipline ${cosignerVkey(MIRROR)}`,
      'group others 2 court notary discipline',
      'quorum others',
      `# lianzheng ${ORIGIN} party,internal 1 discipline`,
      ''
    ].join('\n')
    const policy = parsePolicy(text)
    expect(witnessed({ [MIRROR]: NOW, [WITNESS]: NOW }, { policy })).toEqual(VERIFIED)
    expect(witnessed({ [MIRROR]: NOW, [OWN]: NOW }, { policy })).toEqual(['quorum could-not-check'])
    expect(witnessed({ [MIRROR]: NOW, [OWN]: NOW, [WITNESS]: NOW }, { policy })).toEqual(VERIFIED)
  })

  test('a cosignature at 0 or from the future', () => {
    const at = (time: number, now?: number) => witnessed({ [MIRROR]: NOW, [WITNESS]: time }, now === undefined ? {} : { now })
    expect(at(0)).toEqual(['quorum could-not-check'])
    expect(at(1)).toEqual(VERIFIED)
    expect(at(NOW + 301, NOW)).toEqual(['quorum could-not-check'])
    expect(at(NOW + 300, NOW)).toEqual(VERIFIED)
    const { node, index } = honest()
    const receipt = node.receipt(index, { times: { [MIRROR]: NOW, [WITNESS]: 2 ** 52 } })
    expect(verifyReceipt(formatReceipt(receipt), node.policy).overall).toBe('verified') // no clock
    expect(verifyReceipt(formatReceipt(receipt), node.policy, { now: NOW }).overall).toBe('could-not-check')
  })

  test('lines of another checkpoint, a line twice, no line of the log', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    const lines = receipt.checkpoint.split('\n')
    const olderLines = node.note(4).split('\n')
    const withLine = (at: number, line: string) => judged(node, { ...receipt, checkpoint: lines.with(at, line).join('\n') })
    for (const at of [4, 5, 6]) expect(withLine(at, olderLines[at]!)[0]).toBe('checkpoint broken SIGNATURE_INVALID')
    const other = LyingNode.start([president], {}, 'court.example/other')
    expect(judged(node, { ...receipt, checkpoint: other.note(3) })[0]).toBe('checkpoint broken WRONG_LOG')
    expect(judged(node, { ...receipt, checkpoint: lines.toSpliced(6, 0, lines[5]!).join('\n') })[0]).toBe(
      'checkpoint broken NOTE_INVALID'
    )
    expect(judged(node, { ...receipt, checkpoint: lines.toSpliced(4, 1).join('\n') })).toEqual(['checkpoint could-not-check'])
    expect(judged(node, { ...receipt, checkpoint: lines.toSpliced(4, 3).join('\n') })[0]).toMatch(
      /^checkpoint broken NOTE_INVALID/
    )
  })

  test('an older head for a newer record', () => {
    const { node, index } = honest()
    const receipt = node.receipt(index)
    expect(judged(node, { ...receipt, checkpoint: node.note(node.seals[0]!.index + 1) })).toContain(
      'inclusion broken PROOF_INVALID'
    )
  })

  test('a log key that the policy does not list', () => {
    const { node, index } = honest()
    const policy = parsePolicy(networkPolicy('all', undefined, logVkey('court.example/other')))
    expect(judged(node, node.receipt(index), { policy })).toEqual([
      'policy could-not-check',
      'checkpoint could-not-check',
      'keyTrails could-not-check'
    ])
  })

  test('cosigned() adds the lines that note() makes', () => {
    const { node } = honest()
    const bare = node.note(node.entries.length, {})
    expect(cosigned(bare, { [MIRROR]: 7 })).toBe(node.note(node.entries.length, { [MIRROR]: 7 }))
  })
})

describe('trails', () => {
  /** Three opinions of the president under one seal. */
  function three(): LyingNode {
    const node = LyingNode.start([clerk, president])
    for (let i = 0; i < 3; i++) node.add(opinion(), president)
    node.seal()
    return node
  }

  test('a trail listed under another spelling', () => {
    const name = 'case:（2020）粤01民初123号'
    for (const spelling of [
      'case:(2020)粤01民初123号',
      'case:（2020）粤01民初１２３号',
      'case:（2020）粤01民初0123号',
      'case:（2020） 粤01民初123号',
      'case:（2020）\u7ca4\u030101民初123号',
      'case:（2020）粤01\uf9db初123号',
      'Case:（2020）粤01民初123号',
      'case :（2020）粤01民初123号',
      'case:',
      'nothing:（2020）粤01民初123号'
    ]) {
      const node = LyingNode.start([clerk])
      node.add(fix('a', { case: '（2020）粤01民初123号' }), clerk, { filed: [name, spelling] })
      node.seal()
      expect(judgedParts(name, [node.part(name)], node.policy)).toEqual(VERIFIED)
      expect(judgedParts(spelling, [node.part(spelling)], node.policy)[0]).toMatch(/^trail broken TRAIL_NAME_INVALID/)
      // Nor does "nothing was filed" under a spelling of no trail comfort anybody.
      const silent = LyingNode.start([clerk])
      expect(judgedParts(spelling, [silent.part(spelling)], silent.policy)[0]).toMatch(/^trail broken TRAIL_NAME_INVALID/)
    }
  })

  test('records filed under a trail that they do not name', () => {
    for (const name of ['power:粤01-R0009', 'judgment:（2020）粤01民初123号', 'case:（2020）粤01民初123号', 'duty:粤01-R0001']) {
      const node = LyingNode.start([president])
      const index = node.add(opinion(), president, { filed: [POWER, name] })
      node.seal()
      expect(judged(node, node.receipt(index))).toEqual(VERIFIED)
      expect(judgedParts(name, [node.part(name)], node.policy)).toEqual(['trail broken TRAILS_MISMATCH'])
    }
  })

  test('the listing of one trail under the name of another', () => {
    const node = three()
    const part = node.part(POWER)
    expect(judgedParts(CASE, [part], node.policy)).toEqual(['trail broken PROOF_INVALID'])
    expect(judgedParts('power:粤01-R0009', [part], node.policy)).toEqual(['trail broken PROOF_INVALID TRAILS_MISMATCH'])
  })

  test('an entry left out', () => {
    const node = three()
    const members = node.seals.at(-1)!.trails.get(POWER)!
    for (const left of [0, 1, 2]) {
      const part = node.part(POWER)
      part.entries.splice(left, 1)
      expect(judgedParts(POWER, [part], node.policy)).toEqual(['trail broken PROOF_INVALID'])
      // With the count and the root that the rest gives.
      const lying = three()
      lying.trails.set(POWER, members.toSpliced(left, 1))
      lying.seals.pop()
      lying.entries.pop()
      lying.seal()
      const told = lying.part(POWER)
      expect(judgedParts(POWER, [{ ...part, count: 2, root: told.root!, entries: told.entries }], node.policy)).toEqual([
        'trail broken PROOF_INVALID'
      ])
    }
    const none = node.part(POWER)
    const { root: _, ...rest } = none
    const absent = node.part('power:粤01-R0009')
    expect(judgedParts(POWER, [{ ...rest, count: 0, entries: [], proof: absent.proof }], node.policy)).toEqual([
      'trail broken PROOF_INVALID'
    ])
    expect(judgedParts(POWER, [{ ...rest, count: 0, proof: absent.proof }], node.policy)).toEqual(['trail broken PROOF_INVALID'])
  })

  test('an entry put in, listed twice, or moved', () => {
    const node = three()
    const part = node.part(POWER)
    const [first, second, third] = part.entries as [TrailPart['entries'][0], TrailPart['entries'][0], TrailPart['entries'][0]]
    const listed = (entries: TrailPart['entries'], count = entries.length) =>
      judgedParts(POWER, [{ ...part, entries, count }], node.policy)[0]
    expect(listed([first, first, second, third])).toMatch(/^trail broken CERTIFICATE_INVALID/)
    expect(listed([second, first, third])).toMatch(/^trail broken CERTIFICATE_INVALID/)
    expect(listed([first, second, third, third], 3)).toMatch(/^trail broken CERTIFICATE_INVALID/)
    expect(listed([first, { ...second, index: second.index + 1 }, { ...third, index: third.index + 1 }])).toMatch(/^trail broken/)
    const doubled = LyingNode.start([president])
    const index = doubled.add(opinion(), president)
    const [member] = doubled.trails.get(POWER)!
    doubled.trails.set(POWER, [member!, member!])
    doubled.seal()
    expect(doubled.part(POWER).entries.map((entry) => entry.index)).toEqual([index, index])
    expect(judgedParts(POWER, [doubled.part(POWER)], doubled.policy)[0]).toMatch(/^trail broken CERTIFICATE_INVALID/)
  })

  test('an entry at or above the seal', () => {
    const node = LyingNode.start([president])
    const { statement } = node.sign(opinion(), president)
    for (const index of [3, 4, 99]) {
      const lying = LyingNode.start([president])
      lying.trails.set(POWER, [{ index, leaf: leafHash(statement) }])
      lying.seal()
      const part = lying.part('power:粤01-R0009')
      const head = lying.seals.at(-1)!
      const told: TrailPart = {
        ...part,
        proof: head.prove(POWER),
        count: 1,
        root: leafHash(concat(u64(index), leafHash(statement))),
        entries: [{ index, statement, disclosures: [] }]
      }
      expect(judgedParts(POWER, [told], lying.policy)[0]).toMatch(/^trail broken CERTIFICATE_INVALID/)
    }
  })

  test('a key trail that has another entry at an index than the tree', () => {
    const node = LyingNode.start([clerk, president])
    const index = node.add(opinion(), president)
    const name = `key:${base64url(kidOf(president))}`
    const { statement } = node.sign({ type: 'registry.approve', at: AT, refs: [], kid: base64url(kidOf(president)) }, admin, {
      body: (body) => Object.assign(body, { refs: [{ rel: 'approves', log: ORIGIN, leaf: new Uint8Array(32) }] })
    })
    node.trails.set(name, [...node.trails.get(name)!, { index, leaf: leafHash(statement) }])
    node.seal()
    const receipt = node.receipt(index)
    keyTrailOf(receipt, president).entries[1] = { index, statement }
    // The receipt alone holds the statement to its inclusion proof only after the key trails; the certificate lists it under the map.
    const part = node.part(POWER)
    keyTrailOf(part, president).entries[1] = { index, statement }
    expect(judgedParts(POWER, [part], node.policy)[0]).toMatch(/^trail broken CERTIFICATE_INVALID/)
    expect(judged(node, receipt)).toEqual(['inclusion broken PROOF_INVALID'])
  })

  test('the part of a log that the policy lists is missing', () => {
    const OTHER = 'court.example/supervision'
    const both = parsePolicy(
      [
        `log ${logVkey()}`,
        `log ${logVkey(OTHER)}`,
        `witness discipline ${cosignerVkey(MIRROR)}`,
        `witness notary ${cosignerVkey(WITNESS)}`,
        'group others all discipline notary',
        'quorum others',
        `# lianzheng ${ORIGIN} party,internal 1 discipline`,
        `# lianzheng ${OTHER} internal 1 discipline`,
        ''
      ].join('\n')
    )
    const node = three()
    const other = LyingNode.start([president], {}, OTHER)
    expect(judgedParts(POWER, [node.part(POWER), other.part(POWER)], both)).toEqual(VERIFIED)
    expect(judgedParts(POWER, [node.part(POWER)], both)).toEqual(['trail could-not-check'])
    expect(judgedParts(POWER, [other.part(POWER)], both)).toEqual(['trail could-not-check'])
    expect(judgedParts(POWER, [], both)).toEqual(['trail could-not-check'])
    const file = 'case:（2020）粤01民初123号'
    expect(judgedParts(file, [node.part(file)], both)).toEqual(VERIFIED)
    expect(judgedParts(file, [node.part(file), other.part(file)], both)).toEqual(['trail broken CLASS_NOT_HELD'])
    const ledger = `ledger:${ORIGIN}`
    expect(judgedParts(ledger, [node.part(ledger)], both)).toEqual(VERIFIED)
    const key = `key:${base64url(kidOf(president))}`
    expect(judgedParts(key, [node.part(key)], both)).toEqual(['trail could-not-check'])
    expect(judgedParts(key, [node.part(key), other.part(key)], both)).toEqual(VERIFIED)
    // A part of the one log in the name of the other.
    expect(judgedParts(POWER, [node.part(POWER), { ...node.part(POWER), origin: OTHER }], both)[0]).toBe(
      'checkpoint broken WRONG_LOG'
    )
  })
})

describe('partial listings', () => {
  /** Six opinions under one head, four more under the next. */
  function ten(): LyingNode {
    const node = LyingNode.start([clerk, president])
    for (let i = 0; i < 6; i++) node.add(opinion(), president)
    node.seal()
    for (let i = 0; i < 4; i++) node.add(opinion(), president)
    node.seal()
    return node
  }
  const OLDER = 1
  const NEWER = 2
  const node = ten()
  const part = (from: number, to: number, head = NEWER, of = node) => of.part(POWER, { from, to, head })
  const whole = (head: number, of = node) => of.part(POWER, { head })
  const listed = (...parts: TrailPart[]) => judgedParts(POWER, parts, node.policy)

  test('parts that join, in any order, under one head or several', () => {
    expect(listed(whole(NEWER))).toEqual(VERIFIED)
    expect(listed(part(0, 10))).toEqual(VERIFIED)
    expect(listed(part(0, 4), part(4, 10))).toEqual(VERIFIED)
    expect(listed(part(7, 10), part(0, 3), part(3, 7))).toEqual(VERIFIED)
    expect(listed(part(0, 6), part(4, 10))).toEqual(VERIFIED)
    expect(listed(whole(OLDER), part(6, 10))).toEqual(VERIFIED)
    expect(listed(part(0, 3, OLDER), part(3, 6, OLDER), part(6, 10))).toEqual(VERIFIED)
    expect(listed(whole(OLDER), whole(NEWER))).toEqual(VERIFIED)
    expect(listed(whole(OLDER))).toEqual(VERIFIED) // complete as of the older head
  })

  test('gaps, and an end that is not reached', () => {
    const open = ['trail could-not-check']
    expect(listed(part(0, 4))).toEqual(open)
    expect(listed(part(4, 10))).toEqual(open)
    expect(listed(part(0, 4), part(5, 10))).toEqual(open)
    expect(listed(part(0, 4), part(4, 9))).toEqual(open)
    expect(listed(part(0, 3, OLDER))).toEqual(open)
    expect(listed(whole(OLDER), part(6, 9))).toEqual(open)
    expect(listed(whole(OLDER), part(7, 10))).toEqual(open)
    // The newest head brings no key trail of the signers shown under the older one.
    expect(listed(part(0, 6, OLDER), part(10, 10))).toEqual([...open, 'keyTrails could-not-check'])
  })

  test('a revocation above an older head is not hidden by showing the records under that head', () => {
    const mixed = LyingNode.start([clerk, president, secretary])
    for (let i = 0; i < 2; i++) mixed.add(opinion(), president)
    mixed.seal()
    mixed.revoke(president, { compromisedSince: 1 })
    const at = '2020-08-26T10:00:00+08:00'
    const access = { type: 'supervision.access', at, court: '粤01', case: '（2020）粤01民初123号', mode: 'file', from: at }
    mixed.add({ ...access, onBehalfOf: '粤01-R0001' }, secretary)
    mixed.seal()
    const first = mixed.part(POWER, { from: 0, to: 2, head: OLDER })
    const last = mixed.part(POWER, { from: 2, to: 3, head: NEWER })
    expect(judgedParts(POWER, [first, last], mixed.policy)).toContain('keyTrails could-not-check')
    expect(judgedParts(POWER, [mixed.part(POWER, { head: NEWER })], mixed.policy)).toContain('keyTrails could-not-check')
  })

  test('a range, a proof or a place that does not fit', () => {
    const broken = ['trail broken PROOF_INVALID']
    const second = part(4, 10)
    expect(listed(part(0, 4), { ...second, range: second.range!.map(() => new Uint8Array(32)) })).toEqual(broken)
    expect(listed(part(0, 4), { ...second, from: 3 })[0]).toMatch(/^trail broken PROOF_INVALID/)
    expect(listed({ ...part(0, 4), consistency: [] }, second)).toEqual(broken)
    expect(listed({ ...part(0, 4), consistency: part(0, 3).consistency! }, second)).toEqual(broken)
    expect(listed(part(0, 4), { ...second, count: 11 })).toContain('trail broken PROOF_INVALID')
    expect(listed({ ...part(0, 4), from: 2 ** 53 - 1 }, second)).toContain('trail broken PROOF_INVALID')
    expect(listed({ ...whole(NEWER), from: 0, range: [], consistency: [] })).toEqual(VERIFIED)
  })

  test('parts of two histories', () => {
    const other = ten()
    const members = node.seals.at(-1)!.trails.get(POWER)!
    other.trails.set(POWER, members.toSpliced(1, 1))
    other.seal()
    // Member 1 is gone under the third head: one of the others no longer joins, or the trail has shrunk.
    expect(listed(whole(NEWER), other.part(POWER))[0]).toMatch(/^trail broken/)
    expect(listed(part(0, 1), other.part(POWER, { from: 1, to: 9 }))[0]).toMatch(/^trail broken PROOF_INVALID/)
    expect(listed(part(0, 4), other.part(POWER, { from: 4, to: 9 }))[0]).toMatch(/^trail broken PROOF_INVALID/)
    expect(listed(part(0, 4), other.part(POWER, { from: 3, to: 9 }))[0]).toMatch(/^trail broken/)
  })

  test('a trail that shrinks, though what is left is a beginning', () => {
    const shrunk = ten()
    shrunk.trails.set(POWER, shrunk.trails.get(POWER)!.slice(0, 4))
    shrunk.seal()
    expect(judgedParts(POWER, [shrunk.part(POWER)], shrunk.policy)).toEqual(VERIFIED) // for mirrors to see
    expect(listed(whole(OLDER, shrunk), shrunk.part(POWER))).toEqual(['trail broken PROOF_INVALID'])
  })

  test('a trail rewritten between two heads, behind the part that was shown', () => {
    const rewritten = ten()
    rewritten.trails.get(POWER)!.splice(3, 1)
    rewritten.add(opinion(), president)
    rewritten.seal()
    const late = rewritten.part(POWER, { from: 2, to: 10 })
    // Members 0 and 1 are the same under both heads, and nothing else of the older listing is shown.
    expect(listed(part(0, 2, NEWER, rewritten), late)).toEqual(['trail broken PROOF_INVALID'])
    expect(listed(rewritten.part(POWER, { from: 0, to: 2 }), late)).toEqual(VERIFIED)
  })

  test('two heads of one size', () => {
    const fork = ten()
    expect(fork.entries.length).toBe(node.entries.length)
    fork.entries.length = fork.seals.at(-1)!.index - 1
    fork.seals.pop()
    for (const [name, members] of fork.trails)
      fork.trails.set(
        name,
        members.filter(({ index }) => index < fork.entries.length)
      )
    fork.now -= 60_000
    fork.add(fix('another', { evidence: evidenceId() }), clerk)
    fork.seal()
    const name = 'duty:粤01-R0201'
    expect(fork.entries.length).toBe(node.entries.length)
    const absent = 'power:粤01-R0009'
    expect(judgedParts(absent, [fork.part(absent)], node.policy)).toEqual(VERIFIED)
    expect(judgedParts(absent, [node.part(absent), node.part(absent)], node.policy)).toEqual(VERIFIED)
    expect(judgedParts(absent, [fork.part(absent), node.part(absent)], node.policy)).toEqual(['trail broken PROOF_INVALID'])
    expect(judgedParts(name, [fork.part(name), node.part(name)], node.policy)[0]).toMatch(/^trail broken/)
  })
})

/**
 * With the log's keys alone a node can sign a map that leaves things out. Such a file holds together; mirrors, who derive the map from the entries, do not
 * cosign it. So the same file is refused for want of their cosignature, and these tests show that nothing but that cosignature stands in the way.
 */
describe('what only mirrors can see', () => {
  const any = parsePolicy(networkPolicy(1))
  const options = (node: LyingNode, mirror: boolean): ProofOptions => ({
    times: { [WITNESS]: node.now / 1000, ...(mirror ? { [MIRROR]: node.now / 1000 } : {}) }
  })

  test('a map without the revocation', () => {
    const node = LyingNode.start([president])
    node.revoke(president)
    const name = `key:${base64url(kidOf(president))}`
    node.trails.get(name)!.pop()
    const index = node.add(opinion(), president)
    node.seal()
    expect(judged(node, node.receipt(index, options(node, false)), { policy: any })).toEqual(['keyTrails could-not-check'])
    expect(judged(node, node.receipt(index, options(node, true)), { policy: any })).toEqual(VERIFIED)
  })

  test('a map without an entry', () => {
    const node = LyingNode.start([president])
    node.add(opinion(), president)
    node.trails.get(POWER)!.pop()
    node.add(opinion(), president)
    node.seal()
    expect(judgedParts(POWER, [node.part(POWER, options(node, false))], any)).toEqual([
      'trail could-not-check',
      'keyTrails could-not-check'
    ])
    expect(judgedParts(POWER, [node.part(POWER, options(node, true))], any)).toEqual(VERIFIED)
  })

  test('the map of the seal before under a newer head', () => {
    const node = LyingNode.start([president])
    node.add(opinion(), president)
    node.seal()
    const older = node.statement(node.seals[1]!.index).body.get('map') as Bytes
    node.revoke(president)
    const index = node.add(opinion(), president)
    node.seal({ map: older })
    const head = node.seals[2]!
    // Proofs of what was filed do not hold,
    expect(judged(node, node.receipt(index))).toEqual(['keyTrails broken PROOF_INVALID'])
    expect(judgedParts(POWER, [node.part(POWER)], node.policy)[0]).toBe('trail broken PROOF_INVALID')
    // and those of the older state do, where no mirror is asked.
    head.trails = node.seals[1]!.trails
    head.prove = node.seals[1]!.prove
    expect(judged(node, node.receipt(index, options(node, false)), { policy: any })).toEqual(['keyTrails could-not-check'])
    expect(judged(node, node.receipt(index, options(node, true)), { policy: any })).toEqual(VERIFIED)
  })
})

test('a file that is no file throws, and says which member', () => {
  const { node, index } = honest()
  const text = formatReceipt(node.receipt(index))
  const refusal = (changed: string) => {
    try {
      verifyReceipt(changed, node.policy)
    } catch (error) {
      if (error instanceof LianzhengError) return `${error.code} ${error.detail.field ?? ''}`
      throw error
    }
    return 'accepted'
  }
  expect(refusal(text)).toBe('accepted')
  expect(refusal(text.replace('"origin"', '"orgin"'))).toBe('RECEIPT_INVALID origin')
  expect(refusal(text.replace('lianzheng-receipt/v1', 'lianzheng-receipt/v2'))).toBe('FORMAT_VERSION_UNKNOWN format')
  expect(refusal(text.replace('{', '{"more":1,'))).toBe('RECEIPT_INVALID more')
  expect(refusal(text.replace('{', '{"origin":"x",'))).toBe('JSON_INVALID ')
  expect(refusal(text.slice(0, -2))).toBe('JSON_INVALID ')
})
