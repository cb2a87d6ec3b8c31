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

/** One record; where several have its key, what becomes of it in the end, with all of them. */
export interface Folded {
  kind: Kind;
  row: Row;
  origin: Origin;
  /** In their order; null: it is the only one. */
  steps: Step[] | null;
}

export type Step = Readonly<Pick<Folded, 'kind' | 'row' | 'origin'>>;

export class Fold {
  readonly #byKey = new Map<string, Folded>();
  /** Records without a key, each for itself. */
  readonly #loose: Folded[] = [];

  /** @param key undefined: nothing identifies it @param one from now on the fold's own */
  add(key: string | undefined, one: Folded): void {
    if (key === undefined) {
      this.#loose.push(one);
      return;
    }
    const before = this.#byKey.get(key);
    if (before === undefined) {
      this.#byKey.set(key, one);
      return;
    }
    const { kind, row, origin } = before;
    before.steps ??= [{ kind, row, origin }];
    before.steps.push(one);
    before.origin = one.origin;
    if (one.kind === 'update' && kind !== 'delete') {
      before.row = { ...row, ...one.row };
      return;
    }
    before.kind = one.kind;
    before.row = one.row;
  }

  /** In groups of what one call of the connector may take: one kind, the same fields in each record. */
  groups(): Folded[][] {
    const groups: Group[] = [];
    let last: Group | undefined;
    const put = (one: Folded) => {
      if (last === undefined || !fits(last, one)) {
        last = groups.find((group) => fits(group, one));
        if (last === undefined) {
          last = { kind: one.kind, fields: Object.keys(one.row), members: [] };
          groups.push(last);
        }
      }
      last.members.push(one);
    };
    for (const one of this.#byKey.values()) put(one);
    for (const one of this.#loose) put(one);
    // What is gone first: it may hold a value that something new is to have.
    return groups.sort((a, b) => rank(a) - rank(b)).map(({ members }) => members);
  }
}

interface Group {
  readonly kind: Kind;
  readonly fields: readonly string[];
  readonly members: Folded[];
}

function fits({ kind, fields }: Group, one: Folded): boolean {
  if (kind !== one.kind) return false;
  let i = 0;
  for (const name in one.row) if (fields[i++] !== name) return false;
  return i === fields.length;
}

function rank({ kind }: Group): number {
  return kind === 'delete' ? 0 : 1;
}
