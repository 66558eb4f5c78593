/** Nodes of a case, results and reasons in supervision. */
import { type CodeTable, rows } from './table.ts'

export const supervisionTables: readonly CodeTable[] = [
  {
    table: 'node',
    version: '1',
    title: '关键流程节点（24 个，示例）',
    from: '2020-01-01',
    fields: ['supervision.opinion.node'],
    rows: rows([
      ['received', '收案', 'case received'],
      ['filing-review', '立案审查', 'review for filing'],
      ['filed', '立案', 'filed'],
      ['fee', '缴费', 'fee paid'],
      ['assigned', '分案', 'assigned'],
      ['panel', '组成合议庭', 'panel formed'],
      ['service', '送达起诉状', 'complaint served'],
      ['defence', '答辩', 'defence'],
      ['production', '举证', 'evidence produced'],
      ['preservation', '保全', 'preservation'],
      ['appraisal', '鉴定评估', 'appraisal'],
      ['exchange', '证据交换', 'evidence exchanged'],
      ['pretrial', '庭前会议', 'pre-trial conference'],
      ['scheduling', '排期', 'hearing scheduled'],
      ['hearing', '开庭', 'hearing'],
      ['mediation', '庭后调解', 'mediation after the hearing'],
      ['deliberation', '评议', 'deliberation'],
      ['judges-meeting', '专业法官会议', 'meeting of judges'],
      ['committee', '审委会', 'adjudication committee'],
      ['drafting', '撰写文书', 'judgment drafted'],
      ['signing', '签署', 'judgment signed'],
      ['pronounced', '宣判送达', 'pronounced and served'],
      ['closed', '结案', 'closed'],
      ['archived', '归档', 'archived']
    ])
  },
  {
    table: 'supervision-result',
    version: '1',
    title: '监督处理结果（示例）',
    from: '2020-01-01',
    fields: ['supervision.outcome.result'],
    rows: rows([
      ['closed', '监督事项已办结', 'done'],
      ['continued', '继续监督', 'supervision goes on'],
      ['judges-meeting', '提交专业法官会议', 'put before the meeting of judges'],
      ['committee', '提交审判委员会', 'put before the adjudication committee'],
      ['superior', '报请上级法院', 'put before the court above'],
      ['withdrawn', '撤回监督意见', 'opinion withdrawn']
    ])
  },
  {
    table: 'approval-matter',
    version: '1',
    title: '审批事项（示例）',
    from: '2020-01-01',
    fields: ['approval.given.matter'],
    rows: rows([
      ['延长审限', '延长审限', 'time limit extended'],
      ['扣除审限', '扣除审限', 'time excluded'],
      ['保全', '保全', 'preservation'],
      ['回避', '回避', 'recusal from a case'],
      ['文书不上网', '裁判文书不在互联网公布', 'judgment not published'],
      ['文书撤回', '裁判文书撤回', 'publication withdrawn']
    ])
  },
  {
    table: 'decision',
    version: '1',
    title: '审批决定（示例）',
    from: '2020-01-01',
    fields: ['approval.given.decision'],
    rows: rows([
      ['approved', '同意', 'approved'],
      ['refused', '不同意', 'refused'],
      ['returned', '退回补充', 'sent back']
    ])
  },
  {
    table: 'gap-reason',
    version: '1',
    title: '数据中断原因（示例）',
    from: '2020-01-01',
    fields: ['feed.gap.reasonCode'],
    rows: rows([
      ['G1', '停电或者设备故障', 'power or equipment'],
      ['G2', '网络中断', 'network'],
      ['G3', '计划内维护', 'planned maintenance'],
      ['G4', '来源系统变更', 'the feeding system was changed'],
      ['G9', '其他', 'other']
    ])
  }
]
