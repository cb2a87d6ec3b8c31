/**
 * The OpenAPI document of each version of an API. A version gives its own, or it follows from the next newer one by the
 * merge patches of that one's changes, the last first:
 *
 *   newest, as given ─▶ openapi_down of its changes ─▶ version before ─▶ openapi_down of its changes ─▶ …
 *
 * A schema cannot be told from a transformation in general, an expression least of all, so patches are written and not
 * guessed; one that is forgotten shows as a break of the older version when the newer one is published.
 */
import type { ApiSpec } from '../kinds/api-kind.ts';
import { entriesOf, isNode, METHODS, type OpenApi } from './open-api.ts';

/** By version; those without a document are left out. */
export function documentsOf({ versions }: ApiSpec): Map<string, OpenApi> {
  const found = new Map<string, OpenApi>();
  let newer: OpenApi | undefined;
  for (let i = versions.length - 1; i >= 0; i--) {
    const version = versions[i] as ApiSpec['versions'][number];
    const patches = (versions[i + 1]?.changes ?? []).map(({ openapi_down }) => openapi_down).reverse();
    const derived = patches.reduce<unknown>(
      (one, patch) => (patch === undefined ? one : mergePatch(one, patch)),
      newer,
    );
    const document = version.openapi ?? (newer && (derived as OpenApi));
    if (document !== undefined) found.set(version.version, document);
    newer = document;
  }
  return found;
}

/** RFC 7396: null takes away, objects are merged, anything else takes the place of what is there. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isNode(patch)) return patch;
  const merged = new Map(entriesOf(target));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

/**
 * As it is shown to callers: with the version's name, and where the gateway has it. The servers somebody wrote are the
 * upstream's own, which callers are to go round by no means.
 */
export function shownDocument(document: OpenApi, version: string, url: string): OpenApi {
  const info = isNode(document['info']) ? document['info'] : {};
  const paths = entriesOf(document['paths']).map(([path, item]) => [path, withoutServers(item)] as const);
  return {
    ...document,
    info: { ...info, version },
    servers: [{ url: url === '' ? '/' : url }],
    ...('paths' in document && { paths: Object.fromEntries(paths) }),
  };
}

function withoutServers(item: unknown): unknown {
  const shown = entriesOf(item)
    .filter(([name]) => name !== 'servers')
    .map(([name, value]) => {
      const isOperation = (METHODS as readonly string[]).includes(name) && isNode(value);
      return [name, isOperation ? withoutServers(value) : value] as const;
    });
  return isNode(item) ? Object.fromEntries(shown) : item;
}
