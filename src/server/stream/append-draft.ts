/**
 * What a run of appends makes of a stream, before any of it is stored: each request is checked against the stream and the
 * requests before it, and those that pass leave together, in one commit. A request that is refused leaves no trace.
 */
import { compareBytes, type Limits, SluiceError } from '#kernel';
import type { StateChange } from '#log';
import { mediaType } from '../http/media-type.ts';
import { documentChange, type ProducerPlace, type StreamDocument } from './document.ts';
import { type EncodedMessages, encodeBody, NO_MESSAGES } from './messages.ts';
import { offsetToken } from './offset.ts';
import type { Stream } from './stream.ts';
import { isNextRequest, type ProducerEntry, type StreamProducers } from './stream-producers.ts';

export interface AppendRequest {
  readonly contentType: string | undefined;
  /** Empty: nothing but the closing. */
  readonly body: Uint8Array;
  readonly close: boolean;
  /** `Stream-Seq`. */
  readonly sequence: string | undefined;
  readonly producer: ProducerPlace | undefined;
}

export interface AppendOutcome {
  /** It was stored before. */
  readonly duplicate: boolean;
  /** The stream's end after it. */
  readonly next: number;
  readonly closed: boolean;
  /** The last request of its producer that is stored. */
  readonly producer: { readonly epoch: number; readonly sequence: number } | undefined;
}

export class AppendDraft {
  readonly batches: Uint8Array[] = [];
  document: StreamDocument;
  tail: number;
  readonly producers = new Map<string, ProducerEntry>();
  readonly #stream: Stream;
  readonly #known: StreamProducers;
  readonly #limits: Limits;
  readonly #now: number;

  constructor(stream: Stream, known: StreamProducers, limits: Limits, now: number) {
    this.#stream = stream;
    this.#known = known;
    this.#limits = limits;
    this.#now = now;
    this.document = stream.document;
    this.tail = stream.tail;
  }

  /** Nothing has passed that must be stored. */
  get isEmpty(): boolean {
    return this.batches.length === 0 && this.producers.size === 0 && this.document === this.#stream.document;
  }

  /**
   * @throws STREAM_CONFLICT (details: `closed` and `next_offset` where that is why), PRODUCER_FENCED, SEQUENCE_GAP,
   * REQUEST_INVALID, REQUEST_MALFORMED, RECORD_TOO_LARGE, TOO_MANY_RECORDS
   */
  add(request: AppendRequest): AppendOutcome {
    const { body, close, producer, sequence } = request;
    if (body.length === 0 && !close) throw invalid('the body is empty, and Stream-Closed is not true', 'body');
    if (this.document.closed) return this.#addToClosed(request);
    if (body.length > 0) this.#checkContentType(request.contentType);
    if (producer !== undefined && !isNextRequest(producer, this.#entry(producer.name))) {
      return this.#outcome(true, producer);
    }
    if (sequence !== undefined) this.#checkSequence(sequence);
    const messages = body.length === 0 ? NO_MESSAGES : this.#encode(body);
    this.batches.push(...messages.batches);
    this.tail += messages.count;
    if (producer !== undefined) {
      const { epoch, sequence: number } = producer;
      this.producers.set(producer.name, { epoch, sequence: number, at: this.#now });
    }
    if (close || sequence !== undefined) {
      const { closedBy } = this.document;
      this.document = {
        ...this.document,
        closed: close,
        closedBy: close ? (producer ?? null) : closedBy,
        sequence: sequence ?? this.document.sequence,
      };
    }
    return this.#outcome(false, producer);
  }

  /** The use of the stream is stored with the rest. */
  setUsedAt(usedAt: number): void {
    this.document = { ...this.document, usedAt };
  }

  changes(): StateChange[] {
    const changes = this.#known.changes(this.producers);
    if (this.document !== this.#stream.document) changes.push(documentChange(this.#stream.path, this.document));
    return changes;
  }

  /** The request that closed the stream, or any other closing without a body, may be repeated. */
  #addToClosed({ body, close, producer }: AppendRequest): AppendOutcome {
    const { closedBy } = this.document;
    const repeated =
      producer === undefined
        ? close && body.length === 0
        : closedBy !== null &&
          closedBy.name === producer.name &&
          closedBy.epoch === producer.epoch &&
          closedBy.sequence === producer.sequence;
    if (repeated) return this.#outcome(true, producer);
    throw new SluiceError('STREAM_CONFLICT', 'the stream is closed', {
      closed: true,
      next_offset: offsetToken(this.tail),
    });
  }

  #checkContentType(contentType: string | undefined): void {
    const own = this.document.contentType;
    if (contentType === undefined || contentType === '') throw invalid('Content-Type is missing', 'Content-Type');
    if (mediaType(contentType) === mediaType(own)) return;
    throw new SluiceError('STREAM_CONFLICT', `the stream holds ${own}, not ${contentType}`, { content_type: own });
  }

  #checkSequence(sequence: string): void {
    const last = this.document.sequence;
    if (last === null || compareBytes(Buffer.from(sequence), Buffer.from(last)) > 0) return;
    throw new SluiceError('STREAM_CONFLICT', `Stream-Seq must be above ${JSON.stringify(last)}`, { sequence: last });
  }

  #encode(body: Uint8Array): EncodedMessages {
    const messages = encodeBody(this.document.contentType, body, this.#limits, this.#now);
    if (messages.count === 0) throw invalid('an empty array holds no message', 'body');
    return messages;
  }

  #entry(name: string): ProducerEntry | undefined {
    return this.producers.get(name) ?? this.#known.get(name);
  }

  #outcome(duplicate: boolean, producer: ProducerPlace | undefined): AppendOutcome {
    const last = producer === undefined ? undefined : this.#entry(producer.name);
    return { duplicate, next: this.tail, closed: this.document.closed, producer: last };
  }
}

function invalid(message: string, field: string): SluiceError {
  return new SluiceError('REQUEST_INVALID', message, { field });
}
