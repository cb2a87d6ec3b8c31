/**
 * The order of work at one path: one thing at a time, in the order it came. Appends that wait together leave together, in
 * one commit; making, erasing and the rest run alone.
 *
 *   append ┐                    ┌─▶ commit of all appends that wait ─▶ answers
 *   append ├─▶ queue ─▶ drain ──┤
 *   erase  ┘                    └─▶ one piece of other work
 */
import { asSluiceError, type SluiceError } from '#kernel';
import type { AppendOutcome, AppendRequest } from './append-draft.ts';

/** One append on its way, and who waits for it. */
export interface PendingAppend {
  readonly request: AppendRequest;
  resolve(outcome: AppendOutcome): void;
  reject(error: SluiceError): void;
}

type Work = PendingAppend | (() => Promise<void>);

const GROUP_BYTES_MAX = 4 * 1024 * 1024;

export class Lane {
  readonly #commit: (appends: readonly PendingAppend[]) => Promise<void>;
  readonly #idle: () => void;
  #queue: Work[] = [];
  #draining = false;

  /**
   * @param commit settles each of the appends; it must not reject
   * @param idle is called when nothing is left to do
   */
  constructor(commit: (appends: readonly PendingAppend[]) => Promise<void>, idle: () => void) {
    this.#commit = commit;
    this.#idle = idle;
  }

  append(request: AppendRequest): Promise<AppendOutcome> {
    return new Promise((resolve, reject) => this.#add({ request, resolve, reject }));
  }

  alone<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#add(async () => {
        try {
          resolve(await work());
        } catch (error) {
          reject(asSluiceError(error));
        }
      });
    });
  }

  #add(work: Work): void {
    this.#queue.push(work);
    if (this.#draining) return;
    this.#draining = true;
    // What else arrives in this turn of the event loop shares the commit.
    setImmediate(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const [first] = this.#queue;
      if (typeof first === 'function') {
        this.#queue.shift();
        await first();
      } else {
        await this.#commit(this.#takeAppends());
      }
    }
    this.#draining = false;
    this.#idle();
  }

  /** The appends at the head of the queue, as many as fit into one commit. */
  #takeAppends(): PendingAppend[] {
    const appends: PendingAppend[] = [];
    let bytes = 0;
    for (const work of this.#queue) {
      if (typeof work === 'function') break;
      bytes += work.request.body.length;
      if (appends.length > 0 && bytes > GROUP_BYTES_MAX) break;
      appends.push(work);
    }
    this.#queue = this.#queue.slice(appends.length);
    return appends;
  }
}
