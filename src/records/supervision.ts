/** Supervision 监督, class internal (records.md, "Supervision"). `power` is the trail of `onBehalfOf` or else `actor`. */
import { define, type TrailRule } from './define.ts'
import { boolean, caseNumber, code, date, list, object, oneOf, optional, required, staffCode, text, time } from './fields.ts'

const caseInternal: TrailRule = { kind: 'case-internal', from: 'case' }
const powerOfActor: TrailRule = { kind: 'power', from: 'onBehalfOf|actor' }
const powerOf = (field: string): TrailRule => ({ kind: 'power', from: field })
const dutyOf = (field: string): TrailRule => ({ kind: 'duty', from: field })

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
  })
]
