/**
 * `npm run demo`: one node, real files, the whole job. A clerk fixes evidence, a president's supervision trail and the recusal register are written, the
 * node is stopped, everything is verified offline, and three kinds of cheating are tried. Exits 0 after the verified receipt; `-- --keep` leaves
 * the node up.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromBase64url } from '../src/core/bytes.ts'
import { leafHash } from '../src/core/hash.ts'
import { trailRoot } from '../src/core/trail.ts'
import { entryKey } from '../src/store/layout.ts'
import { openLevel } from '../src/store/level.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = join(root, 'dist/cli/main.js')
const keep = process.argv.includes('--keep')
const home = mkdtempSync(join(tmpdir(), 'lianzheng-demo-'))
const network = join(home, 'network')
const out = join(home, 'receipts')
const env = { ...process.env, LIANZHENG_HOME: join(home, 'state') }
const files = readdirSync(join(root, 'scripts/demo-files'))
  .filter((name) => name !== 'README.md')
  .map((name) => join(root, 'scripts/demo-files', name))

const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text)
const dim = (text: string) => (process.stdout.isTTY ? `\x1b[2m${text}\x1b[0m` : text)

function title(zh: string, en: string): void {
  process.stdout.write(`\n${bold(`■ ${zh}`)}\n  ${en}\n`)
}

/** Runs one command line and returns what it printed; prints the command, and the output where `show` says so. */
async function lianzheng(args: string[], { expect = 0, show = true }: { expect?: number; show?: boolean } = {}): Promise<string> {
  const shown = args.map((word) =>
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

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function serve(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [main, 'serve', '--config', join(network, 'court.yaml')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve())
    child.once('exit', (status) => reject(new Error(`the node ended with ${status}`)))
  })
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await ended
}

const port = await freePort()
const url = `http://127.0.0.1:${port}`
const key = (name: string) => join(network, 'keys', `${name}.key.json`)
const policy = join(network, 'policy.txt')

title('建立网络，启动法院节点', 'Make a network and start the court’s node')
await lianzheng(['network', 'init', network, '--port', String(port)])
const node = await serve()
process.stdout.write(`    ${url}\n`)

title(
  '书记员固定证据：文件不离开本机，只提交摘要',
  'The clerk fixes evidence: files stay on the machine, digests go to the ledger'
)
const list = `粤01-20200826-${'demolistaaaa'}`
const caseNumber = '(2020)粤01民初123号'
const fixed = JSON.parse(
  await lianzheng(
    [
      'fix',
      ...files,
      '--case',
      caseNumber,
      '--list',
      list,
      '--set',
      'material=electronic-data',
      '--set',
      'source=原告提交',
      '--key',
      key('clerk'),
      '--url',
      url,
      '--policy',
      policy,
      '-o',
      out,
      '--json'
    ],
    { show: false }
  )
) as { evidence: string; receipt: string; index: number; file: string }[]
for (const { evidence, index, file } of fixed) process.stdout.write(`    ${evidence}  #${index}  ${file.split('/').at(-1)}\n`)

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
  const answer = await lianzheng(['submit', file, '--key', key(by), '--url', url, '--policy', policy, '-o', out, '--json'], {
    show: false
  })
  const done = JSON.parse(answer) as { type: string; log: string; index: number; leaf: string }[]
  for (const { type, log, index } of done) process.stdout.write(`    ${type} → ${log} #${index}\n`)
  return done.map(({ leaf }) => leaf)
}

