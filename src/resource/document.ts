/** A resource as it is stored and shown, what makes up a kind, and the differences between two specs. */
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { StateChange } from '#log';

export type Spec = Readonly<Record<string, unknown>>;

export interface Document {
  readonly kind: string;
  readonly name: string;
  /** 1 at first, one more with each change. A resource made again after deletion goes on counting. */
  readonly version: number;
  readonly spec: Spec;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Name of the client that made this version; null while keys are not required. */
  readonly by: string | null;
}

/** What else is declared, as a kind may look at it. */
export interface Declared {
  find(kind: string, name: string): Document | undefined;
  list(kind: string): Document[];
}

/** One declaration of a kind: its checks, its documentation, and what it does when it changes. */
export interface Kind {
  readonly kind: string;
  /** In paths: `/v1/{plural}`. */
  readonly plural: string;
  /** One sentence for people. */
  readonly summary: string;
  readonly schema: z.ZodType<Spec>;
  /**
   * Refuses a change by throwing, before anything is done; a dry run asks it too.
   * @param spec undefined when the resource is about to be deleted
   */
  check?(name: string, spec: Spec | undefined, declared: Declared): void;
  /** What of a spec is kept and shown, where that is not all of it: what it leaves out is in no document and no history. */
  record?(name: string, spec: Spec): Spec;
  /** Puts the spec into effect, before it is recorded; what it throws refuses the change. Must bear being called again. */
  apply?(name: string, spec: Spec): Promise<void>;
  /** Ends the effect, before the deletion is recorded. */
  remove?(name: string): Promise<void>;
  /** State to be stored in one commit with the document, or with its deletion (spec undefined). */
  changes?(name: string, spec: Spec | undefined): readonly StateChange[];
  /** The document, or its deletion, is on the disk. */
  committed?(name: string): void;
}

export interface Change {
  /** Dotted path in the spec. */
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface HistoryEntry {
  readonly version: number;
  readonly action: 'created' | 'changed' | 'deleted';
  /** Null for a deletion. */
  readonly spec: Spec | null;
  readonly changes: readonly Change[];
  readonly at: number;
  readonly by: string | null;
}

/** What differs, leaf by leaf; a list is a leaf. */
export function diffSpecs(from: Spec, to: Spec, path = ''): Change[] {
  const changes: Change[] = [];
  for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const place = path === '' ? name : `${path}.${name}`;
    const [before, after] = [from[name], to[name]];
    if (isDeepStrictEqual(before, after)) continue;
    if (isObject(before) && isObject(after)) changes.push(...diffSpecs(before, after, place));
    else changes.push({ path: place, from: before ?? null, to: after ?? null });
  }
  return changes;
}

function isObject(value: unknown): value is Spec {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
