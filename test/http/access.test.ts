import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatKey, parseKey } from '../../src/client/keyfile.ts'
import { base64url, utf8 } from '../../src/core/bytes.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type Filed, type LogName, type Name, PEOPLE, TestNetwork } from '../helpers/network.ts'

const CASE = '（2020）粤01民初9号'
const HOLDER = '张某某'
const NAMES = Object.keys(PEOPLE) as Name[]
const EVERYONE = [undefined, ...NAMES]
/** Institutions: whoever administers, inspects or prosecutes. */
const KEYS: readonly Name[] = [
  'admin-court',
  'admin-discipline',
  'admin-procuratorate',
  'admin-notary',
  'inspector',
  'prosecutor'
]

let network: TestNetwork
const filed = new Map<string, Filed>()
beforeAll(async () => {
  network = await TestNetwork.open()
  const at = '2020-08-26T09:00:00+08:00'
  const put = async (name: string, record: { [name: string]: unknown }, by: Name, lie = {}) =>
    void filed.set(name, await network.put(record, by, lie))
  await put('fix', fix('a', { case: CASE, list: '粤01-20200826-listaaaaaaaa' }), 'clerk')
  await put('by lawyer', fix('b', { court: '粤01' }), 'lawyer')
  await put('opinion', opinion({ case: CASE }), 'president')
  await put(
    'post',
    { type: 'staff.post', at, court: '粤01', staff: '粤01-R0201', posts: ['法官'], from: '2020-08-26' },
    'personnel'
  )
  await put(
    'recusal',
    { type: 'recusal.disclosed', at, court: '粤01', entry: 'e1', status: 'related', sealed: { name: '王某某' } },
    'personnel'
  )
  const key = (seed: number) => base64url(ed25519Signer(new Uint8Array(32).fill(seed)).publicKey)
  for (const log of ['evidence', 'public'] as const)
    await put(
      `key in ${log}`,
      { type: 'registry.key', at, key: key(log.length), org: 'gz-court', roles: ['judge'], sealed: { holder: HOLDER } },
      'admin-court',
      { log }
    )
})
afterAll(() => network.close())

const trail = (name: string) => `/api/v1/trails/${encodeURIComponent(name)}`

describe('who may have a trail', () => {
  const rows: [string, readonly Name[] | 'everyone'][] = [
    ['evidence:粤01-20200826-abcdefghijkl', ['clerk', 'judge', 'inspector']],
    [`file:sha256-${'ab'.repeat(32)}`, NAMES],
    ['list:粤01-20200826-listaaaaaaaa', ['clerk', 'judge', 'inspector']],
    [`case:${CASE}`, ['clerk', 'judge', 'inspector']],
    [`case-internal:${CASE}`, ['judge', 'president', 'inspector']],
    ['power:粤01-R0001', ['president', 'inspector']],
    ['power:粤01-R0002', ['inspector']],
    ['duty:粤01-R0201', ['judge', 'president', 'inspector']],
    ['duty:粤01-R0202', ['president', 'inspector']],
    ['hr:粤01-R0201', ['personnel', 'inspector']],
    ['firm:~AAAAAAAAAAAAAAAAAAAAAA', ['personnel', 'inspector']],
    ['source:oa', ['inspector']],
    ['reader:粤01-R0101', ['clerk', 'inspector']],
    ['disclosure:粤01', 'everyone'],
    ['court:粤01', 'everyone'],
    [`key:${'A'.repeat(43)}`, KEYS],
    ['ledger:court.example/supervision', KEYS],
    ['ledger:court.example/public', KEYS]
  ]

  it.each(rows)('%s', async (name, readers) => {
    for (const as of EVERYONE) {
      const answer = await network.ask(trail(name), { as })
      const allowed = readers === 'everyone' || (as !== undefined && readers.includes(as))
      const expected = allowed ? [200, undefined] : as === undefined ? [401, 'AUTH_REQUIRED'] : [403, 'ACCESS_DENIED']
      expect([as, answer.status, answer.json().code]).toEqual([as, ...expected])
    }
  })
})

