/** What goes in and out over HTTP, as zod schemas: what is read is read through them, and every answer is described by them. */
import * as z from 'zod'
import { CODES, type Code } from '../core/errors.ts'
import { ROLES } from '../records/define.ts'
import { CLASSES } from '../records/ids.ts'
import { named, said } from './operation.ts'

// Kinds of value

export const base64urlText = z.string().regex(/^[A-Za-z0-9_-]*$/)
const hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const hexDigest = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().nonnegative()
const time = z.iso.datetime()
const words = { zh: z.string(), en: z.string() }
const classNames = z.array(z.enum(CLASSES))

// Refusals

export const problem = named(
  'Problem',
  z.strictObject({
    type: z.string().regex(/^urn:lianzheng:error:/),
    title: z.string(),
    status: z.int(),
    code: said(
      z.enum(Object.keys(CODES) as [Code, ...Code[]]),
      '稳定的错误代码，程序据此分支',
      'stable code for programs to branch on'
    ),
    zh: said(z.string(), '哪里不对、如何处理', 'the same in Chinese'),
    en: z.string(),
    field: said(z.string(), '所指的字段', 'the member spoken of').optional(),
    offset: said(count, '输入中的字节偏移', 'byte offset in the input').optional(),
    expected: said(z.string(), '应为何种内容', 'what would have been accepted').optional(),
    at: said(z.union([z.string(), z.number()]), '数组序号、行号或条目序号', 'index, line or entry').optional(),
    refusal: said(
      base64urlText,
      '账本签署的拒收凭证（COSE_Sign1），提交人应留存',
      'refusal signed by the log (COSE_Sign1), for the submitter to keep'
    ).optional(),
    instance: said(z.string(), '请求编号，见 X-Request-Id', 'the request, as in X-Request-Id').optional()
  })
)

// Receipts and certificates (formats.md §9, §10)

const proven = { index: count, statement: base64urlText, inclusion: z.array(hash) }
const provenEntry = named('ProvenEntry', z.strictObject(proven))
const sealEntry = named('SealEntry', z.strictObject({ ...proven, checkpoint: z.string().optional() }))
const keyTrail = named(
  'KeyTrail',
  z.strictObject({
    kid: hash,
    count,
    root: hash.optional(),
    proof: base64urlText,
    entries: z.array(z.strictObject({ index: count, statement: base64urlText.optional() }))
  })
)

export const receipt = named(
  'Receipt',
  z.strictObject({
    format: z.literal('lianzheng-receipt/v1'),
    origin: z.string(),
    statement: base64urlText,
    disclosures: z.array(base64urlText),
    index: count,
    inclusion: z.array(hash),
    seal: sealEntry,
    before: sealEntry.optional(),
    entered: sealEntry.optional(),
    authority: z.array(provenEntry),
    keyTrails: z.array(keyTrail),
    checkpoint: z.string(),
    timestamps: z.array(z.strictObject({ type: z.string(), token: base64urlText })).optional(),
    summary: z.unknown().optional()
  })
)

export const certificate = named(
  'Certificate',
  z.strictObject({
    format: z.literal('lianzheng-trail/v1'),
    trail: z.string(),
    parts: z.array(
      z.strictObject({
        origin: z.string(),
        checkpoint: z.string(),
        seal: sealEntry,
        proof: base64urlText,
        count,
        root: hash.optional(),
        from: count.optional(),
        range: z.array(hash).optional(),
        consistency: z.array(hash).optional(),
        entries: z.array(z.strictObject({ index: count, statement: base64urlText, disclosures: z.array(base64urlText) })),
        seals: z.array(sealEntry),
        authority: z.array(provenEntry),
        keyTrails: z.array(keyTrail)
      })
    )
  })
)

// Records

export const MAX_DISCLOSURES = 64
export const MAX_ARRAY = 1_000

export const submission = named(
  'Submission',
  z.strictObject({
    statement: said(
      z.string(),
      '已签名的陈述（COSE_Sign1），base64url，不带填充',
      'the signed statement (COSE_Sign1), base64url without padding'
    ),
    disclosures: said(
      z.array(z.string()).max(MAX_DISCLOSURES),
      '密封字段的披露，base64url',
      'disclosures of sealed fields, base64url'
    ).default([])
  })
)

