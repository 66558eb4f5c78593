/** Contradictions, comparisons, promises and refusals (formats.md §12, §13), of a log that forks: one history up to a point, then two under the same keys. */
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { LedgerClient } from '../../src/client/client.ts'
import { type Bytes, base64url } from '../../src/core/bytes.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { formatVkey, keyLabel } from '../../src/core/note.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { signPromise, signRefusal } from '../../src/core/promise.ts'
import { decodeStatement } from '../../src/core/statement.ts'
import { signHead } from '../../src/log/head.ts'
import type { Draft } from '../../src/records/draft.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { put } from '../../src/store/store.ts'
import { compareHeads } from '../../src/verify/compare.ts'
import {
  type Contradiction,
  contradictionOf,
  formatContradiction,
  parseContradiction,
  verifyContradiction
} from '../../src/verify/contradiction.ts'
import { formatCertificate, formatReceipt, type TrailPart } from '../../src/verify/files.ts'
import { verifyHandout } from '../../src/verify/handout.ts'
import { headsOf } from '../../src/verify/heads.ts'
import type { StepName, Verdict } from '../../src/verify/verdict.ts'
import { all, fix, Lab, OPERATOR, ORIGIN, START, seedKeys, USERS } from '../helpers/lab.ts'

const LIST = 'list:粤01-20200826-listaaaaaaaa'
const listed = (content: string) => fix(content, { list: LIST.slice(5) })
const FORK = 'a log with two tongues'

let policy: Policy
/** Two histories of one log, and the head where they part. */
let a: Lab
let b: Lab
let common: { receipt: string; checkpoint: string; index: number }
/** Of the record at the same index, and of one further on. */
let receipts: { a: string; b: string; later: string }
let checkpoints: { a: string; b: string; later: string }

async function copyOf(store: MemoryStore): Promise<MemoryStore> {
  const copy = new MemoryStore()
  const writes = []
  for await (const [key, value] of store.range({ gte: new Uint8Array(0), lt: new Uint8Array(64).fill(0xff) }))
    writes.push(put(key, value))
  await copy.write(writes, { durable: true })
  return copy
}
const receiptOf = (lab: Lab, index: number) => formatReceipt(lab.reader.receipt(index, all))
const noteOf = (lab: Lab) => lab.reader.published().note

beforeAll(async () => {
  a = await Lab.open({ seed: FORK })
  policy = parsePolicy(a.policy())
  const { index } = await a.submit(listed('before the fork'), USERS.clerk)
  common = { receipt: receiptOf(a, index), checkpoint: noteOf(a), index }
  b = await Lab.open({ seed: FORK, store: await copyOf(a.store as MemoryStore) }, { existing: true })
  a.now += 1_000
  b.now += 2_000
  const inA = await a.submit(listed('what one is told'), USERS.clerk)
  const inB = await b.submit(listed('what another is told'), USERS.clerk)
  expect(inB.index).toBe(inA.index)
  receipts = { a: receiptOf(a, inA.index), b: receiptOf(b, inB.index), later: '' }
  checkpoints = { a: noteOf(a), b: noteOf(b), later: '' }
  a.now += 1_000
  await a.submit(listed('and more'), USERS.clerk)
  receipts.later = receiptOf(a, inA.index)
  checkpoints.later = noteOf(a)
})

const step = (report: { steps: { step: StepName; verdict: Verdict }[] }, name: StepName) =>
  report.steps.find((one) => one.step === name)?.verdict
const logLabel = () => keyLabel(a.keys.log.vkey.name, a.keys.log.vkey.id)
function between(left: string, right: string): Contradiction {
  return contradictionOf(headsOf(left)[0]!, headsOf(right)[0]!)!
}
const stranger = seedKeys('a stranger', ORIGIN)
/** Another tree of the same size and origin, under keys that the log never had. */
const strangersHead = () =>
  signHead({ ...a.sequencer.head, size: sizeOf(checkpoints.a), root: new Uint8Array(32).fill(7) }, stranger)
