/**
 * The one spelling of a path. What is matched is what is forwarded, so that no route can be passed by spelling a path
 * in a way that the upstream reads otherwise.
 *
 *   decided:  escapes of unreserved characters are decoded, others written in upper case
 *             `.` and `..` are resolved, below the root refused; `//` becomes `/`
 *             %2F is refused, or kept as it is where a route wants it; with dot segments between it is refused anyhow
 *             refused: `#`, backslash (also %5C), controls (also %00), spaces, bytes beyond ASCII, `..;`, bad escapes
 */
import { SluiceError } from '#kernel';

/** What needs no second look: no escape, no empty or dot segment, nothing that is refused. */
const PLAIN = /^(?:\/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*\/?$/;
const FORBIDDEN = /[^\x21-\x7e]|[#\\]/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const UNRESERVED = /[A-Za-z0-9._~-]/;

export interface CanonicalPath {
  readonly path: string;
  /** It holds %2F, which only some routes let through. */
  readonly encodedSlash: boolean;
}

/** @throws REQUEST_MALFORMED */
export function canonicalPath(raw: string): CanonicalPath {
  if (PLAIN.test(raw)) return { path: raw === '' ? '/' : raw, encodedSlash: false };
  if (!raw.startsWith('/')) throw refused('it must begin with /');
  if (FORBIDDEN.test(raw)) throw refused('it holds a character that must not stand in a path');
  if (BAD_ESCAPE.test(raw)) throw refused('it holds % without two hexadecimal digits');
  let encodedSlash = false;
  const decoded = raw.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => {
    const code = Number.parseInt(hex, 16);
    if (code < 0x20 || code === 0x7f) throw refused('it holds an encoded control character');
    if (code === 0x5c) throw refused('it holds an encoded backslash');
    if (code === 0x2f) encodedSlash = true;
    const character = String.fromCharCode(code);
    return UNRESERVED.test(character) ? character : `%${hex.toUpperCase()}`;
  });
  return { path: resolveDots(decoded), encodedSlash };
}

function resolveDots(path: string): string {
  const out: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i] as string;
    if (hidesDots(segment)) throw refused('it hides a dot segment');
    if (segment === '..') {
      if (out.length === 0) throw refused('it leads above the root');
      out.pop();
    }
    const isDots = segment === '.' || segment === '..';
    if (segment !== '' && !isDots) out.push(segment);
    else if (i === last) out.push('');
  }
  return `/${out.join('/')}`;
}

/** Segments some upstreams take for dots: `..;v=1`, `..%2Fadmin`. */
function hidesDots(segment: string): boolean {
  if (/^\.{1,2}(;|%3B)/i.test(segment)) return true;
  return segment.includes('%2F') && segment.split('%2F').some((part) => /^\.{1,2}(;.*)?$/.test(part));
}

/** The query as it came. @throws REQUEST_MALFORMED */
export function checkQuery(query: string): void {
  if (query !== '' && /[^\x21-\x7e]|#/.test(query)) {
    throw new SluiceError('REQUEST_MALFORMED', 'the query holds a character that must not stand there');
  }
}

function refused(reason: string): SluiceError {
  return new SluiceError('REQUEST_MALFORMED', `the path is refused: ${reason}`);
}
