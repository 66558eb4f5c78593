/**
 * Comparing what two files show of a log: one history, or a contradiction (formats.md §13). Two heads of different sizes are one history where the
 * larger is proven to begin with the smaller: by what the files show, or by a consistency proof from elsewhere.
 */
import { type Bytes, equalBytes, hex } from '../core/bytes.ts'
import { checkConsistency } from '../core/merkle.ts'
import type { Policy } from '../core/policy.ts'
import { contradictionOf, formatContradiction } from './contradiction.ts'
import { policyOfFiles, type ShownHead, signersOf } from './heads.ts'
import { rootEndingAt } from './seals.ts'
import { type Step, type StepName, Steps, VERDICT_WORDS, type Verdict, type Words } from './verdict.ts'

export interface Pair {
  origin: string
  a: { size: number; root: string }
  b: { size: number; root: string }
  /** Which extends which, or `contradiction`; `unknown` where nothing proves either. */
  relation: 'equal' | 'b-extends-a' | 'a-extends-b' | 'contradiction' | 'unknown'
}

export interface ComparisonReport {
  kind: 'comparison'
  /** `verified`: one history. `broken`: not. */
  overall: Verdict
  headline: Words
  steps: Step[]
  pairs: Pair[]
  /** The first contradiction found that a file can prove, as that file. */
  contradiction?: string
}

/** A consistency proof of one log. */
export interface Consistency {
  origin: string
  from: number
  to: number
  proof: readonly Bytes[]
}

/** What every report says that rests on keys out of the files themselves. */
export const NO_POLICY: Words = {
  zh: '未给出策略：账本密钥取自文件中的创世记录',
  en: "no policy was given: the logs' keys are those of the genesis entries in the files"
}

const COMPARE_STEPS: readonly StepName[] = ['policy', 'checkpoint', 'inclusion', 'history']

/** Compares every head of one file with every head of the same log in the other. Without a policy the logs' keys are those the files name. */
export function compareHeads(
  a: readonly ShownHead[],
  b: readonly ShownHead[],
  given: Policy | undefined,
  proofs: readonly Consistency[] = []
): ComparisonReport {
  const steps = new Steps(COMPARE_STEPS)
  const policy = given ?? policyOfFiles([...a, ...b])
  const both = a.flatMap((left) =>
    b.filter((right) => right.checkpoint.origin === left.checkpoint.origin).map((right) => ({ left, right }))
  )
  const signers = new Map<ShownHead, string[] | 'forged'>()
  for (const head of new Set(both.flatMap(({ left, right }) => [left, right]))) signers.set(head, checkHead(head, policy, steps))
  if (given === undefined) steps.note('policy', NO_POLICY.zh, NO_POLICY.en)

  let contradiction: string | undefined
  const pairs = both.map(({ left, right }): Pair => {
    const pair = { origin: left.checkpoint.origin, a: headShown(left), b: headShown(right) }
    // What somebody else wrote into a head shows nothing of the log, and contradicts nothing.
    const [own, other] = [signers.get(left)!, signers.get(right)!]
    if (own === 'forged' || other === 'forged') return { ...pair, relation: 'unknown' }
    const relation = relate(left, right, proofs)
    // Nor what nobody is known to have signed. In files alone anyone can name keys of his own: there one key must have signed both.
    const ofOneLog = given === undefined ? own.some((key) => other.includes(key)) : own.length > 0 && other.length > 0
    if (relation === 'contradiction' && !ofOneLog) {
      sayUnsigned(left, right, steps)
      return { ...pair, relation: 'unknown' }
    }
    const found = relation === 'contradiction' ? contradictionOf(left, right) : undefined
    if (found !== undefined) contradiction ??= formatContradiction(found)
    say(relation, left, right, found !== undefined, steps)
    return { ...pair, relation }
  })
  if (both.length === 0) steps.unchecked('history', '两个文件没有共同的账本', 'the files have no log in common')
  const overall = steps.overall()
  return {
    kind: 'comparison',
    overall,
    headline: headline(steps, pairs, contradiction !== undefined),
    steps: steps.list(),
    pairs,
    ...(contradiction === undefined ? {} : { contradiction })
  }
}

/** The log's keys that have signed it, where any is known; `forged` where the log's signature does not verify. */
function checkHead(head: ShownHead, policy: Policy, steps: Steps): string[] | 'forged' {
  const { origin, size } = head.checkpoint
  const at: [string, string] = [`账本 ${origin} 大小 ${size}：`, `${origin} at size ${size}: `]
  if (policy.logs.some(({ vkey }) => vkey.name === origin)) steps.good('policy')
  else steps.unchecked('policy', `没有账本 ${origin} 的密钥`, `no key of the log ${origin} is known`)
  const signers = signersOf(head, policy).log
  const signed = signers.length > 0
  const forged =
    !signed &&
    head.note.signatures.some((line) => policy.logs.some(({ vkey }) => vkey.name === line.name && vkey.id === line.keyId))
  if (signed) steps.good('checkpoint')
  else if (forged)
    steps.broken('checkpoint', `${at[0]}账本的签名不成立`, `${at[1]}the log's signature does not verify`, 'SIGNATURE_INVALID')
  else steps.unchecked('checkpoint', `${at[0]}没有已知账本密钥的签名`, `${at[1]}no signature by a known key of the log`)
  if (head.places.length > 0) steps.good('inclusion')
  for (const index of head.misplaced)
    steps.broken(
      'inclusion',
      `${at[0]}包含证明不成立（第 ${index} 条）`,
      `${at[1]}inclusion proof does not hold (index ${index})`,
      'PROOF_INVALID'
    )
  return forged ? 'forged' : signers
}

