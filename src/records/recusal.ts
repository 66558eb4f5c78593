/**
 * Recusal 任职回避 (records.md, "Recusal"): declarations and assessments in class personnel; what is published in class public, where names stand in
 * public disclosures, so that they can be taken down.
 */
import { LianzhengError } from '../core/errors.ts'
import { define, type Role, type TrailRule } from './define.ts'
import {
  boolean,
  caseNumber,
  code,
  date,
  fileReference,
  firmId,
  list,
  oneOf,
  opaqueEntry,
  optional,
  required,
  staffCode,
  text
} from './fields.ts'

const shown = {
  name: optional(text(100, '王某某')),
  post: optional(text(200, '民一庭副庭长')),
  relation: optional(text(100, '配偶')),
  lawyer: optional(text(100, '李某某')),
  firm: optional(text(200, '某律师事务所'))
}
const disclosure: TrailRule[] = [{ kind: 'disclosure', from: 'court' }]
const hr: TrailRule = { kind: 'hr', from: 'staff' }
const firm: TrailRule = { kind: 'firm', from: 'firm' }

/** Members of staff, who speak for themselves. Secretaries write for others: personnel declares for them. */
const STAFF: readonly Role[] = ['judge', 'clerk', 'leader', 'trial-office', 'personnel']
const note = { note: optional(text(2_000, '已与本人核对')) }

export const recusalTypes = [
  define({
    type: 'recusal.disclosed',
    v: 1,
    zh: '任职回避公布',
    en: 'recusal disclosed',
    class: 'public',
    writers: ['personnel'],
    open: { entry: required(opaqueEntry), status: required(oneOf('must-recuse', 'related')) },
    sealed: shown,
    trails: disclosure
  }),
  define({
    type: 'recusal.updated',
    v: 1,
    zh: '任职回避变更',
    en: 'recusal updated',
    class: 'public',
    writers: ['personnel'],
    refs: 'required',
    open: { entry: required(opaqueEntry), reasonCode: required(code('changed')) },
    sealed: shown,
    trails: disclosure
  }),
  define({
    type: 'recusal.lifted',
    v: 1,
    since: 2,
    zh: '任职回避解除',
    en: 'recusal lifted',
    class: 'public',
    writers: ['personnel'],
    refs: 'required',
    open: { entry: required(opaqueEntry), reasonCode: required(code('ended')) },
    sealed: shown,
    trails: disclosure
  }),
  define({
    type: 'recusal.declared',
    v: 1,
    since: 2,
    zh: '亲属从业申报',
    en: 'relative in practice declared',
    class: 'personnel',
    writers: STAFF,
    writersOf: ({ staff, actor }) => (staff === actor ? undefined : ['personnel']),
    open: { staff: required(staffCode), since: required(date), withinJurisdiction: required(boolean) },
    sealed: {
      relation: required(text(100, '配偶')),
      relative: required(text(100, '李某某')),
      firm: required(text(200, '某律师事务所')),
      licence: optional(text(40, '14401201910000000'))
    },
    trails: [hr]
  }),
  define({
    type: 'recusal.assessed',
    v: 1,
    since: 2,
    zh: '任职回避审查结论',
    en: 'recusal assessed',
    class: 'personnel',
    writers: ['personnel'],
    refs: 'required',
    open: { staff: required(staffCode), mustRecuse: required(boolean), basis: optional(code('2020-13-2')) },
    sealed: note,
    trails: [hr]
  }),
  define({
    type: 'recusal.applied',
    v: 1,
    since: 2,
    zh: '任职回避申请',
    en: 'recusal applied for',
    class: 'personnel',
    writers: STAFF,
    open: { staff: required(staffCode) },
    sealed: note,
    trails: [hr],
    also: ({ staff, actor }) => {
      if (staff !== actor)
        throw new LianzhengError('FIELD_INVALID', { field: 'staff', expected: 'the actor: one applies for oneself' })
    }
  }),
  define({
    type: 'recusal.transferred',
    v: 1,
    since: 2,
    zh: '任职回避调整',
    en: 'transferred on recusal',
    class: 'personnel',
    writers: ['personnel'],
    open: { staff: required(staffCode), effective: required(date), post: optional(code('审监庭')) },
    sealed: note,
    trails: [hr]
  }),
  define({
    type: 'notice.lawfirm',
    v: 1,
    since: 2,
    zh: '任职告知书',
    en: 'notice to a law firm',
    class: 'personnel',
    writers: ['personnel'],
    open: { firm: required(firmId), staff: required(staffCode), notice: required(fileReference) },
    sealed: { content: optional(text(20_000, '贵所律师李某某系本院工作人员亲属。')) },
    trails: [firm, hr]
  }),
  define({
    type: 'notice.received',
    v: 1,
    since: 2,
    zh: '任职告知书签收',
    en: 'notice received by the firm',
    class: 'personnel',
    writers: ['firm'],
    refs: 'required',
    open: { firm: required(firmId), staff: required(staffCode) },
    sealed: { content: optional(text(2_000, '已收悉。')) },
    trails: [firm, hr]
  }),
  define({
    type: 'conflict.check',
    v: 1,
    since: 2,
    zh: '利益冲突比对',
    en: 'conflict of interest check',
    class: 'internal',
    writers: ['clerk', 'system'],
    open: { case: required(caseNumber), judge: required(staffCode), result: required(oneOf('none', 'hit')) },
    sealed: { agents: optional(list(text(100, '李某某'), 1, 100)) },
    trails: [
      { kind: 'case-internal', from: 'case' },
      { kind: 'duty', from: 'judge' }
    ]
  })
]
