/**
 * Paths of streams: what follows `/v1/stream/`, decoded. Also what scopes of API keys match, with `stream/` before it, which no
 * name of a topic can begin with.
 */
import { SluiceError } from '#kernel';
import { decodeSegment } from '../http/query.ts';

export const STREAM_ROOT = '/v1/stream/';
/** Kept by the protocol for its own use. */
const RESERVED = '__ds';
const PATH_BYTES_MAX = 512;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in a path
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * @param raw as it stands in the address, percent escapes included
 * @throws REQUEST_MALFORMED, REQUEST_INVALID; ROUTE_UNKNOWN below the protocol's own prefix
 */
export function parseStreamPath(raw: string): string {
  const path = decodeSegment(raw);
  const segments = path.split('/');
  if (segments[0] === RESERVED) throw new SluiceError('ROUTE_UNKNOWN', `nothing is offered below ${RESERVED}`);
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..') || CONTROL.test(path)) {
    throw invalid('a stream path has no empty, "." or ".." segments and no control characters');
  }
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) throw invalid(`a stream path has at most ${PATH_BYTES_MAX} bytes`);
  return path;
}

/**
 * The paths a reference to another stream may mean: that of an address on this server, else one below the root of the
 * streams.
 */
export function parseStreamReference(text: string): string[] {
  const relative = text.startsWith('/') ? text.slice(1) : text;
  const texts = text.startsWith(STREAM_ROOT) ? [text.slice(STREAM_ROOT.length), relative] : [relative];
  return texts.map(parseStreamPath);
}

/** What a scope must match for a stream. */
export function scopeSubject(path: string): string {
  return `stream/${path}`;
}

function invalid(message: string): SluiceError {
  return new SluiceError('REQUEST_INVALID', message, { field: 'path' });
}
