/**
 * A PostgreSQL and a MariaDB of one's own for a bench, from Debian's packages, in folders that go away with it. Root starts them
 * as `nobody`, since they refuse to run as root. As they are set up by default but for logical replication: commits are durable.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import pg from 'pg';
import { freePort, type ServerProcess } from './server-process.ts';

const NOBODY = 65_534;
const VERSIONS = '/usr/lib/postgresql';
const PASSWORD = 'quiet';
const WAIT_MS = 60_000;
const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

export class BenchDatabase {
  readonly connector: 'postgres' | 'mariadb';
  readonly folder: string;
  readonly port: number;
  readonly #command: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(
    connector: BenchDatabase['connector'],
    folder: string,
    port: number,
    command: string,
    args: readonly string[],
  ) {
    this.connector = connector;
    this.folder = folder;
    this.port = port;
    this.#command = command;
    this.#args = args;
    process.once('exit', () => {
      this.#signal();
      rmSync(folder, { recursive: true, force: true });
    });
  }

  static async postgres(): Promise<BenchDatabase> {
    const bin = join(VERSIONS, readdirSync(VERSIONS)[0] ?? '', 'bin');
    const { folder, port } = await place();
    const data = join(folder, 'data');
    writeFileSync(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o644 });
    const init = [
      '-D',
      data,
      '-U',
      'sluice',
      '--auth=scram-sha-256',
      `--pwfile=${join(folder, 'password')}`,
      '-E',
      'UTF8',
    ];
    execFileSync(join(bin, 'initdb'), init, { ...owner, stdio: 'pipe', cwd: folder });
    const settings = ['listen_addresses=127.0.0.1', 'wal_level=logical', 'max_wal_size=4GB', 'log_min_messages=panic'];
    const args = ['-D', data, '-p', String(port), '-k', folder, ...settings.flatMap((one) => ['-c', one])];
    return new BenchDatabase('postgres', folder, port, join(bin, 'postgres'), args);
  }

  static async mariadb(): Promise<BenchDatabase> {
    const { folder, port } = await place();
    const data = join(folder, 'data');
    const install = [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ];
    execFileSync('mariadb-install-db', install, { ...owner, stdio: 'pipe', cwd: folder });
    const common = ['--no-defaults', `--datadir=${data}`, `--socket=${join(folder, 'socket')}`, `--port=${port}`];
    const input = [
      'FLUSH PRIVILEGES;',
      'CREATE DATABASE shop;',
      `CREATE USER sluice@'127.0.0.1' IDENTIFIED BY '${PASSWORD}';`,
      "GRANT ALL ON *.* TO sluice@'127.0.0.1';",
    ].join('\n');
    const command = existsSync('/usr/sbin/mariadbd') ? '/usr/sbin/mariadbd' : 'mariadbd';
    execFileSync(command, [...common, '--bootstrap'], { ...owner, stdio: 'pipe', cwd: folder, input });
    const args = [...common, '--bind-address=127.0.0.1', '--skip-name-resolve', '--innodb-buffer-pool-size=512M'];
    return new BenchDatabase('mariadb', folder, port, command, args);
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    this.#child = spawn(this.#command, [...this.#args], { ...owner, cwd: this.folder, stdio: 'ignore' });
    const until = performance.now() + WAIT_MS;
    for (;;) {
      try {
        await this.sql('SELECT 1');
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        // What a kill left may keep it from starting for a moment.
        if (this.#child.exitCode !== null) {
          this.#child = spawn(this.#command, [...this.#args], { ...owner, cwd: this.folder, stdio: 'ignore' });
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  /** SIGKILL, to its processes too. */
  async kill(): Promise<void> {
    const child = this.#child;
    const ended = child === undefined ? undefined : new Promise((resolve) => child.once('exit', resolve));
    this.#signal();
    if (child?.exitCode === null && child.signalCode === null) await ended;
  }

  /** The rows of the last statement. */
  async sql(text: string): Promise<Record<string, unknown>[]> {
    if (this.connector === 'mariadb') {
      const connection = await this.openMariadb();
      try {
        const [rows] = await connection.query(text);
        const last: unknown = Array.isArray(rows) && Array.isArray(rows.at(-1)) ? rows.at(-1) : rows;
        return (Array.isArray(last) ? last : []) as Record<string, unknown>[];
      } finally {
        connection.destroy();
      }
    }
    const client = await this.openPostgres();
    try {
      const results: unknown = await client.query(text);
      return ((Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async openPostgres(): Promise<pg.Client> {
    const { port } = this;
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'sluice', password: PASSWORD, database: 'postgres' });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async openMariadb(): Promise<Connection> {
    const connection = await createConnection({
      host: '127.0.0.1',
      port: this.port,
      user: 'sluice',
      password: PASSWORD,
      database: 'shop',
      multipleStatements: true,
      dateStrings: true,
      supportBigNumbers: true,
      timezone: 'Z',
    });
    connection.on('error', () => undefined);
    return connection;
  }

  /** Declares it as an endpoint of a server. @param port of a proxy before it */
  async declare(server: ServerProcess, name: string, port = this.port): Promise<void> {
    await put(server, `secrets/${name}`, { value: PASSWORD });
    const database = this.connector === 'postgres' ? 'postgres' : 'shop';
    const config = { host: '127.0.0.1', port, user: 'sluice', password: { secret: name }, database };
    await put(server, `endpoints/${name}`, { connector: this.connector, config, check_every_ms: 0 });
  }

  #signal(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    for (const one of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(one, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }
}

export async function put(server: ServerProcess, path: string, body: unknown): Promise<void> {
  await call(server, 'PUT', `/v1/${path}`, body);
}

/** @throws with what the server says */
export async function call<T>(server: ServerProcess, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

async function place(): Promise<{ folder: string; port: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  if (process.getuid?.() === 0) chownSync(folder, NOBODY, NOBODY);
  return { folder, port: await freePort() };
}

function childrenOf(parent: number): number[] {
  if (!existsSync('/proc/self/stat')) return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      const [, parentPid] = readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      return Number(parentPid) === parent;
    } catch {
      return false;
    }
  });
}
