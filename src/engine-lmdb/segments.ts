/**
 * The set of segments of one store: which files there are, which is active, and which partition's offsets
 * are where. Keeps a bounded number of sealed ones open for reading.
 */
import { readdirSync, rmSync, unlinkSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, type Limits, type Logger } from '#kernel';
import { parseSegmentFileName, Segment, segmentFileName } from './segment.ts';

export class Segments {
  readonly directory: string;
  readonly #limits: Limits;
  readonly #logger: Logger;
  /** Ascending by id; the last is the active one. */
  readonly list: Segment[] = [];
  #prepared: Segment | undefined;
  #nextId = 1;
  /** Sealed segments that are open, least recently used first. */
  readonly #open = new Set<Segment>();

  constructor(directory: string, limits: Limits, logger: Logger) {
    this.directory = directory;
    this.#limits = limits;
    this.#logger = logger;
  }

  get active(): Segment {
    const active = this.list.at(-1);
    assert(active !== undefined, 'a store has an active segment');
    return active;
  }

  /** Bytes of values in all segments. */
  get bytes(): number {
    let sum = 0;
    for (const segment of this.list) sum += segment.bytes;
    return sum;
  }

  /** The files in the folder as segments, oldest first; of each id the newest generation that `isWhole`. */
  discover(isWhole: (segment: Segment) => boolean): Segment[] {
    const best = new Map<number, Segment>();
    const files = readdirSync(this.directory).flatMap((name) => parseSegmentFileName(name) ?? []);
    for (const { id, generation } of files.sort((a, b) => a.id - b.id || a.generation - b.generation)) {
      const segment = this.at(id, generation);
      const older = best.get(id);
      if (older !== undefined && !isWhole(segment)) {
        this.#logger.warn({ segment: segment.path }, 'removing a segment rewrite that did not finish');
        rmSync(segment.path);
        continue;
      }
      if (older !== undefined) rmSync(older.path);
      best.set(id, segment);
    }
    const found = [...best.values()];
    this.#nextId = (found.at(-1)?.id ?? 0) + 1;
    return found;
  }

  at(id: number, generation: number): Segment {
    const path = join(this.directory, segmentFileName(id, generation));
    return new Segment(path, id, generation, this.#limits.segmentBytes);
  }

  /** Creates the file of the next active segment ahead of time, off the path of an append. */
  prepare(): void {
    if (this.#prepared !== undefined) return;
    const segment = this.at(this.#nextId++, 1);
    segment.create();
    this.#prepared = segment;
  }

  /** Makes the prepared segment the active one. The old one still needs its summary. */
  roll(): Segment {
    this.prepare();
    const segment = this.#prepared as Segment;
    this.#prepared = undefined;
    this.list.push(segment);
    return segment;
  }

  /** To be called before each read of a sealed segment: opens it, and closes the one unused the longest. */
  touch(segment: Segment): void {
    if (!segment.sealed) return;
    this.#open.delete(segment);
    this.#open.add(segment);
    if (this.#open.size <= this.#limits.openSegmentsMax) return;
    const [oldest] = this.#open;
    if (oldest !== undefined) this.release(oldest);
  }

  /** Closes a sealed segment; it is opened again when it is read. */
  release(segment: Segment): void {
    this.#open.delete(segment);
    segment.close().catch((error: unknown) => this.#logger.error({ err: error }, 'closing a segment failed'));
  }

  /** Takes a dead segment out of the list and its file off the disk. */
  async remove(segment: Segment): Promise<void> {
    const index = this.list.indexOf(segment);
    if (index !== -1) this.list.splice(index, 1);
    await this.discard(segment);
  }

  /** Puts a rewritten generation in the place of the old one, whose file goes. */
  async replace(old: Segment, rewritten: Segment): Promise<void> {
    this.list[this.list.indexOf(old)] = rewritten;
    await this.discard(old);
  }

  async discard(segment: Segment): Promise<void> {
    this.#open.delete(segment);
    await segment.close();
    await unlink(segment.path);
    await unlink(`${segment.path}-lock`).catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const segment of this.list) await segment.close();
    const prepared = this.#prepared;
    if (prepared === undefined) return;
    await prepared.close();
    unlinkSync(prepared.path);
  }
}
