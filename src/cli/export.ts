/** `export`: a receipt in other people's formats (formats.md §11). */
import { base64 } from '../core/bytes.ts'
import { useNative } from '../node/native.ts'
import { parseReceipt } from '../verify/files.ts'
import { type Io, printJson, readText, say, writeNew } from './io.ts'

export async function run(args: { file: string; format: 'tlog-proof' | 'statement'; out: string }, io: Io): Promise<number> {
  useNative()
  const receipt = parseReceipt(readText(args.file))
  // C2SP tlog-proof v1; the entry it proves is the statement, which `--format statement` writes.
  const proof = [
    'c2sp.org/tlog-proof@v1',
    `index ${receipt.index}`,
    ...receipt.inclusion.map(base64),
    '',
    receipt.checkpoint
  ].join('\n')
  writeNew(args.out, args.format === 'tlog-proof' ? proof : receipt.statement)
  if (io.json) printJson(io, { out: args.out, format: args.format })
  say(io, `已写入 ${args.out}`, `written ${args.out}`)
  return 0
}
