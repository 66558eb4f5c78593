import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, renameSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { digestBytes, digestFile, digestPrefix, sha256File } from '../../src/cli/digest.ts'
import { Desk } from '../helpers/cli.ts'
import { run } from '../helpers/node-process.ts'

const desk = new Desk()
const write = (name: string, content: string | Uint8Array) => {
  writeFileSync(desk.path(name), content)
  return desk.path(name)
}
const of = (algorithm: string, content: string | Uint8Array) => new Uint8Array(createHash(algorithm).update(content).digest())
const MANY = Buffer.alloc((3 << 20) + 17, 'more than one chunk ')

describe('digests in one pass', () => {
  // The example of GB/T 32905-2016, A.1.
  it('SM3 and SHA-256 of abc are those of their standards', async () => {
    const { sha256, sm3, size } = await digestFile(write('abc', 'abc'))
    expect(Buffer.from(sm3!).toString('hex')).toBe('66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0')
    expect(Buffer.from(sha256).toString('hex')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(size).toBe(3)
  })

  it.each([0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20, MANY.length])(
    'of %i bytes, as of the bytes at once',
    async (n) => {
      const content = MANY.subarray(0, n)
      const file = write('sized', content)
      const whole = { sha256: of('sha256', content), sm3: of('sm3', content), size: n }
      expect(await digestFile(file)).toEqual(whole)
      expect(digestBytes(content)).toEqual(whole)
      expect(await sha256File(file)).toEqual({ sha256: whole.sha256, size: n })
    }
  )

  it('of a beginning', async () => {
    const content = MANY.subarray(0, (1 << 20) + 5)
    expect(await digestPrefix(write('long', MANY), content.length)).toEqual({
      sha256: of('sha256', content),
      sm3: of('sm3', content),
      size: content.length
    })
  })

  it('progress goes up to the whole', async () => {
    const seen: [number, number][] = []
    await digestFile(write('watched', MANY), (done, all) => seen.push([done, all]))
    expect(seen.map(([done]) => done)).toEqual([1 << 20, 2 << 20, 3 << 20, MANY.length])
    expect(new Set(seen.map(([, all]) => all))).toEqual(new Set([MANY.length]))
  })

  it('a link on the command line is the file it leads to', async () => {
    const file = write('target', 'x')
    symlinkSync(file, desk.path('link'))
    expect(await digestFile(desk.path('link'))).toEqual(await digestFile(file))
  })
})

describe('a file that changes while it is read', () => {
  const changes: [string, (file: string) => void][] = [
    ['grows', (file) => appendFileSync(file, 'x')],
    ['shrinks', (file) => truncateSync(file, 10)],
    ['is written over', (file) => utimesSync(file, 1_000_000_000, 1_000_000_000)],
    [
      'is replaced by another of the same size and time',
      (file) => {
        const other = write('other', MANY)
        utimesSync(other, 1_500_000_000, 1_500_000_000)
        renameSync(other, file)
      }
    ]
  ]
  it.each(changes)('%s', async (_, change) => {
    const file = write('changing', MANY)
    utimesSync(file, 1_500_000_000, 1_500_000_000)
    let changed = false
    const during = () => {
      if (!changed) change(file)
      changed = true
    }
    await expect(digestFile(file, during)).rejects.toMatchObject({ code: 'FILE_CHANGED', detail: { at: file } })
  })
})

describe('what is no file', () => {
  it('a folder, a missing file, a pipe: refused, and a pipe is not waited for', async () => {
    mkdirSync(desk.path('folder'))
    expect((await run('mkfifo', [desk.path('pipe')])).code).toBe(0)
    for (const name of ['folder', 'missing', 'pipe'])
      await expect(digestFile(desk.path(name))).rejects.toMatchObject({
        code: 'FILE_UNREADABLE',
        detail: { at: desk.path(name) }
      })
  })
})
