/** The path an upstream is asked for, where a route says another one than came. Made once a route, at its declaration. */
import { SluiceError } from '#kernel';

const PARAMETER = /\{([a-z0-9_]+)(?:\.\.\.)?\}/g;

/**
 * A function from the template's parameters to the path; what they hold is canonical already.
 * @throws RESOURCE_INVALID when `rewrite` names a parameter that `path` has not
 */
export function compileRewrite(
  path: string,
  rewrite: string | undefined,
): ((params: readonly string[]) => string) | undefined {
  const names = [...path.matchAll(PARAMETER)].map(([, name]) => name as string);
  if (new Set(names).size !== names.length) throw invalid('path', 'a parameter occurs twice');
  if (rewrite === undefined) return undefined;
  const parts: (string | number)[] = [];
  let end = 0;
  for (const found of rewrite.matchAll(PARAMETER)) {
    const index = names.indexOf(found[1] as string);
    if (index < 0) throw invalid('rewrite', `path has no parameter ${found[1]}`);
    parts.push(rewrite.slice(end, found.index), index);
    end = found.index + found[0].length;
  }
  parts.push(rewrite.slice(end));
  return (params) => {
    let out = '';
    for (const part of parts) out += typeof part === 'string' ? part : params[part];
    return out;
  };
}

function invalid(field: string, reason: string): SluiceError {
  return new SluiceError('RESOURCE_INVALID', `${field}: ${reason}`, { field });
}
