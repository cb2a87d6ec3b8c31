/**
 * What runs beside the appends: folding the journal into the catalog's `meta`, retention, removal of dead
 * segments, and rewriting of those that are mostly dead or hold superseded keys. One run at a time; each step leaves the store whole.
 *
 *   retention moves a partition's start ─▶ a segment whose ranges are all below it is unlinked
 *   compaction and half-dead segments   ─▶ a new generation is written beside the old one and swapped in
 */
import type { Clock, Counter, Logger, Metrics } from '#kernel';
import type { ProducerSnapshot } from '#log';
import type { Catalog } from './catalog.ts';
import { latestOffsets, rewriteSegment, type SegmentPlan } from './compaction.ts';
import type { GroupCommit } from './group-commit.ts';
import type { LmdbTopic } from './lmdb-log.ts';
import type { LmdbPartition } from './partition.ts';
import type { Segment } from './segment.ts';
import type { Segments } from './segments.ts';

interface MaintenanceParts {
  readonly segments: Segments;
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  topics(): Iterable<LmdbTopic>;
  partition(id: number): LmdbPartition | undefined;
  seal(segment: Segment): void;
}

const INTERVAL_MS = 1_000;
/** The journal is folded when so much time has passed, or so much state has changed. */
const FOLD_MS = 10_000;
const FOLD_BYTES = 64 * 1024 * 1024;
/** A sealed segment is rewritten when less than this part of it is alive. */
const LIVE_MIN = 0.5;
/** Compaction runs when this part of a partition's sealed bytes has not been compacted. */
const DIRTY_MIN = 0.5;
/** A segment in which less than this part belongs to compacted topics is not rewritten for their sake. */
const COMPACTED_MIN = 0.125;

export class Maintenance {
  readonly #parts: MaintenanceParts;
  readonly #timer: NodeJS.Timeout;
  readonly #removed: Counter;
  readonly #rewritten: Counter;
  #running: Promise<void> | undefined;
  #foldedAt = 0;
  #folding: Promise<void> | undefined;
  #sealing = new Set<Promise<void>>();
  #closed = false;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
    this.#foldedAt = parts.clock.monotonic();
    const { metrics } = parts;
    this.#removed = metrics.counter('sluice_log_segments_removed_total', 'Segments removed by retention or deletion');
    this.#rewritten = metrics.counter('sluice_log_segments_rewritten_total', 'Segments rewritten by compaction');
    this.#timer = setInterval(() => {
      if (this.#running === undefined) this.run(false).catch((error: unknown) => this.#warn(error));
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  #warn(error: unknown): void {
    this.#parts.logger.warn({ err: error }, 'maintenance did not finish; it will be tried again');
  }

