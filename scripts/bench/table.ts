/** Figures and how they are shown: beside each its ratio to the yardstick, and whether it is what it should be. */
import { availableParallelism, cpus, totalmem } from 'node:os'

export interface Figure {
  what: string
  /** As people read it, with its unit. */
  shown: string
  value: number
  /** To the verification rate measured nearest in time. */
  ratio?: number
  /** What the figure, or its ratio where there is one, should be. */
  target?: { least: number } | { most: number }
  met?: boolean
}

/** Adds `met`. */
export function figure(given: Omit<Figure, 'met'>): Figure {
  if (given.target === undefined) return given
  const measured = given.ratio ?? given.value
  return { ...given, met: 'least' in given.target ? measured >= given.target.least : measured <= given.target.most }
}

export const machine = () => ({
  cores: availableParallelism(),
  model: cpus()[0]?.model.trim() ?? 'unknown',
  memory: totalmem(),
  node: process.version
})

/** `12 345.6`: digits in threes. */
export function number(value: number, digits = 0): string {
  const [whole, rest] = value.toFixed(digits).split('.')
  return whole!.replace(/\B(?=(?:\d{3})+$)/g, ' ') + (rest === undefined ? '' : `.${rest}`)
}

export const megabytes = (bytes: number): string => `${number(bytes / 1e6)} MB`

export function row({ what, shown, ratio, target, value, met }: Figure): string {
  const bound = target === undefined ? '' : 'least' in target ? `≥ ${target.least}` : `≤ ${target.most}`
  const short = met === false && target !== undefined ? shortBy(ratio ?? value, target) : ''
  const verdict = met === undefined ? '' : met ? 'PASS' : `SHORT ${short}`
  return `  ${what.padEnd(46)} ${shown.padStart(22)}  ${(ratio?.toFixed(3) ?? '').padStart(6)}  ${bound.padEnd(12)} ${verdict}`.trimEnd()
}

function shortBy(measured: number, target: NonNullable<Figure['target']>): string {
  const bound = 'least' in target ? target.least : target.most
  return bound === 0 ? `by ${number(measured)}` : `${Math.round((measured / bound) * 100)} %`
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5)
}

/** The smallest of the numbers that is at least as large as this part of them. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}
