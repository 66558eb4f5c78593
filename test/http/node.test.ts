import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CODES, type Code } from '../../src/core/errors.ts'
import { formatVkey } from '../../src/core/note.ts'
import { fix } from '../helpers/lab.ts'
import { type Answer, LOGS, originOf, TestNetwork } from '../helpers/network.ts'

let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open({ config: { limits: { bodyBytes: 200_000, waiting: 100 } } })
})
afterAll(() => network.close())

describe('what the node says of itself', () => {
  it('its logs, with their keys and the policy', async () => {
    const logs = (await network.ask('/api/v1/logs')).json<Record<string, unknown>[]>()
    expect(logs.map(({ name, origin, class: held }) => [name, origin, held])).toEqual([
      ['evidence', 'court.example/evidence', 'party'],
      ['supervision', 'court.example/supervision', 'internal'],
      ['personnel', 'court.example/personnel', 'personnel'],
      ['public', 'court.example/public', 'public']
    ])
    const listed = network.policy.logs.map(({ vkey }) => formatVkey(vkey))
    for (const [i, log] of logs.entries()) {
      expect((log.vkeys as string[])[0]).toBe(listed[i])
      expect(log.vkeys).toHaveLength(2)
      expect(log).toMatchObject({ policy: network.policyText, url: `http://127.0.0.1:1/logs/${log.name}` })
      expect(log.size).toBeGreaterThan(9)
    }
  })

  it('who the caller is to each log', async () => {
    const answer = await network.ask('/api/v1/whoami', { as: 'clerk' })
    expect(answer.json()).toEqual({
      node: 'court.example',
      logs: LOGS.map((log) =>
        expect.objectContaining({ log, origin: originOf(log), org: 'gz-court', staff: '粤01-R0101', roles: ['clerk'] })
      )
    })
    expect((await network.ask('/api/v1/whoami', { as: 'lawyer' })).json<{ logs: object[] }>().logs[0]).not.toHaveProperty('staff')
    expect((await network.ask('/api/v1/whoami')).json()).toMatchObject({ code: 'AUTH_REQUIRED' })
  })

  it('its status', async () => {
    await network.put(fix('status'), 'clerk')
    const status = (await network.ask('/api/v1/status')).json<{ logs: Record<string, unknown>[] }>()
    expect(status).toMatchObject({
      name: 'court.example',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      ready: true,
      peers: []
    })
    expect(status).toHaveProperty('diskFree')
    for (const [i, log] of status.logs.entries()) {
      expect(log).toMatchObject({ name: LOGS[i], origin: originOf(LOGS[i]!), waiting: 0 })
      expect(log.published).toBe(log.size)
      const { height, time } = log.lastSeal as { height: number; time: string }
      expect(height).toBeGreaterThan(0)
      expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000)
    }
  })

  it('that it is alive and ready, in words for machines', async () => {
    const [health, ready] = [await network.ask('/healthz'), await network.ask('/readyz')]
    expect([health.status, health.text, ready.status, ready.text]).toEqual([200, 'ok\n', 200, 'ready\n'])
  })

  it('nothing of what it is made of; and asks browsers to be careful', async () => {
    const { headers } = await network.ask('/api/v1/status')
    expect(headers.get('x-powered-by')).toBeNull()
    expect(headers.get('etag')).toBeNull()
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(headers.get('cache-control')).toBe('no-store')
  })
})

