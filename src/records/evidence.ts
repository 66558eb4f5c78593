/** Evidence 证据, class party (records.md, "Evidence"). */
import type { Bytes } from '../core/bytes.ts'
import { hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Body, define, ROLES, type TrailRule } from './define.ts'
import {
  boolean,
  caseNumber,
  code,
  evidenceId,
  fileDigest,
  fileReference,
  integer,
  list,
  listId,
  mediaType,
  object,
  oneOf,
  optional,
  required,
  text,
  time
} from './fields.ts'

const MAX_FILE = Number.MAX_SAFE_INTEGER

/** The eight kinds of evidence of the procedure codes, as codes. */
const KINDS = oneOf('E1', 'E2', 'E3', 'E4', 'E5', 'E6', 'E7', 'E8')

const file = object({
  sha256: required(fileDigest),
  sm3: optional(fileDigest),
  size: required(integer(0, MAX_FILE, 13)),
  mime: optional(mediaType)
})

/** The same digest twice in `files` is refused: one file, one line. */
function filesDiffer(body: Body): void {
  const seen = new Set<string>()
  for (const [i, item] of (body.files as { sha256: Bytes; sm3?: Bytes }[]).entries()) {
    for (const [name, digest] of [
      ['sha256', item.sha256],
      ['sm3', item.sm3]
    ] as const) {
      if (digest === undefined) continue
      const id = `${name}-${hex(digest)}`
      if (seen.has(id)) throw new LianzhengError('FIELD_INVALID', { field: `files[${i}].${name}`, expected: 'each digest once' })
      seen.add(id)
    }
  }
}

function itemsDiffer(body: Body): void {
  const seen = new Set<string>()
  for (const [i, item] of (body.items as { evidence: string }[]).entries()) {
    if (seen.has(item.evidence))
      throw new LianzhengError('FIELD_INVALID', { field: `items[${i}].evidence`, expected: 'each piece once' })
    seen.add(item.evidence)
  }
}

const provenance = {
  name: optional(text(400, '合同.pdf')),
  source: optional(text(2_000, '原告提交')),
  purpose: optional(text(2_000, '证明双方存在买卖合同关系')),
  generatedBy: optional(text(400, '某公司业务系统')),
  device: optional(text(400, '立案窗口扫描仪')),
  witness: optional(text(400, '公证员 王某某')),
  submitter: optional(text(400, '李某某'))
}

const ofEvidence: TrailRule = { kind: 'evidence', from: 'evidence' }
const ofCase: TrailRule = { kind: 'case', from: 'case' }
const ofList: TrailRule = { kind: 'list', from: 'list' }

/** What is added to a piece of evidence, or takes it back. */
const later = {
  v: 1,
  since: 2,
  class: 'party',
  writers: ['clerk', 'party', 'lawyer', 'system'],
  refs: 'required',
  open: { evidence: required(evidenceId), case: optional(caseNumber) },
  trails: [ofEvidence, ofCase]
} as const

