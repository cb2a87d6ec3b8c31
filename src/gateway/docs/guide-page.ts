/**
 * The migration guide from one version of an API to a newer one: what was declared as changed, and what two OpenAPI
 * documents say that breaks.
 */

import { breaksBetween } from '../api/breaks.ts';
import type { CompiledApi, CompiledVersion } from '../api/compiled-api.ts';
import type { WholeAnswer } from '../policy.ts';
import { html, page } from './html.ts';
import { changeWords } from './wording.ts';

/** Undefined where `to` is not newer than `from`. */
export function guidePage(api: CompiledApi, from: CompiledVersion, to: CompiledVersion): WholeAnswer | undefined {
  const [first, last] = [api.versions.indexOf(from), api.versions.indexOf(to)];
  if (first >= last) return undefined;
  const sections = api.spec.versions
    .slice(first + 1, last + 1)
    .map(
      ({ version, changes }) =>
        html`<h2>${version}</h2>${changes.length === 0 && html`<p>Nothing that concerns callers.</p>`}${changes.map(
          (change) =>
            html`<section><h3>${change.summary}</h3><p class="told">${change.details}</p>${changeWords(change)}</section>`,
        )}`,
    );
  const breaks = from.document && to.document && breaksBetween(from.document, to.document);
  const title = `${api.spec.title}: from ${from.name} to ${to.name}`;
  const body = html`<p><a href="/docs/${api.name}">${api.spec.title}</a></p><h1>${title}</h1>
<p>A caller that is written for ${from.name} does this to be one of ${to.name}; until then the gateway does it on the way.</p>
${sections}
${
  breaks !== undefined &&
  html`<h2>What the documents say</h2>${
    breaks.length === 0
      ? html`<p>Nothing that breaks a caller.</p>`
      : html`<table>${breaks.map(({ at, what }) => html`<tr><td><code>${at}</code></td><td>${what}</td></tr>`)}</table>`
  }`
}`;
  return page(title, body);
}
