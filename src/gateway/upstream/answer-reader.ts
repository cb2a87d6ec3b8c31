/**
 * Answers as they come over one connection: one after each request, its body by its length, in chunks, or until the
 * connection ends. Bytes that belong to no answer are never taken for the beginning of the next.
 *
 *   idle ── expect ──▶ head ─▶ length | chunks ─▶ trailer | until the end ──▶ idle       interim answers are passed over
 */
import { malformed, type ParsedHead, parseAnswerHead } from './answer-head.ts';

/** A head, and what is behind the last chunk. */
const HEAD_BYTES_MAX = 32 * 1024;
const HEAD_END_BYTES = 4;
/** The line before a chunk, extensions included. */
const CHUNK_LINE_BYTES_MAX = 1_024;
const CHUNK_DIGITS_MAX = 12;
const [LF, CR, SPACE, SEMICOLON] = [0x0a, 0x0d, 0x20, 0x3b];
const INTERIM_BELOW = 200;
const SWITCHED = 101;

export interface AnswerEvents {
  /** Of the final answer. */
  head(head: ParsedHead): void;
  /** The bytes are only there until this returns, or the `end` that follows it. */
  data(chunk: Buffer): void;
  /** @param reusable as far as the server is concerned */
  end(reusable: boolean): void;
}

type State = 'idle' | 'stopped' | 'head' | 'length' | 'size' | 'chunk' | 'behind chunk' | 'trailer' | 'close';

export class AnswerReader {
  readonly #events: AnswerEvents;
  #state: State = 'idle';
  #toHead = false;
  #keepsAlive = false;
  /** Of the body, or of the chunk. */
  #left = 0;
  #digits = 0;
  /** Of the line before a chunk, or of the trailer. */
  #lineBytes = 0;
  #trailerBytes = 0;
  /** In an extension of the line before a chunk. */
  #extended = false;
  /** The byte before was a CR. */
  #returned = false;
  /** The beginning of a head whose end has not come. */
  #partial: Buffer | undefined;

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  /** An answer is due. */
  expect(method: string): void {
    this.#state = 'head';
    this.#toHead = method === 'HEAD';
  }

  /** For good: nothing is heard of what comes. */
  stop(): void {
    this.#state = 'stopped';
    this.#partial = undefined;
  }

