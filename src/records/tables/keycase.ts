/** 四类案件: the items of each class by the old and the new text, and why a flag is taken back. */
import { type CodeTable, rows } from './table.ts'

export const keycaseTables: readonly CodeTable[] = [
  {
    table: 'keycase-item',
    version: '2015',
    title: '四类案件事项（2015，示例）',
    from: '2015-09-21',
    fields: ['keycase.flag.item'],
    rows: rows(
      [
        ['K1-01', '涉及群体性纠纷，可能影响社会稳定', 'dispute of a group that may affect stability'],
        ['K2-01', '疑难、复杂且在社会上有重大影响', 'difficult, and of great effect'],
        ['K3-01', '与本院或者上级法院的类案判决可能发生冲突', 'may conflict with judgments in like cases'],
        ['K4-01', '有关单位或者个人反映法官有违法审判行为', 'the judge is said to have broken the law']
      ],
      '法发〔2015〕13号'
    )
  },
  {
    table: 'keycase-item',
    version: '2021',
    title: '四类案件事项（2021，示例）',
    from: '2021-11-04',
    fields: ['keycase.flag.item'],
    rows: rows(
      [
        ['K1-01', '涉及国家利益、社会公共利益', 'national or public interest'],
        ['K1-02', '对事实认定或者法律适用存在较大争议', 'facts or law are in great dispute'],
        ['K1-03', '具有首案效应的新类型案件', 'the first of a new kind'],
        ['K1-04', '具有普遍法律适用指导意义', 'of general guidance'],
        ['K1-05', '涉及国家安全、外交、民族、宗教等敏感案件', 'security, foreign affairs, nationalities, religion'],
        ['K2-01', '当事人或者被害人人数众多，可能引发群体性事件', 'many parties or victims'],
        ['K2-02', '可能或者已经引发社会广泛关注', 'public attention'],
        ['K2-03', '具有示范效应，可能引发后续批量诉讼', 'may lead to many like suits'],
        ['K2-04', '可能对特定行业产业、群体或者社会和谐稳定产生较大影响', 'effect on an industry, a group, stability'],
        ['K3-01', '与本院或者上级法院近三年类案生效裁判可能发生冲突', 'conflict with judgments of three years'],
        ['K3-02', '与本院正在审理的类案裁判结果可能发生冲突', 'conflict with a like case being tried'],
        ['K3-03', '本院近三年类案裁判存在重大分歧', 'judgments of three years differ'],
        ['K4-01', '当事人等实名反映并提供线索', 'a report under a real name, with leads'],
        ['K4-02', '督察、巡查、评查、信访、举报发现', 'found by inspection, review, petition or report'],
        ['K4-03', '承办审判组织在“三个规定”记录报告平台反映存在违规干预过问', 'the panel has reported an improper inquiry']
      ],
      '法发〔2021〕30号'
    )
  },
  {
    table: 'unflag-reason',
    version: '1',
    title: '撤销标识原因（示例）',
    from: '2020-01-01',
    fields: ['keycase.unflag.reasonCode'],
    rows: rows([
      ['U1', '经核实不属于四类案件', 'found to be none of the four classes'],
      ['U2', '情形已经消失', 'the ground has gone'],
      ['U3', '标识有误，另行标识', 'flagged wrongly, flagged again otherwise']
    ])
  }
]
