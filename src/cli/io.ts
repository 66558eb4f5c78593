/** What a command may touch of the outside: injected, so that commands are tested without a process. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Bytes, fromUtf8, utf8 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Policy, parsePolicy } from '../core/policy.ts'

export type Lang = 'zh' | 'en'

export interface Io {
  lang: Lang
  /** Output for machines: one JSON value. */
  json: boolean
  /** Is somebody watching? Progress is shown to people alone. */
  watched: boolean
  env: Readonly<Record<string, string | undefined>>
  out(text: string): void
  err(text: string): void
  /** Asks without echo; undefined where nobody can answer. */
  askSecret(prompt: string): Promise<string | undefined>
}

/** The text in the user's language. */
export function words(io: Io, zh: string, en: string): string {
  return io.lang === 'zh' ? zh : en
}

export function say(io: Io, zh: string, en: string): void {
  if (!io.json) io.out(`${words(io, zh, en)}\n`)
}

export function printJson(io: Io, value: unknown): void {
  io.out(
    `${JSON.stringify(value, null, 1).replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`
  )
}

/** What moves, hides or reorders text on a terminal: C0 but line feed, DEL, C1, and the controls of writing direction. */
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Text for a terminal. Files and servers may name themselves anything; nothing of it may draw a verdict. */
export function visible(text: string): string {
  return text.replace(UNSEEN, '\ufffd')
}

/** A line that is written over itself, on stderr, for people. */
export function progress(io: Io, zh: string, en: string, done: number, of: number): void {
  if (!io.watched || io.json) return
  const share = of === 0 ? 1 : Math.min(1, done / of)
  const bar = '█'.repeat(Math.round(share * 24)).padEnd(24, '░')
  io.err(`\r${words(io, zh, en)} ${bar} ${String(Math.round(share * 100)).padStart(3)}% ${done >= of ? '\n' : ''}`)
}

/** UTF-8, with or without a byte order mark. Throws `FILE_UNREADABLE` or `TEXT_NOT_UTF8`. */
export function readText(file: string): string {
  const bytes = readBytes(file)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new LianzhengError('TEXT_NOT_UTF8', { at: file, cause })
  }
}

/** UTF-8 to the byte, a byte order mark included: for what is evidence or says what evidence rests on. */
export function readExact(file: string): string {
  try {
    return fromUtf8(readBytes(file))
  } catch (error) {
    throw error instanceof LianzhengError && error.code === 'TEXT_NOT_UTF8'
      ? new LianzhengError('TEXT_NOT_UTF8', { at: file })
      : error
  }
}

/** Throws `POLICY_INVALID` with the line, `FILE_UNREADABLE`. */
export function readPolicy(file: string): Policy {
  let text: string
  try {
    text = readExact(file)
  } catch (error) {
    if (!(error instanceof LianzhengError) || error.code !== 'TEXT_NOT_UTF8') throw error
    throw new LianzhengError('POLICY_INVALID', { at: file, expected: 'UTF-8' })
  }
  return parsePolicy(text)
}

export function readBytes(file: string): Bytes {
  try {
    return new Uint8Array(readFileSync(file))
  } catch (cause) {
    throw new LianzhengError('FILE_UNREADABLE', { at: file, cause })
  }
}

export function makeDirectory(directory: string, mode = 0o755): void {
  try {
    mkdirSync(directory, { recursive: true, mode })
  } catch (cause) {
    throw new LianzhengError('FILE_UNREADABLE', { at: directory, expected: 'a directory, or a place for one', cause })
  }
}

/** Writes a new file whole; never over another one with other content. */
export function writeNew(file: string, content: string | Bytes, mode = 0o644): void {
  const bytes = typeof content === 'string' ? utf8(content) : content
  try {
    writeFileSync(file, bytes, { flag: 'wx', mode })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new LianzhengError('FILE_UNREADABLE', { at: file, expected: 'a place that can be written', cause })
    if (Buffer.compare(readBytes(file), bytes) !== 0) throw new LianzhengError('FILE_EXISTS', { at: file })
  }
}

/** Writes a file whole and durably, over another one if it is there: after a crash there is the old content or the new. */
export function replaceFile(file: string, content: string | Bytes, mode = 0o644): void {
  const temporary = `${file}.${process.pid}.new`
  try {
    writeFileSync(temporary, content, { mode, flush: true })
    renameSync(temporary, file)
    syncDirectory(dirname(file))
  } catch (cause) {
    throw new LianzhengError('FILE_UNREADABLE', { at: file, expected: 'a place that can be written', cause })
  }
}

/** Names in a directory are durable only when it is synced itself. Systems that cannot sync a directory do so on their own. */
export function syncDirectory(directory: string): void {
  let descriptor: number | undefined
  try {
    descriptor = openSync(directory, 'r')
    fsyncSync(descriptor)
  } catch {
    // Windows opens no directories.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** What `--disclose` says: names separated by commas, none where nothing is between them; undefined where it is not given. */
export function fieldNames(typed: string | undefined): string[] | undefined {
  return typed
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** What `--lang` says, wherever it stands. */
export function languageAsked(argv: readonly string[]): Lang | undefined {
  const at = argv.findIndex((word) => word === '--lang' || word.startsWith('--lang='))
  const given = at < 0 ? undefined : argv[at]!.includes('=') ? argv[at]!.slice('--lang='.length) : argv[at + 1]
  return given === 'zh' || given === 'en' ? given : undefined
}

/** zh unless the locale says en; C and POSIX mean zh (api.md). */
export function languageOf(env: Readonly<Record<string, string | undefined>>): Lang {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || ''
  return /^en/i.test(locale) ? 'en' : 'zh'
}
