/**
 * What a node counts, for Prometheus: names of logs, routes and codes are the only labels.
 *
 *   lianzheng_records_total{log}                 records sealed since the start, seals not counted
 *   lianzheng_seals_total{log}                   seals published since the start
 *   lianzheng_batch_records{log}                 histogram: records in a batch
 *   lianzheng_seal_seconds{log}                  histogram: from the time of a seal to its publication
 *   lianzheng_published_size{log}                entries under the published head
 *   lianzheng_last_seal_timestamp_seconds{log}   time of the last seal, seconds since 1970
 *   lianzheng_waiting_records{log}               records waiting for a batch or for their signature check
 *   lianzheng_peer_behind_entries{log,peer,role} entries of the newest head that the peer has not cosigned
 *   lianzheng_peer_failures{log,peer,role}       failures of the peer in a row
 *   lianzheng_refusals_total{code}               refusals, those inside an array of records too
 *   lianzheng_http_request_seconds{method,route,status}  histogram: requests answered
 *   lianzheng_connections_dropped_total          connections beyond `limits.connections`
 *   lianzheng_event_clients                      open event streams
 *   lianzheng_taking_records                     1 while the node takes records, 0 while it does not (full disk, stopping)
 *   lianzheng_disk_free_bytes                    where the data directory is
 *   process_*, nodejs_eventloop_lag_seconds      of the process, under the names that Prometheus clients use
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { SeenRequest } from '../http/context.ts'
import type { Published } from '../log/sequencer.ts'
import type { PeerStatus } from '../peer/push.ts'
import type { NodeLog } from './log.ts'

const SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]

export interface Sources {
  logs: ReadonlyMap<string, NodeLog>
  taking(): boolean
  diskFree(): number | undefined
}

export class Metrics {
  readonly #registry = new Registry()
  readonly #counters: Record<'records' | 'seals' | 'refusals' | 'dropped', Counter>
  readonly #histograms: Record<'batch' | 'seal' | 'request', Histogram>
  readonly #eventClients: Gauge
  readonly #published = new Map<string, number>()
  readonly #delay = monitorEventLoopDelay({ resolution: 20 })

  constructor(sources: Sources) {
    const registers = [this.#registry]
    const counter = (name: string, help: string, labelNames: string[] = []) => new Counter({ name, help, labelNames, registers })
    const histogram = (name: string, help: string, labelNames: string[], buckets: number[]) =>
      new Histogram({ name, help, labelNames, buckets, registers })
    this.#counters = {
      records: counter('lianzheng_records_total', 'records sealed since the start', ['log']),
      seals: counter('lianzheng_seals_total', 'seals published since the start', ['log']),
      refusals: counter('lianzheng_refusals_total', 'refusals by code', ['code']),
      dropped: counter('lianzheng_connections_dropped_total', 'connections beyond the limit')
    }
    this.#histograms = {
      batch: histogram('lianzheng_batch_records', 'records in a batch', ['log'], [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000]),
      seal: histogram('lianzheng_seal_seconds', 'from the time of a seal to its publication', ['log'], SECONDS),
      request: histogram('lianzheng_http_request_seconds', 'requests answered', ['method', 'route', 'status'], SECONDS)
    }
    this.#eventClients = new Gauge({ name: 'lianzheng_event_clients', help: 'open event streams', registers })
    this.#gauges(sources)
    this.#delay.enable()
  }

  #gauges({ logs, taking, diskFree }: Sources): void {
    const registers = [this.#registry]
    const read = (name: string, help: string, value: () => number | undefined) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value() ?? Number.NaN)
        }
      })
    const readLogs = (name: string, help: string, value: (log: NodeLog) => number | undefined) =>
      new Gauge({
        name,
        help,
        registers,
        labelNames: ['log'],
        collect() {
          for (const log of logs.values()) this.set({ log: log.name }, value(log) ?? 0)
        }
      })
    readLogs('lianzheng_published_size', 'entries under the published head', ({ sequencer }) => sequencer.published?.size)
    readLogs('lianzheng_last_seal_timestamp_seconds', 'time of the last seal, seconds since 1970', ({ sequencer }) => {
      const time = sequencer.published?.sealTime
      return time === undefined ? undefined : time / 1000
    })
    readLogs('lianzheng_waiting_records', 'records on their way into a batch', ({ sequencer }) => sequencer.pool.underway)
    this.#peers(logs)
    read('lianzheng_taking_records', 'whether the node takes records', () => Number(taking()))
    read('lianzheng_disk_free_bytes', 'bytes free where the data directory is', diskFree)
    read('process_resident_memory_bytes', 'resident memory', () => process.memoryUsage.rss())
    read('process_heap_bytes', 'JavaScript heap in use', () => process.memoryUsage().heapUsed)
    read('process_cpu_seconds_total', 'user and system time', () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    })
    read('process_start_time_seconds', 'start, seconds since 1970', () => Math.round(Date.now() / 1000 - process.uptime()))
    read('nodejs_eventloop_lag_seconds', '99 % of turns of the event loop since the last reading were shorter', () => {
      const lag = this.#delay.percentile(99) / 1e9
      this.#delay.reset()
      return lag
    })
  }

  #peers(logs: ReadonlyMap<string, NodeLog>): void {
    const registers = [this.#registry]
    const gauge = (name: string, help: string, value: (peer: PeerStatus) => number) =>
      new Gauge({
        name,
        help,
        registers,
        labelNames: ['log', 'peer', 'role'],
        collect() {
          for (const log of logs.values())
            for (const peer of log.push?.status() ?? [])
              this.set({ log: log.name, peer: peer.name, role: peer.role }, value(peer))
        }
      })
    gauge('lianzheng_peer_behind_entries', 'entries of the newest head that the peer has not cosigned', ({ behind }) => behind)
    gauge('lianzheng_peer_failures', 'failures of the peer in a row', ({ failures }) => failures)
  }

  published({ name }: NodeLog, { size, sealTime }: Published, now: number): void {
    const before = this.#published.get(name)
    this.#published.set(name, size)
    // The head a log came up with, and one signed again, are nothing new.
    if (before === undefined || size <= before) return
    this.#counters.records.inc({ log: name }, size - before - 1)
    this.#counters.seals.inc({ log: name })
    this.#histograms.batch.observe({ log: name }, size - before - 1)
    this.#histograms.seal.observe({ log: name }, Math.max(0, now - sealTime) / 1000)
  }
  /** The size a log came up with. */
  opened({ name, sequencer }: NodeLog): void {
    this.#published.set(name, sequencer.published?.size ?? 0)
  }
  request({ method, route, status, ms }: SeenRequest): void {
    this.#histograms.request.observe({ method, route, status }, ms / 1000)
  }
  refused(code: string): void {
    this.#counters.refusals.inc({ code })
  }
  dropped(): void {
    this.#counters.dropped.inc()
  }
  eventClients(change: 1 | -1): void {
    this.#eventClients.inc(change)
  }

  /** Prometheus text format 0.0.4. */
  async render(): Promise<{ type: string; text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() }
  }
  close(): void {
    this.#delay.disable()
  }
}
