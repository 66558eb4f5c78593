import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../src/node/config.ts'
import { makeNetwork } from '../../src/node/network.ts'

const samples = new URL('../../node-config/', import.meta.url).pathname

describe('sample configurations', () => {
  const names = readdirSync(samples).filter((name) => name.endsWith('.yaml'))

  it('are there', () => expect(names).toContain('court.yaml'))

  it.each(names)('%s parses', (name) => {
    const config = readConfig(join(samples, name))
    expect(config.logs.length).toBeGreaterThan(0)
    expect(config.seedFile.startsWith('/')).toBe(true)
  })

  it('say the same as what `network init` writes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lianzheng-config-'))
    await makeNetwork(directory, 7401)
    const made = readConfig(join(directory, 'court.yaml'))
    const sample = readConfig(join(samples, 'court.yaml'))
    for (const member of ['name', 'listen', 'publicUrl', 'logs', 'batch', 'limits'] as const)
      expect(sample[member]).toEqual(made[member])
  })
})
