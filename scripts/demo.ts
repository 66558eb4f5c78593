/**
 * `npm run demo`: one node, real files, the whole job. A clerk fixes a list of evidence, a president's supervision trail and the recusal register are
 * written, something is refused, something is erased, the node is stopped, everything is verified offline, and three kinds of cheating are tried. Then
 * four nodes, one of which is killed. Exits 0 after the verified receipt; `-- --keep` leaves the one node up, without the rest.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromBase64url } from '../src/core/bytes.ts'
import { leafHash } from '../src/core/hash.ts'
import { trailRoot } from '../src/core/trail.ts'
import { recordType } from '../src/records/catalogue.ts'
import { entryKey } from '../src/store/layout.ts'
import { openLevel } from '../src/store/level.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = join(root, 'dist/cli/main.js')
const keep = process.argv.includes('--keep')
const home = mkdtempSync(join(tmpdir(), 'lianzheng-demo-'))
const network = join(home, 'network')
const out = join(home, 'receipts')
const logs = join(home, 'logs')
mkdirSync(logs)
const env = { ...process.env, LIANZHENG_HOME: join(home, 'state') }
const files = readdirSync(join(root, 'scripts/demo-files'))
  .filter((name) => name !== 'README.md')
  .map((name) => join(root, 'scripts/demo-files', name))
for (const [name, text] of [
  ['转账凭证.txt', '2020-03-02 转账人民币 120,000 元，附言：货款。\n'],
  ['聊天记录.txt', '2020-03-05 “货已收到，余款月底付清。”\n']
] as const) {
  writeFileSync(join(home, name), text)
  files.push(join(home, name))
}
/** Steps of a report that are broken, and its headline. */
const BROKEN = / ✗ |^(?:核验不一致|broken)/
const VERIFIED = /^\s*(?:核验一致|verified)/

const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text)
const dim = (text: string) => (process.stdout.isTTY ? `\x1b[2m${text}\x1b[0m` : text)

function title(zh: string, en: string): void {
  process.stdout.write(`\n${bold(`■ ${zh}`)}\n  ${en}\n`)
}

/** Options that every command of the demo has: said once, and left out of what is shown. */
const UNSAID = ['--url', '--policy', '-o']

/** Runs one command line and returns what it printed; prints the command, and the output where `show` says so. */
async function lianzheng(args: string[], { expect = 0, show = true }: { expect?: number; show?: boolean } = {}): Promise<string> {
  const said = args.filter((word, i) => word !== '--json' && !UNSAID.includes(word) && !UNSAID.includes(args[i - 1] ?? ''))
  const shown = said.map((word) =>
    word.startsWith(home) ? word.slice(home.length + 1) : word.startsWith(root) ? word.slice(root.length) : word
  )
  process.stdout.write(dim(`  $ lianzheng ${shown.map((word) => (/[\s()（）]/.test(word) ? `'${word}'` : word)).join(' ')}\n`))
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const text = printed.replaceAll(`${home}/`, '').replaceAll(root, '')
  if (show) process.stdout.write(`${text.trimEnd().replace(/^/gm, '    ')}\n`)
  if (status !== expect) throw new Error(`lianzheng ${args[0]} ended with ${status}, expected was ${expect}:\n${text}`)
  return printed
}

/** The first of so many free ports in a row. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const held: Server[] = []
    const hold = (port: number) =>
      new Promise<boolean>((resolve) => {
        const server = createServer()
        server.once('error', () => resolve(false))
        server.listen(port, '127.0.0.1', () => resolve(held.push(server) > 0))
      })
    await hold(0)
    const { port: first } = held[0]!.address() as { port: number }
    let free = first + count <= 65_536
    for (let next = first + 1; free && next < first + count; next++) free = await hold(next)
    for (const server of held) await new Promise((resolve) => server.close(resolve))
    if (free) return first
  }
}

/** Nothing of the demo is left running, however it ends. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A node of a network, up. What it says of itself goes to a file. */
async function serve(directory: string, name: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [main, 'serve', '--config', join(directory, `${name}.yaml`)], {
    env,
    stdio: ['ignore', 'pipe', openSync(join(logs, `${basename(directory)}-${name}.log`), 'a')]
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve())
    child.once('exit', (status) => reject(new Error(`the node ended with ${status}: ${logs}`)))
  })
  return child
}

