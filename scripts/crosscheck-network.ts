/**
 * What a network of four nodes gives out: heads that other institutions have really cosigned, as witnesses and as mirrors; a promise where too few of
 * them were up, and the receipt it became; node keys changed in the middle.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatNote, parseNote } from '../src/core/note.ts'
import type { Court, Sample, Verdict } from './crosscheck-samples.ts'

export const NODES = ['court', 'discipline', 'procuratorate', 'notary'] as const

const PUBLIC = 'disclosure:粤01'
const CASE = '（2020）粤01民初321号'
const access = { type: 'supervision.access', case: CASE, mode: 'file', from: '2020-08-26T09:40:00+08:00' }
const entry = { type: 'recusal.disclosed', entry: 'entry-0009', status: 'related', sealed: { name: '王某某' } }

/** `proofs`: receipts of the evidence log, each under a policy that speaks for this log alone, for tools that know the C2SP rules and no others. */
export async function collectNetwork(court: Court, file: string): Promise<{ samples: Sample[]; proofs: Sample[] }> {
  const [fixed] = await court.fix('clerk', [file], ['--case', CASE])
  await court.submit('president', access)
  await court.submit('personnel', entry)

  // The court's own cosignature never counts for its own log: of the two that are needed, one is left.
  await court.stop('discipline', 'notary')
  const { promise } = await court.submit('clerk', { type: 'evidence.attach', evidence: fixed!.evidence, case: CASE }, 2)
  const { promise: second } = await court.submit('president', access, 2)
  await Promise.all(['discipline', 'notary'].map((name) => court.start(name)))
  await court.redeem('clerk', promise!)
  await court.redeem('president', second!)

  // The logs' own keys stay: other institutions would have to be told of new ones.
  await court.changeKeys('statement', 'receipt', 'promise')
  await court.submit('president', { ...access, mode: 'report' })
  const [last] = await court.fix('clerk', [file], ['--case', CASE])

  const samples: Sample[] = []
  const policy = court.path('policy.txt')
  const postQuantum = court.path('policy-pq.txt')
  const evidenceAlone = court.path('policies/court-evidence.txt')
  const add = (group: string, sample: Omit<Sample, 'group' | 'expected'>, expected: Verdict = 'verified') =>
    samples.push({ group, expected, ...sample })

  const receipts = readdirSync(court.out).filter((name) => name.endsWith('.receipt.json'))
  const proofs: Sample[] = []
  for (const name of receipts) {
    const receipt = join(court.out, name)
    const { origin } = JSON.parse(readFileSync(receipt, 'utf8')) as { origin: string }
    const ofEvidence = origin === 'court.example/evidence'
    add('four nodes: receipts', { file: receipt, policy })
    add('four nodes: receipts, ML-DSA-44', { file: receipt, policy: postQuantum })
    add('four nodes: policy of one log', { file: receipt, policy: evidenceAlone }, ofEvidence ? 'verified' : 'could-not-check')
    if (ofEvidence) proofs.push({ group: 'tlog-proofs', file: receipt, policy: evidenceAlone, expected: 'verified' })
    for (const [what, leave] of [
      ['mirrors', '/mirror'],
      ['others', '']
    ] as const) {
      const without = court.keep(`${name.slice(0, -13)}-without-${what}.receipt.json`, withoutLines(receipt, origin, leave))
      add(`four nodes: without ${what}`, { file: without, policy }, 'could-not-check')
    }
  }

  const redeemed = (of: string) => of.replace(/promise$/, 'receipt.json')
  add('promises kept', { file: promise!, policy, evidence: [redeemed(promise!)] })
  add('promises kept', { file: second!, policy, evidence: [redeemed(second!)] })
  add('promises, with another receipt', { file: promise!, policy, evidence: [last!.receipt] })
  add('promises, of another log', { file: promise!, policy, evidence: [redeemed(second!)] }, 'could-not-check')
  add('promises alone', { file: promise!, policy }, 'could-not-check')

  const names = [`case:${CASE}`, `evidence:${fixed!.evidence}`, 'power:粤01-R0001', 'duty:粤01-R0201', 'hr:粤01-R0001', PUBLIC]
  for (const [i, name] of [...names, 'ledger:court.example/evidence'].entries()) {
    let text = await court.get(`/api/v1/trails/${encodeURIComponent(name)}`)
    if (name === PUBLIC) {
      // Each institution has a public log, and each gives its own part.
      add('four nodes: a log left out', { file: court.keep(`${i}-less.trail.json`, text), policy }, 'could-not-check')
      text = JSON.stringify({ ...JSON.parse(text), parts: (await Promise.all([0, 1, 2].map(publicParts))).flat() }, null, 1)
    }
    const file = court.keep(`${i}.trail.json`, text)
    add('four nodes: trails', { file, policy })
    add('four nodes: trails, ML-DSA-44', { file, policy: postQuantum })
  }

  async function publicParts(node: number): Promise<unknown[]> {
    const url = court.url.replace(/[0-9]+$/, (port) => String(Number(port) + node))
    const response = await fetch(`${url}/api/v1/trails/${encodeURIComponent(PUBLIC)}`)
    return ((await response.json()) as { parts: unknown[] }).parts
  }
  return { samples, proofs }
}

/** A receipt whose checkpoint lacks the cosignatures of names that end so; the log's own lines stay. */
function withoutLines(file: string, origin: string, end: string): string {
  const receipt = JSON.parse(readFileSync(file, 'utf8')) as { checkpoint: string }
  const { text, signatures } = parseNote(receipt.checkpoint)
  const kept = signatures.filter(({ name }) => name === origin || !name.endsWith(end))
  return JSON.stringify({ ...receipt, checkpoint: formatNote({ text, signatures: kept }) }, null, 1)
}
