import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { base64url } from '../../src/core/bytes.ts'
import { formatVkey } from '../../src/core/note.ts'
import { catalogueDigest } from '../../src/records/catalogue.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { opinion } from '../helpers/lab.ts'
import { LOGS, type Name, TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
const networks: TestNetwork[] = []
async function open(options = {}): Promise<TestNetwork> {
  const network = await TestNetwork.open(options)
  networks.push(network)
  return network
}
afterAll(async () => {
  for (const network of networks) {
    expect(leaked(network.secrets)).toEqual([])
    await network.close()
  }
})

interface Done {
  log: string
  index: number
  leaf: string
}

const as = (network: TestNetwork, name: Name) => [
  '--key',
  network.keyFile(name),
  '--url',
  network.url,
  '--policy',
  network.policyFile
]
async function newKey(name: string): Promise<{ file: string; kid: string }> {
  const file = desk.path(`${name}.key.json`)
  const { kid } = await desk.json<{ kid: string }>(['key', 'new', '--out', file])
  return { file, kid }
}
async function whoami(network: TestNetwork, file: string): Promise<{ error?: { code: string }; logs?: string[] }> {
  const record = desk.path('opinion.json')
  writeFileSync(record, JSON.stringify(opinion()))
  const { status, out } = await desk.run([
    'submit',
    record,
    '--json',
    '--key',
    file,
    '--url',
    network.url,
    '-o',
    desk.path('out')
  ])
  return status === 0
    ? { logs: (JSON.parse(out) as Done[]).map(({ log }) => log) }
    : (JSON.parse(out) as { error: { code: string } })
}

describe('one organisation is enough', () => {
  let network: TestNetwork
  beforeAll(async () => {
    network = await open()
  })
  const leader = ['--org', 'gz-court', '--staff', '粤01-R0077', '--role', 'leader', '--role', 'judge', '--holder', '张某某']

  it('a key is registered in every log, works, is revoked, and works no more', async () => {
    const { file, kid } = await newKey('leader')
    expect(await whoami(network, file)).toMatchObject({ error: { code: 'AUTH_INVALID' } })
    const added = await desk.json<Done[]>(['registry', 'add', file, ...leader, ...as(network, 'admin-court')])
    expect(added.map(({ log }) => log)).toEqual([...LOGS])
    expect(await whoami(network, file)).toEqual({ logs: ['supervision'] })
    const record = (await network.ask(`/api/v1/logs/evidence/records/${added[0]!.leaf}`, { as: 'admin-court' })).json()
    expect(record).toMatchObject({
      type: 'registry.key',
      body: { staff: '粤01-R0077', roles: ['leader', 'judge'] },
      disclosed: { holder: '张某某' }
    })

    const since = '2020-08-26T09:00:00+08:00'
    const revoked = await desk.json<Done[]>([
      'registry',
      'revoke',
      kid,
      '--reason',
      'lost',
      '--compromised-since',
      since,
      ...as(network, 'admin-court')
    ])
    expect(revoked.map(({ log }) => log)).toEqual([...LOGS])
    expect(await whoami(network, file)).toMatchObject({ error: { code: 'AUTH_INVALID' } })
    const last = (await network.ask(`/api/v1/logs/evidence/records/${revoked[0]!.leaf}`, { as: 'admin-court' })).json()
    expect(last).toMatchObject({ body: { kid, reason: 'lost', compromisedSince: Date.parse(since) / 1000 } })
    expect(await desk.json(['registry', 'add', file, ...leader, ...as(network, 'admin-court')], 1)).toMatchObject({
      error: { code: 'KEY_ALREADY_REGISTERED' }
    })
  })

  it('a key can be registered in one log alone, with dates', async () => {
    const { file, kid } = await newKey('dated')
    const dates = ['--not-before', '2020-01-01T00:00:00+08:00', '--not-after', '2120-01-01T00:00:00Z']
    const added = await desk.json<Done[]>([
      'registry',
      'add',
      file,
      ...leader,
      ...dates,
      '--log',
      'supervision',
      ...as(network, 'admin-court')
    ])
    expect(added.map(({ log }) => log)).toEqual(['supervision'])
    expect(await whoami(network, file)).toEqual({ logs: ['supervision'] })
    const [done] = await desk.json<Done[]>([
      'registry',
      'revoke',
      kid,
      '--reason',
      'left',
      '--log',
      'supervision',
      ...as(network, 'admin-court')
    ])
    const body = (await network.ask(`/api/v1/logs/supervision/records/${added[0]!.leaf}`, { as: 'inspector' })).json().body
    expect(body).toMatchObject({ notBefore: 1_577_808_000, notAfter: 4_733_510_400 })
    expect(done!.log).toBe('supervision')
  })

  it('a public key file is all the administrator needs', async () => {
    const { file, kid } = await newKey('whole')
    const { publicKey } = await desk.json<{ publicKey: string }>(['key', 'show', file])
    const half = desk.path('half.key.json')
    writeFileSync(half, JSON.stringify({ kty: 'OKP', crv: 'Ed25519', kid, x: publicKey }))
    await desk.json([
      'registry',
      'add',
      half,
      '--org',
      'gz-court',
      '--role',
      'lawyer',
      '--log',
      'evidence',
      ...as(network, 'admin-court')
    ])
  })

  it('what an administrator may not do is refused', async () => {
    const { file } = await newKey('refused')
    const court = as(network, 'admin-court')
    const { kid } = network.user('inspector').key
    const refused: [string[], string, number][] = [
      [['add', file, '--org', 'gz-discipline', '--role', 'clerk', ...court], 'FOREIGN_ORGANISATION', 1],
      [['add', file, '--org', 'gz-court', '--role', 'discipline', ...court], 'ROLE_NOT_GIVABLE', 1],
      [['add', file, '--org', 'gz-court', '--role', 'king', ...court], 'FIELD_INVALID', 1],
      [['add', file, '--org', 'gz-court', '--role', 'clerk', '--staff', 'R1', ...court], 'FIELD_INVALID', 1],
      [['add', file, '--org', 'gz-court', '--role', 'clerk', '--not-after', 'tomorrow', ...court], 'USAGE', 2],
      [['add', file, '--org', 'gz-court', '--role', 'clerk', '--log', 'none', ...court], 'LOG_UNKNOWN', 2],
      [['add', file, '--org', 'gz-court', '--role', 'clerk', ...as(network, 'clerk')], 'ROLE_NOT_PERMITTED', 1],
      [['revoke', kid, '--reason', 'left', ...court], 'FOREIGN_ORGANISATION', 1],
      [['revoke', 'A'.repeat(43), '--reason', 'left', ...court], 'REGISTRY_TARGET', 1],
      [['revoke', 'x', '--reason', 'left', ...court], 'FIELD_INVALID', 1],
      [['approve', 'A'.repeat(43), '--log', 'evidence', ...court], 'REGISTRY_TARGET', 1],
      [['approve', 'A'.repeat(43), ...court], 'REGISTRY_TARGET', 1],
      [['member', 'remove', 'nobody', ...court], 'REGISTRY_TARGET', 1],
      [['node', '--only', 'everything', ...court], 'USAGE', 2],
      [['policy', network.keyFile('clerk'), ...court], 'POLICY_INVALID', 2],
      [['list', ...as(network, 'clerk')], 'ACCESS_DENIED', 2]
    ]
    for (const [args, code, status] of refused)
      expect([args[0], code, await desk.json(['registry', ...args], status)]).toMatchObject([args[0], code, { error: { code } }])
  })

  it('what was done is said in the language of the user', async () => {
    const { file, kid } = await newKey('words')
    const args = [
      'registry',
      'add',
      file,
      '--org',
      'gz-court',
      '--role',
      'lawyer',
      '--log',
      'public',
      ...as(network, 'admin-court')
    ]
    expect((await desk.run(args)).out).toMatch(new RegExp(`^registry\\.key ${kid}: log public, index \\d+\n$`))
    const revoke = [
      'registry',
      'revoke',
      kid,
      '--reason',
      'left',
      '--log',
      'public',
      '--lang',
      'zh',
      ...as(network, 'admin-court')
    ]
    expect((await desk.run(revoke)).out).toMatch(new RegExp(`^registry\\.revoke ${kid}：账本 public 第 \\d+ 条\n$`))
  })
})

describe('two organisations must agree', () => {
  let network: TestNetwork
  beforeAll(async () => {
    network = await open({ control: 2 })
  })

  it('ids that begin with a hyphen are ids', async () => {
    const id = `-${'A'.repeat(42)}`
    const revoked = await desk.run([
      'registry',
      'revoke',
      id,
      '--reason',
      'left',
      '--log',
      'public',
      ...as(network, 'admin-court'),
      '--json'
    ])
    expect([revoked.status, JSON.parse(revoked.out)]).toEqual([
      1,
      { error: expect.objectContaining({ code: 'REGISTRY_TARGET' }) }
    ])
    const approved = await desk.run(['registry', 'approve', id, '--kid', id, ...as(network, 'admin-court'), '--json'])
    expect([approved.status, JSON.parse(approved.out)]).toEqual([
      1,
      { error: expect.objectContaining({ code: 'REGISTRY_TARGET' }) }
    ])
  })

  it('a registration waits for the approval of another, log by log; a revocation does not', async () => {
    const { file, kid } = await newKey('pending')
    const role = ['--org', 'gz-court', '--staff', '粤01-R0088', '--role', 'leader']
    const added = await desk.json<Done[]>(['registry', 'add', file, ...role, ...as(network, 'admin-court')])
    expect(await whoami(network, file)).toMatchObject({ error: { code: 'AUTH_INVALID' } })
    const user = { ...network.user('president'), staff: '粤01-R0088' }
    expect((await network.post(network.sign(opinion(), user))).json()).toMatchObject({ code: 'KEY_PENDING', status: 403 })

    const { leaf } = added.find(({ log }) => log === 'supervision')!
    const approve = (by: Name, ...more: string[]) => [
      'registry',
      'approve',
      leaf,
      '--log',
      'supervision',
      ...more,
      ...as(network, by)
    ]
    expect(await desk.json(approve('admin-court', '--kid', kid), 1)).toMatchObject({ error: { code: 'REGISTRY_TARGET' } })
    // Whoever believes that it is about another key agrees to nothing.
    expect(await desk.json(approve('admin-discipline', '--kid', 'A'.repeat(43)), 1)).toMatchObject({
      error: { code: 'FIELD_INVALID', field: 'kid', expected: kid }
    })
    const [approved] = await desk.json<Done[]>(approve('admin-discipline', '--kid', kid))
    expect(approved).toMatchObject({ log: 'supervision' })
    expect(await whoami(network, file)).toEqual({ logs: ['supervision'] })
    expect(await desk.json(approve('admin-notary', '--kid', kid), 1)).toMatchObject({ error: { code: 'REGISTRY_TARGET' } })

    await desk.json(['registry', 'revoke', kid, '--reason', 'left', '--log', 'supervision', ...as(network, 'admin-court')])
    expect(await whoami(network, file)).toMatchObject({ error: { code: 'AUTH_INVALID' } })
  })

  it('the receipts of whoever was approved verify, approvals and all', async () => {
    const { file, kid } = await newKey('approved')
    const added = await desk.json<Done[]>([
      'registry',
      'add',
      file,
      '--org',
      'gz-court',
      '--staff',
      '粤01-R0089',
      '--role',
      'leader',
      '--log',
      'supervision',
      ...as(network, 'admin-court')
    ])
    await desk.json([
      'registry',
      'approve',
      added[0]!.leaf,
      '--kid',
      kid,
      '--log',
      'supervision',
      ...as(network, 'admin-procuratorate')
    ])
    writeFileSync(desk.path('approved.json'), JSON.stringify(opinion()))
    const [done] = await desk.json<{ receipt: string; overall: string }[]>([
      'submit',
      desk.path('approved.json'),
      '--key',
      file,
      '--url',
      network.url,
      '--policy',
      network.policyFile,
      '-o',
      desk.path('approved')
    ])
    expect(done!.overall).toBe('verified')
    expect((await desk.run(['verify', done!.receipt, '--policy', network.policyFile])).status).toBe(0)
  })
})

interface Listed {
  log: string
  catalogue: { inForce: number; known: number }
  node: { generation: number; keys: { log: string } }
  members: { name: string; role: string }[]
  pending: { leaf: string; type: string; orgs: string[]; body: { staff?: string } }[]
  keys: { kid: string; org: string; staff?: string; roles: string[]; activeFrom?: number; revoked?: object }[]
}
const listed = (network: TestNetwork, log: string, by: Name = 'admin-court') =>
  desk.json<Listed[]>(['registry', 'list', '--log', log, ...as(network, by)]).then(([one]) => one!)
const submit = (network: TestNetwork, record: object, by: Name, policy: string) => {
  const file = desk.path('record.json')
  writeFileSync(file, JSON.stringify(record))
  const args = ['submit', file, '--key', network.keyFile(by), '--url', network.url, '--policy', policy, '-o', desk.path('out')]
  return desk.run([...args, '--json'])
}

describe('the catalogue', () => {
  it('of an older log is put into force by its administrator; until then its newer types are refused', async () => {
    const made = await TestNetwork.make()
    networks.push(made)
    for (const log of LOGS) made.rewriteGenesis(log, { catalogue: 1, catalogueDigest: base64url(catalogueDigest(1)) })
    await made.start()
    const file = desk.path('report.json')
    writeFileSync(file, (await desk.run(['types', 'keycase.flag', '--example'])).out)
    const flag = () => ['submit', file, ...as(made, 'clerk'), '-o', desk.path('out')]
    expect(await desk.json(flag(), 1)).toMatchObject({ error: { code: 'CATALOGUE_NOT_IN_FORCE' } })
    expect((await listed(made, 'supervision')).catalogue).toEqual({ inForce: 1, known: 2 })
    const done = await desk.json<Done[]>(['registry', 'catalogue', ...as(made, 'admin-court')])
    expect(done.map(({ log }) => log)).toEqual([...LOGS])
    expect((await listed(made, 'supervision')).catalogue).toEqual({ inForce: 2, known: 2 })
    expect((await desk.run(flag())).status).toBe(0)
    expect((await desk.run(['registry', 'catalogue', ...as(made, 'admin-court')])).out).toBe('nothing to change\n')
    await made.stop()
    await made.start()
    expect((await desk.run(flag())).status).toBe(0)
  })

  it('that this software was not published with is refused', async () => {
    const made = await open()
    const record = { type: 'registry.catalogue', at: opinion().at, catalogue: 2, catalogueDigest: base64url(new Uint8Array(32)) }
    const answer = await made.post(made.sign(record, 'admin-court', { log: 'public' }))
    expect(answer.json()).toMatchObject({ code: 'FIELD_INVALID' })
  })
})

describe('members and policy', () => {
  it('are changed, listed, and changed back', async () => {
    const made = await open()
    const vkey = made.policy.logs[0]!.vkey
    const member = ['--org', 'gz-notary', '--role', 'witness', '--vkey', formatVkey(vkey), '--log', 'public']
    await desk.json(['registry', 'member', 'add', 'notary.example', ...member, ...as(made, 'admin-court')])
    expect((await listed(made, 'public')).members.map(({ name, role }) => `${name} ${role}`)).toContain('notary.example witness')
    const removed = await desk.json<Done[]>(['registry', 'member', 'remove', 'notary.example', ...as(made, 'admin-court')])
    expect(removed.map(({ log }) => log)).toEqual(['public'])
    await desk.json(['registry', 'policy', made.policyFile, '--log', 'public', ...as(made, 'admin-court')])
    const text = (await desk.run(['registry', 'list', '--log', 'public', ...as(made, 'admin-court')])).out
    expect(text).toMatch(
      /^log public \(court\.example\/public\): run by gz-court, 1 must agree to changes, catalogue 2, node keys generation 1\n/
    )
    expect(text).toMatch(/ {2}key [\w-]{43} {2}gz-court {2}粤01-R0101 {2}clerk {2}active\n/)
  })
})

describe('the keys of the node', () => {
  it('change once two organisations agree; the node goes on under them, and what was handed out before still verifies', async () => {
    const made = await open({ control: 2 })
    const old = desk.path('old-policy.txt')
    writeFileSync(old, made.policyText)
    // The president's own registration is the first thing they agree to.
    const enrolled = (await listed(made, 'supervision')).pending.find(({ body }) => body.staff === '粤01-R0001')!
    await desk.json(['registry', 'approve', enrolled.leaf, ...as(made, 'admin-discipline')])
    const before = JSON.parse((await submit(made, opinion(), 'president', old)).out) as { receipt: string; overall: string }[]
    expect(before[0]!.overall).toBe('verified')

    const [proposed] = await desk.json<(Done & { awaits: number })[]>([
      'registry',
      'node',
      '--log',
      'supervision',
      ...as(made, 'admin-court')
    ])
    expect(proposed!.awaits).toBe(1)
    const waiting = await listed(made, 'supervision', 'admin-discipline')
    expect(waiting.pending.at(-1)).toMatchObject({ leaf: proposed!.leaf, type: 'registry.node', orgs: ['gz-court'] })
    expect(waiting.node.generation).toBe(1)
    // The log where it waits is found.
    const [approved] = await desk.json<Done[]>(['registry', 'approve', proposed!.leaf, ...as(made, 'admin-discipline')])
    expect(approved!.log).toBe('supervision')
    const { node, pending } = await listed(made, 'supervision')
    expect([node.generation, pending.some(({ type }) => type === 'registry.node')]).toEqual([2, false])

    const after = await submit(made, opinion(), 'president', old)
    expect([after.status, (JSON.parse(after.out) as { overall: string }[])[0]!.overall]).toEqual([2, 'could-not-check'])
    const renewed = desk.path('new-policy.txt')
    const url = made.policyText
      .split('\n')
      .find((line) => line.includes('court.example/supervision'))!
      .split(' ')[2]!
    writeFileSync(renewed, `log ${node.keys.log} ${url}\n${made.policyText}`)
    await made.stop()
    await made.start()
    const later = JSON.parse((await submit(made, opinion(), 'president', renewed)).out) as { receipt: string; overall: string }[]
    expect(later[0]!.overall).toBe('verified')
    expect((await desk.run(['verify', before[0]!.receipt, '--policy', renewed])).status).toBe(0)
    expect((await desk.run(['verify', before[0]!.receipt, '--policy', old])).status).toBe(0)
    expect((await desk.run(['verify', later[0]!.receipt, '--policy', old])).status).toBe(2)
    await made.stop()
    const audited = await desk.run(['audit', '--data', made.dataDir('supervision'), '--policy', renewed])
    expect([audited.status, audited.out]).toEqual([0, expect.stringContaining('all agree')])
  })
})
