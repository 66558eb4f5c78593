/** Nodes that lie to the command line: between it and an honest node stands a proxy that changes answers, or the node has an older copy put back. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../src/core/checkpoint.ts'
import { parseNote, verifyNoteSignature } from '../../src/core/note.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { opinion } from '../helpers/lab.ts'
import { TestNetwork } from '../helpers/network.ts'

const POWER = 'power:粤01-R0001'
let network: TestNetwork
let lie: (path: string, body: string) => string | { status: number; body: string | Buffer } = (_, body) => body
let proxy: Server
let url: string

beforeAll(async () => {
  network = await TestNetwork.open()
  proxy = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const answer = await network.ask(request.url!, {
      method: request.method!,
      ...(request.headers.authorization === undefined ? {} : { authorization: request.headers.authorization }),
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) })
    })
    const told = lie(decodeURIComponent(request.url!), answer.text)
    const { status, body } = typeof told === 'string' ? { status: answer.status, body: told } : told
    response.writeHead(status).end(told === answer.text ? answer.bytes : body)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
})
afterEach(() => {
  lie = (_, body) => body
})
afterAll(async () => {
  expect(leaked(network.secrets)).toEqual([])
  proxy.close()
  await network.close()
})

type Json = Record<string, unknown>
/** Changes the JSON of answers to paths that begin so. */
const telling =
  (start: string, change: (value: Json) => unknown): typeof lie =>
  (path, body) =>
    path.startsWith(start) ? JSON.stringify(change(JSON.parse(body) as Json)) : body

