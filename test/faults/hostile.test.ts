/**
 * Every reader of bytes and texts from outside, with some hundreds of hostile inputs each: it refuses by a code of ours or reads what is there, and believes
 * nothing that is not so. `npm run soak -- --only fuzz` goes on where this stops.
 */
import { createHash } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { FatalError, LianzhengError } from '../../src/core/errors.ts'
import { hostileInput } from '../helpers/hostile.ts'
import { hostileRequests } from '../helpers/hostile-http.ts'
import { type Target, Wrong } from '../helpers/hostile-reader.ts'
import { attack } from '../helpers/hostile-run.ts'
import { hostileTargets } from '../helpers/hostile-targets.ts'

const SEED = '20200826'
const INPUTS = 300

const requests = await hostileRequests()
afterAll(requests.close)
const targets = [...(await hostileTargets()), ...requests.targets]

describe.each(targets.map((target) => [target.name, target] as const))('%s', (_, target) => {
  test('reads what is real', async () => {
    expect(target.samples.length).toBeGreaterThan(0)
    for (const sample of target.samples) await target.read(sample, sample)
  })
  test('and withstands what is hostile', async () => {
    const { faults, refused, read } = await attack(target, SEED, 0, INPUTS)
    expect(faults).toEqual([])
    expect(refused + read).toBe(INPUTS)
  })
})

test('most of the inputs are other than real, and they are the same again', () => {
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  for (const target of targets) {
    const inputs = () => Array.from({ length: 40 }, (_, n) => digest(hostileInput(target.name, target, SEED, n).input))
    const real = new Set(target.samples.map(digest))
    expect(inputs().filter((input) => real.has(input)).length, target.name).toBeLessThan(20)
    expect(inputs(), target.name).toEqual(inputs())
  }
})

test('a head that the log did not sign contradicts nothing', async () => {
  const target = targets.find(({ name }) => name === 'files compared')!
  const note = new TextDecoder().decode(target.samples.at(-1))
  const [origin, size, , ...rest] = note.split('\n')
  const forged = new TextEncoder().encode([origin, size, `${'A'.repeat(43)}=`, ...rest].join('\n'))
  await target.read(forged, target.samples.at(-1)!)
})

describe('a fault is found:', () => {
  const samples = [Uint8Array.of(1, 2, 3)]
  const throwing = (name: string, error: () => unknown): Target => ({
    name,
    samples,
    read: () => {
      throw error()
    }
  })
  const failing: [string, Target, RegExp][] = [
    ['a programming error', throwing('a', () => new TypeError('undefined is not a function')), /TypeError/],
    ['no error at all', throwing('b', () => 'text'), /text/],
    ['an internal one', throwing('c', () => new LianzhengError('INTERNAL')), /INTERNAL/],
    ['one that would stop a node', throwing('d', () => new FatalError('STORE_CORRUPT')), /FatalError, STORE_CORRUPT/],
    ['a false belief', throwing('e', () => new Wrong('a changed text has a good signature')), /good signature/],
    ['a promise that fails', { name: 'f', samples, read: () => Promise.reject(new RangeError('too long')) }, /RangeError/]
  ]
  test.each(failing)('%s', async (_, target, why) => {
    const { faults } = await attack(target, SEED, 0, 3)
    expect(faults.map(({ n }) => n)).toEqual([0, 1, 2])
    for (const fault of faults) expect(fault.why).toMatch(why)
  })
  test('but not where it is a refusal', async () => {
    const refusing = throwing('g', () => new LianzhengError('NOTE_INVALID'))
    expect(await attack(refusing, SEED, 0, 3)).toMatchObject({ refused: 3, read: 0, faults: [] })
    const ofStore: Target = { ...throwing('h', () => new FatalError('STORE_CORRUPT')), ofStore: true }
    expect(await attack(ofStore, SEED, 0, 3)).toMatchObject({ refused: 3, faults: [] })
  })
})
