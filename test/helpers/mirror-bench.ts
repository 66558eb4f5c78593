/** A mirror of one log over memory stores, with a clock that the test moves, and the log's side of the protocol made from whole lists. */
import { createHash } from 'node:crypto'
import { type Bytes, utf8 } from '../../src/core/bytes.ts'
import type { LianzhengError } from '../../src/core/errors.ts'
import { leafHash } from '../../src/core/hash.ts'
import { proveConsistency } from '../../src/core/merkle.ts'
import { parseVkey, type Vkey } from '../../src/core/note.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import { Copy } from '../../src/peer/copy.ts'
import { type CosignerKeys, cosignerKeys } from '../../src/peer/cosigner.ts'
import { Heads } from '../../src/peer/heads.ts'
import { formatAddCheckpoint } from '../../src/peer/messages.ts'
import { Mirror, mirrored, type Uploaded } from '../../src/peer/mirror.ts'
import { CLASSES } from '../../src/records/ids.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { type LyingNode, logVkey } from './lying-node.ts'
import { naiveNodes } from './naive-tree.ts'
import { uploadOf } from './stranger.ts'

let made: CosignerKeys | undefined

export class MirrorBench {
  readonly log: LyingNode
  store = new MemoryStore()
  readonly headStore = new MemoryStore()
  mirror!: Mirror
  copy!: Copy
  now: number
  /** The log's keys, as the mirror is told; from the next start on. */
  vkeys: Vkey[]
  readonly alarms: LianzhengError[] = []

  private constructor(log: LyingNode) {
    this.log = log
    this.now = log.now
    this.vkeys = [parseVkey(logVkey(log.origin))]
  }

  static async open(log: LyingNode): Promise<MirrorBench> {
    const bench = new MirrorBench(log)
    await bench.start()
    return bench
  }

  async start(): Promise<void> {
    made ??= cosignerKeys(
      'discipline.example',
      'mirror',
      (purpose) => new Uint8Array(createHash('sha256').update(purpose).digest())
    )
    const mark = { exists: () => false, make: () => {} }
    const heads = await Heads.open(this.headStore, 'discipline.example', mark)
    const watched = {
      origin: this.log.origin,
      vkeys: this.vkeys,
      role: 'mirror' as const,
      classes: CLASSES
    }
    const clock = () => this.now
    this.copy = await Copy.open({ log: watched, store: this.store, verifier: nativeVerifier, clock })
    this.mirror = new Mirror({
      keys: made,
      copies: [this.copy],
      heads,
      clock,
      random: (length) => new Uint8Array(length).fill(7),
      onContradiction: () => {},
      onDisagreement: (_, __, error) => this.alarms.push(error)
    })
  }

  /** Size of the checkpoint cosigned. */
  get size(): number {
    return mirrored(this.copy)
  }

  /** Pushes the log's last seal as its node would. */
  async push(): Promise<Uploaded> {
    await this.add()
    return this.send(uploadOf(this.log, this.copy.next, this.log.entries.length))
  }

  /** add-checkpoint alone. */
  async add(): Promise<void> {
    const { log, mirror } = this
    this.now = Math.max(this.now, log.now)
    const size = log.entries.length
    const pending = mirror.status()[0]!.pending
    const leaves = log.entries.map(leafHash)
    const proof = pending === 0 || pending === size ? [] : proveConsistency(pending, size, naiveNodes(leaves))
    await mirror.addCheckpoint(utf8(formatAddCheckpoint(pending, proof, log.note(size, {}))))
  }

  /** add-entries alone. */
  send(body: Bytes): Promise<Uploaded> {
    return this.mirror.addEntries(chunks(body))
  }
}

/** As it comes over a network, in pieces that end anywhere. */
async function* chunks(body: Bytes): AsyncGenerator<Bytes> {
  for (let at = 0; at < body.length; at += 1_000) yield body.subarray(at, at + 1_000)
}
