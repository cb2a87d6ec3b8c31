/** What an operation of an OpenAPI document asks of its callers, in a form that two documents can be compared by. Pure. */
import { entriesOf, listOf, type Node, type OpenApi, resolve, textOf } from './open-api.ts';

/** Ways in, any of which will do; each is a list of schemes and scopes that it takes. An empty way takes nothing. */
export type AuthRequirements = readonly (readonly string[])[];

export function requirementsOf(document: OpenApi, operation: Node): AuthRequirements {
  const declared = operation['security'] ?? document['security'];
  if (!Array.isArray(declared) || declared.length === 0) return [[]];
  return declared.map((way) =>
    entriesOf(way).flatMap(([name, scopes]) => {
      const scheme = shapeOf(document, name);
      return [scheme, ...listOf(scopes).map((scope) => `${scheme} with scope ${String(scope)}`)];
    }),
  );
}

/** A scheme by what a caller does for it, not by the name the document gives it. */
function shapeOf(document: OpenApi, name: string): string {
  const components = document['components'] as Node | undefined;
  const scheme = resolve(document, (components?.['securitySchemes'] as Node | undefined)?.[name]);
  const type = textOf(scheme['type']);
  if (type === 'apiKey') return `the key ${textOf(scheme['name'])} in ${textOf(scheme['in'])}`;
  if (type === 'http') return `the scheme ${textOf(scheme['scheme']).toLowerCase()}`;
  if (type === 'openIdConnect') return `OpenID Connect of ${textOf(scheme['openIdConnectUrl'])}`;
  return type === '' ? name : type;
}
