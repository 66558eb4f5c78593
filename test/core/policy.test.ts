import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../../src/core/bytes.ts'
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from '../../src/core/checkpoint.ts'
import { mlDsaKeyPair, signCosignature, signMlDsaCosignature } from '../../src/core/cosignature.ts'
import { LianzhengError } from '../../src/core/errors.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import {
  formatVkey,
  keyLabel,
  makeVkey,
  type NoteSignature,
  parseNote,
  signNote,
  TYPE_COSIGNATURE,
  TYPE_ED25519,
  TYPE_MLDSA44
} from '../../src/core/note.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { evaluatePolicy, freshness, provenTime, splitViewTolerance } from '../../src/core/quorum.ts'
import { exampleIn } from '../helpers/example.ts'

const vector = (name: string) => readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')

/** `CODE@line` of the refusal; anything that is not a refusal fails the test. */
function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof LianzhengError) return `${error.code}@${error.detail.at}`
    throw error
  }
  return 'accepted'
}

// A network made here: one key for each name and type, so that no two are equal.

const seedOf = (keyName: string) => Uint8Array.from({ length: 32 }, (_, i) => keyName.charCodeAt(i % keyName.length) + i)
const signerOf = (keyName: string) => ed25519Signer(seedOf(keyName))
const pqKeys = new Map<string, ReturnType<typeof mlDsaKeyPair>>()
function pqOf(keyName: string) {
  const keys = pqKeys.get(keyName) ?? mlDsaKeyPair(seedOf(keyName))
  pqKeys.set(keyName, keys)
  return keys
}

const logVkey = (origin: string) => formatVkey(makeVkey(origin, TYPE_ED25519, signerOf(origin).publicKey))
const vkey = (keyName: string) => formatVkey(makeVkey(keyName, TYPE_COSIGNATURE, signerOf(keyName).publicKey))
const pqVkey = (keyName: string) => formatVkey(makeVkey(keyName, TYPE_MLDSA44, pqOf(keyName).publicKey))

const ORIGIN = 'court.example/evidence'
const checkpoint: Checkpoint = { origin: ORIGIN, size: 9, root: new Uint8Array(32).fill(9) }
const text = formatCheckpoint(checkpoint)

const logLine = (origin = ORIGIN) => signNote(text, origin, signerOf(origin))
const by = (keyName: string, time: number) => signCosignature(text, keyName, signerOf(keyName), time)
const pqBy = (keyName: string, time: number) => signMlDsaCosignature(checkpoint, keyName, pqOf(keyName), time)
const spoilt = (line: NoteSignature): NoteSignature => {
  const signature: Bytes = Uint8Array.from(line.signature)
  signature[20]! ^= 1
  return { ...line, signature }
}
const evaluate = (policy: Policy | string, signatures: NoteSignature[], now?: number) =>
  evaluatePolicy(
    typeof policy === 'string' ? parsePolicy(policy) : policy,
    { text, signatures },
    checkpoint,
    now === undefined ? {} : { now }
  )

/** Two others and one mirror. The court's own witness stands there too, as in a policy for a whole network. */
const NETWORK = `log ${logVkey(ORIGIN)}
log ${logVkey('discipline.example/lead')} https://discipline.example/lead
witness court ${vkey('court.example/witness')}
witness discipline ${vkey('discipline.example/mirror')}
witness notary ${vkey('notary.example/witness')}
witness procuratorate ${vkey('procuratorate.example/mirror')} https://procuratorate.example
group nodes 2 court discipline notary procuratorate
quorum nodes
# lianzheng ${ORIGIN} party,internal 1 discipline procuratorate
`

