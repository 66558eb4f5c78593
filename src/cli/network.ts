/** `network init`: everything the nodes of a network need for their first start, on one machine. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { LianzhengError } from '../core/errors.ts'
import { makeNetwork, NODES, type NodeName } from '../node/network.ts'
import { type Io, makeDirectory, printJson, say, words } from './io.ts'

export async function run(args: { dir: string; nodes: string; port: string }, io: Io): Promise<number> {
  const port = Number(args.port)
  const nodes = args.nodes.split(',')
  if (!nodes.every(isNode) || new Set(nodes).size !== nodes.length)
    throw new LianzhengError('USAGE', { field: '--nodes', expected: `some of ${NODES.join(',')}, each once` })
  const last = 65_536 - nodes.length
  if (!/^[0-9]{1,5}$/.test(args.port) || port < 1 || port > last)
    throw new LianzhengError('USAGE', { field: '--port', expected: `1–${last}` })
  makeDirectory(args.dir)
  if (readdirSync(args.dir).length > 0)
    throw new LianzhengError('FILE_EXISTS', { at: args.dir, expected: words(io, '空目录', 'an empty directory') })
  await makeNetwork(args.dir, port, nodes)
  const made = nodes.map((node, i) => ({ node, config: join(args.dir, `${node}.yaml`), url: `http://127.0.0.1:${port + i}` }))
  const [{ config, url }] = made as [(typeof made)[number]]
  if (io.json)
    printJson(io, {
      dir: args.dir,
      config,
      policy: join(args.dir, 'policy.txt'),
      url,
      ...(made.length > 1 ? { nodes: made } : {})
    })
  const serve = made.map((one) => `lianzheng serve --config ${one.config}`).join('\n')
  say(
    io,
    `已在 ${args.dir} 建立网络。启动：\n${serve}\n密钥：${join(args.dir, 'keys')}（演示用户；请妥善保管）`,
    `Network made in ${args.dir}. Start it:\n${serve}\nKeys: ${join(args.dir, 'keys')} (demo users; keep them safe)`
  )
  return 0
}

function isNode(name: string): name is NodeName {
  return (NODES as readonly string[]).includes(name)
}
