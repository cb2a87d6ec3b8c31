/** Checks values in Avro's JSON encoding against a type of avsc, with the path of what does not fit. */
import type avro from 'avsc';
import { type AvroField, type AvroType, typeOf } from './avro-types.ts';
import { inside, type Mismatch, type ValueCheck } from './parsed-schema.ts';

const INT_MAX = 2 ** 31;
/** Numbers beyond 2^53 are rounded when they are parsed; at the very end of the range that is let pass. */
const LONG_MAX = 2 ** 63;
const NOT_FINITE = new Set<unknown>(['NaN', 'Infinity', '-Infinity']);
/** Characters that do not stand for a byte. */
const NOT_BYTES = /[^\0-\xff]/;

export function avroCheck(root: avro.Type): ValueCheck {
  return new AvroChecks().of(typeOf(root));
}

/** The checks of one schema, each made once, so that a type may be within itself. */
class AvroChecks {
  readonly #made = new Map<AvroType, ValueCheck>();

  of(type: AvroType): ValueCheck {
    const made = this.#made.get(type);
    if (made !== undefined) return made;
    let check: ValueCheck | undefined;
    this.#made.set(type, (value) => (check as ValueCheck)(value));
    check = this.#make(type);
    this.#made.set(type, check);
    return check;
  }

  #make(type: AvroType): ValueCheck {
    switch (type.typeName) {
      case 'record':
      case 'error':
        return this.#record(type.fields);
      case 'array':
        return elements(this.of(type.itemsType));
      case 'map':
        return members(this.of(type.valuesType));
      case 'union:wrapped':
        return this.#union(type.types);
      case 'enum':
        return symbols(type.symbols);
      case 'fixed':
        return (value) =>
          isBytes(value) && value.length === type.size ? undefined : fail(`must be ${type.size} bytes`);
      default:
        return primitive(type.typeName);
    }
  }

  #record(fields: readonly AvroField[]): ValueCheck {
    const known = new Map(fields.map((field) => [field.name, this.of(field.type)]));
    const needed = fields.filter((field) => field.defaultValue() === undefined).map(({ name }) => name);
    return (value) => {
      if (!isObject(value)) return fail('must be an object');
      for (const name in value) {
        const check = known.get(name);
        if (check === undefined) return inside(name, fail('is not a field of the record'));
        const mismatch = check(value[name]);
        if (mismatch !== undefined) return inside(name, mismatch);
      }
      const missing = needed.find((name) => !Object.hasOwn(value, name));
      return missing === undefined ? undefined : inside(missing, fail('is missing'));
    };
  }

  #union(types: readonly AvroType[]): ValueCheck {
    const hasNull = types.some(({ typeName }) => typeName === 'null');
    const branches = new Map(
      types.filter(({ typeName }) => typeName !== 'null').map((type) => [type.branchName, this.of(type)]),
    );
    const names = [...(hasNull ? ['null'] : []), ...[...branches.keys()].map((name) => `{"${name}": …}`)].join(', ');
    return (value) => {
      if (value === null && hasNull) return undefined;
      if (!isObject(value)) return fail(`must be one of ${names}`);
      const [name, ...others] = Object.keys(value);
      const check = branches.get(name);
      if (name === undefined || check === undefined || others.length > 0) return fail(`must be one of ${names}`);
      const mismatch = check(value[name]);
      return mismatch === undefined ? undefined : inside(name, mismatch);
    };
  }
}

function elements(check: ValueCheck): ValueCheck {
  return (value) => {
    if (!Array.isArray(value)) return fail('must be a list');
    for (let i = 0; i < value.length; i++) {
      const mismatch = check(value[i]);
      if (mismatch !== undefined) return inside(i, mismatch);
    }
    return undefined;
  };
}

function members(check: ValueCheck): ValueCheck {
  return (value) => {
    if (!isObject(value)) return fail('must be an object');
    for (const name in value) {
      const mismatch = check(value[name]);
      if (mismatch !== undefined) return inside(name, mismatch);
    }
    return undefined;
  };
}

function symbols(list: readonly string[]): ValueCheck {
  const known = new Set<unknown>(list);
  return (value) => (known.has(value) ? undefined : fail(`must be one of ${list.join(', ')}`));
}

function primitive(name: string): ValueCheck {
  switch (name) {
    case 'null':
      return (value) => (value === null ? undefined : fail('must be null'));
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? undefined : fail('must be true or false'));
    case 'int':
      return whole(-INT_MAX, INT_MAX - 1, 'must be a whole number of 32 bits');
    case 'long':
      return whole(-LONG_MAX, LONG_MAX, 'must be a whole number of 64 bits');
    case 'float':
    case 'double':
      return (value) => (typeof value === 'number' || NOT_FINITE.has(value) ? undefined : fail('must be a number'));
    case 'bytes':
      return (value) => (isBytes(value) ? undefined : fail('must be bytes: a string of the characters 0 to 255'));
    default:
      return (value) => (typeof value === 'string' ? undefined : fail('must be a string'));
  }
}

function whole(min: number, max: number, problem: string): ValueCheck {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? undefined : fail(problem);
}

function isBytes(value: unknown): value is string {
  return typeof value === 'string' && !NOT_BYTES.test(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fail(message: string): Mismatch {
  return { path: '', message };
}
