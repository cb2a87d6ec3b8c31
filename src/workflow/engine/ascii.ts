/** JSON in ASCII alone, one byte a character, as the state is kept: other characters are escaped. */
const OTHERS = /[^ -~]/g;
const HAS_OTHERS = /[^ -~]/;

export function asciiOf(json: string): string {
  if (!HAS_OTHERS.test(json)) return json;
  return json.replace(OTHERS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
