#!/usr/bin/env node
/** `lianzheng`: the command line. Each command is one file, loaded when it is called. */
import { createInterface } from 'node:readline'
import { Command, Option } from 'commander'
import { VERSION } from '../node/version.ts'
import { type Io, languageAsked, languageOf, visible } from './io.ts'
import { report } from './report.ts'
import { speakChinese } from './usage.ts'

/** Every command: its options and arguments as an object; the exit status. */
export type Run<Args> = (args: Args, io: Io) => Promise<number>

async function askSecret(prompt: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: true })
  process.stderr.write(prompt)
  // The terminal echoes through the reader's own output method: silence it while the secret is typed.
  Object.defineProperty(reader, '_writeToOutput', { value: () => {} })
  return new Promise((resolve) =>
    reader.question('', (answer) => {
      reader.close()
      process.stderr.write('\n')
      resolve(answer)
    })
  )
}

/** One id in 64 begins with a hyphen. No option has 43 characters: such a word is moved behind `--`, where it is an id. */
function operandsLast(argv: readonly string[]): string[] {
  const isId = (word: string, i: number) => /^-[A-Za-z0-9_-]{42}$/.test(word) && !argv[i - 1]?.startsWith('--')
  const ids = argv.filter(isId)
  if (ids.length === 0 || argv.includes('--')) return [...argv]
  return [...argv.filter((word, i) => !isId(word, i)), '--', ...ids]
}

