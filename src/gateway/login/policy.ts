/**
 * Policy `login` on a listener thread.
 *
 *   no session ── a navigation ─▶ to the provider ─▶ .login/callback ─▶ session ─▶ to where it began
 *        └────── anything else ─▶ 401                                     │ time to renew ─▶ renewed, or over
 *                                                                .login/logout ─▶ over, to the provider
 *
 * The browser keeps both the login that has begun and the session, sealed; a thread keeps nothing but opened cookies, so any
 * thread, and the server after a restart, goes on with them. Where a login returns to is the path it began at, so nobody
 * can have it lead elsewhere. What needs the provider is asked of the main thread.
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { ThreadLink } from '../link.ts';
import type { GatewayRequest, Policy, Verdict, WholeAnswer } from '../policy.ts';
import { COOKIE_BYTES_MAX, readCookies, Sealer, setCookie } from './cookies.ts';
import type { Begun, LoggedIn, LoginQuestion, LoginReply } from './question.ts';
import { type LoginPaths, type LoginSpec, loginPaths } from './spec.ts';

const LOGIN_S = 600;
/** Logins that one browser has begun at once, as in several tabs; beyond it they are forgotten. */
const BEGUN_MAX = 3;
const STATE_SHOWN = 8;
const RETURN_BYTES_MAX = 768;
const NO_BODY = Buffer.alloc(0);
const PRINTABLE = /^[\x20-\x7e]*$/;

export interface LoginParts {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'tokensKeptMax'>;
  readonly link: ThreadLink;
}

interface Session extends LoggedIn {
  readonly expiresS: number;
}

interface Pending extends Begun {
  readonly returnTo: string;
}

/** @param path the route's template @throws RESOURCE_INVALID */
export function compileLogin(route: string, spec: LoginSpec, path: string, parts: LoginParts): Policy {
  const login = new Login(route, spec, loginPaths(path), parts);
  return { name: 'login', check: (request) => login.check(request) };
}

class Login {
  readonly #route: string;
  readonly #spec: LoginSpec;
  readonly #paths: LoginPaths;
  readonly #parts: LoginParts;
  readonly #sealer: Sealer;
  readonly #secure: boolean;
  readonly #cookie: string;
  /** Below the route's prefix. */
  readonly #home: string;
  /** By cookie; the one opened longest ago comes first. */
  readonly #opened = new Map<string, Session>();

  constructor(route: string, spec: LoginSpec, paths: LoginPaths, parts: LoginParts) {
    this.#route = route;
    this.#spec = spec;
    this.#paths = paths;
    this.#parts = parts;
    this.#sealer = new Sealer(() => parts.link.shared('loginKey'), parts.clock);
    this.#home = paths.callback.slice(0, -'.login/callback'.length);
    this.#secure = spec.url.startsWith('https:');
    this.#cookie = `${this.#secure ? '__Host-' : ''}sluice-${route}`;
  }

