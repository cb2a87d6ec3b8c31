/**
 * What every part of the server (HTTP, WebSocket, streams) is given: the log and what stands on it, limits,
 * settings, and the signal that the server is going down.
 */
import type { Endpoints } from '#connector';
import type { Clock, Limits, Logger, Metrics } from '#kernel';
import type { DeadLetterBox, GroupCoordinator, Log, Topic } from '#log';
import type { Processors } from '#processing';
import type { ApiKeys, Resources } from '#resource';
import type { SchemaRegistry } from '#schema';
import type { KeyRing } from './auth/principal.ts';
import type { GatewayQueues } from './gateway/queue-routes.ts';
import type { Partitioner } from './produce/partitioner.ts';
import type { ProducerRegistry } from './produce/producers.ts';
import type { RecordSink } from './produce/record-sink.ts';
import type { SchemaBindings } from './schemas/bindings.ts';
import type { Streams } from './stream/streams.ts';
import type { SyncJobs } from './sync/documents.ts';
import type { WorkflowService } from './workflows/service.ts';

export interface ServerSettings {
  /** A produce to a topic that does not exist creates it. */
  readonly autoCreateTopics: boolean;
  /** Origins whose pages may open WebSockets (empty: not checked) and use streams (empty: with a key). */
  readonly allowedOrigins: readonly string[];
}

/** What the gateway can be asked; `composition.ts` puts it here, since the server does not know the gateway. */
export interface GatewayReports {
  /** What a client has used of its plan. */
  usage(client: string): object;
  /** Who calls which version of an API. @throws LIMIT_EXCEEDED */
  apiUsage(question: { readonly api: string | undefined; readonly since: number }): Promise<object>;
}

export interface ServerContext {
  readonly log: Log;
  readonly groups: GroupCoordinator;
  readonly dead: DeadLetterBox;
  readonly resources: Resources;
  readonly keys: ApiKeys;
  /** Of OAuth clients. */
  readonly secrets: ApiKeys;
  /** Keys and access tokens. */
  readonly ring: KeyRing;
  readonly processors: Processors;
  readonly schemas: SchemaRegistry;
  readonly endpoints: Endpoints;
  /** Which topics have schemas. */
  readonly bindings: SchemaBindings;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly settings: ServerSettings;
  readonly accumulator: RecordSink;
  readonly partitioner: Partitioner;
  readonly producers: ProducerRegistry;
  readonly streams: Streams;
  /** Absent where nothing runs them. */
  readonly sync: SyncJobs | undefined;
  /** Absent where there is no gateway. */
  readonly gateway: GatewayReports | undefined;
  /** How the server itself is spoken to; a proxy before it may be spoken to otherwise. */
  readonly scheme: 'http' | 'https';
  /** Creates a topic with the default settings, as an applied resource; the one there is when it exists. */
  createTopic(name: string): Promise<Topic>;
  /** Of the gateway, where there is one. */
  readonly queues: GatewayQueues | undefined;
  /** Absent where there is no engine. */
  readonly workflows: WorkflowService | undefined;
  /** Copies the store into a folder; absent where the engine cannot. */
  readonly backup: ((directory: string) => Promise<void>) | undefined;
  /** Aborted when the server begins to shut down: long polls and streams end, sockets are told to go. */
  readonly shutdown: AbortSignal;
}
