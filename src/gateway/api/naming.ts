/**
 * Where a request says which version of an API it is written for, in this order: header, media type, query, path, the
 * pin of its client, the default. Made once an API; pure.
 */
import type { ApiSpec } from '../kinds/api-kind.ts';
import type { GatewayRequest } from '../policy.ts';

type Asked = Pick<GatewayRequest, 'header' | 'query' | 'pathVersion' | 'client'>;

/** Headers in which a media type may tell a version. */
export const MEDIA_TYPES = ['accept', 'content-type'] as const;

export class Naming {
  readonly #spec: ApiSpec;
  /** Finds the parameter of a media type; group 1 is its value, in quotes or not. */
  readonly #parameter: RegExp | undefined;
  readonly #default: string;

  constructor(spec: ApiSpec) {
    this.#spec = spec;
    const { media_type } = spec.named_by;
    this.#parameter = media_type === null ? undefined : parameterPattern(media_type);
    this.#default = spec.default ?? (spec.versions[0] as ApiSpec['versions'][number]).version;
  }

  /** As the caller wrote it: any text. */
  versionOf(request: Asked): string {
    const { named_by, pins } = this.#spec;
    const header = request.header(named_by.header);
    if (header !== undefined) return header.trim();
    const parameter = this.#inMediaType(request);
    if (parameter !== undefined) return parameter;
    const query = named_by.query === null ? undefined : queryValue(request.query, named_by.query);
    if (query !== undefined) return query;
    if (request.pathVersion !== undefined) return request.pathVersion;
    const { client } = request;
    const pin = client !== undefined && Object.hasOwn(pins, client.name) ? pins[client.name] : undefined;
    return pin ?? this.#default;
  }

  #inMediaType(request: Asked): string | undefined {
    if (this.#parameter === undefined) return undefined;
    for (const name of MEDIA_TYPES) {
      const value = request.header(name);
      const found = value?.includes(';') ? this.#parameter.exec(value)?.[1] : undefined;
      if (found !== undefined) return found.replaceAll('"', '');
    }
    return undefined;
  }

  /** A media type as the upstream gets it, which knows nothing of the parameter. */
  bareMediaType(value: string): string {
    if (this.#parameter === undefined || !value.includes(';')) return value;
    return value.replace(new RegExp(this.#parameter, 'gi'), '');
  }

  /** The parameters of a query that do not tell the version, as they were written. */
  bareQuery(query: string): string {
    const { query: name } = this.#spec.named_by;
    if (name === null || query === '') return query;
    const pairs = query.split('&');
    const kept = pairs.filter((pair) => !new URLSearchParams(pair).has(name));
    return kept.length === pairs.length ? query : kept.join('&');
  }
}

function parameterPattern(parameter: string): RegExp {
  return new RegExp(`;[ \\t]*${parameter.replaceAll('.', '\\.')}[ \\t]*=[ \\t]*("[^"]{0,100}"|[^;,\\s"]{0,100})`, 'i');
}

function queryValue(query: string, name: string): string | undefined {
  if (!query.includes('=')) return undefined;
  return new URLSearchParams(query).get(name) ?? undefined;
}
