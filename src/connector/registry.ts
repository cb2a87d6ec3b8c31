/**
 * Which connectors there are: the folders that come with Sluice, those of a folder of the user's, and installed packages with
 * the keyword `sluice-connector`. Nothing is registered anywhere, and no code of a connector runs on this thread: what it says
 * of itself is asked on a thread of its own. The user's folder goes before packages, packages before what comes with Sluice.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { asSluiceError, type Limits, SluiceError } from '#kernel';
import type { Description } from './conformance.ts';
import type { Found } from './found.ts';
import { ConnectorThread } from './thread.ts';

const OWN = fileURLToPath(new URL('../../connectors', import.meta.url));
/** Where Sluice is installed, and where it is run. */
const INSTALLED = [
  fileURLToPath(new URL('../../../node_modules', import.meta.url)),
  join(process.cwd(), 'node_modules'),
];
const ENTRIES = ['index.js', 'index.mjs'];
const KEYWORD = 'sluice-connector';
const DESCRIBED_AT_ONCE = 4;

/** What is known of a connector; one that does not meet the contract has an error instead. */
export interface CatalogueEntry {
  readonly name: string;
  readonly origin: Found['origin'];
  readonly description: Description | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export class ConnectorRegistry {
  readonly #folder: string | undefined;
  readonly #limits: Limits;
  readonly #packages: readonly string[];
  readonly #described = new Map<string, { readonly print: string; readonly entry: CatalogueEntry }>();

  /**
   * @param folder of the user's connectors, each a folder with an `index.js`
   * @param packages folders in which packages are installed
   */
  constructor(folder: string | undefined, limits: Limits, packages: readonly string[] = INSTALLED) {
    this.#folder = folder;
    this.#limits = limits;
    this.#packages = packages;
  }

  /** By name. Walks the folders anew, so that what was added is there. */
  async list(): Promise<Found[]> {
    const all = [
      ...(await inFolder(OWN, 'sluice')),
      ...(await Promise.all([...new Set(this.#packages)].map(inPackages))).flat(),
      ...(this.#folder === undefined ? [] : await inFolder(this.#folder, 'folder')),
    ];
    const byName = new Map(all.map((found) => [found.name, found]));
    return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws CONNECTOR_UNKNOWN */
  async find(name: string): Promise<Found> {
    const found = (await this.list()).find((one) => one.name === name);
    if (found === undefined) throw new SluiceError('CONNECTOR_UNKNOWN', `there is no connector ${name}`, { name });
    return found;
  }

  /** Everything there is, with what each says of itself. */
  async catalogue(): Promise<CatalogueEntry[]> {
    const found = await this.list();
    const entries: CatalogueEntry[] = [];
    for (let from = 0; from < found.length; from += DESCRIBED_AT_ONCE) {
      const some = found.slice(from, from + DESCRIBED_AT_ONCE);
      entries.push(...(await Promise.all(some.map((one) => this.#describe(one)))));
    }
    return entries;
  }

  /** @throws CONNECTOR_UNKNOWN */
  async describe(name: string): Promise<CatalogueEntry> {
    return this.#describe(await this.find(name));
  }

  async #describe(found: Found): Promise<CatalogueEntry> {
    const { name, origin, module } = found;
    const print = `${module} ${await fingerprint(found)}`;
    const known = this.#described.get(name);
    if (known?.print === print) return known.entry;
    const thread = new ConnectorThread(found, this.#limits);
    let entry: CatalogueEntry;
    try {
      entry = { name, origin, description: await thread.call('describe', null), error: null };
    } catch (error) {
      const { code, message } = asSluiceError(error);
      entry = { name, origin, description: null, error: { code, message } };
    }
    await thread.close();
    this.#described.set(name, { print, entry });
    return entry;
  }
}

/** Changes when a file of a watched connector does; empty for others. */
export async function fingerprint({ watched }: Found): Promise<string> {
  if (watched === undefined) return '';
  const names = await readdir(watched, { recursive: true }).catch(() => []);
  const marks = names
    .filter((name) => /\.(m?js|json)$/.test(name) && !name.includes('node_modules'))
    .sort()
    .map(async (name) => {
      const found = await stat(join(watched, name)).catch(() => undefined);
      return `${name} ${found?.size} ${found?.mtimeMs}`;
    });
  return (await Promise.all(marks)).join('\n');
}

async function inFolder(folder: string, origin: 'sluice' | 'folder'): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    for (const entry of ENTRIES) {
      const path = join(folder, name, entry);
      if ((await stat(path).catch(() => undefined))?.isFile() !== true) continue;
      const watched = origin === 'folder' ? join(folder, name) : undefined;
      found.push({ name, module: pathToFileURL(path).href, origin, watched });
      break;
    }
  }
  return found;
}

/** `sluice-connector-shop` and `@acme/sluice-connector-shop` are the connector `shop`. */
async function inPackages(folder: string): Promise<Found[]> {
  const names: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith('@')) names.push(name);
    else names.push(...(await readdir(join(folder, name)).catch(() => [])).map((inner) => `${name}/${inner}`));
  }
  const found = names
    .filter((name) => /(^|\/)sluice-connector-/.test(name))
    .map(async (name): Promise<Found[]> => {
      const text = await readFile(join(folder, name, 'package.json'), 'utf8').catch(() => '{}');
      const { keywords, main, exports } = parsePackage(text);
      if (!keywords.includes(KEYWORD)) return [];
      const path = join(folder, name, exports ?? main ?? 'index.js');
      const short = name.replace(/^.*sluice-connector-/, '');
      return [{ name: short, module: pathToFileURL(path).href, origin: 'package', watched: undefined }];
    });
  return (await Promise.all(found)).flat();
}

interface PackageFile {
  readonly keywords: readonly unknown[];
  readonly main: string | undefined;
  readonly exports: string | undefined;
}

function parsePackage(text: string): PackageFile {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { keywords: [], main: undefined, exports: undefined };
  }
  const { keywords, main, exports } = parsed;
  const door = (exports as Record<string, unknown> | undefined)?.['.'] ?? exports;
  const entry = typeof door === 'object' ? ((door as Record<string, unknown> | null)?.['default'] ?? null) : door;
  return {
    keywords: Array.isArray(keywords) ? keywords : [],
    main: typeof main === 'string' ? main : undefined,
    exports: typeof entry === 'string' ? entry : undefined,
  };
}
