/**
 * Who is asking: a JWT signed (EdDSA) by a registered key, `aud` = node name, at most five minutes old (api.md). Roles come from the registry of
 * the log that is asked, never from the token.
 */
import type { Request, RequestHandler } from 'express'
import { decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import { type Bytes, base64url, fromBase64url } from '../../core/bytes.ts'
import { LianzhengError } from '../../core/errors.ts'
import { standingOf } from '../../core/registry.ts'
import type { Ledger } from '../../log/ledger.ts'
import type { Caller } from '../../records/visibility.ts'
import type { LogContext, NodeContext } from '../context.ts'

const MAX_AGE = 300
const MAX_TOKEN = 4_096
/** Clocks of callers and nodes may differ by so many seconds. */
const TOLERANCE = 30

interface Named {
  kid: Bytes
  /** When the token was checked, ms. */
  time: number
}

const callers = new WeakMap<Request, Named>()

/** A registry that says who a key is: a log's own, or that of a mirrored one. `size`: of its tree. */
export interface Registrar {
  ledger: Ledger
  size: number
}

function registrarOf({ ledger, sequencer }: LogContext): Registrar {
  return { ledger, size: sequencer.head.size }
}

/** The caller as a log knows the key; undefined for the anonymous and for keys this log has not or no longer. */
export function callerOf(request: Request, log: LogContext | Registrar): Caller | undefined {
  const named = callers.get(request)
  return named === undefined ? undefined : activeKey(named, 'sequencer' in log ? registrarOf(log) : log)
}

/** By the clock and not by the last seal: a key whose time is over reads nothing, though nothing has been sealed since. */
function activeKey({ kid, time }: Named, { ledger, size }: Registrar): Caller | undefined {
  const key = ledger.key(kid)
  if (key === undefined || standingOf(key, size, { min: time, max: time }) !== 'active') return undefined
  return { kid: base64url(kid), org: key.org, staff: key.staff, roles: key.roles, home: key.org === ledger.meta?.operator }
}

/** Refuses with `AUTH_REQUIRED` where nobody was named, `ACCESS_DENIED` otherwise. */
export function deny(request: Request): LianzhengError {
  return new LianzhengError(callers.has(request) ? 'ACCESS_DENIED' : 'AUTH_REQUIRED')
}

/** Checks the token where there is one; without one the caller is anonymous. Throws `AUTH_INVALID`. */
export function authenticate(node: NodeContext): RequestHandler {
  return async (request, _response, next) => {
    const header = request.get('authorization')
    if (header !== undefined) {
      await node.readable()
      const time = node.clock()
      callers.set(request, { kid: await verifyToken(header, node, time), time })
    }
    next()
  }
}

async function verifyToken(header: string, node: NodeContext, time: number): Promise<Bytes> {
  const token = /^Bearer ([A-Za-z0-9_.-]+)$/.exec(header)?.[1]
  if (token === undefined || token.length > MAX_TOKEN) throw new LianzhengError('AUTH_INVALID', { expected: 'Bearer <JWT>' })
  try {
    const { kid: name, alg } = decodeProtectedHeader(token)
    if (alg !== 'EdDSA' || name === undefined) throw new LianzhengError('AUTH_INVALID', { expected: 'alg EdDSA and a kid' })
    const kid = fromBase64url(name, 32)
    const copies = (node.mirror?.copies ?? []).map(({ ledger, head }) => ({ ledger, size: head.size }))
    const log = [...[...node.logs.values()].map(registrarOf), ...copies].find(
      (known) => activeKey({ kid, time }, known) !== undefined
    )
    if (log === undefined) throw new LianzhengError('AUTH_INVALID', { field: 'kid', expected: 'an active registered key' })
    const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: base64url(log.ledger.key(kid)!.key) }, 'EdDSA')
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['EdDSA'],
      audience: node.name,
      clockTolerance: TOLERANCE,
      currentDate: new Date(time),
      maxTokenAge: MAX_AGE,
      requiredClaims: ['iat', 'exp']
    })
    // Of a token for several nodes any one could make use at the others.
    if (payload.aud !== node.name) throw new LianzhengError('AUTH_INVALID', { field: 'aud', expected: node.name })
    if (payload.exp! - payload.iat! > MAX_AGE)
      throw new LianzhengError('AUTH_INVALID', { field: 'exp', expected: 'at most five minutes after iat' })
    return kid
  } catch (error) {
    if (error instanceof LianzhengError && error.code === 'AUTH_INVALID') throw error
    throw new LianzhengError('AUTH_INVALID', { cause: error })
  }
}
