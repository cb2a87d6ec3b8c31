/**
 * Reads XML byte by byte as it streams by: refuses what makes XML dangerous (document types, entities of its own,
 * encodings that hide them) and what goes beyond limits of depth and counts. It does not check the rest of the grammar,
 * which is the upstream's; tags must close as often as they open. Called as the JSON scanner is.
 */
import type { ScanFault } from './json-scanner.ts';

export interface XmlLimits {
  readonly depth_max: number;
  readonly elements_max: number;
  /** Of one element. */
  readonly attributes_max: number;
  /** One name, value of an attribute, or run of text. */
  readonly text_bytes_max: number;
}

const TEXT = 0;
const OPENED = 1;
const BANG = 2;
const COMMENT = 3;
const CDATA = 4;
const INSTRUCTION = 5;
const TAG = 6;
const VALUE = 7;
const CLOSING = 8;
const ENTITY = 9;

const ENTITY_BYTES_MAX = 12;
const DECLARATION_BYTES_MAX = 256;
const PLAIN_ENTITY = /^(lt|gt|amp|apos|quot|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6})$/;
const ENCODING = /^xml\s.*encoding\s*=\s*["']([^"']*)["']/s;
/** Of one byte for ASCII, so that what is read here is what is meant. */
const ENCODINGS = /^(utf-8|us-ascii|ascii|iso-8859-\d{1,2}|windows-125\d)$/i;
/** Bytes of CDATA's opening behind `<!`, and of a comment's. */
const CDATA_OPENING = '[CDATA[';
const COMMENT_OPENING = '--';

export class XmlScanner {
  readonly #limits: XmlLimits;
  #state = TEXT;
  /** Where an entity came up: in text or in a value. */
  #back = TEXT;
  #quote = 0;
  #depth = 0;
  #elements = 0;
  #attributes = 0;
  #length = 0;
  #word = '';
  /** The last two bytes, for the ends of comments, CDATA and empty elements. */
  #last = 0;
  #before = 0;
  #bytes = 0;
  #fault: ScanFault | undefined;

  constructor(limits: XmlLimits) {
    this.#limits = limits;
  }

  write(bytes: Uint8Array): ScanFault | undefined {
    for (let i = 0; i < bytes.length && this.#fault === undefined; i++) {
      const byte = bytes[i] as number;
      this.#fault = this.#next(byte);
      this.#before = this.#last;
      this.#last = byte;
      this.#bytes++;
    }
    return this.#fault;
  }

  end(): ScanFault | undefined {
    if (this.#fault !== undefined) return this.#fault;
    const whole = this.#state === TEXT && this.#depth === 0 && this.#elements > 0;
    return whole ? undefined : 'REQUEST_MALFORMED';
  }

  #next(byte: number): ScanFault | undefined {
    // A zero byte or the first byte of a UTF-16 mark: another reader would see other characters.
    if (byte === 0 || (this.#bytes === 0 && byte >= 0xfe)) return 'REQUEST_MALFORMED';
    switch (this.#state) {
      case TEXT:
        return this.#text(byte);
      case OPENED:
        return this.#opened(byte);
      case BANG:
        return this.#bang(byte);
      case COMMENT:
        return this.#until(byte, 45);
      case CDATA:
        return this.#until(byte, 93);
      case INSTRUCTION:
        return this.#instruction(byte);
      case TAG:
        return this.#tag(byte);
      case VALUE:
        return this.#value(byte);
      case CLOSING:
        return this.#closing(byte);
      default:
        return this.#entity(byte);
    }
  }

  #enter(state: number): undefined {
    this.#state = state;
    this.#length = 0;
    this.#word = '';
    return undefined;
  }

  #grow(): ScanFault | undefined {
    return ++this.#length > this.#limits.text_bytes_max ? 'BODY_TOO_COMPLEX' : undefined;
  }

