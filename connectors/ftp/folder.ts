/**
 * A folder of an FTP server as a store of files. A control connection does one thing at a time: one is kept for all short ones, and
 * a file that is being read has one of its own, which is closed where reading is left.
 */
import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { Client, type FileInfo } from 'basic-ftp';
import { type FileStore, SluiceError, type StoredFile } from '#connector';
import { NOT_THERE } from './errors.ts';

const TIMEOUT_MS = 10_000;
const DEPTH_MAX = 50;
/** What is being written; never listed. */
const PARTIAL = '.partial';

export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls: 'off' | 'explicit' | 'implicit';
  readonly verify_tls: boolean;
  readonly path: string;
}

export class FtpFolder implements FileStore {
  readonly #settings: ServerSettings;
  readonly #reading = new Set<Client>();
  #client: Client | undefined;
  /** The end of what was asked last. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  check(): Promise<void> {
    return this.#do(async (client) => {
      await client.cd(this.#settings.path).catch((error: { code?: unknown; message: string }) => {
        if (error.code !== NOT_THERE) throw error;
        throw new SluiceError('ENDPOINT_UNREACHABLE', `${this.#settings.path} is no folder there`);
      });
    });
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    const below = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const folders = [below];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const path = this.#path(folder);
      const entries = await this.#do((client) => client.list(path).catch(unlessMissing));
      for (const entry of entries ?? []) {
        const name = `${folder}${entry.name}`;
        if (entry.isDirectory && folder.split('/').length < DEPTH_MAX) folders.push(`${name}/`);
        if (!entry.isFile || !name.startsWith(prefix) || name.endsWith(PARTIAL)) continue;
        const modified = await this.#modified(name, entry);
        if (modified !== undefined) yield { name, size: entry.size, modified };
      }
    }
  }

  async find(name: string): Promise<StoredFile | undefined> {
    const path = this.#path(name);
    // Servers answer a size for no folder.
    const size = await this.#do((client) => client.size(path).catch(unlessMissing));
    const modified = size === undefined ? undefined : await this.#modified(name);
    return size === undefined || modified === undefined ? undefined : { name, size, modified };
  }

  async *open({ name }: StoredFile, from: number, to?: number): AsyncGenerator<Uint8Array> {
    const limit = to === undefined ? Number.POSITIVE_INFINITY : to - from;
    if (limit === 0) return;
    const client = await this.#begin();
    this.#reading.add(client);
    const through = new PassThrough();
    const download = client.downloadTo(through, this.#path(name), from);
    download.catch((error: Error) => through.destroy(error));
    let taken = 0;
    try {
      for await (const chunk of through as AsyncIterable<Buffer>) {
        const part = chunk.subarray(0, limit - taken);
        taken += part.length;
        yield part;
        if (taken === limit) return;
      }
      await download;
    } finally {
      through.destroy();
      client.close();
      this.#reading.delete(client);
    }
  }

  async append(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name);
    await this.#do((client) => client.appendFrom(Readable.from([Buffer.from(bytes)]), path));
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name);
    const folder = posix.dirname(path);
    const partial = posix.join(folder, `.${randomBytes(6).toString('hex')}${PARTIAL}`);
    await this.#do(async (client) => {
      if (folder !== this.#settings.path) {
        await client.ensureDir(folder);
        await client.cd('/');
      }
      await client.uploadFrom(Readable.from([Buffer.from(bytes)], { objectMode: false }), partial);
      try {
        await client.rename(partial, path);
      } catch (error) {
        await client.remove(partial, true).catch(() => undefined);
        throw error;
      }
    });
  }

  async remove(name: string): Promise<void> {
    const path = this.#path(name);
    await this.#do(async (client) => {
      await client.remove(path).catch(async (error: unknown) => {
        // Not there, or not to be touched: the reply is the same.
        if ((await client.size(path).catch(unlessMissing)) !== undefined) throw error;
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#client?.close();
    for (const client of this.#reading) client.close();
  }

  #path(name: string): string {
    return posix.join(this.#settings.path, name);
  }

  /** Seconds are only in the answer to a question of its own, where a listing has none. */
  async #modified(name: string, entry?: FileInfo): Promise<string | undefined> {
    const path = this.#path(name);
    const listed = entry?.modifiedAt;
    const at = listed ?? (await this.#do((client) => client.lastMod(path).catch(unlessMissing)));
    return at?.toISOString();
  }

  /** One thing after the other, on a connection that is made again when it was lost. */
  #do<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => {
      if (this.#client === undefined || this.#client.closed) this.#client = await this.#begin();
      return work(this.#client);
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #begin(): Promise<Client> {
    if (this.#closed) throw new SluiceError('ENDPOINT_UNREACHABLE', 'the connection is closed');
    const { host, port, user, password, tls, verify_tls } = this.#settings;
    const client = new Client(TIMEOUT_MS);
    try {
      await client.access({
        host,
        port,
        user,
        password,
        secure: tls === 'off' ? false : tls === 'implicit' ? 'implicit' : true,
        secureOptions: { rejectUnauthorized: verify_tls },
      });
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }
}

function unlessMissing(error: unknown): undefined {
  if ((error as { code?: unknown }).code === NOT_THERE) return undefined;
  throw error;
}