const policyHere = () => readFileSync(network.policyFile, 'utf8').replace(/ http:\/\/[^/ ]+\//g, ` ${url}/`)

function desk(): Desk & { submit: string[]; trail: string[] } {
  const made = new Desk()
  writeFileSync(made.path('opinion.json'), JSON.stringify(opinion()))
  // A policy that puts the node where the liar listens: at any other address no token would be signed for it.
  writeFileSync(made.path('policy.txt'), policyHere())
  const common = ['--url', url, '--policy', made.path('policy.txt')]
  return Object.assign(made, {
    submit: ['submit', made.path('opinion.json'), '--key', network.keyFile('president'), '-o', made.path('out'), ...common],
    trail: ['trail', POWER, '--key', network.keyFile('inspector'), '-o', made.path('power.trail.json'), ...common]
  })
}
const refusal = async (at: Desk, args: string[], status: number) =>
  (await at.json<{ error: Record<string, string> }>(args, status)).error

describe('a lie about what was submitted', () => {
  const flipped = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1)
  const records = '/api/v1/records'
  const lies: [string, () => typeof lie, string, number][] = [
    [
      'the receipt of another statement',
      () => {
        let first: unknown
        return telling(records, (value) => {
          first ??= value
          return { ...value, receipt: (first as Json).receipt }
        })
      },
      'ANSWER_INVALID',
      3
    ],
    [
      'a receipt with another index',
      () => telling(records, (value) => ({ ...value, receipt: { ...(value.receipt as object), index: 0 } })),
      'ANSWER_INVALID',
      3
    ],
    [
      'a receipt whose proof is broken',
      () =>
        telling(records, ({ receipt, ...rest }) => ({
          ...rest,
          receipt: { ...(receipt as object), inclusion: [flipped((receipt as { inclusion: string[] }).inclusion[0]!)] }
        })),
      'ANSWER_INVALID',
      3
    ],
    [
      'a receipt with members of its own',
      () => telling(records, ({ receipt, ...rest }) => ({ ...rest, receipt: { ...(receipt as object), verified: true } })),
      'ANSWER_INVALID',
      3
    ],
    ['no receipt', () => telling(records, ({ receipt: _, ...rest }) => rest), 'ANSWER_INVALID', 3],
    ['a receipt that is no object', () => telling(records, (value) => ({ ...value, receipt: 'verified' })), 'ANSWER_INVALID', 3],
    ['no JSON', () => (path, body) => (path.startsWith(records) ? '<html>' : body), 'ANSWER_INVALID', 3],
    ['logs that are no list', () => telling('/api/v1/logs', () => ({})), 'ANSWER_INVALID', 3],
    ['identities that are no list', () => telling('/api/v1/whoami', () => ({ logs: 'all' })), 'ANSWER_INVALID', 3],
    ['no name', () => telling('/api/v1/status', () => ({})), 'ANSWER_INVALID', 3],
    ['a status that is no JSON', () => (path, body) => (path.startsWith('/api/v1/status') ? 'up' : body), 'ANSWER_INVALID', 3],
    [
      'a refusal nobody knows',
      () => (path, body) => (path.startsWith(records) ? { status: 418, body: '{"code":"TEAPOT"}' } : body),
      'ANSWER_INVALID',
      3
    ],
    [
      'a failure in HTML',
      () => (path, body) => (path.startsWith(records) ? { status: 502, body: '<html>' } : body),
      'UNREACHABLE',
      3
    ],
    [
      'a refusal under a name that is no code',
      () => (path, body) => (path.startsWith(records) ? { status: 403, body: '{"code":"constructor"}' } : body),
      'ANSWER_INVALID',
      3
    ],
    [
      'a refusal of its own making',
      () => (path, body) => (path.startsWith(records) ? { status: 403, body: '{"code":"KEY_REVOKED","field":"kid"}' } : body),
      'KEY_REVOKED',
      1
    ]
  ]

  it.each(lies)('%s: no receipt is written', async (what, make, code, status) => {
    const at = desk()
    lie = make()
    if (what === 'the receipt of another statement') {
      await at.run(at.submit)
      rmSync(at.path('out'), { recursive: true })
    }
    expect(await refusal(at, at.submit, status)).toMatchObject({ code })
    expect(existsSync(at.path('out'))).toBe(false)
  })

  it('a truthful proxy is no liar', async () => {
    const at = desk()
    expect((await at.run(at.submit)).status).toBe(0)
    expect((await at.run(at.trail)).status).toBe(0)
  })

  it('what is shown of a place comes from the receipt, not from what is said beside it', async () => {
    const at = desk()
    lie = telling(records, (value) => ({ ...value, index: 424242, log: 'evidence', leaf: 'A'.repeat(43) }))
    const [done] = await at.json<{ index: number; log: string; leaf: string }[]>(at.submit)
    expect(done!.index).not.toBe(424242)
    expect([done!.log, done!.leaf === 'A'.repeat(43)]).toEqual(['supervision', false])
  })
})

describe('a lie about a trail', () => {
  const trails = '/api/v1/trails/'

  it('the certificate of another trail: refused', async () => {
    const at = desk()
    const other = (await network.ask('/api/v1/trails/power:粤01-R0999', { as: 'inspector' })).text
    lie = (path, body) => (path.startsWith(trails) ? other : body)
    expect(await refusal(at, at.trail, 3)).toMatchObject({ code: 'ANSWER_INVALID', field: 'trail', expected: POWER })
    expect(existsSync(at.path('power.trail.json'))).toBe(false)
  })

  it('something that is no certificate: refused', async () => {
    const at = desk()
    for (const body of ['', '[]', '{"format":"lianzheng-trail/v1"}']) {
      lie = (path, honest) => (path.startsWith(trails) ? { status: 200, body } : honest)
      expect(await refusal(at, at.trail, 3)).toMatchObject({ code: 'ANSWER_INVALID', field: 'certificate' })
    }
  })

  it('a member left out: broken, and kept as evidence', async () => {
    const at = desk()
    lie = telling(trails, (value) => {
      ;(value.parts as unknown as { entries: unknown[] }[])[0]!.entries.pop()
      return value
    })
    const report = await at.json<{ overall: string }>(at.trail, 1)
    expect([report.overall, existsSync(at.path('power.trail.json'))]).toEqual(['broken', true])
  })

  it('the same part again and again: asked for once more, and no more', async () => {
    const at = desk()
    let asked = 0
    const part = (await network.ask(`${trails}${encodeURIComponent(POWER)}?from=0&limit=1`, { as: 'inspector' })).text
    lie = (path, body) => {
      if (!path.startsWith(trails)) return body
      asked++
      return part
    }
    expect((await at.json<{ overall: string }>(at.trail, 2)).overall).toBe('could-not-check')
    expect(asked).toBe(2)
  })

  it('words that would move on a terminal are not shown', async () => {
    const at = desk()
    const body = JSON.stringify({ code: 'ACCESS_DENIED', field: '\u001b[2Jverified', expected: { a: 1 }, at: 7 })
    lie = (path, honest) => (path.startsWith(trails) ? { status: 403, body } : honest)
    const { err } = await at.run(at.trail)
    expect(err).toBe('error ACCESS_DENIED: not entitled to read this (7)\n  → Ask the administrator of your institution\n')
  })

  it('a head nobody signed is not remembered, so it cannot make the truth look false', async () => {
    const at = desk()
    lie = (path, body) => (path.startsWith(trails) ? body.replace(/(\/supervision\\n)\d+/g, '$1999999') : body)
    expect((await at.run(at.trail)).status).toBe(1)
    rmSync(at.path('power.trail.json'))
    lie = (_, body) => body
    expect((await at.run(at.trail)).status).toBe(0)
  })
})

