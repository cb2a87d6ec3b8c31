/**
 * What is kept of a stream beside its records: one document in the log's state space `streams`, under the stream's path,
 * and one entry for each of its producers in a space of its own. Both change in the same commit as the records they
 * belong to, so a kill leaves neither without the other.
 */
import type { StateChange } from '#log';

export const STREAM_SPACE = 'streams';

/** @param id of the stream */
export function producerSpace(id: string): string {
  return `stream-producers/${id}`;
}

/** The place of one request in what a producer sends. */
export interface ProducerPlace {
  readonly name: string;
  readonly epoch: number;
  readonly sequence: number;
}

/** As the fork was asked for, so that the same request again is known as the same. */
export interface ForkOrigin {
  /** Path of the stream it was forked from. */
  readonly source: string;
  /** Position in the source. */
  readonly position: number;
  readonly subOffset: number;
}

export interface StreamDocument {
  /** Never given to another stream, also not to a later one at the same path. */
  readonly id: string;
  /** As it was sent, parameters included. */
  readonly contentType: string;
  readonly createdAt: number;
  /** Seconds without a read or write after which it is gone. */
  readonly ttlSeconds: number | null;
  /** Epoch milliseconds at which it is gone. */
  readonly expiresAt: number | null;
  /** When it was last read or written, to within an eighth of its time to live. */
  readonly usedAt: number;
  /** Where its own records are: from `base` on, in a partition that is its alone. */
  readonly topic: string;
  readonly partition: number;
  readonly base: number;
  /** The position of its first own record: 0, or where a fork leaves its source. */
  readonly from: number;
  readonly fork: ForkOrigin | null;
  readonly closed: boolean;
  /** The request of an idempotent producer that closed it. */
  readonly closedBy: ProducerPlace | null;
  /** Deleted or expired while forks still read what they inherit. */
  readonly deleted: boolean;
  /** The last `Stream-Seq`. */
  readonly sequence: string | null;
}

/** @param document null: the stream is gone */
export function documentChange(path: string, document: StreamDocument | null): StateChange {
  const value = document === null ? null : Buffer.from(JSON.stringify(document));
  return { space: STREAM_SPACE, key: path, value };
}

export function parseDocument(bytes: Uint8Array): StreamDocument {
  return JSON.parse(Buffer.from(bytes).toString()) as StreamDocument;
}
