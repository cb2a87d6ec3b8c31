/** What is declared is used: every error is answered, every limit kept, every layer has its door and its row. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, ERROR_TABLE } from '#kernel';
import { layers, read, root, table, typescript } from './sources.ts';

/** The names that no file of the product mentions, apart from the one that declares them. */
function unused(names: readonly string[], declaredIn: string, pattern: (name: string) => RegExp): string[] {
  const text = typescript('src', 'connectors')
    .filter(({ path }) => path !== declaredIn)
    .map((source) => source.text)
    .join('\n');
  return names.filter((name) => !pattern(name).test(text));
}

test('every error is answered somewhere', () => {
  const codes = Object.keys(ERROR_TABLE).filter((code) => code !== 'INTERNAL');
  expect(unused(codes, 'src/kernel/errors.ts', (code) => new RegExp(`'${code}'`))).toEqual([]);
});

test('every limit is kept somewhere', () => {
  const names = Object.keys(DEFAULT_LIMITS);
  expect(unused(names, 'src/kernel/limits.ts', (name) => new RegExp(`\\b${name}\\b`))).toEqual([]);
});

describe('every layer', () => {
  test('has a door', () => {
    expect(layers().filter((name) => !existsSync(join(root, 'src', name, 'index.ts')))).toEqual([]);
  });

  test('has a row in src/README.md, which lists no other', () => {
    const listed = table(read('src/README.md'), '## Layers').map(([name]) => name?.replaceAll('`', ''));
    expect(listed.sort()).toEqual(layers().sort());
  });
});
