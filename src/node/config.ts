/** A node's configuration: one YAML file, validated whole. An unknown or wrong key stops the start with the file, the line and what was expected. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isMap, isSeq, LineCounter, parseDocument } from 'yaml'
import * as z from 'zod'
import { LianzhengError } from '../core/errors.ts'
import { isName, nodeNameOf } from '../core/keys.ts'
import { parseVkey, TYPE_COSIGNATURE, TYPE_ED25519, TYPE_MLDSA44, type Vkey } from '../core/note.ts'
import type { WatchedLog } from '../peer/cosigner.ts'
import { CLASSES } from '../records/ids.ts'

const listen = z
  .string()
  .regex(/^(?:\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/, 'host:port')
  .refine((where) => Number(where.slice(where.lastIndexOf(':') + 1)) <= 65_535, 'host:port, a port of at most 65535')
const nodeName = z.string().refine(isName, 'a node name: lower-case letters, digits, dots, hyphens')
const classes = z.union([z.enum(CLASSES), z.array(z.enum(CLASSES)).min(1)])

const log = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a log name: lower-case letters, digits, dots, hyphens'),
  class: classes,
  /** Names of peers: those that keep a copy of the log, and those that only witness it. */
  mirrors: z.array(z.string()).default([]),
  witnesses: z.array(z.string()).default([])
})

/** Verifier keys: themselves, or a file with one a line. */
const vkeys = z.union([z.array(z.string()).min(1), z.string().min(1)], 'vkeys, or a file with one a line')

const peer = z.strictObject({
  name: nodeName,
  url: z.url(),
  vkeys,
  /** A cosigner of other software: `url` is its C2SP submission prefix, and all its keys count. */
  foreign: z.boolean().default(false)
})

const watched = z.strictObject({
  origin: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^\n]*$/, 'an origin, one line'),
  vkeys,
  role: z.enum(['witness', 'mirror']),
  /** Classes of a ledger, all of which a mirror derives again; absent for a stranger's log. */
  class: classes.optional()
})

const MIB = 1024 * 1024

const limits = z
  .strictObject({
    /** Of one request, bytes. */
    bodyBytes: z
      .int()
      .min(100_000)
      .default(32 * MIB),
    /** Of all requests at a time, bytes. */
    bodiesBytes: z
      .int()
      .min(100_000)
      .default(128 * MIB),
    /** Records waiting in one log. */
    waiting: z.int().min(1).default(10_000),
    connections: z.int().min(1).max(100_000).default(1_000),
    /** Milliseconds within which a request's headers, and the whole of it, must have come. */
    headersMs: z.int().min(100).default(10_000),
    requestMs: z.int().min(100).default(60_000),
    eventClients: z.int().min(0).max(100_000).default(200),
    /** Milliseconds between signs of life in an event stream; a client that takes nothing from one to the next is cut off. */
    heartbeatMs: z.int().min(10).max(300_000).default(15_000),
    /** With less than this free, no records are taken. */
    diskFreeBytes: z
      .int()
      .min(0)
      .default(256 * MIB)
  })
  .refine(({ bodyBytes, bodiesBytes }) => bodiesBytes >= bodyBytes, {
    path: ['bodiesBytes'],
    message: 'at least bodyBytes'
  })
  .refine(({ headersMs, requestMs }) => requestMs >= headersMs, { path: ['requestMs'], message: 'at least headersMs' })

export const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const

const schema = z.strictObject({
  name: nodeName,
  listen,
  publicUrl: z.url(),
  dataDir: z.string().min(1),
  seedFile: z.string().min(1),
  /** Pre-signed genesis and registrations, one folder a log, taken in at the first start. */
  genesisDir: z.string().min(1).optional(),
  policy: z.string().min(1),
  logs: z.array(log),
  /** Other nodes that cosign this node's logs. */
  peers: z.array(peer).default([]),
  /** Logs of others that this node cosigns. */
  watch: z.array(watched).default([]),
  batch: z
    .strictObject({ intervalMs: z.int().min(0).max(60_000).default(200), maxRecords: z.int().min(1).max(10_000).default(1_000) })
    .prefault({}),
  limits: limits.prefault({}),
  log: z.strictObject({ level: z.enum(LEVELS).default('info') }).prefault({})
})

type Parsed = z.infer<typeof schema>

export interface PeerConfig {
  name: string
  /** Without a slash at the end. */
  url: string
  vkeys: Vkey[]
  foreign: boolean
}

export type NodeConfig = Omit<Parsed, 'peers' | 'watch'> & {
  file: string
  genesisDir: string
  peers: PeerConfig[]
  watch: WatchedLog[]
}

