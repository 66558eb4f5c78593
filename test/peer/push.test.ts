/** Rounds: who is asked when, what is published, and that nobody waits for a laggard. Peers answer when the test says so; no clock but the test's. */
import { afterEach, expect, test } from 'vitest'
import { parseCheckpoint } from '../../src/core/checkpoint.ts'
import { signCosignature } from '../../src/core/cosignature.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { parseNote } from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import type { Published } from '../../src/log/sequencer.ts'
import type { SignedHead } from '../../src/peer/client.ts'
import { type Cosigning, Push } from '../../src/peer/push.ts'
import { opinion, USERS } from '../helpers/lab.ts'
import { cosigner, cosignerVkey, LyingNode, logVkey } from '../helpers/lying-node.ts'

const NAMES = { mirror: 'discipline.example/mirror', witness: 'notary.example/witness', third: 'procuratorate.example/witness' }
const log = LyingNode.start([USERS.president])
const heads: Published[] = Array.from({ length: 4 }, () => {
  log.add(opinion(), USERS.president)
  log.seal()
  const note = log.note(log.entries.length, {})
  const { size, root } = parseCheckpoint(parseNote(note).text)
  return { note, size, root, sealHeight: log.seals.length - 1, sealTime: log.now }
})
const policy = parsePolicy(
  [
    `log ${logVkey()}`,
    ...Object.entries(NAMES).map(([name, key]) => `witness ${name} ${cosignerVkey(key)}`),
    'group two 2 mirror witness third',
    'quorum two',
    `# lianzheng ${log.origin} party,internal,personnel,public 1 mirror`,
    ''
  ].join('\n')
)

interface Asked {
  size: number
  sign(time?: number): Promise<void>
  fail(): Promise<void>
}

/** What has been asked of each peer and not yet answered. */
class Yard {
  readonly asked: Record<keyof typeof NAMES, Asked[]> = { mirror: [], witness: [], third: [] }
  readonly published: { size: number; names: string[]; times: number[] }[] = []
  /** Retries that wait, by when they were asked. */
  readonly waiting: { ms: number; go(): Promise<void> }[] = []
  now = log.now
  readonly push: Push

  constructor() {
    const peer = (name: keyof typeof NAMES): Cosigning => ({
      peer: { name, role: name === 'mirror' ? 'mirror' : 'witness', url: '', vkeys: [] },
      cosign: ({ note, checkpoint }: SignedHead) =>
        new Promise((resolve, reject) => {
          const settle = async (act: () => void) => {
            this.asked[name].splice(0, 1)
            act()
            await turns()
          }
          this.asked[name].push({
            size: checkpoint.size,
            sign: (time = Math.floor(this.now / 1000)) =>
              settle(() => resolve([signCosignature(parseNote(note).text, NAMES[name], cosigner(NAMES[name]), time)])),
            fail: () => settle(() => reject(new LianzhengError('UNREACHABLE')))
          })
        })
    })
    this.push = new Push({
      policy,
      peers: [peer('mirror'), peer('witness'), peer('third')],
      clock: () => this.now,
      random: () => 0.5,
      wait: (ms, stopped) =>
        new Promise((resolve) => {
          if (stopped.aborted) return resolve()
          stopped.addEventListener('abort', () => resolve())
          this.waiting.push({ ms, go: () => turns(resolve()) })
        }),
      publish: async ({ note, size }) => {
        const { signatures } = parseNote(note)
        const times = signatures
          .slice(1)
          .map(({ signature }) => Number(new DataView(signature.buffer, signature.byteOffset).getBigUint64(0)))
        this.published.push({ size, names: signatures.slice(1).map(({ name }) => name), times })
      },
      onFatal: (error) => {
        throw error
      }
    })
  }

  take(head: Published): Promise<void> {
    this.push.take(head)
    return turns()
  }
  sizes(name: keyof typeof NAMES): number[] {
    return this.asked[name].map(({ size }) => size)
  }
}

/** Lets everything that needs nobody else come to rest. */
async function turns(_?: unknown): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

let yard: Yard
afterEach(async () => {
  const stopped = yard.push.stop()
  for (const list of Object.values(yard.asked)) while (list.length > 0) await list[0]!.fail()
  await stopped
})
const [first, second, third, fourth] = heads as [Published, Published, Published, Published]

