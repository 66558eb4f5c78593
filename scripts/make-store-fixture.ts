/**
 * Writes a small store of a fixed content, for the tests of later versions: data written by a released version opens for ever.
 *
 *   npx tsx scripts/make-store-fixture.ts test/fixtures/stores/v1
 *
 * Run once for a version, when its formats are final. What is in the store is a function of the seed; see `test/helpers/store-fixture.ts` for
 * the files. A directory that is there is never written again.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { base64url } from '../src/core/bytes.ts'
import { leafHash } from '../src/core/hash.ts'
import { keyId } from '../src/core/keys.ts'
import { parsePolicy } from '../src/core/policy.ts'
import { auditStore } from '../src/log/audit.ts'
import { namedKeys } from '../src/log/head.ts'
import { plainVerifier } from '../src/node/native.ts'
import type { Draft } from '../src/records/draft.ts'
import { openLevel } from '../src/store/level.ts'
import { Lab, START, USERS, type User, user } from '../test/helpers/lab.ts'
import {
  registration,
  registryChange,
  revocation,
  type TypedRecord,
  variant,
  WRITTEN_TYPES,
  type Written
} from '../test/helpers/records.ts'
import { certificateText, describeStore, receiptText, type StoreDescription } from '../test/helpers/store-fixture.ts'

const AT = '2020-08-26T09:05:00+08:00'
const RECORDS = 330
const PROCURATOR = user('procurator', ['administrator'], undefined, 'gz-procuratorate')
const LEAVER = user('leaver', ['clerk'], '粤01-R0901')
const TEMPORARY = user('temporary', ['clerk'], '粤01-R0902')

const kidOf = ({ signer }: User): string => base64url(keyId(signer.publicKey))

/** Two institutions must agree to changes of the registry, so every registration comes with an approval. */
async function fill(lab: Lab): Promise<void> {
  // Sent within one turn and checked on this thread: a group is one batch, in this order.
  const send = async (group: readonly Written[]): Promise<Draft[]> => {
    lab.now += 1_000
    const drafts = group.map(({ record, by }) => lab.draft(record, by))
    await Promise.all(drafts.map((item) => lab.place(item)))
    return drafts
  }
  const approvalOf = ({ statement }: Draft, more: TypedRecord = {}): Written => {
    const refs = [{ rel: 'approves', log: lab.origin, leaf: base64url(leafHash(statement)) }]
    return { record: { type: 'registry.approve', at: AT, refs, ...more }, by: PROCURATOR }
  }
  const enrol = async (who: User, more: TypedRecord = {}): Promise<void> => {
    const [registered] = await send([registration(who, more)])
    await send([approvalOf(registered!, { kid: kidOf(who) })])
  }

  await lab.place(lab.genesis())
  const staff = Object.values(USERS).filter(({ roles }) => roles[0] !== 'administrator')
  for (const who of [...staff, LEAVER]) await enrol(who, { sealed: { holder: '张某某' } })
  const day = 24 * 3_600
  await enrol(TEMPORARY, { notBefore: START / 1000 - day, notAfter: START / 1000 + day })

  let n = 0
  const records = (count: number): Written[] => Array.from({ length: count }, () => variant(n++))
  const fixesBy = (by: User, count: number): Written[] =>
    records(count).map((_, i) => ({ ...variant(n + i, 'evidence.fix'), by }))
  await send([...fixesBy(LEAVER, 3), ...fixesBy(TEMPORARY, 3)])
  await send([...records(4), revocation(LEAVER), ...records(4)])
  const changes: Written[] = [
    registryChange('registry.member', 1),
    registryChange('registry.policy', 1),
    {
      record: { type: 'registry.node', at: AT, keys: { promise: base64url(namedKeys(lab.keys, 2).promise) }, generation: 2 },
      by: USERS.admin
    }
  ]
  for (const change of changes) {
    const [proposed] = await send([change])
    await send([approvalOf(proposed!)])
  }
  // One change still waits for approval.
  await send([registryChange('registry.member', 2)])
  const head = { size: 1, root: base64url(leafHash(new Uint8Array(0))) }
  const recovery = { type: 'ledger.recovery', at: AT, old: head, new: head, from: 'discipline.example/mirror', how: 'mirror' }
  await send([{ record: recovery, by: USERS.admin }])
  for (let size = 1; n < RECORDS; size = (size * 2) % 37) await send(records(Math.min(size, RECORDS - n)))
}

/** LevelDB keeps what is new in a file that it turns into tables when it opens next; what else it leaves behind tells of this machine. */
async function settle(directory: string): Promise<void> {
  await (await openLevel(directory, { mustExist: true })).close()
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    if (name.endsWith('.log') && statSync(path).size > 0) throw new Error(`${path} still holds data`)
    if (['LOG', 'LOG.old', 'LOCK'].includes(name) || name.endsWith('.log')) rmSync(path)
  }
}

async function make(directory: string): Promise<void> {
  if (existsSync(directory)) throw new Error(`${directory} exists and is not written again`)
  const data = join(directory, 'data')
  mkdirSync(data, { recursive: true })
  const seed = `store fixture ${directory.split('/').at(-1)}`
  const store = await openLevel(data)
  const lab = await Lab.open(
    { store, seed, verifier: plainVerifier, control: 2, administrators: [{ user: PROCURATOR }] },
    { existing: true }
  )
  await fill(lab)
  await lab.sequencer.stop()

  const policy = lab.policy()
  const { size } = lab.sequencer.head
  const isRecord = (index: number) => lab.reader.statement(index).kind === 'record'
  const trails = [
    'power:粤01-R0001',
    'duty:粤01-R0201',
    'case:（2020）粤01民初1号',
    'disclosure:粤01',
    `key:${kidOf(LEAVER)}`,
    `key:${kidOf(TEMPORARY)}`,
    `ledger:${lab.origin}`,
    'power:粤01-R7777'
  ]
  const receipts = Array.from({ length: size }, (_, index) => index).filter((index) => index % 29 === 0 && isRecord(index))
  const description: StoreDescription = {
    seed,
    origin: lab.origin,
    now: lab.now,
    policy,
    revoked: kidOf(LEAVER),
    ...describeStore(lab, { receipts, trails }, policy)
  }
  const { findings } = await auditStore(store, {
    verifier: plainVerifier,
    policy: parsePolicy(policy),
    postQuantumKey: lab.keys.mldsa.vkey
  })
  if (findings.length > 0) throw new Error(`the audit finds ${JSON.stringify(findings[0])}`)
  const missing = WRITTEN_TYPES.filter((type) => !typesIn(lab).has(type))
  if (missing.length > 0) throw new Error(`no record of ${missing.join(' ')}`)

  writeFileSync(join(directory, 'expected.json'), `${JSON.stringify(description, null, 2)}\n`)
  writeFileSync(join(directory, 'receipt.json'), receiptText(lab, receipts.at(-1)!))
  writeFileSync(join(directory, 'certificate.json'), certificateText(lab, trails[2]!))
  await store.close()
  await settle(data)
  console.log(`${directory}: ${size} entries, root ${description.head.root}`)
}

function typesIn(lab: Lab): Set<unknown> {
  const indexes = Array.from({ length: lab.sequencer.head.size }, (_, index) => index)
  return new Set(indexes.map((index) => lab.reader.statement(index).body.get('type')))
}

const { positionals } = parseArgs({ allowPositionals: true })
if (positionals.length !== 1) throw new Error('usage: make-store-fixture.ts DIRECTORY')
await make(positionals[0]!)
