/** A folder of an SFTP server as a store of files, over one connection that is made again when it was lost. */
import { createHash, randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import SftpClient from 'ssh2-sftp-client';
import { type FileStore, SluiceError, type StoredFile } from '#connector';
import { NO_SUCH_FILE } from './errors.ts';

const CONNECT_MS = 10_000;
const KEEPALIVE_MS = 5_000;
const DEPTH_MAX = 50;
const CHUNK_BYTES = 256 * 1024;
const END_OF_FILE = 1;
/** What is being written; never listed. */
const PARTIAL = '.partial';

export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | undefined;
  readonly private_key?: string | undefined;
  readonly passphrase?: string | undefined;
  readonly host_key: string;
  readonly path: string;
}

type SFTPWrapper = Awaited<ReturnType<SftpClient['connect']>>;

interface Stats {
  readonly size: number;
  readonly mtime: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

interface Entry {
  readonly filename: string;
  readonly attrs: Stats;
}

/** Without a code it is the library's: the server has no such extension. */
interface Failure {
  readonly code?: number;
}

type Callback<T> = (error: Error | null | undefined, value: T) => void;

export class RemoteFolder implements FileStore {
  readonly #settings: ServerSettings;
  #open: Promise<{ client: SftpClient; sftp: SFTPWrapper; root: string }> | undefined;
  #closed = false;

  constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  async connect(): Promise<void> {
    await this.#connection();
  }

  async check(): Promise<void> {
    const { sftp, root } = await this.#connection();
    const found = await called<Stats>((done) => sftp.stat(root, done)).catch(unlessMissing);
    if (found?.isDirectory() !== true) {
      throw new SluiceError('ENDPOINT_UNREACHABLE', `${this.#settings.path} is no folder there`);
    }
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    const { sftp, root } = await this.#connection();
    const below = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const folders = [below];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const path = posix.join(root, folder);
      const reading = called<Entry[]>((done) =>
        sftp.readdir(path, done as unknown as Callback<{ filename: string }[]>),
      );
      const entries = (await (folder === '' ? reading : reading.catch(unlessMissing))) ?? [];
      for (const { filename, attrs } of entries) {
        const name = `${folder}${filename}`;
        if (attrs.isDirectory() && folder.split('/').length < DEPTH_MAX) folders.push(`${name}/`);
        if (attrs.isFile() && name.startsWith(prefix) && !name.endsWith(PARTIAL)) yield stored(name, attrs);
      }
    }
  }

  async find(name: string): Promise<StoredFile | undefined> {
    const { sftp, root } = await this.#connection();
    const found = await called<Stats>((done) => sftp.lstat(posix.join(root, name), done)).catch(unlessMissing);
    return found?.isFile() === true ? stored(name, found) : undefined;
  }

