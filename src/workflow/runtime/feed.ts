/**
 * The bus of events to the lane: reads the topic from where it was heard to, and goes on when what was read is committed. On
 * the thread of the log; made by `lane-thread.ts`.
 */
import { decodeUtf8, type Logger, SluiceError } from '#kernel';
import type { Partition } from '#log';
import { iterateBatches, iterateRecords, type LogRecord } from '#record';
import type { BusEvent } from '../engine/bus.ts';

const READ_BYTES = 256 * 1024;
/** Headers of CloudEvents begin so, as producing stores them. */
const ATTRIBUTE = 'ce_';

export class Feed {
  readonly #bus: Partition;
  readonly #logger: Logger;
  readonly #tell: (events: readonly BusEvent[]) => void;
  readonly #end: () => void;
  /** The next offset to read, and up to where the lane has committed. */
  #at: number;
  #heard: number;
  #closed = false;

  constructor(bus: Partition, from: number, logger: Logger, tell: (events: readonly BusEvent[]) => void) {
    this.#bus = bus;
    this.#logger = logger;
    this.#tell = tell;
    this.#at = Math.max(from, bus.start);
    this.#heard = this.#at;
    this.#end = bus.onDurable(() => this.#read());
    this.#read();
  }

  heard(offset: number): void {
    this.#heard = offset;
    this.#read();
  }

  #read(): void {
    if (this.#closed || this.#heard < this.#at || this.#at >= this.#bus.durable) return;
    const { events, next } = readEvents(this.#bus, this.#at, READ_BYTES, this.#logger);
    this.#at = events.length === 0 ? next : (events.at(-1) as BusEvent).offset + 1;
    if (events.length > 0) this.#tell(events);
    else this.#heard = this.#at;
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }
}

/** The latest events before an offset, at most so many. */
export function recentEvents(bus: Partition, before: number, most: number, logger: Logger): BusEvent[] {
  const found: BusEvent[] = [];
  for (let at = Math.max(bus.start, before - most); at < before; ) {
    const { events, next } = readEvents(bus, at, READ_BYTES, logger);
    found.push(...events.filter(({ offset }) => offset < before));
    if (next <= at) break;
    at = next;
  }
  return found;
}

function readEvents(
  bus: Partition,
  from: number,
  bytesMax: number,
  logger: Logger,
): { readonly events: BusEvent[]; readonly next: number } {
  const cursor = bus.cursor(from);
  const events: BusEvent[] = [];
  try {
    const chunk = cursor.next(bytesMax);
    if (chunk === null) return { events, next: from };
    for (const { at } of iterateBatches(chunk.bytes)) {
      for (const record of iterateRecords(chunk.bytes, at)) {
        if (record.offset >= from) events.push({ offset: record.offset, event: eventOf(record) });
      }
    }
    return { events, next: chunk.nextOffset };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'BATCH_QUARANTINED') throw error;
    logger.error({ err: error, topic: bus.topic.name }, 'events that cannot be read are left out');
    return { events, next: Number(error.details['next']) };
  }
}

/** A CloudEvent of headers and data; a record that is none is its value. */
function eventOf({ headers, value, timestamp }: LogRecord): Readonly<Record<string, unknown>> {
  const attributes: Record<string, unknown> = {};
  for (const { key, value: text } of headers) {
    if (key.startsWith(ATTRIBUTE) && text !== null) attributes[key.slice(ATTRIBUTE.length)] = decodeUtf8(text);
  }
  const data = value === null ? null : parsed(decodeUtf8(value));
  if (Object.keys(attributes).length > 0) return { ...attributes, data };
  if (typeof data === 'object' && data !== null && 'type' in data) return data as Record<string, unknown>;
  return { type: '', time: new Date(timestamp).toISOString(), data };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
