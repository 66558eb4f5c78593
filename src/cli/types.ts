/** `types`: the catalogue, read. */
import { localTime } from '../node/network.ts'
import { CATALOGUE, publishedCatalogue, recordType } from '../records/catalogue.ts'
import { describe, exampleRecord, type RecordType } from '../records/define.ts'
import type { Json } from '../records/fields.ts'
import { TABLES, tableOf, tableRecord } from '../records/tables/index.ts'
import { type Io, printJson, words } from './io.ts'

export async function run(
  args: { type?: string; example?: boolean; catalogue?: boolean; tables?: boolean },
  io: Io
): Promise<number> {
  if (args.catalogue === true) {
    io.out(publishedCatalogue())
    return 0
  }
  if (args.tables === true) {
    const at = localTime(new Date())
    printJson(
      io,
      TABLES.map((table) => tableRecord(table, at))
    )
    return 0
  }
  if (args.type === undefined) {
    if (io.json) printJson(io, CATALOGUE.map(describe))
    else for (const type of CATALOGUE) io.out(`${type.type.padEnd(22)} ${words(io, type.zh, type.en)}\n`)
    return 0
  }
  const type = recordType(args.type)
  if (args.example === true) printJson(io, exampleRecord(type))
  else if (io.json) printJson(io, describe(type))
  else io.out(table(type, io))
  return 0
}

function table(type: RecordType, io: Io): string {
  const { trails, open, sealed } = describe(type) as {
    trails: string[]
    open: { [name: string]: Json }
    sealed: { [name: string]: Json }
  }
  const codes = (name: string) => {
    const table = tableOf(type.type, name.replace(/\?$/, ''))
    if (table === undefined) return ''
    return `  ${words(io, '示例代码', 'example codes')}: ${table.rows.map(({ code }) => code).join(' ')}`
  }
  const rows = (title: string, members: { [name: string]: Json }) =>
    Object.keys(members).length === 0
      ? []
      : [
          '',
          title,
          ...Object.entries(members).map(([name, form]) => `  ${name.padEnd(18)} ${JSON.stringify(form)}${codes(name)}`)
        ]
  return `${[
    `${type.type} v${type.v}  ${words(io, type.zh, type.en)}`,
    `${words(io, '类别', 'class')}: ${[type.class].flat().join(' | ')}   ${words(io, '书写人', 'written by')}: ${type.writers.join(', ')}`,
    `${words(io, '轨迹', 'trails')}: ${trails.join('  ')}`,
    ...rows(words(io, '公开字段（? 为可选）', 'open fields (? optional)'), open),
    ...rows(words(io, '密封字段', 'sealed fields'), sealed)
  ].join('\n')}\n`
}
