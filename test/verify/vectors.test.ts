import { createHash, hkdfSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Bytes, base64url, fromHex, hex, utf8 } from '../../src/core/bytes.ts'
import type { Encodable } from '../../src/core/cbor.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/core/checkpoint.ts'
import { signCosignature } from '../../src/core/cosignature.ts'
import { decodeDisclosure, encodeDisclosure } from '../../src/core/disclosure.ts'
import { keyInfo } from '../../src/core/hash.ts'
import { ed25519Signer, keyId, type Signer } from '../../src/core/keys.ts'
import { formatNote, formatVkey, makeVkey, parseNote, signNote, TYPE_COSIGNATURE, TYPE_ED25519 } from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { decodeSeal, signSeal } from '../../src/core/seal.ts'
import { decodeStatement, RECORD_CONTENT, signStatement, verifyStatement } from '../../src/core/statement.ts'
import { useNative } from '../../src/node/native.ts'
import { recordType } from '../../src/records/catalogue.ts'
import { openFromJson, trailsOf } from '../../src/records/define.ts'
import { draft } from '../../src/records/draft.ts'
import { examine } from '../../src/verify/admit.ts'
import { verifyCertificate } from '../../src/verify/certificate.ts'
import { formatCertificate, formatReceipt, parseCertificate, parseReceipt } from '../../src/verify/files.ts'
import { type Folded, fold, NO_HEAD } from '../../src/verify/fold.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import type { Step } from '../../src/verify/verdict.ts'
import { MemoryState } from '../helpers/memory-state.ts'

useNative()

const read = (name: string) => readFileSync(new URL(`../vectors/ledger/${name}`, import.meta.url))
const text = (name: string) => read(name).toString('utf8')
const policyText = text('policy.txt')
const policy = parsePolicy(policyText)
const vectors = JSON.parse(text('entries.json')) as {
  seeds: { court: string; discipline: string; notary: string }
  users: { admin: string; clerk: string; president: string }
  vkeys: { log: string; discipline: string; notary: string }
  entries: string[]
  root: string
}
const entries = vectors.entries.map((entry) => fromHex(entry))
const digest = (bytes: Uint8Array): Bytes => new Uint8Array(createHash('sha256').update(bytes).digest())
const evidence = { name: 'evidence.txt', sha256: digest(read('evidence.txt')) }
const verdicts = (steps: readonly Step[]) => Object.fromEntries(steps.map(({ step, verdict }) => [step, verdict]))

// The files, as a verifier meets them

test('the receipt verifies with its file, step by step', () => {
  const report = verifyReceipt(text('evidence.receipt.json'), policy, { files: [evidence], now: 1_700_000_000 })
  expect(report.overall).toBe('verified')
  expect(verdicts(report.steps)).toEqual({
    policy: 'verified',
    checkpoint: 'verified',
    quorum: 'verified',
    seal: 'verified',
    inclusion: 'verified',
    authority: 'verified',
    keyTrails: 'verified',
    statement: 'verified',
    schema: 'verified',
    disclosures: 'verified',
    files: 'verified',
    timestamps: 'not-applicable'
  })
  expect(report.record).toMatchObject({ index: 4, type: 'evidence.fix', disclosed: { name: '合同.pdf' }, withheld: [] })
  expect(report.vouching).toMatchObject({
    operator: 'gz-zhongyuan',
    size: 9,
    root: vectors.root,
    cosigners: ['discipline.example/mirror', 'notary.example/witness'],
    operatorOnly: false,
    mirrors: true,
    tolerance: { cosigners: 1, mirrors: 0 }
  })
  expect(report.files).toEqual([{ name: 'evidence.txt', sha256: hex(evidence.sha256), matches: true }])
})

test('without the file the receipt verifies and says that no file was compared', () => {
  const report = verifyReceipt(text('evidence.receipt.json'), policy)
  expect(report.overall).toBe('verified')
  expect(verdicts(report.steps).files).toBe('not-applicable')
  expect(report.headline.en).toContain('no file was compared')
})

