/** Which path of an API description a request means: literal steps go before parameters. Made once a description. */
import type { PathItem } from './description.ts';

export interface FoundPath {
  readonly item: PathItem;
  /** Values of the parameters by name, decoded. */
  readonly values: ReadonlyMap<string, string>;
}

type Part = string | { readonly expression: RegExp; readonly names: readonly string[] };

interface Candidate {
  readonly item: PathItem;
  readonly parts: readonly Part[];
  /** One character a step, `0` for a literal: the smallest is the most special. */
  readonly rank: string;
}

export class PathIndex {
  readonly #byLength = new Map<number, Candidate[]>();

  constructor(items: readonly PathItem[]) {
    for (const item of items) {
      const parts = item.template.split('/').slice(1).map(partOf);
      const rank = parts.map((part) => (typeof part === 'string' ? '0' : '1')).join('');
      const candidates = this.#byLength.get(parts.length) ?? [];
      candidates.push({ item, parts, rank });
      this.#byLength.set(parts.length, candidates);
    }
    for (const candidates of this.#byLength.values()) candidates.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  }

  find(path: string): FoundPath | undefined {
    const steps = path.split('/').slice(1).map(decoded);
    for (const { item, parts } of this.#byLength.get(steps.length) ?? []) {
      const values = new Map<string, string>();
      if (parts.every((part, i) => fits(part, steps[i] as string, values))) return { item, values };
    }
    return undefined;
  }
}

function fits(part: Part, text: string, values: Map<string, string>): boolean {
  if (typeof part === 'string') return part === text;
  const found = part.expression.exec(text);
  if (found === null) return false;
  for (const [i, name] of part.names.entries()) values.set(name, found[i + 1] as string);
  return true;
}

function partOf(text: string): Part {
  const names = [...text.matchAll(/\{([^{}]*)\}/g)].map(([, name]) => name as string);
  if (names.length === 0) return text;
  // Of several in one step, all but the last end at what follows them, so that no text is tried in many ways.
  const pieces = text.split(/\{[^{}]*\}/).map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  let source = pieces[0] as string;
  for (let i = 0; i < names.length; i++) {
    const next = pieces[i + 1] as string;
    const last = i === names.length - 1;
    source += last ? '(.+)' : `([^${next === '' ? '' : next[next.startsWith('\\') ? 1 : 0]}]+)`.replace('[^]+', '.+');
    source += next;
  }
  return { expression: new RegExp(`^${source}$`, 's'), names };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
