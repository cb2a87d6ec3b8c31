/**
 * The server as a whole: puts the parts together, listens, and goes down in order.
 *
 *   shutdown: stop accepting ─▶ signal (long polls answer, event streams end, /readyz says 503)
 *             ─▶ WebSockets are closed with 1012 ─▶ open requests end, or the time is up ─▶ sockets are cut
 */

import type { Endpoints } from '#connector';
import type { Mount } from '#http1';
import type { Clock, Limits, Logger, Metrics } from '#kernel';
import { DeadLetterBox, type GroupCoordinator, type Log } from '#log';
import type { Processors } from '#processing';
import type { ApiKeys, Resources } from '#resource';
import type { SchemaRegistry } from '#schema';
import { keyRing, type TokenReader } from './auth/principal.ts';
import type { GatewayReports, ServerContext, ServerSettings } from './context.ts';
import { deadRoutes } from './dead/routes.ts';
import { connectorRoutes } from './endpoints/connector-routes.ts';
import { endpointRoutes } from './endpoints/routes.ts';
import { type GatewayQueues, queueRoutes } from './gateway/queue-routes.ts';
import { gatewayRoutes } from './gateway/routes.ts';
import { groupRoutes } from './groups/routes.ts';
import { dispatch } from './http/dispatch.ts';
import { createExchangeHost } from './http/host.ts';
import { Observer } from './http/observer.ts';
import type { Route } from './http/route.ts';
import { Router } from './http/router.ts';
import { checkListen, createApp, type ListenOptions, openSocket } from './listen.ts';
import { mountedRoute } from './mount.ts';
import { processorRoutes } from './processors/routes.ts';
import { Accumulator } from './produce/accumulator.ts';
import { Partitioner } from './produce/partitioner.ts';
import { ProducerRegistry } from './produce/producers.ts';
import { produceRoutes } from './produce/routes.ts';
import { eventRoutes } from './read/events.ts';
import { readRoutes } from './read/routes.ts';
import { keyRoutes } from './resources/key-routes.ts';
import { resourceRoutes } from './resources/routes.ts';
import { SchemaBindings } from './schemas/bindings.ts';
import { configRoutes } from './schemas/config-routes.ts';
import { schemaRoutes } from './schemas/schema-routes.ts';
import { subjectRoutes } from './schemas/subject-routes.ts';
import { backupRoutes } from './service/backup.ts';
import { serviceRoutes } from './service/routes.ts';
import { streamRoutes } from './stream/routes.ts';
import { Streams } from './stream/streams.ts';
import type { SyncJobs } from './sync/documents.ts';
import { syncRoutes } from './sync/routes.ts';
import { workflowRoutes } from './workflows/routes.ts';
import type { WorkflowService } from './workflows/service.ts';
import { attachWebSocket } from './ws/index.ts';

export interface ServerOptions extends Partial<ServerSettings> {
  readonly log: Log;
  /** Closed by its owner, after the server. */
  readonly groups: GroupCoordinator;
  readonly resources: Resources;
  readonly keys: ApiKeys;
  /** Of OAuth clients. */
  readonly secrets: ApiKeys;
  /** Reads access tokens; absent: only keys are taken. */
  readonly tokens?: TokenReader;
  /** Paths of other layers. */
  readonly mounts?: readonly Mount[];
  readonly processors: Processors;
  readonly schemas: SchemaRegistry;
  readonly endpoints: Endpoints;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly listen: ListenOptions;
  readonly sync?: SyncJobs;
  /** Of the gateway, where there is one. */
  readonly queues?: GatewayQueues;
  readonly gateway?: GatewayReports;
  readonly workflows?: WorkflowService;
  /** Copies the store into a folder while it is in use. */
  readonly backup?: (directory: string) => Promise<void>;
}

export interface Server {
  readonly port: number;
  /** `http://127.0.0.1:7070`. */
  readonly url: string;
  /** Goes down in order; resolves when no socket is open any more. The log stays open: its owner closes it. */
  close(): Promise<void>;
}

/** @throws CONFIG_INVALID when it must not, or cannot, listen as asked */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { listen, keys, limits, clock, logger } = options;
  checkListen(listen, keys.required);
  const shutdown = new AbortController();
  const context = createContext(options, shutdown.signal);
  const observer = new Observer(options.metrics, logger, clock);
  const host = createExchangeHost(limits, clock, observer);
  const router = new Router();
  for (const route of allRoutes(context, () => router.routes)) router.add(route);
  for (const mount of options.mounts ?? []) router.add(mountedRoute(mount));
  const app = createApp(listen);
  const webSocket = attachWebSocket(app, context);
  dispatch(app, router, context.ring, host, context.shutdown);
  const listening = await openSocket(app, listen).catch(async (error: unknown) => {
    await context.streams.close();
    throw error;
  });
  const name = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const url = `${context.scheme}://${name}:${listening.port}`;
  logger.info({ url }, 'listening');
  const goDown = async () => {
    listening.stop();
    shutdown.abort();
    await webSocket.close();
    await within(observer.idle(), limits.shutdownMs);
    app.close();
    await context.streams.close();
    host.deadlines.close();
  };
  let closed: Promise<void> | undefined;
  return {
    port: listening.port,
    url,
    close: () => {
      closed ??= goDown();
      return closed;
    },
  };
}

function createContext(options: ServerOptions, shutdown: AbortSignal): ServerContext {
  const {
    log,
    groups,
    resources,
    keys,
    secrets,
    tokens,
    processors,
    schemas,
    endpoints,
    limits,
    logger,
    metrics,
    clock,
  } = options;
  return {
    log,
    groups,
    dead: new DeadLetterBox(log, { limits, clock }),
    resources,
    keys,
    secrets,
    ring: keyRing(keys, tokens),
    processors,
    schemas,
    endpoints,
    bindings: new SchemaBindings(resources),
    limits,
    logger,
    metrics,
    clock,
    settings: {
      autoCreateTopics: options.autoCreateTopics ?? false,
      allowedOrigins: options.allowedOrigins ?? [],
    },
    accumulator: new Accumulator(limits, clock),
    partitioner: new Partitioner(),
    producers: new ProducerRegistry(log),
    streams: new Streams({ log, limits, clock, logger, metrics }),
    scheme: options.listen.tls === undefined ? 'http' : 'https',
    createTopic: async (name) => {
      await resources.put('topic', name, {}, { by: null });
      return log.topic(name);
    },
    sync: options.sync,
    queues: options.queues,
    gateway: options.gateway,
    workflows: options.workflows,
    backup: options.backup,
    shutdown,
  };
}

function allRoutes(context: ServerContext, routes: () => readonly Route[]): Route[] {
  return [
    ...produceRoutes(context),
    ...readRoutes(context),
    ...eventRoutes(context),
    ...streamRoutes(context),
    ...resourceRoutes(context),
    ...keyRoutes(context),
    ...subjectRoutes(context),
    ...schemaRoutes(context),
    ...configRoutes(context),
    ...groupRoutes(context),
    ...processorRoutes(context),
    ...connectorRoutes(context),
    ...endpointRoutes(context),
    ...syncRoutes(context),
    ...deadRoutes(context),
    ...queueRoutes(context),
    ...gatewayRoutes(context),
    ...workflowRoutes(context),
    ...backupRoutes(context),
    ...serviceRoutes(context, routes),
  ];
}

/** Resolves with `work` or after `waitMs`, whichever is first. */
async function within(work: Promise<void>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  await Promise.race([work, timeUp]);
  clearTimeout(timer);
}
