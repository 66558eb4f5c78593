/** What operators and integrators are given: a log that says nothing of content, metrics, a description and its page, limits that hold. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CODES } from '../../src/core/errors.ts'
import type { Document, Json } from '../../src/http/openapi.ts'
import { CATALOGUE } from '../../src/records/catalogue.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { TestNetwork } from '../helpers/network.ts'

let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open({ config: { limits: { bodyBytes: 150_000, bodiesBytes: 200_000 } } })
})
afterAll(() => network.close())

const lines = () => network.log.map((line) => JSON.parse(line) as { event: string; id?: string; route?: string; code?: string })

describe('the operator’s log', () => {
  it('has a line for every request, with the id that the answer carries and the pattern of its path', async () => {
    const answer = await network.ask('/api/v1/trails/power:粤01-R0001', { as: 'lawyer' })
    const line = lines().find(({ id }) => id === answer.headers.get('x-request-id'))
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-/),
      event: 'request',
      id: expect.any(String),
      method: 'GET',
      route: '/api/v1/trails/{name}',
      status: 403,
      ms: expect.any(Number),
      code: 'ACCESS_DENIED'
    })
    expect(answer.json().instance).toBe(`urn:uuid:${line!.id}`)
  })

  it('says nothing of what was in the requests of a busy run: content, trails, persons, tokens, keys, addresses', async () => {
    const marker = `标记${Math.random().toString(36).slice(2)}`
    const number = '（2020）粤01民初98765号'
    const token = network.token('inspector')
    const secretive = { case: number, sealed: { content: marker } }
    const { statement, disclosures } = network.sign(opinion(secretive), 'president')
    const { leaf } = (await network.post({ statement, disclosures }, '?reply=index')).json<{ leaf: string }>()
    await network.put(fix(marker, { case: number, sealed: { name: marker } }), 'clerk')
    const paths = [
      `/api/v1/logs/supervision/records/${leaf}`,
      `/api/v1/logs/supervision/records/${leaf}/receipt`,
      `/api/v1/trails/${encodeURIComponent(`case-internal:${number}`)}`,
      `/api/v1/trails/${encodeURIComponent(`case:${number}`)}?from=${encodeURIComponent(marker)}`,
      `/api/v1/trails/${encodeURIComponent(marker)}`,
      `/${encodeURIComponent(marker)}/${encodeURIComponent(number)}`,
      `/api/v1/logs/${encodeURIComponent(marker)}/records/1`,
      `/logs/evidence/tile/${encodeURIComponent(marker)}`
    ]
    for (const path of paths)
      for (const authorization of [`Bearer ${token}`, `Bearer ${token}x`]) await network.ask(path, { authorization })
    for (const body of [`{"${marker}":1}`, marker, `{"statement":"${marker}"}`, JSON.stringify([{ statement: marker }])])
      await network.ask('/api/v1/records', { body })
    await network.ask('/api/v1/verify', { body: `{"receipt":{"${marker}":"${number}"}}` })
    const all = network.log.join('')
    expect(lines().filter(({ event }) => event === 'request').length).toBeGreaterThan(20)
    const forbidden = [
      marker,
      encodeURIComponent(marker),
      number,
      encodeURIComponent(number),
      '粤01',
      token,
      token.split('.')[2]!,
      leaf
    ]
    expect(
      [...forbidden, '127.0.0.1:', ...network.secrets].filter((word) => all.replace(/"url":"[^"]*"/, '').includes(word))
    ).toEqual([])
  })

  it('tells start and stop', async () => {
    const made = await TestNetwork.open()
    await made.close()
    const events = made.log.map((line) => (JSON.parse(line) as { event: string }).event)
    expect([events[0], ...events.slice(-2)]).toEqual(['listening', 'stopping', 'stopped'])
  })
})

describe('the metrics', () => {
  const value = async (name: string) => {
    const { text } = await network.ask('/metrics')
    const line = text.split('\n').find((one) => one.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.split(' ')[1])
  }
  it('count records, seals and refusals, and know sizes and times', async () => {
    const before = {
      records: (await value('lianzheng_records_total{log="evidence"}')) ?? 0,
      refused: (await value('lianzheng_refusals_total{code="BODY_INVALID"}')) ?? 0
    }
    await network.postAll([1, 2, 3].map((i) => network.sign(fix(`counted ${i}`), 'clerk')))
    await network.ask('/api/v1/records', { body: '{}' })
    await network.ask('/api/v1/records', { body: '[{}]' })
    expect(await value('lianzheng_records_total{log="evidence"}')).toBe(before.records + 3)
    expect(await value('lianzheng_refusals_total{code="BODY_INVALID"}')).toBe(before.refused + 2)
    const { size, sealTime } = network.node.context.logs.get('evidence')!.sequencer.published!
    expect(await value('lianzheng_published_size{log="evidence"}')).toBe(size)
    expect(await value('lianzheng_last_seal_timestamp_seconds{log="evidence"}')).toBe(sealTime / 1000)
    expect(await value('lianzheng_taking_records')).toBe(1)
    for (const name of ['lianzheng_disk_free_bytes', 'process_resident_memory_bytes', 'process_cpu_seconds_total'])
      expect(await value(name), name).toBeGreaterThan(0)
  })
  it('have no labels but logs, routes, methods, statuses, codes and buckets', async () => {
    await network.ask(`/api/v1/trails/${encodeURIComponent('case:（2020）粤01民初4321号')}`)
    const { text } = await network.ask('/metrics')
    const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, name]) => name))
    expect([...labels].sort()).toEqual(['code', 'le', 'log', 'method', 'route', 'status'])
    expect(text).not.toMatch(/4321|粤/)
  })
})

describe('the description', () => {
  it('is OpenAPI 3.1 with every reference in it, both languages, every code and every record type', async () => {
    const answer = await network.ask('/openapi.json')
    const document = answer.json<Document>()
    expect(document.openapi).toMatch(/^3\.1\./)
    for (const [, reference] of answer.text.matchAll(/"\$ref":"([^"]+)"/g)) {
      const found = reference!
        .slice(2)
        .split('/')
        .reduce<unknown>((at, part) => (at as Json | undefined)?.[part], document)
      expect(found, reference).toBeDefined()
    }
    for (const methods of Object.values(document.paths))
      for (const operation of Object.values(methods)) {
        expect([operation.operationId, operation['x-summary-zh']]).toEqual([
          expect.any(String),
          expect.stringMatching(/[\u4e00-\u9fff]/)
        ])
        for (const parameter of operation.parameters as Json[]) expect(parameter['x-zh'], String(parameter.name)).toMatch(/./)
      }
    const { code } = document.components.schemas.Problem!.properties as { code: { enum: string[] } }
    expect(code.enum).toEqual(Object.keys(CODES))
    for (const { type, zh, en } of CATALOGUE)
      expect(document.components.schemas[`record.${type}`]).toMatchObject({ title: type, description: en, 'x-zh': zh })
  })

  it('is a page in either language that runs and loads nothing', async () => {
    const zh = await network.ask('/docs', { headers: { 'accept-language': 'zh-CN,zh;q=0.9,en;q=0.8' } })
    const en = await network.ask('/docs?lang=en', { headers: { 'accept-language': 'zh' } })
    expect([zh.headers.get('content-language'), en.headers.get('content-language')]).toEqual(['zh', 'en'])
    expect(zh.text).toContain('接口说明')
    expect(en.text).toContain('Programming interface')
    for (const { text, headers } of [zh, en]) {
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+';/)
      expect(text).not.toMatch(/<script|<img|<link|\son\w+=|https?:\/\//)
      for (const [, anchor] of text.matchAll(/href="#([^"]+)"/g)) expect(text, anchor).toContain(`id="${anchor}"`)
      for (const code of Object.keys(CODES)) expect(text).toContain(`<code>${code}</code>`)
    }
    const wrong = await network.ask('/docs?lang=fr')
    expect([wrong.status, wrong.json().code]).toEqual([400, 'QUERY_INVALID'])
  })
})

describe('bodies', () => {
  it('that together are larger than may be are refused before they are read, until there is room', async () => {
    const { hostname, port } = new URL(network.url)
    const slow = connect(Number(port), hostname)
    slow.write('POST /api/v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 140000\r\n\r\n[')
    const body = ' '.repeat(100_000)
    // By its own connection, so that the first is there before the second for certain only after a while.
    let refused = await network.ask('/api/v1/records', { body })
    while (refused.status !== 503) refused = await network.ask('/api/v1/records', { body })
    expect([refused.json().code, refused.headers.get('retry-after')]).toEqual(['OVERLOADED', '1'])
    slow.destroy()
    let taken = await network.ask('/api/v1/records', { body })
    while (taken.status === 503) taken = await network.ask('/api/v1/records', { body })
    expect(taken.json().code).toBe('BODY_INVALID')
  })
})
