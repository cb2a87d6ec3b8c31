/**
 * Secrets at rest: AES-256-GCM, one random nonce each, bound to the secret's name, in the state of the log and nowhere else. The
 * key is `SLUICE_SECRET_KEY` (32 bytes as base64 or hex), else the file `secret.key` beside the log, made with mode 0600 when
 * the first secret comes. A backup does not hold the key.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeUtf8, SluiceError } from '#kernel';
import type { Log, StateChange } from '#log';

const SPACE = 'sys.secrets';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MARK_CHARACTERS = 16;
/** Permissions of others than the owner. */
const OTHERS = 0o077;

export class Vault {
  readonly #log: Log;
  readonly #directory: string;
  #key: Buffer | undefined;

  constructor(log: Log, directory: string) {
    this.#log = log;
    this.#directory = directory;
  }

  /** @throws SECRET_UNKNOWN, SECRET_UNREADABLE, CONFIG_INVALID */
  open(name: string): string {
    const sealed = this.#log.getState(SPACE, name);
    if (sealed === undefined) throw new SluiceError('SECRET_UNKNOWN', `there is no secret ${name}`, { name });
    const decipher = createDecipheriv('aes-256-gcm', this.#keyOnce(), sealed.subarray(0, NONCE_BYTES));
    decipher.setAAD(encodeUtf8(name));
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString();
    } catch (error) {
      throw new SluiceError('SECRET_UNREADABLE', `secret ${name} was encrypted with another key`, { name }, error);
    }
  }

  /** What is stored of a secret; undefined: of its deletion. @throws CONFIG_INVALID */
  changes(name: string, value: string | undefined): StateChange[] {
    if (value === undefined) return [{ space: SPACE, key: name, value: null }];
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#keyOnce(), nonce);
    cipher.setAAD(encodeUtf8(name));
    const body = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
    return [{ space: SPACE, key: name, value: Buffer.concat([nonce, cipher.getAuthTag(), body]) }];
  }

  /** Stores another value of a secret, durably, without a version of its document. @throws CONFIG_INVALID */
  async replace(name: string, value: string): Promise<void> {
    await this.#log.commit({ state: this.changes(name, value) });
  }

  /** Tells two values apart without telling anything of them to who lacks the key. */
  mark(name: string, value: string): string {
    const mac = createHmac('sha256', this.#keyOnce()).update(`mark\0${name}\0`).update(value);
    return mac.digest('hex').slice(0, MARK_CHARACTERS);
  }

  #keyOnce(): Buffer {
    this.#key ??= readKey(this.#directory);
    return this.#key;
  }
}

function readKey(directory: string): Buffer {
  const given = process.env['SLUICE_SECRET_KEY'];
  if (given !== undefined) return decodeKey(given, 'SLUICE_SECRET_KEY');
  const path = join(directory, 'secret.key');
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    const key = randomBytes(KEY_BYTES);
    writeFileSync(path, `${key.toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
    return key;
  }
  if (process.platform !== 'win32' && (found.mode & OTHERS) !== 0) {
    throw new SluiceError('CONFIG_INVALID', `${path} can be read by others: chmod 600`);
  }
  return decodeKey(readFileSync(path, 'utf8').trim(), path);
}

/** @throws CONFIG_INVALID */
function decodeKey(text: string, where: string): Buffer {
  const key = Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64');
  if (key.length === KEY_BYTES) return key;
  throw new SluiceError('CONFIG_INVALID', `${where} must be ${KEY_BYTES} bytes as base64 or hex`);
}
