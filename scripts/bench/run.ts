/** What the parts of one run share. */
import type { Children } from './parent.ts'

export interface Run {
  children: Children
  /** The largest mark. */
  records: number
  /** Everything of the run is in here. */
  directory: string
  /** Rows a second of the hash-chained table, once it has run. */
  table?: number
  say(text: string): void
}

/** A part that is not for this machine; the message says what is missing. */
export class Skipped extends Error {}
