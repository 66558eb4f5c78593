import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Bytes, base64url, equalBytes, hex } from '../../src/core/bytes.ts'
import { parseCheckpoint } from '../../src/core/checkpoint.ts'
import { FatalError, LianzhengError } from '../../src/core/errors.ts'
import { keyId } from '../../src/core/keys.ts'
import { formatVkey, parseNote } from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { decodeSeal } from '../../src/core/seal.ts'
import { decodeStatement } from '../../src/core/statement.ts'
import { recover } from '../../src/log/recover.ts'
import { CLOCK_TOLERANCE, MOST_SWEPT, type Published } from '../../src/log/sequencer.ts'
import { nativeVerifier, plainVerifier } from '../../src/node/native.ts'
import { type Draft, draft } from '../../src/records/draft.ts'
import { FORMAT_KEY, HEAD_KEY, NOTE_KEY } from '../../src/store/layout.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { put, remove } from '../../src/store/store.ts'
import { decodeValue, encodeValue } from '../../src/store/values.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { formatCertificate, formatReceipt } from '../../src/verify/files.ts'
import type { Head } from '../../src/verify/fold.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { all, fix, Lab, type LabOptions, opinion, START, seedKeys, USERS, user } from '../helpers/lab.ts'
import { pagesBelow, storedPages, supersededPages } from '../helpers/pages.ts'
import { gate, settled, WatchedStore } from '../helpers/watched.ts'

const kidOf = (who: { signer: { publicKey: Bytes } }): string => base64url(keyId(who.signer.publicKey))

/** `plainVerifier` answers within the turn, so what is sent at once arrives in the order sent. */
async function openLab(options: LabOptions = {}): Promise<{ lab: Lab; store: WatchedStore }> {
  const store = new WatchedStore(options.store ?? new MemoryStore())
  const lab = await Lab.open({ verifier: plainVerifier, ...options, store })
  store.forget()
  return { lab, store }
}

/** The same with options that would be in the way while the log is set up. */
async function reopenLab(options: LabOptions): Promise<{ lab: Lab; store: WatchedStore }> {
  const { store } = await openLab()
  return { lab: await Lab.open({ verifier: plainVerifier, ...options, store }, { existing: true }), store }
}

function fixDraft(lab: Lab, content = 'a file'): Draft {
  return lab.draft(fix(content), USERS.clerk)
}

/** Another statement with the cti of the first. */
function sameCti(lab: Lab, record: { [name: string]: unknown }, first: Draft, by = USERS.clerk): Draft {
  const { cti } = decodeStatement(first.statement)
  const iat = Math.floor(lab.now / 1000)
  return draft(record, { aud: lab.origin, author: by, iat, random: (length) => cti.slice(0, length) })
}

function badSignature({ statement, disclosures }: Draft): Pick<Draft, 'statement' | 'disclosures'> {
  return { statement: statement.with(-1, statement.at(-1)! ^ 1), disclosures }
}

function revocation(who: { signer: { publicKey: Bytes } }): { [name: string]: unknown } {
  return { type: 'registry.revoke', at: '2020-08-26T11:00:00+08:00', kid: kidOf(who), reason: 'left' }
}

const writesKey = ({ writes }: { writes: readonly { key: Bytes }[] }, key: Bytes): boolean =>
  writes.some((write) => equalBytes(write.key, key))
const headSize = (lab: Lab): number => lab.sequencer.head.size
const refusal = (code: string) => expect.objectContaining({ code })
const outcomes = async (promises: readonly Promise<{ index: number }>[]): Promise<(number | string)[]> =>
  (await Promise.allSettled(promises)).map((result) =>
    result.status === 'fulfilled' ? result.value.index : (result.reason as LianzhengError).code
  )

describe('batches', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  async function openTimed(options: LabOptions): Promise<Lab> {
    const opening = openLab(options)
    await vi.advanceTimersByTimeAsync(60_000)
    return (await opening).lab
  }

  test('the first record after a pause is sealed at once, the next an interval after that', async () => {
    const lab = await openTimed({ intervalMs: 500 })
    const size = headSize(lab)
    lab.submit(fix('first'), USERS.clerk)
    await vi.advanceTimersByTimeAsync(1)
    expect(headSize(lab)).toBe(size + 2)
    lab.submit(fix('second'), USERS.clerk)
    await vi.advanceTimersByTimeAsync(300)
    lab.submit(fix('third'), USERS.clerk)
    await vi.advanceTimersByTimeAsync(190)
    expect(headSize(lab)).toBe(size + 2)
    await vi.advanceTimersByTimeAsync(10)
    expect(headSize(lab)).toBe(size + 2 + 3)
  })

  test('a full batch does not wait, and what is left over waits its turn', async () => {
    const lab = await openTimed({ intervalMs: 500, maxRecords: 10 })
    await vi.advanceTimersByTimeAsync(1000)
    lab.submit(fix('opens the interval'), USERS.clerk)
    await vi.advanceTimersByTimeAsync(1)
    const size = headSize(lab)
    for (let i = 0; i < 9; i++) lab.submit(fix(`${i}`), USERS.clerk)
    await vi.advanceTimersByTimeAsync(100)
    expect(headSize(lab)).toBe(size)
    for (let i = 9; i < 23; i++) lab.submit(fix(`${i}`), USERS.clerk)
    await vi.advanceTimersByTimeAsync(10)
    expect(headSize(lab)).toBe(size + 22)
    expect(lab.sequencer.pool.waiting).toBe(3)
    await vi.advanceTimersByTimeAsync(500)
    expect(headSize(lab)).toBe(size + 22 + 4)
  })

  test('no record, no seal', async () => {
    const lab = await openTimed({ intervalMs: 500 })
    const size = headSize(lab)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(headSize(lab)).toBe(size)
  })
})

