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
/** Reading what changes, as it changes; single records by their key; taking what the system sends by itself (webhooks). */
export const OTHER_ABILITIES = ['changes', 'lookup', 'receive'] as const;
export const WRITE_MODES = ['insert', 'update', 'upsert', 'delete', 'append'] as const;

export type ReadMode = (typeof READ_MODES)[number];
export type WriteMode = (typeof WRITE_MODES)[number];
export type Capability = ReadMode | WriteMode | (typeof OTHER_ABILITIES)[number];

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
  /** Who writes, to be found again in `Change.origin` where the system can carry it. */
  readonly origin?: string;
}

export interface ChangesRequest {
  readonly streams: readonly string[];
  /** Of a stream whose records are not in `state` yet: first all that is there (`read`), handed over to what changes without a gap. */
  readonly snapshot: boolean;
  /** The state of the last page that was taken; absent: from the beginning, or from now on without a snapshot. */
  readonly state?: Json;
  /** At most about so many changes in a page. A transaction may be cut by pages; its changes stay in their order. */
  readonly pageRecordsMax: number;
  /** Names this reader in the system, where it keeps a place for one (a replication slot). Dots and dashes may be in it. */
  readonly consumer: string;
  /** Writers to be told in `Change.origin`, where the system carries a number made of a name; others carry any name. */
  readonly origins?: readonly string[];
}

/**
 * One change of one record. `read`: it was there when the snapshot passed. `truncate`: all of the stream went, and there are no
 * images. A change of the primary key is a `delete` of the old and an `insert` of the new.
 */
export interface Change {
  readonly stream: string;
  readonly op: 'read' | 'insert' | 'update' | 'delete' | 'truncate';
  /** As it was, as far as the system says: all fields, only those of the key, or null. */
  readonly before: Row | null;
  /** As it is; null after a delete. */
  readonly after: Row | null;
  /** Fields that are not in `after` because they did not change and the system does not send them. Never to be written as null. */
  readonly unchanged?: readonly string[];
  /** When it was committed, as `timestamp`. */
  readonly at: string;
  /** The place of its commit in the system's own order, for people and for comparing; equal for one transaction. */
  readonly position: string;
  /** Who wrote it, where the writer said so by `WriteRequest.origin`. */
  readonly origin?: string;
}

export interface ChangePage {
  /** May be empty: the state has moved on all the same. */
  readonly changes: readonly Change[];
  /** Where to go on after this page, on any connection. */
  readonly state: Json;
  /** Streams whose fields are not as they were, told before their first change of the new form, and all of them on the first page. */
  readonly streams?: readonly Stream[];
}

/** One request that the system has sent by itself, as it came. */
export interface Delivery {
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** When it came, epoch ms. */
  readonly atMs: number;
}

/** What a delivery means, once its signature has held. */
export interface Received {
  /** In their order; `before` is null where the system does not say. */
  readonly changes: readonly Change[];
  /** One that comes again with this id within `onceMs` is the same, and not to be taken again. */
  readonly id?: string;
  readonly onceMs?: number;
  /** What to answer where an empty success will not do: a challenge. */
  readonly answer?: { readonly status: number; readonly contentType: string; readonly body: string };
}

/** What a connector is given beside its configuration. */
export interface OpenContext {
  /** The name to appear under in the system, where it has a place for that. */
  readonly endpoint: string;
  /**
   * Bytes that all connections of this endpoint, and of others with the same secrets, see on all threads; zero at first: for
   * budgets of requests and for tokens. What is in them is up to the connector. Absent: this connection is the only one.
   */
  readonly shared?: SharedArrayBuffer;
  /** Keeps secrets of the configuration, by path, that the system has replaced (a rotated refresh token); absent: nothing can be kept. */
  keep?(replaced: Readonly<Record<string, string>>): Promise<void>;
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
  /**
   * Goes on for ever; a page is made when it is asked for, an empty one at the latest after some seconds. What a page's state
   * covers may be forgotten by the system once the next page is asked for.
   */
  changes?(request: ChangesRequest): AsyncIterable<ChangePage>;
  /** The records of these keys as they are now, in order, null where there is none. `keys` are records of the fields `fields`. */
  lookup?(stream: string, fields: readonly string[], keys: readonly Row[]): Promise<(Row | null)[]>;
  /** Nothing is asked of the system for it. @throws SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNATURE_EXPIRED, REQUEST_MALFORMED */
  receive?(delivery: Delivery): Promise<Received>;
  /** Forgets what the system keeps for a consumer of changes (a replication slot). What is not there is done. */
  forget?(consumer: string): Promise<void>;
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
  open(config: Config, context: OpenContext): Promise<Connection>;
}

/** Only so that the compiler knows the configuration's type in `open`. */
export function defineConnector<Config>(connector: Connector<Config>): Connector<Config> {
  return connector;
}
