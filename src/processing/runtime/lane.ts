/**
 * One worker thread and the jobs that wait for it. A lane runs one job at a time, in the order they came; a job that
 * takes longer than it may, or a thread that runs out of memory or dies, fails that job alone, and a new thread takes
 * the place of the old one. What the old one held is gone: its jobs answer `unknown` until they are prepared again.
 *
 * A lane is a Piscina of one thread: it has to be known which thread holds an instance.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as PiscinaModule from 'piscina';
import type { Piscina } from 'piscina';
import { type ErrorCode, type Logger, SluiceError } from '#kernel';
import type { ReaderSource } from '#log';
import { NOTHING_RUNS, type WorkerSetup } from '../worker/protocol.ts';

const require = createRequire(import.meta.url);
const ENTRY = fileURLToPath(new URL('../worker/entry.js', import.meta.url));
const MIB = 1024 * 1024;
/** Most of what a run makes is garbage at its end; with the default of 16 much of it would be copied first. */
const YOUNG_GENERATION_MIB = 64;

export interface LaneOptions {
  readonly index: number;
  readonly reader: ReaderSource;
  /** Of the thread's heap. */
  readonly heapBytesMax: number;
  readonly logger: Logger;
}

/** The thread ended under a job. `input` and `offset` are what it was at; -1 where that was no record. */
export class LaneFailure extends Error {
  readonly code: ErrorCode;
  readonly input: number;
  readonly offset: number;

  constructor(code: ErrorCode, message: string, input: number, offset: number) {
    super(message);
    this.name = 'LaneFailure';
    this.code = code;
    this.input = input;
    this.offset = offset;
  }
}

interface Waiting {
  readonly job: string;
  readonly payload: unknown;
  readonly limitMs: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class Lane {
  readonly index: number;
  readonly #pool: Piscina;
  readonly #progress: Float64Array;
  readonly #logger: Logger;
  readonly #heapBytesMax: number;
  readonly #queue: Waiting[] = [];
  #running = false;
  #closed = false;
  /** Counts the threads this lane has had; what was prepared on an earlier one is gone. */
  generation = 0;
  /** Milliseconds in which a job was running. */
  busyMs = 0;

  constructor({ index, reader, heapBytesMax, logger }: LaneOptions) {
    this.index = index;
    this.#logger = logger;
    this.#heapBytesMax = heapBytesMax;
    const progress = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT);
    this.#progress = new Float64Array(progress);
    const setup: WorkerSetup = { reader, progress };
    // Loaded with the first lane: a server without processors has none.
    const { Piscina: Pool } = require('piscina') as typeof PiscinaModule;
    this.#pool = new Pool({
      filename: ENTRY,
      minThreads: 1,
      maxThreads: 1,
      atomics: 'disabled',
      workerData: setup,
      resourceLimits: {
        maxOldGenerationSizeMb: Math.ceil(heapBytesMax / MIB),
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
      },
      recordTiming: false,
    });
    // A thread that dies without a job is replaced like any other.
    this.#pool.on('error', (error) => this.#lost(error));
  }

  get queued(): number {
    return this.#queue.length + (this.#running ? 1 : 0);
  }

  /** @throws LaneFailure when the thread ended under the job, SHUTTING_DOWN after `close` */
  run<T>(job: string, payload: unknown, limitMs: number): Promise<T> {
    if (this.#closed) return Promise.reject(new SluiceError('SHUTTING_DOWN', 'the worker threads have ended'));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ job, payload, limitMs, resolve: resolve as (value: unknown) => void, reject });
      void this.#next();
    });
  }

  async #next(): Promise<void> {
    if (this.#running) return;
    const waiting = this.#queue.shift();
    if (waiting === undefined) return;
    this.#running = true;
    const startedAt = performance.now();
    try {
      waiting.resolve(await this.#execute(waiting));
    } catch (error) {
      waiting.reject(error);
    }
    this.busyMs += performance.now() - startedAt;
    this.#running = false;
    void this.#next();
  }

  async #execute({ job, payload, limitMs }: Waiting): Promise<unknown> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), limitMs);
    this.#progress[0] = NOTHING_RUNS;
    try {
      return await this.#pool.run(payload, { name: job, signal: abort.signal });
    } catch (error) {
      const [input = -1, offset = -1] = this.#progress;
      this.#lost(error);
      const [code, message] = this.#reason(error, abort.signal.aborted, limitMs);
      throw new LaneFailure(code, message, Math.max(input, -1), offset);
    } finally {
      clearTimeout(timer);
    }
  }

  #reason(error: unknown, late: boolean, limitMs: number): [ErrorCode, string] {
    if (late) return ['PROCESSOR_TIMEOUT', `it took more than ${limitMs} ms`];
    if ((error as { code?: unknown } | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return ['PROCESSOR_MEMORY', `it took more than ${Math.ceil(this.#heapBytesMax / MIB)} MiB of memory`];
    }
    return ['PROCESSOR_CRASHED', `its thread ended: ${error instanceof Error ? error.message : String(error)}`];
  }

  #lost(error: unknown): void {
    this.generation++;
    if (!this.#closed) this.#logger.warn({ err: error, lane: this.index }, 'a worker thread was lost and replaced');
  }

  /** Ends the thread; jobs that wait are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#queue.splice(0)) {
      reject(new SluiceError('SHUTTING_DOWN', 'the worker threads have ended'));
    }
    await this.#pool.destroy();
  }
}
