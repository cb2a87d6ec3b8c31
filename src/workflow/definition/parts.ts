/**
 * What tasks and the top level of a workflow document share: durations, schemas, errors, retries, events, authentication.
 * A field typed `string` that takes a runtime expression says so; unless it says otherwise, text is an expression only
 * inside `${ }`.
 */

/** An object of one key, the name: how the standard writes ordered lists of named things. */
export type Named<T> = Readonly<Record<string, T>>;

/** Parts in an object, ISO 8601 text, or an expression in `${ }` that answers with either, or with milliseconds. */
export type Duration = DurationParts | string;

export interface DurationParts {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly milliseconds?: number;
}

export interface Timeout {
  readonly after: Duration;
}

export interface SchemaDefinition {
  /** `json`, also with a version: `json:2020-12`. */
  readonly format?: string;
  readonly document?: unknown;
  readonly resource?: ExternalResource;
}

export interface InputDefinition {
  readonly schema?: SchemaDefinition;
  /** An expression, with or without `${ }`, or an object with expressions in it. */
  readonly from?: string | Readonly<Record<string, unknown>>;
}

export interface OutputDefinition {
  readonly schema?: SchemaDefinition;
  /** As `from`. */
  readonly as?: string | Readonly<Record<string, unknown>>;
}

/** What the context becomes after a task. */
export type ExportDefinition = OutputDefinition;

export interface ErrorDefinition {
  /** A URI; errors are compared by its last part, since hosts and prefixes differ between editions of the standard. */
  readonly type: string;
  readonly status: number;
  readonly title?: string;
  readonly detail?: string;
  readonly instance?: string;
}

export interface ErrorFilter {
  readonly type?: string;
  readonly status?: number;
  readonly instance?: string;
  readonly title?: string;
  readonly detail?: string;
  /** As `detail`; the first edition's spelling. */
  readonly details?: string;
}

export interface RetryPolicy {
  readonly when?: string;
  readonly exceptWhen?: string;
  readonly delay?: Duration;
  readonly backoff?: Backoff;
  readonly limit?: {
    readonly attempt?: { readonly count?: number; readonly duration?: Duration };
    /** Of all attempts together. */
    readonly duration?: Duration;
  };
  readonly jitter?: { readonly from: Duration; readonly to: Duration };
}

/** Exactly one of them. */
export interface Backoff {
  readonly constant?: Readonly<Record<string, unknown>>;
  /** `increment`, a duration; the delay itself where there is none. */
  readonly linear?: { readonly increment?: Duration; readonly [other: string]: unknown };
  /** Added: `factor`, 2 where there is none, and `maxDelay`. */
  readonly exponential?: { readonly factor?: number; readonly maxDelay?: Duration; readonly [other: string]: unknown };
}

/** Exactly one of `all`, `any` and `one`. `any: []` takes every event. */
export interface EventConsumption {
  readonly all?: readonly EventFilter[];
  readonly any?: readonly EventFilter[];
  readonly one?: EventFilter;
  /** With `any`: an expression over what was consumed, or events to wait for. */
  readonly until?: string | EventConsumption;
}

export interface EventFilter {
  /** Attributes the event must have; a value in `${ }` is a condition over the event. */
  readonly with: EventProperties;
  /** What must be equal between events: `from` reads it off an event, `expect` says what it must be. */
  readonly correlate?: Readonly<Record<string, { readonly from: string; readonly expect?: string }>>;
}

/** CloudEvents attributes and `data`. */
export interface EventProperties {
  readonly id?: string;
  readonly source?: string;
  readonly type?: string;
  readonly time?: string;
  readonly subject?: string;
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  readonly data?: unknown;
  readonly [extension: string]: unknown;
}

export type Endpoint = string | { readonly uri: string; readonly authentication?: AuthenticationReference };

export interface ExternalResource {
  readonly name?: string;
  readonly endpoint: Endpoint;
}

export interface Catalog {
  readonly endpoint: Endpoint;
}

/** The name of one in `use.authentications`, or one inline. */
export type AuthenticationReference = { readonly use: string } | AuthenticationPolicy;

/** The name of a secret that holds the fields. */
export interface SecretReference {
  readonly use: string;
}

/** Exactly one of them. */
export interface AuthenticationPolicy {
  readonly basic?: { readonly username: string; readonly password: string } | SecretReference;
  readonly bearer?: { readonly token: string } | SecretReference;
  readonly digest?: { readonly username: string; readonly password: string } | SecretReference;
  readonly oauth2?: OAuth2Authentication | SecretReference;
  readonly oidc?: OAuth2Authentication | SecretReference;
}

export interface OAuth2Authentication {
  readonly authority?: string;
  readonly grant?: string;
  readonly client?: {
    readonly id?: string;
    readonly secret?: string;
    readonly assertion?: string;
    readonly authentication?: string;
  };
  readonly request?: { readonly encoding?: string };
  /** Of `oauth2` alone. */
  readonly endpoints?: { readonly token?: string; readonly revocation?: string; readonly introspection?: string };
  readonly issuers?: readonly string[];
  readonly scopes?: readonly string[];
  readonly audiences?: readonly string[];
  readonly username?: string;
  readonly password?: string;
  readonly subject?: OAuth2Token;
  readonly actor?: OAuth2Token;
}

export interface OAuth2Token {
  readonly token: string;
  readonly type: string;
}
