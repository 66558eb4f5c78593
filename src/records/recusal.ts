/** Recusal 任职回避, class public (records.md, "Recusal"): names stand in public disclosures, so that they can be taken down. */
import { define } from './define.ts'
import { code, oneOf, opaqueEntry, optional, required, text } from './fields.ts'

const shown = {
  name: optional(text(100, '王某某')),
  post: optional(text(200, '民一庭副庭长')),
  relation: optional(text(100, '配偶')),
  lawyer: optional(text(100, '李某某')),
  firm: optional(text(200, '某律师事务所'))
}
const disclosure = [{ kind: 'disclosure', from: 'court' }]

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
  })
]
