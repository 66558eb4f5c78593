/** What other nodes send, and what people and disks hand over beside receipts: requests to cosigners, manifests, seeds, disclosures at rest. */
import { parseManifest } from '../../src/cli/manifest.ts'
import { type Bytes, base64, concat, equalBytes, u64, utf8 } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/hash.ts'
import { rootOfLeaves } from '../../src/core/merkle.ts'
import { formatNote, formatSignatureLine, parseNote } from '../../src/core/note.ts'
import { checkSubtree, proveSubtree } from '../../src/core/subtree.ts'
import {
  formatAddCheckpoint,
  formatSignSubtree,
  parseAddCheckpoint,
  parseSignatureLines,
  parseSignSubtree
} from '../../src/peer/messages.ts'
import {
  encodePackage,
  encodeUpload,
  formatMirrorInfo,
  packagesOf,
  parseMirrorInfo,
  UploadReader
} from '../../src/peer/packages.ts'
import { disclosureCipher } from '../../src/store/disclosures.ts'
import { changeText, inventText } from './hostile.ts'
import { must, oneForm, type Target, textOf, texts } from './hostile-reader.ts'

async function* piecesOf(bytes: Bytes, size: number): AsyncIterable<Bytes> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export function messageTargets({ note, leaves }: { note: string; leaves: readonly Bytes[] }): Target[] {
  const [start, end, size] = [4, 8, leaves.length]
  const subtree = rootOfLeaves(leaves.slice(start, end))
  const root = rootOfLeaves(leaves)
  const proof = proveSubtree(start, end, size, (nodes) =>
    nodes.map(({ level, index }) => rootOfLeaves(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)))
  )
  const proven = concat(u64(start), u64(end), ...proof)

  const cipher = disclosureCipher(sha256(utf8('hostile disclosures')))
  const sealed = cipher.seal(7, [utf8('one'), utf8('another')])
  const digest = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
  const packages = [leaves.slice(0, 2), leaves.slice(2, 4)].map((entries) =>
    encodePackage({ entries: [...entries], proof: [root] })
  )
  const lines = parseNote(note).signatures.map((line) => formatSignatureLine(line))

  return [
    oneForm(
      'add-checkpoint',
      [formatAddCheckpoint(0, [], note), formatAddCheckpoint(9, leaves.slice(0, 4), note)],
      (text) => parseAddCheckpoint(utf8(text)),
      ({ old, proof: hashes, note: head }) => formatAddCheckpoint(old, hashes, formatNote(head))
    ),
    oneForm(
      'sign-subtree',
      [formatSignSubtree({ start, end, hash: subtree, proof }, note)],
      (text) => parseSignSubtree(utf8(text)),
      ({ note: head, checkpoint: _, ...message }) => formatSignSubtree(message, formatNote(head))
    ),
    {
      name: 'upload to a mirror',
      samples: [
        concat(encodeUpload({ origin: 'court.example/evidence', start: 254, end: 258, ticket: sealed }), ...packages),
        encodeUpload({ origin: 'court.example/evidence', start: 0, end: 0, ticket: new Uint8Array(0) })
      ],
      read: async (input) => {
        // As it may arrive: whole, and in pieces of any size.
        for (const piece of [input.length, 1 + (input.length % 13)]) {
          const reader = new UploadReader(piecesOf(input, Math.max(1, piece)))
          const upload = await reader.upload()
          const read = [encodeUpload(upload)]
          for (const { start: first, end: last } of packagesOf(upload.start, upload.end)) {
            const one = await reader.package(last - first)
            if (one === undefined) break
            read.push(encodePackage(one))
          }
          const again = concat(...read)
          must(equalBytes(again, input.subarray(0, again.length)), 'other bytes were read than were sent')
        }
      }
    },
    oneForm(
      'mirror info',
      [
        formatMirrorInfo({ size: 12, next: 3, ticket: sealed }),
        formatMirrorInfo({ size: 0, next: 0, ticket: new Uint8Array(0) })
      ],
      (text) => parseMirrorInfo(utf8(text)),
      formatMirrorInfo
    ),
    {
      name: 'signature lines',
      samples: texts(lines.join(''), lines[0]!, ''),
      change: changeText,
      invent: inventText,
      read: (input) => {
        for (const line of parseSignatureLines(input)) must(base64(line.signature).length > 0, 'a line without a signature')
      }
    },
    {
      name: 'proof of a subtree',
      samples: [proven],
      read: (input) => {
        const view = new DataView(input.buffer, input.byteOffset, input.length)
        const number = (at: number) => (input.length >= at + 8 ? Number(view.getBigInt64(at)) : at)
        const hashes: Bytes[] = []
        for (let at = 16; at < input.length; at += 32) hashes.push(input.subarray(at, at + 32))
        must(
          !checkSubtree(number(0), number(8), size, subtree, root, hashes) || equalBytes(input, proven),
          'a changed proof holds'
        )
      }
    },
    {
      name: 'manifest',
      samples: texts(`lianzheng-manifest/v1\n${digest} 3 a.txt\n${digest} 0 子/乙.pdf\n`, 'lianzheng-manifest/v1\n'),
      change: changeText,
      invent: inventText,
      read: (input) => {
        const text = textOf(input)
        const files = parseManifest(text)
        if (files === undefined) return
        const again = `lianzheng-manifest/v1\n${files.map(({ path, size, sha256 }) => `${sha256} ${size} ${path}\n`).join('')}`
        must(again === text, 'a second form was accepted')
      }
    },
    {
      name: 'disclosures at rest',
      ofStore: true,
      samples: [sealed],
      read: (input) => {
        cipher.open(7, input)
        must(equalBytes(input, sealed), 'a changed value opens')
      }
    }
  ]
}
