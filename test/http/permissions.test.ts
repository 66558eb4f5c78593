/**
 * Who may read what: every role, with and without a staff code, here and at another institution, and those who are nobody any more × every type × every
 * surface, on one node over real HTTP. What is expected stands in the tables below, written from records.md and from nothing the node runs on.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { base64url, fromBase64url, utf8 } from '../../src/core/bytes.ts'
import { ed25519Signer, keyId } from '../../src/core/keys.ts'
import { CATALOGUE, recordType } from '../../src/records/catalogue.ts'
import { exampleRecord, ROLES } from '../../src/records/define.ts'
import { examine } from '../../src/verify/admit.ts'
import type { User } from '../helpers/lab.ts'
import { type Answer, LOGS, type LogName, originOf, type Place, TestNetwork } from '../helpers/network.ts'

const AT = '2020-08-26T09:00:00+08:00'
const STAFFED = ['clerk', 'judge', 'leader', 'secretary', 'trial-office', 'personnel', 'discipline', 'procuratorate', 'auditor']

// The tables

type Kind =
  | 'evidence'
  | 'file'
  | 'list'
  | 'case'
  | 'case-internal'
  | 'power'
  | 'duty'
  | 'hr'
  | 'firm'
  | 'disclosure'
  | 'source'
  | 'reader'
  | 'key'
  | 'ledger'
/** Roles, with a staff code, that read every trail of a kind at their own institution. */
const AUDIENCE: Record<Kind, readonly string[] | 'everyone'> = {
  evidence: ['clerk', 'judge', 'discipline'],
  file: ['clerk', 'judge', 'discipline'],
  list: ['clerk', 'judge', 'discipline'],
  case: ['clerk', 'judge', 'discipline'],
  'case-internal': ['judge', 'leader', 'trial-office', 'discipline'],
  power: ['discipline'],
  duty: ['leader', 'trial-office', 'discipline'],
  hr: ['personnel', 'discipline'],
  firm: ['personnel', 'discipline'],
  disclosure: 'everyone',
  source: ['trial-office', 'discipline'],
  reader: ['discipline'],
  key: ['administrator', 'discipline', 'procuratorate', 'auditor'],
  ledger: ['administrator', 'discipline', 'procuratorate', 'auditor']
}
/** A staff code of one's own opens these. */
const PERSONAL: readonly string[] = ['power', 'duty', 'reader']
/** Roles that look at other institutions too. */
const LOOK_ACROSS: readonly string[] = ['administrator', 'discipline', 'procuratorate', 'auditor']
/** Entry bundles of logs that are not public. */
const COPY = { home: ['discipline', 'auditor'], elsewhere: ['discipline'] }
/** Types that this node cannot come to hold in a test, with the trails they have. */
const NEVER_WRITTEN: Record<string, string> = {
  'registry.node': 'the node must hold the new keys',
  'registry.catalogue': 'there is no newer catalogue',
  'registry.approve': 'one organisation decides here'
}

// Readers

interface Reader extends User {
  name: string
  home: boolean
  /** Neither expired nor revoked. */
  active: boolean
}

let seed = 0
function reader(name: string, roles: readonly string[], more: Partial<Reader> = {}): Reader {
  const signer = ed25519Signer(utf8(`permissions ${seed++}`.padEnd(32)))
  return { name, org: 'gz-court', home: true, active: true, roles, signer, ...more }
}
const staffOf = (role: string) => `粤01-R10${10 + ROLES.indexOf(role as never)}`
const here = ROLES.map((role) => reader(role, [role], STAFFED.includes(role) ? { staff: staffOf(role) } : {}))
const elsewhere = { org: 'gz-notary', home: false }
const READERS: readonly Reader[] = [
  ...here,
  ...STAFFED.map((role) => reader(`${role} without a staff code`, [role])),
  ...ROLES.map((role) =>
    reader(`${role} elsewhere`, [role], { ...elsewhere, ...(STAFFED.includes(role) ? { staff: staffOf(role) } : {}) })
  ),
  reader('expired', ['discipline'], { staff: '粤01-R1090', active: false }),
  reader('revoked', ['discipline'], { staff: '粤01-R1091', active: false })
]
const EVERYONE: readonly (Reader | undefined)[] = [undefined, ...READERS]
const home = (role: string) => here.find(({ name }) => name === role)!

const kindOf = (trail: string) => trail.slice(0, trail.indexOf(':')) as Kind
const idOf = (trail: string) => trail.slice(trail.indexOf(':') + 1)