test('a wrong file is broken, and said to be the fault of the file', () => {
  const wrong = Uint8Array.from(read('evidence.txt'))
  wrong[0]! ^= 1
  const files = [{ name: 'evidence.txt', sha256: digest(wrong) }]
  const report = verifyReceipt(text('evidence.receipt.json'), policy, { files })
  expect(report.overall).toBe('broken')
  expect(report.steps.filter(({ verdict }) => verdict === 'broken').map(({ step }) => step)).toEqual(['files'])
  expect(report.steps.find(({ step }) => step === 'files')!.notes[0]!.en).toContain('the file differs, not the ledger')
  expect(report.headline.en).toContain('the file differs from what was deposited')
  expect(report.headline.zh).toContain('文件与存入时不同')
  expect(report.files[0]!.matches).toBe(false)
})

test.each([
  ['case.trail.json', [4], 1, 0],
  ['power.trail.json', [5, 6, 7], 3, 0],
  ['absent.trail.json', [], 0, 0]
])('%s verifies', (name, indexes, disclosed, withheld) => {
  const report = verifyCertificate(text(name), policy, { now: 1_700_000_000 })
  expect(report.overall).toBe('verified')
  const steps = verdicts(report.steps)
  for (const step of ['policy', 'checkpoint', 'quorum', 'seal', 'trail', 'authority', 'keyTrails'])
    expect([step, steps[step]]).toEqual([step, 'verified'])
  expect(report.logs).toHaveLength(1)
  expect(report.logs[0]).toMatchObject({ shown: indexes.length, count: indexes.length, mirrors: true })
  expect(report.logs[0]!.entries.map(({ index }) => index)).toEqual(indexes)
  expect([report.missing, report.disclosed, report.withheld]).toEqual([[], disclosed, withheld])
})

