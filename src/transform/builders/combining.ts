/** Builds the steps that need more than one value: concatenate, math with a second field, lookup in a table. */
import { type Getter, getterThrough, type Setter } from '../access.ts';
import { type Arithmetic, BINARY, calculate, UNARY } from '../conversions/number.ts';
import { textOf } from '../conversions/text.ts';
import { pathOf } from '../path.ts';
import { NotData, plainCopy } from '../plain-copy.ts';
import { type Plan, planConversion, planOver, read, type Site, write } from '../plan.ts';
import type { TransformRecord } from '../record.ts';
import type { Transformation } from '../schema.ts';
import { specialise } from '../specialise.ts';
import { NO_LIST, REFUSED, type Refuse, type Step, show } from '../step.ts';

type Of<T extends Transformation['type']> = Extract<Transformation, { type: T }>;

/** Text, `undefined` for nothing, or REFUSED. */
const partOf =
  (get: Getter, toText: typeof textOf, refused: symbol): Getter =>
  (record, list, index) => {
    const value = get(record, list, index);
    if (typeof value === 'string') return value;
    if (value === undefined || value === null) return undefined;
    const text = toText(value);
    return text === undefined ? refused : text;
  };

const partsOf =
  (first: Getter, second: Getter, separator: string, refused: symbol): Getter =>
  (record, list, index) => {
    const left = first(record, list, index);
    const right = second(record, list, index);
    if (typeof left === 'string' && typeof right === 'string') return left + separator + right;
    if (left === refused || right === refused) return refused;
    return left === undefined ? right : left;
  };

const concatenating =
  (parts: Getter, set: Setter, lengthMax: number, refuse: Refuse): Step =>
  (record, list, index) => {
    const text = parts(record, list, index);
    if (typeof text === 'string' && text.length <= lengthMax) return set(record, list, index, text);
    return text === undefined ? true : refuse(record, list, index, undefined);
  };

export function concatenate(settings: Of<'concatenate'>, { place, surroundings }: Site): Plan {
  const fields = settings.fields.map(read);
  const to = write(settings.target, place);
  const parts = fields
    .map(({ get }) => specialise(partOf)(get, textOf, REFUSED))
    .reduce((first, second) => specialise(partsOf)(first, second, settings.separator, REFUSED));
  const otherwise = place.refusal(settings.on_error, settings.target, '', to.set);
  const refuse: Refuse = (record, list, index) => {
    if (settings.on_error !== 'fail') return otherwise(record, list, index, undefined);
    const unfit = fields.find(({ get }) => isUnfit(get(record, list, index)));
    if (unfit === undefined) return place.fail(settings.target, 'the text is larger than a record');
    return place.fail(unfit.path.text, `${show(unfit.get(record, list, index))} has no text`);
  };
  const step = specialise(concatenating)(parts, to.set, surroundings.limits.recordBytesMax, refuse);
  return planOver([...fields.map(({ path }) => path), to.path], step);
}

function isUnfit(value: unknown): boolean {
  return value !== undefined && value !== null && textOf(value) === undefined;
}

const calculation =
  (operation: Arithmetic, operand: number, refused: symbol) =>
  (value: unknown): unknown => {
    if (typeof value !== 'number') return refused;
    const result = operation(value, operand);
    return Number.isFinite(result) ? result : refused;
  };

const FITTING = 'a number with a result that is one';

export function math(settings: Of<'math'>, site: Site): Plan {
  const operation: Arithmetic = { ...BINARY, ...UNARY }[settings.operation];
  if (typeof settings.by !== 'string') {
    const convert = specialise(calculation)(operation, settings.by ?? settings.digits, REFUSED);
    return planConversion(settings, { convert, takes: FITTING }, site);
  }
  const from = read(settings.field);
  const by = read(settings.by);
  const to = write(settings.target ?? settings.field, site.place);
  const refuse = site.place.refusal(settings.on_error, settings.field, FITTING, to.set);
  const step: Step = (record, list, index) => {
    const [value, operand] = [from.get(record, list, index), by.get(record, list, index)];
    if (value === undefined || value === null || operand === undefined || operand === null) return true;
    const result = calculate(operation, value, operand);
    if (result !== REFUSED) return to.set(record, list, index, result);
    return refuse(record, list, index, typeof value === 'number' ? operand : value);
  };
  return planOver([from.path, by.path, to.path], step);
}

const self = (): Getter => (record) => record;

/** Writes something of a row into the record. */
type CopyFrom = (record: TransformRecord, list: unknown[], index: number, row: TransformRecord) => true;

const copying =
  (get: Getter, set: Setter, detach: (value: unknown) => unknown, noList: unknown[], next: CopyFrom): CopyFrom =>
  (record, list, index, row) => {
    const value = get(row, noList, 0);
    if (value !== undefined) set(record, list, index, typeof value === 'object' ? detach(value) : value);
    return next(record, list, index, row);
  };

const looking =
  (key: Getter, toText: typeof textOf, table: string, find: Find, copy: CopyFrom, missing: Step): Step =>
  (record, list, index) => {
    const value = key(record, list, index);
    const text = typeof value === 'string' ? value : toText(value);
    const row = text === undefined ? undefined : find(table, text);
    if (row === undefined || row === null) return missing(record, list, index);
    return copy(record, list, index, row as TransformRecord);
  };

type Find = (table: string, key: string) => unknown;

export function lookup(settings: Of<'lookup'>, site: Site): Plan {
  const { place, surroundings } = site;
  const { table } = settings;
  const key = read(settings.key);
  const copied =
    settings.target === undefined ? Object.entries(settings.fields ?? {}) : [['', settings.target] as const];
  const targets = copied.map(([from, to]) => {
    const segments = from === '' ? [] : pathOf(from).segments;
    return { ...write(to, place), get: getterThrough(specialise(self)(), segments) };
  });
  const copy = targets.reduceRight<CopyFrom>(
    (next, { get, set, path }) => specialise(copying)(get, set, detaching(path.text, site), NO_LIST, next),
    () => true,
  );
  const sets = targets.map(({ set }) => set);
  const missing = place.missing(settings.on_missing, settings.key, `no row of the table ${table} has this key`, sets);
  const find = surroundings.lookup ?? (() => undefined);
  const step = specialise(looking)(key.get, textOf, table, find, copy, missing);
  return planOver([key.path, ...targets.map(({ path }) => path)], step);
}

/** Rows stay the table's: what is taken from them is copied. */
function detaching(field: string, { place, surroundings }: Site): (value: unknown) => unknown {
  return (value) => {
    try {
      return plainCopy(value, surroundings.limits.recordBytesMax);
    } catch (error) {
      if (error instanceof NotData) return place.fail(field, `the row is ${error.message}`, error);
      throw error;
    }
  };
}
