/** Records of formats by way of connector files. Used by the tests of formats. */
import { fileURLToPath } from 'node:url';
import type { Connection, Json, Row, Stream } from '#connector';
import files from '../../../connectors/files/index.ts';

export const SAMPLES = fileURLToPath(new URL('../../samples', import.meta.url));

export async function open(path: string, more: object = {}): Promise<Connection> {
  return files.open(files.spec.parse({ path, ...more }), { endpoint: 'test' });
}

export async function pagesOf(connection: Connection, stream: string, state?: Json, pageRecordsMax = 2) {
  const pages: { records: readonly Row[]; state: Json }[] = [];
  const request = { stream, mode: 'full', pageRecordsMax, ...(state === undefined ? {} : { state }) } as const;
  for await (const page of connection.read?.(request) ?? []) pages.push(page);
  return pages;
}

export async function allOf(path: string, stream: string, more: object = {}): Promise<Row[]> {
  const pages = await pagesOf(await open(path, more), stream);
  return pages.flatMap(({ records }) => records as Row[]);
}

export async function fieldsOf(path: string, name: string): Promise<Record<string, string>> {
  const found = (await (await open(path)).discover()).find((one) => one.name === name) as Stream;
  return Object.fromEntries(
    found.fields.map(({ name, type, items }) => [name, items === undefined ? type : `${items}[]`]),
  );
}

export const bytes = (...values: number[]) => new Uint8Array(values);
