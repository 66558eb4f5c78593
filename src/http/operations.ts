/** Every operation of a node, declared once: `on` serves it, `/openapi.json` and `/docs` describe it, tests hold every answer against it. */
import * as z from 'zod'
import { SEALED_FIELDS } from '../records/catalogue.ts'
import { MEDIA, type Operation, type Parameter, said } from './operation.ts'
import * as schema from './schemas.ts'

/** Bytes of a file that the node verifies for a caller; larger ones are for `lianzheng verify`. */
export const MAX_VERIFIED = 4 * 1024 * 1024

const declare = <Query>(operation: Operation<Query>): Operation<Query> => operation

const number = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,15})$/)
  .transform(Number)

/** Names of sealed fields, separated by commas; nothing for none. */
const disclose = said(
  z
    .string()
    .regex(/^(?:[A-Za-z]{1,40}(?:,[A-Za-z]{1,40}){0,63})?$/, 'names of sealed fields, separated by commas')
    .transform((names) => (names === '' ? [] : names.split(',')))
    .refine((names) => names.every((name) => SEALED_FIELDS.has(name)), 'names of fields that some type seals'),
  '只披露这些密封字段（逗号分隔；空为都不披露）；缺省为有权查阅的全部',
  'disclose these sealed fields alone (separated by commas; empty: none); without it all that the caller may see'
).optional()

const log: Parameter = { zh: '账本名', en: 'name of the log', example: 'evidence' }
const entryId: Parameter = {
  zh: '序号，或叶子哈希（base64url）',
  en: 'index, or leaf hash (base64url)',
  pattern: '^(0|[1-9][0-9]{0,15}|[A-Za-z0-9_-]{43})$',
  example: '17'
}
const text = (zh: string, en: string) => ({ media: MEDIA.text, zh, en })
const ENTITLED = {
  zh: '按记录所属轨迹的查阅权限；公开类账本任何人可查',
  en: 'by the audience of the record’s trails; public logs are for everyone'
}

// Records

export const submitRecords = declare({
  id: 'submitRecords',
  method: 'post',
  path: '/api/v1/records',
  tag: 'records',
  zh: '提交已签名的记录，一条或一批',
  en: 'Submit signed records, one or many',
  more: {
    zh: '落盘之后才回答。同一陈述再次提交得到同一序号（200）。一批之中，不合格的只拒绝它自己。',
    en: 'Answered once it is on disk. The same statement again gets the same index (200). In an array, a bad record refuses itself alone.'
  },
  query: z.strictObject({
    wait: said(z.enum(['quorum', 'durable']), '等到何时', 'until when to wait').default('quorum'),
    reply: said(
      z.enum(['receipt', 'index']),
      '回执还是序号；单条默认回执，批量默认序号',
      'receipt or index; without it receipts for one, indexes for arrays'
    ).optional()
  }),
  body: { schema: z.union([schema.submission, z.array(schema.submission).min(1).max(schema.MAX_ARRAY)]) },
  answers: {
    200: {
      media: MEDIA.json,
      schema: z.union([schema.placed, schema.placedMany]),
      zh: '已经存在；或一批的逐条结果',
      en: 'there already; or a result for each of an array'
    },
    201: { media: MEDIA.json, schema: schema.placed, zh: '新记录，已落盘', en: 'new, and on disk' },
    202: {
      media: MEDIA.json,
      schema: schema.promised,
      zh: '已落盘，尚未达到法定数：账本签署的承诺',
      en: 'on disk, the quorum not reached yet: a promise signed by the log'
    }
  },
  refusals: [403, 409, 413]
})

export const readRecord = declare({
  id: 'readRecord',
  method: 'get',
  path: '/api/v1/logs/{log}/records/{id}',
  tag: 'records',
  zh: '查阅一条记录',
  en: 'Read a record',
  access: ENTITLED,
  parameters: { log, id: entryId },
  answers: {
    200: { media: MEDIA.json, schema: schema.entry, zh: '记录，或封印', en: 'the record, or the seal' }
  },
  refusals: [403]
})

