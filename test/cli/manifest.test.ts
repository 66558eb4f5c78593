import { createHash } from 'node:crypto'
import { appendFileSync, chmodSync, mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Io } from '../../src/cli/io.ts'
import { compareManifests, type ManifestLine, manifestName, parseManifest, readFolder } from '../../src/cli/manifest.ts'
import { Desk } from '../helpers/cli.ts'
import { run } from '../helpers/node-process.ts'

const desk = new Desk()
const io = { lang: 'en', json: false } as Io
const sha256 = (content: string) => createHash('sha256').update(content).digest('hex')
function folder(name: string, files: Record<string, string>): string {
  mkdirSync(desk.path(name))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(desk.path(name), path, '..'), { recursive: true })
    writeFileSync(join(desk.path(name), path), content)
  }
  return desk.path(name)
}

describe('the manifest of a folder', () => {
  it('reads back as it was written', async () => {
    const files = { b: '2', 'a/b': '3', 'a.b': '4', '证据/𠮷.txt': '5', '证据/\uffee.txt': '6', ' ': '7' }
    const { text, lines } = await readFolder(folder('back', files), io)
    expect(parseManifest(text)).toEqual(lines)
    expect(lines.map(({ path }) => path)).toEqual(
      Object.keys(files).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    )
    for (const { path, size, sha256: digest } of lines)
      expect([size, digest]).toEqual([1, sha256(files[path as keyof typeof files])])
  })

  it('agrees with sha256sum', async () => {
    const place = folder('sums', { 'a/1': 'one', 2: 'two', '.x/三': 'three' })
    const { lines } = await readFolder(place, io)
    const sums = await run(
      'sha256sum',
      lines.map(({ path }) => join(place, path))
    )
    expect(sums.stdout.split('\n').filter(Boolean)).toEqual(lines.map((line) => `${line.sha256}  ${join(place, line.path)}`))
  })

  it('names hidden files, and empty folders that it cannot name', async () => {
    const place = folder('hidden', { '.a': '', 'b/.c/d': '', 'e.f': '' })
    mkdirSync(join(place, 'b', 'nothing'))
    const { hidden, emptyFolders, lines } = await readFolder(place, io)
    expect([hidden, emptyFolders, lines.length]).toEqual([['.a', 'b/.c/d'], ['b/nothing'], 3])
  })

  it('progress goes over the whole folder', async () => {
    const seen: [number, number][] = []
    await readFolder(folder('watched', { a: '1', b: '22', c: '333' }), io, (done, of) => seen.push([done, of]))
    expect(seen).toEqual([
      [1, 6],
      [3, 6],
      [6, 6]
    ])
  })

  it('has the name of the folder', () => {
    expect(manifestName(`${desk.path('卷宗')}/.`)).toBe('卷宗.manifest')
  })
})

describe('refused, with the name', () => {
  const refuses = async (place: string, path: string, expected: RegExp) =>
    expect(readFolder(place, io)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      detail: { at: join(place, path), expected: expect.stringMatching(expected) }
    })

  it('links to files, to folders and to nothing', async () => {
    for (const [i, target] of ['a', 'b', 'nowhere'].entries()) {
      const place = folder(`link ${i}`, { a: '1', 'b/c': '2' })
      symlinkSync(target, join(place, 'b', 'link'))
      await refuses(place, 'b/link', /no link/)
    }
  })
  it('a pipe and a socket', async () => {
    const place = folder('special', {})
    await run('mkfifo', [join(place, 'pipe')])
    await refuses(place, 'pipe', /no pipe/)
    unlinkSync(join(place, 'pipe'))
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(place, 'socket'), resolve))
    await refuses(place, 'socket', /no pipe/)
    await new Promise((resolve) => server.close(resolve))
  })
  it('a name that is not NFC, and two that are one in NFC', async () => {
    await refuses(folder('nfd', { 'e\u0301': '1' }), 'e\u0301', /NFC/)
    const twins = folder('twins', { 'e\u0301': '1', '\u00e9': '2' })
    await expect(readFolder(twins, io)).rejects.toMatchObject({ detail: { expected: 'no other name that is the same in NFC' } })
  })
  it.each(['a\nb', 'a\u007fb', 'a\u0085b', '\u0001'])('a control character: %j', async (name) => {
    await refuses(folder(`control ${Buffer.from(name).toString('hex')}`, { [name]: '1' }), name, /control/)
  })
  it.skipIf(process.getuid?.() === 0)('what may not be read', async () => {
    const place = folder('locked', { a: '1' })
    chmodSync(join(place, 'a'), 0)
    await expect(readFolder(place, io)).rejects.toMatchObject({ code: 'FILE_UNREADABLE', detail: { at: join(place, 'a') } })
  })
})