function byRole(who: Reader, roles: readonly string[]): boolean {
  return who.roles.some(
    (role) =>
      roles.includes(role) && (who.home || LOOK_ACROSS.includes(role)) && (who.staff !== undefined || role === 'administrator')
  )
}
function mayTrail(who: Reader | undefined, trail: string): boolean {
  const audience = AUDIENCE[kindOf(trail)]
  if (audience === 'everyone') return true
  if (who === undefined || !who.active) return false
  return byRole(who, audience) || (PERSONAL.includes(kindOf(trail)) && who.home && who.staff === idOf(trail))
}
/** A certificate: whoever names the digest of a file and holds a key may have its trail. */
const mayHave = (who: Reader | undefined, trail: string) =>
  mayTrail(who, trail) || (kindOf(trail) === 'file' && who?.active === true)
const mayRecord = (who: Reader | undefined, record: Written) =>
  record.log === 'public' || (who?.active === true && who === record.by) || record.trails.some((trail) => mayTrail(who, trail))
const mayKnow = (who: Reader | undefined, log: LogName): boolean => {
  if (log === 'public') return true
  if (who === undefined || !who.active) return false
  if (byRole(who, ['discipline']) || (who.home && byRole(who, ['auditor']))) return true
  const whole: Partial<Record<LogName, readonly string[]>> = { evidence: ['clerk', 'judge'], personnel: ['personnel'] }
  return who.home && byRole(who, whole[log] ?? [])
}

// The node

interface Written extends Place {
  type: string
  trails: readonly string[]
  by: Reader | undefined
}

let network: TestNetwork
const written: Written[] = []
const tokens = new Map<Reader, string>()
/** Sizes of the logs when everything was written. */
const sizes = new Map<string, number>()

function tokenOf(who: Reader): string {
  const iat = Math.floor(Date.now() / 1000)
  const part = (value: unknown) => base64url(utf8(JSON.stringify(value)))
  const message = `${part({ alg: 'EdDSA', kid: base64url(keyId(who.signer.publicKey)) })}.${part({ aud: 'court.example', iat, exp: iat + 290 })}`
  return `Bearer ${message}.${base64url(who.signer.sign(utf8(message)))}`
}
const ask = (path: string, who: Reader | undefined): Promise<Answer> =>
  network.ask(path, who === undefined ? {} : { authorization: tokens.get(who)! })

async function write(record: { [name: string]: unknown }, by: User | 'admin-court', log?: LogName): Promise<Written> {
  const signed = network.sign(record, by, log === undefined ? {} : { log })
  const answer = await network.post(signed, '?reply=index')
  if (answer.status !== 201) throw new Error(`${String(record.type)}: ${answer.status} ${answer.text}`)
  const trails = examine(signed.statement).statement.trails
  const filed = {
    ...answer.json<Place>(),
    type: String(record.type),
    trails,
    by: typeof by === 'string' ? undefined : (by as Reader)
  }
  written.push(filed)
  return filed
}

