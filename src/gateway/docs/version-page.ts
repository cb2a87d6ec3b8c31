/** The page of one version of an API: how to call it, its operations and schemas, and the changelog of all versions. */

import { type CompiledApi, type CompiledVersion, guidePath, pathPart, servedAt } from '../api/compiled-api.ts';
import { stateOf } from '../api/lifetime.ts';
import {
  contentOf,
  entriesOf,
  type Node,
  type OpenApi,
  type Operation,
  operationsOf,
  resolve,
  textOf,
} from '../api/open-api.ts';
import type { WholeAnswer } from '../policy.ts';
import { anchor, type Html, html, linkTo, page } from './html.ts';
import { schemaAnchor, schemaView, typeLine } from './schema-view.ts';
import { changeWords } from './wording.ts';

/** @param now epoch milliseconds: what is deprecated or gone by then is shown as such */
export function versionPage(api: CompiledApi, version: CompiledVersion, now: number): WholeAnswer {
  const { title, description } = api.spec;
  const { document } = version;
  const body = html`<p><a href="/docs">All APIs</a></p>
<h1>${title} <span class="muted">${version.name}</span></h1>
<p class="told">${description}</p>
${versionTable(api, version, now)}
${naming(api, version)}
${document !== undefined && operations(document)}
${document !== undefined && schemas(document)}
${changelog(api)}`;
  return page(`${title} ${version.name}`, body);
}

/** @param apis those that are shown */
export function listPage(apis: readonly CompiledApi[]): WholeAnswer {
  const body = html`<h1>APIs</h1>
<ul>${apis.map(({ name, spec, newest }) => html`<li><a href="/docs/${name}">${spec.title}</a> <span class="muted">${newest.name}</span></li>`)}</ul>`;
  return page('APIs', body);
}

function day(at: number | undefined): string {
  return at === undefined ? '' : new Date(at).toISOString().slice(0, 10);
}

function told(words: string, link: string | undefined): Html {
  return link === undefined ? html`${words}` : linkTo(link, words);
}

function versionTable(api: CompiledApi, shown: CompiledVersion, now: number): Html {
  const rows = [...api.versions].reverse().map((version) => {
    const { name, lifetime, document } = version;
    const state = stateOf(lifetime, version === api.newest, now);
    const links = api.spec.versions.find((one) => one.version === name);
    const isDefault = name === (api.spec.default ?? api.versions[0]?.name);
    return html`<tr><td>${version === shown ? html`<strong>${name}</strong>` : html`<a href="/docs/${api.name}/${name}">${name}</a>`}</td>
<td><span class="state state-${state}">${state}</span>${isDefault && ' default'}</td><td>${told(day(lifetime.deprecatedAt), links?.deprecation_link)}</td><td>${told(day(lifetime.sunsetAt), links?.sunset_link)}</td>
<td>${document !== undefined && html`<a href="/docs/${api.name}/${name}/openapi.json">OpenAPI</a> `}${
      version !== api.newest && html`<a href="${guidePath(api.name, name, api.newest.name)}">to ${api.newest.name}</a>`
    }</td></tr>`;
  });
  return html`<h2 id="versions">Versions</h2>
<table><tr><th>Version</th><th>State</th><th>Deprecated</th><th>Ends</th><th></th></tr>${rows}</table>`;
}

function naming({ spec }: CompiledApi, { name }: CompiledVersion): Html {
  const { header, media_type, query, path } = spec.named_by;
  const ways = [
    html`the header <code>${header}: ${name}</code>`,
    media_type !== null && html`the media type <code>Accept: application/json;${media_type}=${name}</code>`,
    query !== null && html`the query <code>?${query}=${name}</code>`,
    path && html`the path <code>/${pathPart(name)}${spec.base_path}/…</code>`,
  ].filter((way) => way !== false);
  return html`<p>Say that you call this version by one of: ${ways.map((way, i) => html`${i > 0 && '; '}${way}`)}. Answers tell it in
<code>${header}</code>. Its paths begin at <code>${servedAt(spec, name) === '' ? '/' : servedAt(spec, name)}</code>.</p>`;
}

function operations(document: OpenApi): Html {
  return html`<h2 id="operations">Operations</h2>${operationsOf(document).map((operation) => operationView(document, operation))}`;
}

function operationView(document: OpenApi, { method, path, node, parameters }: Operation): Html {
  const rows = parameters.map(
    (one) =>
      html`<tr><td><code>${one.name}</code> <span class="muted">${one.in}</span>${one.required && ' required'}${
        one.deprecated && html` <span class="state deprecated">deprecated</span>`
      }</td><td>${typeLine(one.schema)}<div class="told">${one.description}</div></td></tr>`,
  );
  const body = resolve(document, node['requestBody']);
  const answers = entriesOf(node['responses']).map(([status, value]) => {
    const answer = resolve(document, value);
    return html`<li><code>${status}</code> ${textOf(answer['description'])}${contents(answer)}</li>`;
  });
  const content = contents(body);
  return html`<section><h3 id="${anchor(`${method}${path}`)}"><span class="method">${method}</span><code>${path}</code>${
    node['deprecated'] === true && html` <span class="state deprecated">deprecated</span>`
  }</h3><p>${textOf(node['summary'])}</p><p class="told">${textOf(node['description'])}</p>
${rows.length > 0 && html`<table>${rows}</table>`}${content.length > 0 && html`<p>Request</p>${content}`}${
  answers.length > 0 && html`<p>Answers</p><ul>${answers}</ul>`
}</section>`;
}

function contents(body: Node): Html[] {
  return contentOf(body).map(([type, schema]) => html`<div><code>${type}</code> ${schemaView(schema)}</div>`);
}

function schemas(document: OpenApi): Html | undefined {
  const components = document['components'] as Node | undefined;
  const all = entriesOf(components?.['schemas']);
  if (all.length === 0) return undefined;
  const views = all.map(
    ([name, schema]) => html`<section><h3 id="${schemaAnchor(name)}">${name}</h3>${schemaView(schema)}</section>`,
  );
  return html`<h2 id="schemas">Schemas</h2>${views}`;
}

function changelog({ spec, name }: CompiledApi): Html {
  const entries = [...spec.versions].reverse().map(({ version, changes }, i, all) => {
    const before = all[i + 1]?.version;
    const lines = changes.map((change) => html`<li>${change.summary}${changeWords(change)}</li>`);
    return html`<h3 id="changes-${version}">${version}</h3>${
      before === undefined
        ? html`<p>The first version.</p>`
        : html`<ul>${lines}</ul><p><a href="${guidePath(name, before, version)}">From ${before} to ${version}</a></p>`
    }`;
  });
  return html`<h2 id="changelog">Changelog</h2>${entries}`;
}
