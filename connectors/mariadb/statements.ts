/**
 * What statements of the binary log do to a table beyond its rows: empty it, replace it, change what its rows hold. The log has them
 * as the text they were given in. Used by `changes`.
 */

export type Effect = 'emptied' | 'replaced' | 'altered' | 'changed' | 'none';

const NAME = '(?:`(?:[^`]|``)+`|"(?:[^"]|"")+"|[\\w$\\u0080-\\uffff]+)';
const TABLE = `${NAME}(?:\\s*\\.\\s*${NAME})?`;
const COMMENTS = /\/\*(?!!)[\s\S]*?\*\/|(?:^|\s)(?:--\s|#)[^\n]*/g;
const EXECUTED = /\/\*M?!\d*([\s\S]*?)\*\//g;
const ROWS = /^(?:insert|update|delete|replace|load)\b/i;
const TRUNCATE = new RegExp(`^truncate\\s+(?:table\\s+)?(${TABLE})`, 'i');
const ALTER = new RegExp(
  `^alter\\s+(?:online\\s+)?(?:ignore\\s+)?table\\s+(?:if\\s+exists\\s+)?(${TABLE})([\\s\\S]*)`,
  'i',
);
const RENAMED = new RegExp(`\\brename\\s+(?:to\\s+|as\\s+)?(${TABLE})\\s*(?:,|$|[a-z])`, 'i');
const GONE = /\b(?:truncate|drop|exchange|coalesce|discard|import)\s+(?:partition|tablespace)\b/i;
const REWRITTEN = /\b(?:modify|change|convert|collate|character\s+set|charset|set\s+data\s+type)\b/i;
const OTHER = /^(?:drop\s+table|rename\s+table|create\s+or\s+replace\s+table)\b/i;
const NAMES = new RegExp(TABLE, 'g');

/** @param schema the database that a name without one means */
export function effectOf(sql: string, schema: string, database: string, table: string): Effect {
  const text = sql.replace(EXECUTED, ' $1 ').replace(COMMENTS, ' ').trim();
  const means = (name: string) => isTable(name, schema, database, table);
  const truncated = TRUNCATE.exec(text)?.[1];
  if (truncated !== undefined) return means(truncated) ? 'emptied' : 'none';
  const altered = ALTER.exec(text);
  if (altered !== null) {
    const rest = altered[2] ?? '';
    const target = RENAMED.exec(rest)?.[1];
    if (target !== undefined && means(target)) return 'replaced';
    if (!means(altered[1] as string)) return 'none';
    if (GONE.test(rest)) return 'replaced';
    return REWRITTEN.test(rest) ? 'changed' : 'altered';
  }
  return OTHER.test(text) && (text.match(NAMES) ?? []).some(means) ? 'replaced' : 'none';
}

/** Whether it changes rows of one of these tables, which should have been logged as rows. */
export function changesTables(sql: string, schema: string, database: string, tables: readonly string[]): boolean {
  const text = sql.replace(EXECUTED, ' $1 ').replace(COMMENTS, ' ').trim();
  if (!ROWS.test(text)) return false;
  const names = text.match(NAMES) ?? [];
  return tables.some((table) => names.some((name) => isTable(name, schema, database, table)));
}

function isTable(name: string, schema: string, database: string, table: string): boolean {
  const parts = name.match(new RegExp(NAME, 'g')) ?? [];
  const plain = parts.map((part) => {
    if (part.startsWith('`')) return part.slice(1, -1).replaceAll('``', '`');
    return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
  });
  const [first = '', second] = plain;
  return second === undefined ? first === table && schema === database : first === database && second === table;
}
