/** The offline verifier on the body of a request: pure, so that it can run beside the thread that serves. */
import { fromHex } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type JsonValue, parseStrictJson } from '../core/json.ts'
import { parsePolicy } from '../core/policy.ts'
import { verifyParsedCertificate } from '../verify/certificate.ts'
import { readCertificate, readReceipt } from '../verify/files.ts'
import { verifyParsedReceipt } from '../verify/receipt.ts'
import { verifyBody } from './schemas.ts'

export interface VerificationJob {
  /** The body as it came: what a lenient parser leaves out, the offline verifier would have refused. */
  text: string
  /** Where the body brings none. */
  policy: string
  /** Seconds since 1970. */
  now: number
}

/** The report as JSON. Throws `BODY_INVALID`, `JSON_INVALID`, `POLICY_INVALID`, `HEX_INVALID`, `RECEIPT_INVALID` or `CERTIFICATE_INVALID`. */
export function verification({ text, policy: ours, now }: VerificationJob): string {
  const parsed = verifyBody.safeParse(parseStrictJson(text))
  const body = parsed.success ? parsed.data : undefined
  if (body === undefined || (body.receipt === undefined) === (body.certificate === undefined))
    throw new LianzhengError('BODY_INVALID', {
      expected: '{"receipt" or "certificate", "policy"?, "files"?: [{"name", "sha256", "sm3"?}]}'
    })
  const policy = parsePolicy(body.policy ?? ours)
  const files = body.files.map(({ name, sha256, sm3 }) => ({
    name,
    sha256: fromHex(sha256, 32),
    ...(sm3 === undefined ? {} : { sm3: fromHex(sm3, 32) })
  }))
  return JSON.stringify(
    body.receipt !== undefined
      ? verifyParsedReceipt(readReceipt(body.receipt as JsonValue), policy, { now, files })
      : verifyParsedCertificate(readCertificate(body.certificate as JsonValue), policy, { now })
  )
}
