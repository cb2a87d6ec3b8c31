/** Keys of starts: another start with the same key, while it is remembered, is the same start. Part of the engine's state. */
import { createHash } from 'node:crypto';
import type { StateBlockBuilder } from '#log';

const NO_PREFIX = new Uint8Array(0);
const DIGEST_CHARS = 22;
/** Looked at for having expired, whenever one is asked for. */
const SWEEP = 4;

interface Kept {
  readonly id: string;
  readonly at: number;
  /** Digest of the input. */
  readonly input: string;
}

export class StartKeys {
  readonly #max: number;
  readonly #keepMs: number;
  /** Oldest first. */
  readonly #keys = new Map<string, Kept>();
  #changes = new Map<string, Kept | null>();

  constructor(max: number, keepMs: number) {
    this.#max = max;
    this.#keepMs = keepMs;
  }

  get isFull(): boolean {
    return this.#keys.size >= this.#max;
  }

  load(name: string, text: string): void {
    const [id = '', at, input = ''] = text.split(' ');
    this.#keys.set(name, { id, at: Number(at), input });
  }

  digest(input: unknown): string {
    return createHash('sha256').update(JSON.stringify(input)).digest('base64url').slice(0, DIGEST_CHARS);
  }

  find(name: string, now: number): Kept | undefined {
    let looked = 0;
    for (const [old, { at }] of this.#keys) {
      if (at + this.#keepMs > now || looked++ >= SWEEP) break;
      this.#keys.delete(old);
      this.#changes.set(old, null);
    }
    const found = this.#keys.get(name);
    return found !== undefined && found.at + this.#keepMs > now ? found : undefined;
  }

  add(name: string, id: string, input: unknown, at: number): void {
    const kept = { id, at, input: this.digest(input) };
    this.#keys.delete(name);
    this.#keys.set(name, kept);
    this.#changes.set(name, kept);
  }

  write(block: StateBlockBuilder): void {
    for (const [name, kept] of this.#changes) {
      block.key(NO_PREFIX, `k/${name}`);
      if (kept === null) block.remove();
      else block.latin1(`${kept.id} ${kept.at} ${kept.input}`);
    }
    this.#changes = new Map();
  }
}
