/**
 * How transformations are declared: one zod schema, from which checking, types, JSON Schema and the catalogue for
 * people follow. A resource that has `transformationsSchema` as a part of its own refuses what could not be compiled.
 *
 * The words are the same everywhere: `field` is read, `target` is written (if not `field` again), `on_error` says what
 * becomes of a record whose value does not fit.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import { faultOfPattern, faultOfReplacement } from './patterns/pattern.ts';
import {
  dateSource,
  dateTarget,
  declare,
  destination,
  droppablePath,
  eitherOf,
  expression,
  field,
  filledText,
  keepablePath,
  listOf,
  onError,
  onMissing,
  path,
  pattern,
  rowPath,
  singlePath,
  target,
  text,
  together,
  zone,
} from './settings.ts';

const fromTo = together((value: { field: string; target?: string | undefined }) => [value.field, value.target]);
const conversion = { field, target, on_error: onError };

const uppercase = declare('uppercase', conversion).superRefine(fromTo).describe('Letters to capitals');
const lowercase = declare('lowercase', conversion).superRefine(fromTo).describe('Letters to small ones');
const trim = declare('trim', conversion).superRefine(fromTo).describe('White space away from both ends');

const replace = declare('replace', {
  field,
  text: filledText.optional().describe('What is replaced, as it is'),
  pattern: filledText.optional().describe('What is replaced, as a regular expression'),
  with: text.describe('What takes its place; after a pattern, $1 and $<name> are its groups'),
  ignore_case: z.boolean().optional().describe('For a pattern: capitals and small letters are the same'),
  target,
  on_error: onError,
})
  .superRefine(fromTo)
  .superRefine(eitherOf('text', 'pattern'))
  .superRefine((value, context) => {
    if (value.pattern === undefined) return;
    const wrong = faultOfPattern(value.pattern, value.ignore_case);
    if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong, path: ['pattern'] });
    const fault = faultOfReplacement(value.with);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, path: ['with'] });
  })
  .describe('Every occurrence of a text or a pattern by something else');

const split = declare('split', {
  field,
  separator: filledText.optional().describe('Text between the parts'),
  pattern: pattern.optional().describe('What is between the parts, as a regular expression'),
  target,
  on_error: onError,
})
  .superRefine(fromTo)
  .superRefine(eitherOf('separator', 'pattern'))
  .describe('Text into a list of its parts');

const join = declare('join', { field, separator: text.default(''), target, on_error: onError })
  .superRefine(fromTo)
  .describe('A list into one text; null elements are left out');

const concatenate = declare('concatenate', {
  fields: listOf(path).describe('Read in this order; missing and null ones are left out'),
  separator: text.default(''),
  target: destination,
  on_error: onError,
})
  .superRefine(together((value) => [...value.fields, value.target]))
  .describe('Several fields into one text');

const dateFormat = declare('date_format', {
  field,
  from: dateSource
    .default('auto')
    .describe('`iso`, `epoch_ms`, `epoch_s`, a pattern such as `dd.MM.yyyy HH:mm`, or `auto`: ISO or epoch ms'),
  from_zone: zone.describe('Zone of dates that do not tell theirs'),
  to: dateTarget.describe('As `from`, without `auto`'),
  zone: zone.describe('Zone in which the result is written'),
  target,
  on_error: onError,
})
  .superRefine(fromTo)
  .describe('Dates from one form and time zone to another');

const defaultValue = declare('default_value', {
  field,
  value: z.json().describe('Any JSON'),
  when: z
    .enum(['missing', 'null', 'empty'])
    .default('null')
    .describe('`missing`, `null` (or missing), `empty` (text, or null, or missing)'),
}).describe('A value where there is none');

const set = declare('set', {
  field: path.describe('Where the value is written'),
  value: z.json().optional().describe('Any JSON'),
  now: dateTarget.optional().describe('The present time instead, in UTC: a format as in `date_format`'),
})
  .superRefine(eitherOf('value', 'now'))
  .describe('A fixed value, or the time of processing');

const rename = declare('rename', { field: droppablePath.describe('Where the value is'), target: destination })
  .superRefine(fromTo)
  .describe('A field to another name or place, over what is there');

const drop = declare('drop', { fields: listOf(droppablePath) }).describe('Fields, headers or the key away');

const keep = declare('keep', { fields: listOf(keepablePath) }).describe('All fields of the value away but these');

const cast = declare('cast', {
  field,
  to: z
    .enum(['string', 'number', 'integer', 'boolean', 'date', 'json'])
    .describe('`date` makes ISO 8601, `json` parses'),
  target,
  on_error: onError,
})
  .superRefine(fromTo)
  .describe('To another type, where nothing is lost or guessed');

const math = declare('math', {
  field,
  operation: z.enum(['add', 'subtract', 'multiply', 'divide', 'modulo', 'round', 'floor', 'ceil', 'abs']),
  by: z.union([z.number(), path]).optional().describe('The second number, or the field that has it'),
  digits: z.int().min(0).max(15).default(0).describe('Decimals that `round` leaves; halves go away from zero'),
  target,
  on_error: onError,
})
  .superRefine(together((value) => [typeof value.by === 'string' ? value.by : undefined, value.field, value.target]))
  .superRefine((value, context) => {
    const single = ['round', 'floor', 'ceil', 'abs'].includes(value.operation);
    if (single === (value.by === undefined)) return;
    context.addIssue({
      code: 'custom',
      message: `${value.operation} ${single ? 'takes no' : 'needs'} by`,
      path: ['by'],
    });
  })
  .describe('Arithmetic on numbers');

const hash = declare('hash', {
  field,
  algorithm: z.enum(['sha256', 'sha384', 'sha512']).default('sha256'),
  encoding: z.enum(['hex', 'base64', 'base64url']).default('hex'),
  salt: text.default('').describe('Text before the value'),
  key: filledText.optional().describe('Makes it an HMAC with this key'),
  target,
  on_error: onError,
})
  .superRefine(fromTo)
  .describe('A value by its hash: the same for the same value');

const mask = declare('mask', {
  field,
  keep_first: z.int().min(0).max(100).default(0).describe('Characters left as they are at the start'),
  keep_last: z.int().min(0).max(100).default(4).describe('Characters left as they are at the end'),
  with: z
    .string()
    .refine((sign) => Array.from(sign).length === 1, 'must be one character')
    .default('*'),
  target,
  on_error: onError,
})
  .superRefine(fromTo)
  .describe('Characters hidden; all of them where the rest would be the whole');

const lookup = declare('lookup', {
  table: z.string().min(1).max(255).describe('A table topic'),
  key: path.describe('Where the key of the row is'),
  target: path.optional().describe('Where the whole row is written'),
  fields: z
    .record(rowPath, path)
    .optional()
    .describe('Or single fields of the row: where in the row, and where to in the record'),
  on_missing: onMissing,
})
  .superRefine(eitherOf('target', 'fields'))
  .superRefine((value, context) => {
    for (const to of [value.target, ...Object.values(value.fields ?? {})]) {
      if (to !== undefined) together(() => [value.key, to])(value, context);
    }
  })
  .describe('What a table has for a key');

const filter = declare('filter', {
  condition: expression.describe('JSONata; the record goes on where it is true'),
  on_error: z.enum(['fail', 'drop']).default('fail').describe('Where the condition cannot be evaluated'),
}).describe('Records away that do not meet a condition');

const jsonata = declare('expression', {
  expression: expression.describe('JSONata over the value, with `$key`, `$headers` and `$timestamp`'),
  target: singlePath.default('$value').describe('Where the result is written'),
  on_missing: onMissing,
  on_error: onError,
}).describe('Anything else: the result of a JSONata expression');

/** One transformation. */
export const transformationSchema = z.discriminatedUnion('type', [
  uppercase,
  lowercase,
  trim,
  replace,
  split,
  join,
  concatenate,
  dateFormat,
  defaultValue,
  set,
  rename,
  drop,
  keep,
  cast,
  math,
  hash,
  mask,
  lookup,
  filter,
  jsonata,
]);

/** A list of them, as resources have it. How many there may be is checked when it is compiled. */
export const transformationsSchema = z.array(transformationSchema);

export type Transformation = z.output<typeof transformationSchema>;

/**
 * The list, checked and with its defaults.
 * @throws TRANSFORM_INVALID with `index`, `type` and `field`, of the first thing that is wrong
 */
export function parseTransformations(list: unknown): Transformation[] {
  const parsed = transformationsSchema.safeParse(list);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  const [index, ...rest] = issue.path;
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  if (typeof index !== 'number') throw new SluiceError('TRANSFORM_INVALID', `transformations: ${message}`);
  const type = String((list as { type?: unknown }[])[index]?.type ?? '');
  const setting = issue.code === 'unrecognized_keys' ? String(issue.keys[0]) : rest.map(String).join('.');
  const where = [`transformation ${index}`, type && `(${type})`, setting].filter(Boolean).join(' ');
  throw new SluiceError('TRANSFORM_INVALID', `${where}: ${message}`, { index, type, field: setting });
}
