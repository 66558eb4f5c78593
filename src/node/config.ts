/** A node's configuration: one YAML file, validated whole. An unknown or wrong key stops the start with the file, the line and what was expected. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isMap, isSeq, LineCounter, parseDocument } from 'yaml'
import * as z from 'zod'
import { LianzhengError } from '../core/errors.ts'
import { isName } from '../core/keys.ts'
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
  mirrors: z.array(z.string()).max(0, 'none: this version runs one node').default([]),
  witnesses: z.array(z.string()).max(0, 'none: this version runs one node').default([])
})

const schema = z.strictObject({
  name: nodeName,
  listen,
  publicUrl: z.url(),
  dataDir: z.string().min(1),
  seedFile: z.string().min(1),
  /** Pre-signed genesis and registrations, one folder a log, taken in at the first start. */
  genesisDir: z.string().min(1).optional(),
  policy: z.string().min(1),
  logs: z.array(log).min(1),
  batch: z
    .strictObject({ intervalMs: z.int().min(0).max(60_000).default(200), maxRecords: z.int().min(1).max(10_000).default(1_000) })
    .default({ intervalMs: 200, maxRecords: 1_000 }),
  limits: z
    .strictObject({
      bodyBytes: z
        .int()
        .min(100_000)
        .default(32 * 1024 * 1024),
      waiting: z.int().min(1).default(10_000)
    })
    .default({ bodyBytes: 32 * 1024 * 1024, waiting: 10_000 })
})

export type NodeConfig = z.infer<typeof schema> & { file: string; genesisDir: string }

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
  const { name, dataDir, seedFile, policy } = result.data
  const genesisDir = result.data.genesisDir ?? `genesis/${name.split('.')[0]}`
  return {
    ...result.data,
    file,
    dataDir: from(dataDir),
    seedFile: from(seedFile),
    genesisDir: from(genesisDir),
    policy: from(policy)
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
