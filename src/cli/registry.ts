/** `registry`: administrators' work. A key is registered in every log of the node, or in the one named. */
import { LianzhengError } from '../core/errors.ts'
import { useNative } from '../node/native.ts'
import { localTime } from '../node/network.ts'
import { type Io, printJson, say } from './io.ts'
import { readKey, readSecretKey } from './key.ts'
import { Session } from './session.ts'

interface Common {
  key: string
  url: string
  policy?: string
  log?: string
}

export async function runAdd(
  args: Common & {
    keyfile: string
    org: string
    staff?: string
    role: string[]
    holder?: string
    notBefore?: string
    notAfter?: string
  },
  io: Io
): Promise<number> {
  const { kid, publicKey } = await readKey(args.keyfile, io)
  const key = Buffer.from(publicKey).toString('base64url')
  const record = {
    type: 'registry.key',
    key,
    org: args.org,
    roles: args.role,
    ...(args.staff === undefined ? {} : { staff: args.staff }),
    ...(args.notBefore === undefined ? {} : { notBefore: seconds('--not-before', args.notBefore) }),
    ...(args.notAfter === undefined ? {} : { notAfter: seconds('--not-after', args.notAfter) }),
    ...(args.holder === undefined ? {} : { sealed: { holder: args.holder } })
  }
  return send(record, args, kid, io)
}

export async function runRevoke(
  args: Common & { kid: string; reason: string; compromisedSince?: string },
  io: Io
): Promise<number> {
  const since =
    args.compromisedSince === undefined ? {} : { compromisedSince: seconds('--compromised-since', args.compromisedSince) }
  return send({ type: 'registry.revoke', kid: args.kid, reason: args.reason, ...since }, args, args.kid, io)
}

export async function runApprove(args: Common & { leaf: string; kid?: string }, io: Io): Promise<number> {
  if (args.log === undefined) throw new LianzhengError('USAGE', { field: '--log', expected: 'the log the change stands in' })
  return send(
    {
      type: 'registry.approve',
      refs: [{ rel: 'approves', log: args.log, leaf: args.leaf }],
      ...(args.kid === undefined ? {} : { kid: args.kid })
    },
    args,
    args.leaf,
    io
  )
}

async function send(record: { [name: string]: unknown; type: string }, args: Common, what: string, io: Io): Promise<number> {
  useNative()
  const session = await Session.open(io, args.url, await readSecretKey(args.key, io), args.policy)
  const logs = session.identities.filter(({ log }) => args.log === undefined || log === args.log)
  if (logs.length === 0)
    throw new LianzhengError('LOG_UNKNOWN', { expected: session.identities.map(({ log }) => log).join(' | ') })
  const done: { log: string; index: number; leaf: string }[] = []
  for (const { log, origin } of logs) {
    const refs =
      record.refs === undefined ? {} : { refs: (record.refs as { log: string }[]).map((ref) => ({ ...ref, log: origin })) }
    const { index, leaf } = await session.send({ ...record, ...refs, at: localTime(new Date()) }, { log })
    done.push({ log, index, leaf })
    say(io, `${record.type} ${what}：账本 ${log} 第 ${index} 条`, `${record.type} ${what}: log ${log}, index ${index}`)
  }
  if (io.json) printJson(io, done)
  return 0
}

function seconds(option: string, text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time))
    throw new LianzhengError('USAGE', { field: option, expected: 'ISO 8601, e.g. 2026-12-31T00:00:00+08:00' })
  return Math.floor(time / 1000)
}