describe('who may see a record, and its receipt', () => {
  const rows: [string, readonly Name[] | 'everyone'][] = [
    ['fix', ['clerk', 'judge', 'inspector']],
    ['by lawyer', ['clerk', 'judge', 'inspector', 'lawyer']],
    ['opinion', ['president', 'judge', 'inspector']],
    ['post', ['inspector', 'president', 'judge', 'personnel']],
    ['key in evidence', KEYS],
    ['recusal', 'everyone'],
    ['key in public', 'everyone']
  ]

  it.each(rows)('%s', async (name, readers) => {
    const { log, index, leaf } = filed.get(name)!
    for (const as of EVERYONE) {
      const allowed = readers === 'everyone' || (as !== undefined && readers.includes(as))
      const expected = allowed ? 200 : as === undefined ? 401 : 403
      for (const id of [index, leaf])
        for (const more of ['', '/receipt']) {
          const answer = await network.ask(`/api/v1/logs/${log}/records/${id}${more}`, { as })
          expect([as, id, more, answer.status]).toEqual([as, id, more, expected])
        }
    }
  })

  it('what a registration seals is for the institutions, in a public log too', async () => {
    const { log, index } = filed.get('key in public')!
    for (const as of EVERYONE) {
      const record = await network.ask(`/api/v1/logs/${log}/records/${index}`, { as })
      const receipt = await network.ask(`/api/v1/logs/${log}/records/${index}/receipt`, { as })
      const shown = as !== undefined && KEYS.includes(as) ? { holder: HOLDER } : {}
      expect([as, record.json().disclosed]).toEqual([as, shown])
      expect([as, receipt.json<{ disclosures: string[] }>().disclosures.length]).toEqual([as, Object.keys(shown).length])
    }
    const { log: recusals, index: at } = filed.get('recusal')!
    expect((await network.ask(`/api/v1/logs/${recusals}/records/${at}`)).json()).toMatchObject({ disclosed: { name: '王某某' } })
  })
})

describe('who may copy entry bundles', () => {
  it.each(['evidence', 'supervision', 'personnel'] as const)('%s: discipline, and auditors of the operator', async (log) => {
    for (const as of EVERYONE) {
      const answer = await network.ask(`/logs/${log}/tile/entries/000.p/5`, { as })
      const expected = as === undefined ? 401 : as === 'inspector' ? 200 : 403
      expect([as, answer.status]).toEqual([as, expected])
    }
  })

  it('public: everyone', async () => {
    for (const as of EVERYONE) expect((await network.ask('/logs/public/tile/entries/000.p/5', { as })).status).toBe(200)
  })

  it('they hold no disclosures', async () => {
    const { log, disclosures } = filed.get('opinion')!
    const size = filed.get('opinion')!.index + 1
    const { bytes } = await network.ask(`/logs/${log}/tile/entries/000.p/${size}`, { as: 'inspector' })
    expect(Buffer.from(bytes).includes(Buffer.from(filed.get('opinion')!.statement))).toBe(true)
    for (const disclosure of disclosures) expect(Buffer.from(bytes).includes(Buffer.from(disclosure))).toBe(false)
  })
})