  check(request: GatewayRequest): Verdict | Promise<Verdict> {
    const cookies = readCookies(request.headers);
    if (request.path === this.#paths.callback) return this.#finish(request, cookies);
    const sealed = cookies.find(([name]) => name === this.#cookie)?.[1];
    if (request.path === this.#paths.logout) return this.#logout(request, sealed);
    const opened = sealed === undefined ? undefined : this.#opened.get(sealed);
    if (opened !== undefined && this.#isFresh(opened)) return this.#letOn(request, cookies, opened);
    return this.#open(request, cookies, sealed);
  }

  async #open(request: GatewayRequest, cookies: [string, string][], sealed: string | undefined): Promise<Verdict> {
    const session = await this.#session(sealed);
    if (session === undefined) return await this.#begin(request, cookies);
    if (this.#isFresh(session)) return this.#letOn(request, cookies, session);
    const { expiresS, ...rest } = session;
    const reply = await this.#ask({ step: 'renew', route: this.#route, session: rest });
    if (reply.kind !== 'in') return await this.#begin(request, cookies);
    await this.#keep(request, { ...reply.session, expiresS });
    return this.#letOn(request, cookies, { ...reply.session, expiresS });
  }

  /** What a cookie holds, if it is good. */
  async #session(sealed: string | undefined): Promise<Session | undefined> {
    if (sealed === undefined) return undefined;
    const opened = await this.#sealer.open(this.#purpose('session'), sealed);
    if (opened === undefined) return undefined;
    const session: Session = { ...(opened.value as LoggedIn), expiresS: opened.expiresS };
    this.#opened.set(sealed, session);
    if (this.#opened.size > this.#parts.limits.tokensKeptMax) {
      for (const oldest of this.#opened.keys()) {
        this.#opened.delete(oldest);
        break;
      }
    }
    return session;
  }

  #isFresh({ expiresS, freshUntilS }: Session): boolean {
    return this.#nowS() < Math.min(expiresS, freshUntilS ?? Number.POSITIVE_INFINITY);
  }

  #letOn(request: GatewayRequest, cookies: [string, string][], { claims }: Session): Verdict {
    request.claims = claims;
    request.spent.add('cookie');
    const others = cookies.filter(([name]) => !this.#isOurs(name)).map(([name, value]) => `${name}=${value}`);
    if (others.length > 0) request.upstreamHeaders.push('cookie', others.join('; '));
    for (const [field, claim] of Object.entries(this.#spec.headers)) {
      request.spent.add(field);
      const value = claims[claim];
      if (value === undefined || value === null) continue;
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      request.upstreamHeaders.push(field, PRINTABLE.test(text) ? text : encodeURIComponent(text));
    }
    return undefined;
  }

  async #begin(request: GatewayRequest, cookies: [string, string][]): Promise<Verdict> {
    if (!isNavigation(request)) return new SluiceError('LOGIN_REQUIRED');
    const reply = await this.#ask({ step: 'begin', route: this.#route });
    if (reply.kind !== 'begun') return new SluiceError('LOGIN_UNAVAILABLE');
    const { path, query } = request;
    const asked = query === '' ? path : `${path}?${query}`;
    const pending: Pending = { ...reply.begun, returnTo: asked.length > RETURN_BYTES_MAX ? this.#home : asked };
    const value = await this.#sealer.seal(this.#purpose('login'), pending, this.#nowS() + LOGIN_S);
    if (value === undefined) return new SluiceError('LOGIN_UNAVAILABLE');
    const before = cookies.map(([name]) => name).filter((name) => name.startsWith(this.#pendingName('')));
    const fields = before.length < BEGUN_MAX ? [] : before.map((name) => this.#set(name, '', 0));
    return redirect(reply.url, [...fields, this.#set(this.#pendingName(pending.state), value, LOGIN_S)]);
  }

  /** The provider has sent the browser back. */
  async #finish(request: GatewayRequest, cookies: [string, string][]): Promise<Verdict> {
    if (request.method !== 'GET') return new SluiceError('LOGIN_FAILED');
    const name = this.#pendingName(new URLSearchParams(request.query).get('state') ?? '');
    const sealed = cookies.find(([one]) => one === name)?.[1];
    const opened = sealed === undefined ? undefined : await this.#sealer.open(this.#purpose('login'), sealed);
    if (opened === undefined) return new SluiceError('LOGIN_FAILED');
    // Whatever comes of it, it was one attempt.
    request.answerHeaders.push('set-cookie', this.#set(name, '', 0));
    const { returnTo, ...begun } = opened.value as Pending;
    const url = `${this.#spec.url}${this.#paths.callback}?${request.query}`;
    const reply = await this.#ask({ step: 'finish', route: this.#route, url, begun });
    if (reply.kind !== 'in') return new SluiceError('LOGIN_FAILED');
    await this.#keep(request, { ...reply.session, expiresS: this.#nowS() + this.#spec.session_s });
    return redirect(`${this.#spec.url}${returnTo}`, []);
  }

  async #logout(request: GatewayRequest, sealed: string | undefined): Promise<Verdict> {
    if (request.header('sec-fetch-site') === 'cross-site') return new SluiceError('LOGIN_REQUIRED');
    const session = await this.#session(sealed);
    if (sealed !== undefined) this.#opened.delete(sealed);
    const refreshToken = session?.refreshToken ?? null;
    // A provider that cannot be reached keeps nobody logged in here.
    const reply = await this.#ask({ step: 'logout', route: this.#route, refreshToken }).catch(() => undefined);
    return redirect(reply?.kind === 'out' ? reply.url : this.#spec.url, [this.#set(this.#cookie, '', 0)]);
  }

  /** @throws LOGIN_FAILED when a cookie cannot hold it */
  async #keep(request: GatewayRequest, { expiresS, ...session }: Session): Promise<void> {
    const value = await this.#sealer.seal(this.#purpose('session'), session, expiresS);
    if (value === undefined) throw new SluiceError('LOGIN_UNAVAILABLE');
    if (value.length > COOKIE_BYTES_MAX) {
      throw new SluiceError('LOGIN_FAILED', 'the session is larger than a cookie may be: keep fewer claims');
    }
    request.answerHeaders.push('set-cookie', this.#set(this.#cookie, value, expiresS - this.#nowS()));
  }

  #ask(question: LoginQuestion): Promise<LoginReply> {
    return this.#parts.link.ask('login', question);
  }

  /** A cookie of another route, or of another provider of this one, is not good here. */
  #purpose(what: 'session' | 'login'): string {
    return `${what} ${this.#route} ${this.#spec.issuer} ${this.#spec.client_id}`;
  }

  #pendingName(state: string): string {
    return `${this.#cookie}-login-${state.slice(0, STATE_SHOWN)}`;
  }

  #isOurs(name: string): boolean {
    return name === this.#cookie || name.startsWith(this.#pendingName(''));
  }

  #set(name: string, value: string, maxAgeS: number): string {
    return setCookie(name, value, maxAgeS, this.#secure);
  }

  #nowS(): number {
    return Math.floor(this.#parts.clock.now() / 1000);
  }
}

/** Whether a person is on the way to a page, who can be led elsewhere: no script, no frame, no form. */
function isNavigation(request: GatewayRequest): boolean {
  if (request.method !== 'GET') return false;
  const mode = request.header('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate' && (request.header('sec-fetch-dest') ?? 'document') === 'document';
  return request.header('accept')?.includes('text/html') === true;
}

function redirect(location: string, cookies: readonly string[]): WholeAnswer {
  const headers = ['location', location, 'cache-control', 'no-store'];
  for (const cookie of cookies) headers.push('set-cookie', cookie);
  return { status: 303, headers, body: NO_BODY };
}
