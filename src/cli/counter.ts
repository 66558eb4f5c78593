/** The records of the clerk's counter: what was said on the command line and in the sheet, put where the catalogue has it. */
import { randomBytes } from 'node:crypto'
import { hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { localTime, typedTime } from '../node/network.ts'
import { recordType } from '../records/catalogue.ts'
import type { Exhibit } from './exhibits.ts'
import { type Io, words } from './io.ts'
import { MANIFEST_TYPE } from './manifest.ts'
import { codeOf } from './sheet.ts'

type Fields = Record<string, string>
type Draftable = { [name: string]: unknown }

const FIX = recordType('evidence.fix')
/** Open fields of a fix that no one types: the tool makes them, or they have options of their own. */
const NOT_TYPED = ['files', 'refs', 'sealed', 'list', 'case']
const FIX_OPEN = Object.keys(FIX.members).filter((name) => !NOT_TYPED.includes(name))
const FIX_SEALED = Object.keys(FIX.sealed)
/** Of each piece in a 收据, and of the list and its 收据 as a whole. */
const OF_ITEM = ['form', 'copies', 'pages']
const OF_LIST = ['receivedAt', 'title', 'party', 'handler']

/** What a sheet may say of one file. */
export function sheetColumns(isList: boolean): string[] {
  return [...FIX_OPEN, ...FIX_SEALED, ...(isList ? OF_ITEM : [])]
}

/** `--set field=value`. Throws `FIELD_UNKNOWN` for what no record of the run has. */
export function readSettings(settings: readonly string[], isList: boolean): Fields {
  const known = [...sheetColumns(isList), ...(isList ? OF_LIST : [])]
  const fields: Fields = {}
  for (const setting of settings) {
    const [name, ...rest] = setting.split('=')
    if (name === undefined || rest.length === 0) throw new LianzhengError('USAGE', { field: '--set', expected: 'field=value' })
    if (!known.includes(name)) throw new LianzhengError('FIELD_UNKNOWN', { field: name, expected: known.join(' | ') })
    fields[name] = codeOf(name, rest.join('=').normalize('NFC'))
  }
  return fields
}

/** What the law makes of a thing is for a person to say: refused where it was not, with where to say it. */
export function requireSaid(fields: Readonly<Fields>, name: string, values: string, io: Io, at?: string): void {
  if (fields[name] !== undefined) return
  throw new LianzhengError('FIELD_MISSING', {
    field: name,
    ...(at === undefined ? {} : { at }),
    expected: words(io, `--set ${name}=${values}，或表格中的一列`, `--set ${name}=${values}, or a column of the sheet`)
  })
}

export interface Piece {
  exhibit: Exhibit
  /** Its number. */
  evidence: string
}

export interface Common {
  court: string
  case?: string | undefined
  list?: string | undefined
}

export function fixRecord({ exhibit, evidence }: Piece, { court, case: of, list }: Common): Draftable {
  const { fields, name, sha256, sm3, size, isFolder } = exhibit
  return {
    type: FIX.type,
    at: localTime(new Date()),
    court,
    evidence,
    files: [
      {
        sha256: hex(sha256),
        ...(sm3 === undefined ? {} : { sm3: hex(sm3) }),
        size,
        ...(isFolder ? { mime: MANIFEST_TYPE } : {})
      }
    ],
    ...(of === undefined ? {} : { case: of }),
    ...(list === undefined ? {} : { list }),
    ...pick(fields, FIX_OPEN),
    sealed: { name, ...pick(fields, FIX_SEALED) }
  }
}

/** 证据清单: which pieces belong together. */
export function listRecord(pieces: readonly Piece[], fields: Readonly<Fields>, { court, case: of, list }: Common): Draftable {
  return {
    type: 'evidence.list',
    at: localTime(new Date()),
    court,
    list,
    ...(of === undefined ? {} : { case: of }),
    count: pieces.length,
    items: pieces.map(({ exhibit, evidence }) => ({ evidence, sha256: hex(exhibit.sha256) })),
    ...sealed(pick(fields, ['title', 'party']))
  }
}

/** 收据: that the court has received them, when, and in which form. */
export function courtReceiptRecord(
  pieces: readonly Piece[],
  fields: Readonly<Fields>,
  { court, case: of, list }: Common
): Draftable {
  return {
    type: 'evidence.receipt',
    at: localTime(new Date()),
    court,
    list,
    ...(of === undefined ? {} : { case: of }),
    receivedAt: receivedAt(fields.receivedAt),
    items: pieces.map(({ exhibit, evidence }) => ({
      evidence,
      form: exhibit.fields.form,
      copies: count(exhibit.fields.copies),
      pages: count(exhibit.fields.pages)
    })),
    ...sealed({ names: pieces.map(({ exhibit }) => exhibit.fields.name ?? exhibit.name), ...pick(fields, ['party', 'handler']) })
  }
}

/** `now`, or a time; the schema judges what is none. */
function receivedAt(text: string | undefined): string | undefined {
  const date = text === undefined ? undefined : text === 'now' ? new Date() : typedTime(text)
  return date === undefined ? text : localTime(date)
}

/** A number, where it is one; the schema refuses the rest by name. */
function count(text: string | undefined): unknown {
  return text !== undefined && /^(?:0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : text
}

function pick(fields: Readonly<Fields>, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => names.includes(name)))
}

/** Nothing sealed is nothing there. */
function sealed(fields: Draftable): Draftable {
  return Object.keys(fields).length === 0 ? {} : { sealed: fields }
}

/** A fresh number for a piece of evidence or a list (records.md, "Ids"). */
export function freshId(court: string): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  const letters = [...randomBytes(12)].map((byte) => alphabet[byte % 32]).join('')
  return `${court}-${localTime(new Date()).slice(0, 10).replaceAll('-', '')}-${letters}`
}
