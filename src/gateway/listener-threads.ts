/**
 * The listener threads as one: started together, told together, and closed in order. Called by the gateway.
 *
 *   starting ── all `listening` ──▶ running ── `close` to each ──▶ each runs out ──▶ closed
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Logger, SluiceError } from '#kernel';
import type { MainLink } from './link.ts';
import type { FromListener, GatewayTable, ListenerSettings, ToListener } from './table.ts';

const ENTRY = fileURLToPath(new URL('./proxy/entry.js', import.meta.url));
/** Large enough that what a thousand requests under way hold is not copied again and again. */
const YOUNG_MIB = 64;

interface Thread {
  readonly worker: Worker;
  readonly ready: Promise<boolean>;
  readonly exited: Promise<unknown>;
}

interface Waiting {
  readonly version: number;
  left: number;
  resolve(): void;
}

export class ListenerThreads {
  readonly #threads: Thread[] = [];
  readonly #link: MainLink;
  readonly #logger: Logger;
  readonly #waiting = new Set<Waiting>();

  private constructor(link: MainLink, logger: Logger) {
    this.#link = link;
    this.#logger = logger;
  }

  /** @throws CONFIG_INVALID when the address cannot be bound */
  static async start(
    count: number,
    settings: ListenerSettings,
    link: MainLink,
    logger: Logger,
  ): Promise<ListenerThreads> {
    const threads = new ListenerThreads(link, logger);
    for (let i = 0; i < count; i++) threads.#threads.push(threads.#open(settings));
    const ready = await Promise.all(threads.#threads.map((thread) => thread.ready));
    if (ready.every(Boolean)) return threads;
    await threads.close(0);
    throw new SluiceError('CONFIG_INVALID', `the gateway cannot listen on ${settings.host} port ${settings.port}`);
  }

  #open(settings: ListenerSettings): Thread {
    const worker = new Worker(ENTRY, { workerData: settings, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB } });
    const post = (message: ToListener) => worker.postMessage(message);
    let told: (listening: boolean) => void = () => undefined;
    const ready = new Promise<boolean>((resolve) => {
      told = resolve;
    });
    worker.on('message', (message: FromListener) => {
      if (message.kind === 'listening' || message.kind === 'refused') told(message.kind === 'listening');
      else if (message.kind === 'applied') this.#applied(message.version);
      else this.#link.received(message, post);
    });
    this.#link.started(post);
    worker.on('error', (error) => {
      told(false);
      this.#logger.error({ err: error }, 'a listener thread of the gateway ended');
    });
    const exited = once(worker, 'exit').finally(() => this.#link.ended(post));
    return { worker, ready, exited };
  }

  tell(message: ToListener): void {
    for (const { worker } of this.#threads) worker.postMessage(message);
  }

  /** Resolves when every thread goes by the table. */
  apply(table: GatewayTable): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add({ version: table.version, left: this.#threads.length, resolve });
      this.tell({ kind: 'table', table });
    });
  }

  #applied(version: number): void {
    for (const waiting of this.#waiting) {
      if (waiting.version !== version || --waiting.left > 0) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  async close(graceMs: number): Promise<void> {
    this.tell({ kind: 'close', graceMs });
    await Promise.all(this.#threads.map(({ exited }) => exited));
  }
}

/**
 * The port, or a free one for 0. Threads share their port, and the system would let them share it with another program of
 * the same user as well; so it is first taken for oneself. @throws CONFIG_INVALID when it is taken
 */
export function takeFreePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      reject(new SluiceError('CONFIG_INVALID', `the gateway cannot listen on ${host} port ${port}`, {}, error));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}
