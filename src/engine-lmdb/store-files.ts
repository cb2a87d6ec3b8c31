/**
 * The files around the segments: the format marker, and the lock that keeps a second process out.
 *
 *   store.json   {"format":1}          what wrote the store
 *   store.lock   pid and start time    who has it open; stale after a crash, and recognised as such
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '#kernel';

const FORMAT = 1;
/** Field of /proc/<pid>/stat, counted behind the command name: the start time in ticks since boot. */
const START_TIME_FIELD = 19;

/** @throws STORE_NEWER, STORE_CORRUPT */
export function openStoreFolder(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'store.json');
  if (!existsSync(path)) {
    writeFileSync(path, `${JSON.stringify({ format: FORMAT })}\n`);
    return;
  }
  let format: unknown;
  try {
    format = (JSON.parse(readFileSync(path, 'utf8')) as { format?: unknown }).format;
  } catch (error) {
    throw new SluiceError('STORE_CORRUPT', `${path} cannot be read`, {}, error);
  }
  if (typeof format !== 'number') throw new SluiceError('STORE_CORRUPT', `${path} names no format`);
  if (format > FORMAT) {
    throw new SluiceError('STORE_NEWER', `the store has format ${format}, this version knows ${FORMAT}`, { format });
  }
}

/** Takes the store for this process; the result gives it back. @throws STORE_LOCKED (details: `pid`) */
export function lockStore(directory: string): () => void {
  const path = join(directory, 'store.lock');
  const holder = readHolder(path);
  if (holder !== undefined && startTime(holder.pid) === holder.startedAt) {
    throw new SluiceError('STORE_LOCKED', `process ${holder.pid} has ${directory} open`, { pid: holder.pid });
  }
  writeFileSync(path, JSON.stringify({ pid: process.pid, startedAt: startTime(process.pid) }));
  return () => rmSync(path, { force: true });
}

function readHolder(path: string): { pid: number; startedAt: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { pid: number; startedAt: string };
  } catch {
    // No lock, or one that a crash left half written: nobody holds it.
    return undefined;
  }
}

/** Tells a process from a later one of the same number; undefined when there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME_FIELD];
  } catch {
    return undefined;
  }
}