const sizeOf = (note: string) => Number(note.split('\n')[1])
const strangers = parsePolicy(`log ${formatVkey(stranger.log.vkey)}\nquorum none\n`)
function refused(run: () => unknown): string {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (!(error instanceof LianzhengError)) throw error
    return `${error.code} ${error.detail.field}`
  }
}

describe('two heads', () => {
  it('of one size with two roots convict the log', () => {
    const contradiction = between(checkpoints.a, checkpoints.b)
    expect(contradiction.kind).toBe('same-size')
    const text = formatContradiction(contradiction)
    expect(formatContradiction(parseContradiction(text))).toBe(text)
    const report = verifyContradiction(text, policy)
    expect([report.overall, report.guilty]).toEqual(['verified', [logLabel()]])
    expect(report.headline.zh).toContain('自相矛盾')
    expect(report.headline.en).toContain(logLabel())
  })

  it('with two leaves at one index convict it too, whatever their sizes', () => {
    const contradiction = between(receipts.b, receipts.later)
    expect(contradiction.kind).toBe('same-index')
    const report = verifyContradiction(formatContradiction(contradiction), policy)
    expect([report.overall, report.guilty, step(report, 'inclusion')]).toEqual(['verified', [logLabel()], 'verified'])
  })

  it('say nothing to whoever does not know the log’s key', () => {
    const report = verifyContradiction(formatContradiction(between(checkpoints.a, checkpoints.b)), strangers)
    expect([report.overall, report.guilty, step(report, 'checkpoint')]).toEqual(['could-not-check', [], 'could-not-check'])
    const empty = verifyContradiction(formatContradiction(between(checkpoints.a, checkpoints.b)), parsePolicy('quorum none\n'))
    expect([empty.overall, step(empty, 'policy')]).toEqual(['could-not-check', 'could-not-check'])
  })

  it('that do not contradict each other, or are not the log’s, prove nothing', () => {
    const size = between(checkpoints.a, checkpoints.b) as Extract<Contradiction, { kind: 'same-size' }>
    const index = between(receipts.b, receipts.later) as Extract<Contradiction, { kind: 'same-index' }>
    const forged = checkpoints.b.replace(
      /^(\u2014 \S+ )(\S)/m,
      (_, head: string, first: string) => head + (first === 'A' ? 'B' : 'A')
    )
    const badSignature = checkpoints.b.replace(
      /(\u2014 \S+ )(\S{20})(\S)/,
      (_, head: string, id: string, one: string) => head + id + (one === 'A' ? 'B' : 'A')
    )
    const lies: [string, Contradiction, Verdict][] = [
      ['one head twice', { ...size, b: size.a }, 'broken'],
      ['two sizes', { ...size, b: { checkpoint: checkpoints.later } }, 'broken'],
      ['a head of an unknown key', { ...size, b: { checkpoint: forged } }, 'could-not-check'],
      ['a bad signature', { ...size, b: { checkpoint: badSignature } }, 'broken'],
      ['no head', { ...size, b: { checkpoint: 'x' } }, 'broken'],
      ['another log', { ...size, origin: 'court.example/public' }, 'broken'],
      ['one leaf twice', { ...index, b: index.a }, 'broken'],
      ['another index', { ...index, b: { ...index.b, index: index.b.index + 1 } }, 'broken'],
      ['another leaf', { ...index, b: { ...index.b, leaf: new Uint8Array(32) } }, 'broken'],
      ['a shorter proof', { ...index, b: { ...index.b, inclusion: index.b.inclusion.slice(1) } }, 'broken']
    ]
    for (const [name, lie, verdict] of lies) {
      const report = verifyContradiction(formatContradiction(lie), policy)
      expect([name, report.overall, report.guilty]).toEqual([name, verdict, []])
      expect(report.headline.en, name).toContain('not proven')
    }
  })

  it('under two keys of the log, of before and after a change, convict both keys', () => {
    const keys = [a.keys.log.vkey, stranger.log.vkey]
    const both = parsePolicy(`${keys.map((vkey) => `log ${formatVkey(vkey)}\n`).join('')}quorum none\n`)
    const report = verifyContradiction(formatContradiction(between(checkpoints.a, strangersHead())), both)
    expect([report.overall, report.guilty]).toEqual(['verified', keys.map(({ name, id }) => keyLabel(name, id))])
  })

  it('are read strictly', () => {
    const text = formatContradiction(between(checkpoints.a, checkpoints.b))
    const parsed = JSON.parse(text) as Record<string, unknown>
    const read = (change: object) => refused(() => parseContradiction(JSON.stringify({ ...parsed, ...change })))
    expect(read({})).toBe('accepted')
    expect(read({ more: 1 })).toBe('CONTRADICTION_INVALID more')
    expect(read({ kind: 'other' })).toBe('CONTRADICTION_INVALID kind')
    expect(read({ kind: 'same-index' })).toBe('CONTRADICTION_INVALID a.index')
    expect(read({ kind: 'broken-promise' })).toBe('CONTRADICTION_INVALID a.promise')
    expect(read({ a: { checkpoint: 1 } })).toBe('CONTRADICTION_INVALID a.checkpoint')
    expect(read({ a: [] })).toBe('CONTRADICTION_INVALID a')
    expect(read({ format: 'lianzheng-receipt/v1' })).toBe('CONTRADICTION_INVALID format')
    expect(read({ format: 'lianzheng-contradiction/v2' })).toBe('FORMAT_VERSION_UNKNOWN format')
    expect(refused(() => parseContradiction(text.replace('"kind"', '"kind": "same-size", "kind"')))).toMatch(/^JSON_INVALID/)
  })
})

