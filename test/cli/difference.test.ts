import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Difference } from '../../src/cli/difference.ts'
import { Desk, leaked } from '../helpers/cli.ts'
import { TestNetwork } from '../helpers/network.ts'

const desk = new Desk()
let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(async () => {
  expect(leaked(network.secrets)).toEqual([])
  await network.close()
})

const write = (name: string, content: string | Uint8Array) => {
  writeFileSync(desk.path(name), content)
  return desk.path(name)
}
/** Fixes what has this content and gives the receipt. */
async function fixed(path: string, out = 'out'): Promise<string> {
  const by = ['--key', network.keyFile('clerk'), '--url', network.url, '--policy', network.policyFile, '-o', desk.path(out)]
  const [done] = await desk.json<{ receipt: string }[]>(['fix', path, '--set', 'material=electronic-data', ...by])
  return done!.receipt
}
const args = (receipt: string, ...files: string[]) => ['verify', receipt, ...files, '--policy', network.policyFile]
async function differences(receipt: string, ...files: string[]): Promise<Difference[]> {
  return (await desk.json<{ differences: Difference[] }>(args(receipt, ...files), 1)).differences
}

describe('a file that differs: facts, and what is usual called usual', () => {
  const TEXT = '第一条\n第二条\n'
  let receipt: string
  beforeAll(async () => {
    receipt = await fixed(write('合同.txt', TEXT))
  })
  const about = async (content: string | Uint8Array) => (await differences(receipt, write('given.txt', content)))[0]!
  const CRLF = TEXT.replaceAll('\n', '\r\n')

  it.each([
    ['line endings converted', CRLF, 'the same text: only its line endings were converted from LF to CRLF'],
    ['a byte order mark put in front', `\ufeff${TEXT}`, 'the same text: only a byte order mark was put in front'],
    [
      'both',
      `\ufeff${CRLF}`,
      'the same text: only its line endings were converted from LF to CRLF and a byte order mark was put in front'
    ],
    ['something appended', `${TEXT}第三条`, 'its first 20 bytes are the file deposited, 9 bytes follow: something was appended']
  ])('%s: found out, and nothing guessed', async (_, content, fact) => {
    const { facts, usual } = await about(content)
    expect(facts.map(({ en }) => en)).toContain(fact)
    expect(usual).toEqual([])
  })

  it.each([
    [
      'the same size',
      TEXT.replace('一', '三'),
      /^same size as deposited \(20 bytes\), other content$/,
      /a viewer changed properties/
    ],
    ['fewer bytes', TEXT.slice(0, 4), /^10 bytes fewer than deposited \(20, now 10\)$/, /cut short/],
    ['more bytes', `x${TEXT}`, /^1 bytes more than deposited \(20, now 21\)$/, /saved again/],
    ['nothing', '', /^20 bytes fewer/, /did not finish/]
  ])('%s: the size is a fact, the causes are the usual ones', async (_, content, fact, cause) => {
    const { facts, usual, size, recordedSizes } = await about(content)
    expect([size, recordedSizes]).toEqual([Buffer.byteLength(content), [20]])
    expect(facts.map(({ en }) => en)).toEqual([expect.stringMatching(fact)])
    expect(usual.map(({ en }) => en).join('\n')).toMatch(cause)
  })

  it('the other way round: CRLF and a byte order mark were there, and are gone', async () => {
    const other = await fixed(write('windows.txt', `\ufeff${CRLF}`))
    const [difference] = await differences(other, write('unix.txt', TEXT))
    expect(difference!.facts.at(-1)!.en).toBe(
      'the same text: only its line endings were converted from CRLF to LF and the byte order mark in front was taken away'
    )
  })

  it('another of the files given matches: that is said', async () => {
    const [difference, ...rest] = await differences(receipt, write('wrong.txt', 'x'), desk.path('合同.txt'))
    expect(rest).toEqual([])
    expect(difference!.facts[0]!.en).toBe('合同.txt, given beside it, has the digests of the record')
  })

  it('in both languages, the verdict last', async () => {
    const wrong = write('wrong.txt', TEXT.slice(1))
    const zh = await desk.run([...args(receipt, wrong), '--lang', 'zh'])
    expect(zh.out).toMatch(/比存入时少 3 字节（存入 20，现为 17）[\s\S]*程序不能断定是哪一个[\s\S]*不同的是文件，不是账本/)
    expect(zh.out.trimEnd().split('\n').at(-1)).toMatch(/^核验不一致；文件与存入时不同/)
    const en = await desk.run(args(receipt, wrong))
    expect(en.out).toMatch(/3 bytes fewer[\s\S]*which one, a program cannot tell[\s\S]*The file differs, not the ledger/)
  })
})