test('one durable write a batch, with entries, seal and head in it; then the note; the format only once', async () => {
  const store = new WatchedStore(new MemoryStore())
  const lab = await Lab.open({ store, verifier: plainVerifier })
  const before = store.writes.length
  await Promise.all([lab.submit(fix('a'), USERS.clerk), lab.submit(opinion(), USERS.president)])
  expect(store.writes.slice(before).map(({ durable }) => durable)).toEqual([true, false])
  expect(store.writes.filter(({ durable }) => durable).map((write) => writesKey(write, HEAD_KEY))).toEqual([true, true, true])
  expect(store.writes.filter((write) => writesKey(write, FORMAT_KEY)).length).toBe(1)
  expect(store.writes.filter(({ durable }) => !durable).every(({ writes }) => equalBytes(writes[0]!.key, NOTE_KEY))).toBe(true)
})

test('nobody is answered before the batch is durable and its head is published', async () => {
  const { lab, store } = await openLab()
  const size = headSize(lab)
  const reached = [gate(), gate()]
  const held = [gate(), gate()]
  let writes = 0
  store.onWrite = async (write) => {
    const n = writes++
    if (n === 0) expect(headSize(lab)).toBe(size)
    reached[n]!.open()
    await held[n]!.passed
    await write()
  }
  const answers = Promise.any([lab.submit(fix('a'), USERS.clerk), lab.submit(fix('b'), USERS.clerk)])

  await reached[0]!.passed
  expect(await settled(answers)).toBe(false)
  expect(headSize(lab)).toBe(size)
  held[0]!.open()
  await reached[1]!.passed
  expect(await settled(answers)).toBe(false)
  expect(lab.sequencer.published!.size).toBe(size)
  expect(() => lab.reader.statement(size)).toThrow(refusal('ENTRY_UNKNOWN'))
  held[1]!.open()
  expect(await answers).toEqual({ index: size, fresh: true })
  expect(lab.sequencer.published!.size).toBe(size + 3)
})

test('the durable write has come back, not only begun, when the answer goes out', async () => {
  const { lab, store } = await openLab()
  let inside = false
  store.onWrite = async (write, { durable }) => {
    await write()
    inside = durable
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    inside = false
  }
  await Promise.all(
    Array.from({ length: 5 }, async (_, i) => {
      await lab.submit(fix(`${i}`), USERS.clerk)
      expect(inside).toBe(false)
    })
  )
})

test('indexes follow the order of arrival; the statement and its disclosures stand there', async () => {
  const { lab } = await openLab({ maxRecords: 7 })
  const drafts = Array.from({ length: 20 }, (_, i) => fixDraft(lab, `${i}`))
  const start = headSize(lab)
  const placed = await Promise.all(drafts.map((item) => lab.place(item)))
  // A seal after the 7th and after the 14th.
  expect(placed.map(({ index }) => index)).toEqual(drafts.map((_, i) => start + i + Math.floor(i / 7)))
  for (const [i, { index }] of placed.entries()) {
    expect(lab.reader.statement(index).bytes).toEqual(drafts[i]!.statement)
    expect(lab.reader.disclosures(index)).toEqual(drafts[i]!.disclosures)
  }
})

describe('the same statement again', () => {
  test('at the same time: one place, one answer says fresh', async () => {
    const { lab } = await openLab()
    const size = headSize(lab)
    const item = fixDraft(lab)
    const placed = await Promise.all([lab.place(item), lab.place(item), lab.place(item)])
    expect(placed.map(({ index }) => index)).toEqual([size, size, size])
    expect(placed.map(({ fresh }) => fresh)).toEqual([true, false, false])
    expect(headSize(lab)).toBe(size + 2)
  })

  for (const [what, durable] of [
    ['batch', true],
    ['note', false]
  ] as const)
    test(`after its ${what} is written, before its head is published: answered with it, not before`, async () => {
      const { lab, store } = await openLab()
      const size = headSize(lab)
      const item = fixDraft(lab)
      const [reached, held] = [gate(), gate()]
      store.onWrite = async (write, written) => {
        await write()
        if (written.durable !== durable) return
        reached.open()
        await held.passed
      }
      const first = lab.place(item)
      await reached.passed
      const second = lab.place(item)
      expect(await settled(second)).toBe(false)
      held.open()
      expect(await first).toEqual({ index: size, fresh: true })
      expect(await second).toEqual({ index: size, fresh: false })
      expect(headSize(lab)).toBe(size + 2)
    })

  test('later, and after a restart', async () => {
    const { lab, store } = await openLab()
    const item = fixDraft(lab)
    const { index } = await lab.place(item)
    const size = headSize(lab)
    expect(await lab.place(item)).toEqual({ index, fresh: false })
    const again = await Lab.open({ store }, { existing: true })
    expect(await again.place(item)).toEqual({ index, fresh: false })
    expect(headSize(again)).toBe(size)
  })

  test('after a crash that left it committed and not published', async () => {
    const memory = new MemoryStore()
    const { lab, store } = await openLab({ store: memory })
    const item = fixDraft(lab)
    const { index } = await lab.place(item)
    expect(memory.pendingWrites).toBe(1)
    const again = await Lab.open({ store: memory.crash() }, { existing: true })
    expect(await again.place(item)).toEqual({ index, fresh: false })
    expect(store.writes.length).toBe(2)
  })
})

