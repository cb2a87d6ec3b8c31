/**
 * One declared endpoint at work: a thread with its connection, opened when it is first needed and kept; its state and the
 * reason for it; checks on a schedule; a thread that was lost is replaced, with a pause that doubles while that goes wrong.
 *
 *        declared ─▶ inactive ──check──▶ active ──check fails, thread lost──▶ error
 *                                          ▲───────────check succeeds───────────┘
 *
 * Made and ended by `endpoints.ts`.
 */
import { asSluiceError, type Clock, type Limits, type Logger, SluiceError } from '#kernel';
import type { Delivery, Page, ReadRequest, Received, Row, Stream, WriteRequest, WriteResult } from './contract.ts';
import type { Found } from './found.ts';
import { fingerprint } from './registry.ts';
import { ConnectorThread, setupOf } from './thread.ts';
import type { Opening } from './worker/opening.ts';

const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 60_000;
/** Files of a connector under development are looked at no more often. */
const LOOK_MS = 300;

export interface EndpointSpec {
  readonly connector: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly enabled: boolean;
  /** 0: never. */
  readonly check_every_ms: number;
}

export interface EndpointStatus {
  readonly name: string;
  readonly connector: string;
  readonly state: 'active' | 'inactive' | 'error';
  /** Why it is not active; null when it is. */
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** When it became so, epoch ms. */
  readonly since: number;
  readonly checkedAt: number | null;
  /** What the last check took. */
  readonly checkMs: number | null;
  /** Threads it has had. */
  readonly threads: number;
}

/** A configuration with its secrets in their places. */
export interface Resolved {
  readonly config: Readonly<Record<string, unknown>>;
  readonly secretPaths: readonly string[];
}

