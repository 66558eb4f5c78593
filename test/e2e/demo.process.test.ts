/** `npm run demo`, as its script starts it once `dist/` is built. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Ended, gather, ROOT, within } from '../helpers/node-process.ts'

const TIMEOUT = 180_000

let directory: string
let child: ChildProcess | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lianzheng-demo-test-'))
})
afterEach(() => {
  // The demo's own node goes with it: the whole group, where anything of it is left.
  if (child?.exitCode === null) process.kill(-child.pid!, 'SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** The demo in a process group of its own, with its files under `directory`. */
function demo(...args: string[]): { output: () => string; ended: Promise<Ended>; child: ChildProcess } {
  const started = spawn(join(ROOT, 'node_modules/.bin/tsx'), ['scripts/demo.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: directory, LANG: 'zh_CN.UTF-8', LC_ALL: '' },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child = started
  const [stdout, stderr] = [gather(started.stdout), gather(started.stderr)]
  const ended = new Promise<Ended>((resolve, reject) => {
    started.once('error', reject)
    started.once('close', (code, signal) => resolve({ code, signal }))
  })
  return { output: () => `${stdout()}${stderr()}`, ended, child: started }
}

/** What was printed under the title that begins so. */
function under(output: string, title: string): string {
  const start = output.indexOf(`■ ${title}`)
  if (start < 0) throw new Error(`no title ${title} in:\n${output}`)
  const end = output.indexOf('■ ', start + 2)
  return output.slice(start, end < 0 ? undefined : end)
}

test(
  'the demo ends with 0: verified receipts, and three kinds of cheating found',
  async () => {
    const { output, ended } = demo()
    expect(await ended, output()).toEqual({ code: 0, signal: null })

    expect(under(output(), '律师核验回执与文件')).toMatch(/^\s+核验一致/m)
    expect(under(output(), '监督轨迹：没有遗漏')).toMatch(/^\s+核验一致/m)
    expect(under(output(), '最后，再看一次这张回执')).toMatch(/^\s+verified/m)
    // Each cheat is found, and found to be what it is.
    const [file, trail, data] = ['作弊一', '作弊二', '作弊三'].map((title) => under(output(), title)) as [string, string, string]
    for (const cheat of [file, trail]) expect(cheat).toMatch(/^\s+核验不一致/m)
    expect(file).toMatch(/✗.*\n.*是文件不同，不是账本不同/)
    expect(trail).toContain('✗')
    expect(data.match(/✗.*/g)).toEqual([expect.stringMatching(/^✗ e 15 /)])
    expect(under(output(), '销毁以后')).toMatch(/已依法销毁[\s\S]*核验一致/)
    expect(under(output(), '拒收凭证')).toContain('拒收：FIELD_INVALID')
    expect(under(output(), '断掉公证')).toMatch(/核验一致.*discipline\.example\/mirror、procuratorate\.example\/witness/)
    // What was not tampered with is all right.
    expect(data.match(/全部一致/g)).toHaveLength(4)
  },
  TIMEOUT
)

test(
  'with --keep the network stays up until SIGTERM',
  async () => {
    const { output, ended, child: started } = demo('--keep')
    const url = await within(
      TIMEOUT,
      'the node is up',
      new Promise<string>((resolve, reject) => {
        const look = () => {
          const found = /节点在 (http:\S+) 运行/.exec(output())
          if (found !== null) resolve(found[1]!)
        }
        started.stdout!.on('data', look)
        ended.then(() => reject(new Error(output())), reject)
      })
    )
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(started.exitCode).toBeNull()
    expect((await fetch(`${url}/readyz`)).status).toBe(200)

    started.kill('SIGTERM')
    expect(await within(10_000, 'the demo stops', ended)).toEqual({ code: 0, signal: null })
    await expect(fetch(`${url}/readyz`)).rejects.toThrow()
  },
  TIMEOUT
)
