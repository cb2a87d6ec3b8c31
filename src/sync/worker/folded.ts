/**
 * The changes of one stream in one batch, folded: of each key only what becomes of it in the end is written, so that no
 * statement has a key twice, a busy key costs one write, and the order among keys does not matter any more. What was folded is
 * kept, so that a record which is refused can be told from those before it.
 *
 *   upsert + upsert = the later     full + partial = the two together     anything + delete = delete     delete + full = full
 */
import type { Row } from '#connector';
import type { Origin } from './incoming.ts';

/** `update`: not all fields are said; the record has to be there. */
export type Kind = 'upsert' | 'update' | 'delete';

export interface Step {
  readonly kind: Kind;
  readonly row: Row;
  readonly origin: Origin;
}

export interface Folded extends Step {
  /** In their order; the last has the origin above. */
  readonly steps: readonly Step[];
}

export class Fold {
  readonly #byKey = new Map<string, { kind: Kind; row: Row; origin: Origin; steps: Step[] }>();
  /** Records without a key, each for itself. */
  readonly #loose: Folded[] = [];

  /** @param key undefined: nothing identifies it */
  add(key: string | undefined, step: Step): void {
    if (key === undefined) {
      this.#loose.push({ ...step, steps: [step] });
      return;
    }
    const before = this.#byKey.get(key);
    if (before === undefined) {
      const { kind, row, origin } = step;
      this.#byKey.set(key, { kind, row, origin, steps: [step] });
      return;
    }
    before.steps.push(step);
    before.origin = step.origin;
    if (step.kind === 'update' && before.kind !== 'delete') {
      before.row = { ...before.row, ...step.row };
      return;
    }
    before.kind = step.kind;
    before.row = step.row;
  }

  /** In groups of what one call of the connector may take: one kind, the same fields in each record. */
  groups(): Folded[][] {
    const groups = new Map<string, Folded[]>();
    const put = (one: Folded) => {
      const shape = one.kind === 'delete' ? one.kind : `${one.kind}\0${Object.keys(one.row).join('\0')}`;
      const group = groups.get(shape);
      if (group === undefined) groups.set(shape, [one]);
      else group.push(one);
    };
    for (const one of this.#byKey.values()) put(one);
    for (const one of this.#loose) put(one);
    // What is gone first: it may hold a value that something new is to have.
    return [...groups.values()].sort(([a], [b]) => rank(a) - rank(b));
  }
}

function rank(one: Folded | undefined): number {
  return one?.kind === 'delete' ? 0 : 1;
}
