/**
 * What the main thread tells the listener threads, and what they tell it: plain data that survives being cloned. A table
 * is never changed; a newer one takes its place, and what is under way ends by the one it began with.
 */
import type { HashedKey, RouteSpec, UpstreamSpec } from '#resource';
import type { StatsDelta } from './proxy/stats.ts';

export interface GatewayTable {
  readonly version: number;
  readonly routes: readonly NamedRoute[];
  readonly upstreams: readonly NamedUpstream[];
}

export interface NamedRoute {
  readonly name: string;
  readonly spec: RouteSpec;
}

export interface NamedUpstream {
  readonly name: string;
  readonly spec: UpstreamSpec;
}

/** What the listener threads share; fixed for their life. */
export interface ListenerSettings {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Own name in `Via`, by which loops are seen. */
  readonly pseudonym: string;
  /** Networks of proxies whose Forwarded and X-Forwarded-* are believed. */
  readonly trusted: readonly string[];
  readonly socketBufferBytesMax: number;
  readonly messageBytesMax: number;
}

export type ToListener =
  | { readonly kind: 'table'; readonly table: GatewayTable }
  | { readonly kind: 'keys'; readonly keys: readonly HashedKey[] }
  | { readonly kind: 'close'; readonly graceMs: number };

export type FromListener =
  | { readonly kind: 'listening' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'applied'; readonly version: number }
  | { readonly kind: 'stats'; readonly delta: StatsDelta }
  | { readonly kind: 'fault'; readonly message: string; readonly stack: string };
