/** A court that lies in one place only gets no cosignature of a mirror, from the first head that holds the lie on; its honest twin does. */
import { describe, expect, it, test } from 'vitest'
import { type Bytes, equalBytes } from '../../src/core/bytes.ts'
import { ed25519Signer } from '../../src/core/keys.ts'
import { formatVkey, makeVkey, TYPE_ED25519 } from '../../src/core/note.ts'
import { auditStore } from '../../src/log/audit.ts'
import { nativeVerifier } from '../../src/node/native.ts'
import { entryKey, tileKey } from '../../src/store/layout.ts'
import { put } from '../../src/store/store.ts'
import { fix, ORIGIN, opinion, USERS, user } from '../helpers/lab.ts'
import { LyingNode } from '../helpers/lying-node.ts'
import { MirrorBench } from '../helpers/mirror-bench.ts'
import { uploadOf } from '../helpers/stranger.ts'

const { clerk, president, judge } = USERS
const flipped = (bytes: Bytes) => bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte))

/** A log with its users under a first seal, and what `act` files under a second. */
function court(act: (node: LyingNode) => void): LyingNode {
  const node = LyingNode.start([clerk, president])
  act(node)
  return node
}

const lies: [what: string, act: (node: LyingNode) => void, expected: RegExp][] = [
  ['registry: a key that nobody registered', (node) => filed(node, opinion(), judge), /KEY_NOT_REGISTERED/],
  [
    'registry: a key registered by someone who is no administrator',
    (node) => sealed(node, () => node.register(judge, clerk)),
    /ROLE_NOT_PERMITTED/
  ],
  [
    'registry: a revoked key',
    (node) => sealed(node, () => [node.revoke(president), node.add(opinion(), president)]),
    /KEY_REVOKED/
  ],
  [
    'registry: a key of one organisation given by another',
    (node) => sealed(node, () => node.register(user('x', ['leader'], '粤01-R0077', 'gz-notary'))),
    /FOREIGN_ORGANISATION/
  ],
  ['registry: a second genesis', (node) => sealed(node, () => node.genesis()), /GENESIS_MISPLACED/],
  ['role: a clerk who writes an opinion', (node) => filed(node, opinion({ actor: '粤01-R0101' }), clerk), /ROLE_NOT_PERMITTED/],
  [
    'role: another actor than the key’s person',
    (node) => filed(node, opinion({ actor: '粤01-R0009' }), president),
    /ACTOR_MISMATCH/
  ],
  [
    'role: another organisation than the key’s',
    (node) => filed(node, opinion(), president, { iss: 'gz-discipline' }),
    /ORGANISATION_MISMATCH/
  ],
  [
    'schema: a field that there is not',
    (node) => filed(node, opinion(), president, { body: (body) => Object.assign(body, { extra: 1 }) }),
    /FIELD_UNKNOWN/
  ],
  [
    'schema: a classified matter',
    (node) => filed(node, opinion(), president, { body: (body) => Object.assign(body, { secrecy: '机密' }) }),
    /CLASSIFIED/
  ],
  ['trail set: one left out', (node) => filed(node, opinion(), president, { trails: ['power:粤01-R0001'] }), /TRAILS_MISMATCH/],
  [
    'trail set: signed with all, filed under fewer',
    (node) => filed(node, opinion(), president, { filed: ['power:粤01-R0001'] }),
    /seal\.(trails|map)/
  ],
  [
    'trail set: filed under the trail of another',
    (node) =>
      filed(node, opinion(), president, {
        filed: ['power:粤01-R0002', 'case-internal:（2020）粤01民初123号', 'duty:粤01-R0201']
      }),
    /seal\.map/
  ],
  [
    'statement: a signature that does not verify',
    (node) => filed(node, opinion(), president, { signer: clerk.signer }),
    /KEY_NOT|ROLE|signature/
  ],
  ['statement: meant for another log', (node) => filed(node, opinion(), president, { aud: 'court.example/other' }), /WRONG_LOG/],
  [
    'statement: issued an hour ahead of its seal',
    (node) => filed(node, opinion(), president, { iat: Math.floor(node.now / 1000) + 3_600 }),
    /IAT_AHEAD/
  ],
  ['statement: the same one twice', (node) => sealed(node, () => node.place(node.entries[1]!, [])), /CTI_REUSED/],
  [
    'map: another root',
    (node) => sealed(node, () => node.add(opinion(), president), { map: new Uint8Array(32).fill(9) }),
    /seal\.map/
  ],
  [
    'map: a count too small',
    (node) => sealed(node, () => [node.counts.set('power:粤01-R0001', 7), node.add(opinion(), president)]),
    /seal\.map/
  ],
  ['map: number of trails', (node) => sealed(node, () => node.add(opinion(), president), { trails: 1 }), /seal\.trails/],
  ['height: one left out', (node) => sealed(node, () => node.add(opinion(), president), { height: 2 }), /seal\.height/],
  [
    'chain: another seal before',
    (node) => sealed(node, () => node.add(opinion(), president), { prev: flipped(node.seals[0]!.leaf) }),
    /seal\.prev/
  ],
  ['chain: size that is not its index', (node) => sealed(node, () => node.add(opinion(), president), { size: 3 }), /seal\.size/],
  [
    'time: that of the seal before',
    (node) => sealed(node, () => node.add(opinion(), president), { time: node.seals[0]!.time }),
    /seal\.time/
  ],
  [
    'time: before the seal before',
    (node) => sealed(node, () => node.add(opinion(), president), { time: node.seals[0]!.time - 1 }),
    /IAT_AHEAD|seal\.time/
  ],
  [
    'seal: signed by another key',
    (node) => sealed(node, () => node.add(opinion(), president), { signer: clerk.signer }),
    /signature/
  ],
  ['seal: of another organisation', (node) => sealed(node, () => node.add(opinion(), president), { iss: 'gz-notary' }), /iss/],
  ['seal: over nothing', (node) => void node.seal(), /a record between two seals/]
]