export const readReceipt = declare({
  id: 'readReceipt',
  method: 'get',
  path: '/api/v1/logs/{log}/records/{id}/receipt',
  tag: 'records',
  zh: '取最新链头之下的回执',
  en: 'Receipt under the newest published head',
  access: ENTITLED,
  parameters: { log, id: entryId },
  query: z.strictObject({ disclose }),
  answers: { 200: { media: MEDIA.json, schema: schema.receipt, zh: '可离线核验的回执', en: 'a receipt that verifies offline' } },
  refusals: [403]
})

export const lookUpEvidence = declare({
  id: 'lookUpEvidence',
  method: 'get',
  path: '/api/v1/evidence/{digest}',
  tag: 'records',
  zh: '按文件摘要查询是否固定过',
  en: 'Were these bytes fixed, and since when',
  access: { zh: '任何人；有权者另得回执地址', en: 'everyone; those with rights get the receipts too' },
  parameters: {
    digest: {
      zh: '文件的 SHA-256 或 SM3，小写十六进制',
      en: 'SHA-256 or SM3 of the file, lower-case hex',
      pattern: '^[0-9a-f]{64}$',
      example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
    }
  },
  answers: { 200: { media: MEDIA.json, schema: schema.lookup, zh: '查询结果', en: 'what is known' } }
})

// Trails and proofs

export const readTrail = declare({
  id: 'readTrail',
  method: 'get',
  path: '/api/v1/trails/{name}',
  tag: 'trails',
  zh: '一条轨迹的证书',
  en: 'Certificate of a trail',
  more: {
    zh: '证明提交到该轨迹的记录一条不少，或从未有过。较长的轨迹分几部分。',
    en: 'Proves that nothing filed on the trail is missing, or that nothing ever was filed. Long trails come in parts.'
  },
  access: { zh: '按轨迹类别的查阅权限', en: 'by the audience of the kind of trail' },
  parameters: {
    name: {
      zh: '轨迹名，百分号编码为一段',
      en: 'name of the trail, percent-encoded into one segment',
      example: 'disclosure:粤01'
    }
  },
  query: z.strictObject({
    from: said(number, '从第几条成员开始', 'first member').optional(),
    limit: said(number, '最多几条', 'members at most').optional(),
    disclose
  }),
  answers: { 200: { media: MEDIA.json, schema: schema.certificate, zh: '轨迹证书', en: 'the certificate' } },
  refusals: [403]
})

export const proveInclusion = declare({
  id: 'proveInclusion',
  method: 'get',
  path: '/api/v1/logs/{log}/proofs/inclusion',
  tag: 'trails',
  zh: '包含证明（RFC 9162）',
  en: 'Inclusion proof (RFC 9162)',
  parameters: { log },
  query: z.strictObject({
    leaf: said(z.string(), '叶子哈希，base64url', 'leaf hash, base64url'),
    size: said(number, '树的大小；缺省为最新', 'size of the tree; the newest without it').optional()
  }),
  answers: { 200: { media: MEDIA.json, schema: schema.inclusionProof, zh: '证明', en: 'the proof' } }
})

export const proveConsistency = declare({
  id: 'proveConsistency',
  method: 'get',
  path: '/api/v1/logs/{log}/proofs/consistency',
  tag: 'trails',
  zh: '一致性证明（RFC 9162）',
  en: 'Consistency proof (RFC 9162)',
  parameters: { log },
  query: z.strictObject({
    from: said(number, '较早的大小', 'the earlier size'),
    to: said(number, '较晚的大小', 'the later size')
  }),
  answers: { 200: { media: MEDIA.json, schema: schema.consistencyProof, zh: '证明', en: 'the proof' } }
})

// Verification

export const verifyFile = declare({
  id: 'verifyFile',
  method: 'post',
  path: '/api/v1/verify',
  tag: 'verification',
  zh: '核验回执或轨迹证书',
  en: 'Verify a receipt or a trail certificate',
  more: {
    zh: '与离线核验同一程序、同一结论。要不依赖本节点，请用 lianzheng verify。',
    en: 'The offline verifier as a service, with the same verdicts. To depend on no node, use `lianzheng verify`.'
  },
  body: { schema: schema.verifyBody, limit: { zh: '4 MiB', en: '4 MiB' } },
  answers: { 200: { media: MEDIA.json, schema: schema.report, zh: '逐步结论', en: 'a verdict for each step' } },
  refusals: [413]
})

