/**
 * One error class, one closed table of codes. Texts may change, codes may not.
 *
 * A code says what was refused; `field`, `offset` and `expected` say where and what would have been right. No secret and no record
 * content ever goes into an error.
 */

import { expectedInChinese } from './expected.ts'

/** [HTTP status, exit status of the command line, zh, en, what to do zh, what to do en] */
type Row = readonly [http: number, exit: 1 | 2 | 3, zh: string, en: string, zhDo: string, enDo: string]

const FIX_ENCODER: [string, string] = [
  '请用本项目的工具重新编码',
  'Encode it again with a deterministic encoder (formats: RFC 8949 §4.2.1)'
]
const ASK_ADMIN: [string, string] = ['请联系本机构管理员', 'Ask the administrator of your institution']
const STOP: [string, string] = [
  '请保留数据目录，先查明原因再启动',
  'Keep the data directory as it is and find the cause before starting again'
]
const RE_FETCH: [string, string] = ['请重新取得该文件', 'Get the file again from where it came from']

export const CODES = {
  // formats §1: deterministic CBOR
  CBOR_TRUNCATED: [400, 1, '编码不完整', 'CBOR ends too early', ...FIX_ENCODER],
  CBOR_TRAILING_BYTES: [400, 1, '编码后有多余字节', 'bytes after the end of the CBOR value', ...FIX_ENCODER],
  CBOR_NOT_SHORTEST: [400, 1, '整数或长度不是最短形式', 'integer or length not in its shortest form', ...FIX_ENCODER],
  CBOR_INDEFINITE_LENGTH: [400, 1, '不接受不定长编码', 'indefinite lengths are not accepted', ...FIX_ENCODER],
  CBOR_UNSUPPORTED: [
    400,
    1,
    '不接受的值类型（浮点、undefined、标签等）',
    'value not accepted (float, undefined, tag, other simple value)',
    ...FIX_ENCODER
  ],
  CBOR_INTEGER_RANGE: [400, 1, '整数超出 ±(2^53−1)', 'integer beyond ±(2^53−1)', ...FIX_ENCODER],
  CBOR_KEY_TYPE: [400, 1, '映射的键必须是整数或文本', 'map keys must be integers or text', ...FIX_ENCODER],
  CBOR_KEY_ORDER: [400, 1, '映射的键未按字节排序', 'map keys not in bytewise order', ...FIX_ENCODER],
  CBOR_DUPLICATE_KEY: [400, 1, '映射中有重复的键', 'duplicate key in a map', ...FIX_ENCODER],
  CBOR_TEXT_NOT_UTF8: [400, 1, '文本不是有效的 UTF-8', 'text is not valid UTF-8', ...FIX_ENCODER],
  CBOR_DEPTH: [400, 1, '嵌套超过 16 层', 'nested deeper than 16 levels', ...FIX_ENCODER],
  // text forms
  TEXT_NOT_UTF8: [400, 1, '不是有效的 UTF-8 文本', 'not valid UTF-8 text', ...RE_FETCH],
  HEX_INVALID: [
    400,
    1,
    '十六进制写法不正确',
    'hex text not valid',
    '请使用小写十六进制',
    'Use lower-case hex of the stated length'
  ],
  BASE64_INVALID: [
    400,
    1,
    'base64 写法不正确',
    'base64 text not valid',
    '请使用带填充的标准 base64',
    'Use standard base64 with padding'
  ],
  BASE64URL_INVALID: [
    400,
    1,
    'base64url 写法不正确',
    'base64url text not valid',
    '请使用不带填充的 base64url',
    'Use base64url without padding, spare bits zero'
  ],
  JSON_INVALID: [400, 1, 'JSON 不正确', 'JSON not valid (I-JSON: no duplicate or unknown members, plain integers)', ...RE_FETCH],
  // formats §2: keys
  KEY_INVALID: [
    400,
    1,
    '公钥不可接受',
    'public key not acceptable (canonical, not of small order, torsion-free)',
    '请生成新的密钥',
    'Generate a new key'
  ],
  KEY_FILE_INVALID: [
    400,
    2,
    '密钥文件不正确',
    'key file not valid',
    '请用 lianzheng key show 检查',
    'Check it with `lianzheng key show FILE`'
  ],
  KEY_PASSPHRASE: [
    400,
    2,
    '口令不正确或缺少口令',
    'passphrase missing or wrong',
    '请设置 LIANZHENG_PASSPHRASE 或在提示时输入口令',
    'Set LIANZHENG_PASSPHRASE or type it when asked'
  ],
  NAME_INVALID: [
    400,
    2,
    '节点名或日志名不正确',
    'node name or origin not valid',
    '请使用小写字母、数字、点、连字符',
    'Use lower-case letters, digits, dots and hyphens, at most 200 bytes'
  ],
  // formats §3: statements
  STATEMENT_TOO_LARGE: [
    413,
    1,
    '陈述超过 65,535 字节',
    'statement larger than 65,535 bytes',
    '请缩短内容；长文请以文件摘要固定',
    'Shorten it; fix long texts as files by digest'
  ],
  STATEMENT_FORM: [400, 1, '不是带标签的 COSE_Sign1', 'not a tagged COSE_Sign1 of the accepted form', ...FIX_ENCODER],
  STATEMENT_HEADER: [400, 1, '受保护头不正确', 'protected header not as required', ...FIX_ENCODER],
  STATEMENT_CLAIMS: [400, 1, '声明（CWT claims）不正确', 'CWT claims not as required', ...FIX_ENCODER],
  STATEMENT_TRAILS: [400, 1, '轨迹名列表不正确', 'list of trail names not as required', ...FIX_ENCODER],
  ALGORITHM_UNSUPPORTED: [
    400,
    1,
    '签名算法不受支持',
    'signature algorithm not supported',
    '请使用 Ed25519（-8）',
    'Use Ed25519 (-8)'
  ],
  TRAIL_NAME_INVALID: [
    400,
    1,
    '轨迹名不正确',
    'trail name not valid',
    '请按“类别:编号”书写，案号用全角括号',
    'Write kind:id; case numbers with full-width brackets'
  ],
  // formats §4: records
  RECORD_FORM: [400, 1, '记录正文格式不正确', 'record body not of the accepted form', ...FIX_ENCODER],
  TYPE_UNKNOWN: [
    400,
    1,
    '未知的记录类型',
    'unknown record type',
    '用 lianzheng types 查看全部类型',
    'List the types with `lianzheng types`'
  ],
  TYPE_VERSION_UNKNOWN: [
    400,
    1,
    '未知的记录类型版本',
    'unknown version of this record type',
    '请升级软件或使用目录中的版本',
    'Upgrade, or use a version of the catalogue'
  ],
  CONTENT_TYPE_MISMATCH: [400, 1, '内容类型与记录类型不一致', 'content type and record type do not agree', ...FIX_ENCODER],
  FIELD_MISSING: [
    400,
    1,
    '缺少必填字段',
    'required field missing',
    '用 lianzheng types TYPE 查看字段',
    'See the fields with `lianzheng types TYPE`'
  ],
  FIELD_UNKNOWN: [
    400,
    1,
    '未知字段',
    'unknown field',
    '用 lianzheng types TYPE 查看字段',
    'See the fields with `lianzheng types TYPE`'
  ],
  FIELD_INVALID: [
    400,
    1,
    '字段内容不正确',
    'field not valid',
    '用 lianzheng types TYPE 查看字段',
    'See the fields with `lianzheng types TYPE`'
  ],
  TEXT_NOT_NFC: [400, 1, '文本不是 NFC 规范形式', 'text not in Unicode NFC', '请以 NFC 形式提交', 'Submit text in NFC'],
  CLASSIFIED_NOT_ACCEPTED: [
    403,
    1,
    '涉密事项不得进入本系统，未作任何保留',
    'classified matters are not accepted; nothing of it was kept',
    '请改用涉密网络的系统',
    'Use the system of the classified network'
  ],
  DISCLOSURE_INVALID: [
    400,
    1,
    '披露内容格式不正确',
    'disclosure not of the accepted form',
    '请重新生成披露内容',
    'Make the disclosure again: CBOR([salt, name, value])'
  ],
  DISCLOSURE_UNMATCHED: [
    400,
    1,
    '披露内容与任何密封字段都不符',
    'disclosure matches no sealed field of the record',
    '请检查盐值与字段名',
    'Check salt, field name and value'
  ],
  DISCLOSURE_REPEATED: [
    400,
    1,
    '同一字段披露了两次',
    'the same field is disclosed twice',
    '每个字段只披露一次',
    'Send one disclosure for each field'
  ],
  // formats §3, §8: admission
  WRONG_LOG: [
    400,
    1,
    '陈述不是给本账本的',
    'statement is meant for another log',
    '请检查 aud 与提交地址',
    'Check `aud` and the address it was sent to'
  ],
  CLASS_NOT_HELD: [
    400,
    1,
    '本账本不收这一类记录',
    'this log does not hold records of this class',
    '请提交到持有该类别的账本',
    'Send it to the log that holds the class'
  ],
  CTI_REUSED: [
    409,
    1,
    '同一密钥已用过这个编号（cti）',
    'this key has used this cti for another statement',
    '每份陈述使用新的 16 字节随机数',
    'Use 16 fresh random bytes for every statement'
  ],
  IAT_AHEAD: [
    400,
    1,
    '签发时间超前 300 秒以上',
    'issued more than 300 s ahead of the clock',
    '请校准时钟',
    'Set the clock right'
  ],
  KEY_NOT_REGISTERED: [403, 1, '密钥未登记', 'key not registered', ...ASK_ADMIN],
  KEY_PENDING: [403, 1, '密钥登记尚待同意', 'registration of the key awaits approval', ...ASK_ADMIN],
  KEY_REVOKED: [403, 1, '密钥已吊销', 'key revoked', ...ASK_ADMIN],
  KEY_NOT_YET_VALID: [403, 1, '密钥尚未生效', 'key not valid yet', ...ASK_ADMIN],
  KEY_EXPIRED: [403, 1, '密钥已过有效期', 'key no longer valid', ...ASK_ADMIN],
  ORGANISATION_MISMATCH: [403, 1, '签发机构与密钥所属机构不一致', 'issuer is not the organisation of the key', ...ASK_ADMIN],
  ACTOR_MISMATCH: [
    403,
    1,
    '行为人与密钥登记的人员不一致',
    'actor is not the staff code of the key',
    '请用本人的密钥签署',
    'Sign with the key of the person who acts'
  ],
  ROLE_NOT_PERMITTED: [403, 1, '该角色不得书写此类记录', 'no role of this key may write this type', ...ASK_ADMIN],
  TRAILS_MISMATCH: [
    400,
    1,
    '轨迹与记录内容应得的轨迹不一致',
    'trails are not those the record gives',
    '轨迹由记录内容决定，请用工具生成',
    'Trails are a function of the record: let the tool compute them'
  ],
  SIGNATURE_INVALID: [400, 1, '签名不成立', 'signature does not verify', '请重新签署', 'Sign it again with the right key'],
  SEAL_NOT_ACCEPTED: [400, 1, '封印只由账本自己书写', 'seals are written by the log alone', '请提交普通记录', 'Submit a record'],
  GENESIS_MISPLACED: [
    400,
    1,
    '创世记录只能是第 0 条',
    'a genesis record stands at index 0 and nowhere else',
    '请勿重复提交创世记录',
    'Do not submit genesis again'
  ],
  NOT_ADMINISTRATOR: [403, 1, '不是管理员密钥', 'not a key of an administrator', ...ASK_ADMIN],
  KEY_ALREADY_REGISTERED: [
    409,
    1,
    '该密钥已登记过，不能再次登记',
    'key was registered before and cannot be registered again',
    '请生成新的密钥',
    'Generate a new key'
  ],
  FOREIGN_ORGANISATION: [
    403,
    1,
    '只能处理本机构的密钥与记录',
    'only keys and records of your own organisation can be changed, corrected or erased',
    ...ASK_ADMIN
  ],
  OPERATOR_ONLY: [
    403,
    1,
    '此类记录只由账本运行机构的管理员书写',
    'records of this type are written by an administrator of the operator alone',
    '请由运行机构的管理员签署',
    'Let an administrator of the operator sign it'
  ],
  ROLE_NOT_GIVABLE: [403, 1, '管理员无权授予该角色', 'this administrator may not give this role', ...ASK_ADMIN],
  REGISTRY_TARGET: [
    400,
    1,
    '所指的密钥或变更不存在或不再待定',
    'the key or change spoken of does not exist or is not pending',
    '用 lianzheng registry 查看',
    'Look it up first'
  ],
  REFERENCE_UNKNOWN: [
    400,
    1,
    '所指的记录不在本账本中',
    'the record spoken of is not in this log',
    '请先提交该记录，再按其摘要引用',
    'Submit that record first, then name it by its leaf hash'
  ],
  CATALOGUE_NOT_IN_FORCE: [
    409,
    1,
    '本账本尚未启用含有此类型的目录版本',
    'the catalogue that has this type is not in force in this log',
    '请由管理员执行 lianzheng registry catalogue',
    'Let an administrator run `lianzheng registry catalogue`'
  ],
  CATALOGUE_UNKNOWN: [
    409,
    1,
    '目录版本比本软件新，不再书写或见证',
    'the catalogue is newer than this software, which neither writes nor cosigns under it',
    '请先升级软件',
    'Upgrade the software first'
  ],
  // formats §5, §9–11: notes, policies, files to verify
  NOTE_INVALID: [400, 1, '签名文书（signed note）格式不正确', 'signed note not well-formed', ...RE_FETCH],
  CHECKPOINT_INVALID: [400, 1, '检查点格式不正确', 'checkpoint not well-formed', ...RE_FETCH],
  VKEY_INVALID: [
    400,
    2,
    '验证公钥（vkey）格式不正确',
    'vkey not well-formed',
    '请向运行机构索取',
    'Ask the operator for its vkey'
  ],
  POLICY_INVALID: [400, 2, '策略文件不正确', 'policy file not well-formed', '请检查所指的行', 'Check the line named'],
  PROOF_INVALID: [400, 1, '证明格式不正确', 'proof not well-formed', ...RE_FETCH],
  RECEIPT_INVALID: [400, 1, '回执文件格式不正确', 'receipt file not well-formed', ...RE_FETCH],
  CERTIFICATE_INVALID: [400, 1, '轨迹证书格式不正确', 'trail certificate not well-formed', ...RE_FETCH],
  PROMISE_INVALID: [400, 1, '承诺或拒收凭证格式不正确', 'promise or refusal not well-formed', ...RE_FETCH],
  CONTRADICTION_INVALID: [400, 1, '矛盾文件格式不正确', 'contradiction file not well-formed', ...RE_FETCH],
  SCITT_INVALID: [400, 1, 'SCITT 回执格式不正确', 'SCITT receipt not well-formed', ...RE_FETCH],
  FORMAT_VERSION_UNKNOWN: [
    400,
    2,
    '文件格式的版本未知，暂时无法核验',
    'the file is of a format version unknown here and could not be checked',
    '请升级软件',
    'Upgrade the software'
  ],
  // HTTP
  BODY_TOO_LARGE: [413, 2, '请求过大', 'request body too large', '请分批提交', 'Send it in smaller batches'],
  BODY_INVALID: [400, 2, '请求内容不正确', 'request body not valid', '请对照接口文档', 'Compare with the API description'],
  QUERY_INVALID: [400, 2, '查询参数不正确', 'query parameter not valid', '请对照接口文档', 'Compare with the API description'],
  NOT_FOUND: [404, 2, '没有这个地址', 'no such resource', '请检查地址', 'Check the address'],
  LOG_UNKNOWN: [404, 2, '本节点没有这个账本', 'this node has no such log', '用 /api/v1/logs 查看', 'See /api/v1/logs'],
  ENTRY_UNKNOWN: [404, 2, '没有这条记录', 'no such record', '请检查序号或摘要', 'Check the index or leaf hash'],
  AUTH_REQUIRED: [401, 2, '需要身份令牌', 'a bearer token is needed', '命令行请加 --key', 'On the command line add --key'],
  AUTH_INVALID: [
    401,
    2,
    '身份令牌无效',
    'bearer token not valid',
    '请用已登记的密钥重新签发',
    'Sign a new one (EdDSA, aud = node name, at most five minutes) with a registered key'
  ],
  ACCESS_DENIED: [403, 2, '无权查阅', 'not entitled to read this', ...ASK_ADMIN],
  READ_NOT_RECORDED: [
    500,
    3,
    '查阅无法留痕，予以拒绝',
    'the read could not be recorded and is refused',
    '请告知运维人员：节点须有内部类账本，且其留痕密钥已登记',
    'Tell the operator: the node needs a log of class internal, with its key for this registered in it'
  ],
  OVERLOADED: [503, 3, '节点繁忙', 'node is full', '请按 Retry-After 稍后再试', 'Try again after Retry-After'],
  DISK_FULL: [
    503,
    3,
    '磁盘空间不足，暂不接收记录；查阅照常',
    'disk is full: no records are taken; reading goes on',
    '腾出空间后自动恢复；未得到回答的记录请原样再次提交',
    'It recovers by itself once there is space; send what was not answered again, unchanged'
  ],
  REQUEST_TIMEOUT: [
    408,
    3,
    '请求迟迟没有发完',
    'request was not sent in time',
    '请检查网络后再次提交',
    'Check the network, then send it again'
  ],
  REQUEST_INVALID: [
    400,
    2,
    '不是可读的 HTTP 请求，或请求头过大',
    'not a readable HTTP request, or its headers are too large',
    '请检查客户端与中间的代理',
    'Check the client and the proxies between'
  ],
  STOPPING: [503, 3, '节点正在停止', 'node is stopping', '请稍后再试', 'Try again later'],
  INTERNAL: [500, 3, '内部错误', 'internal error', '请将时间告知运维人员', 'Tell the operator the time it happened'],
  // node
  CONFIG_INVALID: [500, 2, '配置不正确', 'configuration not valid', '请改正所指的行', 'Mend the line named'],
  CONFIG_UNREADABLE: [
    500,
    2,
    '读不到配置或它所指的文件',
    'configuration, or a file it names, cannot be read',
    '请检查路径与权限',
    'Check the path and the permissions'
  ],
  DATA_DIR_IN_USE: [
    500,
    3,
    '数据目录正被另一个进程使用',
    'data directory is in use by another process',
    '请先停止另一个进程',
    'Stop the other process first'
  ],
  PORT_IN_USE: [
    500,
    3,
    '端口已被占用',
    'port is in use',
    '请改用其他端口或停止占用者',
    'Choose another port or stop whoever uses it'
  ],
  STORE_UNREADABLE: [500, 3, '数据目录打不开', 'data directory cannot be opened', ...STOP],
  STORE_FOREIGN: [
    500,
    3,
    '数据目录属于另一个账本或另一套密钥',
    'data directory belongs to another log or other keys',
    '请检查 dataDir 与 seedFile',
    'Check dataDir and seedFile'
  ],
  WORK_FOREIGN: [
    500,
    3,
    '审计工作目录不是从这个账本推算出来的',
    'the work directory of the audit was not derived from this log as it stands',
    '请另给一个空目录从头审计；若原是同一账本，则其条目此后已被改动，请保留原目录备查',
    'Audit from the start with an empty directory; if it is the same log, its entries have been changed since: keep the old directory as evidence'
  ],
  STORE_VERSION: [
    500,
    3,
    '数据目录由更新的版本写成',
    'data directory was written by a newer version',
    '请升级软件',
    'Upgrade the software'
  ],
  STORE_DISAGREES: [500, 3, '数据与本账本签过的链头不一致', 'stored data disagree with the head this log signed', ...STOP],
  STORE_CORRUPT: [500, 3, '存储内容已损坏', 'stored data are damaged', ...STOP],
  STORE_FAILED: [500, 3, '写入存储失败', 'writing to the store failed', ...STOP],
  CLOCK_BACKWARDS: [
    500,
    3,
    '时钟倒退，节点停止',
    'the clock went backwards; the node stops',
    '请校准时钟后再启动',
    'Set the clock right, then start again'
  ],
  // witness and mirror
  LOG_NOT_WATCHED: [
    404,
    2,
    '本节点不见证、不镜像这个账本，或尚未签过',
    'this node does not watch this log, or has signed nothing of it yet',
    '请让运行机构把该账本写入 watch',
    'Ask its operator to list the log under `watch`'
  ],
  CHECKPOINT_NOT_SIGNED: [
    403,
    1,
    '检查点没有所需密钥的有效签名',
    'checkpoint carries no valid signature of the key it needs',
    '请核对公钥后重新取得检查点',
    'Compare the keys, then get the checkpoint again'
  ],
  HEAD_CONFLICT: [
    409,
    2,
    '起点与本节点记得的大小不符',
    'the old size is not the one this node remembers',
    '请从所示大小重新证明',
    'Prove again from the size shown'
  ],
  CHECKPOINT_INCONSISTENT: [
    422,
    1,
    '不能证明它延续此前签过的树',
    'not proven to extend the tree signed before',
    '请保留两份检查点并查明原因',
    'Keep both checkpoints and find the cause'
  ],
  COSIGNER_STATE_LOST: [
    503,
    3,
    '本节点忘记了曾经签过什么，不再以这些密钥联署',
    'this node has lost what it signed before and cosigns no more with these keys',
    '请恢复 .cosigner 目录，或换用新的种子并通知各方',
    'Bring the .cosigner directory back, or take a new seed and tell the others'
  ],
  NO_PENDING_CHECKPOINT: [
    422,
    2,
    '镜像还没有收到检查点',
    'the mirror has no checkpoint to which entries could belong',
    '请先提交检查点（add-checkpoint）',
    'Send a checkpoint first (add-checkpoint)'
  ],
  MIRROR_DISAGREES: [
    422,
    1,
    '镜像重算的结果与账本所说不一致，不予联署',
    'what the mirror derives is not what the log says; it does not cosign',
    '请保留双方数据并查明原因；纪检机构已得到报警',
    'Keep the data of both sides and find the cause; the operator of the mirror has been alarmed'
  ],
  MIRROR_STOPPED: [
    503,
    3,
    '镜像没有现行目录版本，已停止联署',
    'the mirror lacks the catalogue in force and has stopped cosigning',
    '请镜像的运行机构升级软件',
    'Let the operator of the mirror upgrade the software'
  ],
  SEAL_AHEAD: [
    503,
    3,
    '封印时间超前 300 秒以上，暂不联署',
    'a seal is more than 300 s ahead of the clock of the mirror: not yet',
    '请校准时钟后重试',
    'Set the clocks right, then try again'
  ],
  // client and command line
  USAGE: [400, 2, '用法不正确', 'usage', '见 --help', 'See --help'],
  FILE_UNREADABLE: [400, 2, '文件读不了', 'file cannot be read', '请检查路径与权限', 'Check the path and the permissions'],
  FILE_CHANGED: [
    400,
    2,
    '文件在读取过程中发生了变动',
    'file changed while it was read',
    '请等写入结束后再运行一次',
    'Run it again when nothing writes to it any more'
  ],
  FILE_EXISTS: [400, 2, '文件已存在，不覆盖', 'file exists and is not overwritten', '请换一个名字', 'Choose another name'],
  RUN_UNFINISHED: [
    400,
    2,
    '此目录中有另一次没有完成的操作',
    'directory holds an unfinished run of another command',
    '请原样重新运行那条命令以完成它，或换一个 -o 目录',
    'Run that command again as it was to finish it, or choose another -o'
  ],
  SHEET_INVALID: [
    400,
    2,
    '清单表格不正确',
    'sheet not valid',
    '请用 UTF-8 的 CSV：首行为列名，每个文件一行',
    'Give CSV in UTF-8: names of columns in the first line, then one line a file'
  ],
  UNREACHABLE: [502, 3, '连不上节点', 'node cannot be reached', '请检查地址与网络', 'Check the address and the network'],
  ANSWER_INVALID: [
    502,
    3,
    '节点的回答不成立',
    'the answer of the node does not hold',
    '请保留回答并告知监督机构',
    'Keep the answer and tell a supervising institution'
  ],
  ANSWER_TOO_LARGE: [
    502,
    3,
    '节点的回答超过了应有的大小',
    'the answer of the node is larger than it may be',
    '请检查地址是否为链证节点',
    'Check that the address is that of a Lianzheng node'
  ],
  HEAD_WENT_BACK: [
    502,
    1,
    '账本回退或改写了历史',
    'the log went back or rewrote its history',
    '请保留两份链头并告知监督机构',
    'Keep both heads and tell a supervising institution'
  ]
} as const satisfies Record<string, Row>

