import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/node/config.ts'
import { makeNetwork, NODES } from '../../src/node/network.ts'

const samples = new URL('../../node-config/', import.meta.url).pathname

describe('the sample of one node', () => {
  it('is the only one at its place, and parses', () => {
    expect(readdirSync(samples).sort()).toEqual(['court.yaml', 'network'])
    const config = readConfig(join(samples, 'court.yaml'))
    expect(config.logs.length).toBeGreaterThan(0)
    expect(config.seedFile.startsWith('/')).toBe(true)
  })

  it('says the same as what `network init` writes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lianzheng-config-'))
    await makeNetwork(directory, 7401)
    const made = readConfig(join(directory, 'court.yaml'))
    const sample = readConfig(join(samples, 'court.yaml'))
    for (const member of ['name', 'listen', 'publicUrl', 'logs', 'batch', 'limits'] as const)
      expect(sample[member]).toEqual(made[member])
    rmSync(directory, { recursive: true })
  })
})

describe('the sample of four nodes', () => {
  let directory: string
  beforeAll(async () => {
    // As its first lines say: the samples stand where they stand, `network init .lianzheng` beside them.
    directory = mkdtempSync(join(tmpdir(), 'lianzheng-config-'))
    cpSync(samples, join(directory, 'node-config'), { recursive: true })
    await makeNetwork(join(directory, '.lianzheng'), 7401, NODES)
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  it.each(NODES)('%s works as it is, and says the same as what `network init` writes', (node) => {
    const { file: _, ...sample } = readConfig(join(directory, 'node-config/network', `${node}.yaml`))
    const { file: __, ...made } = readConfig(join(directory, '.lianzheng', `${node}.yaml`))
    expect(sample).toEqual(made)
  })

  const wrong: [string, string, string, string][] = [
    ['a mirror that is no peer', 'mirrors: [discipline.example]', 'mirrors: [prison.example]', 'logs.1.mirrors.0'],
    ['a peer in two roles', 'witnesses: [procuratorate.example] }', 'witnesses: [notary.example] }', 'logs.0.mirrors.1'],
    ['itself as a peer', '{ name: notary.example,', '{ name: court.example,', 'peers.2.name'],
    ['a log watched twice', 'origin: procuratorate.example/public', 'origin: discipline.example/public', 'watch.3.origin'],
    ['a log of its own, watched', 'origin: procuratorate.example/public', 'origin: court.example/public', 'watch.3.origin'],
    ['keys of a log for a peer', 'vkeys/notary.txt', 'vkeys/court-public.txt', 'peers.2.vkeys'],
    ['keys of a peer for a log', 'vkeys/procuratorate-public.txt', 'vkeys/court.txt', 'watch.3.vkeys'],
    ['a role that there is not', 'role: mirror', 'role: auditor', 'watch.2.role']
  ]
  it.each(wrong)('%s stops the start, with the line', (_, from, to, field) => {
    const file = join(directory, '.lianzheng/court.yaml')
    const text = readFileSync(file, 'utf8')
    const changed = join(directory, '.lianzheng/changed.yaml')
    writeFileSync(changed, text.replace(from, to))
    const line = text.slice(0, text.indexOf(from)).split('\n').length
    expect(text).toContain(from)
    expect(() => readConfig(changed)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    try {
      readConfig(changed)
    } catch (error) {
      expect((error as { detail: object }).detail).toMatchObject({ field, at: `${changed}:${line}` })
    }
  })
})
