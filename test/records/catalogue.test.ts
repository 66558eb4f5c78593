/**
 * The catalogue against the tables of records.md and formats.md §8. The tables below are written from those documents, not from the code: a
 * difference is an error in one of the two.
 */
import { describe, expect, test } from 'vitest'
import { type Bytes, base64url, hex, utf8 } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { sha256 } from '../../src/core/hash.ts'
import {
  CATALOGUE,
  CATALOGUE_VERSION,
  catalogueDigest,
  checkWriter,
  publishedCatalogue,
  recordType
} from '../../src/records/catalogue.ts'
import {
  type Body,
  define,
  describe as describeType,
  exampleRecord,
  RELATIONS,
  ROLES,
  type Role,
  trailsOf
} from '../../src/records/define.ts'
import { CLASSES, TRAIL_KINDS } from '../../src/records/ids.ts'

const ORIGIN = 'court.example/evidence'

// What the documents say

interface Row {
  class: string
  writers: string
  /** ✓ is `!`; the members of objects in braces, as in records.md. */
  open: string
  sealed: string
}

const TABLE: Record<string, Row> = {
  // records.md, "Evidence"
  'evidence.fix': {
    class: 'party',
    writers: 'clerk party lawyer system',
    open: 'evidence! material! files! kind list case generatedAt captureMethod environment',
    sealed: 'name source purpose generatedBy device witness submitter'
  },
  'evidence.list': { class: 'party', writers: 'clerk', open: 'list! case count! items!', sealed: 'title party' },
  'evidence.receipt': { class: 'party', writers: 'clerk', open: 'list! case receivedAt! items!', sealed: 'names party handler' },
  // `list` or `evidence` ✓: neither is required by itself.
  'evidence.attach': { class: 'party', writers: 'clerk', open: 'list evidence case!', sealed: '' },
  'evidence.confirm': { class: 'party', writers: 'clerk party', open: 'list! method! proof', sealed: 'party' },
  'evidence.custody': { class: 'party', writers: 'clerk', open: 'evidence! list action! carrier!', sealed: 'from to reason' },
  'evidence.supplement': {
    class: 'party',
    writers: 'clerk party lawyer system',
    open: 'evidence! case refs!',
    sealed: 'reason'
  },
  'evidence.withdraw': { class: 'party', writers: 'clerk party lawyer system', open: 'evidence! case refs!', sealed: 'reason' },
  'evidence.originalCheck': { class: 'party', writers: 'clerk judge', open: 'evidence! case result!', sealed: 'note' },
  'evidence.verify': {
    class: 'party',
    writers: ROLES.join(' '),
    open: 'evidence! result! digest!',
    sealed: 'requester'
  },
  'evidence.objection': { class: 'party', writers: 'party lawyer', open: 'evidence! case stage! factors', sealed: 'grounds' },
  'evidence.appraisal': { class: 'party', writers: 'judge clerk', open: 'evidence! case opinion', sealed: 'reason' },
  'evidence.ruling': {
    class: 'party',
    writers: 'judge clerk',
    open: 'evidence! case authentic lawful relevant adopted',
    sealed: 'reason'
  },
  // records.md, "Supervision"
  'staff.post': { class: 'internal', writers: 'personnel', open: 'staff! posts! remit from! formerly', sealed: '' },
  'supervision.access': { class: 'internal', writers: 'leader secretary', open: 'case! mode! from! to', sealed: 'purpose scope' },
  'supervision.opinion': {
    class: 'internal',
    writers: 'leader',
    open: 'case! judge! measure! basis! node! channel! replyDue refs',
    sealed: 'content!'
  },
  'supervision.reply': {
    class: 'internal',
    writers: 'judge',
    open: 'case! leader! refs! decision!',
    sealed: 'reason progress'
  },
  'supervision.outcome': {
    class: 'internal',
    writers: 'leader judge',
    open: 'case! judge! leader! refs! result! changed',
    sealed: 'content'
  },
  'keycase.flag': {
    class: 'internal',
    writers: 'clerk judge leader trial-office system discipline',
    open: 'case! class! item! source! judge',
    sealed: 'note'
  },
  'keycase.unflag': { class: 'internal', writers: 'leader trial-office', open: 'case! refs! reasonCode!', sealed: 'reason' },
  'keycase.report': { class: 'internal', writers: 'judge', open: 'case! refs!', sealed: 'content' },
  'keycase.ack': { class: 'internal', writers: 'leader', open: 'case! refs!', sealed: 'content' },
  'approval.given': { class: 'internal', writers: 'leader', open: 'matter! decision! refs! case', sealed: 'reason' },
  'source.tally': { class: 'internal', writers: 'system', open: 'source! day! first last count! digest', sealed: '' },
  'coverage.statement': { class: 'internal', writers: 'system administrator', open: 'source! since! scope!', sealed: 'note' },
  'feed.gap': { class: 'internal', writers: 'system administrator', open: 'source! from! to! reasonCode', sealed: 'note' },
  'inspect.sync': { class: 'internal', writers: 'discipline', open: 'source! log! upTo! lagMs! disclosures', sealed: '' },
  // records.md, "Recusal"
  'recusal.disclosed': {
    class: 'public',
    writers: 'personnel',
    open: 'entry! court! status!',
    sealed: 'name post relation lawyer firm'
  },
  'recusal.updated': {
    class: 'public',
    writers: 'personnel',
    open: 'entry! refs! reasonCode!',
    sealed: 'name post relation lawyer firm'
  },
  'recusal.lifted': {
    class: 'public',
    writers: 'personnel',
    open: 'entry! refs! reasonCode!',
    sealed: 'name post relation lawyer firm'
  },
  // "Staff" are the court's people with a staff code who write for themselves.
  'recusal.declared': {
    class: 'personnel',
    writers: 'judge clerk leader trial-office personnel',
    open: 'staff! since! withinJurisdiction!',
    sealed: 'relation! relative! firm! licence'
  },
  'recusal.assessed': { class: 'personnel', writers: 'personnel', open: 'staff! refs! mustRecuse! basis', sealed: 'note' },
  'recusal.applied': {
    class: 'personnel',
    writers: 'judge clerk leader trial-office personnel',
    open: 'staff!',
    sealed: 'note'
  },
  'recusal.transferred': { class: 'personnel', writers: 'personnel', open: 'staff! effective! post', sealed: 'note' },
  'notice.lawfirm': { class: 'personnel', writers: 'personnel', open: 'firm! staff! notice!', sealed: 'content' },
  'notice.received': { class: 'personnel', writers: 'firm', open: 'firm! staff! refs!', sealed: 'content' },
  'conflict.check': { class: 'internal', writers: 'clerk system', open: 'case! judge! result!', sealed: 'agents' },
  // formats.md §8
  'ledger.genesis': {
    class: 'any',
    writers: 'administrator',
    open: 'origin! name! operator! catalogue! catalogueDigest! keys! members! policy! administrators! control! predecessor',
    sealed: ''
  },
  'registry.key': {
    class: 'any',
    writers: 'administrator',
    open: 'key! org! staff roles! mayGive notBefore notAfter binding',
    sealed: 'holder'
  },
  'registry.revoke': { class: 'any', writers: 'administrator', open: 'kid! reason! compromisedSince', sealed: '' },
  'registry.member': { class: 'any', writers: 'administrator', open: 'action! member!', sealed: '' },
  'registry.policy': { class: 'any', writers: 'administrator', open: 'policy!', sealed: '' },
  'registry.node': { class: 'any', writers: 'administrator', open: 'keys! generation!', sealed: '' },
  'registry.catalogue': { class: 'any', writers: 'administrator', open: 'catalogue! catalogueDigest!', sealed: '' },
  'registry.approve': { class: 'any', writers: 'administrator', open: 'refs! kid', sealed: '' },
  'ledger.recovery': { class: 'any', writers: 'administrator', open: 'old! new! from! how!', sealed: '' },
  // records.md, "System types". What they hold beside the names given there is in the comment of `records/platform`.
  'rule.version': {
    class: 'any',
    writers: 'administrator',
    open: 'rule! version! title! from! basis parameters',
    sealed: ''
  },
  'codeTable.version': { class: 'any', writers: 'administrator', open: 'table! version! title! from! rows!', sealed: '' },
  'platform.statement': {
    class: 'any',
    writers: 'administrator',
    open: 'operator! members! standards! algorithms! timeSources! incidents',
    sealed: ''
  },
  'body.erased': { class: 'any', writers: 'administrator', open: 'refs! fields! ground! of!', sealed: '' },
  // "By a key whose role may write the original's type": any role may be the one.
  'record.corrected': { class: 'any', writers: ROLES.join(' '), open: 'refs! of!', sealed: '' },
  'access.read': { class: 'internal lead', writers: 'system', open: 'trail leaf reader!', sealed: '' }
}

