/**
 * One worker thread of sync and the calls under way in it. A call that takes too long ends the thread, as do too much memory and
 * an exception nobody caught: all its calls fail with a code that says so. It does not come back; whoever needed it tries again
 * with another. Used by both halves of a job, and for work on the side (`withThread`).
 */
import { Worker } from 'node:worker_threads';
import type { Opening } from '#connector';
import { asSluiceError, type Limits, SluiceError } from '#kernel';
import type { Answer, Call, CallName, Calls, Keep, Kept } from '../worker/protocol.ts';

const MIB = 1024 * 1024;
/** Most of what a batch makes is garbage at its end; with less of it much would be copied first. */
const YOUNG_GENERATION_MIB = 64;
/** A connection that takes longer to say good-bye is cut. */
const CLOSE_MS = 2_000;
const ENTRY = new URL('../worker/entry.js', import.meta.url);

/** A declared endpoint, as far as a thread with a connection of its own needs it. */
export interface Connecting {
  opening(): Promise<Opening>;
  /** Keeps what its system has replaced. */
  keep(replaced: Keep['replaced']): Promise<void>;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  readonly timer: NodeJS.Timeout | undefined;
}

export class SyncThread {
  readonly #name: string;
  readonly #limits: Limits;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended: SluiceError | undefined;
  #endpoint: Connecting | undefined;
  #source: Connecting | undefined;

  /** @param name of whom it works for, in messages */
  constructor(name: string, limits: Limits) {
    this.#name = name;
    this.#limits = limits;
    this.#worker = new Worker(ENTRY, {
      name: `sync ${name}`,
      resourceLimits: {
        maxOldGenerationSizeMb: Math.ceil(limits.syncHeapBytesMax / MIB),
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
      },
      // What a connector prints must not become part of a command's answer.
      stdout: true,
    });
    this.#worker.stdout.resume();
    this.#worker.on('message', (message: Answer | Keep) => {
      if ('keep' in message) void this.#keep(message);
      else this.#take(message);
    });
    this.#worker.on('error', (error) => this.#lose(error));
    this.#worker.on('exit', (code) => this.#lose(new Error(`it ended with code ${code}`)));
  }

  /**
   * @param limitMs how long it may take; 0: as long as it likes
   * @throws what the thread answers; CONNECTOR_TIMEOUT, CONNECTOR_FAILED when it ends
   */
  call<Name extends CallName>(
    name: Name,
    input: Calls[Name]['input'],
    limitMs: number = this.#limits.syncCallMs,
  ): Promise<Calls[Name]['output']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const late = () => this.#end(this.#failure('CONNECTOR_TIMEOUT', `took longer than it may over ${name}`));
      const timer = limitMs === 0 ? undefined : setTimeout(late, limitMs);
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      this.#worker.postMessage({ id, name, input } satisfies Call);
    });
  }

  /** Closes its connection if that can be done in time, and ends it; calls under way fail. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.call('close', null, 0).catch(() => undefined), late]);
    clearTimeout(timer);
    this.#end(new SluiceError('SHUTTING_DOWN', `the thread of ${this.#name} was closed`));
    await this.#worker.terminate();
  }

  /** Connects to an endpoint. @throws what is wrong */
  async open(endpoint: Connecting): Promise<void> {
    this.#endpoint = endpoint;
    await this.call('open', await endpoint.opening(), this.#limits.connectorCallMs);
  }

  /** And to the source beside it, for comparing. @throws what is wrong */
  async openSource(source: Connecting): Promise<void> {
    this.#source = source;
    await this.call('openSource', await source.opening(), this.#limits.connectorCallMs);
  }

  async #keep({ keep, source, replaced }: Keep): Promise<void> {
    const failure = await (source ? this.#source : this.#endpoint)?.keep(replaced).then(
      () => null,
      (error: unknown) => asSluiceError(error).message,
    );
    this.#worker.postMessage({ kept: keep, failure: failure ?? null } satisfies Kept);
  }

  #take(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    this.#pending.delete(answer.id);
    clearTimeout(pending.timer);
    if (answer.ok) pending.resolve(answer.value);
    else pending.reject(new SluiceError(answer.code, answer.message, answer.details));
  }

  #lose(error: Error): void {
    const memory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
    const why = memory ? `took more than ${this.#limits.syncHeapBytesMax} bytes of memory` : error.message;
    this.#end(this.#failure('CONNECTOR_FAILED', why, memory));
  }

  #failure(code: 'CONNECTOR_TIMEOUT' | 'CONNECTOR_FAILED', why: string, memory = false): SluiceError {
    return new SluiceError(code, `the thread of ${this.#name}: ${why}`, { memory });
  }

  #end(error: SluiceError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#pending.clear();
    void this.#worker.terminate();
  }
}

/** A thread with a connection, for as long as the work takes. @param endpoint undefined: it needs none */
export async function withThread<T>(
  name: string,
  limits: Limits,
  endpoint: Connecting | undefined,
  work: (thread: SyncThread) => Promise<T>,
): Promise<T> {
  const thread = new SyncThread(name, limits);
  try {
    if (endpoint !== undefined) await thread.open(endpoint);
    return await work(thread);
  } finally {
    await thread.close();
  }
}