test('mirrors first, witnesses once a mirror has the entries; published with the quorum, and again with who comes later', async () => {
  yard = new Yard()
  await yard.take(first)
  expect([yard.sizes('mirror'), yard.sizes('witness'), yard.sizes('third')]).toEqual([[first.size], [], []])
  await yard.asked.mirror[0]!.sign()
  expect([yard.sizes('witness'), yard.sizes('third'), yard.published]).toEqual([[first.size], [first.size], []])
  await yard.asked.third[0]!.sign()
  expect(yard.published.map(({ names }) => names)).toEqual([[NAMES.mirror, NAMES.third]])
  await yard.asked.witness[0]!.sign()
  expect(yard.published.at(-1)!.names).toEqual([NAMES.mirror, NAMES.third, NAMES.witness])
  expect(yard.push.status().map(({ behind }) => behind)).toEqual([0, 0, 0])
})

test('a laggard holds up nobody, is asked about one head at a time, and comes back to the newest', async () => {
  yard = new Yard()
  for (const head of [first, second, third]) {
    await yard.take(head)
    await yard.asked.mirror[0]!.sign()
    await yard.asked.third[0]!.sign()
  }
  expect(yard.published.map(({ size }) => size)).toEqual([first.size, second.size, third.size])
  expect(yard.sizes('witness')).toEqual([first.size])
  expect(yard.push.status()[1]).toMatchObject({ name: 'witness', size: 0, behind: third.size })
  await yard.asked.witness[0]!.sign()
  expect(yard.published).toHaveLength(3)
  expect(yard.sizes('witness')).toEqual([third.size])
  await yard.asked.witness[0]!.sign()
  expect(yard.published.at(-1)!.names).toHaveLength(3)
})

test('heads that come meanwhile are passed over but for the newest', async () => {
  yard = new Yard()
  await yard.take(first)
  await yard.take(second)
  await yard.take(third)
  expect(yard.sizes('mirror')).toEqual([first.size])
  await yard.asked.mirror[0]!.sign()
  await yard.asked.witness[0]!.sign()
  expect([yard.published.map(({ size }) => size), yard.sizes('mirror')]).toEqual([[first.size], [third.size]])
})

test('without a quorum nothing is published; the newest head is, by itself, when peers are back', async () => {
  yard = new Yard()
  await yard.take(first)
  await yard.asked.mirror[0]!.sign()
  await yard.asked.witness[0]!.fail()
  await yard.asked.third[0]!.fail()
  expect(yard.published).toEqual([])
  expect(yard.push.status().map(({ failures }) => failures)).toEqual([0, 1, 1])
  // The mirror goes on: a round that can get no further makes room for the next.
  await yard.take(second)
  await yard.asked.mirror[0]!.sign()
  await yard.take(third)
  await yard.asked.mirror[0]!.sign()
  expect([yard.published, yard.sizes('witness')]).toEqual([[], []])
  for (const { go } of yard.waiting.splice(0)) await go()
  expect([yard.sizes('witness'), yard.sizes('third')]).toEqual([[third.size], [third.size]])
  await yard.asked.witness[0]!.sign()
  expect(yard.published).toMatchObject([{ size: third.size, names: [NAMES.mirror, NAMES.witness] }])
})

test('a peer that fails is asked less and less often, up to a minute', async () => {
  yard = new Yard()
  await yard.take(first)
  const waits: number[] = []
  for (let i = 0; i < 12; i++) {
    await yard.asked.mirror[0]!.fail()
    const { ms, go } = yard.waiting.shift()!
    waits.push(ms)
    await go()
  }
  expect(waits.slice(0, 3)).toEqual([187.5, 375, 750])
  expect(waits.at(-1)).toBe(45_000)
  await yard.asked.mirror[0]!.sign()
  expect(yard.push.status()[0]).toMatchObject({ failures: 0, size: first.size })
})

test('the same head again brings newer times; times far ahead of the clock do not count', async () => {
  yard = new Yard()
  await yard.take(fourth)
  await yard.asked.mirror[0]!.sign()
  await yard.asked.third[0]!.sign(Math.floor(yard.now / 1000) + 301)
  expect(yard.published).toEqual([])
  await yard.asked.witness[0]!.sign()
  expect(yard.published).toHaveLength(1)
  yard.now += 600_000
  await yard.take({ ...fourth })
  await yard.asked.mirror[0]!.sign()
  await yard.asked.witness[0]!.sign()
  expect(yard.published.at(-1)!.times).toEqual([yard.now / 1000, yard.now / 1000].map(Math.floor))
})
