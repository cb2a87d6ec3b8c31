/**
 * The policy of routes that say `api: NAME`: finds the version a caller means, tells it in the answer, and brings the
 * request to the newest version and the answer back, so that the upstream knows one version only.
 *
 * It stands last before the upstream: whatever else looks at the request or the answer sees them as the caller does.
 */
import { type Clock, decodeUtf8, type Limits, SluiceError } from '#kernel';
import type { AnswerStep, BodyStep, GatewayRequest, Policy, Verdict, WholeAnswer } from '../policy.ts';
import { compileRewrite } from '../route/rewrite.ts';
import type { NamedRoute } from '../table.ts';
import { applyAll, type Change, queryObject, queryText } from './changes.ts';
import { type CompiledApi, type CompiledVersion, pathPart } from './compiled-api.ts';
import { type DeprecatedParts, usedParts } from './deprecated-fields.ts';
import { isGone, refusalOf, stateOf } from './lifetime.ts';
import { MEDIA_TYPES, Naming } from './naming.ts';
import { parseJson, writeJson } from './numbers.ts';
import { isJson } from './open-api.ts';
import { compileTemplate } from './templates.ts';

const SHOWN_CHARACTERS = 40;
const NOTED_CHARACTERS = 1_000;
/** They tell of bytes that are not the ones sent. */
const DIGESTS = new Set(['content-digest', 'repr-digest', 'digest', 'content-md5', 'accept-ranges']);

/** A request on its way: the changes between its version and the newest that concern it, oldest first. */
interface Walk {
  readonly ups: readonly Change[];
  readonly downs: readonly Change[];
  readonly deprecated: DeprecatedParts | undefined;
}

class VersionPolicy implements Policy {
  readonly name = 'version';
  readonly body: BodyStep;
  readonly answer: AnswerStep;
  readonly #api: CompiledApi;
  readonly #clock: Clock;
  readonly #naming: Naming;
  readonly #vary: string;
  readonly #walks = new WeakMap<GatewayRequest, Walk>();
  readonly #matches: (path: string) => readonly string[] | undefined;
  readonly #rewrite: ((params: readonly string[]) => string) | undefined;

