/**
 * The examples and the conformance kit of the specification validate, where a copy of it is at hand: SLUICE_DSL names a
 * folder with its `examples/`, `ctk/` and (optional) invalid fixtures. Both editions, before and after the new name.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { validateDefinition } from '#workflow';

const FOLDER = process.env['SLUICE_DSL'] ?? '';
const files = (name: string, ending: string): string[] => {
  const folder = join(FOLDER, name);
  if (FOLDER === '' || !existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => join(folder, file));
};
const documentsOf = (feature: string): string[] =>
  [...feature.matchAll(/definition:\s*"""yaml\n([\s\S]*?)"""/g)].map(([, text]) => text as string);

describe.skipIf(FOLDER === '')('of the specification', () => {
  test.each(files('examples', '.yaml'))('%s is valid', (file) => {
    expect(() => validateDefinition(readFileSync(file, 'utf8'))).not.toThrow();
  });

  test.each(files('ctk/features', '.feature'))('the documents of %s are valid', (file) => {
    for (const text of documentsOf(readFileSync(file, 'utf8'))) expect(() => validateDefinition(text)).not.toThrow();
  });

  test.each(files('.ci/validation/test/fixtures/invalid', '.yaml'))('%s is refused', (file) => {
    expect(() => validateDefinition(readFileSync(file, 'utf8'))).toThrow();
  });
});
