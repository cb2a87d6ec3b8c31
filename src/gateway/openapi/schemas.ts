/**
 * The schemas of an API description, as ajv reads them: JSON Schema 2020-12, whichever of OpenAPI 3.0 and 3.1 it is. What
 * is referred to is taken over by its pointer, once, so each is compiled once. Requests and answers have a set each, since
 * `readOnly` members are not required of a request and `writeOnly` ones not of an answer.
 *
 * Hostile input costs a bounded time: a pattern is not tried on a text it could take long over, and `uniqueItems` is
 * looked at in one pass.
 */
import { createRequire } from 'node:module';
import type { ErrorObject, Options } from 'ajv';
import type * as Ajv2020Module from 'ajv/dist/2020.js';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import type formats from 'ajv-formats';
import { type Limits, SluiceError } from '#kernel';
import { faultOf, lengthMax } from '#transform';
import { isObject, type JsonObject, pointed } from './pointers.ts';

const require = createRequire(import.meta.url);
const MAPS = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const SINGLES = [
  'items',
  'additionalProperties',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
];
/** What would change the meaning of references, and what is no assertion. */
const LEFT_OUT = new Set([
  '$id',
  '$schema',
  '$anchor',
  '$dynamicAnchor',
  'id',
  'example',
  'examples',
  'xml',
  'nullable',
]);
const DEPTH_MAX = 200;

export interface Fault {
  /** JSON pointer into the value. */
  readonly pointer: string;
  readonly message: string;
}

export type Check = (value: unknown) => readonly Fault[];

class TextTooLong extends Error {}

export interface SchemaOptions {
  readonly direction: 'request' | 'response';
  /** OpenAPI 3.0: `nullable`, and references without siblings. */
  readonly old: boolean;
  readonly limits: Pick<Limits, 'gatewayPatternStepsMax' | 'recordBytesMax'>;
  readonly faultsMax: number;
  /** Patterns that could take long, or are none here, are left out instead of refused. */
  readonly ignorePatterns: boolean;
}

export class SchemaSet {
  readonly #document: JsonObject;
  readonly #options: SchemaOptions;
  readonly #ajv: Ajv2020;
  /** Pointers taken over, and the names they have. */
  readonly #taken = new Map<string, string>();
  readonly #checks = new Map<string, Check>();

