/** A request as the policies see it, for tests: everything has a harmless default. */
import type { RequestView } from '../../../src/gateway/policies/request.ts';

export interface RequestParts extends Partial<Omit<RequestView, 'headers'>> {
  readonly headers?: Readonly<Record<string, string>>;
}

export function requestOf({ headers = {}, ...parts }: RequestParts = {}): RequestView {
  return {
    method: 'GET',
    path: '/things/1',
    query: '',
    remoteAddress: '192.0.2.7',
    route: 'things',
    ...parts,
    headers: new Map(Object.entries(headers)),
  };
}
