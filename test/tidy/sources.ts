/**
 * The files of this repository as the tidy tests see them: path from the root, text, lines. Walks the folders rather
 * than asking git, so that it also works in an unpacked archive.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Source {
  /** From the root, with slashes: `src/log/contract.ts`. */
  readonly path: string;
  readonly text: string;
}

export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** Folders that are not sources: what is installed, built or written at run time. */
const NOT_OURS = /^(node_modules|dist(\..*)?|data|\.data.*|\.git|\.test-report.*)$/;
const BINARY = /\.(png|gz|lz4|parquet|bin|mdb|pem)$/;

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** All text files below the folders (or the files) named, `.` for everything; what is missing is left out. */
export function sources(...places: readonly string[]): Source[] {
  return places.flatMap(paths).map((path) => ({ path, text: read(path) }));
}

/** The TypeScript files among them. */
export function typescript(...places: readonly string[]): Source[] {
  return sources(...places).filter(({ path }) => path.endsWith('.ts'));
}

/** The folders of `src`, each a layer. */
export function layers(): string[] {
  const entries = readdirSync(join(root, 'src'), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && paths(`src/${entry.name}`).length > 0)
    .map(({ name }) => name);
}

/** `path: what` for each file that breaks a rule; a test expects none. */
export function breaches(files: readonly Source[], find: (source: Source) => string | undefined): string[] {
  return files.flatMap((source) => {
    const found = find(source);
    return found === undefined ? [] : [`${source.path}: ${found}`];
  });
}

/** The rows of the first table after a heading, cells trimmed, without the head. */
export function table(markdown: string, heading: string): string[][] {
  const section = markdown.split(`\n${heading}\n`)[1]?.split(/\n#+ /)[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  const cells = (row: string) => row.split('|').slice(1, -1);
  return rows.slice(2).map((row) => cells(row).map((cell) => cell.trim()));
}

function paths(place: string): string[] {
  const found = statSync(join(root, place), { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) return found === undefined ? [] : [place];
  const entries = readdirSync(join(root, place), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = place === '.' ? entry.name : `${place}/${entry.name}`;
    if (NOT_OURS.test(entry.name) || BINARY.test(entry.name)) return [];
    if (entry.isDirectory()) return paths(path);
    return entry.isFile() ? [path] : [];
  });
}