describe('which of the two differs', () => {
  /** The receipt, with one character of its statement's signature changed. */
  function forged(receipt: string): string {
    const value = JSON.parse(readFileSync(receipt, 'utf8')) as { statement: string }
    const at = value.statement.length - 8
    const other = value.statement[at] === 'A' ? 'B' : 'A'
    return write(
      'forged.receipt.json',
      JSON.stringify({ ...value, statement: value.statement.slice(0, at) + other + value.statement.slice(at + 1) })
    )
  }

  it('the ledger and not the file; both; and neither', async () => {
    const file = write('which.txt', 'which')
    const receipt = await fixed(file)
    const bad = forged(receipt)
    const outOf = async (...given: string[]) => (await desk.run(args(given[0]!, ...given.slice(1)))).out
    expect(await outOf(bad, file)).toMatch(
      /The file has the digests of the record; what is broken is the ledger or the receipt file/
    )
    expect(await outOf(bad)).toMatch(/^What is broken is the ledger or the receipt file itself/m)
    expect(await outOf(bad, write('other.txt', 'x'))).toMatch(/The file differs, and the side of the ledger is broken too/)
    expect(await outOf(receipt, file)).not.toMatch(/differs|is broken/)
  })

  it('the file differs and a policy does not know the log: what could not be checked is not called good', async () => {
    const receipt = await fixed(write('unknown.txt', 'x'))
    const stranger = write('policy.txt', 'quorum none\n')
    const { out, status } = await desk.run(['verify', receipt, write('other.txt', 'y'), '--policy', stranger])
    expect([status, /could not be checked \(see the steps marked \?\)/.test(out)]).toEqual([1, true])
  })
})

describe('a folder that differs', () => {
  let receipt: string
  let place: string
  beforeAll(async () => {
    place = desk.path('卷宗')
    mkdirSync(join(place, '一'), { recursive: true })
    for (const [path, content] of Object.entries({ a: '1', '一/b': '2', c: '3', d: '4' }))
      writeFileSync(join(place, path), content)
    receipt = await fixed(place, 'folder')
    writeFileSync(join(place, 'a'), 'changed')
    rmSync(join(place, '一', 'b'))
    renameSync(join(place, 'c'), join(place, 'c2'))
    writeFileSync(join(place, '.DS_Store'), '')
  })
  const folder = {
    changed: [{ path: 'a', was: 1, is: 7 }],
    missing: ['一/b'],
    extra: ['.DS_Store'],
    renamed: [{ from: 'c', to: 'c2' }]
  }

  it('is compared with its manifest beside the receipt, file by file', async () => {
    expect(await differences(receipt, place)).toMatchObject([{ file: '卷宗', folder, usual: [] }])
    const { out } = await desk.run([...args(receipt, place), '--lang', 'zh'])
    expect(out).toMatch(
      /内容不同（1）：\n {4}a {2}1 → 7 字节\n {2}缺少（1）：\n {4}一\/b\n {2}多出（1）：\n {4}\.DS_Store\n {2}改名/
    )
  })

  it('or with the one given; without any, that is asked for', async () => {
    const alone = desk.path('alone')
    mkdirSync(alone)
    copyFileSync(receipt, join(alone, 'x.receipt.json'))
    const moved = join(alone, 'x.receipt.json')
    expect((await differences(moved, place))[0]).not.toHaveProperty('folder')
    expect((await differences(moved, place))[0]!.facts[0]!.en).toMatch(/manifest that was fixed was not found/)
    const manifest = desk.path('folder', '卷宗.manifest')
    const report = await desk.json<{ differences: Difference[]; files: { matches: boolean }[] }>(args(moved, manifest, place), 1)
    expect(report.files.map(({ matches }) => matches)).toEqual([true, false])
    expect(report.differences).toMatchObject([{ file: '卷宗', folder }])
    // One that was not fixed says nothing.
    const forged = write('forged.manifest', readFileSync(manifest, 'utf8').replace(' a\n', ' aa\n'))
    expect((await differences(moved, forged, place)).every((difference) => difference.folder === undefined)).toBe(true)
    expect(basename(receipt)).toBe('卷宗.receipt.json')
  })
})