describe('a folder that changes while it is read', () => {
  const changes: [string, (place: string) => void, string][] = [
    ['a file read before is written to', (place) => appendFileSync(join(place, 'a'), 'x'), 'a'],
    ['a file is added', (place) => writeFileSync(join(place, 'aa'), 'x'), 'aa'],
    ['a file read before is taken away', (place) => unlinkSync(join(place, 'a')), 'a'],
    ['an empty folder is added', (place) => mkdirSync(join(place, 'empty')), 'empty']
  ]
  it.each(changes)('%s', async (name, change, at) => {
    const place = folder(name, { a: '1', b: '2' })
    const onProgress = (done: number) => {
      if (done === 2) change(place)
    }
    await expect(readFolder(place, io, onProgress)).rejects.toMatchObject({
      code: 'FILE_CHANGED',
      detail: { at: join(place, at) }
    })
  })
})

describe('what is no manifest is not read as one', () => {
  const digest = 'a'.repeat(64)
  const good = `lianzheng-manifest/v1\n${digest} 0 a\n${digest} 12 b/c\n`
  it('the good one is', () => {
    expect(parseManifest(good)).toHaveLength(2)
    expect(parseManifest('lianzheng-manifest/v1\n')).toEqual([])
  })
  it.each([
    ['nothing', ''],
    ['another version', good.replace('v1', 'v2')],
    ['no last line feed', good.slice(0, -1)],
    ['an empty line', `${good}\n`],
    ['carriage returns', good.replaceAll('\n', '\r\n')],
    ['another order', good.replace(' a\n', ' z\n')],
    ['a path twice', good.replace('b/c', 'a')],
    ['upper case', good.replace(digest, digest.toUpperCase())],
    ['a short digest', good.replace(digest, digest.slice(1))],
    ['a size with a leading zero', good.replace(' 12 ', ' 012 ')],
    ['a size beyond 2^53, which would be read as another', good.replace(' 12 ', ' 9007199254740993 ')],
    ['a path upwards', good.replace('b/c', '../c')],
    ['a path to here', good.replace('b/c', './c')],
    ['an absolute path', good.replace('b/c', '/c')],
    ['a path that is not NFC', good.replace('b/c', 'e\u0301')],
    ['a control character', good.replace('b/c', 'b\u0085c')]
  ])('%s', (_, text) => {
    expect(parseManifest(text)).toBeUndefined()
  })
})

it('what differs between a folder and its manifest', () => {
  const line = (path: string, content: string): ManifestLine => ({ path, size: content.length, sha256: sha256(content) })
  const was = [line('a', '1'), line('b', '2'), line('c', '3'), line('d', '4'), line('e', '4')]
  const is = [line('a', '1'), line('b', '22'), line('d2', '4'), line('x', '9')]
  expect(compareManifests(was, is)).toEqual({
    changed: [{ path: 'b', was: 1, is: 2 }],
    missing: ['c', 'e'],
    extra: ['x'],
    renamed: [{ from: 'd', to: 'd2' }]
  })
  expect(compareManifests(was, was)).toEqual({ changed: [], missing: [], extra: [], renamed: [] })
})