/** "The values that the tables name": `type.field` → those values and no other. */
const VALUES: Record<string, string[]> = {
  'evidence.fix.material': ['electronic-data', 'digitised-copy', 'object'],
  'evidence.confirm.method': ['screen', 'paper', 'key'],
  'evidence.custody.action': ['received', 'lent', 'returned', 'destroyed'],
  'evidence.objection.stage': ['before', 'after'],
  'conflict.check.result': ['none', 'hit'],
  'evidence.fix.kind': ['E1', 'E2', 'E3', 'E4', 'E5', 'E6', 'E7', 'E8'],
  'supervision.opinion.basis': ['keycase', 'procedural', 'remit', 'review'],
  'supervision.opinion.channel': ['platform', 'written', 'oral'],
  'supervision.reply.decision': ['adopted', 'partly', 'declined'],
  'recusal.disclosed.status': ['must-recuse', 'related'],
  'registry.member.action': ['add', 'remove']
}

/** Members of objects and lists of objects, with the limits of the list. */
const INNER: Record<string, { members: string; min?: number; max?: number }> = {
  'evidence.fix.files': { members: 'sha256! sm3 size! mime', min: 1, max: 8 },
  'evidence.list.items': { members: 'evidence! sha256!', min: 1, max: 500 },
  // No ticks stand inside; a receipt states copies, pages and original or copy of each piece (民诉法 69).
  'evidence.receipt.items': { members: 'evidence! form! copies! pages!', min: 1, max: 500 },
  'staff.post.remit': { members: 'divisions kinds' },
  'evidence.confirm.proof': { members: 'sha256! sm3 size mime' },
  'evidence.appraisal.opinion': { members: 'sha256! sm3 size mime' },
  'notice.lawfirm.notice': { members: 'sha256! sm3 size mime' },
  'inspect.sync.disclosures': { members: 'arrived! of!' },
  'codeTable.version.rows': { members: 'code! zh! en source', min: 1, max: 500 },
  'rule.version.parameters': { members: 'name! value! unit!', min: 1, max: 50 },
  'platform.statement.operator': { members: 'org! name!' },
  'platform.statement.members': { members: 'org! name! runBy!', min: 0, max: 64 },
  'platform.statement.incidents': { members: 'from! to what!', min: 1, max: 100 },
  'ledger.genesis.keys': { members: 'log! log-mldsa44 statement! receipt! promise!' },
  'ledger.genesis.members': { members: 'name! org! role! vkey! vkey-mldsa44', min: 0, max: 64 },
  'ledger.genesis.administrators': { members: 'key! org! roles!', min: 1, max: 64 },
  'ledger.genesis.predecessor': { members: 'origin! size! root!' },
  'registry.member.member': { members: 'name! org! role! vkey! vkey-mldsa44' },
  'registry.node.keys': { members: 'log log-mldsa44 statement receipt promise' },
  'ledger.recovery.old': { members: 'size! root!' },
  'ledger.recovery.new': { members: 'size! root!' }
}

