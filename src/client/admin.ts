/** Administration over HTTP: resources, topics, groups, keys. Each call rejects with the server's coded error. */
import { SluiceError } from '#kernel';
import { errorOf, type Message } from './connection.ts';

export interface AdminOptions {
  readonly url: string;
  readonly key?: string;
}

export interface ResourceDocument {
  readonly kind: string;
  readonly name: string;
  readonly version: number;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly by: string | null;
  /** Of a client that this call created: its first API key, shown only here. */
  readonly key?: string;
}

export interface PartitionInfo {
  readonly partition: number;
  readonly start: number;
  readonly durable: number;
  readonly bytes: number;
}

export interface DeadLetterDocument {
  /** Of the letter; what `retryDead` and `dropDead` take. */
  readonly id: number;
  /** Where the record was. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** `group:NAME` or `processor:NAME`. */
  readonly source: string;
  readonly attempts: number;
  readonly code: string;
  readonly message: string;
  readonly stack?: string;
  readonly at: number;
  readonly omitted: boolean;
  readonly record: Readonly<Record<string, unknown>>;
}

export class Admin {
  readonly #url: string;
  readonly #key: string | undefined;

  constructor({ url, key }: AdminOptions) {
    this.#url = url.replace(/^ws/, 'http').replace(/\/$/, '');
    this.#key = key;
  }

  /** Any call: the parsed answer, or undefined for 204. @throws CONNECTION_LOST, or what the server answers */
  async call<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const all: Record<string, string> = { ...headers };
    if (this.#key !== undefined) all['authorization'] = `Bearer ${this.#key}`;
    if (body !== undefined) all['content-type'] ??= 'application/json';
    let response: Response;
    try {
      response = await fetch(`${this.#url}${path}`, {
        method,
        headers: all,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw new SluiceError('CONNECTION_LOST', `cannot reach ${this.#url}`, {}, error);
    }
    const text = await response.text();
    const parsed: unknown = text === '' ? undefined : parse(text);
    if (!response.ok)
      throw errorOf((typeof parsed === 'object' ? parsed : { code: `HTTP ${response.status}` }) as Message);
    return parsed as T;
  }

  put(
    kinds: string,
    name: string,
    spec: unknown,
    options: { ifMatch?: number; dryRun?: boolean } = {},
  ): Promise<ResourceDocument> {
    const headers = options.ifMatch === undefined ? {} : { 'if-match': `"${options.ifMatch}"` };
    return this.call('PUT', `${path(kinds, name)}${options.dryRun ? '?dry_run=true' : ''}`, spec, headers);
  }

  get(kinds: string, name: string): Promise<ResourceDocument> {
    return this.call('GET', path(kinds, name));
  }

  list<T = unknown>(kinds: string): Promise<T> {
    return this.call('GET', path(kinds));
  }

  delete(kinds: string, name: string): Promise<void> {
    return this.call('DELETE', path(kinds, name));
  }

  history<T = unknown>(kinds: string, name: string): Promise<T> {
    return this.call('GET', `${path(kinds, name)}/history`);
  }

  rollback(kinds: string, name: string, version: number): Promise<ResourceDocument> {
    return this.call('POST', `${path(kinds, name)}/rollback`, { version });
  }

  createTopic(name: string, spec: Readonly<Record<string, unknown>> = {}): Promise<ResourceDocument> {
    return this.put('topics', name, spec);
  }

  async partitions(topic: string): Promise<PartitionInfo[]> {
    const answer = await this.call<PartitionInfo[] | { partitions: PartitionInfo[] }>(
      'GET',
      `${path('topics', topic)}/partitions`,
    );
    return Array.isArray(answer) ? answer : answer.partitions;
  }

  group<T = unknown>(name: string): Promise<T> {
    return this.call('GET', path('groups', name));
  }

  /** @param to `earliest`, `latest`, `@<epoch ms>`, or offsets by partition */
  resetGroup(name: string, topic: string, to: string | Readonly<Record<number, number>>): Promise<void> {
    return this.call('PUT', `${path('groups', name)}/offsets`, { topic, to });
  }

  deadBoxes(): Promise<{ topic: string; letters: number }[]> {
    return this.call('GET', '/v1/dead');
  }

  /** A page of the dead letters of a topic; `next` is where to go on. */
  deadLetters(
    topic: string,
    options: { from?: number; limit?: number; source?: string } = {},
  ): Promise<{ letters: DeadLetterDocument[]; next: number | null }> {
    return this.call('GET', `${path('dead', topic)}${query(options)}`);
  }

  deadLetter(topic: string, id: number): Promise<DeadLetterDocument> {
    return this.call('GET', path('dead', topic, String(id)));
  }

  /** Sends the record of one letter again. */
  retryDead(topic: string, id: number): Promise<{ id: number; partition: number; offset: number }> {
    return this.call('POST', `${path('dead', topic, String(id))}/retry`);
  }

  retryAllDead(
    topic: string,
    options: { ids?: readonly number[]; source?: string } = {},
  ): Promise<{ retried: number }> {
    return this.call('POST', `${path('dead', topic)}/retry`, options);
  }

  dropDead(topic: string, id: number): Promise<void> {
    return this.call('DELETE', path('dead', topic, String(id)));
  }

  dropAllDead(topic: string, options: { source?: string } = {}): Promise<{ dropped: number }> {
    return this.call('DELETE', `${path('dead', topic)}${query(options)}`);
  }

  /** The key is in the answer, and nowhere else after it. */
  issueKey(client: string, expiresAt?: number): Promise<{ id: string; key: string }> {
    return this.call(
      'POST',
      `${path('clients', client)}/keys`,
      expiresAt === undefined ? {} : { expires_at: expiresAt },
    );
  }

  revokeKey(client: string, id: string): Promise<void> {
    return this.call('DELETE', `${path('clients', client)}/keys/${encodeURIComponent(id)}`);
  }

  trim(topic: string, partition: number, before: number): Promise<void> {
    return this.call('DELETE', `${path('topics', topic)}/partitions/${partition}/records?before=${before}`);
  }
}

function path(...parts: string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join('/')}`;
}

function query(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return given.length === 0
    ? ''
    : `?${given.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // /metrics and the like are text.
    return text;
  }
}
