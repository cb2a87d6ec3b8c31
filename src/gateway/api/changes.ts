/**
 * The changes between two versions of an API, compiled: which requests each one concerns, and what it does to path, query
 * and bodies. A request walks from its version to the newest, the answer walks back through the same changes:
 *
 *   request:  path, query, body  ── change 1 up ─▶ change 2 up ─▶ upstream
 *   answer:   body               ◀─ change 1 down ◀─ change 2 down ──┘
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import { type CompiledTransform, compileTransformations } from '#transform';
import type { ChangeSpec } from '../kinds/api-kind.ts';
import { compileRewrite } from '../route/rewrite.ts';
import { compileOperation, compileTemplate } from './templates.ts';

export interface Change {
  readonly spec: ChangeSpec;
  concerns(method: string, path: string): boolean;
  /** The path in the newer version; the same one where it does not move. */
  move(path: string): string;
  readonly query: CompiledTransform | undefined;
  readonly up: CompiledTransform | undefined;
  readonly down: CompiledTransform | undefined;
  /** First digits of the statuses whose bodies go down. */
  readonly downStatuses: ReadonlySet<string>;
}

/** @throws TRANSFORM_INVALID, RESOURCE_INVALID */
export function compileChange(spec: ChangeSpec, clock: Clock, limits: Limits): Change {
  const operations = spec.operations?.map(compileOperation);
  const compile = (list: unknown) =>
    list === undefined || (list as unknown[]).length === 0
      ? undefined
      : compileTransformations(list, { clock, limits });
  const from = spec.path === undefined ? undefined : compileTemplate(spec.path.from);
  const to = spec.path === undefined ? undefined : compileRewrite(spec.path.from, spec.path.to.replace('...}', '}'));
  return {
    spec,
    concerns: (method, path) => operations === undefined || operations.some((matches) => matches(method, path)),
    move: (path) => {
      const params = from?.(path);
      return params === undefined || to === undefined ? path : to(params);
    },
    query: compile(spec.query),
    up: compile(spec.request?.up),
    down: compile(spec.response?.down),
    downStatuses: new Set((spec.response?.statuses ?? []).map((status) => status.slice(0, 1))),
  };
}

/** The value as these transformations leave it, in their order. @throws TRANSFORM_FAILED, and whatever they meet */
export async function applyAll(
  transforms: readonly CompiledTransform[],
  value: unknown,
  now: number,
): Promise<unknown> {
  const record = { key: null, value, headers: {}, timestamp: now };
  for (const transform of transforms) {
    const kept = await transform.apply(record);
    if (kept === undefined) throw new SluiceError('TRANSFORM_FAILED', 'a transformation leaves nothing of it');
  }
  return record.value;
}

/** The parameters of a query as one object; those that occur more than once are lists. */
export function queryObject(query: string): Record<string, unknown> {
  const found = new Map<string, string | string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    const there = found.get(name);
    if (there === undefined) found.set(name, value);
    else if (typeof there === 'string') found.set(name, [there, value]);
    else there.push(value);
  }
  return Object.fromEntries(found);
}

/** @throws TRANSFORM_FAILED where a parameter is no text any more */
export function queryText(parameters: unknown): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters as object)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === null || one === undefined) continue;
      if (typeof one === 'object')
        throw new SluiceError('TRANSFORM_FAILED', `the parameter ${name} has become an object`);
      out.append(name, String(one));
    }
  }
  return out.toString();
}
