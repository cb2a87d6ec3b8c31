/** The registry on a log: numbers, versions, references, and that it all is there again when the log is opened anew. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Limits, ManualClock, resolveLimits } from '#kernel';
import { MemoryLog } from '#log';
import { checkKey, checkValue } from '../../../src/schema/record-check.ts';
import { SchemaRegistry } from '../../../src/schema/registry.ts';
import type { SchemaSource } from '../../../src/schema/source.ts';

function open(limits: Partial<Limits> = {}) {
  const resolved = resolveLimits(limits);
  const log = new MemoryLog({ limits: resolved, clock: new ManualClock(0) });
  onTestFinished(() => log.close());
  const registry = new SchemaRegistry(log, resolved);
  /** Makes `source` the newest version, as a document of the kind does. */
  const register = async (subject: string, source: SchemaSource) => {
    registry.check(subject, { ...source, mode: undefined });
    await log.commit({ state: registry.changes(subject, source) });
    registry.committed(subject);
    return registry.version(subject, 'latest');
  };
  const remove = async (subject: string) => {
    await log.commit({ state: registry.changes(subject, undefined) });
    registry.committed(subject);
  };
  return { registry, log, register, remove, again: () => new SchemaRegistry(log, resolved) };
}

const json = (schema: unknown, references: SchemaSource['references'] = []): SchemaSource => ({
  type: 'json',
  text: JSON.stringify(schema),
  references,
});
const text = json({ type: 'string' });
const short = json({ type: 'string', maxLength: 9 });
const number = json({ type: 'number' });

describe('numbers', () => {
  test('are given in turn, one to each different schema, the same in all subjects', async () => {
    const { register } = open();
    expect(await register('a', short)).toMatchObject({ id: 1, version: 1 });
    expect(await register('a', text)).toMatchObject({ id: 2, version: 2 });
    expect(await register('b', short)).toMatchObject({ id: 1, version: 1 });
    expect(await register('c', number)).toMatchObject({ id: 3, version: 1 });
  });

  test('do not depend on white space and the order of members, but on the language and the references', async () => {
    const { register } = open();
    const spaced: SchemaSource = { ...text, text: '{ "maxLength": 9,\n "type": "string" }' };
    expect([(await register('a', short)).id, (await register('b', spaced)).id]).toEqual([1, 1]);
    const avro: SchemaSource = { type: 'avro', text: '{"type":"string"}', references: [] };
    expect((await register('c', avro)).id).toBe(2);
    expect((await register('d', json({ type: 'string' }, [{ name: 'x', subject: 'a', version: 1 }]))).id).toBe(3);
  });

  test('of Protobuf do not depend on comments and lines', async () => {
    const { register } = open();
    const proto = (body: string): SchemaSource => ({ type: 'protobuf', text: body, references: [] });
    const plain = await register('a', proto('syntax = "proto3"; message M { string a = 1; }'));
    const told = await register('b', proto('// M\nsyntax = "proto3";\nmessage M {\n  /* a */ string a = 1;\n}\n'));
    expect([plain.id, told.id]).toEqual([1, 1]);
  });

  test('are kept when everything that had them is deleted', async () => {
    const { registry, register, remove, again } = open();
    await register('a', text);
    await remove('a');
    expect(registry.schema(1).text).toBe(text.text);
    expect((await register('b', number)).id).toBe(2);
    expect(again().schema(1).text).toBe(text.text);
  });

  test('that are not taken lead nowhere', () => {
    expect(() => open().registry.schema(1)).toThrow(
      expect.objectContaining({ code: 'SCHEMA_UNKNOWN', details: { id: 1 } }),
    );
  });
});