describe('disclosures that come after their statement', () => {
  const bare = ({ statement }: Draft) => ({ statement, disclosures: [] })

  test('are kept, durably, before the answer; those already there are not written again', async () => {
    const { lab, store } = await openLab()
    const item = fixDraft(lab)
    const { index } = await lab.place(bare(item))
    expect(lab.reader.disclosures(index)).toEqual([])
    store.forget()
    const [reached, held] = [gate(), gate()]
    store.onWrite = async (write) => {
      reached.open()
      await held.passed
      await write()
    }
    const again = lab.place(item)
    await reached.passed
    expect(await settled(again)).toBe(false)
    held.open()
    expect(await again).toEqual({ index, fresh: false })
    expect(lab.reader.disclosures(index)).toEqual(item.disclosures)
    await lab.place(item)
    await lab.place({ statement: item.statement, disclosures: item.disclosures.slice(1) })
    expect(store.writes.map(({ durable }) => durable)).toEqual([true])
  })

  test('from several at a time, with the statement and while it is on its way, none is lost', async () => {
    const { lab } = await openLab()
    const item = lab.draft(fix('many', { sealed: { name: 'a', source: 'b', purpose: 'c', device: 'd' } }), USERS.clerk)
    const { statement, disclosures } = item
    expect(disclosures.length).toBe(4)
    const sent = [bare(item), ...disclosures.map((one) => ({ statement, disclosures: [one] }))].map((given) => lab.place(given))
    const stopped = lab.sequencer.stop()
    const placed = await Promise.all(sent)
    await stopped
    expect(new Set(placed.map(({ index }) => index)).size).toBe(1)
    expect(lab.reader.disclosures(placed[0]!.index).map(hex).toSorted()).toEqual(disclosures.map(hex).toSorted())
  })

  test('that cannot be written stop the log, once, and nothing is written after', async () => {
    const { lab, store } = await openLab()
    const items = [fixDraft(lab, 'a'), fixDraft(lab, 'b')]
    await Promise.all(items.map((item) => lab.place(bare(item))))
    store.forget()
    store.onWrite = () => Promise.reject(new LianzhengError('STORE_FAILED'))
    expect(await outcomes(items.map((item) => lab.place(item)))).toEqual(['STORE_FAILED', 'STORE_FAILED'])
    expect(store.writes.length).toBe(1)
    expect(lab.fatal?.code).toBe('STORE_FAILED')
    await expect(lab.submit(fix('c'), USERS.clerk)).rejects.toBe(lab.fatal)
  })
})

describe('a cti used twice by one key', () => {
  test('later, and after a restart', async () => {
    const { lab, store } = await openLab()
    const first = fixDraft(lab)
    await lab.place(first)
    const size = headSize(lab)
    await expect(lab.place(sameCti(lab, fix('other'), first))).rejects.toThrow(refusal('CTI_REUSED'))
    const again = await Lab.open({ store }, { existing: true })
    await expect(again.place(sameCti(lab, fix('other'), first))).rejects.toThrow(refusal('CTI_REUSED'))
    expect(headSize(again)).toBe(size)
  })

  test('both in one batch: the first is taken', async () => {
    const { lab } = await openLab()
    const size = headSize(lab)
    const first = fixDraft(lab)
    const second = sameCti(lab, fix('other'), first)
    expect(await outcomes([lab.place(first), lab.place(second), lab.place(fixDraft(lab))])).toEqual([
      size,
      'CTI_REUSED',
      size + 1
    ])
  })

  test('another key may use it', async () => {
    const { lab } = await openLab()
    const size = headSize(lab)
    const first = fixDraft(lab)
    const second = sameCti(lab, fix('other'), first, USERS.lawyer)
    expect(await outcomes([lab.place(first), lab.place(second)])).toEqual([size, size + 1])
  })
})