  constructor(document: JsonObject, options: SchemaOptions) {
    this.#document = document;
    this.#options = options;
    const steps = {
      patternStepsMax: options.limits.gatewayPatternStepsMax,
      recordBytesMax: options.limits.recordBytesMax,
    };
    const settings: Options = {
      strict: false,
      logger: false,
      allErrors: false,
      ownProperties: true,
      inlineRefs: false,
      code: { regExp: Object.assign((source: string) => boundedPattern(source, steps as Limits), { code: '' }) },
    };
    // Loaded with the first description: few routes have one.
    const { Ajv2020: NewAjv } = require('ajv/dist/2020.js') as typeof Ajv2020Module;
    const { default: addFormats } = require('ajv-formats') as typeof formats;
    this.#ajv = new NewAjv(settings);
    addFormats(this.#ajv as never);
    this.#ajv.removeKeyword('uniqueItems');
    this.#ajv.addKeyword({
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      error: { message: 'must not have equal items' },
      validate: (wanted: boolean, items: unknown[]) => !wanted || new Set(items.map(canonical)).size === items.length,
    });
  }

  /** Takes over the schema at a pointer, with all it refers to. @throws RESOURCE_INVALID */
  take(pointer: string): string {
    const before = this.#taken.get(pointer);
    if (before !== undefined) return before;
    const name = `urn:s:${this.#taken.size}`;
    this.#taken.set(pointer, name);
    const schema = pointed(this.#document, pointer);
    if (!isObject(schema) && typeof schema !== 'boolean') throw invalid(pointer, 'there is no schema');
    const converted = this.#convert(schema, pointer, 0);
    try {
      this.#ajv.addSchema(typeof converted === 'boolean' ? { allOf: [converted] } : converted, name);
    } catch (error) {
      throw invalid(pointer, (error as Error).message.slice(0, 300));
    }
    return name;
  }

  /** Compiled when it is first needed. */
  check(pointer: string): Check {
    let check = this.#checks.get(pointer);
    if (check === undefined) {
      const validate = this.#ajv.compile({ $ref: this.take(pointer) });
      check = (value) => {
        try {
          if (validate(value)) return [];
        } catch (error) {
          if (error instanceof TextTooLong) return [{ pointer: '', message: 'has a text too long for its pattern' }];
          if (error instanceof RangeError) return [{ pointer: '', message: 'is nested too deeply' }];
          throw error;
        }
        return faultsOf(validate.errors ?? [], this.#options.faultsMax);
      };
      this.#checks.set(pointer, check);
    }
    return check;
  }

  #convert(schema: unknown, at: string, depth: number): JsonObject | boolean {
    if (typeof schema === 'boolean') return schema;
    if (!isObject(schema)) throw invalid(at, 'is not a schema');
    if (depth > DEPTH_MAX) throw invalid(at, 'is nested too deeply');
    const { old } = this.#options;
    const out: JsonObject = {};
    const { $ref } = schema;
    if ($ref !== undefined) {
      if (typeof $ref !== 'string' || !/^#(\/|$)/.test($ref)) throw invalid(at, 'refers to another document');
      out['$ref'] = this.take($ref);
      if (old) return out;
    }
    for (const [key, value] of Object.entries(schema)) {
      if (key === '$ref' || key === '__proto__' || LEFT_OUT.has(key) || key.startsWith('x-')) continue;
      if (MAPS.includes(key) && isObject(value)) out[key] = this.#convertMap(value, `${at}/${key}`, depth);
      else if (LISTS.includes(key) && Array.isArray(value)) {
        out[key] = value.map((one, i) => this.#convert(one, `${at}/${key}/${i}`, depth + 1));
      } else if (SINGLES.includes(key) && (isObject(value) || typeof value === 'boolean')) {
        out[key] = this.#convert(value, `${at}/${key}`, depth + 1);
      } else out[key] = value;
    }
    if (typeof out['pattern'] === 'string') {
      const why = this.#faultOfPattern(out['pattern']);
      if (why !== undefined && !this.#options.ignorePatterns) throw invalid(at, why);
      if (why !== undefined) delete out['pattern'];
    }
    for (const source of Object.keys(isObject(out['patternProperties']) ? out['patternProperties'] : {})) {
      const why = this.#faultOfPattern(source);
      if (why !== undefined) throw invalid(at, why);
    }
    this.#relax(schema, out);
    return old ? modern(schema, out) : out;
  }

  #convertMap(map: JsonObject, at: string, depth: number): JsonObject {
    const out: JsonObject = {};
    for (const [key, value] of Object.entries(map)) {
      if (key !== '__proto__') out[key] = this.#convert(value, `${at}/${key}`, depth + 1);
    }
    return out;
  }

  #faultOfPattern(source: string): string | undefined {
    const limits = { ...this.#options.limits, patternStepsMax: this.#options.limits.gatewayPatternStepsMax } as Limits;
    return faultOf(source, 'u', limits) === undefined ? undefined : faultOf(source, '', limits);
  }

  /** Members that this direction does not have are not required of it. */
  #relax(schema: JsonObject, out: JsonObject): void {
    const { required, properties } = schema;
    if (!Array.isArray(required) || !isObject(properties)) return;
    const mark = this.#options.direction === 'request' ? 'readOnly' : 'writeOnly';
    const left = required.filter((name) => {
      const member = properties[String(name)];
      const target =
        isObject(member) && typeof member['$ref'] === 'string' ? pointed(this.#document, member['$ref']) : member;
      return !(isObject(target) && target[mark] === true);
    });
    if (left.length === 0) delete out['required'];
    else out['required'] = left;
  }
}

/** What OpenAPI 3.0 says otherwise than JSON Schema. */
function modern(schema: JsonObject, out: JsonObject): JsonObject {
  for (const [exclusive, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof out[exclusive] !== 'boolean') continue;
    if (out[exclusive] === true && out[bound] !== undefined) {
      out[exclusive] = out[bound];
      delete out[bound];
    } else delete out[exclusive];
  }
  // Not a list of names there, but a mark of the member itself.
  if (typeof out['required'] === 'boolean') delete out['required'];
  if (schema['nullable'] !== true) return out;
  return { anyOf: [{ type: 'null' }, out] };
}

function boundedPattern(source: string, limits: Limits) {
  const flags = faultOf(source, 'u', limits) === undefined ? 'u' : '';
  const expression = new RegExp(source, flags);
  const longest = lengthMax(source, flags, limits);
  const test = (text: string): boolean => {
    if (text.length > longest) throw new TextTooLong();
    return expression.test(text);
  };
  return { test };
}

/** A text that is the same for equal values. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`;
}

const POINTER_LENGTH_MAX = 200;
const MESSAGE_LENGTH_MAX = 200;

function faultsOf(errors: readonly ErrorObject[], most: number): Fault[] {
  return errors.slice(0, most).map(({ instancePath, keyword, params, message = 'does not fit' }) => {
    const { missingProperty, additionalProperty, unevaluatedProperty } = params as Record<string, string | undefined>;
    const member = missingProperty ?? additionalProperty ?? unevaluatedProperty;
    const path =
      member === undefined ? instancePath : `${instancePath}/${member.replace(/~/g, '~0').replace(/\//g, '~1')}`;
    const told =
      keyword === 'required'
        ? 'is missing'
        : keyword === 'additionalProperties' || keyword === 'unevaluatedProperties'
          ? 'is not allowed here'
          : message;
    return { pointer: path.slice(0, POINTER_LENGTH_MAX), message: told.slice(0, MESSAGE_LENGTH_MAX) };
  });
}

function invalid(at: string, what: string): SluiceError {
  return new SluiceError('RESOURCE_INVALID', `${at}: ${what}`);
}