function sealed(node: LyingNode, act: () => unknown, lie: Parameters<LyingNode['seal']>[0] = {}): void {
  act()
  node.seal(lie)
}
function filed(
  node: LyingNode,
  record: { [name: string]: unknown },
  by: typeof clerk,
  lie: Parameters<LyingNode['add']>[2] = {}
): void {
  sealed(node, () => node.add(record, by, lie))
}

describe('a court that lies in', () => {
  it.each(lies)('%s', async (_, act, expected) => {
    const bench = await MirrorBench.open(court(() => {}))
    expect(await bench.push()).toHaveProperty('lines')
    const honest = bench.size
    act(bench.log)
    await expect(bench.push()).rejects.toThrow(/MIRROR_DISAGREES/)
    expect(bench.size).toBe(honest)
    expect(bench.alarms.map(String).join()).toMatch(expected)
    expect(bench.alarms[0]!.detail.at).toBeGreaterThanOrEqual(honest)

    // Not later either: an honest batch on top, a restart, and no second alarm for the same thing.
    bench.log.add(opinion(), president)
    bench.log.seal()
    await expect(bench.push()).rejects.toThrow(/MIRROR_DISAGREES/)
    expect(bench.alarms).toHaveLength(1)
    await bench.start()
    await expect(bench.push()).rejects.toThrow(/MIRROR_DISAGREES/)
    expect(bench.size).toBe(honest)
  })
})

test('the honest twin is cosigned, batch after batch and several at once, and its copy passes an audit', async () => {
  const bench = await MirrorBench.open(court(() => {}))
  expect(await bench.push()).toHaveProperty('lines')
  for (let i = 0; i < 3; i++) {
    for (let n = 0; n < 150; n++) bench.log.add(n % 2 === 0 ? opinion() : fix(`${i} ${n}`), n % 2 === 0 ? president : clerk)
    bench.log.seal()
    if (i > 0) expect(await bench.push()).toHaveProperty('lines')
  }
  expect(bench.size).toBe(bench.log.entries.length)
  expect(bench.log.entries.every((entry, i) => equalBytes(entry, bench.copy.ledger.entry(i)!))).toBe(true)
  const report = await auditStore(bench.store, { verifier: nativeVerifier })
  expect(report.findings).toEqual([])
  expect([report.size, report.seals]).toEqual([bench.size, 4])
})

test('a head that does not end in a seal is not cosigned; one that does, later, is', async () => {
  const bench = await MirrorBench.open(court(() => {}))
  await bench.push()
  bench.log.add(opinion(), president)
  await expect(bench.push()).rejects.toThrow(/MIRROR_DISAGREES.*a seal as the last entry/)
  bench.log.seal()
  expect(await bench.push()).toHaveProperty('lines')
})

