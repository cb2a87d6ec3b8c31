/** Servers of files for the tests of a file, each private to it: SFTP, and an emulator of S3. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterwards } from '../cleanup.ts';
import { hasRoot } from '../needs.ts';
import { freePort, tempDir } from '../place.ts';
import { findServer, type PrivateServer, startPrivate } from './private-server.ts';

export interface SshServer extends PrivateServer {
  readonly privateKey: string;
  /** A key that nobody has let in. */
  readonly strangeKey: string;
  readonly fingerprint: string;
  /** A folder of the server for files. */
  readonly files: string;
}

/** OpenSSH; it lets in who runs the test, by a key. */
export async function startSshd(): Promise<SshServer> {
  const folder = await tempDir();
  const port = await freePort();
  for (const name of ['host', 'user', 'stranger']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  }
  const files = join(folder, 'files');
  mkdirSync(files);
  chmodSync(folder, 0o755);
  // Where its unprivileged part is locked into; the package's service makes it otherwise.
  if (hasRoot() && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${join(folder, 'user.pub')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
  ];
  writeFileSync(join(folder, 'config'), `${lines.join('\n')}\n`);
  const args = ['-D', '-e', '-f', join(folder, 'config')];
  const server = startPrivate(folder, port, findServer('sshd') as string, args, {}, {});
  const shown = execFileSync('ssh-keygen', ['-l', '-f', join(folder, 'host.pub')]).toString();
  const key = (name: string) => readFileSync(join(folder, name), 'utf8');
  const { username: user } = userInfo();
  const fingerprint = /SHA256:\S+/.exec(shown)?.[0] ?? '';
  return { ...server, user, privateKey: key('user'), strangeKey: key('stranger'), fingerprint, files };
}

/** s3rver, in this process. */
export async function startS3(): Promise<{ readonly url: string; readonly bucket: string }> {
  const { default: S3rver } = (await import('s3rver' as string)) as {
    default: new (options: object) => { run(): Promise<unknown>; close(): Promise<void> };
  };
  const port = await freePort();
  const server = new S3rver({
    port,
    address: '127.0.0.1',
    silent: true,
    directory: await tempDir(),
    configureBuckets: [{ name: 'shop' }],
  });
  await server.run();
  afterwards(() => server.close());
  return { url: `http://127.0.0.1:${port}`, bucket: 'shop' };
}
