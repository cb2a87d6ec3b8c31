/**
 * Policy `sizes`: how long and how deep a request may be: header fields, path and query, body, and the structure of JSON
 * and XML bodies by their media type. Called for each request; for a body that is passed on in pieces, `scanner` gives
 * what to feed them to.
 */
import { z } from 'zod';
import type { ErrorCode } from '#kernel';
import { JsonScanner, type ScanFault } from './json-scanner.ts';
import { ALLOWED, type Decision, type RequestView, refuse } from './request.ts';
import { XmlScanner } from './xml-scanner.ts';

const count = (standard: number) => z.int().min(1).max(1_000_000_000).default(standard);

export const jsonLimitsSchema = z.strictObject({
  depth_max: count(32).describe('Brackets inside brackets'),
  keys_max: count(1_000).describe('Of one object'),
  items_max: count(10_000).describe('Of one array'),
  values_max: count(100_000).describe('All together'),
  string_bytes_max: count(256 * 1024),
  key_bytes_max: count(256),
  number_bytes_max: count(64),
});

export const xmlLimitsSchema = z.strictObject({
  depth_max: count(32),
  elements_max: count(10_000),
  attributes_max: count(64).describe('Of one element'),
  text_bytes_max: count(256 * 1024),
});

export const sizesSchema = z.strictObject({
  header_bytes_max: count(16 * 1024).describe('Names and values of all fields'),
  header_fields_max: count(100),
  path_bytes_max: count(8 * 1024).describe('With the query'),
  body_bytes_max: count(1024 * 1024),
  json: jsonLimitsSchema.optional().describe('Checks JSON bodies'),
  xml: xmlLimitsSchema.optional().describe('Checks XML bodies; document types and entities are refused'),
});

export type SizesSpec = z.infer<typeof sizesSchema>;

/** Fed the pieces of a body as they come, then told of the end; both say the first fault. */
export interface BodyScanner {
  write(bytes: Uint8Array): ScanFault | undefined;
  end(): ScanFault | undefined;
}

export function compileSizes(spec: SizesSpec): Sizes {
  return new Sizes(spec);
}

const JSON_TYPE = /^\s*[a-z0-9.+-]+\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i;
const XML_TYPE = /^\s*[a-z0-9.+-]+\/(xml|[a-z0-9.+-]+\+xml)\s*(;|$)/i;

export class Sizes {
  readonly #spec: SizesSpec;

  constructor(spec: SizesSpec) {
    this.#spec = spec;
  }

  check(request: RequestView): Decision {
    const code = this.#headFault(request) ?? this.#bodyFault(request);
    return code === undefined ? ALLOWED : refuse(code);
  }

  /** What to feed the body to, undefined where its type is not looked into. */
  scanner(contentType: string | undefined): BodyScanner | undefined {
    const { json, xml } = this.#spec;
    if (json !== undefined && JSON_TYPE.test(contentType ?? '')) return new JsonScanner(json);
    if (xml !== undefined && XML_TYPE.test(contentType ?? '')) return new XmlScanner(xml);
    return undefined;
  }

  #headFault({ headers, path, query }: RequestView): ErrorCode | undefined {
    const { header_bytes_max, header_fields_max, path_bytes_max, body_bytes_max } = this.#spec;
    if (path.length + query.length > path_bytes_max) return 'PATH_TOO_LONG';
    let bytes = 0;
    for (const [name, value] of headers) bytes += name.length + value.length + 4;
    if (bytes > header_bytes_max || headers.size > header_fields_max) return 'HEADERS_TOO_LARGE';
    const announced = headers.get('content-length');
    return announced !== undefined && Number(announced) > body_bytes_max ? 'REQUEST_TOO_LARGE' : undefined;
  }

  #bodyFault({ headers, body }: RequestView): ErrorCode | undefined {
    if (body === undefined) return undefined;
    if (body.length > this.#spec.body_bytes_max) return 'REQUEST_TOO_LARGE';
    if (body.length === 0) return undefined;
    const scanner = this.scanner(headers.get('content-type'));
    return scanner?.write(body) ?? scanner?.end();
  }
}
