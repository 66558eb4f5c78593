/** The composition root: one process, one node, all its logs. */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type FatalError, LianzhengError } from '../core/errors.ts'
import { parsePolicy } from '../core/policy.ts'
import { createApp } from '../http/app.ts'
import type { NodeContext } from '../http/context.ts'
import { drainOf } from '../http/drain.ts'
import { refuseUnreadable } from '../http/unreadable.ts'
import type { NodeConfig } from './config.ts'
import { type Cosigners, openCosigners } from './cosigners.ts'
import { Disk } from './disk.ts'
import { readSeed, readsSigner } from './keys.ts'
import { NodeLog } from './log.ts'
import { createLogger, factsOf } from './logger.ts'
import { Metrics } from './metrics.ts'
import { useNative } from './native.ts'
import { readsOf } from './reads.ts'
import { Verifier } from './verifier.ts'
import { VERSION } from './version.ts'

/** An idle log's head is read back and signed again so often. */
const RESIGN_MS = 10 * 60_000
/** A log that a full disk has suspended is looked after so often. */
const LOOK_MS = 1_000
/** Seconds after which a full disk may have been seen to, and after which a node that stops may be up again. */
const RETRY = { DISK_FULL: 30, STOPPING: 5 }

export interface NodeOptions {
  /** Milliseconds since 1970. */
  clock?: () => number
  /** Must end the process: something went on that may not. */
  onFatal(error: FatalError): void
  /** Something failed that is no one's request. */
  onError?(error: unknown): void
  /** Takes the lines of the operator's log. */
  writeLog?(line: string): void
}

export interface RunningNode {
  url: string
  logs: string[]
  context: NodeContext
  /** Refuses new records, seals what waits, closes everything. */
  stop(): Promise<void>
}

/** Opens the stores, takes in genesis where they are new, listens. Throws CONFIG_*, DATA_DIR_IN_USE, PORT_IN_USE, STORE_*, DISK_FULL, CLOCK_BACKWARDS. */
export async function startNode(config: NodeConfig, options: NodeOptions): Promise<RunningNode> {
  useNative()
  const clock = options.clock ?? Date.now
  const policy = readPolicy(config.policy)
  const seed = readSeed(config.seedFile)
  const logger = createLogger(config.log.level, options.writeLog ?? (() => {}))
  const disk = new Disk(config.dataDir, config.limits.diskFreeBytes)
  const logs = new Map<string, NodeLog>()
  const closing = new AbortController()
  const verifier = new Verifier()
  const listeners = new Set<() => void>()
  let cosigners: Cosigners | undefined
  let server: Server | undefined
  let stopping = false

  const hindrance = () =>
    stopping ? 'STOPPING' : disk.full || [...logs.values()].some(({ suspended }) => suspended) ? 'DISK_FULL' : undefined
  const metrics = new Metrics({ logs, taking: () => hindrance() === undefined, diskFree: () => disk.free })
  const onError = (error: unknown) => {
    logger.error(factsOf(error), 'error')
    options.onError?.(error)
  }
  const onFatal = (error: FatalError) => {
    logger.fatal(factsOf(error), 'fatal')
    options.onFatal(error)
  }
  try {
    for (const log of config.logs) {
      const opened = await NodeLog.open(log, {
        config,
        seed,
        clock,
        policy: parsePolicy(policy),
        onFatal,
        onPublished: (log, published) => {
          metrics.published(log, published, clock())
          for (const listener of listeners) listener()
        },
        onSuspended: (log) => logger.error({ log: log.name, code: 'DISK_FULL', free: disk.free }, 'suspended')
      })
      metrics.opened(opened)
      logs.set(log.name, opened)
    }

    cosigners = await openCosigners(config, seed, clock, (error) => options.onError?.(error))
    const context: NodeContext = {
      name: config.name,
      version: VERSION,
      publicUrl: config.publicUrl.replace(/\/$/, ''),
      policy,
      logs,
      witness: cosigners?.witness,
      mirror: cosigners?.mirror,
      reads: readsOf({ logs: logs.values(), signer: readsSigner(seed, config.name), clock, hindrance }),
      clock,
      limits: config.limits,
      hindrance,
      diskFree: () => disk.free,
      readable: () => {
        const waits = [...logs.values()].map((log) => log.readable()).filter((wait) => wait !== undefined)
        return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined)
      },
      retryAfter: (code) =>
        code === 'DISK_FULL' || code === 'STOPPING' ? RETRY[code] : Math.max(1, ...[...logs.values()].map(({ wait }) => wait)),
      onPublished: (listener) => listeners.add(listener),
      closing: closing.signal,
      onRequest: (seen) => {
        metrics.request(seen)
        const level = seen.status < 500 ? 'info' : seen.status === 503 ? 'warn' : 'error'
        logger[level]({ ...seen, ms: Math.round(seen.ms * 10) / 10 }, 'request')
      },
      onRefused: (code) => metrics.refused(code),
      onEventClient: (change) => metrics.eventClients(change),
      verify: (job) => verifier.run(job),
      metrics: () => metrics.render(),
      onError
    }
    const { headersMs, requestMs, connections } = config.limits
    server = createServer(
      { headersTimeout: headersMs, requestTimeout: requestMs, connectionsCheckingInterval: Math.min(1_000, headersMs) },
      createApp(context)
    )
    server.maxConnections = connections
    server.on('drop', () => metrics.dropped())
    server.on(
      'clientError',
      refuseUnreadable((code) => metrics.refused(code))
    )
    const drain = drainOf(server)
    const address = await listen(server, config.listen)
    const url = `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
    logger.info({ url, logs: [...logs.keys()], version: VERSION }, 'listening')

    const resigning = setInterval(() => {
      // What goes wrong in it is told to `onFatal` by the log itself.
      for (const { sequencer } of logs.values()) void sequencer.resign()
    }, RESIGN_MS)
    const looking = setInterval(() => {
      for (const log of logs.values())
        if (log.suspended && disk.roomy)
          void log.reopen().then(() => {
            if (!log.suspended) logger.info({ log: log.name, size: log.sequencer.published?.size, free: disk.free }, 'resumed')
          })
    }, LOOK_MS)
    return {
      url,
      logs: [...logs.keys()],
      context,
      stop: async () => {
        stopping = true
        logger.info('stopping')
        clearInterval(resigning)
        clearInterval(looking)
        drain.begin()
        await Promise.all([...logs.values()].map((log) => log.stop()))
        for (const { finality } of logs.values()) finality.stop()
        closing.abort()
        await drain.end()
        await cosigners?.close()
        for (const log of logs.values()) await log.close()
        metrics.close()
        await verifier.close()
        logger.info('stopped')
      }
    }
  } catch (error) {
    server?.close()
    metrics.close()
    await cosigners?.close()
    for (const log of logs.values()) await log.close()
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
