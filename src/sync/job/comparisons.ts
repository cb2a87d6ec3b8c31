/**
 * Comparisons of both ends of jobs, one at a time for each job, in the background: the newest of each job can be asked for. They work
 * on threads of their own with connections of their own, beside what the job does. Called by `../sync.ts`.
 */
import { asSluiceError, SluiceError } from '#kernel';
import type { StreamComparison } from '../worker/protocol.ts';
import type { Job } from './job.ts';
import type { SyncParts } from './parts.ts';
import type { Reason } from './patience.ts';
import { targetInput } from './target-input.ts';
import { type SyncThread, withThread } from './thread.ts';

const PAGE_RECORDS = 5_000;
/** So long a record may be on its way. */
const SETTLE_MS = 2_000;

export interface ComparisonState {
  readonly state: 'running' | 'done' | 'failed';
  readonly repair: boolean;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Why it failed. */
  readonly reason: Reason | null;
  /** No record differs at the end. */
  readonly equal: boolean;
  readonly streams: readonly StreamComparison[];
}

export class Comparisons {
  readonly #parts: SyncParts;
  readonly #newest = new Map<string, ComparisonState>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #threads = new Set<SyncThread>();

  constructor(parts: SyncParts) {
    this.#parts = parts;
  }

  of(name: string): ComparisonState | undefined {
    return this.#newest.get(name);
  }

  forget(name: string): void {
    this.#newest.delete(name);
  }

  /** @throws SYNC_RUN_UNDER_WAY for a second one, or a repair beside the job at work; REQUEST_INVALID where there is nothing to compare */
  start(job: Job, repair: boolean): void {
    const { name, spec } = job;
    if (this.#newest.get(name)?.state === 'running') {
      throw new SluiceError('SYNC_RUN_UNDER_WAY', `a comparison of ${name} is under way`);
    }
    if (spec.source.endpoint === undefined || spec.target.endpoint === undefined || spec.mode === 'append') {
      throw new SluiceError(
        'REQUEST_INVALID',
        `${name} appends, or one of its ends is a topic: there is nothing to compare`,
      );
    }
    const held = job.state === 'paused' || job.state === 'stopped';
    if (repair && !held) {
      throw new SluiceError('SYNC_RUN_UNDER_WAY', `${name} is ${job.state}: pause it before its target is repaired`);
    }
    const atRest = held || (job.state === 'idle' && job.target.lag() === 0);
    const started: ComparisonState = {
      state: 'running',
      repair,
      startedAt: this.#parts.clock.now(),
      endedAt: null,
      reason: null,
      equal: false,
      streams: [],
    };
    this.#newest.set(name, started);
    const work = this.#run(job, started, atRest ? 0 : SETTLE_MS).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** Breaks off what is under way. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#threads, (thread) => thread.close()));
    await Promise.all(this.#underWay);
  }

  async #run(job: Job, started: ComparisonState, settleMs: number): Promise<void> {
    const { name } = job;
    const { clock, logger } = this.#parts;
    const end = (more: Partial<ComparisonState>) => {
      if (this.#newest.has(name)) this.#newest.set(name, { ...started, endedAt: clock.now(), ...more });
    };
    try {
      const streams = await this.#compare(job, started.repair, settleMs);
      const equal = streams.every((one) => one.missing + one.extra + one.different === 0 && one.complete);
      end({ state: 'done', streams, equal });
    } catch (error) {
      const { code, message } = asSluiceError(error);
      logger.warn({ job: name, code, message }, 'a comparison of a sync job failed');
      end({ state: 'failed', reason: { code, message } });
    }
  }

  #compare({ name, spec, partitions }: Job, repair: boolean, settleMs: number): Promise<StreamComparison[]> {
    const { endpoints, limits } = this.#parts;
    const target = endpoints.get(spec.target.endpoint as string);
    return withThread(`${name} (comparison)`, limits, target, async (thread) => {
      this.#threads.add(thread);
      try {
        await thread.openSource(endpoints.get(spec.source.endpoint as string));
        await thread.call('target', targetInput(name, spec, this.#parts, partitions));
        const streams: StreamComparison[] = [];
        for (const { from } of spec.streams) {
          streams.push(await thread.call('compare', { stream: from, pageRecords: PAGE_RECORDS, settleMs, repair }, 0));
        }
        return streams;
      } finally {
        this.#threads.delete(thread);
      }
    });
  }
}
