/** Real processes for tests: the command line as people run it, and a node that can be killed, from `dist/`. `npm run build` comes first. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Key, parseKey } from '../../src/client/keyfile.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const MAIN = join(ROOT, 'dist/cli/main.js')

/** A node that is not ready, or not gone, after so many milliseconds has failed. */
const PATIENCE = 30_000

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Finished extends Ended {
  stdout: string
  stderr: string
}

/** Runs a program to its end. */
export async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Finished> {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = [gather(child.stdout), gather(child.stderr)]
  const ended = await new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  return { ...ended, stdout: stdout(), stderr: stderr() }
}

export function lianzheng(...args: string[]): Promise<Finished> {
  return run(process.execPath, [MAIN, ...args])
}

/** What a stream has given so far. */
export function gather(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = []
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

export function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** The directory that `network init` made, with the court's node in it. */
export class Network {
  readonly directory: string
  readonly url: string

  private constructor(directory: string, port: number) {
    this.directory = directory
    this.url = `http://127.0.0.1:${port}`
  }

  static async init(directory: string): Promise<Network> {
    if (!existsSync(MAIN)) throw new Error('dist/ is missing: run `npm run build` first')
    const port = await freePort()
    const { code, stderr } = await lianzheng('network', 'init', directory, '--port', String(port))
    if (code !== 0) throw new Error(`network init ended with ${code}: ${stderr}`)
    return new Network(directory, port)
  }

  get config(): string {
    return join(this.directory, 'court.yaml')
  }
  get data(): string {
    return join(this.directory, 'data/court')
  }
  get policyFile(): string {
    return join(this.directory, 'policy.txt')
  }
  get policy(): string {
    return readFileSync(this.policyFile, 'utf8')
  }
  key(name: string): Promise<Key> {
    return parseKey(readFileSync(join(this.directory, 'keys', `${name}.key.json`), 'utf8'))
  }
}

export interface Ready {
  event: string
  url: string
  logs: string[]
}

export class NodeProcess {
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  readonly #stdout: () => string
  readonly #stderr: () => string

  /** `tracer`: a command line that runs the node and stays out of its way, e.g. `strace -D`. */
  constructor(config: string, tracer: readonly string[] = []) {
    const [command, ...args] = [...tracer, process.execPath, MAIN, 'serve', '--config', config]
    this.#child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#stdout = gather(this.#child.stdout)
    this.#stderr = gather(this.#child.stderr)
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  static async start(config: string, tracer?: readonly string[]): Promise<NodeProcess> {
    const node = new NodeProcess(config, tracer)
    try {
      await node.ready()
    } catch (error) {
      await node.kill()
      throw error
    }
    return node
  }

  get pid(): number {
    return this.#child.pid!
  }
  get stdout(): string {
    return this.#stdout()
  }
  get stderr(): string {
    return this.#stderr()
  }

  /** The first line, parsed. */
  ready(): Promise<Ready> {
    const line = new Promise<Ready>((resolve, reject) => {
      const look = () => {
        const end = this.stdout.indexOf('\n')
        if (end >= 0) resolve(JSON.parse(this.stdout.slice(0, end)) as Ready)
      }
      this.#child.stdout!.on('data', look)
      look()
      this.ended.then(({ code, signal }) => reject(new Error(`the node ended with ${code ?? signal}: ${this.stderr}`)), reject)
    })
    return within(PATIENCE, 'the node is ready', line)
  }

  /** SIGKILL: the process gets no say in it. */
  kill(): Promise<Ended> {
    this.#child.kill('SIGKILL')
    return within(PATIENCE, 'the node is gone', this.ended)
  }

  /** SIGTERM, and the milliseconds it took to end. */
  async terminate(): Promise<Ended & { ms: number }> {
    const start = performance.now()
    this.#child.kill('SIGTERM')
    const ended = await within(PATIENCE, 'the node stops', this.ended)
    return { ...ended, ms: performance.now() - start }
  }
}
