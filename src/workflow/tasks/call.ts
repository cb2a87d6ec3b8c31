/**
 * `call`: a service, or a function of the document. A service is called after the commit that says so; what is sent is made
 * from the state then, so that no secret is ever recorded. A function is the task it stands for, given the arguments.
 */
import type { AuthenticationReference, Endpoint } from '../definition/parts.ts';
import type { CallTask, HttpCall, OpenApiCall } from '../definition/tasks.ts';
import { authenticationOf } from '../engine/authentication.ts';
import type { Behaviour, RequestContext } from '../engine/behaviour.ts';
import type { EffectRequest } from '../engine/effect.ts';
import { Fault, problem } from '../engine/fault.ts';
import type { Frame } from '../engine/model.ts';
import { configuration, type Node, type Planner } from '../engine/plan.ts';
import type { Template } from '../engine/templates.ts';

type Body =
  | { readonly how: 'function'; readonly arguments: Template; readonly tasks: readonly Node[] }
  | {
      readonly how: 'service';
      readonly protocol: string;
      readonly arguments: Template;
      readonly authentication: AuthenticationReference | undefined;
    };

const PROTOCOLS = new Set(['http', 'openapi', 'grpc', 'asyncapi']);

export const callBehaviour: Behaviour = {
  compile: (task: CallTask, planner: Planner, pointer: string): Body => {
    const given = (task.with ?? {}) as Record<string, unknown>;
    if (!PROTOCOLS.has(task.call)) return compileFunction(task.call, given, planner, pointer);
    const authentication = authenticationIn(task.call, given);
    return { how: 'service', protocol: task.call, arguments: planner.templates.value(given), authentication };
  },
  start: (run, node, place, input) => {
    const body = node.body as Body;
    if (body.how === 'service') run.open(node, place, input, { waits: 'effect' });
    else run.open(node, place, input, { value: run.evaluate(body.arguments, place, node, input, input) });
  },
  advance: (run, frame, node) => {
    const body = node.body as Body;
    if (body.how === 'function') run.advanceList(frame, body.tasks, (value) => run.end(frame, node, value));
  },
  result: (run, frame, node, result) => {
    if (result.ok) run.end(frame, node, result.output);
    else run.fail(frame, node, { ...result.error, instance: node.pointer });
  },
  request: (context, frame, node) => serviceRequest(context, frame, node.body as Body & { how: 'service' }),
};

function compileFunction(name: string, given: unknown, planner: Planner, pointer: string): Body {
  const task = planner.document.use?.functions?.[name];
  if (task === undefined) throw configuration(`there is no function ${name} in use.functions`);
  const tasks = planner.inside(name, () => [planner.node(name, task, `${pointer}/function`, 0)]);
  return { how: 'function', arguments: planner.templates.value(given), tasks };
}

function authenticationIn(protocol: string, given: Record<string, unknown>): AuthenticationReference | undefined {
  const { endpoint } = given as unknown as HttpCall;
  if (protocol === 'http') return typeof endpoint === 'object' ? endpoint.authentication : undefined;
  if (protocol === 'grpc') return (given['service'] as { authentication?: AuthenticationReference }).authentication;
  return (given as unknown as OpenApiCall).authentication;
}

function serviceRequest(context: RequestContext, frame: Frame, body: Body & { how: 'service' }): EffectRequest {
  const given = body.arguments.evaluate(frame.input, () => context.variables()) as Record<string, unknown>;
  const authentication = authenticationOf(body.authentication, context, frame.input);
  if (body.protocol !== 'http') {
    return { kind: 'other', runner: body.protocol, work: { ...given, authentication, input: frame.input } };
  }
  const { method, endpoint, headers, query, body: content, output, redirect } = given as unknown as HttpCall;
  return {
    kind: 'http',
    method: String(method).toUpperCase(),
    uri: withQuery(expandUri(uriOf(endpoint), frame.input), query),
    headers: textFields(headers, 'headers'),
    body: content,
    output: output ?? 'content',
    redirect: redirect ?? false,
    authentication,
  };
}

function uriOf(endpoint: Endpoint): string {
  return String(typeof endpoint === 'object' && endpoint !== null ? endpoint.uri : endpoint);
}

/** `{name}` is a field of the input. @throws Fault of type `expression` where there is none */
function expandUri(uri: string, input: unknown): string {
  return uri.replace(/\{([A-Za-z0-9_.-]+)\}/g, (_, path: string) => {
    let value: unknown = input;
    for (const name of path.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[name];
    if (value === undefined || value === null || typeof value === 'object') {
      throw new Fault(problem('expression', 400, `the input has no ${path} for ${uri}`));
    }
    return encodeURIComponent(String(value));
  });
}

function withQuery(uri: string, query: HttpCall['query']): string {
  const fields = Object.entries(textFields(query, 'query'));
  if (fields.length === 0) return uri;
  const text = fields.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  return `${uri}${uri.includes('?') ? '&' : '?'}${text}`;
}

/** @throws Fault of type `expression` where it is no object */
function textFields(fields: unknown, what: string): Record<string, string> {
  if (fields === undefined || fields === null) return {};
  if (typeof fields !== 'object') throw new Fault(problem('expression', 400, `${what} must be an object`));
  const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]),
  );
}
