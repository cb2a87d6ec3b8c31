/**
 * The composition root: the only file that sees all layers. Puts engine, resources and server together for `serve`, and
 * has the engine look after folders that no server is using. Loaded by `main.ts` when one of these is asked for.
 */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ServeOptions, StoreReport } from '#cli';
import { type EndpointSpec, Endpoints, type EndpointsOptions } from '#connector';
import { type LmdbLog, openLmdbLog, restoreBackup, verifyStore } from '#engine-lmdb';
import { apiKind, Gateway, planKind, routeKind, upstreamKind } from '#gateway';
import { createLogger, type Limits, Metrics, resolveLimits, silentLogger, systemClock } from '#kernel';
import { GroupCoordinator } from '#log';
import { AuthorizationServer } from '#oauth';
import { Processors, settingsOf } from '#processing';
import {
  type ApiKeys,
  certificateHolders,
  endpointKind,
  openResources,
  type ProcessorSpec,
  processorKind,
  type Resources,
  replaceSecret,
  schemaKind,
  secretKind,
  Vault,
} from '#resource';
import { SchemaRegistry } from '#schema';
import { type Server, startServer } from '#server';
import { type JobSpec, jobKind, type MappingSpec, mappingKind, Sync, syncReports } from '#sync';
import { Workflows, workflowKind } from '#workflow';

const EVENT_LOOP_RESOLUTION_MS = 1;
const GATEWAY_PORT = 7080;
const REVOKED_PER_MS = 1_000;
const LOGIN_KEY_FILE = 'login-key';
const SIGNING_KEYS_FILE = 'oauth-keys.json';

interface Running {
  readonly url: string;
  readonly gatewayUrl: string | undefined;
  stop(): Promise<void>;
}

export async function serve(options: ServeOptions): Promise<Running> {
  const limits = resolveLimits(options.limits as Partial<Limits>);
  const logger = createLogger(options.logLevel);
  const metrics = new Metrics();
  measureProcess(metrics);
  const log = await openLmdbLog({ directory: options.data, limits, clock: systemClock, logger, metrics });
  try {
    const schemas = new SchemaRegistry(log, limits);
    const { host, port, tls, allowInsecure, autoCreateTopics, allowedOrigins } = options;
    const gatewayOptions = { ...options.gateway, port: options.gateway.port ?? GATEWAY_PORT, tls, allowInsecure };
    const groups = new GroupCoordinator(log, { limits, clock: systemClock, metrics });
    const common = { limits, clock: systemClock, logger, metrics };
    const processors = new Processors({ log, ...common }, options.workers);
    const loginKeyFile = join(options.data, LOGIN_KEY_FILE);
    const gateway = new Gateway({ ...gatewayOptions, loginKeyFile, log, groups, ...common });
    const vault = new Vault(log, options.data);
    const endpoints = new Endpoints({ ...common, folder: options.connectors, ...secretsOf(vault, () => resources) });
    const sync = await Sync.open({ ...common, log, endpoints });
    const workflows = new Workflows({ log, ...common, secret: (name) => vault.open(name) });
    const settings = (spec: ProcessorSpec) => settingsOf(spec, options.processors);
    const { resources, keys, secrets } = await openResources(log, systemClock, [
      schemaKind(schemas),
      processorKind(processorTarget(processors, settings)),
      secretKind(vault),
      endpointKind(endpoints),
      mappingKind(sync),
      jobKind(sync),
      upstreamKind(gateway.upstreams),
      apiKind(gateway.apis),
      routeKind(gateway.routes),
      planKind(gateway.plans),
      workflowKind(workflows),
    ]);
    await openProcessors(processors, resources, settings);
    let issuer = options.issuer ?? '';
    const keyFile = join(options.data, SIGNING_KEYS_FILE);
    const parts = { log, resources, secrets, keyFile, clock: systemClock, limits, metrics };
    const oauth = await AuthorizationServer.open({ ...parts, issuer: () => issuer });
    openEndpoints(endpoints, resources);
    await openSync(sync, resources);
    await workflows.restore(resources);
    await openGateway(gateway, resources, keys, options.gateway.port !== undefined);
    const server = await startServer({
      log,
      groups,
      resources,
      keys,
      secrets,
      tokens: oauth.tokens,
      mounts: oauth.mounts,
      processors,
      schemas,
      endpoints,
      sync: syncReports(sync),
      ...common,
      listen: { host, port, tls, allowInsecure },
      autoCreateTopics,
      allowedOrigins,
      gateway,
      queues: gateway.queues,
      workflows,
      backup: (directory) => log.backup(directory),
    }).catch(async (error: unknown) => {
      // Threads with open sockets would take the process down before it could say why.
      await gateway.close();
      throw error;
    });
    issuer ||= server.url;
    handIssuer(gateway, resources, oauth);
    const goDown = () => stop(server, gateway, sync, workflows, endpoints, groups, processors, log);
    return { url: server.url, gatewayUrl: gateway.url, stop: goDown };
  } catch (error) {
    await log.close();
    throw error;
  }
}

