/**
 * Where a request says which version of an API it is written for, in this order: header, media type, query, path, the
 * pin of its client, the default. Pure.
 */
import type { ApiSpec } from '../kinds/api-kind.ts';
import type { GatewayRequest } from '../policy.ts';

export type NamedBy = 'header' | 'media_type' | 'query' | 'path' | 'pin' | 'default';

export interface VersionName {
  /** As the caller wrote it; any text. */
  readonly text: string;
  readonly by: NamedBy;
}

type Asked = Pick<GatewayRequest, 'header' | 'query' | 'pathVersion' | 'client'>;

export function nameVersion(request: Asked, { named_by, pins, versions, default: fallback }: ApiSpec): VersionName {
  const header = request.header(named_by.header);
  if (header !== undefined) return { text: header.trim(), by: 'header' };
  const parameter = named_by.media_type === null ? undefined : mediaTypeVersion(request, named_by.media_type);
  if (parameter !== undefined) return { text: parameter, by: 'media_type' };
  const query = named_by.query === null ? undefined : queryValue(request.query, named_by.query);
  if (query !== undefined) return { text: query, by: 'query' };
  if (request.pathVersion !== undefined) return { text: request.pathVersion, by: 'path' };
  const { client } = request;
  const pin = client !== undefined && Object.hasOwn(pins, client.name) ? pins[client.name] : undefined;
  if (pin !== undefined) return { text: pin, by: 'pin' };
  return { text: fallback ?? (versions[0] as ApiSpec['versions'][number]).version, by: 'default' };
}

/** `version=2` and `version="2"` of a media type, named `parameter`. */
function parameterPattern(parameter: string): RegExp {
  return new RegExp(`;[ \\t]*${parameter.replace(/[.]/g, '\\.')}[ \\t]*=[ \\t]*("[^"]{0,100}"|[^;,\\s"]{0,100})`, 'i');
}

/** The first one that Accept has, else the one of Content-Type. */
function mediaTypeVersion(request: Asked, parameter: string): string | undefined {
  const pattern = parameterPattern(parameter);
  for (const name of ['accept', 'content-type']) {
    const found = pattern.exec(request.header(name) ?? '')?.[1];
    if (found !== undefined) return found.replaceAll('"', '');
  }
  return undefined;
}

/** A media type as the upstream gets it: it knows nothing of the parameter. */
export function withoutParameter(mediaType: string, parameter: string): string {
  return mediaType.replace(new RegExp(parameterPattern(parameter), 'gi'), '');
}

function queryValue(query: string, name: string): string | undefined {
  if (!query.includes('=')) return undefined;
  return new URLSearchParams(query).get(name) ?? undefined;
}

/** The other parameters, as they were written. */
export function withoutQuery(query: string, name: string): string {
  return query
    .split('&')
    .filter((pair) => !new URLSearchParams(pair).has(name))
    .join('&');
}
