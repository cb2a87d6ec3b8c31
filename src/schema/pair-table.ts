/**
 * The comparison of schemas that are within themselves: a table of pairs, all taken to be compatible until a difference
 * is found. A comparison asks the table for the pairs inside it and is made again when one of them turns out to differ,
 * until nothing changes any more. So each pair is compared about as often as it is asked for, however schemas are knotted.
 */
import type { Difference } from './parsed-schema.ts';

/** One pair can be compared in two ways. */
type Kind = 'whole' | 'container';

interface Entry {
  readonly compare: () => readonly Difference[];
  differences: readonly Difference[];
  /** Comparisons that asked for this pair. */
  readonly askedBy: Set<Entry>;
  isQueued: boolean;
}

/** More of them do not make a refusal clearer. */
const DIFFERENCES_MAX = 20;

export class PairTable {
  readonly #entries: Readonly<Record<Kind, Map<object, Map<object, Entry>>>> = {
    whole: new Map(),
    container: new Map(),
  };
  /** In the order in which they were first asked for: what stands inside another comes later. */
  readonly #order: Entry[] = [];
  readonly #queue: Entry[] = [];
  #current: Entry | undefined;

  /** What is known of the pair so far; for the outermost call all there is. */
  of(left: object, right: object, compare: () => readonly Difference[], kind: Kind = 'whole'): readonly Difference[] {
    const rows = this.#entries[kind];
    const row = rows.get(left) ?? new Map<object, Entry>();
    rows.set(left, row);
    let entry = row.get(right);
    if (entry === undefined) {
      entry = { compare, differences: [], askedBy: new Set(), isQueued: false };
      row.set(right, entry);
      this.#order.push(entry);
      this.#enqueue(entry);
    }
    if (this.#current === undefined) this.#settle();
    else entry.askedBy.add(this.#current);
    return entry.differences;
  }

  #enqueue(entry: Entry): void {
    if (entry.isQueued) return;
    entry.isQueued = true;
    this.#queue.push(entry);
  }

  #settle(): void {
    for (let next = 0; next < this.#queue.length; next++) {
      const entry = this.#queue[next] as Entry;
      entry.isQueued = false;
      if (entry.differences.length > 0 || !this.#differs(entry)) continue;
      for (const asking of entry.askedBy) this.#enqueue(asking);
    }
    // Those that differ were compared when only some of what is in them was known to; once more, from the inside out.
    for (const entry of this.#order.toReversed()) if (entry.differences.length > 0) this.#differs(entry);
    this.#current = undefined;
    this.#queue.length = 0;
  }

  /** Compares, and tells whether more differences are known than before. */
  #differs(entry: Entry): boolean {
    this.#current = entry;
    const found = distinct(entry.compare()).slice(0, DIFFERENCES_MAX);
    if (found.length <= entry.differences.length) return false;
    entry.differences = found;
    return true;
  }
}

/** A schema that is within itself meets its differences on several ways. */
function distinct(differences: readonly Difference[]): Difference[] {
  return [...new Map(differences.map((one) => [`${one.path} ${one.message}`, one])).values()];
}
