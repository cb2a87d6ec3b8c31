/**
 * HTML that is safe by its making: pieces are made by the tag `html`, which escapes whatever is put in that is not a piece
 * itself. Pages have no scripts and load nothing; their policy says so to browsers.
 */
import { createHash } from 'node:crypto';
import type { WholeAnswer } from '../policy.ts';

export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | undefined | false | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function partText(part: Part): string {
  if (part instanceof Html) return part.text;
  if (part === undefined || part === false) return '';
  if (typeof part === 'object') return part.map(partText).join('');
  return String(part).replace(/[&<>"']/g, (sign) => ESCAPES[sign] as string);
}

export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(texts.map((text, i) => (i === 0 ? text : partText(parts[i - 1]) + text)).join(''));
}

/** A link to `href` where that leads to the web or to this server, else the words alone. */
export function linkTo(href: string, words: Part): Html {
  return /^(https?:\/\/|\/(?!\/)|#)/.test(href) ? html`<a href="${href}">${words}</a>` : html`${words}`;
}

/** For `id` and fragments: only what needs no escape in either. */
export function anchor(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]+/g, '-');
}

const STYLE = `
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem 1.5rem 4rem;color:#1b1f24;background:#fff}
h1,h2,h3{line-height:1.2;margin:2rem 0 .5rem}h3{font-size:1rem;padding:.5rem .75rem;background:#f2f4f7;border-radius:.4rem}
code,pre{font:14px/1.5 ui-monospace,monospace}pre{background:#f2f4f7;padding:.75rem;border-radius:.4rem;overflow:auto}
table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #e3e6ea}
ul{padding-left:1.25rem}.method{font-weight:700;margin-right:.5rem}.told{white-space:pre-line}.muted{color:#5b6570}
.state{padding:0 .5rem;border-radius:1rem;background:#e3e6ea;font-size:.85rem}.state-deprecated,.state-gone,.deprecated{background:#ffe3c2}
details{margin:.25rem 0}a{color:#0b5cad}
@media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#14171a}h3,pre{background:#20252a}td,th{border-color:#333a41}.state{background:#333a41}.state-deprecated,.state-gone,.deprecated{background:#6b3f0c}.muted{color:#9aa4ae}a{color:#7ab8ff}}
`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');
const CONTENT_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const GUARDS = ['x-content-type-options', 'nosniff', 'referrer-policy', 'no-referrer', 'cache-control', 'no-cache'];

export function page(title: string, body: Html): WholeAnswer {
  const whole = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${new Html(STYLE)}</style></head>
<body>${body}</body></html>
`;
  const headers = ['content-type', 'text/html; charset=utf-8', 'content-security-policy', CONTENT_POLICY, ...GUARDS];
  return { status: 200, headers, body: Buffer.from(whole.text) };
}

export function jsonAnswer(value: unknown): WholeAnswer {
  const headers = ['content-type', 'application/json', 'content-security-policy', "default-src 'none'", ...GUARDS];
  return { status: 200, headers, body: Buffer.from(`${JSON.stringify(value, null, 2)}\n`) };
}