async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await ended
}

const port = await freePorts(1)
const url = `http://127.0.0.1:${port}`
const key = (name: string) => join(network, 'keys', `${name}.key.json`)
const policy = join(network, 'policy.txt')

process.stdout.write(`
命令一律另有 ${UNSAID.join(' ')}，以下略去不写。 All commands also have ${UNSAID.join(' ')}, left out below.
`)
title('建立网络，启动法院节点', 'Make a network and start the court’s node')
await lianzheng(['network', 'init', network, '--port', String(port)])
const node = await serve(network, 'court')
process.stdout.write(`    ${url}\n`)

title(
  '书记员收下五份材料：文件不离开本机，只提交摘要；作成一份清单，给当事人一张收据',
  'The clerk takes in five files: they stay on the machine, digests go to the ledger; one list, and one 收据 for the party'
)
const fullCase = '（2020）粤01民初123号'
const sheet = join(home, '清单.csv')
const row = (file: string, i: number) => `"${basename(file)}",复印件,1,${i + 1},电子数据,原告提交`
writeFileSync(sheet, ['文件,形式,份数,页数,材料性质,来源', ...files.map(row)].join('\n'))
const common = ['--url', url, '--policy', policy, '-o', out]
const list = JSON.parse(
  await lianzheng(
    [
      'fix',
      ...files,
      ...['--case', '(2020)粤01民初123号', '--list', 'new', '--sheet', sheet],
      ...['--set', 'receivedAt=now', '--set', 'party=原告 李某某', '--set', 'handler=书记员 张某某'],
      ...['--key', key('clerk'), ...common, '--json']
    ],
    { show: false }
  )
) as {
  list: string
  courtReceipt: { index: number }
  fixed: { evidence: string; receipt: string; index: number; file: string }[]
}
const { fixed } = list
for (const { evidence, index, file } of fixed) process.stdout.write(`    ${evidence}  #${index}  ${basename(file)}\n`)
process.stdout.write(`    清单 list ${list.list}，收据 #${list.courtReceipt.index}\n`)

let sequence = 0
/** Submits records through the command line, as one of the demo users. Returns the leaf hash of each. */
async function submit(by: string, ...records: { [name: string]: unknown }[]): Promise<string[]> {
  const file = join(home, `${String(++sequence).padStart(2, '0')}-${by}.json`)
  writeFileSync(
    file,
    JSON.stringify(
      records.map((record) => ({ court: '粤01', ...record })),
      null,
      1
    )
  )
  const answer = await lianzheng(['submit', file, '--key', key(by), ...common, '--json'], { show: false })
  const done = JSON.parse(answer) as { type: string; log: string; index: number; leaf: string }[]
  for (const { type, log, index } of done)
    process.stdout.write(`    ${recordType(type).zh} ${recordType(type).en} → ${log} #${index}\n`)
  return done.map(({ leaf }) => leaf)
}

