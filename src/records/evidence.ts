/** Evidence 证据, class party (records.md, "Evidence"). */
import type { Bytes } from '../core/bytes.ts'
import { hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Body, define } from './define.ts'
import {
  caseNumber,
  code,
  evidenceId,
  fileDigest,
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
  })
]
