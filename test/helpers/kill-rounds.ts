/**
 * Rounds of `kill -9`: a node under load is killed at a random moment and started again on the same data. What it had answered must be there, what it had
 * not can be sent again and gets one place. Throws at the first record for which that is not so.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Dice, type Entry, Load } from './load.ts'
import { lianzheng, type Network, NodeProcess } from './node-process.ts'

export interface KillOptions {
  network: Network
  rounds: number
  seed: string
  perSecond: number
  /** Milliseconds from the first answer to the kill: drawn from [least, most). */
  load: readonly [least: number, most: number]
  /** Older records read back in each round, drawn at random; all of them without it. What the last round sent is always read back, and after the last round everything. */
  sample?: number
  /** After so many rounds the data is audited as the kill left it. */
  auditEvery?: number
  onRound?(round: Round): void
}

export interface Round {
  round: number
  /** Milliseconds from the first answer to the kill. */
  killedAfter: number
  sent: number
  answered: number
  /** Requests that had no answer when the process was killed. */
  inFlight: number
  /** Records without an answer, sent again after the restart, and how many of these were there already. */
  resent: number
  known: number
  /** Milliseconds from start to ready, after the kill. */
  restart: number
  checked: number
  audited: boolean
}

export interface KillTotals {
  rounds: Round[]
  sent: number
  /** How requests ended: see `Load.outcomes`. */
  outcomes: ReadonlyMap<string, number>
  /** Of the clean stop after the last round. */
  stop: { code: number | null; ms: number }
}

export async function killRounds(options: KillOptions): Promise<KillTotals> {
  const { network, perSecond } = options
  const dice = new Dice(options.seed)
  let node = await NodeProcess.start(network.config)
  try {
    const load = await Load.open(network, dice)
    const rounds: Round[] = []
    for (let round = 1; round <= options.rounds; round++) {
      const first = load.entries.length
      const killedAfter = dice.between(...options.load)
      let inFlight = 0
      const killed = load.firstAnswer().then(async () => {
        await pause(killedAfter)
        inFlight = load.underway.size
        return node.kill()
      })
      await load.run(perSecond, killed)
      await killed
      checkErrors(node)

      const audited = options.auditEvery !== undefined && round % options.auditEvery === 0
      if (audited) await audit(network)
      const start = performance.now()
      node = await NodeProcess.start(network.config)
      const restart = performance.now() - start

      const [old, sent] = [load.entries.slice(0, first), load.entries.slice(first)]
      const all = round === options.rounds || options.sample === undefined || old.length <= options.sample
      const again = all ? old : new Set(Array.from({ length: options.sample! }, () => dice.pick(old)))
      const answered = sent.filter(({ promised }) => promised)
      const checked = [...again, ...answered]
      await load.check(checked)
      const { resent, known } = await load.resend()
      await load.check(resent)

      const report: Round = {
        round,
        killedAfter,
        sent: sent.length,
        answered: answered.length,
        inFlight,
        resent: resent.length,
        known,
        restart,
        checked: checked.length,
        audited
      }
      rounds.push(report)
      options.onRound?.(report)
    }
    const stop = await node.terminate()
    checkErrors(node)
    await checkCounts(network, load.entries)
    return { rounds, sent: load.entries.length, outcomes: load.outcomes, stop }
  } finally {
    await node.kill()
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A node says on stderr what went wrong inside it, among what it says of every request; refusals while stopping are no error. */
export function checkErrors(node: NodeProcess): void {
  const harmless = /"level":"(?:debug|info)"|"code":"STOPPING"/
  const lines = node.stderr.split('\n').filter((line) => line !== '' && !harmless.test(line))
  if (lines.length > 0) throw new Error(`the node says: ${lines.join('\n')}`)
}

export interface LogAudit {
  origin: string
  records: number
  findings: unknown[]
}

/** `audit --data`, which must find nothing. */
export async function audit(network: Network): Promise<LogAudit[]> {
  const { code, stdout, stderr } = await lianzheng('audit', '--data', network.data, '--policy', network.policyFile, '--json')
  if (code !== 0) throw new Error(`audit ended with ${code}: ${stdout.slice(0, 4_000)} ${stderr}`)
  return JSON.parse(stdout) as LogAudit[]
}

/** As many records in each log as were ever sent to it: none is missing, and none has two places. */
async function checkCounts(network: Network, entries: readonly Entry[]): Promise<void> {
  for (const { origin, records } of await audit(network)) {
    const name = origin.slice(origin.indexOf('/') + 1)
    // Ahead of everything, what `network init` has written: genesis and registrations.
    const first = readdirSync(join(network.directory, 'genesis/court', name)).length
    const expected = first + entries.filter(({ log }) => log === name).length
    if (records !== expected) throw new Error(`${origin} holds ${records} records, and ${expected} were sent to it`)
  }
}
