/**
 * The main thread's end of the delivery thread. It starts with the first delivery, and again after a fault: what was under
 * way then has failed, like any attempt that broke off. Called by the queues.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Logger } from '#kernel';
import type { NamedUpstream } from '../table.ts';
import type { Delivered, DeliveryRequest } from './delivery.ts';
import type { FromDelivery, ToDelivery } from './entry.ts';

const ENTRY = fileURLToPath(new URL('./entry.js', import.meta.url));

export class DeliveryThread {
  readonly #logger: Logger;
  readonly #waiting = new Map<number, (delivered: Delivered) => void>();
  #worker: Worker | undefined;
  #upstreams: readonly NamedUpstream[] = [];
  #last = 0;
  #closed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  use(upstreams: readonly NamedUpstream[]): void {
    this.#upstreams = upstreams;
    if (this.#worker !== undefined) this.#tell({ kind: 'upstreams', upstreams });
  }

  /** Resolves when the attempt is over, within its time. */
  deliver(upstream: string, request: DeliveryRequest): Promise<Delivered> {
    this.#worker ??= this.#start();
    const number = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      this.#tell({ kind: 'deliver', number, upstream, request }, [request.body.buffer as ArrayBuffer]);
    });
  }

  #tell(message: ToDelivery, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #start(): Worker {
    const worker = new Worker(ENTRY);
    worker.on('message', ({ number, delivered }: FromDelivery) => {
      const resolve = this.#waiting.get(number);
      this.#waiting.delete(number);
      resolve?.(delivered);
    });
    worker.on('error', (error) => {
      this.#logger.error({ err: error }, 'the thread that delivers queued requests ended');
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      if (this.#closed) return;
      for (const resolve of waiting) {
        resolve({ status: undefined, message: 'the attempt broke off', retryAfterMs: undefined });
      }
    });
    worker.postMessage({ kind: 'upstreams', upstreams: this.#upstreams } satisfies ToDelivery);
    return worker;
  }

  /** What is under way is cut, and nobody hears of it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }
}
