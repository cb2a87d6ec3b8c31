/** Errors in the words of RFC 6749 5.2, and how the endpoints write what they answer. */
import type { MountAnswer } from '#http1';

export type OAuthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'temporarily_unavailable';

const STATUS: Partial<Record<OAuthCode, number>> = { invalid_client: 401, temporarily_unavailable: 429 };
const NEVER_STORED = [
  ['Cache-Control', 'no-store'],
  ['Pragma', 'no-cache'],
] as const;

export class OAuthError extends Error {
  readonly code: OAuthCode;
  readonly retryAfterS: number | undefined;

  constructor(code: OAuthCode, description: string, retryAfterS?: number) {
    super(description);
    this.name = 'OAuthError';
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

export function answerJson(value: object): MountAnswer {
  return { status: 200, headers: NEVER_STORED, contentType: 'application/json', body: JSON.stringify(value) };
}

export function answerError({ code, message, retryAfterS }: OAuthError): MountAnswer {
  const headers: (readonly [string, string])[] = [...NEVER_STORED];
  if (code === 'invalid_client') headers.push(['WWW-Authenticate', 'Basic realm="sluice", charset="UTF-8"']);
  if (retryAfterS !== undefined) headers.push(['Retry-After', String(retryAfterS)]);
  const body = JSON.stringify({ error: code, error_description: message });
  return { status: STATUS[code] ?? 400, headers, contentType: 'application/json', body };
}
