/** `registry`: administrators' work. A change goes to every log of the node, or to the one named; what awaits others is said with how they agree. */
import type { RegistryInfo } from '../client/client.ts'
import { base64url, fromBase64url } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { keyId } from '../core/keys.ts'
import { parseVkey } from '../core/note.ts'
import { parsePolicy } from '../core/policy.ts'
import { useNative } from '../node/native.ts'
import { localTime, typedTime } from '../node/network.ts'
import { CATALOGUE_VERSION, catalogueDigest } from '../records/catalogue.ts'
import { type Io, printJson, readExact, say, words } from './io.ts'
import { readKey, readSecretKey } from './key.ts'
import { Session } from './session.ts'

interface Common {
  key: string
  url: string
  policy?: string
  log?: string
}
type Record = { [name: string]: unknown; type: string }
/** What to say in a log; undefined where there is nothing to say there. */
type Say = (registry: () => Promise<RegistryInfo>) => Promise<Record | undefined>
/** The same in every log, whatever stands there. */
const always =
  (record: Record): Say =>
  async () =>
    record

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
  const record = {
    type: 'registry.key',
    key: base64url(publicKey),
    org: args.org,
    roles: args.role,
    ...(args.staff === undefined ? {} : { staff: args.staff }),
    ...(args.notBefore === undefined ? {} : { notBefore: seconds('--not-before', args.notBefore) }),
    ...(args.notAfter === undefined ? {} : { notAfter: seconds('--not-after', args.notAfter) }),
    ...(args.holder === undefined ? {} : { sealed: { holder: args.holder } })
  }
  return send(always(record), args, kid, io)
}

export async function runRevoke(
  args: Common & { kid: string; reason: string; compromisedSince?: string },
  io: Io
): Promise<number> {
  const since =
    args.compromisedSince === undefined ? {} : { compromisedSince: seconds('--compromised-since', args.compromisedSince) }
  return send(always({ type: 'registry.revoke', kid: args.kid, reason: args.reason, ...since }), args, args.kid, io)
}

/** Agrees to a change in the log where it waits. `--kid`: the key that the caller believes it is about. */
export async function runApprove(args: Common & { leaf: string; kid?: string }, io: Io): Promise<number> {
  const agree: Say = async (registry) => {
    const { origin, pending } = await registry()
    const change = pending.find(({ leaf }) => leaf === args.leaf)
    // In the log that was named the node itself says what is wrong with it.
    if (change === undefined && args.log === undefined) return undefined
    const kid = args.kid ?? (change?.type === 'registry.key' ? kidOf(change.body.key as string) : undefined)
    return {
      type: 'registry.approve',
      refs: [{ rel: 'approves', log: origin, leaf: args.leaf }],
      ...(kid === undefined ? {} : { kid })
    }
  }
  const none = new LianzhengError('REGISTRY_TARGET', { field: 'leaf', expected: '`lianzheng registry list`' })
  return send(agree, args, args.leaf, io, none)
}

/** The next generation of the node's own keys, as the node gives their public halves. */
export async function runNode(args: Common & { only?: string[] }, io: Io): Promise<number> {
  const change: Say = async (registry) => {
    const { next } = await registry()
    const unknown = args.only?.find((purpose) => !Object.hasOwn(next.keys, purpose))
    if (unknown !== undefined)
      throw new LianzhengError('USAGE', { field: '--only', expected: Object.keys(next.keys).join(' | ') })
    const keys = Object.entries(next.keys).filter(([purpose]) => args.only?.includes(purpose) ?? true)
    return { type: 'registry.node', generation: next.generation, keys: Object.fromEntries(keys) }
  }
  const status = await send(change, args, words(io, '节点密钥', 'node keys'), io)
  if (args.only === undefined || args.only.includes('log'))
    say(
      io,
      '链头将由新密钥签署：请把新的 vkey（lianzheng registry list）加入各方的策略文件，以及各见证、镜像节点 watch 的 vkeys，否则不予联署。旧策略对新链头的结论是“暂时无法核验”',
      'Heads will be signed by the new key: add its vkey (`lianzheng registry list`) to everybody’s policy, and to the vkeys under `watch` of every witness and mirror, which cosign nothing without it. Under old policies new heads read "could not check"'
    )
  return status
}

export async function runCatalogue(args: Common, io: Io): Promise<number> {
  const upgrade: Say = async (registry) => {
    if ((await registry()).catalogue.inForce >= CATALOGUE_VERSION) return undefined
    return { type: 'registry.catalogue', catalogue: CATALOGUE_VERSION, catalogueDigest: base64url(catalogueDigest()) }
  }
  return send(upgrade, args, words(io, `目录 ${CATALOGUE_VERSION}`, `catalogue ${CATALOGUE_VERSION}`), io)
}

export async function runPolicy(args: Common & { file: string }, io: Io): Promise<number> {
  const policy = readExact(args.file)
  parsePolicy(policy)
  return send(always({ type: 'registry.policy', policy }), args, args.file, io)
}

