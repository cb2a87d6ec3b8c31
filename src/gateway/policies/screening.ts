/**
 * Policy `screening`: looks for injection in what a caller sends: SQL, scripts in pages, paths out of bounds, commands,
 * header lines. Every rule that a value matches adds its points to its group, once a request; at the threshold the
 * request is refused, or only told of (`log`). It is a net under applications that should be safe without it: it has
 * holes and now and then catches the wrong one, and `npm run bench -- screening` says how often.
 *
 * Patterns are of bounded repetition, so the time grows with the length of the values alone. The head is looked at first,
 * then the body; a body of more than `body_bytes_max` is refused in mode `block`, else it passes without a look.
 */
import { z } from 'zod';
import { EMPTY, SluiceError } from '#kernel';
import type { BodyStep, GatewayRequest, Policy, Verdict } from '../policy.ts';
import { COMMAND_RULES } from './command-rules.ts';
import { decodeBase64, type Forms, formsOf } from './decoders.ts';
import { PATH_RULES } from './path-rules.ts';
import { plainBody } from './plain-body.ts';
import { bodyValues, headValues, type RequestValue, type Screened } from './request-values.ts';
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
    .default(64 * 1024)
    .describe('Of the body; a longer one is refused in mode block, and passes without a look in mode log'),
  values_max: z.int().min(1).max(10_000).default(1_000).describe('Values looked at of one request'),
});

export type ScreeningSpec = z.infer<typeof screeningSchema>;

interface Finding {
  readonly score: number;
  /** Points by group, of groups with any. */
  readonly groups: Readonly<Partial<Record<Group, number>>>;
  /** Names of the rules, for the log; not for the caller. */
  readonly rules: readonly string[];
}

type Matched = Map<string, { group: Group; points: number }>;

export function compileScreening(spec: ScreeningSpec, found: (refused: boolean) => void = () => {}): Screening {
  return new Screening(spec, found);
}

export type { Screened };

export class Screening implements Policy {
  readonly name = 'screening';
  readonly body: BodyStep;
  readonly #spec: ScreeningSpec;
  readonly #except: ReadonlySet<string>;
  readonly #found: (refused: boolean) => void;
  /** What the head of a request matched, for its body to be added to. */
  readonly #heads = new WeakMap<GatewayRequest, Matched>();

  constructor(spec: ScreeningSpec, found: (refused: boolean) => void) {
    this.#spec = spec;
    this.#except = new Set(spec.except);
    this.#found = found;
    this.body = {
      bytesMax: spec.body_bytes_max,
      whenLonger: spec.mode === 'block' ? 'refuse' : 'pass',
      check: (request) => this.#checkBody(request),
    };
  }

  check(request: GatewayRequest): Verdict {
    const matched: Matched = new Map();
    this.#look(headValues(request, this.#spec.values_max), matched);
    if (matched.size === 0) return undefined;
    this.#heads.set(request, matched);
    return this.#conclude(request, matched, 0);
  }

  #checkBody(request: GatewayRequest): Verdict {
    const { body_bytes_max, values_max } = this.#spec;
    const matched: Matched = this.#heads.get(request) ?? new Map();
    const before = findingOf(matched).score;
    this.#look(bodyValues(request, plainBody(request), body_bytes_max, values_max), matched);
    return this.#conclude(request, matched, before);
  }

  /** Whether this is refused at the score that it now has. @param before the score of its head */
  #conclude(request: GatewayRequest, matched: Matched, before: number): Verdict {
    const { mode, threshold } = this.#spec;
    const { score, rules } = findingOf(matched);
    if (score === 0) return undefined;
    request.notes.set('screening_score', score);
    request.notes.set('screening_rules', rules.join(' '));
    const caught = score >= threshold && before < threshold;
    const refused = mode === 'block' && score >= threshold;
    if (caught) this.#found(refused);
    return refused ? new SluiceError('REQUEST_SUSPICIOUS') : undefined;
  }

  /** All that is found in a request, whatever comes of it. */
  find(request: Screened, body: Uint8Array = EMPTY): Finding {
    const { body_bytes_max, values_max } = this.#spec;
    const matched: Matched = new Map();
    this.#look(headValues(request, values_max), matched);
    this.#look(bodyValues(request, body, body_bytes_max, values_max), matched);
    return findingOf(matched);
  }

  #look(values: readonly RequestValue[], matched: Matched): void {
    for (const value of values) {
      if (value.value === '' || this.#except.has(value.name)) continue;
      this.#match(value, formsOf(value.value), matched);
      const hidden = decodeBase64(value.value);
      if (hidden !== undefined) this.#match(value, formsOf(hidden), matched);
    }
  }

  #match({ place, name }: RequestValue, forms: Forms, matched: Matched): void {
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

function findingOf(matched: Matched): Finding {
  const groups: Partial<Record<Group, number>> = {};
  let score = 0;
  for (const { group, points } of matched.values()) {
    groups[group] = (groups[group] ?? 0) + points;
    score += points;
  }
  return { score, groups, rules: [...matched.keys()] };
}