describe('what is refused is refused alone', () => {
  for (const verifier of [plainVerifier, nativeVerifier])
    test(`a bad signature, ${verifier === plainVerifier ? 'on this thread' : 'on another thread'}`, async () => {
      const { lab } = await openLab({ verifier })
      const items = Array.from({ length: 9 }, (_, i) => fixDraft(lab, `${i}`))
      const results = await outcomes(items.map((item, i) => lab.place(i === 4 ? badSignature(item) : item)))
      expect(results[4]).toBe('SIGNATURE_INVALID')
      const indexes = results.filter((result) => typeof result === 'number')
      expect(new Set(indexes).size).toBe(8)
      for (const [i, index] of results.entries())
        if (typeof index === 'number') expect(lab.reader.statement(index).bytes).toEqual(items[i]!.statement)
      // The good statement is another one, with a leaf hash of its own, and its cti is not used up.
      expect((await lab.place(items[4]!)).fresh).toBe(true)
    })

  test('a record that only its batch makes wrong', async () => {
    const { lab } = await openLab()
    const size = headSize(lab)
    const newcomer = user('newcomer', ['clerk'], '粤01-R0999')
    const results = await outcomes([
      lab.submit(fix('a'), USERS.clerk),
      lab.register(newcomer),
      lab.register(newcomer),
      lab.submit(fix('b'), USERS.clerk)
    ])
    expect(results).toEqual([size, size + 1, 'KEY_ALREADY_REGISTERED', size + 2])
    expect(headSize(lab)).toBe(size + 4)
    expect(decodeSeal(lab.reader.statement(size + 3)).size).toBe(size + 3)
  })

  test('a batch of which nothing is left is neither written nor sealed', async () => {
    const { lab, store } = await openLab()
    const newcomer = user('newcomer', ['clerk'], '粤01-R0999')
    const [reached, held] = [gate(), gate()]
    store.onWrite = async (write, { durable }) => {
      if (durable) reached.open()
      await held.passed
      await write()
    }
    const first = lab.register(newcomer)
    await reached.passed
    // Admitted at the door, where the first is not known yet; refused when its batch comes.
    const second = lab.register(newcomer)
    held.open()
    const { index } = await first
    await expect(second).rejects.toThrow(refusal('KEY_ALREADY_REGISTERED'))
    expect(store.writes.length).toBe(2)
    expect(headSize(lab)).toBe(index + 2)
    expect((await lab.submit(fix('goes on'), USERS.clerk)).index).toBe(index + 2)
  })

  test('a key revoked in the same batch: before the revocation yes, after it no', async () => {
    const { lab } = await openLab()
    const size = headSize(lab)
    const results = await outcomes([
      lab.submit(fix('before'), USERS.clerk),
      lab.submit(revocation(USERS.clerk), USERS.admin),
      lab.submit(fix('after'), USERS.clerk),
      lab.submit(fix('other'), USERS.lawyer)
    ])
    expect(results).toEqual([size, size + 1, 'KEY_REVOKED', size + 2])
    await expect(lab.submit(fix('later'), USERS.clerk)).rejects.toThrow(refusal('KEY_REVOKED'))
  })

  test('a key revoked between door and batch', async () => {
    const { lab, store } = await openLab()
    const [reached, held] = [gate(), gate()]
    store.onWrite = async (write, { durable }) => {
      if (durable) reached.open()
      await held.passed
      await write()
    }
    const revoked = lab.submit(revocation(USERS.clerk), USERS.admin)
    await reached.passed
    const late = lab.submit(fix('late'), USERS.clerk)
    expect(await settled(late)).toBe(false)
    expect(lab.sequencer.pool.waiting).toBe(1)
    held.open()
    await revoked
    await expect(late).rejects.toThrow(refusal('KEY_REVOKED'))
  })
})

describe('genesis', () => {
  test('nothing comes before it', async () => {
    const lab = await Lab.open({ verifier: plainVerifier }, { existing: true })
    for (const early of [lab.submit(fix('a'), USERS.clerk), lab.register(USERS.clerk)])
      await expect(early).rejects.toThrow(refusal('KEY_NOT_REGISTERED'))
    expect(headSize(lab)).toBe(0)
    expect(() => lab.reader.published()).toThrow(refusal('ENTRY_UNKNOWN'))
  })

  test('of two in one batch the first is taken; later ones are refused; the same one again is the same one', async () => {
    const lab = await Lab.open({ verifier: plainVerifier }, { existing: true })
    const [first, second] = [lab.genesis(), lab.genesis()]
    expect(await outcomes([lab.place(first), lab.place(second)])).toEqual([0, 'GENESIS_MISPLACED'])
    await expect(lab.place(second)).rejects.toThrow(refusal('GENESIS_MISPLACED'))
    expect(await lab.place(first)).toEqual({ index: 0, fresh: false })
    expect(headSize(lab)).toBe(2)
  })
})

