/** The policies of a new network (formats.md §5): a majority of the nodes that are not the operator, and one mirror of the log. */

import { formatVkey, type Vkey } from '../core/note.ts'
import type { LogKeys } from '../log/head.ts'
import type { CosignerKeys } from '../peer/cosigner.ts'
import type { NetworkLog, NetworkNode } from './network.ts'

type Kind = 'ed25519' | 'mldsa'

const ofLog = ({ log, mldsa }: LogKeys, kind: Kind): Vkey => (kind === 'ed25519' ? log.vkey : mldsa.vkey)
const ofCosigner = ({ vkeys }: CosignerKeys, kind: Kind): Vkey => vkeys[kind === 'ed25519' ? 0 : 1]

/** One policy for all logs of the network. */
export function policyOfNetwork(nodes: readonly NetworkNode[], logs: readonly NetworkLog[], kind: Kind): string {
  return policyText(nodes, logs, kind, majorityBeside(nodes.length))
}

/** For one log without its operator's keys: for tools that do not know that a node's own cosignature never counts. */
export function policyOfLog(nodes: readonly NetworkNode[], log: NetworkLog): string {
  const others = nodes.filter((node) => node !== log.operator)
  return policyText(others, [log], 'ed25519', majorityBeside(nodes.length))
}

/** More than half of the nodes that are not the operator: with it, a majority of all; so that one that is down or slow stops nothing. */
function majorityBeside(nodes: number): number {
  return Math.floor((nodes - 1) / 2) + 1
}

function policyText(nodes: readonly NetworkNode[], logs: readonly NetworkLog[], kind: Kind, k: number): string {
  const cosigners = nodes.filter(({ witness }) => witness !== undefined)
  const quorum =
    cosigners.length === 0
      ? ['quorum none']
      : [
          ...cosigners.flatMap(({ node, url, witness, mirror }) => [
            `witness ${node}-witness ${formatVkey(ofCosigner(witness!, kind))} ${url}/witness`,
            `witness ${node}-mirror ${formatVkey(ofCosigner(mirror!, kind))} ${url}/mirror`,
            `group ${node} any ${node}-witness ${node}-mirror`
          ]),
          `group network ${k} ${cosigners.map(({ node }) => node).join(' ')}`,
          'quorum network'
        ]
  const rests = logs.flatMap((log) => {
    const names = log.mirrors.map(({ node }) => `${node}-mirror`)
    if (cosigners.length === 0) return [`# lianzheng ${log.keys.origin} ${log.class} 0`]
    // Nothing rests on a log without mirrors: its trails stay “could not check”.
    return names.length === 0 ? [] : [`# lianzheng ${log.keys.origin} ${log.class} 1 ${names.join(' ')}`]
  })
  const listed = logs.map(({ keys, url }) => `log ${formatVkey(ofLog(keys, kind))} ${url}`)
  return `${[...listed, ...quorum, ...rests].join('\n')}\n`
}
