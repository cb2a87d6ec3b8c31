/**
 * The modes of compatibility, as Confluent defines them, and the check of a new version against earlier ones.
 *
 *   backward   the new schema reads what the last one wrote      _transitive   against all versions, not the last alone
 *   forward    the last schema reads what the new one writes     none          everything goes
 *   full       both
 */
import type { Difference, ParsedSchema } from './parsed-schema.ts';

export const MODES = [
  'backward',
  'backward_transitive',
  'forward',
  'forward_transitive',
  'full',
  'full_transitive',
  'none',
] as const;
export type Mode = (typeof MODES)[number];

export const DEFAULT_MODE: Mode = 'backward';

export interface EarlierVersion {
  readonly version: number;
  parse(): ParsedSchema;
}

export interface Incompatibility extends Difference {
  /** The earlier version it stands against. */
  readonly version: number;
  /** Which of the two cannot read the other's. */
  readonly reader: 'new' | 'earlier';
}

/**
 * What stands against a new version; the last earlier version first, and no further than the first that is in the way.
 * @param earlier oldest first
 */
export function incompatibilities(
  schema: ParsedSchema,
  earlier: readonly EarlierVersion[],
  mode: Mode,
): Incompatibility[] {
  if (mode === 'none') return [];
  const checked = mode.endsWith('_transitive') ? [...earlier].reverse() : earlier.slice(-1);
  for (const one of checked) {
    const found = against(schema, one, mode);
    if (found.length > 0) return found;
  }
  return [];
}

function against(schema: ParsedSchema, { version, parse }: EarlierVersion, mode: Mode): Incompatibility[] {
  const before = parse();
  if (before.type !== schema.type) {
    return [{ path: '#', message: `the language was ${before.type} and is ${schema.type}`, version, reader: 'new' }];
  }
  const found: Incompatibility[] = [];
  if (!mode.startsWith('forward')) {
    for (const difference of schema.differences(before)) found.push({ ...difference, version, reader: 'new' });
  }
  if (!mode.startsWith('backward')) {
    for (const difference of before.differences(schema)) found.push({ ...difference, version, reader: 'earlier' });
  }
  return found;
}
