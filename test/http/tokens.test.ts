import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { base64url, utf8 } from '../../src/core/bytes.ts'
import { ed25519Signer, keyId } from '../../src/core/keys.ts'
import { type Claims, type Name, TestNetwork } from '../helpers/network.ts'

const AT = '2020-08-26T09:00:00+08:00'
const stranger = ed25519Signer(new Uint8Array(32).fill(1))

let network: TestNetwork
beforeAll(async () => {
  network = await TestNetwork.open()
})
afterAll(() => network.close())

const now = () => Math.floor(Date.now() / 1000)
/** Of what even the anonymous may have: a bad token is refused before anything is asked. */
const ask = (authorization: string) => network.ask('/api/v1/logs', { authorization })
const bearer = (claims: Claims, by: Name = 'inspector') => `Bearer ${network.token(by, claims)}`

it('a token as the client makes it is good for two minutes, and for what its key may read', async () => {
  expect((await ask(bearer({}))).status).toBe(200)
  const trail = await network.ask('/api/v1/trails/power:粤01-R0001', { authorization: bearer({}) })
  expect(trail.status).toBe(200)
})

describe('good at the edges', () => {
  const good: [string, () => string][] = [
    ['five minutes long', () => bearer({ payload: { iat: now(), exp: now() + 300 } })],
    ['just expired, by a clock that is a little behind', () => bearer({ payload: { iat: now() - 120, exp: now() - 20 } })],
    ['issued by a clock that is a little ahead', () => bearer({ payload: { iat: now() + 20, exp: now() + 140 } })],
    ['with claims of no meaning here, roles among them', () => bearer({ payload: { roles: ['leader'], sub: 'x' } })]
  ]
  it.each(good)('%s', async (_, token) => expect((await ask(token())).status).toBe(200))
})

