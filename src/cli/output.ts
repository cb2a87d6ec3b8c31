/** Printing: lines to stdout that stop quietly when the reader has gone, tables for people, progress on a terminal. */

const BAR_WIDTH = 30;
const REDRAW_MS = 100;

/** `sluice consume t | head` ends the pipe; that is no failure. */
export function exitQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

/** Writes and, when the pipe is full, waits for it. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value)}\n`);
}

/** Columns as wide as their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => String(cell ?? '-')));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] as number))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** A bar on a terminal, nothing elsewhere. */
export class Progress {
  readonly #what: string;
  readonly #enabled = process.stderr.isTTY === true;
  #drawnAt = 0;

  constructor(what: string) {
    this.#what = what;
  }

  update(done: number, total: number): void {
    if (!this.#enabled || (Date.now() - this.#drawnAt < REDRAW_MS && done < total)) return;
    this.#drawnAt = Date.now();
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
    process.stderr.write(`\r${this.#what} ${bar} ${(share * 100).toFixed(0).padStart(3)} %`);
  }

  end(): void {
    if (this.#enabled && this.#drawnAt > 0) process.stderr.write('\n');
  }
}
