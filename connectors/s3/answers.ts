/** What S3 answers in XML. */
import { SaxesParser } from 'saxes';
import { SluiceError, type StoredFile } from '#connector';

export interface Listing {
  readonly files: readonly StoredFile[];
  /** Where the next page begins; undefined after the last. */
  readonly next: string | undefined;
}

/** Of a listing whose keys are encoded as in URLs, where it says so. */
export function listingOf(xml: string): Listing {
  const files: StoredFile[] = [];
  const top: Record<string, string> = {};
  let file: Record<string, string> | undefined;
  walk(xml, (path, text) => {
    const name = path.at(-1) as string;
    if (path.length === 2 && name === 'Contents') {
      if (file !== undefined) files.push(fileOf(file, top['EncodingType'] === 'url'));
      file = undefined;
    } else if (path.length === 3 && path[1] === 'Contents') {
      file ??= {};
      file[name] = text;
    } else if (path.length === 2) {
      top[name] = text;
    }
  });
  return { files, next: top['IsTruncated'] === 'true' ? top['NextContinuationToken'] : undefined };
}

/** The text of the first element of that name. */
export function textOf(xml: string, wanted: string): string | undefined {
  let found: string | undefined;
  walk(xml, (path, text) => {
    if (path.at(-1) === wanted) found ??= text;
  });
  return found;
}

function fileOf({ Key = '', Size = '0', LastModified = '' }: Record<string, string>, encoded: boolean): StoredFile {
  const name = encoded ? decodeURIComponent(Key.replaceAll('+', ' ')) : Key;
  return { name, size: Number(Size), modified: new Date(LastModified).toISOString() };
}

function walk(xml: string, onElement: (path: readonly string[], text: string) => void): void {
  const path: string[] = [];
  let text = '';
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw new SluiceError('ENDPOINT_FAILED', `its answer is no XML: ${error.message}`);
  });
  parser.on('opentag', ({ name }) => {
    path.push(name);
    text = '';
  });
  parser.on('text', (part) => {
    text += part;
  });
  parser.on('closetag', () => {
    onElement(path, text);
    path.pop();
    text = '';
  });
  if (xml !== '') parser.write(xml).close();
}