const fullCase = '（2020）粤01民初123号'
const items = fixed.map(({ evidence }) => ({ evidence, form: 'copy', copies: 1, pages: 3 }))
await submit('clerk', {
  type: 'evidence.receipt',
  at: '2020-08-26T09:20:00+08:00',
  list,
  case: fullCase,
  receivedAt: '2020-08-26T09:15:00+08:00',
  items,
  sealed: { party: '原告 李某某', handler: '书记员 张某某' }
})

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
await submit('president', {
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

if (!keep) {
  title('停止节点，以下全部离线', 'The node is stopped: everything below is offline')
  await stop(node)

  title('律师核验回执与文件', 'The lawyer verifies a receipt against its file')
  await lianzheng(['verify', fixed[0]!.receipt, files[0]!, '--policy', policy])

  title('监督轨迹：没有遗漏', 'The supervision trail: nothing filed is missing')
  await lianzheng(['verify', trailFile, '--policy', policy])
  await lianzheng(['verify', registerFile, '--policy', policy], { show: false })

  title('作弊一：改动文件一个字', 'Cheat 1: one character of the file is changed')
  const tampered = join(home, 'tampered.txt')
  const original = readFileSync(files[0]!)
  original[100]! ^= 1
  writeFileSync(tampered, original)
  const cheat1 = await lianzheng(['verify', fixed[0]!.receipt, tampered, '--policy', policy], { expect: 1, show: false })
  process.stdout.write(`${pick(cheat1, '✗')}\n`)

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
  process.stdout.write(`${pick(cheat2, '✗')}\n`)

  title('作弊三：在数据目录里改动一个比特', 'Cheat 3: one bit is flipped in the data directory')
  const copy = join(home, 'copy')
  cpSync(join(network, 'data/court/supervision'), copy, { recursive: true })
  const store = await openLevel(copy)
  const bytes = Uint8Array.from(store.get(entryKey(15))!)
  bytes[bytes.length - 100]! ^= 1
  await store.write([{ key: entryKey(15), value: bytes }], { durable: true })
  await store.close()
  const cheat3 = await lianzheng(['audit', '--data', copy, '--policy', policy], { expect: 1, show: false })
  process.stdout.write(`${pick(cheat3, '✗')}\n`)
  await lianzheng(['audit', '--data', join(network, 'data/court'), '--policy', policy])
}

process.stdout.write(`
${bold('刚才发生了什么')}
  书记员固定了 ${files.length} 份真实文件，每份得到一张回执；文件没有离开本机。院长的查阅、意见，法官的反馈，都由本人的密钥签名并写入账本。
  节点停机以后，凭回执、策略和文件就能核验，不需要信任任何服务器；纪检手中的证书证明提交到这条轨迹的记录一条不少。
  改一个字、删一条、改一个比特，都被指了出来，并且说清是文件不同还是账本不同。
  这里只有法院一个节点，所以结论写明“仅由运行机构自身担保”：要防止法院自己重写历史，须有其他机构见证和镜像。

${bold('What just happened')}
  A clerk fixed ${files.length} real files and got a receipt for each; no file left the machine. A president’s reads and opinions and a judge’s
  reply were signed with their own keys and entered the ledger. With the node switched off, a receipt, a policy and the file are enough to
  verify: no server is trusted; and the inspector’s certificate proves that nothing filed on the trail is missing. One changed character, one
  removed record, one flipped bit were each found, and it was said whether the file differs or the ledger does.
  There is one node here, the court’s, so the verdict says that only the operator vouches: to keep the court itself from rewriting history,
  other institutions must witness and mirror it.

${bold('文件 Files')}  ${home}
  receipts/*.receipt.json  回执 receipts      receipts/*.trail.json  轨迹证书 trail certificates
  network/policy.txt       策略 policy        network/data           账本 the ledger
`)

if (keep) {
  process.stdout.write(`\n节点在 ${url} 运行，按 Ctrl-C 停止。 The node is up at ${url}; Ctrl-C stops it.\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(node).then(() => process.exit(0)))
} else {
  title('最后，再看一次这张回执', 'Last, the receipt once more')
  await lianzheng(['verify', fixed[0]!.receipt, files[0]!, '--policy', policy, '--lang', 'en'])
}

/** The lines about what is broken, with what is said under each, and the headline. */
function pick(printed: string, mark: string): string {
  const lines = printed.split('\n')
  const kept = lines.filter(
    (line, i) =>
      line.includes(` ${mark} `) ||
      (/^ {5}\S/.test(line) && lines[i - 1]?.includes(` ${mark} `)) ||
      /^(核验不一致|broken)/.test(line)
  )
  return kept.join('\n').replace(/^/gm, '    ')
}
