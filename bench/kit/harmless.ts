/** Texts that nobody means as an attack: the strings of data sets that the development dependency vega-datasets brings. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const SETS = [
  'movies.json',
  'jobs.json',
  'countries.json',
  'cars.json',
  'monarchs.json',
  'miserables.json',
  'us-state-capitals.json',
];
const TABLES = ['airports.csv', 'la-riots.csv', 'lookup_people.csv', 'birdstrikes.csv', 'zipcodes.csv'];
const PER_TABLE_MAX = 5_000;

export function harmlessTexts(root: string): string[] {
  const found = new Set<string>();
  const data = join(root, 'node_modules', 'vega-datasets', 'data');
  for (const name of SETS) collect(JSON.parse(readFileSync(join(data, name), 'utf8')), found);
  for (const name of TABLES) {
    const lines = readFileSync(join(data, name), 'utf8').split('\n').slice(1, PER_TABLE_MAX);
    for (const line of lines) for (const cell of line.split(',')) found.add(cell.replace(/^"|"$/g, ''));
  }
  found.delete('');
  return [...found].filter((text) => /[a-z]/i.test(text));
}

function collect(value: unknown, found: Set<string>): void {
  if (typeof value === 'string') found.add(value);
  if (typeof value === 'object' && value !== null) for (const child of Object.values(value)) collect(child, found);
}
