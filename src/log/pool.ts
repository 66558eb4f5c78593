/**
 * The way in: admission, deduplication and the signature check, then the wait for a batch. The signature is checked off the main thread;
 * everything else here is cheap.
 */
import { type Bytes, base64url, binary } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { type Statement, signedBytes } from '../core/statement.ts'
import type { ExaminedRecord } from '../verify/admit.ts'

/** Ed25519 off the main thread, by the rule of formats.md §2. Resolves to false for a bad signature; never rejects for one. */
export type Verifier = (publicKey: Bytes, message: Bytes, signature: Bytes) => Promise<boolean>

export interface Placed {
  index: number
  /** False where the same statement was there already. */
  fresh: boolean
}

export interface Waiting {
  record: ExaminedRecord
  disclosures: readonly Bytes[]
  /** The key the signature was checked with. */
  key: Bytes
  resolve(placed: Placed): void
  reject(error: unknown): void
}

export interface PoolOptions {
  verifier: Verifier
  /** Records waiting or being checked; one more is refused with `OVERLOADED`. */
  capacity: number
  /** The key a record must be signed with, if it may sign now; throws KEY_*. */
  signerOf(record: ExaminedRecord): Bytes
  /** The rest of the rule, against the ledger as it stands now. */
  admit(record: ExaminedRecord): void
  /** Index of this very statement, where it is in the log already. */
  placeOf(statement: Statement): number | undefined
  /** Called whenever something has come to wait. */
  onWaiting(): void
}

export class Pool {
  readonly #options: PoolOptions
  /** In order of arrival. */
  #waiting: Waiting[] = []
  /** By leaf hash: the same statement sent twice gets one place. */
  readonly #underway = new Map<string, Promise<Placed>>()

  constructor(options: PoolOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting.length
  }
  get underway(): number {
    return this.#underway.size
  }

  /** Resolves when the record is durable and under a published head. Rejects with what `admit` throws, `SIGNATURE_INVALID` or `OVERLOADED`. */
  submit(record: ExaminedRecord, disclosures: readonly Bytes[]): Promise<Placed> {
    const leaf = record.statement.leaf
    const name = binary(leaf)
    // First: an erasure has its place before what it took away is gone from the files, and is answered after.
    const same = this.#underway.get(name)
    if (same !== undefined) return same.then((placed) => ({ ...placed, fresh: false }))
    const index = this.#options.placeOf(record.statement)
    if (index !== undefined) return Promise.resolve({ index, fresh: false })
    const placed = this.#enter(record, disclosures)
    this.#underway.set(name, placed)
    const forget = () => this.#underway.delete(name)
    placed.then(forget, forget)
    return placed
  }

  async #enter(record: ExaminedRecord, disclosures: readonly Bytes[]): Promise<Placed> {
    if (this.#underway.size >= this.#options.capacity) throw new LianzhengError('OVERLOADED')
    const key = this.#options.signerOf(record)
    if (!(await this.#options.verifier(key, signedBytes(record.statement), record.statement.signature)))
      throw refusedSignature(record.statement)
    // After the signature: what the registry says of a key is not for whoever merely names it.
    this.#options.admit(record)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, disclosures, key, resolve, reject })
      this.#options.onWaiting()
    })
  }

  /** Takes up to `count` of those waiting, oldest first. */
  take(count: number): Waiting[] {
    const taken = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    return taken
  }
}

function refusedSignature(statement: Statement): LianzhengError {
  return new LianzhengError('SIGNATURE_INVALID', { field: 'signature', expected: `a signature by ${base64url(statement.kid)}` })
}