// The log

export const readCheckpoint = declare({
  id: 'readCheckpoint',
  method: 'get',
  path: '/logs/{log}/checkpoint',
  tag: 'log',
  zh: '已公布的链头（签名文书）',
  en: 'The published head, a signed note',
  parameters: { log },
  answers: { 200: text('链头', 'the checkpoint') }
})

export const readTile = declare({
  id: 'readTile',
  method: 'get',
  path: '/logs/{log}/tile/{path}',
  tag: 'log',
  zh: '瓦片与条目包',
  en: 'Tiles and entry bundles',
  access: { zh: '条目包限成员；公开类账本任何人可取', en: 'entry bundles for members; of public logs for everyone' },
  parameters: {
    log,
    path: {
      zh: '<L>/<N>[.p/<W>] 或 entries/<N>[.p/<W>]',
      en: '<L>/<N>[.p/<W>] or entries/<N>[.p/<W>]',
      example: '0/000',
      rest: true
    }
  },
  answers: { 200: { media: MEDIA.bytes, zh: '瓦片的字节', en: 'the bytes of the tile' } },
  refusals: [403]
})

// SCITT

export const registerStatement = declare({
  id: 'registerStatement',
  method: 'post',
  path: '/logs/{log}/entries',
  tag: 'scitt',
  zh: '登记一份已签名的陈述（SCRAPI）',
  en: 'Register a signed statement (SCRAPI)',
  parameters: { log },
  body: { schema: z.string(), media: MEDIA.cose, limit: { zh: '65,535 字节', en: '65,535 bytes' } },
  answers: {
    200: { media: MEDIA.cose, zh: '已经登记：COSE 回执（RFC 9942）', en: 'registered before: the COSE receipt (RFC 9942)' },
    201: { media: MEDIA.cose, zh: '新登记：COSE 回执', en: 'new: the COSE receipt' },
    303: {
      media: MEDIA.cose,
      zh: '已落盘，尚未公布：稍后到 Location 取',
      en: 'on disk, not published yet: to be had at Location later'
    }
  },
  refusals: [403, 409, 413],
  concise: true
})

export const readScittReceipt = declare({
  id: 'readScittReceipt',
  method: 'get',
  path: '/logs/{log}/entries/{id}',
  tag: 'scitt',
  zh: '取 COSE 回执（RFC 9942）',
  en: 'COSE receipt of an entry (RFC 9942)',
  access: ENTITLED,
  parameters: { log, id: entryId },
  answers: {
    200: { media: MEDIA.cose, zh: 'COSE 回执', en: 'the COSE receipt' },
    302: { media: MEDIA.cose, zh: '已落盘，尚未公布', en: 'on disk, not published yet' }
  },
  refusals: [403],
  concise: true
})

export const readScittKeys = declare({
  id: 'readScittKeys',
  method: 'get',
  path: '/logs/{log}/.well-known/scitt-keys',
  tag: 'scitt',
  zh: '回执密钥（COSE 密钥集）',
  en: 'Receipt keys (a COSE key set)',
  parameters: { log },
  answers: { 200: { media: MEDIA.cbor, zh: '密钥集', en: 'the key set' } },
  concise: true
})

export const readScittKey = declare({
  id: 'readScittKey',
  method: 'get',
  path: '/logs/{log}/.well-known/scitt-keys/{kid}',
  tag: 'scitt',
  zh: '一把回执密钥（COSE 密钥）',
  en: 'One receipt key (a COSE key)',
  parameters: {
    log,
    kid: {
      zh: '密钥编号（RFC 9679，base64url）',
      en: 'key id (RFC 9679, base64url)',
      example: 'XIQPekAjAXCr3uUVGlle_fJw96iYJfXDELrfa1icXFk'
    }
  },
  answers: { 200: { media: MEDIA.cbor, zh: '密钥', en: 'the key' } },
  concise: true
})

// The witness