const place = {
  status: said(z.union([z.literal(200), z.literal(201)]), '201 新记录；200 已经存在', '201 new, 200 there already'),
  log: z.string(),
  index: count,
  leaf: said(hash, '叶子哈希，base64url', 'leaf hash, base64url')
}
export const placed = named('Placed', z.strictObject({ ...place, receipt: receipt.optional() }))
export const promised = named(
  'Promised',
  z.strictObject({
    ...place,
    status: z.literal(202),
    promise: said(
      base64urlText,
      '账本签署的承诺（COSE_Sign1），提交人应留存',
      'promise signed by the log (COSE_Sign1), for the submitter to keep'
    ),
    receiptAt: said(z.string(), '以后取回执的地址', 'where to ask for the receipt')
  })
)
export const placedMany = z.array(z.union([placed, promised, problem]))

/** The body itself is described by the record types of the catalogue. */
export const recordBody = z.unknown().meta({ id: 'RecordBody' })

const shown = {
  index: count,
  leaf: hash,
  type: z.string(),
  ...words,
  iss: said(z.string(), '签发机构', 'issuing organisation'),
  kid: hash,
  iat: said(count, '签发人所称时间，1970 年以来的秒数', 'as the signer claims, seconds since 1970'),
  trails: z.array(z.string()),
  body: recordBody,
  disclosed: said(z.record(z.string(), z.unknown()), '已披露的密封字段', 'sealed fields disclosed'),
  withheld: said(z.array(z.string()), '未披露的密封字段', 'sealed fields not shown')
}

export const entry = z.union([
  named('SealShown', z.strictObject({ index: count, leaf: hash, seal: z.literal(true), statement: base64urlText })),
  named(
    'RecordShown',
    z.strictObject({
      ...shown,
      log: z.string(),
      enteredAt: said(count, '入链时间（封印），毫秒', 'time of the seal under which it entered, ms').optional(),
      statement: base64urlText
    })
  )
])

export const lookup = z.strictObject({
  digest: hexDigest,
  fixed: said(z.boolean(), '是否固定过', 'whether these bytes were fixed'),
  since: said(time, '最早入链时间', 'since when').optional(),
  records: z.array(z.strictObject({ log: z.string(), index: count, receipt: z.string() })).optional()
})

export const inclusionProof = z.strictObject({ index: count, size: count, root: hash, proof: z.array(hash) })
export const consistencyProof = z.strictObject({ from: count, to: count, proof: z.array(hash) })

// Verification

export const verifyBody = named(
  'Verification',
  z.strictObject({
    receipt: z.unknown().optional(),
    certificate: z.unknown().optional(),
    policy: said(z.string(), '策略文本；缺省用节点的策略', 'text of a policy; the node’s own without it').optional(),
    files: z
      .array(z.strictObject({ name: z.string(), sha256: z.string(), sm3: z.string().optional() }))
      .max(64)
      .default([])
  })
)

const verdict = z.enum(['verified', 'broken', 'could-not-check', 'not-applicable'])
const step = z.strictObject({
  step: z.string(),
  ...words,
  verdict,
  notes: z.array(z.strictObject({ ...words, code: z.string().optional() }))
})
const vouching = {
  origin: z.string(),
  operator: z.string().optional(),
  size: count,
  root: z.string(),
  cosigners: z.array(z.string()),
  operatorOnly: z.boolean(),
  mirrors: z.boolean().optional(),
  provenTime: z.number().optional(),
  freshness: z.number().optional(),
  sealHeight: count.optional(),
  sealTime: z.number().optional(),
  tolerance: z.strictObject({ cosigners: z.number().optional(), mirrors: z.number().optional() })
}
const headed = { overall: verdict, headline: z.strictObject(words), steps: z.array(step) }

export const report = z.union([
  named(
    'ReceiptReport',
    z.looseObject({
      kind: z.literal('receipt'),
      ...headed,
      record: z.strictObject(shown).optional(),
      vouching: z.looseObject(vouching).optional(),
      enteredTime: z.number().optional(),
      files: z.array(z.strictObject({ name: z.string(), sha256: z.string(), matches: z.boolean() }))
    })
  ),
  named(
    'TrailReport',
    z.looseObject({
      kind: z.literal('trail'),
      trail: z.string(),
      ...headed,
      logs: z.array(
        z.looseObject({
          ...vouching,
          shown: count,
          count,
          entries: z.array(z.strictObject({ ...shown, erased: z.array(z.string()) }))
        })
      ),
      missing: z.array(z.string()),
      disclosed: count,
      withheld: count,
      erased: count
    })
  )
])

// The node

export const logs = z.array(
  named(
    'Log',
    z.strictObject({
      name: z.string(),
      origin: z.string(),
      class: z.union([z.enum(CLASSES), classNames]),
      url: said(z.string(), 'C2SP 前缀', 'C2SP prefix'),
      vkeys: z.array(z.string()),
      size: said(count, '已公布的条目数', 'entries under the published head'),
      policy: said(z.string(), '策略文本', 'text of the policy')
    })
  )
)

