import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { formatCheckpoint } from '../../src/core/checkpoint.ts'
import { signCosignature } from '../../src/core/cosignature.ts'
import { sha256 } from '../../src/core/hash.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import {
  formatNote,
  formatVkey,
  makeVkey,
  type NoteSignature,
  signNote,
  TYPE_COSIGNATURE,
  TYPE_ED25519
} from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { Finality } from '../../src/log/finality.ts'

const ORIGIN = 'court.example/evidence'
const log = ed25519Signer(new Uint8Array(32).fill(1))
const mirror = ed25519Signer(new Uint8Array(32).fill(2))
const MIRROR = 'discipline.example/mirror'
const asks = parsePolicy(
  [
    `log ${formatVkey(makeVkey(ORIGIN, TYPE_ED25519, log.publicKey))}`,
    `witness discipline ${formatVkey(makeVkey(MIRROR, TYPE_COSIGNATURE, mirror.publicKey))}`,
    'quorum discipline',
    `# lianzheng ${ORIGIN} party 1 discipline`,
    ''
  ].join('\n')
)
const asksNobody = parsePolicy(`log ${formatVkey(makeVkey(ORIGIN, TYPE_ED25519, log.publicKey))}\nquorum none\n`)

function noteOf(size: number, cosigned: boolean): string {
  const checkpoint = { origin: ORIGIN, size, root: sha256(utf8(`root ${size}`)) }
  const text = formatCheckpoint(checkpoint)
  const signatures: NoteSignature[] = [signNote(text, ORIGIN, log)]
  if (cosigned) signatures.push(signCosignature(text, MIRROR, mirror, 1_600_000_000))
  return formatNote({ text, signatures })
}

let note: string | undefined
let settled: (boolean | undefined)[]
beforeEach(() => {
  vi.useFakeTimers()
  note = undefined
  settled = []
})
afterEach(() => {
  vi.useRealTimers()
})

/** How the waits stand now. */
async function standing(waits: Promise<boolean>[]): Promise<(boolean | undefined)[]> {
  settled = waits.map(() => undefined)
  for (const [i, wait] of waits.entries()) void wait.then((final) => (settled[i] = final))
  await vi.advanceTimersByTimeAsync(0)
  return [...settled]
}

test('under `quorum none` what is published is final', async () => {
  const finality = new Finality(asksNobody, () => note)
  expect(await standing([finality.wait(0, 0)])).toEqual([false])
  note = noteOf(4, false)
  expect(await standing([0, 3, 4].map((index) => finality.wait(index, 0)))).toEqual([true, true, false])
})

test('with a quorum, what the published note covers once it is cosigned', async () => {
  const finality = new Finality(asks, () => note)
  note = noteOf(4, false)
  const waits = [finality.wait(3, 10_000), finality.wait(4, 10_000)]
  finality.published()
  expect(await standing(waits)).toEqual([undefined, undefined])
  note = noteOf(4, true)
  finality.published()
  expect(await standing(waits)).toEqual([true, undefined])
  expect(await standing([finality.wait(3, 0)])).toEqual([true])
  note = noteOf(6, true)
  finality.published()
  expect(await standing(waits)).toEqual([true, true])
  note = noteOf(8, false)
  expect(finality.size).toBe(0)
})

test('nobody waits longer than the limit given', async () => {
  const finality = new Finality(asks, () => noteOf(4, false))
  const waits = [finality.wait(0, 1_000), finality.wait(0, 2_000)]
  await vi.advanceTimersByTimeAsync(999)
  expect(await standing(waits)).toEqual([undefined, undefined])
  await vi.advanceTimersByTimeAsync(1)
  expect(await standing(waits)).toEqual([false, undefined])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await standing(waits)).toEqual([false, false])
})

test('a node that stops lets everyone go, and keeps nobody after', async () => {
  const finality = new Finality(asks, () => noteOf(4, false))
  const waits = [finality.wait(0, 10_000), finality.wait(9, 10_000)]
  finality.stop()
  expect(await standing([...waits, finality.wait(0, 10_000)])).toEqual([false, false, false])
  expect(vi.getTimerCount()).toBe(0)
})
