/**
 * Group commit of the reference engine: what is accepted in one turn of the event loop becomes durable together in a
 * later one, or, when a failure has been arranged, is taken back together, the newest first.
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { Appended } from './contract.ts';
import type { MemoryAppend, MemoryPartition } from './memory-partition.ts';

interface Waiter {
  readonly appends: readonly MemoryAppend[];
  /** Makes everything else of the commit visible. */
  readonly apply: () => void;
  resolve(results: Appended[]): void;
  reject(error: SluiceError): void;
}

export class MemoryCommits {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly #listeners = new Set<() => void>();
  #waiting: Waiter[] = [];
  #failure: SluiceError | undefined;
  #closed = false;
  pendingBytes = 0;

  constructor(limits: Limits, clock: Clock) {
    this.limits = limits;
    this.clock = clock;
  }

  /** @throws SHUTTING_DOWN */
  checkOpen(): void {
    if (this.#closed) throw new SluiceError('SHUTTING_DOWN', 'the log is closed');
  }

  /** @throws LOG_BUSY */
  admit(bytes: number): void {
    if (this.pendingBytes + bytes <= this.limits.pendingBytesMax) return;
    throw new SluiceError('LOG_BUSY', `${this.pendingBytes} bytes wait to be written`, { pending: this.pendingBytes });
  }

  /** Every commit from the next one on fails with this, until it is undefined again. */
  failWith(error: SluiceError | undefined): void {
    this.#failure = error;
  }

  /** @throws SHUTTING_DOWN, or what the commit failed with */
  async enqueue(appends: readonly MemoryAppend[], apply: () => void = () => undefined): Promise<Appended[]> {
    this.checkOpen();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ appends, apply, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (this.#failure === undefined) this.#succeed(group);
    else takeBack(group, this.#failure);
    for (const listener of this.#listeners) listener();
  }

  #succeed(group: readonly Waiter[]): void {
    const moved = new Set<MemoryPartition>();
    for (const { appends, apply, resolve } of group) {
      for (const { partition, nextOffset, bytes, duplicate } of appends) {
        this.pendingBytes -= bytes;
        if (duplicate) continue;
        partition.durable = nextOffset;
        moved.add(partition);
      }
      apply();
      resolve(appends.map(({ baseOffset, duplicate }) => ({ baseOffset, duplicate })));
    }
    for (const partition of moved) partition.notify();
  }

  onCommit(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Nothing is accepted from here on; resolves when what waits has been answered. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => {
      const end = this.onCommit(() => {
        end();
        resolve();
      });
    });
  }
}

function takeBack(group: readonly Waiter[], error: SluiceError): void {
  for (const { appends, reject } of group.toReversed()) {
    for (const append of appends.toReversed()) append.partition.withdraw(append);
    reject(error);
  }
}
