/**
 * A stream as server-sent events. Each run of records is an event `data`, and each of those is followed by an event `control`
 * that says where to go on, whether that is the end for now, and whether it is the end for good.
 *
 *   read ──▶ data + control, one write ──▶ wait until the reader has taken it ──▶ read …
 *   nothing there: sleep until the stream changes; a comment now and then keeps the connection known to be alive
 *
 * A connection ends after a minute, so that caches can put readers together; the reader comes back with the last offset.
 */
import { asSluiceError, toProblem } from '#kernel';
import type { ServerContext } from '../context.ts';
import type { BodyStream } from '../http/body-stream.ts';
import type { Exchange } from '../http/exchange.ts';
import { waitUntil } from '../read/wait.ts';
import { nextCursor } from './cursor.ts';
import { isTextStream } from './messages.ts';
import { offsetToken } from './offset.ts';
import { readPage } from './page.ts';
import type { Stream } from './stream.ts';

const EVENT_STREAM = 'text/event-stream';
const COMMENT = ':\n\n';
const HEARTBEAT_MS = 15_000;
const CONNECTION_MS = 60_000;
const CHUNK_BYTES = 64 * 1024;
const LINE_BREAK = /\r\n|\r|\n/;

export async function answerEvents(
  context: ServerContext,
  exchange: Exchange,
  stream: Stream,
  from: number,
  cursor: string | undefined,
): Promise<void> {
  exchange.setHeader('Cache-Control', 'no-cache');
  if (!isTextStream(stream.document.contentType)) exchange.setHeader('Stream-SSE-Data-Encoding', 'base64');
  const output = exchange.stream(200, EVENT_STREAM, COMMENT);
  if (output === undefined) return;
  const release = stream.hold(context.clock);
  try {
    await new EventFeed(context, stream, output, from, cursor).run();
  } catch (error) {
    const problem = asSluiceError(error);
    context.logger.warn({ err: problem, stream: stream.path }, 'events of a stream ended by an error');
    output.write(`event: error\ndata:${JSON.stringify(toProblem(problem))}\n\n`);
  } finally {
    release();
    output.end();
  }
}

class EventFeed {
  readonly #context: ServerContext;
  readonly #stream: Stream;
  readonly #output: BodyStream;
  readonly #gone = new AbortController();
  /** Bytes of a character may be spread over records. */
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #endsAt: number;
  #position: number;
  #cursor: number;

  constructor(context: ServerContext, stream: Stream, output: BodyStream, from: number, cursor: string | undefined) {
    this.#context = context;
    this.#stream = stream;
    this.#output = output;
    this.#position = from;
    this.#endsAt = context.clock.monotonic() + CONNECTION_MS;
    this.#cursor = nextCursor(context.clock.now(), cursor);
    output.onClose(() => this.#gone.abort());
  }

  async run(): Promise<void> {
    const { shutdown, clock, streams } = this.#context;
    const stream = this.#stream;
    let toldClosed = false;
    let first = true;
    while (this.#output.open && !shutdown.aborted && !stream.gone && !toldClosed) {
      if (this.#position < stream.tail || first || stream.closed) {
        toldClosed = this.#send();
        first = false;
        streams.touch(stream);
      } else {
        const left = this.#endsAt - clock.monotonic();
        if (left <= 0) return;
        await this.#sleep(Math.min(left, HEARTBEAT_MS));
      }
      await this.#output.writable();
    }
  }

  /** What is there, and where that ends. True when it is the end for good. */
  #send(): boolean {
    const stream = this.#stream;
    let text = '';
    if (this.#position < stream.tail) {
      const { body, next } = readPage(stream, this.#position, CHUNK_BYTES);
      text = dataEvent(this.#encode(body));
      this.#position = next;
    }
    const upToDate = this.#position === stream.tail;
    const closed = upToDate && stream.closed;
    this.#output.write(text + this.#control(upToDate, closed));
    return closed;
  }

  #encode(body: Uint8Array): string {
    if (isTextStream(this.#stream.document.contentType)) return this.#decoder.decode(body, { stream: true });
    return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
  }

  #control(upToDate: boolean, closed: boolean): string {
    this.#cursor = Math.max(this.#cursor, nextCursor(this.#context.clock.now(), undefined));
    const control = {
      streamNextOffset: offsetToken(this.#position),
      ...(closed ? {} : { streamCursor: String(this.#cursor) }),
      ...(upToDate ? { upToDate } : {}),
      ...(closed ? { streamClosed: true } : {}),
    };
    return `event: control\ndata:${JSON.stringify(control)}\n\n`;
  }

  async #sleep(waitMs: number): Promise<void> {
    const { clock, shutdown, streams } = this.#context;
    const stream = this.#stream;
    const position = this.#position;
    const before = clock.monotonic();
    const more = (): boolean => stream.tail > position || stream.closed || stream.gone;
    await waitUntil(more, [(check) => stream.onChange(check)], waitMs, [shutdown, this.#gone.signal]);
    if (clock.monotonic() - before < HEARTBEAT_MS) return;
    streams.touch(stream);
    this.#output.write(COMMENT);
  }
}

/** Line breaks of any kind part the lines of an event, so that none in the text can end it. */
function dataEvent(text: string): string {
  let event = 'event: data\n';
  for (const line of text.split(LINE_BREAK)) event += line.startsWith(' ') ? `data: ${line}\n` : `data:${line}\n`;
  return `${event}\n`;
}
