/** Checks a value against a zod schema; what is wrong is told with the path of the field. */
import type { z } from 'zod';
import { decodeUtf8, SluiceError } from '#kernel';

/** @throws REQUEST_INVALID (details: `field`) */
export function checkShape<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0] as z.core.$ZodIssue;
  const field = fieldPath(issue.path);
  throw new SluiceError('REQUEST_INVALID', field === '' ? issue.message : `${field}: ${issue.message}`, { field });
}

/** @throws REQUEST_MALFORMED, REQUEST_INVALID */
export function checkJson<Schema extends z.ZodType>(schema: Schema, body: Uint8Array): z.output<Schema> {
  return checkShape(schema, parseJson(body));
}

/** @throws REQUEST_MALFORMED on invalid UTF-8 or JSON */
export function parseJson(body: Uint8Array, what = 'the request body'): unknown {
  const text = decodeUtf8(body, what);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SluiceError('REQUEST_MALFORMED', `${what} is not valid JSON: ${(error as Error).message}`, {}, error);
  }
}

/** `records[3].key`. */
function fieldPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}
