/**
 * The cursor of live reads. Caches between readers and the server put requests for the same address together; the cursor,
 * which readers echo as `?cursor=`, changes with time so that no cache answers the same empty page for ever. It counts
 * intervals of twenty seconds since an epoch of the protocol, and never goes back for a reader.
 */
const EPOCH_MS = Date.UTC(2024, 9, 9);
const INTERVAL_MS = 20_000;
/** Up to an hour, so that readers that share a cursor fall apart. */
const JITTER_MAX = 180;
const CURSOR = /^\d{1,12}$/;

/** The cursor for an answer: the present one, or one beyond the reader's own where that is not behind. */
export function nextCursor(nowMs: number, readers: string | undefined, random = Math.random): number {
  const current = Math.floor((nowMs - EPOCH_MS) / INTERVAL_MS);
  if (readers === undefined || !CURSOR.test(readers)) return current;
  const seen = Number(readers);
  return seen < current ? current : seen + 1 + Math.floor(random() * JITTER_MAX);
}
