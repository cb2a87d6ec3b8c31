/** What a change of an API does, in words for its callers: read off its declaration. */
import type { Transformation } from '#transform';
import type { ChangeSpec } from '../kinds/api-kind.ts';
import { type Html, html } from './html.ts';

const code = (text: string) => html`<code>${text}</code>`;
const list = (texts: readonly string[]) => texts.map((text, i) => html`${i > 0 && ', '}${code(text)}`);

/** One step on the way from an older version to a newer one: what a caller does instead of the gateway. */
function upWords(one: Transformation): Html {
  switch (one.type) {
    case 'rename':
      return html`${code(one.field)} is sent as ${code(one.target)}`;
    case 'drop':
      return html`${list(one.fields)} ${one.fields.length === 1 ? 'is' : 'are'} sent no more`;
    case 'default_value':
      return html`${code(one.field)} was ${code(JSON.stringify(one.value))} where it was left out; now say so`;
    case 'set':
      return html`${code(one.field)} is new; older versions count as ${code(JSON.stringify(one.value ?? 'the time of the call'))}`;
    case 'cast':
      return html`${code(one.field)} is sent as ${one.to}`;
    default:
      return other(one);
  }
}

/** One step on the way back: what a caller finds in place of what it found before. */
function downWords(one: Transformation): Html {
  switch (one.type) {
    case 'rename':
      return html`${code(one.target)} is found as ${code(one.field)}`;
    case 'drop':
      return html`${list(one.fields)} ${one.fields.length === 1 ? 'is' : 'are'} there besides`;
    case 'default_value':
    case 'set':
      return html`${code(one.field)} may be missing; older versions are given ${code(JSON.stringify(one.value ?? 'the time of the call'))}`;
    case 'cast':
      return html`${code(one.field)} is ${one.to} in older versions only`;
    default:
      return other(one);
  }
}

function other(one: Transformation): Html {
  const target = 'target' in one && one.target !== undefined ? one.target : undefined;
  const field = 'field' in one ? one.field : undefined;
  const where = target ?? field;
  return html`${where === undefined || where === '$value' ? 'the body' : code(where)} is made anew (${one.type.replaceAll('_', ' ')})`;
}

/** Its parts as lists under headings; those that it does not have are left out. */
export function changeWords({ path, query, request, response, operations }: ChangeSpec): Html {
  const part = (heading: string, lines: readonly Html[]) =>
    lines.length > 0 && html`<li>${heading}<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul></li>`;
  return html`<ul>${operations !== undefined && html`<li>Concerns ${list(operations)}</li>`}${
    path !== undefined && html`<li>${code(path.from)} has moved to ${code(path.to)}</li>`
  }${part('In the query:', (query ?? []).map(upWords))}${part('In the request:', (request?.up ?? []).map(upWords))}${part(
    'In the answer:',
    (response?.down ?? []).map(downWords),
  )}</ul>`;
}