beforeAll(async () => {
  network = await TestNetwork.make()
  const administrators = ['court', 'discipline', 'procuratorate', 'notary'].map((institution) => ({
    key: base64url(network.user(`admin-${institution}` as never).signer.publicKey),
    org: `gz-${institution}`,
    roles: [...ROLES]
  }))
  for (const log of LOGS) network.rewriteGenesis(log, { administrators })
  await network.start()
  for (const log of LOGS)
    await Promise.all(
      READERS.map(async ({ name, org, staff, roles, signer }) => {
        const dates = name === 'expired' ? { notBefore: 1_598_400_000, notAfter: 1_598_500_000 } : {}
        const record = {
          type: 'registry.key',
          at: AT,
          key: base64url(signer.publicKey),
          org,
          roles: [...roles],
          ...(staff === undefined ? {} : { staff }),
          ...dates
        }
        await network.put(record, org === 'gz-notary' ? 'admin-notary' : 'admin-court', { log })
        if (name === 'revoked')
          await network.put(
            { type: 'registry.revoke', at: AT, kid: base64url(keyId(signer.publicKey)), reason: 'left' },
            'admin-court',
            { log }
          )
      })
    )
  for (const who of READERS) tokens.set(who, tokenOf(who))

  const order = ['personnel', 'clerk', 'judge', 'leader', 'trial-office', 'discipline', 'firm', 'party', 'system']
  const skipped = [
    'ledger.genesis',
    'registry.revoke',
    'body.erased',
    'record.corrected',
    'access.read',
    ...Object.keys(NEVER_WRITTEN)
  ]
  for (const type of CATALOGUE.filter((one) => !skipped.includes(one.type))) {
    const writer = order.find((role) => (type.writers as readonly string[]).includes(role))
    const fields = Object.entries(type.sealed).map(([name, { field }]) => [name, field.example])
    const sealed = fields.length === 0 ? {} : { sealed: Object.fromEntries(fields) }
    const own: Record<string, object> = {
      'registry.key': { key: base64url(ed25519Signer(new Uint8Array(32).fill(3)).publicKey), org: 'gz-court' },
      'recusal.applied': { staff: staffOf('personnel') }
    }
    await write({ ...exampleRecord(type), ...sealed, ...own[type.type] }, type.class === 'any' ? 'admin-court' : home(writer!))
  }
  const target = written.find(({ type }) => type === 'evidence.fix')!
  const about = { at: AT, of: target.trails }
  const ref = (rel: string) => [{ rel, log: originOf('evidence'), leaf: target.leaf }]
  await write({ type: 'record.corrected', refs: ref('corrects'), ...about }, home('clerk'))
  await write({ type: 'body.erased', refs: ref('erases'), fields: ['source'], ground: 'PIPL-47', ...about }, 'admin-court')
  await write(
    {
      type: 'registry.revoke',
      at: AT,
      kid: base64url(keyId(ed25519Signer(new Uint8Array(32).fill(3)).publicKey)),
      reason: 'left'
    },
    'admin-court'
  )
  // One read, whose record is the last of the supervision log; and genesis.
  await ask(`/api/v1/logs/supervision/records/${written.find(({ log }) => log === 'supervision')!.leaf}`, home('discipline'))
  for (const [log, type] of [
    ['supervision', 'access.read'],
    ['evidence', 'ledger.genesis']
  ] as const) {
    const { reader: read } = network.node.context.logs.get(log)!
    const index = type === 'ledger.genesis' ? 0 : read.published().size - 2
    const statement = read.statement(index)
    expect(statement.body.get('type')).toBe(type)
    written.push({ status: 201, log, index, leaf: base64url(statement.leaf), type, trails: statement.trails, by: undefined })
  }
  for (const [name, { reader: read }] of network.node.context.logs) sizes.set(name, read.published().size)
}, 60_000)
afterAll(() => network.close())

