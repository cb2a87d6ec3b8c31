/**
 * A captured request with its answer, as it is written to `sys.gateway.capture.<route>`: plain JSON, so that it can be read
 * with anything. What carries credentials is left out before it is written. Made by the policy, read by the replay.
 */
import type { CaptureSpec } from './schema.ts';

/** Stands where something was left out. */
export const REDACTED = '[redacted]';

export function captureTopic(route: string): string {
  return `sys.gateway.capture.${route}`;
}

/** A body is text where it is UTF-8. Neither: there was none. */
export interface CapturedBody {
  readonly body?: string;
  readonly body_base64?: string;
  /** It was longer than is kept, or streamed. */
  readonly body_omitted?: true;
}

export interface CapturedRequest {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly route: string;
  readonly client: string | null;
  readonly request: CapturedBody & {
    readonly method: string;
    readonly host: string;
    readonly path: string;
    readonly query: string;
    /** Path and query that the upstream was asked for. */
    readonly target: string;
    /** Names in lower case and values in turn. */
    readonly headers: readonly string[];
  };
  /** Headers are null where only the status was seen: of answers without a body, and of those that passed by. */
  readonly answer: CapturedBody & { readonly status: number; readonly headers: readonly string[] | null };
  /** Of what the gateway itself refused it with. */
  readonly code: string | null;
  readonly elapsed_ms: number;
}

const CREDENTIAL_HEADERS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'api-key',
  'x-auth-token',
  'x-csrf-token',
  'x-xsrf-token',
  'x-amz-security-token',
  'signature',
  'webhook-signature',
];
const CREDENTIAL_PARAMETERS =
  /^(access_token|id_token|refresh_token|token|api_?key|key|client_secret|password|sig|signature|code)$/i;
const JSON_TYPE = /^application\/([a-z0-9.!#$&^_+-]+\+)?json\b/i;

/** What of a request and its answer may be kept. */
export class Redaction {
  readonly #headers: ReadonlySet<string>;
  readonly #fields: ReadonlySet<string>;
  readonly #credentials: boolean;

  constructor({ redact, redact_fields, credentials }: CaptureSpec) {
    this.#headers = new Set([...redact, ...(credentials ? [] : CREDENTIAL_HEADERS)]);
    this.#fields = new Set(redact_fields);
    this.#credentials = credentials;
  }

  headers(flat: readonly (string | Buffer)[]): string[] {
    const kept: string[] = [];
    for (let i = 0; i < flat.length; i += 2) {
      const name = String(flat[i]).toLowerCase();
      const value = flat[i + 1] as string | Buffer;
      const text = typeof value === 'string' ? value : value.toString('latin1');
      kept.push(name, this.#headers.has(name) ? REDACTED : text);
    }
    return kept;
  }

  query(query: string): string {
    if (this.#credentials || query === '') return query;
    const parts = query.split('&').map((part) => {
      const name = part.split('=')[0] as string;
      return CREDENTIAL_PARAMETERS.test(decoded(name)) ? `${name}=${encodeURIComponent(REDACTED)}` : part;
    });
    return parts.join('&');
  }

  /** Of a path and query. */
  target(target: string): string {
    const at = target.indexOf('?');
    return at < 0 ? target : `${target.slice(0, at)}?${this.query(target.slice(at + 1))}`;
  }

  body(bytes: Buffer, contentType: string | undefined): CapturedBody {
    if (bytes.length === 0) return {};
    const text = bytes.toString('utf8');
    if (!Buffer.from(text).equals(bytes)) {
      // What cannot be looked into is not kept where something was to be left out of it.
      return this.#fields.size > 0 ? { body_omitted: true } : { body_base64: bytes.toString('base64') };
    }
    if (this.#fields.size === 0) return { body: text };
    if (!JSON_TYPE.test(contentType ?? '')) return { body_omitted: true };
    try {
      const kept = JSON.stringify(JSON.parse(text), (name, value) => (this.#fields.has(name) ? REDACTED : value));
      return { body: kept };
    } catch {
      return { body_omitted: true };
    }
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
