/**
 * Which offsets of a partition are done, and which have failed and how often: a base, below which all are, and pages of
 * 4,096 offsets above it, a bit each. Only pages that changed are written, a few hundred bytes each however far the
 * done ones are scattered, and a page that is done in full costs next to nothing: a record that waits for a year keeps
 * nobody from going on behind it.
 *
 *   base                 page n                  page n+1
 *     ▼  ┌──────────────────────────┐┌──────────────────────────┐
 *   ─────│1101110100000000000000000 ││000000                    │──▶ offsets
 *    done└──────────────────────────┘└──────────────────────────┘
 *
 * Called by the partitions of a queue and by the box of dead letters; what is written is in `page-codec.ts`.
 */
import {
  countBits,
  decodePage,
  encodePage,
  type Failure,
  PAGE_OFFSETS,
  type PageContent,
  WORDS,
} from './page-codec.ts';

interface Page extends PageContent {
  /** Shared with all others when the page is done in full. */
  bits: Int32Array;
  /** Shared with all others while there are none. */
  failures: Map<number, Failure>;
  done: number;
  /** Perhaps in the store, so that it has to be deleted when it is no longer needed. */
  stored: boolean;
}

/** A page to write, or null to delete. */
export interface PageChange {
  readonly page: number;
  readonly value: Uint8Array | null;
}

const FULL_WORD = -1;
const ALL_DONE = new Int32Array(WORDS).fill(FULL_WORD);
const NO_FAILURES: Map<number, Failure> = new Map();

export class DonePages {
  readonly #pages = new Map<number, Page>();
  /** Pages that changed since they were taken to be written. */
  readonly #dirty = new Set<number>();
  /** Stored pages the base has passed. */
  #passed: number[] = [];
  #base: number;
  /** Done offsets at or above the base. */
  #above = 0;

  constructor(base: number) {
    this.#base = base;
  }

  /** The lowest offset that is not done. */
  get base(): number {
    return this.#base;
  }

  /** How many offsets at or above the base are done. */
  get above(): number {
    return this.#above;
  }

  /** Takes in a page as it was stored. What it says below the base is past. @throws STORE_CORRUPT, STORE_NEWER */
  load(number: number, bytes: Uint8Array): void {
    if ((number + 1) * PAGE_OFFSETS <= this.#base) {
      this.#passed.push(number);
      return;
    }
    const { bits, failures } = decodePage(bytes);
    const page: Page = { bits, failures, done: countBits(bits), stored: true };
    this.#pages.set(number, page);
    this.#above += this.#doneFrom(number, page);
    share(page);
  }

  /** After the last `load`. */
  settle(): void {
    this.#advance();
  }

  /** Done offsets of a page at or above the base. */
  #doneFrom(number: number, page: Page): number {
    let below = 0;
    const end = Math.min(PAGE_OFFSETS, this.#base - number * PAGE_OFFSETS);
    for (let index = 0; index < end; index++) if (bit(page, index)) below++;
    return page.done - below;
  }

