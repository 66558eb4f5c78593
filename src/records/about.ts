/**
 * Records about other records (records.md, "System types"): erased, corrected, read. What they must agree on with the record they speak of is
 * `verify/about`: it takes the log to tell.
 */
import { compareText } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Body, define, ROLES, type TrailRule } from './define.ts'
import { bytes32, code, list, optional, required, staffCode, text, trailName } from './fields.ts'

/** The trails of the record spoken of are the trails. */
const ofAll: TrailRule = { kind: '*', from: 'of[]' }
/** Sorted bytewise, each once, as in the header of a statement. */
const of = required(list(trailName, 1, 64))

/** Names of the members of `sealed` in any type. */
const fieldName = text(40, 'content')

function checkOf({ of }: Body): void {
  const names = of as string[]
  const stray = names.findIndex((name, i) => i > 0 && compareText(names[i - 1]!, name) >= 0)
  if (stray !== -1)
    throw new LianzhengError('FIELD_INVALID', { field: `of[${stray}]`, expected: 'names in bytewise order, each once' })
}

/** Exactly one reference of the relation: one record is spoken of, and no doubt which. */
function checkRelation({ refs }: Body, rel: string): void {
  const given = (refs as { rel: string }[]).filter((ref) => ref.rel === rel)
  if (given.length !== 1) throw new LianzhengError('FIELD_INVALID', { field: 'refs', expected: `one reference \`${rel}\`` })
}

const refExample = (rel: string) => [{ rel, log: 'court.example/evidence', leaf: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }]

export const aboutTypes = [
  define({
    type: 'body.erased',
    v: 1,
    since: 2,
    zh: '内容销毁',
    en: 'content erased',
    class: 'any',
    writers: ['administrator'],
    refs: 'required',
    open: { fields: required(list(fieldName, 1, 64)), ground: required(code('PIPL-47')), of },
    example: { refs: refExample('erases'), of: ['evidence:粤01-20200826-abcdefghijkl'] },
    trails: [ofAll],
    also: (body) => {
      checkOf(body)
      checkRelation(body, 'erases')
      const fields = body.fields as string[]
      if (new Set(fields).size !== fields.length)
        throw new LianzhengError('FIELD_INVALID', { field: 'fields', expected: 'each field once' })
    }
  }),
  define({
    type: 'record.corrected',
    v: 1,
    since: 2,
    zh: '记录更正',
    en: 'record corrected',
    class: 'any',
    writers: ROLES,
    refs: 'required',
    open: { of },
    example: { refs: refExample('corrects'), of: ['evidence:粤01-20200826-abcdefghijkl'] },
    trails: [ofAll],
    also: (body) => {
      checkOf(body)
      checkRelation(body, 'corrects')
    }
  }),
  define({
    type: 'access.read',
    v: 1,
    since: 2,
    zh: '查阅留痕',
    en: 'restricted read',
    class: ['internal', 'lead'],
    system: true,
    writers: ['system'],
    open: { trail: optional(trailName), leaf: optional(bytes32), reader: required(staffCode, '粤01-R9001') },
    example: { trail: trailName.example },
    trails: [{ kind: 'reader', from: 'reader' }],
    also: ({ trail, leaf }) => {
      if (trail === undefined && leaf === undefined)
        throw new LianzhengError('FIELD_MISSING', { field: 'trail', expected: '`trail` or `leaf`' })
      if (trail !== undefined && leaf !== undefined)
        throw new LianzhengError('FIELD_INVALID', { field: 'leaf', expected: '`trail` or `leaf`, not both' })
    }
  })
]
