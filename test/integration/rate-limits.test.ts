/** Rate limits over several threads: whoever is counted by many at once is still let through exactly as often as allowed. */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { SharedTable } from '#gateway';

const THREADS = 4;
/** Threads run what is built. */
const ENTRY = new URL('../../dist/test/integration/rate-limit-thread.js', import.meta.url);

/** How often each of `keys` callers was allowed, over all threads. */
async function hammer(limit: object, keys: number, asks: number, slots: number): Promise<number[]> {
  if (!existsSync(ENTRY)) throw new Error(`${ENTRY.pathname} is missing: npm run build`);
  const { buffer } = SharedTable.create(slots);
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const spec = { limits: [{ name: 'one', ...limit }] };
  const workerData = { buffer, gate, threads: THREADS, spec, keys, asks, nowMs: 1_000_003 };
  const counts = await Promise.all(
    Array.from({ length: THREADS }, async () => {
      const worker = new Worker(ENTRY, { workerData, execArgv: [] });
      return await new Promise<number[]>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', (code) => reject(new Error(`a thread ended with ${code} before it answered`)));
      });
    }),
  );
  return Array.from({ length: keys }, (_, key) => counts.reduce((sum, count) => sum + (count[key] as number), 0));
}

describe.each([['token_bucket'], ['sliding_window']])('%s over several threads', (algorithm) => {
  test('allows one contended caller exactly its limit', async () => {
    const limit = { algorithm, limit: 50_000, window_s: 3600 };
    expect(await hammer(limit, 1, 100_000, 64)).toEqual([50_000]);
  });

  test('allows many callers, who share locks, exactly theirs', async () => {
    const limit = { algorithm, limit: 97, window_s: 60 };
    // In 4,096 sets of eight, 500 callers leave no set full.
    expect(await hammer(limit, 500, 100_000, 32_768)).toEqual(new Array(500).fill(97));
  });

  test('counts all that is allowed and no more while nothing is refused', async () => {
    const limit = { algorithm, limit: 1_000_000, window_s: 60 };
    expect(await hammer(limit, 3, 30_000, 64)).toEqual(new Array(3).fill((THREADS * 30_000) / 3));
  });
});