describe('the ledger written by hand', () => {
  const policy = parsePolicy(vector('ledger/policy.txt'))
  const found = ['evidence.receipt.json', 'case.trail.json', 'power.trail.json', 'absent.trail.json'].flatMap((file) => {
    const value = JSON.parse(vector(`ledger/${file}`)) as { checkpoint?: string; parts?: { checkpoint: string }[] }
    return [value.checkpoint ?? [], ...(value.parts ?? []).map((part) => part.checkpoint)].flat()
  })

  test('the example in the opening comment is its policy', () => {
    expect(exampleIn('src/core/policy.ts')).toBe(vector('ledger/policy.txt'))
    expect(policy.logs.map((log) => log.vkey.name)).toEqual([ORIGIN])
    expect([...policy.witnesses.keys()]).toEqual(['discipline', 'notary'])
    expect(policy.quorum).toEqual({ k: 2, members: [{ witness: 'discipline' }, { witness: 'notary' }] })
    expect(policy.rests).toEqual(
      new Map([[ORIGIN, { classes: ['party', 'internal', 'personnel', 'public'], k: 1, mirrors: ['discipline'] }]])
    )
    expect(splitViewTolerance(policy, ORIGIN)).toEqual({ cosigners: 1, mirrors: 0 })
  })

  test('its checkpoints', () => {
    expect(found.length).toBe(4)
    for (const checkpointText of found) {
      const note = parseNote(checkpointText)
      expect(evaluatePolicy(policy, note, parseCheckpoint(note.text))).toEqual({
        log: 'verified',
        brokenLines: [],
        counted: [
          { witness: 'discipline', keyName: 'discipline.example/mirror', timestamp: 0x5f45c2e9 },
          { witness: 'notary', keyName: 'notary.example/witness', timestamp: 0x5f45c2e9 }
        ],
        ignored: 0,
        quorum: true,
        mirrors: true,
        provenTime: 0x5f45c2e9,
        freshness: 0x5f45c2e9
      })
    }
  })
})

