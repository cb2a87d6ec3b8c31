/** A folder of a WebDAV server as a store of files. */
import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { AuthType, createClient, type FileStat, type WebDAVClient } from 'webdav';
import { type FileStore, SluiceError, type StoredFile } from '#connector';

const CALL_MS = 20_000;
const DEPTH_MAX = 50;
/** What is being written; never listed. */
const PARTIAL = '.partial';

export interface DavSettings {
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly digest: boolean;
  readonly verify_tls: boolean;
}

export class DavFolder implements FileStore {
  readonly #client: WebDAVClient;
  readonly #agents: readonly [Agent, TlsAgent];
  readonly #url: string;

  constructor({ url, user, password = '', digest, verify_tls }: DavSettings) {
    this.#agents = [new Agent({ keepAlive: true }), new TlsAgent({ keepAlive: true, rejectUnauthorized: verify_tls })];
    this.#url = url;
    this.#client = createClient(url, {
      authType: user === undefined ? AuthType.None : digest ? AuthType.Digest : AuthType.Password,
      ...(user === undefined ? {} : { username: user, password }),
      httpAgent: this.#agents[0],
      httpsAgent: this.#agents[1],
    });
  }

  async check(): Promise<void> {
    const found = (await this.#client.stat('/', soon()).catch(unlessMissing)) as FileStat | undefined;
    if (found?.type === 'directory') return;
    throw new SluiceError('ENDPOINT_UNREACHABLE', `${this.#url} is no folder`);
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    const below = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const folders = [below];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const listing = this.#client.getDirectoryContents(`/${folder}`, soon());
      const entries = (await (folder === '' ? listing : listing.catch(unlessMissing))) as FileStat[] | undefined;
      for (const entry of entries ?? []) {
        const name = `${folder}${entry.basename}`;
        if (entry.type === 'directory' && folder.split('/').length < DEPTH_MAX) folders.push(`${name}/`);
        if (entry.type === 'file' && name.startsWith(prefix) && !name.endsWith(PARTIAL)) yield stored(name, entry);
      }
    }
  }

  async find(name: string): Promise<StoredFile | undefined> {
    const found = (await this.#client.stat(`/${name}`, soon()).catch(unlessMissing)) as FileStat | undefined;
    return found?.type === 'file' ? stored(name, found) : undefined;
  }

  async *open({ name }: StoredFile, from: number, to?: number): AsyncGenerator<Uint8Array> {
    const range = { start: from, ...(to === undefined ? {} : { end: to - 1 }) };
    const leave = new AbortController();
    // The library fails where the server knows no ranges.
    const stream = this.#client.createReadStream(`/${name}`, {
      signal: leave.signal,
      ...(from === 0 && to === undefined ? {} : { range }),
    }) as unknown as Readable;
    try {
      yield* stream as AsyncIterable<Buffer>;
    } finally {
      leave.abort();
      stream.on('error', () => undefined);
      stream.destroy();
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = `/${name}`;
    const folder = posix.dirname(path);
    const partial = posix.join(folder, `.${randomBytes(6).toString('hex')}${PARTIAL}`);
    if (folder !== '/' && !(await this.#client.exists(folder, soon()))) {
      await this.#client.createDirectory(folder, { recursive: true, ...soon() });
    }
    await this.#client.putFileContents(partial, Buffer.from(bytes), { overwrite: true, ...soon() });
    try {
      await this.#client.moveFile(partial, path, { overwrite: true, ...soon() });
    } catch (error) {
      await this.#client.deleteFile(partial, soon()).catch(() => undefined);
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    // A folder would go with all that is in it.
    if ((await this.find(name)) === undefined) return;
    await this.#client.deleteFile(`/${name}`, soon()).catch(unlessMissing);
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) agent.destroy();
  }
}

function soon(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(CALL_MS) };
}

function stored(name: string, { size, lastmod }: FileStat): StoredFile {
  // With an attribute, as some servers write it, the library makes an object of a text.
  const { text = lastmod } = Object(lastmod) as { text?: string };
  return { name, size, modified: new Date(text).toISOString() };
}

function unlessMissing(error: unknown): undefined {
  if ((error as { status?: number }).status === 404) return undefined;
  throw error;
}
