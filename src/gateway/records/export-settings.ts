/** Where spans go, as an operator says it, and as the listener threads need it. Checked when the server starts. */
import { SluiceError } from '#kernel';
import type { ExportSettings } from './span-exporter.ts';

const TRACES_PATH = '/v1/traces';
const HEADER = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+)=([\t\x20-\x7e]*)$/;

export interface OtlpOptions {
  /** Of a collector, or of its path for traces. */
  readonly endpoint: string;
  /** `name=value`. */
  readonly headers: readonly string[];
  /** Of traces that begin at the gateway, this share is sampled. */
  readonly percent: number;
}

/** @throws CONFIG_INVALID */
export function exportSettings({ endpoint, headers, percent }: OtlpOptions): ExportSettings {
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw new SluiceError('CONFIG_INVALID', `${endpoint} is not the http or https address of a collector`);
  }
  if (!(percent >= 0 && percent <= 100)) throw new SluiceError('CONFIG_INVALID', 'a share is 0 to 100 percent');
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = TRACES_PATH;
  const flat = headers.flatMap((header) => {
    const [, name, value] = HEADER.exec(header) ?? [];
    if (name === undefined || value === undefined) {
      throw new SluiceError('CONFIG_INVALID', 'a header for the collector is written name=value');
    }
    return [name, value];
  });
  return { url: url.href, headers: flat, percent };
}
