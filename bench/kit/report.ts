/** Figures: percentiles, medians with their spread, tables for people and the last line for programs. */
import { formatBytes } from '#kernel';

export { formatBytes };

/** The value that the given share of the sorted samples is below. */
export function percentile(samples: readonly number[], share: number): number {
  if (samples.length === 0) return 0;
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [low = 0, high = low] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return { median: (low + high) / 2, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 };
}

/** `1,234,567`. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function fixed(value: number, digits = 2): string {
  return value.toFixed(digits);
}

export function printTable(title: string, rows: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(`\n${title}\n${'─'.repeat(title.length)}\n`);
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(width)}  ${value}\n`);
}

/** The last line a bench prints. */
export function printResult(result: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** A progress line on a terminal; elsewhere a line at each tenth. */
export class Meter {
  readonly #what: string;
  readonly #total: number;
  readonly #startedAt = performance.now();
  #shownAt = 0;
  #tenth = 0;

  constructor(what: string, total: number) {
    this.#what = what;
    this.#total = total;
  }

  update(done: number): void {
    const now = performance.now();
    const share = done / this.#total;
    const perSecond = whole(done / ((now - this.#startedAt) / 1000));
    if (process.stderr.isTTY) {
      if (now - this.#shownAt < 100 && done < this.#total) return;
      this.#shownAt = now;
      const filled = Math.round(share * 30);
      const bar = `${'█'.repeat(filled)}${'░'.repeat(30 - filled)}`;
      process.stderr.write(`\r${this.#what} ${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${perSecond}/s   `);
      if (done >= this.#total) process.stderr.write('\n');
      return;
    }
    const tenth = Math.floor(share * 10);
    if (tenth === this.#tenth) return;
    this.#tenth = tenth;
    process.stderr.write(`${this.#what} ${tenth * 10} %  ${perSecond}/s\n`);
  }
}
