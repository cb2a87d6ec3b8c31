/** A bucket as a store of files: signed requests, listings page by page, ranges of objects, large ones in parts. */
import { AwsV4Signer } from 'aws4fetch';
import {
  type FileStore,
  type HttpAnswer,
  type HttpCall,
  type HttpCalls,
  SluiceError,
  type StoredFile,
  statusError,
} from '#connector';
import { type Listing, listingOf, textOf } from './answers.ts';

/** All parts but the last have at least 5 MiB, as S3 asks. */
const PART_BYTES = 8 * 1024 * 1024;
const LIST_KEYS = 1_000;
const TRIES = 3;
const PAUSE_MS = 200;

export interface BucketSettings {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly path_style?: boolean | undefined;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token?: string | undefined;
  readonly prefix: string;
}

type Query = Readonly<Record<string, string>>;

export class Bucket implements FileStore {
  readonly #settings: BucketSettings;
  readonly #calls: HttpCalls;
  readonly #base: string;
  readonly #keys = new Map<string, ArrayBuffer>();

  constructor(settings: BucketSettings, calls: HttpCalls) {
    const { bucket, region, endpoint, path_style = endpoint !== undefined } = settings;
    const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
    if (!path_style) url.hostname = `${bucket}.${url.hostname}`;
    this.#settings = settings;
    this.#calls = calls;
    this.#base = `${url.origin}${url.pathname.replace(/\/$/, '')}${path_style ? `/${bucket}` : ''}`;
  }

  async check(): Promise<void> {
    // Keys may be let in to this prefix alone.
    await this.#listing({ prefix: this.#settings.prefix, 'max-keys': '1' });
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    const own = this.#settings.prefix;
    let token: string | undefined;
    do {
      const query = { prefix: `${own}${prefix}`, 'max-keys': String(LIST_KEYS), 'encoding-type': 'url' };
      const { files, next } = await this.#listing({
        ...query,
        ...(token === undefined ? {} : { 'continuation-token': token }),
      });
      for (const { name, ...file } of files) {
        // What ends with a slash stands for a folder.
        if (!name.endsWith('/')) yield { ...file, name: name.slice(own.length) };
      }
      token = next;
    } while (token !== undefined);
  }

  async find(name: string): Promise<StoredFile | undefined> {
    const answer = await this.#send('HEAD', name);
    await answer.discard();
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw await statusError(answer);
    const { 'content-length': size, 'last-modified': modified } = answer.headers;
    return { name, size: Number(size), modified: new Date(String(modified)).toISOString() };
  }

  async *open({ name }: StoredFile, from: number, to?: number): AsyncGenerator<Uint8Array> {
    const leave = new AbortController();
    const range = `bytes=${from}-${to === undefined ? '' : to - 1}`;
    const answer = await this.#send('GET', name, { headers: { range }, signal: leave.signal });
    if (answer.status === 416) return;
    if (answer.status !== 206 && !(answer.status === 200 && from === 0)) throw await failure(answer);
    const limit = to === undefined ? Number.POSITIVE_INFINITY : to - from;
    let taken = 0;
    try {
      for await (const chunk of answer.body) {
        const part = chunk.subarray(0, limit - taken);
        taken += part.length;
        if (part.length > 0) yield part;
        if (taken === limit) return;
      }
    } finally {
      leave.abort();
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length <= PART_BYTES) await done(await this.#send('PUT', name, { body: bytes }));
    else await this.#putParts(name, bytes);
  }

  async remove(name: string): Promise<void> {
    const answer = await this.#send('DELETE', name);
    if (answer.status === 404) await answer.discard();
    else await done(answer);
  }

  close(): Promise<void> {
    return this.#calls.close();
  }

  async #putParts(name: string, bytes: Uint8Array): Promise<void> {
    const begun = await this.#send('POST', name, { query: { uploads: '' } });
    if (begun.status !== 200) throw await failure(begun);
    const uploadId = textOf(await begun.text(), 'UploadId');
    if (uploadId === undefined) throw new SluiceError('ENDPOINT_FAILED', 'it begins an upload without an id');
    try {
      const parts: string[] = [];
      for (let at = 0, number = 1; at < bytes.length; at += PART_BYTES, number++) {
        const query = { partNumber: String(number), uploadId };
        const answer = await this.#send('PUT', name, { query, body: bytes.subarray(at, at + PART_BYTES) });
        const tag = String(answer.headers['etag']);
        await done(answer);
        parts.push(`<Part><PartNumber>${number}</PartNumber><ETag>${tag.replaceAll('"', '&quot;')}</ETag></Part>`);
      }
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
      const answer = await this.#send('POST', name, { query: { uploadId }, body });
      if (answer.status !== 200) throw await failure(answer);
      // It may answer 200 and say in the body that it failed.
      const said = await answer.text();
      const code = textOf(said, 'Code');
      if (code !== undefined) throw new SluiceError('ENDPOINT_FAILED', `${code}: ${textOf(said, 'Message')}`);
    } catch (error) {
      await this.#send('DELETE', name, { query: { uploadId } }).then(
        (answer) => answer.discard(),
        () => undefined,
      );
      throw error;
    }
  }

  async #listing(query: Query): Promise<Listing> {
    const answer = await this.#send('GET', undefined, { query: { 'list-type': '2', ...query } });
    if (answer.status !== 200) throw await failure(answer);
    return listingOf(await answer.text());
  }

  /** Again after a pause where the service says that it is its own fault; each request may be done twice. */
  async #send(
    method: HttpCall['method'],
    name: string | undefined,
    more: { query?: Query; headers?: Record<string, string>; body?: string | Uint8Array; signal?: AbortSignal } = {},
  ): Promise<HttpAnswer> {
    const { access_key_id, secret_access_key, session_token, region, prefix } = this.#settings;
    const path = name === undefined ? '/' : `/${`${prefix}${name}`.split('/').map(encoded).join('/')}`;
    const search = new URLSearchParams(more.query).toString();
    for (let attempt = 1; ; attempt++) {
      const { url, headers } = await new AwsV4Signer({
        method,
        url: `${this.#base}${path}${search === '' ? '' : `?${search}`}`,
        headers: more.headers ?? {},
        ...(more.body === undefined ? {} : { body: more.body as RequestInit['body'] & {} }),
        accessKeyId: access_key_id,
        secretAccessKey: secret_access_key,
        ...(session_token === undefined ? {} : { sessionToken: session_token }),
        service: 's3',
        region,
        cache: this.#keys,
      }).sign();
      const given = Object.fromEntries(headers as unknown as Iterable<[string, string]>);
      delete given['host'];
      const answer = await this.#calls.call({
        method,
        url: url.toString(),
        headers: given,
        ...(more.body === undefined ? {} : { body: more.body }),
        ...(more.signal === undefined ? {} : { signal: more.signal }),
      });
      if (answer.status < 500 || attempt === TRIES) return answer;
      await answer.discard();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt));
    }
  }
}

function encoded(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function done(answer: HttpAnswer): Promise<void> {
  if (answer.status >= 300) throw await failure(answer);
  await answer.discard();
}

/** A bucket that is not there is like a server that is not. */
async function failure(answer: HttpAnswer): Promise<SluiceError> {
  const error = await statusError(answer);
  return answer.status === 404 && /NoSuchBucket/.test(error.message)
    ? new SluiceError('ENDPOINT_UNREACHABLE', error.message)
    : error;
}
