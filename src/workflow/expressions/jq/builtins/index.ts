/** All functions of jq that are built in here, by `name/arity`. */
import { COLLECTIONS } from './collections.ts';
import type { Natives } from './native.ts';
import { PATTERNS } from './patterns.ts';
import { PROGRAMS } from './programs.ts';
import { NUMBERS, TEXTS } from './texts.ts';

export const NATIVES: Natives = { ...COLLECTIONS, ...TEXTS, ...NUMBERS, ...PROGRAMS, ...PATTERNS };
