/**
 * All queued routes, on the main thread: takes in requests, keeps a queue for each route that declares one, and what has
 * become of every request. Called by the gateway; listener threads ask it over the link.
 *
 *   thread ── enqueue ─▶ one commit: record + status ─▶ 202         topic ─▶ RouteQueue ─▶ delivery thread ─▶ upstream
 *
 * A route that is removed, or queued no more, delivers nothing; its topic stays, and goes on with the next declaration.
 */
import { type Clock, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import type { GroupCoordinator, Log, Topic } from '#log';
import type { RouteSpec } from '../kinds/route-kind.ts';
import type { NamedUpstream } from '../table.ts';
import { DeliveryThread } from './delivery-thread.ts';
import { queueTopic } from './queued-request.ts';
import { type QueueDescription, RouteQueue } from './route-queue.ts';
import { type QueuedStatus, Statuses } from './statuses.ts';

const SWEEP_MS = 30_000;
/** `sys.dead.` and `sys.gateway.queue.` go before it in the names of topics. */
const ROUTE_NAME_MAX = 200;
/** Statuses of a route that is gone are kept for so long. */
const DAY_MS = 86_400_000;

export interface Enqueued {
  readonly route: string;
  readonly id: string;
  readonly client: string | null;
  readonly batch: Uint8Array;
}

export interface QueuesParts {
  readonly log: Log;
  readonly groups: GroupCoordinator;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class Queues {
  readonly #parts: QueuesParts;
  readonly #thread: DeliveryThread;
  readonly #statuses: Statuses;
  readonly #queues = new Map<string, RouteQueue>();
  readonly #timer: NodeJS.Timeout;
  #following: Promise<unknown> = Promise.resolve();
  #sweeping = false;
  #closed = false;

  constructor(parts: QueuesParts) {
    const { log, limits, clock, logger, metrics } = parts;
    this.#parts = parts;
    this.#thread = new DeliveryThread(logger);
    this.#statuses = new Statuses(log, limits, () => clock.now());
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#timer.unref();
    metrics.gauge('sluice_gateway_queue_backlog', 'Requests of queued routes not yet delivered', () =>
      this.list().map(({ route, backlog }) => [{ route }, backlog] as const),
    );
  }

  /** Goes by the newest declarations. Resolves when their topics are there. @throws as `Log.createTopic` */
  follow(routes: ReadonlyMap<string, RouteSpec>, upstreams: readonly NamedUpstream[]): Promise<void> {
    const wanted = new Map([...routes].filter(([, { queue }]) => queue !== undefined));
    this.#thread.use(upstreams);
    const done = this.#following.then(async () => {
      for (const [name, queue] of this.#queues) {
        if (wanted.has(name)) continue;
        this.#queues.delete(name);
        await queue.close(0);
      }
      for (const [name, spec] of wanted) await this.#take(name, spec);
    });
    this.#following = done.catch(() => undefined);
    return done;
  }

  async #take(name: string, spec: RouteSpec): Promise<void> {
    if (this.#closed) return;
    const queue = this.#queues.get(name);
    if (queue !== undefined) {
      // Lets deliveries end, which nobody who declares a route has to wait for.
      void queue.change(spec).catch((error: unknown) => {
        this.#parts.logger.error({ err: error, route: name }, 'a queue cannot go on');
      });
      return;
    }
    this.#queues.set(
      name,
      new RouteQueue(name, spec, await this.#topic(name), {
        ...this.#parts,
        thread: this.#thread,
        statuses: this.#statuses,
      }),
    );
  }

  async #topic(route: string): Promise<Topic> {
    const name = queueTopic(route);
    return this.#parts.log.findTopic(name) ?? (await this.#parts.log.createTopic(name));
  }

  /** Resolves when the request is on the disk. @throws QUEUE_FULL, ROUTE_UNKNOWN, and as `Log.commit` */
  async enqueue({ route, id, client, batch }: Enqueued): Promise<undefined> {
    const queue = this.#queues.get(route);
    if (queue === undefined) throw new SluiceError('ROUTE_UNKNOWN', `route ${route} has no queue any more`);
    queue.admit();
    const [partition] = queue.topic.partitions;
    if (partition === undefined) throw new SluiceError('INTERNAL', `the queue of ${route} has no partition`);
    await this.#parts.log.commit({
      appends: [{ partition, batch }],
      state: [this.#statuses.first(id, route, client)],
    });
    queue.admitted();
    return undefined;
  }

  /** What the client who posted it may see. @throws nothing: undefined where it is not theirs, or not known */
  statusFor(route: string, id: string, client: string | null): Omit<QueuedStatus, 'client'> | undefined {
    const found = this.#statuses.get(id);
    if (found === undefined || found.route !== route || found.client !== client) return undefined;
    const { client: _, ...shown } = found;
    return shown;
  }

  /** @throws QUEUED_UNKNOWN */
  status(id: string): QueuedStatus {
    const found = this.#statuses.get(id);
    if (found === undefined) throw new SluiceError('QUEUED_UNKNOWN', `there is no queued request ${id}`);
    return found;
  }

  list(): QueueDescription[] {
    return [...this.#queues.values()].map((queue) => queue.describe());
  }

  #sweep(): void {
    for (const queue of this.#queues.values()) {
      queue.recount();
      this.#trim(queue.topic);
    }
    if (this.#sweeping) return;
    this.#sweeping = true;
    const ttlMsOf = (route: string) => {
      const ttl = this.#queues.get(route)?.spec.queue?.status_ttl_s;
      return ttl === undefined ? DAY_MS : ttl * 1000;
    };
    this.#statuses
      .sweep(ttlMsOf, () => this.#closed)
      .catch((error: unknown) => this.#parts.logger.warn({ err: error }, 'old statuses are not forgotten'))
      .finally(() => {
        this.#sweeping = false;
      });
  }

  /** What is delivered, or a dead letter, is not needed any more. */
  #trim({ name, partitions }: Topic): void {
    for (const partition of partitions) {
      const done = this.#parts.log.committedOffset(name, name, partition.index) ?? 0;
      if (done <= partition.start) continue;
      partition
        .trim(Math.min(done, partition.durable))
        .catch((error: unknown) => this.#parts.logger.warn({ err: error, topic: name }, 'a queue is not trimmed'));
    }
  }

  /** Lets what is under way end, for so long. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#following;
    await Promise.all([...this.#queues.values()].map((queue) => queue.close(graceMs)));
    await this.#thread.close();
  }
}

/** @throws RESOURCE_INVALID */
export function checkQueue(name: string, spec: RouteSpec): void {
  if ((spec.queue ?? spec.capture) === undefined || name.length <= ROUTE_NAME_MAX) return;
  throw new SluiceError(
    'RESOURCE_INVALID',
    `a route with queue or capture has a name of at most ${ROUTE_NAME_MAX} characters`,
    {
      field: 'name',
    },
  );
}