/** What an answer says to whoever gets it, but for the number of the request. */
const said = ({ status, text, headers }: Answer) =>
  JSON.stringify([
    status,
    text.replace(/"instance":"[^"]*"/, ''),
    [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')
  ])
const refusalFor = (who: Reader | undefined) =>
  who === undefined ? '401 AUTH_REQUIRED' : who.active ? '403 ACCESS_DENIED' : '401 AUTH_INVALID'
const outcome = (answer: Answer) => (answer.status === 200 ? '200' : `${answer.status} ${answer.json().code}`)
const allowed = (who: Reader | undefined, may: boolean) =>
  who !== undefined && !who.active ? '401 AUTH_INVALID' : may ? '200' : refusalFor(who)

it('every type is there but those that cannot be', () => {
  const types = new Set(written.map(({ type }) => type))
  expect(CATALOGUE.map(({ type }) => type).filter((type) => !types.has(type))).toEqual(Object.keys(NEVER_WRITTEN))
  expect(new Set(written.flatMap(({ trails }) => trails.map(kindOf)))).toEqual(new Set(Object.keys(AUDIENCE)))
})

describe.each(CATALOGUE.map(({ type }) => type).filter((type) => !(type in NEVER_WRITTEN)))('%s', (type) => {
  const record = () => written.find((one) => one.type === type)!
  const UNKNOWN = base64url(new Uint8Array(32).fill(9))

  it('the record, its receipt, its place in the log', async () => {
    const { log, index, leaf } = record()
    const own = (id: unknown) => `/api/v1/logs/${log}/records/${id}`
    await Promise.all(
      EVERYONE.map(async (who) => {
        const may = mayRecord(who, record())
        expect([who?.name, outcome(await ask(own(index), who))]).toEqual([who?.name, allowed(who, may)])
        for (const path of [own(leaf), `${own(leaf)}/receipt`, `/logs/${log}/entries/${leaf}`])
          expect([who?.name, path, (await ask(path, who)).status === 200]).toEqual([
            who?.name,
            path,
            may && who?.active !== false
          ])
        // Whoever is refused it cannot tell it from what is not there.
        if (may || mayKnow(who, log)) return
        const refused = said(await ask(own(leaf), who))
        for (const path of [own(index), own(UNKNOWN), own(99_999), `${own(leaf)}/receipt`, `${own(UNKNOWN)}/receipt`])
          expect([who?.name, path, said(await ask(path, who))]).toEqual([who?.name, path, refused])
      })
    )
  })

  it('the certificates of its trails', async () => {
    const absent: Partial<Record<Kind, string>> = {
      case: 'case:（2020）粤01民初99号',
      'case-internal': 'case-internal:（2020）粤01民初99号',
      power: 'power:粤01-R9999',
      hr: 'hr:粤01-R9999'
    }
    for (const trail of record().trails.filter((name) => kindOf(name) !== 'ledger' || record().type.startsWith('registry.key')))
      await Promise.all(
        EVERYONE.map(async (who) => {
          const answer = await ask(`/api/v1/trails/${encodeURIComponent(trail)}?limit=3`, who)
          expect([who?.name, trail, outcome(answer)]).toEqual([who?.name, trail, allowed(who, mayHave(who, trail))])
          const other = absent[kindOf(trail)]
          if (answer.status !== 200 && other !== undefined)
            expect([who?.name, said(await ask(`/api/v1/trails/${encodeURIComponent(other)}?limit=3`, who))]).toEqual([
              who?.name,
              said(answer)
            ])
        })
      )
  })
})

it('what is sealed is shown to the same readers, and a holder of the file sees statements alone', async () => {
  const fixed = written.find(({ type }) => type === 'evidence.list')!
  const file = written.find(({ type }) => type === 'evidence.fix')!.trails.find((trail) => kindOf(trail) === 'file')!
  await Promise.all(
    READERS.filter(({ active }) => active).map(async (who) => {
      const answer = await ask(`/api/v1/logs/${fixed.log}/records/${fixed.leaf}`, who)
      if (answer.status === 200)
        expect(Object.keys(answer.json<{ disclosed: object }>().disclosed)).toEqual(
          Object.keys(recordType('evidence.list').sealed)
        )
      const part = (await ask(`/api/v1/trails/${encodeURIComponent(file)}`, who)).json<{
        parts: { entries: { disclosures: string[] }[] }[]
      }>()
      const shown = part.parts[0]!.entries.flatMap(({ disclosures }) => disclosures).length > 0
      expect([who.name, shown]).toEqual([who.name, byRole(who, ['clerk', 'judge', 'discipline'])])
    })
  )
})

it('the look-up by digest tells everyone that and since when, and its records to their readers alone', async () => {
  const fixed = written.find(({ type }) => type === 'evidence.fix')!
  const digest = fixed.trails.find((trail) => trail.startsWith('file:sha256-'))!.slice('file:sha256-'.length)
  const open = (await ask(`/api/v1/evidence/${digest}`, undefined)).json()
  expect(Object.keys(open).toSorted()).toEqual(['digest', 'fixed', 'since'])
  for (const who of READERS.filter(({ active }) => active)) {
    const { records, ...rest } = (await ask(`/api/v1/evidence/${digest}`, who)).json()
    expect([who.name, rest, records !== undefined]).toEqual([who.name, open, mayRecord(who, fixed)])
  }
})

it.each(LOGS)('entry bundles of %s', async (log) => {
  for (const who of EVERYONE) {
    const may = log === 'public' || (who !== undefined && (who.home ? byRole(who, COPY.home) : byRole(who, COPY.elsewhere)))
    expect([who?.name, outcome(await ask(`/logs/${log}/tile/entries/000.p/20`, who))]).toEqual([who?.name, allowed(who, may)])
  }
})

it('a seal, and what is open to all: heads, sizes, hashes, proofs for a leaf that one knows', async () => {
  for (const log of LOGS) {
    const { leaf } = written.find((one) => one.log === log)!
    for (const who of EVERYONE) {
      const seal = await ask(`/api/v1/logs/${log}/records/1`, who)
      expect([who?.name, outcome(seal)]).toEqual([who?.name, allowed(who, mayKnow(who, log))])
      for (const path of [
        `/logs/${log}/checkpoint`,
        `/logs/${log}/tile/0/000.p/20`,
        `/api/v1/logs/${log}/proofs/inclusion?leaf=${leaf}`
      ])
        expect([who?.name, outcome(await ask(path, who))]).toEqual([who?.name, allowed(who, true)])
    }
  }
})

it('events: of a record to its readers alone, and of no other entry', async () => {
  await Promise.all(
    EVERYONE.filter((who) => who?.active !== false).map(async (who) => {
      const told = await events(who)
      const expected = written.filter((record) => mayRecord(who, record)).map(({ log, index }) => `${log}/${index}`)
      expect([who?.name, written.map(({ log, index }) => `${log}/${index}`).filter((name) => told.has(name))]).toEqual([
        who?.name,
        expected
      ])
    })
  )
})

/** `log/index` of the records that a stream from the beginning tells of, up to the sizes of the logs when everything was written. */
async function events(who: Reader | undefined): Promise<Set<string>> {
  const gone = new AbortController()
  const headers = who === undefined ? {} : { authorization: tokens.get(who)! }
  const response = await fetch(`${network.url}/api/v1/events?after=0`, { headers, signal: gone.signal })
  const told = new Set<string>()
  const open = new Set<string>(LOGS)
  let rest = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const [, name] = /^event: (.*)$/m.exec(block) ?? []
      if (name === undefined) continue
      const { log, index, size } = JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as { log: string; index: number; size?: number }
      if (name === 'record') told.add(`${log}/${index}`)
      else if (size! >= sizes.get(log)!) open.delete(log)
    }
    if (open.size === 0) break
  }
  gone.abort()
  return told
}

