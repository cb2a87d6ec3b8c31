/**
 * The keys that access tokens are signed with (ES256). They are kept in a file of mode 0600 beside the store, not in the
 * log: whoever may read the log, or holds a backup of it, must not be able to make tokens, and no path of the API reads
 * this file. A server without the file makes a new key, and tokens of the old one are refused.
 *
 *   made ── published for AHEAD_MS ──▶ signs for ROTATE_MS ──▶ known while its tokens may live ──▶ forgotten
 *
 * A key is made at first need. Nothing runs by itself: whoever asks for a key moves them on.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { JWK } from 'jose';
import { type Clock, SluiceError } from '#kernel';

const ROTATE_MS = 30 * 86_400_000;
/** Longer than anybody should keep a fetched key set. */
const AHEAD_MS = 15 * 60_000;
/** The longest a token may live, and some. */
const KNOWN_MS = 25 * 3_600_000;
const OTHERS = 0o077;

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: JWK;
  /** From when on it signs, epoch milliseconds. */
  readonly activeAt: number;
}

interface StoredKey {
  readonly active_at: number;
  readonly jwk: JWK;
}

export class SigningKeys {
  readonly #path: string;
  readonly #clock: Clock;
  #keys: readonly SigningKey[] = [];
  #changed: () => void = () => undefined;

  /** @throws CONFIG_INVALID when others may read the file, or it is none of keys */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#keys = readKeys(path);
  }

  /** `changed` runs after a key came or went. */
  watch(changed: () => void): void {
    this.#changed = changed;
  }

  /** The key to sign with. @throws STORE_FAILED when a new one cannot be kept */
  current(): SigningKey {
    const now = this.#clock.now();
    const newest = this.#keys.at(-1);
    if (newest === undefined) this.#add(now);
    else if (now - newest.activeAt >= ROTATE_MS) this.#add(now + AHEAD_MS);
    return this.#keys.findLast(({ activeAt }) => activeAt <= now) ?? (this.#keys[0] as SigningKey);
  }

  /**
   * Makes a new key now. @param forget the others are not known any more: their tokens are refused from now on
   * @throws STORE_FAILED when it cannot be kept
   */
  rotate(forget: boolean): SigningKey {
    return this.#add(this.#clock.now() + (forget ? 0 : AHEAD_MS), forget);
  }

  /** A key that tokens may still be held against. */
  find(kid: string): SigningKey | undefined {
    return this.#known().find((key) => key.kid === kid);
  }

  /** For everybody who checks tokens. */
  published(): JWK[] {
    return this.#known().map(({ publicJwk }) => publicJwk);
  }

  /** All but those whose tokens are all over: a later key has been signing for longer than a token lives. */
  #known(): readonly SigningKey[] {
    const before = this.#clock.now() - KNOWN_MS;
    const from = this.#keys.findLastIndex(({ activeAt }) => activeAt <= before);
    return from <= 0 ? this.#keys : this.#keys.slice(from);
  }

  #add(activeAt: number, forget = false): SigningKey {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = keyOf(privateKey.export({ format: 'jwk' }) as JWK, activeAt);
    const keys = [...(forget ? [] : this.#known()), key];
    writeKeys(this.#path, keys);
    this.#keys = keys;
    this.#changed();
    return key;
  }
}

function keyOf(jwk: JWK, activeAt: number): SigningKey {
  const privateKey = createPrivateKey({ key: jwk as never, format: 'jwk' });
  const publicKey = createPublicKey(privateKey);
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' }) as Required<Pick<JWK, 'kty' | 'crv' | 'x' | 'y'>>;
  // RFC 7638: members in the order of their names.
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  return { kid, privateKey, publicKey, publicJwk: { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }, activeAt };
}

function readKeys(path: string): SigningKey[] {
  let text: string;
  try {
    if ((statSync(path).mode & OTHERS) !== 0) {
      throw new SluiceError('CONFIG_INVALID', `${path} holds private keys and may be read by others: chmod 600 it`);
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const { keys } = JSON.parse(text) as { keys: readonly StoredKey[] };
    return keys.map(({ jwk, active_at }) => keyOf(jwk, active_at));
  } catch (error) {
    throw new SluiceError('CONFIG_INVALID', `${path} is not a file of signing keys`, {}, error);
  }
}

/** Whole or not at all: a kill leaves the old file or the new one. */
function writeKeys(path: string, keys: readonly SigningKey[]): void {
  const stored = keys.map(({ privateKey, activeAt }) => ({
    active_at: activeAt,
    jwk: privateKey.export({ format: 'jwk' }) as JWK,
  }));
  const draft = `${path}.new`;
  try {
    synced(draft, 'w', (file) => writeSync(file, `${JSON.stringify({ keys: stored satisfies StoredKey[] })}\n`));
    renameSync(draft, path);
    synced(dirname(path), 'r', () => undefined);
  } catch (error) {
    throw new SluiceError('STORE_FAILED', 'the signing key cannot be kept', {}, error);
  }
}

function synced(path: string, flags: string, write: (file: number) => void): void {
  const file = openSync(path, flags, 0o600);
  try {
    write(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