test('another upload that has gone further is no lie of the log: where to go on is said, and nobody is accused', async () => {
  const bench = await MirrorBench.open(court(() => {}))
  await bench.push()
  const { log } = bench
  const grow = (records: number) => {
    for (let n = 0; n < records; n++) log.add(opinion(), president)
    log.seal()
    return log.entries.length
  }
  const first = grow(3)
  await bench.add()
  const asked = (await bench.send(uploadOf(log, first, first))) as { info: { ticket: Bytes } }
  grow(100)
  const last = grow(200)
  await bench.add()
  expect(await bench.send(uploadOf(log, bench.copy.next, last, { packages: 1 }))).toMatchObject({ status: 202 })
  expect(bench.copy.head.size).toBeGreaterThan(first)
  expect(await bench.send(uploadOf(log, first, first, asked.info))).toMatchObject({ status: 409, info: { size: last } })
  expect(bench.alarms).toEqual([])
  expect(await bench.push()).toHaveProperty('lines')
  expect(bench.size).toBe(last)
})

describe('a log that has changed the key of its heads', () => {
  const next = ed25519Signer(new Uint8Array(32).fill(42))
  const vkey = makeVkey(ORIGIN, TYPE_ED25519, next.publicKey)
  /** The change, and the seal that ends its batch. */
  const change = (log: LyingNode) => {
    log.add(
      { type: 'registry.node', at: '2026-03-01T09:00:00+08:00', generation: 2, keys: { log: formatVkey(vkey) } },
      USERS.admin
    )
    log.seal()
  }

  it('is cosigned under the new key, and no more under the old one; nobody is accused', async () => {
    const bench = await MirrorBench.open(court(() => {}))
    bench.vkeys.push(vkey)
    await bench.start()
    await bench.push()
    const before = bench.size
    change(bench.log)
    await expect(bench.push()).rejects.toThrow(/CHECKPOINT_NOT_SIGNED/)
    expect([bench.size, bench.alarms]).toEqual([before, []])
    bench.log.log = next
    expect(await bench.push()).toHaveProperty('lines')
  })

  it('is cosigned by a mirror that comes later and knows the new key alone', async () => {
    const log = court(change)
    log.log = next
    const bench = await MirrorBench.open(log)
    bench.vkeys = [vkey]
    await bench.start()
    expect(await bench.push()).toHaveProperty('lines')
  })

  it('is not cosigned under a key that its genesis does not name', async () => {
    const log = court(() => {})
    log.log = next
    const bench = await MirrorBench.open(log)
    bench.vkeys = [vkey]
    await bench.start()
    await expect(bench.push()).rejects.toThrow(/CHECKPOINT_NOT_SIGNED/)
    expect(bench.size).toBe(0)
  })
})

test('a seal ahead of the mirror’s clock is “not yet”: no alarm, and cosigned when its time has come', async () => {
  const bench = await MirrorBench.open(court(() => {}))
  await bench.push()
  const { log } = bench
  log.now += 3_600_000
  log.add(opinion(), president)
  log.seal()
  const time = log.now
  log.now = bench.now
  await expect(bench.push()).rejects.toThrow(/SEAL_AHEAD/)
  expect(bench.alarms).toEqual([])
  bench.now = time - 299_000
  expect(await bench.push()).toHaveProperty('lines')
})

test('under a catalogue that it lacks the mirror stops, and says so: that is no lie of the log', async () => {
  const bench = await MirrorBench.open(LyingNode.start([clerk], { catalogue: 99 }))
  await expect(bench.push()).rejects.toThrow(/CATALOGUE_UNKNOWN/)
  expect([bench.size, bench.alarms]).toEqual([0, []])
})

test('what it stored is read back before it signs: a disk that changed an entry or a tile is no copy', async () => {
  for (const damage of [
    (bench: MirrorBench, size: number) => put(entryKey(size + 1), flipped(bench.copy.ledger.entry(size + 1)!)),
    (bench: MirrorBench) => put(tileKey(0, 0), flipped(bench.copy.ledger.tile(0, 0)!))
  ]) {
    const bench = await MirrorBench.open(court(() => {}))
    await bench.push()
    const before = bench.size
    for (let i = 0; i < 5; i++) bench.log.add(opinion(), president)
    bench.log.seal()
    const write = bench.store.write.bind(bench.store)
    bench.store.write = async (writes, options) => {
      await write(writes, options)
      if (options.durable && bench.copy.head.size > before) {
        bench.store.write = write
        await write([damage(bench, before)], { durable: true })
      }
    }
    await expect(bench.push()).rejects.toThrow(/STORE_CORRUPT/)
    expect(bench.size).toBe(before)
  }
})
