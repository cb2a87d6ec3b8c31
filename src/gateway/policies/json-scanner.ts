/**
 * Reads JSON byte by byte as it streams by, without building anything: whether it is well formed, and within limits of
 * depth, sizes and counts. Keeps one number for each open bracket. Called by the size policy for a whole body, and by
 * whoever passes a body on in pieces.
 */

export interface JsonLimits {
  readonly depth_max: number;
  /** Keys of one object and entries of one array. */
  readonly keys_max: number;
  readonly items_max: number;
  readonly values_max: number;
  readonly string_bytes_max: number;
  readonly key_bytes_max: number;
  readonly number_bytes_max: number;
}

export type ScanFault = 'REQUEST_MALFORMED' | 'BODY_TOO_COMPLEX' | 'XML_ENTITY_REFUSED';

// What may come next.
const VALUE = 0;
const FIRST_ITEM = 1;
const FIRST_KEY = 2;
const KEY = 3;
const COLON = 4;
const AFTER = 5;
const STRING = 6;
const ESCAPE = 7;
const HEX = 8;
const LITERAL = 9;
const NUMBER = 10;

// Inside a number.
const MINUS = 0;
const ZERO = 1;
const DIGITS = 2;
const POINT = 3;
const FRACTION = 4;
const EXPONENT = 5;
const SIGN = 6;
const POWER = 7;

const LITERALS: Readonly<Record<number, string>> = { 116: 'true', 102: 'false', 110: 'null' };
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'));

const isSpace = (byte: number) => byte === 32 || byte === 10 || byte === 13 || byte === 9;
const isDigit = (byte: number) => byte >= 48 && byte <= 57;
const isHex = (byte: number) => isDigit(byte) || (byte >= 97 && byte <= 102) || (byte >= 65 && byte <= 70);

export class JsonScanner {
  readonly #limits: JsonLimits;
  #state = VALUE;
  #number = MINUS;
  #isKey = false;
  /** Bytes of the string or number so far, hex digits or letters of a literal still to come. */
  #length = 0;
  #hexLeft = 0;
  #literal = '';
  /** For each open bracket: entries so far, negative for an object. */
  readonly #open: number[] = [];
  #values = 0;
  #fault: ScanFault | undefined;

  constructor(limits: JsonLimits) {
    this.#limits = limits;
  }

