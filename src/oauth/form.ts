/** The form that a client sends to an endpoint, read as RFC 6749 3.2 asks: nothing twice, what is empty is not there. */

import type { MountRequest } from '#http1';
import { decodeUtf8 } from '#kernel';
import { OAuthError } from './oauth-error.ts';

export const FORM_TYPE = 'application/x-www-form-urlencoded';
/** The one parameter that may be given more than once (RFC 8707). */
const REPEATABLE = 'resource';

export class Form {
  readonly #fields = new Map<string, string[]>();

  /** @throws OAuthError invalid_request */
  constructor(request: MountRequest) {
    const type = request.header('content-type')?.split(';')[0]?.trim().toLowerCase();
    if (type !== FORM_TYPE) throw new OAuthError('invalid_request', `the body must be ${FORM_TYPE}`);
    // Credentials in an address end up in logs.
    if (request.query !== '') throw new OAuthError('invalid_request', 'parameters belong into the body');
    for (const [name, value] of new URLSearchParams(textOf(request.body))) {
      if (value === '') continue;
      const values = this.#fields.get(name);
      if (values === undefined) this.#fields.set(name, [value]);
      else if (name === REPEATABLE) values.push(value);
      else throw new OAuthError('invalid_request', 'a parameter is given more than once');
    }
  }

  get(name: string): string | undefined {
    return this.#fields.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#fields.get(name) ?? [];
  }

  /** @throws OAuthError invalid_request */
  require(name: string): string {
    const value = this.get(name);
    if (value === undefined) throw new OAuthError('invalid_request', `${name} is missing`);
    return value;
  }
}

function textOf(body: Uint8Array): string {
  try {
    return decodeUtf8(body);
  } catch {
    throw new OAuthError('invalid_request', 'the body is not UTF-8');
  }
}
