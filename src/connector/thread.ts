/**
 * One worker thread with one connector in it. A call that takes too long ends the thread, as do too much memory, an exception
 * nobody caught and `process.exit`: all calls under way fail with a code that says so, and nothing else is touched. The thread
 * does not come back; `endpoint.ts` starts another.
 */
import { Worker } from 'node:worker_threads';
import { asSluiceError, type Limits, SluiceError } from '#kernel';
import type { Found } from './found.ts';
import type { Answer, Call, CallName, Calls, Keep, Kept, WorkerSetup } from './worker/protocol.ts';

const MIB = 1024 * 1024;
/** A connection that takes longer to say good-bye is cut. */
const CLOSE_MS = 2_000;
const ENTRY = new URL('./worker/entry.js', import.meta.url);
const CONTRACT = new URL('./index.js', import.meta.url).href;

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  readonly timer: NodeJS.Timeout;
}

/** What a thread needs to load a connector. */
export function setupOf({ name, module, origin }: Found): WorkerSetup {
  return { name, module, contract: origin === 'sluice' ? null : CONTRACT };
}

export class ConnectorThread {
  readonly #name: string;
  readonly #limits: Limits;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended: SluiceError | undefined;
  /** Called once, when the thread has ended without being asked to. */
  onLost: ((error: SluiceError) => void) | undefined;
  /** Keeps secrets that the system has replaced, by their paths. */
  onKeep: ((replaced: Keep['replaced']) => Promise<void>) | undefined;

  constructor(found: Found, limits: Limits) {
    const { name } = found;
    this.#name = name;
    this.#limits = limits;
    this.#worker = new Worker(ENTRY, {
      workerData: setupOf(found),
      name: `connector ${name}`,
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(limits.connectorHeapBytesMax / MIB) },
      // What a connector prints must not become part of a command's answer.
      stdout: true,
    });
    this.#worker.stdout.resume();
    this.#worker.on('message', (message: Answer | Keep) => {
      if ('keep' in message) void this.#keep(message);
      else this.#take(message);
    });
    this.#worker.on('error', (error) => this.#lose(error));
    this.#worker.on('exit', (code) => this.#lose(new Error(`it ended its thread with code ${code}`)));
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  get busy(): boolean {
    return this.#pending.size > 0;
  }

  /** @throws what the connector answers; CONNECTOR_TIMEOUT, CONNECTOR_FAILED when the thread ends; LIMIT_EXCEEDED */
  call<Name extends CallName>(name: Name, input: Calls[Name]['input']): Promise<Calls[Name]['output']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#pending.size >= this.#limits.connectorCallsMax) {
      const message = `connector ${this.#name} has ${this.#pending.size} calls under way`;
      return Promise.reject(new SluiceError('LIMIT_EXCEEDED', message));
    }
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const late = () => this.#end(this.#failure('CONNECTOR_TIMEOUT', `took longer than it may over ${name}`), true);
      const timer = setTimeout(late, this.#limits.connectorCallMs);
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      this.#worker.postMessage({ id, name, input } satisfies Call);
    });
  }

  /** Closes its connection if that can be done in time, and ends the thread. */
  async close(): Promise<void> {
    this.onLost = undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.call('close', null).catch(() => undefined), late]);
    clearTimeout(timer);
    this.#end(new SluiceError('SHUTTING_DOWN', `connector ${this.#name} was closed`), false);
    await this.#worker.terminate();
  }

  #take(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    this.#pending.delete(answer.id);
    clearTimeout(pending.timer);
    if (answer.ok) pending.resolve(answer.value);
    else pending.reject(new SluiceError(answer.code, answer.message, answer.details));
  }

  async #keep({ keep, replaced }: Keep): Promise<void> {
    let failure: Kept['failure'] = null;
    try {
      if (this.onKeep === undefined) throw new SluiceError('ENDPOINT_UNSUPPORTED', 'nothing can be kept here');
      await this.onKeep(replaced);
    } catch (error) {
      const { code, message } = asSluiceError(error);
      failure = { code, message };
    }
    this.#worker.postMessage({ kept: keep, failure } satisfies Kept);
  }

  #lose(error: Error): void {
    const memory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
    const why = memory ? `took more than ${this.#limits.connectorHeapBytesMax} bytes of memory` : error.message;
    this.#end(this.#failure('CONNECTOR_FAILED', why), true);
  }

  #failure(code: 'CONNECTOR_TIMEOUT' | 'CONNECTOR_FAILED', why: string): SluiceError {
    return new SluiceError(code, `connector ${this.#name} ${why}`, { connector: this.#name });
  }

  #end(error: SluiceError, lost: boolean): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#pending.clear();
    void this.#worker.terminate();
    if (lost) this.onLost?.(error);
  }
}
