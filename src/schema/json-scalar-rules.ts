/** Strings and numbers of two JSON Schemas: a bound may be widened or dropped, not added or narrowed. */
import type { JsonObject } from './json-document.ts';
import type { Place } from './json-parts.ts';
import type { Difference } from './parsed-schema.ts';

interface Read extends Place {
  readonly node: JsonObject;
}

export function stringDifferences(written: JsonObject, read: Read): Difference[] {
  return [
    ...upperBound(written, read, 'maxLength'),
    ...lowerBound(written, read, 'minLength', 0),
    ...sameOrGone(written, read, 'pattern'),
    // Formats are asserted when values are checked, so here they count, which they do not in Confluent's registry.
    ...sameOrGone(written, read, 'format'),
  ];
}

export function numberDifferences(written: JsonObject, read: Read): Difference[] {
  return [
    ...upperBound(written, read, 'maximum'),
    ...upperBound(written, read, 'exclusiveMaximum'),
    ...lowerBound(written, read, 'minimum'),
    ...lowerBound(written, read, 'exclusiveMinimum'),
    ...multipleOf(written, read),
  ];
}

export function upperBound(written: JsonObject, read: Read, keyword: string): Difference[] {
  const [before, now] = [numberIn(written, keyword), numberIn(read.node, keyword)];
  if (now === undefined || (before !== undefined && now >= before)) return [];
  return [narrowed(read, keyword, before, now)];
}

/** @param absent what the bound is where there is none, when that is a bound */
export function lowerBound(written: JsonObject, read: Read, keyword: string, absent?: number): Difference[] {
  const [before, now] = [numberIn(written, keyword) ?? absent, numberIn(read.node, keyword)];
  if (now === undefined || (before !== undefined && now <= before)) return [];
  return [narrowed(read, keyword, before, now)];
}

function sameOrGone(written: JsonObject, read: Read, keyword: string): Difference[] {
  const [before, now] = [written[keyword], read.node[keyword]];
  return now === undefined || now === before ? [] : [narrowed(read, keyword, before, now)];
}

function multipleOf(written: JsonObject, read: Read): Difference[] {
  const [before, now] = [numberIn(written, 'multipleOf'), numberIn(read.node, 'multipleOf')];
  if (now === undefined || (before !== undefined && Number.isInteger(before / now))) return [];
  return [narrowed(read, 'multipleOf', before, now)];
}

function numberIn(node: JsonObject, keyword: string): number | undefined {
  const value = node[keyword];
  return typeof value === 'number' ? value : undefined;
}

export function narrowed({ path }: Place, keyword: string, before: unknown, now: unknown): Difference {
  const change =
    before === undefined ? `${JSON.stringify(now)} is new` : `${JSON.stringify(before)} became ${JSON.stringify(now)}`;
  return { path: `${path}/${keyword}`, message: `${keyword} ${change}` };
}
