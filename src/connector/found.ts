/** A connector as it was found, before anything of it has run. */

export interface Found {
  readonly name: string;
  /** URL of its module. */
  readonly module: string;
  readonly origin: 'sluice' | 'package' | 'folder';
  /** The folder whose files may change while it runs; undefined: they do not. */
  readonly watched: string | undefined;
}