export const whoami = z.strictObject({
  node: z.string(),
  logs: z.array(
    z.strictObject({
      log: z.string(),
      origin: z.string(),
      classes: classNames,
      org: z.string(),
      staff: z.string().optional(),
      roles: z.array(z.enum(ROLES))
    })
  )
})

const keysOfNode = z.strictObject({
  log: z.string(),
  'log-mldsa44': hash.optional(),
  statement: hash,
  receipt: hash,
  promise: hash
})
const generation = z.strictObject({ generation: count, keys: keysOfNode })
export const registry = named(
  'Registry',
  z.strictObject({
    origin: z.string(),
    operator: z.string(),
    control: said(count, '变更须几家机构同意', 'how many organisations must agree to a change'),
    catalogue: z.strictObject({
      inForce: said(count, '启用的目录版本', 'the catalogue in force'),
      known: said(count, '本软件所知的最新版本', 'the newest that this software knows')
    }),
    policy: z.string(),
    members: z.array(
      z.strictObject({ name: z.string(), org: z.string(), role: z.string(), vkey: z.string(), 'vkey-mldsa44': hash.optional() })
    ),
    node: said(generation, '节点现用的密钥', 'the keys of the node in force'),
    next: said(generation, '下一代密钥（公钥），供 registry.node', 'its next keys (public halves), for registry.node'),
    pending: said(
      z.array(z.strictObject({ leaf: hash, type: z.string(), orgs: z.array(z.string()), body: recordBody })),
      '待同意的变更',
      'changes that await agreement'
    ),
    keys: z.array(
      z.strictObject({
        kid: hash,
        org: z.string(),
        staff: z.string().optional(),
        roles: z.array(z.enum(ROLES)),
        mayGive: z.array(z.enum(ROLES)),
        notBefore: count.optional(),
        notAfter: count.optional(),
        registered: said(count, '登记的序号', 'index of the registration'),
        activeFrom: said(count, '生效的序号', 'index at which it took effect').optional(),
        revoked: z.strictObject({ index: count, compromisedSince: count.optional() }).optional()
      })
    )
  })
)

export const status = named(
  'Status',
  z.looseObject({
    name: z.string(),
    version: z.string(),
    diskFree: said(count, '数据目录所在磁盘的剩余字节', 'bytes free where the data directory is').optional(),
    ready: said(z.boolean(), '是否接收记录', 'whether it takes records'),
    hindrance: said(z.enum(['DISK_FULL', 'STOPPING']), '不接收记录的原因', 'why it takes no records').optional(),
    logs: z.array(
      z.looseObject({
        name: z.string(),
        origin: z.string(),
        size: count,
        published: count,
        lastSeal: z.strictObject({ height: count, time }).optional(),
        waiting: said(count, '等待封批的记录', 'records waiting for a batch')
      })
    ),
    peers: z.array(
      z.strictObject({
        log: z.string(),
        name: z.string(),
        role: z.enum(['witness', 'mirror']),
        size: said(count, '已联署到的大小', 'size it has cosigned'),
        behind: said(count, '落后的条目数', 'entries it is behind'),
        failures: said(count, '连续失败次数', 'failures in a row'),
        error: said(z.string(), '最近一次失败', 'the last failure').optional()
      })
    ),
    watched: z.array(
      z.strictObject({
        origin: z.string(),
        role: z.enum(['witness', 'mirror']),
        size: said(count, '本节点已联署到的大小', 'size this node has cosigned'),
        entries: said(count, '镜像已存的条目数', 'entries the mirror has').optional(),
        behind: said(count, '镜像落后的条目数', 'entries the mirror is behind').optional(),
        refused: said(z.string(), '镜像为何不再联署', 'why the mirror cosigns no more').optional(),
        lost: said(z.literal(true), '联署状态已丢失，不再联署', 'what was cosigned is lost: it cosigns no more').optional()
      })
    )
  })
)

// Events

export const sealEvent = named(
  'SealEvent',
  z.strictObject({
    log: z.string(),
    height: count,
    index: said(count, '封印的序号', 'index of the seal'),
    size: said(count, '封印后的条目数', 'entries up to and with the seal'),
    root: said(hash, '该大小的树根', 'root of the tree of that size'),
    time: said(time, '封印时间', 'time of the seal')
  })
)
export const recordEvent = named(
  'RecordEvent',
  z.strictObject({
    log: z.string(),
    index: count,
    type: z.string(),
    trails: said(z.array(z.string()), '读者有权查阅的轨迹', 'trails that this reader may see'),
    time: said(time, '入链时间', 'when it entered')
  })
)
