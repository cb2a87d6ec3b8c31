/**
 * Values that the stream of changes leaves out because they did not change, found for records that the reader cannot have: a
 * record under a new key, and those of a table whose snapshot is under way. Used by `changes`.
 */
import type pg from 'pg';
import type { Change, Row, Value } from '#connector';
import { findTable } from './discovery.ts';
import { lookUpRows } from './reading.ts';

/**
 * A record that is gone meanwhile is left out: what took it away is still to come. One that was changed meanwhile has a newer
 * value, and that change is still to come too.
 * @param places in `changes`, of those to complete
 */
export async function completeChanges(pool: pg.Pool, changes: Change[], places: readonly number[]): Promise<void> {
  const byStream = new Map<string, number[]>();
  for (const at of places) {
    const name = changes[at]?.stream as string;
    byStream.set(name, [...(byStream.get(name) ?? []), at]);
  }
  const gone: number[] = [];
  for (const [name, ones] of byStream) {
    const table = await findTable(pool, name);
    const keys = ones.map((at) => changes[at]?.after as Row);
    const found = await lookUpRows(pool, table, table.stream.primaryKey, keys);
    for (const [i, at] of ones.entries()) {
      const { unchanged = [], ...change } = changes[at] as Change;
      const row = found[i];
      if (row === null || row === undefined) {
        gone.push(at);
        continue;
      }
      const values = unchanged.map((field): [string, Value] => [field, row[field] ?? null]);
      changes[at] = { ...change, after: { ...change.after, ...Object.fromEntries(values) } };
    }
  }
  for (const at of gone.sort((a, b) => b - a)) changes.splice(at, 1);
}
