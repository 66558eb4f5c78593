/** Posts, recusal, keys: what the court's own offices write. */
import { type CodeTable, rows } from './table.ts'

export const officeTables: readonly CodeTable[] = [
  {
    table: 'post',
    version: '1',
    title: '职务（示例）',
    from: '2020-01-01',
    fields: ['staff.post.posts'],
    rows: rows([
      ['院长', '院长', 'president'],
      ['副院长', '副院长', 'vice-president'],
      ['专职委员', '审判委员会专职委员', 'full-time member of the adjudication committee'],
      ['庭长', '庭长', 'head of division'],
      ['副庭长', '副庭长', 'deputy head of division'],
      ['员额法官', '员额法官', 'judge'],
      ['法官助理', '法官助理', 'judge’s assistant'],
      ['书记员', '书记员', 'clerk'],
      ['执行员', '执行员', 'enforcement officer']
    ])
  },
  {
    table: 'division',
    version: '1',
    title: '部门（示例）',
    from: '2020-01-01',
    fields: ['recusal.transferred.post'],
    rows: rows([
      ['立案庭', '立案庭', 'filing division'],
      ['民一庭', '民事审判第一庭', 'first civil division'],
      ['刑一庭', '刑事审判第一庭', 'first criminal division'],
      ['行政庭', '行政审判庭', 'administrative division'],
      ['审监庭', '审判监督庭', 'trial supervision division'],
      ['执行局', '执行局', 'enforcement bureau'],
      ['综合部门', '非审判执行部门', 'other office']
    ])
  },
  {
    table: 'recusal-reason',
    version: '1',
    title: '任职回避公布变更原因（示例）',
    from: '2020-05-06',
    fields: ['recusal.updated.reasonCode', 'recusal.lifted.reasonCode'],
    rows: rows([
      ['changed', '申报内容变更', 'what was declared has changed'],
      ['error', '公布有误', 'published wrongly'],
      ['ended', '亲属不再从事律师职业', 'the relative no longer practises'],
      ['left', '本人离任', 'the person has left'],
      ['moved', '本人已调整岗位', 'the person has another post']
    ])
  },
  {
    table: 'recusal-basis',
    version: '1',
    title: '任职回避依据（示例）',
    from: '2020-05-06',
    fields: ['recusal.assessed.basis'],
    rows: rows([
      ['2011-5', '法发〔2011〕5号（2020年5月6日前）', 'the rules before 6 May 2020'],
      ['2020-13-1', '法发〔2020〕13号第一条（报告义务）', 'article 1: duty to report'],
      ['2020-13-2', '法发〔2020〕13号第二条（应当任职回避）', 'article 2: must step aside']
    ])
  },
  {
    table: 'erasure-ground',
    version: '1',
    title: '内容销毁依据（示例）',
    from: '2021-11-01',
    fields: ['body.erased.ground'],
    rows: rows([
      ['PIPL-47', '个人信息保护法第四十七条', 'PIPL article 47'],
      ['PIPL-46', '个人信息保护法第四十六条（更正后）', 'PIPL article 46, after a correction'],
      ['retention', '保管期限届满', 'retention period over'],
      ['unpublished', '依法不再公开', 'lawfully no longer public']
    ])
  },
  {
    table: 'revocation-reason',
    version: '1',
    title: '密钥吊销原因（示例）',
    from: '2020-01-01',
    fields: ['registry.revoke.reason'],
    rows: rows([
      ['left', '离任', 'has left'],
      ['moved', '岗位变动', 'has another post'],
      ['replaced', '更换密钥', 'key replaced'],
      ['lost', '丢失', 'lost'],
      ['compromised', '失密', 'compromised']
    ])
  },
  {
    table: 'recovery-method',
    version: '1',
    title: '账本恢复方式（示例）',
    from: '2020-01-01',
    fields: ['ledger.recovery.how'],
    rows: rows([
      ['mirror', '自镜像机构恢复', 'from a mirror'],
      ['backup', '自备份恢复', 'from a backup']
    ])
  }
]
