/**
 * The regression cases of the OWASP core rule set (coreruleset/coreruleset, Apache-2.0) in a compact form of our own, as
 * requests that a policy sees. `data/README.md` says how they were made. Read by the bench `screening`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Screened } from '#gateway';

export interface CrsCase {
  readonly id: string;
  readonly category: 'sql' | 'xss' | 'path' | 'command' | 'header';
  /** Whether the rule that the case belongs to must see an attack in it. */
  readonly attack: boolean;
  /**
   * Harmless to its own rule, yet an attack: `listed` where another case has the same request as one, `read` where it is
   * one by our reading (only cases that were caught were read).
   */
  readonly attackElsewhere: 'listed' | 'read' | undefined;
  readonly method: string;
  readonly request: Screened;
  readonly body: Buffer;
}

interface Line {
  readonly id: string;
  readonly g: CrsCase['category'];
  readonly k: 'attack' | 'harmless';
  readonly also?: 1 | 2;
  readonly m: string;
  readonly u: string;
  readonly h: Readonly<Record<string, string>>;
  readonly b?: string;
}

export function crsCases(root: string): CrsCase[] {
  const text = gunzipSync(readFileSync(join(root, 'bench', 'data', 'crs-cases.jsonl.gz'))).toString('utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => toCase(JSON.parse(line) as Line));
}

function toCase({ id, g, k, also, m, u, h, b }: Line): CrsCase {
  const at = u.indexOf('?');
  return {
    id,
    category: g,
    attack: k === 'attack',
    attackElsewhere: also === undefined ? undefined : also === 1 ? 'listed' : 'read',
    method: m,
    body: Buffer.from(b ?? ''),
    request: {
      path: at < 0 ? u : u.slice(0, at),
      query: at < 0 ? '' : u.slice(at + 1),
      headers: Object.entries(h).flat(),
    },
  };
}