describe('a lie to an audit', () => {
  const at = new Desk()
  const audit = () => {
    writeFileSync(at.path('policy.txt'), policyHere())
    return ['audit', '--url', url, '--policy', at.path('policy.txt'), '--key', network.keyFile('inspector')]
  }

  it('no logs: nothing audited is not all verified', async () => {
    lie = telling('/api/v1/logs', () => [])
    expect(await refusal(at, audit(), 3)).toMatchObject({ code: 'ANSWER_INVALID' })
  })

  it('a checkpoint that is no text, no note, or no checkpoint', async () => {
    const bodies: [(body: string) => string | Buffer, string][] = [
      [() => Buffer.of(0xff, 0x0a), 'TEXT_NOT_UTF8'],
      [() => 'hello\n', 'NOTE_INVALID'],
      [(body) => body.replace('\n', '\nmore\n'), 'CHECKPOINT_INVALID']
    ]
    for (const [made, code] of bodies) {
      lie = (path, body) => (path.endsWith('/checkpoint') ? { status: 200, body: made(body) } : body)
      expect(await refusal(at, audit(), 1)).toMatchObject({ code })
    }
  })

  it('a bundle that ends early', async () => {
    lie = (path, body) => (path.includes('/tile/entries/') ? { status: 200, body: Buffer.of(0, 9, 1) } : body)
    expect(await refusal(at, audit(), 1)).toMatchObject({ code: 'PROOF_INVALID' })
  })
})