  /** The first fault so far, undefined while there is none. */
  write(bytes: Uint8Array): ScanFault | undefined {
    for (let i = 0; i < bytes.length && this.#fault === undefined; i++) {
      if (this.#state === STRING) i = this.#skipPlain(bytes, i);
      if (i < bytes.length) this.#fault = this.#next(bytes[i] as number);
    }
    return this.#fault;
  }

  /** To be called behind the last byte: whether the value was whole. */
  end(): ScanFault | undefined {
    if (this.#fault !== undefined) return this.#fault;
    if (this.#state === NUMBER) this.#fault = this.#endNumber();
    const whole = this.#state === AFTER && this.#open.length === 0;
    return this.#fault ?? (whole ? undefined : 'REQUEST_MALFORMED');
  }

  /** Where the next byte is that means something inside a string. */
  #skipPlain(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      const byte = bytes[at] as number;
      if (byte === 34 || byte === 92 || byte < 32) break;
      at++;
    }
    this.#length += at - from;
    if (this.#isTooLong()) this.#fault = 'BODY_TOO_COMPLEX';
    return at;
  }

  #isTooLong(): boolean {
    return this.#length > (this.#isKey ? this.#limits.key_bytes_max : this.#limits.string_bytes_max);
  }

  #next(byte: number): ScanFault | undefined {
    if (this.#state >= STRING) return this.#inside(byte);
    if (isSpace(byte)) return undefined;
    switch (this.#state) {
      case VALUE:
        return this.#startValue(byte);
      case FIRST_ITEM:
        return byte === 93 ? this.#close(byte) : this.#startValue(byte);
      case FIRST_KEY:
        return byte === 125 ? this.#close(byte) : this.#startKey(byte);
      case KEY:
        return this.#startKey(byte);
      case COLON:
        this.#state = VALUE;
        return byte === 58 ? undefined : 'REQUEST_MALFORMED';
      default:
        return this.#after(byte);
    }
  }

  #inside(byte: number): ScanFault | undefined {
    switch (this.#state) {
      case STRING:
        return this.#endOfPlain(byte);
      case ESCAPE:
        this.#length++;
        this.#hexLeft = 4;
        this.#state = byte === 117 ? HEX : STRING;
        return byte === 117 || ESCAPES.has(byte) ? undefined : 'REQUEST_MALFORMED';
      case HEX:
        if (--this.#hexLeft === 0) this.#state = STRING;
        return isHex(byte) ? undefined : 'REQUEST_MALFORMED';
      case LITERAL:
        if (byte !== this.#literal.charCodeAt(this.#length++)) return 'REQUEST_MALFORMED';
        if (this.#length === this.#literal.length) this.#state = AFTER;
        return undefined;
      default:
        return this.#digit(byte);
    }
  }

  /** A quote, a backslash, or what may not be in a string. */
  #endOfPlain(byte: number): ScanFault | undefined {
    if (byte === 92) this.#state = ESCAPE;
    else if (byte === 34) this.#state = this.#isKey ? COLON : AFTER;
    else return 'REQUEST_MALFORMED';
    return this.#isTooLong() ? 'BODY_TOO_COMPLEX' : undefined;
  }

  #startKey(byte: number): ScanFault | undefined {
    this.#isKey = true;
    this.#length = 0;
    this.#state = STRING;
    if (byte !== 34) return 'REQUEST_MALFORMED';
    const top = this.#open.length - 1;
    const count = (this.#open[top] as number) - 1;
    this.#open[top] = count;
    return -count - 1 > this.#limits.keys_max ? 'BODY_TOO_COMPLEX' : undefined;
  }

  #startValue(byte: number): ScanFault | undefined {
    const top = this.#open.length - 1;
    if (top >= 0 && (this.#open[top] as number) >= 0) {
      const count = (this.#open[top] as number) + 1;
      this.#open[top] = count;
      if (count > this.#limits.items_max) return 'BODY_TOO_COMPLEX';
    }
    if (++this.#values > this.#limits.values_max) return 'BODY_TOO_COMPLEX';
    this.#length = 0;
    if (byte === 34) {
      this.#isKey = false;
      this.#state = STRING;
      return undefined;
    }
    if (byte === 123 || byte === 91) return this.#openBracket(byte === 123);
    if (byte === 45 || isDigit(byte)) {
      this.#state = NUMBER;
      this.#number = byte === 45 ? MINUS : byte === 48 ? ZERO : DIGITS;
      this.#length = 1;
      return undefined;
    }
    this.#literal = LITERALS[byte] ?? '';
    this.#length = 1;
    this.#state = LITERAL;
    return this.#literal === '' ? 'REQUEST_MALFORMED' : undefined;
  }

  /** An object counts its keys downwards from -1. */
  #openBracket(object: boolean): ScanFault | undefined {
    this.#open.push(object ? -1 : 0);
    this.#state = object ? FIRST_KEY : FIRST_ITEM;
    return this.#open.length > this.#limits.depth_max ? 'BODY_TOO_COMPLEX' : undefined;
  }

  #after(byte: number): ScanFault | undefined {
    const top = this.#open.at(-1);
    if (top === undefined) return 'REQUEST_MALFORMED';
    if (byte !== 44) return this.#close(byte);
    this.#state = top < 0 ? KEY : VALUE;
    return undefined;
  }

  #close(byte: number): ScanFault | undefined {
    const top = this.#open.pop();
    this.#state = AFTER;
    return top !== undefined && byte === (top < 0 ? 125 : 93) ? undefined : 'REQUEST_MALFORMED';
  }

  #digit(byte: number): ScanFault | undefined {
    const next = this.#numberAfter(byte);
    if (next < 0) return this.#endNumber() ?? this.#next(byte);
    this.#number = next;
    return ++this.#length > this.#limits.number_bytes_max ? 'BODY_TOO_COMPLEX' : undefined;
  }

  /** The state of the number behind a further byte, below 0 where it is none of the number's. */
  #numberAfter(byte: number): number {
    const state = this.#number;
    if (isDigit(byte)) {
      if (state === MINUS) return byte === 48 ? ZERO : DIGITS;
      if (state === ZERO) return -1;
      if (state === POINT) return FRACTION;
      return state === EXPONENT || state === SIGN ? POWER : state;
    }
    if (byte === 46) return state === ZERO || state === DIGITS ? POINT : -1;
    if (byte === 101 || byte === 69) return state === ZERO || state === DIGITS || state === FRACTION ? EXPONENT : -1;
    if (byte === 43 || byte === 45) return state === EXPONENT ? SIGN : -1;
    return -1;
  }

  #endNumber(): ScanFault | undefined {
    const state = this.#number;
    this.#state = AFTER;
    const whole = state === ZERO || state === DIGITS || state === FRACTION || state === POWER;
    return whole ? undefined : 'REQUEST_MALFORMED';
  }
}
