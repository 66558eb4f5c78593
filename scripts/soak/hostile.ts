/** A child of `soak --only fuzz`: inputs [from, to) of one target, its progress and its result as messages. */
import { hostileRequests } from '../../test/helpers/hostile-http.ts'
import { attack } from '../../test/helpers/hostile-run.ts'
import { hostileTargets } from '../../test/helpers/hostile-targets.ts'

/** An input that takes longer, on whatever machine, has gone wrong. */
const HUNG_MS = 5_000

const [name, seed, from, to] = process.argv.slice(2) as [string, string, string, string]
const requests = name.startsWith('HTTP') ? await hostileRequests() : undefined
const target = (requests?.targets ?? (await hostileTargets())).find((one) => one.name === name)!
const attacked = await attack(target, seed, Number(from), Number(to), {
  hungMs: HUNG_MS,
  onProgress: (n) => process.send!({ at: n })
})
await requests?.close()
process.send!({ attacked }, () => process.disconnect())
