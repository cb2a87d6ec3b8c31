/** What the command line asks of the composition root, since only that may put layers together. */
import type { LogLevel } from '#kernel';

export interface ServeOptions {
  readonly data: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly allowInsecure: boolean;
  /** What access tokens name as their issuer; undefined: the address it listens on. */
  readonly issuer: string | undefined;
  readonly autoCreateTopics: boolean;
  readonly allowedOrigins: readonly string[];
  /** The folder that holds the modules of processors. */
  readonly processors: string;
  /** The folder of the user's own connectors; undefined: there is none. */
  readonly connectors: string | undefined;
  /** Worker threads for processors; 0: as many as the machine runs at once. */
  readonly workers: number;
  readonly gateway: {
    readonly host: string;
    /** 0 takes a free one; undefined: the usual one, once there are routes. */
    readonly port: number | undefined;
    /** 0: as many as the machine runs at once. */
    readonly threads: number;
    /** Networks of proxies whose X-Forwarded-* are believed. */
    readonly trusted: readonly string[];
    /** How many days records of requests are kept; 0: none are made. */
    readonly recordDays: number;
    /** Authorities of client certificates. */
    readonly clientCaFile: string | undefined;
    /** The collector of spans; undefined: none. */
    readonly otlp:
      | {
          readonly endpoint: string;
          readonly headers: readonly string[];
          readonly percent: number;
        }
      | undefined;
  };
  readonly logLevel: LogLevel;
  /** Limits to change, by name; checked when the server starts. */
  readonly limits: Readonly<Record<string, number>>;
}

export interface StoreReport {
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  readonly findings: readonly { readonly segment: string; readonly problem: string; readonly offset?: number }[];
}

export interface Acts {
  serve(
    options: ServeOptions,
  ): Promise<{ readonly url: string; readonly gatewayUrl: string | undefined; stop(): Promise<void> }>;
  verify(directory: string, progress: (done: number, total: number) => void): Promise<StoreReport>;
  restore(backup: string, directory: string): Promise<StoreReport>;
}
