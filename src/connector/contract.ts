/**
 * The contract of a connector, all of it: what a folder of `connectors/` default-exports and what its connections can do.
 * A capability that a system does not have is a member that its connections do not have. Called by the worker thread of an
 * endpoint (`worker/entry.ts`), implemented by connectors, held to by `test/kit/connectors`.
 *
 * A record is a plain object by field name. A value is `null` or, by the type of its field:
 *
 *   string    string                           timestamp  instant, `2026-11-25T01:02:03.123456Z`: as fine as the system has it
 *   int32     number                           datetime   the same without a zone and without `Z`
 *   int64     bigint                           date       `2026-11-25`
 *   decimal   string, every digit, or `NaN`    time       `01:02:03.123456`
 *   float     number, also NaN and Infinity    json       the JSON text as the system has it
 *   boolean   boolean                          bytes      Uint8Array
 *   array     list of values of `items`, also nested
 */
import type { z } from 'zod';

export const CONNECTOR_TYPES = ['api', 'database', 'file_system', 'message_queue', 'webhook', 'streaming'] as const;
/** What a connector was tested against: the system itself, another's stateful imitation of it, its description, or ours. */
export const PROOFS = ['server', 'emulator', 'spec', 'stub'] as const;
export const READ_MODES = ['full', 'incremental'] as const;
export const WRITE_MODES = ['insert', 'update', 'upsert', 'delete', 'append'] as const;

export type ReadMode = (typeof READ_MODES)[number];
export type WriteMode = (typeof WRITE_MODES)[number];
export type Capability = ReadMode | WriteMode;

export type ScalarType =
  | 'string'
  | 'int32'
  | 'int64'
  | 'decimal'
  | 'float'
  | 'boolean'
  | 'timestamp'
  | 'datetime'
  | 'date'
  | 'time'
  | 'json'
  | 'bytes';

export type Value = null | string | number | bigint | boolean | Uint8Array | readonly Value[];
export type Row = Readonly<Record<string, Value>>;

/** Plain JSON: what survives being written down. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface Field {
  readonly name: string;
  readonly type: ScalarType | 'array';
  readonly nullable: boolean;
  /** Of an array. */
  readonly items?: ScalarType;
}

/** What can be read or written under one name: a table, a file, keys of one prefix. */
export interface Stream {
  readonly name: string;
  readonly fields: readonly Field[];
  /** Records may have further fields: `fields` are only those that some records have shown. */
  readonly open?: true;
  /** Names of fields, in order; empty where there is none. */
  readonly primaryKey: readonly string[];
  /** Fields that only grow, by which it can be read incrementally. Empty: by a place of the system's own, or not at all. */
  readonly cursors: readonly string[];
  readonly can: readonly Capability[];
}

export interface ReadRequest {
  readonly stream: string;
  /** `full`: everything once. `incremental`: what is behind `state`, in the order of `cursor`. */
  readonly mode: ReadMode;
  /** Of `incremental`, where the stream has cursors: one of them. */
  readonly cursor?: string;
  /** The state of the last page that was taken; absent: from the beginning. */
  readonly state?: Json;
  readonly pageRecordsMax: number;
}

export interface Page {
  readonly records: readonly Row[];
  /** Where to go on after this page, on any connection. */
  readonly state: Json;
}

export interface WriteRequest {
  readonly stream: string;
  readonly mode: WriteMode;
  /** What identifies a record, for all modes but insert and append; empty: the primary key. */
  readonly keys: readonly string[];
}

/** What became of one record. A deletion of what is not there is done; a change of it is rejected. */
export type WriteResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 'RECORD_REJECTED'; readonly reason: string; readonly retryable: boolean };

export interface Connection {
  /** Proves that the system answers and lets us in. @throws ENDPOINT_REFUSED, ENDPOINT_UNREACHABLE */
  check(): Promise<void>;
  discover(): Promise<readonly Stream[]>;
  /** One page is made when it is asked for. @throws ENDPOINT_STREAM_UNKNOWN */
  read?(request: ReadRequest): AsyncIterable<Page>;
  /** One result for each record, in order; what throws has happened to no record, or may safely be done again. */
  write?(request: WriteRequest, records: readonly Row[]): Promise<WriteResult[]>;
  close(): Promise<void>;
}

export interface Connector<Config = unknown> {
  /** As its folder is called. */
  readonly name: string;
  readonly title: string;
  /** One or two sentences for people. */
  readonly description: string;
  readonly types: readonly (typeof CONNECTOR_TYPES)[number][];
  readonly proof: (typeof PROOFS)[number];
  /** All that its streams can do; one stream may do less. */
  readonly can: readonly Capability[];
  /** Of the configuration: checks it, documents it, makes its form. Secret fields carry `.meta({ secret: true })`. */
  readonly spec: z.ZodType<Config>;
  /** @param context `endpoint`: the name to appear under in the system, where it has a place for that */
  open(config: Config, context: { readonly endpoint: string }): Promise<Connection>;
}

/** Only so that the compiler knows the configuration's type in `open`. */
export function defineConnector<Config>(connector: Connector<Config>): Connector<Config> {
  return connector;
}
