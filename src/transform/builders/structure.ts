/** Builds the steps that move fields about without looking at what is in them: default_value, set, rename, drop, keep. */
import type { Getter, Setter } from '../access.ts';
import { writerOf } from '../dates/format.ts';
import { type Zone, zoneOf } from '../dates/zone.ts';
import { pathOf } from '../path.ts';
import { plainCopy } from '../plain-copy.ts';
import { type Plan, planOver, read, type Site, write } from '../plan.ts';
import { moverOf, pickerOf, removerOf } from '../reshape.ts';
import type { Transformation } from '../schema.ts';
import { specialise } from '../specialise.ts';
import { after, always, type Step, show } from '../step.ts';

type Of<T extends Transformation['type']> = Extract<Transformation, { type: T }>;

const ifMissing =
  (get: Getter, set: Setter, make: () => unknown): Step =>
  (record, list, index) =>
    get(record, list, index) === undefined ? set(record, list, index, make()) : true;

const ifNull =
  (get: Getter, set: Setter, make: () => unknown): Step =>
  (record, list, index) => {
    const value = get(record, list, index);
    return value === undefined || value === null ? set(record, list, index, make()) : true;
  };

const ifEmpty =
  (get: Getter, set: Setter, make: () => unknown): Step =>
  (record, list, index) => {
    const value = get(record, list, index);
    return value === undefined || value === null || value === '' ? set(record, list, index, make()) : true;
  };

const WHEN = { missing: ifMissing, null: ifNull, empty: ifEmpty };

export function defaultValue(settings: Of<'default_value'>, site: Site): Plan {
  const { path, get } = read(settings.field);
  const { set } = write(settings.field, site.place);
  return planOver([path], specialise(WHEN[settings.when])(get, set, literal(settings.value, site)));
}

/** Makes the value anew for each record, so that none is in two of them. */
function literal(value: unknown, { surroundings }: Site): () => unknown {
  if (typeof value !== 'object' || value === null) return () => value;
  return () => plainCopy(value, surroundings.limits.recordBytesMax);
}

const setting =
  (set: Setter, make: () => unknown): Step =>
  (record, list, index) =>
    set(record, list, index, make());

export function set(settings: Of<'set'>, site: Site): Plan {
  const { path, set } = write(settings.field, site.place);
  const make = settings.now === undefined ? literal(settings.value, site) : present(settings.now, site);
  return planOver([path], specialise(setting)(set, make));
}

function present(format: string, { surroundings }: Site): () => unknown {
  const write = writerOf(format, zoneOf('UTC') as Zone);
  return () => write(surroundings.clock.now());
}

export function rename(settings: Of<'rename'>, { place }: Site): Plan {
  const from = read(settings.field);
  const to = write(settings.target, place);
  const mover = moverOf(from.path, to.path, from.get, to.set, place.blocked(settings.target));
  return planOver([from.path, to.path], mover);
}

export function drop(settings: Of<'drop'>, { place }: Site): Plan {
  const plans = settings.fields.map((field) => {
    const path = pathOf(field);
    return planOver([path], removerOf(path, place.blocked(field)));
  });
  const run = plans.reduceRight((next, plan) => after(plan.run, next), always);
  return { async: false, run, usesValue: plans.every(({ usesValue }) => usesValue), writesWhole: false };
}

export function keep(settings: Of<'keep'>, { place }: Site): Plan {
  const pick = pickerOf(settings.fields.map((field) => pathOf(field).segments));
  const run: Step = (record) => {
    const kept = pick(record.value);
    // An allow-list that names nothing of what is there must not let it through.
    if (kept === undefined) place.fail('$value', `${show(record.value)} has none of the fields to keep`);
    record.value = kept;
    return true;
  };
  return { async: false, run, usesValue: true, writesWhole: false };
}
