/**
 * jose, loaded where the first policy that knows tokens is made, and not with the gateway: most threads of most gateways
 * never see one. Asked for when a policy is made, so that no request waits for it.
 */
import { createRequire } from 'node:module';
import type * as Jose from 'jose';

const require = createRequire(import.meta.url);
let library: typeof Jose | undefined;

export function jose(): typeof Jose {
  library ??= require('jose') as typeof Jose;
  return library;
}
