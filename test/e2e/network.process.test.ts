/** Four real nodes, made, started, killed and started again from the command line; what they give out is verified with all of them off. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lianzheng, NodeProcess } from '../helpers/node-process.ts'
import { freePorts } from '../helpers/peers.ts'

const NAMES = ['court', 'discipline', 'procuratorate', 'notary'] as const
type Name = (typeof NAMES)[number]
const place = mkdtempSync(join(tmpdir(), 'lianzheng-four-'))
const at = (...path: string[]) => join(place, 'net', ...path)
const nodes = new Map<Name, NodeProcess>()
let url: string

const start = async (name: Name) => nodes.set(name, await NodeProcess.start(at(`${name}.yaml`)))

beforeAll(async () => {
  const port = await freePorts(NAMES.length)
  url = `http://127.0.0.1:${port}`
  const made = await lianzheng('network', 'init', at(), '--nodes', NAMES.join(','), '--port', String(port))
  expect(made.stderr + made.code).toBe('0')
  // All at once: nobody needs another one to begin.
  await Promise.all(NAMES.map(start))
}, 60_000)
afterAll(async () => {
  for (const node of nodes.values()) await node.kill()
  rmSync(place, { recursive: true, force: true })
})

async function fixed(name: string): Promise<{ code: number | null; files: string[] }> {
  const file = join(place, name)
  writeFileSync(file, `the content of ${name}`)
  const out = join(place, `out-${name}`)
  const { code } = await lianzheng(
    ...['fix', file, '--set', 'material=electronic-data', '--key', at('keys/clerk.key.json'), '--url', url],
    ...['--policy', at('policy.txt'), '-o', out]
  )
  return { code, files: readdirSync(out).map((found) => join(out, found)) }
}

test('a file is fixed, final with two of three; nodes are killed and come back; a lawyer verifies offline, an auditor reads the mirror’s copy', async () => {
  const first = await fixed('contract.txt')
  expect(first.code).toBe(0)
  const receipt = first.files.find((file) => file.endsWith('.receipt.json'))!

  // Three institutions keep a log of the public class: the whole register is what all three have, and one that is down is missed.
  const register = async () => {
    const out = join(place, 'register.trail.json')
    rmSync(out, { force: true })
    const { code } = await lianzheng('trail', 'disclosure:粤01', '--url', url, '--policy', at('policy.txt'), '-o', out)
    return [code, (JSON.parse(readFileSync(out, 'utf8')) as { parts: { origin: string }[] }).parts.map(({ origin }) => origin)]
  }
  const origins = ['court', 'discipline', 'procuratorate'].map((name) => `${name}.example/public`)
  await expect.poll(register, { timeout: 20_000 }).toEqual([0, origins])
  await nodes.get('procuratorate')!.kill()
  expect(await register()).toEqual([2, origins.slice(0, 2)])
  await start('procuratorate')

  await nodes.get('notary')!.kill()
  const second = await fixed('one-down.txt')
  expect(second.code).toBe(0)
  await start('notary')
  await nodes.get('discipline')!.kill()
  await nodes.get('court')!.kill()
  await start('court')
  await start('discipline')
  const third = await fixed('back.txt')
  expect(third.code).toBe(0)

  for (const node of nodes.values()) expect((await node.terminate()).code).toBe(0)
  nodes.clear()
  for (const policy of ['policy.txt', 'policy-pq.txt', 'policies/court-evidence.txt']) {
    const verdict = await lianzheng('verify', receipt, join(place, 'contract.txt'), '--policy', at(policy), '--json')
    expect([policy, verdict.code, (JSON.parse(verdict.stdout) as { overall: string }).overall]).toEqual([policy, 0, 'verified'])
  }
  const audit = await lianzheng(
    'audit',
    '--data',
    at('data/discipline/.mirror/court.example+evidence'),
    '--policy',
    at('policy.txt'),
    '--json'
  )
  expect([audit.code, audit.stderr]).toEqual([0, ''])
  expect(readFileSync(at('seeds/notary.seed.initialised'), 'utf8')).toContain('cosign')
}, 60_000)