  async *open({ name }: StoredFile, from: number, to?: number): AsyncGenerator<Uint8Array> {
    const { sftp, root } = await this.#connection();
    const handle = await called<Buffer>((done) => sftp.open(posix.join(root, name), 'r', done));
    try {
      for (let at = from; to === undefined || at < to; ) {
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, (to ?? Number.POSITIVE_INFINITY) - at));
        const count = await called<number>((done) => sftp.read(handle, chunk, 0, chunk.length, at, done)).catch(atEnd);
        if (count === 0) return;
        at += count;
        yield chunk.subarray(0, count);
      }
    } finally {
      await called<void>((done) => sftp.close(handle, done)).catch(() => undefined);
    }
  }

  async append(name: string, bytes: Uint8Array): Promise<void> {
    const { sftp, root } = await this.#connection();
    await write(sftp, posix.join(root, name), 'a', bytes);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const { client, sftp, root } = await this.#connection();
    const path = posix.join(root, name);
    const partial = posix.join(posix.dirname(path), `.${randomBytes(6).toString('hex')}${PARTIAL}`);
    await write(sftp, partial, 'wx', bytes).catch(async (error: Failure) => {
      if (error.code !== NO_SUCH_FILE) throw error;
      await client.mkdir(posix.dirname(path), true);
      await write(sftp, partial, 'wx', bytes);
    });
    try {
      await called<void>((done) => sftp.ext_openssh_rename(partial, path, done)).catch(async (error: Failure) => {
        if (error.code !== undefined) throw error;
        // Of servers without that extension, where renaming does not replace.
        await called<void>((done) => sftp.unlink(path, done)).catch(unlessMissing);
        await called<void>((done) => sftp.rename(partial, path, done));
      });
    } catch (error) {
      await called<void>((done) => sftp.unlink(partial, done)).catch(() => undefined);
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    const { sftp, root } = await this.#connection();
    await called<void>((done) => sftp.unlink(posix.join(root, name), done)).catch(unlessMissing);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = await this.#open?.catch(() => undefined);
    await open?.client.end().catch(() => undefined);
  }

  #connection(): Promise<{ client: SftpClient; sftp: SFTPWrapper; root: string }> {
    if (this.#closed) throw new SluiceError('ENDPOINT_UNREACHABLE', 'the connection is closed');
    this.#open ??= this.#begin().catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    });
    return this.#open;
  }

  async #begin(): Promise<{ client: SftpClient; sftp: SFTPWrapper; root: string }> {
    const { host, port, user, password, private_key, passphrase, host_key, path } = this.#settings;
    const lost = () => {
      this.#open = undefined;
    };
    const client = new SftpClient('sluice', { error: lost, end: lost, close: lost });
    let denied = false;
    const sftp = await client
      .connect({
        host,
        port,
        username: user,
        ...(password === undefined ? {} : { password }),
        ...(private_key === undefined ? {} : { privateKey: private_key }),
        ...(passphrase === undefined ? {} : { passphrase }),
        hostVerifier: (key: Buffer) => {
          denied = host_key !== 'any' && host_key.replace(/=$/, '') !== fingerprint(key);
          return !denied;
        },
        readyTimeout: CONNECT_MS,
        keepaliveInterval: KEEPALIVE_MS,
      })
      .catch((error: unknown) => {
        if (denied) throw new SluiceError('ENDPOINT_REFUSED', 'the key of the server is not the one that is meant');
        throw error;
      });
    // The library does not say it: without it a request waits for the acknowledgement of the one before, 40 ms.
    (client as unknown as { client: { setNoDelay(on: boolean): void } }).client.setNoDelay(true);
    try {
      return { client, sftp, root: await client.realPath(path) };
    } catch (error) {
      await client.end();
      throw error;
    }
  }
}

function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=$/, '')}`;
}

function stored(name: string, { size, mtime }: { size: number; mtime: number }): StoredFile {
  return { name, size, modified: new Date(mtime * 1_000).toISOString() };
}

/** On the disk of the server when answered, where it can say so. */
async function write(sftp: SFTPWrapper, path: string, flags: 'a' | 'wx', bytes: Uint8Array): Promise<void> {
  const handle = await called<Buffer>((done) => sftp.open(path, flags, done));
  try {
    if (bytes.length > 0) {
      await called<void>((done) => sftp.write(handle, Buffer.from(bytes), 0, bytes.length, 0, done as () => void));
    }
    await called<void>((done) => sftp.ext_openssh_fsync(handle, done)).catch((error: Failure) => {
      if (error.code !== undefined) throw error;
    });
  } finally {
    await called<void>((done) => sftp.close(handle, done));
  }
}

function called<T>(begin: (done: Callback<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    begin((error, value) => {
      if (error === null || error === undefined) resolve(value);
      else reject(error);
    });
  });
}

function atEnd(error: unknown): number {
  if ((error as Failure).code === END_OF_FILE) return 0;
  throw error;
}

function unlessMissing(error: unknown): undefined {
  if ((error as { code?: unknown }).code === NO_SUCH_FILE) return undefined;
  throw error;
}