title('院长的监督轨迹：查阅、意见、反馈、处理结果', 'A president’s supervision trail: access, opinions, a reply, an outcome')
const supervision = 'court.example/supervision'
await submit('personnel', {
  type: 'staff.post',
  at: '2020-01-02T09:00:00+08:00',
  staff: '粤01-R0001',
  posts: ['院长'],
  remit: { divisions: ['民一庭', '民二庭'] },
  from: '2019-12-30'
})
await submit('president', {
  type: 'supervision.access',
  at: '2020-08-26T10:00:00+08:00',
  case: fullCase,
  mode: 'file',
  from: '2020-08-26T09:40:00+08:00',
  to: '2020-08-26T10:00:00+08:00',
  sealed: { purpose: '了解审理进展' }
})
const [first] = await submit('president', {
  type: 'supervision.opinion',
  at: '2020-08-26T10:05:00+08:00',
  case: fullCase,
  judge: '粤01-R0201',
  measure: 'M03',
  basis: 'keycase',
  node: 'deliberation',
  channel: 'platform',
  replyDue: '2020-09-02',
  sealed: { content: '属于可能与类案裁判冲突的案件，请提交类案检索报告。' }
})
const [reply] = await submit('judge', {
  type: 'supervision.reply',
  at: '2020-08-28T16:00:00+08:00',
  case: fullCase,
  leader: '粤01-R0001',
  decision: 'adopted',
  refs: [{ rel: 'answers', log: supervision, leaf: first }],
  sealed: { progress: '已提交检索报告。' }
})
await submit('judge', {
  type: 'supervision.outcome',
  at: '2020-08-31T11:00:00+08:00',
  case: fullCase,
  judge: '粤01-R0201',
  leader: '粤01-R0001',
  result: 'closed',
  changed: false,
  refs: [{ rel: 'outcome', log: supervision, leaf: reply }]
})
const [second] = await submit('president', {
  type: 'supervision.opinion',
  at: '2020-09-01T09:00:00+08:00',
  case: '（2020）粤01民初456号',
  judge: '粤01-R0201',
  measure: 'M02',
  basis: 'keycase',
  node: 'hearing',
  channel: 'written',
  sealed: { content: '请报告案件进展。' }
})

title('任职回避公开', 'The recusal register')
const [entry] = await submit('personnel', {
  type: 'recusal.disclosed',
  at: '2020-08-26T15:00:00+08:00',
  entry: 'entry-0001',
  status: 'related',
  sealed: { name: '王某某', post: '民一庭副庭长', relation: '配偶', firm: '某律师事务所' }
})
await submit('personnel', {
  type: 'recusal.updated',
  at: '2020-10-12T15:00:00+08:00',
  entry: 'entry-0001',
  reasonCode: '亲属已离所',
  refs: [{ rel: 'updates', log: 'court.example/public', leaf: entry }]
})

title(
  '纪检取得院长的完整轨迹；公众查看回避公开',
  'The inspector takes the president’s whole trail; the public looks at the register'
)
const trailFile = join(out, 'president.trail.json')
await lianzheng(['trail', 'power:粤01-R0001', '--url', url, '--policy', policy, '--key', key('inspector'), '-o', trailFile], {
  show: false
})
const registerFile = join(out, 'recusal.trail.json')
await lianzheng(['trail', 'disclosure:粤01', '--url', url, '--policy', policy, '-o', registerFile], { show: false })

title(
  '拒收也有凭证：有人想抹掉“意见提给了哪位法官”，那不是可以销毁的内容',
  'A refusal is kept: someone wants to erase to which judge the opinion went, which nobody can'
)
const erasure = (field: string) => ({
  type: 'body.erased',
  at: '2020-11-02T09:00:00+08:00',
  fields: [field],
  ground: 'PIPL-47',
  of: ['case-internal:（2020）粤01民初456号', 'duty:粤01-R0201', 'power:粤01-R0001'],
  refs: [{ rel: 'erases', log: supervision, leaf: second }]
})
const wrong = join(home, 'wrong.json')
writeFileSync(wrong, JSON.stringify(erasure('judge')))
await lianzheng(['submit', wrong, '--key', key('admin-court'), ...common], { expect: 1 })

title(
  '依法销毁那份意见的正文：法院申请，纪检同意，两份齐了才生效',
  'The text of that opinion is erased by law: the court asks, discipline agrees, and only both together take effect'
)
await submit('admin-court', erasure('content'))
await submit('admin-discipline', erasure('content'))
const afterFile = join(out, 'president-after.trail.json')
await lianzheng(['trail', 'power:粤01-R0001', '--key', key('inspector'), '--url', url, '--policy', policy, '-o', afterFile], {
  show: false
})

