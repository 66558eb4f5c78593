/** Trail certificates, look-up of evidence by digest, plain proofs. */
import { Router } from 'express'
import { base64url, fromBase64url } from '../../core/bytes.ts'
import { LianzhengError } from '../../core/errors.ts'
import type { MaySee } from '../../log/reader.ts'
import { holdsTrail, isTrailName, kindOf } from '../../records/ids.ts'
import { type Caller, mayReadRecord, mayReadTrail } from '../../records/visibility.ts'
import { formatCertificate } from '../../verify/files.ts'
import { findLog, type NodeContext } from '../context.ts'
import { asAsked, factsOf, mayHaveRecord, mayHaveTrail, recordRead } from '../entitled.ts'
import { callerOf, deny } from '../middleware/caller.ts'
import { on } from '../operation.ts'
import * as operations from '../operations.ts'

/** Members of a trail in one part; longer trails come in several parts, which together are complete. */
const MAX_MEMBERS = 1_000
/** The first fixes of a file that a look-up names. */
const MAX_LOOKED_UP = 100

export function trailRoutes(node: NodeContext): Router {
  const router = Router()

  on(router, node, operations.readTrail, async (request, response, page) => {
    const { name } = request.params as { name: string }
    if (!isTrailName(name)) throw new LianzhengError('TRAIL_NAME_INVALID', { expected: 'kind:id' })
    const logs = [...node.logs.values()].filter(({ keys, classes }) => holdsTrail(name, keys.origin, classes))
    if (logs.length === 0) throw new LianzhengError('CLASS_NOT_HELD', { field: 'name' })
    for (const log of logs) if (!(await mayHaveTrail(log, callerOf(request, log), name))) throw deny(request)
    if (!mayReadTrail(undefined, name)) await recordRead(node, request, logs[0]!, { trail: name })
    const from = page.from ?? 0
    const longest = Math.max(...logs.map(({ reader }) => reader.trailCount(name)))
    if (from > longest) throw new LianzhengError('QUERY_INVALID', { field: 'from', expected: `at most ${longest}` })
    const options = { from, limit: Math.min(page.limit ?? MAX_MEMBERS, MAX_MEMBERS) }
    const parts = logs.map((log) =>
      log.reader.trailPart(name, asAsked(page.disclose, shownOn(name, callerOf(request, log))), options)
    )
    response.type('application/json').send(formatCertificate({ trail: name, parts }))
  })

  on(router, node, operations.lookUpEvidence, async (request, response) => {
    const { digest } = request.params as { digest: string }
    if (!/^[0-9a-f]{64}$/.test(digest))
      throw new LianzhengError('HEX_INVALID', { field: 'digest', expected: '64 lower-case hex digits' })
    const found = [...node.logs.values()].flatMap((log) =>
      ['sha256', 'sm3'].flatMap((kind) => {
        const trail = `file:${kind}-${digest}`
        if (!holdsTrail(trail, log.keys.origin, log.classes)) return []
        return log.reader.memberIndexes(trail, MAX_LOOKED_UP).map((index) => ({ log, index, trail }))
      })
    )
    const times = found.map(({ log, index }) => log.reader.enteredAt(index)).filter((time) => time !== undefined)
    const rights: typeof found = []
    for (const one of found) {
      const facts = factsOf(one.log.reader.statement(one.index))
      if (await mayHaveRecord(one.log, callerOf(request, one.log), facts)) rights.push(one)
    }
    if (rights.length > 0) await recordRead(node, request, rights[0]!.log, { trail: rights[0]!.trail })
    response.json({
      digest,
      fixed: found.length > 0,
      ...(times.length === 0 ? {} : { since: new Date(Math.min(...times)).toISOString() }),
      ...(rights.length === 0
        ? {}
        : {
            records: rights.map(({ log, index }) => ({
              log: log.name,
              index,
              receipt: `/api/v1/logs/${log.name}/records/${index}/receipt`
            }))
          })
    })
  })

  on(router, node, operations.proveInclusion, (request, response, query) => {
    const { reader } = findLog(node, request.params.log!)
    const index = reader.indexOfLeaf(fromBase64url(query.leaf, 32))
    const size = query.size ?? reader.published().size
    const proof = reader.inclusion(index, size).map(base64url) // First: it refuses a size that is not published.
    response.json({ index, size, root: base64url(reader.root(size)), proof })
  })

  on(router, node, operations.proveConsistency, (request, response, { from, to }) => {
    const { reader } = findLog(node, request.params.log!)
    response.json({ from, to, proof: reader.consistency(from, to).map(base64url) })
  })
  return router
}

/** A trail shows its audience everything; a holder of a file is shown the statements, and what is sealed only in records open to them anyway. */
function shownOn(name: string, caller: Caller | undefined): MaySee {
  if (kindOf(name) !== 'file') return (_, disclosures) => disclosures
  return (statement, disclosures) => (mayReadRecord(caller, factsOf(statement)) ? disclosures : [])
}
