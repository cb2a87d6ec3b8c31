/**
 * Writing many records where one of them may be refused: the whole batch first, and where the system refuses it one half and
 * then the other, so that a poison record is found in a few steps and rejected by itself. Used by connectors.
 */
import { SluiceError } from '#kernel';
import type { Row, WriteResult } from './contract.ts';

export interface BatchWrite {
  /** Writes records that all have these fields, in one transaction: what it throws has happened to none of them. */
  run(fields: readonly string[], records: readonly Row[]): Promise<void>;
  /** Why the system refuses a record, from the error; undefined when the error is not about records. */
  rejection(error: unknown): string | undefined;
}

export async function writeBatches(records: readonly Row[], write: BatchWrite): Promise<WriteResult[]> {
  const results: WriteResult[] = [];
  for (let from = 0; from < records.length; ) {
    const fields = Object.keys(records[from] as Row);
    let to = from + 1;
    while (to < records.length && sameFields(fields, records[to] as Row)) to++;
    await writeSpan(records.slice(from, to), fields, write, results);
    from = to;
  }
  return results;
}

/** For `run` of an update: not every record was there. */
export function noSuchRecord(): SluiceError {
  return new SluiceError('RECORD_REJECTED', 'there is no record with this key');
}

async function writeSpan(
  records: readonly Row[],
  fields: readonly string[],
  write: BatchWrite,
  results: WriteResult[],
): Promise<void> {
  try {
    await write.run(fields, records);
    for (let i = 0; i < records.length; i++) results.push({ ok: true });
  } catch (error) {
    const reason =
      error instanceof SluiceError && error.code === 'RECORD_REJECTED' ? error.message : write.rejection(error);
    if (reason === undefined) throw error;
    if (records.length === 1) {
      results.push({ ok: false, code: 'RECORD_REJECTED', reason, retryable: false });
      return;
    }
    const middle = records.length >> 1;
    await writeSpan(records.slice(0, middle), fields, write, results);
    await writeSpan(records.slice(middle), fields, write, results);
  }
}

function sameFields(fields: readonly string[], record: Row): boolean {
  const own = Object.keys(record);
  return own.length === fields.length && fields.every((name) => name in record);
}