  /** @throws UPSTREAM_ANSWER_INVALID */
  read(bytes: Buffer, length: number): void {
    let at = 0;
    while (at < length) {
      if (this.#state === 'stopped') return;
      if (this.#state === 'idle') throw malformed('bytes that nobody asked for');
      if (this.#state === 'head') at = this.#readHead(bytes, at, length);
      else if (this.#state === 'length' || this.#state === 'chunk') at = this.#readBody(bytes, at, length);
      else if (this.#state === 'close') {
        this.#events.data(bytes.subarray(at, length));
        return;
      } else at = this.#readFraming(bytes, at, length);
    }
  }

  /** The connection has ended, which may be the end of an answer. */
  closed(): void {
    if (this.#state !== 'close') return;
    this.#state = 'idle';
    this.#events.end(false);
  }

  #readHead(bytes: Buffer, from: number, length: number): number {
    const before = this.#partial;
    if (before === undefined) return this.#takeHead(bytes, from, from, length);
    this.#partial = undefined;
    const joined = Buffer.concat([before, bytes.subarray(from, length)]);
    const searched = Math.max(0, before.length - HEAD_END_BYTES + 1);
    return from + this.#takeHead(joined, 0, searched, joined.length) - before.length;
  }

  #takeHead(bytes: Buffer, from: number, searchFrom: number, length: number): number {
    const end = headEnd(bytes, searchFrom, length);
    if ((end < 0 ? length : end) - from > HEAD_BYTES_MAX) throw malformed('its head is too long');
    if (end < 0) {
      this.#partial = Buffer.from(bytes.subarray(from, length));
      return length;
    }
    const head = parseAnswerHead(bytes.toString('latin1', from, end));
    if (head.status >= INTERIM_BELOW) return this.#begin(head, end + 2, length);
    if (head.status === SWITCHED) throw malformed('it switches to a protocol nobody asked for');
    return end + 2;
  }

  #begin(head: ParsedHead, at: number, length: number): number {
    const { status, contentLength } = head;
    // Servers that send a body after all are too many: what follows an answer to HEAD is not trusted.
    this.#keepsAlive = head.keepsAlive && !this.#toHead;
    const bodiless = this.#toHead || status === 204 || status === 304;
    if (!bodiless && head.chunked) this.#awaitChunk();
    else this.#state = bodiless || contentLength !== undefined ? 'length' : 'close';
    this.#left = bodiless || contentLength === undefined ? 0 : contentLength;
    this.#events.head(head);
    return this.#state === 'length' && this.#left === 0 ? this.#end(at, length) : at;
  }

  #end(at: number, length: number): number {
    this.#state = 'idle';
    this.#events.end(this.#keepsAlive && at === length);
    // Nobody has asked for what is left, and the connection is done with.
    return length;
  }

  #readBody(bytes: Buffer, at: number, length: number): number {
    const end = Math.min(at + this.#left, length);
    this.#left -= end - at;
    const state = this.#state;
    this.#events.data(bytes.subarray(at, end));
    if (this.#left > 0 || this.#state !== state) return end;
    if (state === 'length') return this.#end(end, length);
    this.#state = 'behind chunk';
    return end;
  }

  #awaitChunk(): void {
    this.#state = 'size';
    this.#left = 0;
    this.#digits = 0;
    this.#lineBytes = 0;
    this.#extended = false;
    this.#returned = false;
  }

  /** What is around chunks, byte by byte. */
  #readFraming(bytes: Buffer, from: number, length: number): number {
    for (let at = from; at < length; at++) {
      const byte = bytes[at] as number;
      if (this.#state === 'size') this.#size(byte);
      else if (this.#state === 'behind chunk') this.#behindChunk(byte);
      else if (this.#trailer(byte)) return this.#end(at + 1, length);
      if (this.#state === 'chunk') return at + 1;
    }
    return length;
  }

  #size(byte: number): void {
    if (++this.#lineBytes > CHUNK_LINE_BYTES_MAX) throw malformed('the line before a chunk is too long');
    if (this.#returned) {
      if (byte !== LF) throw malformed('a chunk without its line');
      this.#returned = false;
      this.#trailerBytes = 0;
      this.#lineBytes = 0;
      this.#state = this.#left > 0 ? 'chunk' : 'trailer';
      return;
    }
    if (byte === CR) {
      if (this.#digits === 0) throw malformed('a chunk without its length');
      this.#returned = true;
    } else if (this.#extended) {
      if (byte < SPACE || byte === 0x7f) throw malformed('a control character before a chunk');
    } else if (byte === SEMICOLON && this.#digits > 0) this.#extended = true;
    else {
      const digit = HEXADECIMAL[byte] as number;
      if (digit < 0 || ++this.#digits > CHUNK_DIGITS_MAX) throw malformed('a chunk length that is none');
      this.#left = this.#left * 16 + digit;
    }
  }

  #behindChunk(byte: number): void {
    if (byte !== (this.#returned ? LF : CR)) throw malformed('a chunk that is longer than its length');
    if (this.#returned) this.#awaitChunk();
    else this.#returned = true;
  }

  /** True at its end. What is in it is not passed on. */
  #trailer(byte: number): boolean {
    if (++this.#trailerBytes > HEAD_BYTES_MAX) throw malformed('its trailer is too long');
    if (this.#returned) {
      if (byte !== LF) throw malformed('a line of the trailer that does not end');
      this.#returned = false;
      if (this.#lineBytes === 0) return true;
      this.#lineBytes = 0;
    } else if (byte === CR) this.#returned = true;
    else if (byte === LF) throw malformed('a line of the trailer that does not end');
    else this.#lineBytes++;
    return false;
  }
}

const HEXADECIMAL = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16);
  HEXADECIMAL[text.charCodeAt(0)] = digit;
  HEXADECIMAL[text.toUpperCase().charCodeAt(0)] = digit;
}

/** Where the empty line begins that ends a head; -1: it has not come. */
function headEnd(bytes: Buffer, from: number, to: number): number {
  for (let at = from + HEAD_END_BYTES - 1; at < to; at++) {
    if (bytes[at] !== LF || bytes[at - 1] !== CR || bytes[at - 2] !== LF || bytes[at - 3] !== CR) continue;
    return at - 1;
  }
  return -1;
}
