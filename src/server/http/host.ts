/**
 * What the exchanges of one server share: limits, the memory they may hold together, the deadlines of
 * bodies under way, request ids, and who is told when one has ended.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Limits, SluiceError } from '#kernel';
import { ByteBudget } from './byte-budget.ts';
import { Deadlines } from './deadlines.ts';
import type { Exchange } from './exchange.ts';

/** How an exchange ended, for the access log and the metrics. */
export interface ExchangeEnd {
  /** 0 when the client went away before an answer. */
  readonly status: number;
  readonly bytes: number;
}

export interface ExchangeHost {
  readonly limits: Limits;
  readonly clock: Clock;
  /** Held by bodies that are being received. */
  readonly incoming: ByteBudget;
  /** Held by large answers that wait for their readers. */
  readonly outgoing: ByteBudget;
  readonly deadlines: Deadlines;
  nextRequestId(): string;
  begun(exchange: Exchange): void;
  /** Called once for each exchange: answered in full, or aborted. */
  ended(exchange: Exchange, end: ExchangeEnd): void;
  /** An answer of 500 or more is about to be given for this error. */
  failed(exchange: Exchange, error: SluiceError): void;
}

/** Below the ten seconds after which the native side cuts a connection that sends little. */
const STALL_MS = 6_000;

export function createExchangeHost(
  limits: Limits,
  clock: Clock,
  observer: Pick<ExchangeHost, 'begun' | 'ended' | 'failed'>,
): ExchangeHost {
  const prefix = randomBytes(6).toString('hex');
  let count = 0;
  return {
    limits,
    clock,
    incoming: new ByteBudget(limits.bodyBytesPendingMax),
    outgoing: new ByteBudget(limits.answerBytesPendingMax),
    deadlines: new Deadlines(Math.min(limits.requestMs, STALL_MS), clock),
    nextRequestId: () => `${prefix}-${(count++).toString(36)}`,
    begun: observer.begun,
    ended: observer.ended,
    failed: observer.failed,
  };
}
