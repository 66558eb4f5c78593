/** Records of every type that people and systems write, by whoever may write them, with as many different trails as one likes. */
import { createHash } from 'node:crypto'
import { base64url } from '../../src/core/bytes.ts'
import { keyId } from '../../src/core/keys.ts'
import { recordType } from '../../src/records/catalogue.ts'
import { exampleRecord } from '../../src/records/define.ts'
import { USERS, type User } from './lab.ts'

export type TypedRecord = { [name: string]: unknown }

export interface Written {
  record: TypedRecord
  by: User
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567'

function evidenceOf(n: number): string {
  const digits = Array.from({ length: 12 }, (_, i) => LETTERS[Math.floor(n / 32 ** i) % 32])
  return `粤01-20200826-${digits.join('')}`
}

const caseOf = (n: number): string => `（2020）粤01民初${1 + (n % 7)}号`
const digestOf = (n: number): string => createHash('sha256').update(`file ${n}`).digest('hex')
const fileOf = (n: number): object => ({ sha256: digestOf(n), size: n, mime: 'application/pdf' })

/** How a record of a type differs from its example, as a function of a number. */
const VARIANTS: { [type: string]: { by: User; more(n: number): TypedRecord } } = {
  'evidence.fix': {
    by: USERS.clerk,
    more: (n) => ({
      evidence: evidenceOf(n),
      list: evidenceOf(n % 5),
      case: caseOf(n),
      files: Array.from({ length: 1 + (n % 3) }, (_, i) => fileOf(3 * n + i)),
      sealed: { name: `合同${n}.pdf`, source: '原告提交', submitter: '李某某' }
    })
  },
  'evidence.list': {
    by: USERS.clerk,
    more: (n) => ({ list: evidenceOf(n % 5), case: caseOf(n), items: [{ evidence: evidenceOf(n), sha256: digestOf(n) }] })
  },
  'evidence.receipt': { by: USERS.clerk, more: (n) => ({ list: evidenceOf(n % 5), sealed: { handler: '书记员 张某某' } }) },
  'evidence.attach': { by: USERS.clerk, more: (n) => ({ list: evidenceOf(n % 5), case: caseOf(n) }) },
  'staff.post': { by: USERS.personnel, more: (n) => ({ staff: `粤01-R${1000 + (n % 50)}` }) },
  'supervision.access': {
    by: USERS.secretary,
    more: (n) => ({ case: caseOf(n), onBehalfOf: '粤01-R0001', sealed: { purpose: '了解审理进展' } })
  },
  'supervision.opinion': {
    by: USERS.president,
    more: (n) => ({ case: caseOf(n), judge: '粤01-R0201', sealed: { content: `第 ${n} 号意见` } })
  },
  'supervision.reply': { by: USERS.judge, more: (n) => ({ case: caseOf(n), sealed: { reason: '已补充检索。' } }) },
  'supervision.outcome': { by: USERS.president, more: (n) => ({ case: caseOf(n), judge: '粤01-R0201' }) },
  'recusal.disclosed': {
    by: USERS.personnel,
    more: (n) => ({ entry: `entry-${n}`, sealed: { name: '王某某', relation: '配偶' } })
  },
  'recusal.updated': { by: USERS.personnel, more: (n) => ({ entry: `entry-${n}`, sealed: { post: '民一庭副庭长' } }) }
}

export const WRITTEN_TYPES: readonly string[] = Object.keys(VARIANTS)

/** The nth record of a type; the type itself goes round where none is given. */
export function variant(n: number, type: string = WRITTEN_TYPES[n % WRITTEN_TYPES.length]!): Written {
  const { by, more } = VARIANTS[type]!
  return { record: { ...exampleRecord(recordType(type)), ...more(n) }, by }
}

const AT = '2020-08-26T09:01:00+08:00'

export function registration(who: User, more: TypedRecord = {}): Written {
  const { org, roles, staff, signer } = who
  const key = base64url(signer.publicKey)
  const record = { type: 'registry.key', at: AT, key, org, roles: [...roles], ...(staff === undefined ? {} : { staff }), ...more }
  return { record, by: USERS.admin }
}

export function revocation(who: User): Written {
  const kid = base64url(keyId(who.signer.publicKey))
  return { record: { type: 'registry.revoke', at: AT, kid, reason: 'left' }, by: USERS.admin }
}

/** Changes of the registry other than keys. */
export function registryChange(type: 'registry.member' | 'registry.policy', n: number): Written {
  const example = exampleRecord(recordType(type))
  if (type === 'registry.policy') return { record: example, by: USERS.admin }
  return { record: { ...example, member: { ...(example.member as object), name: `member-${n}` } }, by: USERS.admin }
}
