/** A network of several nodes as `network init` makes it, all in this process, on ports of their own. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseKey } from '../../src/client/keyfile.ts'
import { base64url } from '../../src/core/bytes.ts'
import type { FatalError } from '../../src/core/errors.ts'
import { type Policy, parsePolicy } from '../../src/core/policy.ts'
import { readConfig } from '../../src/node/config.ts'
import { makeNetwork, type NodeName } from '../../src/node/network.ts'
import { type RunningNode, startNode } from '../../src/node/node.ts'
import { draft } from '../../src/records/draft.ts'
import { counter } from './lab.ts'
import { type Name, PEOPLE } from './network.ts'

export class Peers {
  readonly directory = mkdtempSync(join(tmpdir(), 'lianzheng-peers-'))
  readonly names: readonly NodeName[]
  readonly nodes = new Map<NodeName, RunningNode>()
  readonly fatal: FatalError[] = []
  readonly errors: unknown[] = []
  readonly #random = counter(`peers ${Date.now()}`)

  private constructor(names: readonly NodeName[]) {
    this.names = names
  }

  static async make(names: readonly NodeName[] = ['court', 'discipline', 'procuratorate', 'notary']): Promise<Peers> {
    const peers = new Peers(names)
    await makeNetwork(peers.directory, await freePorts(names.length), names)
    return peers
  }

  async start(name: NodeName): Promise<RunningNode> {
    const config = readConfig(join(this.directory, `${name}.yaml`))
    const node = await startNode(
      { ...config, batch: { ...config.batch, intervalMs: 0 } },
      { onFatal: (error) => this.fatal.push(error), onError: (error) => this.errors.push(error) }
    )
    this.nodes.set(name, node)
    return node
  }
  async startAll(): Promise<void> {
    for (const name of this.names) await this.start(name)
  }
  async stop(name: NodeName): Promise<void> {
    await this.nodes.get(name)?.stop()
    this.nodes.delete(name)
  }
  async close(): Promise<void> {
    for (const name of [...this.nodes.keys()]) await this.stop(name)
    rmSync(this.directory, { recursive: true, force: true })
  }

  policy(file = 'policy.txt'): Policy {
    return parsePolicy(readFileSync(join(this.directory, file), 'utf8'))
  }
  url(name: NodeName): string {
    return this.nodes.get(name)!.url
  }

  /** Files a record at the court and gives the answer. */
  async submit(record: { [name: string]: unknown }, by: Name, log: string, query = ''): Promise<Response> {
    const { secret } = await parseKey(readFileSync(join(this.directory, 'keys', `${by}.key.json`), 'utf8'))
    const author = { ...PEOPLE[by], signer: secret!.signer }
    const iat = Math.floor(Date.now() / 1000)
    const { statement, disclosures } = draft(record, { aud: `court.example/${log}`, author, iat, random: this.#random })
    return fetch(`${this.url('court')}/api/v1/records${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ statement: base64url(statement), disclosures: disclosures.map(base64url) })
    })
  }
}

/** The first of so many free ports in a row. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000)
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)))
    if (free.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
