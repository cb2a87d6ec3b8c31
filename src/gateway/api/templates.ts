/** Path templates such as `/orders/{id}/items`, as operations of an API are named. Compiled once, matched a request. */

const REST = /^\{[A-Za-z0-9_]+\.\.\.\}$/;

/** What a path holds in place of the template's parameters; undefined where it does not fit. */
export type PathMatch = (path: string) => readonly string[] | undefined;

/** A parameter takes its whole segment; `{name...}`, as the last one, takes what is left, which may be nothing. */
export function compileTemplate(template: string): PathMatch {
  const segments = template.slice(1).split('/');
  const last = segments[segments.length - 1] as string;
  const open = REST.test(last);
  const fixed = open ? segments.slice(0, -1) : segments;
  return (path) => {
    const given = path.slice(1).split('/');
    if (open ? given.length < segments.length : given.length !== segments.length) return undefined;
    const params: string[] = [];
    for (let i = 0; i < fixed.length; i++) {
      const segment = fixed[i] as string;
      const value = given[i] as string;
      if (segment.includes('{')) {
        if (value === '') return undefined;
        params.push(value);
      } else if (segment !== value) return undefined;
    }
    if (open) params.push(given.slice(fixed.length).join('/'));
    return params;
  };
}

const OPERATION = /^(\*|[A-Z]+) (\/\S*)$/;

/** `GET /orders/{id}`, or `*` for any method. */
export function compileOperation(text: string): (method: string, path: string) => boolean {
  const [, method, template = '/'] = OPERATION.exec(text) ?? [];
  const match = compileTemplate(template);
  return (asked, path) => (method === '*' || method === asked) && match(path) !== undefined;
}
