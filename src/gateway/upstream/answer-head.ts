/**
 * The head of an answer, read from its bytes (RFC 9112). Strict: what can be read in two ways is refused, since an answer
 * that ends elsewhere than its server thinks would be given to the next request. Pure; called by the answer reader.
 */
import { SluiceError } from '#kernel';
import type { AnsweredHead } from './carried.ts';

export interface ParsedHead extends AnsweredHead {
  readonly chunked: boolean;
  /** The connection may carry another request after this one. */
  readonly keepsAlive: boolean;
  /** Seconds that the server lets a connection rest; undefined: it says nothing. */
  readonly restS: number | undefined;
}

const [TAB, LF, CR, SPACE, COLON, DELETE] = [0x09, 0x0a, 0x0d, 0x20, 0x3a, 0x7f];
const STATUS_LINE = /^HTTP\/1\.[01] [1-9]\d\d[ \r]/;
const OLD = 'HTTP/1.0';
const STATUS_AT = 9;
const STATUS_END = 12;
/** Blanks that others may not take for blanks are not taken for such where an answer ends by them. */
const LENGTH = /^ *\d{1,15}$/;
const CODING = /^ *chunked$/i;
const CLOSE = /(^|,)[ \t]*close[ \t]*(,|$)/i;
const REST = /\btimeout=(\d{1,9})\b/i;

/** Bytes that a header name may have. */
const TOKEN = new Uint8Array(256);
for (const one of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[one.charCodeAt(0)] = 1;
}

export function malformed(reason: string): SluiceError {
  return new SluiceError('UPSTREAM_ANSWER_INVALID', `the upstream gave no proper answer: ${reason}`);
}

/** @param text status line and headers, a CR LF after each, a byte for each character @throws UPSTREAM_ANSWER_INVALID */
export function parseAnswerHead(text: string): ParsedHead {
  return new HeadText(text);
}

class HeadText implements ParsedHead {
  readonly status: number;
  readonly headers: (string | Buffer)[] = [];
  contentLength: number | undefined;
  chunked = false;
  keepsAlive: boolean;
  restS: number | undefined;
  readonly #text: string;
  /** Nothing beyond ASCII was in the line read last. */
  #ascii = true;

  constructor(text: string) {
    this.#text = text;
    if (!STATUS_LINE.test(text)) throw malformed('it does not begin with the status line of HTTP/1.1');
    this.status = Number(text.slice(STATUS_AT, STATUS_END));
    this.keepsAlive = !text.startsWith(OLD);
    for (let at = this.#lineEnd(STATUS_END) + 2; at < text.length; ) {
      const colon = this.#nameEnd(at);
      const name = text.slice(at, colon).toLowerCase();
      const end = this.#lineEnd(colon + 1);
      const value = this.#trimmed(colon + 1, end);
      this.headers.push(name, this.#ascii ? value : Buffer.from(value, 'latin1'));
      this.#heed(name, text.slice(colon + 1, end));
      at = end + 2;
    }
    if (this.chunked && this.contentLength !== undefined) throw malformed('both a length and a transfer coding');
  }

  /** What concerns the connection. @param value with its blanks */
  #heed(name: string, value: string): void {
    switch (name) {
      case 'content-length':
        if (this.contentLength !== undefined || !LENGTH.test(value)) throw malformed('its length is not one number');
        this.contentLength = Number(value);
        break;
      case 'transfer-encoding':
        if (this.chunked || !CODING.test(value)) throw malformed('a transfer coding but "chunked"');
        this.chunked = true;
        break;
      case 'connection':
        if (CLOSE.test(value)) this.keepsAlive = false;
        break;
      case 'keep-alive': {
        const rest = REST.exec(value)?.[1];
        if (rest !== undefined) this.restS = Number(rest);
        break;
      }
    }
  }

  /** Where the colon is that ends a name. A line that goes on with the one before begins with a space, and so has none. */
  #nameEnd(from: number): number {
    let at = from;
    while (TOKEN[this.#text.charCodeAt(at)] === 1) at++;
    if (at === from || this.#text.charCodeAt(at) !== COLON) throw malformed('a header name that is none');
    return at;
  }

  /** Where the CR is that ends a line. */
  #lineEnd(from: number): number {
    const text = this.#text;
    this.#ascii = true;
    for (let at = from; ; at++) {
      const code = text.charCodeAt(at);
      if (code >= SPACE && code < DELETE) continue;
      if (code > DELETE) this.#ascii = false;
      else if (code === CR && text.charCodeAt(at + 1) === LF) return at;
      // At the end of the text it is not a number.
      else if (code !== TAB) throw malformed('a control character in its head');
    }
  }

  #trimmed(from: number, to: number): string {
    let start = from;
    let end = to;
    while (start < end && isBlank(this.#text.charCodeAt(start))) start++;
    while (end > start && isBlank(this.#text.charCodeAt(end - 1))) end--;
    return this.#text.slice(start, end);
  }
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}