describe('versions', () => {
  test('are there again when the log is opened anew', async () => {
    const { register, remove, again, registry } = open();
    await register('a', short);
    await register('a', text);
    await register('b', number);
    await remove('b');
    await registry.modes.set('a', 'full');
    await registry.modes.set(undefined, 'none');
    const reopened = again();
    expect(reopened.subjects()).toEqual(['a']);
    expect(reopened.subjects(true)).toEqual(['a', 'b']);
    expect(reopened.versions('a')).toEqual([1, 2]);
    expect(reopened.versions('b', true)).toEqual([1]);
    expect(reopened.version('a', 1)).toMatchObject({ id: 1, text: short.text });
    expect([reopened.modes.global, reopened.modes.configured('a'), reopened.modes.of('b', undefined)]).toEqual([
      'none',
      'full',
      'none',
    ]);
  });

  test('go on counting after a deletion, and the deleted ones are no longer looked at', async () => {
    const { registry, register, remove } = open();
    await register('a', text);
    await remove('a');
    expect(() => registry.versions('a')).toThrow(expect.objectContaining({ code: 'SCHEMA_UNKNOWN' }));
    expect(await register('a', number)).toMatchObject({ id: 2, version: 2 });
    expect(registry.versions('a')).toEqual([2]);
  });

  test('the same again is no new version; something earlier again is one', async () => {
    const { registry, register } = open();
    await registry.modes.set(undefined, 'none');
    await register('a', text);
    await register('a', text);
    expect(registry.versions('a')).toEqual([1]);
    await register('a', number);
    expect(await register('a', text)).toMatchObject({ id: 1, version: 3 });
    expect(registry.lookUp('a', text)?.version).toBe(3);
  });

  test('must be compatible, by the mode of the document, else of the subject, else of all', async () => {
    const { registry, register } = open();
    await register('a', text);
    expect(() => registry.check('a', { ...number, mode: undefined })).toThrow(
      expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE', details: { version: 1, path: '#' } }),
    );
    expect(() => registry.check('a', { ...short, mode: undefined })).toThrow('maxLength');
    registry.check('a', { ...short, mode: 'forward' });
    await registry.modes.set('a', 'forward');
    registry.check('a', { ...short, mode: undefined });
    await registry.modes.set('a', null);
    await registry.modes.set(undefined, 'none');
    registry.check('a', { ...number, mode: undefined });
  });

  test('one that is deleted leaves the one before as the newest', async () => {
    const { registry, log, register } = open();
    await register('a', short);
    await register('a', text);
    const change = async (before: SchemaSource | undefined) => {
      expect(before?.text).toBe(short.text);
      registry.check('a', { ...(before as SchemaSource), mode: undefined });
      await log.commit({ state: registry.changes('a', before) });
      registry.committed('a');
    };
    await registry.retire('a', 2, change);
    expect(registry.versions('a')).toEqual([1]);
    expect(registry.version('a', 'latest').id).toBe(1);
    expect(registry.version('a', 2, true).id).toBe(2);
    await expect(registry.retire('a', 2, change)).rejects.toThrow(expect.objectContaining({ code: 'SCHEMA_UNKNOWN' }));
  });

  test('and schemas and modes are bounded', async () => {
    const { registry, register } = open({ schemaVersionsMax: 2, schemasMax: 3, schemaBytesMax: 100 });
    await registry.modes.set(undefined, 'none');
    await register('a', text);
    await register('a', number);
    await expect(register('a', short)).rejects.toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    await register('b', short);
    await expect(register('c', json({}))).rejects.toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    await register('c', text);
    await expect(register('d', json({ title: 'x'.repeat(100) }))).rejects.toThrow('at most 100 bytes');
    for (const name of ['a', 'b', 'c']) await registry.modes.set(name, 'full');
    await expect(registry.modes.set('d', 'full')).rejects.toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });
});

