/** Appending CSV and lines of JSON: all records of a batch in one write, kept before it is answered. */
import { randomBytes } from 'node:crypto';
import type { Row, Value, WriteResult } from '../contract.ts';
import { toJson } from '../json-values.ts';
import type { Found } from './discovery.ts';
import type { FileSettings, FileStore } from './store.ts';

/** To the end of a file. */
export async function appendToFile(
  store: FileStore,
  { delimiter }: FileSettings,
  { stream, file, kind }: Extract<Found, { of: 'file' }>,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const { csvLine } = await import('./csv.ts');
  const columns = stream.fields.map(({ name }) => name);
  const lines: string[] = [];
  const results = records.map((record): WriteResult => {
    try {
      const shown = toJson(record, stream);
      const strange = kind.format === 'csv' ? Object.keys(record).find((name) => !columns.includes(name)) : undefined;
      if (strange !== undefined) throw new Error(`${stream.name} has no column ${strange}`);
      lines.push(kind.format === 'csv' ? csvLine(columns, shown, delimiter) : `${JSON.stringify(shown)}\n`);
      return { ok: true };
    } catch (error) {
      return { ok: false, code: 'RECORD_REJECTED', reason: (error as Error).message, retryable: false };
    }
  });
  if (lines.length > 0) await store.append?.(file.name, Buffer.from(lines.join('')));
  return results;
}

/** To a set of files: a batch is a new file, named by its time and a number of its own. */
export async function appendToSet(
  store: FileStore,
  { delimiter }: FileSettings,
  { stream, kind, pattern }: Extract<Found, { of: 'set' }>,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const { csvLine } = await import('./csv.ts');
  const shown = records.map((record) => toJson(record, stream));
  let text: string;
  if (kind.format === 'csv') {
    const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
    const names: Record<string, Value> = Object.fromEntries(columns.map((name) => [name, name]));
    text = [names, ...shown].map((record) => csvLine(columns, record, delimiter)).join('');
  } else {
    text = shown.map((record) => `${JSON.stringify(record)}\n`).join('');
  }
  if (records.length > 0) await store.put(newName(pattern), Buffer.from(text));
  return records.map(() => ({ ok: true }));
}

function newName(pattern: string): string {
  const time = new Date().toISOString().replace(/[-:.]/g, '');
  const own = `${time}-${randomBytes(4).toString('hex')}`;
  const flat = pattern.replace(/\*\*\//g, '').replaceAll('**', '*');
  const named = flat.replace(/\*/, own).replace(/[*?]/g, '0');
  return named === flat ? flat.replace(/(\.[a-z]+)$/i, `-${own}$1`) : named;
}
