/**
 * Headers that every answer about a stream carries, errors included: what browsers need to read streams from other
 * origins, and what keeps them from misusing what they read.
 *
 * Other origins: those the server is told to allow; where none is named, any that brings a key, once keys are required.
 * Without keys a page of any origin could otherwise write to the server of whoever looks at it.
 */
import { SluiceError } from '#kernel';
import type { ServerContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';

const METHODS = 'GET, HEAD, POST, PUT, DELETE, OPTIONS';
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'If-None-Match',
  'Producer-Epoch',
  'Producer-Id',
  'Producer-Seq',
  'Stream-Closed',
  'Stream-Expires-At',
  'Stream-Fork-Offset',
  'Stream-Fork-Sub-Offset',
  'Stream-Forked-From',
  'Stream-Seq',
  'Stream-TTL',
  'X-API-Key',
  'X-Request-Id',
].join(', ');
const ANSWER_HEADERS = [
  'ETag',
  'Location',
  'Producer-Epoch',
  'Producer-Expected-Seq',
  'Producer-Received-Seq',
  'Producer-Seq',
  'Retry-After',
  'Stream-Closed',
  'Stream-Cursor',
  'Stream-Expires-At',
  'Stream-Next-Offset',
  'Stream-SSE-Data-Encoding',
  'Stream-TTL',
  'Stream-Up-To-Date',
  'X-Request-Id',
].join(', ');
const PREFLIGHT_SECONDS = 600;

/** @throws FORBIDDEN for a page of another origin that is not allowed */
export function setCommonHeaders(context: ServerContext, exchange: Exchange): void {
  exchange.setHeader('X-Content-Type-Options', 'nosniff');
  exchange.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  exchange.setHeader('Vary', 'Origin');
  const origin = exchange.header('origin');
  if (origin === undefined) return;
  if (!isAllowed(context, exchange, origin)) {
    throw new SluiceError('FORBIDDEN', `pages of ${origin} may not use the streams of this server`);
  }
  exchange.setHeader('Access-Control-Allow-Origin', origin);
  exchange.setHeader('Access-Control-Expose-Headers', ANSWER_HEADERS);
}

/** Answers what a browser asks before it sends a request of another origin; without a leave, it will not send it. */
export function answerPreflight(context: ServerContext, exchange: Exchange): void {
  const origin = exchange.header('origin');
  if (origin !== undefined && isAllowed(context, exchange, origin)) {
    exchange.setHeader('Access-Control-Allow-Origin', origin);
  }
  exchange.setHeader('Access-Control-Allow-Methods', METHODS);
  exchange.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS);
  exchange.setHeader('Access-Control-Max-Age', String(PREFLIGHT_SECONDS));
  exchange.setHeader('Allow', METHODS);
  exchange.setHeader('Vary', 'Origin');
  exchange.setHeader('X-Content-Type-Options', 'nosniff');
  exchange.empty(204);
}

function isAllowed({ settings, keys }: ServerContext, exchange: Exchange, origin: string): boolean {
  const { allowedOrigins } = settings;
  if (allowedOrigins.includes(origin) || origin === `${schemeOf(origin)}://${exchange.header('host')}`) return true;
  return allowedOrigins.length === 0 && keys.required;
}

function schemeOf(origin: string): string {
  return origin.slice(0, Math.max(0, origin.indexOf(':')));
}
