/**
 * Scopes: what a client may do, as text. `admin` (everything), `observe`, `introspect` (ask about access tokens of other
 * clients), and an action with a glob: `produce:orders-*`. Who authorises asks `matchesGlob`; who hands out a part of
 * what a client has, as the authorization server does, asks `covers`.
 */

const SCOPE =
  /^(admin|observe|introspect|(produce|consume):([A-Za-z0-9._*-]{1,249}|stream\/[^\s]{1,512})|call:[A-Za-z0-9._*-]{1,249})$/;

/** What a glob must begin with itself to reach what begins so: topics of the system, and streams. */
const SET_APART = ['sys.', 'stream/'];

export function isScope(text: string): boolean {
  return SCOPE.test(text);
}

/** Whether `glob`, in which `*` stands for any characters, matches all of `text`. */
export function matchesGlob(glob: string, text: string): boolean {
  for (const prefix of SET_APART) if (text.startsWith(prefix) && !glob.startsWith(prefix)) return false;
  const parts = glob.split('*');
  if (parts.length === 1) return glob === text;
  const first = parts[0] as string;
  const last = parts[parts.length - 1] as string;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/**
 * Whether whoever holds `held` may do all that `wanted` allows. A `*` in what is wanted is matched by a `*` only, so it is
 * covered just when everything it stands for is.
 */
export function covers(held: string, wanted: string): boolean {
  if (held === 'admin' || held === wanted) return true;
  const colon = held.indexOf(':') + 1;
  return colon > 0 && wanted.startsWith(held.slice(0, colon)) && matchesGlob(held.slice(colon), wanted.slice(colon));
}
