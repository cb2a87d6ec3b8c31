/**
 * Makes a stream: finds where a fork leaves its source, takes a place for its records, and stores its document and first
 * messages in one commit. Called by `Streams`, which knows that the path is free.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { Log } from '#log';
import { type CreateRequest, forkDocument, newDocument, type Origin, type PlacelessDocument } from './create.ts';
import { documentChange } from './document.ts';
import { findForkPoint } from './fork-point.ts';
import { encodeBody, encodeMessages } from './messages.ts';
import type { Places } from './places.ts';
import { Stream } from './stream.ts';
import { StreamProducers } from './stream-producers.ts';

export interface MakerParts {
  readonly log: Log;
  readonly limits: Limits;
  readonly clock: Clock;
}

/** What a stream begins with, before it has a place. */
interface Beginning {
  readonly document: PlacelessDocument;
  readonly batches: readonly Uint8Array[];
}

const ID_BYTES = 12;

export class StreamMaker {
  readonly #parts: MakerParts;
  readonly #places: Places;

  constructor(parts: MakerParts, places: Places) {
    this.#parts = parts;
    this.#places = places;
  }

  /**
   * What the source is read for is read before the call returns.
   * @throws STREAM_CONFLICT, LIMIT_EXCEEDED, REQUEST_INVALID; as `encodeBody`, `Places.take`, `Log.commit`
   */
  async make(path: string, request: CreateRequest, source: Stream | undefined): Promise<Stream> {
    const { log, limits } = this.#parts;
    const beginning = source === undefined ? this.#begin(request) : this.#beginFork(request, source);
    const partition = await this.#places.take();
    const { topic, index, tail: base } = partition;
    const document = { ...beginning.document, topic: topic.name, partition: index, base };
    try {
      await log.commit({
        appends: beginning.batches.map((batch) => ({ partition, batch })),
        state: [documentChange(path, document)],
      });
    } catch (error) {
      this.#places.release(partition);
      throw error;
    }
    const stream = new Stream(path, document, partition, source);
    stream.producers = new StreamProducers(document.id, limits);
    return stream;
  }

  #begin(request: CreateRequest): Beginning {
    const document = newDocument(request, this.#origin(0));
    return { document, batches: this.#encode(document, request.body) };
  }

  #beginFork(request: CreateRequest, source: Stream): Beginning {
    const { limits, clock } = this.#parts;
    const { streamForkDepthMax: max } = limits;
    if (source.depth >= max) throw new SluiceError('LIMIT_EXCEEDED', `forks of forks go ${max} deep`, { max });
    const { position = source.tail, subOffset = 0 } = request.fork ?? {};
    const point = findForkPoint(source, position, subOffset);
    const fork = { source: source.path, position, subOffset };
    const document = forkDocument(request, source, fork, this.#origin(point.position));
    const prefix = point.prefix === undefined ? [] : encodeMessages([point.prefix], limits, clock.now()).batches;
    return { document, batches: [...prefix, ...this.#encode(document, request.body)] };
  }

  #encode({ contentType, createdAt }: PlacelessDocument, body: Uint8Array): readonly Uint8Array[] {
    return body.length === 0 ? [] : encodeBody(contentType, body, this.#parts.limits, createdAt).batches;
  }

  #origin(from: number): Origin {
    return { id: randomBytes(ID_BYTES).toString('base64url'), now: this.#parts.clock.now(), from };
  }
}
