/** A network in a directory: seeds, configurations, policies, genesis, an administrator of each institution and the demo users (api.md). */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatKey } from '../client/keyfile.ts'
import { type Bytes, base64url, hex, utf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import { ed25519Signer, type Signer } from '../core/keys.ts'
import { formatVkey } from '../core/note.ts'
import type { LogKeys } from '../log/head.ts'
import type { CosignerKeys } from '../peer/cosigner.ts'
import { CATALOGUE_VERSION, catalogueDigest, publishedCatalogue } from '../records/catalogue.ts'
import { draft } from '../records/draft.ts'
import { keysOfCosigner, keysOfLog, readsSigner } from './keys.ts'
import { useNative } from './native.ts'
import { policyOfLog, policyOfNetwork } from './network-policy.ts'

export const NODES = ['court', 'discipline', 'procuratorate', 'notary'] as const
export type NodeName = (typeof NODES)[number]

/** The roles that the administrator of each institution may give. */
const INSTITUTIONS: Readonly<Record<NodeName, readonly string[]>> = {
  court: [
    'clerk',
    'judge',
    'leader',
    'secretary',
    'trial-office',
    'personnel',
    'system',
    'lawyer',
    'party',
    'firm',
    'administrator'
  ],
  discipline: ['discipline', 'auditor', 'administrator'],
  procuratorate: ['procuratorate', 'administrator'],
  notary: ['auditor', 'administrator']
}

/** One log for each class of confidentiality an institution writes. */
const LOGS: Readonly<Record<NodeName, readonly { name: string; class: string; title: string }[]>> = {
  court: [
    { name: 'evidence', class: 'party', title: '证据账本' },
    { name: 'supervision', class: 'internal', title: '监督账本' },
    { name: 'personnel', class: 'personnel', title: '人事账本' },
    { name: 'public', class: 'public', title: '公开账本' }
  ],
  discipline: [
    { name: 'lead', class: 'lead', title: '线索账本' },
    { name: 'public', class: 'public', title: '公开账本' }
  ],
  procuratorate: [
    { name: 'commutation', class: 'commutation', title: '减刑假释账本' },
    { name: 'public', class: 'public', title: '公开账本' }
  ],
  notary: []
}

/** Who keeps copies of a class (records.md); every other node witnesses. */
const MIRRORS: Readonly<Record<string, readonly NodeName[]>> = {
  party: ['discipline', 'notary'],
  internal: ['discipline'],
  personnel: ['discipline'],
  public: ['discipline', 'procuratorate', 'notary'],
  lead: [],
  commutation: ['court', 'procuratorate']
}

const DEMO_USERS: readonly { name: string; institution: NodeName; staff?: string; roles: string[] }[] = [
  { name: 'clerk', institution: 'court', staff: '粤01-R0101', roles: ['clerk'] },
  { name: 'judge', institution: 'court', staff: '粤01-R0201', roles: ['judge'] },
  { name: 'president', institution: 'court', staff: '粤01-R0001', roles: ['leader'] },
  { name: 'personnel', institution: 'court', staff: '粤01-R0301', roles: ['personnel'] },
  { name: 'system', institution: 'court', roles: ['system'] },
  { name: 'inspector', institution: 'discipline', staff: '粤01-R9001', roles: ['discipline'] },
  { name: 'prosecutor', institution: 'procuratorate', staff: '粤01-R8001', roles: ['procuratorate'] },
  { name: 'lawyer', institution: 'court', roles: ['lawyer'] }
]

export interface NetworkNode {
  node: NodeName
  /** `<node>.example`. */
  name: string
  url: string
  port: number
  seed: Bytes
  /** Absent in a network of one node, which cosigns nothing. */
  witness?: CosignerKeys
  mirror?: CosignerKeys
}

export interface NetworkLog {
  operator: NetworkNode
  name: string
  class: string
  title: string
  url: string
  keys: LogKeys
  mirrors: NetworkNode[]
  witnesses: NetworkNode[]
}

interface Person {
  signer: Signer
  org: string
}

/** Classes of logs that take the records of restricted reads (records.md, `access.read`). */
const READS: readonly string[] = ['internal', 'lead']

const random = (length: number): Bytes => new Uint8Array(randomBytes(length))
const orgOf = (institution: string): string => `gz-${institution}`

/** Writes the network into an empty directory. Its nodes listen on consecutive ports of 127.0.0.1, in the order given. */
export async function makeNetwork(directory: string, port: number, names: readonly NodeName[] = ['court']): Promise<void> {
  useNative()
  const nodes = names.map((node, i) => makeNode(node, port + i, names.length > 1))
  const logs = nodes.flatMap((operator) => LOGS[operator.node].map((log) => makeLog(log, operator, nodes)))
  const write = (path: string, content: string | Bytes) => writeFileSync(join(directory, path), content, { mode: 0o600 })
  for (const folder of ['seeds', 'keys', 'policies', 'data', 'genesis', ...(names.length > 1 ? ['vkeys'] : [])])
    mkdirSync(join(directory, folder), { recursive: true, mode: 0o700 })

  const policy = policyOfNetwork(nodes, logs, 'ed25519')
  write('policy.txt', policy)
  write('policy-pq.txt', policyOfNetwork(nodes, logs, 'mldsa'))
  for (const log of logs) write(`policies/${log.operator.node}-${log.name}.txt`, policyOfLog(nodes, log))
  write('catalogue.json', publishedCatalogue())
  const people = new Map<string, Person>()
  for (const { name, institution } of [...NODES.map((node) => ({ name: `admin-${node}`, institution: node })), ...DEMO_USERS]) {
    const secret = random(32)
    people.set(name, { signer: ed25519Signer(secret), org: orgOf(institution) })
    write(`keys/${name}.key.json`, await formatKey(secret))
  }
  for (const node of nodes) {
    write(`seeds/${node.node}.seed`, `${hex(node.seed)}\n`)
    mkdirSync(join(directory, 'genesis', node.node), { recursive: true, mode: 0o700 })
    if (node.witness !== undefined)
      write(`vkeys/${node.node}.txt`, lines([...node.witness.vkeys, ...node.mirror!.vkeys].map(formatVkey)))
    write(`${node.node}.yaml`, configText(node, nodes, logs))
  }
  for (const log of logs) {
    if (nodes.length > 1)
      write(`vkeys/${log.operator.node}-${log.name}.txt`, lines([log.keys.log.vkey, log.keys.mldsa.vkey].map(formatVkey)))
    writeGenesis(join(directory, 'genesis', log.operator.node, log.name), log, policy, people)
  }
}

function makeNode(node: NodeName, port: number, cosigns: boolean): NetworkNode {
  const seed = random(32)
  const name = `${node}.example`
  return {
    node,
    name,
    url: `http://127.0.0.1:${port}`,
    port,
    seed,
    ...(cosigns ? { witness: keysOfCosigner(seed, name, 'witness'), mirror: keysOfCosigner(seed, name, 'mirror') } : {})
  }
}

function makeLog(log: (typeof LOGS)[NodeName][number], operator: NetworkNode, nodes: readonly NetworkNode[]): NetworkLog {
  const others = nodes.filter((node) => node !== operator)
  const isMirror = ({ node }: NetworkNode) => MIRRORS[log.class]!.includes(node)
  return {
    ...log,
    operator,
    url: `${operator.url}/logs/${log.name}`,
    keys: keysOfLog(operator.seed, `${operator.name}/${log.name}`),
    mirrors: others.filter(isMirror),
    witnesses: others.filter((node) => !isMirror(node))
  }
}

const lines = (texts: readonly string[]): string => `${texts.join('\n')}\n`

/**
 * Genesis signed by the operator's administrator, then the demo users' registrations, each signed by the administrator of their institution. In the
 * court's logs every institution has its administrator and its users; the others keep theirs to themselves. In the log that takes the records of
 * restricted reads, the node's own key for them comes last.
 */
function writeGenesis(directory: string, log: NetworkLog, policy: string, people: ReadonlyMap<string, Person>): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const at = localTime(new Date())
  const iat = Math.floor(Date.now() / 1000)
  const { keys, operator } = log
  const institutions = operator.node === 'court' ? NODES : [operator.node]
  const write = (name: string, record: { [name: string]: unknown }, by: string) => {
    const author = { ...people.get(by)!, roles: ['administrator'] }
    const { statement } = draft(record, { aud: keys.origin, author, iat, random })
    writeFileSync(join(directory, `${name}.cose`), statement)
  }
  write(
    '00-genesis',
    {
      type: 'ledger.genesis',
      at,
      origin: keys.origin,
      name: log.title,
      operator: orgOf(operator.node),
      catalogue: CATALOGUE_VERSION,
      catalogueDigest: base64url(catalogueDigest()),
      keys: {
        log: formatVkey(keys.log.vkey),
        'log-mldsa44': base64url(sha256(utf8(formatVkey(keys.mldsa.vkey)))),
        statement: base64url(keys.statement.publicKey),
        receipt: base64url(keys.receipt.publicKey),
        promise: base64url(keys.promise.publicKey)
      },
      members: [
        ...log.mirrors.map((node) => memberOf(node, 'mirror')),
        ...log.witnesses.map((node) => memberOf(node, 'witness'))
      ],
      policy,
      administrators: institutions.map((institution) => ({
        key: base64url(people.get(`admin-${institution}`)!.signer.publicKey),
        org: orgOf(institution),
        roles: [...INSTITUTIONS[institution], ...(log.class === 'lead' ? ['system'] : [])]
      })),
      control: 1
    },
    `admin-${operator.node}`
  )
  const users = DEMO_USERS.filter(({ institution }) => (institutions as readonly string[]).includes(institution))
  for (const [i, { name, institution, staff, roles }] of users.entries()) {
    const { signer, org } = people.get(name)!
    const record = {
      type: 'registry.key',
      at,
      key: base64url(signer.publicKey),
      org,
      roles,
      ...(staff === undefined ? {} : { staff })
    }
    write(`${String(i + 1).padStart(2, '0')}-${name}`, record, `admin-${institution}`)
  }
  if (!READS.includes(log.class)) return
  const key = base64url(readsSigner(operator.seed, operator.name).publicKey)
  const record = { type: 'registry.key', at, key, org: orgOf(operator.node), roles: ['system'] }
  write(`${String(users.length + 1).padStart(2, '0')}-node`, record, `admin-${operator.node}`)
}