describe('AUTH_INVALID', () => {
  const b64 = (value: unknown) => base64url(utf8(JSON.stringify(value)))
  const hmac = (secret: string) => (message: Uint8Array) => new Uint8Array(createHmac('sha256', secret).update(message).digest())
  const bad: [string, () => string][] = [
    ['expired', () => bearer({ payload: { iat: now() - 200, exp: now() - 60 } })],
    ['not valid yet', () => bearer({ payload: { nbf: now() + 60 } })],
    ['issued in the future', () => bearer({ payload: { iat: now() + 60, exp: now() + 120 } })],
    ['good for longer than five minutes', () => bearer({ payload: { exp: now() + 301 } })],
    ['issued longer than five minutes ago', () => bearer({ payload: { iat: now() - 400, exp: now() + 10 } })],
    ['without exp', () => bearer({ payload: { exp: undefined } })],
    ['without iat', () => bearer({ payload: { iat: undefined } })],
    ['with an exp that is no number', () => bearer({ payload: { exp: '9999999999' } })],
    ['for another node', () => bearer({ payload: { aud: 'discipline.example' } })],
    ['for several nodes, this one among them', () => bearer({ payload: { aud: ['other.example', 'court.example'] } })],
    ['for a list of nodes', () => bearer({ payload: { aud: ['court.example'] } })],
    ['for a part of the name', () => bearer({ payload: { aud: 'court' } })],
    ['for a log', () => bearer({ payload: { aud: 'court.example/evidence' } })],
    ['for nobody', () => bearer({ payload: { aud: undefined } })],
    ['alg none, without a signature', () => bearer({ header: { alg: 'none' }, sign: () => new Uint8Array(0) })],
    ['alg none, with one', () => bearer({ header: { alg: 'none' } })],
    [
      'alg HS256 with the public key as the secret',
      () => bearer({ header: { alg: 'HS256' }, sign: hmac(base64url(network.user('inspector').signer.publicKey)) })
    ],
    ['alg Ed25519', () => bearer({ header: { alg: 'Ed25519' } })],
    ['alg ES256', () => bearer({ header: { alg: 'ES256' } })],
    ['no alg', () => bearer({ header: { alg: undefined } })],
    ['no kid', () => bearer({ header: { kid: undefined } })],
    ['a kid that is no text', () => bearer({ header: { kid: 7 } })],
    ['a kid of another length', () => bearer({ header: { kid: 'AAAA' } })],
    [
      'the kid of a key that is not registered',
      () => bearer({ header: { kid: base64url(keyId(stranger.publicKey)) }, sign: stranger.sign })
    ],
    ['signed by another key than the kid names', () => bearer({ sign: network.user('clerk').signer.sign })],
    [
      'signed by a stranger, with the key in the header',
      () => bearer({ header: { jwk: { kty: 'OKP', crv: 'Ed25519', x: base64url(stranger.publicKey) } }, sign: stranger.sign })
    ],
    ['a signature cut short', () => bearer({ sign: (message) => network.user('inspector').signer.sign(message).subarray(1) })],
    ['a critical header nobody knows', () => bearer({ header: { crit: ['x'], x: 1 } })],
    [
      'another payload under the signature',
      () => bearer({}).replace(/\.[^.]+\./, `.${b64({ aud: 'court.example', iat: now(), exp: now() + 60, x: 1 })}.`)
    ],
    ['a payload that is no JSON', () => `Bearer ${b64({ alg: 'EdDSA', kid: network.user('inspector').key.kid })}.eHh4.AAAA`],
    ['two parts', () => bearer({}).split('.').slice(0, 2).join('.')],
    ['five parts', () => `${bearer({})}.AAAA.AAAA`],
    ['nothing', () => 'Bearer '],
    ['no token', () => 'Bearer'],
    ['garbage', () => 'Bearer garbage'],
    ['dots', () => 'Bearer ..'],
    ['another scheme', () => `Basic ${network.token('inspector')}`],
    ['two tokens', () => `${bearer({})}, ${bearer({})}`],
    ['far too long', () => bearer({ payload: { x: 'x'.repeat(5_000) } })]
  ]

  it.each(bad)('%s', async (_, token) => {
    const answer = await ask(token())
    expect([answer.status, answer.json().code]).toEqual([401, 'AUTH_INVALID'])
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  })

  it('and a bad token is worse than none: what is public is refused too', async () => {
    for (const path of ['/api/v1/status', '/logs/public/checkpoint', '/logs/public/tile/0/000.p/1'])
      expect((await network.ask(path, { authorization: 'Bearer x' })).status).toBe(401)
    for (const path of ['/healthz', '/readyz']) expect((await network.ask(path, { authorization: 'Bearer x' })).status).toBe(200)
  })

  it('a key revoked in every log', async () => {
    const { kid } = network.user('judge').key
    const token = bearer({}, 'judge')
    expect((await ask(token)).status).toBe(200)
    for (const log of ['evidence', 'supervision', 'personnel', 'public'] as const) {
      expect((await ask(token)).status).toBe(200)
      await network.put({ type: 'registry.revoke', at: AT, kid, reason: 'left' }, 'admin-court', { log })
    }
    expect((await ask(token)).json()).toMatchObject({ code: 'AUTH_INVALID', field: 'kid', expected: 'an active registered key' })
  })

  it('a key whose time has not come, or is over, though nothing was sealed since', async () => {
    const signer = ed25519Signer(new Uint8Array(32).fill(2))
    const dates = { notBefore: now() + 1_000, notAfter: now() + 2_000 }
    const record = {
      type: 'registry.key',
      at: AT,
      key: base64url(signer.publicKey),
      org: 'gz-court',
      roles: ['lawyer'],
      ...dates
    }
    await network.put(record, 'admin-court', { log: 'public' })
    try {
      for (const [after, status] of [
        [0, 401],
        [999, 401],
        [1_001, 200],
        [1_999, 200],
        [2_002, 401]
      ] as const) {
        network.now = (dates.notBefore - 1_000 + after) * 1_000
        const answer = await ask(
          bearer({
            header: { kid: base64url(keyId(signer.publicKey)) },
            payload: { iat: network.now / 1_000, exp: network.now / 1_000 + 60 },
            sign: signer.sign
          })
        )
        expect([after, answer.status]).toEqual([after, status])
      }
    } finally {
      network.now = undefined
    }
  })
})