function processorTarget(
  processors: Processors,
  settings: (spec: ProcessorSpec) => ReturnType<typeof settingsOf>,
): Parameters<typeof processorKind>[0] {
  return {
    deploy: async (name, spec) => processors.deploy(name, settings(spec)),
    remove: (name) => processors.remove(name),
  };
}

/** @param asked to listen, whether or not there is a route */
async function openGateway(gateway: Gateway, resources: Resources, keys: ApiKeys, asked: boolean): Promise<void> {
  for (const kind of ['plan', 'upstream', 'api', 'route'] as const) {
    for (const { name, spec } of resources.list(kind)) gateway.restore(kind, name, spec);
  }
  const handKeys = () => {
    gateway.useKeys(keys.hashed());
    gateway.useCertificates(certificateHolders(resources));
  };
  const handPlans = () => {
    const plans = resources.list('client').map(({ name, spec }): [string, unknown] => [name, spec['plan']]);
    gateway.usePlans(new Map(plans.filter((pair): pair is [string, string] => typeof pair[1] === 'string')));
  };
  keys.watch(handKeys);
  resources.onChange((kind) => {
    if (kind !== 'client') return;
    handKeys();
    handPlans();
  });
  handKeys();
  handPlans();
  if (asked || gateway.hasRoutes) await gateway.start();
}

/** Keeps what listener threads know of the own issuer in step: keys, clients, and what was revoked. */
function handIssuer(gateway: Gateway, resources: Resources, oauth: AuthorizationServer): void {
  const hand = () => gateway.useIssuer(oauth.state());
  oauth.watchKeys(hand);
  resources.onChange((kind) => {
    if (kind === 'client') hand();
  });
  let pending = false;
  oauth.watchRevocations(() => {
    if (pending) return;
    pending = true;
    // All of them go to every thread, so the more there are the less often.
    const waitMs = oauth.revoked().length / REVOKED_PER_MS;
    setTimeout(() => {
      pending = false;
      gateway.useRevoked(oauth.revoked());
    }, waitMs).unref();
  });
  hand();
  gateway.useRevoked(oauth.revoked());
}

function secretsOf(vault: Vault, resources: () => Resources): Pick<EndpointsOptions, 'secret' | 'replaceSecret'> {
  return {
    secret: (name) => vault.open(name),
    replaceSecret: (name, value, by) => replaceSecret(vault, resources(), name, value, by),
  };
}

function openEndpoints(endpoints: Endpoints, resources: Resources): void {
  for (const { name, spec } of resources.list('endpoint')) endpoints.restore(name, spec as unknown as EndpointSpec);
  resources.onChange((kind, name) => {
    if (kind === 'secret') void endpoints.secretChanged(name);
  });
}

async function openProcessors(
  processors: Processors,
  resources: Resources,
  settings: (spec: ProcessorSpec) => ReturnType<typeof settingsOf>,
): Promise<void> {
  for (const { name, spec } of resources.list('processor')) {
    await processors.restore(name, () => settings(spec as unknown as ProcessorSpec));
  }
}

async function openSync(sync: Sync, resources: Resources): Promise<void> {
  for (const { name, spec } of resources.list('mapping')) sync.useMapping(name, spec as unknown as MappingSpec);
  for (const { name, spec } of resources.list('sync-job')) await sync.restore(name, spec as unknown as JobSpec);
}

async function stop(
  server: Server,
  gateway: Gateway,
  sync: Sync,
  workflows: Workflows,
  endpoints: Endpoints,
  groups: GroupCoordinator,
  processors: Processors,
  log: LmdbLog,
): Promise<void> {
  await Promise.all([server.close(), gateway.close()]);
  await sync.close();
  await workflows.close();
  await endpoints.close();
  await groups.close();
  await processors.close();
  await log.close();
}

function measureProcess(metrics: Metrics): void {
  const delay = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
  delay.enable();
  metrics.gauge(
    'sluice_event_loop_delay_p99_seconds',
    'Event loop delay, 99th percentile since the last scrape',
    () => {
      const seconds = delay.percentile(99) / 1e9;
      delay.reset();
      return seconds;
    },
  );
  metrics.gauge('process_resident_memory_bytes', 'Resident memory; counts mapped segment pages too', () =>
    process.memoryUsage.rss(),
  );
  metrics.gauge('sluice_heap_bytes', 'JavaScript heap in use, and memory outside it that JavaScript holds', () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  });
  metrics.gauge('process_cpu_seconds_total', 'Processor time used', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
}

export function verify(directory: string, progress: (done: number, total: number) => void): Promise<StoreReport> {
  return verifyStore(directory, resolveLimits(), silentLogger, progress);
}

export function restore(backup: string, directory: string): Promise<StoreReport> {
  return restoreBackup(backup, directory, resolveLimits(), silentLogger);
}
