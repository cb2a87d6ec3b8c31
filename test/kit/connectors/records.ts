/** Records in tests: reading all of them, comparing them without order, telling what was rejected. Used by the suite. */
import type { Connection, Page, ReadRequest, Row, WriteResult } from '#connector';

export function reading(connection: Connection, request: ReadRequest): AsyncIterable<Page> {
  if (connection.read === undefined) throw new Error('it cannot read');
  return connection.read(request);
}

/** So many pages at most; the read is left after them. */
export async function take(pages: AsyncIterable<Page>, count: number): Promise<Page[]> {
  const taken: Page[] = [];
  for await (const page of pages) {
    taken.push(page);
    if (taken.length === count) break;
  }
  return taken;
}

export async function readAll(connection: Connection, request: ReadRequest): Promise<Row[]> {
  const pages = await take(reading(connection, request), Number.POSITIVE_INFINITY);
  return pages.flatMap(({ records }) => records);
}

/** In an order that the values decide, as plain objects. */
export function sorted(rows: readonly Row[]): Row[] {
  const keyed = rows.map((row) => {
    const plain = Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
    return { plain, text: JSON.stringify(plain, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)) };
  });
  return keyed.sort((a, b) => (a.text < b.text ? -1 : 1)).map(({ plain }) => plain);
}

export function rejected(results: readonly WriteResult[]): WriteResult[] {
  return results.filter(({ ok }) => !ok);
}
