/**
 * undici, loaded where the first server to be reached is declared, and not with the gateway: a thread that carries nothing
 * yet has no need of it. Whoever will send asks for it when it is made, so that no request waits for it.
 */
import { createRequire } from 'node:module';
import type * as Undici from 'undici';

const require = createRequire(import.meta.url);

export const undici = () => require('undici') as typeof Undici;