/** records.md, last paragraph, and formats.md §4. */
const DOCUMENTED_ROLES =
  'administrator clerk judge leader secretary trial-office personnel discipline procuratorate lawyer party firm system auditor'
const DOCUMENTED_RELATIONS = 'answers outcome approves flag attaches corrects erases updates confirms about'
const DOCUMENTED_CLASSES = 'party internal personnel public lead commutation'

// The shape of a type, in the notation of the tables

/** `name` and `name?` of a published form, as `name!` and `name`. */
function names(form: unknown): string {
  return shape(
    Object.keys(form as object)
      .map((name) => (name.endsWith('?') ? name.slice(0, -1) : `${name}!`))
      .join(' ')
  )
}
function shape(members: string): string {
  return members.split(' ').filter(Boolean).sort().join(' ')
}

test('the types are those of the documents, in families', () => {
  expect(CATALOGUE.map(({ type }) => type)).toEqual(Object.keys(TABLE))
  expect(CATALOGUE.every(({ v }) => v === 1)).toBe(true)
  expect(new Set(CATALOGUE.map(({ type, v }) => `${type} ${v}`)).size).toBe(CATALOGUE.length)
})

test('roles, relations and classes are those of the documents', () => {
  expect([...ROLES].join(' ')).toBe(DOCUMENTED_ROLES)
  expect([...RELATIONS].join(' ')).toBe(DOCUMENTED_RELATIONS)
  expect([...CLASSES].join(' ')).toBe(DOCUMENTED_CLASSES)
})

describe.each(Object.entries(TABLE))('%s', (name, row) => {
  const type = recordType(name)
  const open = describeType(type).open as Record<string, unknown>

  test('class, writers and names', () => {
    expect([type.class].flat().join(' ')).toBe(row.class)
    expect([...type.writers].join(' ')).toBe(row.writers)
    expect(type.zh).toMatch(/^[\u4e00-\u9fff、]+$/)
    expect(type.en).toMatch(/^[\x20-\x7e]+$/)
  })

  test('open fields: its own and the common ones', () => {
    const system = row.class === 'any' || name === 'access.read'
    const own = row.open.split(' ').filter((field) => !/^(refs!?|court!)$/.test(field))
    const refs = row.open.includes('refs!') ? 'refs!' : 'refs'
    const seals = row.sealed === '' ? [] : [row.sealed.includes('!') ? 'sealed!' : 'sealed']
    const common = ['at!', system ? 'court' : 'court!', 'actor', 'onBehalfOf', 'secrecy', refs, ...seals]
    expect(names(open)).toBe(shape([...common, ...own].join(' ')))
    expect(open['secrecy?']).toEqual({ oneOf: ['无'] })
  })

  test('sealed fields', () => {
    expect(names(describeType(type).sealed)).toBe(shape(row.sealed))
  })

  test('refs have the one form of formats.md §4', () => {
    const refs = (open.refs ?? open['refs?']) as { list: unknown; min: number }
    expect(refs.list).toEqual({
      rel: { oneOf: DOCUMENTED_RELATIONS.split(' ') },
      log: 'origin',
      leaf: { bytes: 32, json: 'base64url' }
    })
    expect(refs.min).toBe(1)
  })
})

test.each(Object.entries(VALUES))('%s is one of %j', (path, values) => {
  const [, type, field] = /^(.+)\.([^.]+)$/.exec(path)!
  const open = describeType(recordType(type!)).open as Record<string, unknown>
  expect(open[field!] ?? open[`${field}?`]).toEqual({ oneOf: values })
})

test.each(Object.entries(INNER))('%s has the members $members', (path, { members, min, max }) => {
  const [, type, field] = /^(.+)\.([^.]+)$/.exec(path)!
  const open = describeType(recordType(type!)).open as Record<string, unknown>
  const form = (open[field!] ?? open[`${field}?`]) as { list?: unknown; min?: number; max?: number }
  expect(names(form.list ?? form)).toBe(shape(members))
  if (max !== undefined) expect([form.min, form.max]).toEqual([min, max])
})

test('an unknown type or version is refused by its own code', () => {
  const code = (run: () => unknown) => {
    try {
      run()
    } catch (error) {
      return (error as LianzhengError).code
    }
    return 'accepted'
  }
  expect(code(() => recordType('evidence.fix', 1))).toBe('accepted')
  for (const name of ['', 'evidence', 'Evidence.fix', 'ledger.seal', 'toString', '__proto__', 'judgment.original'])
    expect(code(() => recordType(name))).toBe('TYPE_UNKNOWN')
  for (const v of [0, 2, -1, 1.5]) expect(code(() => recordType('evidence.fix', v))).toBe('TYPE_VERSION_UNKNOWN')
})

