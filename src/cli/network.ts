/** `network init`: everything a node needs for its first start, for one machine and one node. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { LianzhengError } from '../core/errors.ts'
import { makeNetwork } from '../node/network.ts'
import { type Io, makeDirectory, printJson, say, words } from './io.ts'

export async function run(args: { dir: string; nodes: string; port: string }, io: Io): Promise<number> {
  const port = Number(args.port)
  if (!/^[0-9]{1,5}$/.test(args.port) || port < 1 || port > 65_535)
    throw new LianzhengError('USAGE', { field: '--port', expected: '1–65535' })
  const nodes = args.nodes.split(',')
  if (nodes.length !== 1 || nodes[0] !== 'court')
    throw new LianzhengError('USAGE', { field: '--nodes', expected: 'court: this version runs networks of one node' })
  makeDirectory(args.dir)
  if (readdirSync(args.dir).length > 0)
    throw new LianzhengError('FILE_EXISTS', { at: args.dir, expected: words(io, '空目录', 'an empty directory') })
  await makeNetwork(args.dir, port)
  const config = join(args.dir, 'court.yaml')
  if (io.json) printJson(io, { dir: args.dir, config, policy: join(args.dir, 'policy.txt'), url: `http://127.0.0.1:${port}` })
  say(
    io,
    `已在 ${args.dir} 建立网络。\n启动：lianzheng serve --config ${config}\n密钥：${join(args.dir, 'keys')}（演示用户；请妥善保管）`,
    `Network made in ${args.dir}.\nStart it: lianzheng serve --config ${config}\nKeys: ${join(args.dir, 'keys')} (demo users; keep them safe)`
  )
  return 0
}
