/** LevelDB through `level`: embedded, crash-safe, one `fdatasync` for each durable write (classic-level `sync: true`). */
import { Level } from 'level'
import type { Bytes } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import type { Range, Store, Write } from './store.ts'

type Database = Level<Bytes, Bytes>

class LevelStore implements Store {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  get(key: Bytes): Bytes | undefined {
    try {
      const value = this.#db.getSync(key)
      return value === undefined ? undefined : plain(value)
    } catch (cause) {
      throw new LianzhengError('STORE_CORRUPT', { cause })
    }
  }

  async write(writes: readonly Write[], { durable }: { durable: boolean }): Promise<void> {
    try {
      // Chained batches take a third of the time of arrays of operations (measured: 32.8k against 9.2k records/s).
      const batch = this.#db.batch()
      for (const { key, value } of writes) {
        if (value === undefined) batch.del(key)
        else batch.put(key, value)
      }
      await batch.write({ sync: durable })
    } catch (cause) {
      throw new LianzhengError(isFull(cause) ? 'DISK_FULL' : 'STORE_FAILED', { cause })
    }
  }

  async *range({ gte, lt, limit }: Range): AsyncIterable<[Bytes, Bytes]> {
    try {
      for await (const entry of this.#db.iterator({ gte, lt, ...(limit === undefined ? {} : { limit }) }))
        yield [plain(entry[0]), plain(entry[1])]
    } catch (cause) {
      if (cause instanceof LianzhengError) throw cause
      throw new LianzhengError('STORE_CORRUPT', { cause })
    }
  }

  async close(): Promise<void> {
    await this.#db.close()
  }
}

/** LevelDB gives Buffers, which compare, print and slice in a way of their own. */
function plain({ buffer, byteOffset, length }: Bytes): Bytes {
  return new Uint8Array(buffer, byteOffset, length)
}

/** LevelDB hands on what the system said in words alone (ENOSPC, EDQUOT). */
function isFull(cause: unknown): boolean {
  return cause instanceof Error && /No space left on device|Disk quota exceeded/.test(cause.message)
}

/** Throws `DATA_DIR_IN_USE`, `DISK_FULL` or `STORE_UNREADABLE`. `mustExist` for readers, which never create one. */
export async function openLevel(directory: string, { mustExist = false } = {}): Promise<Store> {
  const db: Database = new Level(directory, { keyEncoding: 'view', valueEncoding: 'view', createIfMissing: !mustExist })
  try {
    await db.open()
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    const locked = (cause as { code?: string }).code === 'LEVEL_LOCKED'
    const code = locked ? 'DATA_DIR_IN_USE' : isFull(cause) ? 'DISK_FULL' : 'STORE_UNREADABLE'
    throw new LianzhengError(code, { field: directory, cause })
  }
  return new LevelStore(db)
}
