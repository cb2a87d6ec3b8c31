/** Database servers for the tests of a file, each private to it. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findServer, owner, type PrivateServer, serverPlace, startPrivate } from './private-server.ts';

/** @param more settings of the server, `name=value`; a later one wins */
export async function startPostgres(more: readonly string[] = []): Promise<PrivateServer> {
  const { folder, port } = await serverPlace();
  const bin = findServer('postgres')?.replace(/\/postgres$/, '') as string;
  const data = join(folder, 'data');
  const passwords = join(folder, 'password');
  writeFileSync(passwords, 'quiet\n', { mode: 0o644 });
  const init = ['-D', data, '-U', 'sluice', '--auth=scram-sha-256', `--pwfile=${passwords}`, '-E', 'UTF8', '--no-sync'];
  execFileSync(join(bin, 'initdb'), init, { ...owner(), stdio: 'pipe', cwd: folder });
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', 'max_connections=50', 'wal_level=logical', ...more];
  const options = settings.flatMap((one) => ['-c', one]);
  const args = ['-D', data, '-p', String(port), '-k', folder, ...options];
  return startPrivate(folder, port, join(bin, 'postgres'), args);
}

/** @param more options of the server, `--name=value`; a later one wins */
export async function startMariadb(more: readonly string[] = []): Promise<PrivateServer> {
  const { folder, port } = await serverPlace();
  const data = join(folder, 'data');
  const install = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'];
  execFileSync('mariadb-install-db', install, { ...owner(), stdio: 'pipe', cwd: folder });
  const common = ['--no-defaults', `--datadir=${data}`, `--socket=${join(folder, 'socket')}`, `--port=${port}`];
  // The server without its network, for the statements that make a user: one a line.
  const input = [
    'FLUSH PRIVILEGES;',
    'CREATE DATABASE shop;',
    "CREATE USER sluice@'127.0.0.1' IDENTIFIED BY 'quiet';",
    "GRANT ALL ON *.* TO sluice@'127.0.0.1' WITH GRANT OPTION;",
  ];
  const command = findServer('mariadbd') as string;
  execFileSync(command, [...common, '--bootstrap'], {
    ...owner(),
    stdio: 'pipe',
    cwd: folder,
    input: input.join('\n'),
  });
  const light = ['--bind-address=127.0.0.1', '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0'];
  const binlog = [
    `--log-bin=${join(folder, 'binlog')}`,
    '--server-id=1',
    '--binlog-format=ROW',
    '--binlog-row-metadata=FULL',
  ];
  return startPrivate(folder, port, command, [...common, ...light, ...binlog, ...more]);
}

export async function startRedis(): Promise<PrivateServer> {
  const { folder, port } = await serverPlace();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, '--requirepass', 'quiet'];
  return { ...startPrivate(folder, port, findServer('redis-server') as string, args), user: 'default' };
}
