/**
 * Whether the OpenAPI documents of an API, given or derived, are valid: by the published JSON Schema of OpenAPI 3.1, and
 * complete in themselves. Called on the main thread when an API is declared; listener threads have no need of it.
 */
import { createRequire } from 'node:module';
import type * as SchemaValidator from '@seriousme/openapi-schema-validator';
import { SluiceError } from '#kernel';
import type { ApiSpec } from '../kinds/api-kind.ts';
import { documentsOf } from './documents.ts';
import { isNode, listOf, type OpenApi, pointedTo, textOf } from './open-api.ts';

interface SchemaCheck {
  (document: OpenApi): boolean;
  errors?: readonly { readonly instancePath: string; readonly message?: string }[] | null;
}

const require = createRequire(import.meta.url);
let compiled: SchemaCheck | undefined;

/** Loaded and compiled when it is first needed. Called past the library's `validate`, which waits although nothing has to. */
function schemaCheck(): SchemaCheck {
  if (compiled === undefined) {
    const { Validator } = require('@seriousme/openapi-schema-validator') as typeof SchemaValidator;
    const validator = new Validator() as unknown as { getAjvValidator(version: string): SchemaCheck };
    compiled = validator.getAjvValidator('3.1');
  }
  return compiled;
}

/** @throws RESOURCE_INVALID (details: `field`) */
export function checkDocuments(spec: ApiSpec): void {
  for (const [version, document] of documentsOf(spec)) {
    const fault = faultOf(document);
    if (fault === undefined) continue;
    const own = spec.versions.some((one) => one.version === version && one.openapi !== undefined);
    const whose = `the OpenAPI document of version ${version}${own ? '' : ', as it follows from the next newer one,'}`;
    throw new SluiceError('RESOURCE_INVALID', `versions: ${whose} is not valid: ${fault}`, { field: 'versions' });
  }
}

function faultOf(document: OpenApi): string | undefined {
  const version = textOf(document['openapi']);
  if (!/^3\.1\.\d+$/.test(version)) return `openapi must be 3.1, not ${JSON.stringify(document['openapi'])}`;
  const check = schemaCheck();
  if (!check(document)) {
    const [first] = check.errors ?? [];
    return `${first?.instancePath ?? ''} ${first?.message ?? ''}`.trim();
  }
  return faultOfReferences(document);
}

/** The document must stand alone: references lead to something inside it. */
function faultOfReferences(document: OpenApi): string | undefined {
  const waiting: unknown[] = [document];
  while (waiting.length > 0) {
    const one = waiting.pop();
    if (Array.isArray(one)) waiting.push(...listOf(one));
    if (!isNode(one)) continue;
    const reference = one['$ref'];
    if (typeof reference === 'string' && pointedTo(document, reference) === undefined) {
      return `${reference} is not in it`;
    }
    waiting.push(...Object.values(one));
  }
  return undefined;
}
