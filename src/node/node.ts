/** The composition root: one process, one node, all its logs. */
import { mkdirSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Bytes, equalBytes } from '../core/bytes.ts'
import { FatalError, LianzhengError } from '../core/errors.ts'
import { formatVkey } from '../core/note.ts'
import { parsePolicy } from '../core/policy.ts'
import { GENESIS } from '../core/registry.ts'
import { createApp } from '../http/app.ts'
import type { LogContext, NodeContext } from '../http/context.ts'
import { drainOf } from '../http/drain.ts'
import type { LogKeys } from '../log/head.ts'
import type { Ledger } from '../log/ledger.ts'
import { Reader } from '../log/reader.ts'
import { recover } from '../log/recover.ts'
import { Sequencer } from '../log/sequencer.ts'
import { openLevel } from '../store/level.ts'
import type { Store } from '../store/store.ts'
import { type ExaminedRecord, examine } from '../verify/admit.ts'
import type { NodeConfig } from './config.ts'
import { type Cosigners, openCosigners } from './cosigners.ts'
import { readHeadFile, writeHeadFile } from './head-file.ts'
import { keysOfLog, readSeed } from './keys.ts'
import { nativeVerifier, useNative } from './native.ts'
import { VERSION } from './version.ts'

/** An idle log's head is read back and signed again so often. */
const RESIGN_MS = 10 * 60_000

export interface NodeOptions {
  /** Milliseconds since 1970. */
  clock?: () => number
  /** Must end the process: something went on that may not. */
  onFatal(error: FatalError): void
  /** For the operator's log; never holds record content. */
  onError?(error: unknown): void
}

export interface RunningNode {
  url: string
  logs: string[]
  context: NodeContext
  /** Refuses new records, seals what waits, closes everything. */
  stop(): Promise<void>
}

/** Opens the stores, takes in genesis where they are new, listens. Throws CONFIG_*, DATA_DIR_IN_USE, PORT_IN_USE, STORE_*, CLOCK_BACKWARDS. */
export async function startNode(config: NodeConfig, options: NodeOptions): Promise<RunningNode> {
  useNative()
  const clock = options.clock ?? Date.now
  const policy = readPolicy(config.policy)
  const seed = readSeed(config.seedFile)
  const stores: Store[] = []
  const logs = new Map<string, LogContext>()
  let cosigners: Cosigners | undefined
  let server: Server | undefined
  let stopping = false
  try {
    for (const log of config.logs) {
      const keys = keysOfLog(seed, `${config.name}/${log.name}`)
      const directory = join(config.dataDir, log.name)
      makeDirectory(directory)
      const store = await openLevel(directory)
      stores.push(store)
      const headFile = join(config.dataDir, `.${log.name}.head`)
      const recovered = await recover(store, keys, readHeadFile(headFile))
      const classes = Array.isArray(log.class) ? log.class : [log.class]
      const sequencer = new Sequencer({
        keys,
        classes,
        store,
        recovered,
        verifier: nativeVerifier,
        clock,
        batch: { ...config.batch, capacity: config.limits.waiting },
        onFatal: options.onFatal,
        onPublished: ({ note }) => writeHeadFile(headFile, note)
      })
      const reader = new Reader(recovered.ledger, keys.origin, () => sequencer.published)
      await takeGenesis(sequencer, recovered.ledger, join(config.genesisDir, log.name), { keys, waiting: config.limits.waiting })
      logs.set(log.name, { name: log.name, classes, keys, ledger: recovered.ledger, sequencer, reader })
    }

    cosigners = await openCosigners(config, seed, clock)
    const context: NodeContext = {
      name: config.name,
      version: VERSION,
      publicUrl: config.publicUrl.replace(/\/$/, ''),
      policy,
      logs,
      witness: cosigners?.witness,
      clock,
      limits: { bodyBytes: config.limits.bodyBytes },
      status: () => ({ diskFree: freeBytes(config.dataDir), ready: !stopping }),
      onError: options.onError ?? (() => {})
    }
    server = createServer(createApp(context))
    const drain = drainOf(server)
    const address = await listen(server, config.listen)
    const resigning = setInterval(() => {
      for (const { sequencer } of logs.values())
        sequencer
          .resign()
          .catch((error: unknown) =>
            options.onFatal(error instanceof FatalError ? error : new FatalError('INTERNAL', { cause: error }))
          )
    }, RESIGN_MS)
    return {
      url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
      logs: [...logs.keys()],
      context,
      stop: async () => {
        stopping = true
        clearInterval(resigning)
        drain.begin()
        await Promise.all([...logs.values()].map(({ sequencer }) => sequencer.stop()))
        await drain.end()
        await cosigners?.close()
        for (const store of stores) await store.close()
      }
    }
  } catch (error) {
    server?.close()
    await cosigners?.close()
    for (const store of stores) await store.close()
    throw error
  }
}

