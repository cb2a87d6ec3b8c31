/**
 * All endpoints that are declared, by name. A new declaration is proven before it takes the place of the old one: while it does
 * not work, the old one goes on. Called by kind `endpoint` through `main.ts`, and by the server's routes.
 */
import { type Clock, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import { Endpoint, type EndpointSpec, type EndpointStatus, type Resolved } from './endpoint.ts';
import { ConnectorRegistry } from './registry.ts';

/** After a start, endpoints are checked in this time, not all at once. */
const FIRST_CHECKS_MS = 2_000;

export interface EndpointsOptions {
  /** Of the user's connectors. */
  readonly folder: string | undefined;
  /** The value of a secret. @throws SECRET_UNKNOWN */
  readonly secret: (name: string) => string;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class Endpoints {
  readonly registry: ConnectorRegistry;
  readonly #options: EndpointsOptions;
  readonly #endpoints = new Map<string, Endpoint>();

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
    const users = [...this.#endpoints.values()].filter(({ spec }) => secretsNamed(spec.config).includes(secret));
    await Promise.all(users.map((endpoint) => endpoint.reset()));
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
      limits,
      clock,
      logger,
    });
  }
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
