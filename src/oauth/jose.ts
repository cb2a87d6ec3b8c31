/** jose, loaded with the first token that is asked for or shown: a server whose clients have keys alone never needs it. */
import { createRequire } from 'node:module';
import type * as Jose from 'jose';

const require = createRequire(import.meta.url);

export const jose = () => require('jose') as typeof Jose;