describe('comparing', () => {
  const compared = (left: string, right: string, given = policy, proofs?: Parameters<typeof compareHeads>[3]) =>
    compareHeads(headsOf(left), headsOf(right), given, proofs)

  it.each<[string, () => [string, string], string]>([
    ['a file with itself', () => [common.receipt, common.receipt], 'equal'],
    ['a receipt and its checkpoint', () => [receipts.a, checkpoints.a], 'equal'],
    ['an earlier and a later receipt of one record', () => [receipts.a, receipts.later], 'b-extends-a'],
    ['the same, the other way round', () => [receipts.later, receipts.a], 'a-extends-b'],
    ['an earlier checkpoint and a later receipt that shows its seal', () => [common.checkpoint, receipts.later], 'b-extends-a']
  ])('%s: one history, by what the files show', (_name, files, relation) => {
    const report = compared(...files())
    expect([report.overall, report.pairs.map((pair) => pair.relation)]).toEqual(['verified', [relation]])
    expect(report.contradiction).toBeUndefined()
  })

  it('two checkpoints need a consistency proof, and say which', () => {
    const [from, to] = [common.checkpoint, checkpoints.later].map((note) => Number(note.split('\n')[1]))
    const report = compared(common.checkpoint, checkpoints.later)
    expect([report.overall, report.pairs[0]!.relation]).toEqual(['could-not-check', 'unknown'])
    expect(report.steps.at(-1)!.notes[0]!.en).toContain(`from size ${from} to ${to}`)
    const proof = a.reader.consistency(from!, to!)
    const proven = compared(common.checkpoint, checkpoints.later, policy, [{ origin: ORIGIN, from: from!, to: to!, proof }])
    expect([proven.overall, proven.pairs[0]!.relation]).toEqual(['verified', 'b-extends-a'])
    for (const wrong of [proof.slice(1), [...proof].reverse(), [], b.reader.consistency(from!, b.reader.published().size)])
      expect(
        compared(common.checkpoint, checkpoints.later, policy, [{ origin: ORIGIN, from: from!, to: to!, proof: wrong }]).overall
      ).toBe('could-not-check')
    expect(
      compared(common.checkpoint, checkpoints.later, policy, [{ origin: 'other/log', from: from!, to: to!, proof }]).overall
    ).toBe('could-not-check')
  })

  it.each<[string, () => [string, string]]>([
    ['two heads of one size', () => [checkpoints.a, checkpoints.b]],
    ['two receipts of one index', () => [receipts.a, receipts.b]],
    ['a receipt and a later one of the other history', () => [receipts.b, receipts.later]]
  ])('%s: the contradiction is a file that convicts', (_name, files) => {
    const report = compared(...files())
    expect([report.overall, report.pairs[0]!.relation, step(report, 'history')]).toEqual(['broken', 'contradiction', 'broken'])
    expect(verifyContradiction(report.contradiction!, policy).overall).toBe('verified')
  })

  it('a head that the other file’s proofs exclude is a contradiction, though nothing shows which entry differs', () => {
    const report = compared(checkpoints.b, receipts.later)
    expect([report.overall, report.pairs[0]!.relation, report.contradiction]).toEqual(['broken', 'contradiction', undefined])
    expect(report.steps.at(-1)!.notes[0]!.en).toContain('keep both')
  })

  it('without a policy the keys are those that the files name', () => {
    const named = (left: string, right: string) => compareHeads(headsOf(left), headsOf(right), undefined).overall
    expect(named(receipts.a, receipts.later)).toBe('verified')
    expect(named(receipts.a, receipts.b)).toBe('broken')
    expect(named(common.checkpoint, common.checkpoint)).toBe('could-not-check')
  })

  it('what is not signed by the log, or not of one log, is not called one history', async () => {
    expect(compared(receipts.a, receipts.later, strangers).overall).toBe('could-not-check')
    const other = await Lab.open({ origin: 'court.example/public', seed: 'other' })
    const report = compared(common.checkpoint, noteOf(other))
    expect([report.overall, report.pairs]).toEqual(['could-not-check', []])
    const moved = receipts.later.replace(/"index": (\d+)/, (_, index: string) => `"index": ${Number(index) - 1}`)
    expect([compared(receipts.a, moved).overall, step(compared(receipts.a, moved), 'inclusion')]).toEqual(['broken', 'broken'])
  })

  it('a head that the log is not known to have signed is no part of a contradiction', async () => {
    const unsigned = compared(checkpoints.a, strangersHead())
    expect([unsigned.overall, unsigned.pairs[0]!.relation, unsigned.contradiction]).toEqual([
      'could-not-check',
      'unknown',
      undefined
    ])
    // Anyone may make a network of the same name, and file it with receipts of his own.
    const other = await Lab.open({ seed: 'a stranger' })
    const { index } = await other.submit(listed('of another network'), USERS.clerk)
    const named = compareHeads(headsOf(receipts.a), headsOf(receiptOf(other, index)), undefined)
    expect([named.overall, named.pairs[0]!.relation, named.contradiction]).toEqual(['could-not-check', 'unknown', undefined])
  })

  it('certificates are compared by their parts', () => {
    const certificate = (lab: Lab) => formatCertificate({ trail: LIST, parts: [lab.reader.trailPart(LIST, all)] })
    expect(compared(certificate(a), receipts.later).overall).toBe('verified')
    expect(compared(certificate(a), receipts.a).overall).toBe('could-not-check')
    expect(compared(certificate(b), receipts.b).overall).toBe('verified')
    expect(compared(certificate(b), receipts.a).overall).toBe('broken')
  })
})

