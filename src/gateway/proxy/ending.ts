/**
 * The end of a request, however it ended: counted, recorded, and told to the policies that wish to know. Called once by
 * whoever answered it, an exchange or a tunnel.
 */
import type { Outcome } from '../policy.ts';
import { spanText } from '../records/span-text.ts';
import type { ListenerHost, LiveRoute } from './live-table.ts';
import type { RequestHead } from './request-head.ts';

const SWITCHED = 101;

function routeOf(live: LiveRoute | undefined): { name: string; path: string } | undefined {
  return live && { name: live.named.name, path: live.named.spec.path };
}

/** What the one who answered knows. The times are reckoned here, and written into it: a copy would cost more than they do. */
export type Ending = Omit<Outcome, 'beganAt' | 'elapsedMs'> & { beganAt: number; elapsedMs: number };

/** @param startedAt by the monotonic clock @param live undefined: no route took it */
export function requestEnded(
  host: ListenerHost,
  head: RequestHead,
  live: LiveRoute | undefined,
  startedAt: number,
  ending: Ending,
): void {
  const elapsedMs = host.clock.monotonic() - startedAt;
  if (ending.upstream !== undefined && ending.upstreamMs !== undefined) {
    host.stats.answered(ending.upstream, ending.upstreamMs);
  }
  if (live === undefined) host.stats.refused();
  // Of a WebSocket it is the time until it was open that tells how quick the gateway is.
  else live.stats.ended(ending, ending.status === SWITCHED ? (ending.upstreamMs ?? 0) : elapsedMs);
  const enders = live?.plan.enders ?? [];
  const recorded = host.recorder !== undefined && (live === undefined || live.accessLog !== undefined);
  const traced = host.spans !== undefined && head.trace.sampled;
  if (!recorded && !traced && enders.length === 0) return;
  ending.elapsedMs = elapsedMs;
  ending.beganAt = host.clock.now() - elapsedMs;
  for (const ender of enders) ender.ended(head, ending);
  // Last, so that what policies note at the end is recorded too.
  if (recorded) host.recorder?.ended(head, live?.accessLog, ending, head.trace.traceId);
  if (traced) host.spans?.add(spanText(head.trace, head, routeOf(live), ending));
}
