/** What one processor has done since the process began: counted for metrics and for its status. */
import type { Counter, Metrics } from '#kernel';
import type { RunResult } from '../task.ts';

export interface LastError {
  readonly code: string;
  readonly message: string;
  readonly topic: string;
  readonly offset: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

const RATE_WINDOW_MS = 10_000;

export class ProcessorCounts {
  readonly records: Counter;
  readonly bytes: Counter;
  readonly produced: Counter;
  readonly dead: Counter;
  readonly errors: Counter;
  readonly skipped: Counter;
  readonly #runSeconds: Counter;
  lastError: LastError | undefined;
  #windowStartedAt = performance.now();
  #windowRecords = 0;
  #rate = 0;

  constructor(processor: string, metrics: Metrics) {
    const counter = (name: string, help: string) =>
      metrics.counter(`sluice_processor_${name}_total`, help, { processor });
    this.records = counter('records', 'Records processed and committed');
    this.bytes = counter('bytes', 'Bytes of batches processed and committed');
    this.produced = counter('produced_records', 'Records produced and committed');
    this.dead = counter('dead_letters', 'Records given up on');
    this.errors = counter('errors', 'Runs that failed');
    this.skipped = counter('skipped_records', 'Records trimmed before they were read');
    this.#runSeconds = counter('run_seconds', 'Time in which worker threads ran it');
  }

  add({ records, bytesIn, outputs, dead }: RunResult, runMs: number): void {
    this.records.add(records);
    this.bytes.add(bytesIn);
    for (const { count } of outputs) this.produced.add(count);
    this.dead.add(dead.length);
    this.#runSeconds.add(runMs / 1000);
  }

  /** Records a second, over the last ten seconds or more. */
  rate(): number {
    const now = performance.now();
    const elapsedMs = now - this.#windowStartedAt;
    const records = this.records.value - this.#windowRecords;
    if (elapsedMs < RATE_WINDOW_MS) return this.#rate === 0 ? (records * 1000) / Math.max(elapsedMs, 1) : this.#rate;
    this.#rate = (records * 1000) / elapsedMs;
    this.#windowStartedAt = now;
    this.#windowRecords = this.records.value;
    return this.#rate;
  }
}
