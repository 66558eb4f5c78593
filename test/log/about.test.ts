/** Records that speak of an earlier one (records.md, "System types"): what the door, the sequencer and the audit compare, on a real log. */
import { beforeAll, describe, expect, test } from 'vitest'
import { type Bytes, base64url, utf8 } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { leafHash } from '../../src/core/hash.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { encodeBundle, parseTilePath } from '../../src/core/tile.ts'
import { auditStore } from '../../src/log/audit.ts'
import { auditRemote } from '../../src/log/audit-remote.ts'
import { Replay } from '../../src/log/replay.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import { fix, Lab, OPERATOR, opinion, USERS, type User, user } from '../helpers/lab.ts'
import { LyingNode } from '../helpers/lying-node.ts'

const AT = '2020-08-26T11:00:00+08:00'
const DISCIPLINE = user('discipline', ['administrator'], undefined, 'gz-discipline')
const OTHER_CLERK = user('other clerk', ['clerk'], '粤01-R0109')
const FOREIGN_CLERK = user('foreign clerk', ['clerk'], '粤02-R0101', 'gz-discipline')

let lab: Lab
beforeAll(async () => {
  lab = await Lab.open({ administrators: [{ user: DISCIPLINE }] })
  await lab.register(OTHER_CLERK)
  await lab.register(FOREIGN_CLERK, DISCIPLINE)
})

