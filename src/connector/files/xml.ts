/**
 * XML: an element of a name, or each child of the root, is a record. Its attributes are fields `@name`, its children fields, its
 * own text `#text`; children that repeat are a list. Entities that a document declares are refused.
 */
import { SaxesParser } from 'saxes';
import { countOf, damaged, type Parsed, type Reader, type Source } from './source.ts';

interface Element {
  readonly name: string;
  readonly fields: Record<string, unknown>;
  text: string;
}

const DEPTH_MAX = 200;

export const xmlReader: Reader = {
  records: (source, { xml_record }, from) => records(source, xml_record, countOf(from)),
};

async function* records(source: Source, xml_record: string | undefined, from: number): AsyncGenerator<Parsed> {
  const open: Element[] = [];
  let depth = 0;
  let found: Parsed['values'][] = [];
  const fail = (message: string) => damaged(source.name, message);
  const parser = new SaxesParser({ position: true });
  parser.on('error', (error) => {
    throw fail(error.message);
  });
  parser.on('doctype', (text) => {
    if (/<!ENTITY/i.test(text)) throw fail('it declares entities');
  });
  parser.on('opentag', ({ name, attributes }) => {
    const begins = xml_record === undefined ? depth === 1 : name === xml_record;
    if (++depth > DEPTH_MAX) throw fail(`it is nested deeper than ${DEPTH_MAX}`);
    if (open.length === 0 && !begins) return;
    const given = Object.entries(attributes).map(([attribute, value]) => [`@${attribute}`, value]);
    open.push({ name, fields: Object.fromEntries(given), text: '' });
  });
  const addText = (text: string) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    depth--;
    const element = open.pop();
    if (element === undefined) return;
    const parent = open.at(-1);
    if (parent === undefined) found.push(recordOf(element));
    else addChild(parent, element);
  });
  let count = 0;
  const text = new TextDecoder();
  for await (const chunk of source.open(0)) {
    parser.write(text.decode(chunk, { stream: true }));
    for (const values of found) if (++count > from) yield { values, next: count };
    found = [];
  }
  parser.close();
}

function recordOf({ fields, text }: Element): Record<string, unknown> {
  return text.trim() === '' ? fields : { ...fields, '#text': text.trim() };
}

function addChild({ fields }: Element, child: Element): void {
  const simple = Object.keys(child.fields).length === 0;
  const value = simple ? child.text.trim() : recordOf(child);
  const before = Object.hasOwn(fields, child.name) ? fields[child.name] : undefined;
  if (before === undefined) fields[child.name] = value;
  else if (Array.isArray(before)) before.push(value);
  else fields[child.name] = [before, value];
}
