/** `trail`: a whole trail, fetched, verified, and kept as a certificate. */
import { useNative } from '../node/native.ts'
import { normaliseCaseNumber } from '../records/ids.ts'
import { exitStatus } from '../verify/verdict.ts'
import { fieldNames, type Io, readPolicy, say, writeNew } from './io.ts'
import { readSecretKey } from './key.ts'
import { printReport } from './print.ts'
import { connect } from './session.ts'

export async function run(
  args: { name: string; url: string; policy: string; key?: string; out?: string; disclose?: string },
  io: Io
): Promise<number> {
  useNative()
  const policy = readPolicy(args.policy)
  const key = args.key === undefined ? undefined : await readSecretKey(args.key, io)
  const client = connect(io, args.url, { key, policy })
  const { certificate, report } = await client.trail(trailName(args.name), policy, fieldNames(args.disclose))
  if (args.out !== undefined) writeNew(args.out, certificate)
  printReport(report, io)
  if (args.out !== undefined) say(io, `证书 ${args.out}`, `certificate ${args.out}`)
  return exitStatus(report.overall)
}

/** A case number may be typed with half-width brackets. */
function trailName(typed: string): string {
  const [kind, ...id] = typed.split(':')
  return kind === 'case' || kind === 'case-internal' ? `${kind}:${normaliseCaseNumber(id.join(':'))}` : typed
}
