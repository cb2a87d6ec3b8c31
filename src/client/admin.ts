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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // /metrics and the like are text.
    return text;
  }
}
