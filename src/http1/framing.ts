/**
 * Where a request ends, or why that is in doubt. The native parser reads some heads otherwise than a proxy
 * in front would: it takes the first of two `Content-Length`, reads an empty one as none, takes the first of
 * two `Host`, and treats any `Transfer-Encoding` that ends in a chunk coding it likes as chunked. Two readings
 * of one request let a second be smuggled past the proxy; so a head that can be read in two ways is refused.
 * Pure; the exchange of the server and that of the gateway call it before anything else looks at the request.
 */
import { SluiceError } from '#kernel';

/** The request has no body. */
export const NO_BODY = -1;
/** The request has a body in chunks, of unknown length. */
export const CHUNKED = -2;

const LENGTH_DIGITS_MAX = 15;

/**
 * The length of the body in bytes, `NO_BODY` or `CHUNKED`.
 * @param headers names (lower case) and values in turn, as received, repeated ones included
 * @throws REQUEST_SMUGGLING
 */
export function bodyLength(headers: readonly string[]): number {
  let host: string | undefined;
  let length: string | undefined;
  let coding: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] as string;
    switch (headers[i]) {
      case 'host':
        if (host !== undefined) throw ambiguous('more than one Host header');
        host = value;
        break;
      case 'content-length':
        if (length !== undefined) throw ambiguous('more than one Content-Length header');
        length = value;
        break;
      case 'transfer-encoding':
        if (coding !== undefined) throw ambiguous('more than one Transfer-Encoding header');
        coding = value;
        break;
    }
  }
  if (host === undefined || !isHost(host)) throw ambiguous('the Host header is missing or not a host');
  if (coding !== undefined) {
    if (length !== undefined) throw ambiguous('both Content-Length and Transfer-Encoding');
    if (coding.toLowerCase() !== 'chunked') throw ambiguous('Transfer-Encoding is not exactly "chunked"');
    return CHUNKED;
  }
  return length === undefined ? NO_BODY : parseLength(length);
}

function parseLength(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) throw ambiguous('Content-Length is not a whole number');
    value = value * 10 + digit;
  }
  if (text.length === 0 || text.length > LENGTH_DIGITS_MAX) throw ambiguous('Content-Length is not a whole number');
  return value;
}

/** Visible ASCII without what would end or split an authority. */
function isHost(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const stops = code === 0x2c || code === 0x2f || code === 0x3f || code === 0x40 || code === 0x5c;
    if (code <= 0x20 || code >= 0x7f || stops) return false;
  }
  return text.length > 0;
}

function ambiguous(reason: string): SluiceError {
  return new SluiceError('REQUEST_SMUGGLING', `the request framing is ambiguous: ${reason}`);
}
