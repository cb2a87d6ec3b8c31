/**
 * An API description (OpenAPI 3.0 or 3.1) as the gateway goes by it: its operations by path and method, each with pointers
 * to the schemas that hold for it. References are followed here and must stay in the document.
 */
import { SluiceError } from '#kernel';
import { followed, isObject, type JsonObject, pointed, step } from './pointers.ts';

export type Style = 'simple' | 'form' | 'spaceDelimited' | 'pipeDelimited' | 'deepObject' | 'label' | 'matrix';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header' | 'cookie';
  readonly required: boolean;
  readonly style: Style;
  readonly explode: boolean;
  /** Pointer to its schema; undefined: any text. */
  readonly schema: string | undefined;
  /** The value is JSON, as `content` says. */
  readonly json: boolean;
}

export interface Media {
  /** `application/json`, `image/*`, in lower case. */
  readonly type: string;
  readonly schema: string | undefined;
}

export interface ResponseRule {
  readonly headers: readonly Parameter[];
  /** Empty: nothing is said of a body. */
  readonly content: readonly Media[];
}

export interface Operation {
  readonly id: string;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly required: boolean; readonly content: readonly Media[] } | undefined;
  /** By `200`, `2XX`, `default`. */
  readonly responses: ReadonlyMap<string, ResponseRule>;
}

export interface PathItem {
  readonly template: string;
  readonly operations: ReadonlyMap<string, Operation>;
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];
/** Described elsewhere in an API description, and left out of account as parameters. */
const OTHER_HEADERS = new Set(['accept', 'content-type', 'authorization']);
const STYLES: Readonly<Record<Parameter['in'], Style>> = {
  path: 'simple',
  query: 'form',
  header: 'simple',
  cookie: 'form',
};

export class Description {
  readonly old: boolean;
  readonly document: JsonObject;
  readonly paths: readonly PathItem[];

  /** @throws RESOURCE_INVALID */
  constructor(document: unknown) {
    if (!isObject(document)) throw invalid('', 'is not an object');
    const version = String(document['openapi'] ?? '');
    if (!/^3\.[01]\./.test(version)) throw invalid('', 'is not of OpenAPI 3.0 or 3.1');
    this.document = document;
    this.old = version.startsWith('3.0.');
    const { paths = {} } = document;
    if (!isObject(paths)) throw invalid('#/paths', 'is not an object');
    const templates = Object.keys(paths).filter((template) => template.startsWith('/'));
    this.paths = templates.map((template) => this.#pathItem(template));
  }

  #pathItem(template: string): PathItem {
    const { at, value } = this.#follow(`#/paths${step(template)}`);
    const shared = this.#parameters(`${at}/parameters`, value['parameters']);
    const operations = new Map<string, Operation>();
    for (const method of METHODS) {
      if (!isObject(value[method])) continue;
      operations.set(
        method.toUpperCase(),
        this.#operation(`${at}/${method}`, value[method], shared, `${method} ${template}`),
      );
    }
    return { template, operations };
  }

  #operation(at: string, value: JsonObject, shared: readonly Parameter[], name: string): Operation {
    const own = this.#parameters(`${at}/parameters`, value['parameters']);
    const isOwn = (one: Parameter) => own.some((other) => other.in === one.in && other.name === one.name);
    const responses = new Map<string, ResponseRule>();
    for (const status of Object.keys(isObject(value['responses']) ? value['responses'] : {})) {
      if (!status.startsWith('x-'))
        responses.set(status.toUpperCase(), this.#response(`${at}/responses${step(status)}`));
    }
    return {
      id: typeof value['operationId'] === 'string' ? value['operationId'].slice(0, 100) : name.slice(0, 200),
      parameters: [...shared.filter((one) => !isOwn(one)), ...own],
      body: value['requestBody'] === undefined ? undefined : this.#body(`${at}/requestBody`),
      responses,
    };
  }

  #body(pointer: string): Operation['body'] {
    const { at, value } = this.#follow(pointer);
    return { required: value['required'] === true, content: this.#content(`${at}/content`, value['content']) };
  }

  #response(pointer: string): ResponseRule {
    const { at, value } = this.#follow(pointer);
    const headers = Object.keys(isObject(value['headers']) ? value['headers'] : {})
      .filter((name) => name.toLowerCase() !== 'content-type')
      .map((name) => this.#parameter(`${at}/headers${step(name)}`, name, 'header'));
    return { headers, content: this.#content(`${at}/content`, value['content']) };
  }

  #content(at: string, content: unknown): Media[] {
    if (!isObject(content)) return [];
    return Object.entries(content).map(([type, media]) => ({
      type: (type.split(';')[0] as string).trim().toLowerCase(),
      schema: isObject(media) && media['schema'] !== undefined ? `${at}${step(type)}/schema` : undefined,
    }));
  }

  #parameters(at: string, list: unknown): Parameter[] {
    if (list === undefined) return [];
    if (!Array.isArray(list)) throw invalid(at, 'is not a list');
    return list
      .map((_, i) => this.#parameter(`${at}/${i}`))
      .filter((one) => one.in !== 'header' || !OTHER_HEADERS.has(one.name.toLowerCase()));
  }

  /** @param name and place of a header of an answer, which does not say them itself */
  #parameter(pointer: string, name?: string, place?: 'header'): Parameter {
    const { at, value } = this.#follow(pointer);
    const where = place ?? (value['in'] as Parameter['in']);
    const named = name ?? value['name'];
    if (STYLES[where] === undefined || typeof named !== 'string') throw invalid(at, 'is not a parameter');
    const style = (value['style'] as Style | undefined) ?? STYLES[where];
    const { content } = value;
    const [type] = isObject(content) ? Object.keys(content) : [];
    const schema = type === undefined ? `${at}/schema` : `${at}/content${step(type)}/schema`;
    return {
      name: named,
      in: where,
      required: where === 'path' || value['required'] === true,
      style,
      explode: typeof value['explode'] === 'boolean' ? value['explode'] : style === 'form',
      schema: pointed(this.document, schema) === undefined ? undefined : schema,
      json: type !== undefined && /json/i.test(type),
    };
  }

  #follow(pointer: string): { at: string; value: JsonObject } {
    try {
      return followed(this.document, pointer);
    } catch (error) {
      throw new SluiceError('RESOURCE_INVALID', (error as Error).message);
    }
  }
}

/** The rule for a status: its own, then that of its class, then `default`. */
export function ruleFor({ responses }: Operation, status: number): ResponseRule | undefined {
  return responses.get(String(status)) ?? responses.get(`${Math.floor(status / 100)}XX`) ?? responses.get('DEFAULT');
}

/** The most special of what fits a media type. */
export function mediaFor(content: readonly Media[], type: string): Media | undefined {
  const [main = ''] = type.split('/');
  return (
    content.find((media) => media.type === type) ??
    content.find((media) => media.type === `${main}/*`) ??
    content.find((media) => media.type === '*/*')
  );
}

function invalid(at: string, what: string): SluiceError {
  return new SluiceError('RESOURCE_INVALID', `${at === '' ? 'the document' : at} ${what}`);
}