export async function runMemberAdd(
  args: Common & { name: string; org: string; role: string; vkey: string; vkeyMldsa44?: string },
  io: Io
): Promise<number> {
  const { name, org, role, vkey } = args
  parseVkey(vkey)
  const second = args.vkeyMldsa44 === undefined ? {} : { 'vkey-mldsa44': args.vkeyMldsa44 }
  const member = { name, org, role, vkey, ...second }
  return send(always({ type: 'registry.member', action: 'add', member }), args, name, io)
}

export async function runMemberRemove(args: Common & { name: string }, io: Io): Promise<number> {
  const gone: Say = async (registry) => {
    const member = (await registry()).members.find(({ name }) => name === args.name)
    return member === undefined ? undefined : { type: 'registry.member', action: 'remove', member }
  }
  const none = new LianzhengError('REGISTRY_TARGET', { field: 'name', expected: '`lianzheng registry list`' })
  return send(gone, args, args.name, io, none)
}

export async function runList(args: Common, io: Io): Promise<number> {
  useNative()
  const { session, logs } = await opened(args, io)
  const all: (RegistryInfo & { log: string })[] = []
  for (const { log } of logs) all.push({ log, ...(await session.client.registry(log)) })
  if (io.json) printJson(io, all)
  else for (const registry of all) print(registry, io)
  return 0
}

function print(
  { log, origin, operator, control, catalogue, node, members, pending, keys }: RegistryInfo & { log: string },
  io: Io
): void {
  const newer =
    catalogue.inForce < catalogue.known ? words(io, `（可升级到 ${catalogue.known}）`, ` (${catalogue.known} is known)`) : ''
  say(
    io,
    `账本 ${log}（${origin}）：运行机构 ${operator}，变更须 ${control} 家机构同意，目录 ${catalogue.inForce}${newer}，节点密钥第 ${node.generation} 代\n  vkey ${node.keys.log}`,
    `log ${log} (${origin}): run by ${operator}, ${control} must agree to changes, catalogue ${catalogue.inForce}${newer}, node keys generation ${node.generation}\n  vkey ${node.keys.log}`
  )
  for (const { name, org, role } of members) say(io, `  成员 ${name}  ${org}  ${role}`, `  member ${name}  ${org}  ${role}`)
  for (const { leaf, type, orgs } of pending)
    say(
      io,
      `  待同意 ${type}  ${leaf}  已同意：${orgs.join('、')}（${orgs.length}/${control}）`,
      `  pending ${type}  ${leaf}  agreed: ${orgs.join(', ')} (${orgs.length}/${control})`
    )
  for (const { kid, org, staff, roles, activeFrom, revoked } of keys) {
    const state =
      revoked !== undefined
        ? words(io, '已吊销', 'revoked')
        : activeFrom === undefined
          ? words(io, '待同意', 'pending')
          : words(io, '有效', 'active')
    say(
      io,
      `  密钥 ${kid}  ${org}  ${staff ?? '–'}  ${roles.join(',')}  ${state}`,
      `  key ${kid}  ${org}  ${staff ?? '–'}  ${roles.join(',')}  ${state}`
    )
  }
}

async function opened(args: Common, io: Io) {
  const session = await Session.open(io, args.url, await readSecretKey(args.key, io), args.policy)
  const logs = session.identities.filter(({ log }) => args.log === undefined || log === args.log)
  if (logs.length === 0)
    throw new LianzhengError('LOG_UNKNOWN', { expected: session.identities.map(({ log }) => log).join(' | ') })
  return { session, logs }
}

/** Says it in every log that it is for. `nowhere`: thrown where it is for none; without it that is nothing to do. */
async function send(record: Say, args: Common, what: string, io: Io, nowhere?: LianzhengError): Promise<number> {
  useNative()
  const { session, logs } = await opened(args, io)
  const done: { log: string; index: number; leaf: string; awaits: number }[] = []
  for (const { log } of logs) {
    const said = await record(() => session.client.registry(log))
    if (said === undefined) continue
    const { index, leaf } = await session.send({ ...said, at: localTime(new Date()) }, { log })
    const { pending, control } = await session.client.registry(log)
    const waiting = pending.find((change) => change.leaf === leaf)
    const awaits = waiting === undefined ? 0 : control - waiting.orgs.length
    done.push({ log, index, leaf, awaits })
    say(io, `${said.type} ${what}：账本 ${log} 第 ${index} 条`, `${said.type} ${what}: log ${log}, index ${index}`)
    if (awaits > 0)
      say(
        io,
        `  还须 ${awaits} 家机构同意：lianzheng registry approve ${leaf}`,
        `  ${awaits} more must agree: lianzheng registry approve ${leaf}`
      )
  }
  if (done.length === 0 && nowhere !== undefined) throw nowhere
  if (done.length === 0) say(io, '无须变更', 'nothing to change')
  if (io.json) printJson(io, done)
  return 0
}

function kidOf(key: string): string {
  return base64url(keyId(fromBase64url(key, 32)))
}

function seconds(option: string, text: string): number {
  const date = typedTime(text)
  if (date === undefined)
    throw new LianzhengError('USAGE', { field: option, expected: 'ISO 8601, e.g. 2026-12-31T00:00:00+08:00' })
  return Math.floor(date.getTime() / 1000)
}
