/**
 * The book of runs: what each run of each job has moved, in `sys.sync.runs`, a compacted topic with a record a run. Written when
 * a run begins and when it ends; the newest of each job are in memory. Called by jobs.
 */
import { decodeUtf8, encodeUtf8, SluiceError } from '#kernel';
import type { CommitRequest, Log, Partition } from '#log';
import { encodeBatch, iterateBatches, iterateRecords } from '#record';
import { RUNS_TOPIC } from './parts.ts';
import type { Reason } from './patience.ts';
import type { RunCause } from './place.ts';

const READ_BYTES = 1024 * 1024;
const RETENTION_MS = 90 * 24 * 3_600_000;
const RETENTION_BYTES = 256 * 1024 * 1024;

export interface Run {
  readonly job: string;
  readonly run: number;
  readonly cause: RunCause;
  readonly state: 'running' | 'done' | 'stopped' | 'failed';
  readonly reason: Reason | null;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Records and bytes that were read. */
  readonly records: number;
  readonly bytes: number;
  readonly written: number;
  readonly deleted: number;
  /** Of those, deleted since they were no longer at the source. */
  readonly swept: number;
  readonly rejected: number;
  readonly ignoredFields: number;
}

type Append = NonNullable<CommitRequest['appends']>[number];

export class Runs {
  readonly #partition: Partition;
  readonly #max: number;
  readonly #now: () => number;
  /** By job, oldest first. */
  readonly #runs = new Map<string, Run[]>();

  private constructor(partition: Partition, max: number, now: () => number) {
    this.#partition = partition;
    this.#max = max;
    this.#now = now;
  }

  static async open(log: Log, max: number, now: () => number): Promise<Runs> {
    if (log.findTopic(RUNS_TOPIC) === undefined) {
      await log.createTopic(RUNS_TOPIC, { retentionMs: RETENTION_MS, retentionBytes: RETENTION_BYTES });
    }
    const runs = new Runs(log.partition(RUNS_TOPIC, 0), max, now);
    runs.#load();
    return runs;
  }

  /** Newest first. */
  of(job: string, limit: number): Run[] {
    return (this.#runs.get(job) ?? []).slice(-limit).reverse();
  }

  last(job: string): Run | undefined {
    return this.#runs.get(job)?.at(-1);
  }

  /** What is to be committed for it; call `keep` when it is. */
  append(run: Run): Append {
    const { job, run: number } = run;
    const record = { key: encodeUtf8(`${job}/${number}`), value: encodeUtf8(JSON.stringify(run)) };
    return { partition: this.#partition, batch: encodeBatch([record], { now: this.#now() }) };
  }

  keep(run: Run): void {
    const known = this.#runs.get(run.job) ?? [];
    const at = known.findIndex((one) => one.run === run.run);
    if (at !== -1) known[at] = run;
    else known.push(run);
    if (known.length > this.#max) known.shift();
    this.#runs.set(run.job, known);
  }

  forget(job: string): void {
    this.#runs.delete(job);
  }

  #load(): void {
    const cursor = this.#partition.cursor(this.#partition.start);
    for (;;) {
      try {
        const chunk = cursor.next(READ_BYTES);
        if (chunk === null) return;
        for (const { at } of iterateBatches(chunk.bytes)) {
          for (const { value } of iterateRecords(chunk.bytes, at)) {
            if (value !== null) this.keep(JSON.parse(decodeUtf8(value)) as Run);
          }
        }
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'BATCH_QUARANTINED') throw error;
        cursor.seek(error.details['next'] as number);
      }
    }
  }
}