/** What a cosigner is sent and answers; it is mounted at `prefix`. */
export const cosignerOperations = (prefix: string) => ({
  addCheckpoint: declare({
    id: `${prefix.slice(1)}AddCheckpoint`,
    method: 'post',
    path: `${prefix}/add-checkpoint`,
    tag: 'witness',
    zh: '送来新链头，取得联署',
    en: 'Send a new head, get it cosigned',
    access: { zh: '链头须有所看守账本的签名', en: 'whoever has a head signed by a log that is watched' },
    body: { schema: z.string(), media: MEDIA.text },
    answers: {
      200: text('联署行', 'the cosignatures'),
      409: { media: MEDIA.size, zh: '已知的大小不同：先取一致性证明', en: 'another size is known: prove consistency from it' }
    },
    refusals: [403, 409, 413, 422]
  }),
  signSubtree: declare({
    id: `${prefix.slice(1)}SignSubtree`,
    method: 'post',
    path: `${prefix}/sign-subtree`,
    tag: 'witness',
    zh: '为子树联署',
    en: 'Get a subtree cosigned',
    body: { schema: z.string(), media: MEDIA.text },
    answers: { 200: text('联署行', 'the cosignatures') },
    refusals: [403, 409, 413, 422]
  }),
  readCosigned: declare({
    id: `${prefix.slice(1)}Checkpoint`,
    method: 'get',
    path: `${prefix}/{hash}/checkpoint`,
    tag: 'witness',
    zh: '某账本最近联署过的链头',
    en: 'The last head of a log that was cosigned',
    parameters: {
      hash: {
        zh: '账本 origin 的 SHA-256，小写十六进制',
        en: 'SHA-256 of the log’s origin, lower-case hex',
        pattern: '^[0-9a-f]{64}$',
        example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
      }
    },
    answers: { 200: text('链头与联署', 'the head, cosigned') }
  })
})
export const witness = cosignerOperations('/witness')
export const mirror = cosignerOperations('/mirror')

export const addEntries = declare({
  id: 'mirrorAddEntries',
  method: 'post',
  path: '/mirror/add-entries',
  tag: 'witness',
  zh: '向镜像送来条目，取得联署',
  en: 'Send a mirror entries, get the head cosigned',
  more: {
    zh: '二进制，见 C2SP tlog-mirror；可用 gzip。镜像先重算每一条再联署。',
    en: 'Binary, see C2SP tlog-mirror; gzip is taken. The mirror derives everything again before it cosigns.'
  },
  access: { zh: '条目须属于已签名的链头', en: 'whoever has entries of a head that the log has signed' },
  body: { schema: z.string(), media: MEDIA.bytes },
  answers: {
    200: text('联署行', 'the cosignatures'),
    202: { media: MEDIA.mirrorInfo, zh: '已收下一部分：从所示位置继续', en: 'a part was taken: go on from where it says' },
    409: { media: MEDIA.mirrorInfo, zh: '起止不符：从所示位置继续', en: 'start or end do not fit: go on from where it says' }
  },
  refusals: [403, 413, 422]
})

export const readMirroredTile = declare({
  ...readTile,
  id: 'readMirroredTile',
  path: '/mirror/{hash}/tile/{path}',
  tag: 'witness',
  zh: '镜像所存账本的瓦片与条目',
  en: 'Tiles and entries of a mirrored log',
  parameters: { ...mirror.readCosigned.parameters, path: readTile.parameters!.path! }
})

// The node

export const listLogs = declare({
  id: 'listLogs',
  method: 'get',
  path: '/api/v1/logs',
  tag: 'node',
  zh: '本节点的账本',
  en: 'The logs of this node',
  answers: { 200: { media: MEDIA.json, schema: schema.logs, zh: '账本', en: 'the logs' } }
})

export const whoami = declare({
  id: 'whoami',
  method: 'get',
  path: '/api/v1/whoami',
  tag: 'node',
  zh: '来者在各账本登记为何人',
  en: 'Who the caller is to each log',
  access: { zh: '持令牌者', en: 'bearers of a token' },
  answers: { 200: { media: MEDIA.json, schema: schema.whoami, zh: '登记的身份', en: 'as registered' } }
})

export const readRegistry = declare({
  id: 'readRegistry',
  method: 'get',
  path: '/api/v1/logs/{log}/registry',
  tag: 'node',
  zh: '登记册：密钥与角色、成员、待同意的变更、节点的下一代密钥',
  en: 'The registry: keys and roles, members, changes that await agreement, the next keys of the node',
  access: { zh: '成员机构', en: 'members: as the trail ledger:<origin>' },
  parameters: { log },
  answers: { 200: { media: MEDIA.json, schema: schema.registry, zh: '登记册', en: 'the registry' } },
  refusals: [403]
})

