/**
 * All endpoints that are declared, by name. A new declaration is proven before it takes the place of the old one: while it does
 * not work, the old one goes on. Called by kind `endpoint` through `composition.ts`, and by the server's routes.
 */
import { type Clock, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import { Endpoint, type EndpointSpec, type EndpointStatus, type Resolved } from './endpoint.ts';
import { ConnectorRegistry } from './registry.ts';

/** After a start, endpoints are checked in this time, not all at once. */
const FIRST_CHECKS_MS = 2_000;
/** For budgets and tokens of one account. */
const SHARED_BYTES = 16_384;

export interface EndpointsOptions {
  /** Of the user's connectors. */
  readonly folder: string | undefined;
  /** The value of a secret. @throws SECRET_UNKNOWN */
  readonly secret: (name: string) => string;
  /** Keeps another value of a secret, durably. @param by the endpoint whose system has replaced it */
  readonly replaceSecret: (name: string, value: string, by: string) => Promise<void>;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class Endpoints {
  readonly registry: ConnectorRegistry;
  readonly #options: EndpointsOptions;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #shared = new Map<string, SharedArrayBuffer>();
  /** Values that a system has given, by secret, and the endpoint that has them already. */
  readonly #replaced = new Map<string, { readonly value: string; readonly by: string }>();

  constructor(options: EndpointsOptions) {
    this.#options = options;
    this.registry = new ConnectorRegistry(options.folder, options.limits);
    options.metrics.gauge('sluice_endpoint_up', 'Whether the last check of an endpoint succeeded', () =>
      Array.from(this.#endpoints.values(), (endpoint) => {
        const { name, connector, state } = endpoint.status();
        return [{ endpoint: name, connector }, state === 'active' ? 1 : 0] as const;
      }),
    );
  }

  /** @param test connect and check, else only look at the configuration @throws whatever is wrong; things stay as they are */
  async declare(name: string, spec: EndpointSpec, test: boolean): Promise<void> {
    const { limits } = this.#options;
    if (!this.#endpoints.has(name) && this.#endpoints.size >= limits.endpointsMax) {
      throw new SluiceError('LIMIT_EXCEEDED', `there are ${limits.endpointsMax} endpoints already`);
    }
    const endpoint = this.#create(name, spec);
    try {
      if (test && spec.enabled) await endpoint.check();
      else await endpoint.validate();
    } catch (error) {
      await endpoint.close();
      throw error;
    }
    const before = this.#endpoints.get(name);
    this.#endpoints.set(name, endpoint);
    endpoint.schedule(spec.check_every_ms);
    await before?.close();
  }

  /** One that was declared before this process started: it is checked soon, whether or not that succeeds. */
  restore(name: string, spec: EndpointSpec): void {
    const endpoint = this.#create(name, spec);
    this.#endpoints.set(name, endpoint);
    endpoint.schedule(Math.random() * FIRST_CHECKS_MS);
  }

  async remove(name: string): Promise<void> {
    const endpoint = this.#endpoints.get(name);
    this.#endpoints.delete(name);
    await endpoint?.close();
  }

  /** @throws RESOURCE_UNKNOWN */
  get(name: string): Endpoint {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `there is no endpoint ${name}`);
    return endpoint;
  }

  statuses(): EndpointStatus[] {
    return Array.from(this.#endpoints.values(), (endpoint) => endpoint.status());
  }

  /** A secret has another value: who uses it connects anew. */
  async secretChanged(secret: string): Promise<void> {
    const replaced = this.#replaced.get(secret);
    const known = replaced?.value === this.#options.secret(secret) ? replaced.by : undefined;
    const users = [...this.#endpoints].filter(
      ([name, { spec }]) => name !== known && secretsNamed(spec.config).includes(secret),
    );
    await Promise.all(users.map(([, endpoint]) => endpoint.reset()));
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#endpoints.values(), (endpoint) => endpoint.close()));
  }

  #create(name: string, spec: EndpointSpec): Endpoint {
    const { limits, clock, logger, secret } = this.#options;
    return new Endpoint({
      name,
      spec,
      found: () => this.registry.find(spec.connector),
      resolve: (config) => resolveSecrets(config, secret),
      shared: this.#sharedBy(name, spec),
      keep: (replaced) => this.#keep(name, spec, replaced),
      limits,
      clock,
      logger,
    });
  }

  /** Who names the same secrets uses the same account. */
  #sharedBy(name: string, { connector, config }: EndpointSpec): SharedArrayBuffer {
    const secrets = [...new Set(secretsNamed(config))].sort();
    const account = JSON.stringify(secrets.length === 0 ? [connector, name] : [connector, null, ...secrets]);
    const shared = this.#shared.get(account) ?? new SharedArrayBuffer(SHARED_BYTES);
    this.#shared.set(account, shared);
    return shared;
  }

  async #keep(by: string, { config }: EndpointSpec, replaced: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, value] of Object.entries(replaced)) {
      const secret = secretAt(config, path);
      this.#replaced.set(secret, { value, by });
      await this.#options.replaceSecret(secret, value, by);
    }
  }
}

/** The secret that a configuration names at a path. @throws ENDPOINT_INVALID */
function secretAt(config: unknown, path: string): string {
  const found = path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], config);
  const { secret } = (found ?? {}) as { secret?: unknown };
  if (typeof secret === 'string') return secret;
  const message = `config.${path}: the system has replaced it, and no secret is named here in which to keep it`;
  throw new SluiceError('ENDPOINT_INVALID', message, { field: `config.${path}` });
}

/** The secrets a configuration names. */
function secretsNamed(config: unknown): string[] {
  const names: string[] = [];
  walk(config, '', (name) => {
    names.push(name);
    return '';
  });
  return names;
}

/** @throws SECRET_UNKNOWN */
function resolveSecrets(config: EndpointSpec['config'], secret: (name: string) => string): Resolved {
  const secretPaths: string[] = [];
  const resolved = walk(config, '', (name, path) => {
    secretPaths.push(path);
    return secret(name);
  });
  return { config: resolved as EndpointSpec['config'], secretPaths };
}

function walk(value: unknown, path: string, replace: (name: string, path: string) => string): unknown {
  const inner = (name: string | number) => (path === '' ? String(name) : `${path}.${name}`);
  if (Array.isArray(value)) return value.map((item, i) => walk(item, inner(i), replace));
  if (typeof value !== 'object' || value === null) return value;
  const names = Object.keys(value);
  const { secret } = value as { secret?: unknown };
  if (names.length === 1 && typeof secret === 'string') return replace(secret, path);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, inner(name), replace)]));
}
