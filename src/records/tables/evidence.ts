/** Evidence: how it was taken, what carries it, what a comparison found, what an objection rests on. */
import { type CodeTable, rows } from './table.ts'

export const evidenceTables: readonly CodeTable[] = [
  {
    table: 'capture-method',
    version: '1',
    title: '取证方式（示例）',
    from: '2020-01-01',
    fields: ['evidence.fix.captureMethod'],
    rows: rows([
      ['upload', '当事人上传', 'uploaded by the party'],
      ['scan', '窗口扫描', 'scanned at the counter'],
      ['screen', '网页截取', 'captured from a page'],
      ['recording', '录音录像', 'recorded'],
      ['interface', '系统接口', 'from another system']
    ])
  },
  {
    table: 'carrier',
    version: '1',
    title: '原始载体（示例）',
    from: '2020-01-01',
    fields: ['evidence.custody.carrier'],
    rows: rows([
      ['纸质', '纸质文件', 'paper'],
      ['光盘', '光盘', 'disc'],
      ['U盘', 'U 盘', 'memory stick'],
      ['硬盘', '硬盘', 'disk'],
      ['手机', '手机', 'telephone'],
      ['实物', '其他实物', 'other object']
    ])
  },
  {
    table: 'comparison',
    version: '1',
    title: '核对与核验结果（示例）',
    from: '2020-01-01',
    fields: ['evidence.originalCheck.result', 'evidence.verify.result'],
    rows: rows([
      ['一致', '核验一致', 'agrees'],
      ['不一致', '核验不一致', 'differs'],
      ['未找到记录', '未找到记录', 'no record found'],
      ['正文已依法销毁', '正文已依法销毁', 'content lawfully erased'],
      ['无法核验', '暂时无法核验', 'could not check']
    ])
  },
  {
    table: 'objection-factor',
    version: '1',
    title: '真实性异议因素（示例）',
    from: '2021-08-01',
    fields: ['evidence.objection.factors'],
    rows: rows(
      [
        ['17-1', '存证平台是否符合国家有关规定', 'does the platform meet the rules of the state'],
        ['17-2', '当事人与存证平台是否存在利害关系、不当干预', 'interest or interference of the party'],
        ['17-3', '信息系统是否符合清洁性、安全性、可靠性、可用性标准', 'clean, safe, reliable and available'],
        ['17-4', '存证技术和过程是否符合相关标准', 'do technology and process meet the standards']
      ],
      '人民法院在线诉讼规则 17'
    )
  }
]
