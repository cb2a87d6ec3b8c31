/**
 * What the main thread tells the listener threads, and what they tell it: plain data that survives being cloned. A table
 * is never changed; a newer one takes its place, and what is under way ends by the one it began with.
 */
import type { Limits } from '#kernel';
import type { ApiSpec } from './kinds/api-kind.ts';
import type { RouteSpec } from './kinds/route-kind.ts';
import type { UpstreamSpec } from './kinds/upstream-kind.ts';
import type { FromThread, ToThread } from './link.ts';
import type { ExportSettings } from './records/span-exporter.ts';

export interface GatewayTable {
  readonly version: number;
  readonly routes: readonly NamedRoute[];
  readonly upstreams: readonly NamedUpstream[];
  readonly apis?: readonly NamedApi[];
}

export interface NamedRoute {
  readonly name: string;
  readonly spec: RouteSpec;
}

export interface NamedUpstream {
  readonly name: string;
  readonly spec: UpstreamSpec;
}

export interface NamedApi {
  readonly name: string;
  /** Another one with each change, so that what has not changed need not be compiled again. */
  readonly revision: number;
  readonly spec: ApiSpec;
}

/** What the listener threads share; fixed for their life. */
export interface ListenerSettings {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Authorities of client certificates, PEM; undefined: none are asked for. */
  readonly clientCaFile: string | undefined;
  /** Own name in `Via`, by which loops are seen. */
  readonly pseudonym: string;
  /** Networks of proxies whose Forwarded and X-Forwarded-* are believed. */
  readonly trusted: readonly string[];
  /** Requests are recorded. */
  readonly records: boolean;
  /** The collector of spans, if there is one. */
  readonly spans: ExportSettings | undefined;
  readonly limits: Limits;
  /** Shared tables: what rate limits count, and the ids of signed requests that were received. */
  readonly counters: SharedArrayBuffer;
  readonly replays: SharedArrayBuffer;
}

export type ToListener =
  | ToThread
  | { readonly kind: 'table'; readonly table: GatewayTable }
  | { readonly kind: 'close'; readonly graceMs: number };

export type FromListener =
  | FromThread
  | { readonly kind: 'listening' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'applied'; readonly version: number };