  /** A segment's summary is being written; a run or a close waits for it. */
  sealing(work: Promise<void>): void {
    this.#sealing.add(work);
    void work.finally(() => this.#sealing.delete(work));
    // Retention is by segment, so a new sealed one is the moment to look.
    void work
      .then(() => (this.#running === undefined && !this.#closed ? this.run(false) : undefined))
      .catch((e: unknown) => this.#warn(e));
  }

  /** One pass. `thorough` closes the active segment first and compacts whatever can be. */
  async run(thorough: boolean): Promise<void> {
    await this.paused(async () => {
      if (this.#closed) return;
      if (thorough) await this.sealActive();
      if (thorough || this.#isFoldDue()) await this.#fold();
      await this.#applyRetention();
      await this.#compact(thorough);
      await this.#removeDead();
    });
  }

  /** State that changes over and over is folded the less often the better: only its last value costs anything. */
  #isFoldDue(): boolean {
    const { catalog, clock } = this.#parts;
    return clock.monotonic() - this.#foldedAt >= FOLD_MS || catalog.unfoldedBytes >= FOLD_BYTES;
  }

  async #fold(): Promise<void> {
    await this.#parts.catalog.fold();
    this.#foldedAt = this.#parts.clock.monotonic();
  }

  /** There is more unfolded state than there may be. */
  foldSoon(): void {
    this.#folding ??= this.#fold()
      .catch((error: unknown) => this.#warn(error))
      .finally(() => {
        this.#folding = undefined;
      });
  }

  /** Runs `work` while no pass is under way and none begins. */
  async paused<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    const running = work();
    this.#running = running.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Everything durable so far is in sealed segments afterwards. */
  async sealActive(): Promise<void> {
    const { commits, segments } = this.#parts;
    await commits.roll();
    await Promise.all(this.#sealing);
    for (const segment of segments.list.slice(0, -1)) if (!segment.sealed) this.#parts.seal(segment);
    await Promise.all(this.#sealing);
  }

  async #applyRetention(): Promise<void> {
    const now = this.#parts.clock.now();
    const trims: Promise<void>[] = [];
    for (const topic of this.#parts.topics()) {
      const { retentionMs, retentionBytes, cleanup } = topic.config;
      if (cleanup === 'compact' || (retentionMs === null && retentionBytes === null)) continue;
      for (const partition of topic.partitions) {
        let bytes = partition.bytes;
        let start = partition.start;
        for (const { segment, range } of partition.ranges) {
          if (!segment.sealed) break;
          const tooOld = retentionMs !== null && range.maxTimestamp < now - retentionMs;
          const tooMuch = retentionBytes !== null && bytes - range.bytes >= retentionBytes;
          if (!tooOld && !tooMuch) break;
          bytes -= range.bytes;
          start = range.next;
        }
        if (start > partition.start) trims.push(partition.trim(start));
      }
    }
    await Promise.all(trims);
  }

  #isDead(partitionId: number, next: number): boolean {
    const partition = this.#parts.partition(partitionId);
    return partition === undefined || next <= partition.start;
  }

  async #removeDead(): Promise<void> {
    const { segments, catalog } = this.#parts;
    for (const segment of segments.list.slice(0, -1)) {
      if (!segment.sealed) continue;
      if (![...segment.ranges].every(([id, range]) => this.#isDead(id, range.next))) continue;
      // What made them dead, and what the segment's journal says, must outlive the file.
      if (catalog.hasChanges) await catalog.fold();
      await catalog.keepProducers(this.#producersOf(segment));
      await segments.remove(segment);
      this.#removed.add();
    }
  }

  #producersOf(segment: Segment): [number, ProducerSnapshot][] {
    return [...segment.ranges.keys()].flatMap((id) => {
      const snapshot = this.#parts.partition(id)?.storedProducers.snapshot() ?? [];
      return snapshot.length === 0 ? [] : [[id, snapshot] satisfies [number, ProducerSnapshot]];
    });
  }

  async #compact(thorough: boolean): Promise<void> {
    const { segments, clock } = this.#parts;
    const topics = [...this.#parts.topics()].filter(({ config }) => config.cleanup === 'compact');
    const compacted = new Set(topics.flatMap(({ partitions }) => partitions.map(({ id }) => id)));
    const sealed = segments.list.slice(0, -1).filter((segment) => segment.sealed);
    const worthwhile = new Set(sealed.filter((segment) => thorough || shareOf(segment, compacted) >= COMPACTED_MIN));
    const latest = new Map<number, ReadonlyMap<string, number>>();
    const tombstoneLimits = new Map<number, number>();
    for (const { config, partitions } of topics) {
      for (const partition of partitions) {
        if (!isDirty(partition, worthwhile, thorough)) continue;
        latest.set(partition.id, await latestOffsets(partition));
        // A tombstone stays as long as a value that it deletes may be in a segment that is left alone.
        const isWhole = partition.ranges.every(({ segment }) => worthwhile.has(segment) || segment === segments.active);
        if (isWhole) tombstoneLimits.set(partition.id, clock.now() - config.tombstoneMs);
      }
    }
    for (const segment of sealed) {
      const plan: SegmentPlan = {
        isDead: (id, next) => this.#isDead(id, next),
        latest: (id) => latest.get(id),
        tombstonesBefore: (id) => tombstoneLimits.get(id) ?? 0,
        compactedAt: clock.now(),
      };
      const hasKeys = worthwhile.has(segment) && [...segment.ranges.keys()].some((id) => latest.has(id));
      if (hasKeys || this.#liveShare(segment) < LIVE_MIN) await this.#rewrite(segment, plan);
    }
  }

  /** 1 for a segment that is wholly dead: it is removed, not rewritten. */
  #liveShare(segment: Segment): number {
    let all = 0;
    let live = 0;
    for (const [id, range] of segment.ranges) {
      all += range.bytes;
      if (!this.#isDead(id, range.next)) live += range.bytes;
    }
    return live === 0 || all === 0 ? 1 : live / all;
  }

  async #rewrite(old: Segment, plan: SegmentPlan): Promise<void> {
    const { segments, catalog } = this.#parts;
    if (catalog.hasChanges) await catalog.fold();
    const rewritten = await rewriteSegment(old, segments.at(old.id, old.generation + 1), plan);
    for (const [id, range] of rewritten.ranges) {
      const partition = this.#parts.partition(id);
      const index = partition?.ranges.findIndex(({ segment }) => segment === old) ?? -1;
      if (partition !== undefined && index !== -1) partition.ranges[index] = { segment: rewritten, range };
    }
    await segments.replace(old, rewritten);
    this.#rewritten.add();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closed = true;
    await this.paused(async () => undefined);
    await Promise.all(this.#sealing);
  }
}

/** How much of a segment's bytes is of these partitions. */
function shareOf(segment: Segment, partitions: ReadonlySet<number>): number {
  let bytes = 0;
  for (const [id, range] of segment.ranges) if (partitions.has(id)) bytes += range.bytes;
  return segment.bytes === 0 ? 0 : bytes / segment.bytes;
}

/** Whether enough of what the partition has in these segments was not compacted yet. */
function isDirty(partition: LmdbPartition, worthwhile: ReadonlySet<Segment>, thorough: boolean): boolean {
  let sealed = 0;
  let dirty = 0;
  for (const { segment, range } of partition.ranges) {
    if (!worthwhile.has(segment)) continue;
    sealed += range.bytes;
    if (segment.compactedAt === 0) dirty += range.bytes;
  }
  return sealed > 0 && (thorough || dirty / sealed >= DIRTY_MIN);
}
