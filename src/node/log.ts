/**
 * One log of a node: its store, opened, and opened again in place once a disk that was full has space again. What is read in between is read from the
 * store as it was: a write that failed has changed nothing that can be seen (store contract). Only `recover` decides what is on disk.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../core/bytes.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import type { Policy } from '../core/policy.ts'
import type { LogContext } from '../http/context.ts'
import { Finality } from '../log/finality.ts'
import type { LogKeys } from '../log/head.ts'
import type { Ledger } from '../log/ledger.ts'
import { Reader } from '../log/reader.ts'
import { recover } from '../log/recover.ts'
import { type Published, Sequencer } from '../log/sequencer.ts'
import type { Push } from '../peer/push.ts'
import { openLevel } from '../store/level.ts'
import type { Store } from '../store/store.ts'
import type { NodeConfig } from './config.ts'
import { takeGenesis } from './genesis.ts'
import { readHeadFile, writeHeadFile } from './head-file.ts'
import { keysOfLog } from './keys.ts'
import { nativeVerifier } from './native.ts'
import { pushOf } from './push.ts'

/** A client that was turned away is never sent off for longer. Seconds. */
const LONGEST_WAIT = 60

export interface NodeLogOptions {
  config: NodeConfig
  seed: Bytes
  /** Milliseconds since 1970. */
  clock(): number
  /** The node's. */
  policy: Policy
  onFatal(error: FatalError): void
  onPublished(log: NodeLog, published: Published): void
  /** The disk is full: the log takes no records until it was opened again. */
  onSuspended(log: NodeLog): void
}

export class NodeLog implements LogContext {
  readonly name: string
  readonly classes: readonly string[]
  ledger!: Ledger
  sequencer!: Sequencer
  reader!: Reader
  readonly finality: Finality
  /** Undefined where the log has no peers. */
  readonly push: Push | undefined
  readonly #options: NodeLogOptions
  /** Of the first generation. */
  readonly #keys: LogKeys
  /** Undefined while it is closed. */
  #store: Store | undefined
  #suspended = false
  #reopening: Promise<void> | undefined
  /** Milliseconds from the time of the last seal to its publication. */
  #lastSealMs = 0

  private constructor({ name, class: held, mirrors, witnesses }: NodeConfig['logs'][number], options: NodeLogOptions) {
    this.name = name
    this.classes = Array.isArray(held) ? held : [held]
    this.#keys = keysOfLog(options.seed, `${options.config.name}/${name}`)
    this.finality = new Finality(options.policy, () => this.sequencer.published?.note)
    this.push = pushOf(this, { mirrors, witnesses }, { ...options, onFatal: (error) => this.#failed(error) })
    this.#options = options
  }

  /** Opens the store and takes in genesis where it is new. Throws DATA_DIR_IN_USE, DISK_FULL, STORE_*, CLOCK_BACKWARDS, CONFIG_*. */
  static async open(log: NodeConfig['logs'][number], options: NodeLogOptions): Promise<NodeLog> {
    const opened = new NodeLog(log, options)
    const { genesisDir, limits } = options.config
    await opened.#open()
    try {
      await takeGenesis(opened.sequencer, opened.ledger, join(genesisDir, opened.name), {
        keys: opened.keys,
        waiting: limits.waiting
      })
    } catch (error) {
      await opened.close()
      throw error
    }
    return opened
  }

  async #open(): Promise<void> {
    const { config, clock, onPublished } = this.#options
    const directory = join(config.dataDir, this.name)
    const headFile = join(config.dataDir, `.${this.name}.head`)
    makeDirectory(directory)
    const store = await openLevel(directory)
    try {
      const recovered = await recover(store, this.#keys, readHeadFile(headFile), { cosigned: this.push !== undefined })
      const sequencer: Sequencer = new Sequencer({
        keys: this.#keys,
        classes: this.classes,
        store,
        recovered,
        verifier: nativeVerifier,
        clock,
        batch: { ...config.batch, capacity: config.limits.waiting },
        onFatal: (error) => this.#failed(error),
        onSigned: (signed) => {
          writeHeadFile(headFile, signed.note)
          return this.push === undefined ? sequencer.publish(signed) : this.push.take(signed)
        },
        onPublished: (published) => {
          this.#lastSealMs = clock() - published.sealTime
          this.finality.published()
          onPublished(this, published)
        }
      })
      await sequencer.purge() // Of erasures that a crash has cut off.
      this.#store = store
      this.ledger = recovered.ledger
      this.sequencer = sequencer
      this.reader = new Reader(recovered.ledger, this.#keys.origin, () => sequencer.published)
      this.#suspended = false // A disk that is full again from here on suspends it again.
      // What was durable and not yet published is asked about again.
      if (this.push !== undefined) await sequencer.resign()
    } catch (error) {
      await store.close()
      throw error
    }
  }

  #failed(error: FatalError): void {
    if (error.code !== 'DISK_FULL') return this.#options.onFatal(error)
    if (this.#suspended) return
    this.#suspended = true
    this.#options.onSuspended(this)
  }

  /** In force. */
  get keys(): LogKeys {
    return this.sequencer.keys
  }

  get isOpen(): boolean {
    return this.#store !== undefined
  }

  /** Takes no records until it was opened again. */
  get suspended(): boolean {
    return this.#suspended
  }

  /** Whoever reads the store waits for this first. Throws `DISK_FULL` where there is no store to read. */
  readable(): Promise<void> | undefined {
    if (this.#reopening !== undefined) return this.#reopening.then(() => this.readable())
    if (this.#store === undefined) throw new LianzhengError('DISK_FULL')
    return undefined
  }

  /** Closes what is open and begins as a start of the node does. Where the disk is still full, the log stays suspended. Never rejects. */
  reopen(): Promise<void> {
    this.#reopening ??= this.#again()
      .catch((error: unknown) => {
        if (error instanceof LianzhengError && error.code === 'DISK_FULL') return
        const code = error instanceof LianzhengError ? error.code : 'INTERNAL'
        this.#options.onFatal(error instanceof FatalError ? error : new FatalError(code, { cause: error }))
      })
      .finally(() => {
        this.#reopening = undefined
      })
    return this.#reopening
  }

  async #again(): Promise<void> {
    await this.sequencer.stop()
    const store = this.#store
    this.#store = undefined
    await store?.close()
    await this.#open() // A crash here, or before, leaves what any crash during a write leaves: the next start recovers.
  }

  /** Seconds until those who wait now are probably served: batches still to be sealed, each as long as the last took or as the interval. */
  get wait(): number {
    const { maxRecords, intervalMs } = this.#options.config.batch
    const batches = Math.ceil(this.sequencer.pool.underway / maxRecords)
    return Math.min(LONGEST_WAIT, Math.max(1, Math.ceil((batches * Math.max(intervalMs, this.#lastSealMs)) / 1000)))
  }

  /** Seals what waits; new records are refused. */
  async stop(): Promise<void> {
    await this.#reopening
    await this.sequencer.stop()
    await this.push?.stop()
  }
  async close(): Promise<void> {
    await this.push?.stop()
    const store = this.#store
    this.#store = undefined
    await store?.close()
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new LianzhengError('STORE_UNREADABLE', { at: directory, expected: 'a directory of its own', cause })
  }
}