  isDone(offset: number): boolean {
    if (offset < this.#base) return true;
    const page = this.#pages.get(pageOf(offset));
    return page !== undefined && bit(page, offset % PAGE_OFFSETS);
  }

  /** The first offset from `offset` on that is not done; `end` when there is none before it. */
  nextOpen(offset: number, end: number): number {
    let at = Math.max(offset, this.#base);
    while (at < end) {
      const page = this.#pages.get(pageOf(at));
      if (page === undefined) break;
      const index = at % PAGE_OFFSETS;
      if (page.done === PAGE_OFFSETS) at += PAGE_OFFSETS - index;
      else if (index % 32 === 0 && page.bits[index >> 5] === FULL_WORD) at += 32;
      else if (bit(page, index)) at++;
      else break;
    }
    return Math.max(offset, Math.min(at, end));
  }

  /** Of an offset that was never refused: undefined. */
  failure(offset: number): Failure | undefined {
    return this.#pages.get(pageOf(offset))?.failures.get(offset % PAGE_OFFSETS);
  }

  fail(offset: number, failure: Failure): void {
    const number = pageOf(offset);
    const page = this.#page(number);
    if (page.failures === NO_FAILURES) page.failures = new Map();
    page.failures.set(offset % PAGE_OFFSETS, failure);
    this.#dirty.add(number);
  }

  markDone(offset: number): void {
    if (offset < this.#base) return;
    const number = pageOf(offset);
    const page = this.#page(number);
    const index = offset % PAGE_OFFSETS;
    if (bit(page, index)) return;
    setBit(page, index);
    this.#dirty.add(number);
    if (page.failures.size > 0) page.failures.delete(index);
    share(page);
    this.#above++;
    if (offset === this.#base) this.#advance();
  }

  /** Everything below `offset` is done; what is above it stays as it is. */
  raiseBase(offset: number): void {
    if (offset <= this.#base) return;
    this.#base = offset;
    this.#above = 0;
    for (const [number, page] of [...this.#pages]) {
      if ((number + 1) * PAGE_OFFSETS <= offset) this.#drop(number);
      else this.#above += this.#doneFrom(number, page);
    }
    this.#advance();
  }

  /** Takes a `markDone` back whose commit failed, also when the base has passed it since. */
  reopen(offset: number, failure: Failure | undefined): void {
    const passed = this.#base;
    this.#base = Math.min(this.#base, offset);
    for (let done = offset + 1; done < passed; done++) {
      const page = this.#page(pageOf(done));
      if (!bit(page, done % PAGE_OFFSETS)) setBit(page, done % PAGE_OFFSETS);
      this.#dirty.add(pageOf(done));
      this.#above++;
    }
    const page = this.#page(pageOf(offset));
    const index = offset % PAGE_OFFSETS;
    if (bit(page, index)) {
      if (page.bits === ALL_DONE) page.bits = Int32Array.from(ALL_DONE);
      page.bits[index >> 5] = (page.bits[index >> 5] as number) & ~(1 << (index & 31));
      page.done--;
      if (offset >= passed) this.#above--;
    }
    this.#dirty.add(pageOf(offset));
    if (failure !== undefined) this.fail(offset, failure);
  }

  #page(number: number): Page {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = { bits: new Int32Array(WORDS), failures: NO_FAILURES, done: 0, stored: false };
      this.#pages.set(number, page);
    }
    return page;
  }

  #advance(): void {
    for (;;) {
      const number = pageOf(this.#base);
      const page = this.#pages.get(number);
      if (page === undefined || !bit(page, this.#base % PAGE_OFFSETS)) return;
      const end = (number + 1) * PAGE_OFFSETS;
      const open = this.nextOpen(this.#base, end);
      this.#above -= open - this.#base;
      this.#base = open;
      if (open < end) return;
      this.#drop(number);
    }
  }

  #drop(number: number): void {
    if (this.#pages.get(number)?.stored) this.#passed.push(number);
    this.#pages.delete(number);
  }

  /** What has to be written so that the store knows what is known here; from then on it counts as written. */
  takeChanges(): PageChange[] {
    const changes: PageChange[] = this.#passed.map((page) => ({ page, value: null }));
    this.#passed = [];
    for (const number of this.#dirty) {
      const page = this.#pages.get(number);
      if (page === undefined) continue;
      const needed = this.#isNeeded(number, page);
      if (needed || page.stored) changes.push({ page: number, value: needed ? encodePage(page) : null });
      page.stored = needed;
    }
    this.#dirty.clear();
    return changes;
  }

  /** A page says something that the base does not. */
  #isNeeded(number: number, { bits, failures }: Page): boolean {
    if (failures.size > 0) return true;
    const from = Math.max(0, this.#base - number * PAGE_OFFSETS);
    const word = from >> 5;
    if ((bits[word] as number) >>> (from & 31) !== 0) return true;
    for (let later = word + 1; later < WORDS; later++) if (bits[later] !== 0) return true;
    return false;
  }

  /** Changes that could not be written have to be taken again. */
  giveBack(changes: readonly PageChange[]): void {
    for (const { page: number } of changes) {
      const page = this.#pages.get(number);
      if (page === undefined) this.#passed.push(number);
      else {
        this.#dirty.add(number);
        page.stored = true;
      }
    }
  }
}

function pageOf(offset: number): number {
  return Math.floor(offset / PAGE_OFFSETS);
}

function bit({ bits }: PageContent, index: number): boolean {
  return ((bits[index >> 5] as number) & (1 << (index & 31))) !== 0;
}

/** Of a bit that is not set, so that the page is not one of those that share their bits. */
function setBit(page: Page, index: number): void {
  page.bits[index >> 5] = (page.bits[index >> 5] as number) | (1 << (index & 31));
  page.done++;
}

/** Lets go of what a page that is done in full has for itself. */
function share(page: Page): void {
  if (page.failures.size === 0) page.failures = NO_FAILURES;
  if (page.done === PAGE_OFFSETS) page.bits = ALL_DONE;
}
