/**
 * What a policy sees of a request and what it says about it. Policies are pure: no sockets, no clock of their own, so
 * that the gateway can ask them on any thread and tests can ask them without one. Every file of this folder that
 * declares a policy exports its zod schema, a `compile…` step that is called once a configuration, and an object whose
 * function is called for each request and answers a `Decision`.
 */
import { ERROR_TABLE, type ErrorCode, type ErrorDetails } from '#kernel';

export interface RequestView {
  /** As sent, upper case. */
  readonly method: string;
  /** As it will be forwarded: without the query, still percent-encoded. */
  readonly path: string;
  /** Without the question mark; empty where there is none. */
  readonly query: string;
  /** By lower-case name; what was sent more than once is joined with `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** Of the client, after proxies that are trusted have been believed: `192.0.2.7`, `2001:db8::7`. */
  readonly remoteAddress: string;
  /** The name of the route that was matched. */
  readonly route: string;
  /** The name of the client that was recognised. */
  readonly client?: string;
  /** The id of the API key it used. */
  readonly key?: string;
  /** Claims of its verified token. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The whole body, where the route collects it. */
  readonly body?: Uint8Array;
}

/** Fields for the answer to the client, by name. */
export type Fields = Readonly<Record<string, string>>;

export interface Allowance {
  readonly allow: true;
  readonly headers: Fields;
}

export interface Refusal {
  readonly allow: false;
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Fields;
  /** Members of the problem document. Never what would help to guess a credential. */
  readonly details: ErrorDetails;
}

export type Decision = Allowance | Refusal;

/** Nothing to say: the request goes on, the answer gets no field. */
export const ALLOWED: Allowance = { allow: true, headers: {} };

export function refuse(code: ErrorCode, headers: Fields = {}, details: ErrorDetails = {}): Refusal {
  return { allow: false, code, status: ERROR_TABLE[code].status, headers, details };
}
