/** Upkeep of a store of many topics: what shares its segments with a compacted topic is not written again for its sake. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { openLmdbLog } from '#engine-lmdb';
import { ManualClock, Metrics, resolveLimits, silentLogger } from '#kernel';
import { waitFor } from '#kit';
import type { Log, Partition } from '#log';
import { encodeBatch, iterateBatches, iterateRecords } from '#record';

const KIB = 1024;
const LIMITS = { segmentBytes: 256 * KIB, batchBytesMax: 64 * KIB, recordBytesMax: 32 * KIB };
const REWRITTEN = 'sluice_log_segments_rewritten_total';
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

interface Store {
  readonly log: Log;
  readonly clock: ManualClock;
  readonly keyed: Partition;
  readonly bulk: Partition;
  /** Files of segments, as `id.generation`. */
  files(): string[];
  rewritten(): number;
}

async function openStore(): Promise<Store> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-maintenance-'));
  const metrics = new Metrics();
  const clock = new ManualClock(1_000_000);
  const log = await openLmdbLog({ directory, limits: resolveLimits(LIMITS), clock, logger: silentLogger, metrics });
  cleanups.push(async () => {
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const keyed = await log.createTopic('keyed', { partitions: 1, cleanup: 'compact', tombstoneMs: 0 });
  const bulk = await log.createTopic('bulk', { partitions: 1 });
  return {
    log,
    clock,
    keyed: keyed.partitions[0] as Partition,
    bulk: bulk.partitions[0] as Partition,
    files: () =>
      readdirSync(join(directory, 'segments')).flatMap((name) => /^0*(\d+\.\d+)\.mdb$/.exec(name)?.[1] ?? []),
    rewritten: () => metrics.counter(REWRITTEN, '').value,
  };
}

async function put(partition: Partition, key: string | null, value: Uint8Array | null, clock: ManualClock) {
  const record = { key: key === null ? null : Buffer.from(key), value, timestamp: clock.now() };
  await partition.append(encodeBatch([record]));
}

/** Appends to `partition` until `count` more segments have been begun. */
async function fill(store: Store, partition: Partition, count: number, key: string | null = null): Promise<void> {
  const begun = () => Math.max(...store.files().map((file) => Number.parseInt(file, 10)));
  const value = new Uint8Array(16 * KIB).fill(65);
  for (const wanted = begun() + count; begun() < wanted; ) await put(partition, key, value, store.clock);
}

it('leaves a segment alone of which only a little belongs to a compacted topic', async () => {
  const store = await openStore();
  await put(store.keyed, 'a', Buffer.from('1'), store.clock);
  await fill(store, store.bulk, 5);
  expect(store.rewritten()).toBe(0);
  expect(store.files().filter((file) => !file.endsWith('.1'))).toEqual([]);
});

it('keeps a tombstone while the value it deletes is in a segment that was left alone', async () => {
  const store = await openStore();
  await put(store.keyed, 'gone', Buffer.from('old'), store.clock);
  await fill(store, store.bulk, 2);
  await put(store.keyed, 'gone', null, store.clock);
  store.clock.advance(60_000);
  await fill(store, store.keyed, 3, 'other');
  await waitFor(() => store.rewritten() > 0, { what: 'the segments of the compacted topic to be rewritten' });
  const last = new Map<string, Uint8Array | null>();
  const cursor = store.keyed.cursor(store.keyed.start);
  for (let chunk = cursor.next(KIB * KIB); chunk !== null; chunk = cursor.next(KIB * KIB)) {
    for (const { at } of iterateBatches(chunk.bytes)) {
      for (const { key, value } of iterateRecords(chunk.bytes, at)) last.set(Buffer.from(key ?? '').toString(), value);
    }
  }
  expect([...last.keys()].length).toBe(2);
  expect(last.get('gone')).toBeNull();
});