export type Code = keyof typeof CODES

export interface ErrorDetail {
  /** Byte offset in the input at which decoding stopped. */
  offset?: number
  /** Path of the member or field spoken of, e.g. `files[0].sha256`. */
  field?: string
  /** What would have been accepted. */
  expected?: string
  /** Index in an array of inputs, line of a file, or index of a log entry. */
  at?: string | number
  /** The log's signed refusal (formats.md §12), base64url, where it gave one. */
  refusal?: string
  cause?: unknown
}

export interface Problem {
  code: Code
  zh: string
  en: string
  field?: string
  offset?: number
  expected?: string
  at?: string | number
  refusal?: string
}

function where(detail: ErrorDetail, lang: 'zh' | 'en'): string {
  const parts: string[] = []
  if (detail.at !== undefined) parts.push(String(detail.at))
  if (detail.field !== undefined) parts.push(lang === 'zh' ? `字段 ${detail.field}` : `field ${detail.field}`)
  if (detail.offset !== undefined) parts.push(lang === 'zh' ? `偏移 ${detail.offset}` : `offset ${detail.offset}`)
  if (detail.expected !== undefined)
    parts.push(lang === 'zh' ? `应为 ${expectedInChinese(detail.expected)}` : `expected ${detail.expected}`)
  return parts.length === 0 ? '' : lang === 'zh' ? `（${parts.join('，')}）` : ` (${parts.join(', ')})`
}