describe('parsePolicy', () => {
  test('a network', () => {
    const policy = parsePolicy(NETWORK)
    expect(policy.logs.map(({ vkey, url }) => [vkey.name, url])).toEqual([
      [ORIGIN, undefined],
      ['discipline.example/lead', 'https://discipline.example/lead']
    ])
    expect(policy.witnesses.get('procuratorate')).toMatchObject({ name: 'procuratorate', url: 'https://procuratorate.example' })
    expect(policy.rests.get(ORIGIN)).toEqual({ classes: ['party', 'internal'], k: 1, mirrors: ['discipline', 'procuratorate'] })
    expect(policy.rests.has('discipline.example/lead')).toBe(false)
  })

  test('spaces, tabs, empty lines and comments; the lianzheng line may come first; no last newline', () => {
    const policy = parsePolicy(
      `# lianzheng ${ORIGIN} public 1 m\n\n \t\n\t # 注释 quorum none\n#lianzheng x\n#\n\tlog \t ${logVkey(ORIGIN)}  \n` +
        ` witness m ${vkey('m.example/mirror')}\nquorum   m\t`
    )
    expect(policy.quorum).toEqual({ witness: 'm' })
    expect(policy.rests.get(ORIGIN)).toEqual({ classes: ['public'], k: 1, mirrors: ['m'] })
  })

  test('names are opaque: other scripts, and a # inside', () => {
    const policy = parsePolicy(`witness 纪委#1 ${vkey('a')}\ngroup all all 纪委#1\nquorum all\n`)
    expect(policy.quorum).toEqual({ k: 1, members: [{ witness: '纪委#1' }] })
  })

  test('quorum none: no witnesses needed, k may be 0', () => {
    const policy = parsePolicy(`log ${logVkey(ORIGIN)}\nquorum none\n# lianzheng ${ORIGIN} party 0\n`)
    expect(policy).toMatchObject({ quorum: 'none', rests: new Map([[ORIGIN, { classes: ['party'], k: 0, mirrors: [] }]]) })
  })

  test('a log and its keys of both kinds', () => {
    const policy = parsePolicy(`log ${logVkey(ORIGIN)}\nlog ${pqVkey(ORIGIN)}\nquorum none\n`)
    expect(policy.logs.map(({ vkey }) => vkey.type)).toEqual([TYPE_ED25519, TYPE_MLDSA44])
  })

  test('thresholds', () => {
    const witnesses = ['a', 'b', 'c'].map((name) => `witness ${name} ${vkey(name)}\n`).join('')
    const k = (threshold: string) => {
      const { quorum } = parsePolicy(`${witnesses}group g ${threshold} a b c\nquorum g\n`)
      return quorum !== 'none' && 'k' in quorum ? quorum.k : undefined
    }
    expect(['all', 'any', '1', '2', '3'].map(k)).toEqual([3, 1, 1, 2, 3])
    for (const threshold of ['0', '4', '01', '-1', '1.0', 'ALL', 'none', '2x'])
      expect(refusal(() => k(threshold))).toBe('POLICY_INVALID@4')
  })

  const A = `witness a ${vkey('a.example/mirror')}\n`
  const B = `witness b ${vkey('b.example/mirror')}\n`
  const W = `witness w ${vkey('w.example/witness')}\n`
  const LOG = `log ${logVkey(ORIGIN)}\n`
  const RESTS = `${LOG}${A}${B}${W}group g 2 a b w\nquorum g\n`

  test('what the next cases damage is accepted', () => {
    expect(refusal(() => parsePolicy(`${A}${B}group g 1 a\ngroup h any b g\nquorum h\n`))).toBe('accepted')
    expect(refusal(() => parsePolicy(`${RESTS}# lianzheng ${ORIGIN} party,lead 2 a b\n`))).toBe('accepted')
  })

  test.each([
    ['empty', '', 1],
    ['no quorum', A, 2],
    ['two quorums', `${A}quorum a\nquorum a\n`, 3],
    ['quorum none and a quorum', `${A}quorum none\nquorum a\n`, 3],
    ['a quorum without a name', `${A}quorum\n`, 2],
    ['a quorum of two names', `${A}${B}quorum a b\n`, 3],
    ['an unknown quorum', `${A}quorum b\n`, 2],
    ['a quorum defined below', `quorum a\n${A}`, 1],
    ['a log of that name is no witness', `${LOG}quorum ${ORIGIN}\n`, 2],
    ['another keyword', `${A}Quorum a\n`, 2],
    ['a comment behind a line', `${A}quorum a # all\n`, 2],
    ['a carriage return', `${A}quorum a\r\n`, 2],
    ['a form feed', `${A}\fquorum a\n`, 2],
    ['a delete', `${A}# \u007f\nquorum a\n`, 2],
    ['a lone surrogate', `${A}# \ud800\nquorum a\n`, 2],
    ['a log without a vkey', 'log\nquorum none\n', 1],
    ['a log with four fields', `${LOG.trim()} u v\nquorum none\n`, 1],
    ['a bad vkey', `${A}log ${logVkey(ORIGIN).replace('+', '+0')}\nquorum none\n`, 2],
    ['a log with a cosigner key', `log ${vkey(ORIGIN)}\nquorum none\n`, 1],
    ['a witness with a log key', `witness a ${logVkey('a')}\nquorum none\n`, 1],
    ['a witness without a vkey', 'witness a\nquorum none\n', 1],
    ['a witness with five fields', `${A.trim()} u v\nquorum none\n`, 1],
    ['a witness named none', `witness none ${vkey('a')}\nquorum none\n`, 1],
    ['a witness twice', `${A}${A}quorum a\n`, 2],
    ['a name twice', `${A}witness a ${vkey('b')}\nquorum a\n`, 2],
    ['a group with the name of a witness', `${A}${B}group a any b\nquorum a\n`, 3],
    ['a witness with the name of a group', `${A}group b any a\n${B}quorum b\n`, 3],
    ['a public key twice among witnesses', `${A}witness b ${vkey('a.example/mirror')}\nquorum a\n`, 2],
    [
      'a public key twice under another name',
      `${A}witness b ${formatVkey(makeVkey('b', TYPE_COSIGNATURE, signerOf('a.example/mirror').publicKey))}\nquorum a\n`,
      2
    ],
    ['a log twice', `${LOG}${LOG}quorum none\n`, 2],
    [
      'a log key as witness key',
      `${LOG}witness a ${formatVkey(makeVkey('a', TYPE_COSIGNATURE, signerOf(ORIGIN).publicKey))}\nquorum a\n`,
      2
    ],
    ['a group without members', `${A}group g all\nquorum g\n`, 2],
    ['a group without a threshold', `${A}group g\nquorum g\n`, 2],
    ['a group named none', `${A}group none any a\nquorum none\n`, 2],
    ['a group with an unknown member', `${A}group g any a b\nquorum g\n`, 2],
    ['a group with a member defined below', `${A}group g any a b\n${B}quorum g\n`, 2],
    ['a group that holds itself', `${A}group g any a g\nquorum g\n`, 2],
    ['a group that holds none', `${A}group g any a none\nquorum g\n`, 2],
    ['a member twice', `${A}group g any a a\nquorum g\n`, 2],
    ['a witness in two groups', `${A}${B}group g any a\ngroup h any a b\nquorum h\n`, 4],
    ['a group in two groups', `${A}${B}${W}group g any a\ngroup h any g b\ngroup i any g w\nquorum h\n`, 6],

    ['lianzheng: nothing', `${RESTS}# lianzheng\n`, 7],
    ['lianzheng: no k', `${RESTS}# lianzheng ${ORIGIN} party\n`, 7],
    ['lianzheng: a log that is not listed', `${RESTS}# lianzheng court.example/other party 1 a\n`, 7],
    ['lianzheng: two lines for a log', `${RESTS}# lianzheng ${ORIGIN} party 1 a\n# lianzheng ${ORIGIN} lead 1 a\n`, 8],
    ['lianzheng: an unknown class', `${RESTS}# lianzheng ${ORIGIN} party,secret 1 a\n`, 7],
    ['lianzheng: a class twice', `${RESTS}# lianzheng ${ORIGIN} party,party 1 a\n`, 7],
    ['lianzheng: an empty class', `${RESTS}# lianzheng ${ORIGIN} party, 1 a\n`, 7],
    ['lianzheng: an unknown witness', `${RESTS}# lianzheng ${ORIGIN} party 1 a c\n`, 7],
    ['lianzheng: a group', `${RESTS}# lianzheng ${ORIGIN} party 1 g\n`, 7],
    ['lianzheng: a key name that ends in /witness', `${RESTS}# lianzheng ${ORIGIN} party 1 a w\n`, 7],
    ['lianzheng: a mirror twice', `${RESTS}# lianzheng ${ORIGIN} party 1 a a\n`, 7],
    ['lianzheng: more than there are', `${RESTS}# lianzheng ${ORIGIN} party 3 a b\n`, 7],
    ['lianzheng: all', `${RESTS}# lianzheng ${ORIGIN} party all a b\n`, 7],
    ['lianzheng: 0 with a quorum', `${RESTS}# lianzheng ${ORIGIN} party 0 a\n`, 7],
    ['lianzheng: 0 with a quorum and no mirrors', `${RESTS}# lianzheng ${ORIGIN} party 0\n`, 7],
    ['lianzheng: the line is named, wherever it stands', `\n# lianzheng ${ORIGIN} party 3 a b\n${RESTS}`, 2]
  ])('%s', (_, policy, line) => {
    expect(refusal(() => parsePolicy(policy))).toBe(`POLICY_INVALID@${line}`)
  })

  test('two keys under one mirror name are not two mirrors', () => {
    const second = formatVkey(makeVkey('a.example/mirror', TYPE_COSIGNATURE, signerOf('second').publicKey))
    const both = `${LOG}${A}witness a2 ${second}\ngroup g any a a2\nquorum g\n`
    expect(refusal(() => parsePolicy(`${both}# lianzheng ${ORIGIN} party 1 a\n`))).toBe('accepted')
    expect(refusal(() => parsePolicy(`${both}# lianzheng ${ORIGIN} party 1 a a2\n`))).toBe('POLICY_INVALID@6')
  })

  test('a hostile file stops at 128 of each', () => {
    const witnesses = Array.from({ length: 129 }, (_, i) => `witness w${i} ${vkey(`w${i}`)}\n`)
    expect(refusal(() => parsePolicy(`${witnesses.slice(0, 128).join('')}quorum w1\n`))).toBe('accepted')
    expect(refusal(() => parsePolicy(`${witnesses.join('')}quorum w1\n`))).toBe('POLICY_INVALID@129')
    const groups = Array.from({ length: 129 }, (_, i) => `group g${i} any ${i === 0 ? 'w0' : `g${i - 1}`}\n`)
    expect(refusal(() => parsePolicy(`${witnesses[0]}${groups.slice(0, 128).join('')}quorum g127\n`))).toBe('accepted')
    expect(refusal(() => parsePolicy(`${witnesses[0]}${groups.join('')}quorum g127\n`))).toBe('POLICY_INVALID@130')
  })

  test('any text: a policy or POLICY_INVALID', () => {
    const word = fc.constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'none',
      'all',
      'any',
      '1',
      'a',
      'b',
      '#',
      'lianzheng',
      ORIGIN,
      'party'
    )
    const key = fc.constantFrom(logVkey(ORIGIN), vkey('a.example/mirror'), vkey('b.example/mirror'))
    const line = fc.array(fc.oneof(word, key), { maxLength: 5 }).map((fields) => fields.join(' '))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        expect(refusal(() => parsePolicy(lines.join('\n')))).toMatch(/^(accepted|POLICY_INVALID@[1-8])$/)
      }),
      { numRuns: 200 }
    )
  })
})

