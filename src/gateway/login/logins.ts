/**
 * The logins of all routes, on the main thread: answers what listener threads ask, and keeps the key that cookies are sealed
 * with in a file of mode 0600, made at the first route that needs it. Without the file everybody logs in anew.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { MainLink } from '../link.ts';
import { GuardedFetch } from '../upstream/guarded-fetch.ts';
import type { LoginProvider, ProviderParts } from './provider.ts';
import type { LoginQuestion, LoginReply } from './question.ts';
import { type LoginSpec, loginPaths } from './spec.ts';

/** With the library that it stands on; not with the gateway, which may never see a login. */
const loadProvider = () => import('./provider.ts');
const KEY_BYTES = 32;
const OTHERS = 0o077;

export interface LoginsParts {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'keySetMs' | 'keySetBytesMax'>;
}

interface Known {
  readonly spec: LoginSpec;
  readonly provider: LoginProvider;
}

export class Logins {
  readonly #keyFile: string;
  readonly #fetch: GuardedFetch;
  readonly #parts: ProviderParts;
  readonly #link: MainLink;
  readonly #specOf: (route: string) => { readonly path: string; readonly login?: LoginSpec | undefined } | undefined;
  readonly #known = new Map<string, Known>();
  #ready = false;

  /** @param specOf the route as it is declared now */
  constructor(
    keyFile: string,
    { clock, limits }: LoginsParts,
    link: MainLink,
    specOf: (route: string) => { readonly path: string; readonly login?: LoginSpec | undefined } | undefined,
  ) {
    this.#keyFile = keyFile;
    this.#fetch = new GuardedFetch(limits);
    this.#parts = { clock, limits, fetch: this.#fetch };
    this.#link = link;
    this.#specOf = specOf;
    link.answer('login', (question) => this.#answer(question));
  }

  /** Before the first route with a login. @throws CONFIG_INVALID when others may read the key */
  prepare(): void {
    if (this.#ready) return;
    this.#link.share('loginKey', readKey(this.#keyFile));
    this.#ready = true;
    // Before somebody waits for it; who comes before it is there loads it with them, and is told what failed.
    loadProvider().catch(() => undefined);
  }

  close(): Promise<void> {
    return this.#fetch.destroy();
  }

  async #answer(question: LoginQuestion): Promise<LoginReply> {
    const provider = await this.#provider(question.route);
    switch (question.step) {
      case 'begin':
        return await provider.begin();
      case 'finish':
        return await provider.finish(question.url, question.begun);
      case 'renew':
        return await provider.renew(question.session);
      case 'logout':
        return await provider.logout(question.refreshToken);
    }
  }

  /** @throws LOGIN_UNAVAILABLE when the route is gone meanwhile */
  async #provider(route: string): Promise<LoginProvider> {
    const { LoginProvider } = await loadProvider();
    const spec = this.#specOf(route);
    if (spec?.login === undefined) {
      this.#known.delete(route);
      throw new SluiceError('LOGIN_UNAVAILABLE');
    }
    const known = this.#known.get(route);
    if (known?.spec === spec.login) return known.provider;
    const provider = new LoginProvider(spec.login, loginPaths(spec.path), this.#parts);
    this.#known.set(route, { spec: spec.login, provider });
    return provider;
  }
}

function readKey(path: string): Uint8Array {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    const key = randomBytes(KEY_BYTES);
    writeFileSync(path, key, { mode: 0o600, flag: 'wx', flush: true });
    return new Uint8Array(key);
  }
  const key = readFileSync(path);
  if ((stat.mode & OTHERS) !== 0 || key.length !== KEY_BYTES) {
    throw new SluiceError('CONFIG_INVALID', `${path} must be a key of ${KEY_BYTES} bytes that only its owner may read`);
  }
  return new Uint8Array(key);
}
