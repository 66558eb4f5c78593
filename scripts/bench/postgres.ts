/**
 * What one would write instead: a table in PostgreSQL whose every row holds the hash of the row before, put there by a trigger. Rows must form one chain,
 * so whoever inserts waits until the one before has committed. Sixteen connections, fsync as PostgreSQL comes. No signatures, no trails, no proofs.
 */
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const CONNECTIONS = 16
const NEEDED = ['initdb', 'pg_ctl', 'pgbench', 'psql']

const TABLE = `
create table records (
  id bigint primary key, at timestamptz not null default now(), case_no text not null, evidence text not null unique, body bytea not null,
  prev bytea not null, hash bytea not null
);
create index on records (case_no, id);
create sequence pieces;
create function chain() returns trigger language plpgsql as $$
declare last records%rowtype;
begin
  perform pg_advisory_xact_lock(1);
  select * into last from records order by id desc limit 1;
  new.id := coalesce(last.id, 0) + 1;
  new.prev := coalesce(last.hash, sha256(''));
  new.hash := sha256(new.prev || convert_to(new.id || new.case_no || new.evidence, 'UTF8') || new.body);
  return new;
end $$;
create trigger chain before insert on records for each row execute function chain();
`
/** 480 bytes, as many as a statement has. */
const INSERT = `\\set number random(1, 1000)
insert into records (case_no, evidence, body)
values ('（2020）粤01民初' || :number || '号', '粤01-20200826-' || nextval('pieces'), decode(repeat(md5(random()::text), 30), 'hex'));
`
const BROKEN = `
select count(*) from (select prev, lag(hash) over (order by id) as before from records) as chained where before is not null and before <> prev;
`

/** The directory with PostgreSQL's programs: of the newest version where several are installed. */
function findPrograms(): string | undefined {
  const versions = '/usr/lib/postgresql'
  const installed = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin'))
    : []
  const places = [...installed, ...(process.env.PATH ?? '').split(delimiter)]
  return places.find((place) => NEEDED.every((name) => existsSync(join(place, name))))
}

/** PostgreSQL refuses to run as root: then it runs as `postgres` or `nobody`. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {}
  }
  return undefined
}

export interface Chained {
  version: string
  /** Rows a second. */
  rate: number
  latencyMs: number
}

/** Undefined where PostgreSQL is not there. `betweenRuns` is called with the server up and idle. */
export async function chainedTable(seconds: number): Promise<Chained | undefined> {
  const programs = findPrograms()
  if (programs === undefined) return undefined
  const user = unprivileged()
  const directory = mkdtempSync(join(tmpdir(), 'lianzheng-bench-pg-'))
  const data = join(directory, 'data')
  mkdirSync(data)
  chmodSync(data, 0o700)
  if (user !== undefined) for (const path of [directory, data]) chownSync(path, user.uid, user.gid)
  const run = (name: string, args: string[], options: ExecFileSyncOptions = {}) =>
    String(execFileSync(join(programs, name), args, { ...user, cwd: directory, stdio: ['pipe', 'pipe', 'pipe'], ...options }))
  const psql = (input: string) =>
    run('psql', ['-h', directory, '-U', 'bench', '-d', 'postgres', '-qAt', '-v', 'ON_ERROR_STOP=1'], { input })
  try {
    run('initdb', ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C'])
    // A socket of its own and no port. Everything else as it comes.
    const server = `-c listen_addresses='' -c unix_socket_directories='${directory}'`
    run('pg_ctl', ['-D', data, '-l', join(directory, 'log'), '-o', server, '-w', 'start'], { stdio: 'ignore' })
    try {
      psql(TABLE)
      const script = join(directory, 'insert.sql')
      writeFileSync(script, INSERT, { mode: 0o644 })
      const common = [
        '-h',
        directory,
        '-U',
        'bench',
        '-n',
        '-M',
        'prepared',
        '-c',
        String(CONNECTIONS),
        '-j',
        '2',
        '-f',
        script,
        'postgres'
      ]
      run('pgbench', ['-T', '2', ...common])
      const told = run('pgbench', ['-T', String(seconds), ...common])
      const broken = psql(BROKEN).trim()
      if (broken !== '0') throw new Error(`the chain of the table is broken in ${broken} places`)
      return {
        version: psql('show server_version').trim(),
        rate: Number(/^tps = ([\d.]+)/m.exec(told)![1]),
        latencyMs: Number(/^latency average = ([\d.]+) ms/m.exec(told)![1])
      }
    } finally {
      run('pg_ctl', ['-D', data, '-m', 'immediate', '-w', 'stop'], { stdio: 'ignore' })
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