describe('refusals are problem details (RFC 9457)', () => {
  const refused: [string, () => Promise<Answer>, Code, object?][] = [
    ['nowhere', () => network.ask('/nowhere'), 'NOT_FOUND'],
    ['nowhere in the API', () => network.ask('/api/v1/nowhere'), 'NOT_FOUND'],
    ['another method', () => network.ask('/api/v1/logs', { method: 'DELETE' }), 'NOT_FOUND'],
    ['a body that is no JSON', () => network.ask('/api/v1/records', { body: '{"statement":' }), 'BODY_INVALID'],
    [
      'a body of another kind',
      () => network.ask('/api/v1/records', { body: 'x', headers: { 'content-type': 'text/plain' } }),
      'BODY_INVALID'
    ],
    ['a body that is no object', () => network.ask('/api/v1/records', { body: '"text"' }), 'BODY_INVALID'],
    [
      'an unknown character set',
      () => network.ask('/api/v1/records', { body: '{}', headers: { 'content-type': 'application/json; charset=x' } }),
      'BODY_INVALID'
    ],
    [
      'an unknown member',
      () => network.ask('/api/v1/records', { body: '{"statement":"","more":1}' }),
      'BODY_INVALID',
      { expected: '{"statement": base64url, "disclosures": [base64url…]}' }
    ],
    [
      'a member of the wrong kind',
      () => network.ask('/api/v1/records', { body: '{"statement":1}' }),
      'BODY_INVALID',
      { field: 'statement' }
    ],
    [
      'too many disclosures',
      () => network.ask('/api/v1/records', { body: JSON.stringify({ statement: '', disclosures: Array(65).fill('') }) }),
      'BODY_INVALID',
      { field: 'disclosures' }
    ],
    ['an empty statement', () => network.post(new Uint8Array(0)), 'STATEMENT_FORM', { offset: 0, expected: 'tag 18 (d2)' }],
    ['CBOR that ends early', () => network.post(Uint8Array.of(0xd2, 0x84, 0x40)), 'CBOR_TRUNCATED', { offset: 1 }],
    [
      'a field of the record',
      () => network.post(network.sign(fix('x'), 'clerk', { body: (body) => (body.material = 'stone') })),
      'FIELD_INVALID',
      { field: 'material' }
    ],
    [
      'a trail that is not the record’s',
      () =>
        network.post(
          network.sign(fix('x'), 'clerk', { sub: 'list:粤01-20200826-listaaaaaaaa', trails: ['list:粤01-20200826-listaaaaaaaa'] })
        ),
      'TRAILS_MISMATCH',
      { field: 'sub' }
    ],
    ['no token', () => network.ask('/api/v1/logs/evidence/records/0'), 'AUTH_REQUIRED'],
    [
      'a bad token',
      () => network.ask('/api/v1/logs', { authorization: 'Basic x' }),
      'AUTH_INVALID',
      { expected: 'Bearer <JWT>' }
    ],
    ['no right', () => network.ask('/api/v1/trails/power:粤01-R0001', { as: 'lawyer' }), 'ACCESS_DENIED'],
    [
      'a log that is not there',
      () => network.ask('/api/v1/logs/x/proofs/consistency?from=1&to=2'),
      'LOG_UNKNOWN',
      { expected: 'evidence | supervision | personnel | public' }
    ]
  ]

  it.each(refused)('%s', async (_, ask, code, more = {}) => {
    const answer = await ask()
    const problem = answer.json()
    const [status, , zh, en] = CODES[code]
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
    expect(problem).toMatchObject({ type: `urn:lianzheng:error:${code}`, status, code, title: problem.en, ...more })
    expect(problem.zh).toContain(zh)
    expect(problem.en).toContain(en)
    for (const member of Object.keys(problem))
      expect([
        'type',
        'title',
        'status',
        'code',
        'zh',
        'en',
        'field',
        'offset',
        'expected',
        'at',
        'instance',
        'refusal'
      ]).toContain(member)
    expect(problem.instance).toBe(`urn:uuid:${answer.headers.get('x-request-id')}`)
    expect(answer.text).not.toMatch(/node_modules|\.ts:|\bat \w+ \(/)
  })

  it('are nothing for the operator’s log', () => expect(network.errors).toEqual([]))
})

describe('a body beyond the limit', () => {
  const wall = 200_000

  it('is refused before it is read, by what it says of its length', async () => {
    const answer = await network.ask('/api/v1/records', { body: '['.repeat(wall + 1) })
    expect([answer.status, answer.json().code]).toEqual([413, 'BODY_TOO_LARGE'])
    // As much as the limit is read, and found to be no JSON.
    expect((await network.ask('/api/v1/records', { body: '['.repeat(wall) })).json()).toMatchObject({ code: 'BODY_INVALID' })
  })

  it('is refused without that, once it is too long', async () => {
    const answer = await network.askRaw('/api/v1/records', [' '.repeat(wall), '[]', ' '.repeat(wall)])
    expect([answer.status, answer.json().code]).toEqual([413, 'BODY_TOO_LARGE'])
  })

  it('is measured unpacked', async () => {
    const body = gzipSync(' '.repeat(wall * 10))
    const answer = await network.ask('/api/v1/records', { body, headers: { 'content-encoding': 'gzip' } })
    expect([body.length < wall, answer.status]).toEqual([true, 413])
  })
})