// Trails, first = `sub` (records.md, last column; formats.md §8)

const CASE = '（2020）粤01民初123号'
const PIECE = '粤01-20200826-abcdefghijkl'
const LIST = '粤01-20200826-listaaaaaaaa'
const LEADER = '粤01-R0001'
const SECRETARY = '粤01-R0002'
const JUDGE = '粤01-R0201'
const FIRM = '~MDEyMzQ1Njc4OWFiY2RlZg'
const A = new Uint8Array(32).fill(0xaa)
const B = new Uint8Array(32).fill(0xbb)
const C = new Uint8Array(32).fill(0xcc)
const KID = new Uint8Array(32).fill(0x11)
// RFC 8032 test 1 and its thumbprint (formats.md §2).
const KEY = Uint8Array.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'.match(/../g)!, (pair) =>
  Number.parseInt(pair, 16)
)
const KEY_TRAIL = 'key:hm7vvWcYyIRs193-Q_x0qx2qxFOP-FFOouwtQQpBV0M'
const KID_TRAIL = `key:${base64url(KID)}`
const LEDGER = `ledger:${ORIGIN}`
const sha = (digest: Bytes) => `file:sha256-${hex(digest)}`
const sm3 = (digest: Bytes) => `file:sm3-${hex(digest)}`
const ref = { rel: 'about', log: ORIGIN, leaf: A }

