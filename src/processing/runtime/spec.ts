/** From what a resource `processor` says to what the runtime is set to. */
import { existsSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SluiceError } from '#kernel';
import type { DefinitionSource } from '../worker/protocol.ts';
import type { ProcessorSettings } from './settings.ts';

/** As the resource's schema lets it through. */
export interface SpecLike {
  readonly module?: string | undefined;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  readonly format: 'json' | 'msgpack';
  readonly transformations?: readonly unknown[] | undefined;
  readonly from: 'earliest' | 'latest';
  readonly run_ms: number;
  readonly attempts_max: number;
  readonly backoff_ms: number;
  readonly backoff_max_ms: number;
  readonly idle_ms?: number | undefined;
  readonly workers?: number | undefined;
}

/** @param directory the folder that holds the modules @throws PROCESSOR_INVALID */
export function settingsOf(spec: SpecLike, directory: string): ProcessorSettings {
  return {
    source: sourceOf(spec, directory),
    from: spec.from,
    runMs: spec.run_ms,
    attemptsMax: spec.attempts_max,
    backoffMs: spec.backoff_ms,
    backoffMaxMs: spec.backoff_max_ms,
    idleMs: spec.idle_ms,
    workers: spec.workers,
  };
}

function sourceOf({ module, input, output, format, transformations }: SpecLike, directory: string): DefinitionSource {
  if (module === undefined) {
    const declared = new URL('../worker/declared.js', import.meta.url).href;
    return { id: 'declared', module: declared, options: { input, output, format, transformations } };
  }
  const root = resolve(directory);
  const path = resolve(root, module);
  if (!path.startsWith(root + sep)) throw invalid(`${module} is not below the folder of processors`);
  if (!existsSync(path)) throw invalid(`there is no ${module} in the folder of processors, ${root}`);
  return { id: module, module: pathToFileURL(path).href, options: undefined };
}

function invalid(message: string): SluiceError {
  return new SluiceError('PROCESSOR_INVALID', message);
}
