/** Receipts and trail certificates of every shape that verify, of the vectors and of logs made here. */
import { readFileSync } from 'node:fs'
import { base64url } from '../../src/core/bytes.ts'
import { formatVkey } from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import type { Placed } from '../../src/log/pool.ts'
import { formatCertificate, formatReceipt, type Receipt, type TrailPart } from '../../src/verify/files.ts'
import { all, fix, Lab, opinion, START, USERS, user } from './lab.ts'
import { AT, administrator, cosigned, kidOf, LyingNode, logVkey, MIRROR, networkPolicy, signerOf, WITNESS } from './lying-node.ts'
import type { Specimen } from './reads.ts'

const vector = (name: string) => readFileSync(new URL(`../vectors/ledger/${name}`, import.meta.url), 'utf8')
const vectorPolicy = parsePolicy(vector('policy.txt'))
const POWER = 'power:粤01-R0001'

/** A log with opinions of a leader, of one whose key has dates, and evidence, in several batches; its files cosigned by a mirror and a witness. */
async function labSpecimens(): Promise<Specimen[]> {
  const { clerk, president } = USERS
  const dated = user('dated leader', ['leader'], '粤01-R0003')
  const lab = await Lab.open({ seed: 'mutations', policy: ({ log }) => networkPolicy('all', undefined, formatVkey(log.vkey)) })
  const seconds = START / 1000
  await lab.register(dated, USERS.admin, { notBefore: seconds, notAfter: seconds + 3600 })
  const place = async (...records: [{ [name: string]: unknown }, typeof clerk][]) => {
    lab.now += 60_000
    return Promise.all(records.map(([record, by]) => lab.submit(record, by)))
  }
  const [{ index }] = (await place([opinion(), president], [fix('a', { case: '（2020）粤01民初123号' }), clerk])) as [
    Placed,
    Placed
  ]
  const [late] = (await place([opinion({ measure: 'M04' }), dated], [opinion(), president])) as [Placed, Placed]
  const olderHead = lab.reader.trailPart(POWER, all)
  await place([opinion(), president], [opinion(), president])
  await place([opinion(), president], [fix('b'), clerk])
  await lab.sequencer.stop()

  const times = { [MIRROR]: Math.floor(lab.now / 1000) + 2, [WITNESS]: Math.floor(lab.now / 1000) + 1 }
  const vouched = <T extends { checkpoint: string }>(file: T): T => ({ ...file, checkpoint: cosigned(file.checkpoint, times) })
  const policy = parsePolicy(networkPolicy('all', undefined, formatVkey(lab.keys.log.vkey)))
  const any = parsePolicy(networkPolicy(1, undefined, formatVkey(lab.keys.log.vkey)))
  const receipt = (name: string, file: Receipt, more: Partial<Specimen> = {}): Specimen => ({
    name,
    kind: 'receipt',
    text: formatReceipt(vouched(file)),
    policy,
    ...more
  })
  const certificate = (name: string, trail: string, parts: TrailPart[], more: Partial<Specimen> = {}): Specimen => ({
    name,
    kind: 'certificate',
    text: formatCertificate({ trail, parts: parts.map(vouched) }),
    policy,
    ...more
  })
  const around = lab.reader.receipt(index, all)
  const datedReceipt = lab.reader.receipt(late.index, all)
  return [
    receipt('receipt with before and entered', around),
    receipt('receipt with a surplus cosignature', around, { policy: any, surplus: [WITNESS] }),
    receipt(
      'receipt of a dated key, with timestamps and a summary',
      { ...datedReceipt, timestamps: [{ type: 'rfc3161', token: Uint8Array.of(48, 0) }], summary: { 说明: ['供人阅读', 1] } },
      { dated: true }
    ),
    certificate('whole trail', POWER, [lab.reader.trailPart(POWER, all)]),
    certificate('trail in two parts', POWER, [
      lab.reader.trailPart(POWER, all, { from: 0, limit: 3 }),
      lab.reader.trailPart(POWER, all, { from: 3 })
    ]),
    certificate('trail with an older head', POWER, [olderHead, lab.reader.trailPart(POWER, all, { from: olderHead.count })]),
    certificate('absence', 'power:粤01-R0009', [lab.reader.trailPart('power:粤01-R0009', all)]),
    certificate('trail of a dated key, with seals', 'power:粤01-R0003', [lab.reader.trailPart('power:粤01-R0003', all)], {
      dated: true
    })
  ]
}

/** What the lab cannot make: two organisations that agree, node keys changed, a revocation, a note under a seal, two logs. */
function nodeSpecimens(): Specimen[] {
  const { admin, clerk, president } = USERS
  const other = user('other admin', ['administrator'], undefined, 'gz-discipline')
  const node = LyingNode.start([], { control: 2, administrators: [administrator(admin), administrator(other)] })
  const registered = node.register(president)
  const approved = node.approve(registered, other, president)
  node.approve(node.register(clerk), other, clerk)
  node.seal()
  const index = node.add(opinion(), president)
  node.seal()
  const next = signerOf('statement key 2')
  const change = { type: 'registry.node', at: AT, generation: 2, keys: { statement: base64url(next.publicKey) } }
  const changed = node.add(change, admin)
  const agreed = node.approve(changed, other)
  node.revoke(president, { compromisedSince: node.now / 1000 + 30 })
  node.statementKey = next
  node.seal()
  // Nothing that could be left out: then its loss would be no fault.
  const receipt = node.receipt(index, { authority: [0, registered, approved, changed, agreed] })
  const { before, entered } = node.around(index)
  const carrying = { ...entered!, checkpoint: node.note(entered!.index + 1) }
  const key = `key:${base64url(kidOf(president))}`

  const OTHER = 'court.example/supervision'
  const twin = LyingNode.start([president], {}, OTHER)
  twin.add(opinion(), president)
  twin.seal()
  const home = LyingNode.start([president])
  home.add(opinion(), president)
  home.seal()
  const both = networkPolicy().replace('\n', `\nlog ${logVkey(OTHER)}\n`)
  return [
    {
      name: 'receipt under changed node keys, with approvals and a revocation',
      kind: 'receipt',
      text: formatReceipt({ ...receipt, before: before!, entered: carrying }),
      policy: node.policy
    },
    {
      name: 'trail of a key',
      kind: 'certificate',
      text: formatCertificate({ trail: key, parts: [node.part(key, { authority: [0, changed, agreed] })] }),
      policy: node.policy
    },
    {
      name: 'trail in two logs',
      kind: 'certificate',
      text: formatCertificate({ trail: POWER, parts: [home.part(POWER), twin.part(POWER)] }),
      policy: parsePolicy(`${both}# lianzheng ${OTHER} internal 1 discipline\n`)
    }
  ]
}

export const SPECIMENS: Specimen[] = [
  { name: 'vector receipt', kind: 'receipt', text: vector('evidence.receipt.json'), policy: vectorPolicy },
  ...['case', 'power', 'absent'].map(
    (name): Specimen => ({
      name: `vector ${name}`,
      kind: 'certificate',
      text: vector(`${name}.trail.json`),
      policy: vectorPolicy
    })
  ),
  ...(await labSpecimens()),
  ...nodeSpecimens()
]
