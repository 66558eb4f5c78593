/** Supervision 监督, class internal (records.md, "Supervision"). `power` is the trail of `onBehalfOf` or else `actor`. */
import { LianzhengError } from '../core/errors.ts'
import { define, type TrailRule } from './define.ts'
import {
  boolean,
  caseNumber,
  code,
  date,
  fileDigest,
  integer,
  list,
  object,
  oneOf,
  optional,
  origin,
  required,
  sourceId,
  staffCode,
  text,
  time
} from './fields.ts'

const caseInternal: TrailRule = { kind: 'case-internal', from: 'case' }
const powerOfActor: TrailRule = { kind: 'power', from: 'onBehalfOf|actor' }
const powerOf = (field: string): TrailRule => ({ kind: 'power', from: field })
const dutyOf = (field: string): TrailRule => ({ kind: 'duty', from: field })
const source: TrailRule = { kind: 'source', from: 'source' }
const count = integer(0, Number.MAX_SAFE_INTEGER, 12)

export const supervisionTypes = [
  define({
    type: 'staff.post',
    v: 1,
    zh: '职务与分管',
    en: 'post and remit',
    class: 'internal',
    writers: ['personnel'],
    open: {
      staff: required(staffCode, '粤01-R0001'),
      posts: required(list(code('院长'), 1, 20)),
      remit: optional(object({ divisions: optional(list(code('民一庭'), 1, 50)), kinds: optional(list(code('民初'), 1, 200)) })),
      from: required(date),
      formerly: optional(list(staffCode, 1, 20))
    },
    trails: [powerOf('staff'), dutyOf('staff')]
  }),
  define({
    type: 'supervision.access',
    v: 1,
    zh: '查阅卷宗、旁听庭审、查阅审理报告',
    en: 'file read, hearing attended or report read',
    class: 'internal',
    writers: ['leader', 'secretary'],
    open: {
      case: required(caseNumber),
      mode: required(oneOf('file', 'hearing', 'report')),
      from: required(time),
      to: optional(time)
    },
    sealed: { purpose: optional(text(2_000, '了解审理进展')), scope: optional(text(2_000, '正卷第 1–3 册')) },
    trails: [powerOfActor, caseInternal]
  }),
  define({
    type: 'supervision.opinion',
    v: 1,
    zh: '监督意见',
    en: 'supervision opinion',
    class: 'internal',
    writers: ['leader'],
    open: {
      case: required(caseNumber),
      judge: required(staffCode),
      measure: required(code('M05')),
      basis: required(oneOf('keycase', 'procedural', 'remit', 'review')),
      node: required(code('deliberation')),
      channel: required(oneOf('platform', 'written', 'oral')),
      replyDue: optional(date)
    },
    sealed: { content: required(text(20_000, '请合议庭提交类案检索报告。')) },
    trails: [powerOfActor, caseInternal, dutyOf('judge')]
  }),
  define({
    type: 'supervision.reply',
    v: 1,
    zh: '法官反馈',
    en: "judge's reply",
    class: 'internal',
    writers: ['judge'],
    refs: 'required',
    open: {
      case: required(caseNumber),
      leader: required(staffCode, '粤01-R0001'),
      decision: required(oneOf('adopted', 'partly', 'declined'))
    },
    sealed: { reason: optional(text(20_000, '已补充检索。')), progress: optional(text(20_000, '已提交报告。')) },
    trails: [dutyOf('actor'), caseInternal, powerOf('leader')]
  }),
  define({
    type: 'supervision.outcome',
    v: 1,
    zh: '处理结果',
    en: 'outcome of supervision',
    class: 'internal',
    writers: ['leader', 'judge'],
    refs: 'required',
    open: {
      case: required(caseNumber),
      judge: required(staffCode),
      leader: required(staffCode, '粤01-R0001'),
      result: required(code('closed')),
      changed: optional(boolean)
    },
    sealed: { content: optional(text(20_000, '合议庭维持原意见。')) },
    trails: [caseInternal, powerOf('leader'), dutyOf('judge')]
  }),
  define({
    type: 'keycase.flag',
    v: 1,
    since: 2,
    zh: '四类案件标识',
    en: 'flagged as a key case',
    class: 'internal',
    writers: ['clerk', 'judge', 'leader', 'trial-office', 'system', 'discipline'],
    writersOf: (body) => (body.source === 'leader' ? ['leader'] : undefined),
    open: {
      case: required(caseNumber),
      class: required(integer(1, 4, 1)),
      item: required(code('K1-01')),
      source: required(oneOf('filing', 'judge', 'leader', 'trial-office', 'system', 'discipline', 'superior')),
      judge: optional(staffCode)
    },
    sealed: { note: optional(text(2_000, '新类型案件')) },
    trails: [
      caseInternal,
      // Class 4 speaks of the judge: it does not stand on a trail that the judge reads.
      { ...dutyOf('judge'), when: { field: 'class', isNot: 4 } },
      { ...powerOf('actor'), when: { field: 'source', is: 'leader' } }
    ]
  }),
  define({
    type: 'keycase.unflag',
    v: 1,
    since: 2,
    zh: '撤销四类案件标识',
    en: 'key case flag taken back',
    class: 'internal',
    writers: ['leader', 'trial-office'],
    refs: 'required',
    open: { case: required(caseNumber), reasonCode: required(code('U1')) },
    sealed: { reason: optional(text(2_000, '经核实不属于四类案件')) },
    trails: [caseInternal]
  }),
  define({
    type: 'keycase.report',
    v: 1,
    since: 2,
    zh: '四类案件报告',
    en: 'report on a key case',
    class: 'internal',
    writers: ['judge'],
    refs: 'required',
    open: { case: required(caseNumber) },
    sealed: { content: optional(text(20_000, '案件进展情况报告。')) },
    trails: [caseInternal, dutyOf('actor')]
  }),
  define({
    type: 'keycase.ack',
    v: 1,
    since: 2,
    zh: '四类案件报告签收',
    en: 'report on a key case acknowledged',
    class: 'internal',
    writers: ['leader'],
    refs: 'required',
    open: { case: required(caseNumber) },
    sealed: { content: optional(text(20_000, '已阅，请按期审理。')) },
    trails: [caseInternal, powerOfActor]
  }),
  define({
    type: 'approval.given',
    v: 1,
    since: 2,
    zh: '审批',
    en: 'approval',
    class: 'internal',
    writers: ['leader'],
    refs: 'required',
    open: { matter: required(code('延长审限')), decision: required(code('approved')), case: optional(caseNumber) },
    sealed: { reason: optional(text(2_000, '鉴定尚未完成')) },
    trails: [powerOfActor, caseInternal]
  }),
  define({
    type: 'source.tally',
    v: 1,
    since: 2,
    zh: '日计数',
    en: 'daily tally of a source',
    class: 'internal',
    writers: ['system'],
    open: {
      source: required(sourceId),
      day: required(date),
      /** Numbers that the feeding system itself gave to the first and the last of the day. */
      first: optional(count, 1),
      last: optional(count),
      count: required(count),
      digest: optional(fileDigest)
    },
    trails: [source],
    also: ({ first, last }) => {
      if (first !== undefined && last !== undefined && (first as number) > (last as number))
        throw new LianzhengError('FIELD_INVALID', { field: 'last', expected: 'not before `first`' })
    }
  }),
  define({
    type: 'coverage.statement',
    v: 1,
    since: 2,
    zh: '接入声明',
    en: 'coverage of a source',
    class: 'internal',
    writers: ['system', 'administrator'],
    open: { source: required(sourceId), since: required(date), scope: required(text(2_000, '监督意见、反馈、处理结果')) },
    sealed: { note: optional(text(2_000, '试运行三个月')) },
    trails: [source]
  }),
  define({
    type: 'feed.gap',
    v: 1,
    since: 2,
    zh: '数据中断',
    en: 'gap in a feed',
    class: 'internal',
    writers: ['system', 'administrator'],
    open: {
      source: required(sourceId),
      from: required(time),
      to: required(time, '2020-08-26T11:00:00+08:00'),
      reasonCode: optional(code('G1'))
    },
    sealed: { note: optional(text(2_000, '机房停电')) },
    trails: [source]
  }),
  define({
    type: 'inspect.sync',
    v: 1,
    since: 2,
    zh: '纪检同步回执',
    en: 'copy received by discipline inspection',
    class: 'internal',
    writers: ['discipline'],
    open: {
      source: required(sourceId),
      log: required(origin, 'court.example/supervision'),
      upTo: required(count),
      lagMs: required(count, 800),
      /** How many of how many have arrived. */
      disclosures: optional(object({ arrived: required(count), of: required(count) }))
    },
    trails: [source]
  })
]
