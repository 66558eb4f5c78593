/** How much space there is where the data are. */
import { statfsSync } from 'node:fs'

/** What was asked is known for so long. Milliseconds. */
const FRESH = 250
/** A store that was closed for lack of space needs so much to be opened again: its write buffer, flushed, and what stands beside it. */
export const REOPENING_BYTES = 16 * 1024 * 1024

export class Disk {
  readonly #directory: string
  readonly #needed: number
  #free: number | undefined
  #asked = Number.NEGATIVE_INFINITY

  /** `needed`: with fewer bytes free the disk counts as full. */
  constructor(directory: string, needed: number) {
    this.#directory = directory
    this.#needed = needed
  }

  /** Bytes; undefined where the system does not say. */
  get free(): number | undefined {
    const now = performance.now()
    if (now - this.#asked >= FRESH) {
      this.#asked = now
      this.#free = freeBytes(this.#directory)
    }
    return this.#free
  }
  get full(): boolean {
    return this.free !== undefined && this.free < this.#needed
  }
  /** Is there space to open a store again? */
  get roomy(): boolean {
    return this.free === undefined || this.free >= Math.max(this.#needed, REOPENING_BYTES)
  }
}

function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory)
    return bavail * bsize
  } catch {
    return undefined
  }
}
