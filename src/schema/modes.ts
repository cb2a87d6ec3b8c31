/**
 * Modes of compatibility that are set apart from documents: one for all subjects, and some for a subject each, which may
 * come before the subject does. What a document of kind `schema` says itself goes first.
 */
import { type Limits, SluiceError } from '#kernel';
import type { Log } from '#log';
import { DEFAULT_MODE, type Mode } from './compatibility.ts';
import { CONFIG, configChange, everything, readConfig } from './registry-rows.ts';

export class SchemaModes {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #modes = new Map<string | undefined, Mode>();

  constructor(log: Log, limits: Limits) {
    this.#log = log;
    this.#limits = limits;
    for (const [key, value] of everything(log, CONFIG)) {
      const { subject, mode } = readConfig(key, value);
      this.#modes.set(subject, mode);
    }
  }

  /** What holds for a subject. @param own what its document says */
  of(subject: string, own: Mode | undefined): Mode {
    return own ?? this.#modes.get(subject) ?? this.global;
  }

  /** Where a subject has none. */
  get global(): Mode {
    return this.#modes.get(undefined) ?? DEFAULT_MODE;
  }

  /** What was set for a subject here. */
  configured(subject: string): Mode | undefined {
    return this.#modes.get(subject);
  }

  /** @param subject undefined: for all @param mode null takes it back @throws LIMIT_EXCEEDED */
  async set(subject: string | undefined, mode: Mode | null): Promise<void> {
    const { schemasMax } = this.#limits;
    if (mode !== null && !this.#modes.has(subject) && this.#modes.size > schemasMax) {
      throw new SluiceError('LIMIT_EXCEEDED', `at most ${schemasMax} subjects have a mode of their own`);
    }
    await this.#log.commit({ state: [configChange(subject, mode)] });
    if (mode === null) this.#modes.delete(subject);
    else this.#modes.set(subject, mode);
  }
}
