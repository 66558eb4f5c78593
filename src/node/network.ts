/** A network of one node: seeds, configuration, policies, genesis, an administrator of each institution and the demo users (api.md). */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatKey } from '../client/keyfile.ts'
import { type Bytes, base64url, hex, utf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import { ed25519Signer, type Signer } from '../core/keys.ts'
import { formatVkey } from '../core/note.ts'
import type { LogKeys } from '../log/head.ts'
import { CATALOGUE_VERSION, catalogueDigest, publishedCatalogue } from '../records/catalogue.ts'
import { draft } from '../records/draft.ts'
import { keysOfLog } from './keys.ts'
import { useNative } from './native.ts'

const INSTITUTIONS: Readonly<Record<string, readonly string[]>> = {
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

const LOGS = [
  { name: 'evidence', class: 'party', title: '证据账本' },
  { name: 'supervision', class: 'internal', title: '监督账本' },
  { name: 'personnel', class: 'personnel', title: '人事账本' },
  { name: 'public', class: 'public', title: '公开账本' }
] as const

const DEMO_USERS: readonly { name: string; institution: string; staff?: string; roles: string[] }[] = [
  { name: 'clerk', institution: 'court', staff: '粤01-R0101', roles: ['clerk'] },
  { name: 'judge', institution: 'court', staff: '粤01-R0201', roles: ['judge'] },
  { name: 'president', institution: 'court', staff: '粤01-R0001', roles: ['leader'] },
  { name: 'personnel', institution: 'court', staff: '粤01-R0301', roles: ['personnel'] },
  { name: 'system', institution: 'court', roles: ['system'] },
  { name: 'inspector', institution: 'discipline', staff: '粤01-R9001', roles: ['discipline'] },
  { name: 'prosecutor', institution: 'procuratorate', staff: '粤01-R8001', roles: ['procuratorate'] },
  { name: 'lawyer', institution: 'court', roles: ['lawyer'] }
]

const NODE = 'court'
const random = (length: number): Bytes => new Uint8Array(randomBytes(length))
const orgOf = (institution: string): string => `gz-${institution}`

interface Person {
  signer: Signer
  org: string
}

/** Writes the network into an empty directory. Its one node listens on 127.0.0.1. */
export async function makeNetwork(directory: string, port: number): Promise<void> {
  useNative()
  const url = `http://127.0.0.1:${port}`
  const nodeName = `${NODE}.example`
  const seed = random(32)
  for (const folder of ['seeds', 'keys', 'policies', 'data', `genesis/${NODE}`])
    mkdirSync(join(directory, folder), { recursive: true, mode: 0o700 })
  writeFileSync(join(directory, 'seeds', `${NODE}.seed`), `${hex(seed)}\n`, { mode: 0o600 })

  const logs = LOGS.map((log) => ({ ...log, keys: keysOfLog(seed, `${nodeName}/${log.name}`) }))
  const policy = policyText(
    logs.map(({ keys, class: name, name: log }) => ({
      vkey: formatVkey(keys.log.vkey),
      origin: keys.origin,
      class: name,
      url: `${url}/logs/${log}`
    }))
  )
  writeFileSync(join(directory, 'policy.txt'), policy)
  writeFileSync(
    join(directory, 'policy-pq.txt'),
    policyText(
      logs.map(({ keys, class: name, name: log }) => ({
        vkey: formatVkey(keys.mldsa.vkey),
        origin: keys.origin,
        class: name,
        url: `${url}/logs/${log}`
      }))
    )
  )
  for (const { keys, class: name, name: log } of logs)
    writeFileSync(
      join(directory, 'policies', `${NODE}-${log}.txt`),
      policyText([{ vkey: formatVkey(keys.log.vkey), origin: keys.origin, class: name, url: `${url}/logs/${log}` }])
    )
  writeFileSync(join(directory, 'catalogue.json'), publishedCatalogue())

  const people = new Map<string, Person>()
  const names = [
    ...Object.keys(INSTITUTIONS).map((institution) => ({ name: `admin-${institution}`, institution })),
    ...DEMO_USERS
  ]
  for (const { name, institution } of names) {
    const secret = random(32)
    people.set(name, { signer: ed25519Signer(secret), org: orgOf(institution) })
    writeFileSync(join(directory, 'keys', `${name}.key.json`), await formatKey(secret), { mode: 0o600 })
  }
  for (const log of logs) writeGenesis(join(directory, 'genesis', NODE, log.name), log.keys, log.title, policy, people)
  writeFileSync(join(directory, `${NODE}.yaml`), configText(nodeName, port, url))
}

function policyText(logs: readonly { vkey: string; origin: string; class: string; url: string }[]): string {
  const lines = logs.map(({ vkey, url }) => `log ${vkey} ${url}`)
  const rests = logs.map((log) => `# lianzheng ${log.origin} ${log.class} 0`)
  return `${[...lines, 'quorum none', ...rests].join('\n')}\n`
}

/** Genesis signed by the court's administrator, then each demo user's registration signed by the administrator of their institution. */
function writeGenesis(
  directory: string,
  keys: LogKeys,
  title: string,
  policy: string,
  people: ReadonlyMap<string, Person>
): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const at = localTime(new Date())
  const iat = Math.floor(Date.now() / 1000)
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
      name: title,
      operator: orgOf(NODE),
      catalogue: CATALOGUE_VERSION,
      catalogueDigest: base64url(catalogueDigest()),
      keys: {
        log: formatVkey(keys.log.vkey),
        'log-mldsa44': base64url(sha256(utf8(formatVkey(keys.mldsa.vkey)))),
        statement: base64url(keys.statement.publicKey),
        receipt: base64url(keys.receipt.publicKey),
        promise: base64url(keys.promise.publicKey)
      },
      members: [],
      policy,
      administrators: Object.entries(INSTITUTIONS).map(([institution, roles]) => ({
        key: base64url(people.get(`admin-${institution}`)!.signer.publicKey),
        org: orgOf(institution),
        roles: [...roles]
      })),
      control: 1
    },
    `admin-${NODE}`
  )
  for (const [i, { name, institution, staff, roles }] of DEMO_USERS.entries()) {
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
}

/** `YYYY-MM-DDTHH:MM:SS±HH:MM` where the machine stands. */
export function localTime(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const shifted = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, 19)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `${shifted}${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`
}

function configText(nodeName: string, port: number, url: string): string {
  const logs = LOGS.map(({ name, class: held }) => `  - { name: ${name}, class: ${held} }`).join('\n')
  return `# 节点配置 · node configuration. Paths are relative to this file.
name: ${nodeName}
listen: 127.0.0.1:${port}
publicUrl: ${url}
dataDir: data/${NODE}
seedFile: seeds/${NODE}.seed
genesisDir: genesis/${NODE}
policy: policy.txt
logs:
${logs}
batch: { intervalMs: 200, maxRecords: 1000 }
`
}