describe('a client that has seen one of the heads', () => {
  it('keeps the other with the file that convicts', async () => {
    let kept: (string | undefined)[] = []
    const memory = {
      get: async () => checkpoints.a,
      set: async () => {},
      contradicts: async (_log: string, ...told: (string | undefined)[]) => {
        kept = told
        return []
      }
    }
    const client = new LedgerClient({ url: 'http://127.0.0.1:1', memory })
    await expect(client.remember(checkpoints.b, policy)).rejects.toMatchObject({ code: 'HEAD_WENT_BACK' })
    expect(kept[0]).toBe(checkpoints.b)
    expect(verifyContradiction(kept[1]!, policy)).toMatchObject({ overall: 'verified', contradiction: 'same-size' })
  })
})

describe('promises', () => {
  const signatory = (lab: Lab, more: object = {}) => ({
    origin: ORIGIN,
    operator: OPERATOR,
    signer: lab.keys.promise,
    cti: new Uint8Array(16),
    ...more
  })
  let draft: Draft
  let by: number
  let promise: Bytes
  let part: TrailPart
  let certificate: string
  beforeAll(() => {
    draft = a.draft(listed('promised and left out'), USERS.clerk)
    by = START + 1_500
    promise = signPromise({ leaf: decodeStatement(draft.statement).leaf, time: START, by }, signatory(a))
    part = a.reader.trailPart(LIST, all)
    certificate = formatCertificate({ trail: LIST, parts: [part] })
    expect(part.seal.index).toBeGreaterThan(0)
  })
  const convict = (more: object = {}, b: TrailPart | { checkpoint: string; seal: TrailPart['seal'] } = part, given = policy) =>
    verifyContradiction(
      formatContradiction({ kind: 'broken-promise', origin: ORIGIN, a: { promise, statement: draft.statement, ...more }, b }),
      given
    )

  it('that were broken convict: the trail of a later head has not what was promised', () => {
    const report = convict()
    expect(report.overall).toBe('verified')
    expect(report.guilty).toEqual([logLabel(), expect.stringMatching(/^promise:/)])
    const absent = a.draft(fix('on no list at all'), USERS.clerk)
    const { leaf, sub } = decodeStatement(absent.statement)
    const broken = { promise: signPromise({ leaf, time: START, by }, signatory(a)), statement: absent.statement }
    expect(convict(broken, a.reader.trailPart(sub, all)).overall).toBe('verified')
  })

  it('that were not broken, or not given, do not', () => {
    const { leaf } = decodeStatement(draft.statement)
    const kept = part.entries[0]!.statement
    const lies: [string, ReturnType<typeof convict>, Verdict][] = [
      ['without the statement', convict({ statement: undefined }), 'could-not-check'],
      ['with another statement', convict({ statement: kept }), 'broken'],
      [
        'kept',
        convict({ promise: signPromise({ leaf: decodeStatement(kept).leaf, time: START, by }, signatory(a)), statement: kept }),
        'broken'
      ],
      ['not yet due', convict({ promise: signPromise({ leaf, time: START, by: a.now + 1 }, signatory(a)) }), 'broken'],
      ['another trail', convict({}, a.reader.trailPart('evidence:粤01-20200826-zzzzzzzzzzzz', all)), 'broken'],
      [
        'by another key',
        convict({ promise: signPromise({ leaf, time: START, by }, signatory(a, { signer: ed25519Signer(new Uint8Array(32)) })) }),
        'could-not-check'
      ],
      [
        'for another operator',
        convict({ promise: signPromise({ leaf, time: START, by }, signatory(a, { operator: 'gz-notary' })) }),
        'broken'
      ],
      [
        'of another log',
        convict({ promise: signPromise({ leaf, time: START, by }, signatory(a, { origin: 'court.example/public' })) }),
        'broken'
      ],
      [
        'a refusal',
        convict({ promise: signRefusal({ digest: leaf, code: 'IAT_AHEAD', time: START, catalogue: 1 }, signatory(a)) }),
        'could-not-check'
      ],
      ['no chain of authority', convict({}, { ...part, authority: [] }), 'could-not-check'],
      ['an entry left out', convict({}, { ...part, entries: part.entries.slice(1) }), 'could-not-check'],
      ['fewer entries claimed', convict({}, { ...part, count: part.count - 1, entries: part.entries.slice(1) }), 'broken'],
      ['a seal in its place', convict({}, { checkpoint: part.checkpoint, seal: part.seal }), 'could-not-check'],
      ['to strangers', convict({}, part, strangers), 'could-not-check']
    ]
    for (const [name, report, verdict] of lies) expect([name, report.overall, report.guilty]).toEqual([name, verdict, []])
  })

  const judged = (bytes: Bytes, beside: { text?: string; bytes?: Bytes }[], now = by / 1000 + 60) => {
    const given = beside.map((one) => ({
      name: 'beside',
      sha256: new Uint8Array(
        createHash('sha256')
          .update(one.bytes ?? one.text!)
          .digest()
      ),
      ...one
    }))
    return verifyHandout(bytes, policy, { now, beside: given })
  }

  it('alone could not be checked: the policy does not name the promise key', () => {
    const report = judged(promise, [])
    expect([report.overall, step(report, 'authority'), step(report, 'signature')]).toEqual([
      'could-not-check',
      'could-not-check',
      'could-not-check'
    ])
    expect(report.headline.en).toContain('not proven')
  })

  it('beside any receipt or certificate of the log are seen to be its own', () => {
    for (const text of [common.receipt, certificate]) {
      const early = judged(promise, [{ text }], START / 1000)
      expect([early.overall, step(early, 'signature'), step(early, 'kept')]).toEqual(['verified', 'verified', 'not-applicable'])
      const late = judged(promise, [{ text }])
      expect([late.overall, step(late, 'kept')]).toEqual(['could-not-check', 'could-not-check'])
    }
    const other = judged(promise, [{ text: common.receipt.replaceAll(ORIGIN, 'court.example/public') }])
    expect(other.overall).toBe('could-not-check')
  })

  it('are kept by a receipt in time, broken by one that is late, and by a trail without the statement', () => {
    const { leaf } = decodeStatement(part.entries[1]!.statement)
    const entered = START + 1_000
    const kept = judged(signPromise({ leaf, time: START, by: entered }, signatory(a)), [{ text: receipts.a }])
    expect([kept.overall, step(kept, 'kept')]).toEqual(['verified', 'verified'])
    const late = judged(signPromise({ leaf, time: START, by: entered - 1 }, signatory(a)), [{ text: receipts.a }])
    expect([late.overall, step(late, 'kept')]).toEqual(['broken', 'broken'])
    const missing = judged(promise, [{ text: certificate }, { bytes: draft.statement }])
    expect([missing.overall, step(missing, 'kept')]).toEqual(['broken', 'broken'])
    expect(missing.headline.zh).toContain('没有兑现')
  })

  it('refusals are of the bytes given and no others', () => {
    const digest = new Uint8Array(createHash('sha256').update(draft.statement).digest())
    const refusal = signRefusal({ digest, code: 'ROLE_NOT_PERMITTED', time: START, catalogue: 1 }, signatory(a))
    const good = judged(refusal, [{ text: common.receipt }, { bytes: draft.statement }])
    expect([good.overall, step(good, 'files')]).toEqual(['verified', 'verified'])
    expect(good.headline.zh).toContain('拒收：ROLE_NOT_PERMITTED（该角色不得书写此类记录）')
    expect(step(judged(refusal, [{ text: common.receipt }]), 'files')).toBe('not-applicable')
    expect(judged(refusal, [{ text: common.receipt }, { bytes: promise }]).overall).toBe('broken')
    expect(good.refusal!.digest).toBe(Buffer.from(digest).toString('hex'))
    expect(base64url(a.keys.promise.publicKey)).not.toBe(base64url(a.keys.statement.publicKey))
  })
})
