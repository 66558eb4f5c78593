/**
 * A real file system of a few megabytes (tmpfs), on which a node runs until it is full and goes on when there is space again. Needs root and mount:
 * `canMount` says whether that is so here.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MIB = 1024 * 1024

export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    new SmallDisk(1).remove()
    return true
  } catch {
    return false
  }
}

export class SmallDisk {
  readonly directory: string
  readonly #filler: string

  /** Mounts it in a new directory. */
  constructor(mebibytes: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'lianzheng-disk-'))
    this.#filler = join(this.directory, 'filler')
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', this.directory], { stdio: 'ignore' })
    } catch (error) {
      rmSync(this.directory, { recursive: true })
      throw error
    }
    mkdirSync(join(this.directory, 'data'))
  }
  get data(): string {
    return join(this.directory, 'data')
  }
  get free(): number {
    const { bavail, bsize } = statfsSync(this.directory)
    return bavail * bsize
  }

  /** Something else takes the space, but for so many bytes. */
  fill(left: number): void {
    const file = openSync(this.#filler, 'w')
    try {
      const block = Buffer.alloc(MIB, 1)
      while (this.free > left) writeSync(file, block, 0, Math.min(block.length, this.free - left))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      closeSync(file)
    }
  }
  /** And gives it back. */
  release(): void {
    rmSync(this.#filler, { force: true })
  }

  remove(): void {
    execFileSync('umount', [this.directory], { stdio: 'ignore' })
    rmSync(this.directory, { recursive: true, force: true })
  }
}
