/**
 * An API as a listener thread goes by it: its versions with the changes from each to the newest. Compiled once a
 * declaration; also on the main thread, to refuse what cannot be compiled.
 */
import type { Clock, Limits } from '#kernel';
import type { ApiSpec } from '../kinds/api-kind.ts';
import { type Change, compileChange } from './changes.ts';
import { compileDeprecated, type DeprecatedLookup } from './deprecated-fields.ts';
import { documentsOf, shownDocument } from './documents.ts';
import { type Lifetime, lifetimeOf } from './lifetime.ts';
import type { OpenApi } from './open-api.ts';

export interface CompiledVersion {
  readonly name: string;
  readonly lifetime: Lifetime;
  /** Of all newer versions, the oldest first. */
  readonly changes: readonly Change[];
  readonly deprecated: DeprecatedLookup;
  /** As callers see it. */
  readonly document: OpenApi | undefined;
}

export interface CompiledApi {
  readonly name: string;
  readonly spec: ApiSpec;
  /** Oldest first. */
  readonly versions: readonly CompiledVersion[];
  readonly newest: CompiledVersion;
  find(version: string): CompiledVersion | undefined;
}

/** @throws TRANSFORM_INVALID, RESOURCE_INVALID */
export function compileApi(name: string, spec: ApiSpec, clock: Clock, limits: Limits): CompiledApi {
  const documents = documentsOf(spec);
  const steps = spec.versions.map(({ changes }) => changes.map((change) => compileChange(change, clock, limits)));
  const newest = (spec.versions[spec.versions.length - 1] as ApiSpec['versions'][number]).version;
  const versions = spec.versions.map((version, i): CompiledVersion => {
    const document = documents.get(version.version);
    const shown = spec.docs === 'public' && version.version !== newest;
    return {
      name: version.version,
      lifetime: lifetimeOf(version, shown ? guidePath(name, version.version, newest) : undefined),
      changes: steps.slice(i + 1).flat(),
      deprecated: compileDeprecated(document),
      document: document && shownDocument(document, version.version, servedAt(spec, version.version)),
    };
  });
  const byName = new Map(versions.map((version) => [version.name, version]));
  return {
    name,
    spec,
    versions,
    newest: byName.get(newest) as CompiledVersion,
    find: (version) => byName.get(version),
  };
}

/** Where callers of a version find its paths. */
export function servedAt({ named_by, base_path }: ApiSpec, version: string): string {
  return named_by.path ? `/${pathPart(version)}${base_path}` : base_path;
}

/** How a version is written in a path. */
export function pathPart(version: string): string {
  return version.includes('-') ? version : `v${version}`;
}

export function guidePath(api: string, from: string, to: string): string {
  return `/docs/${api}/${from}/to/${to}`;
}