export const evidenceTypes = [
  define({
    type: 'evidence.fix',
    v: 1,
    zh: '证据固定',
    en: 'evidence fix',
    class: 'party',
    writers: ['clerk', 'party', 'lawyer', 'system'],
    open: {
      evidence: required(evidenceId),
      material: required(oneOf('electronic-data', 'digitised-copy', 'object')),
      files: required(list(file, 1, 8)),
      kind: optional(KINDS),
      list: optional(listId),
      case: optional(caseNumber),
      generatedAt: optional(time),
      captureMethod: optional(code('upload')),
      environment: optional(text(200, '清洁性检查通过'))
    },
    sealed: provenance,
    trails: [
      { kind: 'evidence', from: 'evidence' },
      { kind: 'file', prefix: 'sha256-', from: 'files[].sha256' },
      { kind: 'file', prefix: 'sm3-', from: 'files[].sm3' },
      { kind: 'list', from: 'list' },
      { kind: 'case', from: 'case' }
    ],
    also: filesDiffer
  }),
  define({
    type: 'evidence.list',
    v: 1,
    zh: '证据清单',
    en: 'list of evidence',
    class: 'party',
    writers: ['clerk'],
    open: {
      list: required(listId),
      case: optional(caseNumber),
      count: required(integer(1, 500, 1)),
      items: required(list(object({ evidence: required(evidenceId), sha256: required(fileDigest) }), 1, 500))
    },
    sealed: { title: optional(text(400, '原告证据清单')), party: optional(text(400, '原告 李某某')) },
    trails: [
      { kind: 'list', from: 'list' },
      { kind: 'case', from: 'case' }
    ],
    also: (body) => {
      itemsDiffer(body)
      const items = body.items as unknown[]
      if (body.count !== items.length)
        throw new LianzhengError('FIELD_INVALID', { field: 'count', expected: `the number of items, ${items.length}` })
    }
  }),
  define({
    type: 'evidence.receipt',
    v: 1,
    zh: '收据',
    en: 'court receipt for evidence',
    class: 'party',
    writers: ['clerk'],
    open: {
      list: required(listId),
      case: optional(caseNumber),
      receivedAt: required(time),
      items: required(
        list(
          object({
            evidence: required(evidenceId),
            form: required(oneOf('original', 'copy')),
            copies: required(integer(1, 10_000, 1)),
            pages: required(integer(0, 1_000_000, 1))
          }),
          1,
          500
        )
      )
    },
    sealed: {
      names: optional(list(text(400, '合同.pdf'), 1, 500)),
      party: optional(text(400, '原告 李某某')),
      handler: optional(text(400, '书记员 张某某'))
    },
    trails: [
      { kind: 'list', from: 'list' },
      { kind: 'case', from: 'case' }
    ],
    also: itemsDiffer
  }),
  define({
    type: 'evidence.attach',
    v: 1,
    zh: '归入案件',
    en: 'evidence attached to a case',
    class: 'party',
    writers: ['clerk'],
    open: { list: optional(listId), evidence: optional(evidenceId), case: required(caseNumber) },
    example: { list: listId.example },
    trails: [
      { kind: 'case', from: 'case' },
      { kind: 'list', from: 'list' },
      { kind: 'evidence', from: 'evidence' }
    ],
    also: (body) => {
      if (body.list === undefined && body.evidence === undefined)
        throw new LianzhengError('FIELD_MISSING', { field: 'list', expected: '`list` or `evidence`' })
    }
  }),
  define({
    type: 'evidence.confirm',
    v: 1,
    since: 2,
    zh: '当事人确认',
    en: 'confirmed by the party',
    class: 'party',
    writers: ['clerk', 'party'],
    open: { list: required(listId), method: required(oneOf('screen', 'paper', 'key')), proof: optional(fileReference) },
    sealed: { party: optional(text(400, '原告 李某某')) },
    trails: [ofList]
  }),
  define({
    type: 'evidence.custody',
    v: 1,
    since: 2,
    zh: '原始载体交接',
    en: 'custody of the original carrier',
    class: 'party',
    writers: ['clerk'],
    open: {
      evidence: required(evidenceId),
      list: optional(listId),
      action: required(oneOf('received', 'lent', 'returned', 'destroyed')),
      carrier: required(code('光盘'))
    },
    sealed: {
      from: optional(text(400, '李某某')),
      to: optional(text(400, '书记员 张某某')),
      reason: optional(text(2_000, '庭审质证后退还'))
    },
    trails: [ofEvidence, ofList]
  }),
  define({
    ...later,
    type: 'evidence.supplement',
    zh: '补充说明',
    en: 'evidence supplemented',
    sealed: { reason: optional(text(2_000, '补充说明原件保存地点')) }
  }),
  define({
    ...later,
    type: 'evidence.withdraw',
    zh: '撤回证据',
    en: 'evidence withdrawn',
    sealed: { reason: optional(text(2_000, '当事人申请撤回')) }
  }),
  define({
    type: 'evidence.originalCheck',
    v: 1,
    since: 2,
    zh: '原件核对',
    en: 'compared with the original',
    class: 'party',
    writers: ['clerk', 'judge'],
    open: { evidence: required(evidenceId), case: optional(caseNumber), result: required(code('一致')) },
    sealed: { note: optional(text(2_000, '与原件逐页核对')) },
    trails: [ofEvidence, ofCase]
  }),
  define({
    type: 'evidence.verify',
    v: 1,
    since: 2,
    zh: '核验',
    en: 'verification of evidence',
    class: 'party',
    writers: ROLES,
    open: { evidence: required(evidenceId), result: required(code('一致')), digest: required(fileDigest) },
    sealed: { requester: optional(text(400, '某律师事务所 李某某')) },
    trails: [ofEvidence]
  }),
  define({
    type: 'evidence.objection',
    v: 1,
    since: 2,
    zh: '真实性异议',
    en: 'objection to authenticity',
    class: 'party',
    writers: ['party', 'lawyer'],
    open: {
      evidence: required(evidenceId),
      case: optional(caseNumber),
      stage: required(oneOf('before', 'after')),
      /** 在线诉讼规则 17, items (一) to (四). */
      factors: optional(list(code('17-2'), 1, 20))
    },
    sealed: { grounds: optional(text(20_000, '对上链前的来源有异议')) },
    trails: [ofEvidence, ofCase]
  }),
  define({
    type: 'evidence.appraisal',
    v: 1,
    since: 2,
    zh: '鉴定意见',
    en: 'expert opinion',
    class: 'party',
    writers: ['judge', 'clerk'],
    open: { evidence: required(evidenceId), case: optional(caseNumber), opinion: optional(fileReference) },
    sealed: { reason: optional(text(20_000, '鉴定意见书已随卷')) },
    trails: [ofEvidence, ofCase]
  }),
  define({
    type: 'evidence.ruling',
    v: 1,
    since: 2,
    zh: '认证结果',
    en: 'ruling on evidence',
    class: 'party',
    writers: ['judge', 'clerk'],
    open: {
      evidence: required(evidenceId),
      case: optional(caseNumber),
      authentic: optional(boolean),
      lawful: optional(boolean),
      relevant: optional(boolean),
      adopted: optional(boolean)
    },
    sealed: { reason: optional(text(20_000, '各方对真实性无异议，予以采信。')) },
    trails: [ofEvidence, ofCase]
  })
]
