import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { base64url, fromBase64, fromBase64url } from '../../src/core/bytes.ts'
import { parseCheckpoint } from '../../src/core/checkpoint.ts'
import { leafHash } from '../../src/core/hash.ts'
import { formatVkey, parseNote, verifyNoteSignature } from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { splitViewTolerance } from '../../src/core/quorum.ts'
import { readConfig } from '../../src/node/config.ts'
import { entryKey } from '../../src/store/layout.ts'
import { openLevel } from '../../src/store/level.ts'
import { put } from '../../src/store/store.ts'
import { type ExaminedRecord, examine } from '../../src/verify/admit.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { fix, opinion } from '../helpers/lab.ts'
import { type Name, TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
const POWER = 'power:粤01-R0001'
let network: TestNetwork
let other: TestNetwork
let receipt: string
let file: string

beforeAll(async () => {
  network = await TestNetwork.open()
  other = await TestNetwork.open()
  file = write('合同.pdf', 'a contract')
  receipt = write('good.receipt.json', await receiptOf(network))
  for (let i = 0; i < 3; i++) await network.put(opinion(), 'president')
})
afterAll(async () => {
  expect(leaked([...network.secrets, ...other.secrets])).toEqual([])
  await network.close()
  await other.close()
})

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(desk.path(name), content)
  return desk.path(name)
}
async function receiptOf(from: TestNetwork): Promise<string> {
  const { index } = await from.put(fix('a contract'), 'clerk')
  return (await from.ask(`/api/v1/logs/evidence/records/${index}/receipt`, { as: 'clerk' })).text
}
/** A receipt or certificate with something changed. */
function changed(text: string, change: (value: Changeable) => void): string {
  const value = JSON.parse(text) as Changeable
  change(value)
  return write('changed.json', JSON.stringify(value))
}
interface Changeable {
  [name: string]: unknown
  index: number
  statement: string
  inclusion: string[]
  disclosures: string[]
  checkpoint: string
  seal: { statement: string }
}
function flip(text: string): string {
  const bytes = fromBase64url(text)
  return base64url(bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1))
}
interface Report {
  overall: string
  steps: { step: string; verdict: string; notes: { code?: string }[] }[]
}
const verify = (args: string[], status: number) => desk.json<Report>(['verify', ...args, '--policy', network.policyFile], status)
const steps = (report: Report, verdict: string) => report.steps.filter((step) => step.verdict === verdict).map(({ step }) => step)
const codes = (report: Report) =>
  report.steps.flatMap(({ notes }) => notes.map(({ code }) => code)).filter((code) => code !== undefined)