if (!keep) {
  title('停止节点，以下全部离线', 'The node is stopped: everything below is offline')
  await stop(node)

  title('律师核验回执与文件', 'The lawyer verifies a receipt against its file')
  await lianzheng(['verify', fixed[0]!.receipt, files[0]!, '--policy', policy])

  title('监督轨迹：没有遗漏', 'The supervision trail: nothing filed is missing')
  await lianzheng(['verify', trailFile, '--policy', policy])
  await lianzheng(['verify', registerFile, '--policy', policy], { show: false })

  title('销毁以后：正文没有了，轨迹仍然一条不少', 'After the erasure: the text is gone, the trail is still whole')
  const after = await lianzheng(['verify', afterFile, '--policy', policy], { show: false })
  process.stdout.write(`${pick(after, /销毁）|, erased|^核验一致|^verified/)}\n`)

  title('拒收凭证：何时、因何、拒收了哪一份', 'The refusal: when, why, and what was refused')
  const refused = ['wrong.refusal', 'wrong.statement.cose', 'president.trail.json'].map((name) => join(out, name))
  const refusal = await lianzheng(['verify', ...refused, '--policy', policy], { show: false })
  process.stdout.write(`${pick(refusal, VERIFIED)}\n`)

  title('作弊一：改动文件一个字', 'Cheat 1: one character of the file is changed')
  const tampered = join(home, 'tampered.txt')
  const original = readFileSync(files[0]!)
  original[100]! ^= 1
  writeFileSync(tampered, original)
  const cheat1 = await lianzheng(['verify', fixed[0]!.receipt, tampered, '--policy', policy], { expect: 1, show: false })
  process.stdout.write(`${pick(cheat1, BROKEN)}\n`)

  title('作弊二：从轨迹中删去一条，重算数目', 'Cheat 2: one record is taken out of the trail and the count recomputed')
  const certificate = JSON.parse(readFileSync(trailFile, 'utf8')) as {
    parts: { count: number; root: string; entries: { index: number; statement: string }[] }[]
  }
  const part = certificate.parts[0]!
  part.entries.splice(2, 1)
  part.count = part.entries.length
  part.root = Buffer.from(
    trailRoot(part.entries.map(({ index, statement }) => ({ index, leaf: leafHash(fromBase64url(statement)) })))
  ).toString('base64url')
  const truncated = join(home, 'truncated.trail.json')
  writeFileSync(truncated, JSON.stringify(certificate))
  const cheat2 = await lianzheng(['verify', truncated, '--policy', policy], { expect: 1, show: false })
  process.stdout.write(`${pick(cheat2, BROKEN)}\n`)

  title('作弊三：在数据目录里改动一个比特', 'Cheat 3: one bit is flipped in the data directory')
  const copy = join(home, 'copy')
  cpSync(join(network, 'data/court/supervision'), copy, { recursive: true })
  const store = await openLevel(copy)
  const bytes = Uint8Array.from(store.get(entryKey(15))!)
  bytes[bytes.length - 100]! ^= 1
  await store.write([{ key: entryKey(15), value: bytes }], { durable: true })
  await store.close()
  const cheat3 = await lianzheng(['audit', '--data', copy, '--policy', policy], { expect: 1, show: false })
  process.stdout.write(`${pick(cheat3, BROKEN)}\n`)
  await lianzheng([
    'audit',
    '--data',
    join(network, 'data/court'),
    '--policy',
    policy,
    '--seed',
    join(network, 'seeds/court.seed')
  ])
}