const refused = async (action: () => Promise<unknown>): Promise<string> => {
  try {
    await action()
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code} ${error.detail.field}`
    throw error
  }
  return 'accepted'
}

interface Target {
  leaf: string
  of: readonly string[]
}
async function filed(record: { [name: string]: unknown }, by: User): Promise<Target> {
  const { index } = await lab.submit(record, by)
  const { leaf, trails } = lab.reader.statement(index)
  return { leaf: base64url(leaf), of: trails }
}
const about = (type: string, rel: string, { leaf, of }: Target, more: object = {}) => ({
  type,
  at: AT,
  refs: [{ rel, log: lab.origin, leaf }],
  of: [...of],
  ...more
})
const erased = (target: Target, more: object = {}) =>
  about('body.erased', 'erases', target, { fields: ['name'], ground: 'PIPL-47', ...more })
const corrected = (target: Target, more: object = {}) => about('record.corrected', 'corrects', target, more)
const say = (record: { [name: string]: unknown }, by: User) => refused(async () => lab.submit(record, by))

describe('body.erased', () => {
  test('an administrator of the organisation whose record it is; it stands on all its trails', async () => {
    const target = await filed(fix('erased'), USERS.clerk)
    expect(await say(erased(target), USERS.admin)).toBe('accepted')
    for (const trail of target.of) expect(lab.reader.trailPart(trail, () => []).count).toBe(2)
  })

  test('everything else is refused', async () => {
    const target = await filed(fix('kept'), USERS.clerk)
    const elsewhere = await filed(fix('elsewhere'), USERS.clerk)
    const leaf = base64url(new Uint8Array(32))
    const log = [{ rel: 'erases', log: 'court.example/public', leaf: target.leaf }]
    const cases: [string, object, User, string][] = [
      ['no such record', erased({ ...target, leaf }), USERS.admin, 'REFERENCE_UNKNOWN refs[0]'],
      ['of another log', erased(target, { refs: log }), USERS.admin, 'REFERENCE_UNKNOWN refs[0]'],
      ['a trail too few', erased({ ...target, of: target.of.slice(1) }), USERS.admin, 'TRAILS_MISMATCH of'],
      ['a trail too many', erased({ ...target, of: [...target.of, 'power:粤01-R0001'] }), USERS.admin, 'TRAILS_MISMATCH of'],
      ['trails of another', erased({ ...target, of: elsewhere.of }), USERS.admin, 'TRAILS_MISMATCH of'],
      ['out of order', erased({ ...target, of: target.of.toReversed() }), USERS.admin, 'FIELD_INVALID of[1]'],
      ['an open field', erased(target, { fields: ['material'] }), USERS.admin, 'FIELD_INVALID fields[0]'],
      ['a sealed field it has not', erased(target, { fields: ['name', 'witness'] }), USERS.admin, 'FIELD_INVALID fields[1]'],
      ['a field twice', erased(target, { fields: ['name', 'name'] }), USERS.admin, 'FIELD_INVALID fields'],
      ['another organisation', erased(target), DISCIPLINE, 'FOREIGN_ORGANISATION iss'],
      [
        'two at once',
        erased(target, { refs: [target, elsewhere].map((one) => ({ rel: 'erases', log: lab.origin, leaf: one.leaf })) }),
        USERS.admin,
        'FIELD_INVALID refs'
      ]
    ]
    for (const [name, record, by, code] of cases)
      expect([name, await say(record as { [name: string]: unknown }, by)]).toEqual([name, code])
    // No administrator, and a draft of it is not even made.
    expect(() => lab.draft(erased(target), USERS.clerk)).toThrow(/ROLE_NOT_PERMITTED/)
  })

  test('a seal is no record', async () => {
    const { index } = await lab.submit(fix('sealed'), USERS.clerk)
    const seal = base64url(lab.reader.statement(index + 1).leaf)
    expect(await say(erased({ leaf: seal, of: [`ledger:${lab.origin}`] }), USERS.admin)).toBe('REFERENCE_UNKNOWN refs[0]')
  })

  test('of supervision, discipline may write the second one, and nobody else', async () => {
    const target = await filed(opinion(), USERS.president)
    const record = () => erased(target, { fields: ['content'] })
    expect(await say(record(), DISCIPLINE)).toBe('accepted')
    expect(await say(record(), USERS.admin)).toBe('accepted')
    expect(OPERATOR).not.toBe(DISCIPLINE.org)
  })
})

describe('a refusal', () => {
  test('tells nobody what lies under a leaf hash, which the tiles show to everyone', async () => {
    const target = await filed(opinion(), USERS.president)
    const guess = { ...target, of: ['ledger:court.example/evidence'] }
    const cases: [{ [name: string]: unknown }, User, string][] = [
      [corrected(guess), FOREIGN_CLERK, 'FOREIGN_ORGANISATION'],
      [corrected(guess), USERS.lawyer, 'ROLE_NOT_PERMITTED'],
      [corrected(guess), USERS.president, 'TRAILS_MISMATCH'],
      [erased(guess, { fields: ['content'] }), USERS.admin, 'TRAILS_MISMATCH']
    ]
    for (const [record, by, code] of cases) {
      const error = (await lab.submit(record, by).catch((error: unknown) => error)) as LianzhengError
      expect([error.code, by.roles]).toEqual([code, by.roles])
      for (const trail of target.of) expect(JSON.stringify(error.problem())).not.toContain(trail)
      if (by === USERS.lawyer) expect(JSON.stringify(error.problem())).not.toContain('leader')
    }
  })
})

describe('record.corrected', () => {
  test('whoever of the organisation may write the type', async () => {
    const target = await filed(fix('corrected'), USERS.clerk)
    const cases: [User, string][] = [
      [USERS.clerk, 'accepted'],
      [OTHER_CLERK, 'accepted'],
      [USERS.lawyer, 'accepted'],
      [USERS.judge, 'ROLE_NOT_PERMITTED type'],
      [USERS.admin, 'ROLE_NOT_PERMITTED type'],
      [FOREIGN_CLERK, 'FOREIGN_ORGANISATION iss']
    ]
    for (const [by, code] of cases) expect([by.roles, await say(corrected(target), by)]).toEqual([by.roles, code])
    expect(await say(corrected({ ...target, of: target.of.slice(1) }), USERS.clerk)).toBe('TRAILS_MISMATCH of')
  })

  test('may name the record that takes its place, and a correction can be corrected', async () => {
    const target = await filed(fix('wrong'), USERS.clerk)
    const better = await filed(fix('right'), USERS.clerk)
    const refs = [
      { rel: 'about', log: lab.origin, leaf: better.leaf },
      { rel: 'corrects', log: lab.origin, leaf: target.leaf }
    ]
    const correction = await filed(corrected(target, { refs }), USERS.clerk)
    expect(correction.of).toEqual(target.of)
    expect(await say(corrected(correction), USERS.clerk)).toBe('accepted')
  })
})

test('what the door took, the audit takes, read from the store or over its surfaces', async () => {
  const policy = parsePolicy(lab.policy())
  expect((await auditStore(lab.store, { verifier: nativeVerifier, policy })).findings).toEqual([])
  const { note, size } = lab.reader.published()
  const get = async (path: string): Promise<Bytes> => {
    if (path === 'checkpoint') return utf8(note)
    const tile = parseTilePath(path)!
    const start = tile.index * 256
    if (tile.kind === 'entries') return encodeBundle([...lab.reader.entries(start, Math.min(size, start + 256))])
    return lab.tile(tile.level, tile.index)
  }
  expect((await auditRemote({ origin: lab.origin, verifier: nativeVerifier, policy, get })).findings).toEqual([])
})

describe('in a log that somebody else has written', () => {
  const CLERK = USERS.clerk

  async function findings(write: (node: LyingNode, original: Target) => void, together = false): Promise<string[]> {
    const node = new LyingNode()
    node.genesis({ catalogue: 2 })
    node.register(CLERK)
    const index = node.add(fix('original'), CLERK)
    if (!together) node.seal()
    const { leaf, trails } = node.statement(index)
    write(node, { leaf: base64url(leaf), of: trails })
    node.seal()
    const found: string[] = []
    const replay = new Replay({
      origin: node.origin,
      classes: ['party'],
      verifier: nativeVerifier,
      onFinding: ({ what, code }) => found.push(`${what} ${code}`),
      entry: (at) => node.entries[at]
    })
    for (const entry of node.entries) await replay.add(entry)
    await replay.finish()
    return found
  }
  const says = (record: (target: Target) => object) => (node: LyingNode, target: Target) => {
    node.add({ ...record(target), refs: [{ rel: 'corrects', log: node.origin, leaf: target.leaf }] }, CLERK)
  }

  test('an earlier record is one with a lower index, in the same batch too', async () => {
    expect(await findings(says(corrected))).toEqual([])
    expect(await findings(says(corrected), true)).toEqual([])
  })

  test('one that comes later, or never, is none; trails are compared', async () => {
    const later = (node: LyingNode) => {
      const { statement, trails } = node.sign(fix('later'), CLERK)
      says(corrected)(node, { leaf: base64url(leafHash(statement)), of: trails })
      node.place(statement, trails)
    }
    expect(await findings(later, true)).toEqual(['e 3 REFERENCE_UNKNOWN'])
    expect(await findings(later)).toEqual(['e 4 REFERENCE_UNKNOWN'])
    expect(await findings(says(({ leaf, of }) => corrected({ leaf, of: of.slice(1) })))).toEqual(['e 4 TRAILS_MISMATCH'])
  })
})