test('a change to keys that this node does not hold is refused: it would seal with keys that no longer count', async () => {
  const lab = await Lab.open()
  const stranger = seedKeys('another node', lab.origin)
  const change = (keys: { [name: string]: string }) =>
    lab.submit({ type: 'registry.node', at: '2020-08-26T09:00:00+08:00', generation: 2, keys }, USERS.admin)
  const foreign = Buffer.from(stranger.statement.publicKey).toString('base64url')
  await expect(change({ statement: foreign })).rejects.toThrow(refusal('FIELD_INVALID'))
  await expect(change({ log: formatVkey(stranger.log.vkey) })).rejects.toThrow(refusal('FIELD_INVALID'))
  await expect(change({ log: 'nonsense' })).rejects.toThrow(refusal('FIELD_INVALID'))
  const { index } = await lab.submit(fix('after'), USERS.clerk)
  expect(verifyReceipt(formatReceipt(lab.reader.receipt(index, all)), parsePolicy(lab.policy())).overall).toBe('verified')
  await lab.sequencer.stop()
})

test('at capacity one more is refused; the same one is not one more; room comes back', async () => {
  const { lab, store } = await reopenLab({ capacity: 3 })
  const held = gate()
  store.onWrite = async (write) => {
    await held.passed
    await write()
  }
  const items = Array.from({ length: 3 }, (_, i) => fixDraft(lab, `${i}`))
  const placed = items.map((item) => lab.place(item))
  const fourth = fixDraft(lab, 'fourth')
  await expect(lab.place(fourth)).rejects.toThrow(refusal('OVERLOADED'))
  const again = lab.place(items[1]!)
  await expect(lab.place(fourth)).rejects.toThrow(refusal('OVERLOADED'))
  held.open()
  const indexes = (await Promise.all(placed)).map(({ index }) => index)
  expect(await again).toEqual({ index: indexes[1], fresh: false })
  expect((await lab.place(fourth)).fresh).toBe(true)
})

describe('stop', () => {
  test('everything taken in is sealed, nothing more is taken in', async () => {
    const { lab } = await reopenLab({ intervalMs: 3_600_000, maxRecords: 4, verifier: nativeVerifier })
    await lab.submit(fix('opens the interval'), USERS.clerk)
    const size = headSize(lab)
    const placed = Array.from({ length: 10 }, (_, i) => lab.submit(fix(`${i}`), USERS.clerk))
    const stopped = lab.sequencer.stop()
    await expect(lab.submit(fix('late'), USERS.clerk)).rejects.toThrow(refusal('STOPPING'))
    await stopped
    expect(await settled(Promise.all(placed))).toBe(true)
    expect((await outcomes(placed)).every((outcome) => typeof outcome === 'number')).toBe(true)
    // Batches of at most four, each with its seal.
    expect(headSize(lab)).toBeGreaterThanOrEqual(size + 10 + 3)
    expect(lab.sequencer.pool.underway).toBe(0)
    expect(lab.fatal).toBeUndefined()
    await expect(lab.submit(fix('later'), USERS.clerk)).rejects.toThrow(refusal('STOPPING'))
  })

  test('with nothing under way it is over at once, also twice', async () => {
    const { lab, store } = await openLab()
    await Promise.all([lab.sequencer.stop(), lab.sequencer.stop()])
    expect(store.writes).toEqual([])
  })
})

describe('clock', () => {
  const sealTimes = (lab: Lab): number[] =>
    [...lab.reader.entries(0, headSize(lab))]
      .map(decodeStatement)
      .filter(({ kind }) => kind === 'seal')
      .map((seal) => decodeSeal(seal).time)

  test('seal times increase though the clock stands, or steps back a little', async () => {
    const { lab } = await openLab()
    await lab.submit(fix('standing'), USERS.clerk)
    expect(sealTimes(lab)).toEqual([START, START + 1, START + 2])
    lab.now = START + 2 - CLOCK_TOLERANCE
    await lab.submit(fix('stepped back'), USERS.clerk)
    lab.now = START + 60_000
    await lab.submit(fix('going on'), USERS.clerk)
    expect(sealTimes(lab).slice(3)).toEqual([START + 3, START + 60_000])
  })

  test('further back the log stops: nothing is written, everyone waiting is told, nothing more is taken', async () => {
    const { lab, store } = await openLab({ maxRecords: 2 })
    lab.now -= CLOCK_TOLERANCE
    const size = headSize(lab)
    const results = await outcomes(Array.from({ length: 5 }, (_, i) => lab.submit(fix(`${i}`), USERS.clerk)))
    expect(results).toEqual(Array(5).fill('CLOCK_BACKWARDS'))
    expect(lab.fatal).toBeInstanceOf(FatalError)
    expect(lab.fatal!.code).toBe('CLOCK_BACKWARDS')
    expect(store.writes).toEqual([])
    expect(headSize(lab)).toBe(size)
    lab.now = START + 60_000
    await expect(lab.submit(fix('late'), USERS.clerk)).rejects.toBe(lab.fatal)
    await lab.sequencer.stop()
  })

  test('at start', async () => {
    const { store } = await openLab()
    const last = START + 1
    await Lab.open({ store, now: last - CLOCK_TOLERANCE }, { existing: true })
    const late = Lab.open({ store, now: last - CLOCK_TOLERANCE - 1 }, { existing: true })
    await expect(late).rejects.toThrow(refusal('CLOCK_BACKWARDS'))
    await expect(late).rejects.toBeInstanceOf(FatalError)
    expect(store.writes).toEqual([])
  })

  test('when the head is signed again', async () => {
    const { lab, store } = await openLab()
    lab.now -= CLOCK_TOLERANCE
    await lab.sequencer.resign()
    expect(lab.fatal?.code).toBe('CLOCK_BACKWARDS')
    expect(store.writes).toEqual([])
    await expect(lab.submit(fix('late'), USERS.clerk)).rejects.toBe(lab.fatal)
  })
})

