/** Servers of files for the tests of a file, each private to it: SFTP, and an emulator of S3. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterwards } from '../cleanup.ts';
import { hasRoot } from '../needs.ts';
import { freePort, tempDir } from '../place.ts';
import { findServer, owner, type PrivateServer, serverPlace, startPrivate } from './private-server.ts';

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

export interface FtpServer extends PrivateServer {
  /** `/files` of the server. */
  readonly files: string;
  /** Lets the server write there. */
  give(path: string): void;
}

/** vsftpd, which lets in `anonymous` and nobody else, and lets it write below a folder; root alone can start it. */
export async function startFtp(): Promise<FtpServer> {
  const { folder, port } = await serverPlace();
  const files = join(folder, 'files');
  for (const path of [join(folder, 'empty'), files]) mkdirSync(path);
  const [uid, gid] = ['-u', '-g'].map((one) => Number(execFileSync('id', [one, 'ftp']).toString())) as [number, number];
  const give = (path: string) => chownSync(path, uid, gid);
  give(files);
  const settings = {
    ...{ listen: 'YES', listen_address: '127.0.0.1', listen_port: port, background: 'NO', run_as_launching_user: 'NO' },
    ...{
      anonymous_enable: 'YES',
      local_enable: 'NO',
      no_anon_password: 'YES',
      ftp_username: 'ftp',
      anon_umask: '022',
    },
    ...{
      write_enable: 'YES',
      anon_upload_enable: 'YES',
      anon_mkdir_write_enable: 'YES',
      anon_other_write_enable: 'YES',
    },
    ...{
      anon_root: folder,
      secure_chroot_dir: join(folder, 'empty'),
      anon_world_readable_only: 'NO',
      seccomp_sandbox: 'NO',
    },
    ...{ pasv_address: '127.0.0.1', max_clients: 100, max_per_ip: 100 },
  };
  chownSync(folder, 0, 0);
  chmodSync(folder, 0o755);
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  writeFileSync(join(folder, 'config'), `${lines.join('\n')}\n`);
  const server = startPrivate(folder, port, findServer('vsftpd') as string, [join(folder, 'config')], {}, {});
  return { ...server, user: 'anonymous', files, give };
}

/** lighttpd with mod_webdav. */
export async function startWebdav(): Promise<PrivateServer & { readonly files: string }> {
  const { folder, port } = await serverPlace();
  const files = join(folder, 'files');
  mkdirSync(files);
  writeFileSync(join(folder, 'users'), 'sluice:quiet\n', { mode: 0o644 });
  const lines = [
    `server.document-root = "${files}"`,
    'server.bind = "127.0.0.1"',
    `server.port = ${port}`,
    'server.modules = ("mod_auth", "mod_authn_file", "mod_webdav")',
    'auth.backend = "plain"',
    `auth.backend.plain.userfile = "${join(folder, 'users')}"`,
    'auth.require = ("/" => ("method" => "basic", "realm" => "files", "require" => "valid-user"))',
    'webdav.activate = "enable"',
    'webdav.is-readonly = "disable"',
  ];
  writeFileSync(join(folder, 'config'), `${lines.join('\n')}\n`, { mode: 0o644 });
  if (hasRoot()) {
    const { uid, gid } = owner() as { uid: number; gid: number };
    chownSync(files, uid, gid);
  }
  const server = startPrivate(folder, port, findServer('lighttpd') as string, ['-D', '-f', join(folder, 'config')]);
  return { ...server, files };
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