export interface EndpointOptions {
  readonly name: string;
  readonly spec: EndpointSpec;
  readonly found: () => Promise<Found>;
  /** @throws SECRET_UNKNOWN */
  readonly resolve: (config: EndpointSpec['config']) => Resolved;
  /** Seen by all connections to the same account. */
  readonly shared: SharedArrayBuffer;
  /** Keeps secrets that the system has replaced, by their paths in the configuration. */
  readonly keep: (replaced: Readonly<Record<string, string>>) => Promise<void>;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Open {
  readonly thread: ConnectorThread;
  readonly found: Found;
  readonly print: string;
}

export class Endpoint {
  readonly spec: EndpointSpec;
  readonly #options: EndpointOptions;
  #open: Promise<Open> | undefined;
  #status: EndpointStatus;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #failures = 0;
  #notBeforeMs = 0;
  #lookedAtMs = 0;
  #reads = 0;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.spec = options.spec;
    const { name, spec, clock } = options;
    const reason = spec.enabled
      ? { code: 'NOT_READY', message: 'it has not been checked yet' }
      : { code: 'ENDPOINT_DISABLED', message: 'it is declared as not enabled' };
    this.#status = {
      name,
      connector: spec.connector,
      state: 'inactive',
      reason,
      since: clock.now(),
      checkedAt: null,
      checkMs: null,
      threads: 0,
    };
  }

  status(): EndpointStatus {
    return this.#status;
  }

  /** Whether the configuration is one the connector takes; nothing is opened. @throws ENDPOINT_INVALID and more */
  async validate(): Promise<void> {
    const { name, found, resolve, limits, spec, shared } = this.#options;
    const thread = new ConnectorThread(await found(), limits);
    try {
      await thread.call('open', { endpoint: name, ...resolve(spec.config), shared, dry: true });
    } finally {
      await thread.close();
    }
  }

  /** For a connection of one's own on another thread. @throws ENDPOINT_DISABLED, SECRET_UNKNOWN, CONNECTOR_UNKNOWN */
  async opening(): Promise<Opening> {
    const { name, found, resolve, spec, shared } = this.#options;
    if (!spec.enabled) throw new SluiceError('ENDPOINT_DISABLED', `endpoint ${name} is not enabled`);
    return { setup: setupOf(await found()), input: { endpoint: name, ...resolve(spec.config), shared, dry: false } };
  }

  /** Keeps secrets that the system has replaced, by their paths in the configuration. @throws ENDPOINT_INVALID */
  keep(replaced: Readonly<Record<string, string>>): Promise<void> {
    return this.#options.keep(replaced);
  }

  /** Begins to check on the schedule, the first time after `firstMs`. */
  schedule(firstMs: number): void {
    const { check_every_ms: everyMs, enabled } = this.spec;
    if (this.#closed || !enabled || everyMs === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.check()
        .catch(() => undefined)
        .then(() => this.schedule(everyMs));
    }, firstMs);
    this.#timer.unref();
  }

  /** Asks the system, also while calls are held back after failures. @throws what is wrong; the status tells it too */
  async check(): Promise<void> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    this.#notBeforeMs = 0;
    try {
      const { thread } = await this.#connected();
      await thread.call('check', null);
      const checkMs = Math.round((clock.monotonic() - startedAt) * 1000) / 1000;
      this.#settle('active', null, { checkedAt: clock.now(), checkMs });
    } catch (error) {
      this.#settle('error', asSluiceError(error), { checkedAt: clock.now(), checkMs: null });
      throw error;
    }
  }

  async discover(): Promise<readonly Stream[]> {
    const { thread } = await this.#connected();
    return thread.call('discover', null);
  }

  /** One page is made when it is asked for. Leaving the loop ends the read. */
  async *read(request: ReadRequest): AsyncGenerator<Page> {
    const { thread } = await this.#connected();
    const read = ++this.#reads;
    await thread.call('read', { read, request });
    let page: Page | null = null;
    try {
      for (;;) {
        page = await thread.call('next', { read });
        if (page === null) return;
        yield page;
      }
    } finally {
      if (page !== null && thread.alive) await thread.call('end', { read }).catch(() => undefined);
    }
  }

  async write(request: WriteRequest, records: readonly Row[]): Promise<WriteResult[]> {
    const { thread } = await this.#connected();
    return thread.call('write', { request, records });
  }

  /** What a request means that the system has sent by itself. @throws SIGNATURE_INVALID and more */
  async receive(delivery: Delivery): Promise<Received> {
    const { thread } = await this.#connected();
    return thread.call('receive', delivery);
  }

  /** Lets go of the connection; the next call makes another, with secrets as they are then. */
  async reset(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await (await open?.catch(() => undefined))?.thread.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.reset();
  }

  async #connected(): Promise<Open> {
    const { clock, name } = this.#options;
    if (this.#closed) throw new SluiceError('SHUTTING_DOWN', `endpoint ${name} is gone`);
    if (!this.spec.enabled) throw new SluiceError('ENDPOINT_DISABLED', `endpoint ${name} is not enabled`);
    const held = this.#open;
    const current = await held;
    if (current?.thread.alive === true && !(await this.#outdated(current))) return current;
    // Whoever came here at the same time has opened it meanwhile; from here to the assignment nothing waits.
    if (this.#open !== held) return this.#connected();
    const waitMs = this.#notBeforeMs - clock.monotonic();
    if (waitMs > 0 && this.#status.reason !== null) {
      const { message } = this.#status.reason;
      throw new SluiceError('ENDPOINT_UNREACHABLE', `endpoint ${name} is held back after: ${message}`, {
        retry_after_ms: Math.ceil(waitMs),
      });
    }
    const opening = this.#begin(current);
    this.#open = opening;
    try {
      const open = await opening;
      this.#failures = 0;
      return open;
    } catch (error) {
      if (this.#open === opening) this.#open = undefined;
      this.#holdBack(asSluiceError(error));
      throw error;
    }
  }

  async #begin(before: Open | undefined): Promise<Open> {
    await before?.thread.close();
    const { name, limits, resolve, shared } = this.#options;
    const found = await this.#options.found();
    const print = await fingerprint(found);
    const thread = new ConnectorThread(found, limits);
    thread.onKeep = this.#options.keep;
    this.#status = { ...this.#status, threads: this.#status.threads + 1 };
    try {
      await thread.call('open', { endpoint: name, ...resolve(this.spec.config), shared, dry: false });
    } catch (error) {
      await thread.close();
      throw error;
    }
    thread.onLost = (error) => {
      this.#open = undefined;
      this.#holdBack(error);
    };
    return { thread, found, print };
  }

  /** The files of the connector have changed since its thread was started, and nothing is under way in it. */
  async #outdated({ thread, found, print }: Open): Promise<boolean> {
    const nowMs = this.#options.clock.monotonic();
    if (found.watched === undefined || thread.busy || nowMs - this.#lookedAtMs < LOOK_MS) return false;
    this.#lookedAtMs = nowMs;
    return (await fingerprint(found)) !== print;
  }

  #holdBack(error: SluiceError): void {
    const backoffMs = Math.min(BACKOFF_MS * 2 ** this.#failures++, BACKOFF_MS_MAX);
    this.#notBeforeMs = this.#options.clock.monotonic() + backoffMs;
    this.#settle('error', error, {});
    this.#options.logger.warn({ endpoint: this.#options.name, code: error.code, backoffMs }, 'an endpoint failed');
  }

  #settle(
    state: EndpointStatus['state'],
    error: SluiceError | null,
    more: Partial<Pick<EndpointStatus, 'checkedAt' | 'checkMs'>>,
  ): void {
    const since = state === this.#status.state ? this.#status.since : this.#options.clock.now();
    const reason = error === null ? null : { code: error.code, message: error.message };
    this.#status = { ...this.#status, ...more, state, reason, since };
  }
}
