/**
 * A full check of a store that no process has open: the structure of each file, the framing and checksum of every
 * batch, dense offsets, and that the summaries say what the segments hold. Changes nothing.
 */
import { readdirSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Limits, type Logger, SluiceError } from '#kernel';
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchByteLength,
  batchCount,
  batchCrcMatches,
  batchNextOffset,
} from '#record';
import { checkPages } from './page-check.ts';
import { parseSegmentFileName, Segment } from './segment.ts';
import { lockStore, openStoreFolder } from './store-files.ts';

export interface VerifyFinding {
  readonly segment: string;
  readonly partitionId?: number;
  readonly offset?: number;
  readonly problem: string;
}

export interface VerifyReport {
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  readonly findings: readonly VerifyFinding[];
}

interface Tally {
  batches: number;
  records: number;
  bytes: number;
}

/** @throws STORE_LOCKED, STORE_NEWER */
export async function verifyStore(
  directory: string,
  limits: Limits,
  logger: Logger,
  progress: (done: number, total: number) => void = () => undefined,
): Promise<VerifyReport> {
  openStoreFolder(directory);
  const unlock = lockStore(directory);
  const findings: VerifyFinding[] = [];
  const tally: Tally = { batches: 0, records: 0, bytes: 0 };
  const folder = join(directory, 'segments');
  const files = readdirSync(folder)
    .flatMap((name) => ({ name, ...parseSegmentFileName(name) }))
    .filter(({ id }) => id !== undefined);
  try {
    const metaDamage = checkPages(join(directory, 'meta.mdb'));
    if (metaDamage !== undefined) findings.push({ segment: 'meta.mdb', problem: metaDamage });
    for (const [index, { name, id = 0, generation = 0 }] of files.entries()) {
      const damage = checkPages(join(folder, name));
      if (damage === undefined)
        await verifySegment(
          new Segment(join(folder, name), id, generation, limits.segmentBytes),
          name,
          tally,
          findings,
        );
      else findings.push({ segment: name, problem: damage });
      progress(index + 1, files.length);
    }
  } finally {
    unlock();
  }
  if (findings.length > 0) logger.error({ findings: findings.length }, 'the store is damaged');
  return { segments: files.length, ...tally, findings };
}

async function verifySegment(segment: Segment, name: string, tally: Tally, findings: VerifyFinding[]): Promise<void> {
  segment.sealed = true;
  const ends = new Map<number, number>();
  const summary = segment.readSummary();
  for (const { partitionId, offset, bytes } of segment.chunks()) {
    const problem = (at: number, text: string) =>
      findings.push({ segment: name, partitionId, offset: at, problem: text });
    const end = ends.get(partitionId);
    const gaps = (summary?.compactedAt ?? 0) > 0;
    if (end !== undefined && (gaps ? offset < end : offset !== end))
      problem(offset, `a chunk begins where ${end} was expected`);
    ends.set(partitionId, verifyChunk(bytes, offset, gaps, tally, problem));
    tally.bytes += bytes.length;
  }
  for (const [id, range] of summary?.ranges ?? []) {
    const end = ends.get(id);
    if (end !== undefined && (summary?.compactedAt ?? 0) === 0 && end !== range.next) {
      findings.push({
        segment: name,
        partitionId: id,
        offset: end,
        problem: `the summary says the range ends at ${range.next}`,
      });
    }
  }
  await segment.close();
}

/** Walks a chunk's batches; the offset behind the last one. */
function verifyChunk(
  bytes: Buffer,
  first: number,
  gaps: boolean,
  tally: Tally,
  problem: (at: number, text: string) => void,
): number {
  let expected = first;
  for (let at = 0; at < bytes.length; at += batchByteLength(bytes, at)) {
    const length = bytes.length - at < BATCH_HEADER_BYTES ? 0 : batchByteLength(bytes, at);
    if (length < BATCH_HEADER_BYTES || length > bytes.length - at) {
      problem(expected, 'a batch does not fit in its chunk');
      return expected;
    }
    const base = batchBaseOffset(bytes, at);
    if (gaps ? base < expected : base !== expected) problem(expected, `a batch says it begins at ${base}`);
    if (!batchCrcMatches(bytes, at)) problem(expected, 'a batch does not match its checksum');
    expected = batchNextOffset(bytes, at);
    tally.batches++;
    tally.records += batchCount(bytes, at);
  }
  return expected;
}

/** Copies a backup into an empty data folder. @throws CONFIG_INVALID, STORE_CORRUPT when the backup does not verify */
export async function restoreBackup(
  backup: string,
  directory: string,
  limits: Limits,
  logger: Logger,
): Promise<VerifyReport> {
  const report = await verifyStore(backup, limits, logger);
  if (report.findings.length > 0) {
    throw new SluiceError('STORE_CORRUPT', `the backup has ${report.findings.length} damaged places; run verify on it`);
  }
  openStoreFolder(directory);
  const folder = join(directory, 'segments');
  await mkdir(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new SluiceError('CONFIG_INVALID', `${directory} already holds a store`);
  for (const name of readdirSync(join(backup, 'segments'))) {
    if (parseSegmentFileName(name) !== undefined) await copyFile(join(backup, 'segments', name), join(folder, name));
  }
  await copyFile(join(backup, 'meta.mdb'), join(directory, 'meta.mdb'));
  return report;
}
