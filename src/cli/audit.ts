/** `audit`: everything re-read and re-derived, from a stopped node's data directory or over HTTP. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Bytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Policy } from '../core/policy.ts'
import { type AuditProgress, type AuditReport, auditStore } from '../log/audit.ts'
import { auditRemote } from '../log/audit-remote.ts'
import { disclosureCipherOf, readSeed } from '../node/keys.ts'
import { nativeVerifier, useNative } from '../node/native.ts'
import { openLevel } from '../store/level.ts'
import { type Io, printJson, progress, readPolicy, say, words } from './io.ts'
import { readSecretKey } from './key.ts'
import { connect } from './session.ts'

export async function run(
  args: { url?: string; data?: string; policy: string; key?: string; seed?: string; work?: string },
  io: Io
): Promise<number> {
  useNative()
  const policy = readPolicy(args.policy)
  if ((args.url === undefined) === (args.data === undefined)) throw new LianzhengError('USAGE', { expected: '--url or --data' })
  if (args.seed !== undefined && args.data === undefined)
    throw new LianzhengError('USAGE', { field: '--seed', expected: '--data' })
  const seed = args.seed === undefined ? undefined : readSeed(args.seed)
  const reports =
    args.data !== undefined
      ? await auditData(args.data, policy, seed, args.work, io)
      : await auditNode(args.url!, policy, args.key, args.work, io)
  if (io.json) printJson(io, reports)
  for (const report of reports) printAudit(report, io)
  return reports.every(({ findings }) => findings.length === 0) ? 0 : 1
}

/** Each log works in a folder of its own. */
function workOf(work: string | undefined, log: string): { work?: string } {
  return work === undefined ? {} : { work: join(work, log) }
}

function shown(io: Io, what: string): AuditProgress {
  return (done, of, phase) =>
    phase === 'entries'
      ? progress(io, `审计 ${what}：重读条目`, `auditing ${what}: entries`, done, of)
      : progress(io, `审计 ${what}：逐键比对`, `auditing ${what}: keys   `, done, of)
}

/** A log's own directory, or a node's with one folder a log. */
async function auditData(
  directory: string,
  policy: Policy,
  seed: Bytes | undefined,
  work: string | undefined,
  io: Io
): Promise<AuditReport[]> {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new LianzhengError('FILE_UNREADABLE', { at: directory, expected: words(io, '目录', 'a directory') })
  const directories = existsSync(join(directory, 'CURRENT'))
    ? [directory]
    : readdirSync(directory)
        .filter((name) => !name.startsWith('.')) // What a node signs for others is no log; a copy is audited by its own directory.
        .map((name) => join(directory, name))
        .filter((path) => existsSync(join(path, 'CURRENT')))
  if (directories.length === 0)
    throw new LianzhengError('STORE_UNREADABLE', {
      at: directory,
      expected: words(io, '账本的数据目录', 'the data directory of a log or a node')
    })
  const reports: AuditReport[] = []
  for (const path of directories) {
    const store = await openLevel(path, { mustExist: true })
    try {
      reports.push(
        await auditStore(store, {
          verifier: nativeVerifier,
          policy,
          ...(seed === undefined ? {} : { cipherOf: (origin) => disclosureCipherOf(seed, origin) }),
          ...workOf(work, basename(resolve(path))),
          onProgress: shown(io, path)
        })
      )
    } finally {
      await store.close()
    }
  }
  return reports
}

async function auditNode(
  url: string,
  policy: Policy,
  keyFile: string | undefined,
  work: string | undefined,
  io: Io
): Promise<AuditReport[]> {
  const key = keyFile === undefined ? undefined : await readSecretKey(keyFile, io)
  const client = connect(io, url, { key, policy })
  const reports: AuditReport[] = []
  const logs = await client.logs()
  // Nothing audited is not everything verified.
  if (logs.length === 0) throw new LianzhengError('ANSWER_INVALID', { field: 'logs', expected: 'at least one log' })
  for (const log of logs)
    reports.push(
      await auditRemote({
        origin: log.origin,
        verifier: nativeVerifier,
        policy,
        get: (path) => client.bytes(`/logs/${log.name}/${path}`),
        ...workOf(work, log.name),
        onProgress: shown(io, log.origin)
      })
    )
  return reports
}

function printAudit(report: AuditReport, io: Io): void {
  const { origin, size, records, seals, trails, disclosures, unopened, resumed, findings } = report
  say(
    io,
    `账本 ${origin}：${size} 条（记录 ${records}，封印 ${seals}，轨迹 ${trails}，${disclosures === undefined ? '披露未查' : `披露 ${disclosures}`}）${findings.length === 0 ? '，全部一致' : `，${findings.length} 处不符：`}`,
    `log ${origin}: ${size} entries (${records} records, ${seals} seals, ${trails} trails, ${disclosures === undefined ? 'disclosures not looked at' : `${disclosures} disclosures`})${findings.length === 0 ? ', all agree' : `, ${findings.length} findings:`}`
  )
  if (resumed > 0)
    say(
      io,
      `  前 ${resumed} 条在上一次审计中已推算，本次从其后继续`,
      `  the first ${resumed} entries had been derived by an earlier run; this one went on from there`
    )
  if (unopened > 0)
    say(
      io,
      `  ${unopened} 条记录的披露在磁盘上加密，未打开；要一并核对请加 --seed`,
      `  the disclosures of ${unopened} records are sealed on disk and were not opened; add --seed to check them too`
    )
  for (const { what, code, zh, en } of findings) say(io, `  ✗ ${what}  ${code}  ${zh}`, `  ✗ ${what}  ${code}  ${en}`)
}
