/** The query of a request, decoded once when first asked for. Repeated names are refused: which one counts? */
import { SluiceError } from '#kernel';

/** @throws REQUEST_MALFORMED on a repeated name or a bad percent escape */
export function parseQuery(raw: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  if (raw === '') return values;
  for (const part of raw.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decodePart(equals < 0 ? part : part.slice(0, equals));
    if (values.has(name))
      throw new SluiceError('REQUEST_MALFORMED', `query parameter ${name} is repeated`, { field: name });
    values.set(name, equals < 0 ? '' : decodePart(part.slice(equals + 1)));
  }
  return values;
}

/** @throws REQUEST_MALFORMED */
function decodePart(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw new SluiceError('REQUEST_MALFORMED', 'the query holds a bad percent escape', {}, error);
  }
}

/** A segment of the path; `+` stands for itself. @throws REQUEST_MALFORMED */
export function decodeSegment(text: string): string {
  if (text.indexOf('%') < 0) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new SluiceError('REQUEST_MALFORMED', 'the path holds a bad percent escape', {}, error);
  }
}
