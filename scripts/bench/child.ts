/** A child of the bench: `child <phase> <options as JSON>`, its result as a message to the parent. */

import { certificate } from './certificate.ts'
import { hypercore } from './hypercore.ts'
import { load, paced } from './load.ts'
import { openStore } from './opening.ts'
import { keepMeasuring } from './rate.ts'
import { signRecords } from './records.ts'
import { write } from './writing.ts'

export type Asked<Result> = { kind: 'rate' } | { kind: 'progress'; text: string } | { kind: 'result'; result: Result }

/** What a phase may ask of the parent. */
export interface Parent {
  progress(text: string): void
  /** The verification rate; nothing of the phase runs meanwhile. */
  rate(): Promise<number>
}

const parent: Parent = {
  progress: (text) => process.send!({ kind: 'progress', text }),
  rate: () =>
    new Promise((resolve) => {
      process.once('message', (message) => resolve((message as { rate: number }).rate))
      process.send!({ kind: 'rate' })
    })
}

const PHASES: { [name: string]: (options: never, parent: Parent) => Promise<object> } = {
  records: signRecords,
  write,
  open: openStore,
  load,
  paced,
  certificate,
  hypercore
}

const [phase, options = '{}'] = process.argv.slice(2)
if (phase === 'rate') keepMeasuring()
else {
  const result = await PHASES[phase!]!(JSON.parse(options) as never, parent)
  process.send!({ kind: 'result', result }, () => process.disconnect())
}
