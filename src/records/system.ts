/** System types of formats.md §8: genesis and registry. Who may write them is the registry's own rule (`core/registry`). */
import { define, ROLES, type TrailRule } from './define.ts'
import {
  byteString,
  bytes32,
  code,
  document,
  integer,
  list,
  object,
  oneOf,
  optional,
  organisation,
  origin,
  required,
  staffCode,
  text
} from './fields.ts'

const ledger: TrailRule = { kind: 'ledger', from: '<origin>' }
const role = oneOf(...(ROLES as unknown as [string, ...string[]]))
const roles = list(role, 1, ROLES.length)
const seconds = integer(0, 253_402_300_799, 1_598_400_000)
const catalogueVersion = integer(1, 1_000_000, 1)
const vkey = text(2_000, 'court.example/evidence+88192726+AatI1Bp7y9cbO2cIi/7++1OdS1Ssse+jMPaKaKRmiQK8')
const size = integer(0, Number.MAX_SAFE_INTEGER, 1)
const head = object({ size: required(size), root: required(bytes32) })

const member = object({
  name: required(text(200, 'discipline')),
  org: required(organisation),
  role: required(oneOf('witness', 'mirror')),
  vkey: required(vkey),
  'vkey-mldsa44': optional(bytes32)
})

const nodeKeys = {
  log: vkey,
  'log-mldsa44': bytes32,
  statement: bytes32,
  receipt: bytes32,
  promise: bytes32
}

export const systemTypes = [
  define({
    type: 'ledger.genesis',
    v: 1,
    zh: '创世',
    en: 'genesis',
    class: 'any',
    writers: ['administrator'],
    open: {
      origin: required(origin),
      name: required(text(200, '某法院证据账本')),
      operator: required(organisation),
      catalogue: required(catalogueVersion),
      catalogueDigest: required(bytes32),
      keys: required(
        object({
          log: required(nodeKeys.log),
          'log-mldsa44': optional(nodeKeys['log-mldsa44']),
          statement: required(nodeKeys.statement),
          receipt: required(nodeKeys.receipt),
          promise: required(nodeKeys.promise)
        })
      ),
      members: required(list(member, 0, 64)),
      policy: required(document),
      administrators: required(
        list(object({ key: required(bytes32), org: required(organisation), roles: required(roles) }), 1, 64)
      ),
      control: required(integer(1, 64, 1)),
      predecessor: optional(object({ origin: required(origin), size: required(size), root: required(bytes32) }))
    },
    trails: [ledger]
  }),
  define({
    type: 'registry.key',
    v: 1,
    zh: '密钥登记',
    en: 'key registered',
    class: 'any',
    writers: ['administrator'],
    open: {
      key: required(bytes32),
      org: required(organisation),
      staff: optional(staffCode),
      roles: required(roles),
      mayGive: optional(roles),
      notBefore: optional(seconds),
      notAfter: optional(seconds),
      binding: optional(list(byteString(8_192), 1, 8))
    },
    sealed: { holder: optional(text(400, '张某某')) },
    trails: [{ kind: 'key', from: 'kid(key)' }, ledger]
  }),
  define({
    type: 'registry.revoke',
    v: 1,
    zh: '密钥吊销',
    en: 'key revoked',
    class: 'any',
    writers: ['administrator'],
    open: { kid: required(bytes32), reason: required(code('left')), compromisedSince: optional(seconds) },
    trails: [{ kind: 'key', from: 'kid' }, ledger]
  }),
  define({
    type: 'registry.member',
    v: 1,
    zh: '成员变更',
    en: 'member added or removed',
    class: 'any',
    writers: ['administrator'],
    open: { action: required(oneOf('add', 'remove')), member: required(member) },
    trails: [ledger]
  }),
  define({
    type: 'registry.policy',
    v: 1,
    zh: '策略变更',
    en: 'policy changed',
    class: 'any',
    writers: ['administrator'],
    open: { policy: required(document) },
    trails: [ledger]
  }),
  define({
    type: 'registry.node',
    v: 1,
    zh: '节点密钥更换',
    en: 'node keys changed',
    class: 'any',
    writers: ['administrator'],
    open: {
      keys: required(
        object({
          log: optional(nodeKeys.log),
          'log-mldsa44': optional(nodeKeys['log-mldsa44']),
          statement: optional(nodeKeys.statement),
          receipt: optional(nodeKeys.receipt),
          promise: optional(nodeKeys.promise)
        })
      ),
      generation: required(integer(2, 1_000_000, 2))
    },
    trails: [ledger]
  }),
  define({
    type: 'registry.catalogue',
    v: 1,
    zh: '目录升级',
    en: 'catalogue changed',
    class: 'any',
    writers: ['administrator'],
    open: { catalogue: required(catalogueVersion), catalogueDigest: required(bytes32) },
    trails: [ledger]
  }),
  define({
    type: 'registry.approve',
    v: 1,
    zh: '同意变更',
    en: 'change approved',
    class: 'any',
    writers: ['administrator'],
    refs: 'required',
    open: { kid: optional(bytes32) },
    trails: [{ kind: 'key', from: 'kid' }, ledger]
  }),
  define({
    type: 'ledger.recovery',
    v: 1,
    zh: '账本恢复',
    en: 'ledger restored',
    class: 'any',
    writers: ['administrator'],
    open: {
      old: required(head),
      new: required(head),
      from: required(text(200, 'discipline.example/mirror')),
      how: required(code('mirror'))
    },
    trails: [ledger]
  })
]