describe('evaluatePolicy', () => {
  const discipline = by('discipline.example/mirror', 1000)
  const notary = by('notary.example/witness', 2000)
  const procuratorate = by('procuratorate.example/mirror', 3000)
  const names = (result: { counted: { witness: string }[] }) => result.counted.map(({ witness }) => witness)

  test('log and quorum', () => {
    expect(evaluate(NETWORK, [logLine(), discipline, notary])).toEqual({
      log: 'verified',
      brokenLines: [],
      counted: [
        { witness: 'discipline', keyName: 'discipline.example/mirror', timestamp: 1000 },
        { witness: 'notary', keyName: 'notary.example/witness', timestamp: 2000 }
      ],
      ignored: 0,
      quorum: true,
      mirrors: true,
      provenTime: 2000,
      freshness: 1000
    })
  })

  test('too few: no quorum, no proven time; order plays no part', () => {
    const result = evaluate(NETWORK, [notary, logLine()])
    expect(result).toMatchObject({ log: 'verified', quorum: false, mirrors: false })
    expect(result).not.toHaveProperty('provenTime')
    expect(result).not.toHaveProperty('freshness')
    expect(names(result)).toEqual(['notary'])
  })

  test('proven time is the earliest that the quorum gives, freshness the latest that a mirror gives', () => {
    expect(evaluate(NETWORK, [logLine(), procuratorate, notary, discipline])).toMatchObject({ provenTime: 2000, freshness: 3000 })
  })

  test('no key of a listed log', () => {
    expect(evaluate(NETWORK, [discipline, notary])).toMatchObject({ log: 'no-listed-key', quorum: true })
    expect(evaluate(NETWORK, [logLine('other.example/log'), discipline])).toMatchObject({ log: 'no-listed-key', ignored: 1 })
  })

  test('the key of another listed log does not count, though it verifies', () => {
    const result = evaluate(NETWORK, [logLine('discipline.example/lead'), discipline, notary])
    expect(result).toMatchObject({ log: 'no-listed-key', brokenLines: [], ignored: 0 })
  })

  test('lines of unknown keys are ignored: another name, another id, another type', () => {
    const unknown = [
      by('stranger.example/witness', 5),
      { ...notary, name: 'notary.example/mirror' },
      { ...notary, keyId: notary.keyId ^ 1 },
      signNote(text, 'notary.example/witness', signerOf('notary.example/witness'))
    ]
    const result = evaluate(NETWORK, [logLine(), discipline, ...unknown])
    expect(result).toMatchObject({ log: 'verified', brokenLines: [], ignored: 4, quorum: false })
    expect(names(result)).toEqual(['discipline'])
  })

  test.each([
    ['the log', [spoilt(logLine()), discipline, notary], [ORIGIN]],
    ['a witness', [logLine(), discipline, notary, spoilt(procuratorate)], ['procuratorate.example/mirror']],
    [
      'the log of another origin',
      [logLine(), spoilt(logLine('discipline.example/lead')), discipline, notary],
      ['discipline.example/lead']
    ],
    [
      'the own witness, which would not count',
      [logLine(), spoilt(by('court.example/witness', 1)), discipline, notary],
      ['court.example/witness']
    ],
    ['two of them', [spoilt(logLine()), spoilt(discipline), notary], [ORIGIN, 'discipline.example/mirror']]
  ])('a line of a known key that does not verify breaks the note: %s', (_, lines, broken) => {
    const result = evaluate(NETWORK, lines)
    expect(result.log).toBe('broken')
    expect(result.brokenLines.map((label) => label.split('+')[0])).toEqual(broken)
    expect(result.brokenLines[0]).toMatch(/\+[0-9a-f]{8}$/)
    expect(result).toMatchObject({ counted: [], quorum: false, mirrors: false })
    expect(result).not.toHaveProperty('provenTime')
    expect(result).not.toHaveProperty('freshness')
  })

  test('a signature over another tree breaks the note', () => {
    const other = formatCheckpoint({ ...checkpoint, size: 10 })
    const line = signCosignature(other, 'notary.example/witness', signerOf('notary.example/witness'), 2000)
    expect(evaluate(NETWORK, [logLine(), discipline, line]).log).toBe('broken')
  })

  test('the node of the log never counts for it, as witness or as mirror', () => {
    const policy = `log ${logVkey(ORIGIN)}
witness own-witness ${vkey('court.example/witness')}
witness own-mirror ${vkey('court.example/mirror')}
witness other ${vkey('court.example.org/mirror')}
group g 2 own-witness own-mirror other
quorum g
# lianzheng ${ORIGIN} party 1 own-mirror
`
    const own = [by('court.example/witness', 1), by('court.example/mirror', 2)]
    const result = evaluate(policy, [logLine(), ...own, by('court.example.org/mirror', 3)])
    expect(result).toMatchObject({ log: 'verified', quorum: false, mirrors: false, ignored: 0 })
    expect(names(result)).toEqual(['other'])
  })

  test('only the last /witness or /mirror is taken off to find the node', () => {
    const inner = 'court.example/witness/mirror'
    const policy = `log ${logVkey(ORIGIN)}\nwitness a ${vkey(inner)}\nquorum a\n`
    expect(evaluate(policy, [logLine(), by(inner, 1)]).quorum).toBe(true)
  })

  test('timestamp 0 does not count', () => {
    const result = evaluate(NETWORK, [logLine(), discipline, by('notary.example/witness', 0)])
    expect(result).toMatchObject({ log: 'verified', brokenLines: [], quorum: false })
    expect(names(result)).toEqual(['discipline'])
  })

  test('more than 300 s after the clock does not count', () => {
    const counted = (now?: number) => names(evaluate(NETWORK, [logLine(), discipline, notary], now))
    expect(counted(1700)).toEqual(['discipline', 'notary'])
    expect(counted(1699)).toEqual(['discipline'])
    expect(counted(699)).toEqual([])
    expect(counted()).toEqual(['discipline', 'notary'])
  })

  test('a cosignature given twice counts once', () => {
    const again = by('notary.example/witness', 2001)
    const result = evaluate(NETWORK, [logLine(), notary, notary, again])
    expect(result).toMatchObject({ quorum: false, ignored: 0 })
    expect(names(result)).toEqual(['notary'])
  })

  test('the checkpoint is that of the note', () => {
    const policy = parsePolicy(NETWORK)
    const other = { ...checkpoint, size: 10 }
    expect(refusal(() => evaluatePolicy(policy, { text, signatures: [logLine()] }, other))).toMatch(/^CHECKPOINT_INVALID/)
  })

  test('quorum none: only the operator vouches', () => {
    const policy = `log ${logVkey(ORIGIN)}\nquorum none\n`
    const result = evaluate(policy, [logLine()])
    expect(result).toEqual({ log: 'verified', brokenLines: [], counted: [], ignored: 0, quorum: true, mirrors: undefined })
    expect(evaluate(`${policy}# lianzheng ${ORIGIN} party 0\n`, [logLine()])).toEqual({ ...result, mirrors: true })
    expect(evaluate(policy, [])).toMatchObject({ log: 'no-listed-key' })
  })

  test('no lianzheng line: nothing is said of mirrors', () => {
    const policy = NETWORK.replace(/# lianzheng.*\n/, '')
    expect(evaluate(policy, [logLine(), discipline, notary])).toMatchObject({ quorum: true, mirrors: undefined })
    expect(evaluate(policy, [spoilt(logLine())])).toMatchObject({ log: 'broken', mirrors: undefined })
    expect(evaluate(policy, [logLine(), discipline, notary])).not.toHaveProperty('freshness')
  })

  test('k of the mirrors', () => {
    const policy = NETWORK.replace('internal 1', 'internal 2')
    expect(evaluate(policy, [logLine(), discipline, notary])).toMatchObject({ quorum: true, mirrors: false })
    expect(evaluate(policy, [logLine(), discipline, procuratorate])).toMatchObject({ mirrors: true, freshness: 1000 })
  })

  test('a mirror that is not named in the line is a witness only', () => {
    const policy = NETWORK.replace('1 discipline procuratorate', '1 discipline')
    expect(evaluate(policy, [logLine(), procuratorate, notary])).toMatchObject({ quorum: true, mirrors: false })
  })

  test('policy-pq: 0x06 keys alone, the log with timestamp 0', () => {
    const policy = `log ${pqVkey(ORIGIN)}
witness discipline ${pqVkey('discipline.example/mirror')}
witness notary ${pqVkey('notary.example/witness')}
group others all discipline notary
quorum others
# lianzheng ${ORIGIN} party 1 discipline
`
    const lines = [pqBy(ORIGIN, 0), pqBy('discipline.example/mirror', 1000), pqBy('notary.example/witness', 2000)]
    const good = { log: 'verified', quorum: true, mirrors: true, provenTime: 2000, freshness: 1000, ignored: 3, brokenLines: [] }
    expect(evaluate(policy, [...lines, logLine(), discipline, notary])).toMatchObject(good)
    expect(evaluate(NETWORK, [...lines, logLine(), discipline, notary])).toMatchObject(good)
    expect(evaluate(policy, [spoilt(lines[0]!), lines[1]!, lines[2]!])).toMatchObject({
      log: 'broken',
      brokenLines: [keyLabel(ORIGIN, lines[0]!.keyId)]
    })
    expect(evaluate(policy, [lines[0]!, spoilt(lines[1]!), lines[2]!]).log).toBe('broken')
    expect(evaluate(policy, lines.slice(1))).toMatchObject({ log: 'no-listed-key', quorum: true })
  })

  test('policy-pq: the 0x06 key of another listed log does not count, though it verifies', () => {
    const policy = `log ${pqVkey(ORIGIN)}\nlog ${pqVkey('discipline.example/lead')}\nquorum none\n`
    expect(evaluate(policy, [pqBy('discipline.example/lead', 0)])).toMatchObject({
      log: 'no-listed-key',
      brokenLines: [],
      ignored: 0
    })
    expect(evaluate(policy, [pqBy(ORIGIN, 0)]).log).toBe('verified')
  })

  test('an old and a new key of one log: either will do', () => {
    const second = ed25519Signer(seedOf('new'))
    const policy = `log ${logVkey(ORIGIN)}\nlog ${formatVkey(makeVkey(ORIGIN, TYPE_ED25519, second.publicKey))}\nquorum none\n`
    const newLine = signNote(text, ORIGIN, second)
    expect(evaluate(policy, [newLine]).log).toBe('verified')
    expect(evaluate(policy, [logLine()]).log).toBe('verified')
    expect(evaluate(policy, [logLine(), newLine]).log).toBe('verified')
    expect(evaluate(policy, [logLine(), spoilt(newLine)]).log).toBe('broken')
  })

  test('nested groups, every set of cosigners', () => {
    const nested = `log ${logVkey(ORIGIN)}
${['x1', 'x2', 'x3', 'y1', 'y2'].map((name) => `witness ${name} ${vkey(`${name}.example/witness`)}`).join('\n')}
group X 2 x1 x2 x3
group Y any y1 y2
group both all X Y
quorum both
`
    const policy = parsePolicy(nested)
    const all = ['x1', 'x2', 'x3', 'y1', 'y2']
    let held = 0
    for (let set = 0; set < 32; set++) {
      const chosen = all.filter((_, i) => set & (1 << i))
      const expected = chosen.filter((name) => name.startsWith('x')).length >= 2 && chosen.some((name) => name.startsWith('y'))
      const stamps = chosen.map((name, i) => ({ name, timestamp: 100 + i }))
      expect(policy.quorum !== 'none' && provenTime(policy.quorum, stamps) !== undefined).toBe(expected)
      if (expected) held++
    }
    expect(held).toBe(12)
    const lines = ['x1', 'x3', 'y2'].map((name) => by(`${name}.example/witness`, 7))
    expect(evaluate(policy, [logLine(), ...lines])).toMatchObject({ quorum: true, provenTime: 7 })
    expect(evaluate(policy, [logLine(), ...lines.slice(0, 2)])).toMatchObject({ quorum: false })
  })
})

describe('times', () => {
  const stampsOf = (timestamps: number[]) => timestamps.map((timestamp, i) => ({ name: `w${i}`, timestamp }))
  const members = ['w0', 'w1', 'w2', 'w3', 'w4']

  test('by their definitions', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.subarray(members),
        (times, k, chosen) => {
          const stamps = stampsOf(times)
          const atLeast = (kept: { name: string }[]) => kept.filter(({ name }) => chosen.includes(name)).length >= k
          const range = [1, 2, 3, 4, 5, 6, 7, 8, 9]
          const quorum = { k, members: chosen.map((witness) => ({ witness })) }
          expect(provenTime(quorum, stamps)).toBe(range.find((t) => atLeast(stamps.filter(({ timestamp }) => timestamp <= t))))
          const rest = { classes: [], k, mirrors: chosen }
          expect(freshness(rest, stamps)).toBe(range.findLast((t) => atLeast(stamps.filter(({ timestamp }) => timestamp >= t))))
        }
      )
    )
  })

  test('no mirror asked for, no freshness', () => {
    expect(freshness({ classes: [], k: 0, mirrors: ['w0'] }, stampsOf([5]))).toBeUndefined()
  })
})

