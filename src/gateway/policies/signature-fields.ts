/**
 * Reads the fields of RFC 9421 as far as signed requests need them: `Signature-Input` with its covered components and
 * parameters, `Signature`, and the digests of `Content-Digest` (RFC 9530). Strict: what is not understood is not there.
 */

export interface SignatureInput {
  readonly components: readonly string[];
  /** Parameters by name: strings without quotes, whole numbers. */
  readonly parameters: ReadonlyMap<string, string | number>;
  /** As written, which is what was signed over. */
  readonly text: string;
}

const LABEL = /^([a-z*][a-z0-9_.*-]{0,63})=(.*)$/s;
const INPUT =
  /^\(((?:"[a-z0-9@-]{1,128}"(?: "[a-z0-9@-]{1,128}")*)?)\)((?:;[a-z]{1,32}=(?:"[^"\\]{0,512}"|\d{1,15}))*)$/;
const PARAMETER = /;([a-z]+)=(?:"([^"]*)"|(\d+))/g;
const BYTES = /^:([A-Za-z0-9+/]+={0,2}):$/;
const MEMBERS_MAX = 8;

/** The members of a dictionary by label; commas inside quotes do not part them. */
function members(field: string): Map<string, string> {
  const found = new Map<string, string>();
  let quoted = false;
  let from = 0;
  for (let i = 0; i <= field.length && found.size < MEMBERS_MAX; i++) {
    if (field[i] === '"') quoted = !quoted;
    if (i < field.length && (field[i] !== ',' || quoted)) continue;
    const [, label, value] = LABEL.exec(field.slice(from, i).trim()) ?? [];
    if (label !== undefined && value !== undefined) found.set(label, value);
    from = i + 1;
  }
  return found;
}

export function readSignatureInputs(field: string): Map<string, SignatureInput> {
  const inputs = new Map<string, SignatureInput>();
  for (const [label, text] of members(field)) {
    const [, list, rest] = INPUT.exec(text) ?? [];
    if (list === undefined || rest === undefined) continue;
    const components = list === '' ? [] : list.split(' ').map((one) => one.slice(1, -1));
    const parameters = new Map<string, string | number>();
    for (const [, name, word, number] of rest.matchAll(PARAMETER)) {
      parameters.set(name as string, word ?? Number(number));
    }
    // A component twice is an error there.
    if (new Set(components).size === components.length) inputs.set(label, { components, parameters, text });
  }
  return inputs;
}

/** Byte sequences by label: of `Signature`, and of `Content-Digest` by algorithm. */
export function readByteFields(field: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const [label, text] of members(field)) {
    const base64 = BYTES.exec(text)?.[1];
    if (base64 !== undefined) found.set(label, Buffer.from(base64, 'base64'));
  }
  return found;
}
