/**
 * The queue of one route, on the main thread: a member of the queue group of its topic, as long as the route delivers.
 *
 *   handed out ──▶ delivery thread ──▶ 2xx                          status, then ack
 *                                  ├─▶ 408 425 429 5xx, no answer   status, then nack: backoff, or Retry-After
 *                                  └─▶ any other                    the same, or, where `refused` is dead, a dead letter
 *
 * The status is durable before the record is acknowledged, so whoever reads `delivered` can rely on it.
 */
import { type Clock, type Logger, type Metrics, SluiceError } from '#kernel';
import type { GroupCoordinator, HandedRecord, QueueListener, QueueMember, Topic } from '#log';
import type { RouteSpec } from '../kinds/route-kind.ts';
import type { Delivered } from './delivery.ts';
import type { DeliveryThread } from './delivery-thread.ts';
import { Pace } from './pace.ts';
import { deliveredHeaders, type QueuedRequest, readQueued } from './queued-request.ts';
import type { QueueSpec } from './schema.ts';
import type { Statuses } from './statuses.ts';

/** A delivery that is not heard of by then is taken for lost. */
const VISIBILITY_SLACK_MS = 30_000;
const JITTER = 0.1;
const TRANSIENT = new Set([408, 425, 429]);

export interface QueueDescription {
  readonly route: string;
  readonly state: 'delivering' | 'paused';
  /** Requests not yet delivered, those under way included. */
  readonly backlog: number;
  readonly under_way: number;
  readonly delivered: number;
  readonly failed_attempts: number;
  readonly dead: number;
}

export interface RouteQueueParts {
  readonly groups: GroupCoordinator;
  readonly thread: DeliveryThread;
  readonly statuses: Statuses;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class RouteQueue implements QueueListener {
  readonly writable = true;
  readonly topic: Topic;
  readonly #route: string;
  readonly #parts: RouteQueueParts;
  readonly #pace: Pace;
  #spec: RouteSpec;
  #member: QueueMember | undefined;
  #timer: NodeJS.Timeout | undefined;
  #granting = false;
  #draining = false;
  #changing: Promise<void> = Promise.resolve();
  #backlog = 0;
  #delivered = 0;
  #failed = 0;
  #dead = 0;
  #whenIdle: (() => void) | undefined;

  constructor(route: string, spec: RouteSpec, topic: Topic, parts: RouteQueueParts) {
    this.topic = topic;
    this.#route = route;
    this.#parts = parts;
    this.#spec = spec;
    this.#pace = new Pace(parts.clock.monotonic());
    this.#join();
    this.#backlog = this.#lag();
  }

  get spec(): RouteSpec {
    return this.#spec;
  }

  get #queue(): QueueSpec {
    return this.#spec.queue as QueueSpec;
  }

