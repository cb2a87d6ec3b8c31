/** The airports of vega-datasets' `airports.csv`: code and name, for the table that flights are enriched from. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const FILE = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data', 'airports.csv');

/** A cell may be quoted, with quotes inside doubled. */
const CELL = /(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/y;

export function readAirports(): Map<string, string> {
  const [, ...lines] = readFileSync(FILE, 'utf8').split(/\r?\n/);
  const names = new Map<string, string>();
  for (const line of lines) {
    if (line === '') continue;
    CELL.lastIndex = 0;
    const [code, name] = [CELL.exec(line), CELL.exec(line)].map(
      (cell) => cell?.[1]?.replaceAll('""', '"') ?? cell?.[2],
    );
    names.set(code ?? '', name ?? '');
  }
  return names;
}
