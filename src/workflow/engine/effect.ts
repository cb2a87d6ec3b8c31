/**
 * What is done outside the log for a task: plain data that goes to whoever does it, after the commit that asked for it. It is
 * done at least once; `key` is the same each time, so that the other side can tell.
 */
import type { AuthenticationPolicy } from '../definition/parts.ts';

/** Which attempt of which task. What comes back with another number is late, and is rejected. */
export interface EffectId {
  readonly instance: string;
  readonly frame: number;
  readonly attempt: number;
}

export interface HttpRequest {
  readonly kind: 'http';
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly output: 'raw' | 'content' | 'response';
  readonly redirect: boolean;
  /** With its expressions and secrets in place. */
  readonly authentication: AuthenticationPolicy | null;
}

/** What a kind of task outside this folder asks for; whoever registered the name does it. */
export interface OtherRequest {
  readonly kind: 'other';
  readonly runner: string;
  readonly work: unknown;
}

export type EffectRequest = HttpRequest | OtherRequest;

export function effectKey({ instance, frame, attempt }: EffectId): string {
  return `${instance}/${frame}/${attempt}`;
}
