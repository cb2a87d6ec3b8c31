/** What is written down is so: the tables of errors and transformations, scripts, links. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERROR_TABLE } from '#kernel';
import { catalogue } from '#transform';
import { read, root, sources, table } from './sources.ts';

const documents = () => sources('.').filter(({ path }) => path.endsWith('.md'));

describe('errors', () => {
  test('are all in the table of the README, in its words', () => {
    const declared = Object.entries(ERROR_TABLE).map(([code, { status, retryable, title }]) => [
      `\`${code}\``,
      String(status),
      retryable ? 'yes' : 'no',
      title,
    ]);
    expect(table(read('README.md'), '## Errors')).toEqual(declared);
  });
});

test('transformations are all in the table of the README, with their settings', () => {
  const declared = catalogue().map(({ type, summary, settings }) => [
    `\`${type}\``,
    summary,
    settings
      .map((setting) => {
        const value = 'default' in setting ? `=${JSON.stringify(setting.default)}` : '?';
        return `\`${setting.name}${setting.required ? '' : value}\``;
      })
      .join(' '),
  ]);
  expect(table(read('README.md'), '## Transformations')).toEqual(declared);
});

describe('documents', () => {
  test('name scripts that exist', () => {
    const scripts = Object.keys(JSON.parse(read('package.json')).scripts);
    const named = documents().flatMap(({ path, text }) =>
      Array.from(text.matchAll(/\bnpm (?:run )?(start|test|(?<=run )[\w:]+)/g), ([, name]) => ({ path, name })),
    );
    expect(named.filter(({ name }) => !scripts.includes(name as string))).toEqual([]);
  });

  test('link to files that exist', () => {
    const broken = documents().flatMap(({ path, text }) =>
      Array.from(text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g), ([, target]) => `${path}: ${target}`).filter(
        (link) => !existsSync(join(root, dirname(path), link.slice(path.length + 2))),
      ),
    );
    expect(broken).toEqual([]);
  });
});