  #lag(): number {
    return this.#parts.groups.describe(this.topic.name).partitions.reduce((sum, { lag }) => sum + lag, 0);
  }

  #join(): void {
    const { concurrency, rate_per_s, attempts_max, backoff_ms, backoff_ms_max, timeout_ms } = this.#queue;
    this.#member = this.#parts.groups.joinQueue(this.topic.name, {
      topic: this.topic.name,
      client: `route ${this.#route}`,
      permits: 0,
      visibilityMs: timeout_ms + VISIBILITY_SLACK_MS,
      maxAttempts: attempts_max,
      backoffMs: backoff_ms,
      backoffMaxMs: Math.max(backoff_ms, backoff_ms_max),
      startOf: ({ start }) => start,
      listener: this,
    });
    this.#pace.set(concurrency, rate_per_s);
    this.#grant();
  }

  /** Takes over a new declaration. Of another queue, once what is under way has ended. */
  change(spec: RouteSpec): Promise<void> {
    const before = JSON.stringify(this.#spec.queue);
    this.#spec = spec;
    if (JSON.stringify(spec.queue) === before) return this.#changing;
    this.#changing = this.#changing.then(async () => {
      if (this.#member === undefined) return;
      await this.close(this.#queue.timeout_ms + VISIBILITY_SLACK_MS);
      this.#join();
    });
    return this.#changing;
  }

  /** @throws QUEUE_FULL */
  admit(): void {
    const { backlog_max } = this.#queue;
    if (this.#backlog < backlog_max) return;
    throw new SluiceError('QUEUE_FULL', `route ${this.#route} has ${backlog_max} requests that are not delivered`, {
      backlog_max,
    });
  }

  admitted(): void {
    this.#backlog++;
    this.#count('accepted');
  }

  describe(): QueueDescription {
    return {
      route: this.#route,
      state: this.#queue.paused ? 'paused' : 'delivering',
      backlog: this.#backlog,
      under_way: this.#pace.busy,
      delivered: this.#delivered,
      failed_attempts: this.#failed,
      dead: this.#dead,
    };
  }

  /** What dead letters sent again have added. */
  recount(): void {
    if (this.#member !== undefined) this.#backlog = this.#lag();
  }

  #count(outcome: string): void {
    const help = 'Requests of queued routes, by route and what became of them; failed: an attempt';
    this.#parts.metrics.counter('sluice_gateway_queued_total', help, { route: this.#route, outcome }).add();
  }

  #grant(): void {
    const member = this.#member;
    if (member === undefined || this.#draining || this.#queue.paused) return;
    const permits = this.#pace.grant(this.#parts.clock.monotonic());
    if (permits !== 0) member.permit(permits);
    const waitMs = this.#pace.waitMs();
    if (waitMs === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#grant();
    }, waitMs);
  }

  /** Within a turn of the queue nothing more may be asked of it, so the next permits come in a later one. */
  #grantSoon(): void {
    if (this.#granting) return;
    this.#granting = true;
    setImmediate(() => {
      this.#granting = false;
      this.#grant();
    });
  }

  records(handed: readonly HandedRecord[]): void {
    this.#pace.took(handed.length);
    const member = this.#member as QueueMember;
    for (const one of handed) {
      this.#deliver(member, one)
        .catch((error: unknown) => {
          // Closed, or the log could not write: the record comes again.
          this.#parts.logger.warn({ err: error, route: this.#route }, 'what became of a queued request is not stored');
        })
        .finally(() => {
          this.#pace.done();
          if (this.#pace.busy === 0) this.#whenIdle?.();
          this.#grantSoon();
        });
    }
    this.#grantSoon();
  }

  failed(error: SluiceError): void {
    this.#parts.logger.error({ err: error, route: this.#route }, 'queued requests cannot be read');
  }

  async #deliver(member: QueueMember, { partition, attempt, record }: HandedRecord): Promise<void> {
    const request = readQueued(record);
    const at = record.offset;
    if (request === undefined) {
      this.#buried();
      return member.nack(partition, at, { dead: true, reason: 'not a queued request' });
    }
    const delivered = await this.#attempt(request, attempt, record.value ?? new Uint8Array());
    const { status = null, message, retryAfterMs } = delivered;
    if (status !== null && status >= 200 && status < 300) {
      await this.#tell(request, 'delivered', attempt, status, null);
      member.ack(partition, at);
      this.#backlog--;
      this.#delivered++;
      this.#count('delivered');
      return;
    }
    const { attempts_max, refused } = this.#queue;
    const reason = status === null ? message : `answered ${status}`;
    const final = status !== null && !isTransient(status) && refused === 'dead';
    const dead = final || (attempts_max > 0 && attempt >= attempts_max);
    this.#failed++;
    this.#count('failed');
    await this.#tell(request, dead ? 'dead' : 'retrying', attempt, status, reason);
    if (dead) this.#buried();
    const delayMs = retryAfterMs === undefined ? undefined : Math.round(retryAfterMs * (1 + Math.random() * JITTER));
    member.nack(partition, at, { dead, reason, ...(delayMs === undefined ? {} : { delayMs }) });
  }

  #buried(): void {
    this.#backlog--;
    this.#dead++;
    this.#count('dead');
  }

  #attempt(request: QueuedRequest, attempt: number, body: Uint8Array): Promise<Delivered> {
    const { upstream, canary } = this.#spec;
    return this.#parts.thread.deliver(request.canary ? (canary?.upstream ?? upstream) : upstream, {
      method: request.method,
      path: request.target,
      headers: deliveredHeaders(request, attempt),
      host: request.host,
      // A copy: what is handed to another thread is gone here.
      body: Uint8Array.from(body),
      timeoutMs: this.#queue.timeout_ms,
    });
  }

  #tell(
    { id }: QueuedRequest,
    state: 'delivered' | 'retrying' | 'dead',
    attempts: number,
    status: number | null,
    reason: string | null,
  ): Promise<void> {
    return this.#parts.statuses.update(id, { state, attempts, status, reason });
  }

  /** Hands out nothing more, and lets what is under way end. */
  async #drain(graceMs: number): Promise<void> {
    this.#draining = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const open = this.#pace.withdraw();
    if (open !== 0) this.#member?.permit(-open);
    if (this.#pace.busy === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#whenIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Delivers no more. What is under way comes again with the next declaration, or start. */
  async close(graceMs: number): Promise<void> {
    await this.#drain(graceMs);
    this.#draining = false;
    this.#whenIdle = undefined;
    const member = this.#member;
    this.#member = undefined;
    await member?.leave();
  }
}

function isTransient(status: number): boolean {
  return status >= 500 || TRANSIENT.has(status);
}
