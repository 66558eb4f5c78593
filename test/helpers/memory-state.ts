import { type Bytes, binary } from '../../src/core/bytes.ts'
import type { TileContent } from '../../src/core/tile.ts'
import type { Folded, FoldReader, StoredTrail } from '../../src/verify/fold.ts'

/** A `FoldReader` over plain maps, for tests; `apply` takes a fold's writes. */
export class MemoryState implements FoldReader {
  readonly #tiles = new Map<string, TileContent>()
  readonly #trails = new Map<string, StoredTrail>()
  /** By trail key, then by place. */
  readonly #trailTiles = new Map<string, Map<string, TileContent>>()
  readonly #pages = new Map<string, Bytes>()

  tile(level: number, index: number): Bytes | undefined {
    return this.#tiles.get(`${level}/${index}`)?.bytes
  }
  trail(key: Bytes): StoredTrail | undefined {
    return this.#trails.get(binary(key))
  }
  trailTile(key: Bytes, level: number, index: number): Bytes | undefined {
    return this.#trailTiles.get(binary(key))?.get(`${level}/${index}`)?.bytes
  }
  readonly pages = (hash: Bytes): Bytes | undefined => this.#pages.get(binary(hash))

  apply(folded: Folded): void {
    for (const tile of folded.tiles) this.#tiles.set(`${tile.level}/${tile.index}`, tile)
    for (const { key, name, count, range, tiles } of folded.trails) {
      this.#trails.set(binary(key), { name, count, range })
      const kept = this.#trailTiles.get(binary(key)) ?? new Map<string, TileContent>()
      for (const tile of tiles) kept.set(`${tile.level}/${tile.index}`, tile)
      this.#trailTiles.set(binary(key), kept)
    }
    for (const hash of folded.superseded) this.#pages.delete(binary(hash))
    for (const { hash, bytes } of folded.pages) this.#pages.set(binary(hash), bytes)
  }
}