describe('splitViewTolerance', () => {
  const NODES = ['court', 'discipline', 'notary', 'procuratorate', 'prison']
  const network = (count: number, threshold: string) => {
    const nodes = NODES.slice(0, count)
    return `log ${logVkey(ORIGIN)}
log ${logVkey('outside.example/log')}
${nodes.map((node) => `witness ${node}-witness ${vkey(`${node}.example/witness`)}\nwitness ${node}-mirror ${vkey(`${node}.example/mirror`)}`).join('\n')}
${nodes.map((node) => `group ${node} any ${node}-witness ${node}-mirror`).join('\n')}
group nodes ${threshold} ${nodes.join(' ')}
quorum nodes
# lianzheng ${ORIGIN} party 2 ${nodes.map((node) => `${node}-mirror`).join(' ')}
`
  }
  const cosigners = (policy: string, origin = ORIGIN) => splitViewTolerance(parsePolicy(policy), origin).cosigners

  test.each([
    // nodes, k, for a log of one of them (n is one less), for a log from outside
    [3, '2', 1, 0],
    [4, '2', 0, -1],
    [4, '3', 2, 1],
    [5, '3', 1, 0],
    [5, '4', 3, 2],
    [5, 'any', -3, -4],
    [5, 'all', undefined, 4]
  ])('%i nodes, %s: 2k − n − 1', (nodes, threshold, inside, outside) => {
    const policy = network(nodes, threshold)
    expect(cosigners(policy)).toBe(inside)
    expect(cosigners(policy, 'outside.example/log')).toBe(outside)
  })

  test('every history needs its own k of n: the number is right', () => {
    for (let n = 2; n <= 5; n++)
      for (let k = 1; k <= n; k++) {
        // The fewest who sign both sides, when each side has k of n.
        const common = Math.max(0, 2 * k - n)
        const tolerance = cosigners(network(n, String(k)), 'outside.example/log')!
        expect(Math.max(tolerance, -1)).toBe(common - 1)
      }
  })

  test('mirrors: k − 1', () => {
    const policy = parsePolicy(network(4, '3'))
    expect(splitViewTolerance(policy, ORIGIN).mirrors).toBe(1)
    expect(splitViewTolerance(policy, 'outside.example/log').mirrors).toBeUndefined()
  })

  const W = (...nodes: string[]) => nodes.map((node) => `witness ${node} ${vkey(`${node}.example/witness`)}\n`).join('')

  test('one witness, one node', () => {
    expect(cosigners(`${W('a')}quorum a\n`)).toBe(0)
    expect(cosigners(`${W('court')}quorum court\n`)).toBeUndefined()
    const twoKeys = `${W('a')}witness m ${vkey('a.example/mirror')}\n`
    expect(cosigners(`${twoKeys}group a-node all a m\nquorum a-node\n`)).toBe(0)
  })

  test('no number where it would mean nothing', () => {
    expect(cosigners('quorum none\n')).toBeUndefined()
    expect(cosigners(`${W('a', 'b', 'c', 'd')}group ab any a b\ngroup g 2 ab c d\nquorum g\n`)).toBeUndefined()
    expect(cosigners(`${W('a', 'b', 'c')}group g 2 a b c\ngroup h all g\nquorum h\n`)).toBeUndefined()
    const twice = `${W('a', 'b')}witness m ${vkey('a.example/mirror')}\n`
    expect(cosigners(`${twice}group g 2 a b m\nquorum g\n`)).toBeUndefined()
  })
})