describe('verify', () => {
  it('a receipt with its file: 0', async () => {
    const report = await verify([receipt, file], 0)
    expect(report.overall).toBe('verified')
    expect(report.steps.map(({ step }) => step)).toEqual([
      'policy',
      'checkpoint',
      'quorum',
      'seal',
      'inclusion',
      'authority',
      'keyTrails',
      'statement',
      'schema',
      'disclosures',
      'files',
      'timestamps'
    ])
    expect(steps(report, 'not-applicable')).toEqual(['quorum', 'timestamps'])
  })

  it('needs no network: nodes are not asked', async () => {
    const away = { env: { LIANZHENG_HOME: desk.path('another home') } }
    expect((await desk.run(['verify', receipt, file, '--policy', network.policyFile], away)).status).toBe(0)
    expect(existsSync(desk.path('another home'))).toBe(false)
  })

  it('without a file: 0, and that none was compared is said', async () => {
    const { status, out } = await desk.run(['verify', receipt, '--policy', network.policyFile, '--lang', 'zh'])
    expect([status, out.includes('未核对文件'), out.includes(' ✓ 包含证明 — 核验一致')]).toEqual([0, true, true])
  })

  it('with a file that is another: 1, and it is the file that differs', async () => {
    const wrong = write('other.pdf', 'a Contract')
    expect(steps(await verify([receipt, wrong], 1), 'broken')).toEqual(['files'])
    const { out } = await desk.run(['verify', receipt, file, wrong, '--policy', network.policyFile])
    expect(out).toMatch(
      /file 合同\.pdf has the digests of the record[\s\S]*file other\.pdf does not have the digests.*the file differs, not the ledger/
    )
    expect(out.trimEnd().split('\n').at(-1)).toMatch(/^broken; the file differs/)
  })

  const tampered: [string, (value: Changeable) => void, string[], string][] = [
    [
      'statement',
      (value) => {
        value.statement = flip(value.statement)
      },
      ['inclusion', 'statement'],
      'PROOF_INVALID'
    ],
    [
      'seal',
      (value) => {
        value.seal.statement = flip(value.seal.statement)
      },
      ['seal'],
      'PROOF_INVALID'
    ],
    [
      'index',
      (value) => {
        value.index--
      },
      ['inclusion'],
      'PROOF_INVALID'
    ],
    [
      'inclusion',
      (value) => {
        value.inclusion[0] = flip(value.inclusion[0]!)
      },
      ['inclusion'],
      'PROOF_INVALID'
    ],
    [
      'disclosures',
      (value) => {
        value.disclosures[0] = flip(value.disclosures[0]!)
      },
      ['disclosures'],
      'DISCLOSURE_UNMATCHED'
    ],
    [
      'checkpoint size',
      (value) => {
        value.checkpoint = value.checkpoint.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) + 1}\n`)
      },
      ['checkpoint'],
      'SIGNATURE_INVALID'
    ],
    [
      'checkpoint text',
      (value) => {
        value.checkpoint = value.checkpoint.replace('\n', '\n0')
      },
      ['checkpoint'],
      'CHECKPOINT_INVALID'
    ],
    [
      'checkpoint note',
      (value) => {
        value.checkpoint = value.checkpoint.replace('\u2014', '-')
      },
      ['checkpoint'],
      'NOTE_INVALID'
    ]
  ]
  it.each(tampered)('with another %s: 1', async (_, change, broken, code) => {
    const report = await verify([changed(readFileSync(receipt, 'utf8'), change), file], 1)
    expect(steps(report, 'broken')).toEqual(expect.arrayContaining(broken))
    expect(codes(report)).toContain(code)
  })

  it('under a policy that does not know the log: 2', async () => {
    for (const policy of [other.policyFile, write('none.txt', 'quorum none\n')]) {
      const report = await desk.json<Report>(['verify', receipt, '--policy', policy], 2)
      expect(steps(report, 'broken')).toEqual([])
      expect(steps(report, 'could-not-check').length).toBeGreaterThan(0)
    }
  })

  it('under the policy of its one log, and under that of its post-quantum keys: 0', async () => {
    for (const policy of [network.path('policies', 'court-evidence.txt'), network.path('policy-pq.txt')])
      expect((await desk.run(['verify', receipt, file, '--policy', policy])).status).toBe(0)
  })

  it('a receipt of another ledger of the same name: 2, never verified', async () => {
    const report = await verify([write('other.receipt.json', await receiptOf(other)), file], 2)
    expect(steps(report, 'could-not-check')).toContain('checkpoint')
  })

  it('what cannot be read at all is said', async () => {
    const good = readFileSync(receipt, 'utf8')
    const refused: [string, string, number][] = [
      [write('text', 'hello'), 'JSON_INVALID', 1],
      [write('other', '{"format": "x"}'), 'RECEIPT_INVALID', 1],
      [write('empty', ''), 'JSON_INVALID', 1],
      [write('cut', good.slice(0, -20)), 'JSON_INVALID', 1],
      [write('twice', good.replace('"format"', '"format": "lianzheng-receipt/v1", "format"')), 'JSON_INVALID', 1],
      [write('more', good.replace('"format"', '"more": 1, "format"')), 'RECEIPT_INVALID', 1],
      [write('trail', good.replace('lianzheng-receipt', 'lianzheng-trail')), 'CERTIFICATE_INVALID', 1],
      [write('bytes', Buffer.concat([Buffer.from(good), Buffer.of(0xff)])), 'TEXT_NOT_UTF8', 1],
      [desk.path('missing'), 'FILE_UNREADABLE', 2],
      [desk.directory, 'FILE_UNREADABLE', 2]
    ]
    for (const [path, code, status] of refused)
      expect(await desk.json(['verify', path, '--policy', network.policyFile], status)).toMatchObject({ error: { code } })
    const policies: [string, string, number][] = [
      [write('bad policy', 'log x\nquorum none\n'), 'POLICY_INVALID', 1],
      [write('no quorum', '\n'), 'POLICY_INVALID', 2]
    ]
    for (const [policy, code, at] of policies)
      expect(await desk.json(['verify', receipt, '--policy', policy], 2)).toMatchObject({ error: { code, at } })
    expect(await desk.json(['verify', receipt, desk.path('missing'), '--policy', network.policyFile], 2)).toMatchObject({
      error: { code: 'FILE_UNREADABLE' }
    })
  })

  it('a file with a byte order mark is not the file that was written: every verifier refuses it alike', async () => {
    const marked = write('bom', `\ufeff${readFileSync(receipt, 'utf8')}`)
    const answer = await desk.json(['verify', marked, '--policy', network.policyFile], 1)
    expect(answer).toMatchObject({ error: { code: 'JSON_INVALID', offset: 0 } })
  })
})

describe('trail', () => {
  const trail = (name: string, by: Name | undefined, ...more: string[]) => [
    'trail',
    name,
    '--url',
    network.url,
    '--policy',
    network.policyFile,
    ...(by === undefined ? [] : ['--key', network.keyFile(by)]),
    ...more
  ]

  it('is fetched, verified, kept, and verified again offline', async () => {
    const out = desk.path('power.trail.json')
    const { status, out: said } = await desk.run(trail(POWER, 'inspector', '-o', out))
    expect(status).toBe(0)
    expect(said).toMatch(/3 records in this log, numbers 1–3 without a gap/)
    expect(said).toContain('请提交类案检索报告。  (sealed, disclosed)')
    expect(await verify([out], 0)).toMatchObject({ kind: 'trail', overall: 'verified', trail: POWER })
    expect(await desk.json(['verify', out, file, '--policy', network.policyFile], 2)).toMatchObject({ error: { code: 'USAGE' } })
    expect((await desk.run(['verify', out, '--policy', other.policyFile])).status).toBe(2)
    const cut = changed(readFileSync(out, 'utf8'), (value) => void (value.parts as { entries: unknown[] }[])[0]!.entries.pop())
    expect(steps(await verify([cut], 1), 'broken')).toEqual(['trail'])
  })

  it('in which nothing was filed is proven absent: 0', async () => {
    const { status, out } = await desk.run(trail('power:粤01-R0999', 'inspector', '--lang', 'zh'))
    expect([status, out.includes('无任何记录')]).toEqual([0, true])
  })

  it('is refused to whoever may not have it', async () => {
    expect(await desk.json(trail(POWER, undefined), 2)).toMatchObject({ error: { code: 'AUTH_REQUIRED' } })
    expect(await desk.json(trail(POWER, 'lawyer'), 2)).toMatchObject({ error: { code: 'ACCESS_DENIED' } })
    expect(await desk.json(trail('power', 'inspector'), 1)).toMatchObject({ error: { code: 'TRAIL_NAME_INVALID' } })
    expect((await desk.run(trail('disclosure:粤01', undefined))).status).toBe(0)
  })

  it('is not written over another file', async () => {
    const out = write('taken.json', 'x')
    expect(await desk.json(trail('disclosure:粤01', undefined, '-o', out), 2)).toMatchObject({
      error: { code: 'FILE_EXISTS', at: out }
    })
  })

  it('of a node that is not there: 3', async () => {
    const args = ['trail', POWER, '--url', 'http://127.0.0.1:1', '--policy', network.policyFile]
    expect(await desk.json(args, 3)).toMatchObject({ error: { code: 'UNREACHABLE', at: 'http://127.0.0.1:1' } })
  })
})

describe('export', () => {
  it('as a C2SP tlog-proof that stands on its own', async () => {
    const out = desk.path('contract.tlog-proof')
    expect(await desk.json(['export', receipt, '--format', 'tlog-proof', '-o', out])).toEqual({ out, format: 'tlog-proof' })
    const statement = desk.path('contract.cose')
    await desk.json(['export', receipt, '--format', 'statement', '-o', statement])

    const text = readFileSync(out, 'utf8')
    const [head, ...rest] = text.split('\n\n')
    const [magic, index, ...hashes] = head!.split('\n')
    expect(magic).toBe('c2sp.org/tlog-proof@v1')
    expect(index).toMatch(/^index (?:0|[1-9]\d*)$/)
    const note = parseNote(rest.join('\n\n'))
    const { vkey } = network.policy.logs.find(({ vkey: { name } }) => name === 'court.example/evidence')!
    expect(verifyNoteSignature(note.text, note.signatures[0]!, vkey)).toBe(true)
    const { size, root } = parseCheckpoint(note.text)
    expect(
      rootOf(
        Number(index!.slice(6)),
        size,
        leafHash(new Uint8Array(readFileSync(statement))),
        hashes.map((hash) => fromBase64(hash, 32))
      )
    ).toEqual(root)
  })

  it('not over another file, and not of what is no receipt', async () => {
    expect(await desk.json(['export', receipt, '--format', 'statement', '-o', file], 2)).toMatchObject({
      error: { code: 'FILE_EXISTS' }
    })
    expect(await desk.json(['export', file, '--format', 'statement', '-o', desk.path('x')], 1)).toMatchObject({
      error: { code: 'JSON_INVALID' }
    })
  })

  /** RFC 9162 §2.1.3.2, written down again. */
  function rootOf(index: number, size: number, leaf: Uint8Array, path: Uint8Array[]): Uint8Array {
    const node = (left: Uint8Array, right: Uint8Array) =>
      new Uint8Array(createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest())
    let [fn, sn, r] = [index, size - 1, leaf]
    for (const p of path) {
      expect(sn).not.toBe(0)
      if (fn % 2 === 1 || fn === sn) {
        r = node(p, r)
        while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1]
      } else r = node(r, p)
      ;[fn, sn] = [fn >> 1, sn >> 1]
    }
    expect(sn).toBe(0)
    return r
  }
})

describe('audit', () => {
  const whole = ['evidence', 'supervision', 'personnel', 'public'].map((log) => `court.example/${log}`)
  interface Audited {
    origin: string
    findings: { what: string; code: string }[]
  }

  it('of a running node finds that all agrees: 0', async () => {
    const reports = await desk.json<Audited[]>([
      'audit',
      '--url',
      network.url,
      '--policy',
      network.policyFile,
      '--key',
      network.keyFile('inspector')
    ])
    expect(reports.map(({ origin, findings }) => [origin, findings])).toEqual(whole.map((origin) => [origin, []]))
    const { out } = await desk.run([
      'audit',
      '--url',
      network.url,
      '--policy',
      network.policyFile,
      '--key',
      network.keyFile('inspector'),
      '--lang',
      'zh'
    ])
    expect(out.match(/全部一致/g)).toHaveLength(4)
    expect(await desk.json(['audit', '--url', network.url, '--policy', network.policyFile], 2)).toMatchObject({
      error: { code: 'AUTH_REQUIRED' }
    })
  })

  it('under a policy with other keys finds that nobody known has signed: 1', async () => {
    const reports = await desk.json<Audited[]>(
      ['audit', '--url', network.url, '--policy', other.policyFile, '--key', network.keyFile('inspector')],
      1
    )
    expect(reports.flatMap(({ findings }) => findings.map(({ code }) => code))).toEqual(Array(4).fill('SIGNATURE_INVALID'))
  })

  it('of a data directory needs the node to have stopped; then finds what was changed: 0, 1', async () => {
    expect(await desk.json(['audit', '--data', network.dataDir(), '--policy', network.policyFile], 3)).toMatchObject({
      error: { code: 'DATA_DIR_IN_USE' }
    })
    await network.stop()
    const copy = desk.path('copy')
    cpSync(network.dataDir(), copy, { recursive: true })
    await network.start()
    expect(
      (await desk.json<Audited[]>(['audit', '--data', copy, '--policy', network.policyFile])).map(({ origin }) => origin).sort()
    ).toEqual([...whole].sort())
    expect(await desk.json<Audited[]>(['audit', '--data', `${copy}/evidence`, '--policy', network.policyFile])).toHaveLength(1)

    const work = ['audit', '--data', copy, '--policy', network.policyFile, '--work', desk.path('work')]
    expect((await desk.run(work)).out).not.toMatch(/earlier run/)
    expect((await desk.run(work)).out.match(/derived by an earlier run/g)).toHaveLength(4)
    expect(readdirSync(desk.path('work')).sort()).toEqual(whole.map((origin) => origin.split('/')[1]).sort())

    const store = await openLevel(`${copy}/supervision`)
    const entry = store.get(entryKey(11))!
    await store.write([put(entryKey(11), entry.with(entry.length - 1, entry.at(-1)! ^ 1))], { durable: true })
    await store.close()
    const reports = await desk.json<Audited[]>(['audit', '--data', copy, '--policy', network.policyFile], 1)
    expect(reports.filter(({ findings }) => findings.length > 0).map(({ origin }) => origin)).toEqual([
      'court.example/supervision'
    ])
    const { out } = await desk.run(['audit', '--data', copy, '--policy', network.policyFile])
    expect(out).toMatch(/✗ .*11/)
  })

  it('needs one thing to audit, that is there', async () => {
    const policy = ['--policy', network.policyFile]
    expect(await desk.json(['audit', ...policy], 2)).toMatchObject({ error: { code: 'USAGE' } })
    expect(await desk.json(['audit', '--url', network.url, '--data', network.dataDir(), ...policy], 2)).toMatchObject({
      error: { code: 'USAGE' }
    })
    expect(await desk.json(['audit', '--data', desk.path('none'), ...policy], 2)).toMatchObject({
      error: { code: 'FILE_UNREADABLE' }
    })
    expect(await desk.json(['audit', '--data', file, ...policy], 2)).toMatchObject({ error: { code: 'FILE_UNREADABLE' } })
    mkdirSync(desk.path('empty folder'))
    expect(await desk.json(['audit', '--data', desk.path('empty folder'), ...policy], 3)).toMatchObject({
      error: { code: 'STORE_UNREADABLE' }
    })
  })
})

describe('network init', () => {
  it('writes what api.md says, for its owner alone, and nothing over anything', async () => {
    const place = desk.path('mynet')
    const made = await desk.json(['network', 'init', place, '--port', '17401'])
    expect(made).toEqual({
      dir: place,
      config: `${place}/court.yaml`,
      policy: `${place}/policy.txt`,
      url: 'http://127.0.0.1:17401'
    })
    expect(readdirSync(place).sort()).toEqual([
      'catalogue.json',
      'court.yaml',
      'data',
      'genesis',
      'keys',
      'policies',
      'policy-pq.txt',
      'policy.txt',
      'seeds'
    ])
    const people = [
      'admin-court',
      'admin-discipline',
      'admin-notary',
      'admin-procuratorate',
      'clerk',
      'inspector',
      'judge',
      'lawyer',
      'personnel',
      'president',
      'prosecutor',
      'system'
    ]
    expect(readdirSync(`${place}/keys`).sort()).toEqual(people.map((name) => `${name}.key.json`))
    expect(await desk.json(['network', 'init', place], 2)).toMatchObject({ error: { code: 'FILE_EXISTS' } })
    const secrets = people.map((name) => (JSON.parse(readFileSync(`${place}/keys/${name}.key.json`, 'utf8')) as { d: string }).d)
    secrets.push(readFileSync(`${place}/seeds/court.seed`, 'utf8').trim())
    expect(leaked(secrets)).toEqual([])
    for (const file of ['seeds/court.seed', ...people.map((name) => `keys/${name}.key.json`)])
      expect(statSync(`${place}/${file}`).mode & 0o777).toBe(0o600)
    rmSync(place, { recursive: true })
  })

  it('makes the four nodes: who mirrors and witnesses what is in their configurations, policies and genesis', async () => {
    const place = desk.path('fournet')
    const names = ['court', 'discipline', 'procuratorate', 'notary']
    const made = await desk.json<{ nodes: unknown }>(['network', 'init', place, '--nodes', names.join(','), '--port', '17401'])
    expect(made.nodes).toEqual(
      names.map((node, i) => ({ node, config: `${place}/${node}.yaml`, url: `http://127.0.0.1:${17401 + i}` }))
    )
    const configs = Object.fromEntries(names.map((node) => [node, readConfig(`${place}/${node}.yaml`)]))
    expect(configs.court!.logs.map(({ name, mirrors, witnesses }) => [name, mirrors, witnesses])).toEqual([
      ['evidence', ['discipline.example', 'notary.example'], ['procuratorate.example']],
      ['supervision', ['discipline.example'], ['procuratorate.example', 'notary.example']],
      ['personnel', ['discipline.example'], ['procuratorate.example', 'notary.example']],
      ['public', ['discipline.example', 'procuratorate.example', 'notary.example'], []]
    ])
    expect(configs.notary!.logs).toEqual([])
    expect(configs.court!.watch.map(({ origin, role, classes }) => [origin, role, classes])).toEqual([
      ['discipline.example/lead', 'witness', ['lead']],
      ['discipline.example/public', 'witness', ['public']],
      ['procuratorate.example/commutation', 'mirror', ['commutation']],
      ['procuratorate.example/public', 'witness', ['public']]
    ])

    for (const name of ['policy.txt', 'policy-pq.txt', 'policies/court-evidence.txt']) {
      const policy = parsePolicy(readFileSync(`${place}/${name}`, 'utf8'))
      expect(policy.quorum, name).toMatchObject({ k: 2 })
      expect(policy.rests.get('court.example/evidence')).toEqual({
        classes: ['party'],
        k: 1,
        mirrors: ['discipline-mirror', 'notary-mirror']
      })
      expect(splitViewTolerance(policy, 'court.example/evidence')).toEqual({ cosigners: 0, mirrors: 0 })
      expect(policy.rests.has('discipline.example/lead')).toBe(false)
      for (const { name: node, vkeys } of configs.court!.peers)
        for (const role of ['witness', 'mirror']) {
          const witness = policy.witnesses.get(`${node.split('.')[0]}-${role}`)!
          expect(vkeys.map(formatVkey)).toContain(formatVkey(witness.vkey))
        }
      expect(policy.witnesses.has('court-witness')).toBe(!name.includes('court'))
    }
    const genesis = examine(new Uint8Array(readFileSync(`${place}/genesis/court/evidence/00-genesis.cose`))) as ExaminedRecord
    expect((genesis.body.members as { name: string; role: string }[]).map(({ name, role }) => [name, role])).toEqual([
      ['discipline.example', 'mirror'],
      ['notary.example', 'mirror'],
      ['procuratorate.example', 'witness']
    ])
    expect(readdirSync(`${place}/genesis/discipline/lead`)).toEqual(['00-genesis.cose', '01-inspector.cose', '02-node.cose'])
    rmSync(place, { recursive: true })
  })

  it('refuses ports and nodes that it cannot make, and a place that is a file', async () => {
    for (const args of [
      ['--port', '0'],
      ['--port', '65536'],
      ['--port', 'x'],
      ['--port', '1e3'],
      ['--port', '65535', '--nodes', 'court,notary'],
      ['--nodes', 'court,court'],
      ['--nodes', 'court,prison'],
      ['--nodes', '']
    ])
      expect(await desk.json(['network', 'init', desk.path('never'), ...args], 2)).toMatchObject({ error: { code: 'USAGE' } })
    expect(existsSync(desk.path('never'))).toBe(false)
    expect(await desk.json(['network', 'init', file], 2)).toMatchObject({ error: { code: 'FILE_UNREADABLE' } })
  })
})
