/**
 * Reading a log from other threads, so that the one thread that appends decodes nothing. The owner of the log cuts
 * extents: plain data that says what is to be read, bounded by what was durable then. A thread opens a reader
 * once, from the log's `readerSource`, and reads extents in place.
 *
 *   thread of the log:    partition.extent(41)  ──▶ postMessage ──▶   reader.chunks(extent)   :worker thread
 *                         log.stateExtent(space) ─▶ postMessage ──▶   reader.state(extent)
 */
import type { Chunk } from './contract.ts';

/** Where `openReader` finds the engine's reader. Plain data. */
export interface ReaderSource {
  /** URL of a module that exports `openLogReader(options)`. */
  readonly module: string;
  readonly options: unknown;
}

/** The batches of one partition from one offset on. Plain data; good until the partition is trimmed past its start. */
export interface Extent {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  /** What is at and past it may not be read: it was not durable when the extent was cut. */
  readonly to: number;
  /** The engine's own. */
  readonly source: unknown;
}

/** The entries of one space of state as they were when it was cut. Plain data. */
export interface StateExtent {
  readonly space: string;
  readonly source: unknown;
}

export interface LogReader {
  /**
   * Runs of whole batches, each checked, from the one that holds `from` on; a view is valid until the next step.
   * @throws BATCH_QUARANTINED (details: `offset`, `next`) at a damaged batch
   * @throws OFFSET_TRIMMED when what holds it is gone by now
   */
  chunks(extent: Extent, chunkBytes: number): Iterable<Chunk>;
  /** In no order that is promised. A value is valid until the next step. */
  state(extent: StateExtent): Iterable<readonly [key: string, value: Uint8Array]>;
  close(): Promise<void>;
}

interface ReaderModule {
  openLogReader(options: unknown): LogReader;
}

/** Opens a reader on the calling thread. */
export async function openReader(source: ReaderSource): Promise<LogReader> {
  const { openLogReader } = (await import(source.module)) as ReaderModule;
  return openLogReader(source.options);
}
