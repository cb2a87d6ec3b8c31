/**
 * What a system over HTTP is declared with: plain data and small pure functions over it. A connector makes one `HttpSystem` of
 * its configuration; everything else (paging, state, retries, budgets, tokens, results) is the runtime's. Read by all files
 * of this folder, written by connectors.
 */
import type { Change, Json, ReadMode, ScalarType, WriteMode } from '../contract.ts';
import type { Auth } from './auth.ts';
import type { Budget } from './budget.ts';
import type { ErrorRule } from './error-rules.ts';
import type { Signature } from './signatures.ts';

export type JsonObject = Readonly<Record<string, unknown>>;
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface HttpRequest {
  /** Default GET. */
  readonly method?: Method;
  /** Below the base of the system; `{name}` is a value of the scope, encoded. A whole address must be at the same host. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** One of these at most. */
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly text?: string;
  /** May be sent again when nobody knows whether it arrived. Default: all but POST and PATCH. */
  readonly repeatable?: boolean;
  /** Default: what the content type says. */
  readonly decode?: Decoding;
  /** An address at another host, which gets none of our credentials: where results of a job are fetched from. */
  readonly foreign?: true;
}

export type Decoding = 'json' | 'ndjson' | 'csv' | 'xml' | 'text' | 'none';

export interface Answer {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export type FieldType = ScalarType | `${ScalarType}[]`;

/** By name: the type, or with `from` where it is in the record; `unit` for a timestamp that is a number since 1970. */
export type Fields = Readonly<
  Record<string, FieldType | { readonly type: FieldType; readonly from?: string; readonly unit?: 's' | 'ms' }>
>;

/** What a request of a read is made of. */
export interface ReadScope {
  readonly mode: ReadMode;
  /** Of the partition: fields of the parent, or those declared. */
  readonly partition: JsonObject;
  /** Records from here on, and before `to`; absent: from the beginning, to the end. As the field has it, or a number. */
  readonly from?: string | number;
  readonly to?: string | number;
}

export interface HttpStream {
  readonly name: string;
  readonly fields: Fields;
  readonly primaryKey: readonly string[];
  /** Nothing but the fields above; else further members of a record come along, objects as their JSON. */
  readonly closed?: true;
  readonly read?: HttpRead;
  /** One record by its key, for lookups; `{name}` are fields of the key. What is not there is answered 404, or has no record. */
  readonly one?: { readonly request: HttpRequest | ((keys: JsonObject) => HttpRequest); readonly record: string };
  readonly writes?: Partial<Record<WriteMode, HttpWrite | HttpBatch | HttpUpsert>>;
}

export interface HttpRead {
  readonly request: HttpRequest | ((scope: ReadScope) => HttpRequest);
  /** Path to the list of records, `''` the body itself. */
  readonly records: string | ((body: unknown) => readonly unknown[]);
  readonly paging?: Paging;
  readonly filter?: (record: JsonObject) => boolean;
  /** To another form; by default the values of the partition are added. */
  readonly map?: (record: JsonObject, partition: JsonObject) => JsonObject;
  readonly partitions?: Partitions;
  readonly incremental?: Incremental;
}

/** One read after the other: for each record of a parent stream, or each of a list. */
export type Partitions =
  | { readonly parent: string; readonly values: Readonly<Record<string, string>> }
  | { readonly list: readonly JsonObject[] };

/** Where a value is sent: a query parameter, a place in the JSON body, a field of the form, a header. */
export type Place =
  | { readonly query: string }
  | { readonly json: string }
  | { readonly form: string }
  | { readonly header: string };
export type PageSize = Place & { readonly max: number };

export type Paging =
  /** `Link: <…>; rel="next"` */
  | { readonly kind: 'link'; readonly size?: PageSize }
  /** A token in the answer, sent back at `send`; `url`: it is the address of the next page. `more`: false ends it. */
  | {
      readonly kind: 'cursor';
      readonly next: string | ((answer: Answer, records: readonly JsonObject[]) => string | number | undefined);
      readonly more?: string;
      readonly send: Place | 'url';
      readonly size?: PageSize;
    }
  /** Numbered pages, or records counted. Ends with a page that is not full, or with `total` records. */
  | {
      readonly kind: 'page' | 'offset';
      readonly send: Place;
      readonly first?: number;
      readonly size: PageSize;
      readonly total?: string;
    }
  | JobPaging;

/** The request makes a job; it is asked after until it is done, and its results are fetched page by page. */
export interface JobPaging {
  readonly kind: 'job';
  readonly id: string;
  readonly poll: (id: string) => HttpRequest;
  /** Text: why it failed. */
  readonly state: (body: unknown) => 'running' | 'done' | { readonly failed: string };
  readonly results: (id: string, next: string | undefined) => HttpRequest;
  /** Where the next results are; undefined: there are no more. */
  readonly next: (answer: Answer) => string | undefined;
  readonly pauseMs?: number;
}

export interface Incremental {
  /** A field that only grows. */
  readonly cursor: string;
  readonly kind: 'datetime' | 'counter';
  /**
   * `ascending`: the request sorts by the cursor; each page begins behind the last record, so changes meanwhile move nothing
   * past it. `newest first`: the system cannot filter, and reading ends at the first record that is too old. Otherwise the
   * cursor moves when all pages have been read.
   */
  readonly order?: 'ascending' | 'newest first';
  /** Where the first read begins. */
  readonly start?: string | number;
  /** Asks again from so far before the last cursor, for records that became visible late; ms, or units of the counter. */
  readonly lookBack?: number;
  /** One read in windows of so much, each read to its end; needs `start`. Of counters: seconds since 1970. */
  readonly slice?: number;
}

/** A record to be written: all its fields as JSON, and those that identify it. */
export interface Outgoing {
  readonly record: JsonObject;
  readonly keys: JsonObject;
  /** The fields that are not keys. */
  readonly rest: JsonObject;
}

/** One request a record. */
export interface HttpWrite {
  readonly request: (record: Outgoing) => HttpRequest;
  /** A header in which a key says that a repeated request is the same. */
  readonly idempotencyHeader?: string;
  /** What a record that is not there means; default: `done` for a deletion, else `reject`. */
  readonly missing?: 'reject' | 'done';
  /** One after the other; default: a few at once, those with the same keys in order. */
  readonly ordered?: true;
}

/** Many records in one request. `results`: for each in order, true or why it was refused; a refusal of all is looked into by halves. */
export interface HttpBatch {
  readonly max: number;
  readonly batch: (records: readonly Outgoing[]) => HttpRequest;
  readonly results: (answer: Answer, records: readonly Outgoing[]) => readonly (true | string | Retryable)[];
  readonly idempotencyHeader?: string;
}

export interface Retryable {
  readonly retryable: string;
}

/** For systems without one: change it, and where it is not there insert it; or look whether it is there first. */
export type HttpUpsert =
  | { readonly upsert: 'update or insert' }
  | {
      readonly upsert: 'find';
      readonly find: (record: Outgoing) => HttpRequest;
      /** Further keys for the update; undefined: it is not there. */
      readonly found: (answer: Answer, record: Outgoing) => JsonObject | undefined;
    };

export interface WebhookChange {
  readonly stream: string;
  readonly op: Exclude<Change['op'], 'read' | 'truncate'>;
  /** As it is in reads of the stream; of a deletion at least the key. */
  readonly record: JsonObject;
  readonly before?: JsonObject;
  /** ISO 8601; default: when it came. */
  readonly at?: string;
  readonly position?: string;
}

export interface Webhooks {
  /** Undefined: the configuration has no secret for it. */
  readonly signature: Signature | undefined;
  readonly changes: (body: unknown, headers: Readonly<Record<string, string>>) => readonly WebhookChange[];
  /** For systems that try an address before they use it. */
  readonly challenge?: (body: unknown) => string | undefined;
}

export interface HttpSystem {
  readonly settings: Settings;
  readonly auth?: Auth;
  readonly headers?: Readonly<Record<string, string>>;
  /** Held by all connections of the account together. */
  readonly budgets?: readonly Budget[];
  /** Tried in order, before those of the runtime. */
  readonly rules?: readonly ErrorRule[];
  /** Where the answer to a refusal says why; by default the usual places are looked at. */
  readonly reason?: (body: unknown) => string | undefined;
  readonly check: HttpRequest;
  /** May be asked of the system. */
  readonly streams: readonly HttpStream[] | ((ask: Ask) => Promise<readonly HttpStream[]>);
  readonly webhooks?: Webhooks;
}

/** A request to the system with everything that belongs to it. @throws what a failure means */
export type Ask = (request: HttpRequest) => Promise<Answer>;

/** What every endpoint of an HTTP connector may set. */
export interface Settings {
  readonly url: string;
  readonly timeout_ms: number;
  readonly answer_bytes_max: number;
  readonly allow_networks: readonly string[];
}

export type Token = Json;
