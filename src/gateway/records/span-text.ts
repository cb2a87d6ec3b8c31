/**
 * A request as a span, in the JSON encoding of OTLP 1.x: identifiers in hexadecimal, 64-bit numbers as strings, enumerations
 * as numbers; attributes by the semantic conventions of HTTP servers. What only the caller knows is left out. Pure.
 */
import type { Outcome } from '../policy.ts';
import type { RecordedRequest } from './record-text.ts';
import type { TraceContext } from './trace-context.ts';

const KIND_SERVER = 2;
const STATUS_ERROR = 2;
/** In flags: it is known whether the parent is in another process; and it is. */
const REMOTE_PARENT = 0x300;
const SAMPLED = 1;
/** Methods that may stand in the name of a span; any other is `_OTHER`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

/** @param route name and path template; undefined: no route took it */
export function spanText(
  trace: TraceContext,
  request: RecordedRequest,
  route: { readonly name: string; readonly path: string } | undefined,
  outcome: Outcome,
): string {
  const method = METHODS.has(request.method) ? request.method : '_OTHER';
  const attributes = [text('http.request.method', method), text('server.address', request.host)];
  if (outcome.status !== 0) attributes.push(whole('http.response.status_code', outcome.status));
  if (route !== undefined) attributes.push(text('http.route', route.path), text('sluice.route', route.name));
  if (outcome.upstream !== undefined) attributes.push(text('sluice.upstream', outcome.upstream));
  if (outcome.target !== undefined) attributes.push(text('sluice.target', outcome.target));
  if (outcome.attempts > 1) attributes.push(whole('http.request.resend_count', outcome.attempts - 1));
  if (outcome.upstreamMs !== undefined) attributes.push(double('sluice.upstream_ms', outcome.upstreamMs));
  if (request.client !== undefined) attributes.push(text('sluice.client', request.client.name));
  attributes.push(whole('http.request.body.size', outcome.requestBytes));
  attributes.push(whole('http.response.body.size', outcome.answerBytes));
  const failed = outcome.status >= 500 || outcome.status === 0;
  if (failed)
    attributes.push(text('error.type', outcome.code ?? (outcome.status === 0 ? 'aborted' : `${outcome.status}`)));
  const parent =
    trace.parentId === ''
      ? `"flags":${SAMPLED}`
      : `"parentSpanId":"${trace.parentId}","flags":${REMOTE_PARENT | SAMPLED}`;
  const name = JSON.stringify(route === undefined ? method : `${method} ${route.path}`);
  return (
    `{"traceId":"${trace.traceId}","spanId":"${trace.spanId}",${parent},` +
    (trace.state === '' ? '' : `"traceState":${JSON.stringify(trace.state)},`) +
    `"name":${name},"kind":${KIND_SERVER},"startTimeUnixNano":"${nanoseconds(outcome.beganAt)}",` +
    `"endTimeUnixNano":"${nanoseconds(outcome.beganAt + outcome.elapsedMs)}","attributes":[${attributes.join(',')}],` +
    `"status":{${failed ? `"code":${STATUS_ERROR}` : ''}}}`
  );
}

/** The body of an export of these spans. */
export function exportText(spans: readonly string[]): string {
  const resource = text('service.name', 'sluice-gateway');
  return (
    `{"resourceSpans":[{"resource":{"attributes":[${resource}]},` +
    `"scopeSpans":[{"scope":{"name":"sluice.gateway"},"spans":[${spans.join(',')}]}]}]}`
  );
}

function nanoseconds(epochMs: number): string {
  const ms = Math.floor(epochMs);
  return `${ms}${String(Math.floor((epochMs - ms) * 1e6)).padStart(6, '0')}`;
}

function text(key: string, value: string): string {
  return `{"key":"${key}","value":{"stringValue":${JSON.stringify(value.slice(0, 1_024))}}}`;
}

function whole(key: string, value: number): string {
  return `{"key":"${key}","value":{"intValue":"${value}"}}`;
}

function double(key: string, value: number): string {
  return `{"key":"${key}","value":{"doubleValue":${value}}}`;
}