/** Everything of an answer that its reader sees. */
async function seen(path: string, as: Name | undefined): Promise<unknown> {
  const { status, headers, text } = await network.ask(path, { as })
  const id = headers.get('x-request-id')!
  return {
    status,
    text: text.replace(id, ''),
    headers: [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')
  }
}

describe('whoever may not see what is there learns nothing of what is not', () => {
  const UNKNOWN_LEAF = base64url(new Uint8Array(32).fill(9))

  it.each([
    ['fix', [undefined, 'lawyer', 'president', 'personnel', 'prosecutor', 'system']],
    ['opinion', [undefined, 'clerk', 'personnel', 'prosecutor', 'lawyer', 'system']],
    ['post', [undefined, 'clerk', 'prosecutor', 'lawyer', 'system']]
  ] as const)('%s: the same answer for an index and a leaf hash, known or not', async (name, strangers) => {
    const { log, index, leaf } = filed.get(name)!
    for (const as of strangers)
      for (const more of ['', '/receipt']) {
        const path = (id: unknown) => `/api/v1/logs/${log}/records/${id}${more}`
        const known = await seen(path(index), as)
        expect(known).toMatchObject({ status: as === undefined ? 401 : 403 })
        for (const id of [leaf, UNKNOWN_LEAF, 99_999, Number.MAX_SAFE_INTEGER]) expect(await seen(path(id), as)).toEqual(known)
      }
  })

  it('the same answer for a trail that is there and one that is not', async () => {
    const pairs: [string, string, readonly (Name | undefined)[]][] = [
      [`case:${CASE}`, 'case:（2020）粤01民初10号', [undefined, 'lawyer', 'president', 'prosecutor']],
      [`case-internal:${CASE}`, 'case-internal:（2020）粤01民初10号', [undefined, 'clerk', 'prosecutor']],
      ['power:粤01-R0001', 'power:粤01-R0009', [undefined, 'clerk', 'judge', 'prosecutor']],
      ['duty:粤01-R0201', 'duty:粤01-R0209', [undefined, 'clerk', 'personnel', 'prosecutor']]
    ]
    for (const [there, absent, strangers] of pairs)
      for (const as of strangers)
        for (const query of ['', '?from=0&limit=1', '?from=1000'])
          expect(await seen(trail(absent) + query, as)).toEqual(await seen(trail(there) + query, as))
  })

  it('those who may read the whole log are told that there is no such record', async () => {
    const rights: [LogName, readonly (Name | undefined)[]][] = [
      ['evidence', ['clerk', 'judge', 'inspector']],
      ['supervision', ['inspector']],
      ['personnel', ['personnel', 'inspector']],
      ['public', [undefined, 'lawyer', 'clerk']]
    ]
    for (const [log, readers] of rights)
      for (const as of readers)
        for (const id of [UNKNOWN_LEAF, 99_999])
          expect((await network.ask(`/api/v1/logs/${log}/records/${id}`, { as })).json()).toMatchObject({ code: 'ENTRY_UNKNOWN' })
  })
})

describe('rights come from the registry', () => {
  it('of the organisation that runs the log: a staff code or a role given elsewhere opens nothing', async () => {
    const at = '2020-08-26T09:00:00+08:00'
    const stranger = await formatKey(new Uint8Array(32).fill(77))
    const { kid, publicKey, secret } = await parseKey(stranger)
    await network.put(
      {
        type: 'registry.key',
        at,
        key: base64url(publicKey),
        org: 'gz-procuratorate',
        staff: '粤01-R0001',
        roles: ['procuratorate']
      },
      'admin-procuratorate',
      { log: 'supervision' }
    )
    const iat = Math.floor(Date.now() / 1000)
    const header = base64url(utf8(JSON.stringify({ alg: 'EdDSA', kid })))
    const payload = base64url(utf8(JSON.stringify({ aud: 'court.example', iat, exp: iat + 60 })))
    const signature = base64url(secret!.signer.sign(utf8(`${header}.${payload}`)))
    const answer = await network.ask(trail('power:粤01-R0001'), { authorization: `Bearer ${header}.${payload}.${signature}` })
    expect([answer.status, answer.json().code]).toEqual([403, 'ACCESS_DENIED'])
  })

  it('of each log: a key revoked in one log has its rights in the others', async () => {
    const { kid } = network.user('judge').key
    await network.put({ type: 'registry.revoke', at: '2020-08-26T09:00:00+08:00', kid, reason: 'left' }, 'admin-court', {
      log: 'evidence'
    })
    const [fixed, opinion] = [filed.get('fix')!.leaf, filed.get('opinion')!.leaf]
    const pairs = [
      [`/api/v1/logs/evidence/records/${fixed}`, `/api/v1/logs/supervision/records/${opinion}`],
      [`/api/v1/logs/evidence/records/${fixed}/receipt`, `/api/v1/logs/supervision/records/${opinion}/receipt`],
      [trail(`case:${CASE}`), trail(`case-internal:${CASE}`)]
    ] as const
    for (const [denied, allowed] of pairs) {
      expect((await network.ask(denied, { as: 'judge' })).json()).toMatchObject({ code: 'ACCESS_DENIED' })
      expect((await network.ask(allowed, { as: 'judge' })).status).toBe(200)
    }
    const whoami = (await network.ask('/api/v1/whoami', { as: 'judge' })).json<{ logs: { log: string }[] }>()
    expect(whoami.logs.map(({ log }) => log)).toEqual(['supervision', 'personnel', 'public'])
  })
})

it('reading a registry is on record, but of a public log', async () => {
  const { reader } = network.node.context.logs.get('supervision')!
  const reads = () => reader.memberIndexes('reader:粤01-R9001', 10_000).map((index) => reader.statement(index).body.get('trail'))
  const before = reads().length
  for (const log of ['evidence', 'public'])
    expect((await network.ask(`/api/v1/logs/${log}/registry`, { as: 'inspector' })).status).toBe(200)
  expect(reads().slice(before)).toEqual(['ledger:court.example/evidence'])
})
