/** What sends a log's heads to its peers, as the configuration names them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogKeys } from '../log/head.ts'
import type { Ledger } from '../log/ledger.ts'
import type { Sequencer } from '../log/sequencer.ts'
import { PeerClient } from '../peer/client.ts'
import type { Role } from '../peer/cosigner.ts'
import { Push } from '../peer/push.ts'
import type { NodeConfig, PeerConfig } from './config.ts'
import type { NodeLogOptions } from './log.ts'

/** For one request to a peer; a mirror that catches up derives 8,192 entries in one. Milliseconds. */
const TIMEOUT = 30_000

interface Pushed {
  keys: LogKeys
  /** Those that are open now: a log may be opened again in place. */
  ledger: Ledger
  sequencer: Sequencer
  /** Undefined while it is closed. */
  isOpen: boolean
}

/** Undefined where the log has no peers: then its own signature publishes a head. */
export function pushOf(
  log: Pushed,
  names: Pick<NodeConfig['logs'][number], 'mirrors' | 'witnesses'>,
  { config, clock, policy, onFatal }: NodeLogOptions
): Push | undefined {
  const client = (role: Role) => (name: string) => {
    const peer = addressOf(config.peers.find((one) => one.name === name)!, role)
    return new PeerClient({ peer, logVkey: () => log.keys.log.vkey, ledger: () => log.ledger, timeoutMs: TIMEOUT })
  }
  const peers = [...names.mirrors.map(client('mirror')), ...names.witnesses.map(client('witness'))]
  if (peers.length === 0) return undefined
  return new Push({
    policy,
    peers,
    clock,
    random: Math.random,
    wait: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
    // A log that is being opened again signs its head again when it is.
    publish: async (published) => {
      if (log.isOpen) await log.sequencer.publish(published)
    },
    onFatal
  })
}

function addressOf({ name, url, vkeys, foreign }: PeerConfig, role: Role) {
  if (foreign) return { name, role, url, vkeys }
  return { name, role, url: `${url}/${role}`, vkeys: vkeys.filter((vkey) => vkey.name === `${name}/${role}`) }
}
