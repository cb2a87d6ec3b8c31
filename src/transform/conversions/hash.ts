/**
 * Hashes of text, numbers, truth values and bytes. Plain, with a salt before the value, or as an HMAC with a key.
 * The same value hashes to the same text everywhere, so joins on it still work. Called by `steps.ts`.
 */
import { createHash, createHmac, hash as hashOnce } from 'node:crypto';
import { type Conversion, REFUSED } from '../step.ts';
import { textOf } from './text.ts';

export interface HashSettings {
  readonly algorithm: 'sha256' | 'sha384' | 'sha512';
  readonly encoding: 'hex' | 'base64' | 'base64url';
  readonly salt: string;
  readonly key?: string | undefined;
}

export function hash(settings: HashSettings): Conversion {
  const { algorithm, encoding, salt, key } = settings;
  const digest = (value: string | Uint8Array): string => {
    if (key !== undefined) return createHmac(algorithm, key).update(salt).update(value).digest(encoding);
    if (typeof value === 'string') return hashOnce(algorithm, salt + value, encoding);
    return createHash(algorithm).update(salt).update(value).digest(encoding);
  };
  return {
    convert: (value) => {
      const text = value instanceof Uint8Array ? value : textOf(value);
      return text === undefined ? REFUSED : digest(text);
    },
    takes: 'text, a number, true, false or bytes',
  };
}
