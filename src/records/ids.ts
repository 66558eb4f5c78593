/**
 * Ids and trail kinds: one regular expression for each, all in this file (records.md, "One trail, one audience" and "Ids").
 *
 *   案号  （2020）粤01民初123号        full-width brackets, no spaces
 *   人员  粤01-R0101                  <court code>-R<4–6 digits>
 *   证据  粤01-20200826-abcdefghijkl  <court>-<yyyymmdd>-<12 of a–z2–7>
 */

import { CLASSES, type Class } from '../core/policy.ts'
import { isTrailForm } from '../core/statement.ts'

const PROVINCE = '[京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川黔云藏陕甘青宁新兵军]'
const COURT = `(?:最高法|${PROVINCE}(?:[0-9]{4}|[0-9]{2})?)`
const DAY = '[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])'
const HAN = '\\u4e00-\\u9fff'

/** Case numbers of 2016 and later. Older ones followed many local grammars: the alphabet alone, at most 40 characters. */
const CASE_MODERN = `（(?:201[6-9]|20[2-9][0-9]|2[1-9][0-9]{2})）${COURT}[${HAN}]{1,3}[1-9][0-9]{0,8}号`
const CASE_OLD = `（(?:1[0-9]{3}|200[0-9]|201[0-5])）[A-Za-z0-9_./~${HAN}（）-]{1,33}号`
const CASE = `(?:${CASE_MODERN}|${CASE_OLD})`
const STAFF = `${COURT}-R[0-9]{4,6}`
const EVIDENCE = `${COURT}-${DAY}-[a-z2-7]{12}`
const OPAQUE = '~[A-Za-z0-9_-]{21}[AQgw]'
const SLUG = '[a-z0-9-]{2,64}'
export const NAME = '[a-z0-9.-]+(?:/[a-z0-9._-]+)*'

const whole = (source: string): RegExp => new RegExp(`^(?:${source})$`, 'u')

export const CASE_NUMBER = whole(CASE)
export const COURT_CODE = whole(COURT)
export const STAFF_CODE = whole(STAFF)
export const EVIDENCE_ID = whole(EVIDENCE)
export const OPAQUE_ID = whole(OPAQUE)
export const SOURCE_ID = whole(SLUG)
/** Organisation codes (formats.md §3, `iss`). */
export const ORGANISATION = whole(SLUG)

/** Classes of confidentiality; an institution keeps one log for each (records.md, first table). */
export { CLASSES, type Class }

export interface TrailKind {
  /** Classes of the logs that can hold the kind; every log for `key` and `ledger`. */
  classes: readonly Class[] | 'any'
  id: RegExp
  zh: string
  en: string
  /** Kinds no record type of this version writes. */
  reserved?: true
}

/** Every kind of trail. `ledger:<origin>` belongs to its own origin only. */
export const TRAIL_KINDS: Readonly<Record<string, TrailKind>> = {
  evidence: { classes: ['party'], id: EVIDENCE_ID, zh: '证据', en: 'one piece of evidence' },
  file: { classes: ['party'], id: whole('(?:sha256|sm3)-[0-9a-f]{64}'), zh: '文件', en: 'every fix of these bytes' },
  list: { classes: ['party'], id: EVIDENCE_ID, zh: '证据清单', en: 'one list of evidence' },
  case: { classes: ['party'], id: CASE_NUMBER, zh: '案件', en: 'case, as the parties see it' },
  'case-internal': { classes: ['internal'], id: CASE_NUMBER, zh: '案件（内部）', en: 'case, internal' },
  power: { classes: ['internal'], id: STAFF_CODE, zh: '行权轨迹', en: "a leader's exercise of power" },
  duty: { classes: ['internal'], id: STAFF_CODE, zh: '履职轨迹', en: "a judge's duty" },
  hr: { classes: ['personnel'], id: STAFF_CODE, zh: '人事', en: 'personnel' },
  firm: { classes: ['personnel'], id: whole(`${OPAQUE}|[A-Z0-9]{8,20}`), zh: '律师事务所', en: 'law firm' },
  disclosure: { classes: ['public'], id: COURT_CODE, zh: '任职回避公开', en: 'recusal register of a court' },
  judgment: { classes: ['party'], id: whole(`${CASE}(?:-[0-9]{1,3})?`), zh: '裁判文书', en: 'judgment', reserved: true },
  publication: {
    classes: ['public'],
    id: whole(`${CASE}(?:-[0-9]{1,3})?`),
    zh: '文书公开',
    en: 'publication of a judgment',
    reserved: true
  },
  court: { classes: ['public'], id: COURT_CODE, zh: '法院公告', en: 'notices of a court' },
  commutation: { classes: ['commutation'], id: CASE_NUMBER, zh: '减刑假释', en: 'commutation or parole', reserved: true },
  lead: { classes: ['lead'], id: OPAQUE_ID, zh: '线索', en: 'lead', reserved: true },
  inspect: { classes: ['lead'], id: SOURCE_ID, zh: '检查', en: "inspectors' own reads", reserved: true },
  source: { classes: ['internal'], id: SOURCE_ID, zh: '数据来源', en: 'feeding system' },
  reader: { classes: ['internal', 'lead'], id: STAFF_CODE, zh: '查阅留痕', en: 'restricted reads' },
  key: { classes: 'any', id: whole('[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]'), zh: '密钥', en: 'key' },
  ledger: { classes: 'any', id: whole(NAME), zh: '账本', en: 'ledger' }
}

export function kindOf(trail: string): string {
  return trail.slice(0, trail.indexOf(':'))
}

export function idOf(trail: string): string {
  return trail.slice(trail.indexOf(':') + 1)
}

/** The table's own members only: `toString:x` is of no kind. */
function entryOf(trail: string): TrailKind | undefined {
  return Object.hasOwn(TRAIL_KINDS, kindOf(trail)) ? TRAIL_KINDS[kindOf(trail)] : undefined
}

/** A trail name of a known kind whose id has the kind's form; an origin is bounded by the general form alone. */
export function isTrailName(trail: string): boolean {
  return entryOf(trail)?.id.test(idOf(trail)) === true && isTrailForm(trail)
}

/** Can a log that holds `classes` hold this trail? */
export function holdsTrail(trail: string, origin: string, classes: readonly string[]): boolean {
  const kind = entryOf(trail)
  if (kind === undefined) return false
  if (kindOf(trail) === 'ledger') return idOf(trail) === origin
  return kind.classes === 'any' || kind.classes.some((name) => classes.includes(name))
}

/**
 * What people type, in the one spelling that is stored: half-width brackets become full-width, full-width digits and letters
 * half-width, white space goes. Only tools call this; the ledger itself compares octets.
 */
export function normaliseCaseNumber(typed: string): string {
  return typed
    .normalize('NFC')
    .replace(/[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) - 0xfee0))
    .replace(/\s+/gu, '')
    .replace(/^[(〔[【]/, '（')
    .replace(/^（(\d{4})[)〕\]】]/, '（$1）')
    .replace(/號$/, '号')
}
