/** Promises, refusals, contradictions and SCITT exports as people handle them: files, and what the command line says of them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { decode as decodeWithCborg, Tagged } from 'cborg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bytes, base64url } from '../../src/core/bytes.ts'
import { leafHash } from '../../src/core/hash.ts'
import { signPromise } from '../../src/core/promise.ts'
import { signHead } from '../../src/log/head.ts'
import { parseReceipt } from '../../src/verify/files.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type LogName, type Name, TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(async () => {
  expect(leaked(network.secrets)).toEqual([])
  await network.close()
})

const by = (name: Name, out: string) => [
  '--key',
  network.keyFile(name),
  '--url',
  network.url,
  '--policy',
  network.policyFile,
  '-o',
  desk.path(out)
]
const policy = () => ['--policy', network.policyFile]
function write(name: string, value: unknown): string {
  const file = desk.path(name)
  writeFileSync(file, typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value))
  return file
}
interface Done {
  log: string
  index: number
  leaf: string
  receipt?: string
  promise?: string
  overall: string
}
interface Report {
  kind: string
  overall: string
  steps: { step: string; verdict: string }[]
}
const verdicts = ({ steps }: Report) => Object.fromEntries(steps.map(({ step, verdict }) => [step, verdict]))

/** The quorum is not reached while this runs. */
async function withoutQuorum<T>(log: LogName, run: () => Promise<T>): Promise<T> {
  const { finality } = network.node.context.logs.get(log)!
  const wait = finality.wait
  finality.wait = async () => false
  try {
    return await run()
  } finally {
    finality.wait = wait
  }
}

describe('what is not final yet', () => {
  let promise: string
  let statement: string
  let receipt: string

  it('leaves a promise and the statement, and no receipt; status 2', async () => {
    const file = write('opinion.json', opinion())
    const [done] = await withoutQuorum('supervision', () => desk.json<Done[]>(['submit', file, ...by('president', 'out')], 2))
    promise = desk.path('out', 'opinion.promise')
    statement = desk.path('out', 'opinion.statement.cose')
    expect(done).toMatchObject({ log: 'supervision', promise, overall: 'could-not-check' })
    expect(done!.leaf).toBe(base64url(leafHash(readFileSync(statement))))
    expect(existsSync(desk.path('out', 'opinion.receipt.json'))).toBe(false)
  })

  it('the promise alone could not be checked', async () => {
    const report = await desk.json<Report>(['verify', promise, ...policy()], 2)
    expect(verdicts(report)).toEqual({
      policy: 'verified',
      authority: 'could-not-check',
      signature: 'could-not-check',
      kept: 'not-applicable'
    })
  })

  it('gives its receipt later, to whoever brings the promise back', async () => {
    const [done] = await desk.json<Done[]>(['submit', promise, ...by('president', 'out')])
    receipt = desk.path('out', 'opinion.receipt.json')
    expect(done).toMatchObject({ log: 'supervision', receipt, overall: 'verified' })
    expect(parseReceipt(readFileSync(receipt, 'utf8')).disclosures).toHaveLength(1)
    const report = await desk.json<Report>(['verify', promise, receipt, ...policy()])
    expect(verdicts(report)).toEqual({ policy: 'verified', authority: 'verified', signature: 'verified', kept: 'verified' })
    const { out, status } = await desk.run(['compare', promise, receipt, ...policy(), '--lang', 'zh'])
    expect([status, out]).toEqual([0, expect.stringContaining('已兑现')])
  })

  it('in `fix` too, in both languages', async () => {
    const file = write('a.txt', 'a')
    for (const lang of ['zh', 'en']) {
      const ran = await withoutQuorum('evidence', () =>
        desk.run([
          'fix',
          file,
          '--case',
          '（2020）粤01民初123号',
          '--set',
          'material=electronic-data',
          ...by('clerk', `fix-${lang}`),
          '--lang',
          lang
        ])
      )
      expect(ran.status).toBe(2)
      expect(ran.out).toContain(lang === 'zh' ? '尚待其他机构联署' : 'have yet to cosign')
      expect(existsSync(desk.path(`fix-${lang}`, 'a.txt.promise'))).toBe(true)
    }
  })
})