/** The text of a policy that parses. Throws `CONFIG_UNREADABLE`, or `POLICY_INVALID` with file and line. */
function readPolicy(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new LianzhengError('CONFIG_UNREADABLE', { at: file, cause })
  }
  try {
    parsePolicy(text)
  } catch (error) {
    if (error instanceof LianzhengError)
      throw new LianzhengError(error.code, { ...error.detail, at: `${file}:${error.detail.at}` })
    throw error
  }
  return text
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new LianzhengError('STORE_UNREADABLE', { at: directory, expected: 'a directory of its own', cause })
  }
}

/**
 * Genesis first, sealed on its own, then the registrations signed beforehand, in the order of their names. What the log has already is passed over,
 * so a first start that was cut off is finished by the next; a log that has genesis needs the folder no longer.
 */
async function takeGenesis(
  sequencer: Sequencer,
  ledger: Ledger,
  directory: string,
  { keys, waiting }: { keys: LogKeys; waiting: number }
): Promise<void> {
  const started = sequencer.head.size > 0
  let names: string[] = []
  try {
    names = readdirSync(directory)
      .filter((name) => name.endsWith('.cose'))
      .sort()
  } catch (cause) {
    if (!started) throw new LianzhengError('CONFIG_UNREADABLE', { at: directory, cause })
  }
  if (names.length === 0 && !started)
    throw new LianzhengError('CONFIG_UNREADABLE', { at: directory, expected: 'a genesis statement (*.cose)' })
  const missing: ExaminedRecord[] = []
  for (const name of names) {
    const examined = readGenesis(join(directory, name))
    if (ledger.indexOfLeaf(examined.statement.leaf) === undefined) missing.push(examined)
  }
  if (!started) {
    const genesis = missing.shift()!
    checkOwn(genesis, keys)
    await sequencer.submit(genesis, [])
  }
  // As many at a time as the log lets wait.
  for (let at = 0; at < missing.length; at += waiting)
    await Promise.all(missing.slice(at, at + waiting).map((examined) => sequencer.submit(examined, [])))
}

function readGenesis(file: string): ExaminedRecord {
  try {
    const examined = examine(new Uint8Array(readFileSync(file)))
    if (examined.kind === 'record') return examined
  } catch (error) {
    if (error instanceof LianzhengError) throw new LianzhengError(error.code, { ...error.detail, at: file, cause: error })
    throw error
  }
  throw new LianzhengError('CONFIG_INVALID', { at: file, expected: 'a record' })
}

/** A log whose genesis names other keys than this node has would seal what nobody can verify, and could not be opened again. */
function checkOwn({ type, body }: ExaminedRecord, keys: LogKeys): void {
  if (type.type !== GENESIS) return
  const named = body.keys as { log: string; statement: Bytes }
  if (named.log !== formatVkey(keys.log.vkey) || !equalBytes(named.statement, keys.statement.publicKey))
    throw new LianzhengError('STORE_FOREIGN', {
      field: 'seedFile',
      expected: `the seed that the genesis of ${keys.origin} was made with`
    })
}

function listen(server: Server, where: string): Promise<AddressInfo> {
  const colon = where.lastIndexOf(':')
  const host = where.slice(0, colon).replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new LianzhengError(cause.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'CONFIG_INVALID', { field: 'listen', at: where, cause })
      )
    )
    server.listen(Number(where.slice(colon + 1)), host, () => resolve(server.address() as AddressInfo))
  })
}

function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory)
    return bavail * bsize
  } catch {
    return undefined
  }
}