test('a policy that does not know the log, its cosigners or its mirrors could not check', () => {
  const receipt = text('evidence.receipt.json')
  const overall = (changed: string) => verifyReceipt(receipt, parsePolicy(changed)).overall
  expect(overall(policyText)).toBe('verified')
  expect(overall(policyText.replace(/# lianzheng.*\n/, ''))).toBe('could-not-check')
  const stranger = formatVkey(makeVkey('court.example/other', TYPE_ED25519, ed25519Signer(new Uint8Array(32)).publicKey))
  expect(overall(`log ${stranger}\nquorum none\n`)).toBe('could-not-check')
  const other = formatVkey(makeVkey('other.example/mirror', TYPE_COSIGNATURE, ed25519Signer(new Uint8Array(32)).publicKey))
  expect(overall(policyText.replace(vectors.vkeys.discipline, other))).toBe('could-not-check')
})

test('reading and writing the files gives the same members again', () => {
  const receipt = parseReceipt(text('evidence.receipt.json'))
  expect(parseReceipt(formatReceipt(receipt))).toEqual(receipt)
  for (const name of ['case.trail.json', 'power.trail.json', 'absent.trail.json']) {
    const certificate = parseCertificate(text(name))
    expect(parseCertificate(formatCertificate(certificate))).toEqual(certificate)
  }
})

// The ledger, made again from its secrets

const nodeKey = (node: keyof typeof vectors.seeds, purpose: string, name: string): Signer =>
  ed25519Signer(new Uint8Array(hkdfSync('sha256', fromHex(vectors.seeds[node]), '', keyInfo(purpose, name, 1), 32)))
const userKey = (name: keyof typeof vectors.users) => ed25519Signer(fromHex(vectors.users[name]))

const ORIGIN = 'court.example/evidence'
const OPERATOR = 'gz-zhongyuan'
const MIRROR = 'discipline.example/mirror'
const NOTARY = 'notary.example/witness'
const CASE = '（2020）粤01民初123号'
const log = nodeKey('court', 'log', ORIGIN)
const statementKey = nodeKey('court', 'statement', ORIGIN)
const mirror = nodeKey('discipline', 'mirror', 'discipline.example')
const notary = nodeKey('notary', 'witness', 'notary.example')
const admin = { org: OPERATOR, roles: ['administrator'], signer: userKey('admin') }
const clerk = { org: OPERATOR, roles: ['clerk'], staff: '粤01-R0101', signer: userKey('clerk') }
const president = { org: OPERATOR, roles: ['leader'], staff: '粤01-R0001', signer: userKey('president') }

test('secrets and seeds are what the file says they are', () => {
  const ofText = (name: string) => hex(digest(utf8(name)))
  expect(vectors.seeds).toEqual({
    court: ofText('vector court seed'),
    discipline: ofText('vector discipline'),
    notary: ofText('vector notary')
  })
  expect(vectors.users).toEqual({
    admin: ofText('vector admin'),
    clerk: ofText('vector clerk'),
    president: ofText('vector president')
  })
})

test('node keys derived by HKDF give the vkeys (formats.md §2)', () => {
  expect(formatVkey(makeVkey(ORIGIN, TYPE_ED25519, log.publicKey))).toBe(vectors.vkeys.log)
  expect(formatVkey(makeVkey(MIRROR, TYPE_COSIGNATURE, mirror.publicKey))).toBe(vectors.vkeys.discipline)
  expect(formatVkey(makeVkey(NOTARY, TYPE_COSIGNATURE, notary.publicKey))).toBe(vectors.vkeys.notary)
})

/** Salts and ids are random bytes: they are taken from where they ended up. */
const cti = (index: number) => decodeStatement(entries[index]!).cti
const sealedDigest = (index: number, name: string) =>
  (decodeStatement(entries[index]!).body.get('sealed') as Map<string, Bytes>).get(name)!

function disclosuresOf(name: string): Map<number, Bytes[]> {
  const [part] = parseCertificate(text(name)).parts
  return new Map(part!.entries.map(({ index, disclosures }) => [index, disclosures]))
}
const saltOf = (disclosure: Bytes): Bytes => disclosure.subarray(2, 18)

/** A record whose sealed fields are disclosed: made by the tool that people use, given the random bytes it drew. */
function drafted(index: number, iat: number, record: { [name: string]: unknown }, author: typeof clerk, disclosures: Bytes[]) {
  const drawn = [...disclosures.map(saltOf), cti(index)]
  const made = draft(record, { aud: ORIGIN, author, iat, random: () => drawn.shift()! })
  expect(drawn).toEqual([])
  expect(made.disclosures.map(hex)).toEqual(disclosures.map(hex))
  return made.statement
}

/** A record with a digest whose disclosure nobody has: the digest itself is given. */
function signed(index: number, iat: number, record: { [name: string]: unknown }, sealed: Record<string, Bytes>) {
  const type = recordType(record.type as string)
  const { type: _, ...open } = record
  const body: Record<string, unknown> = { type: type.type, v: 1, ...openFromJson(type, open) }
  if (Object.keys(sealed).length > 0) body.sealed = sealed
  const { sub, trails } = trailsOf(type, body, ORIGIN)
  return signStatement(
    {
      contentType: RECORD_CONTENT,
      iss: OPERATOR,
      sub,
      aud: ORIGIN,
      iat,
      cti: cti(index),
      trails,
      body: body as { [name: string]: Encodable }
    },
    admin.signer
  )
}

function genesis(): Bytes {
  const key = (signer: Signer) => base64url(signer.publicKey)
  return signed(
    0,
    1_598_400_000,
    {
      type: 'ledger.genesis',
      at: '2020-08-26T08:00:00+08:00',
      origin: ORIGIN,
      name: '示例账本',
      operator: OPERATOR,
      catalogue: 1,
      // A placeholder in the vectors: the digest of no catalogue of ours.
      catalogueDigest: base64url(decodeStatement(entries[0]!).body.get('catalogueDigest') as Bytes),
      keys: {
        log: vectors.vkeys.log,
        statement: key(statementKey),
        receipt: key(nodeKey('court', 'receipt', ORIGIN)),
        promise: key(nodeKey('court', 'promise', ORIGIN))
      },
      members: [
        { name: 'discipline', org: 'gz-discipline', role: 'mirror', vkey: vectors.vkeys.discipline },
        { name: 'notary', org: 'gz-notary', role: 'witness', vkey: vectors.vkeys.notary }
      ],
      policy: policyText,
      administrators: [
        {
          key: key(admin.signer),
          org: OPERATOR,
          roles: ['clerk', 'leader', 'judge', 'personnel', 'system', 'lawyer', 'administrator']
        }
      ],
      control: 1
    },
    {}
  )
}

function registration(index: number, who: typeof clerk): Bytes {
  const { org, roles, staff, signer } = who
  const record = { type: 'registry.key', at: '2020-08-26T08:01:00+08:00', key: base64url(signer.publicKey), org, roles, staff }
  return signed(index, 1_598_400_060, record, { holder: sealedDigest(index, 'holder') })
}

function evidenceFix(): Bytes {
  return drafted(
    4,
    1_598_403_600,
    {
      type: 'evidence.fix',
      at: '2020-08-26T09:00:00+08:00',
      court: '粤01',
      case: CASE,
      evidence: '粤01-20200826-abcdefghijkm',
      material: 'electronic-data',
      files: [{ sha256: hex(evidence.sha256), size: read('evidence.txt').length }],
      sealed: { name: '合同.pdf' }
    },
    clerk,
    disclosuresOf('case.trail.json').get(4)!
  )
}

function opinion(n: number): Bytes {
  const index = 5 + n
  return drafted(
    index,
    1_598_407_200 + 60 * n,
    {
      type: 'supervision.opinion',
      at: `2020-08-26T10:0${n}:00+08:00`,
      court: '粤01',
      case: CASE,
      judge: '粤01-R0201',
      measure: 'M05',
      basis: 'keycase',
      node: 'deliberation',
      channel: 'platform',
      sealed: { content: `意见${n}` }
    },
    president,
    disclosuresOf('power.trail.json').get(index)!
  )
}

const RECORDS: [index: number, name: string, make: () => Bytes, signer: Signer][] = [
  [0, 'genesis', genesis, admin.signer],
  [1, 'registration of the clerk', () => registration(1, clerk), admin.signer],
  [2, 'registration of the president', () => registration(2, president), admin.signer],
  [4, 'evidence fix', evidenceFix, clerk.signer],
  [5, 'first opinion', () => opinion(0), president.signer],
  [6, 'second opinion', () => opinion(1), president.signer],
  [7, 'third opinion', () => opinion(2), president.signer]
]

test.each(RECORDS)('entry %i, %s, comes out byte for byte', (index, _name, make, signer) => {
  const made = make()
  expect(hex(made)).toBe(vectors.entries[index])
  const examined = examine(made)
  expect(examined.kind).toBe('record')
  expect(examined.statement.kid).toEqual(keyId(signer.publicKey))
  expect(verifyStatement(examined.statement, signer.publicKey)).toBe(true)
})

test('the fold of the records gives both seals byte for byte, and the root', () => {
  const state = new MemoryState()
  const batches = [
    { from: 0, to: 3, time: 1_598_400_061_000 },
    { from: 4, to: 8, time: 1_598_407_400_000 }
  ]
  let head: Folded['head'] | typeof NO_HEAD = NO_HEAD
  for (const { from, to, time } of batches) {
    const records = RECORDS.filter(([index]) => index >= from && index < to).map(([, , make]) => decodeStatement(make()))
    const folded: Folded = fold(head, records, time, (seal) => signSeal(seal, ORIGIN, OPERATOR, statementKey), state)
    state.apply(folded)
    head = folded.head
    expect(hex(folded.sealStatement)).toBe(vectors.entries[to])
    expect(decodeSeal(decodeStatement(entries[to]!))).toEqual(folded.seal)
    expect(verifyStatement(decodeStatement(entries[to]!), statementKey.publicKey)).toBe(true)
  }
  expect(head.size).toBe(entries.length)
  expect(hex(head.root)).toBe(vectors.root)
})

test('the checkpoint and its cosignatures come out byte for byte', () => {
  const { checkpoint } = parseReceipt(text('evidence.receipt.json'))
  const noteText = formatCheckpoint({ origin: ORIGIN, size: entries.length, root: fromHex(vectors.root) })
  expect(parseCheckpoint(parseNote(checkpoint).text)).toEqual({ origin: ORIGIN, size: 9, root: fromHex(vectors.root) })
  const signatures = [
    signNote(noteText, ORIGIN, log),
    signCosignature(noteText, MIRROR, mirror, 1_598_407_401),
    signCosignature(noteText, NOTARY, notary, 1_598_407_401)
  ]
  expect(formatNote({ text: noteText, signatures }).split('\n')).toEqual(checkpoint.split('\n'))
})

test('disclosures of the files are canonical and say what was sealed', () => {
  const all = [...disclosuresOf('case.trail.json'), ...disclosuresOf('power.trail.json')]
  expect(all).toHaveLength(4)
  for (const [index, given] of all) {
    const sealed = decodeStatement(entries[index]!).body.get('sealed') as Map<string, Bytes>
    expect(given).toHaveLength(sealed.size)
    for (const bytes of given) {
      const { name, value, digest: found } = decodeDisclosure(bytes)
      expect(encodeDisclosure(saltOf(bytes), name, value).bytes).toEqual(bytes)
      expect(hex(found)).toBe(hex(sealed.get(name)!))
    }
  }
})
