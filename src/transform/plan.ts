/**
 * One transformation on its way to a step: its place in the list, what surrounds it, and the steps that all of them
 * are built from. Called by the builders in `builders/`.
 */
import { type Getter, getterOf, listGettersOf, type Setter, setterOf } from './access.ts';
import type { Surroundings } from './context.ts';
import { hasEach, type Path, pathOf } from './path.ts';
import {
  type AsyncStep,
  type Conversion,
  conversionStep,
  forEach,
  type Place,
  type Policy,
  type Step,
} from './step.ts';

interface Reach {
  /** False where it leaves the value alone, so that it also runs on a deletion. */
  readonly usesValue: boolean;
  /** It may make the record a deletion: it writes the value as a whole. */
  readonly writesWhole: boolean;
}

export interface SyncPlan extends Reach {
  readonly async: false;
  readonly run: Step;
}

export interface AsyncPlan extends Reach {
  readonly async: true;
  readonly run: AsyncStep;
}

export type Plan = SyncPlan | AsyncPlan;

/** Where a step is built: its place in the list, and what surrounds it. */
export interface Site {
  readonly place: Place;
  readonly surroundings: Surroundings;
}

/** A step that reads and writes these places, made to go through the list they share, if any. */
export function planOver(paths: readonly Path[], inner: Step): SyncPlan {
  const each = paths.find(hasEach);
  const getters = each === undefined ? [] : listGettersOf(each);
  return {
    async: false,
    run: getters.reduceRight<Step>((step, list) => forEach(list, step), inner),
    ...reachOf(paths),
  };
}

export function reachOf(paths: readonly Path[]): Reach {
  const inValue = paths.filter(({ root }) => root === 'value');
  return { usesValue: inValue.length > 0, writesWhole: inValue.some(({ segments }) => segments.length === 0) };
}

export function read(text: string): { path: Path; get: Getter } {
  const path = pathOf(text);
  return { path, get: getterOf(path) };
}

export function write(text: string, place: Place): { path: Path; set: Setter } {
  const path = pathOf(text);
  return { path, set: setterOf(path, place.blocked(text)) };
}

/** The plan of all transformations that turn one value into another. */
export function planConversion(
  settings: { field: string; target?: string | undefined; on_error: Policy },
  conversion: Conversion,
  { place }: Site,
): SyncPlan {
  const from = read(settings.field);
  const to = write(settings.target ?? settings.field, place);
  const refuse = place.refusal(settings.on_error, settings.field, conversion.takes, to.set);
  return planOver([from.path, to.path], conversionStep(from.get, to.set, conversion, refuse));
}
