/** The code tables that come with the software: well-formed, marked as examples, and true of the fields that they are for. */
import { expect, test } from 'vitest'
import { CATALOGUE, recordType } from '../../src/records/catalogue.ts'
import { draft } from '../../src/records/draft.ts'
import { TABLES, tableOf, tableRecord } from '../../src/records/tables/index.ts'
import { examine } from '../../src/verify/admit.ts'
import { counter, ORIGIN, USERS } from '../helpers/lab.ts'

const AT = '2021-12-01T09:00:00+08:00'

test.each(TABLES.map((table) => [`${table.table} ${table.version}`, table] as const))('%s is a record', (_, table) => {
  const record = tableRecord(table, AT)
  expect(record.title).toMatch(/示例）$/)
  const { statement } = draft(record, { aud: ORIGIN, author: USERS.admin, iat: 1_638_320_400, random: counter('tables') })
  expect(examine(statement).kind).toBe('record')
})

test('versions of a table follow one another, and a code means one thing in all of them', () => {
  for (const name of new Set(TABLES.map(({ table }) => table))) {
    const versions = TABLES.filter(({ table }) => table === name)
    const days = versions.map(({ from }) => from)
    expect(days, name).toEqual([...new Set(days)].sort())
  }
  const meanings = new Map<string, string>()
  for (const { rows } of TABLES.filter(({ table }) => table === 'measure'))
    for (const { code, zh } of rows) expect(meanings.set(code, meanings.get(code) ?? zh).get(code)).toBe(zh)
  expect(TABLES.filter(({ table }) => table === 'measure').map(({ version }) => version)).toEqual([
    '2015',
    '2018',
    '2020',
    '2021'
  ])
  expect(TABLES.some(({ title }) => title.includes('阅核'))).toBe(true)
})

test('every field of codes has a table, and every example is one of its codes', () => {
  // Names of rules, tables, versions and parameters are nobody's code table.
  const named = ['rule.version.rule', 'rule.version.version', 'codeTable.version.table', 'codeTable.version.version']
  for (const { type, members } of CATALOGUE)
    for (const [name, { field }] of Object.entries(members)) {
      const inner = (field.form as { list?: unknown }).list ?? field.form
      if (inner !== 'code' || named.includes(`${type}.${name}`)) continue
      const table = tableOf(type, name)
      const example = [field.example].flat()[0]
      expect(
        table?.rows.map(({ code }) => code),
        `${type}.${name}`
      ).toContain(example)
    }
  for (const { fields } of TABLES)
    for (const path of fields) {
      const [, type, field] = /^(.+)\.([^.]+)$/.exec(path)!
      expect(Object.keys(recordType(type!).members), path).toContain(field)
    }
})
