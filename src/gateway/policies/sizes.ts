/**
 * Policy `sizes`: how long and how deep a request may be: header fields, path and query, body, and the structure of JSON
 * and XML bodies by their media type, for which they are collected.
 */
import { z } from 'zod';
import { type Limits, SluiceError } from '#kernel';
import type { BodyStep, GatewayRequest, Policy, Verdict } from '../policy.ts';
import { fieldOf } from './fields.ts';
import { JsonScanner, type ScanFault } from './json-scanner.ts';
import { plainBody } from './plain-body.ts';
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

/** @throws CONFIG_INVALID where bodies are to be looked into that are too long to be collected */
export function compileSizes(spec: SizesSpec, limits: Pick<Limits, 'gatewayBodyBytesMax'>): Sizes {
  const looks = spec.json !== undefined || spec.xml !== undefined;
  if (looks && spec.body_bytes_max > limits.gatewayBodyBytesMax) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `bodies of more than ${limits.gatewayBodyBytesMax} bytes are not collected to be looked into`,
    );
  }
  return new Sizes(spec, looks);
}

const JSON_TYPE = /^\s*[a-z0-9.+-]+\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i;
const XML_TYPE = /^\s*[a-z0-9.+-]+\/(xml|[a-z0-9.+-]+\+xml)\s*(;|$)/i;

export class Sizes implements Policy {
  readonly name = 'sizes';
  /** Looks into bodies, after the caller is known. */
  readonly structure: (Policy & { readonly body: BodyStep }) | undefined;
  readonly #spec: SizesSpec;

  constructor(spec: SizesSpec, looks: boolean) {
    this.#spec = spec;
    const check = (request: GatewayRequest) => this.#bodyFault(request);
    const body: BodyStep = { bytesMax: spec.body_bytes_max, whenLonger: 'refuse', check };
    this.structure = looks ? { name: 'structure', body } : undefined;
  }

  /** What to feed the body to, undefined where its type is not looked into. */
  #scanner(contentType: string | undefined): BodyScanner | undefined {
    const { json, xml } = this.#spec;
    if (json !== undefined && JSON_TYPE.test(contentType ?? '')) return new JsonScanner(json);
    if (xml !== undefined && XML_TYPE.test(contentType ?? '')) return new XmlScanner(xml);
    return undefined;
  }

  /** Of a body that comes in pieces without a length, the proxy counts the bytes. */
  check(request: GatewayRequest): Verdict {
    const { headers, path, query } = request;
    const { header_bytes_max, header_fields_max, path_bytes_max, body_bytes_max } = this.#spec;
    if (path.length + query.length > path_bytes_max) return new SluiceError('PATH_TOO_LONG');
    let bytes = 0;
    for (const text of headers) bytes += text.length + 2;
    if (bytes > header_bytes_max || headers.length > 2 * header_fields_max) {
      return new SluiceError('HEADERS_TOO_LARGE');
    }
    const announced = request.header('content-length');
    return announced !== undefined && Number(announced) > body_bytes_max
      ? new SluiceError('REQUEST_TOO_LARGE')
      : undefined;
  }

  #bodyFault(request: GatewayRequest): Verdict {
    const body = plainBody(request);
    if (body.length === 0) return undefined;
    const scanner = this.#scanner(fieldOf(request, 'content-type'));
    const fault = scanner?.write(body) ?? scanner?.end();
    return fault === undefined ? undefined : new SluiceError(fault);
  }
}
