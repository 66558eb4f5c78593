export interface Row {
  code: string
  zh: string
  en?: string
  source?: string
}

export interface CodeTable {
  table: string
  version: string
  title: string
  /** The first day on which it applies. */
  from: string
  /** `type.field`: where its codes stand. */
  fields: readonly string[]
  rows: readonly Row[]
}

/** Rows of code, zh and en, all from one source. */
export function rows(list: readonly (readonly [code: string, zh: string, en: string])[], source?: string): Row[] {
  return list.map(([code, zh, en]) => ({ code, zh, en, ...(source === undefined ? {} : { source }) }))
}
