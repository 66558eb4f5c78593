/**
 * Code tables that come with the software, as examples: every title says 示例. Tables are the institutions' own: an administrator of the operator
 * publishes them as `codeTable.version`, in versions by the day from which they apply, and no node holds a field to them (records.md).
 */
import type { Json } from '../fields.ts'
import { evidenceTables } from './evidence.ts'
import { keycaseTables } from './keycase.ts'
import { measureTables } from './measure.ts'
import { officeTables } from './office.ts'
import { supervisionTables } from './supervision.ts'
import type { CodeTable } from './table.ts'

export const TABLES: readonly CodeTable[] = [
  ...measureTables,
  ...keycaseTables,
  ...supervisionTables,
  ...evidenceTables,
  ...officeTables
]

/** The newest table for a field of a type, e.g. `supervision.opinion` and `measure`. */
export function tableOf(type: string, field: string): CodeTable | undefined {
  return TABLES.findLast(({ fields }) => fields.includes(`${type}.${field}`))
}

/** A table as a record that `submit` takes. */
export function tableRecord({ fields: _, ...table }: CodeTable, at: string): { [name: string]: Json } {
  return { type: 'codeTable.version', at, ...table, rows: table.rows.map((row) => ({ ...row })) }
}