  constructor(api: CompiledApi, { spec }: NamedRoute, clock: Clock, limits: Limits) {
    this.#api = api;
    this.#clock = clock;
    this.#naming = new Naming(api.spec);
    const { header, media_type } = api.spec.named_by;
    this.#vary = media_type === null ? header : `accept, ${header}`;
    this.#matches = compileTemplate(spec.path);
    this.#rewrite = compileRewrite(spec.path, spec.rewrite);
    const bytesMax = limits.apiBodyBytesMax;
    this.body = {
      bytesMax,
      whenLonger: 'refuse',
      wants: (request) => this.#wantsBody(request),
      check: (request) => this.#checkBody(request),
    };
    this.answer = {
      bytesMax,
      whenLonger: 'refuse',
      applies: (request) => (this.#walks.get(request)?.downs.length ?? 0) > 0,
      wants: (request, status, headers) => this.#downs(request, status, headers).length > 0,
      edit: (request, answer) => this.#edit(request, answer),
    };
  }

  check(request: GatewayRequest): Verdict | Promise<Verdict> {
    const { spec, newest, name } = this.#api;
    const named = this.#naming.versionOf(request);
    const version = this.#api.find(named);
    request.answerHeaders.push('vary', this.#vary);
    if (version === undefined) return this.#unknown(named);
    request.notes.set('api', name).set('version', version.name);
    request.answerHeaders.push(spec.named_by.header, version.name, ...version.lifetime.headers);
    if (version !== newest && version.lifetime.headers.length > 0) {
      request.answerHeaders.push('link', `<${this.#successor(request)}>; rel="successor-version"`);
    }
    const refusal = refusalOf(version.lifetime, version.name, newest.name, this.#clock.now());
    if (refusal !== undefined) {
      const { retry_after_s: retryS } = refusal.details;
      if (retryS !== undefined) request.answerHeaders.push('retry-after', String(retryS));
      return refusal;
    }
    this.#hideName(request);
    return this.#begin(request, version);
  }

  #unknown(text: string): SluiceError {
    const now = this.#clock.now();
    const { versions, newest, name } = this.#api;
    const served = versions.filter(({ lifetime }) => !isGone(lifetime, now));
    const shown = JSON.stringify(text.slice(0, SHOWN_CHARACTERS));
    const known = served.map((version) => version.name).join(', ');
    return new SluiceError('API_VERSION_UNKNOWN', `API ${name} has no version ${shown}; it has ${known}`, {
      versions: served.map((one) => ({ version: one.name, state: stateOf(one.lifetime, one === newest, now) })),
    });
  }

  /** The same thing in the newest version, where paths tell versions; else what is written about that one. */
  #successor(request: GatewayRequest): string {
    const { spec, newest, name } = this.#api;
    // A path may hold what ends a link.
    const path = request.path.replace(/[<>"]/g, encodeURIComponent);
    if (spec.named_by.path) return `/${pathPart(newest.name)}${path}`;
    return spec.docs === 'public' ? `/docs/${name}/${newest.name}` : path;
  }

  /** The upstream is told the version that it speaks, where callers would tell theirs, and nothing of theirs. */
  #hideName(request: GatewayRequest): void {
    const { header } = this.#api.spec.named_by;
    request.spent.add(header);
    request.upstreamHeaders.push(header, this.#api.newest.name);
    for (const field of MEDIA_TYPES) {
      const value = request.header(field);
      const bare = value === undefined ? undefined : this.#naming.bareMediaType(value);
      if (bare === undefined || bare === value) continue;
      request.spent.add(field);
      request.upstreamHeaders.push(field, bare);
    }
  }

  #begin(request: GatewayRequest, version: CompiledVersion): Verdict | Promise<Verdict> {
    const { base_path } = this.#api.spec;
    const inside = base_path === '' || request.path.startsWith(`${base_path}/`);
    const base = inside ? base_path : '';
    const asked = request.path.slice(base.length);
    const concerned: Change[] = [];
    let path = asked;
    for (const change of version.changes) {
      if (!change.concerns(request.method, path)) continue;
      concerned.push(change);
      path = change.move(path);
    }
    const downs = concerned.filter(({ down }) => down !== undefined);
    // A part of an answer cannot be brought down.
    if (downs.length > 0) request.spent.add('range');
    const deprecated = version.deprecated(request.method, asked);
    const ups = concerned.filter(({ up }) => up !== undefined);
    this.#walks.set(request, { ups, downs, deprecated });
    if (deprecated !== undefined) note(request, usedParts(deprecated, request, undefined));
    const query = this.#naming.bareQuery(request.query);
    const queries = concerned.filter((change) => change.query !== undefined);
    const moved = path === asked ? undefined : base + path;
    if (queries.length === 0) return this.#aim(request, moved, query);
    return this.#walkQuery(request, queries, moved, query);
  }

  async #walkQuery(
    request: GatewayRequest,
    changes: readonly Change[],
    moved: string | undefined,
    query: string,
  ): Promise<Verdict> {
    try {
      const transforms = changes.flatMap((change) => change.query ?? []);
      const value = await applyAll(transforms, queryObject(query), this.#clock.now());
      return this.#aim(request, moved, queryText(value));
    } catch (error) {
      return unfit('API_REQUEST_UNFIT', 'the query', error);
    }
  }

  /** Says what the upstream is asked for, where that is not what the caller asked for. */
  #aim(request: GatewayRequest, moved: string | undefined, query: string): Verdict {
    if (moved === undefined && query === request.query) return undefined;
    let path = moved ?? request.path;
    if (this.#rewrite !== undefined) {
      const params = moved === undefined ? request.params : this.#matches(moved);
      if (params === undefined) {
        return new SluiceError(
          'API_REQUEST_UNFIT',
          `its path in the newest version, ${moved}, is not one of the route`,
        );
      }
      path = this.#rewrite(params);
    }
    request.upstreamTarget = query === '' ? path : `${path}?${query}`;
    return undefined;
  }

  #wantsBody(request: GatewayRequest): boolean {
    const walk = this.#walks.get(request);
    if (walk === undefined || !isJson(request.header('content-type') ?? '')) return false;
    // What is only to be noted is no reason to refuse a body that is long.
    const noted = (walk.deprecated?.body.length ?? 0) > 0;
    return walk.ups.length > 0 || (noted && request.body !== undefined && request.body.length <= this.body.bytesMax);
  }