/** Runs one command line. Never throws: what goes wrong is said, and is the exit status. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let status = 0
  io.lang = languageAsked(argv) ?? io.lang
  const t = (zh: string, en: string) => (io.lang === 'zh' ? zh : en)
  const program = new Command('lianzheng')
    .description(t('链证：多机构共同维护的存证账本', 'Lianzheng: a ledger of evidence kept by several institutions'))
    .version(VERSION, '-V, --version', t('显示版本', 'output the version number'))
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .exitOverride()
    .showHelpAfterError(t('（用 --help 查看用法）', '(see --help)'))
  speakChinese(program, io)

  function command<Args>(
    parent: Command,
    usage: string,
    zh: string,
    en: string,
    load: () => Promise<{ run: Run<Args> }>
  ): Command {
    return parent
      .command(usage)
      .description(t(zh, en))
      .option('--json', t('输出 JSON', 'print JSON'))
      .addOption(new Option('--lang <lang>', t('语言', 'language')).choices(['zh', 'en']))
      .exitOverride()
      .action(async (...given: unknown[]) => {
        const self = given.at(-1) as Command
        const args: Record<string, unknown> = { ...self.opts() }
        for (const [i, argument] of self.registeredArguments.entries()) args[argument.name()] = given[i]
        io.json = args.json === true
        const { run } = await load()
        status = await run(args as Args, io)
      })
  }
  const key = (required: boolean) => {
    const option = new Option('--key <file>', t('密钥文件（JWK）', 'key file (JWK)'))
    return required ? option.makeOptionMandatory() : option
  }
  const url = () => new Option('--url <url>', t('节点地址', 'address of the node')).makeOptionMandatory()
  const policy = (required: boolean) => {
    const option = new Option('--policy <file>', t('策略文件', 'policy file'))
    return required ? option.makeOptionMandatory() : option
  }
  const disclose = () =>
    new Option(
      '--disclose <fields>',
      t('只披露这些密封字段，以逗号分隔（空为都不披露）', 'disclose these sealed fields alone, separated by commas (empty: none)')
    )
  const collect = (value: string, before: string[] = []) => [...before, value]

  const network = program.command('network').description(t('建立网络', 'set up a network'))
  command(
    network,
    'init <dir>',
    '生成密钥、配置、策略、创世记录与演示用户',
    'make keys, configurations, policies, genesis and demo users',
    () => import('./network.ts')
  )
    .option('--nodes <names>', t('节点，以逗号分隔', 'nodes, separated by commas'), 'court')
    .option('--port <port>', t('首个端口', 'first port'), '7401')

  command(program, 'serve', '运行节点', 'run a node', () => import('./serve.ts')).requiredOption(
    '--config <file>',
    t('配置文件', 'configuration file')
  )

  const keys = program.command('key').description(t('密钥文件', 'key files'))
  command(keys, 'new', '生成密钥', 'make a key', async () => ({ run: (await import('./key.ts')).runNew }))
    .requiredOption('--out <file>', t('写入的文件', 'file to write'))
    .option(
      '--passphrase',
      t('以口令加密（LIANZHENG_PASSPHRASE 或提示输入）', 'encrypt with a passphrase (LIANZHENG_PASSPHRASE, or asked for)')
    )
  command(keys, 'show <file>', '显示公钥与编号', 'show public key and key id', async () => ({
    run: (await import('./key.ts')).runShow
  }))

  const registry = program
    .command('registry')
    .description(t('管理员：密钥、成员、策略、目录、节点密钥', 'administrators: keys, members, policy, catalogue, node keys'))
  const admin = (made: Command) =>
    made
      .addOption(key(true))
      .addOption(url())
      .addOption(policy(false))
      .option('--log <name>', t('只写入此账本（默认全部）', 'this log only (default: all)'))
  admin(
    command(registry, 'add <keyfile>', '登记密钥', 'register a key', async () => ({
      run: (await import('./registry.ts')).runAdd
    }))
  )
    .requiredOption('--org <org>', t('机构代码', 'organisation code'))
    .option('--staff <code>', t('人员编号', 'staff code'))
    .requiredOption('--role <role>', t('角色，可重复', 'role, repeatable'), collect)
    .option('--holder <name>', t('持有人（密封）', 'holder (sealed)'))
    .option('--not-before <time>', t('生效时间（ISO 8601）', 'valid from (ISO 8601)'))
    .option('--not-after <time>', t('失效时间（ISO 8601）', 'valid until (ISO 8601)'))
  admin(
    command(registry, 'revoke <kid>', '吊销密钥', 'revoke a key', async () => ({
      run: (await import('./registry.ts')).runRevoke
    }))
  )
    .requiredOption('--reason <code>', t('原因代码', 'reason code'))
    .option('--compromised-since <time>', t('自何时起可能失密（ISO 8601）', 'possibly compromised since (ISO 8601)'))
  admin(
    command(registry, 'approve <leaf>', '同意待定的变更', 'approve a pending change', async () => ({
      run: (await import('./registry.ts')).runApprove
    }))
  ).option('--kid <kid>', t('你认为所涉密钥的编号（核对用）', 'the key id you believe it is about (compared)'))
  admin(
    command(
      registry,
      'list',
      '登记册：待同意的变更、密钥与角色、成员',
      'the registry: changes that await agreement, keys and roles, members',
      async () => ({ run: (await import('./registry.ts')).runList })
    )
  )
  admin(
    command(registry, 'catalogue', '启用本软件所知的最新目录', 'put the newest catalogue into force', async () => ({
      run: (await import('./registry.ts')).runCatalogue
    }))
  )
  admin(
    command(registry, 'node', '更换节点自己的密钥（下一代）', 'change the node’s own keys to the next generation', async () => ({
      run: (await import('./registry.ts')).runNode
    }))
  ).option(
    '--only <purpose>',
    t(
      '只换此用途，可重复：log、log-mldsa44、statement、receipt、promise',
      'this purpose alone, repeatable: log, log-mldsa44, statement, receipt, promise'
    ),
    collect
  )
  admin(
    command(registry, 'policy <file>', '公布新的策略', 'publish a new policy', async () => ({
      run: (await import('./registry.ts')).runPolicy
    }))
  )
  const member = registry.command('member').description(t('成员机构的见证与镜像', 'witnesses and mirrors of member institutions'))
  admin(
    command(member, 'add <name>', '增加成员', 'add a member', async () => ({
      run: (await import('./registry.ts')).runMemberAdd
    }))
  )
    .requiredOption('--org <org>', t('机构代码', 'organisation code'))
    .addOption(new Option('--role <role>', t('角色', 'role')).choices(['witness', 'mirror']).makeOptionMandatory())
    .requiredOption('--vkey <vkey>', t('联署公钥（vkey）', 'its vkey'))
    .option(
      '--vkey-mldsa44 <digest>',
      t('ML-DSA-44 vkey 文本的 SHA-256（base64url）', 'SHA-256 of the text of its ML-DSA-44 vkey (base64url)')
    )
  admin(
    command(member, 'remove <name>', '移除成员', 'remove a member', async () => ({
      run: (await import('./registry.ts')).runMemberRemove
    }))
  )

  command(
    program,
    'types [type]',
    '记录类型：字段、书写人、轨迹、示例',
    'record types: fields, writers, trails, examples',
    () => import('./types.ts')
  )
    .option('--example', t('显示可直接提交的示例', 'print an example that `submit` accepts'))
    .option('--catalogue', t('输出公布的目录文件', 'print the published catalogue file'))
    .option(
      '--tables',
      t(
        '输出示例代码表，可作为 codeTable.version 直接提交',
        'print example code tables, as codeTable.version records that `submit` accepts'
      )
    )

  command(
    program,
    'fix <file...>',
    '固定证据：本地计算摘要，签署，提交，取回执',
    'fix evidence: digest locally, sign, submit, keep the receipt',
    () => import('./fix.ts')
  )
    .option('--case <case>', t('案号', 'case number'))
    .option(
      '--list <id>',
      t('清单编号；new：作成一份新清单并出具收据', 'list id; new: make one new list of them, with one receipt for the party')
    )
    .option(
      '--sheet <file>',
      t(
        '每个文件一行的 CSV：file,form,copies,pages 及其他字段',
        'CSV with a line for each file: file,form,copies,pages and other fields'
      )
    )
    .option('--skip-known', t('已固定过的内容不再固定', 'leave out what was fixed before'))
    .option(
      '--set <field=value>',
      t('字段，可重复，如 material=electronic-data', 'a field, repeatable, e.g. material=electronic-data'),
      collect
    )
    .addOption(key(true))
    .addOption(url())
    .addOption(policy(false))
    .requiredOption('-o, --out <dir>', t('回执写入的目录', 'directory for receipts'))

  command(
    program,
    'attach <id>',
    '把先前固定的清单或证据归入案件',
    'attach a list or a piece fixed before to a case',
    () => import('./attach.ts')
  )
    .requiredOption('--case <case>', t('案号', 'case number'))
    .addOption(key(true))
    .addOption(url())
    .addOption(policy(false))
    .requiredOption('-o, --out <dir>', t('回执写入的目录', 'directory for receipts'))

  command(program, 'confirm <id>', '当事人确认证据清单', 'a party confirms a list of evidence', () => import('./confirm.ts'))
    .addOption(new Option('--method <method>', t('确认方式', 'how')).choices(['screen', 'paper', 'key']).makeOptionMandatory())
    .option(
      '--proof <file>',
      t('证明文件，如签名页扫描件（只提交摘要）', 'proof, e.g. a scan of the signed page (its digest is sent)')
    )
    .option('--party <name>', t('当事人（密封）', 'the party (sealed)'))
    .addOption(key(true))
    .addOption(url())
    .addOption(policy(false))
    .requiredOption('-o, --out <dir>', t('回执写入的目录', 'directory for receipts'))

  command(program, 'submit <record...>', '提交任何类型的记录', 'submit records of any type', () => import('./submit.ts'))
    .addOption(key(true))
    .addOption(url())
    .addOption(policy(false))
    .option('--log <name>', t('写入此账本（默认按类型与引用选择）', 'to this log (default: by type and references)'))
    .requiredOption('-o, --out <dir>', t('回执写入的目录', 'directory for receipts'))

  command(
    program,
    'verify <file> [evidence...]',
    '离线核验回执、轨迹证书、承诺、拒收凭证或矛盾文件',
    'verify a receipt, a trail certificate, a promise, a refusal or a contradiction, offline',
    () => import('./verify.ts')
  ).addOption(policy(true))

  command(
    program,
    'compare <a> <b>',
    '两份回执、证书或链头是否同一历史；矛盾则写出矛盾文件',
    'do two receipts, certificates or checkpoints show one history? If not, the contradiction as a file',
    () => import('./compare.ts')
  )
    .addOption(policy(false))
    .option('--url <url>', t('节点地址，用于索取一致性证明', 'address of the node, to ask it for consistency proofs'))
    .option(
      '--statement <file>',
      t('承诺所指的陈述（第一个文件是承诺时）', 'the statement promised, where the first file is a promise')
    )
    .option('-o, --out <file>', t('矛盾文件', 'file for the contradiction'))

  command(program, 'trail <name>', '取得并核验一条完整的轨迹', 'fetch and verify a whole trail', () => import('./trail.ts'))
    .addOption(url())
    .addOption(policy(true))
    .addOption(key(false))
    .option('-o, --out <file>', t('证书写入的文件', 'file for the certificate'))
    .addOption(disclose())

  command(program, 'audit', '重读并重算全部账本', 're-read and re-verify everything', () => import('./audit.ts'))
    .option('--url <url>', t('节点地址', 'address of the node'))
    .option('--data <dir>', t('数据目录（节点须已停止）', 'data directory (of a stopped node)'))
    .option(
      '--seed <file>',
      t('节点种子，用以打开 --data 中加密的披露', "the node's seed, to open the sealed disclosures of --data")
    )
    .option(
      '--work <dir>',
      t(
        '推算结果存于此目录；中断后再以同一目录运行即可继续',
        'keep what is derived here; run again with it, an interrupted audit goes on'
      )
    )
    .addOption(policy(true))
    .addOption(key(false))

  command(
    program,
    'export <file>',
    '把回执转换为其他格式，或只留部分披露',
    'turn a receipt into another format, or leave some disclosures out',
    () => import('./export.ts')
  )
    .addOption(
      new Option('--format <format>', t('格式', 'format'))
        .choices(['tlog-proof', 'statement', 'cose', 'receipt', 'trail'])
        .makeOptionMandatory()
    )
    .addOption(disclose())
    .option('--url <url>', t('节点地址（cose 格式须由节点签署）', 'address of the node, which signs the cose format'))
    .addOption(key(false))
    .addOption(policy(false))
    .requiredOption('-o, --out <file>', t('写入的文件', 'file to write'))

  try {
    await program.parseAsync(operandsLast(argv), { from: 'user' })
    return status
  } catch (error) {
    return report(error, io)
  }
}

/** The real outside. */
export function processIo(): Io {
  return {
    lang: languageOf(process.env),
    json: false,
    watched: process.stderr.isTTY === true,
    env: process.env,
    out: (text) => process.stdout.write(visible(text)),
    // A progress line begins with a carriage return, and no other place has one.
    err: (text) => process.stderr.write(text.startsWith('\r') ? `\r${visible(text.slice(1))}` : visible(text)),
    askSecret
  }
}

if (process.argv[1] !== undefined && /[\\/](?:main\.(?:js|ts)|lianzheng)$/.test(process.argv[1])) {
  // `… | head` closes the pipe before all is written: no fault of ours, and nobody is left to tell.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
  process.exitCode = await main(process.argv.slice(2), processIo())
}
