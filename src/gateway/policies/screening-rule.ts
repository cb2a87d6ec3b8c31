/** What a screening rule is, and how the rule files write them. */
import type { Forms } from './decoders.ts';
import type { RequestValue } from './request-values.ts';

export interface ScreeningRule {
  readonly name: string;
  /** Which form of a value it reads; all are lower case. */
  readonly form: keyof Forms;
  /** Without flags, repetition bounded and not inside repetition: a test holds every rule to it. */
  readonly pattern: RegExp;
  /** 5 is enough by itself at the standard threshold. */
  readonly points: number;
  /** Only values from here; from everywhere where it is left out. */
  readonly places?: readonly RequestValue['place'][];
  /** Only the header field of this name. */
  readonly field?: string;
}

/** Alternatives of a pattern from a list of words set apart by spaces. */
export function words(list: string): string {
  return list.trim().split(/\s+/).join('|');
}
