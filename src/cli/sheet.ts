/**
 * A sheet of exhibits: CSV (RFC 4180) in UTF-8, names of columns in the first line, then one line a file in the order of the list.
 *
 *   file,form,copies,pages,material
 *   合同.pdf,copy,1,12,digitised-copy
 *
 * Columns and codes may stand in Chinese: 文件,形式,份数,页数,材料性质 and 复印件, 电子化材料.
 */
import { LianzhengError } from '../core/errors.ts'
import { type Io, words } from './io.ts'

export interface SheetLine {
  /** In the file, the first being 1. */
  line: number
  file: string
  /** What stands in the other columns; an empty cell is not there. */
  fields: Record<string, string>
}

const COLUMNS: Readonly<Record<string, string>> = {
  文件: 'file',
  名称: 'name',
  形式: 'form',
  份数: 'copies',
  页数: 'pages',
  材料性质: 'material',
  证据种类: 'kind',
  来源: 'source',
  证明目的: 'purpose',
  提交人: 'submitter'
}

const CODES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  form: { 原件: 'original', 复印件: 'copy', 复制件: 'copy' },
  material: { 电子数据: 'electronic-data', 电子化材料: 'digitised-copy', 实物: 'object' }
}

/** The code for what people write in a field; any other text is itself. */
export function codeOf(field: string, text: string): string {
  const codes = Object.hasOwn(CODES, field) ? CODES[field]! : {}
  return Object.hasOwn(codes, text) ? codes[text]! : text
}

/** Throws `SHEET_INVALID` with the line. `columns`: those there can be, besides `file`. */
export function parseSheet(text: string, columns: readonly string[], io: Io): SheetLine[] {
  const refuse = (line: number, zh: string, en: string) =>
    new LianzhengError('SHEET_INVALID', { at: line, expected: words(io, zh, en) })
  const [head, ...rows] = parseCsv(text, (line) => refuse(line, '配对的双引号', 'double quotes in pairs'))
  const names = (head?.cells ?? []).map((cell) => (Object.hasOwn(COLUMNS, cell) ? COLUMNS[cell]! : cell))
  const unknown = names.find((name) => name !== 'file' && !columns.includes(name))
  if (unknown !== undefined) throw refuse(1, `列名 file、${columns.join('、')}`, `columns of ${['file', ...columns].join(', ')}`)
  if (!names.includes('file')) throw refuse(1, '名为 file（文件）的一列', 'a column named file')
  if (new Set(names).size < names.length) throw refuse(1, '每列一次', 'each column once')
  if (rows.length === 0) throw refuse(2, '至少一个文件', 'at least one file')
  return rows.map(({ line, cells }) => {
    if (cells.length !== names.length) throw refuse(line, `${names.length} 列`, `${names.length} columns`)
    const given = names.map((name, i) => [name, cells[i]!.normalize('NFC')] as const).filter(([, value]) => value !== '')
    const { file, ...fields } = Object.fromEntries(given.map(([name, value]) => [name, codeOf(name, value)]))
    if (file === undefined) throw refuse(line, '文件名', 'the name of a file')
    return { line, file, fields }
  })
}

/** Lines with anything in them; white space around a cell does not count. */
function parseCsv(text: string, unpaired: (line: number) => Error): { line: number; cells: string[] }[] {
  const rows: { line: number; cells: string[] }[] = []
  let [line, start] = [1, 1]
  let cells: string[] = []
  const cell = /(?:[^\S\r\n]*"((?:[^"]|"")*)"[^\S\r\n]*|([^",\r\n]*))(,|\r?\n|$)/y
  while (cell.lastIndex < text.length) {
    const match = cell.exec(text)
    if (match === null) throw unpaired(line)
    const [whole, quoted, plain, end] = match
    cells.push((quoted?.replaceAll('""', '"') ?? plain!).trim())
    line += whole.split('\n').length - 1
    if (end === ',' && cell.lastIndex < text.length) continue
    if (end === ',') cells.push('')
    if (cells.some((one) => one !== '')) rows.push({ line: start, cells })
    ;[cells, start] = [[], line]
  }
  return rows
}
