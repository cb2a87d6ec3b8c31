/**
 * The gateway on the main thread: keeps what routes and upstreams are declared, checks that they fit together, and runs
 * the listener threads, which are handed each new state as one table.
 *
 *   resources ── apply ──▶ check ──▶ table, version n ──▶ every thread ──▶ all say `applied n` ──▶ the change is answered
 *
 * It listens from the first route on, or from the start where a port was asked for.
 */
import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import type { GroupCoordinator, Log } from '#log';
import type { CertificateHolder, HashedKey, IssuerState } from '#resource';
import { ApiCatalogue } from './api/api-catalogue.ts';
import { CaptureTopics } from './capture/capture-topics.ts';
import { DeclarationCheck, isHeldToApi } from './declaration-check.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import { IdempotencyKeys } from './idempotency/keys.ts';
import type { ApiSpec, ApiTarget } from './kinds/api-kind.ts';
import type { PlanSpec, PlanTarget } from './kinds/plan-kind.ts';
import type { RouteSpec, RouteTarget } from './kinds/route-kind.ts';
import type { UpstreamSpec, UpstreamTarget } from './kinds/upstream-kind.ts';
import { MainLink } from './link.ts';
import { ListenerThreads, takeFreePort } from './listener-threads.ts';
import { Logins } from './login/logins.ts';
import { SharedTable } from './policies/shared-table.ts';
import { checkQueue, Queues } from './queued/queues.ts';
import { type PastUsage, QuotaLedger, type QuotaUsage } from './quotas/ledger.ts';
import { boundReceiveBuffers } from './receive-buffer.ts';
import { ApiUsage, type UsageAnswer, type UsageQuestion } from './records/api-usage.ts';
import { exportSettings, type OtlpOptions } from './records/export-settings.ts';
import { RequestTopic } from './records/request-topic.ts';
import { compileRewrite } from './route/rewrite.ts';
import type { GatewayTable } from './table.ts';
import { AddressRule } from './upstream/address.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Authorities of client certificates, PEM; undefined: none are asked for. */
  readonly clientCaFile: string | undefined;
  readonly allowInsecure: boolean;
  /** 0: as many as the machine runs at once. */
  readonly threads: number;
  /** Networks of proxies whose Forwarded and X-Forwarded-* are believed. */
  readonly trusted: readonly string[];
  /** How many days records of requests are kept; 0: none are made. */
  readonly recordDays: number;
  /** The collector of spans; undefined: none. */
  readonly otlp: OtlpOptions | undefined;
  /** Where records of requests are kept, and what clients have used of their plans. */
  readonly log: Log;
  readonly groups: GroupCoordinator;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Where the key is kept that cookies of logins are sealed with. */
  readonly loginKeyFile: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class Gateway {
  readonly #options: GatewayOptions;
  /** The other end of what listener threads tell and ask. */
  readonly #link = new MainLink();
  readonly #logins: Logins;
  readonly #routes = new Map<string, RouteSpec>();
  readonly #upstreams = new Map<string, UpstreamSpec>();
  readonly #check: DeclarationCheck;
  readonly queues: Queues;
  readonly #idempotency: IdempotencyKeys;
  readonly #apis: ApiCatalogue;
  readonly #ledger: QuotaLedger;
  readonly #apiUsage: ApiUsage;
  readonly #captures: CaptureTopics;
  #version = 0;
  #starting: Promise<ListenerThreads> | undefined;
  #port = 0;

  /** @throws CONFIG_INVALID */
  constructor(options: GatewayOptions) {
    this.#options = options;
    checkOptions(options);
    this.#check = new DeclarationCheck(options.limits);
    this.#logins = new Logins(options.loginKeyFile, options, this.#link, (name) => this.#routes.get(name));
    this.#apis = new ApiCatalogue(options.clock, options.limits);
    const metrics = new GatewayMetrics(options.metrics);
    const requests = new RequestTopic({ ...options, days: options.recordDays });
    this.#link.answer('records', (recorded) => requests.append(recorded).then(() => undefined));
    this.#apiUsage = new ApiUsage(options);
    this.#ledger = new QuotaLedger({ ...options, share: (share) => this.#link.share('quotas', share) });
    this.#link.answer('quota', (question) => this.#ledger.extend(question));
    this.#link.hear('stats', (delta) => {
      metrics.add(delta);
      requests.lost(delta.lostRecords);
    });
    this.queues = new Queues(options);
    this.#link.answer('enqueue', (question) => this.queues.enqueue(question));
    this.#link.answer('queuedStatus', ({ route, id, client }) => this.queues.statusFor(route, id, client));
    this.#idempotency = new IdempotencyKeys(options.log, options.limits, options.clock, options.logger);
    this.#captures = new CaptureTopics(options, (route) => this.#routes.get(route));
    this.#link.answer('capture', (batch) => this.#captures.append(batch));
    this.#link.answer('reserveKey', (question) => this.#idempotency.reserve(question));
    this.#link.answer('keepAnswer', (answer) => this.#idempotency.keep(answer));
    this.#link.answer('endKey', (end) => this.#idempotency.end(end));
    this.#link.hear('state', (state) => metrics.note(state));
    this.#link.hear('fault', ({ message, stack }) => {
      options.logger.error({ stack }, `the gateway met an unexpected error: ${message}`);
    });
  }

  /** Undefined while it does not listen. */
  get url(): string | undefined {
    if (this.#port === 0) return undefined;
    const { host, tls } = this.#options;
    return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${this.#port}`;
  }

  readonly routes: RouteTarget = {
    apply: (name, spec) => {
      this.#checkRoute(name, spec);
      this.#captures.declared(name);
      return this.#change(() => this.#routes.set(name, spec), true);
    },
    remove: (name) => this.#change(() => this.#routes.delete(name)),
  };

  readonly upstreams: UpstreamTarget = {
    apply: async (name, spec) => {
      checkUpstream(spec);
      await this.#change(() => this.#upstreams.set(name, spec));
    },
    remove: async (name) => {
      for (const [route, { upstream, canary, shadow }] of this.#routes) {
        if (upstream === name || canary?.upstream === name || shadow?.upstream === name) {
          throw new SluiceError('RESOURCE_IN_USE', `route ${route} goes to upstream ${name}`, { route });
        }
      }
      await this.#change(() => this.#upstreams.delete(name));
    },
  };

  readonly apis: ApiTarget = {
    check: (name, spec, before) => {
      this.#apis.check(name, spec, before);
      for (const [route, its] of this.#routes) {
        if (its.api === name && isHeldToApi(its)) this.#check.route({ name: route, spec: its }, { name, spec });
      }
    },
    apply: (name, spec) => this.#change(() => this.#apis.set(name, spec)),
    remove: async (name) => {
      for (const [route, { api }] of this.#routes) {
        if (api !== name) continue;
        throw new SluiceError('RESOURCE_IN_USE', `route ${route} serves the versions of api ${name}`, { route });
      }
      await this.#change(() => this.#apis.delete(name));
    },
  };

  readonly plans: PlanTarget = {
    apply: (name, spec) => this.#ledger.setPlan(name, spec),
    remove: (name) => this.#ledger.setPlan(name, undefined),
  };

  /** Takes over what was declared before; what no longer passes the checks is left out, and said so. */
  restore(kind: 'route' | 'upstream' | 'api' | 'plan', name: string, spec: unknown): void {
    try {
      if (kind === 'plan') this.#ledger.setPlan(name, spec as PlanSpec);
      else if (kind === 'api') {
        this.#apis.check(name, spec as ApiSpec, undefined);
        this.#apis.set(name, spec as ApiSpec);
      } else if (kind === 'route') {
        this.#checkRoute(name, spec as RouteSpec);
        this.#routes.set(name, spec as RouteSpec);
      } else {
        checkUpstream(spec as UpstreamSpec);
        this.#upstreams.set(name, spec as UpstreamSpec);
      }
    } catch (error) {
      this.#options.logger.error({ err: error, kind, name }, 'a declaration is no longer valid and is not served');
    }
  }

  get hasRoutes(): boolean {
    return this.#routes.size > 0;
  }

  useKeys(keys: readonly HashedKey[]): void {
    this.#link.share('keys', keys);
  }

  useCertificates(holders: readonly CertificateHolder[]): void {
    this.#link.share('certificates', holders);
  }

  /** Lets listener threads check tokens of this server by themselves. */
  useIssuer(issuer: IssuerState): void {
    this.#link.share('issuer', issuer);
  }

  useRevoked(revoked: readonly (readonly [jti: string, expiresMs: number])[]): void {
    this.#link.share('revoked', revoked);
  }

  /** @param clients names of clients and of their plans, of those that have one */
  usePlans(clients: ReadonlyMap<string, string>): void {
    this.#ledger.setClients(clients);
  }

  /** What a client has used of its plan, now and before. */
  usage(client: string): { readonly quotas: readonly QuotaUsage[]; readonly past: readonly PastUsage[] } {
    return { quotas: this.#ledger.usage(client), past: this.#ledger.past(client) };
  }

  /** Who calls which version of an API. @throws LIMIT_EXCEEDED */
  apiUsage(question: UsageQuestion): Promise<UsageAnswer> {
    return this.#apiUsage.read(question);
  }

  /** Begins to listen. @throws CONFIG_INVALID when the address cannot be bound */
  async start(): Promise<void> {
    this.#starting ??= this.#open();
    try {
      await this.#starting;
    } catch (error) {
      this.#starting = undefined;
      throw error;
    }
  }

  async #open(): Promise<ListenerThreads> {
    const { host, port, tls, clientCaFile, threads, trusted, recordDays, otlp, limits, logger } = this.#options;
    const bound = await takeFreePort(host, port);
    const counters = SharedTable.create(limits.gatewayCountersMax);
    const replays = SharedTable.create(limits.gatewayReplaysMax);
    const settings = {
      host,
      port: bound,
      tls,
      clientCaFile,
      pseudonym: `sluice-${randomBytes(6).toString('hex')}`,
      trusted,
      records: recordDays > 0,
      spans: otlp && exportSettings(otlp),
      limits,
      counters: counters.buffer,
      replays: replays.buffer,
    };
    const count = threads === 0 ? availableParallelism() : threads;
    const started = await ListenerThreads.start(count, settings, this.#link, logger);
    await boundReceiveBuffers(bound, limits.gatewayReceiveBytes, logger);
    await this.#followLog();
    await started.apply(this.#table());
    this.#port = bound;
    logger.info({ url: this.url, threads: count }, 'the gateway is listening');
    return started;
  }

  async #change(change: () => void, needsListener = false): Promise<void> {
    if (needsListener) await this.start();
    change();
    this.#version++;
    const threads = await this.#starting;
    await this.#followLog();
    await threads?.apply(this.#table());
  }

  /** What works on the log goes by the newest declarations, before the listeners do. */
  #followLog(): Promise<void> {
    return this.queues.follow(this.#routes, this.#table().upstreams);
  }

  #table(): GatewayTable {
    return {
      version: this.#version,
      routes: [...this.#routes].map(([name, spec]) => ({ name, spec })),
      upstreams: [...this.#upstreams].map(([name, spec]) => ({ name, spec })),
      apis: this.#apis.named(),
    };
  }

  /** @throws RESOURCE_INVALID */
  #checkRoute(name: string, spec: RouteSpec): void {
    for (const upstream of [spec.upstream, spec.canary?.upstream, spec.shadow?.upstream]) {
      if (upstream !== undefined && !this.#upstreams.has(upstream)) {
        throw new SluiceError('RESOURCE_INVALID', `there is no upstream ${upstream}`, { field: 'upstream' });
      }
    }
    if (spec.auth === 'certificate' && this.#options.clientCaFile === undefined) {
      const why = 'auth: the gateway asks for no certificates; start it with --client-ca';
      throw new SluiceError('RESOURCE_INVALID', why, { field: 'auth' });
    }
    if (spec.api !== undefined && !this.#apis.has(spec.api)) {
      throw new SluiceError('RESOURCE_INVALID', `there is no api ${spec.api}`, { field: 'api' });
    }
    compileRewrite(spec.path, spec.rewrite);
    this.#check.route({ name, spec }, this.#apis.find(spec.api));
    if (spec.login !== undefined) this.#logins.prepare();
    checkQueue(name, spec);
    const shape = shapeOf(spec);
    for (const [other, its] of this.#routes) {
      if (other !== name && isDeepStrictEqual(shapeOf(its), shape)) {
        throw new SluiceError('RESOURCE_INVALID', `route ${other} takes the same requests`, { field: 'path' });
      }
    }
  }

  async close(): Promise<void> {
    const threads = await this.#starting?.catch(() => undefined);
    const { shutdownMs } = this.#options.limits;
    await Promise.all([threads?.close(shutdownMs), this.queues.close(shutdownMs)]);
    await this.#logins.close();
    await this.#idempotency.close();
    await this.#ledger.close();
  }
}

/** What decides which requests a route takes. */
function shapeOf({ hosts, path, methods, headers, query }: RouteSpec): unknown {
  return [[...hosts].sort(), path.replace(/\{[a-z0-9_]+/g, '{'), [...methods].sort(), headers, query];
}

/** A literal address is not resolved when it is connected to, so it is looked at here. @throws RESOURCE_INVALID */
function checkUpstream(spec: UpstreamSpec): void {
  const rule = new AddressRule(spec.networks);
  for (const { url } of spec.targets) {
    const { hostname } = new URL(url);
    const address = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    if (isIP(address) !== 0 && !rule.permits(address)) {
      const why = `${address} is private, link-local or otherwise special; name its network in networks if it is meant`;
      throw new SluiceError('RESOURCE_INVALID', `targets: ${why}`, { field: 'targets' });
    }
  }
}

/** @throws CONFIG_INVALID */
function checkOptions({ host, tls, clientCaFile, allowInsecure, trusted, otlp }: GatewayOptions): void {
  if (otlp !== undefined) exportSettings(otlp);
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (!loopback && tls === undefined && !allowInsecure) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `refusing to let the gateway listen on ${host} without TLS: keys would travel in the clear; give a certificate ` +
        'and a key file, or allow it explicitly where a proxy in front ends TLS',
    );
  }
  for (const network of trusted) {
    const [address = '', bits = ''] = network.split('/');
    if (isIP(address) === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (isIP(address) === 4 ? 32 : 128)) {
      throw new SluiceError('CONFIG_INVALID', `${network} is not a network such as 10.0.0.0/8`);
    }
  }
  for (const file of tls === undefined ? [] : [tls.certFile, tls.keyFile]) accessSync(file, constants.R_OK);
  if (clientCaFile === undefined) return;
  if (tls === undefined)
    throw new SluiceError('CONFIG_INVALID', 'client certificates need TLS: --tls-cert and --tls-key');
  try {
    accessSync(clientCaFile, constants.R_OK);
  } catch (error) {
    throw new SluiceError('CONFIG_INVALID', `${clientCaFile} cannot be read`, {}, error);
  }
}