if (!keep) {
  title(
    '四家机构：法院、纪检、检察、公证各运行一个节点，互相联署',
    'Four institutions: court, discipline, procuratorate and notary run a node each, and cosign each other'
  )
  const four = join(home, 'four')
  const names = ['court', 'discipline', 'procuratorate', 'notary']
  const first = await freePorts(names.length)
  await lianzheng(['network', 'init', four, '--nodes', names.join(','), '--port', String(first)], { show: false })
  const nodes = await Promise.all(names.map((name) => serve(four, name)))
  const fourPolicy = join(four, 'policy.txt')
  const receipts = join(home, 'receipts-four')
  const fix = async (file: string) => {
    const there = ['--url', `http://127.0.0.1:${first}`, '--policy', fourPolicy, '-o', receipts]
    const fixing = ['fix', file, '--set', 'material=electronic-data', '--key', join(four, 'keys/clerk.key.json'), ...there]
    process.stdout.write(`${pick(await lianzheng(fixing, { show: false }), VERIFIED)}\n`)
  }
  await fix(files[3]!)
  title(
    '断掉公证的节点：另外两家联署，照样终局',
    'The notary’s node is killed: the other two cosign, and it is final all the same'
  )
  await stop(nodes.pop()!, 'SIGKILL')
  await fix(files[4]!)
  await Promise.all(nodes.map((one) => stop(one)))
  title('全部停机，离线核验：写明由谁见证', 'All are stopped; verified offline: it says who has witnessed')
  const witnessed = join(receipts, `${basename(files[4]!)}.receipt.json`)
  const seen = await lianzheng(['verify', witnessed, files[4]!, '--policy', fourPolicy], { show: false })
  process.stdout.write(`${pick(seen, VERIFIED)}\n`)
}

if (!keep)
  process.stdout.write(`
${bold('刚才发生了什么')}
  书记员收下 ${files.length} 份文件，每份一张回执，合为一份清单，另有一张收据；文件没有离开本机。院长的查阅、意见，法官的反馈，都由本人签名。
  节点停机以后，凭回执、策略和文件就能核验，不需要信任任何服务器；纪检手中的证书证明提交到这条轨迹的记录一条不少。
  正文可以依法销毁，证明仍然成立；被拒收的，手里也有凭证。改一个字、删一条、改一个比特，都会被指出来，并说清是文件不同还是账本不同。
  只有法院一个节点时，结论写明“仅由运行机构自身担保”；四家各有节点时，结论写明由谁见证，少一家也照常。

${bold('What just happened')}
  A clerk took in ${files.length} files: a receipt for each, one list, and one 收据 for the party; no file left the machine. A president’s reads and
  opinions and a judge’s reply were signed with their own keys. With the node switched off, a receipt, a policy and the file are enough to verify:
  no server is trusted; and the inspector’s certificate proves that nothing filed on the trail is missing. A text can be erased by law and every
  proof still holds; who is refused has that in writing. One changed character, one removed record, one flipped bit are each found, and it is
  said whether the file differs or the ledger does. With the court’s node alone, the verdict says that only the operator vouches; where four
  institutions have nodes, it says who has witnessed, and one of them may be away.
`)

process.stdout.write(`
${bold('文件 Files')}  ${home}
  receipts/*.receipt.json  回执 receipts      receipts/*.trail.json  轨迹证书 trail certificates
  network/policy.txt       策略 policy        network/data           账本 the ledger
  logs                     节点日志 logs of the nodes
`)

if (keep) {
  process.stdout.write(`\n节点在 ${url} 运行，按 Ctrl-C 停止。 The node is up at ${url}; Ctrl-C stops it.\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(node).then(() => process.exit(0)))
} else {
  title('最后，再看一次这张回执', 'Last, the receipt once more')
  await lianzheng(['verify', fixed[0]!.receipt, files[0]!, '--policy', policy, '--lang', 'en'])
}

/** The lines that say so, with what is said under each. */
function pick(printed: string, what: RegExp): string {
  const lines = printed.split('\n')
  const kept = lines.filter((line, i) => what.test(line) || (/^ {5}\S/.test(line) && what.test(lines[i - 1] ?? '')))
  return kept.join('\n').replace(/^/gm, '    ')
}
