/** Appending to CSV and lines of JSON: all records of a batch in one write, on the disk before it is answered. */
import { open } from 'node:fs/promises';
import { type Row, SluiceError, toJson, type Value, type WriteResult } from '#connector';
import { toLine } from './csv.ts';
import type { File } from './folder.ts';
import type { Settings } from './formats.ts';

export async function appendRecords(file: File, settings: Settings, records: readonly Row[]): Promise<WriteResult[]> {
  const { path, format, stream } = file;
  if (!stream.can.includes('append')) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', `${stream.name} cannot be appended to`);
  }
  const lines: string[] = [];
  const results = records.map((record): WriteResult => {
    try {
      lines.push(format === 'csv' ? csvLine(file, settings, record) : `${JSON.stringify(toJson(record, stream))}\n`);
      return { ok: true };
    } catch (error) {
      return { ok: false, code: 'RECORD_REJECTED', reason: (error as Error).message, retryable: false };
    }
  });
  const target = await open(path, 'a');
  try {
    await target.appendFile(lines.join(''));
    await target.datasync();
  } finally {
    await target.close();
  }
  return results;
}

function csvLine({ stream }: File, { delimiter }: Settings, record: Row): string {
  const strange = Object.keys(record).find((name) => !stream.fields.some((field) => field.name === name));
  if (strange !== undefined) throw new SluiceError('RECORD_REJECTED', `${stream.name} has no column ${strange}`);
  const shown: Record<string, unknown> = toJson(record, stream);
  return toLine(
    stream.fields.map(({ name }) => cell(shown[name] as Value | undefined)),
    delimiter,
  );
}

function cell(value: Value | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
