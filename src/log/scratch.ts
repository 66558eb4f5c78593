/**
 * What an audit has derived so far: a store of the layout every log has, without entries and disclosures, in which `admit` and `fold` look things up
 * and which is then compared with the store of the log. Beside it:
 *
 *   m audit      whose it is, and how far it has come
 *   f u64(n)     findings about entries below its head, in order
 *
 * What is new is held in memory until there is much of it, and written out at a seal: most pages of the map are superseded before that and reach no
 * disk. The derived part of a small log is never written at all, that of a large one to a directory that is given, and kept, or to a temporary one.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bytes, binary, concat, fromBinary, u64, utf8 } from '../core/bytes.ts'
import { LianzhengError } from '../core/errors.ts'
import { openLevel } from '../store/level.ts'
import { put, type Range, type Store, type Write } from '../store/store.ts'
import { decodeValue, encodeValue } from '../store/values.ts'
import type { Finding } from './replay.ts'

/** Keys held in memory, a page of the map or a tile of a trail at most each: some tens of megabytes. */
const HELD = 50_000
/** Of what stands here; what another version derived is not gone on with. */
const VERSION = 1

const PROGRESS_KEY = concat(utf8('m'), utf8('audit'))
const findingKey = (n: number): Bytes => concat(utf8('f'), u64(n))

/** The log that is audited: its origin and the classes it holds. */
export interface Audited {
  origin: string
  classes: readonly string[]
}

/** How far an audit has come. The head stands beside it, where every store has it. */
export interface Progress {
  /** Records below the head. */
  records: number
  /** Could every entry below the head be read? */
  derivable: boolean
  findings: number
}

export class Scratch implements Store {
  readonly #limit: number
  #held = new Map<string, Bytes | undefined>()
  #disk: Store | undefined
  #temporary: string | undefined

  /** `limit` is how many keys are held in memory. */
  constructor(disk?: Store, limit = HELD) {
    this.#disk = disk
    this.#limit = limit
  }

  /** In a directory that is kept, new or as an audit of the same log left it. Throws `WORK_FOREIGN`, and what `openLevel` throws. */
  static async open(log: Audited, directory: string): Promise<Scratch> {
    const foreign = (expected: string) => new LianzhengError('WORK_FOREIGN', { field: directory, expected })
    makeDirectory(directory)
    if (!existsSync(join(directory, 'CURRENT')) && readdirSync(directory).length > 0) throw foreign('an empty directory')
    const disk = await openLevel(directory)
    try {
      const whose = { version: VERSION, origin: log.origin, classes: [...log.classes] }
      const stored = disk.get(PROGRESS_KEY)
      if (stored === undefined) {
        for await (const _ of disk.range({ gte: new Uint8Array(0), lt: END, limit: 1 })) throw foreign('an empty directory')
        await disk.write([put(PROGRESS_KEY, encodeValue({ ...whose, ...NOTHING_YET }))], { durable: false })
      } else {
        const { version, origin, classes } = decodeValue<typeof whose>(stored, directory)
        if (version !== VERSION) throw foreign('what this version of the software has derived')
        if (origin !== log.origin) throw foreign(log.origin)
        if (String(classes) !== String(whose.classes)) throw foreign(`classes ${whose.classes}`)
      }
      return new Scratch(disk)
    } catch (error) {
      await disk.close()
      throw error
    }
  }

  get(key: Bytes): Bytes | undefined {
    const name = binary(key)
    const value = this.#held.get(name)
    return value === undefined && !this.#held.has(name) ? this.#disk?.get(key) : value
  }

  /** Takes the values as they are: nobody writes to what a fold has made. */
  async write(writes: readonly Write[]): Promise<void> {
    for (const { key, value } of writes) this.#held.set(binary(key), value)
  }

  get isFull(): boolean {
    return this.#held.size >= this.#limit
  }

  /** Where an earlier run stopped. */
  progress(): Progress {
    const bytes = this.get(PROGRESS_KEY)
    return bytes === undefined ? NOTHING_YET : decodeValue<Progress>(bytes, 'm audit')
  }

  *findings(): Iterable<Finding> {
    const { findings } = this.progress()
    for (let n = 0; n < findings; n++) yield decodeValue<Finding>(this.get(findingKey(n))!, `f ${n}`)
  }

  /** At a seal: what is held is written out where there is a place for it or too much of it, with how far it goes. A crash leaves all of it or nothing. */
  async keep(log: Audited, progress: Progress, fresh: readonly Finding[]): Promise<void> {
    if (this.#disk === undefined && !this.isFull) return
    this.#disk ??= await this.#temporaryDisk()
    const writes: Write[] = [put(PROGRESS_KEY, encodeValue({ version: VERSION, ...log, ...progress }))]
    const first = progress.findings - fresh.length
    for (const [i, finding] of fresh.entries()) writes.push(put(findingKey(first + i), encodeValue(finding)))
    for (const [name, value] of this.#held) writes.push({ key: fromBinary(name), value } as Write)
    await this.#disk.write(writes, { durable: false })
    this.#held = new Map()
  }

  async #temporaryDisk(): Promise<Store> {
    this.#temporary = mkdtempSync(join(tmpdir(), 'lianzheng-audit-'))
    return openLevel(this.#temporary)
  }

  /** Of what has been written out and, where nothing has been, of what is held. */
  async *range(range: Range): AsyncIterable<[Bytes, Bytes]> {
    if (this.#disk !== undefined) return yield* this.#disk.range(range)
    const [from, to] = [binary(range.gte), binary(range.lt)]
    const names = [...this.#held.keys()].filter((name) => name >= from && name < to).sort()
    for (const name of names) {
      const value = this.#held.get(name)
      if (value !== undefined) yield [fromBinary(name), value]
    }
  }

  /** No disclosures are here. */
  async purge(): Promise<void> {}

  async close(): Promise<void> {
    await this.#disk?.close()
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true })
  }
}

const NOTHING_YET: Progress = { records: 0, derivable: true, findings: 0 }
const END = new Uint8Array(64).fill(0xff)

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true })
    readdirSync(directory)
  } catch (cause) {
    throw new LianzhengError('FILE_UNREADABLE', { at: directory, expected: 'a directory, or a place for one', cause })
  }
}
