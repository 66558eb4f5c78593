/** Entries of a log that is not public, read from another institution's copy: on record in the log of whoever serves them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LedgerClient } from '../../src/client/client.ts'
import { parseKey } from '../../src/client/keyfile.ts'
import { decodeBundle } from '../../src/core/tile.ts'
import { originHash } from '../../src/peer/witness.ts'
import { fix } from '../helpers/lab.ts'
import { Peers } from '../helpers/peers.ts'

const ORIGIN = 'court.example/evidence'
let peers: Peers
beforeAll(async () => {
  peers = await Peers.make(['court', 'discipline'])
  await peers.startAll()
  expect((await peers.submit(fix('copied'), 'clerk', 'evidence')).status).toBe(201)
})
afterAll(() => peers.close())

it('leaves a record in the copier’s own log before the bundle is given', async () => {
  const { context } = peers.nodes.get('discipline')!
  const { size } = context.mirror!.status().find(({ origin }) => origin === ORIGIN)!
  const key = await parseKey(readFileSync(join(peers.directory, 'keys', 'inspector.key.json'), 'utf8'))
  const client = new LedgerClient({ url: peers.url('discipline'), key })
  const bundle = await client.bytes(`/mirror/${originHash(ORIGIN)}/tile/entries/000.p/${size}`)
  expect(decodeBundle(bundle, size)).toHaveLength(size)
  const { reader, sequencer } = context.logs.get('lead')!
  while (sequencer.published!.size < sequencer.head.size) await new Promise(setImmediate)
  const reads = reader.memberIndexes('reader:粤01-R9001', 10).map((index) => reader.statement(index).body.get('trail'))
  expect(reads).toEqual([`ledger:${ORIGIN}`])
})
