/**
 * Header fields as policies read them: what was sent more than once is one list, so nobody can show a policy one value and
 * the upstream another.
 */
import type { GatewayRequest } from '../policy.ts';

type Headed = Pick<GatewayRequest, 'headers'>;

/** The values of a name in lower case, joined by `, `; undefined where there is none. */
export function fieldOf({ headers }: Headed, name: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    found = found === undefined ? headers[i + 1] : `${found}, ${headers[i + 1]}`;
  }
  return found;
}
