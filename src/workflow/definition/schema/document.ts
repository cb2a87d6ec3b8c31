/** The JSON Schema (2020-12) of a workflow document, and the check made of it. Called by `../validate.ts`. */
import { createRequire } from 'node:module';
import type * as Ajv2020Module from 'ajv/dist/2020.js';
import type { Ajv2020, ErrorObject } from 'ajv/dist/2020.js';
import { TASK_KINDS } from '../kinds.ts';
import { PARTS } from './parts.ts';
import { MAP, mapOf, namedList, object, oneOf, ref, type Schema, TEXT } from './shapes.ts';
import { TASKS } from './tasks.ts';

const require = createRequire(import.meta.url);
const VERSION = '^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(?:-[0-9A-Za-z.-]+)?(?:\\+[0-9A-Za-z.-]+)?$';
const NAME: Schema = { type: 'string', pattern: '^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$' };

const DOCUMENT: Schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  ...object(
    {
      document: object(
        {
          dsl: { type: 'string', pattern: '^1\\.0\\.\\d+(?:-[0-9A-Za-z.-]+)?$' },
          namespace: NAME,
          name: NAME,
          version: { type: 'string', pattern: VERSION },
          title: TEXT,
          summary: TEXT,
          tags: MAP,
          metadata: MAP,
        },
        ['dsl', 'namespace', 'name', 'version'],
      ),
      input: ref('input'),
      use: object({
        authentications: mapOf(ref('authentication')),
        errors: mapOf(ref('error')),
        extensions: namedList(
          object(
            {
              extend: oneOf('all', 'composite', ...TASK_KINDS),
              when: TEXT,
              before: ref('taskList'),
              after: ref('taskList'),
            },
            ['extend'],
          ),
        ),
        functions: ref('functions'),
        retries: ref('retries'),
        secrets: ref('secretNames'),
        timeouts: mapOf(object({ after: ref('duration') }, ['after'])),
        catalogs: mapOf(object({ endpoint: ref('endpoint') }, ['endpoint'])),
      }),
      do: ref('taskList'),
      timeout: ref('timeout'),
      output: ref('output'),
      schedule: object(
        {
          every: ref('duration'),
          cron: TEXT,
          after: ref('duration'),
          on: ref('eventConsumption'),
          read: oneOf('data', 'envelope', 'raw'),
          timezone: TEXT,
        },
        [],
        { dependentRequired: { read: ['on'], timezone: ['cron'] }, minProperties: 1 },
      ),
      evaluate: object({ language: oneOf('jq', 'jsonata'), mode: oneOf('strict') }),
      triggers: ref('triggers'),
      compensation: ref('compensation'),
    },
    ['document', 'do'],
  ),
  $defs: { ...PARTS, ...TASKS },
};

let check: ReturnType<Ajv2020['compile']> | undefined;

/** What does not fit, the most telling first; empty where all does. */
export function schemaProblems(document: unknown): { path: string; message: string }[] {
  // Loaded with the first document.
  const { Ajv2020: NewAjv } = require('ajv/dist/2020.js') as typeof Ajv2020Module;
  check ??= new NewAjv({ strict: false, allErrors: false, verbose: false }).compile(DOCUMENT);
  if (check(document)) return [];
  return (check.errors ?? [])
    .filter(({ keyword }) => keyword !== 'if' && keyword !== 'oneOf' && keyword !== 'anyOf')
    .concat((check.errors ?? []).filter(({ keyword }) => keyword === 'oneOf' || keyword === 'anyOf'))
    .sort((a, b) => b.instancePath.length - a.instancePath.length)
    .map((error) => ({ path: error.instancePath, message: messageOf(error) }));
}

function messageOf({ keyword, params, message }: ErrorObject): string {
  const { additionalProperty, missingProperty, allowedValues, pattern, allowedValue } = params as Record<
    string,
    unknown
  >;
  switch (keyword) {
    case 'additionalProperties':
      return `there is no field ${JSON.stringify(additionalProperty)} here`;
    case 'required':
      return `${JSON.stringify(missingProperty)} is missing`;
    case 'enum':
      return `it must be one of ${(allowedValues as unknown[]).join(', ')}`;
    case 'const':
      return `it must be ${JSON.stringify(allowedValue)}`;
    case 'pattern':
      return String(pattern).startsWith('(?:^P') ? 'it is not a duration' : 'it is not written as it must be';
    case 'oneOf':
      return 'exactly one of the fields that exclude each other must be there';
    case 'minProperties':
    case 'maxProperties':
      return 'it must have exactly one field';
    case 'not':
      return `it is no kind of task: one of ${TASK_KINDS.join(', ')} must be there`;
    default:
      return message ?? 'it does not fit';
  }
}
