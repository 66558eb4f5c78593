/** What a leader may do about a case, by the rules in force at the date of the opinion. A code means the same in every version. */
import { type CodeTable, rows } from './table.ts'

const REPORT = ['M02', '要求报告案件进展、评议结果', 'ask for a report on progress and deliberation'] as const
const SIMILAR = ['M03', '要求提供类案裁判文书或者类案检索报告', 'ask for similar judgments or a search report'] as const
const READ = ['M05', '调阅卷宗、旁听庭审', 'call for the file, attend the hearing'] as const
const MEETING = ['M07', '决定提交专业法官会议讨论', 'put it before the meeting of judges'] as const
const COMMITTEE = ['M08', '决定按程序提交审判委员会讨论', 'put it before the adjudication committee'] as const
const fields = ['supervision.opinion.measure']

export const measureTables: readonly CodeTable[] = [
  {
    table: 'measure',
    version: '2015',
    title: '监督措施（2015，示例）',
    from: '2015-09-21',
    fields,
    rows: rows([REPORT, MEETING, COMMITTEE], '法发〔2015〕13号')
  },
  {
    table: 'measure',
    version: '2018',
    title: '监督措施（2018，示例）',
    from: '2018-12-04',
    fields,
    rows: rows([REPORT, READ, MEETING, COMMITTEE], '法发〔2017〕11号')
  },
  {
    table: 'measure',
    version: '2020',
    title: '监督措施（2020，示例）',
    from: '2020-07-31',
    fields,
    rows: rows([REPORT, SIMILAR, READ, MEETING, COMMITTEE])
  },
  {
    table: 'measure',
    version: '2021',
    title: '监督措施（2021，示例）',
    from: '2021-11-04',
    fields,
    rows: rows(
      [
        ['M01', '按权限调整分案', 'reassign the case within remit'],
        REPORT,
        SIMILAR,
        ['M04', '审阅案件庭审提纲、审理报告', 'read the hearing outline or trial report'],
        READ,
        ['M06', '要求合议庭复议并报告结果', 'ask the panel to deliberate again and report'],
        MEETING,
        COMMITTEE,
        ['M09', '决定按程序报请上一级法院审理', 'ask the court above to try it'],
        ['M10', '其他与其职务相适应的必要监督管理措施', 'other measures that the post requires']
      ],
      '法发〔2021〕30号'
    )
  },
  {
    table: 'measure-review',
    version: '2023',
    title: '阅核措施（示例）',
    from: '2023-01-01',
    fields: [],
    rows: rows([
      ['R01', '阅核同意', 'draft read and agreed'],
      ['R02', '阅核后提出意见', 'draft read, with remarks'],
      ['R03', '阅核后提交专业法官会议', 'draft read, put before the meeting of judges']
    ])
  }
]
