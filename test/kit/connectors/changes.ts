/** Following changes in tests: taking pages until a condition holds, and folding them into what a table holds. Used by the suites. */
import type { Change, ChangePage, ChangesRequest, Connection, Json, Row } from '#connector';

export function following(connection: Connection, request: ChangesRequest): AsyncIterator<ChangePage> {
  if (connection.changes === undefined) throw new Error('it cannot read changes');
  return connection.changes(request)[Symbol.asyncIterator]();
}

const FOLLOW_MS = 30_000;

export interface Followed {
  readonly changes: readonly Change[];
  readonly pages: readonly ChangePage[];
  /** Of the last page, as it is after being written down. */
  readonly state: Json;
}

/** Takes pages until `enough` holds of all changes that came. */
export async function follow(
  pages: AsyncIterator<ChangePage>,
  enough: (changes: readonly Change[], page: ChangePage) => boolean,
): Promise<Followed> {
  const changes: Change[] = [];
  const taken: ChangePage[] = [];
  const deadline = performance.now() + FOLLOW_MS;
  for (;;) {
    const step = await pages.next();
    if (step.done === true) throw new Error('reading changes has ended');
    taken.push(step.value);
    changes.push(...step.value.changes);
    if (enough(changes, step.value)) break;
    if (performance.now() > deadline) throw new Error(`only ${changes.length} changes came in ${FOLLOW_MS} ms`);
  }
  return { changes, pages: taken, state: JSON.parse(JSON.stringify(taken.at(-1)?.state ?? null)) as Json };
}

/** A table as its changes tell it. */
export class Fold {
  readonly #key: readonly string[];
  readonly #rows = new Map<string, Row>();

  constructor(key: readonly string[]) {
    this.#key = key;
  }

  apply(changes: readonly Change[]): void {
    for (const { op, before, after, unchanged = [] } of changes) {
      if (op === 'truncate') this.#rows.clear();
      else if (after === null) this.#rows.delete(this.#text(before ?? {}));
      else {
        const old = this.#rows.get(this.#text(after));
        const kept = unchanged.map((name) => {
          if (old === undefined) throw new Error(`${name} of ${this.#text(after)} did not change, and is not there`);
          return [name, old[name] ?? null] as const;
        });
        this.#rows.set(this.#text(after), { ...after, ...Object.fromEntries(kept) });
      }
    }
  }

  rows(): Row[] {
    return [...this.#rows.values()];
  }

  #text(row: Row): string {
    return this.#key.map((name) => String(row[name])).join('\0');
  }
}