describe('parties and lawyers of record', () => {
  const CASE = '（2020）粤01民初77号'
  const evidence = '粤01-20200826-lawyerslawye'
  const fixOf = (id: string, by: User) =>
    write(
      { ...exampleRecord(recordType('evidence.fix')), evidence: id, case: CASE, files: [{ sha256: 'cd'.repeat(32), size: 1 }] },
      by
    )
  const may = async (role: string, trail: string) =>
    (await ask(`/api/v1/trails/${encodeURIComponent(trail)}`, home(role))).status === 200

  it('read what they opened; a case only once the court has attached that to it, not because they named its number', async () => {
    await fixOf(evidence, home('lawyer'))
    await fixOf('粤01-20200826-partysparty2', home('party'))
    const seen = async () => [
      await may('lawyer', `evidence:${evidence}`),
      await may('party', `evidence:${evidence}`),
      await may('lawyer', `case:${CASE}`),
      await may('party', `case:${CASE}`)
    ]
    expect(await seen()).toEqual([true, false, false, false])
    // Filing on another's piece opens nothing.
    const objection = { ...exampleRecord(recordType('evidence.objection')), evidence, case: CASE }
    await write(objection, home('party'))
    expect(await seen()).toEqual([true, false, false, false])
    await write({ type: 'evidence.attach', at: AT, court: '粤01', evidence, case: CASE }, home('clerk'))
    expect(await seen()).toEqual([true, false, true, false])
    expect(await may('lawyer', 'case:（2020）粤01民初78号')).toBe(false)
    const other = written.find(({ by, type }) => by === home('party') && type === 'evidence.fix')!
    expect((await ask(`/api/v1/logs/evidence/records/${other.leaf}`, home('lawyer'))).status).toBe(200)
    expect(
      (await ask(`/api/v1/logs/evidence/records/${written.find(({ by }) => by === home('lawyer'))!.leaf}`, home('party'))).status
    ).toBe(403)
  })
})

it('a restricted read is on record before it is answered, under the staff code of the reader; nothing else is', async () => {
  const who = home('trial-office')
  const trailOf = async () => {
    const answer = await ask(`/api/v1/trails/${encodeURIComponent(`reader:${who.staff}`)}`, home('discipline'))
    const { entries } = answer.json<{ parts: { entries: { statement: string }[] }[] }>().parts[0]!
    return entries.map(({ statement }) => {
      const { body, iss } = examine(fromBase64url(statement)).statement
      const leaf = body.get('leaf') as Uint8Array | undefined
      return [iss, body.get('reader'), body.get('trail') ?? base64url(leaf!)]
    })
  }
  const before = await trailOf()
  const flag = written.find(({ type }) => type === 'keycase.flag')!
  const gone = written.find(({ type }) => type === 'recusal.disclosed')!
  const ownUnflag = written.find(({ by }) => by === who)
  await ask(`/api/v1/trails/${encodeURIComponent('source:oa')}`, who)
  await ask(`/api/v1/logs/supervision/records/${flag.leaf}`, who)
  await ask(`/api/v1/logs/supervision/records/${flag.index}/receipt`, who)
  // Not restricted, not allowed, or not there.
  if (ownUnflag !== undefined) await ask(`/api/v1/logs/supervision/records/${ownUnflag.leaf}`, who)
  await ask(`/api/v1/logs/public/records/${gone.leaf}`, who)
  await ask(`/api/v1/trails/${encodeURIComponent('disclosure:粤01')}`, who)
  await ask(`/api/v1/trails/${encodeURIComponent('hr:粤01-R0201')}`, who)
  await ask(`/api/v1/evidence/${'ef'.repeat(32)}`, who)
  const row = (what: string) => ['gz-court', who.staff, what]
  expect((await trailOf()).slice(before.length)).toEqual([row('source:oa'), row(flag.leaf), row(flag.leaf)])
})
