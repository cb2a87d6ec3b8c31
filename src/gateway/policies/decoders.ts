/**
 * Undoes what hides an attack from a pattern: percent encoding (also twice), HTML entities, escapes of JavaScript and
 * shells, full-width letters, comments and white space. Gives the few plain forms of a value that the screening rules
 * read. Every step is one pass; the passes are bounded, so the cost grows with the length of the value alone.
 */
import { isUtf8 } from 'node:buffer';

export interface Forms {
  /** Decoded, lower case, with line ends. */
  readonly lines: string;
  /** Of it, each run of white space as one space. */
  readonly text: string;
  /** Without SQL comments. */
  readonly sql: string;
  /** Without what a shell passes over: quotes, backslashes, carets, empty variables. */
  readonly shell: string;
  /** Without any white space. */
  readonly tight: string;
}

const DECODE_PASSES = 3;
const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  tab: '\t',
  newline: '\n',
  colon: ':',
  lpar: '(',
  rpar: ')',
  sol: '/',
  bsol: '\\',
  lbrace: '{',
  rbrace: '}',
  equals: '=',
  semi: ';',
};
const BASE64_BYTES_MIN = 12;

/** What percent encoding, also of `%uXXXX` form, stands for; what is not well formed stays as it is. */
export function decodePercent(text: string): string {
  if (!text.includes('%')) return text;
  const plain = text.replace(/%u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return plain.replace(/(?:%[0-9a-f]{2}){1,4096}/gi, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));?/gi, (all, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[String(name).toLowerCase()] ?? all;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

function decodeEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = text.replace(/(?:\\x[0-9a-f]{2}){1,4096}/gi, (run) =>
    asText(Buffer.from(run.replace(/\\x/gi, ''), 'hex')),
  );
  return bytes.replace(/\\(?:u\{([0-9a-f]{1,6})\}|u([0-9a-f]{4}))/gi, (all, braced, four) => {
    const code = Number.parseInt(braced ?? four, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

/** Bytes as UTF-8 where they are that, else each as a character. */
function asText(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('latin1');
}

function decodeAll(text: string): string {
  let decoded = text;
  for (let pass = 0; pass < DECODE_PASSES; pass++) {
    const before = decoded;
    decoded = decodeEscapes(decodeEntities(decodePercent(decoded)));
    if (decoded === before) break;
  }
  return decoded;
}

export function formsOf(value: string): Forms {
  const lines = decodeAll(value).normalize('NFKC').toLowerCase().replaceAll('\0', '');
  const text = lines.replace(/\s+/g, ' ');
  const sql = text.includes('/*') ? withoutComments(text) : text;
  const shell = text
    .replace(/\$ifs(?:\$9)?|\$\{ifs\}/g, ' ')
    .replace(/\$(?:[?@*!#_$-]|[a-z0-9](?![a-z0-9_])|\{[a-z0-9_]{0,32}\})/g, '')
    .replace(/['"\\^]/g, '')
    .replace(/ {2,}/g, ' ');
  return { lines, text, sql, shell, tight: text.replaceAll(' ', '') };
}

/** SQL without comments; what MySQL runs inside `/*! … *\/` stays. */
function withoutComments(text: string): string {
  const parts: string[] = [];
  let at = 0;
  for (let from = text.indexOf('/*'); from >= 0; from = text.indexOf('/*', at)) {
    const end = text.indexOf('*/', from + 2);
    parts.push(text.slice(at, from));
    const inner = text.slice(from + 2, end < 0 ? text.length : end);
    if (inner.startsWith('!')) parts.push(inner.replace(/^!\d{0,6}/, ''));
    at = end < 0 ? text.length : end + 2;
  }
  parts.push(text.slice(at));
  return parts.join(' ').replace(/ +/g, ' ');
}

/** What a value holds as base64, where it is that plainly: all of it, and printable when decoded. */
export function decodeBase64(value: string): string | undefined {
  if (value.length < (BASE64_BYTES_MIN * 4) / 3 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) return undefined;
  const bytes = Buffer.from(value, 'base64');
  for (const byte of bytes) if (byte > 126 || (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13)) return undefined;
  return bytes.toString('latin1');
}
