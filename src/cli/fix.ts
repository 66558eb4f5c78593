/** `fix`: a file never leaves the machine; its digests are signed, sent, and proven fixed. One receipt a file. */
import { randomBytes } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { hex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { useNative } from '../node/native.ts'
import { localTime } from '../node/network.ts'
import { recordType } from '../records/catalogue.ts'
import { normaliseCaseNumber } from '../records/ids.ts'
import type { Verdict } from '../verify/verdict.ts'
import { digestFile } from './digest.ts'
import { type Io, makeDirectory, printJson, progress, say, writeNew } from './io.ts'
import { readSecretKey } from './key.ts'
import { MANIFEST_TYPE, manifestName, readFolder } from './manifest.ts'
import { keepHandout, Session, writeReceipt } from './session.ts'

interface Args {
  file: string[]
  case?: string
  list?: string
  set?: string[]
  key: string
  url: string
  policy?: string
  out: string
}

export async function run(args: Args, io: Io): Promise<number> {
  useNative()
  const given = readSettings(args.set ?? [])
  const type = recordType('evidence.fix')
  if (given.open.material === undefined)
    throw new LianzhengError('FIELD_MISSING', {
      field: 'material',
      expected: '--set material=electronic-data | digitised-copy | object'
    })
  // Before anything is sent: of several files either all are there or none is fixed.
  for (const path of args.file) if (!existsSync(path)) throw new LianzhengError('FILE_UNREADABLE', { at: path })
  const key = await readSecretKey(args.key, io)
  const session = await Session.open(io, args.url, key, args.policy)
  const court = given.open.court ?? courtOf(session, args.case)
  const done: {
    file: string
    evidence: string
    log: string
    index: number
    receipt?: string
    promise?: string
    overall: Verdict
  }[] = []
  for (const path of args.file) {
    const file = statSync(path).isDirectory() ? await writeManifest(path, args.out, io) : path
    const { sha256, sm3, size } = await digestFile(file, (at, of) =>
      progress(io, `计算摘要 ${basename(file)}`, `digesting ${basename(file)}`, at, of)
    )
    const name = basename(resolve(path))
    const evidence = given.open.evidence ?? `${court}-${today()}-${letters(12)}`
    const record = {
      type: type.type,
      at: localTime(new Date()),
      court,
      evidence,
      files: [
        {
          sha256: hex(sha256),
          ...(sm3 === undefined ? {} : { sm3: hex(sm3) }),
          size,
          ...(file === path ? {} : { mime: MANIFEST_TYPE })
        }
      ],
      ...(args.case === undefined ? {} : { case: normaliseCaseNumber(args.case) }),
      ...(args.list === undefined ? {} : { list: args.list }),
      ...given.open,
      sealed: { name: name.normalize('NFC'), ...given.sealed }
    }
    const sent = await session.send(record, {
      files: [{ name: file, sha256, ...(sm3 === undefined ? {} : { sm3 }) }],
      keep: (refusal, statement) => keepHandout(args.out, name, 'refusal', refusal, statement, io)
    })
    say(
      io,
      `已固定 ${path}\n  存证编号 ${evidence}\n  SHA-256  ${hex(sha256)}\n  账本     ${sent.log} 第 ${sent.index} 条`,
      `fixed ${path}\n  number   ${evidence}\n  SHA-256  ${hex(sha256)}\n  log      ${sent.log}, index ${sent.index}`
    )
    const place = { file, evidence, log: sent.log, index: sent.index }
    if (sent.promise !== undefined) {
      const promise = keepHandout(args.out, name, 'promise', sent.promise, sent.statement, io)
      done.push({ ...place, promise, overall: 'could-not-check' })
      continue
    }
    const receipt = writeReceipt(args.out, name, sent.receipt, sent.report.overall)
    done.push({ ...place, receipt, overall: sent.report.overall })
    say(io, `  回执     ${receipt}\n  ${sent.report.headline.zh}`, `  receipt  ${receipt}\n  ${sent.report.headline.en}`)
  }
  if (io.json) printJson(io, done)
  return done.every(({ overall }) => overall === 'verified') ? 0 : 2
}

/** Writes `<folder>.manifest` into `out` and says what is in it. */
async function writeManifest(folder: string, out: string, io: Io): Promise<string> {
  const { text, lines, hidden, emptyFolders } = await readFolder(folder, io, (done, of) =>
    progress(io, `读取文件夹 ${basename(folder)}`, `reading folder ${basename(folder)}`, done, of)
  )
  makeDirectory(out)
  const file = join(out, manifestName(folder))
  writeNew(file, text)
  say(io, `文件夹 ${folder}：${lines.length} 个文件，清单 ${file}`, `folder ${folder}: ${lines.length} files, manifest ${file}`)
  const list = (paths: readonly string[]) => `${paths.slice(0, LISTED).join('\n    ')}${paths.length > LISTED ? '\n    …' : ''}`
  if (hidden.length > 0)
    say(
      io,
      `  其中隐藏文件 ${hidden.length} 个：\n    ${list(hidden)}`,
      `  hidden files among them (${hidden.length}):\n    ${list(hidden)}`
    )
  if (emptyFolders.length > 0)
    say(
      io,
      `  空文件夹不入清单：\n    ${list(emptyFolders)}`,
      `  empty folders, which a manifest does not name:\n    ${list(emptyFolders)}`
    )
  return file
}

/** How many paths are shown; the manifest has them all. */
const LISTED = 20

/** Open fields that are no texts: the tool makes them. */
const NOT_TEXTS = ['files', 'refs', 'sealed']

/** `--set field=value`, sorted into open and sealed fields by the catalogue. */
function readSettings(settings: readonly string[]): { open: Record<string, string>; sealed: Record<string, string> } {
  const type = recordType('evidence.fix')
  const settable = Object.keys(type.members).filter((name) => !NOT_TEXTS.includes(name))
  const open: Record<string, string> = {}
  const sealed: Record<string, string> = {}
  for (const setting of settings) {
    const [name, ...rest] = setting.split('=')
    if (name === undefined || rest.length === 0) throw new LianzhengError('USAGE', { field: '--set', expected: 'field=value' })
    const known = Object.hasOwn(type.sealed, name) ? sealed : settable.includes(name) ? open : undefined
    if (known === undefined)
      throw new LianzhengError('FIELD_UNKNOWN', {
        field: name,
        expected: [...settable, ...Object.keys(type.sealed)].join(' | ')
      })
    known[name] = rest.join('=').normalize('NFC')
  }
  return { open, sealed }
}

/** The court: of the clerk's own staff code, or of the case number. */
function courtOf(session: Session, caseNumber: string | undefined): string {
  const staff = session.identities.find(({ staff: code }) => code !== undefined)?.staff
  const court =
    staff?.split('-')[0] ?? /^（\d{4}）(最高法|[\u4e00-\u9fff](?:\d{4}|\d{2})?)/u.exec(normaliseCaseNumber(caseNumber ?? ''))?.[1]
  if (court === undefined) throw new LianzhengError('FIELD_MISSING', { field: 'court', expected: '--set court=粤01' })
  return court
}

function today(): string {
  return localTime(new Date()).slice(0, 10).replaceAll('-', '')
}

function letters(count: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  return [...randomBytes(count)].map((byte) => alphabet[byte % 32]).join('')
}
