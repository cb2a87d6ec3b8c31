/**
 * Deleting from a target what is no longer at the source. What the run has read stands in the topic of the job: the hashes of
 * its keys are gathered there, and each record of the target whose key is not among them goes. Memory stays bounded: where there
 * are more keys than one pass may hold, each pass looks at a share of them.
 *
 * A key may have been written in other words than it is read back (1.50 and 1.5, letters and blanks that a collation takes for
 * the same), so what could be the same is taken for the same: then a record stays, and none goes that should not.
 */
import type { Connection, Row, Stream, Value } from '#connector';
import { SluiceError } from '#kernel';
import { murmur2 } from '#record';
import { keyPart } from '../change-record.ts';
import { decodeStored, origins } from './incoming.ts';
import type { SweepInput } from './protocol.ts';
import type { Target } from './target.ts';
import type { StreamTarget } from './target-stream.ts';

const CHUNK_BYTES = 1024 * 1024;
const PAGE_RECORDS = 5_000;
/** Of one pass; 8 bytes each. */
const KEYS_MAX = 4_000_000;

export async function sweep(connection: Connection, target: Target, input: SweepInput): Promise<{ deleted: number }> {
  const stream = await target.streamOf(input.stream, 0);
  requireReads(connection, stream.stream);
  const hashes = new Set<number>();
  const passes = Math.max(1, Math.ceil(countOf(input) / KEYS_MAX));
  let deleted = 0;
  for (let pass = 0; pass < passes; pass++) {
    hashes.clear();
    await gather(target, stream, input, (hash) => {
      if (hash % passes === pass) hashes.add(hash);
    });
    deleted += await deleteOthers(connection, stream, (hash) => hash % passes !== pass || hashes.has(hash));
  }
  return { deleted };
}

/** @throws ENDPOINT_UNSUPPORTED */
function requireReads(connection: Connection, stream: Stream): void {
  if (connection.read !== undefined && stream.can.includes('full') && stream.can.includes('delete')) return;
  throw new SluiceError('ENDPOINT_UNSUPPORTED', `${stream.name} cannot be read and deleted from, as mirroring needs`);
}

/** Not more than there are records. */
function countOf({ extents }: SweepInput): number {
  return extents.reduce((sum, { from, to }) => sum + to - from, 0);
}

async function gather(
  target: Target,
  stream: StreamTarget,
  { extents, run, stream: name }: SweepInput,
  add: (hash: number) => void,
): Promise<void> {
  for (const extent of extents) {
    for (const { bytes } of target.reader.chunks(extent, CHUNK_BYTES)) {
      for (const origin of origins(new Uint8Array(bytes), extent.from)) {
        const change = decodeStored(origin);
        if (change.stream !== name || change.run !== run || change.after === undefined) continue;
        const key = await stream.keyOf(change.after);
        if (key !== null) add(hashOf(stream.keys, key));
      }
    }
  }
}

async function deleteOthers(
  connection: Connection,
  target: StreamTarget,
  isThere: (hash: number) => boolean,
): Promise<number> {
  const { stream, keys } = target;
  let deleted = 0;
  const pages = connection.read?.({ stream: stream.name, mode: 'full', pageRecordsMax: PAGE_RECORDS });
  for await (const { records } of pages ?? []) {
    const gone = records.filter((row) => !isThere(hashOf(keys, row)));
    if (gone.length > 0) deleted += await target.remove(gone);
  }
  return deleted;
}

/** 52 bits of two hashes. */
function hashOf(keys: readonly string[], row: Row): number {
  const text = Buffer.from(keys.map((name) => normal(row[name] ?? null)).join('\0'));
  const high = murmur2(text) >>> 12;
  const low = Math.imul(fnv(text), 0x9e3779b1) >>> 0;
  return high * 2 ** 32 + low;
}

function fnv(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash;
}

/** One text for whatever a system could take for the same value. */
function normal(value: Value): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value !== 'string') return keyPart(value);
  if (/^-?\d+\.\d+$/.test(value)) return value.replace(/\.?0+$/, '');
  return value
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/(T| )(\d\d:\d\d:\d\d)(\.\d*?)0*(Z?)$/, '$1$2$3')
    .replace(/[.Z]$/, '')
    .trimEnd();
}
