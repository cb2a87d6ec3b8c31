/**
 * What connectors of queues and streams of messages share: bodies as records and back, and the box in which messages wait that a
 * system sends by itself until a page takes them. A name that begins with `_` is beside the body: a key, a header, an id.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Change, Field, Row, Stream, Value, WriteResult } from './contract.ts';
import { toJson } from './json-values.ts';

/** Settings that all of them have; spread into their spec. */
export const messageSettings = {
  format: z
    .enum(['json', 'text', 'bytes'])
    .default('json')
    .describe('Bodies are JSON objects whose members are the fields, or a text, or bytes, in field body'),
};
export type MessageFormat = 'json' | 'text' | 'bytes';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** How long a page waits for its first message. */
const IDLE_MS = 2_000;
/** A page has no more bytes than that and one message. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

/** @param beside names of the fields beside the body, with their types */
export function messageStream(
  name: string,
  format: MessageFormat,
  beside: Readonly<Record<string, Field['type']>>,
  more: Pick<Stream, 'can'> & Partial<Stream>,
): Stream {
  const fields: Field[] = Object.entries(beside).map(([field, type]) => ({ name: field, type, nullable: true }));
  if (format !== 'json') fields.push({ name: 'body', type: format === 'text' ? 'string' : 'bytes', nullable: false });
  return { name, fields, open: true, primaryKey: [], cursors: [], ...more };
}

/** What is no JSON object is the only field of one; what is no JSON at all is in `_body`, so that nobody is held up by it. */
export function rowOfMessage(body: Uint8Array, format: MessageFormat, beside: Row = {}): Row {
  const row: Record<string, Value> = Object.create(null);
  for (const [name, value] of Object.entries(beside)) if (value !== null) row[name] = value;
  if (format === 'bytes') {
    row['body'] = new Uint8Array(body);
    return row;
  }
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    row[format === 'text' ? 'body' : '_body'] = new Uint8Array(body);
    return row;
  }
  if (format === 'text') {
    row['body'] = text;
    return row;
  }
  try {
    const value: unknown = JSON.parse(text);
    const whole = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { value };
    for (const [name, one] of Object.entries(whole)) {
      row[name] = typeof one === 'object' && one !== null ? JSON.stringify(one) : (one as Value);
    }
  } catch {
    row['_body'] = text;
  }
  return row;
}

/** @throws RECORD_REJECTED */
export function bodyOfRow(row: Row, format: MessageFormat, stream: Stream): Uint8Array {
  if (format === 'json') {
    const members = Object.entries(row).filter(([name]) => !name.startsWith('_'));
    return Buffer.from(JSON.stringify(toJson(Object.fromEntries(members), stream)));
  }
  const { body } = row;
  if (body instanceof Uint8Array) return body;
  if (typeof body === 'string') return Buffer.from(body);
  throw new SluiceError('RECORD_REJECTED', `body must be ${format}`);
}

/** Headers of a message from the JSON object in `_headers`. @throws RECORD_REJECTED */
export function headersOfRow({ _headers: given }: Row): Record<string, string> {
  if (given === null || given === undefined) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(String(given));
  } catch {
    parsed = undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new SluiceError('RECORD_REJECTED', '_headers must be a JSON object');
  }
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

/** Text of a field beside the body; undefined where there is none. @throws RECORD_REJECTED */
export function textOfRow(row: Row, name: string): string | undefined {
  const value = row[name];
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'string') return value;
  throw new SluiceError('RECORD_REJECTED', `${name} must be a text`);
}

/** A message as a change: it was not there before. */
export function arrival(stream: string, after: Row, atMs: number, position: string): Change {
  return { stream, op: 'insert', before: null, after, at: new Date(atMs).toISOString(), position };
}

export function rejectedRecord(reason: string, retryable = false): WriteResult {
  return { ok: false, code: 'RECORD_REJECTED', reason, retryable };
}

/** Messages between a system that sends and pages that are asked for. How many there may be is agreed with the system. */
export class Inbox<Message> {
  #held: { readonly message: Message; readonly bytes: number }[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #emptied: (() => void)[] = [];

  push(message: Message, bytes: number): void {
    this.#held.push({ message, bytes });
    this.#wake?.();
  }

  /** Whoever takes is told, now and later. What is held was never taken: the system sends it again. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
    this.#emptied.splice(0).forEach((go) => {
      go();
    });
  }

  /** For those who fetch by themselves: until fewer than `count` wait here. */
  async room(count: number): Promise<void> {
    while (this.#failure === undefined && this.#held.length >= count) {
      await new Promise<void>((resolve) => this.#emptied.push(resolve));
    }
  }

  get count(): number {
    return this.#held.length;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** What is there, after some seconds of nothing also an empty list. */
  async take(max: number): Promise<Message[]> {
    if (this.#held.length === 0 && this.#failure === undefined) await this.#waked();
    if (this.#failure !== undefined) throw this.#failure.error;
    let count = 0;
    for (let bytes = 0; count < this.#held.length && count < max && bytes < PAGE_BYTES_MAX; count++) {
      bytes += this.#held[count]?.bytes ?? 0;
    }
    const taken = this.#held.splice(0, count).map(({ message }) => message);
    for (const go of this.#emptied.splice(0)) go();
    return taken;
  }

  #waked(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, IDLE_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
