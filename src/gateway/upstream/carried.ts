/**
 * What goes to a target over one of its connections, and who hears of the answer.
 *
 *   begun ─▶ answered ─▶ data, as often as it comes ─▶ ended        at any time before `ended`: failed, the last of all
 */
import type { Readable } from 'node:stream';

export interface CarriedRequest {
  readonly method: string;
  /** All of it up to the body, a character for each byte. */
  readonly head: string;
  readonly body: Uint8Array | Readable | null;
  /** The body, a stream, is sent in chunks. */
  readonly chunked: boolean;
}

/** The head of an answer. */
export interface AnsweredHead {
  readonly status: number;
  /** All of them, names in lower case and values in turn; bytes where a value is not ASCII. */
  readonly headers: readonly (string | Buffer)[];
  /** Undefined where none was told. */
  readonly contentLength: number | undefined;
}

/** A request under way on a connection, as its sender may steer it. */
export interface Flow {
  /** No more data, apart from what has been read already. */
  pause(): void;
  resume(): void;
  /** Nothing more is heard of it, and its connection is not used again if any of it was sent. */
  abort(): void;
}

export interface Carried {
  /** It is not wanted any more: if it was not sent yet, it will not be. */
  readonly abandoned: boolean;
  begun(flow: Flow): void;
  /** Once, of the final answer. */
  answered(head: AnsweredHead): void;
  /** The bytes are only there until this returns, or, of the last ones, until `ended` does, which follows in the same turn. */
  data(chunk: Buffer): void;
  ended(): void;
  failed(error: Error): void;
}
