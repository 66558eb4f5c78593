/** What a log hands out beside receipts, and what proves that it broke its word: promises, refusals, SCITT receipts, contradictions, files compared. */
import { type Bytes, base64url, equalBytes, fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { leafHash, sha256 } from '../../src/core/hash.ts'
import { rootOfLeaves } from '../../src/core/merkle.ts'
import { parseNote } from '../../src/core/note.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { decodeHandout, signPromise, signRefusal } from '../../src/core/promise.ts'
import { decodeScittReceipt, signScittReceipt, verifyScittReceipt } from '../../src/core/scitt.ts'
import { signHead } from '../../src/log/head.ts'
import { compareHeads } from '../../src/verify/compare.ts'
import { formatContradiction, parseContradiction, verifyContradiction } from '../../src/verify/contradiction.ts'
import { formatCertificate, formatReceipt } from '../../src/verify/files.ts'
import { verifyHandout } from '../../src/verify/handout.ts'
import { headsOf } from '../../src/verify/heads.ts'
import { changeJson, changeText, inventJson } from './hostile.ts'
import { inventCbor } from './hostile-cbor.ts'
import { must, type Target, textOf, texts } from './hostile-reader.ts'
import { all, type Lab, OPERATOR } from './lab.ts'
import { mutate } from './mutations.ts'

/** `index`: of a record in the lab's log; `trail`: one of its trails. */
export function handoutTargets(lab: Lab, index: number, trail: string): Target[] {
  const policy = parsePolicy(lab.policy())
  const now = Math.floor(lab.now / 1000) + 3_600
  const { note, size, root } = lab.sequencer.published!
  const { bytes: statement, leaf } = lab.reader.statement(index)
  const receipt = formatReceipt(lab.reader.receipt(index, all))
  const certificate = formatCertificate({ trail, parts: [lab.reader.trailPart(trail, all)] })

  const by = { origin: lab.origin, operator: OPERATOR, signer: lab.keys.promise, cti: sha256(utf8('handout')).subarray(0, 16) }
  const promise = signPromise({ leaf, time: lab.now - 1_000, by: lab.now + 60_000 }, by)
  const refusal = signRefusal({ digest: sha256(statement), code: 'FIELD_INVALID', time: lab.now, catalogue: 1 }, by)
  const handouts = [promise, refusal]
  const beside = [
    { name: 'receipt', text: receipt, sha256: sha256(utf8(receipt)), size: receipt.length, bytes: utf8(receipt) },
    { name: 'statement', sha256: sha256(statement), size: statement.length, bytes: statement }
  ]

  const leaves = Array.from({ length: size }, (_, i) => lab.reader.statement(i).leaf)
  const claims = { iss: OPERATOR, sub: `ledger:${lab.origin}` }
  const place = { size, index, path: lab.reader.inclusion(index, size) }
  const scitt = signScittReceipt(claims, place, rootOfLeaves(leaves), lab.keys.receipt)
  const scittRead = decodeScittReceipt(scitt)

  const other = signHead({ size, root: leafHash(root), seal: undefined }, lab.keys)
  const contradiction = formatContradiction({
    kind: 'same-size',
    origin: lab.origin,
    a: { checkpoint: note },
    b: { checkpoint: other }
  })
  const headTexts = [note, other].map((one) => parseNote(one).text)
  const ownHeads = headsOf(receipt)

  return [
    {
      name: 'promise or refusal',
      samples: handouts,
      invent: inventCbor,
      read: (input) => {
        decodeHandout(input)
        const { overall } = verifyHandout(input, policy, { now, beside })
        const own = handouts.some((one) => equalBytes(one, input))
        must(own === (overall === 'verified'), own ? `its own promise is ${overall}` : 'a changed promise is verified')
      }
    },
    {
      name: 'SCITT receipt',
      samples: [scitt],
      invent: inventCbor,
      read: (input) => {
        const read = decodeScittReceipt(input)
        if (!verifyScittReceipt(read, statement, lab.keys.receipt.publicKey))
          return must(!equalBytes(input, scitt), 'its own does not hold')
        // A root is not bound to the size of its tree; all else is.
        const samePath = read.path.length === place.path.length && read.path.every((hash, i) => equalBytes(hash, place.path[i]!))
        must(
          read.index === index && samePath && equalBytes(read.protectedBytes, scittRead.protectedBytes),
          'a changed receipt holds'
        )
      }
    },
    {
      name: 'contradiction',
      samples: texts(contradiction),
      change: (sample, random) =>
        random(3) === 0 ? changeJson(sample, random) : new Uint8Array(mutate(textOf(sample), [textOf(sample)], random).bytes),
      invent: inventJson,
      read: (input) => {
        const text = fromUtf8(input)
        if (verifyContradiction(text, policy, { now }).overall !== 'verified')
          return must(text !== contradiction, 'what is one is not proven')
        const { kind, a, b } = parseContradiction(text)
        must(kind === 'same-size', 'another contradiction is proven')
        const shown = [a, b].map((one) => parseNote((one as { checkpoint: string }).checkpoint).text)
        must(
          shown.every((one) => headTexts.includes(one)) && shown[0] !== shown[1],
          'heads that nobody signed contradict each other'
        )
      }
    },
    {
      name: 'files compared',
      samples: texts(receipt, certificate, note),
      change: (sample, random) => {
        if (textOf(sample) === note || random(3) === 0) return changeText(sample, random)
        return new Uint8Array(mutate(textOf(sample), [textOf(sample)], random).bytes)
      },
      read: (input) => {
        const report = compareHeads(headsOf(fromUtf8(input)), ownHeads, policy)
        must(report.contradiction === undefined, `a contradiction in ${base64url(sha256(input as Bytes))}`)
      }
    }
  ]
}
