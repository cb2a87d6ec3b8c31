/**
 * Which offsets of a partition are done, and which have failed and how often: a base, below which all are, and pages of
 * 4,096 offsets above it, a bit each. Only pages that changed are written, a few hundred bytes each however far the
 * done ones are scattered: a million delayed records between done ones cost no more than what moved.
 *
 *   base                 page n                  page n+1
 *     ▼  ┌──────────────────────────┐┌──────────────────────────┐
 *   ─────│1101110100000000000000000 ││000000                    │──▶ offsets
 *    done└──────────────────────────┘└──────────────────────────┘
 *
 * Called by the partitions of a queue and by the box of dead letters; what is written is in `page-codec.ts`.
 */
import { decodePage, encodePage, type Failure, PAGE_OFFSETS, type PageContent, WORDS } from './page-codec.ts';

interface Page extends PageContent {
  /** Changed since it was taken to be written. */
  dirty: boolean;
  /** Perhaps in the store, so that it has to be deleted when it is no longer needed. */
  stored: boolean;
}

/** A page to write, or null to delete. */
export interface PageChange {
  readonly page: number;
  readonly value: Uint8Array | null;
}

export class DonePages {
  readonly #pages = new Map<number, Page>();
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

  /** Takes in a page as it was stored. What it says below the base is past. @throws STORE_CORRUPT */
  load(number: number, bytes: Uint8Array): void {
    if ((number + 1) * PAGE_OFFSETS <= this.#base) {
      this.#passed.push(number);
      return;
    }
    const page: Page = { ...decodePage(bytes), dirty: false, stored: true };
    this.#pages.set(number, page);
    for (let index = 0; index < PAGE_OFFSETS; index++) {
      if (bit(page, index) && number * PAGE_OFFSETS + index >= this.#base) this.#above++;
    }
  }

  /** After the last `load`. */
  settle(): void {
    this.#advance();
  }

  isDone(offset: number): boolean {
    if (offset < this.#base) return true;
    const page = this.#pages.get(pageOf(offset));
    return page !== undefined && bit(page, offset % PAGE_OFFSETS);
  }

  /** The first offset from `offset` on, at most `end`, that is not done. */
  nextOpen(offset: number, end: number): number {
    let at = Math.max(offset, this.#base);
    while (at < end) {
      const page = this.#pages.get(pageOf(at));
      if (page === undefined || !bit(page, at % PAGE_OFFSETS)) return at;
      at++;
      // Whole words of done ones, and whole pages, are stepped over.
      while (
        at < end &&
        at % 32 === 0 &&
        at % PAGE_OFFSETS !== 0 &&
        page.bits[(at % PAGE_OFFSETS) >> 5] === FULL_WORD
      ) {
        at += 32;
      }
    }
    return Math.max(offset, Math.min(at, end));
  }

  /** Of an offset that was never refused: undefined. */
  failure(offset: number): Failure | undefined {
    return this.#pages.get(pageOf(offset))?.failures.get(offset % PAGE_OFFSETS);
  }

  fail(offset: number, failure: Failure): void {
    const page = this.#page(pageOf(offset));
    page.failures.set(offset % PAGE_OFFSETS, failure);
    page.dirty = true;
  }

  markDone(offset: number): void {
    if (offset < this.#base) return;
    const page = this.#page(pageOf(offset));
    const index = offset % PAGE_OFFSETS;
    if (bit(page, index)) return;
    const word = index >> 5;
    page.bits[word] = (page.bits[word] as number) | (1 << (index & 31));
    if (page.failures.size > 0) page.failures.delete(index);
    page.dirty = true;
    this.#above++;
    if (offset === this.#base) this.#advance();
  }

  /** Everything below `offset` is done; what is above it stays as it is. */
  raiseBase(offset: number): void {
    if (offset <= this.#base) return;
    for (const number of [...this.#pages.keys()]) {
      if ((number + 1) * PAGE_OFFSETS <= offset) this.#drop(number);
    }
    this.#base = offset;
    this.#above = 0;
    for (const [number, page] of this.#pages) {
      for (let index = 0; index < PAGE_OFFSETS; index++) {
        if (bit(page, index) && number * PAGE_OFFSETS + index >= offset) this.#above++;
      }
    }
    this.#advance();
  }

  /** Takes a `markDone` back whose commit failed, also when the base has passed it since. */
  reopen(offset: number, failure: Failure | undefined): void {
    const passed = this.#base;
    this.#base = Math.min(this.#base, offset);
    for (let done = offset + 1; done < passed; done++) {
      const page = this.#page(pageOf(done));
      const index = done % PAGE_OFFSETS;
      if (!bit(page, index)) page.bits[index >> 5] = (page.bits[index >> 5] as number) | (1 << (index & 31));
      page.dirty = true;
      this.#above++;
    }
    const page = this.#page(pageOf(offset));
    const index = offset % PAGE_OFFSETS;
    if (bit(page, index)) {
      page.bits[index >> 5] = (page.bits[index >> 5] as number) & ~(1 << (index & 31));
      if (offset >= passed) this.#above--;
    }
    page.dirty = true;
    if (failure !== undefined) page.failures.set(index, failure);
  }

  #page(number: number): Page {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = { bits: new Int32Array(WORDS), failures: new Map(), dirty: true, stored: false };
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
    for (const [number, page] of this.#pages) {
      if (!page.dirty) continue;
      page.dirty = false;
      const needed = this.#isNeeded(number, page);
      if (needed || page.stored) changes.push({ page: number, value: needed ? encodePage(page) : null });
      page.stored = needed;
    }
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
        page.dirty = true;
        page.stored = true;
      }
    }
  }
}

const FULL_WORD = -1;

function pageOf(offset: number): number {
  return Math.floor(offset / PAGE_OFFSETS);
}

function bit({ bits }: PageContent, index: number): boolean {
  return ((bits[index >> 5] as number) & (1 << (index & 31))) !== 0;
}
