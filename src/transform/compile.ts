/**
 * Compiles a list of transformations, once, to one function that is called for each record. Called by whoever applies
 * a declaration; what is called for records afterwards looks at no declaration any more.
 *
 * A list is `async` only where an expression needs the library. Its records are given one after the other: they keep
 * their order, and the time an expression may take is its own. Deletions (no value) pass by every step that works on
 * the value.
 */
import { SluiceError } from '#kernel';
import { concatenate, lookup, math } from './builders/combining.ts';
import { expression, filter } from './builders/expressions.ts';
import { defaultValue, drop, keep, rename, set } from './builders/structure.ts';
import { type Surroundings, surroundingsOf, type TransformContext } from './context.ts';
import { CASTS } from './conversions/cast.ts';
import { hash } from './conversions/hash.ts';
import { join, lowercase, mask, replace, split, trim, uppercase } from './conversions/text.ts';
import { dateFormat } from './dates/format.ts';
import { type AsyncPlan, type Plan, planConversion, type Site, type SyncPlan } from './plan.ts';
import type { TransformRecord } from './record.ts';
import { parseTransformations, type Transformation } from './schema.ts';
import { specialise } from './specialise.ts';
import { after, always, isDeletion, NO_LIST, Place, type Step } from './step.ts';

interface Compiled {
  /** The tables that `lookup` will be asked for. */
  readonly tables: readonly string[];
}

export interface SyncTransform extends Compiled {
  readonly async: false;
  /**
   * The record, changed in place, or undefined where it is dropped.
   * @throws TRANSFORM_FAILED; the record may then be half changed
   */
  apply(record: TransformRecord): TransformRecord | undefined;
}

export interface AsyncTransform extends Compiled {
  readonly async: true;
  /** As of a SyncTransform, by promise. */
  apply(record: TransformRecord): Promise<TransformRecord | undefined>;
}

export type CompiledTransform = SyncTransform | AsyncTransform;

/**
 * The list, checked and compiled.
 * @throws TRANSFORM_INVALID with `index`, `type` and `field` of what is wrong
 */
export function compileTransformations(list: unknown, context: TransformContext = {}): CompiledTransform {
  const surroundings = surroundingsOf(context);
  const declared = parseTransformations(list);
  refuseBeyond(declared, surroundings);
  const tables = [...new Set(declared.flatMap((one) => (one.type === 'lookup' ? [one.table] : [])))];
  const plans = declared.map((one, index) => build(one, { place: new Place(index, one.type), surroundings }));
  if (plans.some(({ async }) => async)) return { async: true, tables, apply: (record) => applyEach(plans, record) };
  return { async: false, tables, apply: chain(plans as SyncPlan[]) };
}

function refuseBeyond(declared: readonly Transformation[], { lookup, limits }: Surroundings): void {
  if (declared.length > limits.transformationsMax) {
    throw new SluiceError('TRANSFORM_INVALID', `a list has at most ${limits.transformationsMax} transformations`);
  }
  const index = declared.findIndex(({ type }) => type === 'lookup');
  if (lookup === undefined && index !== -1) {
    const details = { index, type: 'lookup', field: 'table' };
    throw new SluiceError('TRANSFORM_INVALID', `transformation ${index} (lookup): there are no tables here`, details);
  }
}

function build(one: Transformation, site: Site): Plan {
  const { limits } = site.surroundings;
  switch (one.type) {
    case 'uppercase':
      return planConversion(one, uppercase, site);
    case 'lowercase':
      return planConversion(one, lowercase, site);
    case 'trim':
      return planConversion(one, trim, site);
    case 'replace':
      return planConversion(one, replace(one, limits), site);
    case 'split':
      return planConversion(one, split(one, limits), site);
    case 'join':
      return planConversion(one, join(one.separator, limits), site);
    case 'date_format':
      return planConversion(one, dateFormat(one), site);
    case 'cast':
      return planConversion(one, CASTS[one.to], site);
    case 'hash':
      return planConversion(one, hash(one), site);
    case 'mask':
      return planConversion(one, mask(one), site);
    case 'math':
      return math(one, site);
    case 'concatenate':
      return concatenate(one, site);
    case 'lookup':
      return lookup(one, site);
    case 'default_value':
      return defaultValue(one, site);
    case 'set':
      return set(one, site);
    case 'rename':
      return rename(one, site);
    case 'drop':
      return drop(one, site);
    case 'keep':
      return keep(one, site);
    case 'filter':
      return filter(one, site);
    case 'expression':
      return expression(one, site);
  }
}

const applying =
  (all: Step, withoutValue: Step, noList: unknown[]): SyncTransform['apply'] =>
  (record) => {
    if (record.value === null || record.value === undefined) {
      return withoutValue(record, noList, 0) ? record : undefined;
    }
    return all(record, noList, 0) ? record : undefined;
  };

function chain(plans: readonly SyncPlan[]): SyncTransform['apply'] {
  let all: Step = always;
  let withoutValue: Step = always;
  for (const { run, usesValue, writesWhole } of plans.toReversed()) {
    all = after(run, writesWhole ? whicheverFits(all, withoutValue) : all);
    if (!usesValue) withoutValue = after(run, withoutValue);
  }
  return specialise(applying)(all, withoutValue, NO_LIST);
}

function whicheverFits(all: Step, withoutValue: Step): Step {
  return (record, list, index) => (isDeletion(record) ? withoutValue : all)(record, list, index);
}

async function applyEach(plans: readonly (SyncPlan | AsyncPlan)[], record: TransformRecord) {
  for (const { run, usesValue } of plans) {
    if (usesValue && isDeletion(record)) continue;
    const kept = run(record, NO_LIST, 0);
    if (!(typeof kept === 'boolean' ? kept : await kept)) return undefined;
  }
  return record;
}
