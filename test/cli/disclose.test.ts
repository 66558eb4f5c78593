/** Selective disclosure: a receipt or certificate shows the fields it is asked to show, and verifies whatever it shows. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { base64url } from '../../src/core/bytes.ts'
import { decodeDisclosure } from '../../src/core/disclosure.ts'
import { parseReceipt } from '../../src/verify/files.ts'
import { Desk } from '../helpers/cli.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type Filed, TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
const POWER = 'power:粤01-R0001'
let network: TestNetwork
let filed: Filed
let receipt: string
beforeAll(async () => {
  network = await TestNetwork.open()
  filed = await network.put(fix('a', { sealed: { name: '合同.pdf', source: '原告提交', purpose: '证明欠款' } }), 'clerk')
  for (const content of ['第一次意见', '第二次意见']) await network.put(opinion({ sealed: { content } }), 'president')
  const record = `/api/v1/logs/evidence/records/${filed.leaf}/receipt`
  receipt = desk.path('whole.receipt.json')
  writeFileSync(receipt, (await network.ask(record, { as: 'clerk' })).bytes)
})
afterAll(() => network.close())

interface Report {
  overall: string
  record: { disclosed: Record<string, string>; withheld: string[] }
  disclosed: number
  withheld: number
}
const verify = (file: string) => desk.json<Report>(['verify', file, '--policy', network.policyFile])
/** The disclosures as a file has them. */
const textOf = (name: string) => base64url(filed.disclosures.find((one) => decodeDisclosure(one).name === name)!)

describe('a receipt, without the node', () => {
  it.each([
    ['name', ['name'], ['purpose', 'source']],
    ['source,name', ['name', 'source'], ['purpose']],
    [' purpose , source,name', ['name', 'purpose', 'source'], []],
    ['', [], ['name', 'purpose', 'source']]
  ])('--disclose "%s"', async (fields, shown, withheld) => {
    const out = desk.path(`${shown.join('-')}.receipt.json`)
    await desk.json(['export', receipt, '--format', 'receipt', '--disclose', fields, '-o', out])
    const report = await verify(out)
    expect([report.overall, Object.keys(report.record.disclosed).toSorted(), report.record.withheld.toSorted()]).toEqual([
      'verified',
      shown,
      withheld
    ])
    const text = readFileSync(out, 'utf8')
    for (const name of withheld) expect(text).not.toContain(textOf(name))
    for (const name of shown) expect(text).toContain(textOf(name))
  })

  it('what its summary says in words goes too', async () => {
    const told = desk.path('told.json')
    writeFileSync(told, JSON.stringify({ ...JSON.parse(readFileSync(receipt, 'utf8')), summary: { source: '原告提交' } }))
    const out = desk.path('untold.json')
    await desk.json(['export', told, '--format', 'receipt', '--disclose', 'name', '-o', out])
    expect(readFileSync(out, 'utf8')).not.toContain('原告')
  })

  it('a field it does not have is refused, and so is the option where it means nothing', async () => {
    const run = (...more: string[]) =>
      desk.json(['export', receipt, '-o', desk.path('never'), ...more], more.includes('content') ? 1 : 2)
    expect(await run('--format', 'receipt', '--disclose', 'content')).toMatchObject({
      error: { code: 'FIELD_UNKNOWN', field: 'content' }
    })
    expect(await run('--format', 'receipt')).toMatchObject({ error: { code: 'USAGE', field: '--disclose' } })
    expect(await run('--format', 'statement', '--disclose', 'name')).toMatchObject({ error: { code: 'USAGE' } })
  })
})

describe('a certificate', () => {
  const fetch = (out: string, ...more: string[]) =>
    desk.json<Report>([
      'trail',
      POWER,
      '--url',
      network.url,
      '--policy',
      network.policyFile,
      '--key',
      network.keyFile('inspector'),
      '-o',
      out,
      ...more
    ])

  it('with what is asked for alone, from the node or out of a whole one', async () => {
    const [whole, bare, cut] = ['whole', 'bare', 'cut'].map((name) => desk.path(`${name}.trail.json`)) as [string, string, string]
    expect(await fetch(whole)).toMatchObject({ overall: 'verified', disclosed: 2, withheld: 0 })
    expect(await fetch(bare, '--disclose', '')).toMatchObject({ overall: 'verified', disclosed: 0, withheld: 2 })
    expect(await fetch(desk.path('all.trail.json'), '--disclose', 'content,name')).toMatchObject({ disclosed: 2, withheld: 0 })
    await desk.json(['export', whole, '--format', 'trail', '--disclose', '', '-o', cut])
    for (const file of [bare, cut]) {
      expect(await verify(file)).toMatchObject({ overall: 'verified', disclosed: 0, withheld: 2 })
      expect(readFileSync(file, 'utf8')).toContain('"disclosures": []')
    }
  })
})

describe('over HTTP', () => {
  const ask = (disclose: string) =>
    network.ask(`/api/v1/logs/evidence/records/${filed.leaf}/receipt?disclose=${disclose}`, { as: 'clerk' })
  it('a receipt shows the fields asked for, never more than the caller may see', async () => {
    const shown = async (disclose: string) =>
      parseReceipt((await ask(disclose)).text).disclosures.map((one) => decodeDisclosure(one).name)
    expect(await shown('name,purpose')).toEqual(['name', 'purpose'])
    expect(await shown('content')).toEqual([])
    expect(await shown('')).toEqual([])
    const file = `/api/v1/trails/file:sha256-${'ab'.repeat(32)}?disclose=name`
    expect((await network.ask(file, { as: 'lawyer' })).status).toBe(200)
  })
  it('QUERY_INVALID for what is no name of a sealed field', async () => {
    for (const bad of ['nothing', 'name,', ',', 'toString', 'name;source', 'a'.repeat(50)])
      expect((await ask(bad)).json()).toMatchObject({ code: 'QUERY_INVALID', field: 'disclose' })
  })
})
