/**
 * The head of a request, taken from the native request before its callback returns, and what follows from it: how its
 * body is framed, its one spelling of host and path, its route. Both ordinary requests and upgrades begin here.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { bodyLength, NO_BODY } from '#http1';
import { asSluiceError, SluiceError } from '#kernel';
import type { GatewayRequest } from '../policy.ts';
import { addTrace, type TraceContext, traceContext } from '../records/trace-context.ts';
import { canonicalPath, checkQuery } from '../route/path.ts';
import { addressText } from './address-text.ts';
import {
  bytesOf,
  CLIENT_HEADER,
  checkRequestValues,
  forwardedHeaders,
  type Origin,
  originOf,
  TRACE_HEADER,
  viaOf,
} from './headers.ts';
import type { ListenerHost, LiveRoute } from './live-table.ts';

interface CertifiedResponse extends HttpResponse {
  /** PEM; empty when the client has shown none. */
  getX509Certificate(): string;
}

const METHOD = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}$/;

let collected: string[] = [];
function collect(name: string, value: string): void {
  collected.push(name, value);
}

export class RequestHead implements GatewayRequest {
  readonly method: string;
  readonly host: string;
  readonly query: string;
  readonly headers: readonly string[];
  /** Bytes of the body, `NO_BODY` or `CHUNKED`. */
  readonly bodyLength: number;
  readonly certificate: string | undefined;
  path: string;
  params: readonly string[] = [];
  pathVersion: string | undefined;
  client: GatewayRequest['client'];
  claims: GatewayRequest['claims'];
  upstreamTarget: string | undefined;
  body: Buffer | undefined;
  outlives = false;
  /** The framing is in doubt: the connection must not be used on. */
  readonly ambiguous: SluiceError | undefined;
  readonly #host: ListenerHost;
  readonly #peer: string;
  #live: LiveRoute | undefined;
  #origin: Origin | undefined;
  #via = '';
  #ascii = true;
  #trace: TraceContext | undefined;
  // Most requests need none of these.
  #notes: Map<string, string | number> | undefined;
  #spent: Set<string> | undefined;
  #upstreamHeaders: string[] | undefined;
  #answerHeaders: string[] | undefined;

  constructor(res: HttpResponse, req: HttpRequest, host: ListenerHost) {
    this.#host = host;
    this.method = req.getCaseSensitiveMethod();
    this.path = req.getUrl();
    this.query = req.getQuery() ?? '';
    collected = [];
    req.forEach(collect);
    this.headers = collected;
    // Not among the library's types.
    if (host.settings.clientCaFile !== undefined) this.certificate = (res as CertifiedResponse).getX509Certificate();
    this.#peer = addressText(res.getRemoteAddress());
    let length = NO_BODY;
    try {
      length = bodyLength(this.headers);
    } catch (error) {
      this.ambiguous = asSluiceError(error);
    }
    this.bodyLength = length;
    this.host = hostName(this.header('host') ?? '');
  }

  /** Finds the route. @throws REQUEST_MALFORMED, EXPECTATION_FAILED, GATEWAY_LOOP, and as the router */
  resolve(): LiveRoute {
    if (this.ambiguous !== undefined) throw this.ambiguous;
    if (!METHOD.test(this.method)) throw new SluiceError('REQUEST_MALFORMED', 'the method is not one');
    const { path, encodedSlash } = canonicalPath(this.path);
    this.path = path;
    checkQuery(this.query);
    const expect = this.header('expect');
    if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
      throw new SluiceError('EXPECTATION_FAILED', 'only 100-continue can be expected here');
    }
    this.#ascii = checkRequestValues(this.headers);
    this.#via = viaOf(this.headers, this.#host.settings.pseudonym, this.#host.via);
    const { route, params, version } = this.#host.table.find(this);
    if (encodedSlash && !route.named.spec.encoded_slashes) {
      throw new SluiceError('REQUEST_MALFORMED', 'the path is refused: this route takes no %2F');
    }
    this.#live = route;
    this.params = params;
    if (version !== undefined) {
      this.pathVersion = version.replace('v', '');
      this.path = this.path.slice(version.length + 1) || '/';
    }
    return route;
  }

  get route(): GatewayRequest['route'] {
    return (this.#live as LiveRoute).named;
  }

  get spent(): Set<string> {
    this.#spent ??= new Set();
    return this.#spent;
  }

  get upstreamHeaders(): string[] {
    this.#upstreamHeaders ??= [];
    return this.#upstreamHeaders;
  }

  get answerHeaders(): string[] {
    this.#answerHeaders ??= [];
    return this.#answerHeaders;
  }

  /** Undefined where there are none. */
  get furtherAnswerHeaders(): readonly string[] | undefined {
    return this.#answerHeaders;
  }

  get notes(): Map<string, string | number> {
    this.#notes ??= new Map();
    return this.#notes;
  }

  /** The trace it belongs to, and the gateway's span in it. */
  get trace(): TraceContext {
    this.#trace ??= traceContext(this.headers, () => this.#host.spans?.samples() ?? false);
    return this.#trace;
  }

  /** Of a refusal: what a caller may name when asking why. */
  problemHeaders(): string[] {
    return [...this.answerHeaders, TRACE_HEADER, this.trace.traceId];
  }

  /** Undefined where nothing was noted. */
  get noted(): ReadonlyMap<string, string | number> | undefined {
    return this.#notes;
  }

  header(name: string): string | undefined {
    const headers = this.headers;
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
    return undefined;
  }

  get clientAddress(): string {
    return this.#where().clientAddress;
  }

  #where(): Origin {
    const { trusted, scheme } = this.#host;
    const host = this.header('host') ?? '';
    this.#origin ??= originOf(this.#peer, trusted, scheme, host, (name) => this.header(name));
    return this.#origin;
  }

  /** What the upstream is asked for. */
  target(): string {
    if (this.upstreamTarget !== undefined) return this.upstreamTarget;
    const live = this.#live as LiveRoute;
    const path = live.rewrite === undefined ? this.path : live.rewrite(this.params);
    return this.query === '' ? path : `${path}?${this.query}`;
  }

  /** Headers for the upstream, apart from Host and length. */
  forwarded(webSocket = false): string[] {
    const out = forwardedHeaders(this.headers, this.#spent, webSocket);
    if (!this.#ascii) for (let i = 1; i < out.length; i += 2) out[i] = bytesOf(out[i] as string);
    for (const piece of this.#where().headers) out.push(piece);
    addTrace(out, this.trace);
    out.push('via', this.#via);
    if (this.client !== undefined) out.push(CLIENT_HEADER, this.client.name);
    if (this.#upstreamHeaders !== undefined) out.push(...this.#upstreamHeaders);
    return out;
  }
}

/** Without port and final dot, in lower case. */
function hostName(text: string): string {
  const end = text.startsWith('[') ? text.indexOf(']') + 1 : text.indexOf(':');
  const name = end > 0 ? text.slice(0, end) : text;
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}
