/**
 * Verdicts: every step of formats.md §9–10 says verified, broken, could not check or not applicable, in order and in plain words. A bad
 * signature or proof is a verdict, never an exception; only input that cannot be read at all throws.
 */
import { type Code, LianzhengError } from '../core/errors.ts'

export type Verdict = 'verified' | 'broken' | 'could-not-check' | 'not-applicable'

export interface Words {
  zh: string
  en: string
}

export const VERDICT_WORDS: Readonly<Record<Verdict, Words>> = {
  verified: { zh: '核验一致', en: 'verified' },
  broken: { zh: '核验不一致', en: 'broken' },
  'could-not-check': { zh: '暂时无法核验', en: 'could not check' },
  'not-applicable': { zh: '不适用', en: 'not applicable' }
}

/** Steps in the order of formats.md §9; `trail` stands in certificates, the last ones in what §12 and §13 describe. */
export const STEPS = {
  policy: { zh: '策略', en: 'policy' },
  checkpoint: { zh: '链头签名', en: 'checkpoint signature' },
  quorum: { zh: '见证法定数', en: 'quorum' },
  seal: { zh: '封印', en: 'seal' },
  inclusion: { zh: '包含证明', en: 'inclusion' },
  trail: { zh: '轨迹完整', en: 'trail' },
  authority: { zh: '授权链', en: 'authority' },
  keyTrails: { zh: '密钥轨迹', en: 'key trails' },
  statement: { zh: '记录签名', en: 'statement' },
  schema: { zh: '内容与轨迹归属', en: 'schema and trails' },
  disclosures: { zh: '披露内容', en: 'disclosures' },
  files: { zh: '文件摘要', en: 'file digests' },
  timestamps: { zh: '时间戳', en: 'timestamps' },
  signature: { zh: '签名', en: 'signature' },
  kept: { zh: '承诺兑现', en: 'promise kept' },
  history: { zh: '历史一致', en: 'same history' },
  contradiction: { zh: '矛盾成立', en: 'contradiction' }
} as const satisfies Record<string, Words>

export type StepName = keyof typeof STEPS

export interface Note extends Words {
  code?: Code
}

export interface Step extends Words {
  step: StepName
  verdict: Verdict
  notes: Note[]
}

/** Collects what is found; a step is as bad as the worst thing said of it. */
export class Steps {
  readonly #found = new Map<StepName, { verdict: Verdict; notes: Note[] }>()

  constructor(names: readonly StepName[]) {
    for (const name of names) this.#found.set(name, { verdict: 'not-applicable', notes: [] })
  }

  /** Something checked and found good; raises `not-applicable` to `verified` and nothing else. */
  good(name: StepName, zh?: string, en?: string): void {
    this.#add(name, 'verified', zh, en)
  }
  broken(name: StepName, zh: string, en: string, code?: Code): void {
    this.#add(name, 'broken', zh, en, code)
  }
  unchecked(name: StepName, zh: string, en: string, code?: Code): void {
    this.#add(name, 'could-not-check', zh, en, code)
  }
  /** Said with the step, changing nothing. */
  note(name: StepName, zh: string, en: string): void {
    this.#found.get(name)!.notes.push({ zh, en })
  }
  /** An error as a finding: broken, or could-not-check for what a newer version may understand. */
  error(name: StepName, error: unknown, zh = '', en = ''): void {
    if (!(error instanceof LianzhengError)) throw error
    const verdict = BEYOND_US.has(error.code) ? 'could-not-check' : 'broken'
    this.#add(name, verdict, zh + error.text('zh'), en + error.text('en'), error.code)
  }
  verdict(name: StepName): Verdict {
    return this.#found.get(name)?.verdict ?? 'not-applicable'
  }

  #add(name: StepName, verdict: Verdict, zh?: string, en?: string, code?: Code): void {
    const step = this.#found.get(name)!
    step.verdict = worse(step.verdict, verdict)
    if (zh !== undefined && en !== undefined) step.notes.push({ zh, en, ...(code === undefined ? {} : { code }) })
  }

  list(): Step[] {
    return [...this.#found].map(([step, { verdict, notes }]) => ({ step, ...STEPS[step], verdict, notes }))
  }
  overall(): Verdict {
    return [...this.#found.values()].reduce<Verdict>((worst, { verdict }) => worse(worst, verdict), 'not-applicable')
  }
}

/** What a verifier of another version might be able to check (formats.md §9, "Could not check"). */
const BEYOND_US: ReadonlySet<Code> = new Set<Code>(['TYPE_UNKNOWN', 'TYPE_VERSION_UNKNOWN', 'ALGORITHM_UNSUPPORTED'])

const ORDER: readonly Verdict[] = ['not-applicable', 'verified', 'could-not-check', 'broken']

export function worse(a: Verdict, b: Verdict): Verdict {
  return ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b
}

/** Exit status of the command line: 0 verified · 1 broken · 2 could not check. */
export function exitStatus(verdict: Verdict): 0 | 1 | 2 {
  return verdict === 'verified' ? 0 : verdict === 'broken' ? 1 : 2
}
