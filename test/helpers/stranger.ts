/** A log of other software: text entries, an Ed25519 key, checkpoints and proofs computed from the whole list. */
import { type Bytes, base64, concat, utf8 } from '../../src/core/bytes.ts'
import { leafHash, sha256 } from '../../src/core/hash.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { proveConsistency } from '../../src/core/merkle.ts'
import { formatNote, makeVkey, signNote, TYPE_ED25519, type Vkey } from '../../src/core/note.ts'
import { proveSubtree, subtreeRoot } from '../../src/core/subtree.ts'
import { formatAddCheckpoint } from '../../src/peer/messages.ts'
import { encodePackage, encodeUpload, packagesOf } from '../../src/peer/packages.ts'
import { naiveNodes, naiveRoot } from './naive-tree.ts'

/** The body of an add-entries, made from whole lists. */
export function uploadOf(
  log: { origin: string; entries: readonly Bytes[] },
  start: number,
  end: number,
  { packages = Number.POSITIVE_INFINITY, ticket = new Uint8Array(0) as Bytes, size = end } = {}
): Bytes {
  const read = naiveNodes(log.entries.slice(0, size).map(leafHash))
  const parts = [...packagesOf(start, end)].slice(0, packages).map((place) =>
    encodePackage({
      entries: log.entries.slice(place.start, place.end),
      proof: proveSubtree(place.from, place.end, size, read)
    })
  )
  return concat(encodeUpload({ origin: log.origin, start, end, ticket }), ...parts)
}

export class Stranger {
  readonly origin: string
  readonly entries: Bytes[]
  readonly #leaves: Bytes[]
  readonly #signer: ReturnType<typeof ed25519Signer>
  readonly vkey: Vkey

  constructor(origin = 'Stranger’s log, with spaces', size = 600, seed = 'stranger', word = 'entry') {
    this.origin = origin
    this.#signer = ed25519Signer(sha256(utf8(seed)))
    this.vkey = makeVkey('stranger.example/key', TYPE_ED25519, this.#signer.publicKey)
    this.entries = Array.from({ length: size }, (_, i) => utf8(`${word}-${i}`))
    this.#leaves = this.entries.map(leafHash)
  }

  root(size: number): Bytes {
    return naiveRoot(this.#leaves.slice(0, size))
  }

  /** A signed checkpoint; extension lines and another root where a test wants them. */
  checkpoint(size: number, { extension = '', root = this.root(size) }: { extension?: string; root?: Bytes } = {}): string {
    const text = `${this.origin}\n${size}\n${base64(root)}\n${extension}`
    return formatNote({ text, signatures: [signNote(text, this.vkey.name, this.#signer)] })
  }

  consistency(from: number, to: number): Bytes[] {
    return from === 0 || from === to ? [] : proveConsistency(from, to, naiveNodes(this.#leaves))
  }

  subtree(start: number, end: number, size: number): { hash: Bytes; proof: Bytes[] } {
    const read = naiveNodes(this.#leaves)
    return { hash: subtreeRoot(start, end, read), proof: proveSubtree(start, end, size, read) }
  }

  /** add-entries of [start, end), whole or its first packages. */
  upload(start: number, end: number, { packages = Number.POSITIVE_INFINITY, ticket = new Uint8Array(0) as Bytes } = {}): Bytes {
    return uploadOf(this, start, end, { packages, ticket })
  }

  /** add-checkpoint from one size to another. */
  extend(old: number, size: number, note = this.checkpoint(size)): string {
    return formatAddCheckpoint(old, this.consistency(Math.min(old, size), size), note)
  }
}
