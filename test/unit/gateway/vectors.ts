/** Reads the public test vectors beside this file: lines of JSON, compressed. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export function vectors<T>(name: string): T[] {
  const text = gunzipSync(readFileSync(new URL(`./vectors/${name}.jsonl.gz`, import.meta.url))).toString('utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}