function relate(a: ShownHead, b: ShownHead, proofs: readonly Consistency[]): Pair['relation'] {
  if (contradictionOf(a, b) !== undefined) return 'contradiction'
  if (a.checkpoint.size === b.checkpoint.size) return 'equal'
  const [older, newer] = a.checkpoint.size < b.checkpoint.size ? [a, b] : [b, a]
  const extended = older === a ? 'b-extends-a' : 'a-extends-b'
  const { origin, size, root } = older.checkpoint
  if (size === 0) return extended
  // The proof of the smaller tree's last leaf in the larger one holds, on its left side, all of the smaller tree.
  const last = newer.places.find(({ index }) => index === size - 1)
  if (last !== undefined) {
    const begin = rootEndingAt(last.index, last.leaf, last.inclusion, newer.checkpoint.size)
    return begin !== undefined && equalBytes(begin, root) ? extended : 'contradiction'
  }
  const proven = proofs.some(
    ({ origin: of, from, to, proof }) =>
      of === origin &&
      from === size &&
      to === newer.checkpoint.size &&
      checkConsistency(from, to, root, newer.checkpoint.root, proof)
  )
  return proven ? extended : 'unknown'
}

function sayUnsigned({ checkpoint: a }: ShownHead, { checkpoint: b }: ShownHead, steps: Steps): void {
  steps.unchecked(
    'history',
    `账本 ${a.origin}：大小 ${a.size} 与 ${b.size} 的链头互相排斥，但未能核验两者都是该账本所签`,
    `${a.origin}: the heads of size ${a.size} and ${b.size} exclude each other, but that the log signed both could not be checked`
  )
}

function say(
  relation: Pair['relation'],
  { checkpoint: a }: ShownHead,
  { checkpoint: b }: ShownHead,
  inFile: boolean,
  steps: Steps
): void {
  if (relation === 'contradiction')
    steps.broken(
      'history',
      inFile
        ? `账本 ${a.origin}：大小 ${a.size} 与 ${b.size} 的链头互相矛盾`
        : `账本 ${a.origin}：大小 ${a.size} 与 ${b.size} 的链头不属于同一历史；文件没有显示是哪一条不同，请保留两份文件`,
      inFile
        ? `${a.origin}: the heads of size ${a.size} and ${b.size} contradict each other`
        : `${a.origin}: the heads of size ${a.size} and ${b.size} are not of one history; the files do not show which entry differs: keep both`,
      'PROOF_INVALID'
    )
  else if (relation === 'unknown')
    steps.unchecked(
      'history',
      `账本 ${a.origin}：需要从大小 ${Math.min(a.size, b.size)} 到 ${Math.max(a.size, b.size)} 的一致性证明（--url 可向节点索取）`,
      `${a.origin}: a consistency proof from size ${Math.min(a.size, b.size)} to ${Math.max(a.size, b.size)} is needed (--url asks the node)`
    )
  else if (relation === 'equal')
    steps.good('history', `账本 ${a.origin}：同一链头，大小 ${a.size}`, `${a.origin}: the same head, of size ${a.size}`)
  else
    steps.good(
      'history',
      `账本 ${a.origin}：大小 ${Math.max(a.size, b.size)} 的树是大小 ${Math.min(a.size, b.size)} 的树的延续`,
      `${a.origin}: the tree of size ${Math.max(a.size, b.size)} extends that of size ${Math.min(a.size, b.size)}`
    )
}

function headShown({ checkpoint: { size, root } }: ShownHead): { size: number; root: string } {
  return { size, root: hex(root) }
}

function headline(steps: Steps, pairs: readonly Pair[], inFile: boolean): Words {
  const overall = steps.overall()
  const words = VERDICT_WORDS[overall]
  if (pairs.some(({ relation }) => relation === 'contradiction'))
    return {
      zh: `${words.zh}；两个文件显示的不是同一历史${inFile ? '，矛盾可由文件证明' : ''}。`,
      en: `${words.en}; the files do not show one history${inFile ? ', and a file can prove the contradiction' : ''}.`
    }
  if (overall === 'verified') return { zh: `${words.zh}；两个文件显示同一历史。`, en: `${words.en}; the files show one history.` }
  return { zh: `${words.zh}；未能证明两个文件显示同一历史。`, en: `${words.en}; that the files show one history is not proven.` }
}
