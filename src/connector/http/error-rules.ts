/**
 * What an answer means that is no success: by rules of the system first, then by its status. Used by `client.ts`.
 *
 *   ok       use it                                     refused  the credentials, or what they may
 *   ignore   take it for an empty success               reject   this record, not the others
 *   retry    again, after a pause                       missing  what was asked for is not there
 *   limited  again, when the system says so             fail     something else is wrong
 *   refresh  again, with another token
 */
import type { Answer } from './declaration.ts';
import { at } from './paths.ts';

export type Verdict = 'ok' | 'ignore' | 'retry' | 'limited' | 'refresh' | 'refused' | 'reject' | 'missing' | 'fail';

/** All that is given must hold. */
export interface ErrorRule {
  readonly status?: number | readonly number[];
  /** Found in the body's text. */
  readonly text?: RegExp;
  readonly when?: (answer: Answer) => boolean;
  readonly then: Verdict;
}

const OK_MIN = 200;
const OK_MAX = 299;
const BY_STATUS: Readonly<Record<number, Verdict>> = {
  304: 'ignore',
  400: 'reject',
  401: 'refresh',
  403: 'refused',
  404: 'missing',
  408: 'retry',
  409: 'reject',
  410: 'missing',
  412: 'reject',
  413: 'reject',
  415: 'reject',
  422: 'reject',
  425: 'retry',
  429: 'limited',
  500: 'retry',
  502: 'retry',
  503: 'retry',
  504: 'retry',
  520: 'retry',
  522: 'retry',
  524: 'retry',
};
const REASON_CHARACTERS = 500;
const REASONS = [
  'error.message',
  'error.error_user_msg',
  'error_description',
  'message',
  'errors.0.message',
  'errors.0.detail',
  'errorMessages.0',
  'detail',
  'title',
  'error.reason',
  'error',
  '0.message',
];

export function verdictOf(answer: Answer, rules: readonly ErrorRule[]): Verdict {
  const rule = rules.find((one) => holds(one, answer));
  if (rule !== undefined) return rule.then;
  const { status, headers } = answer;
  if (status >= OK_MIN && status <= OK_MAX) return 'ok';
  // Some say with 403 that there were too many.
  if (status === 403 && (headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0')) {
    return 'limited';
  }
  return BY_STATUS[status] ?? 'fail';
}

function holds({ status, text, when }: ErrorRule, answer: Answer): boolean {
  if (status !== undefined && ![status].flat().includes(answer.status)) return false;
  if (text !== undefined && !text.test(textOf(answer.body))) return false;
  return when === undefined || when(answer);
}

/** Why, in the system's words, for people. */
export function reasonOf({ status, body }: Answer, told?: (body: unknown) => string | undefined): string {
  const found =
    told?.(body) ?? REASONS.map((path) => at(body, path)).find((one) => typeof one === 'string' && one !== '');
  const words = found ?? textOf(body);
  return `${status}${words === '' ? '' : `: ${String(words)}`}`.slice(0, REASON_CHARACTERS);
}

function textOf(body: unknown): string {
  if (body === undefined) return '';
  return typeof body === 'string' ? body : JSON.stringify(body);
}
