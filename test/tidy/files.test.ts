/** The house rules that a linter does not know: sizes, openings, doors, words that may not stay. */
import { describe, expect, test } from 'vitest';
import { breaches, layers, sources, typescript } from './sources.ts';

const LINES_MAX = 400;
const TEST_LINES_MAX = 300;

function tooLong(max: number) {
  return ({ text }: { text: string }) => {
    const lines = text.split('\n').length - 1;
    return lines > max ? `${lines} lines, ${max} are allowed` : undefined;
  };
}

/** The first match of a pattern, with its line number. */
function firstMatch(text: string, pattern: RegExp): string | undefined {
  const found = pattern.exec(text);
  return found === null ? undefined : `line ${text.slice(0, found.index).split('\n').length}: ${found[0].trim()}`;
}

describe('every file', () => {
  test('is found by these tests', () => {
    expect(typescript('src').map(({ path }) => path)).toContain('src/kernel/errors.ts');
    expect(sources('.').map(({ path }) => path)).toContain('.ci/test.mjs');
  });

  test(`of the product has at most ${LINES_MAX} lines`, () => {
    expect(breaches(typescript('src', 'bench', 'connectors'), tooLong(LINES_MAX))).toEqual([]);
  });

  test(`of the tests has at most ${TEST_LINES_MAX} lines`, () => {
    expect(breaches(typescript('test'), tooLong(TEST_LINES_MAX))).toEqual([]);
  });

  test('opens with a comment that says what it is', () => {
    const opening = ({ text }: { text: string }) =>
      /^(#!.*\n)?\/\*\*\s*\S.{15}/s.test(text) ? undefined : 'does not open with a comment';
    expect(breaches(typescript('src', 'bench', 'connectors', 'test'), opening)).toEqual([]);
  });
});

describe('no source', () => {
  // Three X are also the offset from UTC in a date pattern.
  const unfinished = /\b(TODO|FIXME|HACK)\b.*|(\/\/|\/?\*) ?XXX\b.*/;
  const silenced = /@ts-(ignore|expect-error|nocheck).*|biome-ignore(?!\S* [\w/]+: \S+ \S+).*/;
  const focused = /\b(test|it|describe|suite)(\.\w+)*\.only\b.*/;
  const machine = /(["'`\s(=:]\/(work|root|home\/\w+)\/|https?:\/\/registry\.|\bnpm_config_registry).*/i;
  // All but these rules themselves, which name what they forbid.
  const everything = () => sources('.').filter(({ path }) => !path.startsWith('test/tidy/'));

  test('holds notes of unfinished work', () => {
    expect(breaches(everything(), ({ text }) => firstMatch(text, unfinished))).toEqual([]);
  });

  test('silences the compiler, or the linter without a reason', () => {
    expect(breaches(everything(), ({ text }) => firstMatch(text, silenced))).toEqual([]);
  });

  test('leaves other tests out by naming one', () => {
    expect(breaches(everything(), ({ text }) => firstMatch(text, focused))).toEqual([]);
  });

  test('knows the machine it was written on', () => {
    expect(breaches(everything(), ({ text }) => firstMatch(text, machine))).toEqual([]);
  });
});

describe('every layer', () => {
  test('is entered by its door only, except by unit tests', () => {
    const behind = /^test\/(unit|tidy)\//;
    const outside = typescript('src', 'bench', 'connectors', 'test').filter(({ path }) => !behind.test(path));
    const past = new RegExp(
      `(from |import\\(|import )'((\\.\\./)+(src/)?((${layers().join('|')})/|main\\.ts)|#[\\w-]+/).*`,
    );
    expect(breaches(outside, ({ text }) => firstMatch(text, past))).toEqual([]);
  });

  test('names the types of others in import statements, where the linter sees them', () => {
    const inline = /(:|=|<|\|)\s*(typeof )?import\('.*/;
    expect(breaches(typescript('src'), ({ text }) => firstMatch(text, inline))).toEqual([]);
  });
});
