/** What stands in a log's registry: keys and roles, members, changes that await agreement, and the node's next keys (formats.md §8). */
import { Router } from 'express'
import { base64url } from '../../core/bytes.ts'
import type { KeyState, NodeKeys, PendingChange } from '../../core/registry.ts'
import { namedKeys } from '../../log/head.ts'
import { CATALOGUE_VERSION, recordType } from '../../records/catalogue.ts'
import { bodyToJson } from '../../records/define.ts'
import { mayReadTrail } from '../../records/visibility.ts'
import { findLog, type LogContext, type NodeContext } from '../context.ts'
import { recordRead } from '../entitled.ts'
import { callerOf, deny } from '../middleware/caller.ts'
import { on } from '../operation.ts'
import * as operations from '../operations.ts'

export function registryRoutes(node: NodeContext): Router {
  const router = Router()
  on(router, node, operations.readRegistry, async (request, response) => {
    const log = findLog(node, request.params.log!)
    const trail = `ledger:${log.keys.origin}`
    if (!mayReadTrail(callerOf(request, log), trail)) throw deny(request)
    // Whoever may read the statements of a public log finds all of it there.
    if (!log.classes.every((name) => name === 'public')) await recordRead(node, request, log, { trail })
    response.json(await registryOf(log))
  })
  return router
}

const GENESIS_MEMBERS = recordType('ledger.genesis').members

async function registryOf({ ledger, keys }: LogContext) {
  const meta = ledger.meta!
  const current = meta.nodeKeys.at(-1)!.generation
  const states = await ledger.keyStates()
  const keysJson = (named: NodeKeys) => GENESIS_MEMBERS.keys!.field.toJson(named)
  return {
    origin: meta.origin,
    operator: meta.operator,
    control: meta.control,
    catalogue: { inForce: meta.catalogue, known: CATALOGUE_VERSION },
    policy: meta.policy,
    members: GENESIS_MEMBERS.members!.field.toJson(meta.members),
    node: { generation: current, keys: keysJson(meta.nodeKeys.at(-1)!.keys) },
    next: { generation: current + 1, keys: keysJson(namedKeys(keys, current + 1)) },
    pending: meta.pending.map(pendingJson),
    keys: states.map(keyJson)
  }
}

function pendingJson({ leaf, type, body, orgs }: PendingChange) {
  return { leaf: base64url(leaf), type, orgs: [...orgs], body: bodyToJson(recordType(type), body) }
}

function keyJson({ kid, org, staff, roles, mayGive, notBefore, notAfter, registered, activeFrom, revoked }: KeyState) {
  return {
    kid: base64url(kid),
    org,
    staff,
    roles: [...roles],
    mayGive: [...mayGive],
    notBefore,
    notAfter,
    registered,
    activeFrom,
    revoked: revoked === undefined ? undefined : { index: revoked.index, compromisedSince: revoked.compromisedSince }
  }
}