const TRAILS: [string, { [name: string]: unknown }, string[]][] = [
  ['evidence.fix', { evidence: PIECE, files: [{ sha256: A, size: 1 }] }, [`evidence:${PIECE}`, sha(A)]],
  [
    'evidence.fix',
    {
      evidence: PIECE,
      files: [
        { sha256: B, sm3: C, size: 1 },
        { sha256: A, size: 1 }
      ],
      list: LIST,
      case: CASE
    },
    [`evidence:${PIECE}`, sha(B), sha(A), sm3(C), `list:${LIST}`, `case:${CASE}`]
  ],
  ['evidence.list', { list: LIST, items: [{ evidence: PIECE, sha256: A }] }, [`list:${LIST}`]],
  ['evidence.list', { list: LIST, case: CASE, items: [{ evidence: PIECE, sha256: A }] }, [`list:${LIST}`, `case:${CASE}`]],
  ['evidence.receipt', { list: LIST, items: [{ evidence: PIECE }] }, [`list:${LIST}`]],
  ['evidence.receipt', { list: LIST, case: CASE, items: [{ evidence: PIECE }] }, [`list:${LIST}`, `case:${CASE}`]],
  ['evidence.attach', { list: LIST, case: CASE }, [`case:${CASE}`, `list:${LIST}`]],
  ['evidence.attach', { evidence: PIECE, case: CASE }, [`case:${CASE}`, `evidence:${PIECE}`]],
  ['evidence.confirm', { list: LIST, method: 'key' }, [`list:${LIST}`]],
  ['evidence.custody', { evidence: PIECE }, [`evidence:${PIECE}`]],
  ['evidence.custody', { evidence: PIECE, list: LIST }, [`evidence:${PIECE}`, `list:${LIST}`]],
  ['evidence.supplement', { evidence: PIECE, refs: [ref] }, [`evidence:${PIECE}`]],
  ['evidence.supplement', { evidence: PIECE, case: CASE, refs: [ref] }, [`evidence:${PIECE}`, `case:${CASE}`]],
  ['evidence.withdraw', { evidence: PIECE, case: CASE, refs: [ref] }, [`evidence:${PIECE}`, `case:${CASE}`]],
  ['evidence.originalCheck', { evidence: PIECE, case: CASE }, [`evidence:${PIECE}`, `case:${CASE}`]],
  ['evidence.verify', { evidence: PIECE, digest: A }, [`evidence:${PIECE}`]],
  ['evidence.objection', { evidence: PIECE, case: CASE }, [`evidence:${PIECE}`, `case:${CASE}`]],
  ['evidence.appraisal', { evidence: PIECE, case: CASE, opinion: { sha256: A } }, [`evidence:${PIECE}`, `case:${CASE}`]],
  ['evidence.ruling', { evidence: PIECE, case: CASE }, [`evidence:${PIECE}`, `case:${CASE}`]],
  ['staff.post', { actor: '粤01-R0301', staff: LEADER, formerly: ['粤01-R0999'] }, [`power:${LEADER}`, `duty:${LEADER}`]],
  ['supervision.access', { actor: LEADER, case: CASE }, [`power:${LEADER}`, `case-internal:${CASE}`]],
  // A secretary's record stands on the leader's trail.
  ['supervision.access', { actor: SECRETARY, onBehalfOf: LEADER, case: CASE }, [`power:${LEADER}`, `case-internal:${CASE}`]],
  [
    'supervision.opinion',
    { actor: LEADER, case: CASE, judge: JUDGE },
    [`power:${LEADER}`, `case-internal:${CASE}`, `duty:${JUDGE}`]
  ],
  [
    'supervision.reply',
    { actor: JUDGE, case: CASE, leader: LEADER, refs: [ref] },
    [`duty:${JUDGE}`, `case-internal:${CASE}`, `power:${LEADER}`]
  ],
  // `duty` is of `actor` by name: `onBehalfOf` moves `power` alone.
  [
    'supervision.reply',
    { actor: JUDGE, onBehalfOf: SECRETARY, case: CASE, leader: LEADER, refs: [ref] },
    [`duty:${JUDGE}`, `case-internal:${CASE}`, `power:${LEADER}`]
  ],
  [
    'supervision.outcome',
    { actor: LEADER, case: CASE, judge: JUDGE, leader: LEADER },
    [`case-internal:${CASE}`, `power:${LEADER}`, `duty:${JUDGE}`]
  ],
  // Whoever writes it: the fields are named.
  [
    'supervision.outcome',
    { actor: '粤01-R0777', case: CASE, judge: JUDGE, leader: LEADER },
    [`case-internal:${CASE}`, `power:${LEADER}`, `duty:${JUDGE}`]
  ],
  ['keycase.flag', { actor: LEADER, case: CASE, class: 1, source: 'judge' }, [`case-internal:${CASE}`]],
  [
    'keycase.flag',
    { actor: LEADER, case: CASE, class: 3, source: 'judge', judge: JUDGE },
    [`case-internal:${CASE}`, `duty:${JUDGE}`]
  ],
  // Class 4 is about the judge, who reads their own duty trail.
  ['keycase.flag', { actor: LEADER, case: CASE, class: 4, source: 'discipline', judge: JUDGE }, [`case-internal:${CASE}`]],
  [
    'keycase.flag',
    { actor: LEADER, case: CASE, class: 1, source: 'leader', judge: JUDGE },
    [`case-internal:${CASE}`, `duty:${JUDGE}`, `power:${LEADER}`]
  ],
  [
    'keycase.flag',
    { actor: LEADER, case: CASE, class: 4, source: 'leader', judge: JUDGE },
    [`case-internal:${CASE}`, `power:${LEADER}`]
  ],
  ['keycase.unflag', { actor: LEADER, case: CASE, refs: [ref] }, [`case-internal:${CASE}`]],
  ['keycase.report', { actor: JUDGE, case: CASE, refs: [ref] }, [`case-internal:${CASE}`, `duty:${JUDGE}`]],
  ['keycase.ack', { actor: LEADER, case: CASE, refs: [ref] }, [`case-internal:${CASE}`, `power:${LEADER}`]],
  ['approval.given', { actor: LEADER, refs: [ref] }, [`power:${LEADER}`]],
  ['approval.given', { actor: LEADER, case: CASE, refs: [ref] }, [`power:${LEADER}`, `case-internal:${CASE}`]],
  ['source.tally', { source: 'gz-case-system' }, ['source:gz-case-system']],
  ['coverage.statement', { source: 'gz-case-system' }, ['source:gz-case-system']],
  ['feed.gap', { source: 'gz-case-system' }, ['source:gz-case-system']],
  ['inspect.sync', { source: 'gz-case-system', log: ORIGIN }, ['source:gz-case-system']],
  ['recusal.disclosed', { actor: '粤01-R0301', court: '粤01', entry: 'entry-0001' }, ['disclosure:粤01']],
  ['recusal.updated', { actor: '粤01-R0301', court: '粤0192', entry: 'entry-0001' }, ['disclosure:粤0192']],
  ['recusal.lifted', { actor: '粤01-R0301', court: '粤01', entry: 'entry-0001' }, ['disclosure:粤01']],
  ['recusal.declared', { actor: '粤01-R0301', staff: JUDGE }, [`hr:${JUDGE}`]],
  ['recusal.assessed', { actor: '粤01-R0301', staff: JUDGE, refs: [ref] }, [`hr:${JUDGE}`]],
  ['recusal.applied', { actor: JUDGE, staff: JUDGE }, [`hr:${JUDGE}`]],
  ['recusal.transferred', { actor: '粤01-R0301', staff: JUDGE }, [`hr:${JUDGE}`]],
  ['notice.lawfirm', { firm: FIRM, staff: JUDGE }, [`firm:${FIRM}`, `hr:${JUDGE}`]],
  ['notice.received', { firm: FIRM, staff: JUDGE, refs: [ref] }, [`firm:${FIRM}`, `hr:${JUDGE}`]],
  ['conflict.check', { case: CASE, judge: JUDGE }, [`case-internal:${CASE}`, `duty:${JUDGE}`]],
  ['ledger.genesis', { origin: 'elsewhere.example/log' }, [LEDGER]],
  ['registry.key', { key: KEY }, [KEY_TRAIL, LEDGER]],
  ['registry.revoke', { kid: KID }, [KID_TRAIL, LEDGER]],
  ['registry.member', { action: 'add' }, [LEDGER]],
  ['registry.policy', { policy: 'quorum none\n' }, [LEDGER]],
  ['registry.node', { keys: {}, generation: 2 }, [LEDGER]],
  ['registry.catalogue', { catalogue: 2 }, [LEDGER]],
  ['registry.approve', { refs: [ref], kid: KID }, [KID_TRAIL, LEDGER]],
  ['registry.approve', { refs: [ref] }, [LEDGER]],
  ['ledger.recovery', { from: 'discipline.example/mirror' }, [LEDGER]],
  ['rule.version', { rule: 'S05' }, [LEDGER]],
  ['codeTable.version', { table: 'measure' }, [LEDGER]],
  ['platform.statement', { operator: { org: 'gz-court' } }, [LEDGER]],
  // The trails of the record spoken of, whatever they are.
  ['body.erased', { refs: [ref], of: [`evidence:${PIECE}`, sha(A)] }, [`evidence:${PIECE}`, sha(A)]],
  ['record.corrected', { refs: [ref], of: [`case:${CASE}`, LEDGER] }, [`case:${CASE}`, LEDGER]],
  ['access.read', { reader: LEADER, trail: `power:${JUDGE}` }, [`reader:${LEADER}`]]
]

