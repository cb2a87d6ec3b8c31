/** What plans are made with: the languages of expressions, and JSON Schema. */
import { createRequire } from 'node:module';
import type * as Ajv2020Module from 'ajv/dist/2020.js';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import type formats from 'ajv-formats';
import type * as Croner from 'croner';
import type { SchemaDefinition } from '../definition/parts.ts';
import { Fault, problem } from '../engine/fault.ts';
import { type Check, configuration, type PlanParts } from '../engine/plan.ts';
import type { NextCron } from '../engine/schedules.ts';
import { compileExpression } from '../expressions/compile.ts';

const require = createRequire(import.meta.url);
const ERRORS_TOLD_MAX = 5;

export const nextCron: NextCron = (cron, timezone, after) => {
  const { Cron } = require('croner') as typeof Croner;
  return new Cron(cron, { timezone: timezone ?? 'UTC', paused: true }).nextRun(new Date(after))?.getTime();
};

export const planParts: Omit<PlanParts, 'bodyOf'> = { compileExpression, compileSchema };

/** @throws Fault of type `configuration` where it is no schema that is known here */
function compileSchema({ document, format }: SchemaDefinition): Check {
  if (document === undefined) throw configuration('a schema by reference cannot be fetched here: write it inline');
  if (format !== undefined && !format.startsWith('json'))
    throw configuration(`schemas of format ${format} are not known`);
  // Loaded with the first schema: few workflows have one.
  const { Ajv2020: NewAjv } = require('ajv/dist/2020.js') as typeof Ajv2020Module;
  const { default: addFormats } = require('ajv-formats') as typeof formats;
  const ajv = new NewAjv({ strict: false });
  addFormats(ajv as never);
  let validate: ReturnType<Ajv2020['compile']>;
  try {
    validate = ajv.compile(document as object);
  } catch (error) {
    throw configuration(`the schema is not valid: ${error instanceof Error ? error.message : String(error)}`);
  }
  return (value, what) => {
    if (validate(value)) return;
    const told = (validate.errors ?? []).slice(0, ERRORS_TOLD_MAX);
    const text = told.map(({ instancePath, message }) => `${instancePath === '' ? '' : `${instancePath} `}${message}`);
    throw new Fault(problem('validation', 400, `${what}: ${text.join(', ')}`));
  };
}
