/**
 * The reader of this engine on another thread: opens the same files read-only and reads extents through LMDB's map,
 * each batch checked. Loaded by `openReader` of `#log`; lmdb lets the threads of a process share an environment.
 *
 * A segment may be rewritten or removed while an extent of it is under way: an environment that is open stays
 * readable, and one that cannot be opened any more answers OFFSET_TRIMMED, upon which a new extent is cut.
 */
import { existsSync } from 'node:fs';
import { SluiceError } from '#kernel';
import { type Chunk, type Extent, iterateStateBlock, type LogReader, type StateExtent } from '#log';
import { type CursorSource, LmdbCursor } from './cursor.ts';
import type { LmdbExtentSource } from './extent.ts';
import { openMeta, stateEntries } from './meta.ts';
import { Segment } from './segment.ts';

export interface LmdbReaderOptions {
  readonly directory: string;
  readonly segmentBytes: number;
  readonly openSegmentsMax: number;
}

export function openLogReader(options: unknown): LogReader {
  return new LmdbReader(options as LmdbReaderOptions);
}

class LmdbReader implements LogReader {
  readonly #options: LmdbReaderOptions;
  /** Least recently used first. */
  readonly #segments = new Map<string, Segment>();

  constructor(options: LmdbReaderOptions) {
    this.#options = options;
  }

  *chunks(extent: Extent, chunkBytes: number): Iterable<Chunk> {
    const cursor = new LmdbCursor(this.#sourceOf(extent));
    cursor.seek(extent.from);
    for (let chunk = cursor.next(chunkBytes); chunk !== null; chunk = cursor.next(chunkBytes)) yield chunk;
  }

  #sourceOf({ source, to }: Extent): CursorSource {
    const { partitionId, start, ranges } = source as LmdbExtentSource;
    return {
      id: partitionId,
      start,
      durable: to,
      ranges: ranges.map(({ path, segmentId, generation, compactedAt, first, next }) => {
        const segment = this.#segment(path, segmentId, generation);
        segment.compactedAt = compactedAt;
        return { segment, range: { first, next: Math.min(next, to), bytes: 0, maxTimestamp: 0 } };
      }),
      requireOpen: () => undefined,
      touch: (segment) => this.#touch(segment),
      reportDamage: () => undefined,
    };
  }

  #segment(path: string, id: number, generation: number): Segment {
    let segment = this.#segments.get(path);
    if (segment === undefined) {
      segment = new Segment(path, id, generation, this.#options.segmentBytes);
      // It is read only here, whoever may still be writing it.
      segment.sealed = true;
      this.#segments.set(path, segment);
    }
    return segment;
  }

  #touch(segment: Segment): void {
    this.#segments.delete(segment.path);
    this.#segments.set(segment.path, segment);
    if (!segment.isOpen && !existsSync(segment.path)) {
      this.#segments.delete(segment.path);
      throw new SluiceError('OFFSET_TRIMMED', `segment ${segment.path} is gone`);
    }
    // What was committed since the last read is in no older snapshot.
    segment.refresh();
    if (this.#segments.size <= this.#options.openSegmentsMax) return;
    const [[path, oldest]] = this.#segments as Iterable<[string, Segment]> as [[string, Segment]];
    this.#segments.delete(path);
    void oldest.close();
  }

  *state({ space, source }: StateExtent): Iterable<readonly [string, Uint8Array]> {
    const { cleared, blocks } = source as { cleared: boolean; blocks: readonly Uint8Array[] };
    // Newest first: of each key the first one met is the one that holds, and needs not to be looked up again.
    const met = new Set<string>();
    for (let i = blocks.length - 1; i >= 0; i--) {
      const changes = [...iterateStateBlock(blocks[i] as Uint8Array)];
      for (let j = changes.length - 1; j >= 0; j--) {
        const [key, value] = changes[j] as (typeof changes)[number];
        const before = met.size;
        if (met.add(key).size === before || value === null) continue;
        yield [key, value];
      }
    }
    if (!cleared) yield* this.#folded(space, met);
  }

  *#folded(space: string, met: ReadonlySet<string>): Iterable<readonly [string, Uint8Array]> {
    const meta = openMeta(this.#options.directory, true);
    try {
      for (const entry of stateEntries(meta, space)) if (met.size === 0 || !met.has(entry[0])) yield entry;
    } finally {
      void meta.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#segments.values()].map((segment) => segment.close()));
    this.#segments.clear();
  }
}