describe('what is refused', () => {
  it('leaves the refusal and the statement it is of', async () => {
    const file = write('wrong.json', { ...opinion(), judge: undefined, case: undefined })
    expect((await desk.run(['submit', file, ...by('president', 'none')])).status).toBe(1)
    expect(existsSync(desk.path('none'))).toBe(false) // Never sent: refused before it was signed.

    const revoke = write('revoke.json', {
      type: 'registry.revoke',
      at: '2020-08-26T09:00:00+08:00',
      kid: 'A'.repeat(43),
      reason: 'left'
    })
    const ran = await desk.run(['submit', revoke, ...by('admin-court', 'refused')])
    expect([ran.status, ran.err.split(':')[0]]).toEqual([1, 'error REGISTRY_TARGET'])
    const refusal = desk.path('refused', 'revoke.refusal')
    const statement = desk.path('refused', 'revoke.statement.cose')
    expect(ran.out).toContain(refusal)

    const place = await network.put(fix('beside'), 'clerk')
    const { text } = await network.ask(`/api/v1/logs/evidence/records/${place.index}/receipt`, { as: 'clerk' })
    const beside = write('beside.receipt.json', text)
    expect(verdicts(await desk.json<Report>(['verify', refusal, beside, statement, ...policy()]))).toEqual({
      policy: 'verified',
      authority: 'verified',
      signature: 'verified',
      files: 'verified'
    })
    expect((await desk.json<Report>(['verify', refusal, ...policy()], 2)).overall).toBe('could-not-check')
    expect((await desk.json<Report>(['verify', refusal, beside, revoke, ...policy()], 1)).overall).toBe('broken')
    const { out } = await desk.run(['verify', refusal, beside, ...policy(), '--lang', 'zh'])
    expect(out).toContain('拒收：REGISTRY_TARGET')
  })
})

describe('compare', () => {
  const receiptFile = async (index: number, name: string) =>
    write(name, (await network.ask(`/api/v1/logs/evidence/records/${index}/receipt`, { as: 'clerk' })).text)
  let older: string
  let newer: string
  let checkpoint: string
  beforeAll(async () => {
    const { index } = await network.put(fix('one'), 'clerk')
    older = await receiptFile(index, 'older.receipt.json')
    checkpoint = write('checkpoint', parseReceipt(readFileSync(older, 'utf8')).checkpoint)
    const next = await network.put(fix('two'), 'clerk')
    newer = await receiptFile(next.index, 'newer.receipt.json')
  })

  it('one history: status 0, and which extends which', async () => {
    const { out, status } = await desk.run(['compare', older, newer, ...policy()])
    expect([status, out]).toEqual([0, expect.stringMatching(/extends that of size/)])
    expect((await desk.run(['compare', older, newer])).status).toBe(0)
  })

  it('what the files do not show is asked of the node', async () => {
    const later = await network.put(fix('three'), 'clerk')
    const far = write(
      'far',
      parseReceipt((await network.ask(`/api/v1/logs/evidence/records/${later.index}/receipt`, { as: 'clerk' })).text).checkpoint
    )
    expect((await desk.json<Report>(['compare', checkpoint, far, ...policy()], 2)).overall).toBe('could-not-check')
    expect((await desk.json<Report>(['compare', checkpoint, far, ...policy(), '--url', network.url])).overall).toBe('verified')
  })

  it('two histories: status 1, and a file that `verify` accepts', async () => {
    const { sequencer, keys } = network.node.context.logs.get('evidence')!
    const honest = write('honest', sequencer.published!.note)
    const other = write('other', signHead({ ...sequencer.head, root: new Uint8Array(32).fill(7) }, keys))
    const file = desk.path('log.contradiction.json')
    const ran = await desk.run(['compare', honest, other, ...policy(), '-o', file])
    expect([ran.status, ran.out]).toEqual([1, expect.stringContaining(file)])
    const report = await desk.json<Report & { guilty: string[] }>(['verify', file, ...policy()])
    expect([report.kind, report.overall, report.guilty]).toEqual([
      'contradiction',
      'verified',
      [expect.stringMatching(/^court\.example\/evidence\+/)]
    ])
    expect((await desk.run(['verify', file, older, ...policy()])).status).toBe(2)
    expect((await desk.run(['compare', honest, file, ...policy()])).status).toBe(1)
  })

  it('a promise against a trail that has not what was promised', async () => {
    const { keys, ledger } = network.node.context.logs.get('evidence')!
    const list = 'list:粤01-20200826-promiseaaaaa'
    await network.put(fix('on the list', { list: list.slice(5) }), 'clerk')
    const left = network.sign(fix('left out', { list: list.slice(5) }), 'clerk').statement
    const signatory = { origin: keys.origin, operator: ledger.meta!.operator, signer: keys.promise, cti: new Uint8Array(16) }
    const promise = write('left.promise', signPromise({ leaf: leafHash(left), time: 1, by: 2 }, signatory))
    const statement = write('left.statement.cose', left)
    const certificate = write(
      'list.trail.json',
      (await network.ask(`/api/v1/trails/${encodeURIComponent(list)}`, { as: 'clerk' })).text
    )
    const file = desk.path('broken.contradiction.json')
    expect((await desk.run(['compare', promise, certificate, ...policy(), '-o', file])).status).toBe(2)
    const ran = await desk.run(['compare', promise, certificate, '--statement', statement, ...policy(), '-o', file])
    expect([ran.status, ran.out]).toEqual([1, expect.stringContaining('left out what it had promised')])
    expect((await desk.json<Report>(['verify', file, ...policy()])).overall).toBe('verified')
    // Whoever gives no policy is told what it rests on: anyone can make a certificate that names keys of his own.
    const rests = await desk.run(['compare', promise, certificate, '--statement', statement, '-o', desk.path('own.json')])
    expect([rests.status, rests.out]).toEqual([1, expect.stringContaining('no policy was given')])
  })
})

