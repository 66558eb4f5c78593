/**
 * What the operator publishes about itself and its measures, in the ledger so that changing it leaves a trace (records.md, "System types"):
 * versions of rules and of code tables, and the platform statement (在线诉讼规则 17).
 */
import { LianzhengError } from '../core/errors.ts'
import { type Body, define, type TrailRule } from './define.ts'
import { code, date, integer, list, object, oneOf, optional, organisation, required, text, time } from './fields.ts'

const ledger: TrailRule = { kind: 'ledger', from: '<origin>' }

function codesDiffer(field: string, rows: readonly { [name: string]: unknown }[], name: string): void {
  const seen = new Set<unknown>()
  for (const [i, row] of rows.entries()) {
    if (seen.has(row[name]))
      throw new LianzhengError('FIELD_INVALID', { field: `${field}[${i}].${name}`, expected: 'each code once' })
    seen.add(row[name])
  }
}

export const platformTypes = [
  define({
    type: 'rule.version',
    v: 1,
    since: 2,
    zh: '规则版本',
    en: 'version of a rule',
    class: 'any',
    writers: ['administrator'],
    operatorOnly: true,
    open: {
      rule: required(code('S05')),
      version: required(code('2020-1')),
      title: required(text(400, '监督意见的答复期限（示例）')),
      from: required(date),
      basis: optional(list(text(400, '法发〔2017〕11号'), 1, 20)),
      /** Time limits and thresholds that no text fixes. */
      parameters: optional(
        list(
          object({
            name: required(code('replyDays')),
            value: required(integer(0, Number.MAX_SAFE_INTEGER, 5)),
            unit: required(oneOf('times', 'ms', 'seconds', 'minutes', 'hours', 'days', 'workingDays'))
          }),
          1,
          50
        )
      )
    },
    trails: [ledger],
    also: ({ parameters }: Body) => codesDiffer('parameters', (parameters ?? []) as { name: string }[], 'name')
  }),
  define({
    type: 'codeTable.version',
    v: 1,
    since: 2,
    zh: '代码表版本',
    en: 'version of a code table',
    class: 'any',
    writers: ['administrator'],
    operatorOnly: true,
    open: {
      table: required(code('measure')),
      version: required(code('2018')),
      title: required(text(400, '监督措施（2018，示例）')),
      /** The first day on which the table applies. */
      from: required(date),
      rows: required(
        list(
          object({
            code: required(code('M03')),
            zh: required(text(400, '要求提供类案裁判文书或者类案检索报告')),
            en: optional(text(400, 'ask for similar judgments or a search report')),
            source: optional(text(400, '法发〔2017〕11号'))
          }),
          1,
          500
        )
      )
    },
    trails: [ledger],
    also: ({ rows }: Body) => codesDiffer('rows', rows as { code: string }[], 'code')
  }),
  define({
    type: 'platform.statement',
    v: 1,
    since: 2,
    zh: '平台说明',
    en: 'platform statement',
    class: 'any',
    writers: ['administrator'],
    operatorOnly: true,
    open: {
      operator: required(object({ org: required(organisation), name: required(text(400, '某市中级人民法院')) })),
      /** The institutions that watch and mirror, and who runs their nodes for them. */
      members: required(
        list(
          object({
            org: required(organisation, 'gz-discipline'),
            name: required(text(400, '派驻纪检监察组')),
            runBy: required(text(400, '派驻纪检监察组（自行运行）'))
          }),
          0,
          64
        )
      ),
      standards: required(list(text(400, 'RFC 9162'), 1, 100)),
      algorithms: required(list(text(400, 'Ed25519; SHA-256'), 1, 50)),
      timeSources: required(list(text(400, '国家授时中心 NTP'), 1, 20)),
      incidents: optional(
        list(object({ from: required(time), to: optional(time), what: required(text(2_000, '存储更换，停机两小时')) }), 1, 100)
      )
    },
    trails: [ledger]
  })
]
