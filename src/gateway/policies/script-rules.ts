/** Screening for scripts that would run in a page, and for lines and filters smuggled into headers and directories. */
import { type ScreeningRule, words } from './screening-rule.ts';

const TAGS = words(`
  script svg iframe frame frameset img image video audio object embed applet form input button textarea select keygen link
  meta base style body html head math marquee isindex template noscript noembed xml xss bgsound layer ilayer dialog
  details listing plaintext xmp title set animate animatetransform animatemotion source track portal slot canvas blink`);

export const XSS_RULES: readonly ScreeningRule[] = [
  {
    name: 'tag',
    form: 'text',
    points: 5,
    pattern: new RegExp(`<[^\\w<>]{0,4}(?:[a-z]{1,12}:)?(?:${TAGS})(?:[\\s/>"'+=#:.]|$)`),
  },
  {
    name: 'spaced-tag',
    form: 'tight',
    points: 5,
    pattern: /<\/?(?:script|iframe|form|dialog|object|embed|style|svg|[a-z]{1,4}:script)(?:[^a-z]|$|xmlns)/,
  },
  {
    name: 'any-tag',
    form: 'text',
    points: 5,
    pattern:
      /<[a-z][\w:-]{0,24}[ /][^<>]{0,200}(?:\bon\w{3,40} ?=|javascript:|href ?= ?["']?|src ?=|style ?=|xmlns)|<\?(?:import|xml|php)\b|<!(?:entity|doctype|\[cdata|--)|!entity\b|<v:\w/,
  },
  {
    name: 'handler',
    form: 'text',
    points: 5,
    pattern: /(?:^|[\s"'`/;<>&?])on[a-z]{3,50} ?= ?(?!$|[a-z0-9]{1,64}$)|^ on[a-z]{4,42} ?= ?|["'`] ?on[a-z]{3,42} ?=/,
  },
  {
    name: 'scheme',
    form: 'tight',
    points: 5,
    pattern:
      /(?:java|vb|live|j|w)script:|^javascript|(?:^|["'=(,;])data:(?:text\/html|[\w/+-]{0,30}(?:;base64)?,)|url\(javascript|:url\(j|-moz-binding|mocha:|feed:javascript|expression\(|behavior:url|@import/,
  },
  {
    name: 'page',
    form: 'text',
    points: 5,
    places: ['query', 'header', 'body'],
    pattern:
      /\bdocument ?\)?[.[] ?["']?(?:cookie|write|location|domain|queryselector|getelement|body|forms|create|title|url|referrer)|\bwindow ?\)?[.[] ?["']?(?:location|name|open|alert|document|eval|top|parent)|\b(?:self|top|parent|this|frames|globalthis|window|\(document\)) ?\[|\.(?:innerhtml|outerhtml|textcontent|parentnode|fromcharcode)\b|-->|<!--|\bgetelementsby\w{3,9}\b|\.constructor\b/,
  },
  {
    name: 'call',
    form: 'text',
    points: 5,
    pattern:
      /(?:^|[^\w.$-])(?:alert|prompt|confirm|eval|atob|btoa|settimeout|setinterval|setimmediate|function|fetch|import|expression|execscript|msgbox|reflect\.\w{3,10})(?: ?\(| ?`)|\bnew (?:image|function|xmlhttprequest|activexobject|worker)\b|\.(?:call|apply|map|sort|foreach|filter) ?(?:`|\(\w{0,20}(?:alert|eval))|\b(?:alert|eval|prompt|confirm)\b ?[}\])?]{0,2} ?[`\d(]/,
  },
  { name: 'template', form: 'text', points: 5, pattern: /\{\{[^}]{1,200}\}?\}|\$\{[^}]{1,80}\}|<%=?|\{%/ },
  {
    name: 'decoded',
    form: 'text',
    points: 5,
    pattern:
      /["']?in ["']?valueof|\bvalueof ?=|\bfromcharcode|\+adw-|\+ad4-|[\u00bc\u00be\u00a2]?\ufffdscript|\u00bc\/?\w{1,20}[^\u00be]{0,80}\u00be|\\xbc.{1,60}\\xbe|¼.{1,60}¾|\u00bc.{1,60}\u00be|1⁄4.{1,60}3⁄4/,
  },
  { name: 'no-letters', form: 'tight', points: 5, pattern: /!\+?\[\]|\(!\[\]|\[\]\[|!!\[/ },
  {
    name: 'style',
    form: 'text',
    points: 5,
    pattern:
      /\b(?:style|[a-z]) ?= ?["']?[\w-]{1,20} ?:[^<>]{0,120}(?:url ?\( ?javascript|expression)|<style\b|=x:url|:url\(javascript/,
  },
];

const FIELDS = words(`
  content-(?:length|type|disposition|encoding|location) set-cookie location refresh remote-addr host x-\\w{2,30} cookie transfer-encoding
  status cache-control access-control-\\w{4,20} link origin`);

export const HEADER_RULES: readonly ScreeningRule[] = [
  {
    name: 'field',
    form: 'lines',
    points: 5,
    pattern: new RegExp(`[\\r\\n]{1,4} ?(?:${FIELDS}) ?[\\r\\n]{0,3}:[ \\r\\n]{0,3}\\S`),
  },
  {
    name: 'request-line',
    form: 'lines',
    points: 5,
    pattern:
      /\b(?:get|post|head|put|delete|options|connect|trace|track|patch|debug) ?(?:\/|https?:)[^\s]{0,200} http\/\d/,
  },
  { name: 'status-line', form: 'lines', points: 5, pattern: /\bhttp\/\d(?:\.\d)? \d{3}\b/ },
  { name: 'line-in-header', form: 'lines', points: 5, places: ['header', 'path'], pattern: /[\r\n]/ },
  {
    name: 'line-and-tag',
    form: 'lines',
    points: 5,
    pattern: /[\r\n]{1,4}<(?:html|meta|title|body|script)|<meta[^>]{0,60}http-equiv/,
  },
  {
    name: 'line-in-query',
    form: 'lines',
    points: 5,
    places: ['query'],
    pattern: /[\r\n]{1,3}(?:[\w-]{0,40} ?(?:=|: ?\S)|%|[a-z]{8,64}$)/,
  },
  {
    name: 'directory',
    form: 'text',
    points: 5,
    pattern:
      /^[^(]{0,100}\) ?[&|!]? ?\( ?(?:[&|!]|[\w-]{1,30} ?(?:[<>~]?=))|^[^(]{0,100}\)\(\W?\)|^[^(]{0,100}\) ?\( ?[&|]|\)[!&|]\(/,
  },
  { name: 'range', form: 'text', points: 5, field: 'range', pattern: /./ },
  {
    name: 'type',
    form: 'text',
    points: 5,
    field: 'content-type',
    pattern: /,|^[^;]{0,80};[^;]{0,60}\/|;[^=]{0,40}(?:application|text|image|multipart)\//,
  },
  { name: 'socket', form: 'text', points: 5, pattern: /\bunix:[^|]{1,4096}\|https?:/ },
  { name: 'cookie-version', form: 'text', points: 5, field: 'cookie', pattern: /^\$version/ },
];
