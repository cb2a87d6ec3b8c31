/**
 * Whether everything that one JSON Schema lets through, another lets through too, by the rules that Confluent publishes
 * for its registry. `written` is the schema of what exists, `read` the one it is to be read with.
 *
 *   every part of `read` must follow from a part of `written`
 *     · read is a sum:     from all of `written` together, one branch must follow
 *     · written is a sum:  each of its branches, with the rest of `written`, must let the part follow
 *
 * Schemas may be recursive, see `pair-table.ts`.
 */
import { isDeepStrictEqual } from 'node:util';
import { SluiceError } from '#kernel';
import { arrayDifferences } from './json-array-rules.ts';
import type { JsonDocument, JsonNode } from './json-document.ts';
import { objectDifferences } from './json-object-rules.ts';
import { isUnbound, type Part, type Place, partsOf, typeOfValue } from './json-parts.ts';
import { numberDifferences, stringDifferences } from './json-scalar-rules.ts';
import { PairTable } from './pair-table.ts';
import type { Difference } from './parsed-schema.ts';

type Typed = Part & { readonly kind: 'typed' };
type Sum = Part & { readonly kind: 'sum' };

/** Comparisons of parts; schemas that fold into more are refused, since they would hold up the server. */
const STEPS_MAX = 300_000;

/** A node with the place it stands in. */
export interface Located extends Place {
  readonly node: JsonNode;
}

export function jsonDifferences(written: JsonDocument, read: JsonDocument): readonly Difference[] {
  const comparison = new JsonComparison();
  for (const document of [written, read]) document.partsLeft = STEPS_MAX;
  return comparison.nodes(
    { node: written.root, document: written, path: '#' },
    { node: read.root, document: read, path: '#' },
  );
}

export class JsonComparison {
  readonly #pairs = new PairTable();
  #steps = 0;

  nodes(written: Located, read: Located): readonly Difference[] {
    if (read.node === true || written.node === false) return [];
    if (typeof written.node === 'boolean' || typeof read.node === 'boolean') return this.all([written], read);
    return this.#pairs.of(written.node, read.node, () => this.all([written], read));
  }

  /** Compares with several schemas that hold together. */
  all(written: readonly Located[], read: Located): Difference[] {
    const parts = written.flatMap((one) => partsOf(one.node, one));
    return this.#parts(parts, partsOf(read.node, read), read.path);
  }

  #parts(written: readonly Part[], read: readonly Part[], path: string): Difference[] {
    const differences: Difference[] = [];
    for (const part of read) differences.push(...this.#part(written, part, path));
    return differences;
  }

  /**
   * @param path where a difference is told when it has no place of its own
   * @param first the branch of a sum that is tried before others: most sums keep their order
   */
  #part(written: readonly Part[], read: Part, path: string, first = 0): readonly Difference[] {
    if (++this.#steps > STEPS_MAX) {
      throw new SluiceError('SCHEMA_INVALID', 'the schemas are too entangled to be compared');
    }
    if (written.some(({ kind }) => kind === 'nothing')) return [];
    const sums = written.filter((part) => part.kind === 'sum');
    if (sums.length === 0) return this.#simple(written, read, path, first);
    const others = written.filter((part) => part.kind !== 'sum');
    let nearest = read.kind === 'sum' && others.length === 0 ? undefined : this.#simple(others, read, path, first);
    if (nearest?.length === 0) return nearest;
    for (const sum of sums) {
      const missing = this.#eachBranch(sum, [], read, path);
      if (missing.length === 0) return missing;
      if (others.length === 0) nearest ??= missing;
    }
    // What none of them gives alone, they may give together.
    if (read.kind === 'sum' && written.length > 1) {
      const [sum, ...rest] = [...sums, ...others];
      if (this.#eachBranch(sum as Sum, rest, read, path).length === 0) return [];
    }
    return nearest ?? [];
  }

  #eachBranch(sum: Sum, rest: readonly Part[], read: Part, path: string): Difference[] {
    return sum.branches.flatMap((branch, i) => this.#part([...branch, ...rest], read, path, i));
  }

  #simple(written: readonly Part[], read: Part, path: string, first: number): readonly Difference[] {
    return read.kind === 'sum' ? this.#branch(written, read, first) : this.#leaf(written, read, path);
  }

  /** Some branch of the sum that lets everything through. */
  #branch(written: readonly Part[], read: Sum, first: number): Difference[] {
    const { branches } = read;
    for (let i = 0; i < branches.length; i++) {
      const branch = branches[(first + i) % branches.length] as readonly Part[];
      if (this.#parts(written, branch, read.path).length === 0) return [];
    }
    return [{ path: read.path, message: 'no branch reads all of what was allowed before' }];
  }

  /** The differences to the part that is nearest. */
  #leaf(written: readonly Part[], read: Part, path: string): readonly Difference[] {
    let nearest: readonly Difference[] | undefined;
    for (const part of written) {
      const found = this.#pair(part, read);
      if (found.length === 0) return found;
      if (part.kind === read.kind) nearest ??= found;
    }
    if (nearest !== undefined) return nearest;
    const what = read.kind === 'typed' ? `the type ${read.type}` : 'a condition';
    return [{ path: read.path || path, message: `${what} is asked for, which was not before` }];
  }

  #pair(written: Part, read: Part): readonly Difference[] {
    if (written.kind === 'typed' && read.kind === 'typed') return this.#typed(written, read);
    if (written.kind === 'values' && read.kind === 'values') {
      const lost = written.values.filter((value) => !read.values.some((one) => isDeepStrictEqual(one, value)));
      return lost.length === 0 ? [] : [{ path: read.path, message: `${JSON.stringify(lost)} can be no longer` }];
    }
    if (written.kind === 'values' && read.kind === 'typed') {
      const fits = isUnbound(read) && written.values.every((value) => isOfType(typeOfValue(value), read.type));
      return fits ? [] : [{ path: read.path, message: `not every listed value is known to be a fitting ${read.type}` }];
    }
    if (written.kind === 'not' && read.kind === 'not') {
      // What is excluded now must have been excluded before.
      return this.nodes(read, written).length === 0
        ? []
        : [{ path: read.path, message: 'more is excluded than before' }];
    }
    if (written.kind === 'opaque' && read.kind === 'opaque' && written.text === read.text) return [];
    return [{ path: read.path, message: 'the condition is another one than before' }];
  }

  #typed(written: Typed, read: Typed): readonly Difference[] {
    if (!isOfType(written.type, read.type)) {
      return [{ path: read.path, message: `the type was ${written.type} and is ${read.type}` }];
    }
    switch (read.type) {
      case 'string':
        return stringDifferences(written.node, read);
      case 'integer':
      case 'number':
        return numberDifferences(written.node, read);
      case 'object':
        return this.#pairs.of(written.node, read.node, () => objectDifferences(this, written, read), 'container');
      case 'array':
        return this.#pairs.of(written.node, read.node, () => arrayDifferences(this, written, read), 'container');
      default:
        return [];
    }
  }
}

function isOfType(written: string, read: string): boolean {
  return written === read || (written === 'integer' && read === 'number');
}