  async #checkBody(request: GatewayRequest): Promise<Verdict> {
    const { ups, deprecated } = this.#walks.get(request) as Walk;
    const encoding = request.header('content-encoding');
    if (encoding !== undefined && encoding !== 'identity') {
      if (ups.length === 0) return undefined;
      return new SluiceError(
        'MEDIA_TYPE_UNSUPPORTED',
        'a body that is brought to the newest version must not be encoded',
      );
    }
    try {
      const value = parseJson(decodeUtf8(request.body as Buffer));
      if (deprecated !== undefined) note(request, usedParts(deprecated, request, value));
      if (ups.length === 0) return undefined;
      const transforms = ups.flatMap(({ up }) => up ?? []);
      request.body = Buffer.from(writeJson(await applyAll(transforms, value, this.#clock.now())));
      for (const name of DIGESTS) request.spent.add(name);
      return undefined;
    } catch (error) {
      return ups.length === 0 ? undefined : unfit('API_REQUEST_UNFIT', 'the body', error);
    }
  }

  /** The changes that this answer walks back, the newest first. */
  #downs(request: GatewayRequest, status: number, headers: WholeAnswer['headers']): readonly Change[] {
    const downs = this.#walks.get(request)?.downs ?? [];
    if (downs.length === 0 || !isJson(headerOf(headers, 'content-type'))) return [];
    const first = String(status).slice(0, 1);
    return downs.filter(({ downStatuses }) => downStatuses.has(first)).reverse();
  }

  async #edit(request: GatewayRequest, answer: WholeAnswer): Promise<WholeAnswer | SluiceError> {
    const encoding = headerOf(answer.headers, 'content-encoding');
    if (encoding !== '' && encoding !== 'identity') {
      return new SluiceError(
        'API_ANSWER_UNFIT',
        `the answer came encoded (${encoding}), although that was not asked for`,
      );
    }
    try {
      const transforms = this.#downs(request, answer.status, answer.headers).flatMap(({ down }) => down ?? []);
      const value = await applyAll(transforms, parseJson(decodeUtf8(answer.body)), this.#clock.now());
      const headers: (string | Buffer)[] = [];
      for (let i = 0; i < answer.headers.length; i += 2) {
        const name = answer.headers[i] as string;
        if (!DIGESTS.has(name)) headers.push(name, answer.headers[i + 1] as string | Buffer);
      }
      return { status: answer.status, headers, body: Buffer.from(writeJson(value)) };
    } catch (error) {
      return unfit('API_ANSWER_UNFIT', 'the answer', error);
    }
  }
}

function note(request: GatewayRequest, used: readonly string[]): void {
  if (used.length > 0) request.notes.set('deprecated_fields', used.join(' ').slice(0, NOTED_CHARACTERS));
}

function headerOf(headers: WholeAnswer['headers'], name: string): string {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return String(headers[i + 1]);
  return '';
}

/** Says where it does not fit, and for a request why; what an upstream answered is not the caller's to read. */
function unfit(code: 'API_REQUEST_UNFIT' | 'API_ANSWER_UNFIT', what: string, error: unknown): SluiceError {
  const why = error instanceof SluiceError || error instanceof SyntaxError ? error.message : 'it cannot be read';
  const told = code === 'API_REQUEST_UNFIT' ? `: ${why}` : '';
  return new SluiceError(code, `${what} cannot be brought to another version of the API${told}`, {}, error);
}

/** The policy, and before it the one that keeps an upstream from telling versions itself. */
export function versionPolicies(api: CompiledApi, route: NamedRoute, clock: Clock, limits: Limits): Policy[] {
  const own = new Set([api.spec.named_by.header, 'deprecation', 'sunset']);
  const edit: AnswerStep['edit'] = (_, answer) => {
    const headers: (string | Buffer)[] = [];
    for (let i = 0; i < answer.headers.length; i += 2) {
      const name = answer.headers[i] as string;
      if (!own.has(name)) headers.push(name, answer.headers[i + 1] as string | Buffer);
    }
    return { ...answer, headers };
  };
  const heads: Policy = { name: 'version-heads', answer: { bytesMax: 0, whenLonger: 'pass', edit } };
  return [heads, new VersionPolicy(api, route, clock, limits)];
}