function memberOf(node: NetworkNode, role: 'witness' | 'mirror') {
  const [vkey, second] = node[role]!.vkeys
  return {
    name: node.name,
    org: orgOf(node.node),
    role,
    vkey: formatVkey(vkey),
    'vkey-mldsa44': base64url(sha256(utf8(formatVkey(second))))
  }
}

/** A time as records carry it (formats.md §4), in the one zone of China: where a server believes itself to stand means nothing to a reader. */
export function localTime(date: Date): string {
  return `${new Date(date.getTime() + 8 * 3_600_000).toISOString().slice(0, 19)}${CHINA}`
}

/** A time that somebody typed; where no zone stands with it, that of China. Undefined for what is none. */
export function typedTime(text: string): Date | undefined {
  const [, day, time = '00:00', zone = CHINA] = TYPED.exec(text) ?? []
  // JavaScript takes the 30th of February for the 2nd of March.
  if (day === undefined || new Date(Date.parse(day) || 0).toISOString().slice(0, 10) !== day) return undefined
  const date = new Date(`${day}T${time}${zone}`)
  return Number.isNaN(date.getTime()) ? undefined : date
}

const TYPED = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/
const CHINA = '+08:00'

function configText(own: NetworkNode, nodes: readonly NetworkNode[], logs: readonly NetworkLog[]): string {
  const list = (title: string, items: readonly string[]) =>
    items.length === 0 ? `${title}: []` : lines([`${title}:`, ...items]).trimEnd()
  const names = (role: string, peers: readonly NetworkNode[]) =>
    peers.length === 0 ? '' : `, ${role}: [${peers.map(({ name }) => name).join(', ')}]`
  const ownLogs = logs.filter(({ operator }) => operator === own)
  const others = nodes.filter((node) => node !== own)
  const watched = logs.filter(({ operator }) => operator !== own)
  const roleIn = ({ mirrors }: NetworkLog) => (mirrors.includes(own) ? 'mirror' : 'witness')
  return `${[
    '# 节点配置 · node configuration. Paths are relative to this file.',
    `name: ${own.name}`,
    `listen: 127.0.0.1:${own.port}`,
    `publicUrl: ${own.url}`,
    `dataDir: data/${own.node}`,
    `seedFile: seeds/${own.node}.seed`,
    `genesisDir: genesis/${own.node}`,
    'policy: policy.txt',
    list(
      'logs',
      ownLogs.map(
        ({ name, class: held, mirrors, witnesses }) =>
          `  - { name: ${name}, class: ${held}${names('mirrors', mirrors)}${names('witnesses', witnesses)} }`
      )
    ),
    ...(others.length === 0
      ? []
      : [
          list(
            'peers',
            others.map(({ name, url, node }) => `  - { name: ${name}, url: ${url}, vkeys: vkeys/${node}.txt }`)
          ),
          list(
            'watch',
            watched.map(
              (log) =>
                `  - { origin: ${log.keys.origin}, vkeys: vkeys/${log.operator.node}-${log.name}.txt, role: ${roleIn(log)}, class: ${log.class} }`
            )
          )
        ]),
    'batch: { intervalMs: 200, maxRecords: 1000 }'
  ].join('\n')}\n`
}