describe('a store that fails', () => {
  for (const [what, durable] of [
    ['the batch', true],
    ['the note', false]
  ] as const)
    for (const persisted of [false, true])
      test(`${what} ${persisted ? 'is written all the same' : 'is not written'}: nobody gets an index, the log stops`, async () => {
        const memory = new MemoryStore()
        const { lab, store } = await openLab({ store: memory, maxRecords: 2 })
        const cause = new LianzhengError('STORE_FAILED')
        store.onWrite = async (write, what) => {
          if (what.durable !== durable) return write()
          if (persisted) await write()
          throw cause
        }
        const items = Array.from({ length: 5 }, (_, i) => fixDraft(lab, `${i}`))
        expect(await outcomes(items.map((item) => lab.place(item)))).toEqual(Array(5).fill('STORE_FAILED'))
        expect(lab.fatal).toBeInstanceOf(FatalError)
        expect(lab.fatal).toMatchObject({ code: 'STORE_FAILED', cause })
        await expect(lab.place(items[0]!)).rejects.toBe(lab.fatal)
        const writes = store.writes.length
        await lab.sequencer.resign()
        await lab.sequencer.stop()
        expect(store.writes.length).toBe(writes)

        const again = await Lab.open({ store: memory.crash(), verifier: plainVerifier }, { existing: true })
        const there = !durable || persisted ? 2 : 0
        const placed = await Promise.all(items.map((item) => again.place(item)))
        expect(placed.filter(({ fresh }) => !fresh).length).toBe(there)
        expect(new Set(placed.map(({ index }) => index)).size).toBe(5)
      })

  test('what is at its signature check when the log stops is answered too', async () => {
    const { passed, open } = gate()
    const item = { bytes: '' }
    const { lab, store } = await openLab({
      verifier: async (key, message, signature) => {
        if (hex(signature) === item.bytes) await passed
        return plainVerifier(key, message, signature)
      }
    })
    const slow = fixDraft(lab, 'slow')
    item.bytes = hex(decodeStatement(slow.statement).signature)
    store.onWrite = async () => {
      throw new LianzhengError('STORE_FAILED')
    }
    const checked = lab.place(slow)
    await expect(lab.submit(fix('quick'), USERS.clerk)).rejects.toThrow(refusal('STORE_FAILED'))
    expect(await settled(checked)).toBe(false)
    open()
    await expect(checked).rejects.toBe(lab.fatal)
  })

  test('an error of no known kind is INTERNAL and names its cause', async () => {
    const { lab, store } = await openLab()
    const cause = new Error('disk on fire')
    store.onWrite = () => Promise.reject(cause)
    await expect(lab.submit(fix('a'), USERS.clerk)).rejects.toMatchObject({ code: 'INTERNAL', cause })
  })
})

test('several logs side by side, each with its own entries', async () => {
  const origins = ['court.example/evidence', 'court.example/internal', 'other.example/evidence']
  const labs = await Promise.all(origins.map((origin) => Lab.open({ origin, seed: origin, maxRecords: 3 })))
  const sizes = labs.map(headSize)
  await Promise.all(Array.from({ length: 30 }, (_, i) => labs[i % 3]!.submit(fix(`${i}`), USERS.clerk)))
  for (const [i, lab] of labs.entries()) {
    expect(headSize(lab)).toBeGreaterThanOrEqual(sizes[i]! + 10 + 4)
    expect(parseCheckpoint(parseNote(lab.sequencer.published!.note).text).origin).toBe(origins[i])
    expect((await recover(lab.store, lab.keys)).head.size).toBe(headSize(lab))
  }
  await expect(labs[1]!.place(fixDraft(labs[0]!))).rejects.toThrow(refusal('WRONG_LOG'))
})