describe('export --format cose', () => {
  it('writes a transparent statement: the statement, with the receipt in label 394', async () => {
    const signed = network.sign(fix('exported'), 'clerk')
    const { index } = (await network.post(signed, '?reply=index')).json<{ index: number }>()
    const file = write(
      'x.receipt.json',
      (await network.ask(`/api/v1/logs/evidence/records/${index}/receipt`, { as: 'clerk' })).text
    )
    const out = desk.path('x.cose')
    const line = ['export', file, '--format', 'cose', '-o', out]
    expect(await desk.json(line, 2)).toMatchObject({ error: { code: 'USAGE', field: '--url' } })
    expect(await desk.json([...line, '--url', network.url], 2)).toMatchObject({ error: { code: 'AUTH_REQUIRED' } })
    await desk.json([...line, '--url', network.url, '--key', network.keyFile('clerk'), ...policy()])

    const read = (bytes: Bytes) => decodeWithCborg(bytes, { useMaps: true, tags: Object.assign([], { 18: Tagged.decoder(18) }) })
    const parts = (bytes: Bytes) => (read(bytes) as { value: [Bytes, Map<number, unknown>, Bytes, Bytes] }).value
    const [header, unprotected, payload, signature] = parts(new Uint8Array(readFileSync(out)))
    const plain = parts(signed.statement)
    expect([header, payload, signature]).toEqual([plain[0], plain[2], plain[3]])
    expect([...unprotected.keys()]).toEqual([394])
    const [receipt] = unprotected.get(394) as Bytes[]
    expect((read(parts(receipt!)[0]) as Map<number, unknown>).get(395)).toBe(1)
  })
})

describe('what cannot be read', () => {
  it.each([
    ['verify', 'x'],
    ['compare', 'x', 'y'],
    ['trail', 'court:粤01', '--url', 'http://127.0.0.1:1'],
    ['audit', '--url', 'http://127.0.0.1:1']
  ])('a policy that is not UTF-8 is a wrong policy: %s', async (...line) => {
    const wrong = write('policy.bin', Uint8Array.of(0xff, 0x0a))
    expect(await desk.json([...line, '--policy', wrong], 2)).toMatchObject({ error: { code: 'POLICY_INVALID', at: wrong } })
  })

  it.each(['receipt', 'trail', 'contradiction'])(
    'a %s of a later version could not be checked: it is not called broken',
    async (kind) => {
      const file = write('later.json', { format: `lianzheng-${kind}/v2`, whatever: 1 })
      expect(await desk.json(['verify', file, ...policy()], 2)).toMatchObject({ error: { code: 'FORMAT_VERSION_UNKNOWN' } })
    }
  )
})
