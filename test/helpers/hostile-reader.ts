/** What a reader under attack is, and what is common to those of texts. */
import { type Bytes, utf8 } from '../../src/core/bytes.ts'
import { changeText, inventText, type Material } from './hostile.ts'

export interface Target extends Material {
  name: string
  /** Reads what only the disk gives: there a FatalError is as good a refusal. */
  ofStore?: true
  read(input: Bytes, sample: Bytes): unknown
}

export class Wrong extends Error {}

export function must(holds: boolean, what: string): void {
  if (!holds) throw new Wrong(what)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
export const textOf = (bytes: Bytes): string => decoder.decode(bytes)
export const texts = (...samples: string[]): Bytes[] => samples.map(utf8)

/** A text with one accepted form: what is read and written again is the same. */
export function oneForm<T>(name: string, samples: string[], read: (text: string) => T, format: (value: T) => string): Target {
  return {
    name,
    samples: texts(...samples),
    change: changeText,
    invent: inventText,
    read: (input) => {
      const text = textOf(input)
      must(format(read(text)) === text, 'a second form was accepted')
    }
  }
}