describe('signing the head again', () => {
  test('writes the same head once more and disturbs nothing', async () => {
    const { lab, store } = await openLab()
    const before = lab.sequencer.published!
    await lab.sequencer.resign()
    expect(store.writes.map(({ durable }) => durable)).toEqual([false])
    expect(parseNote(lab.sequencer.published!.note).text).toBe(parseNote(before.note).text)
    expect((await lab.submit(fix('after'), USERS.clerk)).index).toBe(before.size)
  })

  test('a new log has none', async () => {
    const store = new WatchedStore(new MemoryStore())
    const lab = await Lab.open({ store }, { existing: true })
    await lab.sequencer.resign()
    expect(store.writes).toEqual([])
    expect(lab.fatal).toBeUndefined()
  })

  test('records wait while it lasts, and it waits while a batch is written', async () => {
    const { lab, store } = await openLab()
    const size = headSize(lab)
    const held = gate()
    store.onWrite = async (write) => {
      await held.passed
      await write()
    }
    const resigned = lab.sequencer.resign()
    const placed = lab.submit(fix('meanwhile'), USERS.clerk)
    await lab.sequencer.resign()
    expect(await settled(placed)).toBe(false)
    expect(store.writes.length).toBe(1)
    held.open()
    await resigned
    expect((await placed).index).toBe(size)
    expect(store.writes.map(({ durable }) => durable)).toEqual([false, true, false])
  })

  for (const what of ['an older head', 'a head with another root', 'none'] as const)
    test(`never where the store has ${what}`, async () => {
      const memory = new MemoryStore()
      const { lab, store } = await openLab({ store: memory })
      const older = memory.get(HEAD_KEY)!
      await lab.submit(fix('a'), USERS.clerk)
      const { head } = lab.sequencer
      const other = encodeValue({ ...head, root: head.root.with(0, head.root[0]! ^ 1) })
      const value = { 'an older head': older, 'a head with another root': other, none: undefined }[what]
      await memory.write([value === undefined ? remove(HEAD_KEY) : put(HEAD_KEY, value)], { durable: true })
      store.forget()
      await lab.sequencer.resign()
      expect(lab.fatal?.code).toBe('STORE_DISAGREES')
      expect(store.writes).toEqual([])
    })
})

test('a head that cannot be published stops the log: nothing is written after a write that failed', async () => {
  const lab = await Lab.open()
  const store = new WatchedStore(lab.store)
  await lab.sequencer.stop()
  const signed: Published[] = []
  lab.cosigned = (head) => void signed.push(head)
  await lab.start(store)
  await lab.submit(fix('durable'), USERS.clerk)
  store.onWrite = async () => {
    throw new LianzhengError('DISK_FULL')
  }
  await expect(lab.sequencer.publish(signed.at(-1)!)).rejects.toThrow(refusal('DISK_FULL'))
  expect(lab.fatal?.code).toBe('DISK_FULL')
  store.forget()
  await expect(lab.submit(fix('after'), USERS.clerk)).rejects.toThrow(refusal('DISK_FULL'))
  await lab.sequencer.publish(signed.at(-1)!)
  expect(store.writes).toEqual([])
})

describe('pages of the map', () => {
  test('a superseded page stays until a later head is published, and goes with the batch after that', async () => {
    const { lab, store } = await openLab()
    let checks = 0
    let publishedMap = lab.sequencer.head.seal!.map
    store.onWrite = async (write, { durable }) => {
      await write()
      if (!durable) return
      // Committed and not published: both maps are whole.
      for (const map of [publishedMap, decodeValue<Head>(store.get(HEAD_KEY)!, 'm head').seal!.map]) pagesBelow(map, store)
      checks++
    }
    for (let i = 0; i < 60; i++) {
      await Promise.all(Array.from({ length: 1 + (i % 4) }, (_, n) => lab.submit(fix(`${i} ${n}`), USERS.clerk)))
      const { map, height } = lab.sequencer.head.seal!
      publishedMap = map
      const needed = pagesBelow(map, store)
      const superseded = await supersededPages(store)
      expect([...superseded.keys()]).toEqual([height])
      expect(await storedPages(store)).toEqual(new Set([...needed, ...superseded.get(height)!]))
      expect([...superseded.get(height)!].some((hash) => needed.has(hash))).toBe(false)
    }
    expect(checks).toBe(60)
  })

  test('when heads were not published for long, one batch deletes some of them and the next ones the rest', async () => {
    const lab = await Lab.open()
    const { store } = lab
    await lab.sequencer.stop()
    const signed: Published[] = []
    lab.cosigned = (head) => void signed.push(head)
    await lab.start(store)
    for (let i = 0; i < MOST_SWEPT + 6; i++) await lab.submit(fix(`unpublished ${i}`), USERS.clerk)
    const before = (await supersededPages(store)).size
    expect(before).toBeGreaterThan(MOST_SWEPT)
    await lab.sequencer.publish(signed.at(-1)!)
    await lab.submit(fix('sweeps'), USERS.clerk)
    expect((await supersededPages(store)).size).toBe(before - MOST_SWEPT + 1)
    await lab.submit(fix('sweeps the rest'), USERS.clerk)
    expect((await supersededPages(store)).size).toBe(2)
    expect(await storedPages(store)).toEqual(
      new Set([...pagesBelow(lab.sequencer.head.seal!.map, store), ...[...(await supersededPages(store)).values()].flat()])
    )
  })

  test('over crashes nothing is forgotten and nothing needed goes', async () => {
    let memory = new MemoryStore()
    let lab = await Lab.open({ store: memory })
    for (let i = 0; i < 30; i++) {
      await lab.submit(fix(`${i}`), USERS.clerk)
      // Sometimes the note is lost, sometimes not.
      memory = memory.crash(i % 2)
      lab = await Lab.open({ store: memory }, { existing: true })
      const { map, height } = lab.sequencer.head.seal!
      const superseded = await supersededPages(memory)
      expect([...superseded.keys()]).toEqual([height])
      expect(await storedPages(memory)).toEqual(new Set([...pagesBelow(map, memory), ...superseded.get(height)!]))
    }
  })
})

