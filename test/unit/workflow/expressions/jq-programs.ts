/**
 * Random programs of jq, and inputs for them. Left out is what editions of jq do not agree on: texts of very large and very
 * small numbers, negative counts, places in text that is not ASCII, keys of objects that look like numbers (JavaScript puts
 * them first).
 */
import fc from 'fast-check';

const NAMES = ['a', 'b', 'c'];
const TEXTS = ['', 'a', 'b', 'ab', 'a,b', 'A b', '10', '1.5', 'x-1'];

export const inputs: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, 0, 1, 2, -1, 3, 1.5, ...TEXTS),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

const PATHS = [
  '.',
  '.a',
  '.b',
  '.c',
  '.[0]',
  '.[1]',
  '.[-1]',
  '.["a"]',
  '.[]?',
  '.a.b',
  '.a[0]',
  '.[1:]',
  '.[:-1]',
  '.[0:2]',
];
const LITERALS = ['null', 'true', 'false', '0', '1', '2', '-1', '1.5', ...TEXTS.map((text) => JSON.stringify(text))];
const PLAIN = (
  'length not type keys keys_unsorted add reverse sort unique min max flatten to_entries tostring tojson ascii_downcase ' +
  'ascii_upcase explode floor ceil sqrt any all tonumber paths empty transpose first last recurse numbers strings ' +
  'arrays objects scalars values nulls booleans iterables isvalid tostream utf8bytelength fabs error'
).split(' ');
const OF_PROGRAM =
  'map select sort_by group_by unique_by min_by max_by any all map_values recurse first last isempty path del with_entries walk paths'.split(
    ' ',
  );
const OF_VALUE = 'has contains inside startswith endswith ltrimstr rtrimstr split join index rindex indices in'.split(
  ' ',
);
const BINARY = ['+', '-', '*', '/', '%', '==', '!=', '<', '<=', '>', '>=', 'and', 'or', '//'];
const ASSIGN = ['=', '|=', '+=', '-=', '*=', '//='];
const PATTERNS = ['a', '^a', 'b$', '[a-z]+', '\\\\d+', '\\\\w', 'a|b', '(?<n>a)b?', '.b', '^$|x'];

export const programs: fc.Arbitrary<string> = fc.letrec<{ program: string }>((tie) => {
  const program = tie('program');
  const path = fc.constantFrom(...PATHS);
  const of = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts);
  return {
    program: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'jq' },
      { weight: 5, arbitrary: path },
      { weight: 3, arbitrary: fc.constantFrom(...LITERALS) },
      { weight: 2, arbitrary: fc.constantFrom(...PLAIN) },
      { weight: 1, arbitrary: fc.constantFrom('$x', '$y', '$x.a', '$y[0]', '$x.b.c') },
      { weight: 3, arbitrary: of(program, program).map(([a, b]) => `(${a} | ${b})`) },
      { weight: 1, arbitrary: of(program, program).map(([a, b]) => `(${a}, ${b})`) },
      {
        weight: 5,
        arbitrary: of(program, fc.constantFrom(...BINARY), program)
          .map(([a, sign, b]) => `(${a}) ${sign} (${b})`)
          .map(bracket),
      },
      { weight: 2, arbitrary: program.map((a) => `[${a}]`) },
      { weight: 2, arbitrary: of(program, program).map(([a, b]) => `{a: (${a}), "b": (${b})}`) },
      { weight: 1, arbitrary: of(fc.constantFrom(...NAMES), program).map(([a, b]) => `{${a}, c: (${b})}`) },
      { weight: 2, arbitrary: of(program, program, program).map(([a, b, c]) => `if ${a} then ${b} else ${c} end`) },
      { weight: 1, arbitrary: of(program, program).map(([a, b]) => `if ${a} then ${b} end`) },
      { weight: 1, arbitrary: of(program, program).map(([a, b]) => `(try (${a}) catch (${b} | 1))`) },
      { weight: 1, arbitrary: program.map((a) => `((${a})?)`) },
      { weight: 1, arbitrary: program.map((a) => `"<\\(${a})>"`) },
      { weight: 1, arbitrary: of(program, program).map(([a, b]) => `((${a}) as $v | ${b} | [$v, .])`) },
      { weight: 1, arbitrary: of(program, program).map(([a, b]) => `((${a}) as [$v, {a: $w}] | [$w, $v, ${b}])`) },
      {
        weight: 1,
        arbitrary: of(path, program, program).map(([a, b, c]) => `(reduce ${a} as $v (${b}; [., $v] | ${c}))`),
      },
      { weight: 1, arbitrary: of(path, program).map(([a, b]) => `([foreach ${a} as $v (0; ${b}; [$v, .])])`) },
      { weight: 3, arbitrary: of(fc.constantFrom(...OF_PROGRAM), program).map(([name, a]) => `${name}(${a})`) },
      { weight: 2, arbitrary: of(fc.constantFrom(...OF_VALUE), program).map(([name, a]) => `${name}(${a})`) },
      {
        weight: 1,
        arbitrary: of(path, fc.constantFrom(...ASSIGN), program).map(([a, sign, b]) => `(${a} ${sign} (${b}))`),
      },
      { weight: 1, arbitrary: of(path, program).map(([a, b]) => `((${a} | select(${b})) |= [.])`) },
      { weight: 1, arbitrary: fc.constantFrom(...PATTERNS).map((pattern) => `test("${pattern}")`) },
      { weight: 1, arbitrary: fc.constantFrom(...PATTERNS).map((pattern) => `[match("${pattern}"; "g")]`) },
      { weight: 1, arbitrary: fc.constantFrom(...PATTERNS).map((pattern) => `gsub("${pattern}"; "_")`) },
      { weight: 1, arbitrary: program.map((a) => `[limit(3; ${a})]`) },
      { weight: 1, arbitrary: program.map((a) => `([label $l | (${a}) | ., (select(. == 1) | break $l)])`) },
      { weight: 1, arbitrary: of(program, program).map(([a, b]) => `(def f(g): [g, ${a}]; f(${b}))`) },
      { weight: 1, arbitrary: program.map((a) => `(def f($p): $p + 1; f(${a}))`) },
    ),
  };
}).program;

function bracket(text: string): string {
  return `(${text})`;
}
