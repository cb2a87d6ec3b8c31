/** A schema as people read it: its type in a line, its fields in a list. References are links, so circles end. */
import { entriesOf, isNode, listOf, type Node, textOf } from '../api/open-api.ts';
import { anchor, Html, html } from './html.ts';

const DEPTH_MAX = 8;
const LIMITS = [
  'format',
  'pattern',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
];
const COMPONENT = /^#\/components\/schemas\/([^/]+)$/;
const NOTHING = new Html('');

export function schemaAnchor(name: string): string {
  return `schema-${anchor(name)}`;
}

/** Type, values and limits in one line. */
export function typeLine(schema: unknown): Html {
  if (!isNode(schema)) return html`<span class="muted">anything</span>`;
  const [, component] = COMPONENT.exec(textOf(schema['$ref'])) ?? [];
  if (component !== undefined) return html`<a href="#${schemaAnchor(component)}">${component}</a>`;
  const { type, items } = schema;
  const names = Array.isArray(type) ? type.map(String).join(' or ') : textOf(type);
  const branches = listOf(schema['oneOf'] ?? schema['anyOf'] ?? schema['allOf']);
  const joint = schema['allOf'] === undefined ? ' or ' : ' and ';
  const values = 'const' in schema ? [schema['const']] : listOf(schema['enum']);
  const limits = LIMITS.filter((name) => schema[name] !== undefined).map((name) => `${name} ${String(schema[name])}`);
  return html`${names === '' && branches.length === 0 ? 'anything' : names}${
    items !== undefined && html` of ${typeLine(items)}`
  }${branches.map((branch, i) => html`${i > 0 && joint}${typeLine(branch)}`)}${
    values.length > 0 &&
    html`: ${values.map((value, i) => html`${i > 0 && ', '}<code>${JSON.stringify(value)}</code>`)}`
  }${limits.length > 0 && html` <span class="muted">(${limits.join(', ')})</span>`}`;
}

/** The line, what is said about it, and the fields below. */
export function schemaView(schema: unknown, depth = 0): Html {
  if (!isNode(schema)) return typeLine(schema);
  const told = textOf(schema['description']);
  return html`${typeLine(schema)}${schema['deprecated'] === true && html` <span class="state deprecated">deprecated</span>`}${
    told !== '' && html`<div class="told">${told}</div>`
  }${below(schema, depth)}`;
}

/** Fields of the schema, of its elements and of the schemas it is made of. */
function below(schema: Node, depth: number): Html {
  if (depth >= DEPTH_MAX) return NOTHING;
  const required = listOf(schema['required']);
  const fields = entriesOf(schema['properties']).map(
    ([name, field]) =>
      html`<li><code>${name}</code> ${required.includes(name) && html`<strong>required</strong> `}${schemaView(field, depth + 1)}</li>`,
  );
  const parts = [schema['items'], ...listOf(schema['allOf']), ...listOf(schema['oneOf']), ...listOf(schema['anyOf'])];
  const inner = parts.filter(isNode).map((part) => below(part, depth + 1));
  return html`${fields.length > 0 && html`<ul>${fields}</ul>`}${inner}`;
}