describe('proofs taken while batches go on', () => {
  const CASE = '（2020）粤01民初123号'
  const TRAILS = [
    'power:粤01-R0001',
    `case-internal:${CASE}`,
    'duty:粤01-R0201',
    'power:粤01-R7777',
    `key:${kidOf(USERS.lawyer)}`
  ]

  test('verify at every step of a batch, under the head they name', async () => {
    const { lab, store } = await openLab()
    const policy = parsePolicy(lab.policy())
    const { index: fixed } = await lab.submit(fix('a file'), USERS.lawyer)
    await lab.submit(opinion(), USERS.president)
    const steps: string[] = []

    const takeAll = (step: string) => {
      const { size, note } = lab.sequencer.published!
      const newest = size - 2
      for (const index of [0, fixed, newest]) {
        const receipt = lab.reader.receipt(index, all)
        expect(receipt.checkpoint).toBe(note)
        const report = verifyReceipt(formatReceipt(receipt), policy)
        expect([step, index, report.overall]).toEqual([step, index, 'verified'])
      }
      for (const trail of [...TRAILS, `ledger:${lab.origin}`]) {
        const part = lab.reader.trailPart(trail, all)
        expect(part.checkpoint).toBe(note)
        const report = verifyCertificate(formatCertificate({ trail, parts: [part] }), policy)
        expect([step, trail, report.overall]).toEqual([step, trail, 'verified'])
        if (part.count > 2) {
          const parts = [lab.reader.trailPart(trail, all, { limit: 2 }), lab.reader.trailPart(trail, all, { from: 2 })]
          expect(verifyCertificate(formatCertificate({ trail, parts }), policy).overall).toBe('verified')
        }
      }
      steps.push(step)
    }
    store.onWrite = async (write, { durable }) => {
      const what = durable ? 'batch' : 'note'
      takeAll(`before the ${what}`)
      await write()
      takeAll(`after the ${what}`)
    }

    for (let round = 0; round < 4; round++) {
      await Promise.all([
        lab.submit(fix(`${round}`), USERS.clerk),
        lab.register(user(`new ${round}`, ['clerk'], `粤01-R500${round}`)),
        lab.submit(opinion(), USERS.president),
        ...(round === 1 ? [lab.submit(revocation(USERS.lawyer), USERS.admin)] : []),
        ...(round === 2 ? [lab.submit(opinion({ judge: '粤01-R7777' }), USERS.president)] : [])
      ])
      takeAll('published')
    }
    expect(steps.length).toBe(4 * 5)
    expect(lab.reader.trailPart('power:粤01-R0001', all).count).toBe(6)
    expect(lab.reader.trailPart(`key:${kidOf(USERS.lawyer)}`, all).count).toBe(2)
  })

  test('a trail is as long as the published head says, though the store has more of it', async () => {
    const { lab, store } = await openLab()
    await lab.submit(opinion(), USERS.president)
    const counts: number[] = []
    store.onWrite = async (write) => {
      await write()
      counts.push(lab.reader.trailPart('power:粤01-R0001', all).count, lab.reader.memberIndexes('power:粤01-R0002', 1_000).length)
    }
    const asPresident = opinion({ judge: '粤01-R0201' })
    await Promise.all([lab.submit(opinion(), USERS.president), lab.submit(asPresident, USERS.president)])
    expect(counts).toEqual([1, 0, 1, 0])
    expect(lab.reader.trailPart('power:粤01-R0001', all).count).toBe(3)
  })
})

describe('a log whose heads need cosignatures', () => {
  test('is durable ahead of what is published; proofs are under the published head; it goes on from there after a restart', async () => {
    const lab = await Lab.open()
    const first = lab.sequencer.published!
    const signed: Published[] = []
    lab.cosigned = (head) => {
      signed.push(head)
    }
    await lab.start(lab.store)
    await lab.sequencer.resign()
    const record = lab.draft(fix('later'), USERS.clerk)
    const placed = await lab.place(record)
    await lab.submit(fix('later still'), USERS.clerk)
    expect(lab.sequencer.published).toEqual(first)
    expect(signed.map(({ size }) => size)).toEqual([first.size, first.size + 2, first.size + 4])
    expect(() => lab.reader.receipt(placed.index, all)).toThrow('ENTRY_UNKNOWN')
    expect(lab.reader.receipt(0, all).checkpoint).toBe(first.note)
    expect(await lab.place(record)).toEqual({ index: placed.index, fresh: false })

    await lab.sequencer.publish(signed[1]!)
    expect(lab.reader.receipt(placed.index, all).checkpoint).toBe(signed[1]!.note)
    await lab.sequencer.publish(signed[0]!)
    expect(lab.sequencer.published).toEqual(signed[1])

    await lab.start(lab.store)
    expect(lab.sequencer.published).toEqual(signed[1])
    expect(lab.sequencer.head.size).toBe(first.size + 4)
    await lab.sequencer.resign()
    expect(signed.at(-1)!.size).toBe(first.size + 4)
  })
})
