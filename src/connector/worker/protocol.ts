/**
 * What the thread of an endpoint is asked and answers. A call has a number; its answer carries the same. A page of a read is
 * made when it is asked for by `next`, so that one is under way at most and a slow taker slows the reader down by itself.
 */
import type { ErrorCode, ErrorDetails } from '#kernel';
import type { Description } from '../conformance.ts';
import type { Delivery, Page, ReadRequest, Received, Row, Stream, WriteRequest, WriteResult } from '../contract.ts';

export interface WorkerSetup {
  readonly name: string;
  /** URL of the connector's module. */
  readonly module: string;
  /** URL of what a module outside this package means by `sluice/connector`; null for those inside. */
  readonly contract: string | null;
}

export interface OpenInput {
  readonly endpoint: string;
  /** With secrets in their places. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Dotted paths of the places where secrets were named. */
  readonly secretPaths: readonly string[];
  /** As `OpenContext.shared`. */
  readonly shared: SharedArrayBuffer;
  /** Only check the configuration. */
  readonly dry: boolean;
}

export interface Calls {
  describe: { input: null; output: Description };
  open: { input: OpenInput; output: null };
  check: { input: null; output: null };
  discover: { input: null; output: readonly Stream[] };
  read: { input: { readonly read: number; readonly request: ReadRequest }; output: null };
  next: { input: { readonly read: number }; output: Page | null };
  end: { input: { readonly read: number }; output: null };
  write: { input: { readonly request: WriteRequest; readonly records: readonly Row[] }; output: WriteResult[] };
  receive: { input: Delivery; output: Received };
  close: { input: null; output: null };
}

export type CallName = keyof Calls;

export interface Call {
  readonly id: number;
  readonly name: CallName;
  readonly input: unknown;
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | {
      readonly id: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: ErrorDetails;
    };

/** The other way round: the thread asks for secrets to be kept, by their paths, and is told when they are. */
export interface Keep {
  readonly keep: number;
  readonly replaced: Readonly<Record<string, string>>;
}

export interface Kept {
  readonly kept: number;
  /** Null: they are kept. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | null;
}