/** Throws `CONFIG_UNREADABLE`, or `CONFIG_INVALID` or `NAME_INVALID` with the line. Paths in the file are relative to it; those returned are absolute. */
export function readConfig(file: string): NodeConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new LianzhengError('CONFIG_UNREADABLE', { at: file, cause })
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const syntax = document.errors[0]
  if (syntax !== undefined)
    throw new LianzhengError('CONFIG_INVALID', {
      at: `${file}:${lines.linePos(syntax.pos[0]).line}`,
      expected: 'YAML',
      cause: syntax
    })

  let value: unknown
  try {
    value = document.toJS()
  } catch (cause) {
    throw new LianzhengError('CONFIG_INVALID', { at: `${file}:1`, expected: 'YAML without a flood of aliases', cause })
  }
  const result = schema.safeParse(value)
  if (!result.success) {
    const issue = result.error.issues[0]!
    const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path
    throw new LianzhengError('CONFIG_INVALID', {
      at: `${file}:${lineOf(document.contents, path, lines)}`,
      field: path.join('.'),
      expected: issue.code === 'unrecognized_keys' ? 'a known key' : issue.message
    })
  }
  const names = result.data.logs.map(({ name }) => name)
  for (const [i, name] of names.entries()) {
    const place = { at: `${file}:${lineOf(document.contents, ['logs', i, 'name'], lines)}`, field: `logs.${i}.name` }
    if (names.indexOf(name) !== i) throw new LianzhengError('CONFIG_INVALID', { ...place, expected: `one log named ${name}` })
    if (!isName(`${result.data.name}/${name}`))
      throw new LianzhengError('NAME_INVALID', { ...place, expected: 'an origin, <node>/<log>, of at most 200 bytes' })
  }
  const from = (path: string) => resolve(dirname(file), path)
  const wrong = (path: readonly (string | number)[], expected: string, cause?: unknown) =>
    new LianzhengError('CONFIG_INVALID', {
      at: `${file}:${lineOf(document.contents, path, lines)}`,
      field: path.join('.'),
      expected,
      ...(cause === undefined ? {} : { cause })
    })
  if (result.data.logs.length === 0 && result.data.watch.length === 0) throw wrong(['logs'], 'a log, or one to watch')
  checkPeers(result.data, wrong)
  const keysAt = (path: readonly (string | number)[], given: string | string[], types: readonly number[]) => {
    const texts = typeof given === 'string' ? readLines(from(given)) : given
    return texts.map((text, i) => {
      try {
        const vkey = parseVkey(text)
        if (types.includes(vkey.type)) return vkey
      } catch (cause) {
        throw wrong(typeof given === 'string' ? path : [...path, i], 'a vkey', cause)
      }
      throw wrong(
        typeof given === 'string' ? path : [...path, i],
        `vkeys of type ${types.map((type) => `0${type}`).join(' or ')}`
      )
    })
  }
  const { name, dataDir, seedFile, policy } = result.data
  const genesisDir = result.data.genesisDir ?? `genesis/${name.split('.')[0]}`
  return {
    ...result.data,
    file,
    dataDir: from(dataDir),
    seedFile: from(seedFile),
    genesisDir: from(genesisDir),
    policy: from(policy),
    peers: result.data.peers.map(({ url, ...peer }, i) => ({
      ...peer,
      url: url.replace(/\/+$/, ''),
      vkeys: keysAt(['peers', i, 'vkeys'], peer.vkeys, [TYPE_COSIGNATURE, TYPE_MLDSA44])
    })),
    watch: result.data.watch.map(({ origin, role, ...log }, i) => ({
      origin,
      role,
      vkeys: keysAt(['watch', i, 'vkeys'], log.vkeys, [TYPE_ED25519, TYPE_MLDSA44]),
      ...(log.class === undefined ? {} : { classes: [log.class].flat() })
    }))
  }
}

/** Lines of a file of vkeys, without empty ones and comments. Throws `CONFIG_UNREADABLE`. */
function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
  } catch (cause) {
    throw new LianzhengError('CONFIG_UNREADABLE', { at: file, cause })
  }
}

/** Two lines each, and two of the log: 16 in a published note (formats.md §5). */
const MAX_PEERS = 7

/** Each peer once, each in at most one role for a log (formats.md §5), each log watched once and none of the node's own. */
function checkPeers(
  { name, logs, peers, watch }: Parsed,
  wrong: (path: readonly (string | number)[], expected: string) => LianzhengError
): void {
  const known = peers.map((peer) => peer.name)
  for (const [i, peer] of known.entries()) {
    if (known.indexOf(peer) !== i) throw wrong(['peers', i, 'name'], `one peer named ${peer}`)
    if (peer === name) throw wrong(['peers', i, 'name'], 'another node')
  }
  for (const [i, log] of logs.entries()) {
    for (const role of ['mirrors', 'witnesses'] as const)
      for (const [j, peer] of log[role].entries()) {
        const path = ['logs', i, role, j]
        if (!known.includes(peer)) throw wrong(path, `the name of a peer: ${known.join(' | ')}`)
        if (log.mirrors.length + log.witnesses.length > MAX_PEERS) throw wrong(path, `at most ${MAX_PEERS} peers of one log`)
        if ([...log.mirrors, ...log.witnesses].filter((other) => other === peer).length > 1)
          throw wrong(path, 'each peer in one role')
      }
  }
  const origins = watch.map((log) => log.origin)
  for (const [i, origin] of origins.entries()) {
    if (origins.indexOf(origin) !== i) throw wrong(['watch', i, 'origin'], `one entry for ${origin}`)
    if (nodeNameOf(origin) === name) throw wrong(['watch', i, 'origin'], 'a log of another node')
  }
}

/** Line of the deepest part of a path that the document has; a missing key is at the line of the map it is missing from. */
function lineOf(node: unknown, path: readonly PropertyKey[], lines: LineCounter): number {
  const range = (node as { range?: [number, number, number] } | null)?.range
  const here = range === undefined ? 1 : lines.linePos(range[0]).line
  const [head, ...rest] = path
  if (head === undefined) return here
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => String(key) === String(head))
    if (pair === undefined) return here
    const keyRange = (pair.key as { range?: [number, number, number] }).range
    return rest.length === 0 && keyRange !== undefined ? lines.linePos(keyRange[0]).line : lineOf(pair.value, rest, lines)
  }
  if (isSeq(node) && typeof head === 'number') return lineOf(node.items[head], rest, lines)
  return here
}
