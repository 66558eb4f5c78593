/** `export`: a receipt in other people's formats (formats.md §11); a receipt or certificate with fewer disclosures. */
import { type Bytes, base64, equalBytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { leafHash } from '../core/hash.ts'
import { keyId } from '../core/keys.ts'
import { decodeScittReceipt, transparentStatement, verifyScittReceipt } from '../core/scitt.ts'
import { decodeStatement } from '../core/statement.ts'
import { useNative } from '../node/native.ts'
import { discloseCertificate, discloseReceipt } from '../verify/disclose.ts'
import { formatCertificate, formatReceipt, parseCertificate, parseReceipt, type Receipt } from '../verify/files.ts'
import { fieldNames, type Io, printJson, readExact, readPolicy, say, writeNew } from './io.ts'
import { readSecretKey } from './key.ts'
import { connect } from './session.ts'

interface Args {
  file: string
  format: 'tlog-proof' | 'statement' | 'cose' | 'receipt' | 'trail'
  out: string
  url?: string
  key?: string
  policy?: string
  disclose?: string
}

export async function run(args: Args, io: Io): Promise<number> {
  useNative()
  const fields = fieldNames(args.disclose)
  if ((fields !== undefined) !== OWN.includes(args.format))
    throw new LianzhengError('USAGE', { field: '--disclose', expected: `with --format ${OWN.join(' | ')}, and with these alone` })
  writeNew(args.out, await exported(readExact(args.file), args, fields ?? [], io))
  if (io.json) printJson(io, { out: args.out, format: args.format })
  say(io, `已写入 ${args.out}`, `written ${args.out}`)
  return 0
}

/** Formats of our own, written again with other disclosures. */
const OWN: readonly string[] = ['receipt', 'trail']

async function exported(text: string, args: Args, fields: readonly string[], io: Io): Promise<string | Bytes> {
  if (args.format === 'trail') return formatCertificate(discloseCertificate(parseCertificate(text), fields))
  const receipt = parseReceipt(text)
  switch (args.format) {
    case 'receipt':
      return formatReceipt(discloseReceipt(receipt, fields))
    case 'tlog-proof':
      return tlogProof(receipt)
    case 'statement':
      return receipt.statement
    case 'cose':
      return transparent(receipt, args, io)
  }
}

/** C2SP tlog-proof v1; the entry it proves is the statement, which `--format statement` writes. */
function tlogProof({ index, inclusion, checkpoint }: Receipt): string {
  return ['c2sp.org/tlog-proof@v1', `index ${index}`, ...inclusion.map(base64), '', checkpoint].join('\n')
}

/** Only the log can sign a SCITT receipt: it is asked for, and held to a receipt key that the chain of authority names. */
async function transparent({ origin, statement, authority }: Receipt, args: Args, io: Io): Promise<Bytes> {
  if (args.url === undefined)
    throw new LianzhengError('USAGE', { field: '--url', expected: 'the address of the node, which signs SCITT receipts' })
  const key = args.key === undefined ? undefined : await readSecretKey(args.key, io)
  const policy = args.policy === undefined ? undefined : readPolicy(args.policy)
  const bytes = await connect(io, args.url, { key, policy }).scittReceipt(origin, leafHash(statement))
  const keys = authority.flatMap(({ statement: entry }) => receiptKeyIn(entry))
  try {
    const given = decodeScittReceipt(bytes)
    const named = keys.find((one) => equalBytes(keyId(one), given.kid))
    if (named !== undefined && verifyScittReceipt(given, statement, named)) return transparentStatement(statement, bytes)
  } catch (cause) {
    throw new LianzhengError('ANSWER_INVALID', { field: 'receipt', expected: 'a SCITT receipt', cause })
  }
  throw new LianzhengError('ANSWER_INVALID', {
    field: 'receipt',
    expected: 'a SCITT receipt of this statement by the receipt key of the log'
  })
}

/** What genesis and later changes of the node's keys name. */
function receiptKeyIn(entry: Bytes): Bytes[] {
  const keys = decodeStatement(entry).body.get('keys')
  const key = keys instanceof Map ? keys.get('receipt') : undefined
  return key instanceof Uint8Array && key.length === 32 ? [key] : []
}
