/**
 * Policy `screening`: looks for injection in what a caller sends: SQL, scripts in pages, paths out of bounds, commands,
 * header lines. Every rule that a value matches adds its points to its group, once a request; at the threshold the
 * request is refused, or only told of (`log`). It is a net under applications that should be safe without it: it has
 * holes and now and then catches the wrong one, and `npm run bench -- screening` says how often.
 *
 * Patterns are of bounded repetition, so the time grows with the length of the values alone. Called with the whole body
 * where the route collects it; of a longer body the first `body_bytes_max` are looked at.
 */
import { z } from 'zod';
import { COMMAND_RULES } from './command-rules.ts';
import { decodeBase64, type Forms, formsOf } from './decoders.ts';
import { PATH_RULES } from './path-rules.ts';
import { ALLOWED, type Decision, type RequestView, refuse } from './request.ts';
import { type RequestValue, valuesOf } from './request-values.ts';
import type { ScreeningRule } from './screening-rule.ts';
import { HEADER_RULES, XSS_RULES } from './script-rules.ts';
import { SQL_RULES } from './sql-rules.ts';

export const RULES = {
  sql: SQL_RULES,
  xss: XSS_RULES,
  path: PATH_RULES,
  command: COMMAND_RULES,
  header: HEADER_RULES,
} as const satisfies Record<string, readonly ScreeningRule[]>;

type Group = keyof typeof RULES;
const GROUPS = Object.keys(RULES) as Group[];

export const screeningSchema = z.strictObject({
  mode: z.enum(['log', 'block']).default('log').describe('log: say what was found and let it pass'),
  threshold: z.int().min(1).max(100).default(5).describe('Points, over all groups, at which a request is refused'),
  groups: z
    .array(z.enum(GROUPS as [Group, ...Group[]]))
    .min(1)
    .default(GROUPS),
  except: z.array(z.string().min(1).max(128)).max(256).default([]).describe('Parameters and fields not looked at'),
  body_bytes_max: z
    .int()
    .min(0)
    .max(1024 * 1024)
    .default(64 * 1024),
  values_max: z.int().min(1).max(10_000).default(1_000).describe('Values looked at of one request'),
});

export type ScreeningSpec = z.infer<typeof screeningSchema>;

export interface Finding {
  readonly score: number;
  /** Points by group, of groups with any. */
  readonly groups: Readonly<Partial<Record<Group, number>>>;
  /** Names of the rules, for the log; not for the caller. */
  readonly rules: readonly string[];
}

export type ScreeningDecision = Decision & { readonly finding: Finding };

export function compileScreening(spec: ScreeningSpec): Screening {
  return new Screening(spec);
}

export class Screening {
  readonly #spec: ScreeningSpec;
  readonly #except: ReadonlySet<string>;

  constructor(spec: ScreeningSpec) {
    this.#spec = spec;
    this.#except = new Set(spec.except);
  }

  check(request: RequestView): ScreeningDecision {
    const finding = this.#look(request);
    const caught = this.#spec.mode === 'block' && finding.score >= this.#spec.threshold;
    return { ...(caught ? refuse('REQUEST_SUSPICIOUS') : ALLOWED), finding };
  }

  #look(request: RequestView): Finding {
    const matched = new Map<string, { group: Group; points: number }>();
    for (const value of valuesOf(request, this.#spec.body_bytes_max, this.#spec.values_max)) {
      if (value.value === '' || this.#except.has(value.name)) continue;
      this.#match(value, formsOf(value.value), matched);
      const hidden = decodeBase64(value.value);
      if (hidden !== undefined) this.#match(value, formsOf(hidden), matched);
    }
    const groups: Partial<Record<Group, number>> = {};
    let score = 0;
    for (const { group, points } of matched.values()) {
      groups[group] = (groups[group] ?? 0) + points;
      score += points;
    }
    return { score, groups, rules: [...matched.keys()] };
  }

  #match({ place, name }: RequestValue, forms: Forms, matched: Map<string, { group: Group; points: number }>): void {
    for (const group of this.#spec.groups) {
      for (const rule of RULES[group] as readonly ScreeningRule[]) {
        if (rule.places !== undefined && !rule.places.includes(place)) continue;
        if (rule.field !== undefined && rule.field !== name) continue;
        const key = `${group}/${rule.name}`;
        if (!matched.has(key) && rule.pattern.test(forms[rule.form])) matched.set(key, { group, points: rule.points });
      }
    }
  }
}