  #text(byte: number): ScanFault | undefined {
    if (byte === 60) return this.#enter(OPENED);
    if (byte !== 38) return this.#grow();
    this.#back = TEXT;
    return this.#enter(ENTITY);
  }

  #opened(byte: number): ScanFault | undefined {
    if (byte === 33) return this.#enter(BANG);
    if (byte === 63) return this.#enter(INSTRUCTION);
    if (byte === 47) return this.#enter(CLOSING);
    if (byte === 62 || byte <= 32 || byte === 60) return 'REQUEST_MALFORMED';
    this.#attributes = 0;
    this.#enter(TAG);
    if (++this.#elements > this.#limits.elements_max) return 'BODY_TOO_COMPLEX';
    return ++this.#depth > this.#limits.depth_max ? 'BODY_TOO_COMPLEX' : undefined;
  }

  /** Behind `<!`: a comment, CDATA, or a declaration, of which none is taken. */
  #bang(byte: number): ScanFault | undefined {
    this.#word += String.fromCharCode(byte);
    if (this.#word === COMMENT_OPENING) {
      this.#enter(COMMENT);
    } else if (this.#word === CDATA_OPENING) {
      if (this.#depth === 0) return 'REQUEST_MALFORMED';
      this.#enter(CDATA);
    } else if (!COMMENT_OPENING.startsWith(this.#word) && !CDATA_OPENING.startsWith(this.#word)) {
      return 'XML_ENTITY_REFUSED';
    }
    return undefined;
  }

  /** A comment or CDATA, which end with two of `mark` and `>`; the opening's own do not count. */
  #until(byte: number, mark: number): ScanFault | undefined {
    const ends = byte === 62 && this.#last === mark && this.#before === mark && this.#length >= 2;
    return ends ? this.#enter(TEXT) : this.#grow();
  }

  #instruction(byte: number): ScanFault | undefined {
    if (byte === 62 && this.#last === 63 && this.#length > 0) {
      const encoding = ENCODING.exec(this.#word)?.[1];
      this.#enter(TEXT);
      return encoding !== undefined && !ENCODINGS.test(encoding) ? 'REQUEST_MALFORMED' : undefined;
    }
    if (this.#length < DECLARATION_BYTES_MAX) this.#word += String.fromCharCode(byte);
    return this.#grow();
  }

  #tag(byte: number): ScanFault | undefined {
    if (byte === 60) return 'REQUEST_MALFORMED';
    if (byte === 34 || byte === 39) {
      this.#quote = byte;
      this.#enter(VALUE);
      return ++this.#attributes > this.#limits.attributes_max ? 'BODY_TOO_COMPLEX' : undefined;
    }
    if (byte !== 62) return this.#grow();
    if (this.#last === 47) this.#depth--;
    return this.#enter(TEXT);
  }

  #value(byte: number): ScanFault | undefined {
    if (byte === this.#quote) return this.#enter(TAG);
    if (byte === 60) return 'REQUEST_MALFORMED';
    if (byte !== 38) return this.#grow();
    this.#back = VALUE;
    return this.#enter(ENTITY);
  }

  #closing(byte: number): ScanFault | undefined {
    if (byte === 60) return 'REQUEST_MALFORMED';
    if (byte !== 62) return this.#grow();
    this.#enter(TEXT);
    return --this.#depth < 0 ? 'REQUEST_MALFORMED' : undefined;
  }

  #entity(byte: number): ScanFault | undefined {
    if (byte === 59) {
      const plain = PLAIN_ENTITY.test(this.#word);
      this.#enter(this.#back);
      return plain ? undefined : 'XML_ENTITY_REFUSED';
    }
    if (byte <= 32 || byte === 60) return 'REQUEST_MALFORMED';
    this.#word += String.fromCharCode(byte);
    return this.#word.length > ENTITY_BYTES_MAX ? 'XML_ENTITY_REFUSED' : undefined;
  }
}