test('every type stands in the table of trails', () => {
  expect([...new Set(TRAILS.map(([type]) => type))]).toEqual(Object.keys(TABLE))
})

/** Bytewise order of the UTF-8, independent of `compareText`. */
const bytewise = (names: string[]) => [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

test.each(TRAILS)('%s %j', (name, fields, expected) => {
  const type = recordType(name)
  expect(trailsOf(type, { court: '粤01', ...fields } as Body, ORIGIN)).toEqual({ sub: expected[0], trails: bytewise(expected) })
})

test('a trail named twice stands once', () => {
  const body = { actor: LEADER, case: CASE, judge: LEADER, leader: LEADER, refs: [ref] }
  expect(trailsOf(recordType('supervision.outcome'), body, ORIGIN).trails).toHaveLength(3)
  const files = {
    evidence: PIECE,
    files: [
      { sha256: A, size: 1 },
      { sha256: A, size: 1 }
    ]
  }
  expect(trailsOf(recordType('evidence.fix'), files, ORIGIN).trails).toEqual(bytewise([`evidence:${PIECE}`, sha(A)]))
})

test('a type writes to trails of its class only, and never to a reserved kind', () => {
  for (const { type, class: held, trails } of CATALOGUE)
    for (const { kind } of trails.filter(({ kind }) => kind !== '*')) {
      const { classes, reserved } = TRAIL_KINDS[kind]!
      expect(reserved, `${type} ${kind}`).toBeUndefined()
      if (classes !== 'any') expect(classes, `${type} ${kind}`).toEqual(expect.arrayContaining([held].flat()))
      // formats.md §8: "The trails `key:` and `ledger:` belong to these types and to the system types alone."
      expect(classes === 'any', `${type} ${kind}`).toBe(held === 'any')
    }
})

// Writers

function refused(run: () => void): string {
  try {
    run()
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code} ${error.detail.field}`
    throw error
  }
  return 'ok'
}
const may = (type: string, body: Body, roles: string[], staff?: string) =>
  refused(() => checkWriter(recordType(type), body, { roles, staff }))

test('a role may write the types that name it, and no other', () => {
  for (const type of CATALOGUE)
    for (const role of ROLES) {
      const writes = TABLE[type.type]!.writers.split(' ').includes(role)
      // A secretary and nobody else names a leader.
      const body = { actor: LEADER, staff: LEADER, ...(role === 'secretary' ? { onBehalfOf: JUDGE } : {}) }
      expect(may(type.type, body, [role], LEADER), `${role} ${type.type}`).toBe(writes ? 'ok' : 'ROLE_NOT_PERMITTED type')
    }
})

test('a key without roles, or with roles of another table, writes nothing', () => {
  for (const { type } of CATALOGUE)
    for (const roles of [[], ['root'], ['Clerk'], ['staff'], ['']])
      expect(may(type, { actor: LEADER }, roles, LEADER)).toBe('ROLE_NOT_PERMITTED type')
})

test('what only some of the writers may write', () => {
  const flag = (source: string, role: string) =>
    may('keycase.flag', { actor: LEADER, case: CASE, class: 1, source }, [role], LEADER)
  expect(flag('leader', 'leader')).toBe('ok')
  for (const role of ['clerk', 'judge', 'trial-office', 'discipline']) {
    expect(flag('leader', role)).toBe('ROLE_NOT_PERMITTED type')
    expect(flag('filing', role)).toBe('ok')
  }
  // Declarations are one's own, or made by personnel.
  const declared = (staff: string, role: string) => may('recusal.declared', { actor: JUDGE, staff }, [role], JUDGE)
  expect(declared(JUDGE, 'judge')).toBe('ok')
  expect(declared(LEADER, 'judge')).toBe('ROLE_NOT_PERMITTED type')
  expect(declared(LEADER, 'personnel')).toBe('ok')
})

test('a system says for whom it writes on a trail of a person', () => {
  const flag = (more: object) => may('keycase.flag', { case: CASE, class: 1, source: 'system', ...more } as Body, ['system'])
  expect(flag({})).toBe('ok')
  expect(flag({ judge: JUDGE })).toBe('FIELD_MISSING onBehalfOf')
  expect(flag({ judge: JUDGE, onBehalfOf: JUDGE })).toBe('ok')
  expect(flag({ judge: JUDGE, class: 4 })).toBe('ok')
  expect(may('conflict.check', { case: CASE, judge: JUDGE } as Body, ['system'])).toBe('FIELD_MISSING onBehalfOf')
})

describe('actor and the staff code of the key', () => {
  test('are the same, always', () => {
    expect(may('evidence.fix', { actor: '粤01-R0101' }, ['clerk'], '粤01-R0101')).toBe('ok')
    expect(may('evidence.fix', { actor: '粤01-R0102' }, ['clerk'], '粤01-R0101')).toBe('ACTOR_MISMATCH actor')
    expect(may('evidence.fix', {}, ['clerk'], '粤01-R0101')).toBe('ACTOR_MISMATCH actor')
    // A system or lawyer with a staff code of its own writes it too; without one it writes none.
    for (const role of ['system', 'party', 'lawyer']) {
      expect(may('evidence.fix', {}, [role])).toBe('ok')
      expect(may('evidence.fix', { actor: '粤01-R0101' }, [role])).toBe('ACTOR_MISMATCH actor')
      expect(may('evidence.fix', { actor: '粤01-R0101' }, [role], '粤01-R0101')).toBe('ok')
      expect(may('evidence.fix', {}, [role], '粤01-R0101')).toBe('ACTOR_MISMATCH actor')
    }
    expect(may('registry.policy', {}, ['administrator'])).toBe('ok')
    expect(may('registry.policy', { actor: LEADER }, ['administrator'], LEADER)).toBe('ok')
  })
  test('of a member of staff are never absent', () => {
    const staffed: [string, string, Body][] = [
      ['evidence.fix', 'clerk', {}],
      ['evidence.list', 'clerk', {}],
      ['staff.post', 'personnel', {}],
      ['supervision.opinion', 'leader', {}],
      ['supervision.access', 'secretary', { onBehalfOf: LEADER }],
      ['supervision.reply', 'judge', {}],
      ['recusal.disclosed', 'personnel', {}]
    ]
    for (const [type, role, body] of staffed) expect(may(type, body, [role]), `${role} ${type}`).toBe('FIELD_MISSING actor')
  })
  test('are asked of the role that permits the type, not of any other the key has', () => {
    expect(may('evidence.list', {}, ['clerk', 'system'])).toBe('FIELD_MISSING actor')
    expect(may('evidence.fix', {}, ['clerk', 'system'])).toBe('ok')
  })
})

describe('onBehalfOf', () => {
  test('a secretary must name the leader', () => {
    expect(may('supervision.access', { actor: SECRETARY, onBehalfOf: LEADER }, ['secretary'], SECRETARY)).toBe('ok')
    expect(may('supervision.access', { actor: SECRETARY }, ['secretary'], SECRETARY)).toBe('FIELD_MISSING onBehalfOf')
  })
  test('a leader must not: it would be an act on the trail of another', () => {
    expect(may('supervision.access', { actor: LEADER }, ['leader'], LEADER)).toBe('ok')
    expect(may('supervision.access', { actor: LEADER, onBehalfOf: JUDGE }, ['leader'], LEADER)).toBe('FIELD_INVALID onBehalfOf')
    expect(may('supervision.opinion', { actor: LEADER, onBehalfOf: JUDGE }, ['leader'], LEADER)).toBe('FIELD_INVALID onBehalfOf')
  })
  test('nor may whoever is leader and secretary at once', () => {
    const both = ['leader', 'secretary']
    expect(may('supervision.access', { actor: LEADER }, both, LEADER)).toBe('ok')
    expect(may('supervision.access', { actor: LEADER, onBehalfOf: JUDGE }, both, LEADER)).toBe('FIELD_INVALID onBehalfOf')
  })
  test('nobody else may either, whatever other roles the key has', () => {
    for (const { type, writers } of CATALOGUE)
      for (const role of writers.filter((name) => name !== 'secretary' && name !== 'system')) {
        const body = { actor: LEADER, staff: LEADER, onBehalfOf: JUDGE }
        expect(may(type, body, [role], LEADER), `${role} ${type}`).toBe('FIELD_INVALID onBehalfOf')
        // `auditor` writes nothing, so that the role that permits stays the one it was.
        expect(may(type, body, [role, 'auditor'], LEADER)).toBe('FIELD_INVALID onBehalfOf')
      }
  })
  test('a system may name the person it records for, and must where the record stands on that trail', () => {
    expect(may('evidence.fix', {}, ['system'])).toBe('ok')
    expect(may('evidence.fix', { onBehalfOf: '粤01-R0101' }, ['system'])).toBe('ok')
    const made = (writers: Role[]) =>
      define({
        type: 'test.access',
        v: 1,
        zh: '试',
        en: 'test',
        class: 'internal',
        writers,
        open: {},
        trails: [{ kind: 'power', from: 'onBehalfOf|actor' }]
      })
    const write = (writers: Role[], roles: Role[], body: Body, staff?: string) =>
      refused(() => checkWriter(made(writers), body, { roles, staff }))
    expect(write(['system'], ['system'], {})).toBe('FIELD_MISSING onBehalfOf')
    expect(write(['system'], ['system'], { onBehalfOf: LEADER })).toBe('ok')
    expect(write(['leader', 'system'], ['system'], {})).toBe('FIELD_MISSING onBehalfOf')
    expect(write(['leader', 'system'], ['leader', 'system'], { actor: LEADER }, LEADER)).toBe('ok')
  })
})

// The published catalogue

/**
 * A (type, v) never changes once it is released: verifiers of every age apply their own rule for it (formats.md §8). A line here may be added;
 * a line that has to be changed means a new `v` instead.
 */
const RELEASED: Record<string, string> = {
  'evidence.fix 1': '1c72245f4a9e7b4b',
  'evidence.list 1': '1dadfb4b350351bd',
  'evidence.receipt 1': '67b82c0f56b2b983',
  'evidence.attach 1': '1cd612ef4bd917eb',
  'staff.post 1': '81fa8c0d20ec0960',
  'supervision.access 1': '8866da4813ea6dc7',
  'supervision.opinion 1': '9cf668ccd3086bd2',
  'supervision.reply 1': '055c8058bed39f43',
  'supervision.outcome 1': '112b1126a3816889',
  'recusal.disclosed 1': '476a1232217591c8',
  'recusal.updated 1': '50137dd4de405945',
  'ledger.genesis 1': '8f65c27d5d09b863',
  'registry.key 1': 'a521edef7056c48d',
  'registry.revoke 1': 'be23906d029a63b6',
  'registry.member 1': '1c351d65c220183b',
  'registry.policy 1': '556d73cfff9622d2',
  'registry.node 1': '08272485dbae8edd',
  'registry.catalogue 1': '822fec5588ff8483',
  'registry.approve 1': 'bd692b3ee593c5ea',
  'ledger.recovery 1': '2fe735c5ca3ed874',
  // Catalogue 2
  'evidence.confirm 1': '9c556acc38475ab3',
  'evidence.custody 1': '0ce64247cdbe9882',
  'evidence.supplement 1': '923121474d86f1dd',
  'evidence.withdraw 1': '404766399d828b44',
  'evidence.originalCheck 1': '8a9c0c211c45fa81',
  'evidence.verify 1': '2b5e90d8b51dbda5',
  'evidence.objection 1': '6d18febe02952fb5',
  'evidence.appraisal 1': '638f605fdfeb93f8',
  'evidence.ruling 1': 'c27a4ba0926820c4',
  'keycase.flag 1': 'f40b0f2dec81df78',
  'keycase.unflag 1': 'f3f2b3d002da8893',
  'keycase.report 1': '48a026a4fab21f21',
  'keycase.ack 1': 'e7a4aab714ab9005',
  'approval.given 1': '79d474974c06c821',
  'source.tally 1': '21dad28845fd67d6',
  'coverage.statement 1': '3173303bfbd0c589',
  'feed.gap 1': '3b1fa7f62c600f93',
  'inspect.sync 1': '1d57691de2f1043d',
  'recusal.lifted 1': 'de2e1f4167a3286d',
  'recusal.declared 1': '713a9cd3d9461072',
  'recusal.assessed 1': '9450879228bf0a52',
  'recusal.applied 1': '0684db413bfe7a1c',
  'recusal.transferred 1': '30198457f56a89e0',
  'notice.lawfirm 1': '7cb213e1b1c7caa2',
  'notice.received 1': '2a9af00f3cd17748',
  'conflict.check 1': '5db4b4138a00d7e4',
  'rule.version 1': '416e88ccf81b4765',
  'codeTable.version 1': 'fdd69cc2edada1e2',
  'platform.statement 1': '0b37872881f0a222',
  'body.erased 1': '59d2b32880723123',
  'record.corrected 1': '381d07e545c92cf6',
  'access.read 1': 'a0e407dc06cf61ec'
}

test('no type has changed since it was released', () => {
  const now = Object.fromEntries(
    CATALOGUE.map((type) => [`${type.type} ${type.v}`, hex(sha256(utf8(JSON.stringify(describeType(type))))).slice(0, 16)])
  )
  expect(now).toEqual(RELEASED)
})

test('the published catalogues have the bytes that were released', () => {
  // They stand in genesis and in registry.catalogue. Another digest is another catalogue: raise CATALOGUE_VERSION with it.
  expect(CATALOGUE_VERSION).toBe(2)
  expect(hex(catalogueDigest(1))).toBe('1c2277d3c834e8839ec5bcfd3157d58e021eb0cf41e93be8cb4243e7936d3b39')
  expect(hex(catalogueDigest(2))).toBe('440fa77913dc2f15a0045ea8f6d29622960182b7889bda7679e8b5a527d4d108')
  for (const version of [1, 2]) expect(hex(sha256(utf8(publishedCatalogue(version))))).toBe(hex(catalogueDigest(version)))
  expect(catalogueDigest()).toEqual(catalogueDigest(CATALOGUE_VERSION))
})

test('the published catalogue is JSON that says all of it', () => {
  const published = JSON.parse(publishedCatalogue())
  expect(Object.keys(published)).toEqual(['format', 'version', 'classes', 'roles', 'kinds', 'types'])
  expect(published.format).toBe('lianzheng-catalogue/v1')
  expect(published.types.map(({ type }: { type: string }) => type)).toEqual(Object.keys(TABLE))
  expect(published.kinds.map(({ kind }: { kind: string }) => kind)).toEqual(Object.keys(TRAIL_KINDS))
  expect(published.types[0].trails).toEqual([
    'evidence:<evidence>',
    'file:sha256-<files[].sha256>',
    'file:sm3-<files[].sm3>',
    'list:<list>',
    'case:<case>'
  ])
  for (const { id } of published.kinds) expect(() => new RegExp(id, 'u')).not.toThrow()
  expect(publishedCatalogue().endsWith('}\n')).toBe(true)
  expect(publishedCatalogue()).toBe(publishedCatalogue().normalize('NFC'))
})

test('examples hold required members only, and what is needed beside them', () => {
  for (const type of CATALOGUE) {
    const { type: name, sealed, ...open } = exampleRecord(type)
    expect(name).toBe(type.type)
    expect(Object.keys(open).every((field) => type.members[field]!.required || field in (type.example ?? {}))).toBe(true)
    expect(Object.keys((sealed ?? {}) as object).every((field) => type.sealed[field]!.required)).toBe(true)
  }
})
