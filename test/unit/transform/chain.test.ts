/** Whole lists: what is compiled does what a plain interpreter does, with generated code and without. */
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SluiceError } from '#kernel';
import { withSeed } from '#kit';
import { compileTransformations } from '#transform';
import { specialise } from '../../../src/transform/specialise.ts';
import { record, run } from './apply.ts';
import { type Declared, interpret } from './reference.ts';

const leaf = fc.constantFrom<unknown>(null, true, 0, 5, 1.5, '', 'a', 'Ab c', ' 42 ', 'straße', '👍-👍', 'x-y');
const data = fc.letrec<{ any: unknown; fields: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    { weight: 3, arbitrary: leaf },
    fc.array(tie('any'), { maxLength: 3 }),
    tie('fields'),
  ),
  fields: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor'), tie('any'), { maxKeys: 4 }),
})).fields;

const plainPath = fc.constantFrom('a', 'b', 'c', 'a.b', 'b.c', 'a.constructor', 'a[0]', 'b[-1].c', 'a.b.c');
const eachPath = fc.constantFrom('a[].b', 'a[].c', 'a[].b.c', 'a[].constructor');
const pair = fc.oneof(fc.tuple(plainPath, plainPath), fc.tuple(eachPath, eachPath));
const on_error = fc.constantFrom('fail', 'null', 'keep', 'drop');
const value = fc.constantFrom<unknown>('new', 7, null, { b: 'made' }, [{ b: 1 }, {}]);

const conversion = fc
  .tuple(
    fc.constantFrom<Declared>(
      { type: 'uppercase' },
      { type: 'lowercase' },
      { type: 'trim' },
      { type: 'split', separator: '-' },
      { type: 'replace', text: 'a', with: '$&' },
      { type: 'mask' },
      { type: 'join', separator: '-' },
      { type: 'math', operation: 'add', by: 1 },
      { type: 'math', operation: 'multiply', by: 0.5 },
      { type: 'cast', to: 'integer' },
    ),
    pair,
    fc.boolean(),
    on_error,
  )
  .filter(([{ type, to }]) => type !== 'cast' || to === 'integer')
  .map(([one, [field, target], apart, policy]) => ({ ...one, field, ...(apart && { target }), on_error: policy }));

const step = fc.oneof(
  { weight: 3, arbitrary: conversion },
  fc.record({ type: fc.constant('set'), field: fc.oneof(plainPath, eachPath), value }),
  fc.record({ type: fc.constant('default_value'), field: fc.oneof(plainPath, eachPath), value }),
  pair.map(([field, target]) => ({ type: 'rename', field, target })),
  fc.record({
    type: fc.constant('drop'),
    fields: fc.array(fc.oneof(plainPath, eachPath), { minLength: 1, maxLength: 3 }),
  }),
  fc.tuple(fc.array(plainPath, { minLength: 1, maxLength: 3 }), pair).map(([fields, [field, target]]) => ({
    type: 'concatenate',
    fields: [...fields, field],
    separator: '+',
    target,
  })),
);
const list = fc.array(step, { minLength: 1, maxLength: 6 });

function compiled(declared: readonly Declared[], input: unknown) {
  try {
    const after = run(declared, record(structuredClone(input)));
    return after === undefined ? { dropped: true } : { value: after.value };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'TRANSFORM_FAILED') throw error;
    return { failed: error.details['index'] };
  }
}

function agreement(numRuns: number): void {
  fc.assert(
    fc.property(list, data, (declared, input) => {
      // A fraction is no integer to the engine; the interpreter does not tell them apart.
      fc.pre(!(declared.some(({ type }) => type === 'cast') && JSON.stringify([declared, input]).includes('.5')));
      expect(compiled(declared, input)).toEqual(interpret(declared, input));
    }),
    withSeed({ numRuns }),
  );
}

describe('a compiled list', () => {
  test('does what a plain interpreter does', () => agreement(1000));

  test('does the same where the process forbids code from strings', () => {
    function refusing(): never {
      throw new EvalError('code from strings is forbidden');
    }
    vi.stubGlobal('Function', refusing);
    onTestFinished(() => {
      vi.unstubAllGlobals();
    });
    const factory = () => () => 1;
    expect(specialise(factory)).toBe(factory);
    agreement(300);
  });

  test('of no transformation gives the record back', () => {
    const input = record({ a: 1 });
    expect(run([], input)).toBe(input);
  });

  test('keeps apart what it compiled for one list and for another', () => {
    const lists = Array.from({ length: 50 }, (_, i) => compileTransformations([{ type: 'uppercase', field: `f${i}` }]));
    for (const [i, one] of lists.entries()) {
      if (one.async) throw new Error('answers by promise');
      expect(one.apply(record({ f0: 'a', [`f${i}`]: 'b' }))?.value).toEqual({
        f0: i === 0 ? 'B' : 'a',
        [`f${i}`]: 'B',
      });
    }
  });

  test('takes names and literals as they are, whatever is in them', () => {
    const nasty = [
      "'];process.exit(1);['",
      `\`$\{process.exit(1)}\``,
      '\\"];throw 1;//',
      '\u2028\u2029',
      '*/ alert(1) /*',
      '"',
      '\\',
    ];
    for (const name of nasty) {
      const path = `["${name.replace(/["\\]/g, '\\$&')}"]`;
      const declared = [
        { type: 'set', field: `${path}.x`, value: name },
        { type: 'rename', field: `${path}.x`, target: `${path}${path}` },
        { type: 'concatenate', fields: [`${path}${path}`], separator: name, target: 'copy' },
      ];
      expect(run(declared, record({}))?.value).toEqual({ [name]: { [name]: name }, copy: name });
    }
  });
});

describe('a specialised factory', () => {
  test('gives closures of its own, with the arguments it was given', () => {
    const adder = (by: number) => (to: number) => to + by;
    const [one, two] = [specialise(adder), specialise(adder)];
    expect(one).not.toBe(two);
    expect([one(1)(1), one(2)(1), two(3)(1)]).toEqual([2, 3, 4]);
  });
});