describe('HEAD_WENT_BACK', () => {
  const copy = () => network.path('older copy')
  /** The node's data as they were, put in place of what they are. */
  async function restore(): Promise<void> {
    await network.stop()
    rmSync(network.dataDir(), { recursive: true })
    cpSync(copy(), network.dataDir(), { recursive: true })
    await network.start()
  }
  const size = async () => Number((await network.ask('/logs/supervision/checkpoint')).text.split('\n')[1])

  let witness: ReturnType<typeof desk>
  let seen: number
  beforeAll(async () => {
    await network.stop()
    cpSync(network.dataDir(), copy(), { recursive: true })
    await network.start()
    for (let i = 0; i < 3; i++) await network.put(opinion(), 'president')
    witness = desk()
    expect((await witness.run(witness.trail)).status).toBe(0)
    seen = await size()
  })

  const notesOf = (kept: readonly string[]) => kept.filter((file) => file.endsWith('.note'))

  /** Both heads of the refusal: by the log's own key, the later one no extension of the first. */
  function heads(error: Record<string, string>): number[] {
    const [origin, ...kept] = error.at!.split(' ')
    expect(origin).toBe('court.example/supervision')
    const { vkey } = network.policy.logs.find(({ vkey: { name } }) => name === origin)!
    return notesOf(kept).map((file) => {
      const note = parseNote(readFileSync(file, 'utf8'))
      expect(verifyNoteSignature(note.text, note.signatures[0]!, vkey)).toBe(true)
      return parseCheckpoint(note.text).size
    })
  }
  const look = async () => {
    rmSync(witness.path('power.trail.json'), { force: true })
    return refusal(witness, witness.trail, 1)
  }

  it('a node restored from an older copy: shorter than what was seen; both heads are kept', async () => {
    await restore()
    const error = await look()
    expect(error).toMatchObject({ code: 'HEAD_WENT_BACK', expected: `a head that extends size ${seen}` })
    expect(heads(error)).toEqual([seen, await size()])
    expect(await size()).toBeLessThan(seen)
    expect(await refusal(witness, witness.submit, 1)).toMatchObject({ code: 'HEAD_WENT_BACK' })
    expect(existsSync(witness.path('power.trail.json'))).toBe(false)
  })

  it('forked from the older copy: as long, with another root', async () => {
    await restore()
    // Looking leaves a record of its own, and a seal.
    for (let i = 0; (await size()) < seen - 2; i++) await network.put(opinion({ measure: `M${i}` }), 'president')
    expect(await size()).toBe(seen - 2)
    const error = await look()
    expect(heads(error)).toEqual([seen, seen])
    // Two heads of one size are evidence against the log's key, for anyone.
    const [contradiction, ...more] = error.at!.split(' ').filter((file) => file.endsWith('.contradiction.json'))
    expect(more).toEqual([])
    const verdict = await witness.run(['verify', contradiction!, '--policy', network.policyFile, '--lang', 'en'])
    expect([verdict.status, verdict.out]).toEqual([0, expect.stringContaining('court.example/supervision')])
  })

  it('forked, and longer by now: the proof of consistency does not hold', async () => {
    await network.put(opinion(), 'president')
    expect(await size()).toBeGreaterThan(seen)
    expect(await look()).toMatchObject({ code: 'HEAD_WENT_BACK' })
    expect(heads(await look())).toEqual([seen, await size()])
  })

  it('with a made-up proof of consistency', async () => {
    lie = telling('/api/v1/logs/supervision/proofs/consistency', (value) => ({ ...value, proof: ['A'.repeat(43)] }))
    expect(await look()).toMatchObject({ code: 'HEAD_WENT_BACK' })
    lie = telling('/api/v1/logs/supervision/proofs/consistency', () => ({ proof: 'none' }))
    rmSync(witness.path('power.trail.json'), { force: true })
    expect(await refusal(witness, witness.trail, 3)).toMatchObject({ code: 'ANSWER_INVALID', field: 'proof' })
  })

  it('the first head is what stays remembered; whoever has seen nothing notices nothing', async () => {
    expect(readdirSync(witness.path('home', 'heads')).length).toBeGreaterThan(1)
    const stranger = desk()
    expect((await stranger.run(stranger.trail)).status).toBe(0)
    expect(await look()).toMatchObject({ expected: `a head that extends size ${seen}` })
  })
})

it('two networks that call a log by the same name have not contradicted each other', async () => {
  const at = desk()
  const other = await TestNetwork.open()
  try {
    expect((await at.run(at.trail)).status).toBe(0)
    const here = (of: TestNetwork, name: string) => {
      writeFileSync(at.path(name), readFileSync(of.policyFile, 'utf8').replace(/ http:\/\/[^/ ]+\//g, ` ${of.url}/`))
      return at.path(name)
    }
    const trail = (of: TestNetwork, name: string) => [
      'trail',
      POWER,
      '--key',
      of.keyFile('inspector'),
      '--url',
      of.url,
      '--policy',
      here(of, name)
    ]
    expect((await at.run(trail(other, 'other.txt'))).status).toBe(0)
    expect((await at.run(trail(network, 'first.txt'))).status).toBe(0)
  } finally {
    await other.close()
  }
})
