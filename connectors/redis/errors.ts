/** What Redis and the way to it report, as coded errors, by the first word of its replies. */
import { SluiceError } from '#connector';

const RETRY_MS = 1_000;
const REFUSED = /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password|ERR DB index)/;
const BUSY = /^(BUSY|LOADING|OOM|TRYAGAIN|ERR max number of clients)/;
const AWAY =
  /^(MASTERDOWN|READONLY|CLUSTERDOWN|Connection is closed|Reached the max retries|connect |getaddrinfo |Socket)/;

/** @param problem what the connection has told last, for errors that only say that it is gone */
export function coded(error: unknown, problem: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const away = (one: unknown) => AWAY.test((one as Error).message) || (one as NodeJS.ErrnoException).code !== undefined;
  const { message } = (away(error) && problem !== undefined ? problem : error) as Error;
  if (REFUSED.test(message)) return new SluiceError('ENDPOINT_REFUSED', message);
  if (BUSY.test(message)) return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  if (away(error)) return new SluiceError('ENDPOINT_UNREACHABLE', message);
  return new SluiceError('ENDPOINT_FAILED', message);
}

/** Why Redis does not take a record; undefined when the error is not about records. */
export function rejection(error: Error): string | undefined {
  return /^(WRONGTYPE|ERR The ID|ERR Invalid stream ID)/.test(error.message) ? error.message : undefined;
}
