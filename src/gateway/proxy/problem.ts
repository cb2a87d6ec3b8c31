/** Answers of the gateway's own, coded refusals as problem documents, and what errors of connections to upstreams mean. */
import type { HttpResponse } from 'uWebSockets.js';
import { answerStatus, endHeadOnly } from '#http1';
import { SluiceError, toProblem } from '#kernel';
import type { WholeAnswer } from '../policy.ts';
import { ConnectFailure } from '../upstream/origin.ts';

const RETRY_AFTER_S = '1';

/** Must be called in a cork. @param extra names and values of further headers */
export function writeProblem(
  res: HttpResponse,
  error: SluiceError,
  method: string,
  close: boolean,
  extra: readonly string[] = [],
): void {
  const body = JSON.stringify(toProblem(error));
  res.writeStatus(answerStatus(error.status)).writeHeader('content-type', 'application/problem+json');
  // What a policy said is more to the point.
  if (error.code === 'UNAUTHENTICATED' && !extra.includes('www-authenticate')) {
    res.writeHeader('www-authenticate', 'Bearer realm="sluice"');
  }
  if (error.code === 'METHOD_NOT_ALLOWED') res.writeHeader('allow', String(error.details['allow']));
  if ((error.status === 503 || error.status === 429) && !extra.includes('retry-after')) {
    res.writeHeader('retry-after', RETRY_AFTER_S);
  }
  for (let i = 0; i < extra.length; i += 2) res.writeHeader(extra[i] as string, extra[i + 1] as string);
  if (method === 'HEAD') endHeadOnly(res, Buffer.byteLength(body), close);
  else res.end(body, close);
}

/** Must be called in a cork. @param extra names and values of further headers */
export function writeWhole(
  res: HttpResponse,
  { status, headers, body }: WholeAnswer,
  method: string,
  close: boolean,
  extra: readonly string[],
): void {
  res.writeStatus(answerStatus(status));
  for (let i = 0; i < headers.length; i += 2) res.writeHeader(headers[i] as string, headers[i + 1] as string | Buffer);
  for (let i = 0; i < extra.length; i += 2) res.writeHeader(extra[i] as string, extra[i + 1] as string);
  if (status === 204 || status === 304) res.endWithoutBody(undefined, close);
  else if (method === 'HEAD') endHeadOnly(res, body.length, close);
  else res.end(body, close);
}

/** No connection came about, so the upstream has seen nothing of the request. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ADDRESS_REFUSED']);

export function wasNotSent(error: Error): boolean {
  return error instanceof ConnectFailure || NOT_SENT.has(codeOf(error));
}

function codeOf(error: Error): string {
  const { code, errors } = error as { code?: unknown; errors?: readonly { code?: unknown }[] };
  return String(code ?? errors?.[0]?.code ?? '');
}

/** 504 where time ran out, 502 for anything else. Tells the client no address. */
export function upstreamError(error: Error, upstream: string): SluiceError {
  if (error instanceof SluiceError) return error;
  const code = codeOf(error);
  if (code === 'CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return new SluiceError(
      'UPSTREAM_TIMEOUT',
      `upstream ${upstream} could not be connected to in time`,
      { upstream },
      error,
    );
  }
  if (code === 'ADDRESS_REFUSED') {
    return new SluiceError(
      'UPSTREAM_UNREACHABLE',
      `upstream ${upstream} is at an address that is not allowed`,
      { upstream },
      error,
    );
  }
  if (wasNotSent(error)) {
    return new SluiceError('UPSTREAM_UNREACHABLE', `upstream ${upstream} cannot be connected to`, { upstream }, error);
  }
  return new SluiceError('UPSTREAM_UNREACHABLE', `upstream ${upstream} ended the connection`, { upstream }, error);
}
