/** For tests: a little of everything that must happen exactly once: a map, a running total by key, a window. */
import { defineProcessor, json, tumbling } from 'sluice/processing';

export interface Entry {
  readonly n: number;
  readonly account: string;
  readonly amount: number;
}

export default defineProcessor({
  inputs: { entries: json<Entry>() },
  outputs: {
    booked: json<Entry & { readonly owner: string | null }>(),
    totals: json<{ readonly account: string; readonly total: number; readonly count: number }>(),
    minutes: json<unknown>(),
  },
  tables: { owners: json<{ readonly name: string }>() },
  build({ stream, table }) {
    const entries = stream('entries');
    entries
      .join(table('owners'), {
        key: ({ account }) => account,
        join: (entry, owner) => ({ ...entry, owner: owner?.name ?? null }),
        left: true,
      })
      .to('booked');
    entries
      .groupBy(({ account }) => account)
      .aggregate({
        name: 'totals',
        init: () => ({ account: '', total: 0, count: 0 }),
        add: (sum, { account, amount }) => ({ account, total: sum.total + amount, count: sum.count + 1 }),
      })
      .to('totals');
    entries
      .window(tumbling(60_000), { name: 'minutes', outOfOrderMs: 0, latenessMs: 0, emit: 'final' })
      .count()
      .to('minutes');
  },
});