export const readStatus = declare({
  id: 'readStatus',
  method: 'get',
  path: '/api/v1/status',
  tag: 'node',
  zh: '状态：大小、封印、磁盘',
  en: 'Status: sizes, seals, disk',
  answers: { 200: { media: MEDIA.json, schema: schema.status, zh: '状态', en: 'the status' } }
})

export const readEvents = declare({
  id: 'readEvents',
  method: 'get',
  path: '/api/v1/events',
  tag: 'node',
  zh: '新封印与新记录，服务器推送（SSE）',
  en: 'New seals and records as server-sent events',
  more: {
    zh: '事件 seal（SealEvent）人人可得；事件 record（RecordEvent）只给有权查阅该记录的读者。以 Last-Event-ID（或 after）续接，不缺不重；0 从头开始，缺省从现在开始。带令牌的连接五分钟后结束，请以新令牌续接。',
    en: 'Events `seal` (SealEvent) are for everyone, events `record` (RecordEvent) for readers entitled to that record. Resumed by Last-Event-ID (or `after`) without gap or repeat; 0 is the beginning, without either it begins now. A stream with a token ends after five minutes: resume with a new one.'
  },
  query: z.strictObject({
    after: said(z.string(), '从此编号之后开始；Last-Event-ID 优先', 'begin after this id; Last-Event-ID goes first').optional()
  }),
  answers: { 200: { media: MEDIA.events, zh: '事件流', en: 'the stream' } }
})

// For operators

export const readHealth = declare({
  id: 'readHealth',
  method: 'get',
  path: '/healthz',
  tag: 'operation',
  zh: '进程是否存活',
  en: 'Is the process alive',
  answers: { 200: text('ok', 'ok') }
})

export const readReadiness = declare({
  id: 'readReadiness',
  method: 'get',
  path: '/readyz',
  tag: 'operation',
  zh: '是否接收记录',
  en: 'Does it take records',
  answers: {
    200: text('ready', 'ready'),
    503: text('not ready 与原因：DISK_FULL、OVERLOADED、STOPPING', 'not ready, and why: DISK_FULL, OVERLOADED, STOPPING')
  }
})

export const readMetrics = declare({
  id: 'readMetrics',
  method: 'get',
  path: '/metrics',
  tag: 'operation',
  zh: '指标（Prometheus）',
  en: 'Metrics (Prometheus)',
  answers: { 200: text('指标', 'the metrics') }
})

export const readOpenapi = declare({
  id: 'readOpenapi',
  method: 'get',
  path: '/openapi.json',
  tag: 'operation',
  zh: '本说明（OpenAPI 3.1）',
  en: 'This description (OpenAPI 3.1)',
  answers: {
    200: { media: MEDIA.json, schema: z.looseObject({ openapi: z.literal('3.1.1') }), zh: '接口说明', en: 'the description' }
  }
})

export const readDocs = declare({
  id: 'readDocs',
  method: 'get',
  path: '/docs',
  tag: 'operation',
  zh: '接口说明，供人阅读',
  en: 'The description, for people',
  query: z.strictObject({ lang: said(z.enum(['zh', 'en']), '语言', 'language').optional() }),
  answers: { 200: { media: MEDIA.html, zh: '网页', en: 'a page' } }
})

export const OPERATIONS: readonly Operation[] = [
  submitRecords,
  readRecord,
  readReceipt,
  lookUpEvidence,
  readTrail,
  proveInclusion,
  proveConsistency,
  verifyFile,
  readCheckpoint,
  readTile,
  registerStatement,
  readScittReceipt,
  readScittKeys,
  readScittKey,
  ...Object.values(witness),
  ...Object.values(mirror),
  addEntries,
  readMirroredTile,
  listLogs,
  whoami,
  readRegistry,
  readStatus,
  readEvents,
  readHealth,
  readReadiness,
  readMetrics,
  readOpenapi,
  readDocs
] as readonly Operation[]