/** Everything refused is this error. `FatalError` below is the only kind that stops a process. */
export class LianzhengError extends Error {
  override readonly name: string = 'LianzhengError'
  readonly code: Code
  readonly detail: ErrorDetail

  constructor(code: Code, detail: ErrorDetail = {}) {
    super(`${code}: ${CODES[code][3]}${where(detail, 'en')}`, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.detail = detail
  }

  get httpStatus(): number {
    return CODES[this.code][0]
  }

  get exitStatus(): 1 | 2 | 3 {
    return CODES[this.code][1]
  }

  /** What was refused and where, in one sentence. */
  text(lang: 'zh' | 'en'): string {
    return CODES[this.code][lang === 'zh' ? 2 : 3] + where(this.detail, lang)
  }

  /** What the user can do about it, in one sentence. */
  advice(lang: 'zh' | 'en'): string {
    return CODES[this.code][lang === 'zh' ? 4 : 5]
  }

  /** The same error with the place in a larger input put in front: `files[0]` + `sha256` → `files[0].sha256`. */
  within(field: string): LianzhengError {
    const inner = this.detail.field
    const joined = inner === undefined ? field : inner.startsWith('[') ? field + inner : `${field}.${inner}`
    return new LianzhengError(this.code, { ...this.detail, field: joined })
  }

  problem(): Problem {
    const { cause: _, ...place } = this.detail
    return {
      code: this.code,
      zh: `${this.text('zh')}。${this.advice('zh')}`,
      en: `${this.text('en')}. ${this.advice('en')}`,
      ...place
    }
  }
}

/** Continuing could write or sign something wrong: the process says why and stops. */
export class FatalError extends LianzhengError {
  override readonly name = 'FatalError'
}