describe('references', () => {
  const to = (subject: string, version = 1) => [{ name: `${subject}.json`, subject, version }];

  test('lead over others to all that is needed', async () => {
    const { registry, register } = open();
    await register('size', text);
    await register('line', json({ properties: { size: { $ref: 'size.json' } } }, to('size')));
    await register('order', json({ items: { $ref: 'line.json' } }, to('line')));
    expect(registry.valueCheck('order')([{ size: 'm' }])).toBeUndefined();
    expect(registry.valueCheck('order')([{ size: 1 }])).toEqual({ path: '/0/size', message: 'must be string' });
    expect(registry.referringTo('size', 1)).toEqual([2]);
  });

  test('hold what they lead to: a version, and with it the subject', async () => {
    const { registry, register } = open();
    await register('size', short);
    await register('size', text);
    await register('line', json({ items: { $ref: 'size.json' } }, to('size')));
    await expect(registry.retire('size', 1, async () => undefined)).rejects.toThrow(
      expect.objectContaining({ code: 'SCHEMA_IN_USE', details: { by: 'line' } }),
    );
    expect(() => registry.requireUnreferred('size')).toThrow(expect.objectContaining({ code: 'SCHEMA_IN_USE' }));
    registry.requireUnreferred('size', 2);
    registry.requireUnreferred('line');
  });

  test('to what is not there, or of another language, are refused', async () => {
    const { registry, register } = open({ schemaReferencesMax: 1 });
    await register('size', text);
    const refer = (references: SchemaSource['references']) => () =>
      registry.check('a', { ...json({}, references), mode: undefined });
    expect(refer(to('none'))).toThrow('leads nowhere');
    expect(refer(to('size', 2))).toThrow('leads nowhere');
    await register('proto', { type: 'protobuf', text: 'syntax = "proto3"; message M {}', references: [] });
    expect(refer(to('proto'))).toThrow('is protobuf, not json');
    expect(refer([...to('size'), { name: 'b', subject: 'size', version: 1 }])).toThrow('at most 1 others');
  });
});

describe('bytes of records', () => {
  const bytes = (content: string | number[]) => Buffer.from(content as string);
  const wire = (id: number) => bytes([0, 0, 0, 0, id, 1, 2, 3]);

  test('are JSON, or of the wire format and then of a version’s number', async () => {
    const { registry, register } = open();
    await register('a', short);
    await register('a', text);
    await register('b', number);
    expect(checkValue(registry, 'a', bytes('"x"'))).toBeUndefined();
    expect(checkValue(registry, 'a', bytes('7'))).toEqual({ path: '', message: 'must be string' });
    expect(checkValue(registry, 'a', bytes('x'))).toEqual({ path: '', message: 'is not JSON' });
    expect(checkValue(registry, 'a', bytes(''))).toEqual({ path: '', message: 'is not JSON' });
    expect(checkValue(registry, 'a', wire(1))).toBeUndefined();
    expect(checkValue(registry, 'a', wire(2))).toBeUndefined();
    expect(checkValue(registry, 'a', wire(3))).toEqual({
      path: '',
      message: 'is of schema 3, which is no version of a',
    });
    expect(checkValue(registry, 'a', bytes([0, 0]))).toMatchObject({ message: 'is not JSON' });
  });

  test('of a key are a text, or the JSON that it is', async () => {
    const { registry, register } = open();
    await register('name', short);
    await register('id', json({ type: 'object', required: ['n'] }));
    expect(checkKey(registry, 'name', bytes('c1'))).toBeUndefined();
    expect(checkKey(registry, 'name', bytes('42'))).toBeUndefined();
    expect(checkKey(registry, 'name', bytes('far too long'))).toMatchObject({ path: '' });
    expect(checkKey(registry, 'id', bytes('{"n":1}'))).toBeUndefined();
    expect(checkKey(registry, 'id', bytes('{}'))).toEqual({ path: '/n', message: 'is missing' });
    expect(checkKey(registry, 'id', bytes('c1'))).toEqual({ path: '', message: 'must be object' });
    expect(checkKey(registry, 'id', wire(9))).toMatchObject({ path: '' });
  });

  test('nested more deeply than a schema can be followed are refused, not the end of the server', async () => {
    const { registry, register } = open();
    await register('tree', json({ type: 'array', items: { $ref: '#' } }));
    const deep = 50_000;
    expect(checkValue(registry, 'tree', bytes('['.repeat(deep) + ']'.repeat(deep)))).toEqual({
      path: '',
      message: 'is nested too deeply',
    });
  });

  test('are checked by the newest version, compiled once', async () => {
    const { registry, register } = open();
    await register('a', short);
    const first = registry.valueCheck('a');
    expect(registry.valueCheck('a')).toBe(first);
    expect(checkValue(registry, 'a', bytes('"much too long"'))).toBeDefined();
    await register('a', text);
    expect(checkValue(registry, 'a', bytes('"much too long"'))).toBeUndefined();
  });
});
