/**
 * The line between listener threads and the main thread, where the log is.
 *
 *   thread ── tell (nothing comes back) ─▶ main        thread ── ask ─▶ main ── answer or coded error ─▶ thread
 *   main ── share: the newest value of a name, for every thread, at once and for those that start later
 *
 * Whoever needs a new message adds it to `Tells`, `Asks` or `Shares`, and gives its other end to the gateway with `hear`,
 * `answer` or `share`; nothing else changes. All of it is plain data that bears being cloned.
 */
import type { TransferListItem } from 'node:worker_threads';
import { asSluiceError, type ErrorCode, type ErrorDetails, SluiceError } from '#kernel';
import type { CertificateHolder, HashedKey, IssuerState } from '#resource';
import type { CapturedBatch } from './capture/capture-topics.ts';
import type { KeptAnswer, KeyEnd, Reservation } from './idempotency/keys.ts';
import type { LoginQuestion, LoginReply } from './login/question.ts';
import type { StatsDelta, ThreadState } from './proxy/stats.ts';
import type { Enqueued } from './queued/queues.ts';
import type { QueuedStatus } from './queued/statuses.ts';
import type { QuotaQuestion, QuotaShare } from './quotas/ledger.ts';
import type { RecordedBatch } from './records/request-topic.ts';

export interface Tells {
  stats: StatsDelta;
  state: ThreadState;
  fault: { readonly message: string; readonly stack: string };
}

/** By name, what is asked and what is answered. */
export interface Asks {
  records: { readonly question: RecordedBatch; readonly answer: undefined };
  login: { question: LoginQuestion; answer: LoginReply };
  reserveKey: { readonly question: Reservation; readonly answer: Uint8Array | undefined };
  keepAnswer: { readonly question: KeptAnswer; readonly answer: undefined };
  endKey: { readonly question: KeyEnd; readonly answer: undefined };
  capture: { readonly question: CapturedBatch; readonly answer: undefined };
  enqueue: { readonly question: Enqueued; readonly answer: undefined };
  queuedStatus: {
    readonly question: { readonly route: string; readonly id: string; readonly client: string | null };
    readonly answer: Omit<QueuedStatus, 'client'> | undefined;
  };
  /** Whether there is a unit of a quota now. */
  quota: { readonly question: QuotaQuestion; readonly answer: boolean };
}

export interface Shares {
  keys: readonly HashedKey[];
  certificates: readonly CertificateHolder[];
  /** That cookies of logins are sealed with. */
  loginKey: Uint8Array;
  /** Of the tokens of this server. */
  issuer: IssuerState;
  /** Ids of tokens of this server that were revoked, and when they would have ended, in epoch milliseconds. */
  revoked: readonly (readonly [jti: string, expiresMs: number])[];
  quotas: QuotaShare;
}

type Question<N extends keyof Asks> = Asks[N] extends { question: infer Q } ? Q : never;
type Reply<N extends keyof Asks> = Asks[N] extends { answer: infer A } ? A : never;

export type FromThread =
  | { readonly kind: 'tell'; readonly name: keyof Tells; readonly value: unknown }
  | { readonly kind: 'ask'; readonly id: number; readonly name: string; readonly question: unknown };

export type ToThread =
  | { readonly kind: 'share'; readonly name: keyof Shares; readonly value: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | {
      readonly kind: 'failure';
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: ErrorDetails;
    };

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: SluiceError): void;
}

/** A listener thread's end. */
export class ThreadLink {
  readonly #post: (message: FromThread, transfer: readonly TransferListItem[]) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #shared = new Map<string, unknown>();
  readonly #watchers = new Map<string, ((value: never) => void)[]>();
  #lastId = 0;

  constructor(post: (message: FromThread, transfer: readonly TransferListItem[]) => void) {
    this.#post = post;
  }

  tell<N extends keyof Tells>(name: N, value: Tells[N], transfer: readonly TransferListItem[] = []): void {
    this.#post({ kind: 'tell', name, value }, transfer);
  }

  /** @throws the coded error of whoever answers */
  ask<N extends keyof Asks>(
    name: N,
    question: Question<N>,
    transfer: readonly TransferListItem[] = [],
  ): Promise<Reply<N>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#post({ kind: 'ask', id, name, question }, transfer);
    });
  }

  /** The newest value; undefined before there is one. */
  shared<N extends keyof Shares>(name: N): Shares[N] | undefined {
    return this.#shared.get(name) as Shares[N] | undefined;
  }

  /** Called with the newest value, now if there is one, and from then on. For the life of the thread. */
  watch<N extends keyof Shares>(name: N, watcher: (value: Shares[N]) => void): void {
    const watchers = this.#watchers.get(name) ?? [];
    watchers.push(watcher as (value: never) => void);
    this.#watchers.set(name, watchers);
    if (this.#shared.has(name)) watcher(this.#shared.get(name) as Shares[N]);
  }

  received(message: ToThread): void {
    if (message.kind === 'share') {
      this.#shared.set(message.name, message.value);
      for (const watcher of this.#watchers.get(message.name) ?? []) watcher(message.value as never);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'answer') waiting?.resolve(message.answer);
    else waiting?.reject(new SluiceError(message.code, message.message, message.details));
  }
}

/** The main thread's end, one for all threads. */
export class MainLink {
  readonly #hearers = new Map<string, (value: never) => void>();
  readonly #answerers = new Map<string, (question: never) => unknown>();
  readonly #shared = new Map<keyof Shares, unknown>();
  readonly #threads = new Set<(message: ToThread) => void>();

  hear<N extends keyof Tells>(name: N, hearer: (value: Tells[N]) => void): void {
    this.#hearers.set(name, hearer as (value: never) => void);
  }

  answer<N extends keyof Asks>(name: N, answerer: (question: Question<N>) => Reply<N> | Promise<Reply<N>>): void {
    this.#answerers.set(name, answerer as (question: never) => unknown);
  }

  share<N extends keyof Shares>(name: N, value: Shares[N]): void {
    this.#shared.set(name, value);
    for (const post of this.#threads) post({ kind: 'share', name, value });
  }

  /** A thread has started: it is given all that is shared. */
  started(post: (message: ToThread) => void): void {
    this.#threads.add(post);
    for (const [name, value] of this.#shared) post({ kind: 'share', name, value });
  }

  ended(post: (message: ToThread) => void): void {
    this.#threads.delete(post);
  }

  received(message: FromThread, reply: (message: ToThread) => void): void {
    if (message.kind === 'tell') {
      this.#hearers.get(message.name)?.(message.value as never);
      return;
    }
    const { id, name } = message;
    const answerer = this.#answerers.get(name);
    // A turn later, so that whatever is thrown takes one way.
    Promise.resolve()
      .then(() => {
        if (answerer === undefined) throw new SluiceError('INTERNAL', `nobody answers ${name}`);
        return answerer(message.question as never);
      })
      .then(
        (answer) => reply({ kind: 'answer', id, answer }),
        (thrown: unknown) => {
          const { code, message: text, details } = asSluiceError(thrown);
          reply({ kind: 'failure', id, code, message: text, details });
        },
      );
  }
}
